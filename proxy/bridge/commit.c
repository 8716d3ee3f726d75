#include "popbridge/bridge/commit.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

struct pb_commit *
pb_commit_new(const struct pb_commit_plan *plan)
{
	struct pb_commit *c = pb_alloc(sizeof(*c));

	pb_check(plan->removal != PB_REMOVAL_REFUSE);
	if (c == NULL)
		return NULL;
	c->plan = *plan;
	c->step = PB_COMMIT_CHECK;
	c->lone_expunge.step = PB_LONE_DONE;
	return c;
}

void
pb_commit_free(struct pb_commit **commit)
{
	struct pb_commit *c = *commit;

	*commit = NULL;
	if (c == NULL)
		return;
	pb_uid_list_fini(&c->ours);
	pb_uid_list_fini(&c->seen);
	pb_uid_list_fini(&c->copied);
	pb_set_removal_fini(&c->sets);
	pb_lone_expunge_fini(&c->lone_expunge);
	pb_free(c);
}

enum pb_status
pb_commit_remove(struct pb_commit *c, const uint32_t *uids, size_t n)
{
	enum pb_status st = pb_uid_list_append(&c->ours, uids, n);

	c->total = c->ours.n;
	return st;
}

enum pb_status
pb_commit_mark_seen(struct pb_commit *c, const uint32_t *uids, size_t n)
{
	return pb_uid_list_append(&c->seen, uids, n);
}

size_t
pb_commit_missing(const struct pb_commit *c)
{
	if (c->lone_expunge.confirmed)
		return 0;
	return c->total - c->sets.removed.n;
}

bool
pb_commit_is_shown(const struct pb_commit *c)
{
	if (c->lone_expunge.confirmed)
		return true;
	return pb_commit_missing(c) == 0 && c->vanished == c->total;
}

void
pb_commit_why(const struct pb_commit *c, char why[PB_COMMIT_WHY_SIZE])
{
	const char *ours = c->trouble;
	const char *theirs = "";

	if (ours == NULL && c->lone)
		ours = pb_lone_expunge_trouble(&c->lone_expunge);
	if (ours == NULL && c->sets.trouble != NULL) {
		ours = c->sets.trouble;
		theirs = c->sets.refusal.text;
	}
	if (ours == NULL)
		ours = "it was not done";
	snprintf(why, PB_COMMIT_WHY_SIZE, "%s%s%s", ours,
	    theirs[0] != '\0' ? ": " : "", theirs);
}

static enum pb_status
send_check(struct pb_commit *c, struct pb_imap_client *imap)
{
	if (c->sent > 0 || pb_imap_client_room(imap) == 0)
		return PB_OK;
	c->sent = 1;
	c->waiting++;
	return pb_imap_client_status_uidvalidity(imap, c->plan.mailbox, NULL);
}

static enum pb_status
send_locate(struct pb_commit *c, struct pb_imap_client *imap)
{
	if (c->sent > 0 || pb_imap_client_room(imap) == 0)
		return PB_OK;
	c->sent = 1;
	c->waiting++;
	return pb_imap_client_list_special(imap, NULL);
}

static enum pb_status
send_seen(struct pb_commit *c, struct pb_imap_client *imap)
{
	while (c->sent < c->seen.n && pb_imap_client_room(imap) > 0) {
		const uint32_t *uids = c->seen.uids + c->sent;
		size_t n = pb_imap_set_take(uids, c->seen.n - c->sent);
		enum pb_status st = pb_imap_client_store(imap, uids, n, true,
		    PB_IMAP_FLAG_SEEN, NULL);

		if (st != PB_OK)
			return st;
		c->sent += n;
		c->waiting++;
	}
	return PB_OK;
}

/* The step's commands, as far as the pipeline takes them. */
static enum pb_status
send(struct pb_commit *c, struct pb_imap_client *imap)
{
	switch (c->step) {
	case PB_COMMIT_CHECK:
		return c->plan.uidvalidity != 0 ? send_check(c, imap) : PB_OK;
	case PB_COMMIT_SEEN:
		return send_seen(c, imap);
	case PB_COMMIT_LOCATE:
		return send_locate(c, imap);
	case PB_COMMIT_HELD:
	case PB_COMMIT_TURN:
	case PB_COMMIT_REMOVE:
	case PB_COMMIT_DONE:
		break;
	}
	return PB_OK;
}

static bool
is_complete(const struct pb_commit *c)
{
	if (c->waiting > 0)
		return false;
	switch (c->step) {
	case PB_COMMIT_CHECK:
		return c->sent > 0 || c->plan.uidvalidity == 0;
	case PB_COMMIT_HELD:
		return c->go;
	case PB_COMMIT_SEEN:
		return c->sent == c->seen.n;
	case PB_COMMIT_LOCATE:
		return c->sent > 0;
	case PB_COMMIT_TURN:
		return c->turn;
	case PB_COMMIT_REMOVE:
		return c->lone ? c->lone_expunge.step == PB_LONE_DONE
			       : pb_set_removal_is_done(&c->sets);
	case PB_COMMIT_DONE:
		break;
	}
	return false;
}

static bool
moves(const struct pb_commit *c)
{
	return c->plan.removal == PB_REMOVAL_TRASH ||
	    c->plan.removal == PB_REMOVAL_ARCHIVE;
}

static const char *
folder_of(const struct pb_commit *c)
{
	return c->plan.folder != NULL ? c->plan.folder : c->folder;
}

static enum pb_set_way
way_of(const struct pb_commit *c, const struct pb_imap_client *imap)
{
	switch (c->plan.removal) {
	case PB_REMOVAL_TRASH:
	case PB_REMOVAL_ARCHIVE:
		return pb_imap_client_has_move(imap) ? PB_SET_MOVE
						     : PB_SET_COPY;
	case PB_REMOVAL_FLAG:
		return PB_SET_FLAG;
	case PB_REMOVAL_EXPUNGE:
	case PB_REMOVAL_KEEP:
	case PB_REMOVAL_REFUSE:
		break;
	}
	return PB_SET_EXPUNGE;
}

static enum pb_status
remove_rest(struct pb_commit *c, struct pb_imap_client *imap)
{
	return pb_set_removal_begin(&c->sets, way_of(c, imap), &c->ours, imap);
}

/* What was copied before a connection was lost only has to go. */
static enum pb_status
remove_sets(struct pb_commit *c, struct pb_imap_client *imap)
{
	c->sets.folder = pb_slice_str(folder_of(c));
	c->sets.may_create = c->plan.folder != NULL;
	if (c->copied.n > 0)
		return pb_set_removal_begin(&c->sets, PB_SET_EXPUNGE,
		    &c->copied, imap);
	return remove_rest(c, imap);
}

static void
give_up(struct pb_commit *c, const char *trouble)
{
	c->trouble = trouble;
	c->step = PB_COMMIT_DONE;
}

static enum pb_status
begin_removal(struct pb_commit *c, struct pb_imap_client *imap)
{
	if (moves(c) && pb_imap_mailbox_same(pb_slice_str(folder_of(c)),
	    pb_slice_str(c->plan.mailbox))) {
		give_up(c, "the mailbox is itself the folder for deleted "
		    "messages, so they stay where they are: set delete-folder");
		return PB_OK;
	}
	c->lone = c->plan.removal == PB_REMOVAL_EXPUNGE &&
	    !pb_imap_client_has_uid_expunge(imap);
	c->step = c->lone ? PB_COMMIT_TURN : PB_COMMIT_REMOVE;
	return c->lone ? PB_OK : remove_sets(c, imap);
}

/* \Seen is done. */
static enum pb_status
after_seen(struct pb_commit *c, struct pb_imap_client *imap)
{
	if (c->ours.n + c->copied.n == 0) {
		c->step = PB_COMMIT_DONE;
		return PB_OK;
	}
	if (moves(c) && folder_of(c)[0] == '\0') {
		c->step = PB_COMMIT_LOCATE;
		return PB_OK;
	}
	return begin_removal(c, imap);
}

static enum pb_status
located(struct pb_commit *c, struct pb_imap_client *imap)
{
	if (c->folder[0] != '\0')
		return begin_removal(c, imap);
	give_up(c, c->plan.removal == PB_REMOVAL_TRASH
	    ? "the server names no folder as \\Trash, so they stay where they "
	    "are: set delete-folder"
	    : "the server names no folder as \\Archive or \\All, so they stay "
	    "where they are: set delete-folder");
	return PB_OK;
}

/* The step is complete: which one is next? */
static enum pb_status
advance(struct pb_commit *c, struct pb_imap_client *imap)
{
	c->sent = 0;
	switch (c->step) {
	case PB_COMMIT_CHECK:
		c->step = PB_COMMIT_HELD;
		return PB_OK;
	case PB_COMMIT_HELD:
		c->step = c->trouble != NULL ? PB_COMMIT_DONE
					     : PB_COMMIT_SEEN;
		return PB_OK;
	case PB_COMMIT_SEEN:
		return after_seen(c, imap);
	case PB_COMMIT_LOCATE:
		return located(c, imap);
	case PB_COMMIT_TURN:
		c->step = PB_COMMIT_REMOVE;
		return pb_lone_expunge_begin(&c->lone_expunge, &c->ours,
		    c->plan.mailbox, imap);
	case PB_COMMIT_REMOVE:
		if (!c->lone && c->sets.list == &c->copied)
			return remove_rest(c, imap);
		c->step = PB_COMMIT_DONE;
		return PB_OK;
	case PB_COMMIT_DONE:
		break;
	}
	pb_unreachable("there is nothing behind the end");
}

/* Send what can be sent; pass over steps that have nothing to wait for. */
static enum pb_status
go_on(struct pb_commit *c, struct pb_imap_client *imap)
{
	enum pb_status st = send(c, imap);

	while (st == PB_OK && is_complete(c)) {
		st = advance(c, imap);
		if (st == PB_OK)
			st = send(c, imap);
	}
	return st;
}

enum pb_status
pb_commit_begin(struct pb_commit *c, struct pb_imap_client *imap)
{
	c->before = imap->last_id;
	return go_on(c, imap);
}

enum pb_status
pb_commit_go(struct pb_commit *c, struct pb_imap_client *imap)
{
	c->go = true;
	return go_on(c, imap);
}

enum pb_status
pb_commit_turn(struct pb_commit *c, struct pb_imap_client *imap)
{
	c->turn = true;
	return go_on(c, imap);
}

enum pb_status
pb_commit_resume(struct pb_commit *c, struct pb_imap_client *imap)
{
	enum pb_status st = pb_uid_list_append(&c->copied,
	    c->sets.copied.uids, c->sets.copied.n);

	if (st != PB_OK)
		return st;
	pb_uid_list_fini(&c->sets.copied);
	pb_uid_list_tidy(&c->copied);
	pb_uid_list_tidy(&c->sets.removed);
	pb_uid_list_subtract(&c->copied, &c->sets.removed);
	pb_uid_list_subtract(&c->ours, &c->sets.removed);
	pb_uid_list_subtract(&c->ours, &c->copied);
	c->sets.trouble = NULL;
	c->sets.list = NULL;
	c->waiting = 0;
	c->sent = 0;
	c->before = imap->last_id;
	/* SELECT has said the UIDVALIDITY. */
	c->plan.uidvalidity = 0;
	c->step = PB_COMMIT_CHECK;
	return go_on(c, imap);
}

static void
checked(struct pb_commit *c, const struct pb_imap_event *event)
{
	if (event->number != c->plan.uidvalidity)
		c->trouble = "the mailbox has another UIDVALIDITY than at the "
		    "login: it is another one, so nothing was removed";
}

/* Of several the first counts; \All is the archive where there is no other. */
static void
note_folder(struct pb_commit *c, const struct pb_imap_event *event)
{
	unsigned wanted = c->plan.removal == PB_REMOVAL_TRASH
	    ? PB_IMAP_SPECIAL_TRASH : PB_IMAP_SPECIAL_ARCHIVE;
	bool better = (event->special & wanted) != 0 && !c->folder_fits;

	if (!better && (c->folder[0] != '\0' || (event->special &
	    PB_IMAP_SPECIAL_ALL) == 0 || c->plan.removal !=
	    PB_REMOVAL_ARCHIVE))
		return;
	c->folder_fits = better;
	pb_check(event->data.len <= PB_IMAP_MAILBOX_MAX);
	memcpy(c->folder, event->data.data, event->data.len);
	c->folder[event->data.len] = '\0';
}

/* A refusal of CHECK proves nothing, and of SEEN or LOCATE it shows later. */
static void
step_event(struct pb_commit *c, const struct pb_imap_event *event)
{
	if (event->type == PB_IMAP_EVENT_STATUS &&
	    c->step == PB_COMMIT_CHECK && c->sent > 0)
		checked(c, event);
	if (event->type == PB_IMAP_EVENT_MAILBOX &&
	    c->step == PB_COMMIT_LOCATE)
		note_folder(c, event);
	/* One that was under way before only makes room. */
	if (event->type == PB_IMAP_EVENT_DONE && event->id > c->before) {
		pb_check(c->waiting > 0);
		c->waiting--;
	}
}

enum pb_status
pb_commit_event(struct pb_commit *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	enum pb_status st = PB_OK;

	if (c->step == PB_COMMIT_DONE)
		return PB_OK;
	c->vanished += event->type == PB_IMAP_EVENT_EXPUNGE;
	if (c->step != PB_COMMIT_REMOVE)
		step_event(c, event);
	else if (c->lone)
		st = pb_lone_expunge_event(&c->lone_expunge, imap, event);
	else
		st = pb_set_removal_event(&c->sets, imap, event);
	return st == PB_OK ? go_on(c, imap) : st;
}
