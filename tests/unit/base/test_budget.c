#include "support/test.h"

#include "popbridge/base/budget.h"

static void
no_more_than_the_budget_is_given(void **state)
{
	struct pb_budget b = { .max = 100 };

	(void)state;
	assert_true(pb_budget_take(&b, 60));
	assert_false(pb_budget_take(&b, 41));
	assert_true(pb_budget_take(&b, 40));
	assert_false(pb_budget_take(&b, SIZE_MAX));
	pb_budget_give(&b, 60);
	assert_true(pb_budget_take(&b, 60));
}

static void
a_closed_budget_gives_nothing_and_takes_back(void **state)
{
	static _Atomic bool closed;
	struct pb_budget b = { .max = 100, .closed = &closed };

	(void)state;
	assert_true(pb_budget_take(&b, 60));
	closed = true;
	assert_false(pb_budget_take(&b, 1));
	pb_budget_give(&b, 60);
	assert_int_equal(b.used, 0);
	closed = false;
	assert_true(pb_budget_take(&b, 100));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_the_budget_is_given),
		cmocka_unit_test(a_closed_budget_gives_nothing_and_takes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
