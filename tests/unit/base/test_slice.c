#include "support/test.h"

#include "popbridge/base/slice.h"

static void
find_returns_the_position_or_the_length(void **state)
{
	(void)state;
	assert_int_equal(pb_slice_find(OCTETS("abcb"), 'b'), 1);
	assert_int_equal(pb_slice_find(OCTETS("abc"), 'x'), 3);
	assert_int_equal(pb_slice_find(OCTETS("a\0b"), '\0'), 1);
	assert_int_equal(pb_slice_find(OCTETS(""), 'x'), 0);
	assert_int_equal(pb_slice_find(pb_slice(NULL, 0), 'x'), 0);
}

static void
an_octet_is_taken_where_it_is_the_first(void **state)
{
	struct pb_slice in = OCTETS("(a");
	struct pb_slice nothing = { NULL, 0 };

	(void)state;
	assert_false(pb_slice_take(&in, 'a'));
	assert_true(pb_slice_take(&in, '('));
	assert_true(pb_slice_take(&in, 'a'));
	assert_false(pb_slice_take(&in, 'a'));
	assert_false(pb_slice_take(&nothing, '\0'));
}

static void
blanks_and_digits_are_taken_as_far_as_they_go(void **state)
{
	struct pb_slice in = OCTETS("  012a");
	struct pb_slice nothing = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_slice_take_digits(&in).len, 0);
	assert_true(pb_slice_take_blanks(&in));
	assert_false(pb_slice_take_blanks(&in));
	ASSERT_OCTETS(pb_slice_take_digits(&in), OCTETS("012"));
	ASSERT_OCTETS(in, OCTETS("a"));
	assert_false(pb_slice_take_blanks(&nothing));
	assert_int_equal(pb_slice_take_digits(&nothing).len, 0);
}

static void
controls_are_what_stands_below_a_blank_and_delete(void **state)
{
	(void)state;
	assert_false(pb_slice_has_control(pb_slice(NULL, 0)));
	assert_false(pb_slice_has_control(OCTETS(" ~\x80\xff")));
	assert_true(pb_slice_has_control(OCTETS("a\0")));
	assert_true(pb_slice_has_control(OCTETS("\x1f")));
	assert_true(pb_slice_has_control(OCTETS("a\x7f")));
}

static void
words_are_equal_whatever_their_case(void **state)
{
	(void)state;
	assert_true(pb_slice_is(OCTETS("CaPa"), "capa"));
	assert_true(pb_slice_is(OCTETS("capa"), "CAPA"));
	assert_false(pb_slice_is(OCTETS("capa "), "capa"));
	assert_false(pb_slice_is(OCTETS("cap"), "capa"));
	assert_false(pb_slice_is(OCTETS("capa\0"), "capa"));
	assert_true(pb_slice_is(pb_slice(NULL, 0), ""));
}

static void
what_is_no_letter_must_be_equal(void **state)
{
	(void)state;
	assert_false(pb_slice_is(OCTETS("a@"), "a`"));
	assert_false(pb_slice_is(OCTETS("["), "{"));
	assert_false(pb_slice_is(OCTETS("\xc4"), "\xe4"));
	assert_true(pb_slice_is(OCTETS("$1"), "$1"));
}

static void
a_prefix_is_no_longer_than_the_slice(void **state)
{
	(void)state;
	assert_true(pb_slice_starts(OCTETS("FETCH (x"), "fetch ("));
	assert_true(pb_slice_starts(OCTETS("x"), ""));
	assert_false(pb_slice_starts(OCTETS("FET"), "FETCH"));
	assert_false(pb_slice_starts(pb_slice(NULL, 0), "x"));
}

static void
words_are_taken_with_one_blank(void **state)
{
	struct pb_slice in = OCTETS("one two  three");

	(void)state;
	ASSERT_TEXT(pb_slice_word(&in), "one");
	ASSERT_TEXT(pb_slice_word(&in), "two");
	ASSERT_TEXT(pb_slice_word(&in), "");
	ASSERT_TEXT(pb_slice_word(&in), "three");
	assert_int_equal(in.len, 0);
	ASSERT_TEXT(pb_slice_word(&in), "");
	in = pb_slice(NULL, 0);
	ASSERT_TEXT(pb_slice_word(&in), "");
}

static void
numbers_are_digits_up_to_a_limit(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		enum pb_status status;
		uint64_t value;
	} rows[] = {
		{ "0", 0, PB_OK, 0 },
		{ "1", 0, PB_ETOOBIG, 0 },
		{ "9", 10, PB_OK, 9 },
		{ "10", 10, PB_OK, 10 },
		{ "11", 10, PB_ETOOBIG, 0 },
		{ "00010", 10, PB_OK, 10 },
		{ "4294967295", UINT32_MAX, PB_OK, UINT32_MAX },
		{ "4294967296", UINT32_MAX, PB_ETOOBIG, 0 },
		{ "42949672950", UINT32_MAX, PB_ETOOBIG, 0 },
		{ "18446744073709551615", UINT64_MAX, PB_OK, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, PB_ETOOBIG, 0 },
		{ "184467440737095516150", UINT64_MAX, PB_ETOOBIG, 0 },
		{ "99999999999999999999999", UINT64_MAX, PB_ETOOBIG, 0 },
		{ "", 10, PB_EINVAL, 0 },
		{ "-1", 10, PB_EINVAL, 0 },
		{ "+1", 10, PB_EINVAL, 0 },
		{ " 1", 10, PB_EINVAL, 0 },
		{ "1 ", 10, PB_EINVAL, 0 },
		{ "1a", 10, PB_EINVAL, 0 },
		{ "99999999999999999999999x", 10, PB_EINVAL, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		uint64_t value = 77;

		ROW(rows, i);
		assert_int_equal(pb_slice_number(pb_slice_str(rows[i].text),
		    rows[i].max, &value), rows[i].status);
		assert_true(value == (rows[i].status == PB_OK
		    ? rows[i].value : 77));
	}
}

static void
parts_are_cut_without_copying(void **state)
{
	struct pb_slice s = OCTETS("abcdef");

	(void)state;
	ASSERT_TEXT(pb_slice_sub(s, 1, 3), "bc");
	ASSERT_TEXT(pb_slice_sub(s, 6, 6), "");
	pb_slice_skip(&s, 4);
	ASSERT_TEXT(s, "ef");
	pb_slice_skip(&s, 2);
	ASSERT_TEXT(s, "");
}

static void
an_empty_slice_of_nothing_can_be_cut(void **state)
{
	struct pb_slice s = { NULL, 0 };

	(void)state;
	pb_slice_skip(&s, 0);
	assert_int_equal(pb_slice_sub(s, 0, 0).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_returns_the_position_or_the_length),
		cmocka_unit_test(an_octet_is_taken_where_it_is_the_first),
		cmocka_unit_test(blanks_and_digits_are_taken_as_far_as_they_go),
		cmocka_unit_test(
		    controls_are_what_stands_below_a_blank_and_delete),
		cmocka_unit_test(words_are_equal_whatever_their_case),
		cmocka_unit_test(what_is_no_letter_must_be_equal),
		cmocka_unit_test(a_prefix_is_no_longer_than_the_slice),
		cmocka_unit_test(words_are_taken_with_one_blank),
		cmocka_unit_test(numbers_are_digits_up_to_a_limit),
		cmocka_unit_test(parts_are_cut_without_copying),
		cmocka_unit_test(an_empty_slice_of_nothing_can_be_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
