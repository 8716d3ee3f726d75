#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "popbridge/net/memory.h"

#define MB ((size_t)1024 * 1024)

/* A folder that looks like the root of a system. */
struct world {
	char root[64];
};

static int
start(void **state)
{
	static struct world w;

	strcpy(w.root, "/tmp/test-memory-XXXXXX");
	*state = &w;
	return mkdtemp(w.root) != NULL ? 0 : -1;
}

static int
stop(void **state)
{
	struct world *w = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", w->root);
	return system(command);
}

static void
write_file(const struct world *w, const char *name, const char *text)
{
	char path[256];
	char *slash = path;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", w->root, name);
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static size_t
found(const struct world *w)
{
	const char *source = NULL;
	size_t limit = pb_memory_of_system(w->root, &source);

	assert_non_null(source);
	assert_int_equal(limit != 0, strcmp(source, "none") != 0);
	return limit;
}

static void
without_any_limit_there_is_none(void **state)
{
	struct world *w = *state;

	assert_int_equal(found(w), 0);
	write_file(w, "/proc/self/cgroup", "0::/a/b\n");
	assert_int_equal(found(w), 0);
	write_file(w, "/sys/fs/cgroup/a/b/memory.max", "max\n");
	assert_int_equal(found(w), 0);
}

static void
the_least_limit_of_a_cgroup_and_those_around_it_is_found(void **state)
{
	struct world *w = *state;

	write_file(w, "/proc/self/cgroup", "1:cpu:/x\n0::/a/b\n");
	write_file(w, "/sys/fs/cgroup/a/b/memory.max", "5000000\n");
	assert_int_equal(found(w), 5000000);
	write_file(w, "/sys/fs/cgroup/a/memory.max", "4000000\n");
	assert_int_equal(found(w), 4000000);
	/* Of a container, which sees its own group as the root. */
	write_file(w, "/sys/fs/cgroup/memory.max", "3000000\n");
	assert_int_equal(found(w), 3000000);
	write_file(w, "/sys/fs/cgroup/memory.max", "max\n");
	assert_int_equal(found(w), 4000000);
}

static void
cgroups_of_version_1_are_understood(void **state)
{
	struct world *w = *state;

	write_file(w, "/proc/self/cgroup", "9:cpu:/y\n4:memory:/x\n0::/\n");
	write_file(w, "/sys/fs/cgroup/memory/memory.limit_in_bytes",
	    "9223372036854771712\n");
	assert_int_equal(found(w), 0);
	write_file(w, "/sys/fs/cgroup/memory/x/memory.limit_in_bytes",
	    "7000000\n");
	assert_int_equal(found(w), 7000000);
}

static void
what_cannot_be_read_is_no_limit(void **state)
{
	static const char *const odd[] = { "", "\n", ":", "::", "0:", "0::",
		"x:memory", "x:memory:", "x:memory:\n0::/a", "0::/../../..\n" };
	struct world *w = *state;
	size_t i;

	write_file(w, "/sys/fs/cgroup/a/memory.max", "nonsense\n");
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		write_file(w, "/proc/self/cgroup", odd[i]);
		assert_int_equal(found(w), 0);
	}
}

static void
a_limit_of_the_process_counts_too(void **state)
{
	struct world *w = *state;
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
		const char *source;

		limit.rlim_cur = 1 << 30;
		if (setrlimit(RLIMIT_DATA, &limit) != 0)
			_exit(1);
		_exit(pb_memory_of_system(w->root, &source) == 1 << 30 &&
		    strcmp(source, "RLIMIT_DATA") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
what_is_used_is_known_until_the_meter_is_closed(void **state)
{
	int fd = pb_memory_open();
	size_t before;
	size_t with;
	size_t after;
	char *block;

	(void)state;
	assert_true(fd >= 0);
	assert_true(pb_memory_used(fd, &before));
	block = malloc(64 * MB);
	assert_non_null(block);
	memset(block, 1, 64 * MB);
	assert_true(pb_memory_used(fd, &with));
	assert_true(with > before + 60 * MB && with < before + 200 * MB);
	free(block);
	close(fd);
	assert_false(pb_memory_used(fd, &after));
	assert_false(pb_memory_used(-1, &after));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_any_limit_there_is_none),
		TEST(the_least_limit_of_a_cgroup_and_those_around_it_is_found),
		TEST(cgroups_of_version_1_are_understood),
		TEST(what_cannot_be_read_is_no_limit),
		TEST(a_limit_of_the_process_counts_too),
		cmocka_unit_test(what_is_used_is_known_until_the_meter_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
