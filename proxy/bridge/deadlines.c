#include "bridge_priv.h"

bool
pb_bridge_is_removing(const struct pb_bridge *b)
{
	return b->state == PB_BRIDGE_PROMISING ||
	    b->state == PB_BRIDGE_COMMITTING || b->state == PB_BRIDGE_KEEPING ||
	    b->errand == PB_BRIDGE_ERRAND_COMMIT;
}

static uint64_t
answer_ms(const struct pb_bridge *b)
{
	uint64_t ms = b->options->upstream_ms;

	return b->resumed && !b->proven && ms > PB_BRIDGE_RESUMED_MS
	    ? PB_BRIDGE_RESUMED_MS : ms;
}

/* What the state waits for, and how long; NULL when for nothing. */
static const char *
state_waits_for(const struct pb_bridge *b, uint64_t *deadline)
{
	bool sending = b->unsent > 0 || b->client_out.len > 0;

	/*
	 * While the client does not read, the upstream is not read either,
	 * and its silence says nothing.
	 */
	if (b->state == PB_BRIDGE_SECURING) {
		*deadline = b->client_at + b->options->handshake_ms;
		return "no TLS handshake in time";
	}
	if (sending && !pb_bridge_is_removing(b) && !pb_bridge_is_reviving(b)) {
		*deadline = b->client_at + b->options->stall_ms;
		return "client does not read";
	}
	switch (b->state) {
	case PB_BRIDGE_COMMAND:
		*deadline = b->client_at + b->options->idle_ms;
		return "autologout";
	case PB_BRIDGE_IDENTIFYING:
		*deadline = b->upstream_at + b->options->connect_ms;
		return "no answer in time to who the client is";
	case PB_BRIDGE_CONNECTING:
		*deadline = b->upstream_at + b->options->connect_ms;
		return "no connection to the mail server in time";
	case PB_BRIDGE_PROMISING:
		*deadline = b->upstream_at + b->options->upstream_ms;
		return "the disk does not answer";
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_KEEPING:
	case PB_BRIDGE_RETRIEVING:
	case PB_BRIDGE_REOPENING:
	case PB_BRIDGE_COMMITTING:
		*deadline = b->upstream_at + answer_ms(b);
		return "the mail server does not answer";
	case PB_BRIDGE_SECURING:
	case PB_BRIDGE_HOLDING:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_ENDED:
		break;
	}
	*deadline = UINT64_MAX;
	return NULL;
}

static const char *
waiting_for(const struct pb_bridge *b, uint64_t *deadline)
{
	const char *what;

	/* A refusal is said before anything else ends the session. */
	if (b->state == PB_BRIDGE_HOLDING) {
		*deadline = b->hold_until;
		return NULL;
	}
	what = state_waits_for(b, deadline);
	if (pb_bridge_is_reviving(b) &&
	    b->revive_at + b->options->connect_ms < *deadline) {
		*deadline = b->revive_at + b->options->connect_ms;
		return "the mail server is not back in time";
	}
	if (b->authenticated || b->state == PB_BRIDGE_ENDED ||
	    b->login_until > *deadline)
		return what;
	*deadline = b->login_until;
	return "no login in time";
}

static void
deadline_passed(struct pb_bridge *b, const char *what)
{
	struct pb_error err;

	switch (b->state) {
	case PB_BRIDGE_IDENTIFYING:
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_KEEPING:
	case PB_BRIDGE_RETRIEVING:
	case PB_BRIDGE_REOPENING:
	case PB_BRIDGE_COMMITTING:
		if (!pb_bridge_is_removing(b) && !pb_bridge_is_reviving(b) &&
		    (b->unsent > 0 || b->client_out.len > 0))
			break;
		pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "%s", what);
		pb_bridge_drop_upstream(b);
		pb_bridge_upstream_failed(b, &err);
		return;
	case PB_BRIDGE_PROMISING:
		pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "%s", what);
		pb_bridge_promised(b, 0, &err, b->now);
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_SECURING:
	case PB_BRIDGE_HOLDING:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_ENDED:
		break;
	}
	pb_bridge_stop(b, what, b->now);
}

void
pb_bridge_run(struct pb_bridge *b, uint64_t now)
{
	struct pb_slice nothing = { "", 0 };
	uint64_t deadline;
	const char *what;

	b->now = now;
	b->looked_at = 0;
	if (b->state == PB_BRIDGE_LISTING)
		pb_bridge_continue_listing(b);
	if (b->state == PB_BRIDGE_HOLDING && now >= b->hold_until)
		pb_bridge_release(b);
	/* The answer that has just gone out may have been one error too many. */
	if (b->state == PB_BRIDGE_COMMAND)
		pb_bridge_client_in(b, &nothing, now);
	if (b->state == PB_BRIDGE_COMMAND && b->client_eof)
		pb_bridge_end(b, "client closed the connection");
	if (b->state == PB_BRIDGE_COMMAND &&
	    now >= b->client_at + PB_READAHEAD_KEEP_MS)
		pb_readahead_drop(&b->readahead);
	what = waiting_for(b, &deadline);
	if (what != NULL && b->state != PB_BRIDGE_ENDED && now >= deadline)
		deadline_passed(b, what);
}

uint64_t
pb_bridge_deadline(const struct pb_bridge *b)
{
	uint64_t deadline;

	waiting_for(b, &deadline);
	if (b->readahead.held > 0 && b->state == PB_BRIDGE_COMMAND &&
	    b->client_at + PB_READAHEAD_KEEP_MS < deadline)
		deadline = b->client_at + PB_READAHEAD_KEEP_MS;
	return deadline;
}
