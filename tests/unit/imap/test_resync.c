#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/client.h"

/* What has changed, found and vanished, as ranges of UIDs. */

static const struct pb_imap_since since = { 17, 5 };

struct fixture {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	enum pb_status status;
	struct pb_buffer told;	/* events, a line each */
};

static void
tell(struct fixture *f, const struct pb_imap_event *event)
{
	size_t i;

	switch (event->type) {
	case PB_IMAP_EVENT_FOUND:
		pbt_say(&f->told, "found by %u", event->id);
		break;
	case PB_IMAP_EVENT_VANISHED:
		pbt_say(&f->told, event->earlier ? "earlier" : "vanished");
		break;
	case PB_IMAP_EVENT_EXISTS:
		pbt_say(&f->told, "exists %u", event->number);
		break;
	case PB_IMAP_EVENT_SIZE:
		pbt_say(&f->told, "size of %u", event->uid);
		break;
	case PB_IMAP_EVENT_DONE:
		pbt_say(&f->told, "done %u%s", event->id,
		    event->condition == PB_IMAP_OK ? "" : " refused");
		break;
	case PB_IMAP_EVENT_STARTTLS:
	case PB_IMAP_EVENT_READY:
	case PB_IMAP_EVENT_EXPUNGE:
	case PB_IMAP_EVENT_BODY_BEGIN:
	case PB_IMAP_EVENT_BODY_DATA:
	case PB_IMAP_EVENT_BODY_END:
	case PB_IMAP_EVENT_BODY_NIL:
		pbt_say(&f->told, "event %d", event->type);
		break;
	}
	for (i = 0; i < event->n_ranges; i++)
		pbt_say(&f->told, " %u:%u", event->ranges[i].first,
		    event->ranges[i].last);
	pbt_say(&f->told, "\n");
}

static void
says(struct fixture *f, const char *octets)
{
	struct pb_slice in = pb_slice_str(octets);
	struct pb_imap_event event;

	pb_buffer_clear(&f->told);
	do {
		f->status = pb_imap_client_next(&f->client, &in, &event);
		if (f->status == PB_OK)
			tell(f, &event);
	} while (f->status == PB_OK);
}

static void
must_tell(struct fixture *f, const char *octets, const char *want)
{
	says(f, octets);
	assert_int_equal(f->status, PB_AGAIN);
	ASSERT_OCTETS(pb_buffer_slice(&f->told), pb_slice_str(want));
}

static void
sends(struct fixture *f, const char *octets)
{
	ASSERT_OCTETS(pb_buffer_slice(&f->client.out), pb_slice_str(octets));
	pb_buffer_clear(&f->client.out);
}

/* A client that is READY; its tags go on from A2. */
static struct fixture *
start(const char *capabilities)
{
	struct fixture *f = pb_xalloc(sizeof(*f));
	struct pb_secret secret = { NULL, 0 };
	char line[200];

	f->grammar = pb_imap_grammar_new();
	f->writer = pb_imap_writer_new();
	pb_buffer_init(&f->told, 64 * 1024);
	pb_imap_client_init(&f->client, f->grammar, f->writer,
	    PB_IMAP_TLS_IMPLICIT);
	assert_int_equal(pb_secret_set(&secret, OCTETS("x")), PB_OK);
	assert_int_equal(pb_imap_client_login(&f->client, OCTETS("max"),
	    &secret), PB_OK);
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	snprintf(line, sizeof(line), "A1 OK [CAPABILITY IMAP4rev1 %s] in\r\n",
	    capabilities);
	says(f, line);
	assert_int_equal(f->client.state, PB_IMAP_STATE_READY);
	pb_buffer_clear(&f->client.out);
	return f;
}

static void
finish(struct fixture *f)
{
	pb_imap_client_fini(&f->client);
	pb_imap_grammar_free(&f->grammar);
	pb_imap_writer_free(&f->writer);
	pb_buffer_fini(&f->told);
	pb_free(f);
}

static void
must_select(struct fixture *f, const struct pb_imap_since *from,
    const char *want)
{
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX", from),
	    PB_OK);
	sends(f, want);
}

static void
a_server_that_can_tell_what_vanished_is_asked(void **state)
{
	struct fixture *f = start("QRESYNC");

	(void)state;
	assert_true(pb_imap_client_can_resync(&f->client, &since));
	must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
	    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
	must_tell(f, "* ENABLED QRESYNC\r\nA2 OK\r\n* 2 EXISTS\r\n"
	    "* OK [UIDVALIDITY 17] x\r\n* OK [UIDNEXT 120] x\r\n"
	    "* OK [HIGHESTMODSEQ 9] x\r\n* VANISHED (EARLIER) 41,43:116\r\n"
	    "* 2 FETCH (UID 117 FLAGS (\\Seen) MODSEQ (9))\r\n"
	    "* 1 FETCH (UID 5 FLAGS (odd]flag) MODSEQ (7))\r\n"
	    "A3 OK\r\n", "exists 2\nearlier 41:41 43:116\ndone 3\n");
	assert_int_equal(f->client.modseq, 9);
	assert_int_equal(f->client.uidnext, 120);
	finish(f);
}

static void
changed_flags_are_no_listing(void **state)
{
	struct fixture *f = start("QRESYNC");

	(void)state;
	must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
	    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
	assert_int_equal(pb_imap_client_sizes(&f->client, 9), PB_OK);
	must_tell(f, "A2 OK\r\n* 2 FETCH (UID 8 FLAGS (\\Seen) MODSEQ (9))"
	    "\r\n* 1 FETCH (UID 5 RFC822.SIZE 3)\r\nA3 OK\r\n", "done 3\n");
	must_tell(f, "* 3 FETCH (UID 9 RFC822.SIZE 3)\r\nA4 OK\r\n",
	    "size of 9\ndone 4\n");
	finish(f);
}

static void
it_is_enabled_once_for_a_connection(void **state)
{
	struct fixture *f = start("QRESYNC");

	(void)state;
	must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
	    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
	must_tell(f, "A2 OK\r\nA3 OK\r\n", "done 3\n");
	must_select(f, &since, "A4 SELECT INBOX (QRESYNC (17 5))\r\n");
	must_tell(f, "* OK [CLOSED] x\r\nA4 OK\r\n", "done 4\n");
	/* HIGHESTMODSEQ comes now unasked. */
	must_select(f, NULL, "A5 SELECT INBOX\r\n");
	finish(f);
}

static void
without_a_modseq_it_is_asked_for_where_it_is_of_use(void **state)
{
	static const struct pb_imap_since nothing = { 17, 0 };
	struct fixture *f = start("QRESYNC");

	(void)state;
	assert_false(pb_imap_client_can_resync(&f->client, NULL));
	must_select(f, NULL, "A2 SELECT INBOX (CONDSTORE)\r\n");
	must_tell(f, "* OK [HIGHESTMODSEQ 9] x\r\nA2 OK\r\n", "done 2\n");
	assert_int_equal(f->client.modseq, 9);
	assert_false(pb_imap_client_can_resync(&f->client, &nothing));
	must_select(f, &nothing, "A3 SELECT INBOX (CONDSTORE)\r\n");
	finish(f);
	f = start("CONDSTORE ENABLE");
	must_select(f, &since, "A2 SELECT INBOX\r\n");
	finish(f);
}

static void
a_server_that_refuses_it_is_asked_no_more(void **state)
{
	static const char *const answers[] = { "A2 BAD what\r\nA3 BAD what\r\n",
		"A2 OK\r\nA3 NO no\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(answers); i++) {
		struct fixture *f = start("QRESYNC");

		ROW(answers, i);
		must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
		    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
		must_tell(f, answers[i], "done 3 refused\n");
		assert_true(f->client.qresync_refused);
		assert_false(pb_imap_client_can_resync(&f->client, &since));
		must_select(f, &since, "A4 SELECT INBOX\r\n");
		/* The plain one is refused for another reason. */
		must_tell(f, "A4 OK\r\n", "done 4\n");
		finish(f);
	}
}

static void
a_plain_select_that_is_refused_says_nothing_of_it(void **state)
{
	struct fixture *f = start("UIDPLUS");

	(void)state;
	must_select(f, NULL, "A2 SELECT INBOX\r\n");
	must_tell(f, "A2 NO no\r\n", "done 2 refused\n");
	assert_false(f->client.qresync_refused);
	finish(f);
	f = start("QRESYNC");
	must_select(f, NULL, "A2 SELECT INBOX (CONDSTORE)\r\n");
	must_tell(f, "A2 BAD what\r\n", "done 2 refused\n");
	assert_true(f->client.qresync_refused);
	must_select(f, NULL, "A3 SELECT INBOX\r\n");
	finish(f);
}

static void
what_vanishes_meanwhile_is_told(void **state)
{
	static const uint32_t uids[] = { 3, 4 };
	struct fixture *f = start("QRESYNC UIDPLUS");

	(void)state;
	must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
	    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
	says(f, "A2 OK\r\nA3 OK\r\n");
	must_tell(f, "* VANISHED 405\r\n", "vanished 405:405\n");
	assert_int_equal(pb_imap_client_uid_expunge(&f->client, uids, 2,
	    NULL), PB_OK);
	must_tell(f, "* VANISHED 4,3\r\nA4 OK [HIGHESTMODSEQ 11] x\r\n",
	    "vanished 3:4\ndone 4\n");
	assert_int_equal(f->client.modseq, 11);
	finish(f);
}

static void
what_vanished_may_be_very_many(void **state)
{
	struct fixture *f = start("QRESYNC");
	struct pb_buffer line;
	unsigned i;

	(void)state;
	pb_buffer_init(&line, 2 << 20);
	pbt_say(&line, "* VANISHED 1");
	for (i = 1; i < 90000; i++)
		pbt_say(&line, ",%u", 4294000000u + 2 * i);
	pbt_say(&line, "\r\n");
	pbt_put(&line, pb_slice("", 1));
	must_select(f, &since, "A2 ENABLE QRESYNC\r\n"
	    "A3 SELECT INBOX (QRESYNC (17 5))\r\n");
	says(f, "A2 OK\r\nA3 OK\r\n");
	pb_buffer_fini(&f->told);
	pb_buffer_init(&f->told, 4 << 20);
	says(f, pb_buffer_slice(&line).data);
	assert_int_equal(f->status, PB_AGAIN);
	assert_true(pb_slice_starts(pb_buffer_slice(&f->told),
	    "vanished 1:1 4294000002:4294000002 "));
	finish(f);
	/* Where it was not asked for, it is a flood. */
	f = start("QRESYNC");
	says(f, pb_buffer_slice(&line).data);
	assert_int_equal(f->status, PB_EPROTO);
	finish(f);
	pb_buffer_fini(&line);
}

static void
a_search_is_extended_where_the_server_can(void **state)
{
	static const char *const words[] = { "ESEARCH", "IMAP4rev2" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++) {
		struct fixture *f = start(words[i]);
		uint32_t id;

		ROW(words, i);
		assert_int_equal(pb_imap_client_search_all(&f->client, &id),
		    PB_OK);
		assert_int_equal(id, 2);
		assert_int_equal(pb_imap_client_search_deleted(&f->client,
		    NULL), PB_OK);
		sends(f, "A2 UID SEARCH RETURN (ALL) ALL\r\n"
		    "A3 UID SEARCH RETURN (ALL) DELETED\r\n");
		must_tell(f, "* ESEARCH (TAG \"A2\") UID ALL 1:3,7\r\n"
		    "A2 OK\r\n* ESEARCH (TAG \"A3\") UID\r\nA3 OK\r\n",
		    "found by 2 1:3 7:7\ndone 2\nfound by 3\ndone 3\n");
		finish(f);
	}
}

static void
a_search_without_that_is_a_plain_one(void **state)
{
	struct fixture *f = start("UIDPLUS");

	(void)state;
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	sends(f, "A2 UID SEARCH ALL\r\n");
	must_tell(f, "* SEARCH 1 2 3 7\r\nA2 OK\r\n",
	    "found by 2 1:3 7:7\ndone 2\n");
	assert_int_equal(pb_imap_client_search_deleted(&f->client, NULL),
	    PB_OK);
	sends(f, "A3 UID SEARCH DELETED\r\n");
	must_tell(f, "* SEARCH\r\nA3 OK\r\n", "found by 3\ndone 3\n");
	finish(f);
}

static void
an_answer_to_another_command_is_none(void **state)
{
	static const char *const lines[] = {
		"* ESEARCH (TAG \"A1\") UID ALL 1\r\n",
		"* ESEARCH (TAG \"A3\") UID ALL 1\r\n",
		"* ESEARCH (TAG \"a2\") UID ALL 1\r\n",
		"* ESEARCH (TAG \"B2\") UID ALL 1\r\n",
		"* ESEARCH UID ALL 1\r\n",
		"* ESEARCH (TAG \"A2\") ALL 1\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct fixture *f = start("ESEARCH");

		ROW(lines, i);
		assert_int_equal(pb_imap_client_search_all(&f->client, NULL),
		    PB_OK);
		assert_int_equal(pb_imap_client_select(&f->client, "INBOX",
		    NULL), PB_OK);
		must_tell(f, lines[i], "");
		must_tell(f, "A2 OK\r\n", "done 2\n");
		/* After the end there is nobody who asked. */
		must_tell(f, "* ESEARCH (TAG \"A2\") UID ALL 1\r\n"
		    "* SEARCH 1\r\n", "");
		finish(f);
	}
}

static void
a_long_answer_may_come_until_the_last_search_is_done(void **state)
{
	struct fixture *f = start("UIDPLUS");
	struct pb_buffer line;
	unsigned i;

	(void)state;
	pb_buffer_init(&line, 2 << 20);
	pbt_say(&line, "* SEARCH");
	for (i = 0; i < 90000; i++)
		pbt_say(&line, " %u", 4294000000u + i);
	pbt_say(&line, "\r\n");
	pbt_put(&line, pb_slice("", 1));
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	must_tell(f, "A2 OK\r\n", "done 2\n");
	must_tell(f, pb_buffer_slice(&line).data,
	    "found by 3 4294000000:4294089999\n");
	must_tell(f, "A3 OK\r\n", "done 3\n");
	says(f, pb_buffer_slice(&line).data);
	assert_int_equal(f->status, PB_EPROTO);
	pb_buffer_fini(&line);
	finish(f);
}

static void
as_many_may_be_named_as_there_are_messages(void **state)
{
	struct fixture *f = start("UIDPLUS");
	struct pb_buffer line;
	unsigned i;

	(void)state;
	pb_buffer_init(&line, 4 << 20);
	pbt_say(&line, "* SEARCH");
	for (i = 0; i < 200000; i++)
		pbt_say(&line, " %u", 4294000000u + i);
	pbt_say(&line, "\r\n");
	pbt_put(&line, pb_slice("", 1));
	says(f, "* 200000 EXISTS\r\n");
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	must_tell(f, pb_buffer_slice(&line).data,
	    "found by 2 4294000000:4294199999\n");
	finish(f);
	f = start("UIDPLUS");
	says(f, "* 90000 EXISTS\r\n");
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	says(f, pb_buffer_slice(&line).data);
	assert_int_equal(f->status, PB_EPROTO);
	finish(f);
	/* Nobody has 4,000,000,000. */
	f = start("UIDPLUS");
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	says(f, "* 4294967295 EXISTS\r\n");
	assert_int_equal(f->client.framer.text.max,
	    PB_IMAP_RESPONSE_NAMES_MAX);
	says(f, "A2 OK\r\n");
	assert_int_equal(f->client.framer.text.max, PB_IMAP_RESPONSE_MAX);
	pb_buffer_fini(&line);
	finish(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_can_tell_what_vanished_is_asked),
		cmocka_unit_test(changed_flags_are_no_listing),
		cmocka_unit_test(it_is_enabled_once_for_a_connection),
		cmocka_unit_test(
		    without_a_modseq_it_is_asked_for_where_it_is_of_use),
		cmocka_unit_test(a_server_that_refuses_it_is_asked_no_more),
		cmocka_unit_test(
		    a_plain_select_that_is_refused_says_nothing_of_it),
		cmocka_unit_test(what_vanishes_meanwhile_is_told),
		cmocka_unit_test(what_vanished_may_be_very_many),
		cmocka_unit_test(a_search_is_extended_where_the_server_can),
		cmocka_unit_test(a_search_without_that_is_a_plain_one),
		cmocka_unit_test(an_answer_to_another_command_is_none),
		cmocka_unit_test(
		    a_long_answer_may_come_until_the_last_search_is_done),
		cmocka_unit_test(as_many_may_be_named_as_there_are_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
