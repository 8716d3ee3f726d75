#ifndef PB_STORE_JOURNAL_FILE_H
#define PB_STORE_JOURNAL_FILE_H

#include <stdbool.h>

#include "db_file.h"
#include "popbridge/base/error.h"
#include "popbridge/base/status.h"

/* The file of promises.  Its calls return what those of db_file.h do. */

enum pb_journal_sql {
	PB_JOURNAL_SQL_ADD = PB_DB_OWN,
	PB_JOURNAL_SQL_COUNT_OF,
	PB_JOURNAL_SQL_FIND,
	PB_JOURNAL_SQL_FIND_KEPT,	/* that of a POP3 user */
	PB_JOURNAL_SQL_SEE_KEPT,	/* that of a number */
	PB_JOURNAL_SQL_CHANGE_KEPT,
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
	PB_JOURNAL_COLUMN_REMOVAL,
	PB_JOURNAL_COLUMN_LOGIN,
};

/*
 * Open it, make what is missing, and look whether it is sound; the name is
 * borrowed until it is closed.
 */
enum pb_status pb_journal_file_make(struct pb_db_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/*
 * Open what is there, to read.  PB_EOF, too: there is none, or no table;
 * PB_AGAIN: it is of an older version, which pb_journal_file_make mends.
 */
enum pb_status pb_journal_file_open(struct pb_db_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/* Whether what is committed from now on survives a power failure. */
enum pb_status pb_journal_file_sync(struct pb_db_file *f, bool durable,
				    struct pb_error *err) PB_MUST_CHECK;

enum pb_status pb_journal_no_memory(struct pb_error *err) PB_MUST_CHECK;

#endif
