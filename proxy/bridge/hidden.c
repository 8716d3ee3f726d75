#include "popbridge/bridge/hidden.h"

#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

void
pb_hidden_fini(struct pb_hidden *h)
{
	pb_free(h->ranges);
	*h = (struct pb_hidden){ .id = 0 };
}

enum pb_status
pb_hidden_ask(struct pb_hidden *h, struct pb_imap_client *imap)
{
	pb_hidden_fini(h);
	return pb_imap_client_search_pop3_deleted(imap, &h->id);
}

static enum pb_status
take(struct pb_hidden *h, const struct pb_imap_event *event)
{
	pb_free(h->ranges);
	h->ranges = NULL;
	h->n = 0;
	h->answered = true;
	if (event->n_ranges == 0)
		return PB_AGAIN;
	h->ranges = pb_realloc(NULL, event->n_ranges * sizeof(*h->ranges));
	if (h->ranges == NULL)
		return PB_ENOMEM;
	memcpy(h->ranges, event->ranges, event->n_ranges * sizeof(*h->ranges));
	h->n = event->n_ranges;
	return PB_AGAIN;
}

enum pb_status
pb_hidden_event(struct pb_hidden *h, const struct pb_imap_event *event)
{
	if (event->type == PB_IMAP_EVENT_FOUND)
		return take(h, event);
	if (event->type != PB_IMAP_EVENT_DONE)
		return PB_AGAIN;
	return event->condition == PB_IMAP_OK && h->answered ? PB_OK
							      : PB_EINVAL;
}

/* Returns how many of the listing are in the ranges. */
static uint32_t
mark(const struct pb_hidden *h, const struct pb_listing *listing,
    uint8_t *marks)
{
	uint32_t marked = 0;
	size_t i;

	for (i = 0; i < h->n; i++) {
		bool found;
		uint32_t at = pb_listing_find(listing, h->ranges[i].first,
		    &found);

		for (; at < listing->count &&
		    listing->uids[at] <= h->ranges[i].last; at++) {
			uint8_t bit = (uint8_t)(1u << at % 8);

			marked += (marks[at / 8] & bit) == 0;
			marks[at / 8] |= bit;
		}
	}
	return marked;
}

static struct pb_listing *
copy_rest(const struct pb_listing *listing, const uint8_t *marks,
    uint32_t marked)
{
	struct pb_listing *rest = pb_listing_new(listing->count - marked);
	uint32_t n = 0;
	uint32_t i;

	if (rest == NULL)
		return NULL;
	for (i = 0; i < listing->count; i++) {
		if ((marks[i / 8] >> i % 8 & 1) != 0)
			continue;
		rest->uids[n] = listing->uids[i];
		rest->sizes[n++] = listing->sizes[i];
	}
	rest->uidvalidity = listing->uidvalidity;
	rest->uidnext = listing->uidnext;
	pb_check(pb_listing_seal(rest) == PB_OK);
	return rest;
}

struct pb_listing *
pb_hidden_filter(const struct pb_hidden *h, struct pb_listing *listing)
{
	struct pb_listing *rest = NULL;
	uint8_t *marks;
	uint32_t marked;

	if (h->n == 0)
		return pb_listing_ref(listing);
	marks = pb_alloc(listing->count / 8 + 1);
	if (marks == NULL)
		return NULL;
	marked = mark(h, listing, marks);
	rest = marked > 0 ? copy_rest(listing, marks, marked)
			  : pb_listing_ref(listing);
	pb_free(marks);
	return rest;
}
