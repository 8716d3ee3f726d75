#include "support/test.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "popbridge/net/privileges.h"

/* What is given up is gone, so each test does it in a process of its own. */
static int
in_a_child(void (*work)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

/* The child has no test framework: the line is its status. */
#define MUST(what) do { if (!(what)) _exit(1 + __LINE__ % 90); } while (0)

static void
guard(void)
{
	struct rlimit core;

	pb_privileges_guard();
	MUST(umask(0) == 077);
	MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void
nothing_is_dumped_and_files_are_the_users_own(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(guard), 0);
}

static void
seal(void)
{
	pb_privileges_guard();
	pb_privileges_seal(false);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void
no_program_that_is_started_gets_more_rights(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(seal), 0);
}

static void
seal_with_cores(void)
{
	struct rlimit core;

	pb_privileges_guard();
	pb_privileges_seal(true);
	MUST(getrlimit(RLIMIT_CORE, &core) == 0 &&
	    core.rlim_cur == core.rlim_max);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void
cores_are_dumped_when_the_administrator_wants_them(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(seal_with_cores), 0);
}

static void
become_nobody(void)
{
	struct pb_error err = { .text = "" };
	gid_t groups[64];

	MUST(pb_privileges_drop("nobody", "daemon", &err) == PB_OK);
	pb_privileges_seal(false);
	MUST(getuid() != 0 && geteuid() != 0 && getgid() != 0);
	MUST(setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0);
	MUST(getgroups(64, groups) <= 2);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	/* Without capabilities, but it may be who it is again. */
	MUST(prctl(PR_CAPBSET_DROP, 0, 0, 0, 0) != 0);
	MUST(pb_privileges_drop("nobody", "daemon", &err) == PB_OK);
	MUST(pb_privileges_drop("daemon", NULL, &err) == PB_EINVAL);
}

static void
somebody_else_than_root(void)
{
	const char *other = getuid() == 1 ? "bin" : "daemon";
	struct pb_error err = { .text = "" };

	MUST(pb_privileges_drop(other, NULL, &err) == PB_EINVAL);
	MUST(strstr(err.text, ": popbridge is not started as root and cannot "
	    "become somebody else: start it as root, or leave the option "
	    "out") != NULL);
}

static void
a_user_without_a_way_back(void **state)
{
	(void)state;
	/* Only root has rights to give up; who else runs this, is told so. */
	assert_int_equal(in_a_child(geteuid() == 0
	    ? become_nobody : somebody_else_than_root), 0);
}

static void
a_user_that_cannot_be_is_told_before_the_start(void **state)
{
	struct pb_error err = { .text = "" };

	(void)state;
	assert_int_equal(pb_privileges_judge(NULL, NULL, &err), PB_OK);
	assert_int_equal(pb_privileges_judge("nobody", NULL, &err), PB_OK);
	assert_int_equal(pb_privileges_judge("nobody", "daemon", &err),
	    PB_OK);
	assert_int_equal(pb_privileges_judge("no such", NULL, &err),
	    PB_EINVAL);
	assert_string_equal(err.text, "user = no such: this machine has no "
	    "such user: make one, or leave the option out");
	assert_int_equal(pb_privileges_judge("nobody", "no such", &err),
	    PB_EINVAL);
	assert_string_equal(err.text, "group = no such: this machine has no "
	    "such group: make one, or leave the option out");
	assert_int_equal(pb_privileges_judge("root", NULL, &err), PB_EINVAL);
	assert_string_equal(err.text, "user = root: it may do everything: "
	    "name a user that is for popbridge only, or leave the option "
	    "out");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_dumped_and_files_are_the_users_own),
		cmocka_unit_test(no_program_that_is_started_gets_more_rights),
		cmocka_unit_test(
		    cores_are_dumped_when_the_administrator_wants_them),
		cmocka_unit_test(a_user_without_a_way_back),
		cmocka_unit_test(
		    a_user_that_cannot_be_is_told_before_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
