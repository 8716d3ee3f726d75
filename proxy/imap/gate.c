#include "popbridge/imap/gate.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

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

/* A walk through the items of a FETCH response, token by token. */
struct walk {
	struct pb_slice rest;
	unsigned depth;
	bool value_next;	/* in the list itself: an item's name has been */
};

/* A value of the list itself has begun or ended; inside one it has not. */
static bool
take_value(struct walk *w)
{
	if (w->depth == 1) {
		if (!w->value_next)
			return false;
		w->value_next = false;
	}
	return w->depth > 0;
}

static bool
skip_quoted(struct walk *w)
{
	pb_slice_skip(&w->rest, 1);
	while (w->rest.len > 0 && w->rest.data[0] != '"') {
		unsigned char c = (unsigned char)w->rest.data[0];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
		if (c == '\\') {
			pb_slice_skip(&w->rest, 1);
			if (w->rest.len == 0 || (w->rest.data[0] != '"' &&
			    w->rest.data[0] != '\\'))
				return false;
		}
		pb_slice_skip(&w->rest, 1);
	}
	if (w->rest.len == 0)
		return false;
	pb_slice_skip(&w->rest, 1);
	return true;
}

/* {n} CR LF and n octets, in the form that the framer leaves them. */
static bool
skip_literal(struct walk *w)
{
	size_t end = pb_slice_find(w->rest, '}');
	uint64_t n;

	if (end == w->rest.len || pb_slice_number(pb_slice_sub(w->rest, 1, end),
	    w->rest.len, &n) != PB_OK)
		return false;
	pb_slice_skip(&w->rest, end + 1);
	if (w->rest.len < 2 + n || w->rest.data[0] != '\r' ||
	    w->rest.data[1] != '\n')
		return false;
	if (pb_slice_find(pb_slice_sub(w->rest, 2, 2 + n), '\0') != n)
		return false;
	pb_slice_skip(&w->rest, 2 + n);
	return true;
}

static bool
is_body_part(struct pb_slice name)
{
	if (!pb_slice_starts(name, "BODY[]"))
		return false;
	pb_slice_skip(&name, 6);
	return name.len == 0 || (name.len > 2 && name.data[0] == '<' &&
	    name.data[name.len - 1] == '>' &&
	    number_fits(pb_slice_sub(name, 1, name.len - 1), 0));
}

/*
 * UID and RFC822.SIZE must be followed by a number that fits: the library
 * would cut a larger one, or take -7 for 0.
 */
static bool
take_name(struct walk *w, struct pb_slice name)
{
	static const char *const others[] = { "FLAGS", "MODSEQ", "INTERNALDATE",
		"RFC822", "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS" };
	bool is_uid = pb_slice_is(name, "UID");
	struct pb_slice value = w->rest;
	size_t i;

	w->value_next = true;
	if (value.len == 0 || value.data[0] != ' ')
		return false;
	pb_slice_skip(&value, 1);
	if (is_uid || pb_slice_is(name, "RFC822.SIZE")) {
		for (i = 0; i < value.len && is_digit(value.data[i]); i++)
			continue;
		return number_fits(pb_slice_sub(value, 0, i), is_uid ? 1 : 0);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (pb_slice_is(name, others[i]))
			return true;
	}
	return is_body_part(name);
}

static bool
skip_atom(struct walk *w)
{
	struct pb_slice atom = w->rest;
	size_t digits = 0;

	for (atom.len = 0; atom.len < w->rest.len; atom.len++) {
		unsigned char c = (unsigned char)w->rest.data[atom.len];

		if (c == ' ' || c == '(' || c == ')' || c == '"' || c == '{')
			break;
		if (c <= 0x20 || c >= 0x7f)
			return false;
		digits = is_digit((char)c) ? digits + 1 : 0;
		if (digits > PB_IMAP_DIGITS_MAX)
			return false;
	}
	pb_slice_skip(&w->rest, atom.len);
	if (w->depth == 1 && !w->value_next)
		return take_name(w, atom);
	return take_value(w);
}

static bool
step(struct walk *w)
{
	switch (w->rest.data[0]) {
	case '"':
		return take_value(w) && skip_quoted(w);
	case '{':
		return take_value(w) && skip_literal(w);
	case '(':
		if (w->depth > 0 && !take_value(w))
			return false;
		pb_slice_skip(&w->rest, 1);
		return ++w->depth <= PB_IMAP_DEPTH_MAX;
	case ')':
		pb_slice_skip(&w->rest, 1);
		return w->depth-- > 0;
	case ' ':
		pb_slice_skip(&w->rest, 1);
		return true;
	default:
		return skip_atom(w);
	}
}

static bool
is_well_formed(struct pb_slice data)
{
	struct walk w = { .rest = data };

	do {
		if (!step(&w))
			return false;
	} while (w.depth > 0 && w.rest.len > 0);
	return w.depth == 0 && w.rest.len == 0 && !w.value_next;
}

/* Numbers with single blanks between, as SEARCH returns them. */
static bool
is_numbers(struct pb_slice data)
{
	while (data.len > 0) {
		if (!number_fits(pb_slice_word(&data), 1))
			return false;
	}
	return true;
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
	struct pb_slice word = pb_slice_word(&data);

	while (data.len > 0 && data.data[data.len - 1] == ' ')
		data.len--;
	if (pb_slice_is(word, "CAPABILITY"))
		return is_words(data);
	if (pb_slice_is(word, "SEARCH"))
		return is_numbers(data);
	if (!number_fits(word, 0))
		return false;
	if (pb_slice_is(data, "EXISTS"))
		return true;
	if (!number_fits(word, 1))
		return false;
	if (pb_slice_is(data, "EXPUNGE"))
		return true;
	return pb_slice_starts(data, "FETCH (") &&
	    is_well_formed(pb_slice_sub(data, strlen("FETCH "), data.len));
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
