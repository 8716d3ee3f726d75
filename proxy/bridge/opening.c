#include "bridge_priv.h"

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"

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

	if (pb_bridge_start_over(b, err))
		return;
	if (pb_bridge_is_reviving(b)) {
		pb_bridge_revival_failed(b, err);
		return;
	}
	if (refused && b->identity.ours && (b->state == PB_BRIDGE_CONNECTING ||
	    b->state == PB_BRIDGE_LOGIN))
		reply = PB_REPLY_PERMANENT;
	pb_secret_clear(&b->secret);
	pb_sasl_server_clear(&b->sasl);
	pb_secret_clear(&b->identity.password);
	pb_bridge_close_maildrop(b);
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

static void
forget_census(struct pb_bridge *b)
{
	if (b->census == NULL)
		return;
	pb_census_fini(b->census);
	pb_free(b->census);
	b->census = NULL;
}

/*
 * Behind the census, in the same write: what may be done there, where that is
 * not sure, and what is hidden.
 */
static void
ask_beside(struct pb_bridge *b)
{
	enum pb_removal removal = b->options->removal;

	b->questions = 0;
	b->counted = false;
	if (removal == PB_REMOVAL_FLAG) {
		b->questions++;
		pb_bridge_sent(pb_hidden_ask(&b->hidden, b->imap));
	}
	if (removal != PB_REMOVAL_KEEP && removal != PB_REMOVAL_REFUSE &&
	    pb_imap_client_has_acl(b->imap)) {
		b->questions++;
		pb_bridge_sent(pb_imap_client_myrights(b->imap,
		    b->options->mailbox, NULL));
	}
}

static void
open_maildrop(struct pb_bridge *b)
{
	forget_census(b);
	pb_bridge_enter(b, PB_BRIDGE_OPENING);
	b->census = pb_alloc(sizeof(*b->census));
	if (b->census == NULL) {
		pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL,
		    "no memory for the listing");
		return;
	}
	pb_census_init(b->census, b->known);
	pb_census_begin(b->census, b->imap, b->options->mailbox);
	ask_beside(b);
}

void
pb_bridge_open_maildrop(struct pb_bridge *b)
{
	b->looked_again = false;
	open_maildrop(b);
}

/*
 * imap4d says of a message whose file another process renames that it has no
 * octets, and no body either, until the next SELECT.  A client would take it
 * for an empty one, and delete it.  Courier lists messages that are gone, with
 * the size of what it would send in their place.
 */
static bool
looks_again(struct pb_bridge *b)
{
	if (b->looked_again || b->census->n_doubtful == 0)
		return false;
	b->looked_again = true;
	pb_log(PB_LOG_INFO, "messages listed as empty or unreadable, listing again",
	    PB_LOG_STR("id", b->id), PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_NUM("messages", b->census->n_doubtful));
	pb_hidden_fini(&b->hidden);
	open_maildrop(b);
	return true;
}

void
pb_bridge_close_maildrop(struct pb_bridge *b)
{
	forget_census(b);
	pb_hidden_fini(&b->hidden);
	pb_listing_unref(&b->known);
	pb_promises_free(&b->promises);
	pb_maildrop_fini(&b->maildrop);
}

void
pb_bridge_remember(struct pb_bridge *b, struct pb_listing *listing)
{
	if (listing == NULL || listing->uidnext == 0)
		return;
	pb_listing_unref(&b->known);
	b->known = pb_listing_ref(listing);
	pb_bridge_ask(b, PB_BRIDGE_REMEMBER);
}

static void
counted(struct pb_bridge *b)
{
	struct pb_listing *listing;

	if (looks_again(b))
		return;
	listing = pb_listing_ref(b->census->listing);
	b->refuted = b->known != NULL && b->census->known == NULL;
	if (listing != b->known)
		pb_bridge_remember(b, listing);
	forget_census(b);
	pb_bridge_keep_promises(b, listing);
	pb_hidden_fini(&b->hidden);
	pb_listing_unref(&listing);
}

void
pb_bridge_welcome(struct pb_bridge *b)
{
	pb_pop3_session_enter(&b->pop3, PB_POP3_TRANSACTION);
	b->revivable = b->options->revive;
	b->read_only = b->imap != NULL && b->imap->read_only;
	b->obstacle = pb_removal_obstacle(b->options->removal, b->imap);
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
hidden_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	enum pb_status st = pb_hidden_event(&b->hidden, event);

	if (st == PB_ENOMEM)
		pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL,
		    "no memory for what is hidden");
	else if (st == PB_EINVAL)
		pb_bridge_login_failed_for(b, PB_ERROR_TEMPORARY, "the server "
		    "does not say which messages are hidden (delete = flag)");
	/* A server without keywords may name any message, or all of them. */
	else if (st == PB_OK && !b->imap->keeps_keywords)
		pb_hidden_fini(&b->hidden);
	if (st == PB_OK)
		b->questions--;
}

/* An event of the census' commands. */
static void
census_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	struct pb_error err;

	switch (pb_census_event(b->census, b->imap, event, &err)) {
	case PB_CENSUS_GOES_ON:
		return;
	case PB_CENSUS_DONE:
		b->counted = true;
		return;
	case PB_CENSUS_FAILED:
		pb_bridge_login_failed(b, &err);
		return;
	}
}

void
pb_bridge_opening_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	if (b->hidden.id != 0 && event->id == b->hidden.id &&
	    (event->type == PB_IMAP_EVENT_FOUND ||
		event->type == PB_IMAP_EVENT_DONE))
		hidden_event(b, event);
	/* Who does not say has nothing against it. */
	else if (event->type == PB_IMAP_EVENT_DONE &&
	    event->kind == PB_IMAP_COMMAND_MYRIGHTS)
		b->questions--;
	else if (!b->counted)
		census_event(b, event);
	if (b->state == PB_BRIDGE_OPENING && b->counted && b->questions == 0)
		counted(b);
}
