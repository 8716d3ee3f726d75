#include "journal_file.h"

#include <errno.h>
#include <unistd.h>

#include "files.h"

/* "popj", as file(1) and other programs know a file of ours. */
#define APPLICATION_ID 0x706f706a
/* Of the table, of what is digested, and of store/uid_code.h. */
#define VERSION 2
/* In which all was to be expunged; what is digested of that is the same. */
#define VERSION_BEFORE 1

/* A write-ahead log that has grown larger is cut down again. */
#define LOG_OCTETS "1048576"

static const char schema_before[] =
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

static const char upgrade[] =
    "ALTER TABLE promise ADD COLUMN removal TEXT NOT NULL DEFAULT 'expunge';"
    /* At popbridge, where the removal is KEEP; else empty. */
    "ALTER TABLE promise ADD COLUMN login BLOB NOT NULL DEFAULT x'';"
    "CREATE UNIQUE INDEX promise_kept ON promise (maildrop, login,"
    " uidvalidity) WHERE removal = 'keep';";

#define COLUMNS "number, maildrop, messages, session, client, since, tries," \
	" error, removal, login"

/* Of maildrop ?1: what is kept from login ?3, else what is new enough (?2). */
#define OF_MAILDROP " WHERE maildrop = ?1" \
	" AND CASE removal WHEN 'keep' THEN login = ?3 ELSE since >= ?2 END"
/* Messages that are kept stay so. */
#define IS_OLD " WHERE since < ?1 AND removal <> 'keep'"

static const char *const statements[] = {
	[PB_JOURNAL_SQL_ADD] = "INSERT INTO promise (maildrop, uidvalidity,"
	    " uids, checksum, messages, session, client, since, removal,"
	    " login) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[PB_JOURNAL_SQL_COUNT_OF] = "SELECT count(*) FROM promise"
	    OF_MAILDROP,
	/* Where there are too many, those that only hide come first. */
	[PB_JOURNAL_SQL_FIND] = "SELECT number, uidvalidity, uids, checksum,"
	    " tries, tried, removal, login FROM promise" OF_MAILDROP
	    " ORDER BY removal = 'keep' DESC, number",
	[PB_JOURNAL_SQL_FIND_KEPT] = "SELECT number, maildrop, login,"
	    " uidvalidity, uids, checksum FROM promise WHERE maildrop = ?1"
	    " AND login = ?2 AND uidvalidity = ?3 AND removal = 'keep'",
	[PB_JOURNAL_SQL_SEE_KEPT] = "SELECT number, maildrop, login,"
	    " uidvalidity, uids, checksum FROM promise WHERE number = ?1"
	    " AND removal = 'keep'",
	[PB_JOURNAL_SQL_CHANGE_KEPT] = "UPDATE promise SET uids = ?2,"
	    " checksum = ?3, messages = ?4, session = coalesce(?5, session),"
	    " client = coalesce(?6, client) WHERE number = ?1",
	[PB_JOURNAL_SQL_DROP] = "DELETE FROM promise WHERE number = ?1",
	[PB_JOURNAL_SQL_FAILED] = "UPDATE promise SET tries = tries + 1,"
	    " tried = ?2, error = ?3 WHERE number = ?1",
	[PB_JOURNAL_SQL_RETRY] = "UPDATE promise SET tries = 0"
	    " WHERE number = ?1 AND removal <> 'keep'",
	[PB_JOURNAL_SQL_LIST] = "SELECT " COLUMNS " FROM promise"
	    " ORDER BY number",
	[PB_JOURNAL_SQL_OLD] = "SELECT " COLUMNS " FROM promise" IS_OLD,
	[PB_JOURNAL_SQL_DROP_OLD] = "DELETE FROM promise" IS_OLD,
};

_Static_assert(sizeof(statements) / sizeof(statements[0]) ==
    PB_JOURNAL_SQL_ALL, "a row for every statement");

static const struct pb_db_kind kind = {
	.what = "the journal",
	.foreign = "it is no journal of popbridge: move it away",
	.other_version = "it is of another version of popbridge: start that "
	    "one again, or move the file away, and what is promised in it is "
	    "not removed",
	.id = APPLICATION_ID,
	.version = VERSION,
	.version_before = VERSION_BEFORE,
	.schema = schema_before,
	.upgrade = upgrade,
	.settings = "PRAGMA synchronous = FULL;"
	    "PRAGMA journal_size_limit = " LOG_OCTETS,
	.statements = statements,
	.n = PB_JOURNAL_SQL_ALL,
};

enum pb_status
pb_journal_file_sync(struct pb_db_file *f, bool durable, struct pb_error *err)
{
	return pb_db_file_execute(f, durable ? "PRAGMA synchronous = FULL"
	    : "PRAGMA synchronous = NORMAL", err);
}

/* Promises that are lost unseen would be worse than a second at the start. */
static enum pb_status
examine(struct pb_db_file *f, struct pb_error *err)
{
	sqlite3_stmt *s = NULL;
	enum pb_status st = PB_OK;

	if (sqlite3_prepare_v2(f->db, "PRAGMA quick_check(1)", -1, &s,
	    NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW) {
		st = pb_db_file_failed(f, err);
	} else if (!pb_slice_is(pb_db_column(s, 0), "ok")) {
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "%s: it is damaged", f->name);
		st = PB_EPROTO;
	}
	sqlite3_finalize(s);
	return st;
}

enum pb_status
pb_journal_file_make(struct pb_db_file *f, const char *name,
    struct pb_error *err)
{
	enum pb_status st = pb_file_make_private(name, err);

	if (st == PB_OK)
		st = pb_db_file_open(f, &kind, name, true, err);
	if (st == PB_OK)
		st = examine(f, err);
	if (st != PB_OK)
		pb_db_file_close(f);
	return st;
}

enum pb_status
pb_journal_file_open(struct pb_db_file *f, const char *name,
    struct pb_error *err)
{
	if (access(name, F_OK) != 0 && errno == ENOENT)
		return PB_EOF;
	return pb_db_file_open(f, &kind, name, false, err);
}

enum pb_status
pb_journal_no_memory(struct pb_error *err)
{
	return pb_db_file_no_memory(&kind, err);
}
