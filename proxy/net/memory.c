#include "popbridge/net/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What version 1 says for "any amount" is more than any machine has. */
#define NO_LIMIT ((unsigned long long)1 << 60)

/* /proc/self/cgroup has a line for each of its dozen hierarchies. */
#define CGROUPS_SIZE 8192

/* Of statm: seven numbers. */
#define STATM_SIZE 256

static size_t
read_file(const char *root, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	int fd;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s%s", root, name) >= PATH_MAX)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

struct finding {
	const char *root;
	size_t limit;		/* 0: none yet */
	const char *source;
};

static void
find(struct finding *f, unsigned long long limit, const char *source)
{
	if (limit == 0 || limit >= NO_LIMIT || limit > SIZE_MAX ||
	    (f->limit != 0 && limit >= f->limit))
		return;
	f->limit = (size_t)limit;
	f->source = source;
}

/* Of a cgroup and of all those around it; the last is the root's. */
static void
look_upwards(struct finding *f, const char *hierarchy, char *group,
    const char *file)
{
	for (;;) {
		char name[PATH_MAX];
		char text[64];
		char *slash;

		if (snprintf(name, sizeof(name), "/sys/fs/cgroup%s%s/%s",
		    hierarchy, group, file) < PATH_MAX &&
		    read_file(f->root, name, text, sizeof(text)) > 0 &&
		    text[0] != 'm')
			find(f, strtoull(text, NULL, 10),
			    "the cgroup's limit");
		slash = strrchr(group, '/');
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

/* "4:memory:/group" of version 1, "0::/group" of version 2. */
static void
look_at_cgroups(struct finding *f)
{
	char text[CGROUPS_SIZE];
	char *rest = text;
	char *line;

	if (read_file(f->root, "/proc/self/cgroup", text, sizeof(text)) == 0)
		return;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *controllers = strchr(line, ':');
		char *group = controllers != NULL
		    ? strchr(controllers + 1, ':') : NULL;

		if (group == NULL)
			continue;
		*group++ = '\0';
		controllers++;
		if (controllers[0] == '\0')
			look_upwards(f, "", group, "memory.max");
		else if (strcmp(controllers, "memory") == 0)
			look_upwards(f, "/memory", group,
			    "memory.limit_in_bytes");
	}
}

static void
look_at_rlimit(struct finding *f, __rlimit_resource_t which,
    const char *source)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		find(f, limit.rlim_cur, source);
}

size_t
pb_memory_of_system(const char *root, const char **source)
{
	struct finding f = { .root = root, .source = "none" };

	look_at_cgroups(&f);
	look_at_rlimit(&f, RLIMIT_DATA, "RLIMIT_DATA");
	look_at_rlimit(&f, RLIMIT_AS, "RLIMIT_AS");
	*source = f.source;
	return f.limit;
}

int
pb_memory_open(void)
{
	return open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

/* The first three of its numbers: all pages, resident ones, shared ones. */
bool
pb_memory_used(int fd, size_t *octets)
{
	unsigned long pages[3];
	char text[STATM_SIZE];
	char *at = text;
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
	size_t i;

	if (n <= 0)
		return false;
	text[n] = '\0';
	for (i = 0; i < 3; i++) {
		char *end;

		pages[i] = strtoul(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	*octets = (pages[1] > pages[2] ? pages[1] - pages[2] : 0) *
	    (size_t)sysconf(_SC_PAGESIZE);
	return true;
}
