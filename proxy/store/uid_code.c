#include "popbridge/store/uid_code.h"

#include "number.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* Octets of two numbers of 32 bits. */
#define RUN_MAX 10

enum pb_status
pb_uids_encode(const uint32_t *uids, size_t n, struct pb_buffer *out)
{
	char room[RUN_MAX];
	/* The first that may come: between two runs there is a gap. */
	uint64_t from = 1;
	enum pb_status st;
	size_t i = 0;

	pb_check(n > 0 && n <= PB_LISTING_MAX);
	st = pb_buffer_append(out, room,
	    (size_t)(pb_number_put(room, (uint32_t)n) - room));
	while (st == PB_OK && i < n) {
		size_t run = 1;
		char *end;

		pb_check(uids[i] >= from);
		while (i + run < n && uids[i + run] == uids[i] + run)
			run++;
		end = pb_number_put(room, (uint32_t)(uids[i] - from));
		end = pb_number_put(end, (uint32_t)(run - 1));
		st = pb_buffer_append(out, room, (size_t)(end - room));
		from = (uint64_t)uids[i] + run + 1;
		i += run;
	}
	return st;
}

/* False: they are not so many, or not in runs. */
static bool
take_runs(struct pb_slice *in, uint32_t *uids, size_t n)
{
	uint64_t uid = 1;
	size_t i = 0;

	while (i < n) {
		uint32_t step = 0;
		uint32_t more = 0;
		size_t end;

		if (!pb_number_take(in, UINT32_MAX, &step) ||
		    !pb_number_take(in, (uint32_t)(n - i - 1), &more))
			return false;
		uid += step;
		if (uid + more > UINT32_MAX)
			return false;
		for (end = i + more; i <= end; i++)
			uids[i] = (uint32_t)uid++;
		uid++;
	}
	return in->len == 0;
}

enum pb_status
pb_uids_decode(struct pb_slice in, uint32_t **out, size_t *n)
{
	uint32_t count = 0;
	uint32_t *uids;

	*out = NULL;
	*n = 0;
	if (!pb_number_take(&in, PB_LISTING_MAX, &count) || count == 0)
		return PB_EINVAL;
	uids = pb_alloc((size_t)count * sizeof(*uids));
	if (uids == NULL)
		return PB_ENOMEM;
	if (!take_runs(&in, uids, count)) {
		pb_free(uids);
		return PB_EINVAL;
	}
	*out = uids;
	*n = count;
	return PB_OK;
}
