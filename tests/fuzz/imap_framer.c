#include "fuzz.h"
#include "support/trace.h"

/*
 * Octets of an IMAP server into frames: the first octet decides how they are
 * cut and, being odd, that bodies are handed on.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	pbt_random_splits(data[0] % 2 != 0 ? &pbt_framer_body : &pbt_framer,
	    in, data[0], &trace);
	pb_buffer_fini(&trace);
	return 0;
}
