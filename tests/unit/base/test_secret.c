#include "support/test.h"

#include "popbridge/base/mem.h"
#include "popbridge/base/secret.h"

static void
a_secret_is_a_copy_that_ends_in_nul(void **state)
{
	char given[] = "geheim123";
	struct pb_secret s = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_secret_set(&s, pb_slice(given, 9)), PB_OK);
	given[0] = 'x';
	ASSERT_TEXT(pb_secret_reveal(&s), "geheim123");
	assert_int_equal(pb_secret_reveal(&s).data[9], '\0');
	pb_secret_clear(&s);
}

static void
a_secret_may_hold_any_octet(void **state)
{
	struct pb_secret s = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_secret_set(&s, OCTETS("a\0b\xff")), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&s), "a\0b\xff");
	assert_int_equal(pb_secret_set(&s, OCTETS("")), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&s), "");
	assert_int_equal(pb_secret_reveal(&s).data[0], '\0');
	pb_secret_clear(&s);
}

static void
an_empty_secret_is_harmless(void **state)
{
	struct pb_secret s = { NULL, 0 }, t = { NULL, 0 };

	(void)state;
	pb_secret_clear(&s);
	ASSERT_TEXT(pb_secret_reveal(&s), "");
	assert_non_null(pb_secret_reveal(&s).data);
	pb_secret_move(&t, &s);
	pb_secret_clear(&t);
}

static void
moving_leaves_nothing_behind(void **state)
{
	struct pb_secret s = { NULL, 0 }, t = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_secret_set(&s, OCTETS("one")), PB_OK);
	assert_int_equal(pb_secret_set(&t, OCTETS("two")), PB_OK);
	pb_secret_move(&t, &s);
	ASSERT_TEXT(pb_secret_reveal(&t), "one");
	assert_int_equal(pb_secret_reveal(&s).len, 0);
	assert_null(s.priv_data);
	pb_secret_clear(&t);
}

static void
a_second_value_replaces_the_first(void **state)
{
	struct pb_secret s = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_secret_set(&s, OCTETS("a long first")), PB_OK);
	assert_int_equal(pb_secret_set(&s, OCTETS("b")), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&s), "b");
	pb_secret_clear(&s);
}

static void
without_memory_it_is_empty(void **state)
{
	struct pb_secret s = { NULL, 0 };

	(void)state;
	assert_int_equal(pb_secret_set(&s, OCTETS("one")), PB_OK);
	pb_mem_fail_from(1);
	assert_int_equal(pb_secret_set(&s, OCTETS("two")), PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_int_equal(pb_secret_reveal(&s).len, 0);
	pb_secret_clear(&s);
}

static void
wiping_overwrites(void **state)
{
	char text[] = "geheim";

	(void)state;
	pb_wipe(text, 3);
	assert_memory_equal(text, "\0\0\0eim", 6);
	pb_wipe(NULL, 0);
	pb_wipe(text, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_a_copy_that_ends_in_nul),
		cmocka_unit_test(a_secret_may_hold_any_octet),
		cmocka_unit_test(an_empty_secret_is_harmless),
		cmocka_unit_test(moving_leaves_nothing_behind),
		cmocka_unit_test(a_second_value_replaces_the_first),
		cmocka_unit_test(without_memory_it_is_empty),
		cmocka_unit_test(wiping_overwrites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
