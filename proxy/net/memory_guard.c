#include "popbridge/net/memory_guard.h"

#include <malloc.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/memory.h"

/*
 * A server that sends as fast as it can fills the room between the limits no
 * faster than this, and to look costs microseconds.
 */
#define LOOK_MS 1000

#define MB ((size_t)1024 * 1024)

struct pb_memory_guard {
	struct pb_memory_guard_options o;
	struct pb_memory_limits limits;
	enum pb_memory_state state;
	_Atomic bool is_short;
	uv_timer_t timer;
	uv_async_t weighed;		/* by all workers */
	struct pb_worker_weighing weighing;
	unsigned waiting;		/* workers that weigh; under its mutex */
	size_t excess;			/* octets, when they were asked to */
};

static void
say(const struct pb_memory_guard *g, size_t used)
{
	const struct pb_log_field mb[] = { PB_LOG_NUM("mb", used / MB),
		PB_LOG_NUM("soft_mb", g->limits.soft / MB),
		PB_LOG_NUM("hard_mb", g->limits.hard / MB) };

	switch (g->state) {
	case PB_MEMORY_PLENTY:
		pb_log_write(PB_LOG_INFO, "memory is well below memory-soft "
		    "again: clients are let in", mb, 3);
		break;
	case PB_MEMORY_SHORT:
		pb_log_write(PB_LOG_WARN, "memory over memory-soft: no new "
		    "clients, nothing is read ahead, remembered or kept; if "
		    "it lasts, allow more memory, or fewer clients "
		    "(max-connections)", mb, 3);
		break;
	case PB_MEMORY_OVER:
		pb_log_write(PB_LOG_ERROR, "memory over memory-hard: the "
		    "sessions that hold most are ended; allow more memory, or "
		    "fewer clients (max-connections)", mb, 3);
		break;
	}
}

/* What makes things faster costs nothing but speed when it is gone. */
static void
economise(struct pb_memory_guard *g)
{
	pb_pool_clear(g->o.pool, uv_now(g->o.loop));
	pb_listings_clear(g->o.listings);
}

static void
weigh_all(struct pb_memory_guard *g, size_t excess)
{
	bool idle;
	unsigned i;

	uv_mutex_lock(&g->weighing.mutex);
	idle = g->waiting == 0;
	if (idle) {
		g->waiting = g->o.n_workers;
		g->weighing.scales.n = 0;
	}
	uv_mutex_unlock(&g->weighing.mutex);
	/* A worker that is late will answer the last question first. */
	if (!idle)
		return;
	g->excess = excess;
	for (i = 0; i < g->o.n_workers; i++)
		pb_worker_weigh(g->o.workers[i], &g->weighing);
}

/* On a worker's thread, under the mutex. */
static void
on_worker_done(void *owner)
{
	struct pb_memory_guard *g = owner;

	if (--g->waiting == 0)
		pb_check(uv_async_send(&g->weighed) == 0);
}

static void
on_weighed(uv_async_t *async)
{
	struct pb_memory_guard *g = async->data;
	struct pb_memory_scales *scales = &g->weighing.scales;
	size_t n = pb_memory_choose(scales, g->excess);
	size_t i;

	for (i = 0; i < n; i++) {
		const struct pb_memory_weight *w = &scales->heaviest[i];
		uint64_t worker = w->session_id >> 48;

		pb_check(worker >= 1 && worker <= g->o.n_workers);
		pb_worker_shed(g->o.workers[worker - 1], w->session_id);
	}
}

/* What is free already, the allocator gives back only when it is told. */
static bool
measure(struct pb_memory_guard *g, size_t *used)
{
	if (!pb_memory_used(g->o.meter, used))
		return false;
	if (pb_memory_judge(&g->limits, g->state, *used) == PB_MEMORY_PLENTY)
		return true;
	economise(g);
	(void)malloc_trim(0);
	return pb_memory_used(g->o.meter, used);
}

static void
look(struct pb_memory_guard *g)
{
	enum pb_memory_state before = g->state;
	size_t used;

	if (!measure(g, &used))
		return;
	g->state = pb_memory_judge(&g->limits, before, used);
	if (g->state != before) {
		bool is_short = g->state != PB_MEMORY_PLENTY;

		g->is_short = is_short;
		pb_limits_shut(g->o.limits, is_short);
		say(g, used);
	}
	if (g->state == PB_MEMORY_OVER)
		weigh_all(g, used - g->limits.hard);
}

static void
on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

struct pb_memory_guard *
pb_memory_guard_new(const struct pb_memory_guard_options *o)
{
	struct pb_memory_guard *g = pb_alloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	g->o = *o;
	g->weighing.done = on_worker_done;
	g->weighing.owner = g;
	g->timer.data = g->weighed.data = g;
	pb_check(uv_mutex_init(&g->weighing.mutex) == 0);
	pb_check(uv_async_init(o->loop, &g->weighed, on_weighed) == 0);
	pb_check(uv_timer_init(o->loop, &g->timer) == 0);
	pb_check(uv_timer_start(&g->timer, on_timer, LOOK_MS, LOOK_MS) == 0);
	return g;
}

void
pb_memory_guard_free(struct pb_memory_guard **gp)
{
	struct pb_memory_guard *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	uv_mutex_destroy(&g->weighing.mutex);
	if (g->o.meter >= 0)
		close(g->o.meter);
	pb_free(g);
}

void
pb_memory_guard_use(struct pb_memory_guard *g,
    const struct pb_memory_limits *limits)
{
	g->limits = *limits;
}

const _Atomic bool *
pb_memory_guard_short(const struct pb_memory_guard *g)
{
	return &g->is_short;
}
