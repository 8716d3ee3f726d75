#ifndef PB_NET_SANDBOX_PRIV_H
#define PB_NET_SANDBOX_PRIV_H

#include <stdbool.h>

#include "popbridge/service/config.h"

/* What the parts of the sandbox share. */

enum pb_sandbox_access {
	PB_SANDBOX_READ,
	PB_SANDBOX_WRITE,	/* read, write, make and remove files */
};

typedef void pb_sandbox_file_fn(void *ctx, const char *file,
				enum pb_sandbox_access access);

/*
 * Tell of every file that the configuration names, and of `file`, its own,
 * unless that is NULL.  Some are told more than once.
 */
void pb_sandbox_each_file(const struct pb_config *config, const char *file,
			  pb_sandbox_file_fn *fn, void *ctx);

/* Put up the filter of system calls; 0 or an errno. */
int pb_sandbox_filter_calls(void);

/* The version of Landlock that the kernel has; 0 and an errno: none. */
int pb_sandbox_landlock(void);
/* Leave nothing but the files; 0 or an errno. */
int pb_sandbox_restrict_files(const struct pb_config *config,
			      const char *file, int version);

#endif
