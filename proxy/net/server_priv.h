#ifndef PB_NET_SERVER_PRIV_H
#define PB_NET_SERVER_PRIV_H

#include <uv.h>

#include "popbridge/net/keyed_hash.h"
#include "popbridge/net/memory_guard.h"
#include "popbridge/net/pool.h"
#include "popbridge/net/server.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/net/worker.h"

/*
 * What the files of the server share.  server.c runs it, from its signals to
 * its end; it calls server_open.c, which opens and closes all that it is made
 * of.
 */

struct pb_server {
	uv_loop_t loop;
	uv_signal_t on_term;
	uv_signal_t on_int;
	uv_signal_t on_hup;
	uv_timer_t drain_timer;
	uv_work_t join;
	uv_timer_t ticket_timer;
	uv_timer_t pool_timer;
	struct pb_snapshot *snapshot;	/* shared */
	struct pb_locks *locks;		/* own */
	struct pb_keyed_hash *hash;	/* own */
	struct pb_limits *limits;	/* own */
	struct pb_upstreams *upstreams;	/* own */
	struct pb_pool *pool;		/* own */
	struct pb_listings *listings;	/* own */
	struct pb_listing_cache *listing_cache;	/* own; or NULL */
	struct pb_journal *journal;	/* the same */
	struct pb_memory_guard *memory;	/* own */
	size_t system_memory;	/* what the system allows; 0: any amount */
	const char *system_memory_source;	/* static: what says so */
	int memory_meter;	/* own until the guard has it */
	struct pb_worker **workers;	/* own */
	unsigned n_workers;
	const struct pb_server_hooks *hooks;
	bool draining;
};

/* server_open.c */

/* Before all else: what it may have, and its tables. */
void pb_server_prepare(struct pb_server *s);
/*
 * Bind, give up rights, open what is on the disk, start the workers and say so.
 * As pb_server_run.
 */
enum pb_status pb_server_open(struct pb_server *s, struct pb_error *err);
/* What an administrator should know of a configuration before the users do. */
void pb_server_warn(const struct pb_snapshot *snapshot);
/* The snapshot's own limits of the memory are in force, and bind it. */
void pb_server_limit_memory(struct pb_server *s, struct pb_snapshot *snapshot);
/* The workers have ended.  It takes as long as the disk does. */
void pb_server_close_disk(struct pb_server *s);
/* All threads have ended. */
void pb_server_close(struct pb_server *s);

#endif
