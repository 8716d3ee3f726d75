#include "support/test.h"

#include "popbridge/base/mem.h"

static bool
can_allocate(void)
{
	void *p = pb_alloc(1);
	bool can = p != NULL;

	pb_free(p);
	return can;
}

static void
memory_is_zeroed(void **state)
{
	char *p = pb_alloc(100);
	size_t i;

	(void)state;
	assert_non_null(p);
	for (i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	pb_free(p);
	p = pb_xalloc(3);
	assert_memory_equal(p, "\0\0\0", 3);
	pb_free(p);
	pb_free(NULL);
}

static void
allocations_fail_from_the_one_that_was_named(void **state)
{
	void *p = pb_alloc(1);

	(void)state;
	pb_mem_fail_from(3);
	assert_true(can_allocate());
	assert_true(can_allocate());
	assert_false(can_allocate());
	assert_false(can_allocate());
	assert_null(pb_realloc(p, 100));
	pb_mem_fail_from(0);
	assert_true(can_allocate());
	pb_free(p);
}

static void
one_allocation_fails_and_those_behind_it_do_not(void **state)
{
	(void)state;
	pb_mem_fail_at(2);
	assert_true(can_allocate());
	assert_false(pb_mem_has_failed());
	assert_false(can_allocate());
	assert_true(can_allocate());
	assert_true(pb_mem_has_failed());
	pb_mem_fail_from(0);
	assert_false(pb_mem_has_failed());
}

static void
what_is_spared_neither_fails_nor_counts(void **state)
{
	(void)state;
	pb_mem_fail_from(2);
	pb_mem_spare(true);
	assert_true(can_allocate());
	assert_true(can_allocate());
	pb_mem_spare(false);
	assert_true(can_allocate());
	assert_false(can_allocate());
	pb_mem_fail_from(0);
}

static void
start_up_memory_does_not_fail(void **state)
{
	char *s;

	(void)state;
	pb_mem_fail_from(1);
	s = pb_xstrdup("text");
	pb_free(pb_xalloc(10));
	pb_mem_fail_from(0);
	assert_string_equal(s, "text");
	pb_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed),
		cmocka_unit_test(allocations_fail_from_the_one_that_was_named),
		cmocka_unit_test(
		    one_allocation_fails_and_those_behind_it_do_not),
		cmocka_unit_test(what_is_spared_neither_fails_nor_counts),
		cmocka_unit_test(start_up_memory_does_not_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
