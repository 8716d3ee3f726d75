#include "listing_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

static void
what_is_saved_is_loaded_now_and_by_the_next_process(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 50, 100000 };
	struct pb_listing_cache *c = open_cache(*state);
	size_t i;

	for (i = 0; i < COUNT(counts); i++)
		save(c, pb_slice((const char *)&counts[i], 4),
		    (uint32_t)i + 1, counts[i]);
	pb_listing_cache_flush(c);
	for (i = 0; i < COUNT(counts); i++)
		assert_loads(c, pb_slice((const char *)&counts[i], 4),
		    (uint32_t)i + 1, counts[i]);
	pb_listing_cache_close(&c);
	assert_null(c);
	pb_listing_cache_close(&c);
	c = open_cache(*state);
	for (i = 0; i < COUNT(counts); i++)
		assert_loads(c, pb_slice((const char *)&counts[i], 4),
		    (uint32_t)i + 1, counts[i]);
	assert_none(c, KEY);
	pb_listing_cache_close(&c);
}

static void
what_waits_is_written_when_the_cache_is_closed(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
	c = open_cache(*state);
	assert_loads(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
}

static void
what_waits_is_loaded_before_it_is_written(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 7, 10);
	assert_loads(c, KEY, 7, 10);
	assert_none(c, OTHER);
	pb_listing_cache_forget(c, KEY);
	assert_none(c, KEY);
	pb_listing_cache_close(&c);
}

static void
the_last_save_of_a_mailbox_counts(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 1, 10);
	save(c, KEY, 2, 20);
	save(c, KEY, 3, 5);
	assert_loads(c, KEY, 3, 5);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 3, 5);
	save(c, KEY, 4, 7);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 4, 7);
	assert_int_equal(ask(*state, "SELECT count(*) FROM listing"), 1);
	pb_listing_cache_close(&c);
}

static void
what_is_forgotten_is_loaded_no_more(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 1, 10);
	save(c, OTHER, 2, 20);
	pb_listing_cache_flush(c);
	pb_listing_cache_forget(c, KEY);
	assert_none(c, KEY);
	pb_listing_cache_flush(c);
	assert_none(c, KEY);
	assert_loads(c, OTHER, 2, 20);
	assert_int_equal(ask(*state, "SELECT count(*) FROM listing"), 1);
	/* What is saved behind it counts. */
	pb_listing_cache_forget(c, OTHER);
	save(c, OTHER, 3, 30);
	pb_listing_cache_close(&c);
	c = open_cache(*state);
	assert_none(c, KEY);
	assert_loads(c, OTHER, 3, 30);
	pb_listing_cache_close(&c);
}

static void
without_uidnext_nothing_is_saved(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);
	struct pb_listing *l = make_listing(1, 3);

	l->uidnext = 0;
	pb_listing_cache_save(c, KEY, l);
	assert_none(c, KEY);
	assert_int_equal(l->refs, 1);
	pb_listing_unref(&l);
	pb_listing_cache_close(&c);
}

static void
what_has_not_changed_is_not_written_again(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);
	char path[128];
	struct stat before;
	struct stat after;

	save(c, KEY, 7, 1000);
	pb_listing_cache_flush(c);
	snprintf(path, sizeof(path), "%s-wal",
	    ((struct folder *)*state)->file);
	assert_int_equal(stat(path, &before), 0);
	assert_true(before.st_size > 0);
	save(c, KEY, 7, 1000);
	pb_listing_cache_flush(c);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	pb_listing_cache_close(&c);
}

static void
the_file_is_its_owners_and_lists_no_users(void **state)
{
	static char octets[65536];
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	struct stat st;
	size_t n;

	save(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	n = read_file(f->file, octets, sizeof(octets));
	assert_true(n > 4096 && n < sizeof(octets));
	assert_null(memmem(octets, n, "example.com", 11));
	assert_null(memmem(octets, n, "INBOX", 5));
}

static void
a_directory_that_is_of_no_use_is_said_to_be(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = NULL;
	struct pb_error err;
	char path[128];

	snprintf(path, sizeof(path), "%s/none", f->path);
	assert_int_equal(pb_listing_cache_open(path, &c, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "there is no such directory"));
	write_file(f->file, OCTETS("x"), 0600);
	assert_int_equal(pb_listing_cache_judge(f->file, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "it is no directory"));
	assert_int_equal(unlink(f->file), 0);
	assert_int_equal(mkdir(f->file, 0700), 0);
	assert_int_equal(pb_listing_cache_judge(f->path, &err), PB_OK);
	assert_int_equal(pb_listing_cache_open(f->path, &c, &err), PB_EIO);
	assert_non_null(strstr(err.text, f->file));
	assert_int_equal(rmdir(f->file), 0);
	assert_null(c);
}

static void
without_memory_the_cache_is_not_opened_and_nothing_is_saved(void **state)
{
	struct pb_listing_cache *c = NULL;
	struct pb_listing *l = make_listing(7, 10);
	struct pb_error err;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	for (n = 1; st == PB_ENOMEM; n++) {
		assert_in_range(n, 1, 20);
		pb_mem_fail_from(n);
		st = pb_listing_cache_open(*state, &c, &err);
		pb_mem_fail_from(0);
	}
	assert_int_equal(st, PB_OK);
	assert_true(n > 3);
	for (n = 1; l->refs == 1; n++) {
		assert_in_range(n, 1, 20);
		assert_none(c, KEY);
		pb_mem_fail_from(n);
		pb_listing_cache_save(c, KEY, l);
		pb_mem_fail_from(0);
	}
	assert_loads(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	pb_listing_unref(&l);
	for (n = 1; n < 4; n++) {
		pb_mem_fail_from(n);
		l = pb_listing_cache_load(c, KEY);
		pb_mem_fail_from(0);
		assert_null(l);
	}
	assert_loads(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
}

/* Rows and their age. */

static void
what_nobody_used_for_three_months_goes(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 1, 10);
	save(c, OTHER, 2, 20);
	pb_listing_cache_close(&c);
	meddle(*state, "UPDATE listing SET used = used - 89");
	c = open_cache(*state);
	/* To load it is to use it. */
	assert_loads(c, KEY, 1, 10);
	pb_listing_cache_flush(c);
	pb_listing_cache_close(&c);
	meddle(*state, "UPDATE listing SET used = used - 2");
	c = open_cache(*state);
	save(c, OCTETS("third"), 3, 30);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 1, 10);
	assert_none(c, OTHER);
	assert_loads(c, OCTETS("third"), 3, 30);
	pb_listing_cache_close(&c);
}

static void
the_oldest_go_when_there_is_too_much(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);
	unsigned char i;

	for (i = 0; i < 20; i++)
		save(c, pb_slice((const char *)&i, 1), i, 1000);
	pb_listing_cache_flush(c);
	meddle(*state, "UPDATE listing SET used = used - 10 + rowid % 3");
	assert_true(ask(*state, "SELECT sum(octets) FROM listing") > 40000);
	pb_listing_cache_limit(c, 40000);
	save(c, KEY, 7, 1000);
	pb_listing_cache_flush(c);
	assert_in_range(ask(*state, "SELECT sum(octets) FROM listing"), 20000,
	    35000);
	/* Of the first 20 each third was used longest ago, 2, 5, 8 ... last. */
	assert_loads(c, KEY, 7, 1000);
	assert_int_equal(ask(*state, "SELECT count(*) FROM listing"
	    " WHERE rowid <= 20 AND rowid % 3 = 0"), 0);
	assert_int_equal(ask(*state, "SELECT count(*) FROM listing"
	    " WHERE rowid % 3 = 2"), 7);
	pb_listing_cache_close(&c);
}

/* Threads. */

#define THREADS 4
#define ROUNDS 1500

struct crowd {
	struct pb_listing_cache *cache;
	atomic_uint found;
	atomic_uint wrong;
	atomic_uint next;
};

static void
visit(struct crowd *c, unsigned i)
{
	const char name = (char)('a' + i % 5);
	struct pb_slice key = pb_slice(&name, 1);
	struct pb_listing *l = pb_listing_cache_load(c->cache, key);
	unsigned id = atomic_fetch_add(&c->next, 1);

	if (l != NULL) {
		atomic_fetch_add(&c->found, 1);
		if (!is_listing(l, l->uidvalidity, l->uidvalidity % 300))
			atomic_fetch_add(&c->wrong, 1);
	}
	pb_listing_unref(&l);
	if (i % 11 == 0)
		pb_listing_cache_forget(c->cache, key);
	if (i % 3 == 0)
		save(c->cache, key, id, id % 300);
	if (i % 100 == 0)
		pb_listing_cache_flush(c->cache);
}

static void *
hammer(void *arg)
{
	struct crowd *c = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		visit(c, i);
	return NULL;
}

static void
threads_load_whole_listings_while_others_save_them(void **state)
{
	struct crowd c = { .cache = open_cache(*state) };
	pthread_t threads[THREADS];
	size_t i;

	atomic_init(&c.next, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer,
		    &c), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(c.wrong, 0);
	assert_true(c.found > 0);
	pb_listing_cache_close(&c.cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_folder, \
	stop_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_is_loaded_now_and_by_the_next_process),
		TEST(what_waits_is_written_when_the_cache_is_closed),
		TEST(what_waits_is_loaded_before_it_is_written),
		TEST(the_last_save_of_a_mailbox_counts),
		TEST(what_is_forgotten_is_loaded_no_more),
		TEST(without_uidnext_nothing_is_saved),
		TEST(what_has_not_changed_is_not_written_again),
		TEST(the_file_is_its_owners_and_lists_no_users),
		TEST(a_directory_that_is_of_no_use_is_said_to_be),
		TEST(
		    without_memory_the_cache_is_not_opened_and_nothing_is_saved),
		TEST(what_nobody_used_for_three_months_goes),
		TEST(the_oldest_go_when_there_is_too_much),
		TEST(threads_load_whole_listings_while_others_save_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
