#ifndef PB_NET_MEMORY_GUARD_H
#define PB_NET_MEMORY_GUARD_H

#include <stdbool.h>
#include <uv.h>

#include "popbridge/net/pool.h"
#include "popbridge/net/worker.h"
#include "popbridge/service/limits.h"
#include "popbridge/service/listings.h"
#include "popbridge/service/memory.h"

/*
 * Holds the process to its memory: it looks each second, on a loop that serves
 * no client, and does what service/memory.h decides.
 *
 * Short: limits are shut, reading ahead has no budget, kept connections and
 * remembered listings go.  Over: the heaviest sessions end, unless they remove
 * messages.
 */

struct pb_memory_guard_options {
	uv_loop_t *loop;		/* all of these borrowed */
	struct pb_limits *limits;
	struct pb_pool *pool;
	struct pb_listings *listings;
	struct pb_worker *const *workers;
	unsigned n_workers;
	int meter;		/* of pb_memory_open; own from here on */
};

struct pb_memory_guard;

/*
 * It begins at once.  NULL: no memory.  Its handles are closed with all others
 * of the loop.
 */
struct pb_memory_guard *
pb_memory_guard_new(const struct pb_memory_guard_options *options)
    PB_MUST_CHECK;
/* The loop is closed, and no worker's thread is left. */
void pb_memory_guard_free(struct pb_memory_guard **guard);

/* From now on these are the limits. */
void pb_memory_guard_use(struct pb_memory_guard *guard,
			 const struct pb_memory_limits *limits);
/* True while nothing may be read ahead; valid as long as the guard. */
const _Atomic bool *pb_memory_guard_short(const struct pb_memory_guard *guard);

#endif
