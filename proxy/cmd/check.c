#include <stdio.h>
#include <sysexits.h>

#include "cmd.h"

static void
place_of(const struct pb_config_place *place, char *out, size_t size)
{
	if (place->command_line)
		snprintf(out, size, "command line");
	else if (place->file == NULL)
		snprintf(out, size, "popbridge");
	else if (place->line == 0)
		snprintf(out, size, "%s", place->file);
	else
		snprintf(out, size, "%s:%u", place->file, place->line);
}

void
pb_print_problem(void *ctx, const struct pb_config_problem *problem)
{
	char place[PB_CONFIG_PATH_SIZE + 16];

	(void)ctx;
	place_of(&problem->place, place, sizeof(place));
	fprintf(stderr, "%s: %s: %s\n", place,
	    problem->severity == PB_CONFIG_ERROR ? "error" : "warning",
	    problem->text);
}

void
pb_log_problem(void *ctx, const struct pb_config_problem *problem)
{
	char place[PB_CONFIG_PATH_SIZE + 16];

	(void)ctx;
	place_of(&problem->place, place, sizeof(place));
	pb_log(problem->severity == PB_CONFIG_ERROR ? PB_LOG_ERROR
						    : PB_LOG_WARN,
	    "configuration", PB_LOG_STR("where", place),
	    PB_LOG_STR("what", problem->text));
}

int
pb_cmd_check(int argc, char **argv)
{
	const struct pb_config_sink sink = { pb_print_problem, NULL };
	struct pb_config_source source;
	struct pb_config *config = NULL;
	enum pb_status st;
	size_t n;

	st = pb_arguments(&pb_commands(&n)[1], argc, argv, &source);
	if (st != PB_OK)
		return st == PB_EOF ? EX_OK : EX_USAGE;
	if (source.file == NULL) {
		fprintf(stderr, "popbridge check: which file? give -c FILE\n");
		pb_free_arguments(&source);
		return EX_USAGE;
	}
	st = pb_config_load(&source, &sink, &config);
	if (st == PB_OK)
		st = pb_config_judge(config, &sink);
	pb_config_unref(&config);
	if (st == PB_OK)
		printf("%s: no errors\n", source.file);
	pb_free_arguments(&source);
	return st == PB_OK ? EX_OK : EX_CONFIG;
}
