#include "journal_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "popbridge/base/check.h"

/* "popj", as file(1) and other programs know a file of ours. */
#define APPLICATION_ID 0x706f706a
/* Of the table, of what is digested, and of store/uid_code.h. */
#define VERSION 1

/* A write-ahead log that has grown larger is cut down again. */
#define LOG_OCTETS "1048576"

static const char schema[] =
    "CREATE TABLE promise ("
    /* A number that was dropped must never mean another promise. */
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " maildrop BLOB NOT NULL,"
    " uidvalidity INTEGER NOT NULL,"
    " uids BLOB NOT NULL,"
    " checksum BLOB NOT NULL,"
    " messages INTEGER NOT NULL,"
    " session TEXT NOT NULL,"
    " client TEXT NOT NULL,"
    " since INTEGER NOT NULL,"		/* seconds since 1970; so is: */
    " tried INTEGER NOT NULL DEFAULT 0,"
    " tries INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE INDEX promise_of_maildrop ON promise (maildrop);"
    "CREATE INDEX promise_by_age ON promise (since);";

#define COLUMNS "number, maildrop, messages, session, client, since, tries," \
	" error"

static const char *const statements[] = {
	[PB_JOURNAL_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[PB_JOURNAL_SQL_COMMIT] = "COMMIT",
	[PB_JOURNAL_SQL_ROLLBACK] = "ROLLBACK",
	[PB_JOURNAL_SQL_ADD] = "INSERT INTO promise (maildrop, uidvalidity,"
	    " uids, checksum, messages, session, client, since)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[PB_JOURNAL_SQL_COUNT_OF] = "SELECT count(*) FROM promise"
	    " WHERE maildrop = ?1 AND since >= ?2",
	[PB_JOURNAL_SQL_FIND] = "SELECT number, uidvalidity, uids, checksum,"
	    " tries, tried FROM promise WHERE maildrop = ?1 AND since >= ?2"
	    " ORDER BY number",
	[PB_JOURNAL_SQL_DROP] = "DELETE FROM promise WHERE number = ?1",
	[PB_JOURNAL_SQL_FAILED] = "UPDATE promise SET tries = tries + 1,"
	    " tried = ?2, error = ?3 WHERE number = ?1",
	[PB_JOURNAL_SQL_RETRY] = "UPDATE promise SET tries = 0"
	    " WHERE number = ?1",
	[PB_JOURNAL_SQL_LIST] = "SELECT " COLUMNS " FROM promise"
	    " ORDER BY number",
	[PB_JOURNAL_SQL_OLD] = "SELECT " COLUMNS " FROM promise"
	    " WHERE since < ?1",
	[PB_JOURNAL_SQL_DROP_OLD] = "DELETE FROM promise WHERE since < ?1",
};

_Static_assert(sizeof(statements) / sizeof(statements[0]) ==
    PB_JOURNAL_SQL_ALL, "a row for every statement");

static enum pb_status
say(struct pb_error *err, enum pb_status st, const char *name,
    const char *what, const char *hint)
{
	pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP, "%s: %s%s",
	    name, what, hint);
	return st;
}

static enum pb_status
no_memory(struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_MAILDROP,
	    "no memory for the journal");
	return PB_ENOMEM;
}

/* What is said of a table that is not ours counts as damage, too. */
static enum pb_status
failed(struct pb_journal_file *f, struct pb_error *err)
{
	int code = sqlite3_errcode(f->db);

	if (code == SQLITE_NOMEM)
		return no_memory(err);
	if (pb_db_is_damaged(f->db) || code == SQLITE_ERROR ||
	    code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH)
		return say(err, PB_EPROTO, f->name, sqlite3_errmsg(f->db),
		    "");
	return say(err, PB_EIO, f->name, sqlite3_errmsg(f->db),
	    pb_db_hint(f->db));
}

enum pb_status
pb_journal_file_step(struct pb_journal_file *f, enum pb_journal_sql which,
    struct pb_error *err)
{
	int result = sqlite3_step(f->statement[which]);
	enum pb_status st = PB_EOF;

	if (result == SQLITE_ROW)
		return PB_OK;
	if (result != SQLITE_DONE)
		st = failed(f, err);
	pb_db_leave(f->statement[which]);
	return st;
}

enum pb_status
pb_journal_file_run(struct pb_journal_file *f, enum pb_journal_sql which,
    struct pb_error *err)
{
	enum pb_status st = pb_journal_file_step(f, which, err);

	pb_check(st != PB_OK);
	return st == PB_EOF ? PB_OK : st;
}

enum pb_status
pb_journal_file_end(struct pb_journal_file *f, enum pb_status so_far,
    struct pb_error *err)
{
	struct pb_error ignored;

	if (so_far == PB_OK)
		so_far = pb_journal_file_run(f, PB_JOURNAL_SQL_COMMIT, err);
	/* Some failures have ended it already. */
	if (so_far != PB_OK && sqlite3_get_autocommit(f->db) == 0)
		(void)!pb_journal_file_run(f, PB_JOURNAL_SQL_ROLLBACK,
		    &ignored);
	return so_far;
}

static enum pb_status
execute(struct pb_journal_file *f, const char *sql, struct pb_error *err)
{
	return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ?
	    PB_OK : failed(f, err);
}

enum pb_status
pb_journal_file_sync(struct pb_journal_file *f, bool durable,
    struct pb_error *err)
{
	return execute(f, durable ? "PRAGMA synchronous = FULL"
	    : "PRAGMA synchronous = NORMAL", err);
}

/* PB_OK: it is ours; PB_EOF: it is empty. */
static enum pb_status
recognise(struct pb_journal_file *f, struct pb_error *err)
{
	int64_t id = 0;
	int64_t tables = 0;
	int64_t version = 0;

	if (!pb_db_ask_number(f->db, "PRAGMA application_id", &id) ||
	    !pb_db_ask_number(f->db, "PRAGMA user_version", &version) ||
	    !pb_db_ask_number(f->db, "SELECT count(*) FROM sqlite_schema",
		&tables))
		return failed(f, err);
	if (id == 0 && tables == 0 && version == 0)
		return PB_EOF;
	if (id != APPLICATION_ID)
		return say(err, PB_EINVAL, f->name, "it is no journal of "
		    "popbridge", ": move it away");
	if (version != VERSION)
		return say(err, PB_EINVAL, f->name, "it is of another version "
		    "of popbridge", ": start that one again, or move the file "
		    "away, and what is promised in it is not removed");
	return PB_OK;
}

/* Two processes may find it empty at the same time. */
static enum pb_status
make_table(struct pb_journal_file *f, struct pb_error *err)
{
	char identity[96];
	enum pb_status st;

	snprintf(identity, sizeof(identity), "PRAGMA application_id = %d;"
	    "PRAGMA user_version = %d", APPLICATION_ID, VERSION);
	st = execute(f, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", err);
	if (st != PB_OK)
		return st;
	st = recognise(f, err);
	if (st == PB_EOF) {
		st = execute(f, schema, err);
		if (st == PB_OK)
			st = execute(f, identity, err);
	}
	if (st == PB_OK)
		return execute(f, "COMMIT", err);
	(void)sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return st;
}

/* Promises that are lost unseen would be worse than a second at the start. */
static enum pb_status
examine(struct pb_journal_file *f, struct pb_error *err)
{
	sqlite3_stmt *s = NULL;
	enum pb_status st = PB_OK;

	if (sqlite3_prepare_v2(f->db, "PRAGMA quick_check(1)", -1, &s,
	    NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
		st = failed(f, err);
	else if (!pb_slice_is(pb_db_column(s, 0), "ok"))
		st = say(err, PB_EPROTO, f->name, "it is damaged", "");
	sqlite3_finalize(s);
	return st;
}

static enum pb_status
prepare(struct pb_journal_file *f, struct pb_error *err)
{
	size_t i;

	for (i = 0; i < PB_JOURNAL_SQL_ALL; i++) {
		if (sqlite3_prepare_v3(f->db, statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &f->statement[i], NULL) !=
		    SQLITE_OK)
			return failed(f, err);
	}
	return PB_OK;
}

static enum pb_status
open_file(struct pb_journal_file *f, const char *name, bool make,
    struct pb_error *err)
{
	enum pb_status st;

	f->name = name;
	if (!pb_db_connect(name, &f->db))
		return f->db != NULL ? failed(f, err) : no_memory(err);
	st = recognise(f, err);
	if (st == PB_EOF && make)
		st = make_table(f, err);
	if (st == PB_OK && make)
		st = examine(f, err);
	if (st == PB_OK)
		st = execute(f, "PRAGMA synchronous = FULL;"
		    "PRAGMA trusted_schema = OFF;"
		    "PRAGMA mmap_size = 0;"
		    "PRAGMA journal_size_limit = " LOG_OCTETS, err);
	return st == PB_OK ? prepare(f, err) : st;
}

enum pb_status
pb_journal_file_make(struct pb_journal_file *f, const char *name,
    struct pb_error *err)
{
	enum pb_status st = pb_file_make_private(name, err);

	if (st == PB_OK)
		st = open_file(f, name, true, err);
	if (st != PB_OK)
		pb_journal_file_close(f);
	return st;
}

enum pb_status
pb_journal_file_open(struct pb_journal_file *f, const char *name,
    struct pb_error *err)
{
	enum pb_status st;

	if (access(name, F_OK) != 0 && errno == ENOENT)
		return PB_EOF;
	st = open_file(f, name, false, err);
	if (st != PB_OK)
		pb_journal_file_close(f);
	return st;
}

void
pb_journal_file_close(struct pb_journal_file *f)
{
	size_t i;

	for (i = 0; i < PB_JOURNAL_SQL_ALL; i++)
		sqlite3_finalize(f->statement[i]);
	sqlite3_close(f->db);
	*f = (struct pb_journal_file){ .db = NULL };
}

bool
pb_journal_file_has_moved(struct pb_journal_file *f)
{
	int moved = 0;

	return sqlite3_file_control(f->db, "main", SQLITE_FCNTL_HAS_MOVED,
	    &moved) != SQLITE_OK || moved != 0;
}
