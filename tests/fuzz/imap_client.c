#include "fuzz.h"
#include "support/trace.h"

/*
 * An IMAP server says anything to the client machine; the first octet decides
 * how it is cut.  With 0 the client asks for STARTTLS: then the cuts count,
 * because octets behind the OK of STARTTLS are an attack, and the traces of
 * two ways to cut may differ.  With 1 it logs in by a bearer token, with 2 it
 * asks about mailboxes.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_buffer trace;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	if (data[0] == 0)
		pbt_lines(&pbt_client_starttls, in, &trace);
	else if (data[0] == 1)
		pbt_random_splits(&pbt_client_token, in, data[0], &trace);
	else if (data[0] == 2)
		pbt_random_splits(&pbt_client_mailboxes, in, data[0], &trace);
	else
		pbt_random_splits(&pbt_client, in, data[0], &trace);
	pb_buffer_fini(&trace);
	return 0;
}
