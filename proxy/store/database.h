#ifndef PB_STORE_DATABASE_H
#define PB_STORE_DATABASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "popbridge/base/error.h"
#include "popbridge/store/accounts.h"
#include "popbridge/store/keyring.h"
#include "popbridge/store/proof.h"
#include "sqlite.h"

/*
 * The SQLite file: schema, statements, transactions.  One connection, one
 * thread at a time: whoever calls these holds the lock.
 */

enum pb_sql {
	PB_SQL_BEGIN,
	PB_SQL_BEGIN_WRITING,
	PB_SQL_COMMIT,
	PB_SQL_ROLLBACK,
	PB_SQL_FIND,		/* by name; then enum pb_column */
	PB_SQL_ALL,		/* the same of each, by name */
	PB_SQL_NETWORKS,
	PB_SQL_LISTENERS,
	PB_SQL_ADD,
	PB_SQL_ADD_NETWORK,
	PB_SQL_ADD_LISTENER,
	PB_SQL_SET_PASSWORD,
	PB_SQL_SET_RECOVERABLE,
	PB_SQL_SET_UPSTREAM,
	PB_SQL_SET_ENABLED,
	PB_SQL_REMOVE,
	PB_SQL_COUNT	/* how many there are */
};

/* What PB_SQL_FIND and PB_SQL_ALL say, in this order. */
enum pb_column {
	PB_COLUMN_ID,
	PB_COLUMN_NAME,
	PB_COLUMN_LABEL,
	PB_COLUMN_ENABLED,
	PB_COLUMN_UPSTREAM_USER,
	PB_COLUMN_VERIFIER,
	PB_COLUMN_ITERATIONS,
	PB_COLUMN_SALT,
	PB_COLUMN_STORED_KEY,
	PB_COLUMN_SERVER_KEY,
	PB_COLUMN_UPSTREAM_PASSWORD,	/* sealed */
	PB_COLUMN_RECOVERABLE,		/* sealed; the password itself */
};

/* What sealed columns are called where they are bound to their place. */
#define PB_PLACE_UPSTREAM_PASSWORD "upstream_password"
#define PB_PLACE_RECOVERABLE "recoverable"

struct pb_accounts {
	atomic_uint refs;
	char *file;		/* own */
	char *key_file;		/* own; NULL: none */
	pthread_mutex_t lock;	/* of all below */
	sqlite3 *db;		/* own */
	sqlite3_stmt *statement[PB_SQL_COUNT];	/* own */
	struct pb_keyring ring;	/* what the key file said last */
	uint8_t secret[PB_SCRAM_SECRET_SIZE];
};

/*
 * Open and make what is missing.  PB_OK, PB_EINVAL, PB_EIO, PB_ENOMEM; after a
 * failure pb_db_close is still to be called.
 */
enum pb_status pb_db_open(struct pb_accounts *a,
			  struct pb_error *err) PB_MUST_CHECK;
void pb_db_close(struct pb_accounts *a);
/*
 * Where another file has the name now, go on with that.  PB_OK, PB_EIO,
 * PB_ENOMEM; after a failure the next one looks again.
 */
enum pb_status pb_db_follow(struct pb_accounts *a,
			    struct pb_error *err) PB_MUST_CHECK;

/* A statement, ready for values to be bound. */
sqlite3_stmt *pb_db_use(struct pb_accounts *a, enum pb_sql which);

/*
 * The next row.  PB_OK, PB_EOF (there is none), PB_EIO (PB_ERROR_TEMPORARY),
 * PB_ENOMEM.  But for PB_OK the statement has let go of the file.
 */
enum pb_status pb_db_step(struct pb_accounts *a, sqlite3_stmt *s,
			  struct pb_error *err) PB_MUST_CHECK;
/* Run one that has no rows.  PB_OK, PB_EIO, PB_ENOMEM. */
enum pb_status pb_db_run(struct pb_accounts *a, sqlite3_stmt *s,
			 struct pb_error *err) PB_MUST_CHECK;

/*
 * A transaction, in the file that has the name: begun as `how`; its end commits
 * if so far all is PB_OK.
 */
enum pb_status pb_db_begin(struct pb_accounts *a, enum pb_sql how,
			   struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_db_end(struct pb_accounts *a, enum pb_status so_far,
			 struct pb_error *err) PB_MUST_CHECK;

/* What was overwritten is gone from the write-ahead log, too, if it can be. */
void pb_db_forget(struct pb_accounts *a);

/*
 * Read the key file again; with none, or none yet, the ring is empty.
 * PB_OK, PB_EINVAL, PB_EIO.
 */
enum pb_status pb_accounts_read_keys(struct pb_accounts *a,
				     struct pb_error *err) PB_MUST_CHECK;

/*
 * Seal a secret and store it by a statement that takes name and octets.
 * PB_OK, PB_EINVAL (there is no key, or it is too long), PB_EIO, PB_ENOMEM.
 */
enum pb_status pb_db_store_sealed(struct pb_accounts *a, enum pb_sql which,
				  const char *name, const char *column,
				  struct pb_slice secret,
				  struct pb_error *err) PB_MUST_CHECK;

/*
 * Open what is sealed of an account; takes the lock itself.  PB_OK, PB_EIO
 * (PB_ERROR_PERMANENT: no key, or not what was sealed), PB_ENOMEM.
 */
enum pb_status pb_accounts_unseal(struct pb_accounts *a, const char *name,
				  const char *column, struct pb_slice sealed,
				  struct pb_secret *secret,
				  struct pb_error *err) PB_MUST_CHECK;

/* The name as it is stored; false when it cannot be one. */
bool pb_account_name(struct pb_slice user, char out[PB_ACCOUNT_NAME_MAX + 1]);

/* No control character, neither of ASCII nor U+0080 to U+009F. */
bool pb_account_is_clean(struct pb_slice text);

#endif
