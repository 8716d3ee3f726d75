#ifndef PB_SERVICE_LOCKS_H
#define PB_SERVICE_LOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Who has which maildrop, for all loops of the process.  Every function may be
 * called from any thread; none waits for anything but a short mutex.
 *
 * A maildrop is known by a key: upstream, user and mailbox, joined by the
 * caller with an octet that none of them can hold (NUL).  A holder is known by
 * an id that is never used twice while the process lives.
 */

enum pb_lock_mode {
	PB_LOCK_NONE,		/* any number of sessions */
	PB_LOCK_EXCLUSIVE,	/* the first one keeps it */
	PB_LOCK_TAKEOVER,	/* the last one gets it */
};

enum pb_lock_result {
	PB_LOCK_GRANTED,
	PB_LOCK_IN_USE,		/* *other has it and keeps it */
	PB_LOCK_TAKEN_OVER,	/* granted; the caller ends session *other */
	PB_LOCK_FULL,		/* the table's limit, or no memory */
};

/* Longest key: upstream, user and mailbox with room to spare. */
#define PB_LOCK_KEY_MAX 2048

struct pb_lock_holder {
	uint64_t id;
	uint64_t since_ms;	/* any clock; the table only hands it on */
	char address[64];	/* of the client, for the log */
};

struct pb_locks;

/* At most `max` maildrops at a time.  NULL: no memory. */
struct pb_locks *pb_locks_new(size_t max) PB_MUST_CHECK;
/* No thread uses it any more; locks that are still held go with it. */
void pb_locks_free(struct pb_locks **locks);

/*
 * Ask for a maildrop.  PB_LOCK_NONE is granted without a trace.  A holder that
 * asks for what it has is granted it again.  *other is filled where the
 * result says so and untouched otherwise.
 */
enum pb_lock_result pb_locks_acquire(struct pb_locks *locks,
				     struct pb_slice key,
				     enum pb_lock_mode mode,
				     const struct pb_lock_holder *holder,
				     struct pb_lock_holder *other)
    PB_MUST_CHECK;

/*
 * Let go.  Nothing happens when `id` does not have it (any more): a session
 * that was taken over releases at its own end without harm to the new one.
 */
void pb_locks_release(struct pb_locks *locks, struct pb_slice key,
		      uint64_t id);

/* How many maildrops are held now. */
size_t pb_locks_count(struct pb_locks *locks);

#endif
