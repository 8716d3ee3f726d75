#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/pop3/stuff.h"
#include "support/stuffed.h"
#include "support/trace.h"

/*
 * A message through the dot-stuffer: the first octet says how many lines of
 * the body are wanted (from 128 on: all) and how it is cut.  It must become
 * what the slow way makes of it.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace, want;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	pbt_stuff_lines = data[0] >= 128 ? PB_POP3_ALL_LINES : data[0] % 16u;
	pbt_random_splits(&pbt_stuff, in, data[0], &trace);
	pb_buffer_init(&want, 4 * size + 16);
	pbt_stuffed(in, pbt_stuff_lines, &want);
	pb_check(trace.len == want.len && memcmp(pb_buffer_slice(&trace).data,
	    pb_buffer_slice(&want).data, want.len) == 0);
	pb_buffer_fini(&want);
	pb_buffer_fini(&trace);
	return 0;
}
