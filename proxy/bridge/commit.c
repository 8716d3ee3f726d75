#include "popbridge/bridge/commit.h"

#include <stdlib.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* How often others may get in between before we leave it. */
#define ROUNDS_MAX 3

static void
list_fini(struct pb_commit_list *list)
{
	pb_free(list->uids);
	*list = (struct pb_commit_list){ .n = 0 };
}

void
pb_commit_fini(struct pb_commit *c)
{
	list_fini(&c->ours);
	list_fini(&c->seen);
	list_fini(&c->theirs);
	list_fini(&c->found);
	c->step = PB_COMMIT_DONE;
}

size_t
pb_commit_missing(const struct pb_commit *c)
{
	return c->ours.n - c->removed;
}

const char *
pb_commit_trouble(const struct pb_commit *c)
{
	if (c->gave_up)
		return "the server has no UID EXPUNGE and others keep "
		    "flagging messages; ours stay flagged \\Deleted";
	if (c->refused)
		return "the server refused a STORE or SEARCH, so nothing was "
		    "expunged; messages may stay flagged \\Deleted";
	return "the server refused to expunge; messages stay flagged "
	    "\\Deleted";
}

static bool
contains(const struct pb_commit_list *list, uint32_t uid)
{
	size_t from = 0;
	size_t to = list->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (list->uids[middle] == uid)
			return true;
		if (list->uids[middle] < uid)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

static enum pb_status
append(struct pb_commit_list *list, uint32_t uid)
{
	if (list->n == list->cap) {
		size_t cap = list->cap > 0 ? list->cap * 2 : 64;
		uint32_t *uids;

		if (list->n >= PB_LISTING_MAX)
			return PB_ENOMEM;
		uids = pb_realloc(list->uids, cap * sizeof(*uids));
		if (uids == NULL)
			return PB_ENOMEM;
		list->uids = uids;
		list->cap = cap;
	}
	list->uids[list->n++] = uid;
	return PB_OK;
}

/* The step's STOREs: which list, which flag, on or off. */
struct store {
	const struct pb_commit_list *list;
	enum pb_imap_flag flag;
	bool add;
};

static struct store
store_of(const struct pb_commit *c)
{
	switch (c->step) {
	case PB_COMMIT_SEEN:
		return (struct store){ &c->seen, PB_IMAP_FLAG_SEEN, true };
	case PB_COMMIT_UNFLAG:
		return (struct store){ &c->theirs, PB_IMAP_FLAG_DELETED,
			false };
	case PB_COMMIT_REFLAG:
		return (struct store){ &c->theirs, PB_IMAP_FLAG_DELETED,
			true };
	case PB_COMMIT_REMOVE:
	case PB_COMMIT_FLAG:
		return (struct store){ &c->ours, PB_IMAP_FLAG_DELETED, true };
	case PB_COMMIT_FIND:
	case PB_COMMIT_PROVE:
	case PB_COMMIT_EXPUNGE:
	case PB_COMMIT_DONE:
		break;
	}
	pb_unreachable("a step that does not store");
}

/* As many sets of a plain STORE step as the pipeline takes. */
static enum pb_status
send_stores(struct pb_commit *c, struct pb_imap_client *imap)
{
	struct store store = store_of(c);

	while (c->sent < store.list->n && pb_imap_client_room(imap) > 0) {
		const uint32_t *uids = store.list->uids + c->sent;
		size_t n = pb_imap_set_take(uids, store.list->n - c->sent);
		enum pb_status st = pb_imap_client_store(imap, uids, n,
		    store.add, store.flag, NULL);

		if (st != PB_OK)
			return st;
		c->sent += n;
		c->waiting++;
	}
	return PB_OK;
}

/*
 * A set is expunged when its STORE is answered, not behind it at once: where
 * others expunge at the same moment, Dovecot 2.3 leaves what a STORE has
 * flagged that it has not answered yet, and says OK.
 */
static enum pb_status
send_sets(struct pb_commit *c, struct pb_imap_client *imap)
{
	while (c->sent < c->ours.n && pb_imap_client_room(imap) > 0 &&
	    c->n_sets < PB_IMAP_PIPELINE_MAX / 2) {
		const uint32_t *uids = c->ours.uids + c->sent;
		size_t n = pb_imap_set_take(uids, c->ours.n - c->sent);
		uint32_t id;
		enum pb_status st = pb_imap_client_store(imap, uids, n, true,
		    PB_IMAP_FLAG_DELETED, &id);

		if (st != PB_OK)
			return st;
		c->sets[c->n_sets++] = (struct pb_commit_set){ .id = id,
			.uids = uids, .n = n };
		c->sent += n;
		c->waiting++;
	}
	return PB_OK;
}

static enum pb_status
send_one(struct pb_commit *c, struct pb_imap_client *imap)
{
	enum pb_status st;

	if (c->sent > 0 || pb_imap_client_room(imap) == 0)
		return PB_OK;
	st = c->step == PB_COMMIT_EXPUNGE
	    ? pb_imap_client_expunge(imap, NULL)
	    : pb_imap_client_search_deleted(imap, NULL);
	c->sent = 1;
	c->waiting++;
	return st;
}

static enum pb_status
send(struct pb_commit *c, struct pb_imap_client *imap)
{
	switch (c->step) {
	case PB_COMMIT_SEEN:
	case PB_COMMIT_UNFLAG:
	case PB_COMMIT_FLAG:
	case PB_COMMIT_REFLAG:
		return send_stores(c, imap);
	case PB_COMMIT_REMOVE:
		return send_sets(c, imap);
	case PB_COMMIT_FIND:
	case PB_COMMIT_PROVE:
	case PB_COMMIT_EXPUNGE:
		return send_one(c, imap);
	case PB_COMMIT_DONE:
		break;
	}
	return PB_OK;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* In order and each once, so that they make few and short sets. */
static void
tidy(struct pb_commit_list *list)
{
	size_t kept = 0;
	size_t i;

	if (list->n > 0)
		qsort(list->uids, list->n, sizeof(*list->uids), by_value);
	for (i = 0; i < list->n; i++) {
		if (kept == 0 || list->uids[kept - 1] != list->uids[i])
			list->uids[kept++] = list->uids[i];
	}
	list->n = kept;
}

/* The answer to "who is \Deleted" is in: note those that are not ours. */
static enum pb_status
note_theirs(struct pb_commit *c, bool *alone)
{
	size_t i;

	*alone = true;
	for (i = 0; i < c->found.n; i++) {
		uint32_t uid = c->found.uids[i];

		if (contains(&c->ours, uid))
			continue;
		*alone = false;
		if (append(&c->theirs, uid) != PB_OK)
			return PB_ENOMEM;
	}
	list_fini(&c->found);
	tidy(&c->theirs);
	return PB_OK;
}

/* All commands of the step are answered: which step is next? */
static enum pb_status
advance(struct pb_commit *c, struct pb_imap_client *imap)
{
	bool alone = true;

	switch (c->step) {
	case PB_COMMIT_SEEN:
		c->step = PB_COMMIT_DONE;
		if (c->ours.n > 0)
			c->step = pb_imap_client_has_uid_expunge(imap)
			    ? PB_COMMIT_REMOVE : PB_COMMIT_FIND;
		break;
	case PB_COMMIT_FIND:
		if (note_theirs(c, &alone) != PB_OK)
			return PB_ENOMEM;
		c->step = c->refused ? PB_COMMIT_DONE : PB_COMMIT_UNFLAG;
		break;
	case PB_COMMIT_UNFLAG:
		c->step = c->refused ? PB_COMMIT_REFLAG : PB_COMMIT_FLAG;
		break;
	case PB_COMMIT_FLAG:
		c->step = c->refused ? PB_COMMIT_REFLAG : PB_COMMIT_PROVE;
		break;
	case PB_COMMIT_PROVE:
		if (note_theirs(c, &alone) != PB_OK)
			return PB_ENOMEM;
		c->gave_up = !alone && ++c->rounds == ROUNDS_MAX;
		if (c->refused || c->gave_up)
			c->step = PB_COMMIT_REFLAG;
		else
			c->step = alone ? PB_COMMIT_EXPUNGE : PB_COMMIT_UNFLAG;
		break;
	case PB_COMMIT_EXPUNGE:
		c->step = PB_COMMIT_REFLAG;
		break;
	case PB_COMMIT_REMOVE:
	case PB_COMMIT_REFLAG:
	case PB_COMMIT_DONE:
		c->step = PB_COMMIT_DONE;
		break;
	}
	c->sent = 0;
	c->answered = false;
	return PB_OK;
}

/* The pipeline may have had no room for all of the step. */
static bool
is_sent(const struct pb_commit *c)
{
	switch (c->step) {
	case PB_COMMIT_SEEN:
	case PB_COMMIT_UNFLAG:
	case PB_COMMIT_FLAG:
	case PB_COMMIT_REFLAG:
	case PB_COMMIT_REMOVE:
		return c->sent == store_of(c).list->n;
	case PB_COMMIT_FIND:
	case PB_COMMIT_PROVE:
	case PB_COMMIT_EXPUNGE:
		return c->sent > 0;
	case PB_COMMIT_DONE:
		break;
	}
	return false;
}

/* Send what can be sent; pass over steps that have nothing to wait for. */
static enum pb_status
go_on(struct pb_commit *c, struct pb_imap_client *imap)
{
	enum pb_status st = send(c, imap);

	while (st == PB_OK && c->waiting == 0 && is_sent(c)) {
		st = advance(c, imap);
		if (st == PB_OK)
			st = send(c, imap);
	}
	return st;
}

enum pb_status
pb_commit_begin(struct pb_commit *c, const struct pb_maildrop *maildrop,
    struct pb_imap_client *imap)
{
	enum pb_status st;

	*c = (struct pb_commit){ .step = PB_COMMIT_SEEN };
	st = pb_maildrop_deleted(maildrop, &c->ours.uids, &c->ours.n);
	if (st == PB_OK)
		st = pb_maildrop_seen(maildrop, &c->seen.uids, &c->seen.n);
	return st == PB_OK ? go_on(c, imap) : st;
}

enum pb_status
pb_commit_begin_with(struct pb_commit *c, uint32_t *uids, size_t n,
    struct pb_imap_client *imap)
{
	*c = (struct pb_commit){ .step = PB_COMMIT_SEEN,
		.ours = { .uids = uids, .n = n } };
	return go_on(c, imap);
}

/* What we could not flag is not expunged: it would be for somebody else. */
static enum pb_status
note_set(struct pb_commit *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	bool ok = event->condition == PB_IMAP_OK;
	struct pb_commit_set *set = c->sets;

	while (set < c->sets + c->n_sets && set->id != event->id)
		set++;
	if (set == c->sets + c->n_sets)
		return PB_OK;
	if (ok && !set->flagged) {
		set->flagged = true;
		c->waiting++;
		return pb_imap_client_uid_expunge(imap, set->uids, set->n,
		    &set->id);
	}
	if (ok)
		c->removed += set->n;
	*set = c->sets[--c->n_sets];
	return PB_OK;
}

/*
 * Without UID EXPUNGE: once a STORE or SEARCH was refused, nobody knows whose
 * messages are flagged, and nothing may be expunged.  A SEARCH without a
 * result that we understood is no answer either.
 */
static enum pb_status
note_step(struct pb_commit *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	bool ok = event->condition == PB_IMAP_OK;

	switch (c->step) {
	case PB_COMMIT_FIND:
	case PB_COMMIT_PROVE:
		c->refused = c->refused || !ok || !c->answered;
		break;
	case PB_COMMIT_UNFLAG:
	case PB_COMMIT_FLAG:
		c->refused = c->refused || !ok;
		break;
	case PB_COMMIT_EXPUNGE:
		if (ok)
			c->removed = c->ours.n;
		break;
	case PB_COMMIT_REMOVE:
		return note_set(c, imap, event);
	case PB_COMMIT_SEEN:
	case PB_COMMIT_REFLAG:
	case PB_COMMIT_DONE:
		break;
	}
	return PB_OK;
}

static enum pb_status
note_found(struct pb_commit *c, const struct pb_imap_event *event)
{
	size_t i;

	c->answered = true;
	for (i = 0; i < event->n_ranges; i++) {
		uint64_t uid = event->ranges[i].first;

		for (; uid <= event->ranges[i].last; uid++) {
			if (append(&c->found, (uint32_t)uid) != PB_OK)
				return PB_ENOMEM;
		}
	}
	return PB_OK;
}

enum pb_status
pb_commit_event(struct pb_commit *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	enum pb_status st;

	if (event->type == PB_IMAP_EVENT_FOUND)
		return note_found(c, event);
	if (event->type != PB_IMAP_EVENT_DONE)
		return PB_OK;
	/* One that was under way before: there is more room now. */
	if (event->kind == PB_IMAP_COMMAND_BODIES)
		return go_on(c, imap);
	pb_check(c->waiting > 0);
	c->waiting--;
	st = note_step(c, imap, event);
	return st == PB_OK ? go_on(c, imap) : st;
}
