#include "server_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/listener.h"
#include "popbridge/net/loop_reserve.h"
#include "popbridge/net/memory.h"

/* The worker's number in a session's id has 16 bits; no machine has more. */
#define WORKERS_MAX 1024

/* Maildrops locked at a time: more than a process can have sessions. */
#define LOCKS_MAX 1000000

/*
 * Of libuv's pool.  Half of them at most wait for addresses of names, and
 * PB_INQUIRY_DISCOVERIES_MAX for servers of domains: so four are left for the
 * disk, whatever name servers do.
 */
#define POOL_THREADS "24"

/* Two weeks are enough to get a new certificate. */
#define WARN_EXPIRY_S (14 * 24 * 60 * 60)

/* Where each listener is, with the port that it got. */
struct listen_list {
	struct pb_url url[PB_CONFIG_LISTEN_MAX];
	size_t n;
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

static struct pb_worker *
worker_of(const struct pb_server *s, uint64_t session_id)
{
	uint64_t index = session_id >> 48;

	pb_check(index >= 1 && index <= s->n_workers);
	return s->workers[index - 1];
}

static void
on_evict(void *owner, uint64_t session_id)
{
	pb_worker_evict(worker_of(owner, session_id), session_id);
}

static void
on_doubt(void *owner, uint64_t session_id)
{
	pb_worker_doubt(worker_of(owner, session_id), session_id);
}

/* What an administrator should know before the users do. */
void
pb_server_warn(const struct pb_snapshot *snapshot)
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
close_sockets(const int *sockets, size_t n)
{
	while (n-- > 0)
		close(sockets[n]);
}

/* sockets: for each listener, one for each worker. */
static enum pb_status
bind_all(struct pb_server *s, struct listen_list *listen, int *sockets,
    struct pb_error *err)
{
	size_t i;

	for (i = 0; i < listen->n; i++) {
		enum pb_status st = pb_listener_bind(&listen->url[i],
		    sockets + i * s->n_workers, s->n_workers,
		    s->snapshot->config->client_keepalive, err);

		if (st != PB_OK) {
			close_sockets(sockets, i * s->n_workers);
			return st;
		}
	}
	return PB_OK;
}

static void
start_workers(struct pb_server *s, const struct listen_list *listen,
    const int *sockets)
{
	int own[PB_CONFIG_LISTEN_MAX];
	unsigned w;
	size_t i;

	pb_loop_start_pool(&s->loop);
	for (w = 0; w < s->n_workers; w++) {
		struct pb_worker_options o = { .index = w + 1,
			.locks = s->locks, .limits = s->limits,
			.upstreams = s->upstreams, .pool = s->pool,
			.listings = s->listings,
			.listing_cache = s->listing_cache,
			.journal = s->journal,
			.snapshot = s->snapshot,
			.sockets = own, .n_sockets = listen->n,
			.evict = on_evict, .doubt = on_doubt, .owner = s };

		for (i = 0; i < listen->n; i++)
			own[i] = sockets[i * s->n_workers + w];
		pb_check(pb_worker_new(&o, &s->workers[w]) == PB_OK);
	}
	for (w = 0; w < s->n_workers; w++)
		pb_worker_start(s->workers[w]);
}

static void
announce(const struct pb_server *s, const struct listen_list *listen)
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
	pb_server_warn(s->snapshot);
}

/* A disk that does not do now is no reason not to serve. */
static enum pb_status
make_listings(struct pb_server *s, struct pb_error *err)
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
make_journal(struct pb_server *s, struct pb_error *err)
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

static bool
is_set(const struct pb_config *config, const char *name)
{
	struct pb_config_place place = pb_config_place(config, name);

	return place.command_line || place.line != 0;
}

/* What the administrator says, else what the system allows. */
static struct pb_memory_limits
memory_limits(const struct pb_server *s, const struct pb_config *config)
{
	struct pb_memory_limits limits = pb_memory_default(s->system_memory);

	if (is_set(config, "memory-hard"))
		limits.hard = (size_t)config->memory_hard * 1024 * 1024;
	if (is_set(config, "memory-soft"))
		limits.soft = (size_t)config->memory_soft * 1024 * 1024;
	return limits;
}

void
pb_server_limit_memory(struct pb_server *s, struct pb_snapshot *snapshot)
{
	const struct pb_config *config = snapshot->config;
	struct pb_memory_limits limits = memory_limits(s, config);

	pb_memory_guard_use(s->memory, &limits);
	snapshot->readahead.closed = pb_memory_guard_short(s->memory);
	if (limits.soft > 0 || limits.hard > 0)
		pb_log(PB_LOG_INFO, "memory is limited",
		    PB_LOG_NUM("soft_mb", limits.soft / (1024 * 1024)),
		    PB_LOG_NUM("hard_mb", limits.hard / (1024 * 1024)),
		    PB_LOG_STR("system", s->system_memory_source));
}

static void
make_memory_guard(struct pb_server *s)
{
	const struct pb_memory_guard_options o = { .loop = &s->loop,
		.limits = s->limits, .pool = s->pool,
		.listings = s->listings, .workers = s->workers,
		.n_workers = s->n_workers, .meter = s->memory_meter };

	s->memory = pb_memory_guard_new(&o);
	pb_check(s->memory != NULL);
	s->memory_meter = -1;
	pb_server_limit_memory(s, s->snapshot);
}

/* What is made from here on is made by whom, and where, it may. */
static enum pb_status
confine(struct pb_server *s, struct pb_error *err)
{
	if (s->hooks->confine == NULL)
		return PB_OK;
	return s->hooks->confine(s->hooks->ctx, s->snapshot->config, err);
}

enum pb_status
pb_server_open(struct pb_server *s, struct pb_error *err)
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
		make_memory_guard(s);
		start_workers(s, listen, sockets);
		announce(s, listen);
	}
	if (st == PB_OK && config->ports_file != NULL)
		st = write_ports_file(config->ports_file, listen, err);
	pb_free(sockets);
	pb_free(listen);
	return st;
}

void
pb_server_close_disk(struct pb_server *s)
{
	pb_listing_cache_close(&s->listing_cache);
	pb_journal_free(&s->journal);
}

void
pb_server_close(struct pb_server *s)
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
	pb_memory_guard_free(&s->memory);
	if (s->memory_meter >= 0)
		close(s->memory_meter);
	pb_server_close_disk(s);
	pb_keyed_hash_free(&s->hash);
	pb_snapshot_unref(&s->snapshot);
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
	(void)setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	/* A client that is gone is an error of its own write, no signal. */
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
make_limits(struct pb_server *s)
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

void
pb_server_prepare(struct pb_server *s)
{
	const struct pb_config *config = s->snapshot->config;

	use_limits();
	s->n_workers = config->workers > 0 ? config->workers : cores();
	if (s->n_workers > WORKERS_MAX)
		s->n_workers = WORKERS_MAX;
	s->workers = pb_xalloc(s->n_workers * sizeof(struct pb_worker *));
	s->locks = pb_locks_new(LOCKS_MAX);
	pb_check(s->locks != NULL);
	make_limits(s);
	s->system_memory = pb_memory_of_system("", &s->system_memory_source);
	s->memory_meter = pb_memory_open();
}
