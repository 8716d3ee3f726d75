#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"

static void
what_is_appended_is_consumed_in_order(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init(&b, 100);
	assert_int_equal(pb_buffer_append(&b, "abc", 3), PB_OK);
	assert_int_equal(pb_buffer_printf(&b, "%d-%s", 7, "x"), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "abc7-x");
	pb_buffer_consume(&b, 2);
	ASSERT_TEXT(pb_buffer_slice(&b), "c7-x");
	assert_int_equal(pb_buffer_append(&b, "!", 1), PB_OK);
	pb_buffer_consume(&b, 5);
	assert_int_equal(b.len, 0);
	pb_buffer_fini(&b);
}

static void
nothing_can_be_done_with_an_empty_buffer(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init(&b, 100);
	assert_int_equal(pb_buffer_slice(&b).len, 0);
	pb_buffer_consume(&b, 0);
	pb_buffer_clear(&b);
	pb_buffer_release(&b);
	assert_int_equal(pb_buffer_append(&b, NULL, 0), PB_OK);
	assert_int_equal(b.cap, 0);
	pb_buffer_fini(&b);
	pb_buffer_fini(&b);
}

static void
the_maximum_can_be_reached_and_not_passed(void **state)
{
	struct pb_buffer b;
	char *room;

	(void)state;
	pb_buffer_init(&b, 10);
	assert_int_equal(pb_buffer_append(&b, "0123456789", 10), PB_OK);
	assert_int_equal(pb_buffer_append(&b, "x", 1), PB_ETOOBIG);
	assert_int_equal(pb_buffer_printf(&b, "x"), PB_ETOOBIG);
	assert_int_equal(pb_buffer_reserve(&b, 1, &room), PB_ETOOBIG);
	ASSERT_TEXT(pb_buffer_slice(&b), "0123456789");
	pb_buffer_consume(&b, 4);
	assert_int_equal(pb_buffer_append(&b, "abcde", 5), PB_ETOOBIG);
	assert_int_equal(pb_buffer_append(&b, "abcd", 4), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "456789abcd");
	assert_true(b.cap <= 10);
	assert_int_equal(pb_buffer_append(&b, "x", SIZE_MAX), PB_ETOOBIG);
	pb_buffer_fini(&b);
}

static void
a_maximum_of_nothing_takes_nothing(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init(&b, 0);
	assert_int_equal(pb_buffer_append(&b, "x", 1), PB_ETOOBIG);
	assert_int_equal(pb_buffer_append(&b, "", 0), PB_OK);
	pb_buffer_fini(&b);
}

static void
reserved_room_counts_when_it_is_committed(void **state)
{
	struct pb_buffer b;
	char *room;

	(void)state;
	pb_buffer_init(&b, 1000);
	assert_int_equal(pb_buffer_reserve(&b, 500, &room), PB_OK);
	memset(room, 'x', 500);
	assert_int_equal(b.len, 0);
	pb_buffer_commit(&b, 3);
	ASSERT_TEXT(pb_buffer_slice(&b), "xxx");
	pb_buffer_fini(&b);
}

static void
a_text_that_is_too_long_for_printf_is_refused(void **state)
{
	struct pb_buffer b;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	pb_buffer_init(&b, 5000);
	assert_int_equal(pb_buffer_printf(&b, "%s", text), PB_ETOOBIG);
	assert_int_equal(b.len, 0);
	pb_buffer_fini(&b);
}

static void
no_memory_changes_nothing(void **state)
{
	struct pb_buffer b;
	char big[1000] = "";

	(void)state;
	pb_buffer_init(&b, 5000);
	assert_int_equal(pb_buffer_append(&b, "abc", 3), PB_OK);
	pb_mem_fail_from(1);
	assert_int_equal(pb_buffer_append(&b, big, sizeof(big)), PB_ENOMEM);
	pb_mem_fail_from(0);
	ASSERT_TEXT(pb_buffer_slice(&b), "abc");
	assert_int_equal(pb_buffer_append(&b, "d", 1), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "abcd");
	pb_buffer_fini(&b);
}

static void
release_gives_the_memory_back(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init(&b, 5000);
	assert_int_equal(pb_buffer_append(&b, "abc", 3), PB_OK);
	pb_buffer_clear(&b);
	assert_true(b.cap > 0);
	pb_buffer_release(&b);
	assert_int_equal(b.cap, 0);
	assert_null(b.data);
	assert_int_equal(pb_buffer_append(&b, "abc", 3), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b), "abc");
	pb_buffer_fini(&b);
}

static void
contents_are_exchanged_limits_are_not(void **state)
{
	struct pb_buffer a, b;

	(void)state;
	pb_buffer_init(&a, 10);
	pb_buffer_init_secret(&b, 20);
	assert_int_equal(pb_buffer_append(&a, "a", 1), PB_OK);
	assert_int_equal(pb_buffer_append(&b, "bb", 2), PB_OK);
	pb_buffer_swap(&a, &b);
	ASSERT_TEXT(pb_buffer_slice(&a), "bb");
	ASSERT_TEXT(pb_buffer_slice(&b), "a");
	assert_int_equal(a.max, 10);
	assert_int_equal(b.max, 20);
	assert_false(a.secret);
	assert_true(b.secret);
	pb_buffer_fini(&a);
	pb_buffer_fini(&b);
}

static void
a_secret_buffer_wipes_what_it_lets_go(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init_secret(&b, 5000);
	assert_int_equal(pb_buffer_append(&b, "geheim123 and more", 18),
	    PB_OK);
	pb_buffer_consume(&b, 9);
	assert_null(memmem(b.data, 18, "geheim", 6));
	assert_non_null(memmem(b.data, 18, " and more", 9));
	pb_buffer_clear(&b);
	assert_null(memmem(b.data, 18, "more", 4));
	pb_buffer_fini(&b);
}

static void
a_plain_buffer_does_not_pay_for_it(void **state)
{
	struct pb_buffer b;

	(void)state;
	pb_buffer_init(&b, 5000);
	assert_int_equal(pb_buffer_append(&b, "geheim123", 9), PB_OK);
	pb_buffer_clear(&b);
	assert_non_null(memmem(b.data, 9, "geheim", 6));
	pb_buffer_fini(&b);
}

/* Against an array that forgets nothing. */
static void
any_order_of_appending_and_consuming_keeps_the_octets(void **state)
{
	enum { N = 20000 };
	struct pbt_random random;
	char *model = malloc(N);
	size_t from = 0, to = 0, i;
	struct pb_buffer b;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < N; i++)
		model[i] = (char)pbt_random_next(&random);
	pb_buffer_init_secret(&b, 700);
	while (to < N) {
		size_t n = pbt_random_below(&random, 400);
		enum pb_status want = to - from + n > 700 ? PB_ETOOBIG : PB_OK;

		if (n > N - to)
			n = N - to;
		if (want == PB_OK || n > 700 - (to - from)) {
			assert_int_equal(pb_buffer_append(&b, model + to, n),
			    to - from + n > 700 ? PB_ETOOBIG : PB_OK);
			if (to - from + n <= 700)
				to += n;
		}
		n = pbt_random_below(&random, to - from + 1);
		pb_buffer_consume(&b, n);
		from += n;
		ASSERT_OCTETS(pb_buffer_slice(&b), pb_slice(model + from,
		    to - from));
	}
	pb_buffer_fini(&b);
	free(model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_consumed_in_order),
		cmocka_unit_test(nothing_can_be_done_with_an_empty_buffer),
		cmocka_unit_test(the_maximum_can_be_reached_and_not_passed),
		cmocka_unit_test(a_maximum_of_nothing_takes_nothing),
		cmocka_unit_test(reserved_room_counts_when_it_is_committed),
		cmocka_unit_test(a_text_that_is_too_long_for_printf_is_refused),
		cmocka_unit_test(no_memory_changes_nothing),
		cmocka_unit_test(release_gives_the_memory_back),
		cmocka_unit_test(contents_are_exchanged_limits_are_not),
		cmocka_unit_test(a_secret_buffer_wipes_what_it_lets_go),
		cmocka_unit_test(a_plain_buffer_does_not_pay_for_it),
		cmocka_unit_test(
		    any_order_of_appending_and_consuming_keeps_the_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
