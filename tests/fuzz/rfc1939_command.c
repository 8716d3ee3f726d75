#include "rfc1939.h"

#include <string.h>
#include <strings.h>

/* Octets of a command (RFC 2449, section 4). */
#define LINE_MAX_OCTETS 255

static const struct {
	const char *name;
	size_t numbers_min;
	size_t numbers_max;
} verbs[] = {
	[PBT_CAPA] = { "CAPA", 0, 0 },
	[PBT_DELE] = { "DELE", 1, 1 },
	[PBT_LAST] = { "LAST", 0, 0 },
	[PBT_LIST] = { "LIST", 0, 1 },
	[PBT_NOOP] = { "NOOP", 0, 0 },
	[PBT_PASS] = { "PASS", 0, 0 },
	[PBT_QUIT] = { "QUIT", 0, 0 },
	[PBT_RETR] = { "RETR", 1, 1 },
	[PBT_RSET] = { "RSET", 0, 0 },
	[PBT_STAT] = { "STAT", 0, 0 },
	[PBT_TOP] = { "TOP", 2, 2 },
	[PBT_UIDL] = { "UIDL", 0, 1 },
	[PBT_USER] = { "USER", 0, 0 },
};

static enum pbt_verb
find(struct pb_slice word)
{
	enum pbt_verb verb;

	for (verb = 0; verb < PBT_UNKNOWN; verb++) {
		if (word.len == strlen(verbs[verb].name) &&
		    strncasecmp(word.data, verbs[verb].name, word.len) == 0)
			break;
	}
	return verb;
}

/* What is too large names nothing that is there. */
static bool
read_number(struct pb_slice word, uint64_t *number)
{
	size_t i;

	*number = 0;
	for (i = 0; i < word.len; i++) {
		unsigned digit = (unsigned char)word.data[i] - '0';

		if (digit > 9)
			return false;
		*number = *number > (UINT64_MAX - digit) / 10
		    ? UINT64_MAX : *number * 10 + digit;
	}
	return true;
}

static bool
read_numbers(struct pbt_command *c, struct pb_slice rest)
{
	while (rest.len > 0) {
		size_t end = pb_slice_find(rest, ' ');

		if (end > 0 && (c->n_numbers == 2 || !read_number(
		    pb_slice_sub(rest, 0, end), &c->numbers[c->n_numbers++])))
			return false;
		pb_slice_skip(&rest, end < rest.len ? end + 1 : end);
	}
	return c->n_numbers >= verbs[c->verb].numbers_min &&
	    c->n_numbers <= verbs[c->verb].numbers_max;
}

struct pbt_command
pbt_rfc1939_parse(struct pb_slice line)
{
	size_t end = pb_slice_find(line, ' ');
	struct pbt_command c = { .verb = find(pb_slice_sub(line, 0, end)) };

	if (c.verb == PBT_UNKNOWN)
		return c;
	pb_slice_skip(&line, end < line.len ? end + 1 : end);
	if (c.verb != PBT_USER && c.verb != PBT_PASS) {
		c.well_formed = read_numbers(&c, line);
		return c;
	}
	/* One blank is the separator; others belong to name or password. */
	c.text = line;
	c.well_formed = line.len > 0;
	return c;
}

struct pbt_drop_message *
pbt_rfc1939_named(struct pbt_rfc1939 *m, const struct pbt_command *c)
{
	if (c->n_numbers == 0 || c->numbers[0] == 0 || c->numbers[0] > m->n ||
	    m->drop[c->numbers[0] - 1].marked)
		return NULL;
	return &m->drop[c->numbers[0] - 1];
}

static bool
is_login_text(struct pb_slice text)
{
	return memchr(text.data, '\r', text.len) == NULL &&
	    memchr(text.data, '\0', text.len) == NULL;
}

static bool
is_right(const struct pbt_rfc1939 *m, struct pb_slice password)
{
	return password.len == strlen(m->server->password) &&
	    memcmp(password.data, m->server->password, password.len) == 0;
}

static enum pbt_verdict
before_login(const struct pbt_rfc1939 *m, const struct pbt_command *c)
{
	switch (c->verb) {
	case PBT_CAPA:
	case PBT_NOOP:
	case PBT_QUIT:
		return c->verb == PBT_NOOP ? PBT_NO : PBT_YES;
	case PBT_USER:
		return is_login_text(c->text) ? PBT_YES : PBT_NO;
	case PBT_PASS:
		if (!m->has_user || !is_right(m, c->text))
			return PBT_NO;
		return m->trouble ? PBT_EITHER : PBT_YES;
	case PBT_DELE:
	case PBT_LAST:
	case PBT_LIST:
	case PBT_RETR:
	case PBT_RSET:
	case PBT_STAT:
	case PBT_TOP:
	case PBT_UIDL:
	case PBT_UNKNOWN:
		break;
	}
	return PBT_NO;
}

static enum pbt_verdict
after_login(struct pbt_rfc1939 *m, const struct pbt_command *c)
{
	struct pbt_drop_message *one = pbt_rfc1939_named(m, c);

	switch (c->verb) {
	case PBT_CAPA:
	case PBT_LAST:
	case PBT_NOOP:
	case PBT_RSET:
	case PBT_STAT:
		return PBT_YES;
	case PBT_QUIT:
		return PBT_EITHER;
	case PBT_DELE:
		if (one == NULL || (m->server->read_only && !m->trouble))
			return PBT_NO;
		return m->server->read_only ? PBT_EITHER : PBT_YES;
	case PBT_LIST:
	case PBT_UIDL:
		return one != NULL || c->n_numbers == 0 ? PBT_YES : PBT_NO;
	case PBT_RETR:
	case PBT_TOP:
		if (one == NULL)
			return PBT_NO;
		return m->trouble || one->message->gone ? PBT_EITHER : PBT_YES;
	case PBT_PASS:
	case PBT_USER:
	case PBT_UNKNOWN:
		break;
	}
	return PBT_NO;
}

/* A browser or a TLS client: one refusal, and it is over. */
static bool
is_foreign(const struct pbt_rfc1939 *m, struct pb_slice line)
{
	static const char *const methods[] = { "GET ", "POST ", "PUT ",
		"HEAD ", "OPTIONS ", "PATCH ", "DELETE ", "TRACE ",
		"CONNECT ", "PRI " };
	size_t i;

	if (m->state != PBT_POP3_AUTHORIZATION || line.len == 0)
		return false;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (line.len >= strlen(methods[i]) && strncasecmp(line.data,
		    methods[i], strlen(methods[i])) == 0)
			return true;
	}
	return line.data[0] == 0x16;
}

struct pbt_next
pbt_rfc1939_next(struct pbt_rfc1939 *m, struct pb_slice in)
{
	size_t end = pb_slice_find(in, '\n');
	struct pbt_next next = { .verdict = PBT_NO };
	struct pb_slice line = pb_slice_sub(in, 0, end);

	next.command.verb = PBT_UNKNOWN;
	next.octets = end < in.len ? end + 1 : 0;
	if (m->state == PBT_POP3_AUTHORIZATION && in.len > 0 &&
	    in.data[0] == 0x16)
		next.octets = in.len;
	if (next.octets == 0)
		return next;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	next.foreign = is_foreign(m, line);
	if (next.foreign || end >= LINE_MAX_OCTETS)
		return next;
	next.command = pbt_rfc1939_parse(line);
	if (next.command.well_formed)
		next.verdict = m->state == PBT_POP3_TRANSACTION
		    ? after_login(m, &next.command)
		    : before_login(m, &next.command);
	return next;
}
