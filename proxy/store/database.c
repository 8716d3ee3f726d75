#include "database.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "files.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* "popb", as file(1) and other programs know a file of ours. */
#define APPLICATION_ID 0x706f7062
#define SCHEMA 1

static const char schema[] =
    "CREATE TABLE account ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " label TEXT NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " upstream_user TEXT NOT NULL,"
    " verifier TEXT,"
    " iterations INTEGER,"
    " salt BLOB,"
    " stored_key BLOB,"
    " server_key BLOB,"
    " upstream_password BLOB,"
    " recoverable BLOB"
    ") STRICT;"
    "CREATE TABLE network ("
    " account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
    " address BLOB NOT NULL,"
    " bits INTEGER NOT NULL,"
    " PRIMARY KEY (account, address, bits)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE listener ("
    " account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " PRIMARY KEY (account, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE secret (value BLOB NOT NULL) STRICT;";

#define COLUMNS "SELECT id, name, label, enabled, upstream_user, verifier," \
	" iterations, salt, stored_key, server_key, upstream_password," \
	" recoverable FROM account"

static const char *const statements[] = {
	[PB_SQL_BEGIN] = "BEGIN",
	[PB_SQL_BEGIN_WRITING] = "BEGIN IMMEDIATE",
	[PB_SQL_COMMIT] = "COMMIT",
	[PB_SQL_ROLLBACK] = "ROLLBACK",
	[PB_SQL_FIND] = COLUMNS " WHERE name = ?1",
	[PB_SQL_ALL] = COLUMNS " ORDER BY name",
	[PB_SQL_NETWORKS] = "SELECT address, bits FROM network"
	    " WHERE account = ?1 ORDER BY address, bits",
	[PB_SQL_LISTENERS] = "SELECT name FROM listener"
	    " WHERE account = ?1 ORDER BY name",
	[PB_SQL_ADD] = "INSERT INTO account (name, label, enabled,"
	    " upstream_user) VALUES (?1, ?2, ?3, ?4)",
	[PB_SQL_ADD_NETWORK] = "INSERT OR IGNORE INTO network"
	    " (account, address, bits) VALUES (?1, ?2, ?3)",
	[PB_SQL_ADD_LISTENER] = "INSERT OR IGNORE INTO listener"
	    " (account, name) VALUES (?1, ?2)",
	[PB_SQL_SET_PASSWORD] = "UPDATE account SET verifier = ?2,"
	    " iterations = ?3, salt = ?4, stored_key = ?5, server_key = ?6"
	    " WHERE name = ?1",
	[PB_SQL_SET_RECOVERABLE] = "UPDATE account SET recoverable = ?2"
	    " WHERE name = ?1",
	[PB_SQL_SET_UPSTREAM] = "UPDATE account SET upstream_password = ?2"
	    " WHERE name = ?1",
	[PB_SQL_SET_ENABLED] = "UPDATE account SET enabled = ?2"
	    " WHERE name = ?1",
	[PB_SQL_REMOVE] = "DELETE FROM account WHERE name = ?1",
};

_Static_assert(sizeof(statements) / sizeof(statements[0]) == PB_SQL_COUNT,
    "a row for every statement");

static enum pb_status
failed(struct pb_accounts *a, struct pb_error *err)
{
	if (sqlite3_errcode(a->db) == SQLITE_NOMEM) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory for the file of accounts");
		return PB_ENOMEM;
	}
	pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "%s: %s%s", a->file, sqlite3_errmsg(a->db), pb_db_hint(a->db));
	return PB_EIO;
}

sqlite3_stmt *
pb_db_use(struct pb_accounts *a, enum pb_sql which)
{
	sqlite3_reset(a->statement[which]);
	sqlite3_clear_bindings(a->statement[which]);
	return a->statement[which];
}

enum pb_status
pb_db_step(struct pb_accounts *a, sqlite3_stmt *s, struct pb_error *err)
{
	int result = sqlite3_step(s);
	enum pb_status st = PB_OK;

	if (result == SQLITE_ROW)
		return PB_OK;
	if (result != SQLITE_DONE)
		st = failed(a, err);
	pb_db_leave(s);
	return result == SQLITE_DONE ? PB_EOF : st;
}

enum pb_status
pb_db_run(struct pb_accounts *a, sqlite3_stmt *s, struct pb_error *err)
{
	enum pb_status st = pb_db_step(a, s, err);

	pb_check(st != PB_OK);
	return st == PB_EOF ? PB_OK : st;
}

enum pb_status
pb_db_begin(struct pb_accounts *a, enum pb_sql how, struct pb_error *err)
{
	enum pb_status st = pb_db_follow(a, err);

	return st == PB_OK ? pb_db_run(a, pb_db_use(a, how), err) : st;
}

enum pb_status
pb_db_end(struct pb_accounts *a, enum pb_status so_far, struct pb_error *err)
{
	struct pb_error ignored;

	if (so_far == PB_OK)
		so_far = pb_db_run(a, pb_db_use(a, PB_SQL_COMMIT), err);
	/* Some failures have ended it already. */
	if (so_far != PB_OK && sqlite3_get_autocommit(a->db) == 0)
		(void)!pb_db_run(a, pb_db_use(a, PB_SQL_ROLLBACK), &ignored);
	return so_far;
}

void
pb_db_forget(struct pb_accounts *a)
{
	(void)sqlite3_wal_checkpoint_v2(a->db, NULL,
	    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static enum pb_status
execute(struct pb_accounts *a, const char *sql, struct pb_error *err)
{
	return sqlite3_exec(a->db, sql, NULL, NULL, NULL) == SQLITE_OK ?
	    PB_OK : failed(a, err);
}

/* PB_OK: it is ours; PB_EOF: it is empty. */
static enum pb_status
recognise(struct pb_accounts *a, struct pb_error *err)
{
	struct pb_db_identity found;
	enum pb_status st;

	if (!pb_db_ask_identity(a->db, &found)) {
		st = failed(a, err);
		return pb_db_is_damaged(a->db) ? PB_EINVAL : st;
	}
	if (pb_db_is_empty(&found))
		return PB_EOF;
	if (found.id == APPLICATION_ID && found.version == SCHEMA)
		return PB_OK;
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    found.id != APPLICATION_ID ? "%s: it is no file of accounts" :
	    "%s: it was made by a newer popbridge", a->file);
	return PB_EINVAL;
}

static enum pb_status
make_tables(struct pb_accounts *a, struct pb_error *err)
{
	uint8_t secret[PB_SCRAM_SECRET_SIZE];
	char identity[96];
	enum pb_status st;
	sqlite3_stmt *s = NULL;

	snprintf(identity, sizeof(identity), "PRAGMA application_id = %d;"
	    "PRAGMA user_version = %d", APPLICATION_ID, SCHEMA);
	st = execute(a, schema, err);
	if (st == PB_OK)
		st = execute(a, identity, err);
	if (st != PB_OK)
		return st;
	if (RAND_bytes(secret, sizeof(secret)) != 1) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "there is no randomness");
		return PB_EIO;
	}
	if (sqlite3_prepare_v2(a->db, "INSERT INTO secret VALUES (?1)", -1,
	    &s, NULL) != SQLITE_OK)
		return failed(a, err);
	pb_db_bind_blob(s, 1, secret, sizeof(secret));
	st = pb_db_run(a, s, err);
	sqlite3_finalize(s);
	return st;
}

/* Two processes may find it empty at the same time. */
static enum pb_status
make(struct pb_accounts *a, struct pb_error *err)
{
	enum pb_status st = execute(a, "BEGIN IMMEDIATE", err);

	if (st != PB_OK)
		return st;
	st = recognise(a, err);
	if (st == PB_EOF)
		st = make_tables(a, err);
	if (st == PB_OK)
		return execute(a, "COMMIT", err);
	(void)sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
	return st;
}

static enum pb_status
read_secret(struct pb_accounts *a, struct pb_error *err)
{
	sqlite3_stmt *s = NULL;
	struct pb_slice value = { .len = 0 };
	enum pb_status st = PB_OK;

	if (sqlite3_prepare_v2(a->db, "SELECT value FROM secret", -1, &s,
	    NULL) != SQLITE_OK)
		return failed(a, err);
	if (sqlite3_step(s) == SQLITE_ROW)
		value = pb_db_column(s, 0);
	if (value.len == sizeof(a->secret)) {
		memcpy(a->secret, value.data, value.len);
	} else {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: it is damaged, its secret is gone", a->file);
		st = PB_EINVAL;
	}
	sqlite3_finalize(s);
	return st;
}

static enum pb_status
prepare(struct pb_accounts *a, struct pb_error *err)
{
	size_t i;

	for (i = 0; i < PB_SQL_COUNT; i++) {
		if (sqlite3_prepare_v3(a->db, statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &a->statement[i], NULL) !=
		    SQLITE_OK)
			return failed(a, err);
	}
	return PB_OK;
}

/* With PB_EOF it is empty, and not open yet. */
static enum pb_status
look(struct pb_accounts *a, struct pb_error *err)
{
	if (!pb_db_connect(a->file, &a->db))
		return failed(a, err);
	return recognise(a, err);
}

static enum pb_status
use(struct pb_accounts *a, struct pb_error *err)
{
	enum pb_status st = PB_OK;

	if (!pb_db_use_log(a->db))
		st = failed(a, err);
	if (st == PB_OK)
		st = execute(a, "PRAGMA foreign_keys = ON;"
		    "PRAGMA trusted_schema = OFF;"
		    "PRAGMA secure_delete = ON", err);
	if (st == PB_OK)
		st = read_secret(a, err);
	return st == PB_OK ? prepare(a, err) : st;
}

enum pb_status
pb_db_open(struct pb_accounts *a, struct pb_error *err)
{
	enum pb_status st = pb_file_make_private(a->file, err);

	if (st == PB_OK)
		st = look(a, err);
	if (st == PB_EOF)
		st = make(a, err);
	return st == PB_OK ? use(a, err) : st;
}

void
pb_db_close(struct pb_accounts *a)
{
	size_t i;

	for (i = 0; i < PB_SQL_COUNT; i++) {
		sqlite3_finalize(a->statement[i]);
		a->statement[i] = NULL;
	}
	sqlite3_close(a->db);
	a->db = NULL;
	pb_wipe(a->secret, sizeof(a->secret));
}

/* Nothing is made here: somebody may be about to put a copy in its place. */
enum pb_status
pb_db_follow(struct pb_accounts *a, struct pb_error *err)
{
	enum pb_status st;

	if (a->db != NULL && !pb_db_has_moved(a->db))
		return PB_OK;
	pb_db_close(a);
	st = look(a, err);
	if (st == PB_EOF)
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
		    "%s: it is empty", a->file);
	if (st == PB_OK)
		st = use(a, err);
	if (st != PB_OK)
		pb_db_close(a);
	return st == PB_OK || st == PB_ENOMEM ? st : PB_EIO;
}
