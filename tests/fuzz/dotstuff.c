#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/pop3/stuff.h"
#include "support/trace.h"

/*
 * A message through the dot-stuffer: the first octet says how many lines of
 * the body are wanted (255: all) and how it is cut.  Undone, it is the message
 * that went in, or with a line count the beginning of it.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace, back, normal;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	pbt_stuff_lines = data[0] == 255 ? PB_POP3_ALL_LINES : data[0] % 16u;
	pbt_random_splits(&pbt_stuff, in, data[0], &trace);
	pb_buffer_init(&back, 4 * size + 16);
	pb_buffer_init(&normal, 4 * size + 16);
	pb_check(pbt_unstuff(pb_buffer_slice(&trace), &back));
	pbt_normalise(in, &normal);
	pb_check(back.len <= normal.len);
	pb_check(pbt_stuff_lines != PB_POP3_ALL_LINES ||
	    back.len == normal.len);
	pb_check(back.len == 0 || memcmp(pb_buffer_slice(&back).data,
	    pb_buffer_slice(&normal).data, back.len) == 0);
	pb_buffer_fini(&back);
	pb_buffer_fini(&normal);
	pb_buffer_fini(&trace);
	return 0;
}
