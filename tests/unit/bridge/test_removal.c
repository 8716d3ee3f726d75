#include "support/test.h"

#include "popbridge/bridge/removal.h"

static void
each_removal_is_found_by_its_name(void **state)
{
	int i;

	(void)state;
	for (i = PB_REMOVAL_EXPUNGE; i <= PB_REMOVAL_REFUSE; i++) {
		enum pb_removal found = (enum pb_removal)(
		    PB_REMOVAL_REFUSE - i);

		assert_true(pb_removal_by_name(pb_slice_str(pb_removal_name(
		    (enum pb_removal)i)), &found));
		assert_int_equal(found, i);
	}
}

static void
another_name_is_none(void **state)
{
	static const char *const names[] = { "", "Keep", "kee", "keeps",
		"delete" };
	enum pb_removal found = PB_REMOVAL_FLAG;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		assert_false(pb_removal_by_name(pb_slice_str(names[i]),
		    &found));
		assert_int_equal(found, PB_REMOVAL_FLAG);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_removal_is_found_by_its_name),
		cmocka_unit_test(another_name_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
