#include "bridge_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

/*
 * The maildrop stays as it was: numbers, sizes and UIDs are those of the login,
 * and what vanished meanwhile shows when it is asked for.  So SELECT is enough,
 * if the UIDs still mean the same messages.
 */

bool
pb_bridge_is_reviving(const struct pb_bridge *b)
{
	return b->errand != PB_BRIDGE_ERRAND_NONE;
}

bool
pb_bridge_revive(struct pb_bridge *b, enum pb_bridge_errand errand)
{
	pb_check(b->imap == NULL && !pb_bridge_is_reviving(b));
	if (!b->revivable || b->revivals == PB_BRIDGE_REVIVALS_MAX)
		return false;
	b->revivals++;
	b->errand = errand;
	b->revive_at = b->now;
	b->fresh = false;
	pb_bridge_enter(b, PB_BRIDGE_CONNECTING);
	pb_bridge_ask(b, PB_BRIDGE_CONNECT);
	return true;
}

bool
pb_bridge_revive_message(struct pb_bridge *b, const struct pb_error *err)
{
	/*
	 * From a server that breaks the protocol, the rest of a message is
	 * worth no more than its beginning; and one that asks for less gets
	 * no login.
	 */
	return err->kind == PB_ERROR_TEMPORARY && !err->throttled &&
	    pb_readahead_may_resume(&b->readahead) &&
	    pb_bridge_revive(b, PB_BRIDGE_ERRAND_MESSAGE);
}

void
pb_bridge_reopen_maildrop(struct pb_bridge *b)
{
	pb_bridge_enter(b, PB_BRIDGE_REOPENING);
	pb_bridge_sent(pb_imap_client_select(b->imap, b->options->mailbox));
}

static const char *
command_of(const struct pb_bridge *b)
{
	switch (b->errand) {
	case PB_BRIDGE_ERRAND_NONE:
		break;
	case PB_BRIDGE_ERRAND_MESSAGE:
		return b->readahead.is_top ? "TOP" : "RETR";
	case PB_BRIDGE_ERRAND_COMMIT:
		return "QUIT";
	}
	return "nothing";
}

static void
log_revival(const struct pb_bridge *b)
{
	pb_log(PB_LOG_INFO, "mail server brought back",
	    PB_LOG_STR("id", b->id), PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_OPTIONAL("authzid", pb_bridge_authzid(b)),
	    PB_LOG_STR("client", b->peer),
	    PB_LOG_STR("for", command_of(b)),
	    PB_LOG_STR("over", b->resumed ? "a kept connection"
					  : "a new login"),
	    PB_LOG_NUM("sent", pb_readahead_sent(&b->readahead)),
	    PB_LOG_NUM("times", b->revivals),
	    PB_LOG_NUM("ms", b->now - b->revive_at));
}

static void
revived(struct pb_bridge *b)
{
	enum pb_bridge_errand errand = b->errand;

	log_revival(b);
	b->errand = PB_BRIDGE_ERRAND_NONE;
	b->resumed = false;
	switch (errand) {
	case PB_BRIDGE_ERRAND_NONE:
		break;
	case PB_BRIDGE_ERRAND_MESSAGE:
		pb_bridge_resume_message(b);
		return;
	case PB_BRIDGE_ERRAND_COMMIT:
		pb_bridge_resume_commit(b);
		return;
	}
	pb_unreachable("it is brought back for something");
}

/* The command that waited hears it as if nobody had tried. */
static void
give_up(struct pb_bridge *b, const struct pb_error *err)
{
	enum pb_bridge_errand errand = b->errand;

	pb_bridge_log_error(b, "mail server lost, and not brought back", err);
	b->errand = PB_BRIDGE_ERRAND_NONE;
	b->resumed = false;
	switch (errand) {
	case PB_BRIDGE_ERRAND_NONE:
		break;
	case PB_BRIDGE_ERRAND_MESSAGE:
		pb_bridge_lose_message(b);
		return;
	case PB_BRIDGE_ERRAND_COMMIT:
		pb_bridge_finish_quit(b, pb_commit_missing(b->commit));
		return;
	}
	pb_unreachable("it was to be brought back for something");
}

static void
forget_credential(struct pb_bridge *b)
{
	b->revivable = false;
	pb_secret_clear(&b->identity.password);
}

void
pb_bridge_revival_failed(struct pb_bridge *b, const struct pb_error *err)
{
	if (b->imap != NULL)
		pb_imap_client_logout(b->imap);
	pb_bridge_drop_upstream(b);
	/* It would be refused again, and count as one more attempt. */
	if (err->kind == PB_ERROR_AUTH) {
		b->refused = true;
		forget_credential(b);
	}
	give_up(b, err);
}

/* Its UIDs are those of other messages: nothing of the maildrop is left. */
static void
renumbered(struct pb_bridge *b)
{
	struct pb_error err;

	forget_credential(b);
	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
	    "the mailbox has another UIDVALIDITY than at the login");
	pb_bridge_revival_failed(b, &err);
	if (b->state != PB_BRIDGE_ENDED)
		pb_bridge_end(b, "the mailbox is another one");
}

void
pb_bridge_reopening_event(struct pb_bridge *b,
    const struct pb_imap_event *event)
{
	if (event->type != PB_IMAP_EVENT_DONE ||
	    event->kind != PB_IMAP_COMMAND_SELECT)
		return;
	if (event->condition != PB_IMAP_OK)
		pb_bridge_login_failed(b, &event->error);
	else if (!b->imap->has_uidvalidity ||
	    b->imap->uidvalidity != b->maildrop.uidvalidity)
		renumbered(b);
	else
		revived(b);
}
