#include "server_priv.h"

#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/sandbox.h"

/* What is under way when all is to end at once; longer is no answer. */
#define LAST_MS 3000

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The journal is as after a crash: what it has is kept, nothing is half. */
static void
on_last_timer(uv_timer_t *timer)
{
	(void)timer;
	pb_log(PB_LOG_WARN, "threads still wait for a name server or the disk, "
	    "ending without them", PB_LOG_NUM("limit_ms", LAST_MS));
	_exit(EX_OK);
}

/* A reload may have taken longer than all of it, and libuv's time is older. */
static void
start_drain_timer(struct pb_server *s, uv_timer_cb on_timer, uint64_t ms)
{
	uv_update_time(&s->loop);
	uv_timer_start(&s->drain_timer, on_timer, ms, 0);
}

static void
abort_workers(struct pb_server *s)
{
	unsigned i;

	for (i = 0; i < s->n_workers; i++)
		pb_worker_abort(s->workers[i]);
	start_drain_timer(s, on_last_timer, LAST_MS);
}

static void
on_drain_timer(uv_timer_t *timer)
{
	struct pb_server *s = timer->data;

	pb_log(PB_LOG_WARN, "sessions did not end in time and are ended now",
	    PB_LOG_NUM("limit_s", s->snapshot->config->drain_timeout));
	abort_workers(s);
}

/*
 * The workers end on their own threads; this one goes on running its loop for
 * the second signal and the time limit, and a helper thread joins them.  So it
 * does with the disk, which may not answer, when they need nothing of it.
 */
static void
join_workers(uv_work_t *work)
{
	struct pb_server *s = work->data;
	unsigned i;

	for (i = 0; i < s->n_workers; i++)
		pb_worker_wait(s->workers[i]);
	pb_server_close_disk(s);
}

static void
after_join(uv_work_t *work, int status)
{
	struct pb_server *s = work->data;

	(void)status;
	uv_walk(&s->loop, close_handle, NULL);
}

static void
on_end_signal(uv_signal_t *handle, int number)
{
	struct pb_server *s = handle->data;
	unsigned i;

	pb_log(PB_LOG_INFO, s->draining ? "second signal, ending at once"
					: "signal, finishing what is under way",
	    PB_LOG_STR("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
	if (s->draining) {
		abort_workers(s);
		return;
	}
	for (i = 0; i < s->n_workers; i++)
		pb_worker_drain(s->workers[i]);
	s->draining = true;
	pb_pool_shut(s->pool, uv_now(&s->loop));
	start_drain_timer(s, on_drain_timer,
	    (uint64_t)s->snapshot->config->drain_timeout * 1000);
	s->join.data = s;
	pb_check(uv_queue_work(&s->loop, &s->join, join_workers, after_join) ==
	    0);
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* What was given up at the start is gone. */
static bool
same_rights(const struct pb_config *a, const struct pb_config *b)
{
	return same_text(a->user, b->user) && same_text(a->group, b->group) &&
	    a->sandbox == b->sandbox && a->core_dumps == b->core_dumps;
}

/*
 * Sockets are opened once.  What a listener may do goes by its number, so no
 * other configuration than one with the same listeners can be used.
 */
static bool
same_sockets(const struct pb_config *a, const struct pb_config *b)
{
	size_t i;

	if (a->n_listeners != b->n_listeners || a->workers != b->workers)
		return false;
	for (i = 0; i < a->n_listeners; i++) {
		if (!pb_url_equal(&a->listener[i].url, &b->listener[i].url))
			return false;
	}
	return true;
}

static struct pb_snapshot *
load_again(struct pb_server *s)
{
	struct pb_config *config = s->hooks->reload(s->hooks->ctx);
	struct pb_snapshot *snapshot = NULL;
	struct pb_error err = { .text = "no memory" };

	if (config == NULL)
		return NULL;
	if (!same_sockets(s->snapshot->config, config))
		pb_log(PB_LOG_ERROR, "configuration not reloaded, the old one "
		    "stays", PB_LOG_STR("why", "workers and the URLs of "
			"listeners change only with a restart"));
	else if (!same_rights(s->snapshot->config, config))
		pb_log(PB_LOG_ERROR, "configuration not reloaded, the old one "
		    "stays", PB_LOG_STR("why", "user, group, sandbox and "
			"core-dumps change only with a restart"));
	else if (pb_snapshot_new(config, &snapshot, &err) != PB_OK)
		pb_log(PB_LOG_ERROR, "configuration not reloaded, the old one "
		    "stays", PB_LOG_STR("why", err.text),
		    PB_LOG_OPTIONAL("hint", pb_sandbox_hint(err.text)));
	pb_config_unref(&config);
	return snapshot;
}

static void
on_reload_signal(uv_signal_t *handle, int number)
{
	struct pb_server *s = handle->data;
	struct pb_snapshot *snapshot;
	unsigned i;

	(void)number;
	if (s->draining)
		return;
	snapshot = load_again(s);
	if (snapshot == NULL)
		return;
	pb_server_warn(snapshot);
	pb_server_limit_memory(s, snapshot);
	for (i = 0; i < s->n_workers; i++)
		pb_worker_use(s->workers[i], snapshot);
	pb_snapshot_unref(&s->snapshot);
	s->snapshot = snapshot;
	pb_pool_clear(s->pool, uv_now(&s->loop));
	pb_log(PB_LOG_INFO, "configuration reloaded",
	    PB_LOG_NUM("workers", s->n_workers));
}

static void
on_ticket_timer(uv_timer_t *timer)
{
	struct pb_server *s = timer->data;

	pb_snapshot_rotate_tickets(s->snapshot);
}

static void
on_pool_timer(uv_timer_t *timer)
{
	struct pb_server *s = timer->data;

	pb_pool_expire(s->pool, uv_now(&s->loop));
}

static void
start_timers(struct pb_server *s)
{
	s->drain_timer.data = s->ticket_timer.data = s->pool_timer.data = s;
	pb_check(uv_timer_init(&s->loop, &s->ticket_timer) == 0);
	pb_check(uv_timer_start(&s->ticket_timer, on_ticket_timer,
	    PB_TLS_TICKET_KEY_MS, PB_TLS_TICKET_KEY_MS) == 0);
	pb_check(uv_timer_init(&s->loop, &s->pool_timer) == 0);
	pb_check(uv_timer_start(&s->pool_timer, on_pool_timer,
	    PB_POOL_EXPIRE_MS, PB_POOL_EXPIRE_MS) == 0);
	pb_check(uv_timer_init(&s->loop, &s->drain_timer) == 0);
}

static void
watch_signals(struct pb_server *s)
{
	s->on_term.data = s->on_int.data = s->on_hup.data = s;
	pb_check(uv_signal_init(&s->loop, &s->on_term) == 0);
	pb_check(uv_signal_init(&s->loop, &s->on_int) == 0);
	pb_check(uv_signal_init(&s->loop, &s->on_hup) == 0);
	pb_check(uv_signal_start(&s->on_term, on_end_signal, SIGTERM) == 0);
	pb_check(uv_signal_start(&s->on_int, on_end_signal, SIGINT) == 0);
	pb_check(uv_signal_start(&s->on_hup, on_reload_signal, SIGHUP) == 0);
}

/* A worker that was started must be told to end before it can be freed. */
static void
abandon(struct pb_server *s)
{
	unsigned i;

	for (i = 0; i < s->n_workers; i++) {
		if (s->workers[i] == NULL)
			continue;
		pb_worker_abort(s->workers[i]);
		pb_worker_wait(s->workers[i]);
	}
	uv_walk(&s->loop, close_handle, NULL);
}

enum pb_status
pb_server_run(struct pb_config *config, const struct pb_server_hooks *hooks,
    struct pb_error *err)
{
	struct pb_server s = { .hooks = hooks };
	enum pb_status st = pb_snapshot_new(config, &s.snapshot, err);

	if (st != PB_OK)
		return st;
	pb_check(uv_loop_init(&s.loop) == 0);
	pb_server_prepare(&s);
	watch_signals(&s);
	start_timers(&s);
	st = pb_server_open(&s, err);
	if (st != PB_OK)
		abandon(&s);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	pb_check(uv_loop_close(&s.loop) == 0);
	pb_server_close(&s);
	return st;
}
