#include "popbridge/imap/writer.h"

#include <inttypes.h>

#include "popbridge/base/check.h"
#include "popbridge/imap/mailbox_name.h"

/*
 * libetpan's senders of these commands take names that end in NUL, and send
 * octets over 127 inside of quotes, where RFC 3501 has none.
 */

bool
pb_imap_mailbox_can_be_sent(struct pb_slice mailbox)
{
	return mailbox.len > 0 && mailbox.len <= PB_IMAP_MAILBOX_MAX &&
	    pb_slice_find(mailbox, '\r') == mailbox.len &&
	    pb_slice_find(mailbox, '\n') == mailbox.len &&
	    pb_slice_find(mailbox, '\0') == mailbox.len;
}

bool
pb_imap_mailbox_is_literal(struct pb_slice mailbox)
{
	size_t i;

	for (i = 0; i < mailbox.len; i++) {
		if ((unsigned char)mailbox.data[i] > 0x7f)
			return true;
	}
	return false;
}

static enum pb_status
append_quoted(struct pb_buffer *out, struct pb_slice mailbox)
{
	char text[2 * PB_IMAP_MAILBOX_MAX + 2];
	size_t len = 0;
	size_t i;

	text[len++] = '"';
	for (i = 0; i < mailbox.len; i++) {
		if (mailbox.data[i] == '"' || mailbox.data[i] == '\\')
			text[len++] = '\\';
		text[len++] = mailbox.data[i];
	}
	text[len++] = '"';
	return pb_buffer_append(out, text, len);
}

static enum pb_status
append_mailbox(struct pb_buffer *out, struct pb_slice mailbox)
{
	enum pb_status st;

	pb_check(pb_imap_mailbox_can_be_sent(mailbox));
	if (!pb_imap_mailbox_is_literal(mailbox))
		return append_quoted(out, mailbox);
	st = pb_buffer_printf(out, "{%zu+}\r\n", mailbox.len);
	return st != PB_OK ? st
			   : pb_buffer_append(out, mailbox.data, mailbox.len);
}

static enum pb_status
append_set(struct pb_buffer *out, const uint32_t *uids, size_t n)
{
	enum pb_status st = PB_OK;
	size_t first = 0;
	size_t i;

	pb_check(n > 0);
	for (i = 0; i < n && st == PB_OK; i++) {
		const char *comma = first > 0 ? "," : "";

		if (i + 1 < n && uids[i + 1] == uids[i] + 1)
			continue;
		if (uids[first] == uids[i])
			st = pb_buffer_printf(out, "%s%" PRIu32, comma,
			    uids[i]);
		else
			st = pb_buffer_printf(out, "%s%" PRIu32 ":%" PRIu32,
			    comma, uids[first], uids[i]);
		first = i + 1;
	}
	return st;
}

/* The command is whole, or there is nothing of it. */
static enum pb_status
end(struct pb_buffer *out, size_t before, enum pb_status st, const char *tail)
{
	if (st == PB_OK)
		st = pb_buffer_printf(out, "%s\r\n", tail);
	if (st != PB_OK)
		out->len = before;
	return st;
}

enum pb_status
pb_imap_write_transfer(struct pb_buffer *out, const char *tag,
    enum pb_imap_transfer what, const uint32_t *uids, size_t n,
    struct pb_slice mailbox)
{
	size_t before = out->len;
	enum pb_status st = pb_buffer_printf(out, "%s UID %s ", tag,
	    what == PB_IMAP_MOVE ? "MOVE" : "COPY");

	if (st == PB_OK)
		st = append_set(out, uids, n);
	if (st == PB_OK)
		st = pb_buffer_append(out, " ", 1);
	if (st == PB_OK)
		st = append_mailbox(out, mailbox);
	return end(out, before, st, "");
}

static const char *
name_of(enum pb_imap_question what)
{
	switch (what) {
	case PB_IMAP_CREATE:
		return "CREATE";
	case PB_IMAP_MYRIGHTS:
		return "MYRIGHTS";
	case PB_IMAP_STATUS_UIDVALIDITY:
		return "STATUS";
	}
	return "";
}

enum pb_status
pb_imap_write_question(struct pb_buffer *out, const char *tag,
    enum pb_imap_question what, struct pb_slice mailbox)
{
	size_t before = out->len;
	enum pb_status st = pb_buffer_printf(out, "%s %s ", tag,
	    name_of(what));

	if (st == PB_OK)
		st = append_mailbox(out, mailbox);
	return end(out, before, st, what == PB_IMAP_STATUS_UIDVALIDITY
	    ? " (UIDVALIDITY)" : "");
}

enum pb_status
pb_imap_write_list(struct pb_buffer *out, const char *tag, bool special)
{
	return pb_buffer_printf(out, "%s LIST %s\"\" \"*\"\r\n", tag,
	    special ? "(SPECIAL-USE) " : "");
}
