#include "popbridge/pop3/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/pop3/command.h"
#include "popbridge/version.h"

struct row {
	enum pb_pop3_reply reply;
	bool ok;
	const char *code;	/* RFC 2449, RFC 3206; NULL for none */
	/* %1 and %2 stand for the numbers */
	const char *text;
};

#define POSITIVE(r, text) [r] = { r, true, NULL, text }
#define NEGATIVE(r, text) [r] = { r, false, NULL, text }
#define CODED(r, code, text) [r] = { r, false, code, text }

static const struct row rows[] = {
	POSITIVE(PB_REPLY_GREETING, "popbridge ready"),
	POSITIVE(PB_REPLY_CAPA, "capability list follows"),
	POSITIVE(PB_REPLY_STLS, "begin TLS now"),
	POSITIVE(PB_REPLY_AUTH_LIST, "mechanism list follows"),
	POSITIVE(PB_REPLY_XCLIENT, "Updated"),
	POSITIVE(PB_REPLY_USER, "send PASS"),
	POSITIVE(PB_REPLY_LOGGED_IN, "logged in"),
	POSITIVE(PB_REPLY_NOOP, "still here"),
	POSITIVE(PB_REPLY_STAT, "%1 %2"),
	POSITIVE(PB_REPLY_LIST_ONE, "%1 %2"),
	POSITIVE(PB_REPLY_LIST_ALL, "%1 messages (%2 octets)"),
	POSITIVE(PB_REPLY_UIDL_ALL, "unique-id listing follows"),
	POSITIVE(PB_REPLY_RETR, "%1 octets"),
	POSITIVE(PB_REPLY_TOP, "top of message follows"),
	POSITIVE(PB_REPLY_DELE, "message %1 deleted"),
	POSITIVE(PB_REPLY_RSET, "maildrop has %1 messages"),
	POSITIVE(PB_REPLY_LAST, "%1"),
	POSITIVE(PB_REPLY_QUIT, "goodbye"),
	POSITIVE(PB_REPLY_QUIT_REMOVED, "goodbye, %1 messages removed"),
	NEGATIVE(PB_REPLY_OTHER_PROTOCOL, "this is a POP3 server"),
	NEGATIVE(PB_REPLY_UNKNOWN_COMMAND, "unknown command"),
	NEGATIVE(PB_REPLY_WRONG_ARGUMENTS, "wrong arguments for this command"),
	NEGATIVE(PB_REPLY_WRONG_STATE, "this command is not valid now"),
	NEGATIVE(PB_REPLY_USER_FIRST, "send USER first"),
	CODED(PB_REPLY_STLS_FIRST, "AUTH", "log in after STLS only"),
	NEGATIVE(PB_REPLY_NO_STLS, "TLS cannot be begun now"),
	NEGATIVE(PB_REPLY_LINE_TOO_LONG, "command line too long"),
	CODED(PB_REPLY_BAD_LOGIN_OCTETS, "AUTH",
	    "user name or password has a character that no mail server takes"),
	NEGATIVE(PB_REPLY_NO_MECHANISM, "no such mechanism"),
	NEGATIVE(PB_REPLY_AUTH_CANCELLED, "login cancelled"),
	NEGATIVE(PB_REPLY_BAD_RESPONSE, "not a response of this mechanism"),
	NEGATIVE(PB_REPLY_NO_SUCH_MESSAGE, "no such message"),
	NEGATIVE(PB_REPLY_MESSAGE_DELETED, "message is marked as deleted"),
	CODED(PB_REPLY_AUTH, "AUTH",
	    "the mail server did not accept this user name and password"),
	CODED(PB_REPLY_TEMPORARY, "SYS/TEMP",
	    "the mail server cannot be used now, try again later"),
	CODED(PB_REPLY_PERMANENT, "SYS/PERM",
	    "the mail server refuses this, ask your administrator"),
	CODED(PB_REPLY_IN_USE, "IN-USE", "maildrop is in use by another session"),
	NEGATIVE(PB_REPLY_MESSAGE_GONE,
	    "message is no longer in the mailbox"),
	CODED(PB_REPLY_MESSAGE_TEMPORARY, "SYS/TEMP",
	    "the mail server did not deliver this message, try again later"),
	CODED(PB_REPLY_READ_ONLY, "SYS/PERM",
	    "mailbox is read-only, nothing can be deleted"),
	CODED(PB_REPLY_NO_DELETION, "SYS/PERM",
	    "messages cannot be deleted from this mailbox"),
	CODED(PB_REPLY_NOT_REMOVED, "SYS/TEMP",
	    "%1 deleted messages not removed"),
	CODED(PB_REPLY_NO_ROOM, "SYS/TEMP",
	    "service is busy, try again later"),
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == PB_REPLIES,
    "a row for every reply");

/* The longest number, 2^64 - 1. */
#define DIGITS_MAX 20

/* Listings have hundreds of thousands of numbers: printf is too slow there. */
static char *
write_number(char *to, uint64_t n)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	memcpy(to, digits + at, sizeof(digits) - at);
	return to + sizeof(digits) - at;
}

static size_t
fill_in(const char *text, uint64_t n, uint64_t m, char *line, size_t size)
{
	size_t at = 0;

	for (; *text != '\0'; text++) {
		if (text[0] == '%') {
			text++;
			at += (size_t)snprintf(line + at, size - at,
			    "%" PRIu64, *text == '1' ? n : m);
		} else {
			line[at++] = *text;
		}
		pb_check(at < size);
	}
	line[at] = '\0';
	return at;
}

enum pb_status
pb_pop3_reply(struct pb_buffer *out, enum pb_pop3_reply reply, uint64_t n,
    uint64_t m)
{
	char text[PB_POP3_REPLY_MAX - 32];

	pb_check(reply < PB_REPLIES);
	fill_in(rows[reply].text, n, m, text, sizeof(text));
	if (rows[reply].code != NULL)
		return pb_buffer_printf(out, "-ERR [%s] %s\r\n",
		    rows[reply].code, text);
	return pb_buffer_printf(out, "%s %s\r\n",
	    rows[reply].ok ? "+OK" : "-ERR", text);
}

enum pb_status
pb_pop3_reply_greeting(struct pb_buffer *out, bool xclient, const char *stamp)
{
	return pb_buffer_printf(out, "+OK %s%s%s%s\r\n",
	    xclient ? "[XCLIENT] " : "", rows[PB_REPLY_GREETING].text,
	    stamp != NULL ? " " : "", stamp != NULL ? stamp : "");
}

enum pb_status
pb_pop3_reply_capa_lines(struct pb_buffer *out, bool user, bool stls,
    const char *sasl)
{
	enum pb_status st = PB_OK;
	unsigned verb;

	for (verb = 0; verb < PB_POP3_VERBS; verb++) {
		const char *capa = pb_pop3_verb_row(verb)->capa;

		if ((verb == PB_POP3_USER && !user) ||
		    (verb == PB_POP3_STLS && !stls))
			continue;
		if (capa != NULL)
			st = pb_buffer_printf(out, "%s\r\n", capa);
		if (st != PB_OK)
			return st;
	}
	if (sasl != NULL)
		st = pb_buffer_printf(out, "SASL %s\r\n", sasl);
	if (st != PB_OK)
		return st;
	return pb_buffer_printf(out, "RESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\nIMPLEMENTATION popbridge-%s\r\n.\r\n", PB_VERSION);
}

enum pb_status
pb_pop3_reply_sasl_lines(struct pb_buffer *out, const char *sasl)
{
	struct pb_slice names = pb_slice_str(sasl);
	enum pb_status st = PB_OK;

	while (st == PB_OK && names.len > 0) {
		struct pb_slice name = pb_slice_word(&names);

		st = pb_buffer_printf(out, "%.*s\r\n", (int)name.len,
		    name.data);
	}
	return st == PB_OK ? pb_pop3_reply_end(out) : st;
}

enum pb_status
pb_pop3_reply_challenge(struct pb_buffer *out, struct pb_slice challenge)
{
	return pb_buffer_printf(out, "+ %.*s\r\n", (int)challenge.len,
	    challenge.data);
}

static void
end_line(struct pb_buffer *out, const char *line, char *end)
{
	*end++ = '\r';
	*end++ = '\n';
	pb_buffer_commit(out, (size_t)(end - line));
}

enum pb_status
pb_pop3_reply_list_line(struct pb_buffer *out, uint32_t msgno, uint64_t octets)
{
	enum pb_status st;
	char *line;
	char *end;

	st = pb_buffer_reserve(out, 2 * DIGITS_MAX + 3, &line);
	if (st != PB_OK)
		return st;
	end = write_number(line, msgno);
	*end++ = ' ';
	end_line(out, line, write_number(end, octets));
	return PB_OK;
}

enum pb_status
pb_pop3_reply_uidl_line(struct pb_buffer *out, uint32_t msgno,
    const char *uidl)
{
	size_t len = strlen(uidl);
	enum pb_status st;
	char *line;
	char *end;

	st = pb_buffer_reserve(out, DIGITS_MAX + len + 3, &line);
	if (st != PB_OK)
		return st;
	end = write_number(line, msgno);
	*end++ = ' ';
	memcpy(end, uidl, len);
	end_line(out, line, end + len);
	return PB_OK;
}

enum pb_status
pb_pop3_reply_uidl_one(struct pb_buffer *out, uint32_t msgno, const char *uidl)
{
	return pb_buffer_printf(out, "+OK %" PRIu32 " %s\r\n", msgno, uidl);
}

enum pb_status
pb_pop3_reply_end(struct pb_buffer *out)
{
	return pb_buffer_append(out, ".\r\n", 3);
}

const char *
pb_pop3_reply_code(enum pb_pop3_reply reply)
{
	pb_check(reply < PB_REPLIES);
	return rows[reply].code != NULL ? rows[reply].code : "";
}

enum pb_pop3_reply
pb_pop3_reply_for_error(const struct pb_error *err)
{
	switch (err->kind) {
	case PB_ERROR_AUTH:
		return PB_REPLY_AUTH;
	case PB_ERROR_PERMANENT:
		return PB_REPLY_PERMANENT;
	case PB_ERROR_IN_USE:
		return PB_REPLY_IN_USE;
	case PB_ERROR_GONE:
		return PB_REPLY_MESSAGE_GONE;
	case PB_ERROR_NONE:
	case PB_ERROR_TEMPORARY:
	case PB_ERROR_PROTOCOL:
	case PB_ERROR_INTERNAL:
		break;
	}
	return err->scope == PB_SCOPE_MESSAGE ? PB_REPLY_MESSAGE_TEMPORARY
					      : PB_REPLY_TEMPORARY;
}
