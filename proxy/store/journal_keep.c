#include "journal_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/uid_merge.h"

/* What a user has popped of a mailbox: a row of FIND_KEPT or SEE_KEPT. */
struct kept {
	int64_t number;
	struct pb_journal_owner owner;	/* borrowed from the statement */
	uint32_t *uids;			/* own; NULL: it is damaged */
	size_t n;
};

/* PB_EOF: there is none.  With PB_OK, the statement is to be left. */
static enum pb_status
read_kept(struct pb_db_file *f, enum pb_journal_sql which,
    struct kept *kept, struct pb_error *err)
{
	enum pb_status st = pb_db_file_step(f, which, err);
	sqlite3_stmt *s = f->statement[which];

	if (st != PB_OK)
		return st;
	*kept = (struct kept){ .number = sqlite3_column_int64(s, 0),
		.owner = { .maildrop = pb_db_column(s, 1),
		    .login = pb_db_column(s, 2), .removal = PB_REMOVAL_KEEP,
		    .uidvalidity = (uint32_t)sqlite3_column_int64(s, 3) } };
	st = pb_journal_decode(&kept->owner, pb_db_column(s, 4),
	    pb_db_column(s, 5), &kept->uids, &kept->n);
	if (st != PB_ENOMEM)
		return PB_OK;
	pb_db_leave(s);
	return pb_journal_no_memory(err);
}

/* Who promised last; NULL: as it is. */
static enum pb_status
write_kept(struct pb_db_file *f, const struct kept *kept,
    const uint32_t *uids, size_t n, const struct pb_journal_source *source,
    struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_CHANGE_KEPT];
	struct pb_journal_code code;
	enum pb_status st;

	if (pb_journal_encode(&kept->owner, uids, n, &code) != PB_OK)
		return pb_journal_no_memory(err);
	pb_db_bind_number(s, 1, kept->number);
	pb_db_bind_blob(s, 2, pb_buffer_slice(&code.uids).data,
	    code.uids.len);
	pb_db_bind_blob(s, 3, code.checksum, sizeof(code.checksum));
	pb_db_bind_number(s, 4, (int64_t)n);
	if (source != NULL) {
		pb_db_bind_text(s, 5, pb_slice_str(source->session));
		pb_db_bind_text(s, 6, pb_slice_str(source->client));
	}
	st = pb_db_file_run(f, PB_JOURNAL_SQL_CHANGE_KEPT, err);
	pb_journal_code_fini(&code);
	return st;
}

static enum pb_status
merge(struct pb_db_file *f, const struct kept *kept,
    const struct pb_promise *promise, const struct pb_journal_source *source,
    struct pb_error *err)
{
	uint32_t *uids;
	enum pb_status st;
	size_t n;

	if (kept->uids == NULL)
		pb_journal_say_damaged(kept->number);
	st = pb_uids_union(kept->uids, kept->n, promise->uids, promise->n,
	    &uids, &n);
	if (st == PB_ENOMEM)
		return pb_journal_no_memory(err);
	if (st == PB_OK && n > PB_LISTING_MAX) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_MAILDROP,
		    "the journal keeps %zu messages of this mailbox from the "
		    "user, and cannot take more than %d", kept->n,
		    PB_LISTING_MAX);
		st = PB_ETOOBIG;
	}
	if (st == PB_OK)
		st = write_kept(f, kept, uids, n, source, err);
	pb_free(uids);
	return st;
}

enum pb_status
pb_journal_keep(struct pb_db_file *f,
    const struct pb_journal_source *source, const struct pb_promise *promise,
    int64_t *number, struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_FIND_KEPT];
	struct kept kept;
	enum pb_status st;

	/* Marks of nobody would be everybody's. */
	pb_check(source->login.len > 0);
	pb_db_bind_blob(s, 1, source->maildrop.data, source->maildrop.len);
	pb_db_bind_blob(s, 2, source->login.data, source->login.len);
	pb_db_bind_number(s, 3, promise->uidvalidity);
	st = read_kept(f, PB_JOURNAL_SQL_FIND_KEPT, &kept, err);
	if (st == PB_EOF)
		return pb_journal_add(f, source, promise, number, err);
	if (st != PB_OK)
		return st;
	*number = kept.number;
	st = merge(f, &kept, promise, source, err);
	pb_free(kept.uids);
	pb_db_leave(s);
	return st;
}

static enum pb_status
drop(struct pb_db_file *f, int64_t number, struct pb_error *err)
{
	pb_db_bind_number(f->statement[PB_JOURNAL_SQL_DROP], 1, number);
	return pb_db_file_run(f, PB_JOURNAL_SQL_DROP, err);
}

enum pb_status
pb_journal_strike(struct pb_db_file *f, int64_t number,
    const uint32_t *gone, size_t n, struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_SEE_KEPT];
	struct kept kept;
	enum pb_status st;

	pb_db_bind_number(s, 1, number);
	st = read_kept(f, PB_JOURNAL_SQL_SEE_KEPT, &kept, err);
	/* Somebody has dropped it. */
	if (st == PB_EOF)
		return PB_OK;
	if (st != PB_OK)
		return st;
	kept.n = pb_uids_without(kept.uids, kept.n, gone, n);
	st = kept.n > 0
	    ? write_kept(f, &kept, kept.uids, kept.n, NULL, err)
	    : drop(f, number, err);
	pb_free(kept.uids);
	pb_db_leave(s);
	return st;
}
