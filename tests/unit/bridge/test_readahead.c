#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "support/login.h"
#include "support/trace.h"

/*
 * Clients that walk, jump and change their minds, in front of a server that
 * answers when it likes, in pieces and in any order: every reply must be what
 * it would be without reading ahead.
 */

#define MESSAGES 60
#define BUDGET (512 * 1024)

struct world {
	struct pbt_edge edge;
	struct pbt_random random;
	struct pb_buffer messages[MESSAGES];
	bool deleted[MESSAGES];
	struct pb_buffer pending;	/* of the server, not sent yet */
	unsigned fetches;		/* commands */
	unsigned answered;		/* replies that were right */
	unsigned groups_fail;		/* one of so many; 0: none */
	bool uid_behind;		/* the body, not in front of it */
	bool exchange;			/* it greets as Exchange */
	unsigned dies;			/* before one of so many pieces; 0: never */
	unsigned starves;	/* an allocation fails at one of so many */
	unsigned deaths;
	unsigned cuts;			/* sessions that ended in a message */
	uint32_t at;			/* the client's last message */
	bool waiting;
	bool is_top;
	uint64_t lines;
};

static uint32_t
uid_of(uint32_t msgno)
{
	/* Runs and gaps. */
	return 100 + msgno + msgno / 7 * 5;
}

static void
make_message(struct world *w, struct pb_buffer *m)
{
	static const char *const ends[] = { "\r\n", "\r\n", "\r\n", "\r\n.",
		"\r\n..", "\r\n\r\n" };
	size_t octets = pbt_random_below(&w->random, 10) == 0
	    ? pbt_random_below(&w->random, 300000)
	    : pbt_random_below(&w->random, 9000);

	pb_buffer_init(m, 1024 * 1024);
	pbt_say(m, "subject: %" PRIu64 "\r\n\r\n",
	    pbt_random_next(&w->random));
	while (m->len < octets)
		pbt_say(m, "%*s%s", (int)pbt_random_below(&w->random, 90), "x",
		    ends[pbt_random_below(&w->random, COUNT(ends))]);
}

static void
greet(struct world *w)
{
	pbt_edge_upstream(&w->edge, pb_slice_str(w->exchange
	    ? "* OK [CAPABILITY IMAP4rev1] The Microsoft Exchange IMAP4 "
	      "service is ready.\r\n"
	    : "* OK [CAPABILITY IMAP4rev1] hi\r\n"));
}

static void
log_in(struct world *w)
{
	struct pb_buffer listing;
	uint32_t i;

	pbt_edge_init(&w->edge);
	w->edge.readahead.max = BUDGET;
	w->edge.options.revive = true;
	pbt_edge_start(&w->edge);
	pb_buffer_init(&listing, 65536);
	pbt_edge_client(&w->edge, pb_slice_str(
	    "USER max\r\nPASS geheim\r\n"));
	pbt_edge_connected(&w->edge);
	greet(w);
	pbt_edge_upstream(&w->edge, pb_slice_str(
	    "A1 OK [CAPABILITY IMAP4rev1] in\r\n"));
	pbt_say(&listing, "* %d EXISTS\r\n* OK [UIDVALIDITY 17] x\r\nA2 OK\r\n",
	    MESSAGES);
	for (i = 1; i <= MESSAGES; i++)
		pbt_say(&listing, "* %" PRIu32 " FETCH (UID %" PRIu32
		    " RFC822.SIZE %zu)\r\n", i, uid_of(i),
		    w->messages[i - 1].len);
	pbt_say(&listing, "A3 OK\r\n");
	pbt_edge_upstream(&w->edge, pb_buffer_slice(&listing));
	pb_buffer_fini(&listing);
	assert_int_equal(w->edge.bridge.pop3.state, PB_POP3_TRANSACTION);
	pb_buffer_clear(&w->edge.to_client);
	pb_buffer_clear(&w->edge.to_upstream);
}

static void
start(struct world *w, uint64_t seed)
{
	size_t i;

	*w = (struct world){ .at = 0 };
	if (seed == 0)
		pbt_random_init(&w->random);
	else
		pbt_random_seed(&w->random, seed);
	pb_buffer_init(&w->pending, 256u * 1024 * 1024);
	for (i = 0; i < MESSAGES; i++)
		make_message(w, &w->messages[i]);
	w->exchange = seed == 0 && pbt_random_below(&w->random, 2) == 0;
	log_in(w);
}

static void
stop(struct world *w)
{
	size_t i;

	pbt_edge_fini(&w->edge);
	for (i = 0; i < MESSAGES; i++)
		pb_buffer_fini(&w->messages[i]);
	pb_buffer_fini(&w->pending);
}

static void
say_body(struct world *w, uint32_t msgno, unsigned long count)
{
	struct pb_slice body = pb_buffer_slice(&w->messages[msgno - 1]);

	if (count > 0 && body.len > count)
		body.len = count;
	pbt_say(&w->pending, "* %" PRIu32 " FETCH (", msgno);
	if (!w->uid_behind)
		pbt_say(&w->pending, "UID %" PRIu32 " ", uid_of(msgno));
	pbt_say(&w->pending, "BODY[]%s {%zu}\r\n", count > 0 ? "<0>" : "",
	    body.len);
	pbt_put(&w->pending, body);
	if (w->uid_behind)
		pbt_say(&w->pending, " UID %" PRIu32, uid_of(msgno));
	pbt_say(&w->pending, ")\r\n");
}

static bool
in_set(const char *set, uint32_t uid)
{
	const char *at = set;

	for (;;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10);
		unsigned long last = first;

		if (*end == ':')
			last = strtoul(end + 1, &end, 10);
		if (first <= uid && uid <= last)
			return true;
		if (*end != ',')
			return false;
		at = end + 1;
	}
}

/* A tag, UID FETCH set (UID BODY.PEEK[]<0.count>) */
static void
answer(struct world *w, struct pb_slice line)
{
	char tag[16], set[1000];
	unsigned long count = 0;
	bool turned = pbt_random_below(&w->random, 4) == 0;
	char text[1100];
	const char *part;
	uint32_t i, n = 0;

	snprintf(text, sizeof(text), "%.*s", (int)line.len, line.data);
	assert_int_equal(sscanf(text, "%15s UID FETCH %999s", tag, set), 2);
	part = strstr(text, "<0.");
	if (part != NULL)
		count = strtoul(part + 3, NULL, 10);
	w->fetches++;
	for (i = 1; i <= MESSAGES; i++)
		n += in_set(set, uid_of(i));
	if (n > 1 && w->groups_fail > 0 &&
	    pbt_random_below(&w->random, w->groups_fail) == 0) {
		/* Some of them come, the command fails. */
		for (i = 1; i <= MESSAGES; i++) {
			if (in_set(set, uid_of(i)) &&
			    pbt_random_below(&w->random, 2) == 0)
				say_body(w, i, count);
		}
		pbt_say(&w->pending, "%s NO some cannot be read\r\n", tag);
		return;
	}
	for (i = 1; i <= MESSAGES; i++) {
		uint32_t msgno = turned ? MESSAGES + 1 - i : i;

		if (in_set(set, uid_of(msgno)))
			say_body(w, msgno, count);
	}
	pbt_say(&w->pending, "%s OK\r\n", tag);
}

static void
hear_commands(struct world *w)
{
	while (w->edge.to_upstream.len > 0) {
		struct pb_slice in = pb_buffer_slice(&w->edge.to_upstream);
		size_t end = pb_slice_find(in, '\r');

		answer(w, pb_slice_sub(in, 0, end));
		pb_buffer_consume(&w->edge.to_upstream, end + 2);
	}
}

static void
reply_to(struct world *w, struct pb_buffer *out)
{
	struct pb_slice message = pb_buffer_slice(&w->messages[w->at - 1]);
	struct pb_buffer body;

	pb_buffer_init(out, 4 * 1024 * 1024);
	if (w->is_top)
		pbt_say(out, "+OK top of message follows\r\n");
	else
		pbt_say(out, "+OK %zu octets\r\n", message.len);
	pbt_stuff_lines = w->lines;
	pbt_random_splits(&pbt_stuff, message, 1, &body);
	pbt_put(out, pb_buffer_slice(&body));
	pb_buffer_fini(&body);
}

static void
check_reply(struct world *w)
{
	struct pb_buffer want;

	reply_to(w, &want);
	ASSERT_OCTETS(pb_buffer_slice(&w->edge.to_client),
	    pb_buffer_slice(&want));
	pb_buffer_fini(&want);
	pb_buffer_clear(&w->edge.to_client);
	w->waiting = false;
	w->answered++;
}

static void
look(struct world *w)
{
	hear_commands(w);
	assert_true(w->edge.readahead.used <= BUDGET);
	assert_int_equal(w->edge.drops, 0);
	assert_false(w->edge.ended);
	if (w->waiting && w->edge.bridge.state == PB_BRIDGE_COMMAND)
		check_reply(w);
}

/* Lost twice, or no memory: a beginning of it, or that it cannot be had. */
static void
check_cut(struct world *w)
{
	struct pb_slice got = pb_buffer_slice(&w->edge.to_client);
	struct pb_buffer want;

	if (!w->edge.ended) {
		assert_true(pb_slice_starts(got, "-ERR [SYS/TEMP]"));
	} else {
		reply_to(w, &want);
		assert_true(got.len < want.len);
		ASSERT_OCTETS(got, pb_slice_sub(pb_buffer_slice(&want), 0,
		    got.len));
		pb_buffer_fini(&want);
		w->cuts++;
	}
	pb_buffer_clear(&w->edge.to_client);
	w->waiting = false;
}

static void
log_in_again(struct world *w)
{
	struct pbt_edge *e = &w->edge;

	pb_buffer_clear(&e->to_upstream);
	pbt_edge_connected(e);
	greet(w);
	pbt_edge_upstream(e, pb_slice_str(
	    "A1 OK [CAPABILITY IMAP4rev1] in\r\n"));
	pb_buffer_clear(&e->to_upstream);
	pbt_edge_upstream(e, pb_slice_str(
	    "* 60 EXISTS\r\n* OK [UIDVALIDITY 17] x\r\nA2 OK\r\n"));
}

static void
server_dies(struct world *w)
{
	w->deaths++;
	/* So that there are more deaths to see, and groups that die. */
	w->edge.bridge.revivals = 0;
	w->edge.bridge.readahead.careful = pbt_random_below(&w->random, 2);
	pb_buffer_clear(&w->pending);
	pbt_edge_upstream_eof(&w->edge);
	if (w->edge.connect_asked)
		log_in_again(w);
	else if (w->waiting)
		check_cut(w);
	if (!w->edge.ended)
		look(w);
}

/* It is brought back with the next command. */
static void
connection_starved(struct world *w)
{
	assert_true(w->starves > 0);
	w->edge.bridge.revivals = 0;
	w->edge.drops = 0;
	pb_buffer_clear(&w->pending);
}

static bool
is_refused(const struct world *w)
{
	return w->waiting && w->starves > 0 && (w->edge.ended ||
	    (w->edge.bridge.state == PB_BRIDGE_COMMAND && pb_slice_starts(
		pb_buffer_slice(&w->edge.to_client), "-ERR")));
}

static void
server_speaks(struct world *w)
{
	struct pb_slice some;
	size_t n = pbt_random_below(&w->random, 3) == 0
	    ? 1 + pbt_random_below(&w->random, 300)
	    : 1 + pbt_random_below(&w->random, 70000);

	if (w->dies > 0 && w->edge.has_imap &&
	    pbt_random_below(&w->random, w->dies) == 0) {
		server_dies(w);
		return;
	}
	some = pb_buffer_slice(&w->pending);
	if (some.len > n)
		some.len = n;
	if (some.len == 0)
		return;
	if (w->starves > 0 && pbt_random_below(&w->random, w->starves) == 0)
		pb_mem_fail_at(1 + pbt_random_below(&w->random, 12));
	pbt_edge_upstream(&w->edge, some);
	pb_mem_fail_at(0);
	pb_buffer_consume(&w->pending, some.len);
	if (!w->edge.has_imap)
		connection_starved(w);
	if (is_refused(w))
		check_cut(w);
	if (!w->edge.ended)
		look(w);
}

static void
ask(struct world *w, uint32_t msgno, bool is_top, uint64_t lines)
{
	char text[64];

	w->at = msgno;
	w->is_top = is_top;
	w->lines = is_top ? lines : UINT64_MAX;
	w->waiting = true;
	if (is_top)
		snprintf(text, sizeof(text), "TOP %" PRIu32 " %" PRIu64 "\r\n",
		    msgno, lines);
	else
		snprintf(text, sizeof(text), "RETR %" PRIu32 "\r\n", msgno);
	pbt_edge_client(&w->edge, pb_slice_str(text));
	if (w->edge.connect_asked)
		log_in_again(w);
	look(w);
}

static void
delete(struct world *w, uint32_t msgno)
{
	char text[64];

	if (w->deleted[msgno - 1])
		return;
	w->deleted[msgno - 1] = true;
	snprintf(text, sizeof(text), "DELE %" PRIu32 "\r\n", msgno);
	pbt_edge_client(&w->edge, pb_slice_str(text));
	snprintf(text, sizeof(text), "+OK message %" PRIu32 " deleted\r\n",
	    msgno);
	ASSERT_OCTETS(pb_buffer_slice(&w->edge.to_client),
	    pb_slice_str(text));
	pb_buffer_clear(&w->edge.to_client);
	look(w);
}

/* Mostly the next one, by the same command. */
static void
client_speaks(struct world *w)
{
	size_t what = pbt_random_below(&w->random, 40);
	bool is_top = w->is_top;
	uint64_t lines = w->lines;
	uint32_t msgno = w->at + 1;

	if (what == 0)
		msgno = 1 + (uint32_t)pbt_random_below(&w->random, MESSAGES);
	else if (what < 4 && w->at > 1)
		msgno = w->at - 1;
	else if (what == 4)
		msgno = w->at + 3;
	else if (what == 5)
		is_top = !is_top;
	if (what == 6 && w->at > 0)
		delete(w, w->at);
	if (what == 7)
		delete(w, 1 + (uint32_t)pbt_random_below(&w->random,
		    MESSAGES));
	if (is_top && (!w->is_top || what == 8))
		lines = pbt_random_below(&w->random, 3) * 400;
	while (msgno <= MESSAGES && w->deleted[msgno - 1])
		msgno++;
	if (msgno > MESSAGES)
		w->at = 0;
	else
		ask(w, msgno, is_top, lines);
}

static void
play(struct world *w, unsigned steps)
{
	unsigned i;

	for (i = 0; i < steps && !w->edge.ended; i++) {
		if (!w->waiting && pbt_random_below(&w->random, 2) == 0)
			client_speaks(w);
		else
			server_speaks(w);
	}
	w->dies = 0;
	while (w->waiting)
		server_speaks(w);
}

static void
every_reply_is_what_it_would_be_without(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++) {
		struct world w;

		start(&w, 0);
		w.groups_fail = i % 3 == 0 ? 6 : 0;
		w.uid_behind = i % 2 == 1;
		play(&w, 1500);
		assert_true(w.answered > 100);
		stop(&w);
	}
}

/* And what is cut is the beginning of one. */
static void
so_it_is_when_the_server_dies_and_comes_back(void **state)
{
	unsigned i, answered = 0, deaths = 0, cuts = 0;

	(void)state;
	for (i = 0; i < 60; i++) {
		struct world w;

		start(&w, 0);
		w.groups_fail = i % 3 == 0 ? 6 : 0;
		w.uid_behind = i % 4 > 1;
		w.dies = i % 2 == 0 ? 60 : 10;
		play(&w, 1500);
		answered += w.answered;
		deaths += w.deaths;
		cuts += w.cuts;
		stop(&w);
	}
	assert_true(answered > 1000 && deaths > 100 && cuts > 0);
}

static void
so_it_is_when_there_is_no_memory(void **state)
{
	unsigned i, answered = 0, cuts = 0;

	(void)state;
	for (i = 0; i < 60; i++) {
		struct world w;

		start(&w, 0);
		w.groups_fail = i % 3 == 0 ? 6 : 0;
		w.uid_behind = i % 4 > 1;
		w.starves = 12;
		play(&w, 1500);
		answered += w.answered;
		cuts += w.cuts;
		stop(&w);
	}
	assert_true(answered > 500 && cuts > 0);
}

/* RETR 1 to the end, the server always at once. */
static void
a_walk_costs_few_commands(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	start(&w, 1);
	for (i = 1; i <= MESSAGES; i++) {
		ask(&w, i, false, 0);
		while (w.pending.len > 0)
			server_speaks(&w);
		assert_false(w.waiting);
	}
	assert_int_equal(w.answered, MESSAGES);
	assert_true(w.fetches < MESSAGES / 2);
	stop(&w);
}

static void
a_client_that_jumps_about_costs_nothing_more(void **state)
{
	struct world w;
	unsigned first;
	uint32_t i;

	(void)state;
	start(&w, 2);
	ask(&w, 1, false, 0);
	while (w.pending.len > 0)
		server_speaks(&w);
	first = w.fetches;
	for (i = 0; i < 20; i++) {
		ask(&w, 25 + i * 17 % 33, false, 0);
		while (w.pending.len > 0)
			server_speaks(&w);
	}
	assert_int_equal(w.fetches, first + 20);
	stop(&w);
}

/* Large messages go by without being kept. */
static void
octets_ahead_stay_within_the_budget(void **state)
{
	struct world w;
	size_t most = 0;
	uint32_t i;

	(void)state;
	start(&w, 3);
	for (i = 1; i <= MESSAGES; i++) {
		ask(&w, i, false, 0);
		while (w.waiting)
			server_speaks(&w);
		if (w.edge.readahead.used > most)
			most = w.edge.readahead.used;
	}
	assert_true(most > PB_READAHEAD_FIRST / 2);
	assert_true(most <= BUDGET);
	stop(&w);
}

static void
quit_waits_for_nothing_that_is_ahead(void **state)
{
	struct world w;

	(void)state;
	start(&w, 4);
	ask(&w, 1, false, 0);
	while (w.waiting)
		server_speaks(&w);
	assert_true(w.edge.readahead.used > 0);
	pbt_edge_client(&w.edge, pb_slice_str("QUIT\r\n"));
	assert_true(w.edge.ended);
	assert_int_equal(w.edge.readahead.used, 0);
	stop(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reply_is_what_it_would_be_without),
		cmocka_unit_test(so_it_is_when_the_server_dies_and_comes_back),
		cmocka_unit_test(so_it_is_when_there_is_no_memory),
		cmocka_unit_test(a_walk_costs_few_commands),
		cmocka_unit_test(a_client_that_jumps_about_costs_nothing_more),
		cmocka_unit_test(octets_ahead_stay_within_the_budget),
		cmocka_unit_test(quit_waits_for_nothing_that_is_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
