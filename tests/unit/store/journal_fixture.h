#ifndef PBT_STORE_JOURNAL_FIXTURE_H
#define PBT_STORE_JOURNAL_FIXTURE_H

#include "fixture.h"

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/journal.h"

#define KEY OCTETS("imaps://h:993\0max@example.com\0INBOX")
#define OTHER OCTETS("imaps://h:993\0eve@example.com\0INBOX")
#define LOGIN OCTETS("max")

static struct {
	unsigned lines;
	char text[256];
} logged;

static inline void
on_log(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	(void)level;
	(void)pairs;
	(void)n;
	logged.lines++;
	snprintf(logged.text, sizeof(logged.text), "%s", text);
}

/* Since the last time. */
static inline void
assert_logged(const char *part)
{
	if (part == NULL && logged.lines > 0)
		print_error("%s\n", logged.text);
	assert_int_equal(logged.lines, part != NULL);
	if (part != NULL)
		assert_non_null(strstr(logged.text, part));
	memset(&logged, 0, sizeof(logged));
}

static inline int
start(void **state)
{
	struct folder *f = pb_xalloc(sizeof(*f));

	folder_new(f);
	snprintf(f->file, sizeof(f->file), "%s/journal.db", f->path);
	memset(&logged, 0, sizeof(logged));
	pb_log_setup(PB_LOG_WARN, on_log);
	*state = f;
	return 0;
}

static inline int
stop(void **state)
{
	assert_logged(NULL);
	folder_remove(*state);
	pb_free(*state);
	return 0;
}

static inline struct pb_journal *
new_journal(const struct folder *f)
{
	struct pb_journal *j = pb_journal_new(f->path);

	assert_non_null(j);
	return j;
}

/* UIDs first, first + 2, ...: no two of them run. */
static inline enum pb_status
try_promise(struct pb_journal *j, struct pb_slice key, uint32_t first,
    size_t n, int64_t *number, struct pb_error *err)
{
	const struct pb_journal_source source = { .maildrop = key,
		.login = LOGIN, .session = "1.7", .client = "192.0.2.7:1234" };
	struct pb_promise p = { .uidvalidity = 1700000000, .n = n };
	enum pb_status st;
	size_t i;

	p.uids = pb_xalloc(n * sizeof(*p.uids));
	for (i = 0; i < n; i++)
		p.uids[i] = first + 2 * (uint32_t)i;
	st = pb_journal_promise(j, &source, &p, number, err);
	pb_free(p.uids);
	return st;
}

static inline int64_t
promise(struct pb_journal *j, struct pb_slice key, uint32_t first, size_t n)
{
	struct pb_error err = { .text = "" };
	int64_t number = 0;
	enum pb_status st = try_promise(j, key, first, n, &number, &err);

	if (st != PB_OK)
		print_error("%s\n", err.text);
	assert_int_equal(st, PB_OK);
	assert_true(number > 0);
	return number;
}

static inline struct pb_promises *
load(struct pb_journal *j, struct pb_slice key)
{
	struct pb_error err = { .text = "" };
	struct pb_promises *p = NULL;

	assert_int_equal(pb_journal_load(j, key, LOGIN, &p, &err), PB_OK);
	return p;
}

static inline void
assert_promised(struct pb_journal *j, struct pb_slice key, uint32_t first,
    size_t n)
{
	struct pb_promises *p = load(j, key);
	size_t i;

	assert_non_null(p);
	assert_int_equal(p->n, 1);
	assert_int_equal(p->list[0].uidvalidity, 1700000000);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	assert_int_equal(p->list[0].n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(p->list[0].uids[i], first + 2 * i);
	pb_promises_free(&p);
}

static inline void
assert_nothing(struct pb_journal *j, struct pb_slice key)
{
	assert_null(load(j, key));
}

static inline void
note(struct pb_journal *j, struct pb_slice key,
    enum pb_promise_outcome outcome, const char *why)
{
	struct pb_promises *p = load(j, key);
	struct pb_error err;

	assert_non_null(p);
	pb_promises_decide(p, outcome, why);
	assert_int_equal(pb_journal_note(j, p, &err), PB_OK);
	pb_promises_free(&p);
}

static inline void
execute(const struct folder *f, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
