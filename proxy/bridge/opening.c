#include "bridge_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

/*
 * For people and for programs that ban addresses: code and client come first,
 * so that no user name can pass for them.
 */
static void
log_failure(const struct pb_bridge *b, const struct pb_error *err,
    enum pb_pop3_reply reply)
{
	pb_log(err->kind == PB_ERROR_INTERNAL ? PB_LOG_ERROR : PB_LOG_WARN,
	    "login failed", PB_LOG_STR("code", pb_pop3_reply_code(reply)),
	    PB_LOG_STR("client", b->peer), PB_LOG_STR("id", b->id),
	    PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_OPTIONAL("authzid", pb_bridge_authzid(b)),
	    PB_LOG_STR("why", err->text));
}

void
pb_bridge_login_failed(struct pb_bridge *b, const struct pb_error *err)
{
	enum pb_pop3_reply reply = pb_pop3_reply_for_error(err);
	bool refused = reply == PB_REPLY_AUTH;

	if (refused && b->identity.ours && (b->state == PB_BRIDGE_CONNECTING ||
	    b->state == PB_BRIDGE_LOGIN))
		reply = PB_REPLY_PERMANENT;
	pb_secret_clear(&b->secret);
	pb_sasl_server_clear(&b->sasl);
	pb_secret_clear(&b->identity.password);
	pb_maildrop_clear(&b->maildrop);
	log_failure(b, err, reply);
	if (b->imap != NULL)
		pb_imap_client_logout(b->imap);
	pb_bridge_drop_upstream(b);
	if (refused) {
		b->held = reply;
		pb_bridge_enter(b, PB_BRIDGE_HOLDING);
		b->hold_until = UINT64_MAX;
		pb_bridge_ask(b, PB_BRIDGE_HOLD);
		return;
	}
	pb_bridge_refuse(b, reply);
	pb_bridge_command_done(b);
}

void
pb_bridge_login_failed_for(struct pb_bridge *b, enum pb_error_kind kind,
    const char *why)
{
	struct pb_error err;

	pb_error_set(&err, kind, PB_SCOPE_ACCOUNT, "%s", why);
	pb_bridge_login_failed(b, &err);
}

void
pb_bridge_open_maildrop(struct pb_bridge *b)
{
	pb_bridge_enter(b, PB_BRIDGE_OPENING);
	b->listings = 1;
	b->exists = 0;
	b->shifted = false;
	/* Both at once: what SELECT says decides if the listing counts. */
	if (pb_imap_client_select(b->imap, b->options->mailbox) == PB_OK)
		pb_bridge_sent(pb_imap_client_sizes(b->imap));
}

static void
maildrop_open(struct pb_bridge *b)
{
	pb_pop3_session_enter(&b->pop3, PB_POP3_TRANSACTION);
	pb_log(PB_LOG_INFO, "logged in", PB_LOG_STR("id", b->id),
	    PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_OPTIONAL("authzid", pb_bridge_authzid(b)),
	    PB_LOG_OPTIONAL("as", pb_bridge_other_name(b)),
	    PB_LOG_STR("client", b->peer),
	    PB_LOG_NUM("messages", b->maildrop.count),
	    PB_LOG_NUM("octets", b->maildrop.octets));
	pb_bridge_answer(b, PB_REPLY_LOGGED_IN, 0, 0);
	pb_bridge_command_done(b);
}

static void
list_again(struct pb_bridge *b)
{
	if (b->listings++ == PB_BRIDGE_LISTINGS_MAX) {
		pb_bridge_login_failed_for(b, PB_ERROR_TEMPORARY,
		    "the mailbox changes faster than it can be listed");
		return;
	}
	pb_maildrop_clear(&b->maildrop);
	b->shifted = false;
	b->exists_selected = b->exists;
	pb_bridge_sent(pb_imap_client_sizes(b->imap));
}

static void
selected(struct pb_bridge *b, const struct pb_imap_event *event)
{
	if (event->condition != PB_IMAP_OK) {
		pb_bridge_login_failed(b, &event->error);
		return;
	}
	if (!b->imap->has_uidvalidity) {
		pb_bridge_login_failed_for(b, PB_ERROR_PERMANENT,
		    "the mailbox has no UIDVALIDITY, so no UIDL would last");
		return;
	}
	b->exists_selected = b->exists;
}

static void
listed(struct pb_bridge *b, const struct pb_imap_event *event)
{
	struct pb_error err;

	/* In an empty mailbox 1:* names nothing, and some servers say so. */
	if (event->condition != PB_IMAP_OK && b->exists > 0) {
		pb_bridge_login_failed(b, &event->error);
		return;
	}
	if (b->shifted || b->maildrop.count > b->exists) {
		list_again(b);
		return;
	}
	switch (pb_maildrop_freeze(&b->maildrop, b->imap->uidvalidity,
	    b->exists_selected, &err)) {
	case PB_OK:
		maildrop_open(b);
		return;
	case PB_EPROTO:
		pb_bridge_login_failed(b, &err);
		return;
	case PB_AGAIN:
	case PB_EOF:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EINVAL:
	case PB_EIO:
		break;
	}
	pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL, "no memory for the listing");
}

static void
note_size(struct pb_bridge *b, const struct pb_imap_event *event)
{
	switch (pb_maildrop_put(&b->maildrop, event->seq, event->uid,
	    event->has_size, (uint32_t)event->size)) {
	case PB_OK:
		return;
	case PB_ETOOBIG:
		pb_bridge_login_failed_for(b, PB_ERROR_PERMANENT,
		    "the mailbox has more messages than a maildrop may have");
		return;
	case PB_AGAIN:
	case PB_EOF:
	case PB_EPROTO:
	case PB_ENOMEM:
	case PB_EINVAL:
	case PB_EIO:
		break;
	}
	pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL, "no memory for the listing");
}

void
pb_bridge_opening_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	if (event->type == PB_IMAP_EVENT_SIZE)
		note_size(b, event);
	else if (event->type == PB_IMAP_EVENT_DONE &&
	    event->kind == PB_IMAP_COMMAND_SELECT)
		selected(b, event);
	else if (event->type == PB_IMAP_EVENT_DONE &&
	    event->kind == PB_IMAP_COMMAND_SIZES)
		listed(b, event);
}
