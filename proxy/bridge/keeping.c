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

const struct pb_promise *
pb_bridge_promise(const struct pb_bridge *b)
{
	pb_check(b->state == PB_BRIDGE_PROMISING && b->promises != NULL);
	return &b->promises->list[0];
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
		if (b->promises->list[i].outcome == outcome)
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
	pb_commit_fini(&b->commit);
	if (trouble != NULL)
		b->hides = true;
	else if (!b->hides)
		pb_bridge_remember(b, b->maildrop.listing);
	go_on(b);
}

static void
keeping_went_on(struct pb_bridge *b, enum pb_status st)
{
	if (st == PB_EPROTO ||
	    (st == PB_OK && b->commit.step != PB_COMMIT_DONE))
		return;
	if (st != PB_OK)
		keeping_done(b, "no memory");
	else if (pb_commit_missing(&b->commit) > 0)
		keeping_done(b, pb_commit_trouble(&b->commit));
	else
		keeping_done(b, NULL);
}

/* The commit owns the UIDs from here on. */
static void
keep(struct pb_bridge *b, uint32_t *uids, size_t n)
{
	if (b->imap->read_only) {
		pb_free(uids);
		keeping_done(b, "the mailbox is read-only");
		return;
	}
	pb_bridge_enter(b, PB_BRIDGE_KEEPING);
	keeping_went_on(b, pb_commit_begin_with(&b->commit, uids, n,
	    b->imap));
}

/* Messages of promises that rest are there, and not to be seen. */
static bool
has_more(const struct pb_listing *listing, const struct pb_promises_look *look)
{
	return listing->count > look->rest->count + look->n;
}

void
pb_bridge_keep_promises(struct pb_bridge *b, struct pb_listing *listing)
{
	struct pb_promises_look look;

	b->hides = false;
	b->stopped = NULL;
	if (b->promises == NULL) {
		pb_maildrop_open(&b->maildrop, listing);
		go_on(b);
		return;
	}
	if (pb_promises_compare(b->promises, listing, &look) != PB_OK) {
		pb_bridge_login_failed_for(b, PB_ERROR_INTERNAL,
		    "no memory for what is left to be removed");
		return;
	}
	pb_maildrop_open(&b->maildrop, look.rest);
	b->hides = has_more(listing, &look);
	pb_listing_unref(&look.rest);
	if (look.n > 0) {
		keep(b, look.uids, look.n);
		return;
	}
	pb_free(look.uids);
	go_on(b);
}

void
pb_bridge_keeping_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	keeping_went_on(b, pb_commit_event(&b->commit, b->imap, event));
}

void
pb_bridge_keeping_lost(struct pb_bridge *b, const struct pb_error *err)
{
	struct pb_promises *promises = b->promises;
	const char *stopped = b->stopped;

	pb_commit_fini(&b->commit);
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

static void
commit(struct pb_bridge *b)
{
	pb_bridge_enter(b, PB_BRIDGE_COMMITTING);
	pb_bridge_commit_went_on(b, pb_commit_begin(&b->commit, &b->maildrop,
	    b->imap));
}

static bool
make_promise(struct pb_bridge *b)
{
	struct pb_promise *promise;

	pb_promises_free(&b->promises);
	b->promises = pb_promises_new(1);
	if (b->promises == NULL)
		return false;
	promise = &b->promises->list[0];
	promise->uidvalidity = b->maildrop.uidvalidity;
	return pb_maildrop_deleted(&b->maildrop, &promise->uids,
	    &promise->n) == PB_OK;
}

void
pb_bridge_promise_removal(struct pb_bridge *b)
{
	static const struct pb_error no_memory = { .kind = PB_ERROR_INTERNAL,
		.scope = PB_SCOPE_MAILDROP, .text = "no memory" };

	if (b->options->journal == PB_BRIDGE_JOURNAL_NONE ||
	    b->maildrop.n_deleted == 0) {
		commit(b);
		return;
	}
	pb_bridge_enter(b, PB_BRIDGE_PROMISING);
	if (make_promise(b))
		pb_bridge_ask(b, PB_BRIDGE_PROMISE);
	else
		pb_bridge_promise_made(b, 0, &no_memory);
}

void
pb_bridge_promise_made(struct pb_bridge *b, int64_t number,
    const struct pb_error *why)
{
	bool required = b->options->journal == PB_BRIDGE_JOURNAL_REQUIRED;

	if (why != NULL) {
		pb_promises_free(&b->promises);
		pb_bridge_log_error(b, required
		    ? "what is to be removed cannot be written down, so "
			"nothing is removed (journal = required)"
		    : "what is to be removed cannot be written down: if the "
			"mail server is lost now, messages come again", why);
	} else {
		b->promises->list[0].number = number;
	}
	if ((why != NULL && required) || b->imap == NULL)
		pb_bridge_finish_quit(b, b->maildrop.n_deleted);
	else
		commit(b);
}

void
pb_bridge_promise_decided(struct pb_bridge *b, bool kept, const char *why)
{
	if (b->promises == NULL)
		return;
	pb_promises_decide(b->promises, kept ? PB_PROMISE_KEPT
	    : PB_PROMISE_FAILED, kept ? "" : why);
	pb_bridge_ask(b, PB_BRIDGE_NOTE);
}
