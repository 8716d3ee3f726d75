#ifndef PB_STORE_JOURNAL_PRIV_H
#define PB_STORE_JOURNAL_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "journal_file.h"
#include "popbridge/base/buffer.h"
#include "popbridge/store/journal.h"

/* Whoever has not been there for longer wants his messages back. */
#define PB_JOURNAL_KEEP_SECONDS (30 * 86400)

/* A connection, and whose turn it is. */
struct pb_journal_side {
	pthread_mutex_t lock;
	struct pb_db_file file;
};

struct pb_journal {
	char *directory;	/* own; also the next */
	char *name;
	/* Reading does not wait until what others write is on the disk. */
	struct pb_journal_side reader;
	struct pb_journal_side writer;	/* its lock guards the next, too */
	int64_t pruned_at;	/* seconds; 0: not by this process */
	_Atomic int64_t said_at;	/* the same: of a fault */
	_Atomic bool held;	/* another program's, when last tried */
};

/* Seconds since 1970. */
int64_t pb_journal_now(void);

void pb_journal_lock(struct pb_journal_side *side);
void pb_journal_unlock(struct pb_journal_side *side);

/*
 * The writer's turn, with the file open and in a transaction.  With PB_OK
 * comes the end, which commits if all is PB_OK so far.
 */
enum pb_status pb_journal_begin(struct pb_journal *j, bool durable,
				struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_journal_end(struct pb_journal *j, enum pb_status so_far,
			      struct pb_error *err) PB_MUST_CHECK;
/* A reader says that it is damaged: look, and put it aside if it is. */
void pb_journal_suspect(struct pb_journal *j);
/* Tell the log, unless it was told of something a short while ago. */
void pb_journal_say(struct pb_journal *j, const char *text, const char *why);

/* Whom a row belongs to, and how: its checksum binds the UIDs to that. */
struct pb_journal_owner {
	struct pb_slice maildrop;
	struct pb_slice login;
	enum pb_removal removal;
	uint32_t uidvalidity;
};

/* UIDs as a row has them. */
struct pb_journal_code {
	struct pb_buffer uids;
	uint8_t checksum[32];
};

/* With PB_OK, *code is to be given to _code_fini.  PB_ENOMEM. */
enum pb_status pb_journal_encode(const struct pb_journal_owner *owner,
				 const uint32_t *uids, size_t n,
				 struct pb_journal_code *code) PB_MUST_CHECK;
void pb_journal_code_fini(struct pb_journal_code *code);
/* *uids is the caller's.  PB_EINVAL: the row is damaged; PB_ENOMEM. */
enum pb_status pb_journal_decode(const struct pb_journal_owner *owner,
				 struct pb_slice octets,
				 struct pb_slice checksum, uint32_t **uids,
				 size_t *n) PB_MUST_CHECK;

/* A new row, in a transaction. */
enum pb_status pb_journal_add(struct pb_db_file *f,
			      const struct pb_journal_source *source,
			      const struct pb_promise *promise,
			      int64_t *number,
			      struct pb_error *err) PB_MUST_CHECK;
/* The same for what is kept: it goes into the user's row. */
enum pb_status pb_journal_keep(struct pb_db_file *f,
			       const struct pb_journal_source *source,
			       const struct pb_promise *promise,
			       int64_t *number,
			       struct pb_error *err) PB_MUST_CHECK;
/* Strike out UIDs of what is kept, in a transaction. */
enum pb_status pb_journal_strike(struct pb_db_file *f, int64_t number,
				 const uint32_t *gone, size_t n,
				 struct pb_error *err) PB_MUST_CHECK;

void pb_journal_say_damaged(int64_t number);

/* What a row of LIST or OLD says, in memory of the caller's. */
struct pb_journal_text {
	char maildrop[1024];
	char session[32];
	char client[64];
	char error[256];
	char removal[16];
	char login[256];
};
void pb_journal_read_entry(sqlite3_stmt *s, struct pb_journal_text *text,
			   struct pb_journal_entry *entry);

#endif
