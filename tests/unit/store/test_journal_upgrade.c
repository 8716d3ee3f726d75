#include "journal_fixture.h"

#include <signal.h>
#include <sys/resource.h>

/* What the first version wrote for UIDs 5, 7 and 9 of KEY. */
static const char before[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE promise ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " maildrop BLOB NOT NULL,"
    " uidvalidity INTEGER NOT NULL,"
    " uids BLOB NOT NULL,"
    " checksum BLOB NOT NULL,"
    " messages INTEGER NOT NULL,"
    " session TEXT NOT NULL,"
    " client TEXT NOT NULL,"
    " since INTEGER NOT NULL,"
    " tried INTEGER NOT NULL DEFAULT 0,"
    " tries INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE INDEX promise_of_maildrop ON promise (maildrop);"
    "CREATE INDEX promise_by_age ON promise (since);"
    "PRAGMA application_id = 1886351466; PRAGMA user_version = 1;"
    "INSERT INTO promise (maildrop, uidvalidity, uids, checksum, messages,"
    " session, client, since) VALUES (x'696d6170733a2f2f683a393933006d6178"
    "406578616d706c652e636f6d00494e424f58',"
    " 1700000000, x'03040000000000', x'f56b7e86f78885b0be6081fe4999b2b6"
    "976978c6aec24980f5f90e3dd0ddb138', 3, '1.7', '192.0.2.7:1234',"
    " unixepoch());";

static int
start_before(void **state)
{
	sqlite3 *db = NULL;
	struct folder *f;

	start(state);
	f = *state;
	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	if (sqlite3_exec(db, before, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	return 0;
}

static void
what_an_older_version_promised_is_to_be_expunged(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_promises *p;

	assert_promised(j, KEY, 5, 3);
	p = load(j, KEY);
	assert_int_equal(p->list[0].removal, PB_REMOVAL_EXPUNGE);
	assert_int_equal(p->list[0].number, 1);
	pb_promises_free(&p);
	note(j, KEY, PB_PROMISE_KEPT, "");
	assert_nothing(j, KEY);
	assert_int_equal(promise(j, KEY, 5, 3), 2);
	pb_journal_free(&j);
}

static void
a_promise_into_an_older_file_is_one(void **state)
{
	struct pb_journal *j = new_journal(*state);

	promise(j, OTHER, 9, 2);
	assert_promised(j, KEY, 5, 3);
	assert_promised(j, OTHER, 9, 2);
	pb_journal_free(&j);
}

static void
two_processes_may_find_an_older_file(void **state)
{
	struct pb_journal *a = new_journal(*state);
	struct pb_journal *b = new_journal(*state);

	assert_promised(a, KEY, 5, 3);
	assert_promised(b, KEY, 5, 3);
	promise(b, OTHER, 9, 2);
	assert_promised(a, OTHER, 9, 2);
	pb_journal_free(&a);
	pb_journal_free(&b);
}

static void
on_a_full_disk_an_older_file_stays_as_it_is(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_promises *p = NULL;
	struct pb_error err = { .text = "" };

	signal(SIGXFSZ, SIG_IGN);
	limit_files(8000);
	assert_int_equal(pb_journal_load(j, KEY, LOGIN, &p, &err), PB_EIO);
	limit_files(RLIM_INFINITY);
	assert_logged("cannot be read");
	assert_null(p);
	assert_promised(j, KEY, 5, 3);
	pb_journal_free(&j);
}

static void
an_older_file_that_somebody_has_changed_is_put_aside(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);

	execute(f, "ALTER TABLE promise ADD COLUMN login BLOB");
	promise(j, OTHER, 9, 2);
	assert_logged("put aside");
	assert_nothing(j, KEY);
	assert_promised(j, OTHER, 9, 2);
	pb_journal_free(&j);
}

#define OLD(name) cmocka_unit_test_setup_teardown(name, start_before, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OLD(what_an_older_version_promised_is_to_be_expunged),
		OLD(a_promise_into_an_older_file_is_one),
		OLD(two_processes_may_find_an_older_file),
		OLD(on_a_full_disk_an_older_file_stays_as_it_is),
		OLD(an_older_file_that_somebody_has_changed_is_put_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
