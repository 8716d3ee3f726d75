#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/limits.h"

#define S UINT64_C(1000)
#define MINUTE (60 * S)

static const struct pb_limits_max roomy = { .connections = 1000,
	.per_network = 1000, .unauthenticated = 1000 };

/* No secret, but it shows what it was given. */
static bool
digest(void *ctx, const struct pb_slice *parts, size_t n,
    uint8_t out[PB_LIMITS_DIGEST])
{
	char text[PB_LIMITS_DIGEST + 1] = "";
	size_t at = 0;
	size_t i;

	if (ctx != NULL)
		return false;
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s/",
		    (int)parts[i].len, parts[i].data);
	memcpy(out, text, PB_LIMITS_DIGEST);
	return true;
}

static const struct pb_limits_hash visible = { .digest = digest };

static int
start(void **state)
{
	*state = pb_limits_new(&visible);
	return *state != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	struct pb_limits *limits = *state;

	pb_limits_free(&limits);
	return limits == NULL ? 0 : -1;
}

static struct pb_limits_network
ipv4(uint32_t number)
{
	uint8_t octets[4];

	memcpy(octets, &number, sizeof(octets));
	return pb_limits_ipv4(octets);
}

static void
assert_counts(struct pb_limits *l, size_t connections, size_t unauthenticated,
    size_t networks)
{
	struct pb_limits_counts c = pb_limits_counts(l);

	assert_int_equal(c.connections, connections);
	assert_int_equal(c.unauthenticated, unauthenticated);
	assert_int_equal(c.networks, networks);
}

static enum pb_limits_verdict
come(struct pb_limits *l, const struct pb_limits_max *max, uint32_t from,
    struct pb_limits_visit *visit)
{
	struct pb_limits_network n = ipv4(from);

	memset(visit, 0, sizeof(*visit));
	return pb_limits_enter(l, max, &n, visit);
}

static uint64_t
mistake(struct pb_limits *l, uint32_t from, uint64_t now)
{
	struct pb_limits_network n = ipv4(from);

	return pb_limits_failed(l, &n, OCTETS(""), now);
}

static void
no_more_connections_than_allowed_come_in(void **state)
{
	const struct pb_limits_max max = { 3, 1000, 1000 };
	struct pb_limits_visit v[4];
	uint32_t i;

	for (i = 0; i < 3; i++)
		assert_int_equal(come(*state, &max, i, &v[i]),
		    PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &max, 3, &v[3]), PB_LIMITS_TOO_MANY);
	assert_false(v[3].counted);
	pb_limits_leave(*state, &v[3]);
	assert_counts(*state, 3, 3, 3);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(come(*state, &max, 3, &v[3]), PB_LIMITS_WELCOME);
	assert_counts(*state, 3, 3, 3);
}

static void
a_crowded_address_is_refused_and_others_come_in(void **state)
{
	const struct pb_limits_max max = { 1000, 2, 1000 };
	struct pb_limits_visit v[4];

	assert_int_equal(come(*state, &max, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &max, 1, &v[1]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &max, 1, &v[2]),
	    PB_LIMITS_TOO_MANY_OF_NETWORK);
	assert_int_equal(come(*state, &max, 2, &v[3]), PB_LIMITS_WELCOME);
	/* Who has logged in still has a place of the address's. */
	pb_limits_authenticated(*state, &v[0]);
	assert_int_equal(come(*state, &max, 1, &v[2]),
	    PB_LIMITS_TOO_MANY_OF_NETWORK);
	pb_limits_leave(*state, &v[0]);
	assert_int_equal(come(*state, &max, 1, &v[2]), PB_LIMITS_WELCOME);
}

static void
a_login_makes_room_for_who_has_not_logged_in(void **state)
{
	const struct pb_limits_max max = { 1000, 1000, 2 };
	struct pb_limits_visit v[3];

	assert_int_equal(come(*state, &max, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &max, 1, &v[1]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &max, 1, &v[2]),
	    PB_LIMITS_TOO_MANY_UNAUTHENTICATED);
	pb_limits_authenticated(*state, &v[0]);
	pb_limits_authenticated(*state, &v[0]);
	assert_counts(*state, 2, 1, 1);
	assert_int_equal(come(*state, &max, 1, &v[2]), PB_LIMITS_WELCOME);
	assert_counts(*state, 3, 2, 1);
}

static void
who_leaves_leaves_nothing_behind(void **state)
{
	struct pb_limits_visit v[2];

	assert_int_equal(come(*state, &roomy, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &roomy, 1, &v[1]), PB_LIMITS_WELCOME);
	pb_limits_authenticated(*state, &v[1]);
	pb_limits_leave(*state, &v[0]);
	pb_limits_leave(*state, &v[0]);
	assert_counts(*state, 1, 0, 1);
	pb_limits_leave(*state, &v[1]);
	pb_limits_authenticated(*state, &v[1]);
	assert_counts(*state, 0, 0, 0);
}

static void
limits_that_a_reload_lowers_hold_for_who_comes_next(void **state)
{
	const struct pb_limits_max low = { 1, 1, 1 };
	struct pb_limits_visit v[3];

	assert_int_equal(come(*state, &roomy, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &roomy, 1, &v[1]), PB_LIMITS_WELCOME);
	assert_int_equal(come(*state, &low, 1, &v[2]), PB_LIMITS_TOO_MANY);
	pb_limits_leave(*state, &v[0]);
	assert_int_equal(come(*state, &low, 1, &v[2]), PB_LIMITS_TOO_MANY);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(come(*state, &low, 1, &v[2]), PB_LIMITS_WELCOME);
}

static bool
same(const struct pb_limits_network *a, const struct pb_limits_network *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void
ipv6_addresses_are_one_network_by_their_first_64_bits(void **state)
{
	const uint8_t base[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7, 1 };
	const struct pb_limits_network n = pb_limits_ipv6(base);
	size_t bit;

	(void)state;
	for (bit = 0; bit < 128; bit++) {
		struct pb_limits_network other;
		uint8_t octets[16];

		memcpy(octets, base, sizeof(octets));
		octets[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		other = pb_limits_ipv6(octets);
		assert_int_equal(same(&n, &other), bit >= 64);
	}
}

static void
ipv4_is_each_address_by_itself_and_the_same_in_ipv6(void **state)
{
	const uint8_t a[4] = { 192, 0, 2, 1 };
	const uint8_t b[4] = { 192, 0, 2, 2 };
	const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 192,
		[14] = 2, [15] = 1 };
	const uint8_t like[16] = { 192, 0, 2, 1 };
	struct pb_limits_network na = pb_limits_ipv4(a);
	struct pb_limits_network nb = pb_limits_ipv4(b);
	struct pb_limits_network nm = pb_limits_ipv6(mapped);
	struct pb_limits_network nl = pb_limits_ipv6(like);

	(void)state;
	assert_false(same(&na, &nb));
	assert_true(same(&na, &nm));
	assert_false(same(&na, &nl));
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
what_happens_often_is_said_now_and_then_with_its_number(void **state)
{
	uint64_t i;

	assert_int_equal(pb_limits_say(*state, PB_LIMITS_SAY_REFUSED, 5), 1);
	for (i = 0; i < 999; i++)
		assert_int_equal(pb_limits_say(*state, PB_LIMITS_SAY_REFUSED,
		    4 + i * 30), 0);
	assert_int_equal(pb_limits_say(*state, PB_LIMITS_SAY_DESCRIPTORS, 9),
	    1);
	assert_int_equal(pb_limits_say(*state, PB_LIMITS_SAY_REFUSED,
	    5 + PB_LIMITS_SAY_MS), 1000);
	assert_int_equal(pb_limits_say(*state, PB_LIMITS_SAY_REFUSED,
	    5 + 3 * PB_LIMITS_SAY_MS), 1);
}

static void
each_verdict_names_its_option(void **state)
{
	(void)state;
	assert_string_equal(pb_limits_verdict_name(PB_LIMITS_TOO_MANY),
	    "max-connections");
	assert_string_equal(pb_limits_verdict_name(
	    PB_LIMITS_TOO_MANY_OF_NETWORK), "max-connections-per-address");
	assert_string_equal(pb_limits_verdict_name(
	    PB_LIMITS_TOO_MANY_UNAUTHENTICATED), "max-unauthenticated");
}

static void
without_memory_nobody_comes_in_and_the_tables_stay_whole(void **state)
{
	uint8_t d[PB_LIMITS_DIGEST] = { 1 };
	struct pb_limits_visit v;
	struct pb_limits *none;
	enum pb_limits_verdict verdict = PB_LIMITS_NO_MEMORY;
	unsigned long n;

	for (n = 1; verdict == PB_LIMITS_NO_MEMORY; n++) {
		assert_in_range(n, 1, 20);
		assert_counts(*state, 0, 0, 0);
		pb_mem_fail_from(n);
		verdict = come(*state, &roomy, 1, &v);
		pb_mem_fail_from(0);
	}
	assert_int_equal(verdict, PB_LIMITS_WELCOME);
	assert_true(n > 3);
	for (n = 1; n < 5; n++) {
		pb_mem_fail_from(n);
		assert_int_equal(mistake(*state, (uint32_t)n, 0), 0);
		pb_limits_remember(*state, d, 0);
		pb_mem_fail_from(0);
	}
	pb_mem_fail_from(1);
	none = pb_limits_new(&visible);
	pb_mem_fail_from(0);
	assert_null(none);
	pb_limits_free(&none);
	pb_limits_leave(*state, &v);
	assert_counts(*state, 0, 0, 0);
}

/* Threads that come and go at the same few addresses. */

#define THREADS 4
#define ROUNDS 20000
#define NETWORKS 3

struct rush {
	struct pb_limits *limits;
	atomic_uint inside;
	atomic_uint came;
	atomic_uint wrong;
};

static const struct pb_limits_max narrow = { 3, 2, 2 };

static void
visit_once(struct rush *r, unsigned n)
{
	struct pb_limits_visit v;
	uint8_t d[PB_LIMITS_DIGEST] = { (uint8_t)(n % 7) };

	if (come(r->limits, &narrow, n % NETWORKS, &v) != PB_LIMITS_WELCOME)
		return;
	atomic_fetch_add(&r->came, 1);
	if (atomic_fetch_add(&r->inside, 1) >= narrow.connections)
		atomic_fetch_add(&r->wrong, 1);
	if (n % 2 == 0)
		pb_limits_authenticated(r->limits, &v);
	if (pb_limits_failed(r->limits, &v.network, OCTETS("max"), n * S) >
	    PB_LIMITS_DELAY_MAX_MS)
		atomic_fetch_add(&r->wrong, 1);
	pb_limits_remember(r->limits, d, n);
	if (!pb_limits_is_refused(r->limits, d, n) && n < 60)
		atomic_fetch_add(&r->wrong, 1);
	(void)pb_limits_say(r->limits, PB_LIMITS_SAY_REFUSED, n);
	atomic_fetch_sub(&r->inside, 1);
	pb_limits_leave(r->limits, &v);
}

static void *
rush(void *arg)
{
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		visit_once(arg, i);
	return NULL;
}

static void
threads_never_exceed_a_limit_together(void **state)
{
	struct rush r = { .limits = *state };
	pthread_t threads[THREADS];
	size_t i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, rush, &r),
		    0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(r.wrong, 0);
	/* How many got in is the scheduler's; that some did is ours. */
	assert_true(r.came > 0);
	assert_counts(*state, 0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_more_connections_than_allowed_come_in),
		TEST(a_crowded_address_is_refused_and_others_come_in),
		TEST(a_login_makes_room_for_who_has_not_logged_in),
		TEST(who_leaves_leaves_nothing_behind),
		TEST(limits_that_a_reload_lowers_hold_for_who_comes_next),
		TEST(ipv6_addresses_are_one_network_by_their_first_64_bits),
		TEST(ipv4_is_each_address_by_itself_and_the_same_in_ipv6),
		TEST(the_delay_grows_with_each_failure_up_to_its_maximum),
		TEST(the_delay_is_forgotten_after_ten_quiet_minutes),
		TEST(threads_whose_clocks_differ_a_little_do_no_harm),
		TEST(of_too_many_failures_the_longest_quiet_one_is_forgotten),
		TEST(a_refused_credential_is_known_for_a_minute),
		TEST(asking_again_does_not_make_it_known_for_longer),
		TEST(of_too_many_refused_credentials_the_oldest_is_forgotten),
		TEST(the_hash_sees_upstream_user_and_password),
		TEST(what_happens_often_is_said_now_and_then_with_its_number),
		TEST(each_verdict_names_its_option),
		TEST(without_memory_nobody_comes_in_and_the_tables_stay_whole),
		TEST(threads_never_exceed_a_limit_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
