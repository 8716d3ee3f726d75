#include "account.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd.h"
#include "popbridge/base/check.h"

static const struct pb_account_action actions[] = {
	{ { "account", "add", "NAME [OPTION]...", "add an account" },
	    true, pb_account_cmd_add },
	{ { "account", "list", "[OPTION]...",
	    "show all accounts, one a line" }, false, pb_account_cmd_list },
	{ { "account", "show", "NAME [OPTION]...",
	    "show one, but no secret of it" }, true, pb_account_cmd_show },
	{ { "account", "passwd", "NAME [OPTION]...", "set its passwords" },
	    true, pb_account_cmd_passwd },
	{ { "account", "enable", "NAME [OPTION]...", "let it in again" },
	    true, pb_account_cmd_enable },
	{ { "account", "disable", "NAME [OPTION]...", "let it in no more" },
	    true, pb_account_cmd_disable },
	{ { "account", "remove", "NAME [OPTION]...", "forget it" },
	    true, pb_account_cmd_remove },
	{ { "account", "rotate-key", "[OPTION]...",
	    "seal all secrets with a new key" }, false,
	    pb_account_cmd_rotate_key },
};

const struct pb_account_action *
pb_account_actions(size_t *n)
{
	*n = sizeof(actions) / sizeof(actions[0]);
	return actions;
}

void
pb_account_complain(const struct pb_account_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pb_action_complain(&r->action->base, fmt, ap);
	va_end(ap);
}

static int
status_of(enum pb_status st)
{
	switch (st) {
	case PB_OK:
		return EX_OK;
	case PB_EINVAL:
	case PB_ETOOBIG:
	case PB_EPROTO:
		return EX_DATAERR;
	case PB_EIO:
		return EX_IOERR;
	case PB_ENOMEM:
	case PB_AGAIN:
	case PB_EOF:
		return EX_UNAVAILABLE;
	}
	pb_unreachable("a status that is none");
}

int
pb_account_outcome(const struct pb_account_request *r, enum pb_status st,
    const struct pb_error *err)
{
	if (st == PB_OK)
		return EX_OK;
	if (r->action->takes_name)
		pb_account_complain(r, "%s: %s", r->account.name, err->text);
	else
		pb_account_complain(r, "%s", err->text);
	return status_of(st);
}

/* A file that somebody mistyped is not to be made by looking at it. */
static bool
is_missing(const struct pb_account_request *r, const char *file)
{
	if (access(file, F_OK) == 0 || errno != ENOENT)
		return false;
	pb_account_complain(r, "%s: there is no such file; popbridge account "
	    "add makes it", file);
	return true;
}

/* Without keys there is much that can be done; sealing says that it cannot. */
static const char *
keys_for(const struct pb_account_request *r, enum pb_account_need need)
{
	if (need == PB_ACCOUNT_NO_KEYS)
		return NULL;
	if (access(r->key_file, F_OK) != 0 && errno == ENOENT)
		return NULL;
	return r->key_file;
}

int
pb_account_open(const struct pb_account_request *r, enum pb_account_need need,
    struct pb_accounts **accounts)
{
	struct pb_error err = { .text = "" };
	enum pb_status st;

	if ((need == PB_ACCOUNT_NO_KEYS || need == PB_ACCOUNT_KEYS) &&
	    is_missing(r, r->file))
		return EX_NOINPUT;
	if (need == PB_ACCOUNT_ROTATE)
		st = pb_accounts_open_to_rotate(r->file, r->key_file,
		    accounts, &err);
	else
		st = pb_accounts_open(r->file, keys_for(r, need), accounts,
		    &err);
	if (st == PB_OK)
		return EX_OK;
	pb_account_complain(r, "%s", err.text);
	return st == PB_EINVAL ? EX_CONFIG : status_of(st);
}

static int
enable(struct pb_account_request *r, bool enabled)
{
	struct pb_accounts *accounts = NULL;
	struct pb_error err = { .text = "" };
	int status = pb_account_open(r, PB_ACCOUNT_NO_KEYS, &accounts);

	if (status != EX_OK)
		return status;
	status = pb_account_outcome(r, pb_account_enable(accounts,
	    pb_slice_str(r->account.name), enabled, &err), &err);
	pb_accounts_unref(&accounts);
	return status;
}

int
pb_account_cmd_enable(struct pb_account_request *r)
{
	return enable(r, true);
}

int
pb_account_cmd_disable(struct pb_account_request *r)
{
	return enable(r, false);
}

int
pb_account_cmd_remove(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct pb_error err = { .text = "" };
	int status = pb_account_open(r, PB_ACCOUNT_NO_KEYS, &accounts);

	if (status != EX_OK)
		return status;
	status = pb_account_outcome(r, pb_account_remove(accounts,
	    pb_slice_str(r->account.name), &err), &err);
	pb_accounts_unref(&accounts);
	return status;
}

int
pb_account_cmd_rotate_key(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct pb_error err = { .text = "" };
	size_t sealed = 0;
	int status = pb_account_open(r, PB_ACCOUNT_ROTATE, &accounts);

	if (status != EX_OK)
		return status;
	status = pb_account_outcome(r, pb_account_rotate_key(accounts, &sealed,
	    &err), &err);
	if (status == EX_OK)
		printf("%s: a new key, and %zu secret%s sealed with it\n",
		    r->key_file, sealed, sealed == 1 ? "" : "s");
	pb_accounts_unref(&accounts);
	return status;
}

int
pb_cmd_account(int argc, char **argv)
{
	struct pb_account_request r;
	enum pb_status st = pb_account_arguments(argc, argv, &r);
	int status = st == PB_OK ? r.action->run(&r) : pb_action_usage(st);

	pb_config_unref(&r.config);
	return status;
}
