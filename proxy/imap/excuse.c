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
pb_imap_greets_with_apologies(struct pb_slice greeting)
{
	return pb_imap_says(greeting, "Microsoft Exchange");
}

static bool
is_by_server(struct pb_slice from)
{
	(void)pb_slice_take_blanks(&from);
	(void)pb_slice_take(&from, '"');
	return pb_slice_starts(from, "Microsoft Exchange Server");
}

bool
pb_imap_is_apology(struct pb_slice message)
{
	bool by_server = false;

	while (message.len > 0) {
		struct pb_slice line = pb_slice_sub(message, 0,
		    pb_slice_find(message, '\n'));

		pb_slice_skip(&message, line.len < message.len
		    ? line.len + 1 : line.len);
		if (line.len == 0 || line.data[0] == '\r')
			break;
		if (pb_slice_starts(line, "Date:") ||
		    pb_slice_starts(line, "Message-ID:") ||
		    pb_slice_starts(line, "Received:"))
			return false;
		if (pb_slice_starts(line, "From:"))
			by_server = is_by_server(pb_slice_sub(line,
			    strlen("From:"), line.len));
	}
	return by_server;
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
