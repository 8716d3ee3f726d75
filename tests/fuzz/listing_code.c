#include "fuzz.h"

#include "popbridge/base/check.h"
#include "popbridge/store/listing_code.h"

/*
 * A listing from the disk.  What is taken for one is sound, and only one
 * string of octets means it.
 */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_listing *l = NULL;
	struct pb_buffer again;
	enum pb_status st = pb_listing_decode(in, &l);

	pb_check(st == PB_OK || st == PB_EINVAL);
	pb_check((st == PB_OK) == (l != NULL));
	if (l == NULL)
		return 0;
	pb_check(l->uidnext != 0 && l->count <= size / 2);
	pb_check(pb_listing_seal(l) == PB_OK);
	pb_buffer_init(&again, PB_LISTING_CODE_MAX);
	pb_check(pb_listing_encode(l, &again) == PB_OK);
	pb_check(again.len == size && memcmp(pb_buffer_slice(&again).data,
	    in.data, size) == 0);
	pb_buffer_fini(&again);
	pb_listing_unref(&l);
	return 0;
}
