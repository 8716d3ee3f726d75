#ifndef PB_CMD_ACCOUNT_H
#define PB_CMD_ACCOUNT_H

#include <stdbool.h>

#include "action.h"
#include "popbridge/base/secret.h"
#include "popbridge/service/config.h"
#include "popbridge/store/manage.h"

/*
 * popbridge account: the table of its actions, what the command line asks for,
 * and what the actions share.
 */

struct pb_account_request;

struct pb_account_action {
	struct pb_action base;
	bool takes_name;
	/* the status that the process exits with */
	int (*run)(struct pb_account_request *r);
};

/* A way to come to a secret. */
struct pb_account_source {
	bool ask;		/* on the terminal */
	int fd;			/* its first line; -1: not from one */
};

struct pb_account_request {
	const struct pb_account_action *action;
	struct pb_config *config;	/* shared; NULL: it is not needed */
	const char *config_file;
	const char *file;
	const char *key_file;
	struct pb_account account;	/* for add; its name for all */
	struct pb_account_source password;
	struct pb_account_source upstream;
	bool generate;
	bool no_password;
	bool recoverable;
	bool json;
};

/* Say what is wrong, as "popbridge account ACTION: ...". */
void pb_account_complain(const struct pb_account_request *r,
			 const char *fmt, ...) PB_PRINTF(2, 3);

/* The exit status for an outcome of the store; says what is wrong. */
int pb_account_outcome(const struct pb_account_request *r, enum pb_status st,
		       const struct pb_error *err);

/*
 * Fill the request.  PB_OK; PB_EOF (help was asked for and given); PB_EINVAL
 * (it was said what is wrong); PB_EIO (the same of the configuration).
 *
 * r->config is the caller's to unref.
 */
enum pb_status pb_account_arguments(int argc, char **argv,
				    struct pb_account_request *r)
    PB_MUST_CHECK;

const struct pb_account_action *pb_account_actions(size_t *n);

int pb_account_cmd_add(struct pb_account_request *r);
int pb_account_cmd_passwd(struct pb_account_request *r);
int pb_account_cmd_list(struct pb_account_request *r);
int pb_account_cmd_show(struct pb_account_request *r);
int pb_account_cmd_enable(struct pb_account_request *r);
int pb_account_cmd_disable(struct pb_account_request *r);
int pb_account_cmd_remove(struct pb_account_request *r);
int pb_account_cmd_rotate_key(struct pb_account_request *r);

/* Open the file for an action; EX_OK, or it was said what is wrong. */
enum pb_account_need {
	PB_ACCOUNT_NO_KEYS,	/* the file alone, which must be there */
	PB_ACCOUNT_KEYS,	/* the same, and the keys if there are any */
	PB_ACCOUNT_NEW,		/* the same; the file need not be there */
	PB_ACCOUNT_ROTATE,	/* neither need be there */
};
int pb_account_open(const struct pb_account_request *r,
		    enum pb_account_need need, struct pb_accounts **accounts);

/*
 * A secret from its source: the terminal (asked for twice), or the first line
 * of a file descriptor, of which no more is read.  `what` names it.
 *
 * EX_OK, EX_USAGE (no terminal), EX_DATAERR (nothing, too long, or not twice
 * the same), EX_IOERR, EX_TEMPFAIL (no memory, or interrupted); it was said
 * what is wrong.
 */
int pb_account_secret(const struct pb_account_request *r,
		      const struct pb_account_source *source,
		      const char *what, struct pb_secret *secret);

/* A random password that fits through the keys of a small device. */
int pb_account_generate(const struct pb_account_request *r,
			struct pb_secret *secret);

#endif
