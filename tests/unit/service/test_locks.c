#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/locks.h"

#define KEY OCTETS("imaps://h:993\0max\0INBOX")

static int
start(void **state)
{
	struct pb_locks *locks = pb_locks_new(8);

	*state = locks;
	return locks != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	struct pb_locks *locks = *state;

	pb_locks_free(&locks);
	return locks == NULL ? 0 : -1;
}

static struct pb_lock_holder
holder(uint64_t id)
{
	struct pb_lock_holder h = { .id = id, .since_ms = id * 1000 };

	snprintf(h.address, sizeof(h.address), "192.0.2.%u", (unsigned)id);
	return h;
}

static enum pb_lock_result
ask(struct pb_locks *locks, struct pb_slice key, enum pb_lock_mode mode,
    uint64_t id, struct pb_lock_holder *other)
{
	struct pb_lock_holder h = holder(id);
	struct pbt_guarded g;
	enum pb_lock_result result;

	memset(other, 0x5a, sizeof(*other));
	pbt_guard(&g, key);
	result = pb_locks_acquire(locks, g.octets, mode, &h, other);
	pbt_unguard(&g);
	return result;
}

static void
assert_other(const struct pb_lock_holder *other, uint64_t id)
{
	struct pb_lock_holder want = holder(id);

	assert_int_equal(other->id, want.id);
	assert_int_equal(other->since_ms, want.since_ms);
	assert_string_equal(other->address, want.address);
}

static void
assert_untouched(const struct pb_lock_holder *other)
{
	struct pb_lock_holder before;

	memset(&before, 0x5a, sizeof(before));
	assert_memory_equal(other, &before, sizeof(before));
}

static void
without_a_lock_any_number_of_sessions_is_granted(void **state)
{
	struct pb_lock_holder other;
	uint64_t id;

	for (id = 1; id < 100; id++) {
		assert_int_equal(ask(*state, KEY, PB_LOCK_NONE, id, &other),
		    PB_LOCK_GRANTED);
		assert_untouched(&other);
	}
	assert_int_equal(pb_locks_count(*state), 0);
	pb_locks_release(*state, KEY, 1);
	assert_int_equal(pb_locks_count(*state), 0);
}

static void
the_first_session_keeps_an_exclusive_maildrop(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_untouched(&other);
	assert_int_equal(pb_locks_count(*state), 1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 2, &other),
	    PB_LOCK_IN_USE);
	assert_other(&other, 1);
	assert_int_equal(pb_locks_count(*state), 1);
	pb_locks_release(*state, KEY, 2);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 3, &other),
	    PB_LOCK_IN_USE);
	assert_other(&other, 1);
	pb_locks_release(*state, KEY, 1);
	assert_int_equal(pb_locks_count(*state), 0);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 3, &other),
	    PB_LOCK_GRANTED);
	assert_untouched(&other);
}

static void
the_last_session_gets_the_maildrop_in_a_takeover(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 1, &other),
	    PB_LOCK_GRANTED);
	assert_untouched(&other);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 2, &other),
	    PB_LOCK_TAKEN_OVER);
	assert_other(&other, 1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 3, &other),
	    PB_LOCK_TAKEN_OVER);
	assert_other(&other, 2);
	assert_int_equal(pb_locks_count(*state), 1);
}

static void
an_evicted_session_releases_without_harm(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 1, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 2, &other),
	    PB_LOCK_TAKEN_OVER);
	pb_locks_release(*state, KEY, 1);
	pb_locks_release(*state, KEY, 1);
	assert_int_equal(pb_locks_count(*state), 1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 3, &other),
	    PB_LOCK_IN_USE);
	assert_other(&other, 2);
	pb_locks_release(*state, KEY, 2);
	assert_int_equal(pb_locks_count(*state), 0);
}

static void
a_holder_that_asks_again_is_granted_again(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_untouched(&other);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 1, &other),
	    PB_LOCK_GRANTED);
	assert_untouched(&other);
	assert_int_equal(pb_locks_count(*state), 1);
	pb_locks_release(*state, KEY, 1);
	assert_int_equal(pb_locks_count(*state), 0);
}

static void
the_mode_of_a_reload_meets_the_holders_from_before(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 2, &other),
	    PB_LOCK_TAKEN_OVER);
	assert_other(&other, 1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_NONE, 3, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 4, &other),
	    PB_LOCK_IN_USE);
	assert_other(&other, 2);
}

static void
keys_differ_in_every_octet_and_in_length(void **state)
{
	const struct pb_slice keys[] = { OCTETS("h\0max\0INBOX"),
		OCTETS("h\0max\0inbox"), OCTETS("h\0ma\0INBOX"),
		OCTETS("h\0max\0INBO"), OCTETS("h\0max"), OCTETS("h"),
		OCTETS("\0"), OCTETS("\0\0") };
	struct pb_lock_holder other;
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		ROW(keys, i);
		assert_int_equal(ask(*state, keys[i], PB_LOCK_EXCLUSIVE,
		    i + 1, &other), PB_LOCK_GRANTED);
	}
	assert_int_equal(pb_locks_count(*state), COUNT(keys));
	for (i = 0; i < COUNT(keys); i++) {
		assert_int_equal(ask(*state, keys[i], PB_LOCK_EXCLUSIVE, 99,
		    &other), PB_LOCK_IN_USE);
		assert_other(&other, i + 1);
	}
	for (i = 0; i < COUNT(keys); i++)
		pb_locks_release(*state, keys[i], i + 1);
	assert_int_equal(pb_locks_count(*state), 0);
}

static void
a_full_table_takes_no_more_and_serves_whom_it_has(void **state)
{
	struct pb_lock_holder other;
	char name;

	for (name = 'a'; name < 'a' + 8; name++)
		assert_int_equal(ask(*state, pb_slice(&name, 1),
		    PB_LOCK_EXCLUSIVE, (uint64_t)name, &other),
		    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_FULL);
	assert_untouched(&other);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 1, &other),
	    PB_LOCK_FULL);
	assert_int_equal(ask(*state, KEY, PB_LOCK_NONE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, OCTETS("a"), PB_LOCK_TAKEOVER, 1,
	    &other), PB_LOCK_TAKEN_OVER);
	assert_int_equal(pb_locks_count(*state), 8);
	pb_locks_release(*state, OCTETS("a"), 1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
}

static void
the_longest_key_is_held_and_a_longer_one_refused(void **state)
{
	static char key[PB_LOCK_KEY_MAX + 1];
	struct pb_lock_holder other;

	memset(key, 'k', sizeof(key));
	assert_int_equal(ask(*state, pb_slice(key, PB_LOCK_KEY_MAX),
	    PB_LOCK_EXCLUSIVE, 1, &other), PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, pb_slice(key, PB_LOCK_KEY_MAX),
	    PB_LOCK_EXCLUSIVE, 2, &other), PB_LOCK_IN_USE);
	assert_int_equal(ask(*state, pb_slice(key, sizeof(key)),
	    PB_LOCK_EXCLUSIVE, 3, &other), PB_LOCK_FULL);
	pb_locks_release(*state, pb_slice(key, sizeof(key)), 3);
	assert_int_equal(pb_locks_count(*state), 1);
}

static void
without_memory_the_table_is_full_and_stays_whole(void **state)
{
	struct pb_lock_holder other;
	enum pb_lock_result result = PB_LOCK_FULL;
	struct pb_locks *none;
	unsigned long n;

	for (n = 1; result == PB_LOCK_FULL; n++) {
		struct pb_lock_holder h = holder(1);

		assert_in_range(n, 1, 20);
		memset(&other, 0x5a, sizeof(other));
		pb_mem_fail_from(n);
		result = pb_locks_acquire(*state, KEY, PB_LOCK_EXCLUSIVE, &h,
		    &other);
		pb_mem_fail_from(0);
		assert_untouched(&other);
		assert_int_equal(pb_locks_count(*state),
		    result == PB_LOCK_FULL ? 0 : 1);
	}
	assert_int_equal(result, PB_LOCK_GRANTED);
	assert_true(n > 2);
	pb_mem_fail_from(1);
	assert_int_equal(ask(*state, KEY, PB_LOCK_TAKEOVER, 2, &other),
	    PB_LOCK_TAKEN_OVER);
	none = pb_locks_new(1);
	pb_mem_fail_from(0);
	assert_null(none);
	pb_locks_free(&none);
}

static void
many_maildrops_come_and_go_in_any_order(void **state)
{
	enum { KEYS = 3000 };
	struct pb_locks *locks = pb_locks_new(KEYS);
	static uint64_t owner[KEYS];
	struct pbt_random r;
	size_t held = 0;
	uint64_t id;

	(void)state;
	assert_non_null(locks);
	pbt_random_init(&r);
	for (id = 1; id < 100000; id++) {
		uint32_t key = (uint32_t)pbt_random_below(&r, KEYS);
		struct pb_slice k = pb_slice((const char *)&key, sizeof(key));
		struct pb_lock_holder h = { .id = id };
		struct pb_lock_holder other = { .id = 0 };
		enum pb_lock_result result;

		if (id % 3 == 0) {
			pb_locks_release(locks, k, owner[key]);
			held -= owner[key] != 0;
			owner[key] = 0;
			continue;
		}
		result = pb_locks_acquire(locks, k, PB_LOCK_TAKEOVER, &h,
		    &other);
		assert_int_equal(result, owner[key] != 0 ? PB_LOCK_TAKEN_OVER
							 : PB_LOCK_GRANTED);
		assert_int_equal(other.id, owner[key]);
		held += owner[key] == 0;
		owner[key] = id;
		assert_int_equal(pb_locks_count(locks), held);
	}
	pb_locks_free(&locks);
}

/* Threads that want the same few maildrops. */

#define THREADS 4
#define ROUNDS 20000
#define MAILDROPS 3

struct crowd {
	struct pb_locks *locks;
	enum pb_lock_mode mode;
	atomic_uint_fast64_t last_id;
	atomic_uint inside[MAILDROPS];	/* exclusive: at most one */
	atomic_uint granted;
	atomic_uint taken_over;
	atomic_uint refused;
	atomic_uint wrong;
};

static void
visit(struct crowd *c, unsigned n)
{
	const char name = (char)('a' + n % MAILDROPS);
	struct pb_lock_holder h = { .id = atomic_fetch_add(&c->last_id, 1) };
	struct pb_lock_holder other = { .id = 0 };
	enum pb_lock_result result;

	memset(h.address, (int)('A' + h.id % 26), sizeof(h.address) - 1);
	result = pb_locks_acquire(c->locks, pb_slice(&name, 1), c->mode, &h,
	    &other);
	if (result == PB_LOCK_GRANTED)
		atomic_fetch_add(&c->granted, 1);
	else if (result == PB_LOCK_TAKEN_OVER)
		atomic_fetch_add(&c->taken_over, 1);
	else
		atomic_fetch_add(&c->refused, 1);
	/* A holder is seen whole or not at all. */
	if (result != PB_LOCK_GRANTED && (other.id == h.id ||
	    other.address[0] != (char)('A' + other.id % 26) ||
	    other.address[62] != other.address[0]))
		atomic_fetch_add(&c->wrong, 1);
	if (result == PB_LOCK_IN_USE)
		return;
	if (c->mode == PB_LOCK_EXCLUSIVE) {
		if (atomic_fetch_add(&c->inside[n % MAILDROPS], 1) != 0)
			atomic_fetch_add(&c->wrong, 1);
		atomic_fetch_sub(&c->inside[n % MAILDROPS], 1);
	}
	pb_locks_release(c->locks, pb_slice(&name, 1), h.id);
}

static void *
hammer(void *arg)
{
	struct crowd *c = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		visit(c, i);
		if (pb_locks_count(c->locks) > MAILDROPS)
			atomic_fetch_add(&c->wrong, 1);
	}
	return NULL;
}

static void
let_threads_hammer(struct crowd *c)
{
	pthread_t threads[THREADS];
	size_t i;

	atomic_init(&c->last_id, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, c),
		    0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(c->wrong, 0);
	assert_int_equal(c->granted + c->taken_over + c->refused,
	    THREADS * ROUNDS);
	assert_int_equal(pb_locks_count(c->locks), 0);
}

static void
an_exclusive_maildrop_has_one_holder_among_threads(void **state)
{
	struct crowd c = { .locks = *state, .mode = PB_LOCK_EXCLUSIVE };

	let_threads_hammer(&c);
	assert_int_equal(c.taken_over, 0);
	assert_true(c.granted >= 1);
}

static void
a_takeover_among_threads_loses_no_maildrop(void **state)
{
	struct crowd c = { .locks = *state, .mode = PB_LOCK_TAKEOVER };

	let_threads_hammer(&c);
	assert_int_equal(c.refused, 0);
	assert_true(c.granted >= 1);
}

static void
locks_that_are_still_held_go_with_the_table(void **state)
{
	struct pb_lock_holder other;

	assert_int_equal(ask(*state, KEY, PB_LOCK_EXCLUSIVE, 1, &other),
	    PB_LOCK_GRANTED);
	assert_int_equal(ask(*state, OCTETS("other"), PB_LOCK_EXCLUSIVE, 1,
	    &other), PB_LOCK_GRANTED);
	assert_int_equal(pb_locks_count(*state), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_lock_any_number_of_sessions_is_granted),
		TEST(the_first_session_keeps_an_exclusive_maildrop),
		TEST(the_last_session_gets_the_maildrop_in_a_takeover),
		TEST(an_evicted_session_releases_without_harm),
		TEST(a_holder_that_asks_again_is_granted_again),
		TEST(the_mode_of_a_reload_meets_the_holders_from_before),
		TEST(keys_differ_in_every_octet_and_in_length),
		TEST(a_full_table_takes_no_more_and_serves_whom_it_has),
		TEST(the_longest_key_is_held_and_a_longer_one_refused),
		TEST(without_memory_the_table_is_full_and_stays_whole),
		TEST(many_maildrops_come_and_go_in_any_order),
		TEST(an_exclusive_maildrop_has_one_holder_among_threads),
		TEST(a_takeover_among_threads_loses_no_maildrop),
		TEST(locks_that_are_still_held_go_with_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
