#include "popbridge/bridge/census.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/imap/excuse.h"

void
pb_census_init(struct pb_census *c, struct pb_listing *known)
{
	*c = (struct pb_census){ .phase = PB_CENSUS_ALL };
	if (known != NULL && known->uidnext != 0) {
		c->known = pb_listing_ref(known);
		c->phase = PB_CENSUS_LOOK;
	}
}

void
pb_census_fini(struct pb_census *c)
{
	pb_listing_unref(&c->known);
	pb_listing_unref(&c->listing);
	pb_draft_clear(&c->draft);
	pb_free(c->dead);
	*c = (struct pb_census){ .phase = PB_CENSUS_ALL };
}

/*
 * A command that cannot be sent breaks the client, and whoever owns that looks
 * for it.
 */
static void
sent(enum pb_status st)
{
	(void)st;
}

/*
 * The last known message, if there is one: who says that all are there must name
 * it.  ("n:*" should name the last message whatever n is, but Courier does not.)
 */
static uint32_t
look_from(const struct pb_listing *known)
{
	return known->count > 0 ? known->uids[known->count - 1]
	    : known->uidnext;
}

void
pb_census_begin(struct pb_census *c, struct pb_imap_client *imap,
    const char *mailbox)
{
	/* Both at once: what SELECT says decides if the rest counts. */
	if (pb_imap_client_select(imap, mailbox) != PB_OK)
		return;
	if (c->known != NULL) {
		sent(pb_imap_client_uids(imap, look_from(c->known)));
		return;
	}
	c->listings++;
	sent(pb_imap_client_sizes(imap, 1));
}

static enum pb_census_verdict
fail(struct pb_error *err, enum pb_error_kind kind, const char *why)
{
	pb_error_set(err, kind, PB_SCOPE_ACCOUNT, "%s", why);
	return PB_CENSUS_FAILED;
}

static enum pb_census_verdict
no_memory(struct pb_error *err)
{
	return fail(err, PB_ERROR_INTERNAL, "no memory for the listing");
}

static enum pb_census_verdict
too_many(struct pb_error *err)
{
	return fail(err, PB_ERROR_PERMANENT,
	    "the mailbox has more messages than a maildrop may have");
}

/* What is known is of no use: fetch it all. */
static enum pb_census_verdict
list_all(struct pb_census *c, struct pb_imap_client *imap,
    struct pb_error *err)
{
	if (c->listings++ == PB_CENSUS_LISTINGS_MAX)
		return fail(err, PB_ERROR_TEMPORARY,
		    "the mailbox changes faster than it can be listed");
	pb_listing_unref(&c->known);
	pb_free(c->dead);
	c->dead = NULL;
	c->n_marks = c->n_dead = 0;
	pb_draft_clear(&c->draft);
	c->phase = PB_CENSUS_ALL;
	c->shifted = false;
	c->unclear = false;
	c->exists_selected = c->exists;
	sent(pb_imap_client_sizes(imap, 1));
	return PB_CENSUS_GOES_ON;
}

static enum pb_census_verdict
distrust(struct pb_census *c, struct pb_imap_client *imap, const char *why,
    struct pb_error *err)
{
	pb_log(PB_LOG_INFO, "the known listing is not the mailbox's",
	    PB_LOG_STR("why", why), PB_LOG_NUM("known", c->known->count),
	    PB_LOG_NUM("exists", c->exists));
	return list_all(c, imap, err);
}

static enum pb_census_verdict
finish(struct pb_census *c, struct pb_imap_client *imap, struct pb_listing *l)
{
	l->uidvalidity = imap->uidvalidity;
	l->uidnext = c->uidnext;
	/* Who says none does not take back one that was said, either. */
	if (l->uidnext == 0)
		l->uidnext = c->known != NULL ? c->known->uidnext : 1;
	/* What has come since SELECT is listed, too. */
	if (l->uidnext != 0 && l->count > 0 &&
	    l->uids[l->count - 1] >= l->uidnext)
		l->uidnext = l->uids[l->count - 1] == UINT32_MAX
		    ? 0 : l->uids[l->count - 1] + 1;
	if (pb_listing_seal(l) != PB_OK) {
		pb_listing_unref(&l);
		return PB_CENSUS_FAILED;
	}
	c->listing = l;
	return PB_CENSUS_DONE;
}

static uint32_t
count_doubtful(const struct pb_draft *d, const struct pb_imap_client *imap)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < d->count; i++)
		n += d->sizes[i] == 0 || (imap->makes_excuses &&
		    pb_imap_excuse(d->sizes[i]).len > 0);
	return n;
}

/* All messages were listed: is it the whole mailbox? */
static enum pb_census_verdict
all_listed(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	/* In an empty mailbox 1:* names nothing, and some servers say so. */
	bool refused = event->condition != PB_IMAP_OK && c->exists > 0;
	struct pb_listing *l;

	if (refused && !event->expunged) {
		*err = event->error;
		return PB_CENSUS_FAILED;
	}
	if (refused || c->shifted || c->draft.count > c->exists)
		return list_all(c, imap, err);
	switch (pb_draft_check(&c->draft, c->exists_selected, err)) {
	case PB_OK:
		break;
	case PB_EPROTO:
		return event->expunged ? list_all(c, imap, err)
		    : PB_CENSUS_FAILED;
	case PB_AGAIN:
	case PB_EOF:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EINVAL:
	case PB_EIO:
		return no_memory(err);
	}
	c->n_doubtful = count_doubtful(&c->draft, imap);
	l = pb_draft_listing(&c->draft);
	if (l == NULL)
		return no_memory(err);
	if (finish(c, imap, l) == PB_CENSUS_DONE)
		return PB_CENSUS_DONE;
	return fail(err, PB_ERROR_PROTOCOL,
	    "the IMAP server's listing cannot be trusted: its UIDs are none");
}

/* Known messages count from 0, new ones behind them. */
static bool
is_dead(const struct pb_census *c, uint32_t i)
{
	return i < c->n_marks && (c->dead[i / 8] >> (i % 8) & 1) != 0;
}

/* The last message that was listed is the last of those that are left. */
static bool
last_fits(const struct pb_census *c)
{
	uint32_t known = c->known->count;
	uint32_t n = known + c->draft.count;
	uint32_t i = n;

	if (c->last_seq == 0)
		return true;
	while (i > 0 && is_dead(c, i - 1))
		i--;
	return i > 0 && c->last_seq == n - c->n_dead && c->last_uid ==
	    (i > known ? c->draft.uids[i - 1 - known] : c->known->uids[i - 1]);
}

/* New messages that were there when SELECT was answered. */
static uint32_t
news_selected(const struct pb_census *c)
{
	uint32_t n = 0;
	uint32_t i;

	for (i = 0; i < c->draft.count; i++)
		n += c->draft.uids[i] < c->uidnext;
	return n;
}

/*
 * Are all known messages there, and with new ones as many as there are?  Where
 * SELECT says no UIDNEXT, what has come since cannot be told from what was
 * there, so all is counted.
 */
static bool
all_there(const struct pb_census *c)
{
	uint32_t known = c->known->count;

	if (known > 0 && !c->witness)
		return false;
	return c->uidnext != 0
	    ? (uint64_t)known + news_selected(c) == c->exists_selected
	    : (uint64_t)known + c->draft.count == c->exists;
}

/* Known messages that are left, and new ones, make the listing. */
static enum pb_census_verdict
combine(struct pb_census *c, struct pb_imap_client *imap, struct pb_error *err)
{
	struct pb_listing *known = c->known;
	uint32_t count = known->count + c->draft.count - c->n_dead;
	struct pb_listing *l;
	uint32_t n = 0;
	uint32_t i;

	if (count > PB_LISTING_MAX)
		return too_many(err);
	if (c->n_dead == 0 && c->draft.count == 0 &&
	    (c->uidnext == 0 || known->uidnext == c->uidnext)) {
		c->listing = pb_listing_ref(known);
		return PB_CENSUS_DONE;
	}
	c->n_doubtful = count_doubtful(&c->draft, imap);
	l = pb_listing_new(count);
	if (l == NULL)
		return no_memory(err);
	for (i = 0; i < known->count; i++) {
		if (is_dead(c, i))
			continue;
		l->uids[n] = known->uids[i];
		l->sizes[n++] = known->sizes[i];
	}
	for (i = 0; i < c->draft.count; i++) {
		if (is_dead(c, known->count + i))
			continue;
		l->uids[n] = c->draft.uids[i];
		l->sizes[n++] = c->draft.sizes[i];
	}
	pb_check(n == l->count);
	if (finish(c, imap, l) == PB_CENSUS_DONE)
		return PB_CENSUS_DONE;
	return distrust(c, imap, "new messages do not follow the known ones",
	    err);
}

static bool
make_marks(struct pb_census *c, uint32_t n)
{
	pb_free(c->dead);
	c->dead = pb_alloc(n / 8 + 1);
	c->n_marks = c->dead != NULL ? n : 0;
	c->n_dead = 0;
	return c->dead != NULL;
}

static void
set_dead(struct pb_census *c, uint32_t i, bool dead)
{
	uint8_t bit = (uint8_t)(1u << (i % 8));

	if (is_dead(c, i) == dead)
		return;
	c->dead[i / 8] ^= bit;
	c->n_dead = dead ? c->n_dead + 1 : c->n_dead - 1;
}

/*
 * Messages in the range die, or live again; returns how many of `uids` are in
 * it.  `base` is the place of the first of them among the marks.
 */
static uint32_t
mark(struct pb_census *c, const struct pb_imap_range *range,
    const uint32_t *uids, uint32_t count, uint32_t base, bool dead)
{
	uint32_t from = 0;
	uint32_t to = count;
	uint32_t i;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (uids[middle] < range->first)
			from = middle + 1;
		else
			to = middle;
	}
	for (i = from; i < count && uids[i] <= range->last; i++)
		set_dead(c, base + i, dead);
	return i - from;
}

static uint32_t
mark_known(struct pb_census *c, const struct pb_imap_range *range, bool dead)
{
	return mark(c, range, c->known->uids, c->known->count, 0, dead);
}

static uint32_t
mark_news(struct pb_census *c, const struct pb_imap_range *range, bool dead)
{
	return mark(c, range, c->draft.uids, c->draft.count, c->known->count,
	    dead);
}

/* Nobody is alive but whom the SEARCH names. */
static enum pb_census_verdict
ask_alive(struct pb_census *c, struct pb_imap_client *imap,
    struct pb_error *err)
{
	uint32_t n = c->known->count + c->draft.count;
	uint32_t i;

	if (!make_marks(c, n))
		return no_memory(err);
	for (i = 0; i < n; i++)
		set_dead(c, i, true);
	c->phase = PB_CENSUS_ALIVE;
	/* Places have changed since. */
	if (c->shifted)
		c->last_seq = 0;
	c->shifted = false;
	c->answered = false;
	c->n_found = 0;
	sent(pb_imap_client_search_all(imap, NULL));
	return PB_CENSUS_GOES_ON;
}

/* The news are in: are they and what is known the whole mailbox? */
static enum pb_census_verdict
news_listed(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	/* In an empty mailbox n:* names nothing, and some servers say so. */
	if (event->condition != PB_IMAP_OK && c->exists > 0)
		return distrust(c, imap, "new messages cannot be listed", err);
	if (c->unclear)
		return distrust(c, imap, "a message is not the known one",
		    err);
	if (pb_draft_sort(&c->draft) != PB_OK)
		return no_memory(err);
	if (!c->shifted && last_fits(c) && all_there(c))
		return combine(c, imap, err);
	return ask_alive(c, imap, err);
}

/* All below it that are there have been listed. */
static uint32_t
listed_until(const struct pb_census *c)
{
	if (c->uidnext != 0)
		return c->uidnext;
	return c->last_uid < c->known->uidnext ? c->known->uidnext
	    : c->last_uid;
}

static void
take_found(struct pb_census *c, const struct pb_imap_event *event)
{
	size_t i;

	c->answered = true;
	/* What is of no use already is not walked through again and again. */
	for (i = 0; i < event->n_ranges && !c->unclear; i++) {
		const struct pb_imap_range *r = &event->ranges[i];
		uint64_t n = (uint64_t)r->last - r->first + 1;
		uint32_t matched = mark_known(c, r, false) +
		    mark_news(c, r, false);

		/* Who came after the news is for the next session. */
		if (n != matched && r->first < listed_until(c))
			c->unclear = true;
		if (n > PB_LISTING_MAX || c->n_found > PB_LISTING_MAX)
			c->unclear = true;
		else
			c->n_found += (uint32_t)n;
	}
}

static enum pb_census_verdict
alive_found(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	if (event->condition != PB_IMAP_OK || !c->answered)
		return distrust(c, imap, "the server does not say what is left",
		    err);
	if (c->unclear || c->shifted || c->n_found != c->exists ||
	    !last_fits(c))
		return distrust(c, imap, "what is left does not fit", err);
	return combine(c, imap, err);
}

static void
note_last(struct pb_census *c, const struct pb_imap_event *event)
{
	if (event->uid < c->last_uid)
		return;
	c->last_uid = event->uid;
	c->last_seq = event->seq;
}

/* A line of what is new, or of the last message, which may be a known one. */
static void
take_look(struct pb_census *c, const struct pb_imap_event *event)
{
	bool found = true;

	note_last(c, event);
	if (event->uid == look_from(c->known) &&
	    event->seq == c->known->count)
		c->witness = true;
	if (event->uid < c->known->uidnext)
		(void)pb_listing_find(c->known, event->uid, &found);
	if (!found)
		c->unclear = true;
}

/* The same with its size. */
static enum pb_status
take_news(struct pb_census *c, const struct pb_imap_event *event)
{
	bool found;
	uint32_t at;

	/* Flags alone say nothing about who is there. */
	if (!event->has_size)
		return PB_OK;
	note_last(c, event);
	if (event->uid >= c->known->uidnext)
		return pb_draft_put(&c->draft, c->draft.count + 1, event->uid,
		    true, (uint32_t)event->size);
	at = pb_listing_find(c->known, event->uid, &found);
	if (!found || c->known->sizes[at] != event->size)
		c->unclear = true;
	return PB_OK;
}

static enum pb_census_verdict
take_size(struct pb_census *c, const struct pb_imap_event *event,
    struct pb_error *err)
{
	enum pb_status st = PB_OK;

	switch (c->phase) {
	case PB_CENSUS_ALL:
		st = pb_draft_put(&c->draft, event->seq, event->uid,
		    event->has_size, (uint32_t)event->size);
		break;
	case PB_CENSUS_LOOK:
		take_look(c, event);
		break;
	case PB_CENSUS_NEWS:
		st = take_news(c, event);
		break;
	case PB_CENSUS_ALIVE:
		break;
	}
	if (st == PB_ETOOBIG)
		return too_many(err);
	return st == PB_OK ? PB_CENSUS_GOES_ON : no_memory(err);
}

/* The mailbox is open: is it the one that is known? */
static enum pb_census_verdict
compare(struct pb_census *c, struct pb_imap_client *imap, struct pb_error *err)
{
	if (imap->uidvalidity != c->known->uidvalidity)
		return distrust(c, imap, "its UIDVALIDITY is another", err);
	if (c->uidnext != 0 && c->uidnext < c->known->uidnext)
		return distrust(c, imap, "its UIDNEXT is lower", err);
	return PB_CENSUS_GOES_ON;
}

/* The UIDs of what is new are in, and that of the last message. */
static enum pb_census_verdict
looked(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	if (c->phase != PB_CENSUS_LOOK)
		return PB_CENSUS_GOES_ON;
	c->phase = PB_CENSUS_NEWS;
	if (event->condition != PB_IMAP_OK || c->unclear ||
	    c->last_uid < c->known->uidnext)
		return news_listed(c, imap, event, err);
	c->last_uid = c->last_seq = 0;
	sent(pb_imap_client_sizes(imap, c->known->uidnext));
	return PB_CENSUS_GOES_ON;
}

static enum pb_census_verdict
select_done(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	if (event->condition != PB_IMAP_OK) {
		*err = event->error;
		return PB_CENSUS_FAILED;
	}
	if (!imap->has_uidvalidity)
		return fail(err, PB_ERROR_PERMANENT,
		    "the mailbox has no UIDVALIDITY, so no UIDL would last");
	c->exists_selected = c->exists;
	c->uidnext = imap->uidnext;
	/* Said of the mailbox as it was selected before, if at all. */
	c->shifted = false;
	return c->known != NULL ? compare(c, imap, err) : PB_CENSUS_GOES_ON;
}

static enum pb_census_verdict
command_done(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	if (event->kind == PB_IMAP_COMMAND_SELECT)
		return select_done(c, imap, event, err);
	if (event->kind == PB_IMAP_COMMAND_UIDS)
		return looked(c, imap, event, err);
	if (event->kind == PB_IMAP_COMMAND_SIZES)
		return c->phase == PB_CENSUS_ALL
		    ? all_listed(c, imap, event, err)
		    : news_listed(c, imap, event, err);
	if (event->kind == PB_IMAP_COMMAND_SEARCH)
		return alive_found(c, imap, event, err);
	return PB_CENSUS_GOES_ON;
}

enum pb_census_verdict
pb_census_event(struct pb_census *c, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_error *err)
{
	switch (event->type) {
	case PB_IMAP_EVENT_EXISTS:
		c->exists = event->number;
		return PB_CENSUS_GOES_ON;
	case PB_IMAP_EVENT_EXPUNGE:
		c->exists -= c->exists > 0;
		c->shifted = true;
		return PB_CENSUS_GOES_ON;
	case PB_IMAP_EVENT_SIZE:
		return take_size(c, event, err);
	case PB_IMAP_EVENT_FOUND:
		if (c->phase == PB_CENSUS_ALIVE)
			take_found(c, event);
		return PB_CENSUS_GOES_ON;
	case PB_IMAP_EVENT_DONE:
		return command_done(c, imap, event, err);
	case PB_IMAP_EVENT_STARTTLS:
	case PB_IMAP_EVENT_READY:
	case PB_IMAP_EVENT_BODY_BEGIN:
	case PB_IMAP_EVENT_BODY_DATA:
	case PB_IMAP_EVENT_BODY_END:
	case PB_IMAP_EVENT_BODY_NIL:
	case PB_IMAP_EVENT_MAILBOX:
	case PB_IMAP_EVENT_STATUS:
		break;
	}
	return PB_CENSUS_GOES_ON;
}
