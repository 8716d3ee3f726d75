#include "listing_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "popbridge/store/listing_code.h"

/* "popl", as file(1) and other programs know a file of ours. */
#define APPLICATION_ID 0x706f706c
/* Of the tables, of what is digested, and of store/listing_code.h. */
#define VERSION 2

/* About what a row costs besides the listing. */
#define ROW_OCTETS 120

/*
 * A write-ahead log that has grown larger is cut down again; a batch of large
 * mailboxes may take as much for a moment.
 */
#define LOG_OCTETS "16777216"

static const char schema[] =
    "CREATE TABLE listing ("
    " id BLOB NOT NULL UNIQUE,"
    " used INTEGER NOT NULL,"		/* in days since 1970 */
    " octets INTEGER NOT NULL,"
    " checksum BLOB NOT NULL,"
    " value BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX listing_by_use ON listing (used, octets);";

static const char *const statements[] = {
	[PB_LISTING_SQL_FIND] = "SELECT used, checksum, value FROM listing"
	    " WHERE id = ?1",
	/* What has not changed is not written again. */
	[PB_LISTING_SQL_SAVE] = "INSERT INTO listing"
	    " (id, used, octets, checksum, value)"
	    " VALUES (?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT (id) DO UPDATE SET used = ?2, octets = ?3,"
	    " checksum = ?4, value = ?5 WHERE used <> ?2 OR checksum <> ?4",
	[PB_LISTING_SQL_FORGET] = "DELETE FROM listing WHERE id = ?1",
	[PB_LISTING_SQL_TOUCH] = "UPDATE listing SET used = ?2"
	    " WHERE id = ?1",
	[PB_LISTING_SQL_TOTAL] = "SELECT coalesce(sum(octets), 0)"
	    " FROM listing",
	[PB_LISTING_SQL_DROP_UNUSED] = "DELETE FROM listing WHERE used < ?1",
	[PB_LISTING_SQL_DROP_OLDEST] = "DELETE FROM listing WHERE rowid IN"
	    " (SELECT rowid FROM (SELECT rowid, sum(octets) OVER"
	    " (ORDER BY used DESC, rowid DESC) AS so_far FROM listing)"
	    " WHERE so_far > ?1)",
};

_Static_assert(sizeof(statements) / sizeof(statements[0]) ==
    PB_LISTING_SQL_COUNT, "a row for every statement");

static const struct pb_db_kind kind = {
	.what = "the file of listings",
	.foreign = "it is no file of listings",
	.other_version = "it is of another version of popbridge",
	.id = APPLICATION_ID,
	.version = VERSION,
	.schema = schema,
	/* A power failure may cost the last saves, but not the file. */
	.settings = "PRAGMA synchronous = NORMAL;"
	    "PRAGMA journal_size_limit = " LOG_OCTETS,
	.statements = statements,
	.n = PB_LISTING_SQL_COUNT,
};

/* The digest of two parts, of which the first has always the same length. */
static bool
digest(const void *first, size_t len, struct pb_slice second, uint8_t out[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c != NULL && EVP_DigestInit_ex2(c, EVP_sha256(), NULL) ==
	    1 && EVP_DigestUpdate(c, first, len) == 1 &&
	    EVP_DigestUpdate(c, second.data, second.len) == 1 &&
	    EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

bool
pb_listing_id_of(struct pb_slice key, struct pb_listing_id *id)
{
	static const char what[] = "popbridge listing";

	return digest(what, sizeof(what), key, id->octets);
}

/* Whatever is wrong with it, it has to be begun anew. */
static enum pb_status
said(enum pb_status st)
{
	return st == PB_EPROTO ? PB_EINVAL : st;
}

static enum pb_status
step(struct pb_db_file *f, enum pb_listing_sql which, struct pb_error *err)
{
	return said(pb_db_file_step(f, which, err));
}

static enum pb_status
run(struct pb_db_file *f, enum pb_listing_sql which, struct pb_error *err)
{
	return said(pb_db_file_run(f, which, err));
}

static sqlite3_stmt *
statement_for(struct pb_db_file *f, enum pb_listing_sql which,
    const struct pb_listing_id *id)
{
	pb_db_bind_blob(f->statement[which], 1, id->octets,
	    sizeof(id->octets));
	return f->statement[which];
}

enum pb_status
pb_listing_file_open(struct pb_db_file *f, const char *name,
    struct pb_error *err)
{
	return said(pb_db_file_open(f, &kind, name, false, err));
}

enum pb_status
pb_listing_file_make(struct pb_db_file *f, const char *name,
    struct pb_error *err)
{
	enum pb_status st = pb_file_make_private(name, err);

	return st == PB_OK ? said(pb_db_file_open(f, &kind, name, true, err))
	    : st;
}

enum pb_status
pb_listing_file_remove(const char *name, struct pb_error *err)
{
	/* The log first: it must never meet a file that it is not of. */
	static const char *const tails[] = { "-wal", "-shm", "-journal", "" };
	char path[4096];
	char why[128];
	size_t i;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", name, tails[i]);
		if (unlink(path) == 0 || errno == ENOENT)
			continue;
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "%s: it cannot be removed: %s", path,
		    strerror_r(errno, why, sizeof(why)));
		return PB_EIO;
	}
	return PB_OK;
}

static enum pb_status
read_row(sqlite3_stmt *s, const struct pb_listing_id *id,
    struct pb_listing_row *row)
{
	struct pb_slice checksum = pb_db_column(s, 1);
	struct pb_slice value = pb_db_column(s, 2);
	uint8_t want[32];
	enum pb_status st;

	row->used = sqlite3_column_int64(s, 0);
	if (!digest(id->octets, sizeof(id->octets), value, want))
		return PB_ENOMEM;
	if (checksum.len != sizeof(want) ||
	    memcmp(checksum.data, want, sizeof(want)) != 0) {
		row->fault = "its checksum is wrong";
		return PB_OK;
	}
	st = pb_listing_decode(value, &row->listing);
	if (st == PB_EINVAL)
		row->fault = "it cannot be read";
	return st == PB_ENOMEM ? st : PB_OK;
}

enum pb_status
pb_listing_file_find(struct pb_db_file *f,
    const struct pb_listing_id *id, struct pb_listing_row *row,
    struct pb_error *err)
{
	sqlite3_stmt *s = statement_for(f, PB_LISTING_SQL_FIND, id);
	enum pb_status st = step(f, PB_LISTING_SQL_FIND, err);

	*row = (struct pb_listing_row){ .listing = NULL };
	if (st != PB_OK)
		return st;
	st = read_row(s, id, row);
	pb_db_leave(s);
	return st == PB_ENOMEM ? pb_db_file_no_memory(&kind, err) : st;
}

enum pb_status
pb_listing_file_begin(struct pb_db_file *f, struct pb_error *err)
{
	return said(pb_db_file_run(f, PB_DB_BEGIN, err));
}

enum pb_status
pb_listing_file_end(struct pb_db_file *f, enum pb_status so_far,
    struct pb_error *err)
{
	return said(pb_db_file_end(f, so_far, err));
}

enum pb_status
pb_listing_file_save(struct pb_db_file *f,
    const struct pb_listing_id *id, const struct pb_listing *listing,
    int64_t day, uint64_t *octets, struct pb_error *err)
{
	uint8_t checksum[32];
	struct pb_buffer b;
	enum pb_status st;
	sqlite3_stmt *s;

	*octets = 0;
	pb_buffer_init(&b, PB_LISTING_CODE_MAX);
	st = pb_listing_encode(listing, &b);
	if (st == PB_OK && digest(id->octets, sizeof(id->octets),
	    pb_buffer_slice(&b), checksum)) {
		*octets = b.len + ROW_OCTETS;
		s = statement_for(f, PB_LISTING_SQL_SAVE, id);
		pb_db_bind_number(s, 2, day);
		pb_db_bind_number(s, 3, (int64_t)*octets);
		pb_db_bind_blob(s, 4, checksum, sizeof(checksum));
		pb_db_bind_blob(s, 5, pb_buffer_slice(&b).data, b.len);
		st = run(f, PB_LISTING_SQL_SAVE, err);
	} else {
		st = pb_db_file_no_memory(&kind, err);
	}
	pb_buffer_fini(&b);
	return st;
}

enum pb_status
pb_listing_file_forget(struct pb_db_file *f,
    const struct pb_listing_id *id, struct pb_error *err)
{
	(void)statement_for(f, PB_LISTING_SQL_FORGET, id);
	return run(f, PB_LISTING_SQL_FORGET, err);
}

enum pb_status
pb_listing_file_touch(struct pb_db_file *f,
    const struct pb_listing_id *id, int64_t day, struct pb_error *err)
{
	pb_db_bind_number(statement_for(f, PB_LISTING_SQL_TOUCH, id), 2, day);
	return run(f, PB_LISTING_SQL_TOUCH, err);
}

static enum pb_status
total(struct pb_db_file *f, uint64_t *octets, struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_LISTING_SQL_TOTAL];
	enum pb_status st = step(f, PB_LISTING_SQL_TOTAL, err);

	if (st != PB_OK)
		return st;
	*octets = (uint64_t)sqlite3_column_int64(s, 0);
	pb_db_leave(s);
	return PB_OK;
}

enum pb_status
pb_listing_file_prune(struct pb_db_file *f, int64_t day, uint64_t max,
    uint64_t *octets, struct pb_error *err)
{
	enum pb_status st;

	pb_db_bind_number(f->statement[PB_LISTING_SQL_DROP_UNUSED], 1, day);
	st = run(f, PB_LISTING_SQL_DROP_UNUSED, err);
	if (st == PB_OK)
		st = total(f, octets, err);
	if (st != PB_OK || *octets <= max)
		return st;
	/* More than needed, so that it is not done for each row again. */
	pb_db_bind_number(f->statement[PB_LISTING_SQL_DROP_OLDEST], 1,
	    (int64_t)(max - max / 8));
	st = run(f, PB_LISTING_SQL_DROP_OLDEST, err);
	return st == PB_OK ? total(f, octets, err) : st;
}
