#include "inquiry_world.h"

#include "popbridge/base/mem.h"
#include "support/name_server.h"

static void
pass_through_is_answered_at_once_and_without_a_thread(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	hold_threads(w);
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@pass.example", "geheim");
	w->inquiry = begin(w);
	a = pb_inquiry_answer(w->inquiry);
	assert_non_null(a);
	assert_is(a, "max", "geheim", "");
	assert_false(a->identity.ours);
	assert_string_equal(a->route->config->name, "pass");
	assert_int_equal(a->servers.n, 1);
	assert_server(a, 0, "imaps://imap.pass.example:993");
	assert_string_equal(a->domain, "");
	let_go(w);
	assert_int_equal(w->readies, 0);
}

static void
the_upstream_is_told_the_rewritten_login(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "Max%pass.example", "geheim");
	assert_is(ask_at_once(w), "Max", "geheim", "");
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "Max@Plain.example", "geheim");
	assert_is(ask_at_once(w), "Max@Plain.example", "geheim", "");
}

static void
password_and_authzid_are_the_clients_own(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@pass.example",
	    "ge\xff" "heim \"\\");
	w->question.claim.authzid = OCTETS("moritz@pass.example");
	a = ask_at_once(w);
	assert_is(a, "max", "ge\xff" "heim \"\\", "moritz@pass.example");
	assert_false(a->identity.ours);
}

static void
a_login_that_no_route_takes_is_refused(void **state)
{
	static char long_one[PB_ROUTE_LOGIN_MAX + 2];
	static const struct {
		const char *user;
		const char *why;
	} rows[] = {
		{ "max@elsewhere.org", "no route" },
		{ "max", "no route" },
		{ "", "no route" },
		{ "max\n@pass.example", "no route" },
		{ long_one, "too long" },
	};
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	memset(long_one, 'a', sizeof(long_one) - 1);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		claim(w, PB_BRIDGE_PROOF_PASSWORD, rows[i].user, "geheim");
		a = ask_at_once(w);
		assert_refused(a, PB_ERROR_AUTH, rows[i].why);
		assert_null(a->route);
		assert_int_equal(a->servers.n, 0);
	}
}

static void
a_route_is_for_its_listeners_only(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@card.example", "geheim");
	w->question.listener = "gate";
	a = ask_at_once(w);
	assert_good(a);
	assert_string_equal(a->route->config->name, "card");
}

static void
upstream_auth_says_how_to_log_in(void **state)
{
	static const struct {
		const char *user;
		enum pb_bridge_proof proof;
		enum pb_imap_auth auth;
	} rows[] = {
		{ "m@pass.example", PB_BRIDGE_PROOF_PASSWORD,
		    PB_IMAP_AUTH_AUTO },
		{ "m@plain.example", PB_BRIDGE_PROOF_PASSWORD,
		    PB_IMAP_AUTH_PLAIN },
		{ "m@login.example", PB_BRIDGE_PROOF_PASSWORD,
		    PB_IMAP_AUTH_LOGIN },
		/* Some clients have the token where a password goes. */
		{ "m@xoauth2.example", PB_BRIDGE_PROOF_PASSWORD,
		    PB_IMAP_AUTH_XOAUTH2 },
		{ "m@bearer.example", PB_BRIDGE_PROOF_PASSWORD,
		    PB_IMAP_AUTH_OAUTHBEARER },
		{ "m@pass.example", PB_BRIDGE_PROOF_TOKEN,
		    PB_IMAP_AUTH_TOKEN },
		{ "m@xoauth2.example", PB_BRIDGE_PROOF_TOKEN,
		    PB_IMAP_AUTH_XOAUTH2 },
		{ "m@bearer.example", PB_BRIDGE_PROOF_TOKEN,
		    PB_IMAP_AUTH_OAUTHBEARER },
	};
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		claim(w, rows[i].proof, rows[i].user, "token");
		a = ask_at_once(w);
		assert_good(a);
		assert_int_equal(a->identity.auth, rows[i].auth);
		ASSERT_TEXT(pb_secret_reveal(&a->identity.password), "token");
	}
}

static void
a_token_is_no_password(void **state)
{
	static const char *const users[] = { "max@plain.example",
		"max@login.example" };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(users); i++) {
		ROW(users, i);
		claim(w, PB_BRIDGE_PROOF_TOKEN, users[i], "geheim");
		assert_refused(ask_at_once(w), PB_ERROR_PERMANENT,
		    "wants a password");
	}
}

static void
what_does_not_show_the_password_cannot_be_passed_through(void **state)
{
	static const enum pb_bridge_proof proofs[] = {
		PB_BRIDGE_PROOF_CRAM_MD5, PB_BRIDGE_PROOF_APOP,
		PB_BRIDGE_PROOF_SCRAM };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(proofs); i++) {
		ROW(proofs, i);
		claim(w, proofs[i], "max@pass.example", "geheim");
		w->question.claim.challenge = OCTETS("<1@example>");
		assert_refused(ask_at_once(w), PB_ERROR_PERMANENT,
		    "identity = pass-through");
	}
	w->question.kind = PB_INQUIRY_KEYS;
	assert_refused(ask_at_once(w), PB_ERROR_PERMANENT,
	    "SCRAM is for accounts");
}

/* By the certificate of `name`, at the listener that asks for one. */
static void
show_certificate(struct world *w, const char *name, const char *authzid)
{
	claim(w, PB_BRIDGE_PROOF_CERTIFICATE, "", "");
	w->question.listener = "gate";
	w->question.certified = pb_slice_str(name);
	w->question.claim.authzid = pb_slice_str(authzid);
}

static void
for_whom_a_certificate_names_the_master_user_acts(void **state)
{
	static const char *const authzids[] = { "", "max@card.example" };
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	for (i = 0; i < COUNT(authzids); i++) {
		ROW(authzids, i);
		show_certificate(w, "max@card.example", authzids[i]);
		/* Whom the client says it is counts for nothing. */
		w->question.claim.user = OCTETS("moritz@pass.example");
		a = ask_at_once(w);
		assert_is(a, "master", "master-geheim", "max");
		assert_true(a->identity.ours);
		assert_int_equal(a->identity.auth, PB_IMAP_AUTH_PLAIN);
		assert_server(a, 0, "imaps://imap.card.example:993");
	}
}

static void
without_a_named_certificate_nobody_comes_in_by_one(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	show_certificate(w, "", "max@card.example");
	w->question.claim.user = OCTETS("max@card.example");
	a = ask_at_once(w);
	assert_refused(a, PB_ERROR_AUTH, "no certificate");
	assert_null(a->route);
	assert_int_equal(pb_secret_reveal(&a->identity.password).len, 0);
}

static void
a_certificate_lets_nobody_act_for_somebody_else(void **state)
{
	static const char *const authzids[] = { "moritz@card.example", "max",
		"max@card.example.", "max@card.exampl" };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(authzids); i++) {
		ROW(authzids, i);
		show_certificate(w, "max@card.example", authzids[i]);
		assert_refused(ask_at_once(w), PB_ERROR_AUTH,
		    "names somebody else");
	}
}

static void
a_certificate_needs_a_master_user(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	show_certificate(w, "max@pass.example", "");
	a = ask_at_once(w);
	assert_refused(a, PB_ERROR_PERMANENT, "has no "
	    "master-user");
	assert_string_equal(a->route->config->name, "pass");
}

static int
start_with_names(void **state)
{
	pb_discovery_use("127.0.0.1", pbt_name_server_start()->port);
	return start(state);
}

static int
stop_with_names(void **state)
{
	int rc = stop(state);

	pbt_name_server_stop();
	pb_discovery_use(NULL, 0);
	return rc;
}

static void
servers_are_discovered_in_their_order_and_the_domain_is_kept(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "Max@Two.Example", "geheim");
	a = ask(w);
	assert_is(a, "Max@Two.Example", "geheim", "");
	assert_int_equal(a->servers.n, 2);
	assert_server(a, 0, "imaps://first.two.example:1993");
	assert_server(a, 1, "imaps://second.two.example:993");
	assert_string_equal(a->domain, "two.example");
	assert_string_equal(a->route->config->name, "found");
}

static void
without_a_domain_nothing_is_discovered(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "nowhere", "geheim");
	a = ask(w);
	assert_refused(a, PB_ERROR_AUTH, "no domain");
	assert_int_equal(a->servers.n, 0);
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@a b.example", "geheim");
	assert_refused(ask(w), PB_ERROR_AUTH, "no domain");
}

static void
a_domain_without_imap_is_told_from_a_dead_name_server(void **state)
{
	static const char *const domains[] = { "max@nx.example",
		"max@empty.example", "max@none.example" };
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	size_t i;

	for (i = 0; i < COUNT(domains); i++) {
		ROW(domains, i);
		claim(w, PB_BRIDGE_PROOF_PASSWORD, domains[i], "geheim");
		a = ask(w);
		assert_refused(a, PB_ERROR_PERMANENT, "offers no IMAP");
		assert_int_equal(a->servers.n, 0);
		assert_string_equal(a->route->config->name, "found");
	}
	pbt_name_server_end();
	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@two.example", "geheim");
	assert_refused(ask(w), PB_ERROR_TEMPORARY, "do not answer");
}

static void
who_is_refused_is_not_discovered_for(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_APOP, "max@two.example", "geheim");
	assert_refused(ask_at_once(w), PB_ERROR_PERMANENT, "pass-through");
}

static void
left_while_dns_is_asked_it_calls_nobody(void **state)
{
	struct world *w = *state;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@x.mute.example", "geheim");
	w->inquiry = begin(w);
	pbt_name_server_wait();
	assert_null(pb_inquiry_answer(w->inquiry));
	pb_inquiry_leave(&w->inquiry);
	assert_null(w->inquiry);
	/* The thread still needs it. */
	assert_int_equal(w->snapshot->refs, 2);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(w->readies, 0);
	assert_int_equal(w->snapshot->refs, 1);
}

static void
more_discoveries_than_the_most_at_a_time_are_told_to_come_again(void **state)
{
	struct world *w = *state;
	struct pb_inquiry *q[PB_INQUIRY_DISCOVERIES_MAX];
	unsigned round;
	size_t i;

	for (round = 0; round < 2; round++) {
		hold_threads(w);
		claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@two.example", "x");
		for (i = 0; i < COUNT(q); i++) {
			q[i] = begin(w);
			assert_null(pb_inquiry_answer(q[i]));
		}
		w->inquiry = begin(w);
		assert_refused(pb_inquiry_answer(w->inquiry),
		    PB_ERROR_TEMPORARY, "too many logins");
		pb_inquiry_leave(&w->inquiry);
		/* Whose server is known does not wait for that. */
		claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@pass.example", "x");
		w->inquiry = begin(w);
		assert_is(pb_inquiry_answer(w->inquiry), "max", "x", "");
		pb_inquiry_leave(&w->inquiry);
		for (i = 0; i < COUNT(q); i++)
			pb_inquiry_leave(&q[i]);
		let_go(w);
	}
}

static void
nothing_is_left_of_nothing(void **state)
{
	struct pb_inquiry *none = NULL;

	(void)state;
	pb_inquiry_leave(&none);
	assert_null(none);
}

static void
without_memory_it_says_so(void **state)
{
	struct world *w = *state;
	struct pb_inquiry_answer *a;
	unsigned long n;
	bool good = false;

	claim(w, PB_BRIDGE_PROOF_PASSWORD, "max@pass.example", "geheim");
	for (n = 1; !good; n++) {
		pb_mem_fail_from(n);
		w->inquiry = begin(w);
		pb_mem_fail_from(0);
		assert_int_equal(w->inquiry == NULL, n == 1);
		if (n == 1)
			continue;
		a = pb_inquiry_answer(w->inquiry);
		assert_non_null(a);
		good = a->good;
		if (!good)
			assert_refused(a, PB_ERROR_INTERNAL, "no memory");
		pb_inquiry_leave(&w->inquiry);
	}
	assert_true(n > 5);
}

#define with_names(test) cmocka_unit_test_setup_teardown(test, \
	start_with_names, stop_with_names)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(pass_through_is_answered_at_once_and_without_a_thread),
		in_world(the_upstream_is_told_the_rewritten_login),
		in_world(password_and_authzid_are_the_clients_own),
		in_world(a_login_that_no_route_takes_is_refused),
		in_world(a_route_is_for_its_listeners_only),
		in_world(upstream_auth_says_how_to_log_in),
		in_world(a_token_is_no_password),
		in_world(
		    what_does_not_show_the_password_cannot_be_passed_through),
		in_world(for_whom_a_certificate_names_the_master_user_acts),
		in_world(without_a_named_certificate_nobody_comes_in_by_one),
		in_world(a_certificate_lets_nobody_act_for_somebody_else),
		in_world(a_certificate_needs_a_master_user),
		with_names(
		servers_are_discovered_in_their_order_and_the_domain_is_kept),
		with_names(without_a_domain_nothing_is_discovered),
		with_names(
		    a_domain_without_imap_is_told_from_a_dead_name_server),
		with_names(who_is_refused_is_not_discovered_for),
		with_names(left_while_dns_is_asked_it_calls_nobody),
		with_names(
	more_discoveries_than_the_most_at_a_time_are_told_to_come_again),
		in_world(nothing_is_left_of_nothing),
		in_world(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
