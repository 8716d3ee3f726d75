#include "popbridge/net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/keyed_hash.h"
#include "popbridge/net/listener.h"
#include "popbridge/net/pool.h"
#include "popbridge/net/sandbox.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/net/worker.h"

/* The worker's number in a session's id has 16 bits; no machine has more. */
#define WORKERS_MAX 1024

/* Maildrops locked at a time: more than a process can have sessions. */
#define LOCKS_MAX 1000000

#define RESOLVER_THREADS "16"

/* Two weeks are enough to get a new certificate. */
#define WARN_EXPIRY_S (14 * 24 * 60 * 60)

/* Where each listener is, with the port that it got. */
struct listen_list {
	struct pb_url url[PB_CONFIG_LISTEN_MAX];
	size_t n;
};

struct server {
	uv_loop_t loop;
	uv_signal_t on_term;
	uv_signal_t on_int;
	uv_signal_t on_hup;
	uv_timer_t drain_timer;
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
	struct pb_worker **workers;	/* own */
	unsigned n_workers;
	const struct pb_server_hooks *hooks;
	bool draining;
};

static unsigned
cores(void)
{
	unsigned n = uv_available_parallelism();

	return n > 0 ? n : 1;
}

static enum pb_status
ports_file_error(const char *path, struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "cannot write the ports file %s: %s", path, strerror(errno));
	return PB_EIO;
}

/* Whoever waits for the file must never see half of it. */
static enum pb_status
write_ports_file(const char *path, const struct listen_list *listen,
    struct pb_error *err)
{
	char temporary[PB_CONFIG_PATH_SIZE + 16];
	char text[PB_URL_TEXT_SIZE];
	FILE *f;
	size_t i;
	bool ok;

	snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
	f = fopen(temporary, "we");
	if (f == NULL)
		return ports_file_error(path, err);
	for (i = 0; i < listen->n; i++) {
		pb_url_format(&listen->url[i], text);
		fprintf(f, "%s\n", text);
	}
	ok = ferror(f) == 0;
	ok = fclose(f) == 0 && ok;
	if (ok && rename(temporary, path) == 0)
		return PB_OK;
	(void)ports_file_error(path, err);
	(void)unlink(temporary);
	return PB_EIO;
}

static void
on_evict(void *owner, uint64_t session_id)
{
	struct server *s = owner;
	uint64_t index = session_id >> 48;

	pb_check(index >= 1 && index <= s->n_workers);
	pb_worker_evict(s->workers[index - 1], session_id);
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
on_drain_timer(uv_timer_t *timer)
{
	struct server *s = timer->data;
	unsigned i;

	pb_log(PB_LOG_WARN, "sessions did not end in time and are ended now",
	    PB_LOG_NUM("limit_s", s->snapshot->config->drain_timeout));
	for (i = 0; i < s->n_workers; i++)
		pb_worker_abort(s->workers[i]);
}

/*
 * The workers end on their own threads; this one goes on running its loop for
 * the second signal and the time limit, and a helper thread joins them.
 */
static void
join_workers(uv_work_t *work)
{
	struct server *s = work->data;
	unsigned i;

	for (i = 0; i < s->n_workers; i++)
		pb_worker_wait(s->workers[i]);
}

static void
after_join(uv_work_t *work, int status)
{
	struct server *s = work->data;

	(void)status;
	uv_walk(&s->loop, close_handle, NULL);
	pb_free(work);
}

static void
on_end_signal(uv_signal_t *handle, int number)
{
	struct server *s = handle->data;
	uv_work_t *work;
	unsigned i;

	pb_log(PB_LOG_INFO, s->draining ? "second signal, ending at once"
					: "signal, finishing what is under way",
	    PB_LOG_STR("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
	for (i = 0; i < s->n_workers; i++) {
		if (s->draining)
			pb_worker_abort(s->workers[i]);
		else
			pb_worker_drain(s->workers[i]);
	}
	if (s->draining)
		return;
	s->draining = true;
	pb_pool_shut(s->pool, uv_now(&s->loop));
	uv_timer_start(&s->drain_timer, on_drain_timer,
	    (uint64_t)s->snapshot->config->drain_timeout * 1000, 0);
	work = pb_xalloc(sizeof(*work));
	work->data = s;
	pb_check(uv_queue_work(&s->loop, work, join_workers, after_join) == 0);
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
load_again(struct server *s)
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

/* What an administrator should know before the users do. */
static void
warn(const struct pb_snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->config->n_listeners; i++) {
		const struct pb_snapshot_listener *l =
		    &snapshot->listeners[i];
		const char *file;
		int64_t not_after;

		if (l->config->tls_profile == PB_TLS_PROFILE_LEGACY &&
		    l->tls != NULL)
			pb_log(PB_LOG_WARN, "old TLS versions and weak ciphers "
			    "are allowed: keep this listener to the devices "
			    "that need it", PB_LOG_STR("listener",
				l->config->name));
		if (l->tls != NULL && pb_tls_context_expires(l->tls,
		    &not_after, &file) && not_after - WARN_EXPIRY_S <
		    (int64_t)time(NULL))
			pb_log(PB_LOG_WARN, not_after < (int64_t)time(NULL)
			    ? "certificate has expired: clients will refuse it"
			    : "certificate expires soon",
			    PB_LOG_STR("listener", l->config->name),
			    PB_LOG_STR("file", file));
	}
}

static void
on_reload_signal(uv_signal_t *handle, int number)
{
	struct server *s = handle->data;
	struct pb_snapshot *snapshot;
	unsigned i;

	(void)number;
	if (s->draining)
		return;
	snapshot = load_again(s);
	if (snapshot == NULL)
		return;
	warn(snapshot);
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
	struct server *s = timer->data;

	pb_snapshot_rotate_tickets(s->snapshot);
}

static void
on_pool_timer(uv_timer_t *timer)
{
	struct server *s = timer->data;

	pb_pool_expire(s->pool, uv_now(&s->loop));
}

static void
start_timers(struct server *s)
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
watch_signals(struct server *s)
{
	s->on_term.data = s->on_int.data = s->on_hup.data = s;
	pb_check(uv_signal_init(&s->loop, &s->on_term) == 0);
	pb_check(uv_signal_init(&s->loop, &s->on_int) == 0);
	pb_check(uv_signal_init(&s->loop, &s->on_hup) == 0);
	pb_check(uv_signal_start(&s->on_term, on_end_signal, SIGTERM) == 0);
	pb_check(uv_signal_start(&s->on_int, on_end_signal, SIGINT) == 0);
	pb_check(uv_signal_start(&s->on_hup, on_reload_signal, SIGHUP) == 0);
}

static void
close_sockets(const int *sockets, size_t n)
{
	while (n-- > 0)
		close(sockets[n]);
}

/* sockets: for each listener, one for each worker. */
static enum pb_status
bind_all(struct server *s, struct listen_list *listen, int *sockets,
    struct pb_error *err)
{
	size_t i;

	for (i = 0; i < listen->n; i++) {
		enum pb_status st = pb_listener_bind(&listen->url[i],
		    sockets + i * s->n_workers, s->n_workers, err);

		if (st != PB_OK) {
			close_sockets(sockets, i * s->n_workers);
			return st;
		}
	}
	return PB_OK;
}

static void
start_workers(struct server *s, const struct listen_list *listen,
    const int *sockets)
{
	int own[PB_CONFIG_LISTEN_MAX];
	unsigned w;
	size_t i;

	for (w = 0; w < s->n_workers; w++) {
		struct pb_worker_options o = { .index = w + 1,
			.locks = s->locks, .limits = s->limits,
			.upstreams = s->upstreams, .pool = s->pool,
			.listings = s->listings,
			.listing_cache = s->listing_cache,
			.journal = s->journal,
			.snapshot = s->snapshot,
			.sockets = own, .n_sockets = listen->n,
			.evict = on_evict, .owner = s };

		for (i = 0; i < listen->n; i++)
			own[i] = sockets[i * s->n_workers + w];
		pb_check(pb_worker_new(&o, &s->workers[w]) == PB_OK);
	}
	for (w = 0; w < s->n_workers; w++)
		pb_worker_start(s->workers[w]);
}

static void
announce(const struct server *s, const struct listen_list *listen)
{
	const struct pb_config *config = s->snapshot->config;
	char text[PB_URL_TEXT_SIZE];
	size_t i;

	for (i = 0; i < listen->n; i++) {
		pb_url_format(&listen->url[i], text);
		pb_log(PB_LOG_INFO, "listening", PB_LOG_STR("url", text),
		    PB_LOG_STR("listener", config->listener[i].name),
		    PB_LOG_NUM("workers", s->n_workers));
	}
	for (i = 0; i < config->n_routes; i++) {
		const struct pb_route_config *route = &config->route[i];

		if (route->upstream.host[0] != '\0')
			pb_url_format(&route->upstream, text);
		else
			snprintf(text, sizeof(text), "%s", route->discover
			    ? "by discovery" : "by match-file");
		pb_log(PB_LOG_INFO, "route", PB_LOG_STR("route",
			route->name[0] != '\0' ? route->name : "default"),
		    PB_LOG_STR("upstream", text));
	}
	warn(s->snapshot);
}

/* A disk that does not do now is no reason not to serve. */
static enum pb_status
make_listings(struct server *s, struct pb_error *err)
{
	const struct pb_config *config = s->snapshot->config;
	enum pb_status st;

	if (config->state_directory != NULL) {
		st = pb_listing_cache_open(config->state_directory,
		    &s->listing_cache, err);
		if (st == PB_EINVAL || st == PB_ENOMEM)
			return st;
		if (st != PB_OK)
			pb_log(PB_LOG_WARN, "what mailboxes hold is not "
			    "remembered on the disk",
			    PB_LOG_STR("why", err->text));
	}
	s->listings = pb_listings_new((size_t)config->listing_memory * 1024 *
	    1024);
	pb_check(s->listings != NULL);
	return PB_OK;
}

/* The same; but who cannot do without it is not to find out at QUIT. */
static enum pb_status
make_journal(struct server *s, struct pb_error *err)
{
	const struct pb_config *config = s->snapshot->config;
	enum pb_status st;

	if (config->state_directory == NULL)
		return PB_OK;
	s->journal = pb_journal_new(config->state_directory);
	pb_check(s->journal != NULL);
	st = pb_journal_open(s->journal, err);
	if (st == PB_OK || config->journal == PB_JOURNAL_REQUIRED)
		return st == PB_OK ? st : PB_EINVAL;
	pb_log(PB_LOG_WARN, "what sessions are to remove is not written down: "
	    "if a mail server is lost meanwhile, messages come again",
	    PB_LOG_STR("why", err->text));
	return PB_OK;
}

/* What is made from here on is made by whom, and where, it may. */
static enum pb_status
confine(struct server *s, struct pb_error *err)
{
	if (s->hooks->confine == NULL)
		return PB_OK;
	return s->hooks->confine(s->hooks->ctx, s->snapshot->config, err);
}

static enum pb_status
open_all(struct server *s, struct pb_error *err)
{
	struct pb_config *config = s->snapshot->config;
	struct listen_list *listen = pb_xalloc(sizeof(*listen));
	int *sockets = pb_xalloc(PB_CONFIG_LISTEN_MAX * s->n_workers *
	    sizeof(*sockets));
	enum pb_status st;

	for (listen->n = 0; listen->n < config->n_listeners; listen->n++)
		listen->url[listen->n] = config->listener[listen->n].url;
	st = bind_all(s, listen, sockets, err);
	if (st == PB_OK) {
		st = confine(s, err);
		if (st == PB_OK)
			st = make_listings(s, err);
		if (st == PB_OK)
			st = make_journal(s, err);
		if (st != PB_OK)
			close_sockets(sockets, listen->n * s->n_workers);
	}
	if (st == PB_OK) {
		start_workers(s, listen, sockets);
		announce(s, listen);
	}
	if (st == PB_OK && config->ports_file != NULL)
		st = write_ports_file(config->ports_file, listen, err);
	pb_free(sockets);
	pb_free(listen);
	return st;
}

static void
close_all(struct server *s)
{
	unsigned i;

	for (i = 0; i < s->n_workers; i++) {
		if (s->workers[i] != NULL)
			pb_worker_free(&s->workers[i]);
	}
	pb_free(s->workers);
	pb_locks_free(&s->locks);
	pb_limits_free(&s->limits);
	pb_pool_free(&s->pool);
	pb_upstreams_free(&s->upstreams);
	pb_listings_free(&s->listings);
	pb_listing_cache_close(&s->listing_cache);
	pb_journal_free(&s->journal);
	pb_keyed_hash_free(&s->hash);
	pb_snapshot_unref(&s->snapshot);
}

/* A worker that was started must be told to end before it can be freed. */
static void
abandon(struct server *s)
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

/*
 * Two descriptors a session: what the administrator allows, not what shells
 * give to everybody.  And names are resolved by threads, of which the default
 * four could all wait for one dead name server.
 */
static void
use_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			pb_log(PB_LOG_WARN, "cannot raise the limit of open "
			    "files", PB_LOG_STR("why", strerror(errno)));
	}
	(void)setenv("UV_THREADPOOL_SIZE", RESOLVER_THREADS, 0);
	/* A client that is gone is an error of its own write, no signal. */
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
make_limits(struct server *s)
{
	struct pb_limits_hash hash = { .digest = pb_keyed_hash_digest };

	s->hash = pb_keyed_hash_new();
	pb_check(s->hash != NULL);
	hash.ctx = s->hash;
	s->limits = pb_limits_new(&hash);
	pb_check(s->limits != NULL);
	s->upstreams = pb_upstreams_new();
	pb_check(s->upstreams != NULL);
	s->pool = pb_pool_new(s->upstreams);
	pb_check(s->pool != NULL);
}

enum pb_status
pb_server_run(struct pb_config *config, const struct pb_server_hooks *hooks,
    struct pb_error *err)
{
	struct server s = { .hooks = hooks };
	enum pb_status st = pb_snapshot_new(config, &s.snapshot, err);

	if (st != PB_OK)
		return st;
	use_limits();
	s.n_workers = config->workers > 0 ? config->workers : cores();
	if (s.n_workers > WORKERS_MAX)
		s.n_workers = WORKERS_MAX;
	s.workers = pb_xalloc(s.n_workers * sizeof(struct pb_worker *));
	s.locks = pb_locks_new(LOCKS_MAX);
	make_limits(&s);
	pb_check(s.locks != NULL);
	pb_check(uv_loop_init(&s.loop) == 0);
	watch_signals(&s);
	start_timers(&s);
	st = open_all(&s, err);
	if (st != PB_OK)
		abandon(&s);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	pb_check(uv_loop_close(&s.loop) == 0);
	close_all(&s);
	return st;
}
