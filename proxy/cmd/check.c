#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cmd.h"
#include "popbridge/net/snapshot.h"

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

/* What the certificate is worth depends on who can read its key. */
static void
judge_key(const struct pb_config *config, const struct pb_config_sink *sink)
{
	struct stat key;

	if (config->tls_key[0] == '\0' || stat(config->tls_key, &key) != 0 ||
	    (key.st_mode & S_IROTH) == 0)
		return;
	pb_config_complain(sink, PB_CONFIG_WARNING,
	    pb_config_place(config, "tls-key"), "tls-key: every user of this "
	    "machine can read the private key: chmod o-rwx %s",
	    config->tls_key);
}

struct pb_config *
pb_load_config(const struct pb_config_source *source,
    const struct pb_config_sink *sink)
{
	struct pb_config *config = NULL;

	if (pb_config_load(source, sink, &config) != PB_OK)
		return NULL;
	judge_key(config, sink);
	if (pb_config_judge(config, sink) != PB_OK)
		pb_config_unref(&config);
	return config;
}

/* Whether the certificates that it names can be used. */
static bool
can_be_used(struct pb_config *config, const struct pb_config_source *source,
    const struct pb_config_sink *sink)
{
	const struct pb_config_place place = { .file = source->file };
	struct pb_snapshot *snapshot = NULL;
	struct pb_error err = { .text = "no memory" };

	if (pb_snapshot_new(config, &snapshot, &err) != PB_OK) {
		pb_config_complain(sink, PB_CONFIG_ERROR, place, "%s",
		    err.text);
		return false;
	}
	pb_snapshot_unref(&snapshot);
	return true;
}

int
pb_cmd_check(int argc, char **argv)
{
	const struct pb_config_sink sink = { pb_print_problem, NULL };
	struct pb_config_source source;
	struct pb_config *config;
	enum pb_status st;
	bool good;
	size_t n;

	st = pb_arguments(&pb_commands(&n)[1], argc, argv, &source);
	if (st != PB_OK)
		return st == PB_EOF ? EX_OK : EX_USAGE;
	if (source.file == NULL) {
		fprintf(stderr, "popbridge check: which file? give -c FILE\n");
		pb_free_arguments(&source);
		return EX_USAGE;
	}
	config = pb_load_config(&source, &sink);
	good = config != NULL && can_be_used(config, &source, &sink);
	pb_config_unref(&config);
	if (good)
		printf("%s: no errors\n", source.file);
	pb_free_arguments(&source);
	return good ? EX_OK : EX_CONFIG;
}
