#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_priv.h"

/*
 * Newer kernels have more than the headers that this is built with; what is
 * not known here could not be forbidden.  linux/landlock.h of 6.12.
 */
#define TRUNCATE (1ULL << 14)		/* version 3 */
#define IOCTL_DEVICE (1ULL << 15)	/* version 5 */
#define BIND_TCP (1ULL << 0)		/* version 4 */
#define SCOPE_SOCKET (1ULL << 0)	/* version 6 */
#define SCOPE_SIGNAL (1ULL << 1)	/* version 6 */

struct ruleset {
	uint64_t handled_fs;
	uint64_t handled_net;	/* version 4 */
	uint64_t scoped;	/* version 6 */
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE | \
	LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* What can be allowed for something that is no directory. */
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | TRUNCATE | \
	LANDLOCK_ACCESS_FS_WRITE_FILE)

struct rules {
	int fd;
	uint64_t handled;
};

/* Files are replaced by others of the same name, so folders it is. */
static const char *const readable[] = {
	/* of the resolver, of users, of TLS and its CAs, of time zones */
	"/etc",
	"/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/usr/share/zoneinfo", "/usr/share/zoneinfo-icu",
	/* where /etc/resolv.conf points to */
	"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
	"/run/connman",
	/* name services and TLS providers are loaded when they are needed */
	"/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/lib",
	"/lib64", "/usr/local/lib",
	/* libc asks for its own memory, for processors, for entropy */
	"/proc/self", "/proc/sys/vm/overcommit_memory",
	"/sys/devices/system/cpu", "/dev/urandom", "/dev/random",
#ifdef PB_SANITIZED
	"/",
#endif
};

static const char *const writable[] = {
	"/dev/null",
#ifdef PB_COVERAGE_DIRECTORY
	PB_COVERAGE_DIRECTORY,
#endif
};

/* What is not there, nobody can use. */
static void
allow(const struct rules *rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access & rules->handled,
		.parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat st;

	if (rule.parent_fd < 0)
		return;
	if (fstat(rule.parent_fd, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			rule.allowed_access &= OF_FILES;
		(void)syscall(SYS_landlock_add_rule, rules->fd,
		    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	close(rule.parent_fd);
}

static void
allow_folder(const struct rules *rules, const char *file, uint64_t access)
{
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX];

	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else if (slash == file)
		snprintf(folder, sizeof(folder), "/");
	else if (slash - file < PATH_MAX)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file),
		    file);
	else
		return;
	allow(rules, folder, access);
}

/* Its folder, and the one where it really is: many are symbolic links. */
static void
allow_file(void *ctx, const char *file, enum pb_sandbox_access access)
{
	const struct rules *rules = ctx;
	uint64_t rights = access == PB_SANDBOX_WRITE ? WRITE : READ;
	char real[PATH_MAX];

	allow_folder(rules, file, rights);
	if (realpath(file, real) != NULL)
		allow_folder(rules, real, rights);
}

/* Of OpenSSL, which an administrator can point elsewhere. */
static void
allow_authorities(struct rules *rules)
{
	const char *file = getenv(X509_get_default_cert_file_env());
	const char *folder = getenv(X509_get_default_cert_dir_env());

	if (file == NULL)
		file = X509_get_default_cert_file();
	if (folder == NULL)
		folder = X509_get_default_cert_dir();
	allow_file(rules, file, PB_SANDBOX_READ);
	allow(rules, folder, READ);
	allow(rules, X509_get_default_cert_area(), READ);
}

static void
allow_all(struct rules *rules, const struct pb_config *config,
    const char *file)
{
	size_t i;

	for (i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		allow(rules, readable[i], READ);
	for (i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		allow(rules, writable[i], WRITE);
	allow_file(rules, "/etc/resolv.conf", PB_SANDBOX_READ);
	allow_authorities(rules);
	pb_sandbox_each_file(config, file, allow_file, rules);
	if (config->state_directory != NULL)
		allow(rules, config->state_directory, WRITE);
}

int
pb_sandbox_landlock(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

/* All that this version can forbid. */
static size_t
fill(struct ruleset *set, int version)
{
	/* EXECUTE is the first right, MAKE_SYM the last of version 1. */
	set->handled_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (version >= 2)
		set->handled_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		set->handled_fs |= TRUNCATE;
	if (version >= 5)
		set->handled_fs |= IOCTL_DEVICE;
	set->handled_net = version >= 4 ? BIND_TCP : 0;
	set->scoped = version >= 6 ? SCOPE_SOCKET | SCOPE_SIGNAL : 0;
	return version >= 6 ? sizeof(*set)
	    : version >= 4 ? offsetof(struct ruleset, scoped)
			   : offsetof(struct ruleset, handled_net);
}

int
pb_sandbox_restrict_files(const struct pb_config *config, const char *file,
    int version)
{
	struct ruleset set;
	size_t size = fill(&set, version);
	struct rules rules = {
		.fd = (int)syscall(SYS_landlock_create_ruleset, &set, size,
		    0),
		.handled = set.handled_fs };
	int error = 0;

	if (rules.fd < 0)
		return errno;
	allow_all(&rules, config, file);
	if (syscall(SYS_landlock_restrict_self, rules.fd, 0) != 0)
		error = errno;
	close(rules.fd);
	return error;
}
