#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "popbridge/net/privileges.h"
#include "popbridge/service/option.h"
#include "popbridge/version.h"

static const struct pb_command commands[] = {
	{ "serve", "[-c FILE] [OPTION]...",
	    "serve POP3 clients from an IMAP server", pb_cmd_serve, true },
	{ "check", "-c FILE", "judge a configuration file, start nothing",
	    pb_cmd_check, false },
	{ "presets", "", "show the presets of routes",
	    pb_cmd_presets, false },
	{ "account", "ACTION [NAME] [OPTION]...",
	    "manage the accounts of the devices", pb_cmd_account, false },
	{ "journal", "ACTION [NUMBER]...",
	    "show what waits to be removed", pb_cmd_journal, false },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct pb_command *
pb_commands(size_t *n)
{
	*n = COMMANDS;
	return commands;
}

static int
print_help(void)
{
	size_t i;

	printf("popbridge serves POP3 clients from an IMAP server.\n\n"
	       "usage:\n");
	for (i = 0; i < COMMANDS; i++)
		printf("  popbridge %-7s %-25s %s\n", commands[i].name,
		    commands[i].arguments, commands[i].help);
	printf("  popbridge COMMAND --help                    "
	       "what a command takes\n"
	       "  popbridge --version\n\n"
	       "The manuals are popbridge(8), popbridge-account(8), "
	       "popbridge-journal(8)\nand popbridge.conf(5).\n");
	return EX_OK;
}

static int
unknown(const char *word)
{
	const char *names[COMMANDS];
	const char *near;
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	near = pb_option_nearest(word, names, COMMANDS);
	fprintf(stderr, "popbridge: there is no command \"%s\"", word);
	if (near != NULL)
		fprintf(stderr, ", did you mean \"%s\"?\n", near);
	else
		fprintf(stderr, ", see popbridge --help\n");
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	size_t i;

	pb_privileges_guard();
	if (argc < 2) {
		fprintf(stderr, "popbridge: no command, see popbridge --help\n");
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0) {
		printf("popbridge %s\n", PB_VERSION);
		return EX_OK;
	}
	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(argv[1]);
}
