#include "support/test.h"

#include "popbridge/bridge/listing.h"

static struct pb_listing *
listing_of(const uint32_t *uids, uint32_t n)
{
	struct pb_listing *l = pb_listing_new(n);
	uint32_t i;

	for (i = 0; i < n; i++) {
		l->uids[i] = uids[i];
		l->sizes[i] = 100 * uids[i];
	}
	return l;
}

static void
a_sealed_listing_knows_its_octets(void **state)
{
	const uint32_t uids[] = { 1, 4, 9 };
	struct pb_listing *l = listing_of(uids, 3);

	(void)state;
	l->uidnext = 10;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	assert_int_equal(l->octets, 1400);
	pb_listing_unref(&l);
	assert_null(l);
}

static void
what_is_out_of_order_is_no_listing(void **state)
{
	const uint32_t twice[] = { 1, 4, 4 };
	const uint32_t back[] = { 5, 4 };
	const uint32_t zero[] = { 0, 4 };
	struct pb_listing *l;

	(void)state;
	l = listing_of(twice, 3);
	assert_int_equal(pb_listing_seal(l), PB_EINVAL);
	pb_listing_unref(&l);
	l = listing_of(back, 2);
	assert_int_equal(pb_listing_seal(l), PB_EINVAL);
	pb_listing_unref(&l);
	l = listing_of(zero, 2);
	assert_int_equal(pb_listing_seal(l), PB_EINVAL);
	pb_listing_unref(&l);
}

static void
no_uid_reaches_the_next_one(void **state)
{
	const uint32_t uids[] = { 3, 7 };
	struct pb_listing *l = listing_of(uids, 2);

	(void)state;
	l->uidnext = 7;
	assert_int_equal(pb_listing_seal(l), PB_EINVAL);
	l->uidnext = 8;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	/* A server that does not say it has any UIDs. */
	l->uidnext = 0;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_listing_unref(&l);
}

static void
a_uid_is_found_where_it_stands(void **state)
{
	const uint32_t uids[] = { 2, 4, 6 };
	struct pb_listing *l = listing_of(uids, 3);
	bool found;

	(void)state;
	assert_int_equal(pb_listing_find(l, 4, &found), 1);
	assert_true(found);
	assert_int_equal(pb_listing_find(l, 1, &found), 0);
	assert_false(found);
	assert_int_equal(pb_listing_find(l, 5, &found), 2);
	assert_false(found);
	assert_int_equal(pb_listing_find(l, 7, &found), 3);
	assert_false(found);
	pb_listing_unref(&l);
}

static void
an_empty_listing_holds_nothing(void **state)
{
	struct pb_listing *l = pb_listing_new(0);
	struct pb_listing *other;
	bool found;

	(void)state;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	assert_int_equal(l->octets, 0);
	assert_int_equal(pb_listing_find(l, 1, &found), 0);
	assert_false(found);
	other = pb_listing_ref(l);
	pb_listing_unref(&l);
	assert_int_equal(other->count, 0);
	pb_listing_unref(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_listing_knows_its_octets),
		cmocka_unit_test(what_is_out_of_order_is_no_listing),
		cmocka_unit_test(no_uid_reaches_the_next_one),
		cmocka_unit_test(a_uid_is_found_where_it_stands),
		cmocka_unit_test(an_empty_listing_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
