#include "popbridge/bridge/promise.h"

#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* What promises say of a message. */
enum { PROMISED = 1, DUE = 2 };

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

/* False: it is about nothing that is there. */
static bool
mark(const struct pb_promise *promise, const struct pb_listing *listing,
    uint8_t *marks)
{
	bool any = false;
	size_t i;

	if (promise->uidvalidity != listing->uidvalidity)
		return false;
	for (i = 0; i < promise->n; i++) {
		bool found;
		uint32_t at = pb_listing_find(listing, promise->uids[i],
		    &found);

		if (!found)
			continue;
		any = true;
		marks[at] |= promise->rests ? PROMISED : PROMISED | DUE;
	}
	return any;
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

enum pb_status
pb_promises_compare(struct pb_promises *p, struct pb_listing *listing,
    struct pb_promises_look *look)
{
	uint8_t *marks = pb_alloc((size_t)listing->count + 1);
	enum pb_status st = marks != NULL ? PB_OK : PB_ENOMEM;
	bool any = false;
	size_t i;

	*look = (struct pb_promises_look){ .n = 0 };
	for (i = 0; st == PB_OK && i < p->n; i++)
		any |= mark(&p->list[i], listing, marks);
	if (st == PB_OK && any)
		st = divide(marks, listing, look);
	else if (st == PB_OK)
		look->rest = pb_listing_ref(listing);
	for (i = 0; st == PB_OK && i < p->n; i++) {
		if (!mark(&p->list[i], listing, marks))
			p->list[i].outcome = PB_PROMISE_VOID;
	}
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
