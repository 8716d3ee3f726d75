#include "support/stuffed.h"

#include "popbridge/pop3/stuff.h"

/* Octets of a message that TOP sends: the header, and lines of the body. */
static size_t
wanted(struct pb_slice message, uint64_t lines)
{
	bool in_body = false;
	bool first = true;
	size_t i;

	for (i = 0; i < message.len; i++) {
		if (first && !in_body && message.data[i] == '\r')
			in_body = true;
		else if (first && !in_body && message.data[i] == '\n')
			in_body = true;
		else if (first && in_body && lines-- == 0)
			break;
		first = message.data[i] == '\n';
	}
	return i;
}

void
pbt_stuffed(struct pb_slice message, uint64_t lines, struct pb_buffer *out)
{
	char last = '\n';
	size_t end = lines == PB_POP3_ALL_LINES ? message.len
						: wanted(message, lines);
	size_t i;

	for (i = 0; i < end; i++) {
		char c = message.data[i];

		if (last == '\n' && c == '.')
			pbt_put(out, pb_slice_str("."));
		if (last != '\r' && c == '\n')
			pbt_put(out, pb_slice_str("\r"));
		if (c == '\0')
			c = '\x80';
		pbt_put(out, pb_slice(&c, 1));
		last = c;
	}
	if (last != '\n' || end == 0)
		pbt_put(out, pb_slice_str("\r\n"));
	pbt_put(out, pb_slice_str(".\r\n"));
}
