#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/verifier.h"

static void
the_right_password_fits_and_no_other_does(void **state)
{
	char verifier[PB_VERIFIER_SIZE];

	(void)state;
	assert_int_equal(pb_verifier_make(OCTETS("geheim"), verifier), PB_OK);
	assert_memory_equal(verifier, "$y$", 3);
	assert_int_equal(pb_verifier_check(verifier, OCTETS("geheim")),
	    PB_OK);
	assert_int_equal(pb_verifier_check(verifier, OCTETS("Geheim")),
	    PB_EINVAL);
	assert_int_equal(pb_verifier_check(verifier, OCTETS("geheim ")),
	    PB_EINVAL);
	assert_int_equal(pb_verifier_check(verifier, OCTETS("geheim\0")),
	    PB_EINVAL);
	assert_int_equal(pb_verifier_check(verifier, OCTETS("")), PB_EINVAL);
}

static void
the_same_password_has_another_verifier_each_time(void **state)
{
	char one[PB_VERIFIER_SIZE];
	char two[PB_VERIFIER_SIZE];

	(void)state;
	assert_int_equal(pb_verifier_make(OCTETS("geheim"), one), PB_OK);
	assert_int_equal(pb_verifier_make(OCTETS("geheim"), two), PB_OK);
	assert_string_not_equal(one, two);
}

static void
nobody_is_hashed_for_and_nothing_fits(void **state)
{
	unsigned long before = pb_verifier_count();

	(void)state;
	assert_int_equal(pb_verifier_check("", OCTETS("geheim")), PB_EINVAL);
	assert_int_equal(pb_verifier_count(), before + 1);
	/* Of the same cost as those that are made. */
	assert_int_equal(pb_verifier_check("", OCTETS("$y$jBT$")), PB_EINVAL);
}

static void
the_cost_of_nobody_is_that_of_everybody(void **state)
{
	char verifier[PB_VERIFIER_SIZE];

	(void)state;
	assert_int_equal(pb_verifier_make(OCTETS("geheim"), verifier), PB_OK);
	assert_memory_equal(verifier, "$y$jBT$", 7);
}

static void
passwords_have_limits(void **state)
{
	char longest[PB_VERIFIER_SECRET_MAX + 1];
	char verifier[PB_VERIFIER_SIZE];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(pb_verifier_make(OCTETS(""), verifier), PB_EINVAL);
	assert_int_equal(pb_verifier_make(OCTETS("a\0b"), verifier),
	    PB_EINVAL);
	assert_int_equal(pb_verifier_make(pb_slice(longest, sizeof(longest)),
	    verifier), PB_EINVAL);
	assert_int_equal(pb_verifier_make(pb_slice(longest,
	    PB_VERIFIER_SECRET_MAX), verifier), PB_OK);
	assert_int_equal(pb_verifier_check(verifier, pb_slice(longest,
	    PB_VERIFIER_SECRET_MAX)), PB_OK);
	assert_int_equal(pb_verifier_check(verifier, pb_slice(longest,
	    PB_VERIFIER_SECRET_MAX - 1)), PB_EINVAL);
	assert_int_equal(pb_verifier_check(verifier, pb_slice(longest,
	    sizeof(longest))), PB_EINVAL);
}

static void
a_damaged_verifier_is_an_error_and_no_wrong_password(void **state)
{
	static const char *const damaged[] = { "$y$", "x", "*0", "$y$jBT",
		"$y$jBT$" };
	size_t i;

	(void)state;
	for (i = 0; i + 1 < COUNT(damaged); i++) {
		ROW(damaged, i);
		assert_int_equal(pb_verifier_check(damaged[i], OCTETS("x")),
		    PB_EIO);
	}
}

static void
without_memory_it_says_so(void **state)
{
	char verifier[PB_VERIFIER_SIZE];

	(void)state;
	pb_mem_fail_from(1);
	assert_int_equal(pb_verifier_make(OCTETS("x"), verifier), PB_ENOMEM);
	assert_int_equal(pb_verifier_check("", OCTETS("x")), PB_ENOMEM);
	pb_mem_fail_from(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_fits_and_no_other_does),
		cmocka_unit_test(
		    the_same_password_has_another_verifier_each_time),
		cmocka_unit_test(nobody_is_hashed_for_and_nothing_fits),
		cmocka_unit_test(the_cost_of_nobody_is_that_of_everybody),
		cmocka_unit_test(passwords_have_limits),
		cmocka_unit_test(
		    a_damaged_verifier_is_an_error_and_no_wrong_password),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
