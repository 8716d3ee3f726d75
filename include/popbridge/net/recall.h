#ifndef PB_NET_RECALL_H
#define PB_NET_RECALL_H

#include <stdbool.h>
#include <uv.h>

#include "popbridge/base/slice.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/bridge/promise.h"
#include "popbridge/store/journal.h"
#include "popbridge/store/listing_cache.h"

/*
 * What the disk knows of a mailbox, and what was promised to be removed from
 * it, read on a thread of libuv's pool.
 *
 * Level-triggered: `ready` says "look".  pb_recall_leave ends the owner's
 * interest: nothing is called back after it, and the object frees itself.
 */

struct pb_recall;

/*
 * Of the maildrop of this key, and of a user of this login.  `ready` comes once,
 * from the loop, which must end before cache and journal are closed.  Each of
 * these may be NULL: it is not asked.  NULL: no memory.
 */
struct pb_recall *pb_recall_begin(uv_loop_t *loop,
				  struct pb_listing_cache *cache,
				  struct pb_journal *journal,
				  struct pb_slice key, struct pb_slice login,
				  void (*ready)(void *owner), void *owner);

bool pb_recall_is_done(const struct pb_recall *r);
/* Once it is done: NULL: nothing is known.  Borrowed. */
struct pb_listing *pb_recall_listing(const struct pb_recall *r);
/* The same; the caller's. */
struct pb_promises *pb_recall_take_promises(struct pb_recall *r);

/* Nulls *r; harmless for NULL. */
void pb_recall_leave(struct pb_recall **r);

#endif
