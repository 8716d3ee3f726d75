#include "bridge_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

const char *
pb_bridge_state_name(enum pb_bridge_state state)
{
	switch (state) {
	case PB_BRIDGE_COMMAND:
		return "COMMAND";
	case PB_BRIDGE_SECURING:
		return "SECURING";
	case PB_BRIDGE_IDENTIFYING:
		return "IDENTIFYING";
	case PB_BRIDGE_CONNECTING:
		return "CONNECTING";
	case PB_BRIDGE_LOGIN:
		return "LOGIN";
	case PB_BRIDGE_HOLDING:
		return "HOLDING";
	case PB_BRIDGE_LOCKING:
		return "LOCKING";
	case PB_BRIDGE_OPENING:
		return "OPENING";
	case PB_BRIDGE_KEEPING:
		return "KEEPING";
	case PB_BRIDGE_LISTING:
		return "LISTING";
	case PB_BRIDGE_RETRIEVING:
		return "RETRIEVING";
	case PB_BRIDGE_REOPENING:
		return "REOPENING";
	case PB_BRIDGE_PROMISING:
		return "PROMISING";
	case PB_BRIDGE_COMMITTING:
		return "COMMITTING";
	case PB_BRIDGE_ENDED:
		return "ENDED";
	}
	return "?";
}

struct pb_slice
pb_bridge_user(const struct pb_bridge *b)
{
	return pb_slice(b->pop3.user, b->pop3.user_len);
}

struct pb_slice
pb_bridge_authzid(const struct pb_bridge *b)
{
	struct pb_slice authzid = pb_secret_reveal(&b->authzid);

	return authzid.len > 0 ? authzid : pb_slice(NULL, 0);
}

struct pb_slice
pb_bridge_other_name(const struct pb_bridge *b)
{
	struct pb_slice name = pb_secret_reveal(&b->identity.user);
	struct pb_slice user = pb_bridge_user(b);

	if (name.len == user.len && memcmp(name.data, user.data,
	    name.len) == 0)
		return pb_slice(NULL, 0);
	return name;
}

bool
pb_bridge_is_private(const struct pb_bridge *b)
{
	return b->pop3.state == PB_POP3_AUTHORIZATION;
}

void
pb_bridge_enter(struct pb_bridge *b, enum pb_bridge_state state)
{
	pb_check(b->state != PB_BRIDGE_ENDED);
	pb_log(PB_LOG_DEBUG, "session state", PB_LOG_STR("id", b->id),
	    PB_LOG_STR("from", pb_bridge_state_name(b->state)),
	    PB_LOG_STR("to", pb_bridge_state_name(state)));
	b->state = state;
	b->client_at = b->now;
	b->upstream_at = b->now;
}

void
pb_bridge_ask(struct pb_bridge *b, enum pb_bridge_action action)
{
	b->actions |= 1u << action;
}

enum pb_bridge_action
pb_bridge_next_action(struct pb_bridge *b)
{
	/* The old connection goes before a new one is asked for. */
	static const enum pb_bridge_action order[] = {
		PB_BRIDGE_REMEMBER, PB_BRIDGE_PROMISE, PB_BRIDGE_NOTE,
		PB_BRIDGE_DROP_UPSTREAM,
		PB_BRIDGE_PARK_UPSTREAM,
		PB_BRIDGE_INTRODUCE,
		PB_BRIDGE_FIND_KEYS, PB_BRIDGE_IDENTIFY, PB_BRIDGE_CONNECT, PB_BRIDGE_STARTTLS,
		PB_BRIDGE_LOCK, PB_BRIDGE_TURN, PB_BRIDGE_HOLD, PB_BRIDGE_CLIENT_TLS,
		PB_BRIDGE_END };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		unsigned bit = 1u << order[i];

		if ((b->actions & bit) != 0) {
			b->actions &= ~bit;
			return order[i];
		}
	}
	return PB_BRIDGE_NOTHING;
}

/* What is asked of the server is; what has become of promises is not. */
static void
forget_actions(struct pb_bridge *b)
{
	b->actions &= 1u << PB_BRIDGE_NOTE;
}

void
pb_bridge_drop_upstream(struct pb_bridge *b)
{
	b->imap = NULL;
	forget_actions(b);
	pb_bridge_ask(b, PB_BRIDGE_DROP_UPSTREAM);
}

/* The next session opens its mailbox anew: only the login is kept. */
static bool
may_be_kept(const struct pb_bridge *b)
{
	return b->options->keep_upstream && b->imap != NULL &&
	    (b->pop3.state == PB_POP3_TRANSACTION ||
		b->pop3.state == PB_POP3_UPDATE) &&
	    b->imap->state == PB_IMAP_STATE_READY &&
	    !pb_imap_client_is_busy(b->imap) &&
	    (!b->imap->has_read ||
		b->maildrop.count <= PB_BRIDGE_KEEP_MESSAGES);
}

static void
park_upstream(struct pb_bridge *b)
{
	b->imap = NULL;
	forget_actions(b);
	pb_bridge_ask(b, PB_BRIDGE_PARK_UPSTREAM);
}

static void
log_out(struct pb_bridge *b)
{
	if (b->imap != NULL)
		pb_imap_client_logout(b->imap);
	pb_bridge_drop_upstream(b);
}

bool
pb_bridge_start_over(struct pb_bridge *b, const struct pb_error *err)
{
	/* Another login would be one more of what the server complains of. */
	if (!b->resumed || err->throttled ||
	    err->kind == PB_ERROR_IN_USE || err->kind == PB_ERROR_PERMANENT ||
	    err->kind == PB_ERROR_INTERNAL)
		return false;
	pb_log(PB_LOG_DEBUG, "kept connection is of no use any more",
	    PB_LOG_STR("id", b->id), PB_LOG_STR("why", err->text));
	b->resumed = false;
	b->fresh = true;
	if (!pb_bridge_is_reviving(b)) {
		b->authenticated = false;
		pb_bridge_close_maildrop(b);
	}
	log_out(b);
	pb_bridge_enter(b, PB_BRIDGE_CONNECTING);
	pb_bridge_ask(b, PB_BRIDGE_CONNECT);
	return true;
}

void
pb_bridge_end(struct pb_bridge *b, const char *reason)
{
	if (b->state == PB_BRIDGE_ENDED)
		return;
	b->stats.reason = reason;
	b->errand = PB_BRIDGE_ERRAND_NONE;
	/* Without the handshake there is no way to say it. */
	if (b->state == PB_BRIDGE_SECURING)
		pb_buffer_clear(&b->client_out);
	pb_secret_clear(&b->secret);
	pb_secret_clear(&b->identity.password);
	pb_sasl_server_clear(&b->sasl);
	pb_readahead_fini(&b->readahead);
	if (may_be_kept(b))
		park_upstream(b);
	else
		log_out(b);
	pb_pop3_session_enter(&b->pop3, PB_POP3_CLOSED);
	pb_bridge_enter(b, PB_BRIDGE_ENDED);
	pb_bridge_ask(b, PB_BRIDGE_END);
}

/* Replies are small; when one does not fit, the session has no future. */
void
pb_bridge_reply(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n,
    uint64_t m)
{
	if (pb_pop3_reply(&b->client_out, r, n, m) != PB_OK)
		pb_bridge_end(b, "no memory");
}

void
pb_bridge_answered(struct pb_bridge *b, bool failed)
{
	pb_pop3_session_answered(&b->pop3, failed);
}

void
pb_bridge_answer(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n,
    uint64_t m)
{
	pb_bridge_answered(b, false);
	pb_bridge_reply(b, r, n, m);
}

void
pb_bridge_refuse(struct pb_bridge *b, enum pb_pop3_reply r)
{
	pb_bridge_answered(b, true);
	pb_bridge_reply(b, r, 0, 0);
}

void
pb_bridge_command_done(struct pb_bridge *b)
{
	if (b->state == PB_BRIDGE_ENDED)
		return;
	pb_bridge_enter(b, PB_BRIDGE_COMMAND);
	if (b->draining)
		pb_bridge_end(b, "shutting down");
}

void
pb_bridge_log_error(const struct pb_bridge *b, const char *text,
    const struct pb_error *err)
{
	pb_log(err->kind == PB_ERROR_INTERNAL ? PB_LOG_ERROR : PB_LOG_WARN,
	    text, PB_LOG_STR("id", b->id),
	    PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_OPTIONAL("authzid", pb_bridge_authzid(b)),
	    PB_LOG_STR("client", b->peer), PB_LOG_STR("why", err->text));
}
