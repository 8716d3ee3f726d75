#ifndef PB_STORE_JOURNAL_H
#define PB_STORE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/promise.h"

/*
 * What sessions have promised to remove, and nobody knows yet that it is
 * removed: the SQLite file journal.db in a directory that several processes may
 * share.  A promise is durable when the call that makes it returns.  A row that
 * was damaged, or belongs to another maildrop, is never taken for a promise.
 *
 * A promise that fails five times rests: it is not due again for a day, or
 * until an administrator says so.  What is older than 30 days is dropped, and
 * the log says so: whoever has not been there since wants his messages back.
 *
 * Messages that are kept at the server (PB_REMOVAL_KEEP) are marks of one POP3
 * user, by the login at popbridge: one row for each UIDVALIDITY of a maildrop,
 * which takes up what later sessions promise, is never retried and never old.
 *
 * Maildrops are known by keys: upstream, user and mailbox, with NUL between.
 *
 * Any thread, several at a time; calls block on the disk, so they are not for a
 * loop.  They return PB_OK, PB_EINVAL (there is no such directory or it cannot
 * be written to, or the file is none of ours, or of another version of
 * popbridge), PB_EIO (the disk, or another process) or PB_ENOMEM, with *err.
 * A file that was damaged is put aside as journal.db.damaged, which the log
 * says, and the next call finds an empty one.
 */

struct pb_journal;

/* Opens no file.  NULL: no memory. */
struct pb_journal *pb_journal_new(const char *directory);
/* No other thread is in a call any more; nulls *journal, NULL is harmless. */
void pb_journal_free(struct pb_journal **journal);

/* Open the file, or make it with mode 0600; else the next call does. */
enum pb_status pb_journal_open(struct pb_journal *journal,
			       struct pb_error *err) PB_MUST_CHECK;

/* Who promises; all borrowed. */
struct pb_journal_source {
	struct pb_slice maildrop;
	struct pb_slice login;	/* at popbridge; for PB_REMOVAL_KEEP */
	const char *session;
	const char *client;	/* its address */
};

/*
 * Durable with PB_OK; its number is never used again.  For PB_REMOVAL_KEEP it is
 * that of the user's row, and PB_ETOOBIG, too: there are more than
 * PB_LISTING_MAX marks then.
 */
enum pb_status pb_journal_promise(struct pb_journal *journal,
				  const struct pb_journal_source *source,
				  const struct pb_promise *promise,
				  int64_t *number,
				  struct pb_error *err) PB_MUST_CHECK;

/*
 * All that is promised of a maildrop, and what is kept from this login, the
 * caller's to free; NULL: nothing.
 */
enum pb_status pb_journal_load(struct pb_journal *journal,
			       struct pb_slice maildrop,
			       struct pb_slice login,
			       struct pb_promises **promises,
			       struct pb_error *err) PB_MUST_CHECK;

/*
 * Those that are kept or void are dropped, and what failed is counted.  Of
 * PB_REMOVAL_KEEP, only the UIDs that are gone are struck out (all of them where
 * it is void), and not what another session has added meanwhile.  A power
 * failure may undo it.
 */
enum pb_status pb_journal_note(struct pb_journal *journal,
			       const struct pb_promises *promises,
			       struct pb_error *err) PB_MUST_CHECK;

/* For people; texts may have any octets but NUL. */
struct pb_journal_entry {
	int64_t number;
	const char *upstream;
	const char *user;
	const char *mailbox;
	const char *session;
	const char *client;
	const char *error;	/* the last one; "": none */
	const char *removal;	/* its name; another one: it is damaged */
	const char *login;	/* at popbridge; "" but for what is kept */
	uint32_t messages;
	int64_t since;		/* seconds since 1970 */
	int64_t tries;
};

/* In the order of their numbers; `each` must not call the journal. */
enum pb_status pb_journal_list(struct pb_journal *journal,
			       void (*each)(void *ctx,
					    const struct pb_journal_entry *e),
			       void *ctx, struct pb_error *err) PB_MUST_CHECK;
/* PB_EOF, too: there is none of this number. */
enum pb_status pb_journal_drop(struct pb_journal *journal, int64_t number,
			       struct pb_error *err) PB_MUST_CHECK;
/* It rests no more.  As above; PB_EOF, too: it is kept, and not tried. */
enum pb_status pb_journal_retry(struct pb_journal *journal, int64_t number,
				struct pb_error *err) PB_MUST_CHECK;

#endif
