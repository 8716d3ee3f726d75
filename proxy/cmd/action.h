#ifndef PB_CMD_ACTION_H
#define PB_CMD_ACTION_H

#include <stdarg.h>
#include <stddef.h>

#include "popbridge/base/log.h"
#include "popbridge/base/status.h"

/* What subcommands that have actions share: popbridge COMMAND ACTION ... */

struct pb_action {
	const char *command;
	const char *name;
	const char *arguments;
	const char *help;
};

/* The actions of a command: rows that each begin with a struct pb_action. */
struct pb_action_table {
	const struct pb_action *first;
	size_t row_size;	/* octets */
	size_t n;		/* at least one */
	const char *notes;	/* what help ends with, in whole lines */
};

/*
 * Which row the command line begins with.
 *
 * PB_OK (*at is its index); PB_EOF (help was asked for and given); PB_EINVAL
 * (there is none, as was said).
 */
enum pb_status pb_action_choose(const struct pb_action_table *table, int argc,
				char **argv, size_t *at) PB_MUST_CHECK;

/* Say what is wrong, as "popbridge COMMAND ACTION: ...". */
void pb_action_complain(const struct pb_action *action, const char *fmt,
			va_list ap) PB_PRINTF(2, 0);
/* The same of a word of the command line.  PB_EINVAL. */
enum pb_status pb_action_refuse(const struct pb_action *action,
				const char *word,
				const char *what) PB_MUST_CHECK;

/* What to exit with when the command line was not to be followed. */
int pb_action_usage(enum pb_status st);

#endif
