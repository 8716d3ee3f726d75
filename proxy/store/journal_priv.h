#ifndef PB_STORE_JOURNAL_PRIV_H
#define PB_STORE_JOURNAL_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "journal_file.h"
#include "popbridge/store/journal.h"

/* Whoever has not been there for longer wants his messages back. */
#define PB_JOURNAL_KEEP_SECONDS (30 * 86400)

/* A connection, and whose turn it is. */
struct pb_journal_side {
	pthread_mutex_t lock;
	struct pb_journal_file file;
};

struct pb_journal {
	char *directory;	/* own; also the next */
	char *name;
	/* Reading does not wait until what others write is on the disk. */
	struct pb_journal_side reader;
	struct pb_journal_side writer;	/* its lock guards the next, too */
	int64_t pruned_at;	/* seconds; 0: not by this process */
	_Atomic int64_t said_at;	/* the same: of a fault */
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

/* What a row of LIST or OLD says, in memory of the caller's. */
struct pb_journal_text {
	char maildrop[1024];
	char session[32];
	char client[64];
	char error[256];
};
void pb_journal_read_entry(sqlite3_stmt *s, struct pb_journal_text *text,
			   struct pb_journal_entry *entry);

#endif
