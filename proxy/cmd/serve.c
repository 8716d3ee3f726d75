#include <stdio.h>
#include <sysexits.h>

#include "cmd.h"
#include "popbridge/net/privileges.h"
#include "popbridge/net/sandbox.h"
#include "popbridge/net/server.h"

static struct pb_config *
reload(void *ctx)
{
	const struct pb_config_sink sink = { pb_log_problem, NULL };
	struct pb_config *config = pb_load_config(ctx, &sink);

	if (config == NULL)
		pb_log(PB_LOG_ERROR, "configuration not reloaded, the old one "
		    "stays", PB_LOG_STR("signal", "SIGHUP"));
	else
		pb_logger_start(config->log_level, config->log_format);
	return config;
}

/* The user first: what it may read is then known. */
static enum pb_status
confine(void *ctx, const struct pb_config *config, struct pb_error *err)
{
	const struct pb_config_source *source = ctx;
	enum pb_status st = pb_privileges_drop(config->user, config->group,
	    err);

	if (st != PB_OK)
		return st;
	pb_privileges_seal(config->core_dumps);
	return pb_sandbox_enter(config, source->file, err);
}

static int
exit_status(enum pb_status st)
{
	if (st == PB_OK)
		return EX_OK;
	if (st == PB_EIO)
		return EX_UNAVAILABLE;
	return st == PB_EINVAL ? EX_CONFIG : EX_SOFTWARE;
}

int
pb_cmd_serve(int argc, char **argv)
{
	const struct pb_config_sink sink = { pb_print_problem, NULL };
	struct pb_config_source source;
	struct pb_server_hooks hooks = { reload, confine, &source };
	struct pb_config *config;
	struct pb_error err = { .text = "no memory" };
	enum pb_status st;
	size_t n;

	st = pb_arguments(&pb_commands(&n)[0], argc, argv, &source);
	if (st != PB_OK)
		return st == PB_EOF ? EX_OK : EX_USAGE;
	config = pb_load_config(&source, &sink);
	if (config == NULL) {
		pb_free_arguments(&source);
		return EX_CONFIG;
	}
	pb_logger_start(config->log_level, config->log_format);
	st = pb_server_run(config, &hooks, &err);
	if (st != PB_OK)
		fprintf(stderr, "popbridge: %s\n", err.text);
	pb_config_unref(&config);
	pb_free_arguments(&source);
	return exit_status(st);
}
