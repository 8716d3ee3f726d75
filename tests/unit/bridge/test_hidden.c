#include "support/test.h"

#include "popbridge/base/mem.h"
#include "popbridge/bridge/hidden.h"


/* UIDs 10, 20, ... of one octet each. */
static struct pb_listing *
listing(uint32_t count)
{
	struct pb_listing *l = pb_listing_new(count);
	uint32_t i;

	assert_non_null(l);
	l->uidvalidity = 17;
	l->uidnext = 10 * count + 1;
	for (i = 0; i < count; i++) {
		l->uids[i] = 10 * (i + 1);
		l->sizes[i] = i + 1;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

static struct pb_hidden
found(const struct pb_imap_range *ranges, size_t n)
{
	struct pb_hidden h = { .id = 4 };
	struct pb_imap_event e = { .type = PB_IMAP_EVENT_FOUND, .id = 4,
		.ranges = ranges, .n_ranges = n };

	assert_int_equal(pb_hidden_event(&h, &e), PB_AGAIN);
	e = (struct pb_imap_event){ .type = PB_IMAP_EVENT_DONE, .id = 4,
		.condition = PB_IMAP_OK };
	assert_int_equal(pb_hidden_event(&h, &e), PB_OK);
	return h;
}

static void
what_the_server_names_is_not_in_the_maildrop(void **state)
{
	/* In any order, over each other, and of what is not there. */
	static const struct pb_imap_range ranges[] = { { 41, UINT32_MAX },
		{ 10, 10 }, { 5, 15 }, { 21, 29 } };
	struct pb_hidden h = found(ranges, COUNT(ranges));
	struct pb_listing *l = listing(5);
	struct pb_listing *rest = pb_hidden_filter(&h, l);

	(void)state;
	assert_non_null(rest);
	assert_int_equal(rest->count, 3);
	assert_int_equal(rest->uids[0], 20);
	assert_int_equal(rest->uids[2], 40);
	assert_int_equal(rest->sizes[2], 4);
	assert_int_equal(rest->octets, 9);
	assert_int_equal(rest->uidvalidity, 17);
	assert_int_equal(rest->uidnext, 51);
	pb_listing_unref(&rest);
	pb_listing_unref(&l);
	pb_hidden_fini(&h);
}

static void
where_nothing_is_hidden_the_listing_is_shared(void **state)
{
	static const struct pb_imap_range ranges[] = { { 11, 19 },
		{ 51, UINT32_MAX } };
	struct pb_hidden h = found(ranges, COUNT(ranges));
	struct pb_listing *l = listing(5);
	struct pb_listing *rest = pb_hidden_filter(&h, l);

	(void)state;
	assert_ptr_equal(rest, l);
	pb_listing_unref(&rest);
	pb_hidden_fini(&h);
	h = found(NULL, 0);
	rest = pb_hidden_filter(&h, l);
	assert_ptr_equal(rest, l);
	pb_listing_unref(&rest);
	pb_listing_unref(&l);
}

static void
an_empty_mailbox_hides_nothing(void **state)
{
	static const struct pb_imap_range all[] = { { 1, UINT32_MAX } };
	struct pb_hidden h = found(all, 1);
	struct pb_listing *l = listing(0);
	struct pb_listing *rest = pb_hidden_filter(&h, l);

	(void)state;
	assert_ptr_equal(rest, l);
	pb_listing_unref(&rest);
	pb_listing_unref(&l);
	pb_hidden_fini(&h);
}

static void
a_refusal_or_no_result_is_no_answer(void **state)
{
	struct pb_hidden h = { .id = 4 };
	struct pb_imap_event e = { .type = PB_IMAP_EVENT_DONE, .id = 4,
		.condition = PB_IMAP_OK };

	(void)state;
	assert_int_equal(pb_hidden_event(&h, &e), PB_EINVAL);
	h.answered = true;
	e.condition = PB_IMAP_NO;
	assert_int_equal(pb_hidden_event(&h, &e), PB_EINVAL);
}

static void
no_memory_is_told(void **state)
{
	static const struct pb_imap_range all[] = { { 1, UINT32_MAX } };
	struct pb_hidden h = { .id = 4 };
	struct pb_imap_event e = { .type = PB_IMAP_EVENT_FOUND, .id = 4,
		.ranges = all, .n_ranges = 1 };
	struct pb_listing *l = listing(5);

	(void)state;
	pb_mem_fail_from(1);
	assert_int_equal(pb_hidden_event(&h, &e), PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_int_equal(pb_hidden_event(&h, &e), PB_AGAIN);
	pb_mem_fail_from(1);
	assert_null(pb_hidden_filter(&h, l));
	pb_mem_fail_from(2);
	assert_null(pb_hidden_filter(&h, l));
	pb_mem_fail_from(0);
	pb_listing_unref(&l);
	pb_hidden_fini(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_server_names_is_not_in_the_maildrop),
		cmocka_unit_test(where_nothing_is_hidden_the_listing_is_shared),
		cmocka_unit_test(an_empty_mailbox_hides_nothing),
		cmocka_unit_test(a_refusal_or_no_result_is_no_answer),
		cmocka_unit_test(no_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
