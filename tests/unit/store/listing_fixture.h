#ifndef PBT_STORE_LISTING_FIXTURE_H
#define PBT_STORE_LISTING_FIXTURE_H

#include "fixture.h"

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/listing_cache.h"

#define KEY OCTETS("imaps://h:993\0max@example.com\0INBOX")
#define OTHER OCTETS("imaps://h:993\0eve@example.com\0INBOX")

/* What the log was told; the cache calls it with its own lock held. */
static struct {
	unsigned lines;
	char text[256];
} logged;

static void
on_log(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	assert_int_equal(level, PB_LOG_WARN);
	assert_int_equal(n, 2);
	assert_string_equal(pairs[0].key, "file");
	assert_string_equal(pairs[1].key, "what");
	logged.lines++;
	snprintf(logged.text, sizeof(logged.text), "%s: %s", text,
	    pairs[1].text);
}

/* Since the last time. */
static inline void
assert_logged(const char *part)
{
	if (part == NULL) {
		if (logged.lines > 0)
			print_error("%s\n", logged.text);
		assert_int_equal(logged.lines, 0);
		return;
	}
	if (logged.lines == 0 || strstr(logged.text, part) == NULL)
		print_error("%u lines: %s\n", logged.lines, logged.text);
	assert_int_equal(logged.lines, 1);
	assert_non_null(strstr(logged.text, part));
	memset(&logged, 0, sizeof(logged));
}

static inline struct pb_listing_cache *
open_cache(const struct folder *f)
{
	struct pb_listing_cache *c = NULL;
	struct pb_error err = { .text = "" };
	enum pb_status st = pb_listing_cache_open(f->path, &c, &err);

	if (st != PB_OK)
		print_error("%s\n", err.text);
	assert_int_equal(st, PB_OK);
	return c;
}

static inline int
start_folder(void **state)
{
	struct folder *f = pb_xalloc(sizeof(*f));

	folder_new(f);
	snprintf(f->file, sizeof(f->file), "%s/listings.db", f->path);
	memset(&logged, 0, sizeof(logged));
	pb_log_setup(PB_LOG_WARN, on_log);
	*state = f;
	return 0;
}

static inline int
stop_folder(void **state)
{
	assert_logged(NULL);
	folder_remove(*state);
	pb_free(*state);
	return 0;
}

/* All of it can be told from its id; the gaps, too. */
static inline struct pb_listing *
make_listing(uint32_t id, uint32_t n)
{
	struct pb_listing *l = pb_listing_new(n);
	uint32_t i;

	assert_non_null(l);
	l->uidvalidity = id;
	l->uidnext = 3 * n + id % 7 + 1;
	for (i = 0; i < n; i++) {
		l->uids[i] = 3 * i + id % 3 + 1;
		l->sizes[i] = id * 1000 + i % 977;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

static inline void
save(struct pb_listing_cache *c, struct pb_slice key, uint32_t id, uint32_t n)
{
	struct pb_listing *l = make_listing(id, n);

	pb_listing_cache_save(c, key, l);
	pb_listing_unref(&l);
}

static inline bool
is_listing(const struct pb_listing *l, uint32_t id, uint32_t n)
{
	struct pb_listing *want = make_listing(id, n);
	size_t size = n * sizeof(*want->uids);
	bool same = l->uidvalidity == want->uidvalidity &&
	    l->uidnext == want->uidnext && l->count == n &&
	    l->octets == want->octets &&
	    (n == 0 || (memcmp(l->uids, want->uids, size) == 0 &&
	    memcmp(l->sizes, want->sizes, size) == 0));

	pb_listing_unref(&want);
	return same;
}

static inline void
assert_loads(struct pb_listing_cache *c, struct pb_slice key, uint32_t id,
    uint32_t n)
{
	struct pb_listing *l = pb_listing_cache_load(c, key);

	assert_non_null(l);
	assert_true(is_listing(l, id, n));
	pb_listing_unref(&l);
}

static inline void
assert_none(struct pb_listing_cache *c, struct pb_slice key)
{
	assert_null(pb_listing_cache_load(c, key));
}

static inline int64_t
ask(const struct folder *f, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	int64_t number;

	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	number = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return number;
}

#endif
