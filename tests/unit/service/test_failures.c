#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "service/limits_fixture.h"

static uint64_t
mistake(struct pb_limits *l, uint32_t from, uint64_t now)
{
	struct pb_limits_network n = ipv4(from);

	return pb_limits_failed(l, &n, OCTETS(""), now);
}

static uint64_t
mistake_of(struct pb_limits *l, uint32_t from, const char *user, uint64_t now)
{
	struct pb_limits_network n = ipv4(from);

	return pb_limits_failed(l, &n, pb_slice_str(user), now);
}

static void
the_delay_grows_with_each_failure_up_to_its_maximum(void **state)
{
	static const uint64_t want[] = { 0, 1, 2, 4, 8, 15, 15 };
	size_t i;

	for (i = 0; i < COUNT(want); i++) {
		ROW(want, i);
		assert_int_equal(mistake(*state, 1, 5 + i), want[i] * S);
	}
	assert_int_equal(mistake(*state, 2, 100), 0);
	assert_int_equal(pb_limits_counts(*state).failures, 2);
}

static void
the_delay_is_forgotten_after_ten_quiet_minutes(void **state)
{
	assert_int_equal(mistake(*state, 1, 0), 0);
	assert_int_equal(mistake(*state, 1, 10 * MINUTE - 1), 1 * S);
	assert_int_equal(mistake(*state, 1, 20 * MINUTE - 2), 2 * S);
	assert_int_equal(mistake(*state, 1, 30 * MINUTE - 2), 0);
	assert_int_equal(mistake(*state, 2, 50 * MINUTE), 0);
	assert_int_equal(pb_limits_counts(*state).failures, 1);
}

static void
threads_whose_clocks_differ_a_little_do_no_harm(void **state)
{
	assert_int_equal(mistake(*state, 1, 10 * MINUTE), 0);
	assert_int_equal(mistake(*state, 2, 10 * MINUTE - 3), 0);
	assert_int_equal(mistake(*state, 1, 10 * MINUTE - 5), 1 * S);
}

static void
of_too_many_failures_the_longest_quiet_one_is_forgotten(void **state)
{
	uint32_t i;

	for (i = 0; i < PB_LIMITS_FAILURES_MAX; i++)
		assert_int_equal(mistake(*state, i, i), 0);
	assert_int_equal(mistake(*state, 0, i), 1 * S);
	assert_int_equal(mistake(*state, i, i), 0);
	assert_int_equal(pb_limits_counts(*state).failures,
	    PB_LIMITS_FAILURES_MAX);
	assert_int_equal(mistake(*state, 0, i), 2 * S);
	assert_int_equal(mistake(*state, 1, i), 0);
	assert_int_equal(pb_limits_counts(*state).failures,
	    PB_LIMITS_FAILURES_MAX);
}

static void
guesses_at_one_user_from_many_addresses_wait_longer(void **state)
{
	static const uint64_t want[] = { 0, 1, 2, 4, 8, 15, 15 };
	uint32_t i;

	for (i = 0; i < COUNT(want); i++) {
		ROW(want, (size_t)i);
		assert_int_equal(mistake_of(*state, i, "max", i), want[i] * S);
	}
	/* Another user's slip from an address of those is a second one. */
	assert_int_equal(mistake_of(*state, 0, "eva", i), 1 * S);
	assert_int_equal(mistake_of(*state, 99, "eva", i), 1 * S);
	assert_int_equal(mistake_of(*state, 98, "ute", i), 0);
	assert_int_equal(pb_limits_counts(*state).user_failures, 3);
}

static void
a_name_in_other_letters_is_the_same_user(void **state)
{
	assert_int_equal(mistake_of(*state, 1, "max@example.com", 0), 0);
	assert_int_equal(mistake_of(*state, 2, "Max@example.com", 1), 1 * S);
	assert_int_equal(mistake_of(*state, 3, "MAX@EXAMPLE.COM", 2), 2 * S);
	assert_int_equal(mistake_of(*state, 4, "m\xc3\x84x", 3), 0);
	assert_int_equal(pb_limits_counts(*state).user_failures, 2);
}

static void
of_both_delays_the_longer_one_counts(void **state)
{
	assert_int_equal(mistake_of(*state, 1, "max", 0), 0);
	assert_int_equal(mistake_of(*state, 1, "eva", 1), 1 * S);
	assert_int_equal(mistake_of(*state, 1, "ute", 2), 2 * S);
	assert_int_equal(mistake_of(*state, 2, "max", 3), 1 * S);
	assert_int_equal(mistake_of(*state, 1, "max", 4), 4 * S);
	assert_int_equal(mistake_of(*state, 3, "max", 5), 4 * S);
}

static void
the_delay_of_a_user_is_forgotten_after_ten_quiet_minutes(void **state)
{
	assert_int_equal(mistake_of(*state, 1, "max", 0), 0);
	assert_int_equal(mistake_of(*state, 2, "max", 10 * MINUTE - 1), 1 * S);
	assert_int_equal(mistake_of(*state, 3, "max", 20 * MINUTE - 1), 0);
	assert_int_equal(pb_limits_counts(*state).user_failures, 1);
}

static void
a_failure_of_nobody_known_counts_for_its_network_only(void **state)
{
	struct pb_limits_hash broken = { digest, &broken };
	struct pb_limits *l = pb_limits_new(&broken);

	assert_non_null(l);
	assert_int_equal(mistake(*state, 1, 0), 0);
	assert_int_equal(mistake(*state, 2, 0), 0);
	assert_int_equal(mistake_of(l, 1, "max", 0), 0);
	assert_int_equal(mistake_of(l, 1, "max", 0), 1 * S);
	assert_int_equal(mistake_of(l, 2, "max", 0), 0);
	assert_int_equal(pb_limits_counts(*state).user_failures, 0);
	assert_int_equal(pb_limits_counts(l).user_failures, 0);
	pb_limits_free(&l);
}

static void
invented_names_make_no_address_forgotten_and_fill_no_memory(void **state)
{
	char name[16];
	uint32_t i;

	assert_int_equal(mistake_of(*state, 1, "max", 0), 0);
	for (i = 0; i < PB_LIMITS_FAILURES_MAX; i++) {
		snprintf(name, sizeof(name), "u%u", (unsigned)i);
		(void)mistake_of(*state, 2, name, 1 + i);
	}
	assert_int_equal(pb_limits_counts(*state).user_failures,
	    PB_LIMITS_FAILURES_MAX);
	assert_int_equal(pb_limits_counts(*state).failures, 2);
	/* Max was the longest quiet one; the last of the others is known. */
	assert_int_equal(mistake_of(*state, 3, name, i), 1 * S);
	assert_int_equal(mistake_of(*state, 4, "max", i), 0);
	assert_int_equal(mistake(*state, 1, i), 1 * S);
}

static void
know(struct pb_limits *l, const char *password, uint8_t out[PB_LIMITS_DIGEST])
{
	assert_true(pb_limits_digest(l, pb_slice_str("up"),
	    pb_slice_str("max"), pb_slice_str("eva"),
	    pb_slice_str(password), out));
}

static void
a_refused_credential_is_known_for_a_minute(void **state)
{
	uint8_t old[PB_LIMITS_DIGEST];
	uint8_t right[PB_LIMITS_DIGEST];

	know(*state, "old", old);
	know(*state, "right", right);
	assert_false(pb_limits_is_refused(*state, old, 0));
	pb_limits_remember(*state, old, 7);
	assert_true(pb_limits_is_refused(*state, old, 7));
	assert_true(pb_limits_is_refused(*state, old, 7 + MINUTE - 1));
	assert_false(pb_limits_is_refused(*state, right, 8));
	assert_false(pb_limits_is_refused(*state, old, 7 + MINUTE));
	assert_int_equal(pb_limits_counts(*state).refused, 0);
}

static void
asking_again_does_not_make_it_known_for_longer(void **state)
{
	uint8_t old[PB_LIMITS_DIGEST];

	know(*state, "old", old);
	pb_limits_remember(*state, old, 0);
	pb_limits_remember(*state, old, MINUTE - 1);
	assert_int_equal(pb_limits_counts(*state).refused, 1);
	assert_false(pb_limits_is_refused(*state, old, MINUTE));
}

static void
of_too_many_refused_credentials_the_oldest_is_forgotten(void **state)
{
	uint8_t d[PB_LIMITS_DIGEST] = { 0 };
	uint32_t i;

	for (i = 0; i <= PB_LIMITS_REFUSED_MAX; i++) {
		memcpy(d, &i, sizeof(i));
		pb_limits_remember(*state, d, 1);
	}
	assert_int_equal(pb_limits_counts(*state).refused,
	    PB_LIMITS_REFUSED_MAX);
	assert_true(pb_limits_is_refused(*state, d, 1));
	memset(d, 0, sizeof(d));
	assert_false(pb_limits_is_refused(*state, d, 1));
	d[0] = 1;
	assert_true(pb_limits_is_refused(*state, d, 1));
}

static void
the_hash_sees_upstream_user_and_password(void **state)
{
	uint8_t d[PB_LIMITS_DIGEST];
	struct pb_limits_hash broken = { digest, &broken };
	struct pb_limits *l = pb_limits_new(&broken);

	know(*state, "secret", d);
	assert_memory_equal(d, "up/max/eva/secret/", 19);
	assert_non_null(l);
	assert_false(pb_limits_digest(l, OCTETS("u"), OCTETS("m"),
	    OCTETS(""), OCTETS("p"), d));
	pb_limits_free(&l);
}

static void
without_memory_the_tables_stay_whole(void **state)
{
	uint8_t d[PB_LIMITS_DIGEST] = { 1 };
	uint32_t n;

	for (n = 1; n < 9; n++) {
		pb_mem_fail_from(n);
		assert_int_equal(mistake_of(*state, n, "max", 0), 0);
		pb_limits_remember(*state, d, 0);
		pb_mem_fail_from(0);
		if (pb_limits_counts(*state).user_failures > 0)
			break;
	}
	assert_in_range(n, 4, 8);
	assert_int_equal(mistake_of(*state, 100, "max", 0), 1 * S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_delay_grows_with_each_failure_up_to_its_maximum),
		TEST(the_delay_is_forgotten_after_ten_quiet_minutes),
		TEST(threads_whose_clocks_differ_a_little_do_no_harm),
		TEST(of_too_many_failures_the_longest_quiet_one_is_forgotten),
		TEST(guesses_at_one_user_from_many_addresses_wait_longer),
		TEST(a_name_in_other_letters_is_the_same_user),
		TEST(of_both_delays_the_longer_one_counts),
		TEST(the_delay_of_a_user_is_forgotten_after_ten_quiet_minutes),
		TEST(a_failure_of_nobody_known_counts_for_its_network_only),
		TEST(invented_names_make_no_address_forgotten_and_fill_no_memory),
		TEST(a_refused_credential_is_known_for_a_minute),
		TEST(asking_again_does_not_make_it_known_for_longer),
		TEST(of_too_many_refused_credentials_the_oldest_is_forgotten),
		TEST(the_hash_sees_upstream_user_and_password),
		TEST(without_memory_the_tables_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
