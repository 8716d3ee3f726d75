#ifndef PB_STORE_SQLITE_H
#define PB_STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * What every SQLite file of ours needs.  A connection is for one thread at a
 * time.
 */

/*
 * Open a file that is there.  False: sqlite3_errmsg says why; *db is to be
 * closed all the same.
 */
bool pb_db_connect(const char *file, sqlite3 **db) PB_MUST_CHECK;

/* Whether the last failure was that of a damaged file, or of none of SQLite. */
bool pb_db_is_damaged(sqlite3 *db);
/* What to do about the last failure, to stand behind its message; or "". */
const char *pb_db_hint(sqlite3 *db);

/* The first column of the first row.  False: it failed. */
bool pb_db_ask_number(sqlite3 *db, const char *sql,
		      int64_t *number) PB_MUST_CHECK;

/* What a file is; see _is_empty. */
struct pb_db_identity {
	int64_t id;		/* application_id */
	int64_t version;	/* user_version */
	int64_t tables;
};

/* All of it as of one moment.  False: it failed. */
bool pb_db_ask_identity(sqlite3 *db,
			struct pb_db_identity *identity) PB_MUST_CHECK;
/* Nobody has made anything of it so far. */
bool pb_db_is_empty(const struct pb_db_identity *identity);

/* It is not the file any more that has its name. */
bool pb_db_has_moved(sqlite3 *db);

/* A write-ahead log from now on.  Waits for others.  False: it failed. */
bool pb_db_use_log(sqlite3 *db) PB_MUST_CHECK;

/* What is bound is borrowed until the statement has no more rows, or _leave. */
void pb_db_bind_text(sqlite3_stmt *s, int at, struct pb_slice text);
void pb_db_bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len);
void pb_db_bind_number(sqlite3_stmt *s, int at, int64_t number);
/* "" for NULL; valid until the statement goes on. */
struct pb_slice pb_db_column(sqlite3_stmt *s, int at);

/* To be said of one that was left in the middle of its rows. */
void pb_db_leave(sqlite3_stmt *s);

#endif
