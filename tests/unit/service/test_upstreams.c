#include "support/test.h"

#include <pthread.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/upstreams.h"

#define T0 UINT64_C(1000000)

static struct pb_upstreams_key
account(unsigned n)
{
	struct pb_upstreams_key key = { { 0 } };

	memcpy(key.octets, &n, sizeof(n));
	return key;
}

static struct pb_upstreams *
start(void)
{
	struct pb_upstreams *u = pb_upstreams_new();

	assert_non_null(u);
	return u;
}

static void
must_count(struct pb_upstreams *u, size_t accounts, size_t connections,
    size_t waiting)
{
	struct pb_upstreams_counts counts = pb_upstreams_counts(u);

	assert_int_equal(counts.accounts, accounts);
	assert_int_equal(counts.connections, connections);
	assert_int_equal(counts.waiting, waiting);
}

static enum pb_upstreams_turn
try(struct pb_upstreams *u, struct pb_upstreams_visit *visit, unsigned n,
    size_t max, uint64_t now)
{
	struct pb_upstreams_key key = account(n);
	uint64_t until = 0;
	enum pb_upstreams_turn turn = pb_upstreams_enter(u, visit, &key, max,
	    now, &until);

	assert_int_equal(turn == PB_UPSTREAMS_LATER, until > now);
	return turn;
}

static void
an_account_has_no_more_connections_than_it_may(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit visit[4] = { { .counted = false } };

	(void)state;
	assert_int_equal(try(u, &visit[0], 1, 2, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[1], 1, 2, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[2], 1, 2, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(try(u, &visit[3], 2, 2, T0), PB_UPSTREAMS_GO);
	must_count(u, 2, 3, 1);
	pb_upstreams_leave(u, &visit[0], T0);
	assert_int_equal(try(u, &visit[2], 1, 2, T0), PB_UPSTREAMS_GO);
	must_count(u, 2, 3, 0);
	pb_upstreams_leave(u, &visit[1], T0);
	pb_upstreams_leave(u, &visit[2], T0);
	pb_upstreams_leave(u, &visit[2], T0);
	pb_upstreams_leave(u, &visit[3], T0);
	must_count(u, 0, 0, 0);
	pb_upstreams_free(&u);
	assert_null(u);
}

static void
who_came_first_goes_first(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit holder = { .counted = false };
	struct pb_upstreams_visit visit[3] = { { .counted = false } };
	struct pb_upstreams_key key = account(1);
	uint64_t until;

	(void)state;
	assert_int_equal(try(u, &holder, 1, 1, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[0], 1, 1, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_FULL);
	pb_upstreams_leave(u, &holder, T0);
	/* A place is free, and it is not for the second, nor for a third. */
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(try(u, &visit[2], 1, 1, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(pb_upstreams_look(u, &visit[1], &key, T0, &until),
	    PB_UPSTREAMS_FULL);
	assert_int_equal(pb_upstreams_look(u, &visit[0], &key, T0, &until),
	    PB_UPSTREAMS_GO);
	/* Two places are free: the first two may go in any order. */
	assert_int_equal(try(u, &visit[1], 1, 2, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[2], 1, 2, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(try(u, &visit[0], 1, 2, T0), PB_UPSTREAMS_GO);
	pb_upstreams_leave(u, &visit[0], T0);
	pb_upstreams_leave(u, &visit[1], T0);
	pb_upstreams_leave(u, &visit[2], T0);
	must_count(u, 0, 0, 0);
	pb_upstreams_free(&u);
}

static void
who_gives_up_is_not_waited_for(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit holder = { .counted = false };
	struct pb_upstreams_visit visit[2] = { { .counted = false } };

	(void)state;
	assert_int_equal(try(u, &holder, 1, 1, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[0], 1, 1, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_FULL);
	pb_upstreams_leave(u, &visit[0], T0);
	pb_upstreams_leave(u, &holder, T0);
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_GO);
	pb_upstreams_leave(u, &visit[1], T0);
	must_count(u, 0, 0, 0);
	pb_upstreams_free(&u);
}

static void
a_count_can_change_hands(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit first = { .counted = false };
	struct pb_upstreams_visit kept;

	(void)state;
	assert_int_equal(try(u, &first, 1, 1, T0), PB_UPSTREAMS_GO);
	kept = first;
	first = (struct pb_upstreams_visit){ .counted = false };
	pb_upstreams_leave(u, &first, T0);
	must_count(u, 1, 1, 0);
	pb_upstreams_leave(u, &kept, T0);
	must_count(u, 0, 0, 0);
	pb_upstreams_free(&u);
}

static void
an_account_that_asked_for_less_is_left_alone_longer_each_time(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit visit = { .counted = false };
	struct pb_upstreams_key key = account(1);
	uint64_t expected = PB_UPSTREAMS_DELAY_MS;
	uint64_t now = T0;
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++) {
		assert_int_equal(pb_upstreams_throttled(u, &key, now),
		    expected);
		/* Sessions under way hear the same. */
		assert_int_equal(pb_upstreams_throttled(u, &key, now + 1), 0);
		assert_int_equal(try(u, &visit, 1, 5, now + expected - 1),
		    PB_UPSTREAMS_LATER);
		assert_int_equal(try(u, &visit, 2, 5, now), PB_UPSTREAMS_GO);
		pb_upstreams_leave(u, &visit, now);
		now += expected;
		assert_int_equal(try(u, &visit, 1, 5, now), PB_UPSTREAMS_GO);
		pb_upstreams_leave(u, &visit, now);
		expected = expected * 2 < PB_UPSTREAMS_DELAY_MAX_MS
		    ? expected * 2 : PB_UPSTREAMS_DELAY_MAX_MS;
	}
	must_count(u, 1, 0, 0);
	now += PB_UPSTREAMS_FORGET_MS;
	assert_int_equal(pb_upstreams_throttled(u, &key, now),
	    PB_UPSTREAMS_DELAY_MS);
	pb_upstreams_free(&u);
}

static void
who_waits_hears_that_the_account_is_left_alone(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit visit[2] = { { .counted = false } };
	struct pb_upstreams_key key = account(1);
	uint64_t until = 0;

	(void)state;
	assert_int_equal(try(u, &visit[0], 1, 1, T0), PB_UPSTREAMS_GO);
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_FULL);
	assert_int_equal(pb_upstreams_throttled(u, &key, T0),
	    PB_UPSTREAMS_DELAY_MS);
	assert_int_equal(pb_upstreams_look(u, &visit[1], &key, T0, &until),
	    PB_UPSTREAMS_LATER);
	assert_int_equal(until, T0 + PB_UPSTREAMS_DELAY_MS);
	assert_int_equal(try(u, &visit[1], 1, 1, T0), PB_UPSTREAMS_LATER);
	must_count(u, 1, 1, 0);
	pb_upstreams_leave(u, &visit[0], T0);
	pb_upstreams_free(&u);
}

static void
a_session_that_was_served_since_makes_the_next_delay_short(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_key key = account(1);

	(void)state;
	assert_int_equal(pb_upstreams_throttled(u, &key, T0), 1000);
	assert_int_equal(pb_upstreams_throttled(u, &key, T0 + 1000), 2000);
	/* It began before: it proves nothing. */
	pb_upstreams_well(u, &key, T0 + 500);
	assert_int_equal(pb_upstreams_throttled(u, &key, T0 + 3000), 4000);
	pb_upstreams_well(u, &key, T0 + 7500);
	must_count(u, 0, 0, 0);
	assert_int_equal(pb_upstreams_throttled(u, &key, T0 + 8000), 1000);
	pb_upstreams_free(&u);
}

static void
delays_of_many_accounts_are_bounded(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_key key;
	unsigned i;

	(void)state;
	for (i = 0; i < PB_UPSTREAMS_RESTING_MAX + 100; i++) {
		key = account(i);
		assert_int_equal(pb_upstreams_throttled(u, &key, T0 + i),
		    PB_UPSTREAMS_DELAY_MS);
	}
	must_count(u, PB_UPSTREAMS_RESTING_MAX, 0, 0);
	/* All are forgotten when their time is over, and one comes. */
	key = account(0);
	assert_int_equal(pb_upstreams_throttled(u, &key, T0 + i + 1000 +
	    PB_UPSTREAMS_FORGET_MS), PB_UPSTREAMS_DELAY_MS);
	must_count(u, 1, 0, 0);
	pb_upstreams_free(&u);
}

static void
without_memory_nobody_enters_and_nothing_is_counted(void **state)
{
	struct pb_upstreams *u = start();
	struct pb_upstreams_visit visit = { .counted = false };
	struct pb_upstreams_key key = account(1);
	unsigned long n;

	(void)state;
	for (n = 1; n < 4; n++) {
		enum pb_upstreams_turn turn;

		pb_mem_fail_from(n);
		turn = try(u, &visit, 1, 1, T0);
		pb_mem_fail_from(0);
		if (turn == PB_UPSTREAMS_GO)
			break;
		assert_int_equal(turn, PB_UPSTREAMS_NO_MEMORY);
		must_count(u, 0, 0, 0);
		pb_mem_fail_from(n);
		assert_int_equal(pb_upstreams_throttled(u, &key, T0), 0);
		pb_mem_fail_from(0);
	}
	assert_true(n > 1);
	pb_upstreams_leave(u, &visit, T0);
	must_count(u, 0, 0, 0);
	pb_upstreams_free(&u);
}

#define THREADS 8
#define ROUNDS 3000

struct crowd {
	struct pb_upstreams *upstreams;
	_Atomic unsigned inside;
	_Atomic unsigned served;
};

static void *
come_and_go(void *arg)
{
	struct crowd *c = arg;
	struct pb_upstreams_visit visit = { .counted = false };
	struct pb_upstreams_key key = account(1);
	uint64_t until;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		if (pb_upstreams_enter(c->upstreams, &visit, &key, 3, T0,
		    &until) != PB_UPSTREAMS_GO) {
			if (i % 5 == 0)
				pb_upstreams_leave(c->upstreams, &visit, T0);
			continue;
		}
		c->served++;
		if (++c->inside > 3)
			return arg;
		c->inside--;
		pb_upstreams_leave(c->upstreams, &visit, T0);
		pb_upstreams_well(c->upstreams, &key, T0);
	}
	pb_upstreams_leave(c->upstreams, &visit, T0);
	return NULL;
}

static void
threads_never_are_more_than_may_be(void **state)
{
	struct crowd c = { .upstreams = start() };
	pthread_t threads[THREADS];
	void *failed;
	unsigned i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    come_and_go, &c), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(c.served > 0);
	must_count(c.upstreams, 0, 0, 0);
	pb_upstreams_free(&c.upstreams);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_has_no_more_connections_than_it_may),
		cmocka_unit_test(who_came_first_goes_first),
		cmocka_unit_test(who_gives_up_is_not_waited_for),
		cmocka_unit_test(a_count_can_change_hands),
		cmocka_unit_test(an_account_that_asked_for_less_is_left_alone_longer_each_time),
		cmocka_unit_test(who_waits_hears_that_the_account_is_left_alone),
		cmocka_unit_test(a_session_that_was_served_since_makes_the_next_delay_short),
		cmocka_unit_test(delays_of_many_accounts_are_bounded),
		cmocka_unit_test(without_memory_nobody_enters_and_nothing_is_counted),
		cmocka_unit_test(threads_never_are_more_than_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
