#include "popbridge/net/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/door.h"

/* Connections that wait in the kernel to be accepted. */
#define BACKLOG 1024

/* Connections that are accepted before sessions have their turn again. */
#define ACCEPT_BATCH 32

/* Without descriptors, or memory for them, nobody is accepted for so long. */
#define PAUSE_MS 1000

struct pb_worker_entry {
	struct pb_session *session;	/* borrowed: it owns itself */
	struct pb_worker_entry *prev;
	struct pb_worker_entry *next;
};

/* What other threads want of this one. */
struct note {
	enum { NOTE_USE, NOTE_EVICT, NOTE_DRAIN, NOTE_ABORT } what;
	struct pb_snapshot *snapshot;	/* own, of NOTE_USE */
	uint64_t session_id;
	struct note *next;
};

/*
 * Watched, not listened on by libuv: that would answer a lack of descriptors
 * by accepting and closing whoever waits.
 */
struct listener {
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
	struct note *notes;		/* own; under mutex, newest first */
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
	void *owner;
	struct listener *listeners;	/* own */
	size_t n_listeners;
	uv_timer_t pause;		/* active: nobody is accepted */
	struct pb_worker_entry *sessions; /* own */
	uint64_t last_session;
	bool started;
	bool draining;
};

const struct pb_upstream_loop *
pb_worker_loop(struct pb_worker *w)
{
	return &w->loop;
}

struct pb_snapshot *
pb_worker_snapshot(struct pb_worker *w)
{
	return w->snapshot;
}

struct pb_locks *
pb_worker_locks(struct pb_worker *w)
{
	return w->locks;
}

struct pb_limits *
pb_worker_limits(struct pb_worker *w)
{
	return w->limits;
}

struct pb_upstreams *
pb_worker_upstreams(struct pb_worker *w)
{
	return w->upstreams;
}

struct pb_pool *
pb_worker_pool(struct pb_worker *w)
{
	return w->pool;
}

struct pb_listings *
pb_worker_listings(struct pb_worker *w)
{
	return w->listings;
}

struct pb_listing_cache *
pb_worker_listing_cache(struct pb_worker *w)
{
	return w->listing_cache;
}

struct pb_journal *
pb_worker_journal(struct pb_worker *w)
{
	return w->journal;
}

void
pb_worker_ask_evict(struct pb_worker *w, uint64_t session_id)
{
	w->evict(w->owner, session_id);
}

uint64_t
pb_worker_new_session_id(struct pb_worker *w)
{
	return (uint64_t)w->index << 48 | ++w->last_session;
}

/* The last session of a draining worker lets its loop run out of handles. */
static void
close_when_idle(struct pb_worker *w)
{
	if (w->draining && w->sessions == NULL &&
	    !uv_is_closing((uv_handle_t *)&w->wake))
		uv_close((uv_handle_t *)&w->wake, NULL);
}

void
pb_worker_session_gone(struct pb_worker *w, struct pb_worker_entry *entry)
{
	DL_DELETE(w->sessions, entry);
	pb_free(entry);
	close_when_idle(w);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void
take_address(const union address *from, struct pb_session_guest *guest)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (from->any.sa_family == AF_INET6) {
		memcpy(guest->address, &from->v6.sin6_addr, 16);
		guest->port = ntohs(from->v6.sin6_port);
		return;
	}
	memcpy(guest->address, mapped, sizeof(mapped));
	memcpy(guest->address + 12, &from->v4.sin_addr, 4);
	guest->port = ntohs(from->v4.sin_port);
}

static void
say_refused(struct pb_worker *w, const union address *from, const char *why)
{
	uint64_t times = pb_limits_say(w->limits, PB_LIMITS_SAY_REFUSED,
	    uv_now(&w->uv));
	char host[INET6_ADDRSTRLEN] = "unknown";

	if (times == 0)
		return;
	(void)uv_ip_name(&from->any, host, sizeof(host));
	pb_log(PB_LOG_WARN, "connections refused", PB_LOG_STR("limit", why),
	    PB_LOG_STR("last_client", host), PB_LOG_NUM("times", times));
}

/* Who speaks for others is let in, and they are looked at then. */
static bool
admit(struct listener *listener, const union address *from,
    struct pb_session_guest *guest)
{
	struct pb_worker *w = listener->worker;
	const struct pb_config *config = w->snapshot->config;
	const struct pb_listener_config *door =
	    &config->listener[listener->number];
	bool proxy = pb_door_wants_header(door, guest->address);
	const struct pb_limits_max max = {
		.connections = config->max_connections,
		.per_network = proxy ? SIZE_MAX
				     : config->max_connections_per_address,
		.unauthenticated = config->max_unauthenticated };
	struct pb_limits_network network = pb_limits_ipv6(guest->address);
	enum pb_limits_verdict verdict;

	if (!proxy && !pb_door_is_open(door, guest->address)) {
		say_refused(w, from, "allow and deny of the listener");
		return false;
	}
	verdict = pb_limits_enter(w->limits, &max, &network, &guest->visit);
	if (verdict != PB_LIMITS_WELCOME)
		say_refused(w, from, pb_limits_verdict_name(verdict));
	return verdict == PB_LIMITS_WELCOME;
}

static bool
serve(struct pb_worker *w, const struct pb_session_guest *guest)
{
	struct pb_worker_entry *entry = pb_alloc(sizeof(*entry));

	if (entry != NULL)
		entry->session = pb_session_serve(w, guest, entry);
	if (entry != NULL && entry->session != NULL) {
		DL_APPEND(w->sessions, entry);
		return true;
	}
	pb_log(PB_LOG_ERROR, "no memory for a session",
	    PB_LOG_STR("what", "accept"));
	pb_free(entry);
	return false;
}

static void
take_in(struct listener *listener, int fd, const union address *from)
{
	struct pb_worker *w = listener->worker;
	struct pb_session_guest guest = { .fd = fd,
		.listener = listener->number };

	take_address(from, &guest);
	if (admit(listener, from, &guest) && serve(w, &guest))
		return;
	pb_limits_leave(w->limits, &guest.visit);
	close(fd);
}

static void on_client(uv_poll_t *poll, int status, int events);

static void
watch(struct pb_worker *w)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++)
		pb_check(uv_poll_start(&w->listeners[i].poll, UV_READABLE,
		    on_client) == 0);
}

static void
on_pause_over(uv_timer_t *timer)
{
	watch(timer->data);
}

static void
pause_accepting(struct pb_worker *w, int error)
{
	uint64_t times = pb_limits_say(w->limits, PB_LIMITS_SAY_DESCRIPTORS,
	    uv_now(&w->uv));
	size_t i;

	for (i = 0; i < w->n_listeners; i++)
		(void)uv_poll_stop(&w->listeners[i].poll);
	uv_timer_start(&w->pause, on_pause_over, PAUSE_MS, 0);
	if (times > 0)
		pb_log(PB_LOG_ERROR, "cannot accept connections, waiting "
		    "until some have ended", PB_LOG_STR("why",
			strerror(error)), PB_LOG_NUM("times", times));
}

static void
on_client(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	unsigned i;

	(void)status;
	(void)events;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		union address from = { .any = { .sa_family = AF_UNSPEC } };
		socklen_t len = sizeof(from);
		int fd = accept4(listener->fd, &from.any, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_in(listener, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accepting(listener->worker, errno);
		/* All else is that client's, or nobody waits any more. */
		return;
	}
}

static void
stop_listening(struct pb_worker *w)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++) {
		uv_handle_t *handle = (uv_handle_t *)&w->listeners[i].poll;

		if (uv_is_closing(handle))
			continue;
		uv_close(handle, NULL);
		close(w->listeners[i].fd);
	}
	if (!uv_is_closing((uv_handle_t *)&w->pause))
		uv_close((uv_handle_t *)&w->pause, NULL);
}

static void
drain(struct pb_worker *w, bool at_once)
{
	struct pb_worker_entry *entry;
	struct pb_worker_entry *next;

	w->draining = true;
	stop_listening(w);
	DL_FOREACH_SAFE(w->sessions, entry, next) {
		if (at_once)
			pb_session_abort(entry->session, "shut down");
		else
			pb_session_drain(entry->session);
	}
	close_when_idle(w);
}

static void
evict(struct pb_worker *w, uint64_t id)
{
	struct pb_worker_entry *entry;

	DL_FOREACH(w->sessions, entry) {
		if (pb_session_id(entry->session) == id)
			break;
	}
	if (entry != NULL)
		pb_session_stop(entry->session,
		    "another session took the maildrop over");
}

static void
do_note(struct pb_worker *w, struct note *note)
{
	switch (note->what) {
	case NOTE_USE:
		pb_snapshot_unref(&w->snapshot);
		w->snapshot = note->snapshot;
		break;
	case NOTE_EVICT:
		evict(w, note->session_id);
		break;
	case NOTE_DRAIN:
		drain(w, false);
		break;
	case NOTE_ABORT:
		drain(w, true);
		break;
	}
}

/* In the order in which they were sent. */
static struct note *
take_notes(struct pb_worker *w)
{
	struct note *oldest = NULL;
	struct note *note;

	uv_mutex_lock(&w->mutex);
	note = w->notes;
	w->notes = NULL;
	uv_mutex_unlock(&w->mutex);
	while (note != NULL) {
		struct note *next = note->next;

		note->next = oldest;
		oldest = note;
		note = next;
	}
	return oldest;
}

static void
on_wake(uv_async_t *async)
{
	struct pb_worker *w = async->data;
	struct note *note = take_notes(w);

	while (note != NULL) {
		struct note *next = note->next;

		do_note(w, note);
		pb_free(note);
		note = next;
	}
}

static void
send_note(struct pb_worker *w, struct note note)
{
	struct note *copy = pb_xalloc(sizeof(*copy));

	*copy = note;
	uv_mutex_lock(&w->mutex);
	copy->next = w->notes;
	w->notes = copy;
	uv_mutex_unlock(&w->mutex);
	pb_check(uv_async_send(&w->wake) == 0);
}

void
pb_worker_use(struct pb_worker *w, struct pb_snapshot *snapshot)
{
	send_note(w, (struct note){ .what = NOTE_USE,
		.snapshot = pb_snapshot_ref(snapshot) });
}

void
pb_worker_evict(struct pb_worker *w, uint64_t session_id)
{
	send_note(w, (struct note){ .what = NOTE_EVICT,
		.session_id = session_id });
}

void
pb_worker_drain(struct pb_worker *w)
{
	send_note(w, (struct note){ .what = NOTE_DRAIN });
}

void
pb_worker_abort(struct pb_worker *w)
{
	send_note(w, (struct note){ .what = NOTE_ABORT });
}

static void
run(void *arg)
{
	struct pb_worker *w = arg;

	(void)uv_run(&w->uv, UV_RUN_DEFAULT);
}

static int
listen_on(struct pb_worker *w, size_t i, int fd)
{
	struct listener *listener = &w->listeners[i];
	int r = uv_poll_init(&w->uv, &listener->poll, fd);

	if (r != 0)
		return r;
	w->n_listeners = i + 1;
	listener->poll.data = listener;
	listener->fd = fd;
	listener->worker = w;
	listener->number = i;
	return listen(fd, BACKLOG) == 0 ? 0 : uv_translate_sys_error(errno);
}

static enum pb_status
open_loop(struct pb_worker *w, const struct pb_worker_options *o)
{
	size_t i;

	w->loop = (struct pb_upstream_loop){ .uv = &w->uv,
		.scratch = pb_alloc(PB_STREAM_READ_SIZE),
		.grammar = pb_imap_grammar_new(),
		.writer = pb_imap_writer_new() };
	w->listeners = pb_alloc(o->n_sockets * sizeof(*w->listeners));
	if (w->loop.scratch == NULL || w->loop.grammar == NULL ||
	    w->loop.writer == NULL || w->listeners == NULL)
		return PB_ENOMEM;
	for (i = 0; i < o->n_sockets; i++) {
		if (listen_on(w, i, o->sockets[i]) != 0)
			return PB_EIO;
	}
	watch(w);
	return PB_OK;
}

static void
release(struct pb_worker *w)
{
	pb_check(uv_loop_close(&w->uv) == 0);
	uv_mutex_destroy(&w->mutex);
	pb_imap_grammar_free(&w->loop.grammar);
	pb_imap_writer_free(&w->loop.writer);
	pb_free(w->loop.scratch);
	pb_free(w->listeners);
	pb_snapshot_unref(&w->snapshot);
	pb_free(w);
}

enum pb_status
pb_worker_new(const struct pb_worker_options *o, struct pb_worker **out)
{
	struct pb_worker *w = pb_xalloc(sizeof(*w));
	enum pb_status st;

	w->index = o->index;
	w->locks = o->locks;
	w->limits = o->limits;
	w->upstreams = o->upstreams;
	w->pool = o->pool;
	w->listings = o->listings;
	w->listing_cache = o->listing_cache;
	w->journal = o->journal;
	w->snapshot = pb_snapshot_ref(o->snapshot);
	w->evict = o->evict;
	w->owner = o->owner;
	pb_check(uv_loop_init(&w->uv) == 0);
	pb_check(uv_mutex_init(&w->mutex) == 0);
	pb_check(uv_async_init(&w->uv, &w->wake, on_wake) == 0);
	w->wake.data = w;
	pb_check(uv_timer_init(&w->uv, &w->pause) == 0);
	w->pause.data = w;
	st = open_loop(w, o);
	if (st == PB_OK)
		*out = w;
	else
		pb_worker_free(&w);
	return st;
}

void
pb_worker_start(struct pb_worker *w)
{
	pb_check(uv_thread_create(&w->thread, run, w) == 0);
	w->started = true;
}

void
pb_worker_wait(struct pb_worker *w)
{
	if (!w->started)
		return;
	pb_check(uv_thread_join(&w->thread) == 0);
}

void
pb_worker_free(struct pb_worker **wp)
{
	struct pb_worker *w = *wp;
	struct note *note = take_notes(w);

	*wp = NULL;
	if (!w->started) {
		drain(w, true);
		run(w);
	}
	/* Came too late; only a snapshot has to be given back. */
	while (note != NULL) {
		struct note *next = note->next;

		pb_snapshot_unref(&note->snapshot);
		pb_free(note);
		note = next;
	}
	release(w);
}
