#include "fuzz.h"
#include "support/trace.h"

/*
 * A POP3 client says anything: the first octet decides how it is cut, and from
 * 128 on there are APOP and XCLIENT; the rest are its lines.  Replies are well formed (checked by the trace), and the same
 * however the lines are cut.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	pbt_random_splits(data[0] < 128 ? &pbt_session : &pbt_session_all, in,
	    data[0], &trace);
	pb_buffer_fini(&trace);
	return 0;
}
