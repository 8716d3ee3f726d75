#include "fuzz.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/uid_code.h"

/*
 * UIDs from the disk.  What is taken for some is ascending, and only one string
 * of octets means it.
 */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	uint32_t *uids = NULL;
	struct pb_buffer again;
	enum pb_status st;
	size_t n = 0;
	size_t i;

	st = pb_uids_decode(in, &uids, &n);
	pb_check(st == PB_OK || st == PB_EINVAL);
	pb_check((st == PB_OK) == (uids != NULL));
	if (uids == NULL)
		return 0;
	pb_check(n > 0 && n <= PB_LISTING_MAX && uids[0] > 0);
	for (i = 1; i < n; i++)
		pb_check(uids[i] > uids[i - 1]);
	pb_buffer_init(&again, PB_UID_CODE_MAX);
	pb_check(pb_uids_encode(uids, n, &again) == PB_OK);
	pb_check(again.len == size && memcmp(pb_buffer_slice(&again).data,
	    in.data, size) == 0);
	pb_buffer_fini(&again);
	pb_free(uids);
	return 0;
}
