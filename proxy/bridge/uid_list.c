#include "popbridge/bridge/uid_list.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/bridge/listing.h"

void
pb_uid_list_fini(struct pb_uid_list *list)
{
	pb_free(list->uids);
	*list = (struct pb_uid_list){ .n = 0 };
}

static enum pb_status
make_room(struct pb_uid_list *list, size_t n)
{
	size_t cap = list->cap > 0 ? list->cap : 64;
	uint32_t *uids;

	if (n > PB_LISTING_MAX || list->n > PB_LISTING_MAX - n)
		return PB_ENOMEM;
	while (cap < list->n + n)
		cap *= 2;
	if (cap == list->cap)
		return PB_OK;
	uids = pb_realloc(list->uids, cap * sizeof(*uids));
	if (uids == NULL)
		return PB_ENOMEM;
	list->uids = uids;
	list->cap = cap;
	return PB_OK;
}

enum pb_status
pb_uid_list_append(struct pb_uid_list *list, const uint32_t *uids, size_t n)
{
	enum pb_status st;

	if (n == 0)
		return PB_OK;
	st = make_room(list, n);
	if (st != PB_OK)
		return st;
	memcpy(list->uids + list->n, uids, n * sizeof(*uids));
	list->n += n;
	return PB_OK;
}

enum pb_status
pb_uid_list_append_range(struct pb_uid_list *list, uint32_t first,
    uint32_t last)
{
	uint64_t n = (uint64_t)last - first + 1;
	enum pb_status st = n <= PB_LISTING_MAX ? make_room(list, (size_t)n)
	    : PB_ENOMEM;
	uint64_t uid;

	if (st != PB_OK)
		return st;
	for (uid = first; uid <= last; uid++)
		list->uids[list->n++] = (uint32_t)uid;
	return PB_OK;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void
pb_uid_list_tidy(struct pb_uid_list *list)
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

bool
pb_uid_list_has(const struct pb_uid_list *list, uint32_t uid)
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

void
pb_uid_list_subtract(struct pb_uid_list *list, const struct pb_uid_list *other)
{
	size_t kept = 0;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (!pb_uid_list_has(other, list->uids[i]))
			list->uids[kept++] = list->uids[i];
	}
	list->n = kept;
}
