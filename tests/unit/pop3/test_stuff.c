#include "support/test.h"

#include "popbridge/base/mem.h"
#include "popbridge/pop3/stuff.h"
#include "support/stuffed.h"
#include "support/trace.h"

/* Under all splits, with so many lines of the body. */
static void
must_become(struct pb_slice message, uint64_t lines, struct pb_slice want)
{
	struct pb_buffer got;

	pbt_stuff_lines = lines;
	pbt_all_splits(&pbt_stuff, message, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), want);
	pb_buffer_fini(&got);
}

#define ALL PB_POP3_ALL_LINES
#define BECOMES(lines, message, want) \
	must_become(OCTETS(message), (lines), OCTETS(want))

static void
a_message_of_lines_passes_unchanged(void **state)
{
	(void)state;
	BECOMES(ALL, "Subject: x\r\n\r\nhello\r\n",
	    "Subject: x\r\n\r\nhello\r\n.\r\n");
}

static void
an_empty_message_is_an_empty_line(void **state)
{
	(void)state;
	BECOMES(ALL, "", "\r\n.\r\n");
	BECOMES(0, "", "\r\n.\r\n");
	BECOMES(5, "", "\r\n.\r\n");
}

static void
dots_at_the_start_of_lines_are_doubled(void **state)
{
	(void)state;
	BECOMES(ALL, ".", "..\r\n.\r\n");
	BECOMES(ALL, ".\r\n", "..\r\n.\r\n");
	BECOMES(ALL, ".\r\n..\r\n...\r\n", "..\r\n...\r\n....\r\n.\r\n");
	BECOMES(ALL, "a.\r\n.b.\r\n", "a.\r\n..b.\r\n.\r\n");
	BECOMES(ALL, "a\r\n.", "a\r\n..\r\n.\r\n");
}

static void
a_dot_behind_a_bare_lf_is_doubled(void **state)
{
	(void)state;
	BECOMES(ALL, "a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n");
}

static void
a_dot_behind_a_bare_cr_is_not_doubled(void **state)
{
	(void)state;
	BECOMES(ALL, "a\r.\r\n", "a\r.\r\n.\r\n");
}

static void
a_bare_lf_becomes_cr_lf(void **state)
{
	(void)state;
	BECOMES(ALL, "a\nb\n", "a\r\nb\r\n.\r\n");
	BECOMES(ALL, "\n\n", "\r\n\r\n.\r\n");
	BECOMES(ALL, "a\r\n\nb", "a\r\n\r\nb\r\n.\r\n");
}

static void
a_bare_cr_stays(void **state)
{
	(void)state;
	BECOMES(ALL, "a\rb\r\n", "a\rb\r\n.\r\n");
	BECOMES(ALL, "\r\r\n", "\r\r\n.\r\n");
	BECOMES(ALL, "a\r", "a\r\r\n.\r\n");
}

static void
nul_becomes_0x80(void **state)
{
	(void)state;
	BECOMES(ALL, "\0", "\x80\r\n.\r\n");
	BECOMES(ALL, "a\0b\0\0\r\n\0.\r\n",
	    "a\x80" "b\x80\x80\r\n\x80.\r\n.\r\n");
}

static void
an_open_last_line_is_closed(void **state)
{
	(void)state;
	BECOMES(ALL, "a: b\r\n\r\nc", "a: b\r\n\r\nc\r\n.\r\n");
}

static void
top_counts_lines_of_the_body(void **state)
{
	(void)state;
	BECOMES(0, "a: b\r\nc: d\r\n\r\n1\r\n2\r\n3\r\n",
	    "a: b\r\nc: d\r\n\r\n.\r\n");
	BECOMES(1, "a: b\r\n\r\n1\r\n2\r\n3\r\n", "a: b\r\n\r\n1\r\n.\r\n");
	BECOMES(2, "a: b\r\n\r\n.1\r\n\r\n3\r\n",
	    "a: b\r\n\r\n..1\r\n\r\n.\r\n");
	BECOMES(3, "a: b\r\n\r\n1\r\n2\r\n3\r\n",
	    "a: b\r\n\r\n1\r\n2\r\n3\r\n.\r\n");
	BECOMES(99, "a: b\r\n\r\n1\r\n2", "a: b\r\n\r\n1\r\n2\r\n.\r\n");
}

static void
top_of_a_message_with_bare_lf_counts_the_same(void **state)
{
	(void)state;
	BECOMES(1, "a: b\n\n1\n2\n", "a: b\r\n\r\n1\r\n.\r\n");
	BECOMES(0, "a: b\r\n\n1\n", "a: b\r\n\r\n.\r\n");
}

static void
top_of_a_header_without_a_body_is_the_header(void **state)
{
	(void)state;
	BECOMES(0, "a: b\r\n", "a: b\r\n.\r\n");
	BECOMES(5, "a: b", "a: b\r\n.\r\n");
}

static void
top_of_a_body_without_a_header_counts_from_the_blank_line(void **state)
{
	(void)state;
	BECOMES(0, "\r\n1\r\n2\r\n", "\r\n.\r\n");
	BECOMES(1, "\r\n1\r\n2\r\n", "\r\n1\r\n.\r\n");
}

static void
a_line_that_begins_with_cr_ends_the_header(void **state)
{
	(void)state;
	BECOMES(0, "a: b\r\n\r\r\nc: d\r\n\r\n1\r\n",
	    "a: b\r\n\r\r\n.\r\n");
	BECOMES(0, "a: b\n\rc: d\n\n1\n", "a: b\r\n\rc: d\r\n.\r\n");
}

static void
a_line_of_a_blank_or_nul_does_not_end_the_header(void **state)
{
	(void)state;
	BECOMES(0, "a: b\r\n \r\n\r\n1\r\n", "a: b\r\n \r\n\r\n.\r\n");
	BECOMES(0, "a: b\r\n\0\r\n\r\n1\r\n", "a: b\r\n\x80\r\n\r\n.\r\n");
	BECOMES(0, "a: b\r\n.\r\n\r\n1\r\n", "a: b\r\n..\r\n\r\n.\r\n");
}

static void
octets_are_counted_as_retr_announces_them(void **state)
{
	struct pb_pop3_stuff s;
	struct pb_buffer out;
	struct pb_slice in = OCTETS("a\n.b\r\n\0");

	(void)state;
	pb_buffer_init(&out, 100);
	pb_pop3_stuff_init(&s, ALL);
	assert_int_equal(pb_pop3_stuff_feed(&s, &in, &out), PB_OK);
	assert_int_equal(pb_pop3_stuff_end(&s, &out), PB_OK);
	/* a CRLF .b CRLF 0x80 CRLF: no dots of ours */
	assert_int_equal(s.octets, 3 + 4 + 3);
	pb_buffer_fini(&out);
}

static void
a_full_buffer_or_no_memory_is_said(void **state)
{
	struct pb_pop3_stuff s;
	struct pb_buffer out;
	struct pb_slice in = OCTETS("some octets\n");

	(void)state;
	pb_buffer_init(&out, 5);
	pb_pop3_stuff_init(&s, ALL);
	assert_int_equal(pb_pop3_stuff_feed(&s, &in, &out), PB_ETOOBIG);
	pb_buffer_fini(&out);

	pb_buffer_init(&out, 500);
	pb_pop3_stuff_init(&s, ALL);
	in = OCTETS("some octets\n");
	pb_mem_fail_from(1);
	assert_int_equal(pb_pop3_stuff_feed(&s, &in, &out), PB_ENOMEM);
	assert_int_equal(pb_pop3_stuff_end(&s, &out), PB_ENOMEM);
	pb_mem_fail_from(0);
	pb_buffer_fini(&out);
}

/* Messages made of the octets that matter. */
static struct pb_slice
random_message(struct pbt_random *random, char *text, size_t max)
{
	static const char octets[] = { '\r', '\n', '.', '\0', 'a', '\r', '\n',
		'\n', '.', (char)0x80, ' ', '\n' };
	size_t len = pbt_random_below(random, max);
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = octets[pbt_random_below(random, sizeof(octets))];
	return pb_slice(text, len);
}

static void
unstuffed_it_is_the_message_that_went_in(void **state)
{
	struct pbt_random random;
	char text[48];
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 400; i++) {
		struct pb_slice message = random_message(&random, text,
		    sizeof(text));
		struct pb_buffer stuffed, back, want;

		pbt_stuff_lines = ALL;
		pbt_all_splits(&pbt_stuff, message, &stuffed);
		pb_buffer_init(&back, 1000);
		pb_buffer_init(&want, 1000);
		assert_true(pbt_unstuff(pb_buffer_slice(&stuffed), &back));
		pbt_normalise(message, &want);
		ASSERT_OCTETS(pb_buffer_slice(&back), pb_buffer_slice(&want));
		pb_buffer_fini(&stuffed);
		pb_buffer_fini(&back);
		pb_buffer_fini(&want);
	}
}

/* What TOP sends, by a look at the whole message. */
static size_t
top_length(struct pb_slice message, uint64_t lines)
{
	bool in_body = false;
	size_t at = 0;

	while (at < message.len && (!in_body || lines > 0)) {
		struct pb_slice rest = pb_slice(message.data + at,
		    message.len - at);
		size_t end = pb_slice_find(rest, '\n');

		if (in_body)
			lines--;
		else if (rest.data[0] == '\r')
			in_body = true;
		at += end + 1;
	}
	return at;
}

static void
top_is_the_beginning_of_retr(void **state)
{
	struct pbt_random random;
	char text[64];
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 400; i++) {
		struct pb_slice message = random_message(&random, text,
		    sizeof(text));
		uint64_t lines = pbt_random_below(&random, 5);
		struct pb_buffer stuffed, back, whole;

		pbt_stuff_lines = lines;
		pbt_all_splits(&pbt_stuff, message, &stuffed);
		pb_buffer_init(&back, 1000);
		pb_buffer_init(&whole, 1000);
		assert_true(pbt_unstuff(pb_buffer_slice(&stuffed), &back));
		pbt_normalise(message, &whole);
		ASSERT_OCTETS(pb_buffer_slice(&back),
		    pb_slice_sub(pb_buffer_slice(&whole), 0,
			top_length(pb_buffer_slice(&whole), lines)));
		pb_buffer_fini(&stuffed);
		pb_buffer_fini(&back);
		pb_buffer_fini(&whole);
	}
}

/* Long runs of what stays, and here and there an octet that matters. */
static struct pb_slice
sparse_message(struct pbt_random *random, char *text, size_t max)
{
	static const char octets[] = { '\r', '\n', '.', '\0' };
	static const char *const pairs[] = { "\r\n", "\n.", "\r.", "\n\n",
		"..", "\r\r", "\n\r" };
	size_t len = 2 + pbt_random_below(random, max - 2);
	size_t n = pbt_random_below(random, 12);

	memset(text, 'a', len);
	while (n-- > 0) {
		size_t at = pbt_random_below(random, len - 1);

		text[at] = octets[pbt_random_below(random, sizeof(octets))];
		if (pbt_random_below(random, 2) == 0)
			memcpy(text + at, pairs[pbt_random_below(random,
			    COUNT(pairs))], 2);
	}
	return pb_slice(text, len);
}

static void
fast_and_slow_make_the_same_of_a_message(void **state)
{
	struct pbt_random random;
	char text[700];
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 120; i++) {
		struct pb_slice message = sparse_message(&random, text,
		    i % 4 == 0 ? sizeof(text) : 200);
		uint64_t lines = i % 3 > 0 ? ALL
					   : pbt_random_below(&random, 4);
		struct pb_buffer want;

		pb_buffer_init(&want, 3000);
		pbt_stuffed(message, lines, &want);
		must_become(message, lines, pb_buffer_slice(&want));
		pb_buffer_fini(&want);
	}
}

static void
a_special_octet_counts_wherever_it_stands(void **state)
{
	static const char *const octets[] = { "\n", ".", "\n.", "\r\n.",
		"\r.", "\n\n" };
	char text[400];
	size_t i, at;

	(void)state;
	for (i = 0; i < COUNT(octets); i++) {
		for (at = 0; at < 300; at++) {
			struct pb_slice in = pb_slice(text, sizeof(text));
			struct pb_pop3_stuff s;
			struct pb_buffer got, want;

			memset(text, 'a', sizeof(text));
			memcpy(text + at, octets[i], strlen(octets[i]));
			pb_buffer_init(&got, 1000);
			pb_buffer_init(&want, 1000);
			pb_pop3_stuff_init(&s, ALL);
			assert_int_equal(pb_pop3_stuff_feed(&s, &in, &got),
			    PB_OK);
			assert_int_equal(pb_pop3_stuff_end(&s, &got), PB_OK);
			pbt_stuffed(pb_slice(text, sizeof(text)), ALL, &want);
			ASSERT_OCTETS(pb_buffer_slice(&got),
			    pb_buffer_slice(&want));
			pb_buffer_fini(&got);
			pb_buffer_fini(&want);
		}
	}
}

static void
a_buffer_with_just_the_room_is_enough(void **state)
{
	struct pb_slice in = OCTETS("0123456789abcdef0123\n.456789abcdef\r\n");
	struct pb_pop3_stuff s;
	struct pb_buffer out;

	(void)state;
	pb_buffer_init(&out, in.len + 2);
	pb_pop3_stuff_init(&s, ALL);
	assert_int_equal(pb_pop3_stuff_feed(&s, &in, &out), PB_OK);
	assert_int_equal(out.len, out.max);
	pb_buffer_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_of_lines_passes_unchanged),
		cmocka_unit_test(an_empty_message_is_an_empty_line),
		cmocka_unit_test(dots_at_the_start_of_lines_are_doubled),
		cmocka_unit_test(a_dot_behind_a_bare_lf_is_doubled),
		cmocka_unit_test(a_dot_behind_a_bare_cr_is_not_doubled),
		cmocka_unit_test(a_bare_lf_becomes_cr_lf),
		cmocka_unit_test(a_bare_cr_stays),
		cmocka_unit_test(nul_becomes_0x80),
		cmocka_unit_test(an_open_last_line_is_closed),
		cmocka_unit_test(top_counts_lines_of_the_body),
		cmocka_unit_test(top_of_a_message_with_bare_lf_counts_the_same),
		cmocka_unit_test(top_of_a_header_without_a_body_is_the_header),
		cmocka_unit_test(
		    top_of_a_body_without_a_header_counts_from_the_blank_line),
		cmocka_unit_test(a_line_that_begins_with_cr_ends_the_header),
		cmocka_unit_test(
		    a_line_of_a_blank_or_nul_does_not_end_the_header),
		cmocka_unit_test(octets_are_counted_as_retr_announces_them),
		cmocka_unit_test(a_full_buffer_or_no_memory_is_said),
		cmocka_unit_test(unstuffed_it_is_the_message_that_went_in),
		cmocka_unit_test(top_is_the_beginning_of_retr),
		cmocka_unit_test(fast_and_slow_make_the_same_of_a_message),
		cmocka_unit_test(a_special_octet_counts_wherever_it_stands),
		cmocka_unit_test(a_buffer_with_just_the_room_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
