#include "journal_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define EVE OCTETS("eve")

static enum pb_status
try_keep(struct pb_journal *j, struct pb_slice login, uint32_t uidvalidity,
    const uint32_t *uids, size_t n, int64_t *number, struct pb_error *err)
{
	const struct pb_journal_source source = { .maildrop = KEY,
		.login = login, .session = "1.8", .client = "192.0.2.8:1" };
	struct pb_promise p = { .uidvalidity = uidvalidity,
		.removal = PB_REMOVAL_KEEP, .n = n };
	enum pb_status st;

	p.uids = pb_xalloc(n * sizeof(*uids));
	memcpy(p.uids, uids, n * sizeof(*uids));
	st = pb_journal_promise(j, &source, &p, number, err);
	pb_free(p.uids);
	return st;
}

static int64_t
keep_of(struct pb_journal *j, struct pb_slice login, uint32_t uidvalidity,
    const uint32_t *uids, size_t n)
{
	struct pb_error err = { .text = "" };
	int64_t number = 0;
	enum pb_status st = try_keep(j, login, uidvalidity, uids, n, &number,
	    &err);

	if (st != PB_OK)
		print_error("%s\n", err.text);
	assert_int_equal(st, PB_OK);
	return number;
}

/* In the usual mailbox, from the usual user. */
#define KEEP(j, ...) keep_of(j, LOGIN, 77, (const uint32_t[]){ __VA_ARGS__ }, \
	sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static struct pb_promises *
load_for(struct pb_journal *j, struct pb_slice login)
{
	struct pb_promises *p = NULL;
	struct pb_error err = { .text = "" };

	assert_int_equal(pb_journal_load(j, KEY, login, &p, &err), PB_OK);
	return p;
}

static void
assert_kept_from(struct pb_journal *j, struct pb_slice login,
    const uint32_t *uids, size_t n)
{
	struct pb_promises *p = load_for(j, login);

	assert_non_null(p);
	assert_int_equal(p->n, 1);
	assert_int_equal(p->list[0].uidvalidity, 77);
	assert_int_equal(p->list[0].removal, PB_REMOVAL_KEEP);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	assert_true(p->list[0].rests);
	assert_int_equal(p->list[0].n, n);
	assert_memory_equal(p->list[0].uids, uids, n * sizeof(*uids));
	pb_promises_free(&p);
}

#define ASSERT_KEPT(j, ...) \
	assert_kept_from(j, LOGIN, (const uint32_t[]){ __VA_ARGS__ }, \
	sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void
note_all(struct pb_journal *j, const struct pb_promises *p)
{
	struct pb_error err = { .text = "" };

	assert_int_equal(pb_journal_note(j, p, &err), PB_OK);
}

static void
each_way_of_removal_comes_back_as_it_was_promised(void **state)
{
	static const enum pb_removal ways[] = { PB_REMOVAL_EXPUNGE,
		PB_REMOVAL_TRASH, PB_REMOVAL_ARCHIVE, PB_REMOVAL_FLAG };
	const struct pb_journal_source source = { .maildrop = KEY,
		.login = LOGIN, .session = "1", .client = "c" };
	struct pb_journal *j = new_journal(*state);
	struct pb_error err = { .text = "" };
	uint32_t uid = 7;
	size_t i;

	for (i = 0; i < COUNT(ways); i++) {
		struct pb_promise one = { .uidvalidity = 77, .uids = &uid,
			.n = 1, .removal = ways[i] };
		struct pb_promises *p;
		int64_t number;

		ROW(ways, i);
		assert_int_equal(pb_journal_promise(j, &source, &one, &number,
		    &err), PB_OK);
		/* Whoever logs in next: it is a matter of the mailbox. */
		p = load_for(j, EVE);
		assert_int_equal(p->n, 1);
		assert_int_equal(p->list[0].removal, ways[i]);
		assert_false(p->list[0].rests);
		assert_int_equal(p->list[0].uids[0], 7);
		pb_promises_decide(p, PB_PROMISE_KEPT, "");
		note_all(j, p);
		pb_promises_free(&p);
		assert_nothing(j, KEY);
	}
	pb_journal_free(&j);
}

static void
what_sessions_keep_from_a_user_is_one_row(void **state)
{
	struct pb_journal *j = new_journal(*state);
	int64_t number = KEEP(j, 5, 9);

	ASSERT_KEPT(j, 5, 9);
	assert_int_equal(KEEP(j, 1, 5, 7, 12), number);
	ASSERT_KEPT(j, 1, 5, 7, 9, 12);
	assert_int_equal(KEEP(j, 9), number);
	ASSERT_KEPT(j, 1, 5, 7, 9, 12);
	pb_journal_free(&j);
}

static void
what_is_kept_survives_a_kill_behind_the_call(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	int status;
	pid_t child;

	KEEP(j, 5);
	pb_journal_free(&j);
	child = fork();
	if (child == 0) {
		j = pb_journal_new(f->path);
		KEEP(j, 7, 9);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	j = new_journal(f);
	ASSERT_KEPT(j, 5, 7, 9);
	pb_journal_free(&j);
}

struct thread {
	pthread_t thread;
	struct pb_journal *journal;
	uint32_t first;
	enum pb_status opened;
};

enum { THREADS = 6, EACH = 20 };

static void *
keep_some(void *arg)
{
	struct thread *t = arg;
	uint32_t i;

	for (i = 0; i < EACH; i++)
		KEEP(t->journal, t->first + i * THREADS);
	return NULL;
}

static void
threads_of_several_processes_lose_no_mark(void **state)
{
	struct pb_journal *a = new_journal(*state);
	struct pb_journal *b = new_journal(*state);
	struct thread threads[THREADS];
	uint32_t all[THREADS * EACH];
	uint32_t i;

	for (i = 0; i < COUNT(all); i++)
		all[i] = i + 1;
	for (i = 0; i < THREADS; i++) {
		threads[i].journal = i % 2 == 0 ? a : b;
		threads[i].first = i + 1;
		assert_int_equal(pthread_create(&threads[i].thread, NULL,
		    keep_some, &threads[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
	assert_kept_from(a, LOGIN, all, COUNT(all));
	pb_journal_free(&a);
	pb_journal_free(&b);
}

static void *
open_it(void *arg)
{
	struct thread *t = arg;
	struct pb_error err = { .text = "" };

	t->opened = pb_journal_open(t->journal, &err);
	return NULL;
}

/* It is never taken for a foreign one, half made as it is. */
static void
who_begins_the_file_at_the_same_time_finds_it_his_own(void **state)
{
	struct thread threads[THREADS];
	struct folder f;
	unsigned round;
	unsigned i;

	(void)state;
	for (round = 0; round < 200; round++) {
		folder_new(&f);
		for (i = 0; i < THREADS; i++)
			threads[i].journal = new_journal(&f);
		for (i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i].thread,
			    NULL, open_it, &threads[i]), 0);
		for (i = 0; i < THREADS; i++)
			assert_int_equal(pthread_join(threads[i].thread, NULL),
			    0);
		for (i = 0; i < THREADS; i++) {
			assert_int_equal(threads[i].opened, PB_OK);
			pb_journal_free(&threads[i].journal);
		}
		folder_remove(&f);
	}
}

static void
who_never_ends_to_begin_the_file_is_waited_for_five_seconds(void **state)
{
	struct folder f;
	struct thread t;
	char file[128];
	sqlite3 *db = NULL;
	time_t begun = time(NULL);

	(void)state;
	folder_new(&f);
	snprintf(file, sizeof(file), "%s/journal.db", f.path);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	/* Who reads in the old way keeps others from the new one. */
	assert_int_equal(sqlite3_exec(db, "BEGIN; "
	    "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL),
	    SQLITE_OK);
	t.journal = new_journal(&f);
	(void)open_it(&t);
	assert_int_equal(t.opened, PB_EIO);
	assert_in_range(time(NULL) - begun, 4, 60);
	pb_journal_free(&t.journal);
	sqlite3_close(db);
	folder_remove(&f);
}

static void
what_is_kept_from_a_user_is_not_kept_from_another(void **state)
{
	struct pb_journal *j = new_journal(*state);

	KEEP(j, 5, 9);
	assert_null(load_for(j, EVE));
	keep_of(j, EVE, 77, (const uint32_t[]){ 6 }, 1);
	ASSERT_KEPT(j, 5, 9);
	assert_kept_from(j, EVE, (const uint32_t[]){ 6 }, 1);
	assert_nothing(j, OTHER);
	pb_journal_free(&j);
}

static void
what_is_kept_is_never_retried_and_no_try_counts(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	int64_t number = KEEP(j, 5, 9);
	struct pb_error err;
	int i;

	assert_int_equal(pb_journal_retry(j, number, &err), PB_EOF);
	for (i = 0; i < 2; i++) {
		struct pb_promises *p = load_for(j, LOGIN);

		/* It rests, so that this is not about it; but if it were, */
		pb_promises_decide(p, PB_PROMISE_FAILED, "no");
		assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
		p->list[0].outcome = i == 0 ? PB_PROMISE_FAILED
		    : PB_PROMISE_KEPT;
		note_all(j, p);
		pb_promises_free(&p);
		ASSERT_KEPT(j, 5, 9);
	}
	execute(f, "UPDATE promise SET tries = 1 / (tries = 0)");
	pb_journal_free(&j);
}

static void
what_is_kept_is_never_too_old(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);

	KEEP(j, 5, 9);
	execute(f, "UPDATE promise SET since = since - 2592001");
	ASSERT_KEPT(j, 5, 9);
	pb_journal_free(&j);
	j = new_journal(f);
	KEEP(j, 11);
	ASSERT_KEPT(j, 5, 9, 11);
	pb_journal_free(&j);
}

static void
what_is_kept_comes_first_where_promises_are_too_many(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_promises *p;

	promise(j, KEY, 20, 1);
	execute(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < 10000) INSERT INTO promise (maildrop,"
	    " uidvalidity, uids, checksum, messages, session, client, since)"
	    " SELECT maildrop, uidvalidity, uids, checksum, messages, session,"
	    " client, since FROM promise, n");
	KEEP(j, 5, 9);
	p = load_for(j, LOGIN);
	assert_int_equal(p->n, 10000);
	assert_int_equal(p->list[0].removal, PB_REMOVAL_KEEP);
	assert_int_equal(p->list[9999].removal, PB_REMOVAL_EXPUNGE);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

/* As the comparison with a mailbox leaves it: 1 and 9 are gone. */
static struct pb_promises *
shrunk(struct pb_journal *j)
{
	static const uint32_t uids[] = { 5, 7, 1, 9 };
	struct pb_promises *p = load_for(j, LOGIN);

	assert_int_equal(p->list[0].n, 4);
	memcpy(p->list[0].uids, uids, sizeof(uids));
	p->list[0].n = 2;
	p->list[0].gone = 2;
	p->list[0].outcome = PB_PROMISE_SHRUNK;
	return p;
}

static void
what_is_gone_is_struck_out_and_what_others_add_stays(void **state)
{
	struct pb_journal *j = new_journal(*state);
	int64_t number = KEEP(j, 1, 5, 7, 9);
	struct pb_promises *p = shrunk(j);

	KEEP(j, 3, 12);
	note_all(j, p);
	pb_promises_free(&p);
	ASSERT_KEPT(j, 3, 5, 7, 12);
	assert_int_equal(KEEP(j, 13), number);
	pb_journal_free(&j);
}

static void
a_row_that_is_void_goes_but_not_what_others_add(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_promises *p;
	int64_t number = KEEP(j, 1, 5);

	p = load_for(j, LOGIN);
	p->list[0].outcome = PB_PROMISE_VOID;
	KEEP(j, 5, 12);
	note_all(j, p);
	ASSERT_KEPT(j, 12);
	pb_promises_free(&p);
	p = load_for(j, LOGIN);
	p->list[0].outcome = PB_PROMISE_VOID;
	note_all(j, p);
	assert_null(load_for(j, LOGIN));
	/* Somebody was faster. */
	note_all(j, p);
	pb_promises_free(&p);
	assert_true(KEEP(j, 5) > number);
	pb_journal_free(&j);
}

static void
another_uidvalidity_is_another_row_and_voids_the_first(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_listing *l = pb_listing_new(1);
	struct pb_promises_look look;
	struct pb_promises *p;

	KEEP(j, 1, 5);
	keep_of(j, LOGIN, 78, (const uint32_t[]){ 5 }, 1);
	p = load_for(j, LOGIN);
	assert_int_equal(p->n, 2);
	l->uidvalidity = 77;
	l->uids[0] = 5;
	l->sizes[0] = 1;
	l->uidnext = 6;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.rest->count, 0);
	assert_int_equal(look.n, 0);
	note_all(j, p);
	ASSERT_KEPT(j, 1, 5);
	pb_free(look.uids);
	pb_listing_unref(&look.rest);
	pb_listing_unref(&l);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

static void
dropped_marks_hide_nothing(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_error err;

	assert_int_equal(pb_journal_drop(j, KEEP(j, 1, 5), &err), PB_OK);
	assert_null(load_for(j, LOGIN));
	pb_journal_free(&j);
}

/* Above all, what stays at the server is never taken for what is to go. */
static void
a_damaged_row_hides_nothing_and_removes_nothing(void **state)
{
	static const char *const damages[] = {
		"UPDATE promise SET removal = 'expunge'",
		"UPDATE promise SET removal = 'expunge', login = x''",
		"UPDATE promise SET removal = 'flag'",
		"UPDATE promise SET removal = 'refuse'",
		"UPDATE promise SET removal = 'Keep'",
		"UPDATE promise SET removal = ''",
		"UPDATE promise SET uids = x'0105'",
		"UPDATE promise SET checksum = x''",
	};
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	size_t i;

	for (i = 0; i < COUNT(damages); i++) {
		struct pb_promises *p;

		ROW(damages, i);
		KEEP(j, 1, 5);
		execute(f, damages[i]);
		p = load_for(j, LOGIN);
		assert_logged("is damaged");
		assert_int_equal(p->n, 1);
		assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
		assert_int_equal(p->list[0].n, 0);
		note_all(j, p);
		pb_promises_free(&p);
		assert_null(load_for(j, LOGIN));
	}
	pb_journal_free(&j);
}

static void
a_promise_that_is_damaged_into_a_mark_hides_nothing(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_promises *p;

	promise(j, KEY, 5, 1);
	execute(f, "UPDATE promise SET removal = 'keep', login = x'6d6178'");
	p = load_for(j, LOGIN);
	assert_logged("is damaged");
	assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

static void
what_is_added_to_a_damaged_row_counts(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);

	KEEP(j, 1, 5);
	execute(f, "UPDATE promise SET checksum = x''");
	KEEP(j, 7);
	assert_logged("is damaged");
	ASSERT_KEPT(j, 7);
	pb_journal_free(&j);
}

static void
a_hundred_thousand_marks_take_up_more(void **state)
{
	enum { MANY = 100000 };
	uint32_t *uids = pb_xalloc((size_t)(MANY + 1) * sizeof(*uids));
	struct pb_journal *j = new_journal(*state);
	uint32_t i;

	for (i = 0; i < MANY; i++)
		uids[i] = 2 * i + 1;
	uids[MANY] = 2 * MANY + 7;
	keep_of(j, LOGIN, 77, uids, MANY);
	KEEP(j, 2 * MANY + 7);
	assert_kept_from(j, LOGIN, uids, MANY + 1);
	pb_free(uids);
	pb_journal_free(&j);
}

static void
more_marks_than_a_mailbox_has_messages_are_refused(void **state)
{
	uint32_t *uids = pb_xalloc((size_t)PB_LISTING_MAX * sizeof(*uids));
	struct pb_journal *j = new_journal(*state);
	struct pb_error err = { .text = "" };
	uint32_t more = PB_LISTING_MAX + 1;
	int64_t number;
	uint32_t i;

	for (i = 0; i < PB_LISTING_MAX; i++)
		uids[i] = i + 1;
	keep_of(j, LOGIN, 77, uids, PB_LISTING_MAX);
	assert_int_equal(try_keep(j, LOGIN, 77, &more, 1, &number, &err),
	    PB_ETOOBIG);
	assert_non_null(strstr(err.text, "cannot take more"));
	KEEP(j, 7);
	assert_kept_from(j, LOGIN, uids, PB_LISTING_MAX);
	pb_free(uids);
	pb_journal_free(&j);
}

static void
remember_entry(void *ctx, const struct pb_journal_entry *e)
{
	char *out = ctx;

	snprintf(out + strlen(out), 1000 - strlen(out), "%s %s %u %s %s\n",
	    e->removal, e->login, (unsigned)e->messages, e->session,
	    e->client);
}

static void
the_list_says_how_messages_go_and_who_kept_them_last(void **state)
{
	struct pb_journal *j = new_journal(*state);
	char text[1000] = "";
	struct pb_error err;

	keep_of(j, LOGIN, 77, (const uint32_t[]){ 5 }, 1);
	promise(j, KEY, 5, 3);
	KEEP(j, 6, 8);
	assert_int_equal(pb_journal_list(j, remember_entry, text, &err),
	    PB_OK);
	assert_string_equal(text, "keep max 3 1.8 192.0.2.8:1\n"
	    "expunge  3 1.7 192.0.2.7:1234\n");
	pb_journal_free(&j);
}

static void
failing_allocations_lose_no_mark(void **state)
{
	struct pb_journal *j = new_journal(*state);
	static const uint32_t more[] = { 7, 9 };
	enum pb_status st = PB_ENOMEM;
	struct pb_promises *p;
	struct pb_error err;
	int64_t number;
	unsigned long n;

	KEEP(j, 1, 5);
	for (n = 1; st != PB_OK; n++) {
		pb_mem_fail_from(n);
		st = try_keep(j, LOGIN, 77, more, 2, &number, &err);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
		if (st != PB_OK)
			ASSERT_KEPT(j, 1, 5);
	}
	assert_true(n > 3);
	ASSERT_KEPT(j, 1, 5, 7, 9);
	KEEP(j, 1, 5, 7, 9);
	p = shrunk(j);
	for (n = 1, st = PB_ENOMEM; st != PB_OK; n++) {
		pb_mem_fail_from(n);
		st = pb_journal_note(j, p, &err);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
	}
	memset(&logged, 0, sizeof(logged));
	assert_true(n > 2);
	ASSERT_KEPT(j, 5, 7);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_way_of_removal_comes_back_as_it_was_promised),
		TEST(what_sessions_keep_from_a_user_is_one_row),
		TEST(what_is_kept_survives_a_kill_behind_the_call),
		TEST(threads_of_several_processes_lose_no_mark),
		TEST(who_begins_the_file_at_the_same_time_finds_it_his_own),
		TEST(who_never_ends_to_begin_the_file_is_waited_for_five_seconds),
		TEST(what_is_kept_from_a_user_is_not_kept_from_another),
		TEST(what_is_kept_is_never_retried_and_no_try_counts),
		TEST(what_is_kept_is_never_too_old),
		TEST(what_is_kept_comes_first_where_promises_are_too_many),
		TEST(what_is_gone_is_struck_out_and_what_others_add_stays),
		TEST(a_row_that_is_void_goes_but_not_what_others_add),
		TEST(another_uidvalidity_is_another_row_and_voids_the_first),
		TEST(dropped_marks_hide_nothing),
		TEST(a_damaged_row_hides_nothing_and_removes_nothing),
		TEST(a_promise_that_is_damaged_into_a_mark_hides_nothing),
		TEST(what_is_added_to_a_damaged_row_counts),
		TEST(a_hundred_thousand_marks_take_up_more),
		TEST(more_marks_than_a_mailbox_has_messages_are_refused),
		TEST(the_list_says_how_messages_go_and_who_kept_them_last),
		TEST(failing_allocations_lose_no_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
