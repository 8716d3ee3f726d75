#ifndef PB_NET_JOURNAL_WORK_H
#define PB_NET_JOURNAL_WORK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "popbridge/base/error.h"
#include "popbridge/bridge/promise.h"
#include "popbridge/store/journal.h"

/*
 * The journal, written on a thread of libuv's pool.
 *
 * Level-triggered: `ready` says "look".  pb_journal_work_leave ends the owner's
 * interest: nothing is called back after it, the object frees itself, and what
 * is under way is written all the same.  The loop must end before the journal
 * is freed.
 */

struct pb_journal_work;

/*
 * Make a promise durable.  All is copied; `ready` comes once, from the loop.
 * NULL: no memory.
 */
struct pb_journal_work *
pb_journal_work_promise(uv_loop_t *loop, struct pb_journal *journal,
			const struct pb_journal_source *source,
			const struct pb_promise *promise,
			void (*ready)(void *owner), void *owner);

bool pb_journal_work_is_done(const struct pb_journal_work *w);
/* Once it is done: its number, or 0 and *err. */
int64_t pb_journal_work_number(const struct pb_journal_work *w,
			       struct pb_error *err);

/* Nulls *w; harmless for NULL. */
void pb_journal_work_leave(struct pb_journal_work **w);
/*
 * The same; and when it has been written down, it is struck out again, because
 * somebody has been told that it is not.
 */
void pb_journal_work_revoke(struct pb_journal_work **w);

/*
 * Note what became of promises, which become the work's; nobody waits for it.
 * Without memory it is not noted, and the next login looks again.
 */
void pb_journal_work_note(uv_loop_t *loop, struct pb_journal *journal,
			  struct pb_promises **promises);

#endif
