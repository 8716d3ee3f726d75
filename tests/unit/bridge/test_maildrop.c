#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/bridge/maildrop.h"

static void
put(struct pb_maildrop *m, uint32_t seq, uint32_t uid, uint32_t size)
{
	assert_int_equal(pb_maildrop_put(m, seq, uid, true, size), PB_OK);
}

static void
freeze(struct pb_maildrop *m, uint32_t least)
{
	struct pb_error error;

	assert_int_equal(pb_maildrop_freeze(m, 17, least, &error), PB_OK);
}

/* It must fail, and say something that has `text` in it. */
static void
must_not_freeze(struct pb_maildrop *m, uint32_t least, const char *text)
{
	struct pb_error error;

	assert_int_equal(pb_maildrop_freeze(m, 17, least, &error),
	    PB_EPROTO);
	assert_int_equal(error.kind, PB_ERROR_PROTOCOL);
	assert_non_null(strstr(error.text, text));
}

static void
messages_are_numbered_by_ascending_uid(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	put(&m, 3, 5, 500);
	put(&m, 1, 9, 900);
	put(&m, 2, 7, 700);
	freeze(&m, 3);
	assert_int_equal(m.count, 3);
	assert_int_equal(m.octets, 2100);
	assert_int_equal(m.uidvalidity, 17);
	assert_int_equal(pb_maildrop_uid_of(&m, 1), 5);
	assert_int_equal(pb_maildrop_size_of(&m, 1), 500);
	assert_int_equal(pb_maildrop_uid_of(&m, 3), 9);
	assert_int_equal(pb_maildrop_size_of(&m, 3), 900);
	pb_maildrop_fini(&m);
}

static void
a_message_may_be_said_in_pieces_and_again(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	assert_int_equal(pb_maildrop_put(&m, 1, 0, true, 10), PB_OK);
	assert_int_equal(pb_maildrop_put(&m, 1, 7, false, 0), PB_OK);
	put(&m, 1, 7, 11);
	freeze(&m, 1);
	assert_int_equal(pb_maildrop_size_of(&m, 1), 11);
	pb_maildrop_fini(&m);
}

static void
a_listing_with_a_gap_is_not_frozen(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	put(&m, 1, 5, 1);
	must_not_freeze(&m, 2, "lacks message 2");
	put(&m, 3, 9, 1);
	must_not_freeze(&m, 2, "UID of message 2");
	assert_int_equal(pb_maildrop_put(&m, 2, 7, false, 0), PB_OK);
	must_not_freeze(&m, 2, "size of message 2");
	assert_int_equal(pb_maildrop_put(&m, 2, 0, true, 4), PB_OK);
	freeze(&m, 2);
	assert_int_equal(m.count, 3);
	pb_maildrop_fini(&m);
}

static void
two_messages_with_one_uid_are_not_frozen(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	put(&m, 1, 7, 1);
	put(&m, 2, 5, 1);
	put(&m, 3, 7, 1);
	must_not_freeze(&m, 3, "UID 7");
	pb_maildrop_fini(&m);
}

static void
an_empty_mailbox_is_an_empty_maildrop(void **state)
{
	struct pb_maildrop m = { .count = 0 };
	uint32_t *uids;
	size_t n;

	(void)state;
	freeze(&m, 0);
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
more_messages_than_any_mailbox_has_are_refused(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	assert_int_equal(pb_maildrop_put(&m, PB_MAILDROP_MAX + 1, 1, true, 1),
	    PB_ETOOBIG);
	assert_int_equal(pb_maildrop_put(&m, UINT32_MAX, 1, true, 1),
	    PB_ETOOBIG);
	assert_int_equal(pb_maildrop_put(&m, PB_MAILDROP_MAX, 1, true, 1),
	    PB_OK);
	pb_maildrop_fini(&m);
}

static void
only_its_messages_are_there(void **state)
{
	struct pb_maildrop m = { .count = 0 };

	(void)state;
	put(&m, 1, 5, 1);
	put(&m, 2, 6, 1);
	freeze(&m, 2);
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

	(void)state;
	put(&m, 1, 5, UINT32_MAX - 1);
	put(&m, 2, 6, UINT32_MAX - 1);
	freeze(&m, 2);
	assert_true(m.octets == 2 * (uint64_t)(UINT32_MAX - 1));
	assert_int_equal(pb_maildrop_delete(&m, 1), PB_OK);
	assert_true(m.octets == UINT32_MAX - 1);
	pb_maildrop_fini(&m);
}

static struct pb_maildrop
of(uint32_t count)
{
	struct pb_maildrop m = { .count = 0 };
	uint32_t i;

	for (i = 1; i <= count; i++)
		put(&m, i, 10 * i, i);
	freeze(&m, count);
	return m;
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
clear_starts_again_with_nothing(void **state)
{
	struct pb_maildrop m = of(5);

	(void)state;
	pb_maildrop_clear(&m);
	assert_int_equal(m.count, 0);
	put(&m, 1, 3, 4);
	freeze(&m, 1);
	assert_int_equal(m.octets, 4);
	pb_maildrop_fini(&m);
	pb_maildrop_fini(&m);
}

static void
every_failing_allocation_is_said(void **state)
{
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	(void)state;
	for (n = 1; st != PB_OK; n++) {
		struct pb_maildrop m = { .count = 0 };
		struct pb_error error;
		uint32_t *uids = NULL;
		uint32_t i;
		size_t found;

		assert_true(n < 50);
		pb_mem_fail_from(n);
		st = PB_OK;
		for (i = 1; i <= 200 && st == PB_OK; i++)
			st = pb_maildrop_put(&m, i, 1000 - i, true, i);
		if (st == PB_OK)
			st = pb_maildrop_freeze(&m, 1, 200, &error);
		if (st == PB_OK)
			st = pb_maildrop_delete(&m, 7);
		if (st == PB_OK)
			st = pb_maildrop_mark_seen(&m, 8);
		if (st == PB_OK)
			st = pb_maildrop_deleted(&m, &uids, &found);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
		pb_free(uids);
		pb_maildrop_fini(&m);
	}
	assert_true(n > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_numbered_by_ascending_uid),
		cmocka_unit_test(a_message_may_be_said_in_pieces_and_again),
		cmocka_unit_test(a_listing_with_a_gap_is_not_frozen),
		cmocka_unit_test(two_messages_with_one_uid_are_not_frozen),
		cmocka_unit_test(an_empty_mailbox_is_an_empty_maildrop),
		cmocka_unit_test(
		    more_messages_than_any_mailbox_has_are_refused),
		cmocka_unit_test(only_its_messages_are_there),
		cmocka_unit_test(sizes_add_up_over_four_gigabytes),
		cmocka_unit_test(deleted_messages_are_counted_out),
		cmocka_unit_test(reset_unmarks_everything),
		cmocka_unit_test(seen_messages_are_those_that_stay),
		cmocka_unit_test(clear_starts_again_with_nothing),
		cmocka_unit_test(every_failing_allocation_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
