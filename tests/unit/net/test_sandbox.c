#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "popbridge/base/log.h"
#include "popbridge/net/sandbox.h"

/*
 * Nobody comes out again, so each test goes in in a process of its own.  It
 * has no test framework there: the line of what is not so is its status.
 */
#define MUST(what) do { if (!(what)) _exit(1 + __LINE__ % 90); } while (0)

/* What a kernel without all of it says, by a filter around the sandbox. */
enum kernel { COMPLETE, WITHOUT_LANDLOCK, WITHOUT_BOTH };

struct world {
	char folder[64];
	char outside[64];
	char config_file[96];
	struct pb_config config;
	enum kernel kernel;
};

static char records[1024];
static unsigned n_records;

static void
record(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	size_t i;
	size_t at;

	n_records++;
	at = (size_t)snprintf(records, sizeof(records), "%s %s",
	    pb_log_level_name(level), text);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(records + at, sizeof(records) - at,
		    " %s=%s", pairs[i].key,
		    pairs[i].text != NULL ? pairs[i].text : "");
}

static void
put_file(const char *folder, const char *name, char out[96])
{
	FILE *f;

	snprintf(out, 96, "%s/%s", folder, name);
	f = fopen(out, "w");
	assert_non_null(f);
	assert_true(fputs("x\n", f) > 0);
	assert_int_equal(fclose(f), 0);
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char name[96];

	assert_non_null(w);
	snprintf(w->folder, sizeof(w->folder), "/tmp/pb-sandbox-XXXXXX");
	snprintf(w->outside, sizeof(w->outside), "/tmp/pb-outside-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_non_null(mkdtemp(w->outside));
	put_file(w->folder, "popbridge.conf", w->config_file);
	put_file(w->outside, "secret", name);
	w->config.sandbox = PB_SANDBOX_TRY;
	*state = w;
	return 0;
}

static void
remove_folder(const char *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	assert_int_equal(system(command), 0);
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	remove_folder(w->folder);
	remove_folder(w->outside);
	free(w);
	return 0;
}

static void
take_away(enum kernel kernel)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	MUST(f != NULL);
	MUST(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS),
	    SCMP_SYS(landlock_create_ruleset), 0) == 0);
	if (kernel == WITHOUT_BOTH) {
		MUST(seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL),
		    SCMP_SYS(seccomp), 0) == 0);
		MUST(seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL),
		    SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_MASKED_EQ,
			0xffffffff, PR_SET_SECCOMP)) == 0);
	}
	MUST(seccomp_load(f) == 0);
	seccomp_release(f);
}

static enum pb_status
enter(const struct world *w, struct pb_error *err)
{
	n_records = 0;
	pb_log_setup(PB_LOG_INFO, record);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (w->kernel != COMPLETE)
		take_away(w->kernel);
	return pb_sandbox_enter(&w->config, w->config_file, err);
}

/* What waitpid says of a process that does the work in the sandbox. */
static int
inside(const struct world *w, void (*work)(const struct world *))
{
	struct pb_error err = { .text = "" };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		MUST(enter(w, &err) == PB_OK);
		work(w);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool
opens(const char *folder, const char *name, int how)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, how | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	else
		MUST(errno == EACCES);
	return fd >= 0;
}

/* The version; 0: tests must also pass where the kernel has none. */
static unsigned long
landlock(void)
{
	const char *version = strstr(records, "landlock=version ");

	MUST(n_records == 1 && strstr(records, "seccomp=yes") != NULL);
	MUST(strncmp(records, version != NULL ? "info confined " :
	    "warn confined less ", 14) == 0);
	return version != NULL ? strtoul(version + 17, NULL, 10) : 0;
}

static void
read_files(const struct world *w)
{
	bool open = landlock() == 0;

	MUST(opens(w->folder, "popbridge.conf", O_RDONLY));
	MUST(opens("/etc", "passwd", O_RDONLY));
	MUST(opens("/dev", "null", O_WRONLY));
	MUST(opens(w->folder, "popbridge.conf", O_WRONLY) == open);
	MUST(opens(w->folder, "new", O_WRONLY | O_CREAT) == open);
#ifndef PB_SANITIZED
	/* Those that look for errors read whatever they like. */
	MUST(opens(w->outside, "secret", O_RDONLY) == open);
#endif
	MUST(opens(w->outside, "secret", O_WRONLY) == open);
	MUST(opens(w->outside, "new", O_WRONLY | O_CREAT) == open);
}

static void
files_that_nobody_named_are_refused(void **state)
{
	assert_int_equal(inside(*state, read_files), 0);
}

static void
write_files(const struct world *w)
{
	bool open = landlock() == 0;
	char from[160];
	char to[160];

	MUST(opens(w->folder, "journal", O_WRONLY | O_CREAT | O_TRUNC));
	snprintf(from, sizeof(from), "%s/journal", w->folder);
	snprintf(to, sizeof(to), "%s/ports", w->folder);
	MUST(rename(from, to) == 0);
	MUST(unlink(to) == 0);
	/* But nothing that would be more than a file. */
	MUST(symlink("/etc/shadow", from) != 0);
	MUST(mkdir(from, 0700) != 0);
	MUST(mkfifo(from, 0700) != 0);
	MUST(opens(w->outside, "new", O_WRONLY | O_CREAT) == open);
}

static void
what_must_be_written_to_takes_files_and_nothing_else(void **state)
{
	struct world *w = *state;
	char file[160];

	snprintf(file, sizeof(file), "%s/file", w->folder);
	w->config.state_directory = w->folder;
	assert_int_equal(inside(w, write_files), 0);
	w->config.state_directory = NULL;
	w->config.ports_file = file;
	assert_int_equal(inside(w, write_files), 0);
	w->config.ports_file = NULL;
	w->config.accounts = file;
	assert_int_equal(inside(w, write_files), 0);
}

static void
read_link(const struct world *w)
{
	MUST(opens(w->folder, "cert.pem", O_RDONLY));
	/* It was renewed, and its link points to another file. */
	MUST(opens(w->outside, "cert2.pem", O_RDONLY));
}

static void
a_certificate_may_be_a_link_that_changes(void **state)
{
	struct world *w = *state;
	const char *certs[1];
	struct pb_listener_config listener = { .tls_cert = { certs, 1 } };
	char link[96];
	char name[96];

	put_file(w->outside, "cert1.pem", name);
	snprintf(link, sizeof(link), "%s/cert.pem", w->folder);
	assert_int_equal(symlink(name, link), 0);
	put_file(w->outside, "cert2.pem", name);
	certs[0] = link;
	w->config.listener = &listener;
	w->config.n_listeners = 1;
	assert_int_equal(inside(w, read_link), 0);
}

static void *
thread(void *arg)
{
	*(int *)arg = socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
	return NULL;
}

static void
call(const struct world *w)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	pthread_t t;
	int fd;
	int error = 0;

	(void)w;
	MUST(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS);
	MUST(socket(AF_INET, SOCK_RAW, 6) < 0 && errno == ENOSYS);
	MUST(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS);
	MUST(ioctl(0, 0x5412 /* TIOCSTI */, "x") < 0 && errno == ENOSYS);
	MUST(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0);
#ifndef PB_SANITIZED
	MUST(fork() < 0 && errno == ENOSYS);
	MUST(kill(getppid(), 0) < 0 && errno == ENOSYS);
	MUST(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
#endif
	/* And what serving needs is there, threads too. */
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(fd >= 0 && close(fd) == 0);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	MUST(pthread_create(&t, NULL, thread, &error) == 0);
	MUST(pthread_join(t, NULL) == 0);
	MUST(error == ENOSYS);
}

static void
system_calls_that_nobody_needs_are_refused(void **state)
{
	assert_int_equal(inside(*state, call), 0);
}

static void
start_a_shell(const struct world *w)
{
	(void)w;
	(void)execl("/bin/true", "true", (char *)NULL);
}

static void
mount_something(const struct world *w)
{
	(void)syscall(SYS_mount, "none", w->folder, "tmpfs", 0UL, NULL);
}

static void
whoever_starts_a_program_is_killed(void **state)
{
	int status = inside(*state, start_a_shell);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = inside(*state, mount_something);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void
abort_it(const struct world *w)
{
	(void)w;
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

static void
a_fault_of_ours_still_ends_the_process(void **state)
{
	int status = inside(*state, abort_it);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
bind_another_port(const struct world *w)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)w;
	/* Older kernels than 6.7 cannot forbid it. */
	MUST(bind(fd, (struct sockaddr *)&any, sizeof(any)) ==
	    (landlock() >= 4 ? -1 : 0));
}

static void
no_port_is_bound_any_more(void **state)
{
	assert_int_equal(inside(*state, bind_another_port), 0);
}

static void
no_sandbox(const struct world *w)
{
	MUST(n_records == 0);
	MUST(opens(w->outside, "new", O_WRONLY | O_CREAT));
	MUST(socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != ENOSYS);
}

static void
who_wants_none_gets_none(void **state)
{
	struct world *w = *state;

	w->config.sandbox = PB_SANDBOX_NO;
	assert_int_equal(inside(w, no_sandbox), 0);
}

static void
without_landlock(const struct world *w)
{
	MUST(n_records == 1);
	MUST(strcmp(records, "warn confined less than this could be: the "
	    "kernel does not have, or allow, all of it seccomp=yes "
	    "landlock=no: Function not implemented") == 0);
	MUST(opens(w->outside, "new", O_WRONLY | O_CREAT));
	MUST(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS);
}

static void
with_neither(const struct world *w)
{
	MUST(n_records == 1);
	MUST(strcmp(records, "warn confined less than this could be: the "
	    "kernel does not have, or allow, all of it seccomp=no: Invalid "
	    "argument landlock=no: Function not implemented") == 0);
	MUST(opens(w->outside, "new", O_WRONLY | O_CREAT));
}

static void
what_the_kernel_does_not_have_is_said_in_one_line(void **state)
{
	struct world *w = *state;

	w->config.sandbox = PB_SANDBOX_TRY;
	w->kernel = WITHOUT_LANDLOCK;
	assert_int_equal(inside(w, without_landlock), 0);
	w->kernel = WITHOUT_BOTH;
	assert_int_equal(inside(w, with_neither), 0);
}

static void
who_insists_is_told_what_is_missing(void **state)
{
	struct world *w = *state;
	struct pb_error err = { .text = "" };
	int status = 0;
	pid_t pid;

	w->config.sandbox = PB_SANDBOX_YES;
	w->kernel = WITHOUT_LANDLOCK;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		MUST(enter(w, &err) == PB_EIO);
		MUST(strcmp(err.text, "sandbox = yes, but the kernel does "
		    "not have all of it (seccomp: yes; Landlock: no: "
		    "Function not implemented): \"sandbox = try\" takes what "
		    "there is") == 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_that_nobody_named_are_refused),
		TEST(what_must_be_written_to_takes_files_and_nothing_else),
		TEST(a_certificate_may_be_a_link_that_changes),
		TEST(system_calls_that_nobody_needs_are_refused),
		TEST(whoever_starts_a_program_is_killed),
		TEST(a_fault_of_ours_still_ends_the_process),
		TEST(no_port_is_bound_any_more),
		TEST(who_wants_none_gets_none),
		TEST(what_the_kernel_does_not_have_is_said_in_one_line),
		TEST(who_insists_is_told_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
