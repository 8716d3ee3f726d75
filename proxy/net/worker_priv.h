#ifndef PB_NET_WORKER_PRIV_H
#define PB_NET_WORKER_PRIV_H

#include "popbridge/net/worker.h"

/*
 * What the files of a worker share.  worker.c is its thread and its sessions;
 * it calls worker_door.c, which has the listening sockets, and lets clients in
 * or turns them away.
 */

struct pb_worker_entry {
	struct pb_session *session;	/* borrowed: it owns itself */
	struct pb_worker_entry *prev;
	struct pb_worker_entry *next;
};

/*
 * Watched, not listened on by libuv: that would answer a lack of descriptors
 * by accepting and closing whoever waits.
 */
struct pb_worker_listener {
	uv_poll_t poll;
	int fd;				/* own */
	struct pb_worker *worker;	/* borrowed: it owns the listener */
	size_t number;			/* in the configuration */
};

struct pb_worker {
	unsigned index;
	uv_thread_t thread;
	uv_loop_t uv;
	uv_async_t wake;
	uv_mutex_t mutex;
	struct pb_worker_note *notes;		/* own; under mutex, newest first */
	struct pb_worker_note *spare_notes;	/* own; the same, one of a kind */
	struct pb_upstream_loop loop;
	struct pb_locks *locks;		/* borrowed */
	struct pb_limits *limits;	/* borrowed */
	struct pb_upstreams *upstreams;	/* borrowed */
	struct pb_pool *pool;		/* borrowed */
	struct pb_listings *listings;	/* borrowed */
	struct pb_listing_cache *listing_cache;	/* borrowed; or NULL */
	struct pb_journal *journal;	/* the same */
	struct pb_snapshot *snapshot;	/* shared */
	void (*evict)(void *owner, uint64_t session_id);
	void (*doubt)(void *owner, uint64_t session_id);
	void *owner;
	struct pb_worker_listener *listeners;	/* own */
	size_t n_listeners;
	uv_timer_t pause;		/* active: nobody is accepted */
	struct pb_worker_entry *sessions; /* own */
	uint64_t last_session;
	bool started;
	bool draining;
	bool ended;		/* under mutex: nobody reads notes any more */
};

/* worker_door.c */

/* The descriptor is the worker's, and its `i`th.  0, or an error of libuv's. */
int pb_worker_listen_on(struct pb_worker *w, size_t i, int fd);
/* Take clients in, from all of them. */
void pb_worker_watch(struct pb_worker *w);
/* The snapshot is another one: connections to come are as it says. */
void pb_worker_tune(struct pb_worker *w);
/* No more.  The second time changes nothing. */
void pb_worker_stop_listening(struct pb_worker *w);

#endif
