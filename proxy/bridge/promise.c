#include "popbridge/bridge/promise.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* What promises say of a message. */
enum { PROMISED = 1, DUE = 2 };

/* Fewer marks of messages that are gone are not worth a write. */
#define GONE_MIN 64

struct pb_promises *
pb_promises_new(size_t n)
{
	struct pb_promises *p = pb_alloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->list = pb_alloc(n * sizeof(*p->list));
	if (p->list == NULL) {
		pb_free(p);
		return NULL;
	}
	p->n = n;
	return p;
}

void
pb_promises_free(struct pb_promises **promises)
{
	struct pb_promises *p = *promises;
	size_t i;

	*promises = NULL;
	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++)
		pb_free(p->list[i].uids);
	pb_free(p->list);
	pb_free(p);
}

static bool
is_at(const struct pb_listing *listing, uint32_t at, uint32_t uid)
{
	return at < listing->count && listing->uids[at] == uid;
}

/* Mark its messages so; how many of them are there. */
static size_t
mark(const struct pb_promise *promise, const struct pb_listing *listing,
    uint8_t *marks, unsigned how)
{
	size_t there = 0;
	uint32_t at = 0;
	size_t i;

	if (promise->uidvalidity != listing->uidvalidity)
		return 0;
	for (i = 0; i < promise->n; i++) {
		bool found = is_at(listing, at, promise->uids[i]);

		/* Marks come in runs, in which the next is the next one. */
		if (!found)
			at = pb_listing_find(listing, promise->uids[i],
			    &found);
		if (!found)
			continue;
		there++;
		marks[at++] |= (uint8_t)how;
	}
	return there;
}

static uint32_t
count(const uint8_t *marks, uint32_t n, unsigned which)
{
	uint32_t found = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		found += (marks[i] & which) != 0;
	return found;
}

/* What is left of the listing, and what is to be removed now. */
static enum pb_status
divide(const uint8_t *marks, struct pb_listing *listing,
    struct pb_promises_look *look)
{
	uint32_t promised = count(marks, listing->count, PROMISED);
	uint32_t due = count(marks, listing->count, DUE);
	struct pb_listing *rest = pb_listing_new(listing->count - promised);
	uint32_t n = 0;
	uint32_t i;

	look->uids = pb_alloc(due * sizeof(*look->uids) + 1);
	if (rest == NULL || look->uids == NULL) {
		pb_listing_unref(&rest);
		pb_free(look->uids);
		look->uids = NULL;
		return PB_ENOMEM;
	}
	for (i = 0; i < listing->count; i++) {
		if ((marks[i] & DUE) != 0)
			look->uids[look->n++] = listing->uids[i];
		if (marks[i] != 0)
			continue;
		rest->uids[n] = listing->uids[i];
		rest->sizes[n++] = listing->sizes[i];
	}
	rest->uidvalidity = listing->uidvalidity;
	rest->uidnext = listing->uidnext;
	pb_check(pb_listing_seal(rest) == PB_OK);
	look->rest = rest;
	return PB_OK;
}

/* The first of which something is to be removed now; or NULL. */
static const struct pb_promise *
first_due(const struct pb_promises *p, const struct pb_listing *listing,
    uint8_t *marks)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!p->list[i].rests &&
		    mark(&p->list[i], listing, marks, PROMISED) > 0)
			return &p->list[i];
	}
	return NULL;
}

/* False: they are about nothing that is there. */
static bool
mark_all(const struct pb_promises *p, const struct pb_listing *listing,
    uint8_t *marks, const struct pb_promise *first)
{
	bool any = false;
	size_t i;

	for (i = 0; i < p->n; i++) {
		const struct pb_promise *promise = &p->list[i];
		bool is_due = !promise->rests && first != NULL &&
		    promise->removal == first->removal;

		any |= mark(promise, listing, marks, is_due
		    ? PROMISED | DUE : PROMISED) > 0;
	}
	return any;
}

/* What is there comes first, what is gone behind it. */
static void
shrink(struct pb_promise *promise, const struct pb_listing *listing,
    size_t there)
{
	uint32_t *uids = pb_alloc(promise->n * sizeof(*uids));
	size_t gone = there;
	size_t n = 0;
	size_t i;

	/* The next login looks again. */
	if (uids == NULL)
		return;
	for (i = 0; i < promise->n; i++) {
		bool found;

		(void)pb_listing_find(listing, promise->uids[i], &found);
		uids[found ? n++ : gone++] = promise->uids[i];
	}
	pb_check(n == there && gone == promise->n);
	pb_free(promise->uids);
	promise->uids = uids;
	promise->gone = promise->n - there;
	promise->n = there;
	promise->outcome = PB_PROMISE_SHRUNK;
}

/*
 * Half of them, so that a mark is written a few times only; and earlier where
 * there would be no room for those of a whole mailbox.
 */
static bool
has_many_gone(const struct pb_promise *promise, size_t there)
{
	size_t gone = promise->n - there;

	return promise->removal == PB_REMOVAL_KEEP && gone >= GONE_MIN &&
	    (gone > promise->n / 2 || promise->n > PB_LISTING_MAX / 2);
}

/*
 * Nothing is left of it.  A mailbox that is empty may be so by a fault, for a
 * moment, and marks that were dropped then would not come back.
 */
static bool
is_void(const struct pb_promise *promise, const struct pb_listing *listing,
    size_t there)
{
	return there == 0 && (promise->removal != PB_REMOVAL_KEEP ||
	    promise->uidvalidity != listing->uidvalidity ||
	    listing->count > 0);
}

/* What the comparison says of each. */
static void
judge(struct pb_promises *p, const struct pb_listing *listing,
    uint8_t *marks, enum pb_removal way)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		struct pb_promise *promise = &p->list[i];
		size_t there = mark(promise, listing, marks, PROMISED);

		if (is_void(promise, listing, there))
			promise->outcome = PB_PROMISE_VOID;
		else if (there > 0 && has_many_gone(promise, there))
			shrink(promise, listing, there);
		promise->rests |= promise->removal != way;
	}
}

enum pb_status
pb_promises_compare(struct pb_promises *p, struct pb_listing *listing,
    struct pb_promises_look *look)
{
	uint8_t *marks = pb_alloc((size_t)listing->count + 1);
	const struct pb_promise *first;
	enum pb_status st = PB_OK;

	*look = (struct pb_promises_look){ .n = 0 };
	if (marks == NULL)
		return PB_ENOMEM;
	first = first_due(p, listing, marks);
	if (first != NULL)
		look->removal = first->removal;
	if (mark_all(p, listing, marks, first))
		st = divide(marks, listing, look);
	else
		look->rest = pb_listing_ref(listing);
	if (st == PB_OK)
		judge(p, listing, marks, look->removal);
	pb_free(marks);
	return st;
}

void
pb_promises_decide(struct pb_promises *p, enum pb_promise_outcome outcome,
    const char *why)
{
	size_t i;

	snprintf(p->why, sizeof(p->why), "%s", why);
	for (i = 0; i < p->n; i++) {
		if (p->list[i].outcome == PB_PROMISE_OPEN &&
		    !p->list[i].rests)
			p->list[i].outcome = outcome;
	}
}
