#include "fuzz.h"
#include "net/proxy_header_trace.h"

/*
 * What a connection begins with.  The length is also the seed of how it is
 * cut, so that the input is just the octets.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace;

	pbt_random_splits(&pbt_proxy_header, in, size, &trace);
	pb_buffer_fini(&trace);
	return 0;
}
