#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "service/limits_fixture.h"

static const struct pb_limits_max roomy = { .connections = 1000,
	.per_network = 1000, .unauthenticated = 1000 };

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

static enum pb_limits_verdict
move(struct pb_limits *l, const struct pb_limits_max *max, uint32_t to,
    struct pb_limits_visit *visit)
{
	struct pb_limits_network n = ipv4(to);

	return pb_limits_move(l, max, visit, &n);
}

/* What a trusted proxy's connection is let in with. */
static const struct pb_limits_max trusted = { .connections = 1000,
	.per_network = SIZE_MAX, .unauthenticated = 1000 };

static void
any_number_comes_from_a_trusted_proxy(void **state)
{
	const struct pb_limits_max max = { 1000, 2, 1000 };
	struct pb_limits_visit v[4];
	size_t i;

	for (i = 0; i < COUNT(v); i++)
		assert_int_equal(come(*state, &trusted, 1, &v[i]),
		    PB_LIMITS_WELCOME);
	assert_int_equal(move(*state, &max, 7, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(move(*state, &max, 7, &v[1]), PB_LIMITS_WELCOME);
	assert_counts(*state, 4, 4, 2);
	assert_int_equal(move(*state, &max, 7, &v[2]),
	    PB_LIMITS_TOO_MANY_OF_NETWORK);
	assert_int_equal(move(*state, &max, 8, &v[3]), PB_LIMITS_WELCOME);
	assert_counts(*state, 4, 4, 3);
	pb_limits_leave(*state, &v[2]);
	assert_counts(*state, 3, 3, 2);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(move(*state, &max, 7, &v[3]), PB_LIMITS_WELCOME);
	pb_limits_leave(*state, &v[3]);
	pb_limits_leave(*state, &v[0]);
	assert_counts(*state, 0, 0, 0);
}

static void
who_moves_to_where_he_is_is_counted_once(void **state)
{
	const struct pb_limits_max one = { 1000, 1, 1000 };
	struct pb_limits_visit v[2];

	assert_int_equal(come(*state, &trusted, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_int_equal(move(*state, &one, 1, &v[0]), PB_LIMITS_WELCOME);
	assert_counts(*state, 1, 1, 1);
	assert_int_equal(come(*state, &trusted, 1, &v[1]), PB_LIMITS_WELCOME);
	assert_int_equal(move(*state, &one, 1, &v[1]),
	    PB_LIMITS_TOO_MANY_OF_NETWORK);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(come(*state, &one, 1, &v[1]),
	    PB_LIMITS_TOO_MANY_OF_NETWORK);
	pb_limits_leave(*state, &v[0]);
	assert_counts(*state, 0, 0, 0);
}

static enum pb_limits_verdict
login(struct pb_limits *l, struct pb_limits_visit *visit, const char *user,
    size_t max)
{
	return pb_limits_login(l, visit, pb_slice_str(user), max);
}

static void
come_all(struct pb_limits *l, struct pb_limits_visit *visits, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		assert_int_equal(come(l, &roomy, (uint32_t)i, &visits[i]),
		    PB_LIMITS_WELCOME);
}

static void
a_user_has_no_more_sessions_than_allowed_from_wherever(void **state)
{
	struct pb_limits_visit v[4];

	come_all(*state, v, COUNT(v));
	assert_int_equal(login(*state, &v[0], "max", 2), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[1], "max", 2), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[2], "max", 2),
	    PB_LIMITS_TOO_MANY_OF_USER);
	assert_false(v[2].of_user);
	assert_int_equal(login(*state, &v[2], "eva", 2), PB_LIMITS_WELCOME);
	assert_int_equal(pb_limits_counts(*state).users, 2);
	pb_limits_logout(*state, &v[0]);
	pb_limits_logout(*state, &v[0]);
	assert_int_equal(login(*state, &v[3], "max", 2), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[0], "max", 2),
	    PB_LIMITS_TOO_MANY_OF_USER);
	pb_limits_leave(*state, &v[1]);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(login(*state, &v[0], "max", 2), PB_LIMITS_WELCOME);
	pb_limits_leave(*state, &v[0]);
	pb_limits_leave(*state, &v[2]);
	pb_limits_leave(*state, &v[3]);
	assert_int_equal(pb_limits_counts(*state).users, 0);
}

static void
a_second_login_of_a_visit_replaces_the_first(void **state)
{
	struct pb_limits_visit v[2];

	come_all(*state, v, COUNT(v));
	assert_int_equal(login(*state, &v[0], "max", 1), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[0], "max", 1), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[0], "eva", 1), PB_LIMITS_WELCOME);
	assert_int_equal(pb_limits_counts(*state).users, 1);
	assert_int_equal(login(*state, &v[1], "max", 1), PB_LIMITS_WELCOME);
	/* He is refused as max, and not eva any more either. */
	assert_int_equal(login(*state, &v[0], "max", 1),
	    PB_LIMITS_TOO_MANY_OF_USER);
	assert_int_equal(pb_limits_counts(*state).users, 1);
	pb_limits_leave(*state, &v[0]);
	pb_limits_leave(*state, &v[1]);
	assert_int_equal(pb_limits_counts(*state).users, 0);
}

static void
a_user_without_a_limit_is_counted_for_when_there_is_one(void **state)
{
	struct pb_limits_visit v[4];

	come_all(*state, v, COUNT(v));
	assert_int_equal(login(*state, &v[0], "max", 0), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[1], "max", 0), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[2], "max", 0), PB_LIMITS_WELCOME);
	assert_int_equal(login(*state, &v[3], "max", 3),
	    PB_LIMITS_TOO_MANY_OF_USER);
	assert_int_equal(login(*state, &v[3], "max", 4), PB_LIMITS_WELCOME);
}

static void
who_cannot_be_known_is_no_users(void **state)
{
	struct pb_limits_hash broken = { digest, &broken };
	struct pb_limits *l = pb_limits_new(&broken);
	struct pb_limits_visit v;

	(void)state;
	assert_non_null(l);
	assert_int_equal(come(l, &roomy, 1, &v), PB_LIMITS_WELCOME);
	assert_int_equal(login(l, &v, "max", 0), PB_LIMITS_NO_MEMORY);
	assert_false(v.of_user);
	pb_limits_leave(l, &v);
	pb_limits_free(&l);
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
	assert_string_equal(pb_limits_verdict_name(
	    PB_LIMITS_TOO_MANY_OF_USER), "max-connections-per-user");
}

static void
without_memory_nobody_comes_in_and_the_tables_stay_whole(void **state)
{
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
	pb_mem_fail_from(1);
	none = pb_limits_new(&visible);
	pb_mem_fail_from(0);
	assert_null(none);
	pb_limits_free(&none);
	pb_limits_leave(*state, &v);
	assert_counts(*state, 0, 0, 0);
}

static void
without_memory_a_visit_stays_where_and_whose_it_was(void **state)
{
	struct pb_limits_visit v;
	enum pb_limits_verdict verdict = PB_LIMITS_NO_MEMORY;
	unsigned long n;

	assert_int_equal(come(*state, &roomy, 1, &v), PB_LIMITS_WELCOME);
	pb_mem_fail_from(1);
	assert_int_equal(move(*state, &roomy, 2, &v), PB_LIMITS_NO_MEMORY);
	pb_mem_fail_from(0);
	assert_counts(*state, 1, 1, 1);
	for (n = 1; verdict == PB_LIMITS_NO_MEMORY; n++) {
		assert_in_range(n, 1, 20);
		assert_false(v.of_user);
		assert_int_equal(pb_limits_counts(*state).users, 0);
		pb_mem_fail_from(n);
		verdict = login(*state, &v, "max", 1);
		pb_mem_fail_from(0);
	}
	assert_int_equal(verdict, PB_LIMITS_WELCOME);
	assert_true(n > 3);
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
	atomic_uint max;
	atomic_uint eva;
};

static const struct pb_limits_max narrow = { 3, 2, 2 };

static void
be_alone(struct rush *r, atomic_uint *sessions, struct pb_limits_visit *v)
{
	if (atomic_fetch_add(sessions, 1) > 0)
		atomic_fetch_add(&r->wrong, 1);
	atomic_fetch_sub(sessions, 1);
	pb_limits_logout(r->limits, v);
}

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
	if (move(r->limits, &narrow, (n + 1) % NETWORKS, &v) ==
	    PB_LIMITS_NO_MEMORY)
		atomic_fetch_add(&r->wrong, 1);
	if (login(r->limits, &v, n % 3 == 0 ? "max" : "eva", 1) ==
	    PB_LIMITS_WELCOME)
		be_alone(r, n % 3 == 0 ? &r->max : &r->eva, &v);
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
	assert_int_equal(pb_limits_counts(*state).users, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_more_connections_than_allowed_come_in),
		TEST(a_crowded_address_is_refused_and_others_come_in),
		TEST(a_login_makes_room_for_who_has_not_logged_in),
		TEST(who_leaves_leaves_nothing_behind),
		TEST(limits_that_a_reload_lowers_hold_for_who_comes_next),
		TEST(any_number_comes_from_a_trusted_proxy),
		TEST(who_moves_to_where_he_is_is_counted_once),
		TEST(a_user_has_no_more_sessions_than_allowed_from_wherever),
		TEST(a_second_login_of_a_visit_replaces_the_first),
		TEST(a_user_without_a_limit_is_counted_for_when_there_is_one),
		TEST(who_cannot_be_known_is_no_users),
		TEST(ipv6_addresses_are_one_network_by_their_first_64_bits),
		TEST(ipv4_is_each_address_by_itself_and_the_same_in_ipv6),
		TEST(what_happens_often_is_said_now_and_then_with_its_number),
		TEST(each_verdict_names_its_option),
		TEST(without_memory_nobody_comes_in_and_the_tables_stay_whole),
		TEST(without_memory_a_visit_stays_where_and_whose_it_was),
		TEST(threads_never_exceed_a_limit_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
