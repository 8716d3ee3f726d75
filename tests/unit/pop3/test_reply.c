#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/pop3/command.h"
#include "popbridge/pop3/reply.h"
#include "popbridge/version.h"

static struct pb_slice
reply(struct pb_buffer *out, enum pb_pop3_reply r, uint64_t n, uint64_t m)
{
	pb_buffer_clear(out);
	assert_int_equal(pb_pop3_reply(out, r, n, m), PB_OK);
	return pb_buffer_slice(out);
}

static void
every_reply_is_one_line_of_at_most_512_octets(void **state)
{
	struct pb_buffer out;
	unsigned r;

	(void)state;
	pb_buffer_init(&out, 4096);
	for (r = 0; r < PB_REPLIES; r++) {
		struct pb_slice line = reply(&out, r, UINT64_MAX, UINT64_MAX);

		assert_true(line.len <= PB_POP3_REPLY_MAX);
		assert_true(line.len > 6);
		assert_int_equal(pb_slice_find(line, '\r'), line.len - 2);
		assert_int_equal(pb_slice_find(line, '\n'), line.len - 1);
		assert_int_equal(pb_slice_find(line, '%'), line.len);
	}
	pb_buffer_fini(&out);
}

static void
every_reply_begins_with_its_status_indicator(void **state)
{
	struct pb_buffer out;
	unsigned r;

	(void)state;
	pb_buffer_init(&out, 4096);
	for (r = 0; r < PB_REPLIES; r++) {
		struct pb_slice line = reply(&out, r, 1, 2);
		const char *want = r <= PB_REPLY_QUIT_REMOVED ? "+OK " :
		    "-ERR ";

		assert_memory_equal(line.data, want, strlen(want));
	}
	pb_buffer_fini(&out);
}

static void
every_reply_is_printable_ascii(void **state)
{
	struct pb_buffer out;
	unsigned r;
	size_t i;

	(void)state;
	pb_buffer_init(&out, 4096);
	for (r = 0; r < PB_REPLIES; r++) {
		struct pb_slice line = reply(&out, r, 1, 2);

		for (i = 0; i + 2 < line.len; i++)
			assert_in_range(line.data[i], 0x20, 0x7e);
	}
	pb_buffer_fini(&out);
}

static void
stat_and_list_have_the_numbers_where_programs_look(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 4096);
	ASSERT_TEXT(reply(&out, PB_REPLY_STAT, 2, 320), "+OK 2 320\r\n");
	ASSERT_TEXT(reply(&out, PB_REPLY_LIST_ONE, 2, 200), "+OK 2 200\r\n");
	ASSERT_TEXT(reply(&out, PB_REPLY_RETR, 120, 0), "+OK 120 octets\r\n");
	ASSERT_TEXT(reply(&out, PB_REPLY_LAST, 7, 0), "+OK 7\r\n");
	pb_buffer_fini(&out);
}

static void
failures_carry_the_codes_of_the_rfc(void **state)
{
	static const struct {
		enum pb_pop3_reply reply;
		const char *start;
	} rows[] = {
		{ PB_REPLY_AUTH, "-ERR [AUTH] " },
		{ PB_REPLY_TEMPORARY, "-ERR [SYS/TEMP] " },
		{ PB_REPLY_PERMANENT, "-ERR [SYS/PERM] " },
		{ PB_REPLY_IN_USE, "-ERR [IN-USE] " },
		{ PB_REPLY_MESSAGE_TEMPORARY, "-ERR [SYS/TEMP] " },
		{ PB_REPLY_NOT_REMOVED, "-ERR [SYS/TEMP] 5 " },
		{ PB_REPLY_NO_ROOM, "-ERR [SYS/TEMP] " },
	};
	struct pb_buffer out;
	size_t i;

	(void)state;
	pb_buffer_init(&out, 4096);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_true(pb_slice_starts(reply(&out, rows[i].reply, 5, 0),
		    rows[i].start));
	}
	pb_buffer_fini(&out);
	assert_string_equal(pb_pop3_reply_code(PB_REPLY_AUTH), "AUTH");
	assert_string_equal(pb_pop3_reply_code(PB_REPLY_TEMPORARY),
	    "SYS/TEMP");
	assert_string_equal(pb_pop3_reply_code(PB_REPLY_UNKNOWN_COMMAND), "");
}

static void
errors_become_replies_by_kind_and_scope(void **state)
{
	static const struct {
		enum pb_error_kind kind;
		enum pb_error_scope scope;
		enum pb_pop3_reply want;
	} rows[] = {
		{ PB_ERROR_AUTH, PB_SCOPE_ACCOUNT, PB_REPLY_AUTH },
		{ PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT, PB_REPLY_TEMPORARY },
		{ PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    PB_REPLY_TEMPORARY },
		{ PB_ERROR_TEMPORARY, PB_SCOPE_MESSAGE,
		    PB_REPLY_MESSAGE_TEMPORARY },
		{ PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT, PB_REPLY_PERMANENT },
		{ PB_ERROR_IN_USE, PB_SCOPE_ACCOUNT, PB_REPLY_IN_USE },
		{ PB_ERROR_GONE, PB_SCOPE_MESSAGE, PB_REPLY_MESSAGE_GONE },
		{ PB_ERROR_PROTOCOL, PB_SCOPE_CONNECTION, PB_REPLY_TEMPORARY },
		{ PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT, PB_REPLY_TEMPORARY },
		{ PB_ERROR_INTERNAL, PB_SCOPE_MESSAGE,
		    PB_REPLY_MESSAGE_TEMPORARY },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_error error;

		ROW(rows, i);
		pb_error_set(&error, rows[i].kind, rows[i].scope, "x");
		assert_int_equal(pb_pop3_reply_for_error(&error),
		    rows[i].want);
	}
}

static void
capa_announces_what_is_there(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 4096);
	assert_int_equal(pb_pop3_reply_capa_lines(&out, true, false,
	    "PLAIN LOGIN"), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&out),
	    "TOP\r\nUIDL\r\nUSER\r\nSASL PLAIN LOGIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\nIMPLEMENTATION popbridge-" PB_VERSION "\r\n.\r\n");
	pb_buffer_fini(&out);
}

static void
mechanisms_stand_one_in_a_line(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 4096);
	assert_int_equal(pb_pop3_reply_sasl_lines(&out, "PLAIN LOGIN"),
	    PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&out), "PLAIN\r\nLOGIN\r\n.\r\n");
	pb_buffer_fini(&out);
}

static void
a_challenge_has_a_blank_even_when_it_is_empty(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 4096);
	assert_int_equal(pb_pop3_reply_challenge(&out, OCTETS("")), PB_OK);
	assert_int_equal(pb_pop3_reply_challenge(&out, OCTETS("eA==")),
	    PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&out), "+ \r\n+ eA==\r\n");
	pb_buffer_fini(&out);
}

static void
listing_lines_are_numbers_and_names(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 4096);
	assert_int_equal(pb_pop3_reply_list_line(&out, 4294967295u,
	    UINT64_MAX), PB_OK);
	assert_int_equal(pb_pop3_reply_uidl_line(&out, 2, "abc"), PB_OK);
	assert_int_equal(pb_pop3_reply_end(&out), PB_OK);
	assert_int_equal(pb_pop3_reply_uidl_one(&out, 3, "abc"), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&out),
	    "4294967295 18446744073709551615\r\n2 abc\r\n.\r\n+OK 3 abc\r\n");
	pb_buffer_fini(&out);
}

static void
a_reply_that_does_not_fit_adds_nothing(void **state)
{
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, 8);
	assert_int_equal(pb_pop3_reply(&out, PB_REPLY_GREETING, 0, 0),
	    PB_ETOOBIG);
	assert_int_equal(out.len, 0);
	pb_buffer_fini(&out);
	pb_buffer_init(&out, 800);
	pb_mem_fail_from(1);
	assert_int_equal(pb_pop3_reply(&out, PB_REPLY_GREETING, 0, 0),
	    PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_int_equal(out.len, 0);
	pb_buffer_fini(&out);
}

static void
the_greeting_shows_what_is_on(void **state)
{
	static const struct {
		bool xclient;
		const char *stamp, *want;
	} rows[] = {
		{ false, NULL, "+OK popbridge ready\r\n" },
		{ true, NULL, "+OK [XCLIENT] popbridge ready\r\n" },
		{ false, "<1896.697170952@dbc.mtview.ca.us>",
		    "+OK popbridge ready "
		    "<1896.697170952@dbc.mtview.ca.us>\r\n" },
		{ true, "<a@b>", "+OK [XCLIENT] popbridge ready <a@b>\r\n" },
	};
	struct pb_buffer out;
	size_t i;

	(void)state;
	pb_buffer_init(&out, 4096);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_pop3_reply_greeting(&out, rows[i].xclient,
		    rows[i].stamp), PB_OK);
		ASSERT_OCTETS(pb_buffer_slice(&out),
		    pb_slice_str(rows[i].want));
		pb_buffer_clear(&out);
	}
	pb_buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_shows_what_is_on),
		cmocka_unit_test(every_reply_is_one_line_of_at_most_512_octets),
		cmocka_unit_test(every_reply_begins_with_its_status_indicator),
		cmocka_unit_test(every_reply_is_printable_ascii),
		cmocka_unit_test(
		    stat_and_list_have_the_numbers_where_programs_look),
		cmocka_unit_test(failures_carry_the_codes_of_the_rfc),
		cmocka_unit_test(errors_become_replies_by_kind_and_scope),
		cmocka_unit_test(capa_announces_what_is_there),
		cmocka_unit_test(mechanisms_stand_one_in_a_line),
		cmocka_unit_test(
		    a_challenge_has_a_blank_even_when_it_is_empty),
		cmocka_unit_test(listing_lines_are_numbers_and_names),
		cmocka_unit_test(a_reply_that_does_not_fit_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
