#ifndef PB_STORE_LISTING_FILE_H
#define PB_STORE_LISTING_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "db_file.h"
#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * The file of listings: one connection, for one thread at a time.
 *
 * Where nothing else is said, calls return PB_OK, PB_EINVAL (the file is
 * damaged, or not ours, and has to be begun anew), PB_EIO (the disk, or another
 * process) or PB_ENOMEM, with *err.
 */

/* What a mailbox is known by in the file: a digest of its key. */
struct pb_listing_id {
	uint8_t octets[32];
};

enum pb_listing_sql {
	PB_LISTING_SQL_FIND = PB_DB_OWN,
	PB_LISTING_SQL_SAVE,
	PB_LISTING_SQL_FORGET,
	PB_LISTING_SQL_TOUCH,
	PB_LISTING_SQL_TOTAL,
	PB_LISTING_SQL_DROP_UNUSED,
	PB_LISTING_SQL_DROP_OLDEST,
	PB_LISTING_SQL_COUNT	/* how many there are */
};

/* False: OpenSSL cannot. */
bool pb_listing_id_of(struct pb_slice key,
		      struct pb_listing_id *id) PB_MUST_CHECK;

/*
 * Open what is there; the name is borrowed until it is closed.  PB_EOF, too: it
 * has no tables yet.
 */
enum pb_status pb_listing_file_open(struct pb_db_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/* The same, and make what is missing. */
enum pb_status pb_listing_file_make(struct pb_db_file *f,
				    const char *name,
				    struct pb_error *err) PB_MUST_CHECK;
/* Remove it, with what SQLite puts beside it.  PB_OK, PB_EIO. */
enum pb_status pb_listing_file_remove(const char *name,
				      struct pb_error *err) PB_MUST_CHECK;
struct pb_listing_row {
	struct pb_listing *listing;	/* the caller's to unref; or NULL: */
	const char *fault;		/* why it cannot be used */
	int64_t used;			/* in days */
};

/* PB_EOF, too: there is none.  *row is filled for PB_OK. */
enum pb_status pb_listing_file_find(struct pb_db_file *f,
				    const struct pb_listing_id *id,
				    struct pb_listing_row *row,
				    struct pb_error *err) PB_MUST_CHECK;

/* A transaction; its end commits if so far all is PB_OK. */
enum pb_status pb_listing_file_begin(struct pb_db_file *f,
				     struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_listing_file_end(struct pb_db_file *f,
				   enum pb_status so_far,
				   struct pb_error *err) PB_MUST_CHECK;

/* *octets: what it takes in the file. */
enum pb_status pb_listing_file_save(struct pb_db_file *f,
				    const struct pb_listing_id *id,
				    const struct pb_listing *listing,
				    int64_t day, uint64_t *octets,
				    struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_listing_file_forget(struct pb_db_file *f,
				      const struct pb_listing_id *id,
				      struct pb_error *err) PB_MUST_CHECK;
/* It is used today. */
enum pb_status pb_listing_file_touch(struct pb_db_file *f,
				     const struct pb_listing_id *id,
				     int64_t day,
				     struct pb_error *err) PB_MUST_CHECK;

/*
 * Drop what was not used since `day`, and the oldest of what is more than
 * max.  *octets: what is left.
 */
enum pb_status pb_listing_file_prune(struct pb_db_file *f, int64_t day,
				     uint64_t max, uint64_t *octets,
				     struct pb_error *err) PB_MUST_CHECK;

#endif
