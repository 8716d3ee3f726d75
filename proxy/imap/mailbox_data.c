#include "popbridge/imap/mailbox_data.h"

#include <string.h>

#include "popbridge/imap/gate.h"

/* RFC 4314 has 24 letters and digits; one that comes twice is no matter. */
#define RIGHTS_MAX 64

/* A string being read: what fits of it. */
struct text {
	char *out;
	size_t len;
	size_t max;
	bool is_usable;		/* it fits, and has no control octets */
};

static void
put(struct text *text, char octet)
{
	unsigned char c = (unsigned char)octet;

	if (text->len == text->max || c < 0x20 || c == 0x7f)
		text->is_usable = false;
	else
		text->out[text->len++] = octet;
}

static bool
take_quoted(struct pb_slice *in, struct text *text)
{
	while (in->len > 0 && in->data[0] != '"') {
		if (pb_slice_take(in, '\\') && (in->len == 0 ||
		    (in->data[0] != '"' && in->data[0] != '\\')))
			return false;
		put(text, in->data[0]);
		pb_slice_skip(in, 1);
	}
	return pb_slice_take(in, '"');
}

/* n} CR LF and n octets, in the form that the framer leaves them. */
static bool
take_literal(struct pb_slice *in, struct text *text)
{
	uint64_t n;

	if (pb_slice_number(pb_slice_take_digits(in), in->len, &n) != PB_OK ||
	    !pb_slice_take(in, '}') || !pb_slice_take(in, '\r') ||
	    !pb_slice_take(in, '\n') || in->len < n)
		return false;
	for (; n > 0; n--) {
		put(text, in->data[0]);
		pb_slice_skip(in, 1);
	}
	return true;
}

static bool
take_atom(struct pb_slice *in, struct text *text)
{
	size_t before = in->len;

	while (in->len > 0 && in->data[0] != ' ') {
		unsigned char c = (unsigned char)in->data[0];

		if (c < 0x20 || c == 0x7f || memchr("(){\"\\", c, 5) != NULL)
			return false;
		put(text, in->data[0]);
		pb_slice_skip(in, 1);
	}
	return in->len < before;
}

/* An astring (RFC 3501, section 9); octets over 127 may be in any form. */
static bool
take_string(struct pb_slice *in, struct text *text)
{
	text->is_usable = true;
	if (pb_slice_take(in, '"'))
		return take_quoted(in, text);
	if (pb_slice_take(in, '{'))
		return take_literal(in, text);
	return take_atom(in, text);
}

static bool
take_mailbox(struct pb_slice *in, struct pb_imap_mailbox_data *data)
{
	struct text text = { .out = data->name, .max = sizeof(data->name) };

	if (!take_string(in, &text))
		return false;
	data->name_len = text.is_usable ? text.len : 0;
	return true;
}

static void
note_attribute(struct pb_slice word, struct pb_imap_mailbox_data *data)
{
	if (pb_slice_is(word, "\\Trash"))
		data->special |= PB_IMAP_SPECIAL_TRASH;
	if (pb_slice_is(word, "\\Archive"))
		data->special |= PB_IMAP_SPECIAL_ARCHIVE;
	if (pb_slice_is(word, "\\All"))
		data->special |= PB_IMAP_SPECIAL_ALL;
	if (pb_slice_is(word, "\\NonExistent") ||
	    pb_slice_is(word, "\\Noselect"))
		data->is_absent = true;
}

static bool
take_attributes(struct pb_slice *in, struct pb_imap_mailbox_data *data)
{
	if (!pb_slice_take(in, '('))
		return false;
	pb_slice_take_blanks(in);
	while (!pb_slice_take(in, ')')) {
		struct pb_slice word = pb_slice(in->data, 0);

		while (in->len > 0 && in->data[0] != ' ' &&
		    in->data[0] != ')') {
			unsigned char c = (unsigned char)in->data[0];

			if (c < 0x20 || c >= 0x7f || strchr("({\"", c) != NULL)
				return false;
			pb_slice_skip(in, 1);
			word.len++;
		}
		if (word.len == 0)
			return false;
		note_attribute(word, data);
		pb_slice_take_blanks(in);
	}
	return true;
}

/* One character in quotes, or NIL where names have no hierarchy. */
static bool
take_delimiter(struct pb_slice *in)
{
	char octet[1];
	struct text text = { .out = octet, .max = sizeof(octet) };

	if (pb_slice_take(in, '"'))
		return take_quoted(in, &text);
	if (!pb_slice_starts(*in, "NIL"))
		return false;
	pb_slice_skip(in, 3);
	return true;
}

/* Behind the name RFC 5258 has more, in parentheses; nothing of it counts. */
static bool
parse_list(struct pb_slice in, struct pb_imap_mailbox_data *data)
{
	data->type = PB_IMAP_MAILBOX_LIST;
	if (!take_attributes(&in, data) || !pb_slice_take_blanks(&in) ||
	    !take_delimiter(&in) || !pb_slice_take_blanks(&in) ||
	    !take_mailbox(&in, data))
		return false;
	if (in.len == 0)
		return true;
	return pb_slice_take_blanks(&in) && pb_slice_take(&in, '(') &&
	    in.len > 0 && in.data[in.len - 1] == ')';
}

static bool
take_status_item(struct pb_slice *in, struct pb_imap_mailbox_data *data)
{
	struct pb_slice name = pb_slice_word(in);
	struct pb_slice digits;
	uint64_t n;

	pb_slice_take_blanks(in);
	digits = pb_slice_take_digits(in);
	if (digits.len == 0 || digits.len > PB_IMAP_DIGITS_MAX)
		return false;
	if (!pb_slice_is(name, "UIDVALIDITY"))
		return name.len > 0;
	if (data->uidvalidity != 0 ||
	    pb_slice_number(digits, UINT32_MAX, &n) != PB_OK)
		return false;
	data->uidvalidity = (uint32_t)n;
	return n > 0;
}

static bool
parse_status(struct pb_slice in, struct pb_imap_mailbox_data *data)
{
	data->type = PB_IMAP_MAILBOX_STATUS;
	if (!take_mailbox(&in, data) || !pb_slice_take_blanks(&in) ||
	    !pb_slice_take(&in, '('))
		return false;
	do {
		pb_slice_take_blanks(&in);
		if (!take_status_item(&in, data))
			return false;
	} while (pb_slice_take_blanks(&in) && in.len > 0 && in.data[0] != ')');
	return pb_slice_take(&in, ')') && in.len == 0;
}

static bool
has(const struct text *rights, const char *any)
{
	size_t i;

	for (i = 0; i < rights->len; i++) {
		if (strchr(any, rights->out[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * "d" is of RFC 2086, and said by newer servers as soon as there is one of the
 * rights that it was divided into (RFC 4314, section 2.1.1): it counts only
 * where none of the newer ones is.
 */
static bool
parse_myrights(struct pb_slice in, struct pb_imap_mailbox_data *data)
{
	char letters[RIGHTS_MAX];
	struct text rights = { .out = letters, .max = sizeof(letters) };
	bool is_old;

	data->type = PB_IMAP_MAILBOX_MYRIGHTS;
	if (!take_mailbox(&in, data) || !pb_slice_take_blanks(&in) ||
	    !take_string(&in, &rights) || !rights.is_usable || in.len > 0)
		return false;
	is_old = !has(&rights, "kxte");
	data->may_flag_deleted = has(&rights, is_old ? "d" : "t");
	data->may_expunge = has(&rights, is_old ? "d" : "e");
	return true;
}

bool
pb_imap_mailbox_data_parse(struct pb_slice response,
    struct pb_imap_mailbox_data *data)
{
	struct pb_slice rest = response;
	struct pb_slice word = pb_slice_word(&rest);

	data->name_len = 0;
	data->special = 0;
	data->is_absent = false;
	data->uidvalidity = 0;
	data->may_flag_deleted = false;
	data->may_expunge = false;
	if (pb_slice_is(word, "LIST"))
		return parse_list(rest, data);
	if (pb_slice_is(word, "STATUS"))
		return parse_status(rest, data);
	return pb_slice_is(word, "MYRIGHTS") && parse_myrights(rest, data);
}
