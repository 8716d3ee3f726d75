#include "sqlite.h"

#include "popbridge/base/check.h"

/* Longer than any transaction of ours; a login cannot wait longer, either. */
#define BUSY_MILLISECONDS 5000
/* Whoever begins the file needs milliseconds; five seconds are enough. */
#define LOG_WAIT_MS 20
#define LOG_WAITS_MAX 250

bool
pb_db_connect(const char *file, sqlite3 **db)
{
	if (sqlite3_open_v2(file, db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return false;
	(void)sqlite3_busy_timeout(*db, BUSY_MILLISECONDS);
	/* There may be no folder for temporary files that it could write to. */
	(void)sqlite3_exec(*db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return true;
}

bool
pb_db_is_damaged(sqlite3 *db)
{
	int code = sqlite3_errcode(db);

	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

const char *
pb_db_hint(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ": put a copy of it in its place";
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return ": popbridge must be able to write to it, and to its "
		    "folder";
	case SQLITE_BUSY:
		return ": another program holds it";
	default:
		return "";
	}
}

bool
pb_db_ask_number(sqlite3 *db, const char *sql, int64_t *number)
{
	sqlite3_stmt *s = NULL;
	bool ok = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW;

	if (ok)
		*number = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return ok;
}

static bool
ask_all(sqlite3 *db, struct pb_db_identity *identity)
{
	return pb_db_ask_number(db, "PRAGMA application_id", &identity->id) &&
	    pb_db_ask_number(db, "PRAGMA user_version", &identity->version) &&
	    pb_db_ask_number(db, "SELECT count(*) FROM sqlite_schema",
	    &identity->tables);
}

bool
pb_db_ask_identity(sqlite3 *db, struct pb_db_identity *identity)
{
	*identity = (struct pb_db_identity){ .id = 0 };
	if (sqlite3_get_autocommit(db) == 0)
		return ask_all(db, identity);
	/*
	 * Another process may be about to make the tables.  A failure is told
	 * as it is, and the file closed for it.
	 */
	return sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
	    ask_all(db, identity) &&
	    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

bool
pb_db_is_empty(const struct pb_db_identity *identity)
{
	return identity->id == 0 && identity->version == 0 &&
	    identity->tables == 0;
}

bool
pb_db_has_moved(sqlite3 *db)
{
	int moved = 0;

	return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED,
	    &moved) != SQLITE_OK || moved != 0;
}

/* Of the locks that this needs SQLite waits for some, in each try anew. */
bool
pb_db_use_log(sqlite3 *db)
{
	unsigned waits = 0;
	int rc;

	(void)sqlite3_busy_timeout(db, 0);
	while ((rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL,
	    NULL, NULL)) == SQLITE_BUSY && waits++ < LOG_WAITS_MAX)
		sqlite3_sleep(LOG_WAIT_MS);
	(void)sqlite3_busy_timeout(db, BUSY_MILLISECONDS);
	return rc == SQLITE_OK;
}

void
pb_db_bind_text(sqlite3_stmt *s, int at, struct pb_slice text)
{
	pb_check(sqlite3_bind_text(s, at, text.data, (int)text.len,
	    SQLITE_STATIC) == SQLITE_OK);
}

void
pb_db_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len)
{
	pb_check(sqlite3_bind_blob(s, at, data, (int)len, SQLITE_STATIC) ==
	    SQLITE_OK);
}

void
pb_db_bind_number(sqlite3_stmt *s, int at, int64_t number)
{
	pb_check(sqlite3_bind_int64(s, at, number) == SQLITE_OK);
}

struct pb_slice
pb_db_column(sqlite3_stmt *s, int at)
{
	const char *data = sqlite3_column_blob(s, at);

	if (data == NULL)
		return pb_slice("", 0);
	return pb_slice(data, (size_t)sqlite3_column_bytes(s, at));
}

void
pb_db_leave(sqlite3_stmt *s)
{
	/* Its result is that of the last step, which has been seen. */
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
}
