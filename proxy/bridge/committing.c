#include "bridge_priv.h"

#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"

/* The messages leave the mailbox, and do not only vanish from POP3. */
static bool
leaves_mailbox(enum pb_removal removal)
{
	switch (removal) {
	case PB_REMOVAL_EXPUNGE:
	case PB_REMOVAL_TRASH:
	case PB_REMOVAL_ARCHIVE:
		return true;
	case PB_REMOVAL_FLAG:
	case PB_REMOVAL_KEEP:
	case PB_REMOVAL_REFUSE:
		break;
	}
	return false;
}

static void
say_why(const struct pb_bridge *b, char why[PB_COMMIT_WHY_SIZE])
{
	if (b->imap != NULL && b->commit != NULL)
		pb_commit_why(b->commit, why);
	else
		snprintf(why, PB_COMMIT_WHY_SIZE, "the mail server was lost "
		    "before it had removed all");
}

/* All of the session's own promise is kept, or it is not. */
static void
promise_decided(struct pb_bridge *b, bool kept, const char *why)
{
	if (b->promises == NULL)
		return;
	/* The promise itself is what hides them. */
	if (b->promises->list[0].removal == PB_REMOVAL_KEEP) {
		pb_promises_free(&b->promises);
		return;
	}
	pb_promises_decide(b->promises, kept ? PB_PROMISE_KEPT
	    : PB_PROMISE_FAILED, kept ? "" : why);
	pb_bridge_ask(b, PB_BRIDGE_NOTE);
}

void
pb_bridge_finish_quit(struct pb_bridge *b, size_t missing)
{
	struct pb_listing *rest = NULL;
	char why[PB_COMMIT_WHY_SIZE];

	say_why(b, why);
	b->stats.removed = b->stats.dele - missing;
	if (missing > 0)
		pb_bridge_reply(b, PB_REPLY_NOT_REMOVED, missing, 0);
	else if (b->stats.dele > 0)
		pb_bridge_reply(b, PB_REPLY_QUIT_REMOVED, b->stats.dele, 0);
	else
		pb_bridge_reply(b, PB_REPLY_QUIT, 0, 0);
	/* So the next session need not ask what has vanished. */
	if (b->stats.removed > 0 && missing == 0 && !b->hides &&
	    leaves_mailbox(b->options->removal) &&
	    pb_commit_is_shown(b->commit))
		rest = pb_maildrop_rest(&b->maildrop);
	pb_bridge_end(b, missing > 0 ? "quit, messages not removed" : "quit");
	pb_bridge_remember(b, rest);
	pb_listing_unref(&rest);
	promise_decided(b, missing == 0, why);
}

/* The administrator is to know whose client to ask. */
static void
say_what_went_beyond(const struct pb_bridge *b)
{
	size_t beyond = pb_lone_expunge_beyond(&b->commit->lone_expunge);

	if (beyond > 0)
		pb_log(PB_LOG_WARN, "more messages were expunged than were to "
		    "be removed",
		    PB_LOG_STR("id", b->id),
		    PB_LOG_SLICE("user", pb_bridge_user(b)),
		    PB_LOG_NUM("messages", beyond),
		    PB_LOG_STR("why", "the server has no UID EXPUNGE, and "
			"others flagged or expunged messages meanwhile"));
}

bool
pb_bridge_commit_goes_on(struct pb_bridge *b, enum pb_status st)
{
	if (st == PB_OK && b->commit->step == PB_COMMIT_TURN)
		pb_bridge_ask(b, PB_BRIDGE_TURN);
	if (st == PB_EPROTO ||
	    (st == PB_OK && b->commit->step != PB_COMMIT_DONE))
		return true;
	if (st == PB_OK)
		say_what_went_beyond(b);
	return false;
}

static void
commit_went_on(struct pb_bridge *b, enum pb_status st)
{
	size_t missing = pb_commit_missing(b->commit);
	char why[PB_COMMIT_WHY_SIZE];

	if (pb_bridge_commit_goes_on(b, st))
		return;
	pb_commit_why(b->commit, why);
	if (missing > 0)
		pb_log(PB_LOG_WARN, "messages not removed",
		    PB_LOG_STR("id", b->id),
		    PB_LOG_SLICE("user", pb_bridge_user(b)),
		    PB_LOG_NUM("missing", missing),
		    PB_LOG_STR("delete", pb_removal_name(b->options->removal)),
		    PB_LOG_STR("why", st == PB_OK ? why : "no memory"));
	pb_bridge_finish_quit(b, missing);
}

void
pb_bridge_committing_event(struct pb_bridge *b,
    const struct pb_imap_event *event)
{
	enum pb_status st = pb_commit_event(b->commit, b->imap, event);

	if (b->state == PB_BRIDGE_COMMITTING || st == PB_ENOMEM)
		commit_went_on(b, st);
}

void
pb_bridge_committing_turn(struct pb_bridge *b)
{
	commit_went_on(b, pb_commit_turn(b->commit, b->imap));
}

static enum pb_status
fill_commit(struct pb_bridge *b)
{
	uint32_t *uids = NULL;
	size_t n = 0;
	enum pb_status st = PB_OK;

	if (b->options->removal != PB_REMOVAL_KEEP)
		st = pb_maildrop_deleted(&b->maildrop, &uids, &n);
	if (st == PB_OK)
		st = pb_commit_remove(b->commit, uids, n);
	pb_free(uids);
	uids = NULL;
	if (st == PB_OK)
		st = pb_maildrop_seen(&b->maildrop, &uids, &n);
	if (st == PB_OK)
		st = pb_commit_mark_seen(b->commit, uids, n);
	pb_free(uids);
	return st;
}

void
pb_bridge_plan(const struct pb_bridge *b, enum pb_removal removal,
    uint32_t uidvalidity, struct pb_commit_plan *plan)
{
	*plan = (struct pb_commit_plan){ .removal = removal,
		.mailbox = b->options->mailbox,
		.folder = b->options->delete_folder,
		.uidvalidity = uidvalidity };
}

static enum pb_status
make_commit(struct pb_bridge *b)
{
	bool removes = b->maildrop.n_deleted > 0 &&
	    b->options->removal != PB_REMOVAL_KEEP;
	struct pb_commit_plan plan;

	/* DELE is refused there, so that nothing is to be removed. */
	pb_bridge_plan(b, b->options->removal == PB_REMOVAL_REFUSE
	    ? PB_REMOVAL_KEEP : b->options->removal,
	    removes ? b->maildrop.uidvalidity : 0, &plan);
	pb_commit_free(&b->commit);
	b->commit = pb_commit_new(&plan);
	return b->commit != NULL ? fill_commit(b) : PB_ENOMEM;
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
	promise->removal = b->options->removal;
	return pb_maildrop_deleted(&b->maildrop, &promise->uids,
	    &promise->n) == PB_OK;
}

/* Nothing but asking the server may have been done yet. */
static void
go(struct pb_bridge *b)
{
	b->commit->go = true;
	if (b->imap != NULL) {
		pb_bridge_enter(b, PB_BRIDGE_COMMITTING);
		commit_went_on(b, pb_commit_go(b->commit, b->imap));
	} else if (pb_commit_missing(b->commit) == 0 ||
	    !pb_bridge_revive(b, PB_BRIDGE_ERRAND_COMMIT)) {
		pb_bridge_finish_quit(b, pb_commit_missing(b->commit));
	}
}

static const struct pb_error no_memory = { .kind = PB_ERROR_INTERNAL,
	.scope = PB_SCOPE_MAILDROP, .text = "no memory" };

void
pb_bridge_remove(struct pb_bridge *b)
{
	bool promises = b->maildrop.n_deleted > 0 &&
	    (b->options->journal != PB_BRIDGE_JOURNAL_NONE ||
		b->options->removal == PB_REMOVAL_KEEP);

	pb_bridge_enter(b, promises ? PB_BRIDGE_PROMISING
				    : PB_BRIDGE_COMMITTING);
	if (make_commit(b) != PB_OK) {
		pb_bridge_log_error(b, "nothing is removed", &no_memory);
		pb_bridge_finish_quit(b, b->maildrop.n_deleted);
		return;
	}
	if (b->imap != NULL)
		pb_bridge_sent(pb_commit_begin(b->commit, b->imap));
	if (!promises)
		go(b);
	else if (make_promise(b))
		pb_bridge_ask(b, PB_BRIDGE_PROMISE);
	else
		pb_bridge_promise_made(b, 0, &no_memory);
}

const struct pb_promise *
pb_bridge_promise(const struct pb_bridge *b)
{
	pb_check(b->state == PB_BRIDGE_PROMISING && b->promises != NULL);
	return &b->promises->list[0];
}

void
pb_bridge_promise_made(struct pb_bridge *b, int64_t number,
    const struct pb_error *why)
{
	bool keeps = b->options->removal == PB_REMOVAL_KEEP;
	bool required = keeps ||
	    b->options->journal == PB_BRIDGE_JOURNAL_REQUIRED;

	if (why == NULL) {
		b->promises->list[0].number = number;
		go(b);
		return;
	}
	pb_promises_free(&b->promises);
	pb_bridge_log_error(b, keeps
	    ? "what is to be hidden cannot be written down, so it is not "
		"hidden (delete = keep)"
	    : required ? "what is to be removed cannot be written down, so "
		"nothing is removed (journal = required)"
	    : "what is to be removed cannot be written down: if the "
		"mail server is lost now, messages come again", why);
	if (required)
		pb_bridge_finish_quit(b, b->maildrop.n_deleted);
	else
		go(b);
}

void
pb_bridge_commit_lost(struct pb_bridge *b, const struct pb_error *err)
{
	pb_bridge_log_error(b, "mail server lost while removing messages", err);
	/* One that breaks the protocol or asks for less is let alone. */
	if (pb_commit_missing(b->commit) == 0 ||
	    err->kind != PB_ERROR_TEMPORARY || err->throttled ||
	    !pb_bridge_revive(b, PB_BRIDGE_ERRAND_COMMIT))
		pb_bridge_finish_quit(b, pb_commit_missing(b->commit));
}

void
pb_bridge_resume_commit(struct pb_bridge *b)
{
	enum pb_status st;

	pb_bridge_enter(b, PB_BRIDGE_COMMITTING);
	st = pb_commit_resume(b->commit, b->imap);
	commit_went_on(b, st);
}
