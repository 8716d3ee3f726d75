#ifndef PB_STORE_DB_FILE_H
#define PB_STORE_DB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "sqlite.h"

/*
 * An SQLite file of the state directory, which several processes share: one
 * connection, for one thread at a time, with its statements prepared.
 *
 * Where nothing else is said, calls return PB_OK, PB_EPROTO (the file is
 * damaged), PB_EIO (the disk, or another process) or PB_ENOMEM, with *err.
 */

/* More than any of ours has. */
#define PB_DB_STATEMENTS_MAX 16

/* Those that every file has; its own ones go on from here. */
enum pb_db_sql {
	PB_DB_BEGIN,
	PB_DB_COMMIT,
	PB_DB_ROLLBACK,
	PB_DB_OWN
};

/* What files of one kind have in common: static, for ever. */
struct pb_db_kind {
	const char *what;	/* it is "no memory for ..." */
	/* Of a file that is another program's, or another version's. */
	const char *foreign;
	const char *other_version;
	int id;			/* its application_id, and user_version */
	int version;
	int version_before;	/* that upgrade makes version of; 0: none */
	const char *schema;	/* of version_before, if there is one */
	const char *upgrade;	/* or NULL */
	const char *settings;	/* of each connection */
	const char *const *statements;	/* the first PB_DB_OWN are ignored */
	size_t n;
};

/* A zeroed one is closed. */
struct pb_db_file {
	const struct pb_db_kind *kind;
	const char *name;		/* borrowed */
	sqlite3 *db;			/* own; NULL: closed */
	sqlite3_stmt *statement[PB_DB_STATEMENTS_MAX];	/* own */
};

/*
 * Open a file that is there; the name is borrowed until it is closed.  `make`
 * makes what is missing in it.  PB_EINVAL, too: it is none of this kind, or of
 * another version.  Without `make`, also PB_EOF: it is empty; PB_AGAIN: it is
 * of the version before.
 */
enum pb_status pb_db_file_open(struct pb_db_file *f,
			       const struct pb_db_kind *kind,
			       const char *name, bool make,
			       struct pb_error *err) PB_MUST_CHECK;
/* Harmless when closed, as it is after _open has failed. */
void pb_db_file_close(struct pb_db_file *f);
/* Somebody has removed or replaced it, so that it is open in vain. */
bool pb_db_file_has_moved(struct pb_db_file *f);

/* PB_OK: there is a row; PB_EOF: no more, and the statement has let go. */
enum pb_status pb_db_file_step(struct pb_db_file *f, int which,
			       struct pb_error *err) PB_MUST_CHECK;
/* All of a statement that has no rows. */
enum pb_status pb_db_file_run(struct pb_db_file *f, int which,
			      struct pb_error *err) PB_MUST_CHECK;
/* Statements that are not prepared. */
enum pb_status pb_db_file_execute(struct pb_db_file *f, const char *sql,
				  struct pb_error *err) PB_MUST_CHECK;
/* The end of a transaction: it commits if so far all is PB_OK. */
enum pb_status pb_db_file_end(struct pb_db_file *f, enum pb_status so_far,
			      struct pb_error *err) PB_MUST_CHECK;

/* Why the last call of SQLite failed. */
enum pb_status pb_db_file_failed(struct pb_db_file *f,
				 struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_db_file_no_memory(const struct pb_db_kind *kind,
				    struct pb_error *err) PB_MUST_CHECK;

#endif
