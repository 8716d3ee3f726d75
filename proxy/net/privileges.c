#include "popbridge/net/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

struct ids {
	uid_t uid;
	gid_t gid;
};

static void
limit_cores(bool core_dumps)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) != 0)
		return;
	core.rlim_cur = core_dumps ? core.rlim_max : 0;
	(void)setrlimit(RLIMIT_CORE, &core);
	/* A core that goes to a program by a pipe knows no limit. */
	(void)prctl(PR_SET_DUMPABLE, core_dumps ? 1 : 0, 0, 0, 0);
}

void
pb_privileges_guard(void)
{
	(void)umask(S_IRWXG | S_IRWXO);
	limit_cores(false);
}

static enum pb_status
refuse(struct pb_error *err, const char *option, const char *name,
    const char *why)
{
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "%s = %s: %s", option, name, why);
	return PB_EINVAL;
}

static enum pb_status
find(const char *user, const char *group, struct ids *ids,
    struct pb_error *err)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr;

	if (pw == NULL)
		return refuse(err, "user", user, "this machine has no such "
		    "user: make one, or leave the option out");
	if (pw->pw_uid == 0)
		return refuse(err, "user", user, "it may do everything: name "
		    "a user that is for popbridge only, or leave the option "
		    "out");
	*ids = (struct ids){ pw->pw_uid, pw->pw_gid };
	if (group == NULL)
		return PB_OK;
	gr = getgrnam(group);
	if (gr == NULL)
		return refuse(err, "group", group, "this machine has no such "
		    "group: make one, or leave the option out");
	ids->gid = gr->gr_gid;
	return PB_OK;
}

enum pb_status
pb_privileges_judge(const char *user, const char *group, struct pb_error *err)
{
	struct ids ids;

	return user != NULL ? find(user, group, &ids, err) : PB_OK;
}

static bool
is(const struct ids *ids)
{
	uid_t u[3];
	gid_t g[3];

	pb_check(getresuid(&u[0], &u[1], &u[2]) == 0);
	pb_check(getresgid(&g[0], &g[1], &g[2]) == 0);
	return u[0] == ids->uid && u[1] == ids->uid && u[2] == ids->uid &&
	    g[0] == ids->gid && g[1] == ids->gid && g[2] == ids->gid;
}

static enum pb_status
fail(struct pb_error *err, const char *user, const char *what)
{
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "cannot become user %s: %s", user, what);
	return PB_EIO;
}

enum pb_status
pb_privileges_drop(const char *user, const char *group, struct pb_error *err)
{
	struct ids ids;
	enum pb_status st;

	if (user == NULL)
		return PB_OK;
	st = find(user, group, &ids, err);
	if (st != PB_OK || is(&ids))
		return st;
	if (geteuid() != 0)
		return refuse(err, "user", user, "popbridge is not started as "
		    "root and cannot become somebody else: start it as root, "
		    "or leave the option out");
	/* The groups first: who is no longer root cannot give them away. */
	if (initgroups(user, ids.gid) != 0 ||
	    setresgid(ids.gid, ids.gid, ids.gid) != 0 ||
	    setresuid(ids.uid, ids.uid, ids.uid) != 0)
		return fail(err, user, strerror(errno));
	if (!is(&ids) || setuid(0) == 0 || seteuid(0) == 0 ||
	    (ids.gid != 0 && (setgid(0) == 0 || setegid(0) == 0)))
		return fail(err, user, "there is a way back to root");
	return PB_OK;
}

/* libcap would be a library for this one call. */
static void
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &header, none) != 0)
		pb_log(PB_LOG_WARN, "cannot give up capabilities",
		    PB_LOG_STR("why", strerror(errno)));
}

void
pb_privileges_seal(bool core_dumps)
{
	/* Changing the user has changed this, too. */
	limit_cores(core_dumps);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		pb_log(PB_LOG_WARN, "cannot forbid new privileges",
		    PB_LOG_STR("why", strerror(errno)));
	/* Root without them could not read what is not its own. */
	if (geteuid() != 0)
		drop_capabilities();
}
