#include "fixture.h"

#include <pthread.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/proof.h"
#include "popbridge/store/verifier.h"

static void
a_password_lets_in_and_says_whom(void **state)
{
	struct pb_account account = new_account("Max@Example.com");
	const struct pb_account_secrets secrets = {
		.password = OCTETS("geheim"),
		.upstream_password = OCTETS("upstream-geheim") };
	struct pb_account_claim claim = claim_of(OCTETS("mAX@example.COM"),
	    "geheim");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &secrets);
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&grant.user), "someone@example.com");
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "upstream-geheim");
	/* A failure empties what was there. */
	claim.secret = OCTETS("Geheim");
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err),
	    PB_EINVAL);
	assert_int_equal(pb_secret_reveal(&grant.user).len, 0);
	assert_int_equal(pb_secret_reveal(&grant.password).len, 0);
	assert_int_equal(err.kind, PB_ERROR_AUTH);
	assert_int_equal(err.scope, PB_SCOPE_ACCOUNT);
	assert_null(strstr(err.text, "eheim"));
	pb_accounts_unref(&a);
	assert_null(a);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
without_an_upstream_credential_the_password_is_empty(void **state)
{
	const struct pb_account_claim claim = claim_of(OCTETS("max"), "x");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "x");
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_OK);
	assert_int_equal(pb_secret_reveal(&grant.password).len, 0);
	pb_account_grant_clear(&grant);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
every_refusal_hashes_a_password_once(void **state)
{
	static const struct {
		const char *name;
		const char *password;
		const char *why;
	} rows[] = {
		{ "max", "right", NULL },
		{ "max", "wrong", WRONG },
		{ "nobody", "right", UNKNOWN },
		{ "off", "right", "the account is disabled" },
		{ "far", "right", "the account may not come from this "
		    "network" },
		{ "aside", "right", "the account may not come in by this "
		    "listener" },
		{ "card", "right", "the account has no password" },
		{ "", "right", UNKNOWN },
		{ "a\nb", "right", UNKNOWN },
	};
	struct pb_account account;
	const struct pb_account_secrets right = {
		.password = OCTETS("right") };
	const struct pb_account_secrets none = { .recoverable = false };
	struct pb_accounts *a;
	unsigned long before;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "right");
	account = new_account("off");
	account.enabled = false;
	add(a, &account, &right);
	account = new_account("far");
	assert_int_equal(pb_network_parse(OCTETS("198.51.100.0/24"),
	    &account.networks[account.n_networks++]), PB_OK);
	add(a, &account, &right);
	account = new_account("aside");
	snprintf(account.listeners[account.n_listeners++],
	    PB_ACCOUNT_LISTENER_SIZE, "other");
	add(a, &account, &right);
	account = new_account("card");
	add(a, &account, &none);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		before = pb_verifier_count();
		assert_password(a, rows[i].name, rows[i].password,
		    rows[i].why);
		assert_int_equal(pb_verifier_count(), before + 1);
	}
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
networks_and_listeners_say_from_where(void **state)
{
	static const struct {
		const char *address;
		const char *listener;
		const char *why;
	} rows[] = {
		{ "192.0.2.1", "hall", NULL },
		{ "2001:db8::5", "cellar", NULL },
		{ "192.0.3.1", "hall", "the account may not come from this "
		    "network" },
		{ "2001:db9::5", "hall", "the account may not come from this "
		    "network" },
		{ "192.0.2.1", "Hall", "the account may not come in by this "
		    "listener" },
		{ "192.0.2.1", "", "the account may not come in by this "
		    "listener" },
		{ "192.0.2.1", "hallo", "the account may not come in by this "
		    "listener" },
	};
	struct pb_account account = new_account("scanner");
	const struct pb_account_secrets none = { .recoverable = false };
	struct pb_account_claim claim = claim_of(OCTETS("scanner"), "");
	struct pb_network from;
	struct pb_accounts *a;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	assert_int_equal(pb_network_parse(OCTETS("192.0.2.0/24"),
	    &account.networks[0]), PB_OK);
	assert_int_equal(pb_network_parse(OCTETS("2001:db8::/32"),
	    &account.networks[1]), PB_OK);
	account.n_networks = 2;
	snprintf(account.listeners[0], PB_ACCOUNT_LISTENER_SIZE, "hall");
	snprintf(account.listeners[1], PB_ACCOUNT_LISTENER_SIZE, "cellar");
	account.n_listeners = 2;
	add(a, &account, &none);
	claim.proof = PB_ACCOUNT_PROVEN;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_network_parse(
		    pb_slice_str(rows[i].address), &from), PB_OK);
		memcpy(claim.address, from.address, sizeof(from.address));
		claim.listener = rows[i].listener;
		assert_check(a, &claim, rows[i].why);
	}
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
what_is_proven_needs_an_account_that_may_come_in(void **state)
{
	struct pb_account_claim claim = claim_of(OCTETS("max"), "");
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "x");
	claim.proof = PB_ACCOUNT_PROVEN;
	assert_check(a, &claim, NULL);
	assert_int_equal(pb_account_enable(a, OCTETS("max"), false, &err),
	    PB_OK);
	assert_check(a, &claim, "the account is disabled");
	claim.user = OCTETS("moritz");
	assert_check(a, &claim, UNKNOWN);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

#define NOT_RECOVERABLE "the account has no recoverable password, which " \
	"CRAM-MD5 and APOP need"

static void
cram_md5_and_apop_need_a_recoverable_password(void **state)
{
	struct pb_account account = new_account("tim");
	struct pb_account_secrets secrets = { .recoverable = true,
		.password = OCTETS("tanstaaftanstaaf") };
	struct pb_account_claim claim = claim_of(OCTETS("TIM"),
	    "b913a602c7eda7a495b4e6e7334d3890");
	struct pb_accounts *a;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &secrets);
	claim.proof = PB_ACCOUNT_CRAM_MD5;
	claim.challenge = OCTETS("<1896.697170952@postoffice.reston.mci.net>");
	assert_check(a, &claim, NULL);
	claim.secret = OCTETS("b913a602c7eda7a495b4e6e7334d3899");
	assert_check(a, &claim, WRONG);
	claim.user = OCTETS("tom");
	assert_check(a, &claim, UNKNOWN);
	assert_password(a, "tim", "tanstaaftanstaaf", NULL);

	account = new_account("mrose");
	secrets.password = OCTETS("tanstaaf");
	add(a, &account, &secrets);
	claim = claim_of(OCTETS("mrose"), "c4c9334bac560ecc979e58001b3e22fb");
	claim.proof = PB_ACCOUNT_APOP;
	claim.challenge = OCTETS("<1896.697170952@dbc.mtview.ca.us>");
	assert_check(a, &claim, NULL);
	claim.proof = PB_ACCOUNT_CRAM_MD5;
	assert_check(a, &claim, WRONG);

	add_simple(a, "plain", "tanstaaf");
	claim.proof = PB_ACCOUNT_APOP;
	claim.user = OCTETS("plain");
	assert_check(a, &claim, NOT_RECOVERABLE);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
keys_for_scram_are_those_of_the_password(void **state)
{
	struct pb_account_keys keys;
	struct pb_account_keys want;
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "pencil");
	assert_int_equal(pb_accounts_keys(a, OCTETS("MAX"), &keys, &err),
	    PB_OK);
	assert_true(keys.iterations >= 4096);
	want = keys;
	assert_int_equal(pb_scram_derive(OCTETS("pencil"), &want), PB_OK);
	assert_memory_equal(want.stored_key, keys.stored_key, 32);
	assert_memory_equal(want.server_key, keys.server_key, 32);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
who_has_no_keys_gets_made_up_ones_that_stay(void **state)
{
	static const char *const names[] = { "nobody", "off", "card",
		"latin", "a\nb", "" };
	struct pb_account account = new_account("card");
	const struct pb_account_secrets none = { .recoverable = false };
	struct pb_account_keys first[COUNT(names)];
	struct pb_account_keys keys;
	struct pb_account_keys derived;
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	size_t i;

	(void)state;
	memset(first, 0, sizeof(first));
	memset(&keys, 0, sizeof(keys));
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &none);
	add_simple(a, "off", "x");
	assert_int_equal(pb_account_enable(a, OCTETS("off"), false, &err),
	    PB_OK);
	add_simple(a, "latin", "K\xfc" "che");
	for (i = 0; i < COUNT(names); i++)
		assert_int_equal(pb_accounts_keys(a, pb_slice_str(names[i]),
		    &first[i], &err), PB_OK);
	pb_accounts_unref(&a);
	a = open_accounts(&f);
	for (i = 0; i < COUNT(names); i++) {
		ROW(names, i);
		assert_int_equal(pb_accounts_keys(a, pb_slice_str(names[i]),
		    &keys, &err), PB_OK);
		assert_memory_equal(&keys, &first[i], sizeof(keys));
		assert_int_equal(keys.salt_len, 16);
		assert_int_equal(keys.iterations, PB_SCRAM_ITERATIONS);
		derived = keys;
		assert_int_equal(pb_scram_derive(OCTETS("x"), &derived),
		    PB_OK);
		assert_memory_not_equal(derived.stored_key, keys.stored_key,
		    32);
	}
	/* The case of a name counts no more for those than for others. */
	assert_int_equal(pb_accounts_keys(a, OCTETS("NoBody"), &keys, &err),
	    PB_OK);
	assert_memory_equal(&keys, &first[0], sizeof(keys));
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
names_are_no_sql_no_format_and_no_path(void **state)
{
	static const char *const names[] = { "'--", "' or 1=1 --", "%n%n%s",
		"../x", "x'; drop table account; --", "%", "_", "*",
		"\"x\"", "max@example.com", "ma_", "K\303\274che" };
	struct pb_accounts *a;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "right");
	for (i = 0; i < COUNT(names); i++) {
		ROW(names, i);
		assert_password(a, names[i], "right", UNKNOWN);
	}
	for (i = 0; i < COUNT(names); i++) {
		ROW(names, i);
		add_simple(a, names[i], "own");
		assert_password(a, names[i], "own", NULL);
		assert_password(a, names[i], "right", WRONG);
	}
	assert_password(a, "max", "right", NULL);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
names_have_a_maximum_and_no_nul(void **state)
{
	char name[PB_ACCOUNT_NAME_MAX + 1];
	struct pb_account_claim claim = claim_of(OCTETS("max\0"), "right");
	struct pb_accounts *a;
	struct pbt_guarded g;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "right");
	assert_check(a, &claim, UNKNOWN);
	memset(name, 'x', sizeof(name));
	pbt_guard(&g, pb_slice(name, sizeof(name)));
	claim.user = g.octets;
	assert_check(a, &claim, UNKNOWN);
	claim.user.len--;
	assert_check(a, &claim, UNKNOWN);
	pbt_unguard(&g);
	name[PB_ACCOUNT_NAME_MAX] = '\0';
	add_simple(a, name, "right");
	assert_password(a, name, "right", NULL);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
what_another_process_changes_counts_at_the_next_login(void **state)
{
	const struct pb_account_secrets fresh = { .password = OCTETS("new") };
	struct pb_accounts *serving;
	struct pb_accounts *command;
	struct pb_error err;
	struct folder f;
	bool scram;

	(void)state;
	folder_new(&f);
	serving = open_accounts(&f);
	command = open_accounts(&f);
	assert_password(serving, "max", "old", UNKNOWN);
	add_simple(command, "max", "old");
	assert_password(serving, "max", "old", NULL);
	assert_int_equal(pb_account_set_secrets(command, OCTETS("MAX"), &fresh,
	    &scram, &err), PB_OK);
	assert_true(scram);
	assert_password(serving, "max", "old", WRONG);
	assert_password(serving, "max", "new", NULL);
	assert_int_equal(pb_account_enable(command, OCTETS("max"), false,
	    &err), PB_OK);
	assert_password(serving, "max", "new", "the account is disabled");
	assert_int_equal(pb_account_enable(command, OCTETS("max"), true,
	    &err), PB_OK);
	assert_password(serving, "max", "new", NULL);
	assert_int_equal(pb_account_remove(command, OCTETS("max"), &err),
	    PB_OK);
	assert_password(serving, "max", "new", UNKNOWN);
	pb_accounts_unref(&command);
	pb_accounts_unref(&serving);
	folder_remove(&f);
}

#define ROUNDS 4

struct job {
	struct pb_accounts *accounts;	/* shared */
	const char *name;
	const char *password;
	int result;		/* checks that went as they should */
};

static void *
work(void *ctx)
{
	struct job *job = ctx;
	const struct pb_account_claim claim = claim_of(
	    pb_slice_str(job->name), job->password);
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_account_keys keys;
	struct pb_error err;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		enum pb_status st = pb_accounts_check(job->accounts, &claim,
		    &grant, &err);

		job->result += st == (strcmp(job->name, "nobody") == 0 ?
		    PB_EINVAL : PB_OK);
		job->result += pb_accounts_keys(job->accounts, claim.user,
		    &keys, &err) == PB_OK;
		pb_account_grant_clear(&grant);
	}
	pb_accounts_unref(&job->accounts);
	return NULL;
}

static void
threads_check_at_the_same_time(void **state)
{
	struct job jobs[] = { { NULL, "max", "one", 0 },
		{ NULL, "moritz", "two", 0 }, { NULL, "nobody", "three", 0 } };
	struct pb_account account = new_account("moritz");
	const struct pb_account_secrets secrets = {
		.password = OCTETS("two"),
		.upstream_password = OCTETS("geheim") };
	pthread_t threads[COUNT(jobs)];
	struct pb_accounts *a;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "one");
	add(a, &account, &secrets);
	for (i = 0; i < COUNT(jobs); i++) {
		jobs[i].accounts = pb_accounts_ref(a);
		assert_int_equal(pthread_create(&threads[i], NULL, work,
		    &jobs[i]), 0);
	}
	pb_accounts_unref(&a);
	for (i = 0; i < COUNT(jobs); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(jobs[i].result, 2 * ROUNDS);
	}
	folder_remove(&f);
}

enum { BEGINNERS = 6 };

struct beginner {
	pthread_t thread;
	const struct folder *folder;
	struct pb_accounts *accounts;
	enum pb_status st;
	struct pb_error err;
};

/* By a connection of its own, as another process has it. */
static void *
begin(void *arg)
{
	struct beginner *b = arg;

	b->st = pb_accounts_open(b->folder->file, b->folder->key_file,
	    &b->accounts, &b->err);
	return NULL;
}

/* It is never taken for a foreign one, half made as it is. */
static void
who_begins_the_file_at_the_same_time_finds_it_his_own(void **state)
{
	struct beginner beginners[BEGINNERS] = { { .st = PB_OK } };
	struct folder f;
	unsigned round;
	unsigned i;

	(void)state;
	for (round = 0; round < 40; round++) {
		folder_new(&f);
		write_file(f.key_file, OCTETS(KEY_1 "\n"), 0600);
		for (i = 0; i < BEGINNERS; i++) {
			beginners[i].folder = &f;
			assert_int_equal(pthread_create(&beginners[i].thread,
			    NULL, begin, &beginners[i]), 0);
		}
		for (i = 0; i < BEGINNERS; i++)
			assert_int_equal(pthread_join(beginners[i].thread,
			    NULL), 0);
		for (i = 0; i < BEGINNERS; i++) {
			if (beginners[i].st != PB_OK)
				fail_msg("%s", beginners[i].err.text);
			pb_accounts_unref(&beginners[i].accounts);
		}
		folder_remove(&f);
	}
}

static void
without_memory_it_says_so_and_works_later(void **state)
{
	struct pb_account account = new_account("max");
	const struct pb_account_secrets secrets = {
		.password = OCTETS("right"),
		.upstream_password = OCTETS("geheim") };
	const struct pb_account_claim claim = claim_of(OCTETS("max"), "right");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	enum pb_status st;
	unsigned long n;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &secrets);
	for (n = 1; n < 50; n++) {
		pb_mem_fail_from(n);
		st = pb_accounts_check(a, &claim, &grant, &err);
		pb_mem_fail_from(0);
		if (st == PB_OK)
			break;
		assert_int_equal(st, PB_ENOMEM);
		assert_int_equal(err.kind, PB_ERROR_INTERNAL);
		assert_int_equal(pb_secret_reveal(&grant.user).len, 0);
	}
	assert_in_range(n, 5, 49);
	pb_account_grant_clear(&grant);
	pb_accounts_unref(&a);
	for (n = 1; n < 50; n++) {
		pb_mem_fail_from(n);
		st = pb_accounts_open(f.file, f.key_file, &a, &err);
		pb_mem_fail_from(0);
		if (st == PB_OK)
			break;
		assert_int_equal(st, PB_ENOMEM);
		assert_null(a);
	}
	assert_in_range(n, 2, 49);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

/* As whoever puts a copy back does it. */
static void
put_in_place(const struct folder *f, const char *sql)
{
	char copy[128];
	char tail[128];

	snprintf(copy, sizeof(copy), "%s/other.db", f->path);
	if (sql != NULL)
		meddle(f, sql);
	snprintf(tail, sizeof(tail), "%s-wal", f->file);
	(void)unlink(tail);
	snprintf(tail, sizeof(tail), "%s-shm", f->file);
	(void)unlink(tail);
	assert_int_equal(rename(copy, f->file), 0);
}

static void
assert_out_of_order(struct pb_accounts *a)
{
	const struct pb_account_claim claim = claim_of(OCTETS("max"),
	    "right");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_account_keys keys;
	struct pb_error err = { .text = "" };

	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_EIO);
	assert_int_equal(err.kind, PB_ERROR_TEMPORARY);
	assert_int_equal(pb_accounts_keys(a, OCTETS("max"), &keys, &err),
	    PB_EIO);
	assert_int_equal(err.kind, PB_ERROR_TEMPORARY);
}

static void
a_file_that_is_put_in_its_place_counts_at_once(void **state)
{
	struct pb_accounts *a;
	struct pb_accounts *b;
	struct pb_error err;
	struct folder f;
	char copy[128];
	char sql[160];

	(void)state;
	folder_new(&f);
	snprintf(copy, sizeof(copy), "%s/other.db", f.path);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", copy);
	a = open_accounts(&f);
	add_simple(a, "max", "right");
	assert_password(a, "max", "right", NULL);
	put_in_place(&f, sql);
	b = open_accounts(&f);
	assert_int_equal(pb_account_enable(b, OCTETS("max"), false, &err),
	    PB_OK);
	assert_password(a, "max", "right", "the account is disabled");
	meddle(&f, sql);
	pb_accounts_unref(&b);
	/* Nothing is there for a moment, or only its beginning. */
	assert_int_equal(unlink(f.file), 0);
	assert_out_of_order(a);
	assert_int_equal(access(f.file, F_OK), -1);
	write_file(f.file, OCTETS(""), 0600);
	assert_out_of_order(a);
	write_file(f.file, OCTETS("SQLite format 3"), 0600);
	assert_out_of_order(a);
	put_in_place(&f, NULL);
	assert_password(a, "max", "right", "the account is disabled");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_lets_in_and_says_whom),
		cmocka_unit_test(
		    without_an_upstream_credential_the_password_is_empty),
		cmocka_unit_test(every_refusal_hashes_a_password_once),
		cmocka_unit_test(networks_and_listeners_say_from_where),
		cmocka_unit_test(
		    what_is_proven_needs_an_account_that_may_come_in),
		cmocka_unit_test(
		    cram_md5_and_apop_need_a_recoverable_password),
		cmocka_unit_test(keys_for_scram_are_those_of_the_password),
		cmocka_unit_test(who_has_no_keys_gets_made_up_ones_that_stay),
		cmocka_unit_test(names_are_no_sql_no_format_and_no_path),
		cmocka_unit_test(names_have_a_maximum_and_no_nul),
		cmocka_unit_test(
		    what_another_process_changes_counts_at_the_next_login),
		cmocka_unit_test(
		    a_file_that_is_put_in_its_place_counts_at_once),
		cmocka_unit_test(threads_check_at_the_same_time),
		cmocka_unit_test(
		    who_begins_the_file_at_the_same_time_finds_it_his_own),
		cmocka_unit_test(without_memory_it_says_so_and_works_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
