#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "imap_server.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "rfc1939.h"
#include "support/edge.h"

/*
 * POP3 sessions on one mailbox, with a server that behaves well and may die,
 * against a model of what RFC 1939 asks for.  The first line of the input has
 * options, the second the mailbox; then each line is an event, by its first
 * octet.
 *
 * Options:
 *	U UIDPLUS	E ESEARCH	O the mailbox is read-only
 *	B the UID stands behind the body
 *	R the server is brought back	A messages are read ahead
 *	S \Seen on what was retrieved	K what the mailbox holds is known
 *	J a journal, j it is required
 * Mailbox: a letter for each message, capital when another client has flagged
 * it \Deleted.
 *
 * Events:
 *	c a line of the client	l the same, ended by LF	p a part of a line
 *	h the server answers nothing until g
 *	x it dies (when so many octets, in decimal, have gone to popbridge)
 *	X it dies when so many commands are done, before it answers the last
 *	f the next connection is refused
 *	n a message arrives, d another client removes one (of this place)
 *	m nothing can be written to the journal, M it can again
 *	P the client stops reading, R it reads again
 *	E client's end, G client gone, D drain, T a minute passes
 *	S the session is over for the client; another one begins
 */

#define SESSIONS_MAX 4

struct play {
	struct pbt_imap_server server;
	struct pbt_edge edge;
	struct pbt_rfc1939 model;
	struct pb_slice options;
	struct pb_listing *known;	/* shared */
	struct pb_promises *owed;	/* own: what the journal has */
	bool in_session;
	bool held;		/* the server is slow */
	bool gone;		/* the client is */
	bool dies;		/* behind so many octets: */
	size_t octets_left;
	unsigned deaths;	/* in this session */
	bool refuses;
	bool disk_full;
	unsigned sessions;
	unsigned minutes;
	unsigned idle;		/* minutes without a line of the client */
};

static bool
has(const struct play *p, char option)
{
	return pb_slice_find(p->options, option) < p->options.len;
}

static struct pb_promises *
copy_promises(const struct pb_promise *list, size_t n)
{
	struct pb_promises *copy = pb_promises_new(n);
	size_t i;

	for (i = 0; i < n; i++) {
		size_t size = list[i].n * sizeof(*list[i].uids);

		copy->list[i] = list[i];
		copy->list[i].number = (int64_t)i + 1;
		copy->list[i].outcome = PB_PROMISE_OPEN;
		copy->list[i].uids = pb_xalloc(size);
		memcpy(copy->list[i].uids, list[i].uids, size);
	}
	return copy;
}

static void
owe_to_model(struct play *p)
{
	size_t i, j;

	for (i = 0; p->owed != NULL && i < p->owed->n; i++) {
		const struct pb_promise *one = &p->owed->list[i];

		for (j = 0; j < one->n; j++)
			p->model.owed[p->model.n_owed++] = one->uids[j];
	}
}

static void
begin_session(struct play *p)
{
	struct pbt_edge *e = &p->edge;

	pbt_imap_server_settle(&p->server);
	pbt_rfc1939_init(&p->model, &p->server);
	p->model.marks_seen = has(p, 'S');
	pbt_edge_init(e);
	e->options.mark_seen = has(p, 'S');
	e->options.revive = has(p, 'R');
	if (has(p, 'J'))
		e->options.journal = has(p, 'j') ? PB_BRIDGE_JOURNAL_REQUIRED
		    : PB_BRIDGE_JOURNAL_BEST_EFFORT;
	e->door.mechanisms = NULL;
	e->readahead.max = has(p, 'A') ? 4 * 1024 * 1024 : 0;
	e->known = p->known;
	p->known = NULL;
	if (p->owed != NULL)
		e->owed = copy_promises(p->owed->list, p->owed->n);
	owe_to_model(p);
	p->in_session = true;
	p->held = p->gone = p->dies = p->refuses = false;
	p->minutes = p->idle = p->deaths = 0;
	pbt_edge_start(e);
}

/* The journal has it from here on. */
static void
write_down(struct play *p)
{
	const struct pb_promise *promise = pb_bridge_promise(&p->edge.bridge);

	pb_promises_free(&p->owed);
	p->owed = copy_promises(promise, 1);
	p->edge.noted = PB_PROMISE_OPEN;
}

static void
promise(struct play *p)
{
	if (p->disk_full)
		p->model.no_journal |= has(p, 'j');
	else
		write_down(p);
	pbt_edge_promised(&p->edge, !p->disk_full);
}

/*
 * A server that is brought back is not missed: in a session, once, and not in
 * a commit.
 */
static bool
is_missed(const struct play *p)
{
	return !has(p, 'R') || p->deaths > 1 ||
	    p->model.state != PBT_POP3_TRANSACTION ||
	    pbt_rfc1939_is_quitting(&p->model);
}

static void
die(struct play *p)
{
	p->dies = false;
	p->deaths++;
	p->model.lost = true;
	p->model.trouble |= is_missed(p);
	pb_buffer_clear(&p->server.in);
	pb_buffer_clear(&p->server.out);
	pbt_edge_upstream_eof(&p->edge);
}

static void
connect_server(struct play *p)
{
	p->dies = false;
	/* Of the connection before, with nobody to read it. */
	pb_buffer_clear(&p->edge.to_upstream);
	if (p->refuses) {
		p->refuses = false;
		p->model.trouble = true;
		pbt_edge_refused(&p->edge, PB_ERROR_TEMPORARY, "refused");
		return;
	}
	pbt_imap_server_accept(&p->server);
	pbt_edge_connected(&p->edge);
}

/* True: octets have gone from one side to the other, or none will any more. */
static bool
serve(struct play *p)
{
	struct pb_buffer *out = &p->server.out;
	size_t most;
	char *octets;

	if (p->held)
		return false;
	pbt_put(&p->server.in, pb_buffer_slice(&p->edge.to_upstream));
	pb_buffer_clear(&p->edge.to_upstream);
	pbt_imap_server_run(&p->server);
	most = out->len;
	if (p->dies && p->octets_left < most)
		most = p->octets_left;
	p->octets_left -= p->dies ? most : 0;
	octets = pbt_exact(pb_slice_sub(pb_buffer_slice(out), 0, most));
	pb_buffer_consume(out, most);
	if (p->edge.has_imap && most > 0)
		pbt_edge_upstream(&p->edge, pb_slice(octets, most));
	free(octets);
	if ((p->dies && p->octets_left == 0) || p->server.dead) {
		p->server.dead = false;
		die(p);
		return true;
	}
	return most > 0;
}

static void
run(struct play *p)
{
	struct pbt_edge *e = &p->edge;
	bool progress = true;

	while (progress) {
		progress = e->connect_asked || e->promise_asked;
		if (e->connect_asked)
			connect_server(p);
		else if (e->promise_asked)
			promise(p);
		else if (e->has_imap)
			progress = serve(p);
		if (!p->gone)
			pbt_rfc1939_received(&p->model,
			    pb_buffer_slice(&e->to_client));
		pb_buffer_clear(&e->to_client);
		pbt_rfc1939_check_mailbox(&p->model);
	}
}

static void
end_session(struct play *p)
{
	struct pbt_edge *e = &p->edge;

	p->held = false;
	pbt_edge_client_stops(e, false);
	run(p);
	pbt_rfc1939_check_end(&p->model, e->ended || p->gone);
	if (!e->ended) {
		pbt_edge_client_gone(e);
		p->gone = true;
		run(p);
	}
	if (e->noted == PB_PROMISE_KEPT)
		pb_promises_free(&p->owed);
	if (has(p, 'K') && e->known != NULL)
		p->known = pb_listing_ref(e->known);
	pbt_edge_fini(e);
	pbt_rfc1939_fini(&p->model);
	p->in_session = false;
}

static void
client_says(struct play *p, struct pb_slice line, const char *end)
{
	if (p->gone || p->edge.client_eof)
		return;
	pbt_rfc1939_sent(&p->model, line);
	pbt_rfc1939_sent(&p->model, pb_slice_str(end));
	pbt_edge_client(&p->edge, line);
	pbt_edge_client(&p->edge, pb_slice_str(end));
	/* A part of a line is no command. */
	if (end[0] != '\0')
		p->idle = 0;
}

static size_t
number(struct pb_slice text)
{
	uint64_t n;

	return pb_slice_number(text, 1000000, &n) == PB_OK ? (size_t)n : 0;
}

/* While a login is under way, nobody can say what it will find. */
static void
change_mailbox(struct play *p, char what, struct pb_slice rest)
{
	if (p->model.state == PBT_POP3_AUTHORIZATION)
		return;
	if (what == 'd')
		pbt_imap_server_vanish(&p->server, number(rest));
	else
		(void)pbt_imap_server_add(&p->server, rest.len > 0 &&
		    rest.data[0] >= 'a' && rest.data[0] <= 'z'
			? rest.data[0] : 'b');
}

static void
pass_minute(struct play *p)
{
	p->minutes++;
	p->idle++;
	if (p->idle >= 10 || p->minutes >= 55) {
		p->model.may_end = true;
		p->model.trouble |= p->held;
	}
	pbt_edge_clock(&p->edge, 60000);
}

static void
kill_server(struct play *p, char what, struct pb_slice rest)
{
	if (what == 'X') {
		p->server.commands_max = (unsigned)number(rest);
		return;
	}
	p->octets_left = number(rest);
	p->dies = p->octets_left > 0;
	if (!p->dies && p->edge.has_imap)
		die(p);
}

static void
end_client(struct play *p, char what)
{
	p->model.may_end = true;
	if (what == 'E') {
		pbt_edge_client_eof(&p->edge);
	} else if (what == 'D') {
		pbt_edge_drain(&p->edge);
	} else {
		p->gone = true;
		pbt_edge_client_gone(&p->edge);
	}
}

static void
event(struct play *p, char what, struct pb_slice rest)
{
	if (what == 'S' && p->sessions < SESSIONS_MAX) {
		p->sessions++;
		end_session(p);
		begin_session(p);
	} else if (what == 'c' || what == 'l' || what == 'p') {
		client_says(p, rest, what == 'c' ? "\r\n" : what == 'l'
		    ? "\n" : "");
	} else if (what == 'h' || what == 'g') {
		p->held = what == 'h';
	} else if (what == 'x' || what == 'X') {
		kill_server(p, what, rest);
	} else if (what == 'f') {
		p->refuses = true;
	} else if (what == 'n' || what == 'd') {
		change_mailbox(p, what, rest);
	} else if (what == 'm' || what == 'M') {
		p->disk_full = what == 'm';
	} else if (what == 'P' || what == 'R') {
		pbt_edge_client_stops(&p->edge, what == 'P');
	} else if (what == 'E' || what == 'G' || what == 'D') {
		end_client(p, what);
	} else if (what == 'T') {
		pass_minute(p);
	}
	run(p);
}

static struct pb_slice
take_line(struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, '\n');
	struct pb_slice line = pb_slice_sub(*in, 0, end);

	pb_slice_skip(in, end < in->len ? end + 1 : end);
	return line;
}

static void
fill_mailbox(struct play *p, struct pb_slice letters)
{
	size_t i;

	for (i = 0; i < letters.len && i < PBT_MESSAGES_MAX / 2; i++) {
		char letter = (char)(letters.data[i] | 0x20);

		if (letter < 'a' || letter > 'z' ||
		    !pbt_imap_server_add(&p->server, letter))
			continue;
		p->server.messages[p->server.n - 1].deleted =
		    letter != letters.data[i];
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct play p = { .options = take_line(&in) };

	pbt_imap_server_init(&p.server);
	p.server.uidplus = has(&p, 'U');
	p.server.esearch = has(&p, 'E');
	p.server.read_only = has(&p, 'O');
	p.server.uid_behind = has(&p, 'B');
	fill_mailbox(&p, take_line(&in));
	begin_session(&p);
	run(&p);
	while (in.len > 0) {
		struct pb_slice line = take_line(&in);

		if (line.len > 0)
			event(&p, line.data[0], pb_slice_sub(line, 1,
			    line.len));
	}
	end_session(&p);
	pb_listing_unref(&p.known);
	pb_promises_free(&p.owed);
	pbt_imap_server_fini(&p.server);
	return 0;
}
