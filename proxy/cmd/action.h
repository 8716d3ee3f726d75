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
};

/*
 * Which of n names the command line begins with.
 *
 * PB_OK (*at is filled); PB_EOF (help is asked for); PB_EINVAL (there is none,
 * as was said).
 */
enum pb_status pb_action_choose(const char *command, const char *const *names,
				size_t n, int argc, char **argv,
				size_t *at) PB_MUST_CHECK;

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
