#include "action.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "popbridge/base/check.h"
#include "popbridge/service/option.h"

static enum pb_status
find(const char *command, const char *const *names, size_t n,
    const char *word, size_t *at)
{
	const char *near;
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(names[i], word) == 0) {
			*at = i;
			return PB_OK;
		}
	}
	near = pb_option_nearest(word, names, n);
	fprintf(stderr, "popbridge %s: there is no action \"%s\"", command,
	    word);
	if (near != NULL)
		fprintf(stderr, ", did you mean \"%s\"?\n", near);
	else
		fprintf(stderr, ", see popbridge %s --help\n", command);
	return PB_EINVAL;
}

enum pb_status
pb_action_choose(const char *command, const char *const *names, size_t n,
    int argc, char **argv, size_t *at)
{
	if (argc < 2) {
		fprintf(stderr, "popbridge %s: no action, see popbridge %s "
		    "--help\n", command, command);
		return PB_EINVAL;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return PB_EOF;
	return find(command, names, n, argv[1], at);
}

void
pb_action_complain(const struct pb_action *action, const char *fmt,
    va_list ap)
{
	fprintf(stderr, "popbridge %s %s: ", action->command, action->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

enum pb_status
pb_action_refuse(const struct pb_action *action, const char *word,
    const char *what)
{
	fprintf(stderr, "popbridge %s %s: %s: %s, see popbridge %s %s "
	    "--help\n", action->command, action->name, word, what,
	    action->command, action->name);
	return PB_EINVAL;
}

int
pb_action_usage(enum pb_status st)
{
	switch (st) {
	case PB_EOF:
		return EX_OK;
	case PB_EIO:
		return EX_CONFIG;
	case PB_AGAIN:
	case PB_EPROTO:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EINVAL:
		return EX_USAGE;
	case PB_OK:
		break;
	}
	pb_unreachable("a command line that is to be followed");
}
