#include "popbridge/bridge/lone_expunge.h"

#include "popbridge/base/check.h"

/* How often others may get in between before we leave it. */
#define ROUNDS_MAX 3

/* The commands of a look. */
enum { LOOK_REFRESH, LOOK_SEARCH, LOOK_COMMANDS };

void
pb_lone_expunge_fini(struct pb_lone_expunge *l)
{
	pb_uid_list_fini(&l->theirs);
	pb_uid_list_fini(&l->found);
	l->step = PB_LONE_DONE;
}

const char *
pb_lone_expunge_trouble(const struct pb_lone_expunge *l)
{
	if (l->gave_up)
		return "the server has no UID EXPUNGE and others keep "
		    "flagging messages; ours stay flagged \\Deleted";
	if (l->refused)
		return "the server refused a STORE or SEARCH, so nothing was "
		    "expunged; messages may stay flagged \\Deleted";
	if (l->expunged)
		return "the server said OK to EXPUNGE, but messages are still "
		    "there, or it does not say whether they are";
	return "the server refused to expunge; messages stay flagged "
	    "\\Deleted";
}

size_t
pb_lone_expunge_beyond(const struct pb_lone_expunge *l)
{
	return l->went > l->flagged ? l->went - l->flagged : 0;
}

/* The step's STOREs: which list, on or off. */
static const struct pb_uid_list *
list_of(const struct pb_lone_expunge *l, bool *add)
{
	switch (l->step) {
	case PB_LONE_UNFLAG:
		*add = false;
		return &l->theirs;
	case PB_LONE_REFLAG:
		*add = true;
		return &l->theirs;
	case PB_LONE_FLAG:
		*add = true;
		return l->ours;
	case PB_LONE_FIND:
	case PB_LONE_PROVE:
	case PB_LONE_EXPUNGE:
	case PB_LONE_CONFIRM:
	case PB_LONE_DONE:
		break;
	}
	pb_unreachable("a step that does not store");
}

/* As many sets of a STORE step as the pipeline takes. */
static enum pb_status
send_stores(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	bool add;
	const struct pb_uid_list *list = list_of(l, &add);

	while (l->sent < list->n && pb_imap_client_room(imap) > 0) {
		const uint32_t *uids = list->uids + l->sent;
		size_t n = pb_imap_set_take(uids, list->n - l->sent);
		enum pb_status st = pb_imap_client_store(imap, uids, n, add,
		    PB_IMAP_FLAG_DELETED, NULL);

		if (st != PB_OK)
			return st;
		l->sent += n;
		l->waiting++;
	}
	return PB_OK;
}

/*
 * imap4d sees what others have removed and flagged at SELECT only, and when
 * they have, it removes nothing and says OK.
 */
static enum pb_status
send_refresh(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	return l->step == PB_LONE_PROVE ? pb_imap_client_noop(imap, NULL)
	    : pb_imap_client_select(imap, l->mailbox);
}

static enum pb_status
send_search(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	return l->step == PB_LONE_CONFIRM
	    ? pb_imap_client_search_all(imap, NULL)
	    : pb_imap_client_search_deleted(imap, NULL);
}

static enum pb_status
send_look(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	while (l->sent < LOOK_COMMANDS && pb_imap_client_room(imap) > 0) {
		enum pb_status st = l->sent == LOOK_REFRESH
		    ? send_refresh(l, imap) : send_search(l, imap);

		if (st != PB_OK)
			return st;
		l->sent++;
		l->waiting++;
	}
	return PB_OK;
}

static enum pb_status
send_expunge(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	if (l->sent > 0 || pb_imap_client_room(imap) == 0)
		return PB_OK;
	l->sent = 1;
	l->waiting++;
	return pb_imap_client_expunge(imap, NULL);
}

static enum pb_status
send(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	switch (l->step) {
	case PB_LONE_UNFLAG:
	case PB_LONE_FLAG:
	case PB_LONE_REFLAG:
		return send_stores(l, imap);
	case PB_LONE_FIND:
	case PB_LONE_PROVE:
	case PB_LONE_CONFIRM:
		return send_look(l, imap);
	case PB_LONE_EXPUNGE:
		return send_expunge(l, imap);
	case PB_LONE_DONE:
		break;
	}
	return PB_OK;
}

/* The pipeline may have had no room for all of the step. */
static bool
is_sent(const struct pb_lone_expunge *l)
{
	bool add;

	switch (l->step) {
	case PB_LONE_UNFLAG:
	case PB_LONE_FLAG:
	case PB_LONE_REFLAG:
		return l->sent == list_of(l, &add)->n;
	case PB_LONE_FIND:
	case PB_LONE_PROVE:
	case PB_LONE_CONFIRM:
		return l->sent == LOOK_COMMANDS;
	case PB_LONE_EXPUNGE:
		return l->sent > 0;
	case PB_LONE_DONE:
		break;
	}
	return false;
}

/* The answer to "who is \Deleted" is in: note those that are not ours. */
static enum pb_status
note_theirs(struct pb_lone_expunge *l, bool *alone)
{
	size_t i;

	*alone = true;
	for (i = 0; i < l->found.n; i++) {
		if (pb_uid_list_has(l->ours, l->found.uids[i]))
			continue;
		*alone = false;
		if (pb_uid_list_append(&l->theirs, &l->found.uids[i], 1) !=
		    PB_OK)
			return PB_ENOMEM;
	}
	pb_uid_list_fini(&l->found);
	pb_uid_list_tidy(&l->theirs);
	return PB_OK;
}

static void
confirm(struct pb_lone_expunge *l)
{
	size_t i;

	l->confirmed = l->answered && !l->another;
	for (i = 0; i < l->found.n; i++) {
		if (pb_uid_list_has(l->ours, l->found.uids[i]))
			l->confirmed = false;
	}
	pb_uid_list_fini(&l->found);
}

static enum pb_lone_step
proven(struct pb_lone_expunge *l, bool alone)
{
	l->gave_up = !alone && ++l->rounds == ROUNDS_MAX;
	if (l->refused || l->gave_up)
		return PB_LONE_REFLAG;
	return alone ? PB_LONE_EXPUNGE : PB_LONE_UNFLAG;
}

/* All commands of the step are answered: which step is next? */
static enum pb_status
advance(struct pb_lone_expunge *l)
{
	bool alone = true;

	switch (l->step) {
	case PB_LONE_FIND:
		if (note_theirs(l, &alone) != PB_OK)
			return PB_ENOMEM;
		l->step = l->refused ? PB_LONE_DONE : PB_LONE_UNFLAG;
		break;
	case PB_LONE_UNFLAG:
		l->step = l->refused ? PB_LONE_REFLAG : PB_LONE_FLAG;
		break;
	case PB_LONE_FLAG:
		l->step = l->refused ? PB_LONE_REFLAG : PB_LONE_PROVE;
		break;
	case PB_LONE_PROVE:
		l->flagged = l->found.n;
		if (note_theirs(l, &alone) != PB_OK)
			return PB_ENOMEM;
		l->step = proven(l, alone);
		break;
	case PB_LONE_EXPUNGE:
		l->step = l->expunged ? PB_LONE_CONFIRM : PB_LONE_REFLAG;
		break;
	case PB_LONE_CONFIRM:
		confirm(l);
		/* In another mailbox their UIDs are those of other messages. */
		l->step = l->another ? PB_LONE_DONE : PB_LONE_REFLAG;
		break;
	case PB_LONE_REFLAG:
	case PB_LONE_DONE:
		l->step = PB_LONE_DONE;
		break;
	}
	l->sent = 0;
	l->answered = false;
	return PB_OK;
}

/* Send what can be sent; pass over steps that have nothing to wait for. */
static enum pb_status
go_on(struct pb_lone_expunge *l, struct pb_imap_client *imap)
{
	enum pb_status st = send(l, imap);

	while (st == PB_OK && l->waiting == 0 && is_sent(l)) {
		st = advance(l);
		if (st == PB_OK)
			st = send(l, imap);
	}
	return st;
}

enum pb_status
pb_lone_expunge_begin(struct pb_lone_expunge *l,
    const struct pb_uid_list *ours, const char *mailbox,
    struct pb_imap_client *imap)
{
	struct pb_uid_list theirs = l->theirs;

	pb_uid_list_fini(&l->found);
	*l = (struct pb_lone_expunge){ .step = PB_LONE_FIND, .ours = ours,
		.mailbox = mailbox, .uidvalidity = imap->uidvalidity,
		.theirs = theirs, .before = imap->last_id };
	return go_on(l, imap);
}

/*
 * Once a STORE or SEARCH was refused, nobody knows whose messages are flagged,
 * and nothing may be expunged.  A SEARCH without a result that we understood
 * is no answer either.
 */
static void
note_step(struct pb_lone_expunge *l, const struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	bool ok = event->condition == PB_IMAP_OK;

	if (event->kind == PB_IMAP_COMMAND_SELECT)
		l->another = !ok || !imap->has_uidvalidity ||
		    imap->uidvalidity != l->uidvalidity;
	switch (l->step) {
	case PB_LONE_FIND:
	case PB_LONE_PROVE:
		if (event->kind == PB_IMAP_COMMAND_SEARCH)
			l->refused = l->refused || !ok || !l->answered ||
			    l->another;
		break;
	case PB_LONE_UNFLAG:
	case PB_LONE_FLAG:
		l->refused = l->refused || !ok;
		break;
	case PB_LONE_EXPUNGE:
		l->expunged = ok;
		break;
	case PB_LONE_CONFIRM:
		if (event->kind == PB_IMAP_COMMAND_SEARCH && !ok)
			l->answered = false;
		break;
	case PB_LONE_REFLAG:
	case PB_LONE_DONE:
		break;
	}
}

static enum pb_status
note_found(struct pb_lone_expunge *l, const struct pb_imap_event *event)
{
	size_t i;

	l->answered = true;
	for (i = 0; i < event->n_ranges; i++) {
		if (pb_uid_list_append_range(&l->found,
		    event->ranges[i].first, event->ranges[i].last) != PB_OK)
			return PB_ENOMEM;
	}
	return PB_OK;
}

enum pb_status
pb_lone_expunge_event(struct pb_lone_expunge *l, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	bool is_ours = event->id > l->before;

	if (event->type == PB_IMAP_EVENT_FOUND && is_ours)
		return note_found(l, event);
	l->went += event->type == PB_IMAP_EVENT_EXPUNGE &&
	    l->step == PB_LONE_EXPUNGE;
	if (event->type != PB_IMAP_EVENT_DONE)
		return PB_OK;
	/* One that was under way before only makes room. */
	if (is_ours) {
		pb_check(l->waiting > 0);
		l->waiting--;
		note_step(l, imap, event);
	}
	return go_on(l, imap);
}
