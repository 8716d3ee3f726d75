#include "imap_server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"

#define OCTETS_MAX (16u * 1024 * 1024)

void
pbt_imap_server_init(struct pbt_imap_server *s)
{
	*s = (struct pbt_imap_server){ .uidnext = 11, .password = "right" };
	pb_buffer_init(&s->in, OCTETS_MAX);
	pb_buffer_init(&s->out, OCTETS_MAX);
}

void
pbt_imap_server_fini(struct pbt_imap_server *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		pb_free(s->messages[i].text);
	pb_buffer_fini(&s->in);
	pb_buffer_fini(&s->out);
}

static void
repeat(struct pb_buffer *b, const char *text, unsigned times)
{
	while (times-- > 0)
		pbt_put(b, pb_slice_str(text));
}

static void
write_message(struct pb_buffer *b, char kind)
{
	static const char *const texts[] = { "", "Subject: b\r\n\r\nhello\r\n",
		".", ".\r\n", "a\r\n.\r\n.\r\n\r\n..\r\n.b\r\n", "a\n.\n\n.\nb\n",
		"Subject: no line end\r\n\r\nat the end", "\r\n", "\n.\n",
		"\r\n\r\n.\r", "a\r.\r\nb\r\r\n\r\n.c\r\n..\r\n...",
		"Subject: no body\r\n", "\r\n.\r\n", ".\n.\r\n\n" };
	size_t at = (size_t)(kind - 'a');

	if (at < sizeof(texts) / sizeof(texts[0])) {
		pbt_put(b, pb_slice_str(texts[at]));
		return;
	}
	pbt_put(b, pb_slice_str("X: \xff\r\n"));
	pbt_put(b, pb_slice("Y: \0\r\n", 6));
	/* TOP needs two parts; more than may wait; more than is read ahead. */
	repeat(b, "Z: header\r\n", kind == 'o' ? 2500 : 0);
	repeat(b, "\r\n.body\r\n", kind == 'p' ? 2500 : 1);
	repeat(b, ".line\n\n", kind == 'q' ? 12000 : 1);
	repeat(b, "more and more and more\r\n", kind == 'r' ? 12000 : 1);
}

bool
pbt_imap_server_add(struct pbt_imap_server *s, char kind)
{
	struct pbt_message *m = &s->messages[s->n];
	struct pb_buffer text;

	if (s->n == PBT_MESSAGES_MAX)
		return false;
	pb_buffer_init(&text, OCTETS_MAX);
	write_message(&text, kind);
	*m = (struct pbt_message){ .uid = s->uidnext, .len = text.len };
	m->text = pb_xalloc(text.len + 1);
	if (text.len > 0)
		memcpy(m->text, pb_buffer_slice(&text).data, text.len);
	pb_buffer_fini(&text);
	/* With and without a gap, so that sets have ranges. */
	s->uidnext += s->n % 3 == 2 ? 5 : 1;
	s->n++;
	return true;
}

void
pbt_imap_server_vanish(struct pbt_imap_server *s, size_t place)
{
	if (place >= s->n || s->messages[place].gone)
		return;
	s->messages[place].gone = s->messages[place].vanished = true;
}

void
pbt_imap_server_settle(struct pbt_imap_server *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct pbt_message *m = &s->messages[i];

		m->was_deleted = m->deleted;
		m->was_seen = m->seen;
		m->was_gone = m->gone;
		m->removed = m->vanished = false;
	}
}

void
pbt_imap_server_accept(struct pbt_imap_server *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		s->messages[i].in_view = false;
	s->commands_max = 0;
	s->dead = false;
	pb_buffer_clear(&s->in);
	pb_buffer_clear(&s->out);
	pbt_say(&s->out, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN%s%s] "
	    "ready\r\n", s->uidplus ? " UIDPLUS" : "",
	    s->esearch ? " ESEARCH" : "");
}

static uint32_t
in_view(const struct pbt_imap_server *s)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		n += s->messages[i].in_view;
	return n;
}

static uint32_t
number_of(const struct pbt_imap_server *s, const struct pbt_message *m)
{
	uint32_t n = 1;
	const struct pbt_message *other;

	for (other = s->messages; other != m; other++)
		n += other->in_view;
	return n;
}

/* What the client has not been told yet. */
static void
tell_news(struct pbt_imap_server *s)
{
	bool more = false;
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct pbt_message *m = &s->messages[i];

		if (m->in_view && m->gone) {
			pbt_say(&s->out, "* %" PRIu32 " EXPUNGE\r\n",
			    number_of(s, m));
			m->in_view = false;
		}
		more |= !m->in_view && !m->gone;
		m->in_view = !m->gone;
	}
	if (more)
		pbt_say(&s->out, "* %" PRIu32 " EXISTS\r\n", in_view(s));
}

static void
finish(struct pbt_imap_server *s, struct pb_slice tag, const char *result)
{
	pbt_put(&s->out, tag);
	pbt_say(&s->out, " %s\r\n", result);
}

static bool
takes_login(const struct pbt_imap_server *s, struct pb_slice message)
{
	size_t password = strlen(s->password);
	char text[1024];
	size_t len;

	return message.len < sizeof(text) &&
	    pb_base64_decode(message, text, &len) == PB_OK && len > password &&
	    text[len - password - 1] == '\0' &&
	    memcmp(text + len - password, s->password, password) == 0;
}

static void
do_select(struct pbt_imap_server *s, struct pb_slice tag)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		s->messages[i].in_view = !s->messages[i].gone;
	pbt_say(&s->out, "* %" PRIu32 " EXISTS\r\n* OK [UIDVALIDITY %u] valid"
	    "\r\n* OK [UIDNEXT %" PRIu32 "] next\r\n", in_view(s),
	    PBT_UIDVALIDITY, s->uidnext);
	finish(s, tag, s->read_only ? "OK [READ-ONLY] selected"
				    : "OK [READ-WRITE] selected");
}

/* A number of a set, or the highest that there is. */
static uint32_t
take_number(const struct pbt_imap_server *s, struct pb_slice *set)
{
	uint32_t n = 0;

	if (set->len > 0 && set->data[0] == '*') {
		size_t i;

		pb_slice_skip(set, 1);
		for (i = 0; i < s->n; i++)
			n = s->messages[i].in_view ? s->messages[i].uid : n;
		return n;
	}
	while (set->len > 0 && set->data[0] >= '0' && set->data[0] <= '9') {
		n = n * 10 + (uint32_t)(set->data[0] - '0');
		pb_slice_skip(set, 1);
	}
	pb_check(n > 0);
	return n;
}

static bool
is_in(const struct pbt_imap_server *s, const struct pbt_message *m,
    struct pb_slice set)
{
	while (set.len > 0) {
		uint32_t first = take_number(s, &set);
		uint32_t last = first;

		if (set.len > 0 && set.data[0] == ':') {
			pb_slice_skip(&set, 1);
			last = take_number(s, &set);
		}
		if ((m->uid >= first && m->uid <= last) ||
		    (m->uid >= last && m->uid <= first))
			return m->in_view && !m->gone;
		pb_check(set.len == 0 || set.data[0] == ',');
		pb_slice_skip(&set, set.len > 0);
	}
	return false;
}

/* (UID), (UID RFC822.SIZE), (UID BODY.PEEK[]) or (UID BODY.PEEK[]<0.n>). */
static void
say_message(struct pbt_imap_server *s, const struct pbt_message *m,
    struct pb_slice what)
{
	size_t len = m->len;
	uint64_t most;

	pbt_say(&s->out, "* %" PRIu32 " FETCH (", number_of(s, m));
	if (pb_slice_is(what, "(UID)")) {
		pbt_say(&s->out, "UID %" PRIu32 ")\r\n", m->uid);
		return;
	}
	if (pb_slice_is(what, "(UID RFC822.SIZE)")) {
		pbt_say(&s->out, "UID %" PRIu32 " RFC822.SIZE %zu)\r\n",
		    m->uid, m->len);
		return;
	}
	pb_check(pb_slice_starts(what, "(UID BODY.PEEK[]"));
	pb_slice_skip(&what, strlen("(UID BODY.PEEK[]"));
	if (!s->uid_behind)
		pbt_say(&s->out, "UID %" PRIu32 " ", m->uid);
	pbt_say(&s->out, "BODY[]");
	if (pb_slice_starts(what, "<0.")) {
		pb_check(pb_slice_number(pb_slice_sub(what, 3, what.len - 2),
		    UINT32_MAX, &most) == PB_OK);
		pbt_say(&s->out, "<0>");
		len = len < most ? len : (size_t)most;
	}
	pbt_say(&s->out, " {%zu}\r\n", len);
	pbt_put(&s->out, pb_slice(m->text, len));
	if (s->uid_behind)
		pbt_say(&s->out, " UID %" PRIu32, m->uid);
	pbt_say(&s->out, ")\r\n");
}

static void
do_search(struct pbt_imap_server *s, struct pb_slice tag, struct pb_slice what)
{
	bool extended = pb_slice_starts(what, "RETURN (ALL) ");
	const char *between = extended ? "" : " ";
	bool only_deleted;
	size_t i;

	pb_slice_skip(&what, extended ? strlen("RETURN (ALL) ") : 0);
	only_deleted = pb_slice_is(what, "DELETED");
	pb_check(only_deleted || pb_slice_is(what, "ALL"));
	if (extended) {
		pbt_say(&s->out, "* ESEARCH (TAG \"");
		pbt_put(&s->out, tag);
		pbt_say(&s->out, "\") UID");
	} else {
		pbt_say(&s->out, "* SEARCH");
	}
	for (i = 0; i < s->n; i++) {
		const struct pbt_message *m = &s->messages[i];

		if (!m->in_view || m->gone || (only_deleted && !m->deleted))
			continue;
		if (extended && between[0] == '\0')
			pbt_say(&s->out, " ALL ");
		pbt_say(&s->out, "%s%" PRIu32, between, m->uid);
		between = extended ? "," : " ";
	}
	pbt_say(&s->out, "\r\n");
}

static void
do_store(struct pbt_message *m, struct pb_slice what)
{
	bool on = pb_slice_starts(what, "+FLAGS.SILENT (");

	pb_check(on || pb_slice_starts(what, "-FLAGS.SILENT ("));
	pb_slice_skip(&what, strlen("+FLAGS.SILENT ("));
	if (pb_slice_is(what, "\\Deleted)"))
		m->deleted = on;
	else if (pb_slice_is(what, "\\Seen)"))
		m->seen = on;
	else
		pb_unreachable("a flag that nobody has asked for");
}

static void
expunge(struct pbt_message *m)
{
	if (m->deleted && m->in_view && !m->gone)
		m->gone = m->removed = true;
}

static bool
changes(struct pb_slice verb)
{
	return pb_slice_is(verb, "STORE") || pb_slice_is(verb, "EXPUNGE");
}

static void
do_uid(struct pbt_imap_server *s, struct pb_slice tag, struct pb_slice rest)
{
	struct pb_slice verb = pb_slice_word(&rest);
	struct pb_slice set;
	size_t i;

	if (s->read_only && changes(verb)) {
		finish(s, tag, "NO the mailbox is read-only");
		return;
	}
	if (pb_slice_is(verb, "SEARCH")) {
		do_search(s, tag, rest);
		tell_news(s);
		finish(s, tag, "OK done");
		return;
	}
	set = pb_slice_word(&rest);
	for (i = 0; i < s->n; i++) {
		struct pbt_message *m = &s->messages[i];

		if (!is_in(s, m, set))
			continue;
		if (pb_slice_is(verb, "FETCH"))
			say_message(s, m, rest);
		else if (pb_slice_is(verb, "STORE"))
			do_store(m, rest);
		else if (pb_slice_is(verb, "EXPUNGE") && s->uidplus)
			expunge(m);
		else
			pb_unreachable("a UID command that nobody sends");
	}
	tell_news(s);
	finish(s, tag, "OK done");
}

static void
do_expunge(struct pbt_imap_server *s, struct pb_slice tag)
{
	size_t i;

	for (i = 0; i < s->n && !s->read_only; i++)
		expunge(&s->messages[i]);
	tell_news(s);
	finish(s, tag, s->read_only ? "NO the mailbox is read-only"
				    : "OK done");
}

static void
do_command(struct pbt_imap_server *s, struct pb_slice line)
{
	struct pb_slice tag = pb_slice_word(&line);
	struct pb_slice verb = pb_slice_word(&line);

	if (pb_slice_is(verb, "UID")) {
		do_uid(s, tag, line);
	} else if (pb_slice_is(verb, "AUTHENTICATE")) {
		pb_slice_word(&line);
		finish(s, tag, takes_login(s, line) ? "OK logged in"
		    : "NO [AUTHENTICATIONFAILED] wrong");
	} else if (pb_slice_is(verb, "CAPABILITY")) {
		pbt_say(&s->out, "* CAPABILITY IMAP4rev1%s%s\r\n",
		    s->uidplus ? " UIDPLUS" : "",
		    s->esearch ? " ESEARCH" : "");
		finish(s, tag, "OK done");
	} else if (pb_slice_is(verb, "SELECT")) {
		do_select(s, tag);
	} else if (pb_slice_is(verb, "STATUS")) {
		pbt_say(&s->out, "* STATUS INBOX (UIDVALIDITY %u)\r\n",
		    PBT_UIDVALIDITY);
		finish(s, tag, "OK done");
	} else if (pb_slice_is(verb, "EXPUNGE")) {
		do_expunge(s, tag);
	} else if (pb_slice_is(verb, "LOGOUT")) {
		pbt_say(&s->out, "* BYE\r\n");
		finish(s, tag, "OK done");
	} else {
		pb_check(pb_slice_is(verb, "NOOP"));
		finish(s, tag, "OK done");
	}
}

void
pbt_imap_server_run(struct pbt_imap_server *s)
{
	for (;;) {
		struct pb_slice in = pb_buffer_slice(&s->in);
		size_t end = pb_slice_find(in, '\n');

		if (end == in.len || s->dead)
			return;
		pb_check(end > 0 && in.data[end - 1] == '\r');
		do_command(s, pb_slice(in.data, end - 1));
		pb_buffer_consume(&s->in, end + 1);
		if (s->commands_max > 0 && --s->commands_max == 0) {
			s->dead = true;
			pb_buffer_clear(&s->out);
		}
	}
}
