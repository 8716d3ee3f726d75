#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/framer.h"
#include "support/trace.h"

/* Under all splits. */
static void
must_frame(const struct pbt_machine *machine, struct pb_slice input,
    const char *want)
{
	struct pb_buffer got;

	pbt_all_splits(machine, input, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_slice_str(want));
	pb_buffer_fini(&got);
}

#define KEPT(input, want) must_frame(&pbt_framer, OCTETS(input), want)
#define STREAMED(input, want) must_frame(&pbt_framer_body, OCTETS(input), want)

static void
lines_are_responses(void **state)
{
	(void)state;
	KEPT("* 3 EXISTS\r\nA1 OK done\r\n+ go on\r\n",
	    "response * 3 EXISTS\nresponse A1 OK done\nresponse + go on\n"
	    "end\n");
}

static void
a_bare_lf_ends_a_line_too(void **state)
{
	(void)state;
	KEPT("* 3 EXISTS\n* 4 EXISTS\r\n",
	    "response * 3 EXISTS\nresponse * 4 EXISTS\nend\n");
}

static void
a_bare_cr_is_part_of_the_line(void **state)
{
	(void)state;
	KEPT("* OK a\rb\r\r\n", "response * OK a\\x0db\\x0d\nend\n");
}

static void
empty_lines_are_empty_responses(void **state)
{
	(void)state;
	KEPT("\r\n\n* OK\r\n", "response \nresponse \nresponse * OK\nend\n");
}

static void
an_open_line_is_no_response(void **state)
{
	(void)state;
	KEPT("* OK\r\n* 1 FETCH (UID", "response * OK\nend\n");
	KEPT("* OK\r", "end\n");
}

static void
a_literal_is_part_of_its_response(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {5}\r\na\r\nb) Y {0}\r\n)\r\n* OK\r\n",
	    "response * 1 FETCH (X {5}\\x0d\\x0aa\\x0d\\x0ab) Y {0}\\x0d\\x0a)"
	    "\nresponse * OK\nend\n");
}

static void
a_literal_may_hold_what_looks_like_another(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {7}\r\n{99}\r\n UID 7)\r\n",
	    "response * 1 FETCH (X {7}\\x0d\\x0a{99}\\x0d\\x0a UID 7)\n"
	    "end\n");
}

static void
the_three_forms_of_literals_are_known(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {2}\r\n\r\n Y {2+}\r\n\r\n Z ~{2}\r\n\r\n)\r\n",
	    "response * 1 FETCH (X {2}\\x0d\\x0a\\x0d\\x0a Y {2+}\\x0d\\x0a"
	    "\\x0d\\x0a Z ~{2}\\x0d\\x0a\\x0d\\x0a)\nend\n");
}

static void
a_literal_ends_a_line_of_bare_lf_too(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {2}\nab)\n",
	    "response * 1 FETCH (X {2}\\x0d\\x0aab)\nend\n");
}

static void
braces_that_are_no_literal_are_text(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {5} Y)\r\n* LIST {}\r\n* LIST {+}\r\n"
	    "* LIST {5-}\r\n* LIST 5}\r\n* LIST {5x}\r\n* LIST {-5}\r\n",
	    "response * 1 FETCH (X {5} Y)\nresponse * LIST {}\n"
	    "response * LIST {+}\nresponse * LIST {5-}\nresponse * LIST 5}\n"
	    "response * LIST {5x}\nresponse * LIST {-5}\nend\n");
}

static void
text_for_people_may_end_in_braces(void **state)
{
	(void)state;
	KEPT("* OK see {5}\r\n* NO {5}\r\n* bad {5+}\r\n* BYE ~{5}\r\n"
	    "* PREAUTH {5}\r\nA1 OK done {5}\r\n+ {5}\r\n{5}\r\n",
	    "response * OK see {5}\nresponse * NO {5}\n"
	    "response * bad {5+}\nresponse * BYE ~{5}\n"
	    "response * PREAUTH {5}\nresponse A1 OK done {5}\n"
	    "response + {5}\nresponse {5}\nend\n");
}

static void
a_wanted_body_is_handed_on(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (UID 7 BODY[] {5}\r\na\r\nb\n)\r\nA1 OK\r\n",
	    "body 5 * 1 FETCH (UID 7 BODY[] {0}\\x0d\\x0a\n"
	    "a\\x0d\\x0ab\\x0a\n"
	    "response * 1 FETCH (UID 7 BODY[] {0}\\x0d\\x0a)\n"
	    "response A1 OK\nend\n");
}

static void
a_body_that_is_not_wanted_is_kept(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (UID 7 BODY[] {1}\r\na)\r\n",
	    "response * 1 FETCH (UID 7 BODY[] {1}\\x0d\\x0aa)\nend\n");
}

static void
all_names_of_a_body_are_known(void **state)
{
	static const char *const names[] = { "BODY[]", "body[]", "BODY[]<0>",
		"BODY[]<16384>", "RFC822", "rfc822" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		char in[200], want[400];

		ROW(names, i);
		snprintf(in, sizeof(in),
		    "* 1 FETCH (%s {1}\r\na)\r\n* 2 FETCH (X 1 %s {1+}\r\n"
		    "b)\r\n* 3 FETCH (%s ~{1}\r\nc)\r\n", names[i], names[i],
		    names[i]);
		snprintf(want, sizeof(want),
		    "body 1 * 1 FETCH (%s {0}\\x0d\\x0a\na\n"
		    "response * 1 FETCH (%s {0}\\x0d\\x0a)\n"
		    "body 1 * 2 FETCH (X 1 %s {0}\\x0d\\x0a\nb\n"
		    "response * 2 FETCH (X 1 %s {0}\\x0d\\x0a)\n"
		    "body 1 * 3 FETCH (%s {0}\\x0d\\x0a\nc\n"
		    "response * 3 FETCH (%s {0}\\x0d\\x0a)\nend\n", names[i],
		    names[i], names[i], names[i], names[i], names[i]);
		must_frame(&pbt_framer_body, pb_slice_str(in), want);
	}
}

static void
other_literals_are_kept_though_a_body_is_wanted(void **state)
{
	static const char *const names[] = { "BODY[HEADER]", "BODY[1]",
		"XBODY[]", "RFC822.HEADER", "BODY[]<>x", "BODY[]<1", "BODY[] ",
		"XRFC822", "BODY" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		char in[200], want[400];

		ROW(names, i);
		snprintf(in, sizeof(in), "* 1 FETCH (%s {1}\r\na)\r\n",
		    names[i]);
		snprintf(want, sizeof(want),
		    "response * 1 FETCH (%s {1}\\x0d\\x0aa)\nend\n", names[i]);
		must_frame(&pbt_framer_body, pb_slice_str(in), want);
	}
}

static void
an_empty_body_is_handed_on_without_data(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (BODY[] {0}\r\n UID 7)\r\n* OK\r\n",
	    "body 0 * 1 FETCH (BODY[] {0}\\x0d\\x0a\n\n"
	    "response * 1 FETCH (BODY[] {0}\\x0d\\x0a UID 7)\n"
	    "response * OK\nend\n");
}

static void
literals_before_and_behind_a_body_are_kept(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (A {1}\r\nx BODY[] {2}\r\nyz B {1}\r\nw)\r\n",
	    "body 2 * 1 FETCH (A {1}\\x0d\\x0ax BODY[] {0}\\x0d\\x0a\nyz\n"
	    "response * 1 FETCH (A {1}\\x0d\\x0ax BODY[] {0}\\x0d\\x0a B {1}"
	    "\\x0d\\x0aw)\nend\n");
}

static void
only_one_body_of_a_response_is_handed_on(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (BODY[] {1}\r\na BODY[] {1}\r\nb)\r\n",
	    "body 1 * 1 FETCH (BODY[] {0}\\x0d\\x0a\na\n"
	    "response * 1 FETCH (BODY[] {0}\\x0d\\x0a BODY[] {1}\\x0d\\x0ab)"
	    "\nend\n");
}

static void
a_quoted_string_that_looks_like_a_body_is_text(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (X \"a BODY[] {5}\" UID 7)\r\n",
	    "response * 1 FETCH (X \"a BODY[] {5}\" UID 7)\nend\n");
}

static void
a_body_of_many_gigabytes_is_only_counted(void **state)
{
	(void)state;
	STREAMED("* 1 FETCH (BODY[] {1099511627776}\r\nabc",
	    "body 1099511627776 * 1 FETCH (BODY[] {0}\\x0d\\x0a\nabcend\n");
}

static void
absurd_sizes_of_literals_break_the_framer(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {99999999999999999999}\r\nabc\r\n* OK\r\n",
	    "failed -1\nend\n");
	STREAMED("* 1 FETCH (BODY[] {18446744073709551615}\r\nabc",
	    "failed -1\nend\n");
	STREAMED("* 1 FETCH (BODY[] {18446744073709551617}\r\nabc",
	    "failed -1\nend\n");
}

static void
a_kept_literal_over_the_limit_breaks_the_framer(void **state)
{
	(void)state;
	KEPT("* 1 FETCH (X {65537}\r\nabc\r\n", "failed -2\nend\n");
	KEPT("* 1 FETCH (X {4294967290}\r\nabc\r\n", "failed -2\nend\n");
	STREAMED("* 1 FETCH (BODYSTRUCTURE {4294967290}\r\n",
	    "failed -2\nend\n");
}

static void
line_of(struct pb_buffer *b, size_t len, const char *end)
{
	pbt_say(b, "* ");
	while (b->len < len)
		pbt_put(b, pb_slice_str("x"));
	pbt_say(b, "%s", end);
}

static void
a_line_up_to_the_limit_passes(void **state)
{
	struct pb_buffer in, got;

	(void)state;
	pb_buffer_init(&in, 1 << 20);
	line_of(&in, PB_IMAP_RESPONSE_MAX - 1, "\r\n");
	pbt_all_splits(&pbt_framer, pb_buffer_slice(&in), &got);
	assert_int_equal(got.len, strlen("response ") + in.len - 2 +
	    strlen("\nend\n"));
	pb_buffer_fini(&in);
	pb_buffer_fini(&got);
}

static void
a_longer_line_breaks_the_framer_before_it_ends(void **state)
{
	struct pb_buffer in;

	(void)state;
	pb_buffer_init(&in, 1 << 20);
	line_of(&in, PB_IMAP_RESPONSE_MAX + 1, "");
	must_frame(&pbt_framer, pb_buffer_slice(&in), "failed -2\nend\n");
	pbt_say(&in, "\r\n* OK\r\n");
	must_frame(&pbt_framer, pb_buffer_slice(&in), "failed -2\nend\n");
	pb_buffer_fini(&in);
}

static void
literals_that_add_up_over_the_limit_break_the_framer(void **state)
{
	struct pb_buffer in;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 1 << 20);
	pbt_say(&in, "* 1 FETCH (");
	for (i = 0; i < 70; i++) {
		pbt_say(&in, "X {1000}\r\n");
		pbt_say(&in, "%0999d ", 0);
	}
	pbt_say(&in, ")\r\n");
	must_frame(&pbt_framer, pb_buffer_slice(&in), "failed -2\nend\n");
	pb_buffer_fini(&in);
}

static enum pb_status
next(struct pb_imap_framer *f, struct pb_slice *in)
{
	struct pb_imap_frame frame;

	return pb_imap_framer_next(f, in, &frame);
}

static void
the_limit_can_be_raised_for_a_while(void **state)
{
	struct pb_imap_framer f;
	struct pb_buffer in;
	struct pb_slice rest;

	(void)state;
	pb_buffer_init(&in, 1 << 20);
	line_of(&in, 2 * PB_IMAP_RESPONSE_MAX, "\r\n");
	pb_imap_framer_init(&f);
	pb_imap_framer_limit(&f, PB_IMAP_RESPONSE_SEARCH_MAX);
	rest = pb_buffer_slice(&in);
	assert_int_equal(next(&f, &rest), PB_OK);
	assert_int_equal(rest.len, 0);
	pb_imap_framer_limit(&f, PB_IMAP_RESPONSE_MAX);
	rest = pb_buffer_slice(&in);
	assert_int_equal(next(&f, &rest), PB_ETOOBIG);
	pb_imap_framer_fini(&f);
	pb_buffer_fini(&in);
}

static void
what_is_broken_stays_broken(void **state)
{
	struct pb_imap_framer f;
	struct pb_slice in = OCTETS("* 1 FETCH (X {99999999}\r\n* OK\r\n");

	(void)state;
	pb_imap_framer_init(&f);
	assert_int_equal(next(&f, &in), PB_ETOOBIG);
	in = OCTETS("* OK\r\n");
	assert_true(next(&f, &in) < PB_OK);
	pb_imap_framer_fini(&f);
}

static void
no_memory_is_said_and_breaks(void **state)
{
	struct pb_imap_framer f;
	struct pb_slice in = OCTETS("* 1 FETCH (UID");

	(void)state;
	pb_imap_framer_init(&f);
	pb_mem_fail_from(1);
	assert_int_equal(next(&f, &in), PB_ENOMEM);
	pb_mem_fail_from(0);
	in = OCTETS(" 7)\r\n");
	assert_true(next(&f, &in) < PB_OK);
	pb_imap_framer_fini(&f);
}

static void
no_octet_of_the_next_response_is_taken(void **state)
{
	struct pb_imap_framer f;
	struct pb_slice in = OCTETS("* OK\r\n* 1 EXISTS\r\n");
	struct pb_imap_frame frame;

	(void)state;
	pb_imap_framer_init(&f);
	assert_int_equal(pb_imap_framer_next(&f, &in, &frame), PB_OK);
	ASSERT_TEXT(frame.text, "* OK");
	ASSERT_TEXT(in, "* 1 EXISTS\r\n");
	pb_imap_framer_fini(&f);
}

static void
an_idle_framer_holds_no_memory(void **state)
{
	struct pb_imap_framer f;
	struct pb_slice in = OCTETS("* 1 FETCH (X {1}\r\na)\r\n");

	(void)state;
	pb_imap_framer_init(&f);
	assert_int_equal(next(&f, &in), PB_OK);
	assert_int_equal(next(&f, &in), PB_AGAIN);
	assert_int_equal(f.text.cap, 0);
	pb_imap_framer_fini(&f);
}

/* Pieces that matter, put together by chance. */
static void
any_octets_frame_the_same_under_all_splits(void **state)
{
	static const char *const pieces[] = { "* ", "OK ", "1 FETCH (", "X ",
		"BODY[] ", "BODY[]<1> ", "{3}\r\n", "{0}\r\n", "{2+}\n",
		"~{1}\r\n", "abc", "\r\n", "\r", "\n", ")", "\"", "A1 ", "+ ",
		"{5}", "RFC822 " };
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 150; i++) {
		struct pb_buffer in, got;
		unsigned n;

		pb_buffer_init(&in, 4096);
		for (n = 0; n < 16; n++)
			pbt_say(&in, "%s", pieces[pbt_random_below(&random,
			    COUNT(pieces))]);
		pbt_all_splits(i % 2 == 0 ? &pbt_framer : &pbt_framer_body,
		    pb_buffer_slice(&in), &got);
		assert_true(got.len > 0);
		pb_buffer_fini(&in);
		pb_buffer_fini(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_responses),
		cmocka_unit_test(a_bare_lf_ends_a_line_too),
		cmocka_unit_test(a_bare_cr_is_part_of_the_line),
		cmocka_unit_test(empty_lines_are_empty_responses),
		cmocka_unit_test(an_open_line_is_no_response),
		cmocka_unit_test(a_literal_is_part_of_its_response),
		cmocka_unit_test(a_literal_may_hold_what_looks_like_another),
		cmocka_unit_test(the_three_forms_of_literals_are_known),
		cmocka_unit_test(a_literal_ends_a_line_of_bare_lf_too),
		cmocka_unit_test(braces_that_are_no_literal_are_text),
		cmocka_unit_test(text_for_people_may_end_in_braces),
		cmocka_unit_test(a_wanted_body_is_handed_on),
		cmocka_unit_test(a_body_that_is_not_wanted_is_kept),
		cmocka_unit_test(all_names_of_a_body_are_known),
		cmocka_unit_test(
		    other_literals_are_kept_though_a_body_is_wanted),
		cmocka_unit_test(an_empty_body_is_handed_on_without_data),
		cmocka_unit_test(literals_before_and_behind_a_body_are_kept),
		cmocka_unit_test(only_one_body_of_a_response_is_handed_on),
		cmocka_unit_test(
		    a_quoted_string_that_looks_like_a_body_is_text),
		cmocka_unit_test(a_body_of_many_gigabytes_is_only_counted),
		cmocka_unit_test(absurd_sizes_of_literals_break_the_framer),
		cmocka_unit_test(
		    a_kept_literal_over_the_limit_breaks_the_framer),
		cmocka_unit_test(a_line_up_to_the_limit_passes),
		cmocka_unit_test(
		    a_longer_line_breaks_the_framer_before_it_ends),
		cmocka_unit_test(
		    literals_that_add_up_over_the_limit_break_the_framer),
		cmocka_unit_test(the_limit_can_be_raised_for_a_while),
		cmocka_unit_test(what_is_broken_stays_broken),
		cmocka_unit_test(no_memory_is_said_and_breaks),
		cmocka_unit_test(no_octet_of_the_next_response_is_taken),
		cmocka_unit_test(an_idle_framer_holds_no_memory),
		cmocka_unit_test(any_octets_frame_the_same_under_all_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
