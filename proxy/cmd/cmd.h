#ifndef PB_CMD_CMD_H
#define PB_CMD_CMD_H

#include "popbridge/base/log.h"
#include "popbridge/service/config.h"

/*
 * The subcommands, and what they share.  Each returns the status the process
 * exits with (sysexits.h).
 */

/* The configuration, where no other one is named. */
#define PB_CMD_CONFIG_FILE "/etc/popbridge/popbridge.conf"

struct pb_command {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(int argc, char **argv);
	/* takes every option of the configuration, or -c alone */
	bool takes_options;
};

const struct pb_command *pb_commands(size_t *n);

int pb_cmd_serve(int argc, char **argv);
int pb_cmd_check(int argc, char **argv);
int pb_cmd_presets(int argc, char **argv);
int pb_cmd_account(int argc, char **argv);
int pb_cmd_journal(int argc, char **argv);

/*
 * Read the arguments behind a subcommand's name.  Pointers of *source point
 * into argv and into memory that pb_free_arguments gives back.
 *
 * PB_OK; PB_EOF (help was asked for and given); PB_EINVAL (it was said what is
 * wrong).
 */
enum pb_status pb_arguments(const struct pb_command *command, int argc,
			    char **argv,
			    struct pb_config_source *source) PB_MUST_CHECK;

void pb_free_arguments(struct pb_config_source *source);

/*
 * Load a configuration and judge it, also by what only the file system knows.
 * The caller owns a reference.  NULL: it cannot be served; the sink was told.
 */
struct pb_config *pb_load_config(const struct pb_config_source *source,
				 const struct pb_config_sink *sink);

/* Print words in lines of a terminal, all but the first indented. */
void pb_print_text(const char *text, int indent);

/* Print a problem as "FILE:LINE: error: ..." to standard error. */
void pb_print_problem(void *ctx, const struct pb_config_problem *problem);
/* The same as a log record. */
void pb_log_problem(void *ctx, const struct pb_config_problem *problem);

/* Log records go to standard error from here on; any thread may log. */
void pb_logger_start(enum pb_log_level level, enum pb_log_format format);

#endif
