#include "support/test.h"

#include "popbridge/base/mem.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/bridge/uid_list.h"

static struct pb_uid_list
list(size_t n, const uint32_t *uids)
{
	struct pb_uid_list l = { .n = 0 };

	assert_int_equal(pb_uid_list_append(&l, uids, n), PB_OK);
	return l;
}

static void
assert_is(const struct pb_uid_list *l, size_t n, const uint32_t *uids)
{
	assert_int_equal(l->n, n);
	assert_memory_equal(l->uids, uids, n * sizeof(*uids));
}

static void
a_tidy_list_has_each_once_in_order(void **state)
{
	static const uint32_t uids[] = { 9, 3, UINT32_MAX, 3, 1, 9 };
	static const uint32_t tidy[] = { 1, 3, 9, UINT32_MAX };
	struct pb_uid_list l = list(6, uids);

	(void)state;
	pb_uid_list_tidy(&l);
	assert_is(&l, 4, tidy);
	assert_true(pb_uid_list_has(&l, 1));
	assert_true(pb_uid_list_has(&l, UINT32_MAX));
	assert_false(pb_uid_list_has(&l, 2));
	assert_false(pb_uid_list_has(&l, 0));
	pb_uid_list_fini(&l);
	pb_uid_list_tidy(&l);
	assert_int_equal(l.n, 0);
	assert_false(pb_uid_list_has(&l, 1));
}

static void
a_range_may_end_with_the_last_uid(void **state)
{
	static const uint32_t uids[] = { 7, UINT32_MAX - 1, UINT32_MAX };
	struct pb_uid_list l = { .n = 0 };

	(void)state;
	assert_int_equal(pb_uid_list_append_range(&l, 7, 7), PB_OK);
	assert_int_equal(pb_uid_list_append_range(&l, UINT32_MAX - 1,
	    UINT32_MAX), PB_OK);
	assert_is(&l, 3, uids);
	pb_uid_list_fini(&l);
}

static void
what_is_in_the_other_goes(void **state)
{
	static const uint32_t some[] = { 1, 3, 5, 7 };
	static const uint32_t others[] = { 3, 4, 7, 9 };
	static const uint32_t left[] = { 1, 5 };
	struct pb_uid_list l = list(4, some);
	struct pb_uid_list other = list(4, others);

	(void)state;
	pb_uid_list_subtract(&l, &other);
	assert_is(&l, 2, left);
	pb_uid_list_subtract(&l, &l);
	assert_int_equal(l.n, 0);
	pb_uid_list_fini(&l);
	pb_uid_list_fini(&other);
}

static void
it_has_no_more_than_a_maildrop_may_have(void **state)
{
	static const uint32_t one = 1;
	struct pb_uid_list l = { .n = 0 };

	(void)state;
	assert_int_equal(pb_uid_list_append_range(&l, 1, UINT32_MAX),
	    PB_ENOMEM);
	assert_int_equal(l.n, 0);
	assert_int_equal(pb_uid_list_append_range(&l, 1, PB_LISTING_MAX),
	    PB_OK);
	assert_int_equal(pb_uid_list_append(&l, &one, 1), PB_ENOMEM);
	assert_int_equal(l.n, PB_LISTING_MAX);
	pb_uid_list_fini(&l);
}

static void
without_memory_it_stays_as_it_is(void **state)
{
	static const uint32_t uids[] = { 1, 2 };
	struct pb_uid_list l = list(2, uids);

	(void)state;
	pb_mem_fail_from(1);
	assert_int_equal(pb_uid_list_append_range(&l, 10, 1000), PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_is(&l, 2, uids);
	pb_uid_list_fini(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tidy_list_has_each_once_in_order),
		cmocka_unit_test(a_range_may_end_with_the_last_uid),
		cmocka_unit_test(what_is_in_the_other_goes),
		cmocka_unit_test(it_has_no_more_than_a_maildrop_may_have),
		cmocka_unit_test(without_memory_it_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
