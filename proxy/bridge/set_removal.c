#include "popbridge/bridge/set_removal.h"

#include "popbridge/base/check.h"

#define SETS_MAX (PB_IMAP_PIPELINE_MAX / 2)

/* How often others may expunge some of a set while it is moved. */
#define REFRESHES_MAX 3

void
pb_set_removal_fini(struct pb_set_removal *r)
{
	pb_uid_list_fini(&r->removed);
	pb_uid_list_fini(&r->copied);
	r->n_sets = 0;
	r->list = NULL;
}

bool
pb_set_removal_is_done(const struct pb_set_removal *r)
{
	return r->n_sets == 0 && (r->list == NULL || r->sent == r->list->n);
}

static enum pb_set_step
first_step(enum pb_set_way way)
{
	switch (way) {
	case PB_SET_MOVE:
	case PB_SET_COPY:
		return PB_SET_STEP_TRANSFER;
	case PB_SET_EXPUNGE:
	case PB_SET_FLAG:
		break;
	}
	return PB_SET_STEP_STORE;
}

/* The command of the set's step. */
static enum pb_status
send_set(struct pb_set_removal *r, struct pb_imap_client *imap,
    struct pb_set *set)
{
	switch (set->step) {
	case PB_SET_STEP_CREATE:
		set->id = r->create_id;
		return PB_OK;
	case PB_SET_STEP_REFRESH:
		return pb_imap_client_noop(imap, &set->id);
	case PB_SET_STEP_TRANSFER:
		return r->way == PB_SET_MOVE
		    ? pb_imap_client_uid_move(imap, set->uids, set->n,
			r->folder, &set->id)
		    : pb_imap_client_uid_copy(imap, set->uids, set->n,
			r->folder, &set->id);
	case PB_SET_STEP_STORE:
		return pb_imap_client_store(imap, set->uids, set->n, true,
		    r->way == PB_SET_FLAG ? PB_IMAP_FLAG_POP3_DELETED
					  : PB_IMAP_FLAG_DELETED, &set->id);
	case PB_SET_STEP_EXPUNGE:
		break;
	}
	return pb_imap_client_uid_expunge(imap, set->uids, set->n, &set->id);
}

/* No command can name it, so nothing goes there. */
static void
leave_folder(struct pb_set_removal *r)
{
	r->trouble = "the folder for deleted messages has a name that cannot "
	    "be sent, so they stay where they are: set delete-folder";
	r->sent = r->list->n;
}

/*
 * A set is expunged when its STORE is answered, not behind it at once: where
 * others expunge at the same moment, Dovecot 2.3 leaves what a STORE has
 * flagged that it has not answered yet, and says OK.
 */
static enum pb_status
send_new(struct pb_set_removal *r, struct pb_imap_client *imap)
{
	while (r->sent < r->list->n && pb_imap_client_room(imap) > 0 &&
	    r->n_sets < SETS_MAX) {
		const uint32_t *uids = r->list->uids + r->sent;
		struct pb_set *set = &r->sets[r->n_sets];
		enum pb_status st;

		*set = (struct pb_set){ .step = first_step(r->way),
			.uids = uids,
			.n = pb_imap_set_take(uids, r->list->n - r->sent) };
		st = send_set(r, imap, set);
		if (st == PB_EINVAL) {
			leave_folder(r);
			return PB_OK;
		}
		if (st != PB_OK)
			return st;
		r->n_sets++;
		r->sent += set->n;
	}
	return PB_OK;
}

/* Those that are under way go on first. */
static enum pb_status
send(struct pb_set_removal *r, struct pb_imap_client *imap)
{
	enum pb_status st = PB_OK;
	unsigned i;

	for (i = 0; st == PB_OK && i < r->n_sets; i++) {
		if (r->sets[i].id == 0 && pb_imap_client_room(imap) > 0)
			st = send_set(r, imap, &r->sets[i]);
	}
	return st == PB_OK ? send_new(r, imap) : st;
}

enum pb_status
pb_set_removal_begin(struct pb_set_removal *r, enum pb_set_way way,
    const struct pb_uid_list *list, struct pb_imap_client *imap)
{
	r->way = way;
	r->list = list;
	r->sent = 0;
	r->n_sets = 0;
	r->create = PB_SET_CREATE_NOT_YET;
	return send(r, imap);
}

static void
drop_set(struct pb_set_removal *r, struct pb_set *set)
{
	*set = r->sets[--r->n_sets];
}

static void
fail_set(struct pb_set_removal *r, struct pb_set *set,
    const struct pb_imap_event *event, const char *trouble)
{
	if (r->trouble == NULL) {
		r->trouble = trouble;
		if (event->condition != PB_IMAP_OK)
			r->refusal = event->error;
	}
	drop_set(r, set);
}

static const char *
trouble_at(const struct pb_set_removal *r, enum pb_set_step step)
{
	switch (step) {
	case PB_SET_STEP_CREATE:
		return "the server refused to move or copy messages to the "
		    "folder for deleted ones, and to make it, so they stay "
		    "where they are";
	case PB_SET_STEP_REFRESH:
	case PB_SET_STEP_TRANSFER:
		return "the server refused to move or copy messages to the "
		    "folder for deleted ones, so they stay where they are";
	case PB_SET_STEP_STORE:
		return r->way == PB_SET_FLAG
		    ? "the server refused to flag messages, so they are not "
		    "hidden"
		    : "the server refused a STORE, so nothing was expunged; "
		    "messages may stay flagged \\Deleted";
	case PB_SET_STEP_EXPUNGE:
		break;
	}
	return "the server refused to expunge; messages stay flagged "
	    "\\Deleted";
}

static bool
is_named(const struct pb_imap_event *event, uint32_t uid)
{
	size_t i;

	for (i = 0; i < event->n_ranges; i++) {
		if (uid >= event->ranges[i].first &&
		    uid <= event->ranges[i].last)
			return true;
	}
	return false;
}

/* Has the server named a copy of each? */
static bool
is_proven(const struct pb_set *set, const struct pb_imap_event *event)
{
	size_t i;

	for (i = 0; event->has_copied && i < set->n; i++) {
		if (!is_named(event, set->uids[i]))
			return false;
	}
	return event->has_copied;
}

static enum pb_status
go_to(struct pb_set_removal *r, struct pb_imap_client *imap,
    struct pb_set *set, enum pb_set_step step)
{
	set->step = step;
	set->id = 0;
	return pb_imap_client_room(imap) > 0 ? send_set(r, imap, set) : PB_OK;
}

static enum pb_status
removed(struct pb_set_removal *r, struct pb_set *set)
{
	enum pb_status st = pb_uid_list_append(&r->removed, set->uids, set->n);

	drop_set(r, set);
	return st;
}

static enum pb_status
transferred(struct pb_set_removal *r, struct pb_imap_client *imap,
    struct pb_set *set, const struct pb_imap_event *event)
{
	enum pb_status st;

	if (r->way == PB_SET_MOVE)
		return removed(r, set);
	if (!is_proven(set, event)) {
		fail_set(r, set, event, "the server does not say that each "
		    "message was copied to the folder for deleted ones, so "
		    "they stay where they are");
		return PB_OK;
	}
	st = pb_uid_list_append(&r->copied, set->uids, set->n);
	return st == PB_OK ? go_to(r, imap, set, PB_SET_STEP_STORE) : st;
}

/* The folder is not there: make it, once for all sets. */
static enum pb_status
create(struct pb_set_removal *r, struct pb_imap_client *imap,
    struct pb_set *set)
{
	if (r->create == PB_SET_CREATE_NOT_YET) {
		enum pb_status st = pb_imap_client_create(imap, r->folder,
		    &r->create_id);

		if (st != PB_OK)
			return st;
		r->create = PB_SET_CREATE_ASKED;
	}
	return go_to(r, imap, set, PB_SET_STEP_CREATE);
}

static enum pb_status
take_step(struct pb_set_removal *r, struct pb_imap_client *imap,
    struct pb_set *set, const struct pb_imap_event *event)
{
	bool ok = event->condition == PB_IMAP_OK;
	enum pb_set_step step = set->step;

	if (step == PB_SET_STEP_TRANSFER && event->expunged &&
	    set->refreshed++ < REFRESHES_MAX)
		return go_to(r, imap, set, PB_SET_STEP_REFRESH);
	/* Some say [TRYCREATE], others a plain NO. */
	if (step == PB_SET_STEP_TRANSFER &&
	    event->condition == PB_IMAP_NO && r->may_create && r->create != PB_SET_CREATE_ANSWERED)
		return create(r, imap, set);
	if (!ok && !(step == PB_SET_STEP_CREATE && event->already_exists)) {
		fail_set(r, set, event, trouble_at(r, step));
		return PB_OK;
	}
	switch (step) {
	case PB_SET_STEP_CREATE:
	case PB_SET_STEP_REFRESH:
		return go_to(r, imap, set, PB_SET_STEP_TRANSFER);
	case PB_SET_STEP_TRANSFER:
		return transferred(r, imap, set, event);
	case PB_SET_STEP_STORE:
		return r->way == PB_SET_FLAG ? removed(r, set)
		    : go_to(r, imap, set, PB_SET_STEP_EXPUNGE);
	case PB_SET_STEP_EXPUNGE:
		break;
	}
	return removed(r, set);
}

enum pb_status
pb_set_removal_event(struct pb_set_removal *r, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	enum pb_status st = PB_OK;
	unsigned i;

	if (event->type != PB_IMAP_EVENT_DONE)
		return PB_OK;
	if (r->create == PB_SET_CREATE_ASKED && event->id == r->create_id)
		r->create = PB_SET_CREATE_ANSWERED;
	/* Backwards: a set that is dropped is replaced by the last one. */
	for (i = r->n_sets; st == PB_OK && i > 0; i--) {
		if (r->sets[i - 1].id == event->id)
			st = take_step(r, imap, &r->sets[i - 1], event);
	}
	return st == PB_OK ? send(r, imap) : st;
}
