#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/bridge/maildrop.h"

/* Messages 1 to count, UIDs by tens, of 1 to count octets. */
static struct pb_maildrop
of(uint32_t count)
{
	struct pb_maildrop m = { .count = 0 };
	struct pb_listing *l = pb_listing_new(count);
	uint32_t i;

	for (i = 0; i < count; i++) {
		l->uids[i] = 10 * (i + 1);
		l->sizes[i] = i + 1;
	}
	l->uidvalidity = 17;
	l->uidnext = 10 * count + 5;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_maildrop_open(&m, l);
	pb_listing_unref(&l);
	return m;
}

static void
messages_are_numbered_by_ascending_uid(void **state)
{
	struct pb_maildrop m = of(3);

	(void)state;
	assert_int_equal(m.count, 3);
	assert_int_equal(m.octets, 6);
	assert_int_equal(m.uidvalidity, 17);
	assert_int_equal(pb_maildrop_uid_of(&m, 1), 10);
	assert_int_equal(pb_maildrop_size_of(&m, 1), 1);
	assert_int_equal(pb_maildrop_uid_of(&m, 3), 30);
	assert_int_equal(pb_maildrop_size_of(&m, 3), 3);
	pb_maildrop_fini(&m);
}

static void
an_empty_mailbox_is_an_empty_maildrop(void **state)
{
	struct pb_maildrop m = of(0);
	uint32_t *uids;
	size_t n;

	(void)state;
	assert_int_equal(m.count, 0);
	assert_false(pb_maildrop_has(&m, 0));
	assert_false(pb_maildrop_has(&m, 1));
	assert_int_equal(pb_maildrop_deleted(&m, &uids, &n), PB_OK);
	assert_int_equal(n, 0);
	assert_null(uids);
	pb_maildrop_reset(&m);
	pb_maildrop_fini(&m);
}

static void
only_its_messages_are_there(void **state)
{
	struct pb_maildrop m = of(2);

	(void)state;
	assert_false(pb_maildrop_has(&m, 0));
	assert_true(pb_maildrop_has(&m, 1));
	assert_true(pb_maildrop_has(&m, 2));
	assert_false(pb_maildrop_has(&m, 3));
	assert_false(pb_maildrop_has(&m, UINT32_MAX));
	pb_maildrop_fini(&m);
}

static void
sizes_add_up_over_four_gigabytes(void **state)
{
	struct pb_maildrop m = { .count = 0 };
	struct pb_listing *l = pb_listing_new(2);

	(void)state;
	l->uids[0] = 5;
	l->uids[1] = 6;
	l->sizes[0] = l->sizes[1] = UINT32_MAX - 1;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_maildrop_open(&m, l);
	pb_listing_unref(&l);
	assert_true(m.octets == 2 * (uint64_t)(UINT32_MAX - 1));
	assert_int_equal(pb_maildrop_delete(&m, 1), PB_OK);
	assert_true(m.octets == UINT32_MAX - 1);
	pb_maildrop_fini(&m);
}

static void
must_be(const uint32_t *uids, size_t n, const uint32_t *want, size_t n_want)
{
	assert_int_equal(n, n_want);
	if (n > 0)
		assert_memory_equal(uids, want, n * sizeof(*uids));
}

static void
deleted_messages_are_counted_out(void **state)
{
	struct pb_maildrop m = of(9);
	static const uint32_t want[] = { 10, 50, 90 };
	uint32_t *uids;
	size_t n;

	(void)state;
	assert_int_equal(pb_maildrop_delete(&m, 9), PB_OK);
	assert_int_equal(pb_maildrop_delete(&m, 1), PB_OK);
	assert_int_equal(pb_maildrop_delete(&m, 5), PB_OK);
	assert_int_equal(m.n_deleted, 3);
	assert_int_equal(m.octets, 45 - 15);
	assert_true(pb_maildrop_is_deleted(&m, 5));
	assert_false(pb_maildrop_is_deleted(&m, 4));
	assert_false(pb_maildrop_is_deleted(&m, 6));
	assert_int_equal(pb_maildrop_deleted(&m, &uids, &n), PB_OK);
	must_be(uids, n, want, 3);
	pb_free(uids);
	pb_maildrop_fini(&m);
}

static void
reset_unmarks_everything(void **state)
{
	struct pb_maildrop m = of(9);
	uint32_t *uids;
	size_t n;

	(void)state;
	m.last = 4;
	assert_int_equal(pb_maildrop_delete(&m, 2), PB_OK);
	assert_int_equal(pb_maildrop_mark_seen(&m, 3), PB_OK);
	pb_maildrop_reset(&m);
	assert_int_equal(m.octets, 45);
	assert_int_equal(m.n_deleted, 0);
	assert_int_equal(m.last, 0);
	assert_false(pb_maildrop_is_deleted(&m, 2));
	assert_int_equal(pb_maildrop_seen(&m, &uids, &n), PB_OK);
	assert_int_equal(n, 0);
	assert_int_equal(pb_maildrop_delete(&m, 2), PB_OK);
	assert_int_equal(m.octets, 43);
	pb_maildrop_fini(&m);
}

static void
seen_messages_are_those_that_stay(void **state)
{
	struct pb_maildrop m = of(5);
	static const uint32_t want[] = { 10, 50 };
	uint32_t *uids;
	size_t n;

	(void)state;
	assert_int_equal(pb_maildrop_mark_seen(&m, 5), PB_OK);
	assert_int_equal(pb_maildrop_mark_seen(&m, 1), PB_OK);
	assert_int_equal(pb_maildrop_mark_seen(&m, 1), PB_OK);
	assert_int_equal(pb_maildrop_mark_seen(&m, 3), PB_OK);
	assert_int_equal(pb_maildrop_delete(&m, 3), PB_OK);
	assert_int_equal(m.n_deleted, 1);
	assert_int_equal(pb_maildrop_seen(&m, &uids, &n), PB_OK);
	must_be(uids, n, want, 2);
	pb_free(uids);
	pb_maildrop_fini(&m);
}

static void
what_is_not_deleted_is_the_rest(void **state)
{
	struct pb_maildrop m = of(5);
	struct pb_listing *rest;

	(void)state;
	assert_int_equal(pb_maildrop_delete(&m, 1), PB_OK);
	assert_int_equal(pb_maildrop_delete(&m, 4), PB_OK);
	assert_int_equal(pb_maildrop_mark_seen(&m, 2), PB_OK);
	rest = pb_maildrop_rest(&m);
	assert_int_equal(rest->count, 3);
	assert_int_equal(rest->uids[0], 20);
	assert_int_equal(rest->uids[1], 30);
	assert_int_equal(rest->uids[2], 50);
	assert_int_equal(rest->sizes[2], 5);
	assert_int_equal(rest->octets, 10);
	assert_int_equal(rest->uidvalidity, 17);
	assert_int_equal(rest->uidnext, 55);
	/* The maildrop has not changed. */
	assert_int_equal(m.count, 5);
	pb_listing_unref(&rest);
	pb_maildrop_fini(&m);
}

static void
two_maildrops_share_one_listing(void **state)
{
	struct pb_maildrop one = of(3);
	struct pb_maildrop two = { .count = 0 };

	(void)state;
	pb_maildrop_open(&two, one.listing);
	assert_int_equal(pb_maildrop_delete(&one, 2), PB_OK);
	assert_false(pb_maildrop_is_deleted(&two, 2));
	pb_maildrop_fini(&one);
	assert_int_equal(pb_maildrop_uid_of(&two, 3), 30);
	pb_maildrop_fini(&two);
	pb_maildrop_fini(&two);
}

static void
every_failing_allocation_is_said(void **state)
{
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	(void)state;
	for (n = 1; st != PB_OK; n++) {
		struct pb_maildrop m = of(20);
		struct pb_listing *rest = NULL;
		uint32_t *uids = NULL;
		size_t found;

		assert_true(n < 50);
		pb_mem_fail_from(n);
		st = pb_maildrop_delete(&m, 7);
		if (st == PB_OK)
			st = pb_maildrop_mark_seen(&m, 8);
		if (st == PB_OK)
			st = pb_maildrop_deleted(&m, &uids, &found);
		if (st == PB_OK)
			rest = pb_maildrop_rest(&m);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
		if (st == PB_OK && rest == NULL)
			st = PB_ENOMEM;
		pb_listing_unref(&rest);
		pb_free(uids);
		pb_maildrop_fini(&m);
	}
	assert_true(n > 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_numbered_by_ascending_uid),
		cmocka_unit_test(an_empty_mailbox_is_an_empty_maildrop),
		cmocka_unit_test(only_its_messages_are_there),
		cmocka_unit_test(sizes_add_up_over_four_gigabytes),
		cmocka_unit_test(deleted_messages_are_counted_out),
		cmocka_unit_test(reset_unmarks_everything),
		cmocka_unit_test(seen_messages_are_those_that_stay),
		cmocka_unit_test(what_is_not_deleted_is_the_rest),
		cmocka_unit_test(two_maildrops_share_one_listing),
		cmocka_unit_test(every_failing_allocation_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
