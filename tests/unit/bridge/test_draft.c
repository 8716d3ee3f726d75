#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/bridge/draft.h"

static void
put(struct pb_draft *d, uint32_t seq, uint32_t uid, uint32_t size)
{
	assert_int_equal(pb_draft_put(d, seq, uid, true, size), PB_OK);
}

static struct pb_listing *
listing_of(struct pb_draft *d, uint32_t least)
{
	struct pb_listing *l;
	struct pb_error error;

	assert_int_equal(pb_draft_check(d, least, &error), PB_OK);
	l = pb_draft_listing(d);
	assert_non_null(l);
	assert_int_equal(d->count, 0);
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

/* It must fail, and say something that has `text` in it. */
static void
must_not_do(struct pb_draft *d, uint32_t least, const char *text)
{
	struct pb_error error;

	assert_int_equal(pb_draft_check(d, least, &error), PB_EPROTO);
	assert_int_equal(error.kind, PB_ERROR_PROTOCOL);
	assert_non_null(strstr(error.text, text));
}

static void
messages_come_in_the_order_of_their_uids(void **state)
{
	struct pb_draft d = { .count = 0 };
	struct pb_listing *l;

	(void)state;
	put(&d, 3, 5, 500);
	put(&d, 1, 9, 900);
	put(&d, 2, 7, 700);
	l = listing_of(&d, 3);
	assert_int_equal(l->count, 3);
	assert_int_equal(l->octets, 2100);
	assert_int_equal(l->uids[0], 5);
	assert_int_equal(l->sizes[0], 500);
	assert_int_equal(l->uids[2], 9);
	assert_int_equal(l->sizes[2], 900);
	pb_listing_unref(&l);
}

static void
a_message_may_be_said_in_pieces_and_again(void **state)
{
	struct pb_draft d = { .count = 0 };
	struct pb_listing *l;

	(void)state;
	assert_int_equal(pb_draft_put(&d, 1, 0, true, 10), PB_OK);
	assert_int_equal(pb_draft_put(&d, 1, 7, false, 0), PB_OK);
	put(&d, 1, 7, 11);
	l = listing_of(&d, 1);
	assert_int_equal(l->sizes[0], 11);
	pb_listing_unref(&l);
}

static void
a_draft_with_a_gap_will_not_do(void **state)
{
	struct pb_draft d = { .count = 0 };
	struct pb_listing *l;

	(void)state;
	put(&d, 1, 5, 1);
	must_not_do(&d, 2, "lacks message 2");
	put(&d, 3, 9, 1);
	must_not_do(&d, 2, "UID of message 2");
	assert_int_equal(pb_draft_put(&d, 2, 7, false, 0), PB_OK);
	must_not_do(&d, 2, "size of message 2");
	assert_int_equal(pb_draft_put(&d, 2, 0, true, 4), PB_OK);
	l = listing_of(&d, 2);
	assert_int_equal(l->count, 3);
	pb_listing_unref(&l);
}

static void
two_messages_with_one_uid_will_not_do(void **state)
{
	struct pb_draft d = { .count = 0 };

	(void)state;
	put(&d, 1, 7, 1);
	put(&d, 2, 5, 1);
	put(&d, 3, 7, 1);
	must_not_do(&d, 3, "UID 7");
	pb_draft_clear(&d);
}

static void
a_message_with_two_uids_will_not_do(void **state)
{
	struct pb_draft d = { .count = 0 };

	(void)state;
	put(&d, 1, 3, 1);
	put(&d, 2, 7, 1);
	put(&d, 2, 9, 1);
	must_not_do(&d, 2, "two UIDs for message 2");
	put(&d, 2, 7, 1);
	must_not_do(&d, 2, "two UIDs for message 2");
	pb_draft_clear(&d);
	assert_int_equal(d.torn, 0);
}

static void
nothing_is_an_empty_listing(void **state)
{
	struct pb_draft d = { .count = 0 };
	struct pb_listing *l;

	(void)state;
	l = listing_of(&d, 0);
	assert_int_equal(l->count, 0);
	pb_listing_unref(&l);
}

static void
more_messages_than_any_mailbox_has_are_refused(void **state)
{
	struct pb_draft d = { .count = 0 };

	(void)state;
	assert_int_equal(pb_draft_put(&d, PB_LISTING_MAX + 1, 1, true, 1),
	    PB_ETOOBIG);
	assert_int_equal(pb_draft_put(&d, UINT32_MAX, 1, true, 1),
	    PB_ETOOBIG);
	assert_int_equal(pb_draft_put(&d, PB_LISTING_MAX, 1, true, 1),
	    PB_OK);
	pb_draft_clear(&d);
}

static void
a_cleared_draft_starts_again_with_nothing(void **state)
{
	struct pb_draft d = { .count = 0 };
	struct pb_listing *l;

	(void)state;
	put(&d, 5, 3, 4);
	pb_draft_clear(&d);
	assert_int_equal(d.count, 0);
	put(&d, 1, 3, 4);
	l = listing_of(&d, 1);
	assert_int_equal(l->octets, 4);
	pb_listing_unref(&l);
}

static void
every_failing_allocation_is_said(void **state)
{
	struct pb_listing *l = NULL;
	unsigned long n;

	(void)state;
	for (n = 1; l == NULL; n++) {
		struct pb_draft d = { .count = 0 };
		enum pb_status st = PB_OK;
		struct pb_error error;
		uint32_t i;

		assert_true(n < 50);
		pb_mem_fail_from(n);
		for (i = 1; i <= 200 && st == PB_OK; i++)
			st = pb_draft_put(&d, i, 1000 - i, true, i);
		if (st == PB_OK)
			st = pb_draft_check(&d, 200, &error);
		if (st == PB_OK)
			l = pb_draft_listing(&d);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
		pb_draft_clear(&d);
	}
	assert_true(n > 5);
	pb_listing_unref(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_in_the_order_of_their_uids),
		cmocka_unit_test(a_message_may_be_said_in_pieces_and_again),
		cmocka_unit_test(a_draft_with_a_gap_will_not_do),
		cmocka_unit_test(two_messages_with_one_uid_will_not_do),
		cmocka_unit_test(a_message_with_two_uids_will_not_do),
		cmocka_unit_test(nothing_is_an_empty_listing),
		cmocka_unit_test(more_messages_than_any_mailbox_has_are_refused),
		cmocka_unit_test(a_cleared_draft_starts_again_with_nothing),
		cmocka_unit_test(every_failing_allocation_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
