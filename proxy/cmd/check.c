#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cmd.h"
#include "popbridge/net/privileges.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/store/listing_cache.h"

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

/* What a secret is worth depends on who can read it. */
static void
judge_secret(const struct pb_config_sink *sink, struct pb_config_place place,
    const char *option, const char *file)
{
	struct stat st;

	if (file == NULL || stat(file, &st) != 0 ||
	    (st.st_mode & S_IROTH) == 0)
		return;
	pb_config_complain(sink, PB_CONFIG_WARNING, place, "%s: every user of "
	    "this machine can read it: chmod o-rwx %s", option, file);
}

static void
judge_secrets(const struct pb_config *c, const struct pb_config_sink *sink)
{
	const struct pb_text_list *global = &c->priv_listener.tls_key;
	size_t i;
	size_t k;

	for (k = 0; k < global->n; k++)
		judge_secret(sink, pb_config_place(c, "tls-key"), "tls-key",
		    global->text[k]);
	for (i = 0; i < c->n_listeners; i++) {
		const struct pb_listener_config *l = &c->listener[i];

		for (k = 0; k < l->tls_key.n && l->tls_key.text !=
		    global->text; k++)
			judge_secret(sink, pb_config_listener_place(c, l,
			    "tls-key"), "tls-key", l->tls_key.text[k]);
	}
	for (i = 0; i < c->n_routes; i++)
		judge_secret(sink, pb_config_route_place(c, &c->route[i],
		    "master-password-file"), "master-password-file",
		    c->route[i].master_password_file);
	judge_secret(sink, pb_config_place(c, "accounts-key"),
	    "accounts-key", c->accounts_key);
}

struct pb_config *
pb_load_config(const struct pb_config_source *source,
    const struct pb_config_sink *sink)
{
	struct pb_config *config = NULL;

	if (pb_config_load(source, sink, &config) != PB_OK)
		return NULL;
	judge_secrets(config, sink);
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

static bool
can_become(const struct pb_config *config, const struct pb_config_sink *sink)
{
	struct pb_error err = { .text = "" };

	if (pb_privileges_judge(config->user, config->group, &err) == PB_OK)
		return true;
	pb_config_complain(sink, PB_CONFIG_ERROR, pb_config_place(config,
	    "user"), "%s", err.text);
	return false;
}

static bool
can_remember(const struct pb_config *config, const struct pb_config_sink *sink)
{
	struct pb_error err = { .text = "" };

	if (config->state_directory == NULL ||
	    pb_listing_cache_judge(config->state_directory, &err) == PB_OK)
		return true;
	pb_config_complain(sink, PB_CONFIG_ERROR, pb_config_place(config,
	    "state-directory"), "state-directory: %s", err.text);
	return false;
}

/* What the presets know that is not for the configuration to say. */
static void
print_hints(const struct pb_config *config)
{
	size_t i;

	for (i = 0; i < config->n_routes; i++) {
		const struct pb_preset *preset = config->route[i].preset;
		struct pb_config_place place;
		char text[PB_CONFIG_PATH_SIZE + 16];

		if (preset == NULL || preset->note == NULL)
			continue;
		place = pb_config_route_place(config, &config->route[i],
		    "preset");
		place_of(&place, text, sizeof(text));
		printf("%s: hint: preset %s: %s\n", text, preset->name,
		    preset->note);
	}
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
	good = config != NULL && can_be_used(config, &source, &sink) &&
	    can_become(config, &sink) && can_remember(config, &sink);
	if (good)
		print_hints(config);
	pb_config_unref(&config);
	if (good)
		printf("%s: no errors\n", source.file);
	pb_free_arguments(&source);
	return good ? EX_OK : EX_CONFIG;
}
