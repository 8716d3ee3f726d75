#include "popbridge/bridge/listing.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

struct pb_listing *
pb_listing_new(uint32_t count)
{
	struct pb_listing *l = pb_alloc(sizeof(*l));
	size_t size = count * sizeof(*l->uids);

	if (l == NULL)
		return NULL;
	l->refs = 1;
	l->count = count;
	if (count > 0) {
		l->uids = pb_realloc(NULL, size);
		l->sizes = pb_realloc(NULL, size);
		if (l->uids == NULL || l->sizes == NULL)
			pb_listing_unref(&l);
	}
	return l;
}

enum pb_status
pb_listing_seal(struct pb_listing *l)
{
	uint32_t before = 0;
	uint32_t i;

	l->octets = 0;
	for (i = 0; i < l->count; i++) {
		if (l->uids[i] <= before)
			return PB_EINVAL;
		before = l->uids[i];
		l->octets += l->sizes[i];
	}
	return l->uidnext == 0 || before < l->uidnext ? PB_OK : PB_EINVAL;
}

struct pb_listing *
pb_listing_ref(struct pb_listing *l)
{
	l->refs++;
	return l;
}

void
pb_listing_unref(struct pb_listing **lp)
{
	struct pb_listing *l = *lp;

	*lp = NULL;
	if (l == NULL || --l->refs > 0)
		return;
	pb_free(l->uids);
	pb_free(l->sizes);
	pb_free(l);
}

size_t
pb_listing_memory(const struct pb_listing *l)
{
	return sizeof(*l) + (size_t)l->count * 2 * sizeof(*l->uids);
}

uint32_t
pb_listing_find(const struct pb_listing *l, uint32_t uid, bool *found)
{
	uint32_t from = 0;
	uint32_t to = l->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (l->uids[middle] < uid)
			from = middle + 1;
		else
			to = middle;
	}
	*found = from < l->count && l->uids[from] == uid;
	return from;
}
