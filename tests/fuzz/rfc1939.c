#include "rfc1939.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/pop3/stuff.h"
#include "support/stuffed.h"

#define OCTETS_MAX (64u * 1024 * 1024)

/* Octets of a reply's first line (RFC 1939, section 3). */
#define REPLY_MAX 512

/* Refused commands in a row that popbridge answers before it hangs up. */
#define ERRORS_MAX 20

static void
show(const char *what, struct pb_slice octets)
{
	size_t most = octets.len < 400 ? octets.len : 400;

	fprintf(stderr, "%s (%zu): %.*s\n", what, octets.len, (int)most,
	    octets.data);
}

void
pbt_rfc1939_must(const struct pbt_rfc1939 *m, bool fulfilled, const char *what)
{
	if (fulfilled)
		return;
	fprintf(stderr, "must be: %s\nin state %d\n", what, (int)m->state);
	show("sent", pb_buffer_slice(&m->sent));
	show("received", pb_buffer_slice(&m->received));
	abort();
}

void
pbt_rfc1939_init(struct pbt_rfc1939 *m, const struct pbt_imap_server *server)
{
	*m = (struct pbt_rfc1939){ .server = server };
	pb_buffer_init(&m->sent, OCTETS_MAX);
	pb_buffer_init(&m->received, OCTETS_MAX);
}

void
pbt_rfc1939_fini(struct pbt_rfc1939 *m)
{
	pb_buffer_fini(&m->sent);
	pb_buffer_fini(&m->received);
}

static size_t
n_unmarked(const struct pbt_rfc1939 *m)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < m->n; i++)
		n += !m->drop[i].marked;
	return n;
}

static size_t
octets_unmarked(const struct pbt_rfc1939 *m)
{
	size_t octets = 0;
	size_t i;

	for (i = 0; i < m->n; i++)
		octets += m->drop[i].marked ? 0 : m->drop[i].message->len;
	return octets;
}

/* A command was answered as it deserved. */
static void
count(struct pbt_rfc1939 *m, bool refused)
{
	m->errors = refused ? m->errors + 1 : 0;
	if (m->errors < ERRORS_MAX)
		return;
	m->state = PBT_POP3_END;
	m->must_end = true;
}

static bool
is_positive(struct pb_slice reply)
{
	return reply.len >= 3 && memcmp(reply.data, "+OK", 3) == 0;
}

/* The reply is this, octet by octet. */
static void
must_be(const struct pbt_rfc1939 *m, struct pb_slice reply,
    struct pb_buffer *want)
{
	struct pb_slice octets = pb_buffer_slice(want);
	bool same = reply.len == octets.len &&
	    memcmp(reply.data, octets.data, reply.len) == 0;

	if (!same)
		show("wanted", octets);
	pbt_rfc1939_must(m, same, "the reply is right");
	pb_buffer_fini(want);
}

static struct pb_slice
behind_first_line(struct pb_slice reply)
{
	pb_slice_skip(&reply, pb_slice_find(reply, '\n') + 1);
	return reply;
}

static void
must_begin(const struct pbt_rfc1939 *m, struct pb_slice reply,
    const char *text)
{
	pbt_rfc1939_must(m, reply.len > strlen(text) &&
	    memcmp(reply.data, text, strlen(text)) == 0, text);
}

static void
judge_stat(const struct pbt_rfc1939 *m, struct pb_slice reply)
{
	struct pb_buffer want;

	pb_buffer_init(&want, REPLY_MAX);
	pbt_say(&want, "+OK %zu %zu\r\n", n_unmarked(m), octets_unmarked(m));
	must_be(m, reply, &want);
}

/* One line of LIST or UIDL. */
static void
say_line(const struct pbt_rfc1939 *m, size_t i, bool uidl,
    struct pb_buffer *to)
{
	const struct pbt_message *one = m->drop[i].message;

	if (uidl)
		pbt_say(to, "%zu %08" PRIx32 "%08x\r\n", i + 1, one->uid,
		    PBT_UIDVALIDITY);
	else
		pbt_say(to, "%zu %zu\r\n", i + 1, one->len);
}

static void
judge_listing(struct pbt_rfc1939 *m, const struct pbt_command *c,
    struct pb_slice reply)
{
	bool uidl = c->verb == PBT_UIDL;
	struct pb_buffer want;
	size_t i;

	pb_buffer_init(&want, OCTETS_MAX);
	if (c->n_numbers > 0) {
		pbt_say(&want, "+OK ");
		say_line(m, c->numbers[0] - 1, uidl, &want);
		must_be(m, reply, &want);
		return;
	}
	for (i = 0; i < m->n; i++) {
		if (!m->drop[i].marked)
			say_line(m, i, uidl, &want);
	}
	pbt_say(&want, ".\r\n");
	must_begin(m, reply, "+OK");
	must_be(m, behind_first_line(reply), &want);
}

void
pbt_rfc1939_write_body(const struct pbt_rfc1939 *m, const struct pbt_command *c,
    struct pb_buffer *to)
{
	const struct pbt_message *one = m->drop[c->numbers[0] - 1].message;

	pb_buffer_init(to, OCTETS_MAX);
	pbt_stuffed(pb_slice(one->text, one->len), c->verb == PBT_TOP
	    ? c->numbers[1] : PB_POP3_ALL_LINES, to);
}

static void
judge_message(struct pbt_rfc1939 *m, const struct pbt_command *c,
    struct pb_slice reply)
{
	struct pbt_drop_message *one = pbt_rfc1939_named(m, c);
	struct pb_buffer want;

	pbt_rfc1939_write_body(m, c, &want);
	must_be(m, behind_first_line(reply), &want);
	if (c->verb != PBT_RETR)
		return;
	one->retrieved = true;
	if (m->last < c->numbers[0])
		m->last = (size_t)c->numbers[0];
}

static void
judge_last(const struct pbt_rfc1939 *m, struct pb_slice reply)
{
	struct pb_buffer want;

	pb_buffer_init(&want, REPLY_MAX);
	pbt_say(&want, "+OK %zu\r\n", m->last);
	must_be(m, reply, &want);
}

static bool
has_line(struct pb_slice reply, const char *line)
{
	return memmem(reply.data, reply.len, line, strlen(line)) != NULL;
}

static void
judge_capa(const struct pbt_rfc1939 *m, struct pb_slice reply)
{
	static const char *const lines[] = { "\r\nTOP\r\n", "\r\nUIDL\r\n",
		"\r\nUSER\r\n", "\r\nRESP-CODES\r\n", "\r\nPIPELINING\r\n" };
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		pbt_rfc1939_must(m, has_line(reply, lines[i]), lines[i]);
	pbt_rfc1939_must(m, !has_line(reply, "\r\nSTLS\r\n"), "no STLS without TLS");
}

/* Positive when all that is marked is gone, and the rest as it should be. */
static void
judge_quit(struct pbt_rfc1939 *m, struct pb_slice reply)
{
	bool positive = is_positive(reply);
	size_t i;

	for (i = 0; positive && i < m->n; i++) {
		const struct pbt_drop_message *one = &m->drop[i];

		pbt_rfc1939_must(m, !one->marked || one->message->gone,
		    "what QUIT says is removed is removed");
		pbt_rfc1939_must(m, !m->marks_seen || m->lost ||
		    m->server->read_only || !one->retrieved || one->marked ||
		    one->message->seen || one->message->gone,
		    "what was retrieved is seen");
	}
	pbt_rfc1939_must(m, positive || m->may_end || (n_unmarked(m) < m->n &&
	    (m->trouble || m->no_journal || m->server->read_only)),
	    "QUIT does what it is told");
	m->quit = m->state == PBT_POP3_TRANSACTION;
	m->state = PBT_POP3_END;
	m->must_end = true;
}

static bool
has_more_lines(const struct pbt_command *c)
{
	switch (c->verb) {
	case PBT_CAPA:
	case PBT_RETR:
	case PBT_TOP:
		return true;
	case PBT_LIST:
	case PBT_UIDL:
		return c->n_numbers == 0;
	case PBT_DELE:
	case PBT_LAST:
	case PBT_NOOP:
	case PBT_PASS:
	case PBT_QUIT:
	case PBT_RSET:
	case PBT_STAT:
	case PBT_USER:
	case PBT_UNKNOWN:
		break;
	}
	return false;
}

static void
judge_success(struct pbt_rfc1939 *m, const struct pbt_command *c,
    struct pb_slice reply)
{
	switch (c->verb) {
	case PBT_USER:
		m->has_user = true;
		return;
	case PBT_PASS:
		pbt_rfc1939_open(m);
		return;
	case PBT_DELE:
		pbt_rfc1939_named(m, c)->marked = true;
		return;
	case PBT_RSET:
		pbt_rfc1939_reset(m);
		return;
	case PBT_STAT:
		judge_stat(m, reply);
		return;
	case PBT_LIST:
	case PBT_UIDL:
		judge_listing(m, c, reply);
		return;
	case PBT_RETR:
	case PBT_TOP:
		judge_message(m, c, reply);
		return;
	case PBT_LAST:
		judge_last(m, reply);
		return;
	case PBT_CAPA:
		judge_capa(m, reply);
		return;
	case PBT_NOOP:
	case PBT_QUIT:
	case PBT_UNKNOWN:
		break;
	}
}

static void
judge(struct pbt_rfc1939 *m, const struct pbt_command *c,
    enum pbt_verdict verdict, struct pb_slice reply)
{
	bool positive = is_positive(reply);

	pbt_rfc1939_must(m, positive || pb_slice_starts(reply, "-ERR"),
	    "a status indicator");
	if (c->verb == PBT_USER && c->well_formed)
		m->has_user = false;
	if (c->verb == PBT_QUIT && c->well_formed) {
		judge_quit(m, reply);
		return;
	}
	pbt_rfc1939_must(m, verdict != PBT_YES || positive, "a positive reply");
	pbt_rfc1939_must(m, verdict != PBT_NO || !positive, "a negative reply");
	/* What the server has done is nothing the client can mend. */
	count(m, !positive && !(verdict == PBT_EITHER &&
	    m->state == PBT_POP3_TRANSACTION && c->verb != PBT_DELE));
	if (positive)
		judge_success(m, c, reply);
}

/* Octets of the reply that comes first; 0: it is not complete. */
static size_t
reply_length(const struct pbt_rfc1939 *m, bool more)
{
	struct pb_slice in = pb_buffer_slice(&m->received);
	size_t line = pb_slice_find(in, '\n') + 1;
	const char *end;

	if (line > in.len)
		return 0;
	pbt_rfc1939_must(m, line <= REPLY_MAX && line >= 2 && in.data[line - 2] == '\r',
	    "a first line of at most 512 octets that ends in CR LF");
	if (!more || !is_positive(in))
		return line;
	end = memmem(in.data + line - 2, in.len - line + 2, "\r\n.\r\n", 5);
	return end != NULL ? (size_t)(end - in.data) + 5 : 0;
}

static bool
judge_one(struct pbt_rfc1939 *m)
{
	struct pbt_next next = pbt_rfc1939_next(m,
	    pb_buffer_slice(&m->sent));
	size_t len = reply_length(m, next.octets > 0 &&
	    has_more_lines(&next.command));
	struct pb_slice reply = pb_slice_sub(pb_buffer_slice(&m->received), 0,
	    len);

	if (len == 0)
		return false;
	if (m->state == PBT_POP3_GREETING) {
		pbt_rfc1939_must(m, is_positive(reply), "a greeting");
		m->state = PBT_POP3_AUTHORIZATION;
	} else {
		pbt_rfc1939_must(m, m->state != PBT_POP3_END, "nothing behind the end");
		pbt_rfc1939_must(m, next.octets > 0,
		    "no reply without a command");
		judge(m, &next.command, next.verdict, reply);
		if (next.foreign) {
			m->state = PBT_POP3_END;
			m->must_end = true;
		}
		pb_buffer_consume(&m->sent, next.octets);
	}
	pb_buffer_consume(&m->received, len);
	return true;
}

void
pbt_rfc1939_sent(struct pbt_rfc1939 *m, struct pb_slice octets)
{
	pbt_put(&m->sent, octets);
}

void
pbt_rfc1939_received(struct pbt_rfc1939 *m, struct pb_slice octets)
{
	pbt_put(&m->received, octets);
	while (m->received.len > 0 && judge_one(m))
		continue;
}
