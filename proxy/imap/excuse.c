#include "popbridge/imap/excuse.h"

#include "client_priv.h"

static const struct {
	const char *server;	/* a word of its greeting */
	const char *text;
} rows[] = {
	/* When the file is gone or cannot be opened. */
	{ "Courier-IMAP",
	    "From: System Administrator <root@localhost>\r\n"
	    "Subject: message unavailable\r\n\r\n"
	    "This message is no longer available on the server.\r\n" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct pb_slice
pb_imap_excuse(uint64_t size)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		struct pb_slice text = pb_slice_str(rows[i].text);

		if (text.len == size)
			return text;
	}
	return pb_slice(NULL, 0);
}

bool
pb_imap_greets_with_excuses(struct pb_slice greeting)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (pb_imap_says(greeting, rows[i].server))
			return true;
	}
	return false;
}
