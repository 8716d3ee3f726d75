#include "bridge_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"

void
pb_bridge_owes(struct pb_bridge *b, struct pb_promises **promises)
{
	pb_promises_free(&b->promises);
	b->promises = *promises;
	*promises = NULL;
}

struct pb_promises *
pb_bridge_take_promises(struct pb_bridge *b)
{
	struct pb_promises *promises = b->promises;

	b->promises = NULL;
	return promises;
}

static void
log_promises(const struct pb_bridge *b, enum pb_promise_outcome outcome,
    const char *text)
{
	size_t messages = 0;
	size_t i;

	for (i = 0; i < b->promises->n; i++) {
		/* Marks that are about nothing any more are no news. */
		if (b->promises->list[i].outcome == outcome &&
		    b->promises->list[i].removal != PB_REMOVAL_KEEP)
			messages += b->promises->list[i].n;
	}
	if (messages > 0)
		pb_log(outcome == PB_PROMISE_FAILED ? PB_LOG_WARN
						    : PB_LOG_INFO,
		    text, PB_LOG_STR("id", b->id),
		    PB_LOG_SLICE("user", pb_bridge_user(b)),
		    PB_LOG_NUM("messages", messages),
		    PB_LOG_STR("why", b->promises->why));
}

/* The journal is to know, and the log. */
static void
note(struct pb_bridge *b)
{
	bool any = false;
	size_t i;

	log_promises(b, PB_PROMISE_KEPT, "messages of an earlier session "
	    "removed");
	log_promises(b, PB_PROMISE_VOID, "nothing is left of what an earlier "
	    "session was to remove");
	log_promises(b, PB_PROMISE_FAILED, "messages of an earlier session "
	    "not removed: they stay hidden, and the next login tries again");
	for (i = 0; i < b->promises->n; i++)
		any |= b->promises->list[i].outcome != PB_PROMISE_OPEN;
	if (any)
		pb_bridge_ask(b, PB_BRIDGE_NOTE);
	else
		pb_promises_free(&b->promises);
}

static void
go_on(struct pb_bridge *b)
{
	pb_commit_free(&b->commit);
	if (b->promises != NULL)
		note(b);
	if (b->stopped != NULL)
		pb_bridge_end(b, b->stopped);
	else
		pb_bridge_welcome(b);
}

/* What was promised earlier is done with, well or not. */
static void
keeping_done(struct pb_bridge *b, const char *trouble)
{
	pb_promises_decide(b->promises, trouble == NULL ? PB_PROMISE_KEPT
	    : PB_PROMISE_FAILED, trouble == NULL ? "" : trouble);
	if (trouble != NULL)
		b->hides = true;
	else if (!b->hides && pb_commit_is_shown(b->commit))
		pb_bridge_remember(b, b->maildrop.listing);
	go_on(b);
}

static void
lose(struct pb_bridge *b, enum pb_error_kind kind, const char *why)
{
	struct pb_error err;

	pb_error_set(&err, kind, PB_SCOPE_ACCOUNT, "%s", why);
	pb_bridge_keeping_lost(b, &err);
}

/* A SELECT of the commit says so: nothing of what was listed is there. */
static bool
is_another(const struct pb_bridge *b)
{
	return !b->imap->has_uidvalidity ||
	    b->imap->uidvalidity != b->maildrop.uidvalidity;
}

static void
keeping_went_on(struct pb_bridge *b, enum pb_status st)
{
	char why[PB_COMMIT_WHY_SIZE];

	if (pb_bridge_commit_goes_on(b, st))
		return;
	/* Of what is under way nobody would know what it does. */
	if (st != PB_OK) {
		lose(b, PB_ERROR_INTERNAL, "no memory");
		return;
	}
	if (is_another(b)) {
		lose(b, PB_ERROR_TEMPORARY, "the mailbox is not the one any "
		    "more that was listed");
		return;
	}
	pb_commit_why(b->commit, why);
	keeping_done(b, pb_commit_missing(b->commit) > 0 ? why : NULL);
}

static enum pb_status
begin(struct pb_bridge *b, const struct pb_promises_look *look)
{
	struct pb_commit_plan plan;
	enum pb_status st;

	pb_bridge_plan(b, look->removal, 0, &plan);
	pb_commit_free(&b->commit);
	b->commit = pb_commit_new(&plan);
	if (b->commit == NULL)
		return PB_ENOMEM;
	st = pb_commit_remove(b->commit, look->uids, look->n);
	if (st == PB_OK)
		st = pb_commit_begin(b->commit, b->imap);
	return st == PB_OK ? pb_commit_go(b->commit, b->imap) : st;
}

/* As it was promised, whatever is wanted of sessions now. */
static void
keep(struct pb_bridge *b, const struct pb_promises_look *look)
{
	if (b->imap->read_only) {
		keeping_done(b, "the mailbox is read-only");
		return;
	}
	pb_bridge_enter(b, PB_BRIDGE_KEEPING);
	keeping_went_on(b, begin(b, look));
}

/* What promises are about is not to be seen, kept or not. */
static enum pb_status
look_at(struct pb_bridge *b, struct pb_listing *listing,
    struct pb_promises_look *look)
{
	*look = (struct pb_promises_look){ .n = 0 };
	if (b->promises != NULL)
		return pb_promises_compare(b->promises, listing, look);
	look->rest = pb_listing_ref(listing);
	return PB_OK;
}

/* The same goes for what has the keyword. */
static enum pb_status
show(struct pb_bridge *b, struct pb_listing *listing,
    const struct pb_promises_look *look)
{
	struct pb_listing *shown = pb_hidden_filter(&b->hidden, look->rest);

	if (shown == NULL)
		return PB_ENOMEM;
	pb_maildrop_open(&b->maildrop, shown);
	pb_listing_unref(&shown);
	b->hides = listing->count > b->maildrop.count + look->n ||
	    (look->n > 0 && look->removal == PB_REMOVAL_FLAG);
	return PB_OK;
}

void
pb_bridge_keep_promises(struct pb_bridge *b, struct pb_listing *listing)
{
	struct pb_promises_look look;
	enum pb_status st = look_at(b, listing, &look);

	b->stopped = NULL;
	if (st == PB_OK)
		st = show(b, listing, &look);
	pb_listing_unref(&look.rest);
	if (st != PB_OK)
		pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL,
		    "no memory for the maildrop");
	else if (look.n > 0)
		keep(b, &look);
	else
		go_on(b);
	pb_free(look.uids);
}

void
pb_bridge_keeping_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	keeping_went_on(b, pb_commit_event(b->commit, b->imap, event));
}

void
pb_bridge_keeping_turn(struct pb_bridge *b)
{
	keeping_went_on(b, pb_commit_turn(b->commit, b->imap));
}

void
pb_bridge_keeping_lost(struct pb_bridge *b, const struct pb_error *err)
{
	struct pb_promises *promises = b->promises;
	const char *stopped = b->stopped;

	pb_commit_free(&b->commit);
	/* Else they would go with the maildrop. */
	b->promises = NULL;
	if (stopped != NULL)
		pb_bridge_end(b, stopped);
	else
		pb_bridge_login_failed(b, err);
	b->promises = promises;
	pb_promises_decide(promises, PB_PROMISE_FAILED, err->text);
	note(b);
}
