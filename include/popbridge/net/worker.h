#ifndef PB_NET_WORKER_H
#define PB_NET_WORKER_H

#include <stdint.h>
#include <uv.h>

#include "popbridge/base/status.h"
#include "popbridge/net/pool.h"
#include "popbridge/net/session.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/net/upstream.h"
#include "popbridge/service/limits.h"
#include "popbridge/service/listings.h"
#include "popbridge/service/locks.h"
#include "popbridge/service/memory.h"
#include "popbridge/store/journal.h"
#include "popbridge/store/listing_cache.h"

/*
 * One thread with one loop: its listening sockets, and the sessions that they
 * accepted, which never leave it.
 *
 * Functions marked "any thread" may be called from anywhere; all others only
 * from the worker's own loop.
 */

struct pb_worker;

/* Scales for the sessions of all workers. */
struct pb_worker_weighing {
	uv_mutex_t mutex;		/* guards what follows */
	struct pb_memory_scales scales;
	/* A worker has put all of its sessions on; any thread, under mutex. */
	void (*done)(void *owner);
	void *owner;
};

struct pb_worker_options {
	unsigned index;
	struct pb_locks *locks;		/* borrowed; outlives the worker */
	struct pb_limits *limits;	/* the same */
	struct pb_upstreams *upstreams;	/* the same */
	struct pb_pool *pool;		/* the same */
	struct pb_listings *listings;	/* the same */
	struct pb_listing_cache *listing_cache;	/* the same; or NULL */
	struct pb_journal *journal;	/* the same */
	struct pb_snapshot *snapshot;	/* a reference is taken */
	/*
	 * Bound, in the order of the configuration's listeners, of which every
	 * snapshot to come has as many.  The worker's from here on.
	 */
	const int *sockets;
	size_t n_sockets;
	/* Any worker's session has to end (lock = takeover); any thread. */
	void (*evict)(void *owner, uint64_t session_id);
	/* It is in another one's way: has it still got a client?  Any thread. */
	void (*doubt)(void *owner, uint64_t session_id);
	void *owner;
};

/*
 * A worker that does nothing yet: so that all of them exist before the first
 * one can ask for another.  PB_OK, PB_EIO, PB_ENOMEM.
 */
enum pb_status pb_worker_new(const struct pb_worker_options *options,
			     struct pb_worker **worker) PB_MUST_CHECK;
/* Start its thread. */
void pb_worker_start(struct pb_worker *w);

/* Any thread. */
void pb_worker_use(struct pb_worker *w, struct pb_snapshot *snapshot);
void pb_worker_evict(struct pb_worker *w, uint64_t session_id);
/* Any thread.  Put its sessions on the scales, which outlive the worker. */
void pb_worker_weigh(struct pb_worker *w, struct pb_worker_weighing *weighing);
/* Any thread.  End a session for the memory that it holds. */
void pb_worker_shed(struct pb_worker *w, uint64_t session_id);
/* Any thread.  End a session whose client has vanished. */
void pb_worker_doubt(struct pb_worker *w, uint64_t session_id);
/* Any thread.  Accept no more, let sessions finish, then end the thread. */
void pb_worker_drain(struct pb_worker *w);
/* Any thread.  The same, and at once. */
void pb_worker_abort(struct pb_worker *w);

/* Wait for the end of a thread that was started, from any one thread. */
void pb_worker_wait(struct pb_worker *w);
/* Release everything, once the thread has ended or was never started. */
void pb_worker_free(struct pb_worker **w);

/* For sessions. */
const struct pb_upstream_loop *pb_worker_loop(struct pb_worker *w);
struct pb_snapshot *pb_worker_snapshot(struct pb_worker *w);
struct pb_locks *pb_worker_locks(struct pb_worker *w);
struct pb_limits *pb_worker_limits(struct pb_worker *w);
struct pb_upstreams *pb_worker_upstreams(struct pb_worker *w);
struct pb_pool *pb_worker_pool(struct pb_worker *w);
struct pb_listings *pb_worker_listings(struct pb_worker *w);
struct pb_listing_cache *pb_worker_listing_cache(struct pb_worker *w);
struct pb_journal *pb_worker_journal(struct pb_worker *w);
void pb_worker_ask_evict(struct pb_worker *w, uint64_t session_id);
void pb_worker_ask_doubt(struct pb_worker *w, uint64_t session_id);
uint64_t pb_worker_new_session_id(struct pb_worker *w);
void pb_worker_session_gone(struct pb_worker *w,
			    struct pb_worker_entry *entry);

#endif
