#include "inquiry_world.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/verifier.h"
#include "support/name_server.h"

/* What all tests here find in the table; the password is "geheim". */
static const struct row {
	const char *name;
	const char *upstream_user;
	const char *upstream_password;	/* "": none */
	const char *listener;	/* NULL: all */
	const char *network;	/* NULL: all */
} table[] = {
	{ "max@own.example", "someone@far.example", "far-geheim", NULL,
	    NULL },
	{ "same@own.example", "Same@own.example", "far-geheim", NULL, NULL },
	{ "bare@own.example", "bare@own.example", "", NULL, NULL },
	{ "gate@own.example", "gate", "far-geheim", "gate", NULL },
	{ "near@own.example", "near", "far-geheim", NULL, "198.51.100.0/24" },
	{ "max@boss.example", "someone@far.example", "", NULL, NULL },
	{ "same@boss.example", "same@boss.example", "", NULL, NULL },
	{ "rich@boss.example", "rich@far.example", "far-geheim", NULL, NULL },
	{ "max@starttls.example", "max@starttls.example", "far-geheim", NULL,
	    NULL },
};

static void
add_row(struct pb_accounts *accounts, const struct row *row)
{
	struct pb_account account = { .enabled = true };
	const struct pb_account_secrets secrets = {
		.password = OCTETS("geheim"), .recoverable = true,
		.upstream_password = row->upstream_password[0] != '\0'
		    ? pb_slice_str(row->upstream_password)
		    : pb_slice(NULL, 0) };
	struct pb_error err = { .text = "" };
	bool scram;

	snprintf(account.name, sizeof(account.name), "%s", row->name);
	snprintf(account.upstream_user, sizeof(account.upstream_user), "%s",
	    row->upstream_user);
	if (row->listener != NULL)
		snprintf(account.listeners[account.n_listeners++],
		    PB_ACCOUNT_LISTENER_SIZE, "%s", row->listener);
	if (row->network != NULL)
		assert_int_equal(pb_network_parse(pb_slice_str(row->network),
		    &account.networks[account.n_networks++]), PB_OK);
	if (pb_account_add(accounts, &account, &secrets, &scram, &err) !=
	    PB_OK)
		fail_msg("%s: %s", row->name, err.text);
}

static int
start_table(void **state)
{
	struct world *w;
	size_t i;

	if (start_all(state) != 0)
		return -1;
	w = *state;
	for (i = 0; i < COUNT(table); i++)
		add_row(w->snapshot->accounts, &table[i]);
	return 0;
}

static void
the_right_password_makes_the_client_who_the_table_says(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@own.example", "geheim");
	a = ask(w);
	assert_is(a, "someone@far.example", "far-geheim", "");
	assert_true(a->identity.ours);
	assert_int_equal(a->identity.auth, PB_IMAP_AUTH_LOGIN);
	assert_string_equal(a->route->config->name, "own");
	assert_int_equal(a->servers.n, 1);
	assert_server(a, 0, "imaps://imap.own.example:993");
	assert_string_equal(a->domain, "");
	/* The account's name is the login as the route reads it. */
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "MAX%own.example", "geheim");
	assert_is(ask(w), "someone@far.example", "far-geheim", "");
}

static void
a_wrong_password_and_an_unknown_name_are_the_same_kind_of_error(void **state)
{
	static const struct {
		const char *user;
		const char *password;
		const char *why;
	} rows[] = {
		{ "max@own.example", "Geheim", "the password is wrong" },
		{ "max@own.example", "", "the password is wrong" },
		{ "max@own.example", "far-geheim", "the password is wrong" },
		{ "nobody@own.example", "geheim", "no such account" },
		/* Only in the table of this name, whatever the route. */
		{ "someone@boss.example", "geheim", "no such account" },
	};
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		claim(w, PB_BRIDGE_PROOF_PASSWORD, rows[i].user,
		    rows[i].password);
		a = ask(w);
		assert_refused(a, PB_ERROR_AUTH, rows[i].why);
		assert_int_equal(pb_secret_reveal(&a->identity.user).len, 0);
		assert_int_equal(pb_secret_reveal(&a->identity.password).len,
		    0);
	}
}

static void
the_table_hears_of_listener_and_address(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "gate@own.example", "geheim");
	assert_refused(ask(w), PB_ERROR_AUTH, "by this listener");
	w->question.listener = "gate";
	assert_is(ask(w), "gate", "far-geheim", "");
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "near@own.example", "geheim");
	assert_refused(ask(w), PB_ERROR_AUTH, "from this network");
	w->question.address[12] = 198;
	w->question.address[13] = 51;
	w->question.address[14] = 100;
	assert_is(ask(w), "near", "far-geheim", "");
}

/* HMAC-MD5 for CRAM-MD5 (RFC 2195), MD5 for APOP (RFC 1939, section 7). */
static void
digest_of(enum pb_bridge_proof proof, const char *challenge, char hex[33])
{
	unsigned char octets[EVP_MAX_MD_SIZE];
	char both[64];
	unsigned n = 0;
	unsigned i;

	snprintf(both, sizeof(both), "%sgeheim", challenge);
	if (proof == PB_BRIDGE_PROOF_CRAM_MD5)
		assert_non_null(HMAC(EVP_md5(), "geheim", 6,
		    (const unsigned char *)challenge, strlen(challenge),
		    octets, &n));
	else
		assert_int_equal(EVP_Digest(both, strlen(both), octets, &n,
		    EVP_md5(), NULL), 1);
	assert_int_equal(n, 16);
	for (i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", octets[i]);
}

static void
digests_are_checked_over_their_challenge(void **state)
{
	static const enum pb_bridge_proof proofs[] = {
		PB_BRIDGE_PROOF_CRAM_MD5, PB_BRIDGE_PROOF_APOP };
	struct world *w = *state;
	char digest[33];
	size_t i;

	for (i = 0; i < COUNT(proofs); i++) {
		ROW(proofs, i);
		digest_of(proofs[i], "<1@example>", digest);
		claim(w, proofs[i], "max@own.example", digest);
		w->question.claim.challenge = OCTETS("<1@example>");
		assert_is(ask(w), "someone@far.example", "far-geheim", "");
		w->question.claim.challenge = OCTETS("<2@example>");
		assert_refused(ask(w), PB_ERROR_AUTH, "wrong");
		/* One is not good for the other. */
		w->question.claim.challenge = OCTETS("<1@example>");
		w->question.claim.proof = proofs[1 - i];
		assert_refused(ask(w), PB_ERROR_AUTH, "wrong");
		w->question.claim.proof = PB_BRIDGE_PROOF_PASSWORD;
		assert_refused(ask(w), PB_ERROR_AUTH, "wrong");
	}
}

static void
what_is_proven_needs_no_password_but_an_account(void **state)
{
	struct world *w = *state;
	unsigned long before = pb_verifier_count();

	claim(w, PB_BRIDGE_PROOF_SCRAM, "max@own.example", "");
	assert_is(ask(w), "someone@far.example", "far-geheim", "");
	claim(w, PB_BRIDGE_PROOF_SCRAM, "nobody@own.example", "");
	assert_refused(ask(w), PB_ERROR_AUTH, "no such account");
	claim(w, PB_BRIDGE_PROOF_CERTIFICATE, "nobody@own.example", "");
	assert_refused(ask_at_once(w), PB_ERROR_AUTH, "no certificate");
	w->question.certified = OCTETS("max@own.example");
	w->question.claim.authzid = OCTETS("max@own.example");
	assert_is(ask(w), "someone@far.example", "far-geheim", "");
	w->question.certified = OCTETS("nobody@own.example");
	assert_refused(ask_at_once(w), PB_ERROR_AUTH, "names somebody else");
	w->question.claim.authzid = OCTETS("");
	assert_refused(ask(w), PB_ERROR_AUTH, "no such account");
	assert_int_equal(pb_verifier_count(), before);
}

static void
an_account_acts_for_nobody_but_itself(void **state)
{
	static const struct {
		const char *authzid;
		bool good;
	} rows[] = {
		{ "max%own.example", true },
		{ "max@own.example", true },
		{ "MAX@own.example", true },
		{ "same@own.example", false },
		{ "max", false },
		{ "max@own.exampl", false },
		{ "someone@far.example", false },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		claim(w, PB_BRIDGE_PROOF_SCRAM, "max%own.example", "");
		w->question.claim.authzid = pb_slice_str(rows[i].authzid);
		if (rows[i].good)
			assert_is(ask(w), "someone@far.example",
			    "far-geheim", "");
		else
			assert_refused(ask_at_once(w), PB_ERROR_AUTH,
			    "nobody but itself");
	}
}

static void
a_token_is_no_proof_for_an_account(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_TOKEN, "max@own.example", "geheim");
	assert_refused(ask_at_once(w), PB_ERROR_PERMANENT, "OAuth token");
}

static void
without_a_password_of_its_own_the_master_user_acts_for_it(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@boss.example", "geheim");
	a = ask(w);
	assert_is(a, "master", "master-geheim", "someone@far.example");
	assert_true(a->identity.ours);
	assert_int_equal(a->identity.auth, PB_IMAP_AUTH_PLAIN);
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "rich@boss.example", "geheim");
	a = ask(w);
	assert_is(a, "rich@far.example", "far-geheim", "");
	assert_true(a->identity.ours);
	assert_int_equal(a->identity.auth, PB_IMAP_AUTH_AUTO);
}

static void
without_both_an_administrator_must_act(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "bare@own.example", "geheim");
	assert_refused(ask(w), PB_ERROR_PERMANENT, "no password for the IMAP");
	/* That is no news for who does not know the password. */
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "bare@own.example", "wrong");
	assert_refused(ask(w), PB_ERROR_AUTH, "the password is wrong");
}

static void
an_upstream_user_that_is_the_accounts_name_the_route_rewrites(void **state)
{
	static const struct {
		const char *login;
		const char *user;
		const char *authzid;
	} rows[] = {
		/* In the letters of the table, however the client writes it. */
		{ "same@own.example", "Same", "" },
		{ "Same@own.example", "Same", "" },
		{ "SAME%own.example", "Same", "" },
		{ "same@boss.example", "master", "same" },
		{ "SAME@Boss.example", "master", "same" },
	};
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		claim(w, PB_BRIDGE_PROOF_SCRAM, rows[i].login, "");
		a = ask(w);
		assert_is(a, rows[i].user, rows[i].authzid[0] != '\0'
		    ? "master-geheim" : "far-geheim", rows[i].authzid);
	}
}

static void
keys_are_those_of_the_table(void **state)
{
	static const char *const users[] = { "max@own.example",
		"MAX%own.example", "nobody@own.example" };
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	struct pb_account_keys want;
	struct pb_error err;
	size_t i;

	w->question.kind = PB_INQUIRY_KEYS;
	for (i = 0; i < COUNT(users); i++) {
		ROW(users, i);
		claim(w, PB_BRIDGE_PROOF_SCRAM, users[i], "");
		a = ask(w);
		assert_good(a);
		assert_int_equal(pb_accounts_keys(w->snapshot->accounts,
		    pb_slice_str(i < 2 ? users[0] : users[i]), &want, &err),
		    PB_OK);
		assert_int_equal(a->keys.iterations, want.iterations);
		ASSERT_OCTETS(pb_slice((char *)a->keys.salt,
		    a->keys.salt_len), pb_slice((char *)want.salt,
		    want.salt_len));
		assert_memory_equal(a->keys.stored_key, want.stored_key, 32);
		assert_memory_equal(a->keys.server_key, want.server_key, 32);
		assert_int_equal(pb_secret_reveal(&a->identity.user).len, 0);
		/* Where to connect is not known before who it is. */
		assert_int_equal(a->servers.n, 0);
	}
}

static void
more_than_the_most_at_a_time_are_told_to_come_again(void **state)
{
	struct world *w = *state;
	struct pb_inquiry *q[PB_INQUIRY_ACCOUNTS_MAX];
	unsigned round;
	size_t i;

	for (round = 0; round < 2; round++) {
		hold_threads(w);
		claim(w, PB_BRIDGE_PROOF_SCRAM, "max@own.example", "");
		for (i = 0; i < COUNT(q); i++) {
			w->question.kind = i % 2 == 0 ? PB_INQUIRY_KEYS
						      : PB_INQUIRY_WHO;
			q[i] = begin(w);
			assert_null(pb_inquiry_answer(q[i]));
		}
		w->inquiry = begin(w);
		assert_refused(pb_inquiry_answer(w->inquiry),
		    PB_ERROR_TEMPORARY, "too many logins");
		pb_inquiry_leave(&w->inquiry);
		/* Who is passed through does not wait for that. */
		claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@pass.example", "x");
		w->question.kind = PB_INQUIRY_WHO;
		w->inquiry = begin(w);
		assert_is(pb_inquiry_answer(w->inquiry), "max", "x", "");
		pb_inquiry_leave(&w->inquiry);
		/* Half of them are cancelled, half are answered. */
		for (i = 0; i < COUNT(q) / 2; i++)
			pb_inquiry_leave(&q[i]);
		let_go(w);
		assert_int_equal(w->readies, COUNT(q) / 2);
		w->readies = 0;
		for (; i < COUNT(q); i++) {
			assert_good(pb_inquiry_answer(q[i]));
			pb_inquiry_leave(&q[i]);
		}
		claim(w, PB_BRIDGE_PROOF_SCRAM, "max@own.example", "");
		assert_good(ask(w));
		pb_inquiry_leave(&w->inquiry);
	}
}

static void
left_before_it_runs_it_is_cancelled(void **state)
{
	struct world *w = *state;
	unsigned long before = pb_verifier_count();

	hold_threads(w);
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@own.example", "geheim");
	w->inquiry = begin(w);
	pb_inquiry_leave(&w->inquiry);
	assert_null(w->inquiry);
	let_go(w);
	assert_int_equal(w->readies, 0);
	assert_int_equal(pb_verifier_count(), before);
	assert_int_equal(w->snapshot->refs, 1);
}

static void
left_after_it_ran_and_before_the_loop_knows_it_calls_nobody(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@own.example", "geheim");
	w->inquiry = begin(w);
	/* The one thread is behind it when it is held. */
	hold_threads(w);
	assert_null(pb_inquiry_answer(w->inquiry));
	pb_inquiry_leave(&w->inquiry);
	let_go(w);
	assert_int_equal(w->readies, 0);
	assert_int_equal(w->snapshot->refs, 1);
}

static void
the_snapshot_lives_until_the_inquiry_ends(void **state)
{
	struct world *w = *state;
	struct pb_config *config = load_config(w);
	struct pb_snapshot *snapshot = load_snapshot(config);
	struct pb_inquiry_answer *a;

	pb_config_unref(&config);
	hold_threads(w);
	w->question.snapshot = snapshot;
	w->question.listener = snapshot->config->listener[0].name;
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@boss.example", "geheim");
	w->inquiry = begin(w);
	pb_snapshot_unref(&snapshot);
	w->question.snapshot = w->snapshot;
	let_go(w);
	assert_int_equal(w->readies, 1);
	a = pb_inquiry_answer(w->inquiry);
	assert_is(a, "master", "master-geheim", "someone@far.example");
	assert_string_equal(a->route->config->name, "boss");
	assert_string_equal(a->identity.options->mailbox, "INBOX");
}

static void
servers_are_discovered_for_accounts_that_may_come_in(void **state)
{
	struct world *w = *state;
	struct pbt_name_server *names = pbt_name_server_start();
	struct pb_inquiry_answer *a;

	pb_discovery_use("127.0.0.1", names->port);
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@starttls.example", "wrong");
	assert_refused(ask(w), PB_ERROR_AUTH, "the password is wrong");
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@starttls.example", "geheim");
	w->question.kind = PB_INQUIRY_KEYS;
	a = ask(w);
	assert_good(a);
	assert_int_equal(a->servers.n, 0);
	w->question.kind = PB_INQUIRY_WHO;
	a = ask(w);
	assert_is(a, "max@starttls.example", "far-geheim", "");
	assert_true(a->identity.ours);
	assert_int_equal(a->servers.n, 1);
	assert_server(a, 0, "imap://imap.starttls.example:143");
	assert_string_equal(a->domain, "starttls.example");
	pbt_name_server_end();
	/* Only the last one made it ask, twice. */
	assert_int_equal(names->questions, 2);
	assert_refused(ask(w), PB_ERROR_TEMPORARY, "do not answer");
	pbt_name_server_stop();
	pb_discovery_use(NULL, 0);
}

static void
fail_allocations(uv_work_t *req)
{
	const unsigned long *from = req->data;

	pb_mem_fail_from(*from);
}

static void
without_memory_on_the_thread_it_says_so(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	unsigned long from = 0;
	unsigned long never = 0;
	uv_work_t before = { .data = &from };
	uv_work_t behind = { .data = &never };
	bool good = false;

	claim(w, PB_BRIDGE_PROOF_SCRAM, "max@own.example", "");
	while (!good) {
		from++;
		assert_int_equal(uv_queue_work(&w->loop, &before,
		    fail_allocations, NULL), 0);
		w->inquiry = begin(w);
		assert_int_equal(uv_queue_work(&w->loop, &behind,
		    fail_allocations, NULL), 0);
		assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
		a = pb_inquiry_answer(w->inquiry);
		good = a->good;
		if (!good)
			assert_refused(a, PB_ERROR_INTERNAL, "no memory");
		pb_inquiry_leave(&w->inquiry);
	}
	assert_true(from > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(
		    the_right_password_makes_the_client_who_the_table_says),
		in_world(
	a_wrong_password_and_an_unknown_name_are_the_same_kind_of_error),
		in_world(the_table_hears_of_listener_and_address),
		in_world(digests_are_checked_over_their_challenge),
		in_world(what_is_proven_needs_no_password_but_an_account),
		in_world(an_account_acts_for_nobody_but_itself),
		in_world(a_token_is_no_proof_for_an_account),
		in_world(
		    without_a_password_of_its_own_the_master_user_acts_for_it),
		in_world(without_both_an_administrator_must_act),
		in_world(
	an_upstream_user_that_is_the_accounts_name_the_route_rewrites),
		in_world(keys_are_those_of_the_table),
		in_world(more_than_the_most_at_a_time_are_told_to_come_again),
		in_world(left_before_it_runs_it_is_cancelled),
		in_world(
		left_after_it_ran_and_before_the_loop_knows_it_calls_nobody),
		in_world(the_snapshot_lives_until_the_inquiry_ends),
		in_world(servers_are_discovered_for_accounts_that_may_come_in),
		in_world(without_memory_on_the_thread_it_says_so),
	};

	return cmocka_run_group_tests(tests, start_table, stop_all);
}
