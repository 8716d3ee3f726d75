#ifndef PBT_SCRIPT_H
#define PBT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/buffer.h"

/*
 * A transcript as a list of steps.  README.md in this folder says what its
 * lines mean.
 */

enum pbt_step_kind {
	PBT_CLIENT_SAYS,	/* C> */
	PBT_CLIENT_HEARS,	/* C< */
	PBT_UPSTREAM_SAYS,	/* U> */
	PBT_UPSTREAM_HEARS,	/* U< */
	PBT_EVENT,		/* ! */
};

struct pbt_step {
	enum pbt_step_kind kind;
	const char *file;	/* borrowed */
	unsigned line;
	struct pb_buffer text;	/* escapes undone, variables as they are */
};

struct pbt_script {
	struct pbt_step *steps;	/* own */
	size_t n;
	char *files[16];	/* own: names of all files read */
	size_t n_files;
};

/* Read a transcript, or end the process with a message. */
void pbt_script_read(struct pbt_script *s, const char *path);
void pbt_script_fini(struct pbt_script *s);

#endif
