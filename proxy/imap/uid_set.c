#include "popbridge/imap/uid_set.h"

#include <stdlib.h>

#include "popbridge/base/mem.h"

#define SMALLEST 16

/* A UID from the front of *in: digits, not 0, no more than 32 bits. */
static bool
take_uid(struct pb_slice *in, uint32_t *uid)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < in->len && in->data[i] >= '0' && in->data[i] <= '9' &&
	    n <= UINT32_MAX; i++)
		n = n * 10 + (uint64_t)(in->data[i] - '0');
	pb_slice_skip(in, i);
	*uid = (uint32_t)n;
	return n > 0 && n <= UINT32_MAX;
}

/*
 * One UID or range and the separator behind it.  The ends of a range may come
 * in any order (RFC 3501, section 9); "*" is none, because a server knows.
 */
static bool
take_range(struct pb_slice *in, char separator, struct pb_imap_range *range)
{
	if (!take_uid(in, &range->first))
		return false;
	range->last = range->first;
	if (separator == ',' && pb_slice_take(in, ':') &&
	    !take_uid(in, &range->last))
		return false;
	if (range->first > range->last) {
		uint32_t first = range->last;

		range->last = range->first;
		range->first = first;
	}
	return in->len == 0 || (pb_slice_take(in, separator) && in->len > 0);
}

static bool
is_set(struct pb_slice set, char separator)
{
	struct pb_imap_range range;

	while (set.len > 0) {
		if (!take_range(&set, separator, &range))
			return false;
	}
	return true;
}

static bool
take_text(struct pb_slice *in, const char *text)
{
	if (!pb_slice_starts(*in, text))
		return false;
	pb_slice_skip(in, strlen(text));
	return true;
}

/* Ours are of these. */
static bool
is_tag(struct pb_slice tag)
{
	size_t i;

	for (i = 0; i < tag.len; i++) {
		char c = tag.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return tag.len > 0;
}

/* (TAG "A5"), as a quoted string or an atom. */
static bool
take_tag(struct pb_slice *in, struct pb_slice *tag)
{
	size_t end;

	if (!take_text(in, "(TAG "))
		return false;
	end = pb_slice_find(*in, ')');
	*tag = pb_slice(in->data, end);
	if (end == in->len)
		return false;
	pb_slice_skip(in, end + 1);
	if (tag->len >= 2 && tag->data[0] == '"' &&
	    tag->data[tag->len - 1] == '"')
		*tag = pb_slice_sub(*tag, 1, tag->len - 1);
	return is_tag(*tag);
}

static bool
parse_esearch(struct pb_slice rest, struct pb_imap_names *names)
{
	names->separator = ',';
	if (!take_tag(&rest, &names->tag) || !take_text(&rest, " UID"))
		return false;
	if (rest.len == 0)
		return true;
	if (!take_text(&rest, " ALL ") || rest.len == 0)
		return false;
	names->set = rest;
	return is_set(rest, ',');
}

bool
pb_imap_names_parse(struct pb_slice response, struct pb_imap_names *names)
{
	struct pb_slice rest = response;
	struct pb_slice word = pb_slice_word(&rest);

	*names = (struct pb_imap_names){ .separator = ' ' };
	if (pb_slice_is(word, "ESEARCH"))
		return parse_esearch(rest, names);
	names->set = rest;
	return pb_slice_is(word, "SEARCH") && is_set(rest, ' ');
}

bool
pb_imap_uid_set_count(struct pb_slice text, uint64_t *n)
{
	struct pb_imap_range range;
	bool any = text.len > 0;

	*n = 0;
	while (text.len > 0) {
		if (!take_range(&text, ',', &range))
			return false;
		*n += (uint64_t)range.last - range.first + 1;
	}
	return any;
}

void
pb_imap_uid_set_clear(struct pb_imap_uid_set *set)
{
	pb_free(set->ranges);
	*set = (struct pb_imap_uid_set){ .n = 0 };
}

static enum pb_status
append(struct pb_imap_uid_set *set, struct pb_imap_range range)
{
	if (set->n == set->cap) {
		size_t cap = set->cap > 0 ? set->cap * 2 : SMALLEST;
		struct pb_imap_range *ranges = pb_realloc(set->ranges,
		    cap * sizeof(*ranges));

		if (ranges == NULL)
			return PB_ENOMEM;
		set->ranges = ranges;
		set->cap = cap;
	}
	set->ranges[set->n++] = range;
	return PB_OK;
}

static int
by_first(const void *a, const void *b)
{
	uint32_t x = ((const struct pb_imap_range *)a)->first;
	uint32_t y = ((const struct pb_imap_range *)b)->first;

	return (x > y) - (x < y);
}

/* Servers may name them in any order, and twice. */
static void
sort(struct pb_imap_uid_set *set)
{
	size_t kept = 0;
	size_t i;

	qsort(set->ranges, set->n, sizeof(*set->ranges), by_first);
	for (i = 1; i < set->n; i++) {
		struct pb_imap_range range = set->ranges[i];

		if (range.first - 1 > set->ranges[kept].last)
			set->ranges[++kept] = range;
		else if (range.last > set->ranges[kept].last)
			set->ranges[kept].last = range.last;
	}
	set->n = kept + 1;
}

enum pb_status
pb_imap_uid_set_read(struct pb_imap_uid_set *set, struct pb_slice text,
    char separator)
{
	struct pb_imap_range range;
	bool ascending = true;

	while (text.len > 0) {
		struct pb_imap_range *last = set->n > 0
		    ? &set->ranges[set->n - 1] : NULL;

		if (!take_range(&text, separator, &range))
			return PB_EPROTO;
		if (last != NULL && range.first - 1 == last->last) {
			last->last = range.last;
			continue;
		}
		ascending = ascending &&
		    (last == NULL || range.first - 1 > last->last);
		if (append(set, range) != PB_OK)
			return PB_ENOMEM;
	}
	if (!ascending)
		sort(set);
	return PB_OK;
}
