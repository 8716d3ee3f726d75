#include "popbridge/imap/excuse.h"

#include <stddef.h>

static const char *const rows[] = {
	/* Courier, when the file is gone or cannot be opened. */
	"From: System Administrator <root@localhost>\r\n"
	"Subject: message unavailable\r\n\r\n"
	"This message is no longer available on the server.\r\n",
};

struct pb_slice
pb_imap_excuse(uint64_t size)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pb_slice text = pb_slice_str(rows[i]);

		if (text.len == size)
			return text;
	}
	return pb_slice(NULL, 0);
}
