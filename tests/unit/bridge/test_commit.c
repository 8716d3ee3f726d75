#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "support/login.h"

/*
 * Commits against a server that is a model of one mailbox: messages that are
 * there, which of them are \Deleted.  Others flag messages, too, and the server
 * refuses what it is told to refuse.
 */

#define UIDS_MAX 8000

struct server {
	bool there[UIDS_MAX + 1];
	bool flagged[UIDS_MAX + 1];
	bool foreign[UIDS_MAX + 1];	/* flagged by somebody else */
	bool marked[UIDS_MAX + 1];	/* by DELE */
	bool hidden[UIDS_MAX + 1];	/* $POP3Deleted */
	unsigned trash[UIDS_MAX + 1];	/* so many copies are there */
	bool no_trash;		/* it has to be created first */
	unsigned silent;	/* one in so many COPYs names no copy */
	bool other;		/* the mailbox has become another one */
	bool idle;		/* it said OK to EXPUNGE, and did nothing */
	uint32_t max;
	struct pbt_random random;
	unsigned refuse;	/* one in so many commands; 0 for none */
	unsigned mute;		/* one in so many SEARCHes has no result */
	unsigned races;		/* before one in so many STOREs and SEARCHes */
	unsigned refused;
	unsigned commands;
};

static bool
chance(struct server *s, unsigned one_in)
{
	return one_in > 0 && pbt_random_below(&s->random, one_in) == 0;
}

static uint32_t
number(struct pb_slice *in, char *end)
{
	size_t digits = 0;
	uint64_t n = 0;

	while (digits < in->len && in->data[digits] >= '0' &&
	    in->data[digits] <= '9')
		digits++;
	assert_int_equal(pb_slice_number(pb_slice_sub(*in, 0, digits),
	    UIDS_MAX, &n), PB_OK);
	*end = digits < in->len ? in->data[digits] : '\0';
	pb_slice_skip(in, digits < in->len ? digits + 1 : digits);
	return (uint32_t)n;
}

/* Do one thing with every UID of a set. */
static void
for_set(struct server *s, struct pb_slice set,
    void (*what)(struct server *, uint32_t))
{
	while (set.len > 0) {
		char end;
		uint32_t first = number(&set, &end);
		uint32_t last = end == ':' ? number(&set, &end) : first;

		for (; first <= last; first++)
			what(s, first);
	}
}

static void
flag(struct server *s, uint32_t uid)
{
	s->flagged[uid] = s->there[uid];
}

static void
unflag(struct server *s, uint32_t uid)
{
	s->flagged[uid] = false;
}

static void
hide(struct server *s, uint32_t uid)
{
	s->hidden[uid] = s->there[uid];
}

static void
copy(struct server *s, uint32_t uid)
{
	s->trash[uid] += s->there[uid];
}

static void
move(struct server *s, uint32_t uid)
{
	copy(s, uid);
	s->there[uid] = s->flagged[uid] = false;
}

static void
expunge(struct server *s, uint32_t uid)
{
	if (s->flagged[uid])
		s->there[uid] = s->flagged[uid] = false;
}

static void
search(struct server *s, const bool *which, struct pb_buffer *answer)
{
	uint32_t uid;

	if (chance(s, s->mute))
		return;
	pbt_say(answer, "* SEARCH");
	for (uid = 1; uid <= s->max; uid++) {
		if (which[uid])
			pbt_say(answer, " %" PRIu32, uid);
	}
	pbt_say(answer, "\r\n");
}

/* Somebody else flags a message that is not flagged. */
static void
race(struct server *s)
{
	uint32_t uid = 1 + (uint32_t)pbt_random_below(&s->random, s->max);

	if (s->there[uid] && !s->flagged[uid] && !s->marked[uid])
		s->flagged[uid] = s->foreign[uid] = true;
}

static void
store(struct server *s, struct pb_slice rest)
{
	struct pb_slice set = pb_slice_word(&rest);

	if (pb_slice_is(rest, "+FLAGS.SILENT (\\Deleted)"))
		for_set(s, set, flag);
	else if (pb_slice_is(rest, "-FLAGS.SILENT (\\Deleted)"))
		for_set(s, set, unflag);
	else if (pb_slice_is(rest, "+FLAGS.SILENT ($POP3Deleted)"))
		for_set(s, set, hide);
	else
		fail_msg("another STORE: %.*s", (int)rest.len, rest.data);
}

/* MOVE or COPY; false: there is no such folder. */
static bool
transfer(struct server *s, struct pb_slice rest, bool moves,
    struct pb_buffer *code)
{
	struct pb_slice set = pb_slice_word(&rest);

	assert_true(pb_slice_is(rest, "Papierkorb") ||
	    pb_slice_is(rest, "\"Papierkorb\""));
	if (s->no_trash) {
		pbt_say(code, "[TRYCREATE] ");
		return false;
	}
	for_set(s, set, moves ? move : copy);
	/* Their new UIDs are of no interest. */
	if (!chance(s, s->silent))
		pbt_say(code, "[COPYUID 5 %.*s %.*s] ", (int)set.len, set.data,
		    (int)set.len, set.data);
	return true;
}

static void
command(struct server *s, struct pb_slice line, struct pb_buffer *answer)
{
	struct pb_slice tag = pb_slice_word(&line);
	struct pb_slice word = pb_slice_word(&line);
	bool ok = !chance(s, s->refuse);
	struct pb_buffer code;
	uint32_t uid;

	pb_buffer_init(&code, 1 << 16);
	s->commands++;
	if (pb_slice_is(word, "UID"))
		word = pb_slice_word(&line);
	if (pb_slice_is(word, "LOGOUT")) {
		pb_buffer_fini(&code);
		return;
	}
	/* Between the last look and EXPUNGE nobody could help it. */
	if (!pb_slice_is(word, "EXPUNGE") && chance(s, s->races))
		race(s);
	if (!ok)
		s->refused++;
	else if (pb_slice_is(word, "STATUS"))
		pbt_say(answer, "* STATUS INBOX (UIDVALIDITY %d)\r\n",
		    s->other ? 18 : 17);
	else if (pb_slice_is(word, "LIST"))
		pbt_say(answer, "* LIST (\\HasNoChildren \\Trash) \"/\" "
		    "Papierkorb\r\n");
	else if (pb_slice_is(word, "CREATE"))
		s->no_trash = false;
	else if (pb_slice_is(word, "MOVE") || pb_slice_is(word, "COPY"))
		ok = transfer(s, line, pb_slice_is(word, "MOVE"), &code);
	else if (pb_slice_is(word, "STORE"))
		store(s, line);
	else if (pb_slice_is(word, "SELECT"))
		pbt_say(answer, "* OK [UIDVALIDITY %d]\r\n",
		    s->other ? 18 : 17);
	else if (pb_slice_is(word, "SEARCH"))
		search(s, pb_slice_is(line, "ALL") ? s->there : s->flagged,
		    answer);
	else if (pb_slice_is(word, "EXPUNGE") && line.len > 0)
		for_set(s, line, expunge);
	else if (pb_slice_is(word, "EXPUNGE") && !s->idle)
		for (uid = 1; uid <= s->max; uid++)
			expunge(s, uid);
	pbt_say(answer, "%.*s %s %.*s.\r\n", (int)tag.len, tag.data,
	    ok ? "OK" : "NO", (int)code.len, pb_buffer_slice(&code).data);
	pb_buffer_fini(&code);
}

/* Answer until nothing more is asked. */
static void
serve(struct server *s, struct pbt_edge *e)
{
	while (e->to_upstream.len > 0) {
		struct pb_slice in = pb_buffer_slice(&e->to_upstream);
		size_t end = pb_slice_find(in, '\r');
		struct pb_buffer answer;

		pb_buffer_init(&answer, 1 << 20);
		command(s, pb_slice_sub(in, 0, end), &answer);
		pb_buffer_consume(&e->to_upstream, end + 2);
		pbt_edge_upstream(e, pb_buffer_slice(&answer));
		pb_buffer_fini(&answer);
	}
}

static void
dele(struct pbt_edge *e, uint32_t msgno)
{
	char line[100];

	snprintf(line, sizeof(line), "DELE %" PRIu32 "\r\n", msgno);
	pbt_edge_client(e, pb_slice_str(line));
}

static bool
starts(const struct pb_buffer *b, const char *text)
{
	return pb_slice_starts(pb_buffer_slice(b), text);
}

/*
 * One session: messages 1 to `count` (UIDs 10, 20, ...), some marked by DELE,
 * others' flags set before; then QUIT.
 */
static void
run(struct server *s, uint32_t count, bool uidplus, unsigned dele_one_in,
    unsigned foreign_one_in)
{
	struct pbt_edge e;
	uint32_t uid, i, n_marked = 0, missing = 0;
	bool was_foreign[UIDS_MAX + 1];

	s->max = 10 * count + 5;
	for (uid = 1; uid <= s->max; uid++)
		s->there[uid] = uid % 5 == 0;
	pbt_edge_init(&e);
	pbt_edge_start(&e);
	pbt_login(&e, count, uidplus);
	for (i = 1; i <= count; i++) {
		if (!chance(s, dele_one_in))
			continue;
		dele(&e, i);
		s->marked[10 * i] = true;
		n_marked++;
	}
	for (uid = 5; uid <= s->max; uid += 5) {
		if (chance(s, foreign_one_in))
			s->flagged[uid] = s->foreign[uid] = true;
	}
	pb_buffer_clear(&e.to_client);
	pbt_edge_client(&e, pb_slice_str("QUIT\r\n"));
	memcpy(was_foreign, s->foreign, sizeof(was_foreign));
	serve(s, &e);
	assert_true(e.ended);
	for (uid = 5; uid <= s->max; uid += 5) {
		/* Above all: nothing else is gone. */
		assert_true(s->there[uid] || s->marked[uid]);
		missing += s->marked[uid] && s->there[uid];
		/* And nobody's flag is lost where nothing was refused. */
		if (s->refused == 0 && s->foreign[uid] && s->there[uid])
			assert_true(s->flagged[uid]);
		if (!s->marked[uid] && !s->foreign[uid])
			assert_false(s->flagged[uid]);
	}
	assert_true(e.bridge.stats.removed <= n_marked);
	/* +OK is the truth; a -ERR may be too careful, never the reverse. */
	if (starts(&e.to_client, "+OK"))
		assert_int_equal(missing, 0);
	else
		assert_true(starts(&e.to_client, "-ERR [SYS/TEMP] "));
	assert_true(n_marked - e.bridge.stats.removed >= missing);
	if (s->refused == 0 && s->mute == 0 && s->races == 0 && !s->idle)
		assert_true(starts(&e.to_client, "+OK"));
	pbt_edge_fini(&e);
}

static struct server *
server(struct pbt_random *random)
{
	struct server *s = pb_xalloc(sizeof(*s));

	pbt_random_seed(&s->random, pbt_random_next(random));
	return s;
}

static void
exactly_the_marked_messages_are_removed(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 40; i++) {
		struct server *s = server(&random);

		run(s, 1 + (uint32_t)pbt_random_below(&random, 60), true,
		    1 + (unsigned)pbt_random_below(&random, 4), 3);
		pb_free(s);
	}
}

static void
many_sets_go_through_the_pipeline(void **state)
{
	struct pbt_random random;
	struct server *s;

	(void)state;
	pbt_random_init(&random);
	s = server(&random);
	run(s, 399, true, 2, 0);
	/* No two neighbours are 1 apart, so a set has 40 UIDs. */
	assert_true(s->commands >= 2 * 100 / 40);
	pb_free(s);
}

static void
refusals_are_told_and_harm_nobody(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 200; i++) {
		struct server *s = server(&random);

		s->refuse = 2 + (unsigned)pbt_random_below(&random, 6);
		run(s, 1 + (uint32_t)pbt_random_below(&random, 200), true, 2,
		    3);
		pb_free(s);
	}
}

static void
without_uid_expunge_others_messages_survive(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 100; i++) {
		struct server *s = server(&random);

		run(s, 1 + (uint32_t)pbt_random_below(&random, 200), false,
		    1 + (unsigned)pbt_random_below(&random, 4),
		    (unsigned)pbt_random_below(&random, 5));
		pb_free(s);
	}
}

static void
without_uid_expunge_refusals_harm_nobody(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 400; i++) {
		struct server *s = server(&random);

		s->refuse = 2 + (unsigned)pbt_random_below(&random, 8);
		s->mute = (unsigned)pbt_random_below(&random, 4);
		run(s, 1 + (uint32_t)pbt_random_below(&random, 100), false, 2,
		    3);
		pb_free(s);
	}
}

static void
without_uid_expunge_races_harm_nobody(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 400; i++) {
		struct server *s = server(&random);

		s->races = 1 + (unsigned)pbt_random_below(&random, 3);
		run(s, 1 + (uint32_t)pbt_random_below(&random, 60), false, 2,
		    4);
		pb_free(s);
	}
}

static void
an_expunge_that_does_nothing_is_noticed(void **state)
{
	struct pbt_random random;
	struct server *s;

	(void)state;
	pbt_random_init(&random);
	s = server(&random);
	s->idle = true;
	/* run() holds what QUIT says against what is there. */
	run(s, 60, false, 1, 3);
	pb_free(s);
}

/* One session with another removal; returns how many stay for the client. */
static size_t
run_removal(struct server *s, enum pb_removal removal,
    const char *capabilities, const char *folder, uint32_t count)
{
	struct pbt_edge e;
	uint32_t uid, i;
	size_t missing = 0;
	bool moves = removal == PB_REMOVAL_TRASH;

	s->max = 10 * count + 5;
	for (uid = 1; uid <= s->max; uid++)
		s->there[uid] = uid % 5 == 0;
	pbt_edge_init(&e);
	e.options.removal = removal;
	e.options.delete_folder = folder;
	pbt_edge_start(&e);
	pbt_login_with(&e, count, capabilities);
	for (i = 1; i <= count; i++) {
		if (chance(s, 2))
			continue;
		dele(&e, i);
		s->marked[10 * i] = true;
	}
	for (uid = 5; uid <= s->max; uid += 10)
		s->flagged[uid] = s->foreign[uid] = chance(s, 3);
	pb_buffer_clear(&e.to_client);
	pbt_edge_client(&e, pb_slice_str("QUIT\r\n"));
	serve(s, &e);
	assert_true(e.ended);
	for (uid = 5; uid <= s->max; uid += 5) {
		bool gone = moves ? !s->there[uid] : s->hidden[uid];

		/* Nothing is lost: it is there, or in the folder. */
		assert_true(s->there[uid] || s->trash[uid] == 1);
		assert_true(moves || s->there[uid]);
		assert_true(s->marked[uid] ||
		    (!s->hidden[uid] && s->trash[uid] == 0));
		assert_true(!s->foreign[uid] || s->flagged[uid]);
		missing += s->marked[uid] && !gone;
	}
	assert_int_equal(starts(&e.to_client, "+OK"), missing == 0);
	assert_int_equal(e.bridge.stats.dele - e.bridge.stats.removed, missing);
	pbt_edge_fini(&e);
	return missing;
}

static void
what_is_deleted_is_moved_to_the_trash(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 100; i++) {
		struct server *s = server(&random);

		assert_int_equal(run_removal(s, PB_REMOVAL_TRASH, i % 2 == 0
		    ? " UIDPLUS MOVE" : " UIDPLUS", NULL,
		    1 + (uint32_t)pbt_random_below(&random, 300)), 0);
		pb_free(s);
	}
}

static void
a_folder_of_the_administrator_is_made_once(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 100; i++) {
		struct server *s = server(&random);

		s->no_trash = true;
		assert_int_equal(run_removal(s, PB_REMOVAL_TRASH, i % 2 == 0
		    ? " UIDPLUS MOVE" : " UIDPLUS", "Papierkorb",
		    1 + (uint32_t)pbt_random_below(&random, 390)), 0);
		pb_free(s);
	}
}

static void
copies_that_are_not_proven_leave_originals(void **state)
{
	struct pbt_random random;
	size_t missing = 0;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 100; i++) {
		struct server *s = server(&random);

		s->silent = 1 + (unsigned)pbt_random_below(&random, 3);
		missing += run_removal(s, PB_REMOVAL_TRASH, " UIDPLUS", NULL,
		    1 + (uint32_t)pbt_random_below(&random, 300));
		pb_free(s);
	}
	assert_true(missing > 0);
}

static void
refused_moves_and_copies_lose_nothing(void **state)
{
	struct pbt_random random;
	unsigned i;
	size_t missing = 0;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 300; i++) {
		struct server *s = server(&random);

		s->refuse = 2 + (unsigned)pbt_random_below(&random, 6);
		missing += run_removal(s, PB_REMOVAL_TRASH, " UIDPLUS MOVE",
		    i % 2 == 0 ? NULL : "Papierkorb",
		    1 + (uint32_t)pbt_random_below(&random, 200));
		pb_free(s);
	}
	assert_true(missing > 0);
}

static void
what_is_deleted_is_flagged_for_pop3(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 100; i++) {
		struct server *s = server(&random);

		s->refuse = i < 50 ? 0
		    : 2 + (unsigned)pbt_random_below(&random, 6);
		(void)run_removal(s, PB_REMOVAL_FLAG, "", NULL,
		    1 + (uint32_t)pbt_random_below(&random, 300));
		pb_free(s);
	}
}

static void
in_another_mailbox_nothing_is_removed(void **state)
{
	struct pbt_random random;
	struct server *s;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 3; i++) {
		s = server(&random);
		s->other = true;
		assert_true(run_removal(s, i == 0 ? PB_REMOVAL_TRASH
		    : PB_REMOVAL_FLAG, " UIDPLUS MOVE", NULL, 100) > 0);
		/* STATUS and LOGOUT. */
		assert_int_equal(s->commands, 2);
		pb_free(s);
	}
}

static void
say(struct pbt_edge *e, const char *text)
{
	pbt_edge_upstream(e, pb_slice_str(text));
}

/* What was read ahead, each message by a command of its own, is answered last. */
static void
a_folder_is_made_where_there_is_little_room(void **state)
{
	struct pbt_random random;
	struct server *s;
	struct pbt_edge e;
	uint32_t i;

	(void)state;
	pbt_random_init(&random);
	s = server(&random);
	s->no_trash = true;
	s->max = UIDS_MAX;
	pbt_edge_init(&e);
	e.readahead.max = 1 << 20;
	e.options.removal = PB_REMOVAL_TRASH;
	e.options.delete_folder = "Papierkorb";
	pbt_edge_start(&e);
	pbt_login_with(&e, UIDS_MAX / 10, " UIDPLUS MOVE");
	pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
	say(&e, "* 1 FETCH (UID 10 BODY[] {1}\r\nx)\r\nA4 OK\r\nA5 NO\r\n");
	pbt_edge_client(&e, pb_slice_str("RETR 2\r\n"));
	say(&e, "* 2 FETCH (UID 20 BODY[] {1}\r\nx)\r\nA10 OK\r\n");
	assert_true(pb_imap_client_room(e.bridge.imap) < 8);
	for (i = 3; i <= UIDS_MAX / 10; i++) {
		s->there[10 * i] = true;
		dele(&e, i);
	}
	pb_buffer_clear(&e.to_client);
	pb_buffer_clear(&e.to_upstream);
	pbt_edge_client(&e, pb_slice_str("QUIT\r\n"));
	serve(s, &e);
	assert_true(e.ended);
	assert_true(starts(&e.to_client, "+OK"));
	for (i = 3; i <= UIDS_MAX / 10; i++)
		assert_int_equal(s->trash[10 * i], 1);
	pbt_edge_fini(&e);
	pb_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_marked_messages_are_removed),
		cmocka_unit_test(many_sets_go_through_the_pipeline),
		cmocka_unit_test(refusals_are_told_and_harm_nobody),
		cmocka_unit_test(without_uid_expunge_others_messages_survive),
		cmocka_unit_test(without_uid_expunge_refusals_harm_nobody),
		cmocka_unit_test(without_uid_expunge_races_harm_nobody),
		cmocka_unit_test(an_expunge_that_does_nothing_is_noticed),
		cmocka_unit_test(what_is_deleted_is_moved_to_the_trash),
		cmocka_unit_test(a_folder_of_the_administrator_is_made_once),
		cmocka_unit_test(a_folder_is_made_where_there_is_little_room),
		cmocka_unit_test(copies_that_are_not_proven_leave_originals),
		cmocka_unit_test(refused_moves_and_copies_lose_nothing),
		cmocka_unit_test(what_is_deleted_is_flagged_for_pop3),
		cmocka_unit_test(in_another_mailbox_nothing_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
