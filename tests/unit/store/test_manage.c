#include "fixture.h"

#include "popbridge/store/keyring.h"

static void
assert_refused(struct pb_accounts *a, const struct pb_account *account,
    const struct pb_account_secrets *secrets, const char *why)
{
	struct pb_error err = { .text = "" };
	struct pb_account after;
	bool scram;

	assert_int_equal(pb_account_add(a, account, secrets, &scram, &err),
	    PB_EINVAL);
	if (strstr(err.text, why) == NULL)
		print_error("%s\n", err.text);
	assert_non_null(strstr(err.text, why));
	assert_int_equal(pb_account_get(a, pb_slice_str("fresh"), &after,
	    &err), PB_EINVAL);
}

static void
an_account_is_shown_as_it_was_added(void **state)
{
	struct pb_account account = new_account("Scanner");
	const struct pb_account_secrets secrets = { .recoverable = true,
		.password = OCTETS("geheim"), .upstream_password = OCTETS("u") };
	char text[PB_NETWORK_TEXT_SIZE];
	struct pb_account got;
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	snprintf(account.label, sizeof(account.label), "in the K\xc3\xbc" "che");
	assert_int_equal(pb_network_parse(OCTETS("192.0.2.0/24"),
	    &account.networks[0]), PB_OK);
	account.networks[1] = account.networks[0];
	account.n_networks = 2;
	snprintf(account.listeners[0], PB_ACCOUNT_LISTENER_SIZE, "hall");
	account.n_listeners = 1;
	add(a, &account, &secrets);
	assert_int_equal(pb_account_get(a, OCTETS("sCANNER"), &got, &err),
	    PB_OK);
	assert_string_equal(got.name, "scanner");
	assert_string_equal(got.label, account.label);
	assert_string_equal(got.upstream_user, "someone@example.com");
	assert_true(got.enabled && got.has_password && got.has_scram &&
	    got.is_recoverable && got.has_upstream_password);
	assert_int_equal(got.n_networks, 1);
	pb_network_format(&got.networks[0], text);
	assert_string_equal(text, "192.0.2.0/24");
	assert_int_equal(got.n_listeners, 1);
	assert_string_equal(got.listeners[0], "hall");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
what_is_not_right_is_not_added(void **state)
{
	struct pb_account account;
	struct pb_account_secrets secrets = { .password = OCTETS("x") };
	struct pb_accounts *a;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "x");
	account = new_account("MAX");
	assert_refused(a, &account, &secrets, "of this name already");
	account = new_account("");
	assert_refused(a, &account, &secrets, "a name has");
	account = new_account("a\nb");
	assert_refused(a, &account, &secrets, "a name has");
	account = new_account("a\xc2\x9b" "b");
	assert_refused(a, &account, &secrets, "a name has");
	account = new_account("fresh");
	snprintf(account.label, sizeof(account.label), "\033[2J");
	assert_refused(a, &account, &secrets, "a label has");
	account = new_account("fresh");
	account.upstream_user[0] = '\0';
	assert_refused(a, &account, &secrets, "the name at the IMAP server");
	account = new_account("fresh");
	account.n_listeners = 1;
	assert_refused(a, &account, &secrets, "the name of a listener");
	account = new_account("fresh");
	secrets.password = OCTETS("");
	assert_refused(a, &account, &secrets, "a password has");
	secrets.password = OCTETS("a\0b");
	assert_refused(a, &account, &secrets, "a password has");
	secrets.password = OCTETS("x");
	secrets.upstream_password = OCTETS("a\r\nb");
	assert_refused(a, &account, &secrets, "the password of the IMAP");
	secrets = (struct pb_account_secrets){ .recoverable = true };
	assert_refused(a, &account, &secrets, "without a password");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
a_password_that_saslprep_refuses_has_no_scram(void **state)
{
	struct pb_account account = new_account("latin");
	struct pb_account_secrets secrets = {
		.password = OCTETS("K\xfc" "che") };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	bool scram = true;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	assert_int_equal(pb_account_add(a, &account, &secrets, &scram, &err),
	    PB_OK);
	assert_false(scram);
	assert_int_equal(pb_account_get(a, OCTETS("latin"), &account, &err),
	    PB_OK);
	assert_true(account.has_password);
	assert_false(account.has_scram);
	assert_password(a, "latin", "K\xfc" "che", NULL);
	secrets.password = OCTETS("kueche");
	assert_int_equal(pb_account_set_secrets(a, OCTETS("latin"), &secrets,
	    &scram, &err), PB_OK);
	assert_true(scram);
	/* And keys of an older password do not stay. */
	secrets.password = OCTETS("K\xfc" "che");
	assert_int_equal(pb_account_set_secrets(a, OCTETS("latin"), &secrets,
	    &scram, &err), PB_OK);
	assert_int_equal(pb_account_get(a, OCTETS("latin"), &account, &err),
	    PB_OK);
	assert_false(account.has_scram);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
without_keys_nothing_is_sealed(void **state)
{
	struct pb_account account = new_account("fresh");
	struct pb_account_secrets secrets = { .password = OCTETS("x"),
		.upstream_password = OCTETS("geheim") };
	struct pb_accounts *a = NULL;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_OK);
	assert_refused(a, &account, &secrets, "without a key");
	secrets.upstream_password = (struct pb_slice){ NULL, 0 };
	secrets.recoverable = true;
	assert_refused(a, &account, &secrets, "without a key");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
setting_one_secret_leaves_the_others(void **state)
{
	struct pb_account account = new_account("max");
	struct pb_account_secrets secrets = { .password = OCTETS("one"),
		.recoverable = true, .upstream_password = OCTETS("u") };
	struct pb_account_claim claim = claim_of(OCTETS("max"), "one");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	bool scram;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &secrets);
	secrets = (struct pb_account_secrets){
		.upstream_password = OCTETS("v") };
	assert_int_equal(pb_account_set_secrets(a, OCTETS("max"), &secrets,
	    &scram, &err), PB_OK);
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "v");
	/* One that was recoverable stays so, with the new password. */
	secrets = (struct pb_account_secrets){
		.password = OCTETS("tanstaaf") };
	assert_int_equal(pb_account_set_secrets(a, OCTETS("max"), &secrets,
	    &scram, &err), PB_OK);
	claim = claim_of(OCTETS("max"), "c4c9334bac560ecc979e58001b3e22fb");
	claim.proof = PB_ACCOUNT_APOP;
	claim.challenge = OCTETS("<1896.697170952@dbc.mtview.ca.us>");
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "v");
	pb_account_grant_clear(&grant);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
who_is_not_there_cannot_be_changed(void **state)
{
	const struct pb_account_secrets secrets = { .password = OCTETS("x") };
	struct pb_account account;
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	bool scram;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	assert_int_equal(pb_account_set_secrets(a, OCTETS("max"), &secrets,
	    &scram, &err), PB_EINVAL);
	assert_string_equal(err.text, UNKNOWN);
	assert_int_equal(pb_account_enable(a, OCTETS("max"), true, &err),
	    PB_EINVAL);
	assert_string_equal(err.text, UNKNOWN);
	assert_int_equal(pb_account_remove(a, OCTETS("max"), &err),
	    PB_EINVAL);
	assert_string_equal(err.text, UNKNOWN);
	assert_int_equal(pb_account_get(a, OCTETS("max"), &account, &err),
	    PB_EINVAL);
	assert_string_equal(err.text, UNKNOWN);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
note(void *ctx, const struct pb_account *account)
{
	struct pb_buffer *b = ctx;

	pbt_say(b, "%s %zu %zu\n", account->name, account->n_networks,
	    account->n_listeners);
}

static void
accounts_are_listed_by_name_and_removed_with_all_of_theirs(void **state)
{
	struct pb_account account = new_account("anna");
	const struct pb_account_secrets none = { .recoverable = false };
	struct pb_accounts *a;
	struct pb_buffer b;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	pb_buffer_init(&b, 1000);
	a = open_accounts(&f);
	add(a, &account, &none);
	account = new_account("max");
	account.n_networks = 1;
	account.n_listeners = 1;
	snprintf(account.listeners[0], PB_ACCOUNT_LISTENER_SIZE, "hall");
	add(a, &account, &none);
	assert_int_equal(pb_account_list(a, note, &b, &err), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "anna 0 0\nmax 1 1\n");
	/* The next one gets the number of the last that is gone. */
	assert_int_equal(pb_account_remove(a, OCTETS("max"), &err), PB_OK);
	account = new_account("max");
	add(a, &account, &none);
	pb_buffer_clear(&b);
	assert_int_equal(pb_account_list(a, note, &b, &err), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "anna 0 0\nmax 0 0\n");
	pb_buffer_fini(&b);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

/* Whether the octets stand in a file of the folder. */
static bool
file_has(const struct folder *f, const char *name, const char *octets)
{
	static char text[1 << 20];
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	if (access(path, F_OK) != 0)
		return false;
	return memmem(text, read_file(path, text, sizeof(text)), octets,
	    strlen(octets)) != NULL;
}

static void
no_secret_is_in_the_file_in_the_clear(void **state)
{
	static const char *const secrets[] = { "geheim-eins", "geheim-zwei" };
	static const char *const names[] = { "accounts.db", "accounts.db-wal",
		"accounts.db-shm", "accounts.key" };
	struct pb_account account = new_account("visible-name");
	const struct pb_account_secrets given = { .recoverable = true,
		.password = OCTETS("geheim-eins"),
		.upstream_password = OCTETS("geheim-zwei") };
	struct pb_accounts *a;
	struct stat st;
	struct folder f;
	size_t i;
	size_t k;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &given);
	assert_true(file_has(&f, "accounts.db-wal", "visible-name"));
	assert_int_equal(stat(f.file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (i = 0; i < COUNT(names); i++) {
		for (k = 0; k < COUNT(secrets); k++)
			assert_false(file_has(&f, names[i], secrets[k]));
	}
	pb_accounts_unref(&a);
	assert_true(file_has(&f, "accounts.db", "visible-name"));
	for (k = 0; k < COUNT(secrets); k++)
		assert_false(file_has(&f, "accounts.db", secrets[k]));
	folder_remove(&f);
}

static void
what_is_removed_is_overwritten(void **state)
{
	struct pb_account account = new_account("visible-name");
	const struct pb_account_secrets none = { .recoverable = false };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add(a, &account, &none);
	assert_int_equal(pb_account_remove(a, OCTETS("visible-name"), &err),
	    PB_OK);
	assert_false(file_has(&f, "accounts.db", "visible-name"));
	assert_false(file_has(&f, "accounts.db-wal", "visible-name"));
	pb_accounts_unref(&a);
	folder_remove(&f);
}

/* Two accounts: one with an upstream password, one with all. */
static void
add_two(struct pb_accounts *a)
{
	struct pb_account account = new_account("max");
	struct pb_account_secrets secrets = { .password = OCTETS("one"),
		.upstream_password = OCTETS("geheim") };

	add(a, &account, &secrets);
	account = new_account("mrose");
	secrets.recoverable = true;
	secrets.password = OCTETS("tanstaaf");
	add(a, &account, &secrets);
}

static void
assert_two(struct pb_accounts *a)
{
	struct pb_account_claim claim = claim_of(OCTETS("max"), "one");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_error err = { .text = "" };

	if (pb_accounts_check(a, &claim, &grant, &err) != PB_OK)
		fail_msg("%s", err.text);
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "geheim");
	claim = claim_of(OCTETS("mrose"), "c4c9334bac560ecc979e58001b3e22fb");
	claim.proof = PB_ACCOUNT_APOP;
	claim.challenge = OCTETS("<1896.697170952@dbc.mtview.ca.us>");
	if (pb_accounts_check(a, &claim, &grant, &err) != PB_OK)
		fail_msg("%s", err.text);
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "geheim");
	pb_account_grant_clear(&grant);
}

static void
a_new_key_seals_everything_and_the_old_one_goes(void **state)
{
	struct pb_accounts *serving;
	struct pb_accounts *command;
	char before[200];
	char after[200];
	struct pb_error err;
	struct folder f;
	size_t sealed = 0;

	(void)state;
	folder_new(&f);
	serving = open_accounts(&f);
	command = open_accounts(&f);
	add_two(command);
	assert_two(serving);
	assert_int_equal(read_file(f.key_file, before, sizeof(before)), 65);
	assert_int_equal(pb_account_rotate_key(command, &sealed, &err),
	    PB_OK);
	assert_int_equal(sealed, 3);
	assert_int_equal(read_file(f.key_file, after, sizeof(after)), 65);
	assert_memory_not_equal(before, after, 64);
	/* Who has the file open reads the keys again. */
	assert_two(serving);
	assert_two(command);
	pb_accounts_unref(&serving);
	pb_accounts_unref(&command);
	serving = open_accounts(&f);
	assert_two(serving);
	pb_accounts_unref(&serving);
	/* The old key opens nothing any more. */
	write_file(f.key_file, OCTETS(KEY_1), 0600);
	serving = open_accounts(&f);
	assert_int_equal(pb_account_rotate_key(serving, &sealed, &err),
	    PB_EINVAL);
	assert_non_null(strstr(err.text, "sealed with a key that is not in"));
	assert_int_equal(read_file(f.key_file, after, sizeof(after)), 64);
	pb_accounts_unref(&serving);
	folder_remove(&f);
}

static void
a_rotation_that_broke_off_loses_nothing(void **state)
{
	struct pb_accounts *a;
	char text[300];
	struct pb_error err;
	struct folder f;
	size_t sealed;
	size_t i;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_two(a);
	/* The new key was written, and then the power failed. */
	write_file(f.key_file, OCTETS(KEY_2 "\n" KEY_1 "\n"), 0600);
	assert_two(a);
	pb_accounts_unref(&a);
	a = open_accounts(&f);
	assert_two(a);
	for (i = 0; i < 3; i++) {
		assert_int_equal(pb_account_rotate_key(a, &sealed, &err),
		    PB_OK);
		assert_int_equal(read_file(f.key_file, text, sizeof(text)),
		    65);
		assert_two(a);
	}
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
what_is_sealed_while_the_key_changes_is_sealed_with_the_new_one(void **state)
{
	struct pb_account account = new_account("late");
	const struct pb_account_secrets secrets = { .password = OCTETS("x"),
		.upstream_password = OCTETS("late-geheim") };
	const struct pb_account_claim claim = claim_of(OCTETS("late"), "x");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *adding;
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	size_t sealed;

	(void)state;
	folder_new(&f);
	adding = open_accounts(&f);
	a = open_accounts(&f);
	add_two(a);
	assert_int_equal(pb_account_rotate_key(a, &sealed, &err), PB_OK);
	add(adding, &account, &secrets);
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&grant.password), "late-geheim");
	pb_account_grant_clear(&grant);
	pb_accounts_unref(&a);
	pb_accounts_unref(&adding);
	folder_remove(&f);
}

static void
the_first_rotation_makes_the_file_of_keys(void **state)
{
	struct pb_accounts *a = NULL;
	struct pb_error err;
	struct folder f;
	struct stat st;
	size_t sealed;

	(void)state;
	folder_new(&f);
	assert_int_equal(pb_accounts_open(f.file, f.key_file, &a, &err),
	    PB_EINVAL);
	assert_int_equal(pb_accounts_open_to_rotate(f.file, f.key_file, &a,
	    &err), PB_OK);
	assert_int_equal(pb_account_rotate_key(a, &sealed, &err), PB_OK);
	assert_int_equal(sealed, 0);
	assert_int_equal(stat(f.key_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	add_two(a);
	assert_two(a);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
assert_broken(struct pb_accounts *a, const char *why)
{
	const struct pb_account_claim claim = claim_of(OCTETS("max"), "one");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_error err = { .text = "" };

	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_EIO);
	if (strstr(err.text, why) == NULL)
		print_error("%s\n", err.text);
	assert_non_null(strstr(err.text, why));
	assert_int_equal(err.kind, PB_ERROR_PERMANENT);
	assert_int_equal(pb_secret_reveal(&grant.user).len, 0);
	/* Without the password it is a wrong password all the same. */
	assert_password(a, "max", "two", WRONG);
}

static void
a_credential_that_somebody_changed_or_moved_is_not_used(void **state)
{
	const struct pb_account_claim claim = claim_of(OCTETS("mrose"),
	    "tanstaaf");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_two(a);
	meddle(&f, "UPDATE account SET upstream_password = (SELECT "
	    "upstream_password FROM account WHERE name = 'mrose') "
	    "WHERE name = 'max'");
	assert_broken(a, "was changed by somebody else");
	/* What a device may prove is not what the IMAP server is shown. */
	meddle(&f, "UPDATE account SET upstream_password = recoverable "
	    "WHERE name = 'mrose'");
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_EIO);
	meddle(&f, "UPDATE account SET upstream_password = x'00' "
	    "WHERE name = 'max'");
	assert_broken(a, "was changed by somebody else");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
a_credential_without_its_key_is_not_used(void **state)
{
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_two(a);
	pb_accounts_unref(&a);
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_OK);
	assert_broken(a, "there is no accounts-key");
	pb_accounts_unref(&a);
	write_file(f.key_file, OCTETS(KEY_2), 0600);
	a = open_accounts(&f);
	assert_broken(a, "sealed with a key that is not in");
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
a_damaged_verifier_is_no_wrong_password(void **state)
{
	const struct pb_account_claim claim = claim_of(OCTETS("max"), "one");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "one");
	meddle(&f, "UPDATE account SET verifier = 'x'");
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_EIO);
	assert_int_equal(err.kind, PB_ERROR_PERMANENT);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
a_file_that_is_none_of_ours_is_refused(void **state)
{
	struct pb_accounts *a = NULL;
	struct pb_error err;
	char text[64];
	struct folder f;

	(void)state;
	folder_new(&f);
	write_file(f.file, OCTETS("a letter to somebody, and no database"),
	    0600);
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "not a database"));
	assert_int_equal(read_file(f.file, text, sizeof(text)), 37);
	unlink(f.file);
	meddle(&f, "CREATE TABLE mine (x)");
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "no file of accounts"));
	unlink(f.file);
	a = open_accounts(&f);
	pb_accounts_unref(&a);
	meddle(&f, "PRAGMA user_version = 2");
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "newer popbridge"));
	meddle(&f, "PRAGMA user_version = 1; DELETE FROM secret");
	assert_int_equal(pb_accounts_open(f.file, NULL, &a, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "damaged"));
	assert_null(a);
	folder_remove(&f);
}

static void
a_file_that_is_damaged_while_it_is_open_is_an_error(void **state)
{
	const struct pb_account_claim claim = claim_of(OCTETS("max"), "one");
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_account_keys keys;
	static char junk[1 << 16];
	struct pb_accounts *a;
	struct pb_error err;
	struct folder f;
	char wal[128];

	(void)state;
	folder_new(&f);
	a = open_accounts(&f);
	add_simple(a, "max", "one");
	pb_accounts_unref(&a);
	a = open_accounts(&f);
	memset(junk, 0xa5, sizeof(junk));
	snprintf(wal, sizeof(wal), "%s-wal", f.file);
	unlink(wal);
	write_file(f.file, pb_slice(junk, sizeof(junk)), 0600);
	assert_int_equal(pb_accounts_check(a, &claim, &grant, &err), PB_EIO);
	assert_int_equal(err.kind, PB_ERROR_TEMPORARY);
	assert_int_equal(pb_accounts_keys(a, OCTETS("max"), &keys, &err),
	    PB_EIO);
	pb_accounts_unref(&a);
	folder_remove(&f);
}

static void
a_file_that_cannot_be_made_says_why(void **state)
{
	struct pb_accounts *a = NULL;
	struct pb_error err;
	char path[128];
	struct folder f;

	(void)state;
	folder_new(&f);
	snprintf(path, sizeof(path), "%s/none/accounts.db", f.path);
	assert_int_equal(pb_accounts_open(path, NULL, &a, &err), PB_EIO);
	assert_non_null(strstr(err.text, "No such file or directory"));
	assert_int_equal(pb_accounts_open(f.path, NULL, &a, &err), PB_EIO);
	assert_null(a);
	folder_remove(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_is_shown_as_it_was_added),
		cmocka_unit_test(what_is_not_right_is_not_added),
		cmocka_unit_test(
		    a_password_that_saslprep_refuses_has_no_scram),
		cmocka_unit_test(without_keys_nothing_is_sealed),
		cmocka_unit_test(setting_one_secret_leaves_the_others),
		cmocka_unit_test(who_is_not_there_cannot_be_changed),
		cmocka_unit_test(
		    accounts_are_listed_by_name_and_removed_with_all_of_theirs),
		cmocka_unit_test(no_secret_is_in_the_file_in_the_clear),
		cmocka_unit_test(what_is_removed_is_overwritten),
		cmocka_unit_test(
		    a_new_key_seals_everything_and_the_old_one_goes),
		cmocka_unit_test(a_rotation_that_broke_off_loses_nothing),
		cmocka_unit_test(
		    what_is_sealed_while_the_key_changes_is_sealed_with_the_new_one),
		cmocka_unit_test(the_first_rotation_makes_the_file_of_keys),
		cmocka_unit_test(
		    a_credential_that_somebody_changed_or_moved_is_not_used),
		cmocka_unit_test(a_credential_without_its_key_is_not_used),
		cmocka_unit_test(a_damaged_verifier_is_no_wrong_password),
		cmocka_unit_test(a_file_that_is_none_of_ours_is_refused),
		cmocka_unit_test(
		    a_file_that_is_damaged_while_it_is_open_is_an_error),
		cmocka_unit_test(a_file_that_cannot_be_made_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
