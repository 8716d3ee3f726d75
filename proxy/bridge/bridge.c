#include "bridge_priv.h"

#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

/*
 * client_out's limit: the high mark, what one step can add (a reply that was
 * read ahead, or two octets for one of a chunk), and lines of a listing.
 */
#define STEP_MAX (PB_READAHEAD_REPLY_MAX > 2 * PB_IMAP_RESPONSE_MAX \
	? PB_READAHEAD_REPLY_MAX : 2 * PB_IMAP_RESPONSE_MAX)
#define OUT_MAX (PB_BRIDGE_OUT_HIGH + STEP_MAX + 4096)

void
pb_bridge_init(struct pb_bridge *b, const struct pb_bridge_options *options,
    const char *id, const char *peer, uint64_t now)
{
	*b = (struct pb_bridge){ .options = options, .id = id, .peer = peer,
		.state = PB_BRIDGE_COMMAND, .now = now, .client_at = now,
		.readahead = { .budget = options->readahead },
		.login_until = now + options->login_ms };
	pb_buffer_init(&b->client_out, OUT_MAX);
	b->sasl.step = PB_SASL_DONE;
	pb_pop3_session_init(&b->pop3);
}

void
pb_bridge_greet(struct pb_bridge *b, const struct pb_bridge_door *door,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_COMMAND)
		return;
	b->nonce = door->nonce;
	b->pop3.tls = door->tls;
	b->pop3.mechanisms = door->mechanisms;
	b->pop3.xclient = door->xclient;
	if (door->apop) {
		snprintf(b->stamp, sizeof(b->stamp), "<%s.%s@popbridge>",
		    b->id, b->nonce);
		b->pop3.apop_stamp = b->stamp;
	}
	if (pb_pop3_session_greet(&b->pop3, &b->client_out) != PB_OK)
		pb_bridge_end(b, "no memory");
	else if (door->tls == PB_POP3_TLS_ACTIVE)
		pb_bridge_enter(b, PB_BRIDGE_SECURING);
}

void
pb_bridge_client_secured(struct pb_bridge *b, const char *mechanisms,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_SECURING)
		return;
	pb_pop3_session_secured(&b->pop3);
	b->pop3.mechanisms = mechanisms;
	pb_bridge_command_done(b);
}

void
pb_bridge_fini(struct pb_bridge *b)
{
	pb_secret_clear(&b->secret);
	pb_secret_clear(&b->authzid);
	pb_bridge_identity_clear(&b->identity);
	pb_sasl_server_clear(&b->sasl);
	pb_pop3_session_fini(&b->pop3);
	pb_readahead_fini(&b->readahead);
	pb_bridge_close_maildrop(b);
	pb_commit_free(&b->commit);
	pb_buffer_fini(&b->client_out);
}

/* The connection is gone or useless while something waits for it. */
void
pb_bridge_upstream_failed(struct pb_bridge *b, const struct pb_error *err)
{
	b->imap = NULL;
	pb_readahead_lost(&b->readahead);
	/* Its UIDs are other messages now; nothing brings ours back. */
	if (err->scope == PB_SCOPE_MAILDROP)
		b->revivable = false;
	switch (b->state) {
	case PB_BRIDGE_IDENTIFYING:
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_REOPENING:
		pb_bridge_login_failed(b, err);
		return;
	case PB_BRIDGE_KEEPING:
		pb_bridge_keeping_lost(b, err);
		return;
	case PB_BRIDGE_RETRIEVING:
		pb_bridge_log_error(b, "mail server lost in a message", err);
		if (!pb_bridge_revive_message(b, err))
			pb_bridge_lose_message(b);
		return;
	case PB_BRIDGE_COMMITTING:
		pb_bridge_commit_lost(b, err);
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_PROMISING:
		pb_bridge_log_error(b, "mail server lost", err);
		return;
	case PB_BRIDGE_SECURING:
	case PB_BRIDGE_HOLDING:
	case PB_BRIDGE_ENDED:
		return;
	}
}

/* The client object says why. */
static void
imap_broken(struct pb_bridge *b)
{
	struct pb_error err = b->imap->error;

	b->throttled |= err.throttled;
	pb_bridge_drop_upstream(b);
	pb_bridge_upstream_failed(b, &err);
}

/* What was done may have sent a command, and sending may have failed. */
static void
settle(struct pb_bridge *b)
{
	if (b->imap != NULL && b->imap->throttled) {
		b->imap->throttled = false;
		b->throttled = true;
	}
	if (b->imap != NULL && b->imap->state == PB_IMAP_STATE_BROKEN)
		imap_broken(b);
	/* It has served: from here on its loss is the client's to hear. */
	if (b->resumed && b->pop3.state != PB_POP3_AUTHORIZATION &&
	    !pb_bridge_is_reviving(b)) {
		b->resumed = false;
		if (!b->options->revive)
			pb_secret_clear(&b->identity.password);
	}
}

/* The server has taken the password: to the maildrop. */
static void
logged_in(struct pb_bridge *b)
{
	b->authenticated = true;
	if (pb_bridge_is_reviving(b)) {
		pb_bridge_reopen_maildrop(b);
		return;
	}
	if (!b->options->lock) {
		pb_bridge_open_maildrop(b);
		return;
	}
	pb_bridge_enter(b, PB_BRIDGE_LOCKING);
	pb_bridge_ask(b, PB_BRIDGE_LOCK);
}

static void
imap_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	/* Chatter is no progress: it could go on for ever. */
	if (event->type != PB_IMAP_EVENT_EXISTS &&
	    event->type != PB_IMAP_EVENT_EXPUNGE)
		b->upstream_at = b->now;
	if (event->type == PB_IMAP_EVENT_DONE)
		b->proven = true;
	b->throttled |= event->error.throttled;
	switch (b->state) {
	case PB_BRIDGE_LOGIN:
		if (event->type == PB_IMAP_EVENT_STARTTLS)
			pb_bridge_ask(b, PB_BRIDGE_STARTTLS);
		if (event->type != PB_IMAP_EVENT_READY)
			return;
		logged_in(b);
		return;
	case PB_BRIDGE_OPENING:
		pb_bridge_opening_event(b, event);
		return;
	case PB_BRIDGE_REOPENING:
		pb_bridge_reopening_event(b, event);
		return;
	case PB_BRIDGE_KEEPING:
		pb_bridge_keeping_event(b, event);
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_RETRIEVING:
		pb_bridge_body_event(b, event);
		return;
	case PB_BRIDGE_PROMISING:
	case PB_BRIDGE_COMMITTING:
		pb_bridge_body_event(b, event);
		pb_bridge_committing_event(b, event);
		return;
	case PB_BRIDGE_SECURING:
	case PB_BRIDGE_IDENTIFYING:
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_HOLDING:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_ENDED:
		return;
	}
}

bool
pb_bridge_wants_upstream(const struct pb_bridge *b)
{
	/*
	 * A commit goes on, whether the client reads or not, and so does the
	 * way back to a server; and a body that came inside a response must be
	 * taken before the next response.
	 */
	return b->imap != NULL && (pb_bridge_is_removing(b) ||
	    pb_bridge_is_reviving(b) || b->imap->told != PB_IMAP_TOLD_ALL ||
	    b->client_out.len < PB_BRIDGE_OUT_HIGH);
}

void
pb_bridge_upstream_in(struct pb_bridge *b, struct pb_slice *in, uint64_t now)
{
	struct pb_imap_event event;

	b->now = now;
	while (pb_bridge_wants_upstream(b)) {
		struct pb_slice chunk = pb_slice(in->data,
		    in->len < PB_BRIDGE_CHUNK_MAX ? in->len
						  : PB_BRIDGE_CHUNK_MAX);
		size_t offered = chunk.len;
		enum pb_status st = pb_imap_client_next(b->imap, &chunk,
		    &event);

		pb_slice_skip(in, offered - chunk.len);
		if (st == PB_OK) {
			imap_event(b, &event);
			settle(b);
		} else if (st == PB_EPROTO) {
			imap_broken(b);
			return;
		} else if (in->len == 0) {
			return;
		}
	}
}

bool
pb_bridge_has_had_its_turn(const struct pb_bridge *b)
{
	return b->looked_at >= PB_BRIDGE_TURN_MESSAGES;
}

bool
pb_bridge_wants_client(const struct pb_bridge *b)
{
	return b->state == PB_BRIDGE_COMMAND &&
	    b->client_out.len < PB_BRIDGE_OUT_HIGH &&
	    !pb_bridge_has_had_its_turn(b);
}

void
pb_bridge_client_in(struct pb_bridge *b, struct pb_slice *in, uint64_t now)
{
	struct pb_pop3_request request;
	size_t before = b->client_out.len;

	b->now = now;
	while (pb_bridge_wants_client(b)) {
		switch (pb_pop3_session_next(&b->pop3, in, &b->client_out,
		    PB_BRIDGE_OUT_HIGH, &request)) {
		case PB_OK:
			b->client_at = now;
			pb_bridge_do_request(b, &request);
			settle(b);
			/* Somebody in the line would have us take them. */
			if (b->state == PB_BRIDGE_SECURING && in->len > 0)
				pb_bridge_end(b,
				    "octets in the clear behind STLS");
			break;
		case PB_AGAIN:
			/* A command counts, a few octets of one do not. */
			if (b->client_out.len > before)
				b->client_at = now;
			return;
		case PB_EOF:
			pb_bridge_end(b, b->pop3.foreign
			    ? "the client does not speak POP3"
			    : "too many errors");
			return;
		case PB_EPROTO:
		case PB_ETOOBIG:
		case PB_ENOMEM:
		case PB_EINVAL:
		case PB_EIO:
			pb_bridge_end(b, "no memory");
			return;
		}
	}
}

void
pb_bridge_client_eof(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->client_eof = true;
	pb_bridge_run(b, now);
}

void
pb_bridge_stop(struct pb_bridge *b, const char *reason, uint64_t now)
{
	b->now = now;
	if (b->state == PB_BRIDGE_KEEPING)
		b->stopped = reason;
	if (!pb_bridge_is_removing(b))
		pb_bridge_end(b, reason);
}

void
pb_bridge_client_gone(struct pb_bridge *b, uint64_t now)
{
	b->unsent = 0;
	pb_buffer_clear(&b->client_out);
	pb_bridge_stop(b, "client lost", now);
}

void
pb_bridge_client_flow(struct pb_bridge *b, size_t unsent, uint64_t now)
{
	if (unsent < b->unsent || (unsent > 0 && b->unsent == 0)) {
		b->client_at = now;
		b->upstream_at = now;
	}
	b->unsent = unsent;
}

/* With `revive` it may be needed again; else nothing but the login has it. */
static enum pb_status
hand_over_password(struct pb_bridge *b, struct pb_secret *password)
{
	if (b->options->revive)
		return pb_secret_set(password,
		    pb_secret_reveal(&b->identity.password));
	pb_secret_move(password, &b->identity.password);
	return PB_OK;
}

void
pb_bridge_connected(struct pb_bridge *b, struct pb_imap_client *imap,
    uint64_t now)
{
	struct pb_slice authzid = pb_secret_reveal(&b->identity.authzid);
	struct pb_secret password = { NULL, 0 };
	enum pb_status st;

	b->now = now;
	if (b->state != PB_BRIDGE_CONNECTING)
		return;
	b->imap = imap;
	pb_bridge_enter(b, PB_BRIDGE_LOGIN);
	st = hand_over_password(b, &password);
	if (st == PB_OK)
		st = pb_imap_client_login(imap,
		    pb_secret_reveal(&b->identity.user), &password);
	pb_secret_clear(&password);
	if (st == PB_OK && authzid.len > 0)
		st = pb_imap_client_authorize(imap, authzid);
	pb_imap_client_authenticate_by(imap, b->identity.auth);
	/* What these refuse has been refused before. */
	if (st == PB_ENOMEM)
		pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL,
		    "no memory for the login");
	else if (st != PB_OK)
		pb_bridge_login_failed_for(b, PB_ERROR_AUTH,
		    "the user name or password cannot be sent");
}

void
pb_bridge_resumed(struct pb_bridge *b, struct pb_imap_client *imap,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_CONNECTING)
		return;
	pb_check(!b->fresh && imap->state == PB_IMAP_STATE_READY &&
	    !pb_imap_client_is_busy(imap));
	b->imap = imap;
	b->resumed = true;
	b->proven = false;
	logged_in(b);
	settle(b);
}

bool
pb_bridge_wants_fresh(const struct pb_bridge *b)
{
	return b->fresh;
}

void
pb_bridge_secured(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->upstream_at = now;
	if (b->imap != NULL && pb_imap_client_secured(b->imap) != PB_OK)
		imap_broken(b);
}

void
pb_bridge_knows(struct pb_bridge *b, struct pb_listing *listing)
{
	pb_listing_unref(&b->known);
	b->known = pb_listing_ref(listing);
}

bool
pb_bridge_refutes(const struct pb_bridge *b)
{
	return b->refuted;
}

struct pb_listing *
pb_bridge_listing(const struct pb_bridge *b)
{
	return b->known;
}

void
pb_bridge_locked(struct pb_bridge *b, const struct pb_error *why,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_LOCKING)
		return;
	if (why == NULL) {
		pb_bridge_open_maildrop(b);
		settle(b);
	} else {
		pb_bridge_login_failed(b, why);
	}
}

void
pb_bridge_turn(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	if (b->commit == NULL)
		return;
	/* Without a connection it is for the next one. */
	b->commit->turn = true;
	if (b->imap == NULL || b->commit->step != PB_COMMIT_TURN)
		return;
	b->upstream_at = now;
	if (b->state == PB_BRIDGE_KEEPING)
		pb_bridge_keeping_turn(b);
	else if (b->state == PB_BRIDGE_COMMITTING)
		pb_bridge_committing_turn(b);
	settle(b);
}

void
pb_bridge_promised(struct pb_bridge *b, int64_t number,
    const struct pb_error *why, uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_PROMISING)
		return;
	pb_bridge_promise_made(b, number, why);
	settle(b);
}

void
pb_bridge_hold(struct pb_bridge *b, uint64_t ms, uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_HOLDING)
		return;
	b->hold_until = now + ms;
	pb_bridge_run(b, now);
}

void
pb_bridge_upstream_lost(struct pb_bridge *b, const struct pb_error *why,
    uint64_t now)
{
	b->now = now;
	if (b->state == PB_BRIDGE_CONNECTING || b->imap != NULL)
		pb_bridge_upstream_failed(b, why);
	b->imap = NULL;
}

void
pb_bridge_drain(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->draining = true;
	if (b->state == PB_BRIDGE_COMMAND || b->state == PB_BRIDGE_SECURING)
		pb_bridge_end(b, "shutting down");
}
