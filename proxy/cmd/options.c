#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/option.h"

/* Values that getopt_long returns for the rows of the option table. */
#define FIRST_ROW 256
#define HELP 1

void
pb_print_text(const char *text, int indent)
{
	int column = 0;

	while (*text != '\0') {
		int len = (int)strcspn(text, " ");

		if (column > 0 && column + 1 + len > 78 - indent) {
			printf("\n%*s", indent, "");
			column = 0;
		}
		column += printf("%s%.*s", column > 0 ? " " : "", len, text);
		text += len;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void
print_option(const struct pb_option *row)
{
	size_t i;

	if (row->scopes & PB_OPTION_GLOBAL)
		printf("  --%s %s\n        ", row->name, row->argument);
	else
		printf("  %s = %s\n        ", row->name, row->argument);
	pb_print_text(row->help, 8);
	if (row->words != NULL) {
		printf("        %s is one of:", row->argument);
		for (i = 0; row->words[i] != NULL; i++)
			printf(" %s", row->words[i]);
		printf("\n");
	}
	if (row->type == PB_OPTION_FLAG)
		printf("        %s is one of: yes no\n", row->argument);
	if (row->type == PB_OPTION_NUMBER)
		printf("        %s is from %u to %u\n", row->argument,
		    row->min, row->max);
	if (row->fallback != NULL)
		printf("        default: %s\n", row->fallback);
	if (row->scopes & PB_OPTION_IN_LISTENER)
		printf("        section: listener\n");
	if (row->scopes & PB_OPTION_IN_ROUTE)
		printf("        section: route\n");
}

static void
print_options(void)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].scopes & PB_OPTION_GLOBAL)
			print_option(&rows[i]);
	}
	printf("\nEach can stand in the configuration file under the same "
	       "name; the command line\nwins.  The file may also have sections, "
	       "listener \"NAME\" { ... } and\nroute \"NAME\" { ... }, with "
	       "values of their own, and with these:\n\n");
	for (i = 0; i < n; i++) {
		if ((rows[i].scopes & PB_OPTION_GLOBAL) == 0)
			print_option(&rows[i]);
	}
	printf("\nThe manual of the file is popbridge.conf(5).\n");
}

static void
print_help(const struct pb_command *command)
{
	printf("usage: popbridge %s %s\n\n%s.\n\n"
	       "  -c FILE\n"
	       "        the configuration file", command->name,
	    command->arguments, command->help);
	if (!command->takes_options) {
		printf("\n\nThe manual of the file is popbridge.conf(5).\n");
		return;
	}
	printf("; without it " PB_CMD_CONFIG_FILE "\n"
	       "        is read if it exists\n");
	print_options();
}

static struct option *
make_long_options(bool all, size_t *n)
{
	const struct pb_option *rows = pb_options(n);
	struct option *options = pb_xalloc((*n + 2) * sizeof(*options));
	size_t used = 0;
	size_t i;

	options[used++] = (struct option){ .name = "help", .val = HELP };
	for (i = 0; all && i < *n; i++) {
		if ((rows[i].scopes & PB_OPTION_GLOBAL) == 0)
			continue;
		options[used++] = (struct option){ .name = rows[i].name,
			.has_arg = required_argument,
			.val = FIRST_ROW + (int)i };
	}
	return options;
}

static enum pb_status
wrong(const struct pb_command *command, const char *word, const char *what)
{
	const struct pb_option *known = NULL;
	const char *near = NULL;
	char name[64];

	if (strncmp(word, "--", 2) == 0) {
		snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(word + 2, "="), word + 2);
		near = pb_option_nearest_name(name, PB_OPTION_GLOBAL);
		known = pb_option_find(name);
	}
	if (known != NULL && (known->scopes & PB_OPTION_GLOBAL) == 0) {
		fprintf(stderr, "popbridge %s: %s: it belongs into %s of the "
		    "configuration file, see popbridge.conf(5)\n",
		    command->name, word, pb_option_home(known));
		return PB_EINVAL;
	}
	fprintf(stderr, "popbridge %s: %s: %s", command->name, word, what);
	if (near != NULL && command->takes_options)
		fprintf(stderr, ", did you mean --%s?\n", near);
	else
		fprintf(stderr, ", see popbridge %s --help\n", command->name);
	return PB_EINVAL;
}

static enum pb_status
take(const struct pb_command *command, int argc, char **argv,
    const struct option *options, struct pb_config_source *source,
    struct pb_config_setting *settings)
{
	const struct pb_option *rows;
	size_t n;
	int c;

	rows = pb_options(&n);
	opterr = 0;
	/* "+" ends at the first word that is no option, ":" tells them apart */
	while ((c = getopt_long(argc, argv, "+:c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			source->file = optarg;
			break;
		case 'h':
		case HELP:
			print_help(command);
			return PB_EOF;
		case ':':
			return wrong(command, argv[optind - 1],
			    "it needs a value");
		case '?':
			return wrong(command, argv[optind - 1],
			    "there is no such option");
		default:
			settings[source->n_settings++] =
			    (struct pb_config_setting){
				    rows[c - FIRST_ROW].name, optarg };
			break;
		}
	}
	if (optind < argc)
		return wrong(command, argv[optind], "that is no option");
	return PB_OK;
}

void
pb_free_arguments(struct pb_config_source *source)
{
	pb_free((void *)(uintptr_t)source->settings);
	*source = (struct pb_config_source){ .file = NULL };
}

enum pb_status
pb_arguments(const struct pb_command *command, int argc, char **argv,
    struct pb_config_source *source)
{
	struct pb_config_setting *settings = pb_xalloc((size_t)argc *
	    sizeof(*settings));
	size_t n;
	struct option *options = make_long_options(command->takes_options, &n);
	enum pb_status st;

	*source = (struct pb_config_source){ .settings = settings };
	st = take(command, argc, argv, options, source, settings);
	pb_free(options);
	if (st != PB_OK) {
		pb_free_arguments(source);
		return st;
	}
	if (source->file == NULL && command->takes_options) {
		source->file = PB_CMD_CONFIG_FILE;
		source->file_may_be_missing = true;
	}
	return PB_OK;
}
