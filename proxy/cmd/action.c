#include "action.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "popbridge/base/check.h"
#include "popbridge/service/option.h"

static const struct pb_action *
row(const struct pb_action_table *table, size_t i)
{
	const char *rows = (const char *)table->first;

	return (const struct pb_action *)(const void *)(rows +
	    i * table->row_size);
}

static int
widest(int width, const char *text)
{
	int length = (int)strlen(text);

	return length > width ? length : width;
}

static void
print_help(const struct pb_action_table *table)
{
	const struct pb_action *action;
	int names = 0;
	int arguments = 0;
	size_t i;

	for (i = 0; i < table->n; i++) {
		action = row(table, i);
		names = widest(names, action->name);
		arguments = widest(arguments, action->arguments);
	}
	printf("usage:\n");
	for (i = 0; i < table->n; i++) {
		action = row(table, i);
		printf("  popbridge %s %-*s %-*s  %s\n", action->command, names,
		    action->name, arguments, action->arguments, action->help);
	}
	printf("\npopbridge %s ACTION --help says what an action takes.\n%s"
	    "The manual is popbridge-%s(8).\n", table->first->command,
	    table->notes, table->first->command);
}

static enum pb_status
find(const struct pb_action_table *table, const char *word, size_t *at)
{
	const char *command = table->first->command;
	const char *names[16];
	const char *near;
	size_t i;

	pb_check(table->n <= sizeof(names) / sizeof(names[0]));
	for (i = 0; i < table->n; i++) {
		names[i] = row(table, i)->name;
		if (strcmp(names[i], word) == 0) {
			*at = i;
			return PB_OK;
		}
	}
	near = pb_option_nearest(word, names, table->n);
	fprintf(stderr, "popbridge %s: there is no action \"%s\"", command,
	    word);
	if (near != NULL)
		fprintf(stderr, ", did you mean \"%s\"?\n", near);
	else
		fprintf(stderr, ", see popbridge %s --help\n", command);
	return PB_EINVAL;
}

enum pb_status
pb_action_choose(const struct pb_action_table *table, int argc, char **argv,
    size_t *at)
{
	const char *command = table->first->command;

	if (argc < 2) {
		fprintf(stderr, "popbridge %s: no action, see popbridge %s "
		    "--help\n", command, command);
		return PB_EINVAL;
	}
	if (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0)
		return find(table, argv[1], at);
	print_help(table);
	return PB_EOF;
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
