#include "popbridge/imap/gate.h"

#include "popbridge/imap/mailbox_data.h"
#include "popbridge/imap/uid_set.h"

static bool
condition_of(struct pb_slice word, enum pb_imap_condition *condition)
{
	static const struct {
		const char *name;
		enum pb_imap_condition condition;
	} rows[] = {
		{ "OK", PB_IMAP_OK },
		{ "NO", PB_IMAP_NO },
		{ "BAD", PB_IMAP_BAD },
		{ "BYE", PB_IMAP_BYE },
		{ "PREAUTH", PB_IMAP_PREAUTH },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pb_slice_is(word, rows[i].name)) {
			*condition = rows[i].condition;
			return true;
		}
	}
	return false;
}

/* What follows the condition: a code in brackets perhaps, and text. */
static void
take_code(struct pb_slice rest, struct pb_imap_gated *out)
{
	out->text = rest;
	if (rest.len > 0 && rest.data[0] == '[') {
		size_t end = pb_slice_find(rest, ']');

		if (end == rest.len)
			return;
		out->code = pb_slice_sub(rest, 1, end);
		out->text = pb_slice_sub(rest, end + 1, rest.len);
		if (out->text.len > 0 && out->text.data[0] == ' ')
			pb_slice_skip(&out->text, 1);
	}
}

static bool
number_fits(struct pb_slice word, uint64_t min)
{
	uint64_t n;

	return pb_slice_number(word, UINT32_MAX, &n) == PB_OK && n >= min;
}

static bool
take_quoted(struct pb_slice *in)
{
	while (in->len > 0 && in->data[0] != '"') {
		unsigned char c = (unsigned char)in->data[0];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
		pb_slice_skip(in, 1);
		if (c == '\\' && !pb_slice_take(in, '\\') &&
		    !pb_slice_take(in, '"'))
			return false;
	}
	return pb_slice_take(in, '"');
}

/* n} CR LF and n octets, in the form that the framer leaves them. */
static bool
take_literal(struct pb_slice *in)
{
	struct pb_slice size = pb_slice_take_digits(in);
	uint64_t n;

	if (pb_slice_number(size, in->len, &n) != PB_OK ||
	    !pb_slice_take(in, '}') || !pb_slice_take(in, '\r') ||
	    !pb_slice_take(in, '\n') || in->len < n ||
	    pb_slice_find(pb_slice_sub(*in, 0, n), '\0') != n)
		return false;
	pb_slice_skip(in, n);
	return true;
}

/* NIL, a quoted string, or a literal. */
static bool
take_string(struct pb_slice *in)
{
	if (pb_slice_take(in, '"'))
		return take_quoted(in);
	if (pb_slice_take(in, '{'))
		return take_literal(in);
	if (!pb_slice_starts(*in, "NIL"))
		return false;
	pb_slice_skip(in, 3);
	return true;
}

static bool
take_flag(struct pb_slice *in)
{
	size_t len = 0;

	(void)pb_slice_take(in, '\\');
	while (in->len > 0) {
		unsigned char c = (unsigned char)in->data[0];

		if (c == ' ' || c == ')')
			break;
		if (c < 0x20 || c >= 0x7f || memchr("({%*\"\\]", c, 7))
			return false;
		pb_slice_skip(in, 1);
		len++;
	}
	return len > 0;
}

static bool
take_flags(struct pb_slice *in)
{
	if (!pb_slice_take(in, '('))
		return false;
	pb_slice_take_blanks(in);
	while (!pb_slice_take(in, ')')) {
		if (!take_flag(in))
			return false;
		pb_slice_take_blanks(in);
	}
	return true;
}

/* What may follow the name of an item. */
enum value { UID, SIZE, LARGE_NUMBER, MODSEQ, FLAGS, DATE, STRING };

static bool
take_value(struct pb_slice *in, enum value value)
{
	struct pb_slice digits;

	switch (value) {
	case UID:
		return number_fits(pb_slice_take_digits(in), 1);
	case SIZE:
		return number_fits(pb_slice_take_digits(in), 0);
	case LARGE_NUMBER:
		digits = pb_slice_take_digits(in);
		return digits.len > 0 && digits.len <= PB_IMAP_DIGITS_MAX;
	case MODSEQ:
		return pb_slice_take(in, '(') && take_value(in, LARGE_NUMBER) &&
		    pb_slice_take(in, ')');
	case FLAGS:
		return take_flags(in);
	case DATE:
		return pb_slice_take(in, '"') && take_quoted(in);
	case STRING:
		return take_string(in);
	}
	return false;
}

/* BODY[] or BODY[]<n>, whole or in part, but never a section. */
static bool
is_body(struct pb_slice name)
{
	if (!pb_slice_starts(name, "BODY[]"))
		return false;
	pb_slice_skip(&name, 6);
	if (name.len == 0)
		return true;
	return pb_slice_take(&name, '<') &&
	    number_fits(pb_slice_take_digits(&name), 0) &&
	    pb_slice_take(&name, '>') && name.len == 0;
}

static bool
value_of(struct pb_slice name, enum value *value)
{
	static const struct {
		const char *name;
		enum value value;
	} rows[] = {
		{ "UID", UID },
		{ "RFC822.SIZE", SIZE },
		{ "RFC822", STRING },
		{ "FLAGS", FLAGS },
		{ "MODSEQ", MODSEQ },
		{ "INTERNALDATE", DATE },
		{ "X-GM-MSGID", LARGE_NUMBER },
		{ "X-GM-THRID", LARGE_NUMBER },
	};
	size_t i;

	*value = STRING;
	if (is_body(name))
		return true;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*value = rows[i].value;
		if (pb_slice_is(name, rows[i].name))
			return true;
	}
	return false;
}

/* (name value name value ...), and nothing behind. */
static bool
is_items(struct pb_slice in)
{
	enum value value;

	if (!pb_slice_take(&in, '('))
		return false;
	do {
		pb_slice_take_blanks(&in);
		if (!value_of(pb_slice_word(&in), &value))
			return false;
		pb_slice_take_blanks(&in);
		if (!take_value(&in, value))
			return false;
	} while (pb_slice_take_blanks(&in) && in.len > 0 && in.data[0] != ')');
	return pb_slice_take(&in, ')') && in.len == 0;
}

/* The words of CAPABILITY: printable, no syntax of their own. */
static bool
is_words(struct pb_slice data)
{
	size_t i;

	for (i = 0; i < data.len; i++) {
		unsigned char c = (unsigned char)data.data[i];

		if (c < 0x20 || c >= 0x7f || memchr("(){}[]\"\\%*", c, 10))
			return false;
	}
	return data.len > 0;
}

static bool
is_wanted(struct pb_slice data)
{
	struct pb_imap_mailbox_data mailbox;
	struct pb_imap_names names;
	struct pb_slice word;

	while (data.len > 0 && data.data[data.len - 1] == ' ')
		data.len--;
	if (pb_imap_names_parse(data, &names) ||
	    pb_imap_mailbox_data_parse(data, &mailbox))
		return true;
	word = pb_slice_word(&data);
	if (pb_slice_is(word, "CAPABILITY"))
		return is_words(data);
	if (!number_fits(word, 0))
		return false;
	if (pb_slice_is(data, "EXISTS"))
		return true;
	if (!number_fits(word, 1))
		return false;
	if (pb_slice_is(data, "EXPUNGE"))
		return true;
	return pb_slice_starts(data, "FETCH (") &&
	    is_items(pb_slice_sub(data, strlen("FETCH "), data.len));
}

static enum pb_status
gate_untagged(struct pb_slice rest, struct pb_imap_gated *out)
{
	struct pb_slice after = rest;

	if (condition_of(pb_slice_word(&after), &out->condition)) {
		out->kind = PB_IMAP_STATUS;
		take_code(after, out);
		return PB_OK;
	}
	out->kind = PB_IMAP_DATA;
	return is_wanted(rest) ? PB_OK : PB_EINVAL;
}

enum pb_status
pb_imap_gate(struct pb_slice response, struct pb_imap_gated *out)
{
	struct pb_slice rest = response;
	struct pb_slice tag;

	*out = (struct pb_imap_gated){ .kind = PB_IMAP_CONTINUE };
	if (response.len == 0)
		return PB_EINVAL;
	if (response.data[0] == '+') {
		pb_slice_skip(&rest, 1);
		out->text = rest;
		return PB_OK;
	}
	tag = pb_slice_word(&rest);
	if (pb_slice_is(tag, "*"))
		return gate_untagged(rest, out);
	out->kind = PB_IMAP_STATUS;
	out->tag = tag;
	if (tag.len == 0 || !condition_of(pb_slice_word(&rest),
	    &out->condition) || out->condition == PB_IMAP_BYE ||
	    out->condition == PB_IMAP_PREAUTH)
		return PB_EPROTO;
	take_code(rest, out);
	return PB_OK;
}
