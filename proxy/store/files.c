#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

char *
pb_file_in(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char *path = pb_alloc(size);

	if (path != NULL)
		snprintf(path, size, "%s/%s", folder, name);
	return path;
}

static enum pb_status
fail(struct pb_error *err, const char *file, const char *what)
{
	char reason[128];

	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "%s: %s: %s", file, what,
	    strerror_r(errno, reason, sizeof(reason)));
	return PB_EIO;
}

/* What is done under a lock takes milliseconds. */
#define LOCK_SECONDS 5

/* Write to a group, and anything for others. */
#define TOO_OPEN (S_IWGRP | S_IXGRP | S_IRWXO)

static enum pb_status
judge(int fd, const char *file, struct pb_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail(err, file, "it cannot be looked at");
	if (!S_ISREG(st.st_mode)) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: it is no file", file);
		return PB_EINVAL;
	}
	if ((st.st_mode & TOO_OPEN) == 0)
		return PB_OK;
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "%s: others can get at it (its mode is %03o): chmod 600 it, and "
	    "make a new key by popbridge account rotate-key", file,
	    (unsigned)st.st_mode & 0777);
	return PB_EINVAL;
}

static enum pb_status
read_all(int fd, const char *file, char *out, size_t size, size_t *len,
    struct pb_error *err)
{
	ssize_t n;

	*len = 0;
	while (*len < size) {
		n = read(fd, out + *len, size - *len);
		if (n == 0)
			return PB_OK;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EINTR)
			return fail(err, file, "it cannot be read");
	}
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "%s: it is too large for a file of keys", file);
	return PB_EINVAL;
}

enum pb_status
pb_file_read_private(const char *file, char *out, size_t size, size_t *len,
    struct pb_error *err)
{
	/* A pipe without a writer would never open. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum pb_status st;

	if (fd < 0) {
		st = errno == ENOENT ? PB_EOF : PB_EIO;
		(void)fail(err, file, "it cannot be opened");
		return st;
	}
	st = judge(fd, file, err);
	if (st == PB_OK)
		st = read_all(fd, file, out, size, len, err);
	close(fd);
	return st;
}

/* The folder of a file, as a path. */
static void
folder_of(const char *file, char out[PATH_MAX])
{
	const char *slash = strrchr(file, '/');

	if (slash == NULL)
		snprintf(out, PATH_MAX, ".");
	else if (slash == file)
		snprintf(out, PATH_MAX, "/");
	else
		snprintf(out, PATH_MAX, "%.*s", (int)(slash - file), file);
}

static bool
write_all(int fd, struct pb_slice text)
{
	ssize_t n;

	while (text.len > 0) {
		n = write(fd, text.data, text.len);
		if (n >= 0)
			pb_slice_skip(&text, (size_t)n);
		else if (errno != EINTR)
			return false;
	}
	return fsync(fd) == 0;
}

/* Whose it shall be: like a file that is there, or like the folder. */
static bool
give_away(int fd, const struct stat *like)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_uid == like->st_uid && st.st_gid == like->st_gid)
		return true;
	/* Only root can, and only then it matters. */
	return geteuid() != 0 || fchown(fd, like->st_uid, like->st_gid) == 0;
}

static bool
fill(int fd, const char *file, const char *folder, struct pb_slice text)
{
	struct stat like;
	mode_t mode = S_IRUSR | S_IWUSR;

	if (stat(file, &like) == 0)
		mode = like.st_mode & (mode_t)(0777 & ~TOO_OPEN);
	else if (errno != ENOENT || stat(folder, &like) != 0)
		return false;
	return give_away(fd, &like) && fchmod(fd, mode) == 0 &&
	    write_all(fd, text);
}

/* A rename is on the disk when its folder is. */
static bool
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

enum pb_status
pb_file_replace(const char *file, struct pb_slice text, struct pb_error *err)
{
	char folder[PATH_MAX];
	char temporary[PATH_MAX];
	enum pb_status st = PB_OK;
	int fd;

	folder_of(file, folder);
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX",
	    file) >= sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return fail(err, file, "it cannot be written");
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return fail(err, file, "it cannot be written");
	if (!fill(fd, file, folder, text) || rename(temporary, file) != 0) {
		st = fail(err, file, "it cannot be written");
		unlink(temporary);
	} else if (!sync_folder(folder)) {
		st = fail(err, folder, "it cannot be brought to the disk");
	}
	close(fd);
	return st;
}

enum pb_status
pb_file_make_private(const char *file, struct pb_error *err)
{
	int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	char folder[PATH_MAX];
	enum pb_status st = PB_OK;
	struct stat like;

	if (fd < 0)
		return errno == EEXIST ? PB_OK :
		    fail(err, file, "it cannot be made");
	folder_of(file, folder);
	if (stat(folder, &like) != 0 || !give_away(fd, &like))
		st = fail(err, file, "it cannot be given to its folder's owner");
	close(fd);
	return st;
}

static time_t
seconds(void)
{
	struct timespec t;

	pb_check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return t.tv_sec;
}

int
pb_file_lock_folder(const char *folder)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	time_t until = seconds() + LOCK_SECONDS;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 &&
	    (errno == EWOULDBLOCK || errno == EINTR) && seconds() < until)
		(void)nanosleep(&pause, NULL);
	return fd;
}
