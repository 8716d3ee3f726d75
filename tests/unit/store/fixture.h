#ifndef PBT_STORE_FIXTURE_H
#define PBT_STORE_FIXTURE_H

#include "support/test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "popbridge/store/accounts.h"
#include "popbridge/store/manage.h"

/* A folder of the test's own, with a file of accounts and one of keys. */
struct folder {
	char path[64];
	char file[96];
	char key_file[96];
};

static inline void
folder_new(struct folder *f)
{
	const char *top = getenv("TMPDIR");

	snprintf(f->path, sizeof(f->path), "%s/pbt-store-XXXXXX",
	    top != NULL && strlen(top) < 32 ? top : "/tmp");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof(f->file), "%s/accounts.db", f->path);
	snprintf(f->key_file, sizeof(f->key_file), "%s/accounts.key",
	    f->path);
}

static inline void
folder_remove(struct folder *f)
{
	static const char *const names[] = { "accounts.db", "accounts.db-wal",
		"accounts.db-shm", "accounts.key", "other.db",
		"listings.db", "listings.db-wal", "listings.db-shm",
		"journal.db", "journal.db-wal", "journal.db-shm",
		"journal.db.damaged", "journal.db.damaged-wal",
		"journal.db.damaged-shm" };
	char path[128];
	size_t i;

	for (i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->path, names[i]);
		unlink(path);
	}
	/* Nothing is left lying about. */
	assert_int_equal(rmdir(f->path), 0);
}

/* As on a disk that is full from there on; SIGXFSZ must be ignored. */
static inline void
limit_files(rlim_t octets)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = octets;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline void
write_file(const char *file, struct pb_slice text, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.data, text.len), text.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* At most size octets; how many. */
static inline size_t
read_file(const char *file, char *out, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, out, size);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

#define KEY_1 \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_2 \
	"F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF" "0123456789abcdef0123456789abcdef"

static inline struct pb_accounts *
open_accounts(const struct folder *f)
{
	struct pb_accounts *a = NULL;
	struct pb_error err = { .text = "" };
	enum pb_status st;

	if (access(f->key_file, F_OK) != 0)
		write_file(f->key_file, OCTETS(KEY_1 "\n"), 0600);
	st = pb_accounts_open(f->file, f->key_file, &a, &err);
	if (st != PB_OK)
		print_error("%s\n", err.text);
	assert_int_equal(st, PB_OK);
	return a;
}

/* With nothing but a name; the caller goes on from here. */
static inline struct pb_account
new_account(const char *name)
{
	struct pb_account account = { .enabled = true };

	assert_true(strlen(name) <= PB_ACCOUNT_NAME_MAX);
	snprintf(account.name, sizeof(account.name), "%s", name);
	snprintf(account.upstream_user, sizeof(account.upstream_user),
	    "%s@example.com", name[0] != '\0' ? "someone" : "");
	return account;
}

static inline void
add(struct pb_accounts *a, const struct pb_account *account,
    const struct pb_account_secrets *secrets)
{
	struct pb_error err = { .text = "" };
	bool scram;
	enum pb_status st = pb_account_add(a, account, secrets, &scram, &err);

	if (st != PB_OK)
		print_error("%s\n", err.text);
	assert_int_equal(st, PB_OK);
}

static inline void
add_simple(struct pb_accounts *a, const char *name, const char *password)
{
	const struct pb_account account = new_account(name);
	const struct pb_account_secrets secrets = {
		.password = pb_slice_str(password) };

	add(a, &account, &secrets);
}

static inline struct pb_account_claim
claim_of(struct pb_slice user, const char *password)
{
	return (struct pb_account_claim){ .user = user,
		.proof = PB_ACCOUNT_PASSWORD,
		.secret = pb_slice_str(password), .challenge = OCTETS(""),
		.listener = "pop3s", .address = { [10] = 0xff, [11] = 0xff,
		192, 0, 2, 7 } };
}

/* PB_OK, or PB_EINVAL for the reason `why`. */
static inline void
assert_check(struct pb_accounts *a, const struct pb_account_claim *claim,
    const char *why)
{
	struct pb_account_grant grant = { .user = { NULL, 0 } };
	struct pb_error err = { .text = "" };
	enum pb_status st = pb_accounts_check(a, claim, &grant, &err);

	if (why == NULL) {
		if (st != PB_OK)
			print_error("%s\n", err.text);
		assert_int_equal(st, PB_OK);
		assert_true(pb_secret_reveal(&grant.user).len > 0);
	} else {
		assert_int_equal(st, PB_EINVAL);
		assert_int_equal(err.kind, PB_ERROR_AUTH);
		assert_string_equal(err.text, why);
		assert_int_equal(pb_secret_reveal(&grant.user).len, 0);
	}
	pb_account_grant_clear(&grant);
}

static inline void
assert_password(struct pb_accounts *a, const char *name, const char *password,
    const char *why)
{
	const struct pb_account_claim claim = claim_of(pb_slice_str(name),
	    password);

	assert_check(a, &claim, why);
}

/* What another program could do to the file. */
static inline void
meddle(const struct folder *f, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#define UNKNOWN "there is no such account"
#define WRONG "the password is wrong"

#endif
