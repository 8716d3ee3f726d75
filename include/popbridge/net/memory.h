#ifndef PB_NET_MEMORY_H
#define PB_NET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How much memory the process has, and how much it may have.  Both are files of
 * the kernel's, which the sandbox does not show: they are opened before it.
 */

/*
 * What the system lets the process have: the least of what its cgroup, those
 * around that one, RLIMIT_DATA and RLIMIT_AS say.  0: any amount.  *source is
 * static text, for the log.
 *
 * `root` goes before the names of the kernel's files: "" where they are.
 */
size_t pb_memory_of_system(const char *root, const char **source);

/* A descriptor for pb_memory_used, or -1: there is no /proc. */
int pb_memory_open(void);
/*
 * Octets in memory that are the process's own; code and files, which the kernel
 * can drop, are not counted.  False: they cannot be known.
 */
bool pb_memory_used(int fd, size_t *octets);

#endif
