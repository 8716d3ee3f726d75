#include "journal_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static void
what_is_promised_is_there_until_it_is_kept(void **state)
{
	struct pb_journal *j = new_journal(*state);

	assert_nothing(j, KEY);
	promise(j, KEY, 5, 3);
	promise(j, OTHER, 100, 2000);
	assert_promised(j, KEY, 5, 3);
	assert_promised(j, OTHER, 100, 2000);
	note(j, KEY, PB_PROMISE_KEPT, "");
	assert_nothing(j, KEY);
	assert_promised(j, OTHER, 100, 2000);
	note(j, OTHER, PB_PROMISE_VOID, "");
	assert_nothing(j, OTHER);
	pb_journal_free(&j);
	assert_null(j);
	pb_journal_free(&j);
}

static void
a_promise_is_on_the_disk_when_the_call_returns(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j;
	int status;
	pid_t child = fork();

	if (child == 0) {
		j = pb_journal_new(f->path);
		promise(j, KEY, 5, 3);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	j = new_journal(f);
	assert_promised(j, KEY, 5, 3);
	pb_journal_free(&j);
}

static void
the_file_is_its_owners(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct stat st;

	promise(j, KEY, 5, 3);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	pb_journal_free(&j);
}

static void
two_processes_share_it(void **state)
{
	struct pb_journal *a = new_journal(*state);
	struct pb_journal *b = new_journal(*state);
	int64_t first = promise(a, KEY, 5, 3);
	int64_t second = promise(b, OTHER, 9, 1);

	assert_true(second > first);
	assert_promised(b, KEY, 5, 3);
	assert_promised(a, OTHER, 9, 1);
	note(b, KEY, PB_PROMISE_KEPT, "");
	assert_nothing(a, KEY);
	pb_journal_free(&a);
	pb_journal_free(&b);
}

struct thread {
	pthread_t thread;
	struct pb_journal *journal;
	char key[8];
};

static void *
promise_and_keep(void *arg)
{
	struct thread *t = arg;
	struct pb_slice key = pb_slice(t->key, sizeof(t->key));
	int i;

	for (i = 0; i < 20; i++) {
		promise(t->journal, key, 5, 3);
		assert_promised(t->journal, key, 5, 3);
		note(t->journal, key, PB_PROMISE_KEPT, "");
		assert_nothing(t->journal, key);
	}
	return NULL;
}

static void
threads_of_several_processes_do_not_mix_up_their_promises(void **state)
{
	struct pb_journal *a = new_journal(*state);
	struct pb_journal *b = new_journal(*state);
	struct thread threads[6];
	size_t i;

	for (i = 0; i < COUNT(threads); i++) {
		threads[i].journal = i % 2 == 0 ? a : b;
		snprintf(threads[i].key, sizeof(threads[i].key), "key-%zu", i);
		assert_int_equal(pthread_create(&threads[i].thread, NULL,
		    promise_and_keep, &threads[i]), 0);
	}
	for (i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
	pb_journal_free(&a);
	pb_journal_free(&b);
}

static void
a_number_is_never_used_again(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_error err;
	int64_t first = promise(j, KEY, 5, 3);

	assert_int_equal(pb_journal_drop(j, first, &err), PB_OK);
	assert_int_equal(pb_journal_drop(j, first, &err), PB_EOF);
	assert_int_equal(pb_journal_retry(j, first, &err), PB_EOF);
	assert_nothing(j, KEY);
	assert_true(promise(j, KEY, 5, 3) > first);
	pb_journal_free(&j);
}

static void
remember_entry(void *ctx, const struct pb_journal_entry *e)
{
	char *out = ctx;

	snprintf(out + strlen(out), 1000 - strlen(out),
	    "%" PRId64 " %s %s %s %s %s %" PRIu32 " %" PRId64 " %s\n",
	    e->number, e->upstream, e->user, e->mailbox, e->session,
	    e->client, e->messages, e->tries, e->error);
	assert_true(e->since > 1700000000 && e->since <= time(NULL));
}

static void
all_promises_are_listed_with_what_has_become_of_them(void **state)
{
	struct pb_journal *j = new_journal(*state);
	char text[1000] = "";
	struct pb_error err;

	promise(j, KEY, 5, 3);
	promise(j, OTHER, 7, 2000);
	note(j, OTHER, PB_PROMISE_FAILED, "the server\nsaid no");
	assert_int_equal(pb_journal_list(j, remember_entry, text, &err),
	    PB_OK);
	assert_string_equal(text,
	    "1 imaps://h:993 max@example.com INBOX 1.7 192.0.2.7:1234 3 0 \n"
	    "2 imaps://h:993 eve@example.com INBOX 1.7 192.0.2.7:1234 2000 1 "
	    "the server\\x0asaid no\n");
	pb_journal_free(&j);
}

static void
what_fails_five_times_rests_for_a_day_or_until_a_retry(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	int64_t number = promise(j, KEY, 5, 3);
	struct pb_promises *p;
	struct pb_error err;
	int i;

	for (i = 0; i < 5; i++) {
		p = load(j, KEY);
		assert_false(p->list[0].rests);
		pb_promises_free(&p);
		note(j, KEY, PB_PROMISE_FAILED, "no");
	}
	p = load(j, KEY);
	assert_true(p->list[0].rests);
	pb_promises_free(&p);
	execute(f, "UPDATE promise SET tried = tried - 86401");
	p = load(j, KEY);
	assert_false(p->list[0].rests);
	pb_promises_free(&p);
	note(j, KEY, PB_PROMISE_FAILED, "no");
	assert_int_equal(pb_journal_retry(j, number, &err), PB_OK);
	p = load(j, KEY);
	assert_false(p->list[0].rests);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

static void
what_is_older_than_thirty_days_is_dropped_and_said(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);

	promise(j, KEY, 5, 3);
	promise(j, OTHER, 5, 3);
	execute(f, "UPDATE promise SET since = since - 2592001"
	    " WHERE number = 1");
	assert_nothing(j, KEY);
	pb_journal_free(&j);
	j = new_journal(f);
	promise(j, OTHER, 50, 3);
	assert_logged("30 days ago");
	assert_nothing(j, KEY);
	pb_journal_free(&j);
}

static void
a_damaged_promise_is_void_and_removes_nothing(void **state)
{
	static const char *const damages[] = {
		"UPDATE promise SET uidvalidity = 1700000001",
		"UPDATE promise SET uids = x'0105'",
		"UPDATE promise SET uids = x''",
		"UPDATE promise SET uidvalidity = -1",
		"UPDATE promise SET checksum = x''",
		"UPDATE promise SET uidvalidity = uidvalidity + 4294967296",
	};
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	size_t i;

	for (i = 0; i < COUNT(damages); i++) {
		struct pb_promises *p;
		struct pb_error err;

		ROW(damages, i);
		promise(j, KEY, 5, 3);
		execute(f, damages[i]);
		p = load(j, KEY);
		assert_logged("is damaged");
		assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
		assert_int_equal(p->list[0].n, 0);
		assert_int_equal(pb_journal_note(j, p, &err), PB_OK);
		pb_promises_free(&p);
		assert_nothing(j, KEY);
	}
	pb_journal_free(&j);
}

static void
a_promise_of_another_maildrop_is_none(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_promises *p;

	promise(j, KEY, 5, 3);
	promise(j, OTHER, 7, 1);
	execute(f, "UPDATE promise SET maildrop ="
	    " (SELECT maildrop FROM promise WHERE number = 2)");
	p = load(j, OTHER);
	assert_logged("is damaged");
	assert_int_equal(p->n, 2);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
	assert_int_equal(p->list[1].outcome, PB_PROMISE_OPEN);
	pb_promises_free(&p);
	pb_journal_free(&j);
}

static void
a_file_that_is_none_is_put_aside(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j;
	char aside[128];
	char octets[64];

	write_file(f->file, OCTETS("this is no SQLite file, but it is long "
	    "enough to be taken for one, so that it is looked at"), 0600);
	j = new_journal(f);
	promise(j, KEY, 5, 3);
	assert_logged("put aside");
	assert_promised(j, KEY, 5, 3);
	snprintf(aside, sizeof(aside), "%s.damaged", f->file);
	assert_int_equal(read_file(aside, octets, 7), 7);
	assert_memory_equal(octets, "this is", 7);
	pb_journal_free(&j);
}

/* The first page stays, so that it can be opened. */
static void
damage(const struct folder *f)
{
	char octets[4096];
	int fd = open(f->file, O_WRONLY);
	int page;

	memset(octets, 0xa5, sizeof(octets));
	assert_true(fd >= 0);
	for (page = 1; page < 6; page++)
		assert_int_equal(pwrite(fd, octets, sizeof(octets),
		    page * 4096), sizeof(octets));
	close(fd);
}

static void
a_file_that_gets_damaged_is_put_aside_by_who_notices(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_promises *p = NULL;
	struct pb_error err;

	promise(j, KEY, 5, 3);
	pb_journal_free(&j);
	damage(f);
	j = new_journal(f);
	assert_int_equal(pb_journal_load(j, KEY, LOGIN, &p, &err), PB_EIO);
	assert_null(p);
	assert_int_equal(logged.lines, 2);
	memset(&logged, 0, sizeof(logged));
	assert_nothing(j, KEY);
	promise(j, KEY, 5, 3);
	assert_promised(j, KEY, 5, 3);
	pb_journal_free(&j);
}

static void
a_file_of_another_version_stays_as_it_is(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_error err = { .text = "" };
	int64_t number;

	promise(j, KEY, 5, 3);
	pb_journal_free(&j);
	execute(f, "PRAGMA user_version = 99");
	j = new_journal(f);
	assert_int_equal(pb_journal_open(j, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "another version"));
	assert_int_equal(try_promise(j, KEY, 5, 3, &number, &err),
	    PB_EINVAL);
	execute(f, "PRAGMA user_version = 2");
	assert_promised(j, KEY, 5, 3);
	execute(f, "PRAGMA application_id = 7");
	pb_journal_free(&j);
	j = new_journal(f);
	assert_int_equal(pb_journal_open(j, &err), PB_EINVAL);
	assert_non_null(strstr(err.text, "no journal"));
	pb_journal_free(&j);
}

static void
on_a_full_disk_a_promise_fails_and_later_ones_do_not(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_error err = { .text = "" };
	int64_t number = 0;

	signal(SIGXFSZ, SIG_IGN);
	promise(j, KEY, 5, 3);
	limit_files(60000);
	assert_int_equal(try_promise(j, OTHER, 5, 100000, &number, &err),
	    PB_EIO);
	assert_non_null(strstr(err.text, "journal.db: "));
	limit_files(RLIM_INFINITY);
	assert_promised(j, KEY, 5, 3);
	assert_nothing(j, OTHER);
	promise(j, OTHER, 5, 100000);
	assert_promised(j, OTHER, 5, 100000);
	pb_journal_free(&j);
}

static void
a_directory_that_is_not_there_is_an_error_and_may_come(void **state)
{
	struct folder *f = *state;
	struct pb_journal *j = new_journal(f);
	struct pb_error err = { .text = "" };
	char away[128];
	int64_t number;

	snprintf(away, sizeof(away), "%s-away", f->path);
	promise(j, KEY, 5, 3);
	assert_int_equal(rename(f->path, away), 0);
	assert_int_equal(try_promise(j, OTHER, 5, 3, &number, &err),
	    PB_EINVAL);
	assert_non_null(strstr(err.text, "no such directory"));
	assert_nothing(j, KEY);
	assert_int_equal(rename(away, f->path), 0);
	promise(j, OTHER, 5, 3);
	assert_promised(j, KEY, 5, 3);
	pb_journal_free(&j);
}

static void
failing_allocations_lose_no_promise(void **state)
{
	struct pb_journal *j = new_journal(*state);
	struct pb_error err;
	struct pb_promises *p = NULL;
	enum pb_status st = PB_ENOMEM;
	int64_t number;
	unsigned long n;

	assert_int_equal(pb_journal_open(j, &err), PB_OK);
	for (n = 1; st != PB_OK; n++) {
		struct pb_journal_source source = { .maildrop = KEY,
			.session = "1", .client = "c" };
		uint32_t uid = 7;
		struct pb_promise one = { .uidvalidity = 1700000000,
			.uids = &uid, .n = 1 };

		pb_mem_fail_from(n);
		st = pb_journal_promise(j, &source, &one, &number, &err);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
	}
	assert_promised(j, KEY, 7, 1);
	for (n = 1, st = PB_ENOMEM; st != PB_OK; n++) {
		pb_mem_fail_from(n);
		st = pb_journal_load(j, KEY, LOGIN, &p, &err);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || (st == PB_ENOMEM && p == NULL));
	}
	memset(&logged, 0, sizeof(logged));
	assert_true(n > 2);
	assert_int_equal(p->n, 1);
	pb_promises_free(&p);
	pb_mem_fail_from(1);
	assert_null(pb_journal_new("/nowhere"));
	pb_mem_fail_from(0);
	pb_journal_free(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_promised_is_there_until_it_is_kept),
		TEST(a_promise_is_on_the_disk_when_the_call_returns),
		TEST(the_file_is_its_owners),
		TEST(two_processes_share_it),
		TEST(threads_of_several_processes_do_not_mix_up_their_promises),
		TEST(a_number_is_never_used_again),
		TEST(all_promises_are_listed_with_what_has_become_of_them),
		TEST(what_fails_five_times_rests_for_a_day_or_until_a_retry),
		TEST(what_is_older_than_thirty_days_is_dropped_and_said),
		TEST(a_damaged_promise_is_void_and_removes_nothing),
		TEST(a_promise_of_another_maildrop_is_none),
		TEST(a_file_that_is_none_is_put_aside),
		TEST(a_file_that_gets_damaged_is_put_aside_by_who_notices),
		TEST(a_file_of_another_version_stays_as_it_is),
		TEST(on_a_full_disk_a_promise_fails_and_later_ones_do_not),
		TEST(a_directory_that_is_not_there_is_an_error_and_may_come),
		TEST(failing_allocations_lose_no_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
