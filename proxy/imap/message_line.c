#include "popbridge/imap/message_line.h"

/* Where reading stands in the line. */
struct cursor {
	const char *at;
	const char *end;
};

static bool
take(struct cursor *c, const char *text, size_t len)
{
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0)
		return false;
	c->at += len;
	return true;
}

#define TAKE(c, literal) take((c), (literal), sizeof(literal) - 1)

/* Without a leading zero. */
static bool
take_uint32(struct cursor *c, uint32_t least, uint32_t *value)
{
	const char *start = c->at;
	uint64_t n = 0;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9' &&
	    n <= UINT32_MAX)
		n = n * 10 + (uint64_t)(*c->at++ - '0');
	*value = (uint32_t)n;
	return c->at > start && n >= least && n <= UINT32_MAX &&
	    (*start != '0' || c->at == start + 1);
}

/* Letters and digits of flags and keywords: every server's are of these. */
static bool
is_flag_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '$' || c == '_' || c == '-';
}

/* Words with one blank between, and the parenthesis behind; of no interest. */
static bool
take_flags(struct cursor *c)
{
	if (TAKE(c, ")"))
		return true;
	do {
		const char *start;

		(void)TAKE(c, "\\");
		start = c->at;
		while (c->at < c->end && is_flag_octet(*c->at))
			c->at++;
		if (c->at == start)
			return false;
	} while (TAKE(c, " "));
	return TAKE(c, ")");
}

static bool
take_item(struct cursor *c, struct pb_imap_data *data)
{
	if (TAKE(c, "UID "))
		return data->uid == 0 && take_uint32(c, 1, &data->uid);
	if (TAKE(c, "RFC822.SIZE ")) {
		bool twice = data->has_size;

		data->has_size = true;
		return !twice && take_uint32(c, 0, &data->size);
	}
	if (TAKE(c, "FLAGS ("))
		return take_flags(c);
	if (data->body != PB_IMAP_BODY_ABSENT)
		return false;
	data->body = PB_IMAP_BODY_TEXT;
	return TAKE(c, "BODY[] {0}\r\n") || TAKE(c, "BODY[]<0> {0}\r\n");
}

bool
pb_imap_message_line(struct pb_slice response, struct pb_imap_data *data)
{
	struct cursor c = { response.data, response.data + response.len };

	*data = (struct pb_imap_data){ .type = PB_IMAP_DATA_FETCH };
	if (!TAKE(&c, "* ") || !take_uint32(&c, 1, &data->number))
		return false;
	if (TAKE(&c, " EXPUNGE")) {
		data->type = PB_IMAP_DATA_EXPUNGE;
		return c.at == c.end;
	}
	if (!TAKE(&c, " FETCH ("))
		return false;
	do {
		if (!take_item(&c, data))
			return false;
	} while (TAKE(&c, " "));
	return TAKE(&c, ")") && c.at == c.end;
}
