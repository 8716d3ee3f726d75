#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/listings.h"

#define KEY OCTETS("imaps://h:993\0max\0INBOX")
#define BUDGET 100000

static int
start(void **state)
{
	struct pb_listings *listings = pb_listings_new(BUDGET);

	*state = listings;
	return listings != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	struct pb_listings *listings = *state;

	pb_listings_free(&listings);
	return listings == NULL ? 0 : -1;
}

/* UIDs from 1 on; each message has as many octets as `size`. */
static struct pb_listing *
listing_of(uint32_t uidvalidity, uint32_t uidnext, uint32_t n, uint32_t size)
{
	struct pb_listing *l = pb_listing_new(n);
	uint32_t i;

	assert_non_null(l);
	l->uidvalidity = uidvalidity;
	l->uidnext = uidnext;
	for (i = 0; i < n; i++) {
		l->uids[i] = i + 1;
		l->sizes[i] = size;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

static void
put(struct pb_listings *listings, struct pb_slice key, uint32_t uidvalidity,
    uint32_t uidnext, uint32_t n)
{
	struct pb_listing *l = listing_of(uidvalidity, uidnext, n, 100);
	struct pbt_guarded g;

	pbt_guard(&g, key);
	pb_listings_put(listings, g.octets, l);
	pbt_unguard(&g);
	pb_listing_unref(&l);
}

static void
assert_knows(struct pb_listings *listings, struct pb_slice key,
    uint32_t uidvalidity, uint32_t uidnext, uint32_t n)
{
	struct pb_listing *l;
	struct pbt_guarded g;

	pbt_guard(&g, key);
	l = pb_listings_find(listings, g.octets);
	pbt_unguard(&g);
	assert_non_null(l);
	assert_int_equal(l->uidvalidity, uidvalidity);
	assert_int_equal(l->uidnext, uidnext);
	assert_int_equal(l->count, n);
	pb_listing_unref(&l);
}

static void
assert_unknown(struct pb_listings *listings, struct pb_slice key)
{
	assert_null(pb_listings_find(listings, key));
}

static size_t
octets_of(uint32_t n)
{
	struct pb_listing *l = listing_of(1, n + 1, n, 0);
	size_t octets = pb_listing_memory(l);

	pb_listing_unref(&l);
	return octets;
}

static void
what_was_put_is_found_and_nothing_else(void **state)
{
	assert_unknown(*state, KEY);
	put(*state, KEY, 7, 11, 10);
	assert_knows(*state, KEY, 7, 11, 10);
	assert_unknown(*state, OCTETS("imaps://h:993\0max\0inbox"));
	assert_unknown(*state, OCTETS("imaps://h:993\0max\0INBO"));
	assert_int_equal(pb_listings_stats(*state).entries, 1);
}

static void
a_reader_keeps_what_is_replaced_or_forgotten(void **state)
{
	struct pb_listing *first;
	struct pb_listing *second;

	put(*state, KEY, 7, 11, 10);
	first = pb_listings_find(*state, KEY);
	put(*state, KEY, 7, 12, 11);
	second = pb_listings_find(*state, KEY);
	pb_listings_forget(*state, KEY);
	pb_listings_forget(*state, KEY);
	assert_unknown(*state, KEY);
	assert_int_equal(first->count, 10);
	assert_int_equal(first->uids[9], 10);
	assert_int_equal(second->count, 11);
	assert_int_equal(first->refs, 1);
	assert_int_equal(second->refs, 1);
	assert_int_equal(pb_listings_stats(*state).octets, 0);
	pb_listing_unref(&first);
	pb_listing_unref(&second);
}

static void
an_older_view_does_not_replace_a_newer_one(void **state)
{
	put(*state, KEY, 7, 12, 11);
	put(*state, KEY, 7, 11, 10);
	assert_knows(*state, KEY, 7, 12, 11);
	/* Messages went, none came. */
	put(*state, KEY, 7, 12, 3);
	assert_knows(*state, KEY, 7, 12, 3);
	put(*state, KEY, 7, 13, 4);
	assert_knows(*state, KEY, 7, 13, 4);
}

static void
another_uidvalidity_replaces_whatever_was_there(void **state)
{
	put(*state, KEY, 7, 1000, 999);
	put(*state, KEY, 6, 2, 1);
	assert_knows(*state, KEY, 6, 2, 1);
}

static void
a_server_that_went_back_is_believed_after_forgetting(void **state)
{
	put(*state, KEY, 7, 1000, 999);
	pb_listings_forget(*state, KEY);
	put(*state, KEY, 7, 500, 499);
	assert_knows(*state, KEY, 7, 500, 499);
}

static void
without_uidnext_nothing_is_remembered(void **state)
{
	put(*state, KEY, 7, 0, 10);
	assert_unknown(*state, KEY);
	put(*state, KEY, 7, 11, 10);
	put(*state, KEY, 7, 0, 10);
	assert_unknown(*state, KEY);
	assert_int_equal(pb_listings_stats(*state).octets, 0);
}

static void
what_was_not_used_for_longest_goes_first(void **state)
{
	/* Three of them fit. */
	const uint32_t n = (BUDGET / 3 - 400) / 8;

	put(*state, OCTETS("a"), 1, n + 1, n);
	put(*state, OCTETS("b"), 1, n + 1, n);
	put(*state, OCTETS("c"), 1, n + 1, n);
	assert_int_equal(pb_listings_stats(*state).evictions, 0);
	assert_knows(*state, OCTETS("a"), 1, n + 1, n);
	put(*state, OCTETS("d"), 1, n + 1, n);
	assert_int_equal(pb_listings_stats(*state).evictions, 1);
	assert_unknown(*state, OCTETS("b"));
	/* To be put anew is to be used, too. */
	put(*state, OCTETS("c"), 1, n + 1, n);
	put(*state, OCTETS("e"), 1, n + 1, n);
	assert_unknown(*state, OCTETS("a"));
	assert_knows(*state, OCTETS("c"), 1, n + 1, n);
	assert_knows(*state, OCTETS("d"), 1, n + 1, n);
	assert_knows(*state, OCTETS("e"), 1, n + 1, n);
	assert_int_equal(pb_listings_stats(*state).evictions, 2);
	assert_int_equal(pb_listings_stats(*state).entries, 3);
}

static void
the_budget_is_never_exceeded(void **state)
{
	struct pbt_random r;
	unsigned i;

	pbt_random_init(&r);
	for (i = 0; i < 20000; i++) {
		uint32_t key = (uint32_t)pbt_random_below(&r, 300);
		uint32_t n = (uint32_t)pbt_random_below(&r, 2000);
		struct pb_slice k = pb_slice((const char *)&key, sizeof(key));
		struct pb_listings_stats stats;

		if (i % 7 == 0)
			pb_listings_forget(*state, k);
		else
			put(*state, k, i, n + 1, n);
		stats = pb_listings_stats(*state);
		assert_true(stats.octets <= BUDGET);
		assert_true((stats.octets == 0) == (stats.entries == 0));
	}
	assert_true(pb_listings_stats(*state).evictions > 1000);
	for (i = 0; i < 300; i++)
		pb_listings_forget(*state, pb_slice((const char *)&i,
		    sizeof(i)));
	assert_int_equal(pb_listings_stats(*state).octets, 0);
}

static void
one_over_half_of_the_budget_is_not_remembered(void **state)
{
	const uint32_t n = BUDGET / 2 / 8;

	put(*state, OCTETS("a"), 1, 11, 10);
	put(*state, KEY, 1, 11, 10);
	put(*state, KEY, 1, n + 1, n);
	/* Nor is what it was before, which would only be compared in vain. */
	assert_unknown(*state, KEY);
	assert_knows(*state, OCTETS("a"), 1, 11, 10);
	assert_int_equal(pb_listings_stats(*state).evictions, 0);
	put(*state, KEY, 1, n - 50, n - 60);
	assert_knows(*state, KEY, 1, n - 50, n - 60);
	assert_true(pb_listings_stats(*state).octets > octets_of(n - 60));
}

static void
a_budget_of_nothing_remembers_nothing(void **state)
{
	struct pb_listings *none = pb_listings_new(0);

	(void)state;
	assert_non_null(none);
	put(none, KEY, 1, 1, 0);
	assert_unknown(none, KEY);
	pb_listings_forget(none, KEY);
	pb_listings_free(&none);
	assert_null(none);
	pb_listings_free(&none);
}

static void
an_empty_mailbox_is_remembered_as_one(void **state)
{
	put(*state, KEY, 9, 1, 0);
	assert_knows(*state, KEY, 9, 1, 0);
}

static void
the_longest_key_is_remembered_and_a_longer_one_not(void **state)
{
	static char key[PB_LISTINGS_KEY_MAX + 1];

	memset(key, 'k', sizeof(key));
	put(*state, pb_slice(key, sizeof(key)), 1, 11, 10);
	assert_unknown(*state, pb_slice(key, sizeof(key)));
	pb_listings_forget(*state, pb_slice(key, sizeof(key)));
	put(*state, pb_slice(key, PB_LISTINGS_KEY_MAX), 1, 11, 10);
	assert_knows(*state, pb_slice(key, PB_LISTINGS_KEY_MAX), 1, 11, 10);
	assert_int_equal(pb_listings_stats(*state).misses, 1);
}

static void
hits_and_misses_are_counted(void **state)
{
	struct pb_listings_stats stats;

	assert_unknown(*state, KEY);
	put(*state, KEY, 1, 11, 10);
	assert_knows(*state, KEY, 1, 11, 10);
	assert_knows(*state, KEY, 1, 11, 10);
	stats = pb_listings_stats(*state);
	assert_int_equal(stats.hits, 2);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.entries, 1);
	assert_true(stats.octets > octets_of(10) + KEY.len);
	assert_true(stats.octets < octets_of(10) + KEY.len + 200);
}

static void
without_memory_nothing_is_remembered_and_all_stays_whole(void **state)
{
	struct pb_listing *l = listing_of(1, 11, 10, 100);
	struct pb_listings *none;
	unsigned long n;

	for (n = 1; pb_listings_stats(*state).entries == 0; n++) {
		assert_in_range(n, 1, 20);
		pb_mem_fail_from(n);
		pb_listings_put(*state, KEY, l);
		pb_mem_fail_from(0);
		assert_int_equal(l->refs,
		    pb_listings_stats(*state).entries == 0 ? 1 : 2);
	}
	assert_true(n > 3);
	/* What cannot be replaced is not what the mailbox is any more. */
	pb_mem_fail_from(1);
	pb_listings_put(*state, KEY, l);
	none = pb_listings_new(BUDGET);
	pb_mem_fail_from(0);
	assert_null(none);
	assert_unknown(*state, KEY);
	assert_int_equal(l->refs, 1);
	pb_listing_unref(&l);
}

/* Threads that share a few mailboxes, in a budget for some of them. */

#define THREADS 4
#define ROUNDS 20000
#define MAILBOXES 5

struct crowd {
	struct pb_listings *listings;
	atomic_uint found;
	atomic_uint wrong;
	atomic_uint next;
};

/* Each listing says in each of its sizes which one it is. */
static bool
is_whole(const struct pb_listing *l)
{
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		if (l->sizes[i] != l->uidvalidity)
			return false;
	}
	return l->octets == (uint64_t)l->count * l->uidvalidity;
}

static void
visit(struct crowd *c, unsigned i)
{
	const char name = (char)('a' + i % MAILBOXES);
	struct pb_slice key = pb_slice(&name, 1);
	struct pb_listing *l = pb_listings_find(c->listings, key);
	unsigned id = atomic_fetch_add(&c->next, 1);

	if (l != NULL) {
		atomic_fetch_add(&c->found, 1);
		if (!is_whole(l))
			atomic_fetch_add(&c->wrong, 1);
	}
	pb_listing_unref(&l);
	if (i % 11 == 0)
		pb_listings_forget(c->listings, key);
	if (i % 3 != 0)
		return;
	l = pb_listing_new(id % 200);
	l->uidvalidity = id;
	l->uidnext = 1000;
	for (i = 0; i < l->count; i++) {
		l->uids[i] = i + 1;
		l->sizes[i] = id;
	}
	if (pb_listing_seal(l) != PB_OK)
		atomic_fetch_add(&c->wrong, 1);
	pb_listings_put(c->listings, key, l);
	pb_listing_unref(&l);
}

static void *
hammer(void *arg)
{
	struct crowd *c = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		visit(c, i);
		if (pb_listings_stats(c->listings).octets > 5000)
			atomic_fetch_add(&c->wrong, 1);
	}
	return NULL;
}

static void
threads_find_whole_listings_while_others_replace_them(void **state)
{
	struct crowd c = { .listings = pb_listings_new(5000) };
	pthread_t threads[THREADS];
	size_t i;

	(void)state;
	atomic_init(&c.next, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer,
		    &c), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(c.wrong, 0);
	assert_true(c.found > 0);
	assert_true(pb_listings_stats(c.listings).evictions > 0);
	pb_listings_free(&c.listings);
}

static void
all_is_forgotten_at_once_and_readers_keep_what_they_have(void **state)
{
	struct pb_listings *listings = *state;
	struct pb_listing *l;

	put(listings, KEY, 7, 11, 10);
	put(listings, OCTETS("another"), 8, 4, 3);
	l = pb_listings_find(listings, KEY);
	assert_non_null(l);
	pb_listings_clear(listings);
	assert_int_equal(pb_listings_stats(listings).entries, 0);
	assert_int_equal(pb_listings_stats(listings).octets, 0);
	assert_null(pb_listings_find(listings, KEY));
	assert_int_equal(l->count, 10);
	pb_listing_unref(&l);
	put(listings, KEY, 7, 11, 10);
	assert_knows(listings, KEY, 7, 11, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_found_and_nothing_else),
		TEST(a_reader_keeps_what_is_replaced_or_forgotten),
		TEST(an_older_view_does_not_replace_a_newer_one),
		TEST(another_uidvalidity_replaces_whatever_was_there),
		TEST(a_server_that_went_back_is_believed_after_forgetting),
		TEST(without_uidnext_nothing_is_remembered),
		TEST(what_was_not_used_for_longest_goes_first),
		TEST(the_budget_is_never_exceeded),
		TEST(one_over_half_of_the_budget_is_not_remembered),
		TEST(a_budget_of_nothing_remembers_nothing),
		TEST(an_empty_mailbox_is_remembered_as_one),
		TEST(the_longest_key_is_remembered_and_a_longer_one_not),
		TEST(hits_and_misses_are_counted),
		TEST(without_memory_nothing_is_remembered_and_all_stays_whole),
		TEST(all_is_forgotten_at_once_and_readers_keep_what_they_have),
		TEST(threads_find_whole_listings_while_others_replace_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
