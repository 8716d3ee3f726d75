#include "popbridge/bridge/draft.h"

#include <inttypes.h>
#include <stdlib.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/*
 * A size nobody has said yet.  A message of just this size counts as unsaid
 * and fails the login, as it should: its LIST line could not be trusted.
 */
#define SIZE_UNKNOWN UINT32_MAX

#define SMALLEST 64

void
pb_draft_clear(struct pb_draft *d)
{
	pb_free(d->uids);
	pb_free(d->sizes);
	*d = (struct pb_draft){ .count = 0 };
}

static enum pb_status
resize(struct pb_draft *d, uint32_t cap)
{
	uint32_t *uids = pb_realloc(d->uids, cap * sizeof(*uids));
	uint32_t *sizes;

	if (uids == NULL)
		return PB_ENOMEM;
	d->uids = uids;
	sizes = pb_realloc(d->sizes, cap * sizeof(*sizes));
	if (sizes == NULL)
		return PB_ENOMEM;
	d->sizes = sizes;
	d->cap = cap;
	return PB_OK;
}

enum pb_status
pb_draft_put(struct pb_draft *d, uint32_t seq, uint32_t uid, bool has_size,
    uint32_t size)
{
	if (seq > PB_LISTING_MAX)
		return PB_ETOOBIG;
	pb_check(seq >= 1);
	if (seq > d->cap) {
		uint32_t cap = d->cap > SMALLEST ? d->cap : SMALLEST;
		enum pb_status st;

		while (cap < seq)
			cap *= 2;
		st = resize(d, cap);
		if (st != PB_OK)
			return st;
	}
	while (d->count < seq) {
		d->uids[d->count] = 0;
		d->sizes[d->count] = SIZE_UNKNOWN;
		d->count++;
	}
	if (uid != 0) {
		if (d->uids[seq - 1] != 0 && d->uids[seq - 1] != uid)
			d->torn = seq;
		d->uids[seq - 1] = uid;
	}
	if (has_size)
		d->sizes[seq - 1] = size;
	return PB_OK;
}

struct entry {
	uint32_t uid;
	uint32_t size;
};

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct entry *)a)->uid;
	uint32_t y = ((const struct entry *)b)->uid;

	return (x > y) - (x < y);
}

/* RFC 3501 has them ascending by sequence number; not all servers do. */
enum pb_status
pb_draft_sort(struct pb_draft *d)
{
	struct entry *entries;
	uint32_t i;

	for (i = 1; i < d->count && d->uids[i - 1] < d->uids[i]; i++)
		continue;
	if (i >= d->count)
		return PB_OK;
	entries = pb_realloc(NULL, d->count * sizeof(*entries));
	if (entries == NULL)
		return PB_ENOMEM;
	for (i = 0; i < d->count; i++)
		entries[i] = (struct entry){ d->uids[i], d->sizes[i] };
	qsort(entries, d->count, sizeof(*entries), by_uid);
	for (i = 0; i < d->count; i++) {
		d->uids[i] = entries[i].uid;
		d->sizes[i] = entries[i].size;
	}
	pb_free(entries);
	return PB_OK;
}

static enum pb_status
incomplete(struct pb_error *err, const char *what, uint32_t number)
{
	pb_error_set(err, PB_ERROR_PROTOCOL, PB_SCOPE_ACCOUNT,
	    "the IMAP server's listing cannot be trusted: %s %" PRIu32, what,
	    number);
	return PB_EPROTO;
}

enum pb_status
pb_draft_check(struct pb_draft *d, uint32_t least, struct pb_error *err)
{
	uint32_t i;

	if (d->count < least)
		return incomplete(err, "it lacks message", d->count + 1);
	if (d->torn != 0)
		return incomplete(err, "it has two UIDs for message", d->torn);
	for (i = 0; i < d->count; i++) {
		if (d->uids[i] == 0)
			return incomplete(err, "it lacks the UID of message",
			    i + 1);
		if (d->sizes[i] == SIZE_UNKNOWN)
			return incomplete(err, "it lacks the size of message",
			    i + 1);
	}
	if (pb_draft_sort(d) != PB_OK)
		return PB_ENOMEM;
	for (i = 1; i < d->count; i++) {
		if (d->uids[i] == d->uids[i - 1])
			return incomplete(err, "two messages have UID",
			    d->uids[i]);
	}
	return PB_OK;
}

struct pb_listing *
pb_draft_listing(struct pb_draft *d)
{
	struct pb_listing *l = pb_listing_new(0);

	if (l == NULL)
		return NULL;
	if (d->count > 0 && d->count < d->cap && resize(d, d->count) != PB_OK) {
		pb_listing_unref(&l);
		return NULL;
	}
	l->count = d->count;
	l->uids = d->uids;
	l->sizes = d->sizes;
	*d = (struct pb_draft){ .count = 0 };
	return l;
}
