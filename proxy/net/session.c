#include "popbridge/net/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/bridge/bridge.h"
#include "popbridge/net/stream.h"
#include "popbridge/net/upstream.h"
#include "popbridge/net/worker.h"

/*
 * After the last reply the client gets so long to read it and close: closing
 * over octets it has sent would destroy the reply on its way.
 */
#define LINGER_MS 2000

/* An address that does not answer must leave time for the next one. */
#define ATTEMPT_MS 10000

enum session_state {
	SESSION_SERVING,
	SESSION_SENDING,	/* the bridge has ended; the last octets */
	SESSION_LINGERING,	/* all is sent; wait for the client's end */
	SESSION_CLOSING,
};

struct pb_session {
	struct pb_worker *worker;	/* borrowed */
	struct pb_worker_entry *entry;	/* the worker's */
	struct pb_snapshot *snapshot;	/* shared: unref in on_closed */
	struct pb_bridge bridge;
	struct pb_stream client;
	struct pb_upstream *upstream;	/* own until it is left; or NULL */
	bool upstream_open;		/* the bridge knows of it */
	bool securing;			/* a STARTTLS handshake is under way */
	bool eof_told;
	enum pb_pop3_tls client_tls;
	bool client_handshake;		/* TLS with the client to be begun */
	bool pumping;
	enum session_state state;
	uint64_t id;
	char id_text[24];
	char peer[64];
	uint64_t started;
	uv_timer_t timer;
	uint64_t timer_at;		/* when it fires; UINT64_MAX: not */
	uint64_t linger_until;
	unsigned open_handles;
	struct pb_limits_visit visit;
	uint8_t digest[PB_LIMITS_DIGEST]; /* of the password that is tried */
	bool has_digest;
	char *lock_key;			/* own; NULL while nothing is locked */
	size_t lock_key_len;
};

static void on_ready(void *owner);

static uint64_t
now_of(const struct pb_session *s)
{
	return uv_now(s->timer.loop);
}

uint64_t
pb_session_id(const struct pb_session *s)
{
	return s->id;
}

static void
unlock(struct pb_session *s)
{
	if (s->lock_key == NULL)
		return;
	pb_locks_release(pb_worker_locks(s->worker),
	    pb_slice(s->lock_key, s->lock_key_len), s->id);
	pb_free(s->lock_key);
	s->lock_key = NULL;
}

static void
log_summary(const struct pb_session *s)
{
	const struct pb_bridge_stats *stats = &s->bridge.stats;

	pb_log(PB_LOG_INFO, "session ended", PB_LOG_STR("id", s->id_text),
	    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
	    PB_LOG_OPTIONAL("authzid", pb_bridge_authzid(&s->bridge)),
	    PB_LOG_STR("client", s->peer), PB_LOG_NUM("retr", stats->retr),
	    PB_LOG_NUM("top", stats->top), PB_LOG_NUM("dele", stats->dele),
	    PB_LOG_NUM("removed", stats->removed),
	    PB_LOG_NUM("octets", stats->octets),
	    PB_LOG_NUM("ms", now_of(s) - s->started),
	    PB_LOG_STR("tls", s->client.secured
		? pb_tls_version(s->client.tls) : "none"),
	    PB_LOG_STR("reason", stats->reason != NULL ? stats->reason
						       : "aborted"));
}

static void
handle_closed(struct pb_session *s)
{
	if (--s->open_handles > 0)
		return;
	pb_limits_leave(pb_worker_limits(s->worker), &s->visit);
	pb_bridge_fini(&s->bridge);
	pb_snapshot_unref(&s->snapshot);
	pb_worker_session_gone(s->worker, s->entry);
	pb_free(s);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void
on_client_closed(void *owner)
{
	handle_closed(owner);
}

static void
leave_upstream(struct pb_session *s)
{
	if (s->upstream == NULL)
		return;
	pb_upstream_leave(s->upstream);
	s->upstream = NULL;
	s->upstream_open = false;
	s->securing = false;
}

static void
close_session(struct pb_session *s)
{
	if (s->state == SESSION_CLOSING)
		return;
	if (s->state == SESSION_SERVING)
		log_summary(s);
	s->state = SESSION_CLOSING;
	leave_upstream(s);
	unlock(s);
	pb_stream_close(&s->client);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void
upstream_lost(struct pb_session *s, const struct pb_error *why)
{
	struct pb_error err = *why;

	leave_upstream(s);
	pb_bridge_upstream_lost(&s->bridge, &err, now_of(s));
}

/* The server has said no to this very password a moment ago. */
static bool
refused_before(struct pb_session *s)
{
	struct pb_limits *limits = pb_worker_limits(s->worker);
	char url[PB_URL_TEXT_SIZE];

	pb_url_format(&s->snapshot->config->upstream, url);
	s->has_digest = pb_limits_digest(limits, pb_slice_str(url),
	    pb_bridge_user(&s->bridge),
	    pb_secret_reveal(&s->bridge.authzid),
	    pb_secret_reveal(&s->bridge.password), s->digest);
	return s->has_digest && pb_limits_is_refused(limits, s->digest,
	    now_of(s));
}

static void
hold_back(struct pb_session *s)
{
	struct pb_limits *limits = pb_worker_limits(s->worker);

	if (s->has_digest)
		pb_limits_remember(limits, s->digest, now_of(s));
	pb_bridge_hold(&s->bridge, pb_limits_failed(limits,
	    &s->visit.network, pb_bridge_user(&s->bridge), now_of(s)),
	    now_of(s));
}

static void
connect_upstream(struct pb_session *s)
{
	struct pb_error err;
	uint64_t attempt = s->snapshot->bridge.connect_ms;

	pb_check(s->upstream == NULL);
	if (refused_before(s)) {
		pb_error_set(&err, PB_ERROR_AUTH, PB_SCOPE_ACCOUNT,
		    "the mail server has refused this password a moment ago "
		    "and is not asked again so soon");
		pb_bridge_upstream_lost(&s->bridge, &err, now_of(s));
		return;
	}
	s->upstream = pb_upstream_open(pb_worker_loop(s->worker),
	    &s->snapshot->config->upstream, s->snapshot->upstream_tls,
	    attempt < ATTEMPT_MS ? attempt : ATTEMPT_MS, on_ready, s);
	if (s->upstream != NULL)
		return;
	pb_error_set(&err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
	    "no memory for a connection to the mail server");
	pb_bridge_upstream_lost(&s->bridge, &err, now_of(s));
}

/*
 * Upstream, owner and mailbox, with NUL between: none of them can hold it.
 * The owner is the one for whom the user acts, if there is one.
 */
static bool
make_lock_key(struct pb_session *s)
{
	char url[PB_URL_TEXT_SIZE];
	struct pb_slice authzid = pb_bridge_authzid(&s->bridge);
	struct pb_slice user = authzid.len > 0 ? authzid
					       : pb_bridge_user(&s->bridge);
	const char *mailbox = s->snapshot->bridge.mailbox;
	size_t url_len;
	size_t mailbox_len = strlen(mailbox);

	pb_url_format(&s->snapshot->config->upstream, url);
	url_len = strlen(url);
	s->lock_key_len = url_len + user.len + mailbox_len + 2;
	s->lock_key = pb_alloc(s->lock_key_len);
	if (s->lock_key == NULL)
		return false;
	memcpy(s->lock_key, url, url_len);
	memcpy(s->lock_key + url_len + 1, user.data, user.len);
	memcpy(s->lock_key + url_len + user.len + 2, mailbox, mailbox_len);
	return true;
}

static bool
lock(struct pb_session *s)
{
	struct pb_lock_holder self = { .id = s->id, .since_ms = now_of(s) };
	struct pb_lock_holder other;
	enum pb_lock_result result;

	snprintf(self.address, sizeof(self.address), "%s", s->peer);
	if (!make_lock_key(s))
		return false;
	result = pb_locks_acquire(pb_worker_locks(s->worker),
	    pb_slice(s->lock_key, s->lock_key_len),
	    s->snapshot->config->lock, &self, &other);
	switch (result) {
	case PB_LOCK_GRANTED:
		return true;
	case PB_LOCK_TAKEN_OVER:
		pb_log(PB_LOG_INFO, "maildrop taken over",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
		    PB_LOG_STR("from", other.address));
		pb_worker_ask_evict(s->worker, other.id);
		return true;
	case PB_LOCK_IN_USE:
		pb_log(PB_LOG_INFO, "maildrop in use",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
		    PB_LOG_STR("by", other.address),
		    PB_LOG_NUM("for_ms", now_of(s) - other.since_ms));
		break;
	case PB_LOCK_FULL:
		pb_log(PB_LOG_ERROR, "no room for another maildrop lock",
		    PB_LOG_STR("id", s->id_text));
		break;
	}
	pb_free(s->lock_key);
	s->lock_key = NULL;
	return false;
}

static bool
do_actions(struct pb_session *s)
{
	bool any = false;

	for (;;) {
		switch (pb_bridge_next_action(&s->bridge)) {
		case PB_BRIDGE_NOTHING:
			return any;
		case PB_BRIDGE_CONNECT:
			connect_upstream(s);
			break;
		case PB_BRIDGE_STARTTLS:
			s->securing = true;
			pb_upstream_starttls(s->upstream);
			break;
		case PB_BRIDGE_CLIENT_TLS:
			s->client_handshake = true;
			break;
		case PB_BRIDGE_LOCK:
			pb_bridge_locked(&s->bridge, lock(s), now_of(s));
			break;
		case PB_BRIDGE_HOLD:
			hold_back(s);
			break;
		case PB_BRIDGE_DROP_UPSTREAM:
			leave_upstream(s);
			/* A login that failed late leaves the maildrop. */
			if (pb_bridge_is_private(&s->bridge))
				unlock(s);
			break;
		case PB_BRIDGE_END:
			s->state = SESSION_SENDING;
			/* The client may come again as soon as it has heard. */
			unlock(s);
			log_summary(s);
			break;
		}
		any = true;
	}
}

static bool
serve_client(struct pb_session *s)
{
	struct pb_slice in;
	size_t offered;

	if (s->client.state == PB_STREAM_FAILED && !s->eof_told) {
		s->eof_told = true;
		if (s->client.tls != NULL && !s->client.secured)
			pb_log(PB_LOG_INFO, "no TLS with the client",
			    PB_LOG_STR("id", s->id_text),
			    PB_LOG_STR("client", s->peer),
			    PB_LOG_STR("why", s->client.error.text));
		pb_bridge_client_gone(&s->bridge, now_of(s));
		return true;
	}
	if (s->bridge.state == PB_BRIDGE_SECURING && s->client.secured) {
		pb_bridge_client_secured(&s->bridge, now_of(s));
		return true;
	}
	if (!pb_bridge_wants_client(&s->bridge))
		return false;
	in = pb_stream_peek(&s->client);
	offered = in.len;
	if (offered > 0) {
		pb_bridge_client_in(&s->bridge, &in, now_of(s));
		pb_stream_take(&s->client, offered - in.len);
		return in.len < offered;
	}
	if (!s->client.eof || s->eof_told)
		return false;
	s->eof_told = true;
	pb_bridge_client_eof(&s->bridge, now_of(s));
	return true;
}

static bool
upstream_came_up(struct pb_session *s)
{
	struct pb_imap_client *imap = pb_upstream_imap(s->upstream);

	if (s->securing) {
		s->securing = false;
		pb_bridge_secured(&s->bridge, now_of(s));
		return true;
	}
	if (s->upstream_open)
		return false;
	s->upstream_open = true;
	pb_bridge_connected(&s->bridge, imap, now_of(s));
	return true;
}

static bool
read_upstream(struct pb_session *s)
{
	struct pb_stream *stream = pb_upstream_stream(s->upstream);
	struct pb_error err;
	struct pb_slice in;
	size_t offered;

	if (!pb_bridge_wants_upstream(&s->bridge))
		return false;
	in = pb_stream_peek(stream);
	offered = in.len;
	if (offered > 0) {
		pb_bridge_upstream_in(&s->bridge, &in, now_of(s));
		pb_stream_take(stream, offered - in.len);
		return in.len < offered;
	}
	if (!stream->eof)
		return false;
	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
	    "the mail server closed the connection");
	upstream_lost(s, &err);
	return true;
}

static bool
serve_upstream(struct pb_session *s)
{
	if (s->upstream == NULL)
		return false;
	switch (pb_upstream_state(s->upstream)) {
	case PB_UPSTREAM_RESOLVING:
	case PB_UPSTREAM_CONNECTING:
	case PB_UPSTREAM_HANDSHAKE:
		return false;
	case PB_UPSTREAM_FAILED:
		/* What came before the failure still counts. */
		if (s->upstream_open && read_upstream(s))
			return true;
		if (s->upstream_open &&
		    !pb_bridge_wants_upstream(&s->bridge) &&
		    s->bridge.imap != NULL)
			return false;
		upstream_lost(s, pb_upstream_error(s->upstream));
		return true;
	case PB_UPSTREAM_OPEN:
		break;
	}
	return upstream_came_up(s) || read_upstream(s);
}

/* What is said in the clear is with the kernel: TLS from here on. */
static void
secure_client(struct pb_session *s)
{
	struct pb_tls *tls = pb_tls_server(s->snapshot->client_tls);

	s->client_handshake = false;
	if (tls == NULL)
		pb_bridge_stop(&s->bridge, "no memory for TLS", now_of(s));
	else
		pb_stream_start_tls(&s->client, tls);
}

/*
 * Hand over what waits.  The client gets the next octets when the last ones
 * are with the kernel: so no more than two buffers are ever full.  True when
 * there is room again for what comes next.
 */
static bool
send_all(struct pb_session *s)
{
	bool may_send = pb_stream_unsent(&s->client) == 0 &&
	    (s->client.tls == NULL || s->client.secured);
	bool sent = s->bridge.client_out.len > 0 && may_send &&
	    !(s->client_handshake && s->client_tls == PB_POP3_TLS_ACTIVE);

	if (sent)
		pb_stream_send(&s->client, &s->bridge.client_out);
	if (s->client_handshake && pb_stream_unsent(&s->client) == 0 &&
	    s->client.state == PB_STREAM_OPEN)
		secure_client(s);
	pb_bridge_client_flow(&s->bridge, pb_stream_unsent(&s->client),
	    now_of(s));
	if (s->upstream_open)
		pb_stream_send(pb_upstream_stream(s->upstream),
		    &pb_upstream_imap(s->upstream)->out);
	return sent;
}

static void
finish(struct pb_session *s)
{
	struct pb_slice rest;

	if (s->state == SESSION_SENDING && s->client.state != PB_STREAM_OPEN) {
		close_session(s);
		return;
	}
	if (s->state == SESSION_SENDING && s->bridge.client_out.len == 0 &&
	    pb_stream_unsent(&s->client) == 0) {
		pb_stream_finish(&s->client);
		s->state = SESSION_LINGERING;
		s->linger_until = now_of(s) + LINGER_MS;
	}
	if (s->state != SESSION_LINGERING)
		return;
	for (rest = pb_stream_peek(&s->client); rest.len > 0;
	    rest = pb_stream_peek(&s->client))
		pb_stream_take(&s->client, rest.len);
	if (s->client.eof || s->client.state != PB_STREAM_OPEN)
		close_session(s);
}

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct pb_session *s)
{
	uint64_t at = pb_bridge_deadline(&s->bridge);
	uint64_t now = now_of(s);

	if (s->state == SESSION_SENDING)
		at = s->bridge.client_at + s->snapshot->bridge.stall_ms;
	if (s->state == SESSION_LINGERING)
		at = s->linger_until;
	/* A timer that fires too early is only armed again. */
	if (at >= s->timer_at)
		return;
	s->timer_at = at;
	uv_timer_start(&s->timer, on_timer, at > now ? at - now : 0, 0);
}

static void pump(struct pb_session *s);

static void
on_timer(uv_timer_t *timer)
{
	struct pb_session *s = timer->data;
	uint64_t now = now_of(s);

	s->timer_at = UINT64_MAX;
	if ((s->state == SESSION_LINGERING && now >= s->linger_until) ||
	    (s->state == SESSION_SENDING && now >= s->bridge.client_at +
		s->snapshot->bridge.stall_ms)) {
		close_session(s);
		return;
	}
	pump(s);
}

static void
set_reading(struct pb_session *s)
{
	struct pb_stream *up;

	pb_stream_wipe_reads(&s->client, pb_bridge_is_private(&s->bridge));
	/*
	 * While a command runs, one more buffer of the client's is read, so
	 * that its end is noticed; the stream stops when nobody takes it.
	 */
	pb_stream_want_read(&s->client, true);
	if (!s->upstream_open)
		return;
	up = pb_upstream_stream(s->upstream);
	pb_stream_want_read(up, pb_bridge_wants_upstream(&s->bridge));
}

/*
 * Everything that happens comes here: move what can be moved until nothing
 * moves any more.
 */
static void
pump(struct pb_session *s)
{
	bool moved;

	pb_check(!s->pumping);
	if (s->state == SESSION_CLOSING)
		return;
	s->pumping = true;
	do {
		pb_bridge_run(&s->bridge, now_of(s));
		moved = do_actions(s);
		moved |= serve_client(s);
		moved |= do_actions(s);
		moved |= serve_upstream(s);
		moved |= do_actions(s);
		moved |= send_all(s);
	} while (moved);
	s->pumping = false;
	if (s->bridge.authenticated)
		pb_limits_authenticated(pb_worker_limits(s->worker),
		    &s->visit);
	finish(s);
	if (s->state == SESSION_CLOSING)
		return;
	set_reading(s);
	arm_timer(s);
}

/* The client's stream, or the upstream. */
static void
on_ready(void *owner)
{
	pump(owner);
}

static const struct pb_stream_owner client_owner = {
	.ready = on_ready,
	.closed = on_client_closed,
};

static enum pb_pop3_tls
tls_of(const struct pb_snapshot *snapshot, enum pb_url_tls listener)
{
	switch (listener) {
	case PB_URL_TLS_IMMEDIATE:
		return PB_POP3_TLS_ACTIVE;
	case PB_URL_TLS_UPGRADE:
		return PB_POP3_TLS_REQUIRED;
	case PB_URL_TLS_NONE:
		break;
	}
	return snapshot->client_tls != NULL ? PB_POP3_TLS_OFFERED
					    : PB_POP3_TLS_NONE;
}

struct pb_session *
pb_session_serve(struct pb_worker *worker,
    const struct pb_session_guest *guest, struct pb_worker_entry *entry)
{
	const struct pb_upstream_loop *loop = pb_worker_loop(worker);
	struct pb_session *s = pb_alloc(sizeof(*s));

	if (s == NULL || uv_timer_init(loop->uv, &s->timer) != 0) {
		pb_free(s);
		return NULL;
	}
	s->timer.data = s;
	s->timer_at = UINT64_MAX;
	s->open_handles = 2;
	s->worker = worker;
	s->entry = entry;
	s->visit = guest->visit;
	s->snapshot = pb_snapshot_ref(pb_worker_snapshot(worker));
	s->id = pb_worker_new_session_id(worker);
	snprintf(s->id_text, sizeof(s->id_text), "%" PRIu64 ".%" PRIu64,
	    s->id >> 48, s->id & ((UINT64_C(1) << 48) - 1));
	s->started = now_of(s);
	if (pb_stream_init(&s->client, loop->uv, loop->scratch, &client_owner,
	    s) != PB_OK) {
		close(guest->fd);
		s->open_handles = 1;
		s->state = SESSION_CLOSING;
		uv_close((uv_handle_t *)&s->timer, on_timer_closed);
		return s;
	}
	if (pb_stream_accept(&s->client, guest->fd) == PB_OK)
		pb_stream_peer(&s->client, s->peer);
	pb_bridge_init(&s->bridge, &s->snapshot->bridge, s->id_text, s->peer,
	    now_of(s));
	s->client_tls = tls_of(s->snapshot, guest->tls);
	s->client_handshake = s->client_tls == PB_POP3_TLS_ACTIVE;
	pb_bridge_client_tls(&s->bridge, s->client_tls);
	pb_log(PB_LOG_DEBUG, "client connected", PB_LOG_STR("id", s->id_text),
	    PB_LOG_STR("client", s->peer));
	pump(s);
	return s;
}

void
pb_session_drain(struct pb_session *s)
{
	if (s->state == SESSION_CLOSING)
		return;
	pb_bridge_drain(&s->bridge, now_of(s));
	pump(s);
}

void
pb_session_stop(struct pb_session *s, const char *reason)
{
	if (s->state == SESSION_CLOSING)
		return;
	pb_bridge_stop(&s->bridge, reason, now_of(s));
	pump(s);
}

void
pb_session_abort(struct pb_session *s, const char *reason)
{
	if (s->bridge.stats.reason == NULL)
		s->bridge.stats.reason = reason;
	close_session(s);
}
