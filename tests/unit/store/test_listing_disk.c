#include "listing_fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* Disks that fail, and other processes. */

static void
a_full_disk_is_said_once_and_costs_the_saves_only(void **state)
{
	struct pb_listing_cache *c = open_cache(*state);
	uint32_t i;

	signal(SIGXFSZ, SIG_IGN);
	save(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	limit_files(50000);
	for (i = 1; i < 6; i++) {
		save(c, OTHER, i, 50000);
		pb_listing_cache_flush(c);
	}
	assert_logged("listings cannot be saved on the disk: they are "
	    "remembered in memory only");
	assert_loads(c, KEY, 7, 10);
	assert_none(c, OTHER);
	limit_files(RLIM_INFINITY);
	save(c, OTHER, i, 50000);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 7, 10);
	assert_loads(c, OTHER, i, 50000);
	pb_listing_cache_close(&c);
	c = open_cache(*state);
	assert_loads(c, OTHER, i, 50000);
	pb_listing_cache_close(&c);
}

static void
a_disk_that_is_full_from_the_beginning_is_an_error(void **state)
{
	struct pb_listing_cache *c = NULL;
	struct pb_error err;

	signal(SIGXFSZ, SIG_IGN);
	limit_files(100);
	assert_int_equal(pb_listing_cache_open(((struct folder *)*state)->path,
	    &c, &err), PB_EIO);
	limit_files(RLIM_INFINITY);
	assert_null(c);
	assert_non_null(strstr(err.text, "listings.db: "));
}

static void
a_directory_that_goes_away_is_said_once_and_may_come_back(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	char away[128];
	uint32_t i;

	snprintf(away, sizeof(away), "%s-away", f->path);
	save(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 7, 10);
	assert_int_equal(rename(f->path, away), 0);
	for (i = 0; i < 3; i++) {
		save(c, OTHER, 8, 20);
		pb_listing_cache_flush(c);
	}
	assert_logged("listings cannot be saved on the disk: they are "
	    "remembered in memory only: ");
	assert_none(c, KEY);
	assert_none(c, OTHER);
	assert_logged("listings cannot be read from the disk");
	assert_int_equal(rename(away, f->path), 0);
	save(c, OTHER, 9, 30);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 7, 10);
	assert_loads(c, OTHER, 9, 30);
	pb_listing_cache_close(&c);
}

static void
a_file_that_somebody_removed_is_made_again(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	char path[128];

	save(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 7, 10);
	assert_int_equal(unlink(f->file), 0);
	snprintf(path, sizeof(path), "%s-wal", f->file);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s-shm", f->file);
	assert_int_equal(unlink(path), 0);
	save(c, OTHER, 8, 20);
	pb_listing_cache_flush(c);
	assert_loads(c, OTHER, 8, 20);
	assert_none(c, KEY);
	pb_listing_cache_close(&c);
	c = open_cache(f);
	assert_loads(c, OTHER, 8, 20);
	pb_listing_cache_close(&c);
}

static void
a_queue_that_is_full_drops_the_oldest(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	sqlite3 *db = NULL;
	uint32_t i;

	/* Another process holds the file. */
	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL,
	    NULL), SQLITE_OK);
	for (i = 0; i < 10000; i++)
		save(c, pb_slice((const char *)&i, sizeof(i)), i, 3);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	pb_listing_cache_flush(c);
	assert_logged("more listings are to be saved than the disk takes");
	i--;
	assert_loads(c, pb_slice((const char *)&i, sizeof(i)), i, 3);
	assert_in_range(ask(f, "SELECT count(*) FROM listing"), 4096, 9000);
	pb_listing_cache_close(&c);
}

static void
a_queue_of_large_mailboxes_is_bounded_by_their_octets(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	struct pb_listing *l = make_listing(7, 1000000);
	sqlite3 *db = NULL;
	char i;

	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL,
	    NULL), SQLITE_OK);
	/* 8 MB each: what is taken, and then 64 MB that wait. */
	for (i = 0; i < 30; i++)
		pb_listing_cache_save(c, pb_slice(&i, 1), l);
	assert_in_range(l->refs, 1 + 8, 1 + 17);
	for (i = 0; i < 30; i++)
		pb_listing_cache_forget(c, pb_slice(&i, 1));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	pb_listing_cache_flush(c);
	assert_logged("more listings are to be saved than the disk takes");
	assert_int_equal(l->refs, 1);
	pb_listing_unref(&l);
	assert_int_equal(ask(f, "SELECT count(*) FROM listing"), 0);
	pb_listing_cache_close(&c);
}

/* Another process does it; how it ended. */
static pid_t
in_another_process(void (*work)(const struct folder *f, unsigned n),
    const struct folder *f, unsigned n)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	work(f, n);
	_exit(logged.lines > 1 ? 2 : 0);
}

static void
assert_ended_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Where no assertion may end a test of another process. */
static struct pb_listing_cache *
open_there(const struct folder *f)
{
	struct pb_listing_cache *c = NULL;
	struct pb_error err;

	if (pb_listing_cache_open(f->path, &c, &err) != PB_OK) {
		print_error("%s\n", err.text);
		_exit(3);
	}
	return c;
}

static void
work_among_others(const struct folder *f, unsigned n)
{
	struct pb_listing_cache *c = open_there(f);
	uint32_t i;

	for (i = 0; i < 300; i++) {
		const char name = (char)('a' + i % 7);
		struct pb_slice key = pb_slice(&name, 1);
		struct pb_listing *l = pb_listing_cache_load(c, key);
		uint32_t id = n * 1000 + i;

		if (l != NULL && !is_listing(l, l->uidvalidity,
		    l->uidvalidity % 300))
			_exit(1);
		pb_listing_unref(&l);
		save(c, key, id, id % 300);
		if (i % 5 == 0)
			pb_listing_cache_flush(c);
	}
	save(c, pb_slice((const char *)&n, sizeof(n)), n, 40);
	pb_listing_cache_close(&c);
}

#define PROCESSES 3

static void
let_processes_work(const struct folder *f)
{
	pid_t pids[PROCESSES];
	struct pb_listing_cache *c;
	unsigned i;

	for (i = 0; i < PROCESSES; i++)
		pids[i] = in_another_process(work_among_others, f, i);
	for (i = 0; i < PROCESSES; i++)
		assert_ended_well(pids[i]);
	c = open_cache(f);
	for (i = 0; i < PROCESSES; i++)
		assert_loads(c, pb_slice((const char *)&i, sizeof(i)), i,
		    40);
	pb_listing_cache_close(&c);
}

static void
processes_share_a_directory(void **state)
{
	let_processes_work(*state);
	assert_logged(NULL);
}

static void
processes_that_find_it_damaged_begin_it_anew_together(void **state)
{
	struct folder *f = *state;
	unsigned round;

	for (round = 0; round < 5; round++) {
		write_file(f->file, OCTETS("this is no file of listings, and "
		    "longer than one might think"), 0600);
		let_processes_work(f);
	}
}

static void
load_what_another_one_made(const struct folder *f, unsigned n)
{
	struct pb_listing_cache *c = open_there(f);
	struct pb_listing *l = pb_listing_cache_load(c, KEY);

	if (l == NULL || !is_listing(l, n, 10))
		_exit(1);
	pb_listing_unref(&l);
	pb_listing_cache_close(&c);
}

/* How often a process has opened the folder; 0 when it ended. */
static unsigned
count_opened(pid_t pid, const struct folder *f)
{
	char link[64];
	char to[128];
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 64; fd++) {
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		len = readlink(link, to, sizeof(to));
		n += len == (ssize_t)strlen(f->path) &&
		    memcmp(to, f->path, (size_t)len) == 0;
	}
	return n;
}

static void
a_process_waits_while_another_one_begins_it_anew(void **state)
{
	struct folder *f = *state;
	struct pb_listing_cache *c = open_cache(f);
	char good[128];
	pid_t pid;
	int fd;

	save(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
	snprintf(good, sizeof(good), "%s/other.db", f->path);
	assert_int_equal(rename(f->file, good), 0);
	write_file(f->file, OCTETS("damaged"), 0600);
	fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	pid = in_another_process(load_what_another_one_made, f, 7);
	/* One it has inherited, and one is what it waits for. */
	while (count_opened(pid, f) == 1)
		;
	assert_int_equal(rename(good, f->file), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	assert_ended_well(pid);
}

static void
a_process_that_never_lets_go_is_waited_for_five_seconds(void **state)
{
	struct folder *f = *state;
	int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	time_t begun = time(NULL);
	struct pb_listing_cache *c;

	assert_int_equal(flock(fd, LOCK_EX), 0);
	c = open_cache(f);
	assert_in_range(time(NULL) - begun, 4, 60);
	save(c, KEY, 7, 10);
	pb_listing_cache_flush(c);
	assert_loads(c, KEY, 7, 10);
	pb_listing_cache_close(&c);
	close(fd);
}

static void
who_may_not_write_there_is_told(void **state)
{
	struct folder *f = *state;
	pid_t pid;

	assert_int_equal(chmod(f->path, 0500), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct pb_listing_cache *c = NULL;
		struct pb_error err;

		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(3);
		if (pb_listing_cache_open(f->path, &c, &err) != PB_EINVAL)
			_exit(1);
		_exit(strstr(err.text, "this user may not write to it") !=
		    NULL ? 0 : 2);
	}
	assert_ended_well(pid);
	assert_int_equal(chmod(f->path, 0700), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_folder, \
	stop_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(processes_share_a_directory),
		TEST(processes_that_find_it_damaged_begin_it_anew_together),
		TEST(a_process_waits_while_another_one_begins_it_anew),
		TEST(a_process_that_never_lets_go_is_waited_for_five_seconds),
		TEST(who_may_not_write_there_is_told),
		TEST(a_full_disk_is_said_once_and_costs_the_saves_only),
		TEST(a_disk_that_is_full_from_the_beginning_is_an_error),
		TEST(a_directory_that_goes_away_is_said_once_and_may_come_back),
		TEST(a_file_that_somebody_removed_is_made_again),
		TEST(a_queue_that_is_full_drops_the_oldest),
		TEST(a_queue_of_large_mailboxes_is_bounded_by_their_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
