#include "fixture.h"

/* What a SEARCH finds, as ranges of UIDs. */

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
		    "found 2 1:3 7:7\ndone 2\nfound 3\ndone 3\n");
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
	    "found 2 1:3 7:7\ndone 2\n");
	assert_int_equal(pb_imap_client_search_deleted(&f->client, NULL),
	    PB_OK);
	sends(f, "A3 UID SEARCH DELETED\r\n");
	must_tell(f, "* SEARCH\r\nA3 OK\r\n", "found 3\ndone 3\n");
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
		assert_int_equal(pb_imap_client_select(&f->client, "INBOX"),
		    PB_OK);
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
	    "found 3 4294000000:4294089999\n");
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
	    "found 2 4294000000:4294199999\n");
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
		cmocka_unit_test(a_search_is_extended_where_the_server_can),
		cmocka_unit_test(a_search_without_that_is_a_plain_one),
		cmocka_unit_test(an_answer_to_another_command_is_none),
		cmocka_unit_test(
		    a_long_answer_may_come_until_the_last_search_is_done),
		cmocka_unit_test(as_many_may_be_named_as_there_are_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
