#include "support/test.h"

#include "popbridge/service/memory.h"

static const struct pb_memory_limits both = { .soft = 1000, .hard = 2000 };

static void
without_limits_there_is_always_plenty(void **state)
{
	const struct pb_memory_limits none = pb_memory_default(0);

	(void)state;
	assert_int_equal(none.soft, 0);
	assert_int_equal(none.hard, 0);
	assert_int_equal(pb_memory_judge(&none, PB_MEMORY_PLENTY, SIZE_MAX),
	    PB_MEMORY_PLENTY);
	assert_int_equal(pb_memory_judge(&none, PB_MEMORY_OVER, SIZE_MAX),
	    PB_MEMORY_PLENTY);
}

static void
limits_are_shares_of_what_the_system_allows(void **state)
{
	const struct pb_memory_limits l = pb_memory_default(1000050);
	const struct pb_memory_limits huge = pb_memory_default(SIZE_MAX);

	(void)state;
	assert_int_equal(l.soft, 750037);
	assert_int_equal(l.hard, 900045);
	assert_true(huge.soft > SIZE_MAX / 2 && huge.soft < huge.hard);
}

static void
each_limit_is_reached_by_one_octet_more(void **state)
{
	(void)state;
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_PLENTY, 1000),
	    PB_MEMORY_PLENTY);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_PLENTY, 1001),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_SHORT, 2000),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_SHORT, 2001),
	    PB_MEMORY_OVER);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_PLENTY, 2001),
	    PB_MEMORY_OVER);
}

static void
it_is_over_only_when_it_is_well_below(void **state)
{
	(void)state;
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_OVER, 1500),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_OVER, 901),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_SHORT, 901),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_SHORT, 900),
	    PB_MEMORY_PLENTY);
	assert_int_equal(pb_memory_judge(&both, PB_MEMORY_PLENTY, 901),
	    PB_MEMORY_PLENTY);
}

static void
one_limit_does_without_the_other(void **state)
{
	const struct pb_memory_limits soft = { .soft = 1000 };
	const struct pb_memory_limits hard = { .hard = 1000 };

	(void)state;
	assert_int_equal(pb_memory_judge(&soft, PB_MEMORY_PLENTY, SIZE_MAX),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&hard, PB_MEMORY_PLENTY, 1000),
	    PB_MEMORY_PLENTY);
	assert_int_equal(pb_memory_judge(&hard, PB_MEMORY_PLENTY, 1001),
	    PB_MEMORY_OVER);
	assert_int_equal(pb_memory_judge(&hard, PB_MEMORY_OVER, 901),
	    PB_MEMORY_SHORT);
	assert_int_equal(pb_memory_judge(&hard, PB_MEMORY_SHORT, 900),
	    PB_MEMORY_PLENTY);
}

static void
the_fewest_and_heaviest_sessions_are_chosen(void **state)
{
	static struct pb_memory_scales s;

	(void)state;
	pb_memory_weigh(&s, 1, 10);
	pb_memory_weigh(&s, 2, 500);
	pb_memory_weigh(&s, 3, 300);
	pb_memory_weigh(&s, 4, 20);
	assert_int_equal(pb_memory_choose(&s, 0), 0);
	assert_int_equal(pb_memory_choose(&s, 500), 1);
	assert_int_equal(s.heaviest[0].session_id, 2);
	assert_int_equal(pb_memory_choose(&s, 501), 2);
	assert_int_equal(s.heaviest[1].session_id, 3);
	assert_int_equal(pb_memory_choose(&s, 831), 4);
}

static void
a_session_that_must_not_end_is_not_chosen(void **state)
{
	static struct pb_memory_scales s;

	(void)state;
	pb_memory_weigh(&s, 1, 0);
	pb_memory_weigh(&s, 2, 1);
	assert_int_equal(pb_memory_choose(&s, 1000), 1);
	assert_int_equal(s.heaviest[0].session_id, 2);
}

/* In an order that is not sorted, and without any two of one weight. */
static void
of_many_sessions_the_heaviest_are_weighed(void **state)
{
	const size_t n = 10007;
	static struct pb_memory_scales s;
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		size_t weight = i * 4999 % n + 1;

		pb_memory_weigh(&s, weight, weight);
	}
	assert_int_equal(pb_memory_choose(&s, SIZE_MAX),
	    PB_MEMORY_WEIGHED_MAX);
	for (i = 0; i < PB_MEMORY_WEIGHED_MAX; i++) {
		assert_int_equal(s.heaviest[i].octets, n - i);
		assert_int_equal(s.heaviest[i].session_id, n - i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_there_is_always_plenty),
		cmocka_unit_test(limits_are_shares_of_what_the_system_allows),
		cmocka_unit_test(each_limit_is_reached_by_one_octet_more),
		cmocka_unit_test(it_is_over_only_when_it_is_well_below),
		cmocka_unit_test(one_limit_does_without_the_other),
		cmocka_unit_test(the_fewest_and_heaviest_sessions_are_chosen),
		cmocka_unit_test(a_session_that_must_not_end_is_not_chosen),
		cmocka_unit_test(of_many_sessions_the_heaviest_are_weighed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
