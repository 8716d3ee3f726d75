#ifndef PB_STORE_JOURNAL_FILE_H
#define PB_STORE_JOURNAL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "sqlite.h"

/*
 * The file of promises: one connection, for one thread at a time.
 *
 * Calls return PB_OK, PB_EPROTO (the file is damaged), PB_EINVAL (it is not
 * ours, or of another version), PB_EIO (the disk, or another process) or
 * PB_ENOMEM, with *err.
 */

enum pb_journal_sql {
	PB_JOURNAL_SQL_BEGIN,
	PB_JOURNAL_SQL_COMMIT,
	PB_JOURNAL_SQL_ROLLBACK,
	PB_JOURNAL_SQL_ADD,
	PB_JOURNAL_SQL_COUNT_OF,
	PB_JOURNAL_SQL_FIND,
	PB_JOURNAL_SQL_DROP,
	PB_JOURNAL_SQL_FAILED,
	PB_JOURNAL_SQL_RETRY,
	PB_JOURNAL_SQL_LIST,
	PB_JOURNAL_SQL_OLD,
	PB_JOURNAL_SQL_DROP_OLD,
	PB_JOURNAL_SQL_ALL	/* how many there are */
};

/* Columns of LIST and OLD. */
enum pb_journal_column {
	PB_JOURNAL_COLUMN_NUMBER,
	PB_JOURNAL_COLUMN_MAILDROP,
	PB_JOURNAL_COLUMN_MESSAGES,
	PB_JOURNAL_COLUMN_SESSION,
	PB_JOURNAL_COLUMN_CLIENT,
	PB_JOURNAL_COLUMN_SINCE,
	PB_JOURNAL_COLUMN_TRIES,
	PB_JOURNAL_COLUMN_ERROR,
};

/* A zeroed one is closed. */
struct pb_journal_file {
	const char *name;				/* borrowed */
	sqlite3 *db;					/* own; NULL: closed */
	sqlite3_stmt *statement[PB_JOURNAL_SQL_ALL];	/* own */
};

/*
 * Open it, make what is missing, and look whether it is sound; the name is
 * borrowed until it is closed.
 */
enum pb_status pb_journal_file_make(struct pb_journal_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/* Open what is there, to read.  PB_EOF, too: there is none, or no table. */
enum pb_status pb_journal_file_open(struct pb_journal_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/* Harmless when closed, as it is after each of these that failed. */
void pb_journal_file_close(struct pb_journal_file *f);
/* Somebody has removed or replaced it, so that it is open in vain. */
bool pb_journal_file_has_moved(struct pb_journal_file *f);

/* PB_OK: there is a row; PB_EOF: no more, and the statement has let go. */
enum pb_status pb_journal_file_step(struct pb_journal_file *f,
				    enum pb_journal_sql which,
				    struct pb_error *err) PB_MUST_CHECK;
/* All of a statement that has no rows. */
enum pb_status pb_journal_file_run(struct pb_journal_file *f,
				   enum pb_journal_sql which,
				   struct pb_error *err) PB_MUST_CHECK;
/* The end of a transaction: it commits if so far all is PB_OK. */
enum pb_status pb_journal_file_end(struct pb_journal_file *f,
				   enum pb_status so_far,
				   struct pb_error *err) PB_MUST_CHECK;
/* Whether what is committed from now on survives a power failure. */
enum pb_status pb_journal_file_sync(struct pb_journal_file *f, bool durable,
				    struct pb_error *err) PB_MUST_CHECK;

#endif
