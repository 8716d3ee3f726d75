#include "fixture.h"

#include "popbridge/store/journal.h"

#define KEY OCTETS("imaps://h:993\0max@example.com\0INBOX")

/* In proxy/store/journal_promise.c, for no caller needs it. */
#define PROMISES_MAX 10000

static int
start(void **state)
{
	struct folder *f = malloc(sizeof(*f));

	assert_non_null(f);
	folder_new(f);
	snprintf(f->file, sizeof(f->file), "%s/journal.db", f->path);
	*state = f;
	return 0;
}

static int
stop(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

static void
promise(struct pb_journal *j)
{
	const struct pb_journal_source source = { .maildrop = KEY,
		.session = "1.7", .client = "192.0.2.7:1234" };
	uint32_t uids[] = { 5, 7 };
	const struct pb_promise p = { .uidvalidity = 1700000000,
		.uids = uids, .n = COUNT(uids) };
	struct pb_error err = { .text = "" };
	int64_t number = 0;

	assert_int_equal(pb_journal_promise(j, &source, &p, &number, &err),
	    PB_OK);
}

/* As many as a server makes that refuses each of them, and some more. */
static void
copy(const struct folder *f, int n)
{
	sqlite3 *db;
	char sql[512];

	snprintf(sql, sizeof(sql), "INSERT INTO promise (maildrop, "
	    "uidvalidity, uids, checksum, messages, session, client, since) "
	    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c "
	    "WHERE i < %d) SELECT maildrop, uidvalidity, uids, checksum, "
	    "messages, session, client, since FROM promise, c", n);
	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
of_one_maildrop_so_many_promises_are_read_and_no_more(void **state)
{
	const struct folder *f = *state;
	struct pb_journal *j = pb_journal_new(f->path);
	struct pb_promises *p = NULL;
	struct pb_error err = { .text = "" };

	assert_non_null(j);
	promise(j);
	copy(f, PROMISES_MAX + 10);
	assert_int_equal(pb_journal_load(j, KEY,
	    pb_slice_str("max"), &p, &err), PB_OK);
	assert_non_null(p);
	assert_int_equal(p->n, PROMISES_MAX);
	assert_int_equal(p->list[PROMISES_MAX - 1].uids[1], 7);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    of_one_maildrop_so_many_promises_are_read_and_no_more,
		    start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
