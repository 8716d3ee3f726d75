#ifndef PB_CMD_JOURNAL_H
#define PB_CMD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "action.h"
#include "popbridge/base/log.h"
#include "popbridge/service/config.h"
#include "popbridge/store/journal.h"

/* popbridge journal: what the command line asks for, and its actions. */

/* Longer lists are for a program, which calls more than once. */
#define PB_JOURNAL_NUMBERS_MAX 64

struct pb_journal_request;

struct pb_journal_action {
	struct pb_action base;
	/* the status that the process exits with */
	int (*run)(const struct pb_journal_request *r,
		   struct pb_journal *journal);
	bool takes_numbers;
};

struct pb_journal_request {
	const struct pb_journal_action *action;
	struct pb_config *config;	/* shared; NULL: not loaded */
	const char *config_file;
	const char *user;		/* NULL: all */
	bool json;
	int64_t numbers[PB_JOURNAL_NUMBERS_MAX];
	size_t n_numbers;
};

const struct pb_journal_action *pb_journal_actions(size_t *n);

/* Say what is wrong, as "popbridge journal ACTION: ...". */
void pb_journal_complain(const struct pb_journal_request *r,
			 const char *fmt, ...) PB_PRINTF(2, 3);

/*
 * Fill the request.  PB_OK; PB_EOF (help was asked for and given); PB_EINVAL
 * (it was said what is wrong); PB_EIO (the same of the configuration).
 *
 * r->config is the caller's to unref.
 */
enum pb_status pb_journal_arguments(int argc, char **argv,
				    struct pb_journal_request *r)
    PB_MUST_CHECK;

/* Whether it is one that the command line is about. */
bool pb_journal_is_meant(const struct pb_journal_request *r,
			 const struct pb_journal_entry *e);

/* It stays at the server, and only a POP3 user does not see it. */
bool pb_journal_is_kept(const struct pb_journal_entry *e);

int pb_journal_cmd_list(const struct pb_journal_request *r,
			struct pb_journal *journal);
int pb_journal_cmd_retry(const struct pb_journal_request *r,
			 struct pb_journal *journal);
int pb_journal_cmd_drop(const struct pb_journal_request *r,
			struct pb_journal *journal);

#endif
