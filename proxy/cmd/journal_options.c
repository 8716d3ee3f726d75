#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "journal.h"

enum which { HELP = 256, CONFIG, USER, JSON };

static const struct option options[] = {
	{ .name = "help", .val = HELP },
	{ .name = "config", .has_arg = required_argument, .val = CONFIG },
	{ .name = "user", .has_arg = required_argument, .val = USER },
	{ .name = "json", .val = JSON },
	{ .name = NULL },
};

void
pb_journal_complain(const struct pb_journal_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pb_action_complain(&r->action->base, fmt, ap);
	va_end(ap);
}

static void
print_action_help(const struct pb_journal_action *action)
{
	printf("usage: popbridge journal %s %s\n\n%s.\n\n"
	       "  --config FILE\n"
	       "        the configuration, which says where the journal is; "
	       "-c is the same\n        (default: " PB_CMD_CONFIG_FILE ")\n"
	       "  --user NAME\n"
	       "        only what is in this user's mailbox: the name at the "
	       "IMAP server\n", action->base.name, action->base.arguments,
	       action->base.help);
	if (!action->takes_numbers)
		printf("  --json\n        print JSON\n");
	printf("\nThe manual is popbridge-journal(8).\n");
}

/* PB_EOF: help was asked for and given. */
static enum pb_status
choose_action(struct pb_journal_request *r, int argc, char **argv)
{
	struct pb_action_table table = { .row_size = sizeof(*r->action),
		.notes = "The journal has what sessions are to remove, and "
		"nobody has confirmed yet,\nand what stays at the server and "
		"is hidden from a POP3 user (delete = keep).\n" };
	const struct pb_journal_action *actions;
	enum pb_status st;
	size_t at = 0;

	actions = pb_journal_actions(&table.n);
	table.first = &actions->base;
	st = pb_action_choose(&table, argc, argv, &at);
	if (st == PB_OK)
		r->action = &actions[at];
	return st;
}

static enum pb_status
refuse(const struct pb_journal_request *r, const char *word, const char *what)
{
	return pb_action_refuse(&r->action->base, word, what);
}

static enum pb_status
take_options(struct pb_journal_request *r, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		if (c == 'h' || c == HELP) {
			print_action_help(r->action);
			return PB_EOF;
		}
		if (c == ':')
			return refuse(r, argv[optind - 1],
			    "it needs a value");
		if (c == '?' || (c == JSON && r->action->takes_numbers))
			return refuse(r, argv[optind - 1],
			    "there is no such option");
		if (c == 'c' || c == CONFIG)
			r->config_file = optarg;
		else if (c == USER)
			r->user = optarg;
		else
			r->json = true;
	}
	return PB_OK;
}

static enum pb_status
take_numbers(struct pb_journal_request *r, int argc, char **argv)
{
	uint64_t number;

	if (optind < argc && !r->action->takes_numbers)
		return refuse(r, argv[optind], "that is no option");
	for (; optind < argc; optind++) {
		if (pb_slice_number(pb_slice_str(argv[optind]), INT64_MAX,
		    &number) != PB_OK)
			return refuse(r, argv[optind], "that is no number of "
			    "popbridge journal list");
		if (r->n_numbers == PB_JOURNAL_NUMBERS_MAX)
			return refuse(r, argv[optind], "there are too many "
			    "at once");
		r->numbers[r->n_numbers++] = (int64_t)number;
	}
	if (!r->action->takes_numbers || r->n_numbers > 0 || r->user != NULL)
		return PB_OK;
	pb_journal_complain(r, "which? give numbers of popbridge journal list, "
	    "or --user");
	return PB_EINVAL;
}

static enum pb_status
load_config(struct pb_journal_request *r)
{
	const struct pb_config_sink sink = { pb_print_problem, NULL };
	struct pb_config_source source = { .file = r->config_file };

	if (source.file == NULL)
		source.file = PB_CMD_CONFIG_FILE;
	if (pb_config_load(&source, &sink, &r->config) != PB_OK)
		return PB_EIO;
	if (r->config->state_directory != NULL)
		return PB_OK;
	pb_journal_complain(r, "%s has no state-directory, so there is no "
	    "journal", source.file);
	return PB_EIO;
}

enum pb_status
pb_journal_arguments(int argc, char **argv, struct pb_journal_request *r)
{
	enum pb_status st;

	*r = (struct pb_journal_request){ .n_numbers = 0 };
	st = choose_action(r, argc, argv);
	if (st == PB_OK)
		st = take_options(r, argc - 1, argv + 1);
	if (st == PB_OK)
		st = take_numbers(r, argc - 1, argv + 1);
	return st == PB_OK ? load_config(r) : st;
}
