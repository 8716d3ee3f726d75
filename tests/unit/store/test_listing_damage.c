#include "listing_fixture.h"

static void
a_row_that_was_changed_is_dropped_and_said_once(void **state)
{
	static const char *const changes[] = {
		"UPDATE listing SET value = substr(value, 1, 9)",
		"UPDATE listing SET value = CAST(value || x'00' AS BLOB)",
		"UPDATE listing SET value = x''",
		"UPDATE listing SET checksum = zeroblob(32)",
		"UPDATE listing SET checksum = substr(checksum, 1, 31)" };
	size_t i;

	for (i = 0; i < COUNT(changes); i++) {
		struct pb_listing_cache *c = open_cache(*state);

		ROW(changes, i);
		save(c, KEY, 1, 10);
		save(c, OTHER, 2, 300);
		pb_listing_cache_flush(c);
		assert_logged(NULL);
		meddle(*state, changes[i]);
		assert_none(c, KEY);
		assert_none(c, OTHER);
		assert_logged("a remembered listing is damaged and is "
		    "dropped: its checksum is wrong");
		pb_listing_cache_flush(c);
		assert_int_equal(ask(*state, "SELECT count(*) FROM listing"),
		    0);
		/* What is saved now is sound. */
		save(c, KEY, 1, 10);
		pb_listing_cache_flush(c);
		assert_loads(c, KEY, 1, 10);
		pb_listing_cache_close(&c);
	}
}

static void
a_row_is_never_taken_for_another_mailboxs(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);

	save(c, KEY, 1, 10);
	save(c, OTHER, 2, 20);
	pb_listing_cache_flush(c);
	meddle(*state, "CREATE TEMP TABLE ids AS SELECT rowid AS r, id"
	    " FROM listing;"
	    "UPDATE listing SET id = randomblob(32);"
	    "UPDATE listing SET id = (SELECT id FROM ids"
	    " WHERE r <> listing.rowid)");
	assert_none(c, KEY);
	assert_none(c, OTHER);
	assert_logged("its checksum is wrong");
	pb_listing_cache_close(&c);
}

static void
a_row_with_a_good_checksum_must_still_be_a_listing(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);
	struct pb_listing *l = make_listing(1, 2);

	/* What only a fault of ours could have saved. */
	l->uids[1] = 0;
	pb_listing_cache_save(c, KEY, l);
	pb_listing_cache_flush(c);
	assert_none(c, KEY);
	assert_logged("it cannot be read");
	pb_listing_unref(&l);
	pb_listing_cache_close(&c);
}

static void
assert_begins_anew(const struct folder *f, const char *why)
{
	struct pb_listing_cache *c = open_cache(f);

	assert_logged(why);
	assert_none(c, KEY);
	save(c, KEY, 1, 10);
	pb_listing_cache_close(&c);
	c = open_cache(f);
	assert_loads(c, KEY, 1, 10);
	pb_listing_cache_close(&c);
	assert_logged(NULL);
}

static void
a_file_that_is_no_database_is_begun_anew(void **state)
{
	static char garbage[20000];
	struct folder *f = *state;

	write_file(f->file, OCTETS("not at all"), 0600);
	assert_begins_anew(f, "begun anew");
	memset(garbage, 'x', sizeof(garbage));
	write_file(f->file, pb_slice(garbage, sizeof(garbage)), 0600);
	assert_begins_anew(f, "file is not a database");
	/* It is what SQLite makes of it that counts, not its beginning. */
	memcpy(garbage, "SQLite format 3", 16);
	write_file(f->file, pb_slice(garbage, sizeof(garbage)), 0600);
	assert_begins_anew(f, "begun anew");
}

static void
a_file_of_another_version_is_begun_anew(void **state)
{
	static const struct {
		const char *change;
		const char *why;
	} rows[] = {
		{ "PRAGMA user_version = 0", "another version" },
		{ "PRAGMA user_version = 1", "another version" },
		{ "PRAGMA user_version = 3", "another version" },
		{ "PRAGMA application_id = 1", "no file of listings" },
		{ "DROP TABLE listing", "no such table" },
		{ "ALTER TABLE listing DROP COLUMN value", "no such column" },
		{ "ALTER TABLE listing RENAME COLUMN used TO seen",
		    "no such column" },
	};
	struct folder *f = *state;
	struct pb_listing_cache *c;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		c = open_cache(f);
		save(c, KEY, 7, 10);
		pb_listing_cache_close(&c);
		meddle(f, rows[i].change);
		assert_begins_anew(f, rows[i].why);
	}
}

static void
overwrite(const struct folder *f, off_t from, off_t to)
{
	static const char garbage[512] = "\x0d\xff\xff\xff\xff garbage";
	int fd = open(f->file, O_WRONLY);

	assert_true(fd >= 0);
	for (; from < to; from += sizeof(garbage))
		assert_int_equal(pwrite(fd, garbage, sizeof(garbage), from),
		    sizeof(garbage));
	close(fd);
}

/* Whether the mailbox 0, 1, ... has its listing, or none. */
static bool
has_mailbox(struct pb_listing_cache *c, uint32_t i)
{
	struct pb_listing *l = pb_listing_cache_load(c,
	    pb_slice((const char *)&i, sizeof(i)));
	bool has = l != NULL;

	assert_true(!has || is_listing(l, i, 50 + i * 7));
	pb_listing_unref(&l);
	return has;
}

#define MAILBOXES 200

static void
save_mailboxes(struct pb_listing_cache *c)
{
	uint32_t i;

	for (i = 0; i < MAILBOXES; i++)
		save(c, pb_slice((const char *)&i, sizeof(i)), i, 50 + i * 7);
}

static void
garbage_in_the_middle_never_gives_a_wrong_listing(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	struct pbt_random r;
	unsigned round;
	struct stat st;

	pbt_random_init(&r);
	for (round = 0; round < 30; round++) {
		uint32_t i;
		off_t at;

		save_mailboxes(c);
		pb_listing_cache_close(&c);
		assert_int_equal(stat(f->file, &st), 0);
		assert_true(st.st_size > 100000);
		/* The first page is in the way of being opened at all. */
		at = 4096 + 512 * (off_t)pbt_random_below(&r,
		    (size_t)(st.st_size - 4096) / 512);
		overwrite(f, at, at + 512 * (1 + (off_t)pbt_random_below(&r,
		    20)));
		c = open_cache(f);
		for (i = 0; i < MAILBOXES; i++)
			(void)has_mailbox(c, i);
		pb_listing_cache_flush(c);
		save_mailboxes(c);
		pb_listing_cache_flush(c);
		for (i = 0; i < MAILBOXES; i++)
			(void)has_mailbox(c, i);
		memset(&logged, 0, sizeof(logged));
	}
	pb_listing_cache_close(&c);
}

static void
damage_that_a_load_finds_is_mended_while_running(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	uint32_t i;

	save_mailboxes(c);
	pb_listing_cache_close(&c);
	overwrite(f, 4096, 40000);
	c = open_cache(f);
	for (i = 0; i < MAILBOXES; i++)
		assert_false(has_mailbox(c, i));
	pb_listing_cache_flush(c);
	assert_logged("begun anew");
	save_mailboxes(c);
	pb_listing_cache_flush(c);
	for (i = 0; i < MAILBOXES; i++)
		assert_true(has_mailbox(c, i));
	pb_listing_cache_close(&c);
}

static void
damage_that_a_save_finds_does_not_cost_the_save(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);

	save_mailboxes(c);
	pb_listing_cache_close(&c);
	overwrite(f, 4096, 40000);
	c = open_cache(f);
	assert_logged(NULL);
	save(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	assert_logged("begun anew");
	assert_loads(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_folder, \
	stop_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_that_was_changed_is_dropped_and_said_once),
		TEST(a_row_is_never_taken_for_another_mailboxs),
		TEST(a_row_with_a_good_checksum_must_still_be_a_listing),
		TEST(a_file_that_is_no_database_is_begun_anew),
		TEST(a_file_of_another_version_is_begun_anew),
		TEST(garbage_in_the_middle_never_gives_a_wrong_listing),
		TEST(damage_that_a_load_finds_is_mended_while_running),
		TEST(damage_that_a_save_finds_does_not_cost_the_save),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
