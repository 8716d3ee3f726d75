#include "session_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"

/*
 * After the last reply the client gets so long to read it and close: closing
 * over octets it has sent would destroy the reply on its way.
 */
#define LINGER_MS 2000

/*
 * Who reads as fast as listings can be written, and asks for one after the
 * other, lets the others have their turn after so many octets.  (Deleted
 * messages have none: see PB_BRIDGE_TURN_MESSAGES.)
 */
#define TURN_MAX (512 * 1024)
/* libuv runs a timer that is due at once before it looks at anybody else. */
#define TURN_PAUSE_MS 1

uint64_t
pb_session_id(const struct pb_session *s)
{
	return s->id;
}

static const char *
tls_version(const struct pb_session *s)
{
	if (s->client.secured)
		return pb_tls_version(s->client.tls);
	return s->proxy_tls[0] != '\0' ? s->proxy_tls : "none";
}

/* What an administrator should know about this listener's sessions. */
static struct pb_slice
warning(const struct pb_session *s)
{
	if (s->listener->config->tls_profile != PB_TLS_PROFILE_LEGACY)
		return pb_slice(NULL, 0);
	if (s->client.secured && pb_tls_is_weak(s->client.tls))
		return pb_slice_str("TLS older than 1.2");
	return pb_slice_str("tls-profile legacy");
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
	    PB_LOG_NUM("ms", pb_session_now(s) - s->started),
	    PB_LOG_STR("tls", tls_version(s)),
	    PB_LOG_OPTIONAL("warning", warning(s)),
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
	pb_buffer_fini(&s->header);
	pb_free(s->target);
	pb_free(s->maildrop_key);
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

void
pb_session_leave_upstream(struct pb_session *s)
{
	pb_session_stop_counting(s);
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
	if (s->state == PB_SESSION_CLOSING)
		return;
	if (s->state == PB_SESSION_SERVING)
		log_summary(s);
	s->state = PB_SESSION_CLOSING;
	pb_inquiry_leave(&s->inquiry);
	pb_recall_leave(&s->recall);
	pb_session_leave_promise(s);
	pb_session_leave_upstream(s);
	pb_session_leave_turn(s);
	pb_session_unlock(s);
	pb_stream_close(&s->client);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void
upstream_lost(struct pb_session *s, const struct pb_error *why)
{
	struct pb_error err = *why;

	pb_session_leave_upstream(s);
	pb_bridge_upstream_lost(&s->bridge, &err, pb_session_now(s));
}

static bool
do_actions(struct pb_session *s)
{
	bool any = false;

	for (;;) {
		switch (pb_bridge_next_action(&s->bridge)) {
		case PB_BRIDGE_NOTHING:
			return any;
		case PB_BRIDGE_INTRODUCE:
			pb_session_introduce(s);
			break;
		case PB_BRIDGE_FIND_KEYS:
			pb_session_identify(s, PB_INQUIRY_KEYS);
			break;
		case PB_BRIDGE_IDENTIFY:
			pb_session_identify(s, PB_INQUIRY_WHO);
			break;
		case PB_BRIDGE_CONNECT:
			pb_session_connect(s);
			break;
		case PB_BRIDGE_STARTTLS:
			s->securing = true;
			pb_upstream_starttls(s->upstream);
			break;
		case PB_BRIDGE_CLIENT_TLS:
			s->client_handshake = true;
			break;
		case PB_BRIDGE_LOCK:
			pb_session_lock(s);
			break;
		case PB_BRIDGE_TURN:
			pb_session_want_turn(s);
			break;
		case PB_BRIDGE_HOLD:
			pb_session_hold_back(s);
			break;
		case PB_BRIDGE_REMEMBER:
			pb_session_remember(s);
			break;
		case PB_BRIDGE_PROMISE:
			pb_session_promise(s);
			break;
		case PB_BRIDGE_NOTE:
			pb_session_note_promises(s);
			break;
		case PB_BRIDGE_DROP_UPSTREAM:
			pb_inquiry_leave(&s->inquiry);
			pb_recall_leave(&s->recall);
			pb_session_leave_upstream(s);
			/* A login that failed late leaves the maildrop. */
			if (pb_bridge_is_private(&s->bridge))
				pb_session_unlock(s);
			break;
		case PB_BRIDGE_PARK_UPSTREAM:
			pb_session_park_upstream(s);
			break;
		case PB_BRIDGE_END:
			s->state = PB_SESSION_SENDING;
			s->linger_until = pb_session_now(s) + LINGER_MS;
			/* The client may come again as soon as it has heard. */
			pb_session_unlock(s);
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
		pb_bridge_client_gone(&s->bridge, pb_session_now(s));
		return true;
	}
	if (s->bridge.state == PB_BRIDGE_SECURING && s->client.secured) {
		pb_session_client_secured(s);
		return true;
	}
	if (s->header_due && s->bridge.state != PB_BRIDGE_ENDED &&
	    (!s->client.eof || pb_stream_peek(&s->client).len > 0))
		return pb_session_take_header(s);
	if (!pb_bridge_wants_client(&s->bridge))
		return false;
	in = pb_stream_peek(&s->client);
	offered = in.len;
	if (offered > 0) {
		pb_bridge_client_in(&s->bridge, &in, pb_session_now(s));
		pb_stream_take(&s->client, offered - in.len);
		return in.len < offered;
	}
	if (!s->client.eof || s->eof_told)
		return false;
	s->eof_told = true;
	pb_bridge_client_eof(&s->bridge, pb_session_now(s));
	return true;
}

static bool
upstream_came_up(struct pb_session *s)
{
	struct pb_imap_client *imap = pb_upstream_imap(s->upstream);

	if (s->securing) {
		s->securing = false;
		pb_bridge_secured(&s->bridge, pb_session_now(s));
		return true;
	}
	if (s->upstream_open)
		return false;
	s->upstream_open = true;
	pb_bridge_connected(&s->bridge, imap, pb_session_now(s));
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
		pb_bridge_upstream_in(&s->bridge, &in, pb_session_now(s));
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
	static const struct pb_error no_memory = { .kind = PB_ERROR_INTERNAL,
		.scope = PB_SCOPE_ACCOUNT,
		.text = "no memory for a connection to the mail server" };

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
		if (!s->upstream_open && pb_session_connect_next(s))
			return true;
		/* The next server may have been more than there is memory for. */
		upstream_lost(s, s->upstream != NULL
		    ? pb_upstream_error(s->upstream) : &no_memory);
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
	struct pb_tls *tls = pb_tls_server(s->listener->tls);

	s->client_handshake = false;
	if (tls == NULL)
		pb_bridge_stop(&s->bridge, "no memory for TLS", pb_session_now(s));
	else
		pb_stream_start_tls(&s->client, tls);
}

/*
 * Hand over what waits.  The client gets the next octets when the last ones
 * are with the kernel: so no more than two buffers are ever full.  True when
 * there is room again for what comes next, or a peer is lost.
 */
static bool
send_all(struct pb_session *s)
{
	bool may_send = pb_stream_unsent(&s->client) == 0 &&
	    (s->client.tls == NULL || s->client.secured);
	bool sent = s->bridge.client_out.len > 0 && may_send &&
	    !(s->client_handshake && s->tls_first);

	if (sent) {
		s->turn_octets += s->bridge.client_out.len;
		pb_stream_send(&s->client, &s->bridge.client_out);
	}
	if (s->client_handshake && pb_stream_unsent(&s->client) == 0 &&
	    s->client.state == PB_STREAM_OPEN)
		secure_client(s);
	pb_bridge_client_flow(&s->bridge, pb_stream_unsent(&s->client),
	    pb_session_now(s));
	if (s->upstream_open && !pb_upstream_send(s->upstream))
		return true;
	return sent || (s->client.state == PB_STREAM_FAILED && !s->eof_told);
}

static void
finish(struct pb_session *s)
{
	struct pb_slice rest;

	if (s->state == PB_SESSION_SENDING && s->client.state != PB_STREAM_OPEN) {
		close_session(s);
		return;
	}
	if (s->state == PB_SESSION_SENDING && s->bridge.client_out.len == 0 &&
	    pb_stream_unsent(&s->client) == 0) {
		pb_stream_finish(&s->client);
		s->state = PB_SESSION_LINGERING;
		s->linger_until = pb_session_now(s) + LINGER_MS;
	}
	if (s->state != PB_SESSION_LINGERING)
		return;
	for (rest = pb_stream_peek(&s->client); rest.len > 0;
	    rest = pb_stream_peek(&s->client))
		pb_stream_take(&s->client, rest.len);
	if (s->client.eof || s->client.state != PB_STREAM_OPEN)
		close_session(s);
}

static bool
has_had_its_turn(const struct pb_session *s)
{
	return s->turn_octets >= TURN_MAX ||
	    pb_bridge_has_had_its_turn(&s->bridge);
}

/*
 * The last octets wait for a client that pauses, but not for one that has not
 * logged in: its time is over, and those that fit are with the kernel.
 */
static uint64_t
sending_until(const struct pb_session *s)
{
	return s->bridge.authenticated
	    ? s->bridge.client_at + s->snapshot->bridge.stall_ms
	    : s->linger_until;
}

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct pb_session *s)
{
	uint64_t at = pb_bridge_deadline(&s->bridge);
	uint64_t now = pb_session_now(s);

	if (s->retry_at < at)
		at = s->retry_at;
	if (s->turn_at < at)
		at = s->turn_at;
	if (s->state == PB_SESSION_SENDING)
		at = sending_until(s);
	if (s->state == PB_SESSION_LINGERING)
		at = s->linger_until;
	if (has_had_its_turn(s))
		at = now + TURN_PAUSE_MS;
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
	uint64_t now = pb_session_now(s);

	s->timer_at = UINT64_MAX;
	if ((s->state == PB_SESSION_LINGERING && now >= s->linger_until) ||
	    (s->state == PB_SESSION_SENDING && now >= sending_until(s))) {
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
 * moves any more, or its turn is over.
 */
static void
pump(struct pb_session *s)
{
	bool moved;

	pb_check(!s->pumping);
	if (s->state == PB_SESSION_CLOSING)
		return;
	s->pumping = true;
	s->turn_octets = 0;
	do {
		pb_bridge_run(&s->bridge, pb_session_now(s));
		moved = do_actions(s);
		moved |= pb_session_retry(s);
		moved |= pb_session_hear_recall(s);
		moved |= pb_session_hear_promise(s);
		moved |= pb_session_take_turn(s);
		moved |= serve_client(s);
		moved |= do_actions(s);
		moved |= pb_session_hear_inquiry(s);
		moved |= do_actions(s);
		moved |= serve_upstream(s);
		moved |= do_actions(s);
		moved |= send_all(s);
	} while (moved && !has_had_its_turn(s));
	s->pumping = false;
	pb_session_note_throttling(s);
	pb_session_note_refusal(s);
	if (s->bridge.authenticated)
		pb_limits_authenticated(pb_worker_limits(s->worker),
		    &s->visit);
	if (!pb_bridge_is_private(&s->bridge) && !s->verified &&
	    s->target != NULL)
		pb_session_credential_verified(s);
	finish(s);
	if (s->state == PB_SESSION_CLOSING)
		return;
	set_reading(s);
	arm_timer(s);
}

void
pb_session_ready(void *owner)
{
	pump(owner);
}

static const struct pb_stream_owner client_owner = {
	.ready = pb_session_ready,
	.closed = on_client_closed,
};

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
	s->retry_at = UINT64_MAX;
	s->turn_at = UINT64_MAX;
	s->open_handles = 2;
	s->worker = worker;
	s->entry = entry;
	s->visit = guest->visit;
	s->snapshot = pb_snapshot_ref(pb_worker_snapshot(worker));
	s->listener = &s->snapshot->listeners[guest->listener];
	s->id = pb_worker_new_session_id(worker);
	snprintf(s->id_text, sizeof(s->id_text), "%" PRIu64 ".%" PRIu64,
	    s->id >> 48, s->id & ((UINT64_C(1) << 48) - 1));
	s->started = pb_session_now(s);
	if (pb_stream_init(&s->client, loop->uv, loop->scratch, &client_owner,
	    s) != PB_OK) {
		close(guest->fd);
		s->open_handles = 1;
		s->state = PB_SESSION_CLOSING;
		uv_close((uv_handle_t *)&s->timer, on_timer_closed);
		return s;
	}
	/* What does not succeed here, the pump finds. */
	(void)!pb_stream_accept(&s->client, guest->fd);
	pb_bridge_init(&s->bridge, &s->snapshot->bridge, s->id_text, s->peer,
	    pb_session_now(s));
	pb_session_open_door(s, guest);
	pump(s);
	return s;
}

void
pb_session_drain(struct pb_session *s)
{
	if (s->state == PB_SESSION_CLOSING)
		return;
	pb_bridge_drain(&s->bridge, pb_session_now(s));
	pump(s);
}

void
pb_session_stop(struct pb_session *s, const char *reason)
{
	if (s->state == PB_SESSION_CLOSING)
		return;
	pb_bridge_stop(&s->bridge, reason, pb_session_now(s));
	pump(s);
}

void
pb_session_doubt(struct pb_session *s)
{
	uint64_t patience = s->snapshot->config->client_keepalive +
	    PB_STREAM_ANSWER_S;

	if (pb_stream_silence(&s->client) < patience * 1000)
		return;
	pb_session_stop(s, "client does not answer any more");
	/* Nobody waits for its last octets. */
	if (s->state == PB_SESSION_SENDING)
		close_session(s);
}

void
pb_session_abort(struct pb_session *s, const char *reason)
{
	if (s->bridge.stats.reason == NULL)
		s->bridge.stats.reason = reason;
	close_session(s);
}
