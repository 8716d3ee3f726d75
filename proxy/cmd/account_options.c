#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "cmd.h"
#include "popbridge/base/check.h"
#include "popbridge/service/option.h"

#define DEFAULT_FILE "/var/lib/popbridge/accounts.db"
#define DEFAULT_KEY_FILE "/etc/popbridge/accounts.key"

/* The largest number of a file descriptor that is read. */
#define FD_MAX 1048575

/* Values that getopt_long returns for the rows of the table. */
#define FIRST_ROW 256
#define HELP 1

enum which {
	OPTION_CONFIG,
	OPTION_FILE,
	OPTION_KEY_FILE,
	OPTION_LABEL,
	OPTION_NETWORK,
	OPTION_LISTENER,
	OPTION_UPSTREAM_USER,
	OPTION_UPSTREAM_PASSWORD,
	OPTION_UPSTREAM_FD,
	OPTION_PASSWORD_FD,
	OPTION_GENERATE,
	OPTION_NO_PASSWORD,
	OPTION_RECOVERABLE,
	OPTION_JSON,
	OPTION_COUNT	/* how many there are */
};

static const struct row {
	const char *name;
	const char *argument;	/* NULL: none */
	const char *actions;	/* names, each with a blank; NULL: all */
	const char *help;
} rows[] = {
	[OPTION_CONFIG] = { "config", "FILE", NULL,
	    "the configuration, which says where the accounts and their keys "
	    "are; -c is the same (default: " PB_CMD_CONFIG_FILE ", if it can be "
	    "read)" },
	[OPTION_FILE] = { "accounts", "FILE", NULL,
	    "the file of accounts (default: what the configuration says, or "
	    DEFAULT_FILE ")" },
	[OPTION_KEY_FILE] = { "key-file", "FILE", NULL,
	    "the keys that secrets are sealed with (default: what the "
	    "configuration says, or " DEFAULT_KEY_FILE ")" },
	[OPTION_LABEL] = { "label", "TEXT", "add ",
	    "what it is, for people" },
	[OPTION_NETWORK] = { "network", "CIDR", "add ",
	    "let it in from this network; may be repeated (default: from "
	    "everywhere)" },
	[OPTION_LISTENER] = { "listener", "NAME", "add ",
	    "let it in by the listener of this name; may be repeated "
	    "(default: by all)" },
	[OPTION_UPSTREAM_USER] = { "upstream-user", "USER", "add ",
	    "its name at the IMAP server (default: NAME)" },
	[OPTION_UPSTREAM_PASSWORD] = { "upstream-password", NULL,
	    "add passwd ", "ask for its password at the IMAP server; "
	    "without one the route must have a master user" },
	[OPTION_UPSTREAM_FD] = { "upstream-password-fd", "N", "add passwd ",
	    "the same, from the next line of file descriptor N" },
	[OPTION_PASSWORD_FD] = { "password-fd", "N", "add passwd ",
	    "take its password from the first line of file descriptor N; "
	    "without this it is asked for on the terminal" },
	[OPTION_GENERATE] = { "generate", NULL, "add passwd ",
	    "make a random password, and print it, once" },
	[OPTION_NO_PASSWORD] = { "no-password", NULL, "add ",
	    "it has none: for accounts that come in by a certificate" },
	[OPTION_RECOVERABLE] = { "recoverable", NULL, "add passwd ",
	    "keep the password itself, sealed, for CRAM-MD5 and APOP" },
	[OPTION_JSON] = { "json", NULL, "list show ", "print JSON" },
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == OPTION_COUNT,
    "a row for every option");

static bool
takes(const struct pb_account_action *action, const struct row *row)
{
	char word[32];

	if (row->actions == NULL)
		return true;
	snprintf(word, sizeof(word), "%s ", action->base.name);
	return strstr(row->actions, word) != NULL;
}

static void
print_row(const struct row *row)
{
	printf("  --%s%s%s\n        ", row->name,
	    row->argument != NULL ? " " : "",
	    row->argument != NULL ? row->argument : "");
	pb_print_text(row->help, 8);
}

static void
print_action_help(const struct pb_account_action *action)
{
	size_t i;

	printf("usage: popbridge account %s %s\n\n%s.\n\n",
	    action->base.name, action->base.arguments, action->base.help);
	for (i = 0; i < OPTION_COUNT; i++) {
		if (takes(action, &rows[i]))
			print_row(&rows[i]);
	}
	printf("\nThe manual is popbridge-account(8).\n");
}

/* PB_EOF: help was asked for and given. */
static enum pb_status
choose_action(struct pb_account_request *r, int argc, char **argv)
{
	struct pb_action_table table = { .row_size = sizeof(*r->action),
		.notes = "Changes count from the next login on, while "
		"popbridge serves.\n" };
	const struct pb_account_action *actions;
	enum pb_status st;
	size_t at = 0;

	actions = pb_account_actions(&table.n);
	table.first = &actions->base;
	st = pb_action_choose(&table, argc, argv, &at);
	if (st == PB_OK)
		r->action = &actions[at];
	return st;
}

static enum pb_status
refuse(const struct pb_account_request *r, const char *word, const char *what)
{
	return pb_action_refuse(&r->action->base, word, what);
}

/* Whether it is the option of this name, and takes no value. */
static bool
is_flag(const struct pb_account_action *action, const char *name)
{
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (takes(action, &rows[i]) && rows[i].argument == NULL &&
		    strncmp(name, "--", 2) == 0 &&
		    strcmp(name + 2, rows[i].name) == 0)
			return true;
	}
	return false;
}

static enum pb_status
refuse_unknown(const struct pb_account_request *r, const char *word)
{
	const char *names[OPTION_COUNT];
	const char *near = NULL;
	char name[64];
	size_t n = 0;
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (takes(r->action, &rows[i]))
			names[n++] = rows[i].name;
	}
	/* Not with its value, which may be a password. */
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	if (strchr(word, '=') != NULL && is_flag(r->action, name))
		return refuse(r, name, "it takes no value");
	if (strncmp(name, "--", 2) == 0)
		near = pb_option_nearest(name + 2, names, n);
	if (near == NULL)
		return refuse(r, name, "there is no such option");
	pb_account_complain(r, "%s: there is no such option, did you mean "
	    "--%s?", name, near);
	return PB_EINVAL;
}

/* JSON and other programs want UTF-8; jansson knows what that is. */
static bool
is_utf8(const char *text)
{
	json_t *value = json_string(text);
	bool good = value != NULL;

	json_decref(value);
	return good;
}

static enum pb_status
take_text(const struct pb_account_request *r, const char *what,
    const char *text, char *out, size_t size)
{
	if (!is_utf8(text))
		return refuse(r, what, "it must be UTF-8");
	if (strlen(text) >= size)
		return refuse(r, what, "it is too long");
	memcpy(out, text, strlen(text) + 1);
	return PB_OK;
}

static enum pb_status
take_network(struct pb_account_request *r, const char *text)
{
	struct pb_account *a = &r->account;

	if (a->n_networks == PB_ACCOUNT_NETWORKS_MAX)
		return refuse(r, "--network", "there are too many");
	if (pb_network_parse(pb_slice_str(text),
	    &a->networks[a->n_networks]) != PB_OK)
		return refuse(r, text, "it must be an address or a network, "
		    "like 192.0.2.0/24 or 2001:db8::/32");
	a->n_networks++;
	return PB_OK;
}

static enum pb_status
take_listener(struct pb_account_request *r, const char *text)
{
	struct pb_account *a = &r->account;

	if (a->n_listeners == PB_ACCOUNT_LISTENERS_MAX)
		return refuse(r, "--listener", "there are too many");
	return take_text(r, "--listener", text, a->listeners[a->n_listeners++],
	    PB_ACCOUNT_LISTENER_SIZE);
}

static enum pb_status
take_fd(const struct pb_account_request *r, const char *what,
    const char *text, int *fd)
{
	uint64_t number;

	/* Not repeated, because it may be a password in the wrong place. */
	if (pb_slice_number(pb_slice_str(text), FD_MAX, &number) != PB_OK)
		return refuse(r, what, "it takes the number of a file "
		    "descriptor, and a password is never an argument");
	*fd = (int)number;
	return PB_OK;
}

static enum pb_status
take_option(struct pb_account_request *r, enum which which, const char *value)
{
	switch (which) {
	case OPTION_CONFIG:
		r->config_file = value;
		return PB_OK;
	case OPTION_FILE:
		r->file = value;
		return PB_OK;
	case OPTION_KEY_FILE:
		r->key_file = value;
		return PB_OK;
	case OPTION_LABEL:
		return take_text(r, "--label", value, r->account.label,
		    sizeof(r->account.label));
	case OPTION_NETWORK:
		return take_network(r, value);
	case OPTION_LISTENER:
		return take_listener(r, value);
	case OPTION_UPSTREAM_USER:
		return take_text(r, "--upstream-user", value,
		    r->account.upstream_user,
		    sizeof(r->account.upstream_user));
	case OPTION_UPSTREAM_PASSWORD:
		r->upstream.ask = true;
		return PB_OK;
	case OPTION_UPSTREAM_FD:
		return take_fd(r, "--upstream-password-fd", value,
		    &r->upstream.fd);
	case OPTION_PASSWORD_FD:
		return take_fd(r, "--password-fd", value, &r->password.fd);
	case OPTION_GENERATE:
		r->generate = true;
		return PB_OK;
	case OPTION_NO_PASSWORD:
		r->no_password = true;
		return PB_OK;
	case OPTION_RECOVERABLE:
		r->recoverable = true;
		return PB_OK;
	case OPTION_JSON:
		r->json = true;
		return PB_OK;
	case OPTION_COUNT:
		break;
	}
	pb_unreachable("an option that is none");
}

static enum pb_status
take_name(struct pb_account_request *r, int argc, char **argv)
{
	enum pb_status st;

	if (optind < argc && !r->action->takes_name)
		return refuse(r, argv[optind], "that is no option");
	if (optind + 1 < argc)
		return refuse(r, argv[optind], "there is one name only, and "
		    "a password is never an argument");
	if (!r->action->takes_name)
		return PB_OK;
	if (optind == argc) {
		pb_account_complain(r, "which account? see popbridge account "
		    "%s --help", r->action->base.name);
		return PB_EINVAL;
	}
	st = take_text(r, "NAME", argv[optind], r->account.name,
	    sizeof(r->account.name));
	if (st == PB_OK && r->account.upstream_user[0] == '\0')
		memcpy(r->account.upstream_user, r->account.name,
		    sizeof(r->account.name));
	return st;
}

static enum pb_status
judge(struct pb_account_request *r)
{
	int ways = r->generate + r->no_password + (r->password.fd >= 0);

	if (ways > 1)
		return refuse(r, "--password-fd, --generate, --no-password",
		    "give one of them");
	if (r->upstream.ask && r->upstream.fd >= 0)
		return refuse(r, "--upstream-password, "
		    "--upstream-password-fd", "give one of them");
	if (r->no_password && r->recoverable)
		return refuse(r, "--recoverable", "there is no password");
	return PB_OK;
}

static enum pb_status
take_options(struct pb_account_request *r, int argc, char **argv)
{
	struct option options[OPTION_COUNT + 2] = { { .name = "help",
		.val = HELP } };
	enum pb_status st = PB_OK;
	size_t used = 1;
	size_t i;
	int c;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (takes(r->action, &rows[i]))
			options[used++] = (struct option){
				.name = rows[i].name, .val = FIRST_ROW + (int)i,
				.has_arg = rows[i].argument != NULL ?
				    required_argument : no_argument };
	}
	opterr = 0;
	while (st == PB_OK && (c = getopt_long(argc, argv, ":c:h", options,
	    NULL)) != -1) {
		if (c == 'h' || c == HELP) {
			print_action_help(r->action);
			return PB_EOF;
		}
		if (c == 'c')
			r->config_file = optarg;
		else if (c == ':')
			st = refuse(r, argv[optind - 1], "it needs a value");
		else if (c == '?')
			st = refuse_unknown(r, argv[optind - 1]);
		else
			st = take_option(r, (enum which)(c - FIRST_ROW),
			    optarg);
	}
	return st;
}

/* Where the files are: said here, else in the configuration, else usual. */
static enum pb_status
find_files(struct pb_account_request *r)
{
	const struct pb_config_sink sink = { pb_print_problem, NULL };
	struct pb_config_source source = { .file = r->config_file };

	if (source.file == NULL && access(PB_CMD_CONFIG_FILE, R_OK) == 0)
		source.file = PB_CMD_CONFIG_FILE;
	if (source.file != NULL && (r->file == NULL || r->key_file == NULL) &&
	    pb_config_load(&source, &sink, &r->config) != PB_OK)
		return PB_EIO;
	if (r->file == NULL && r->config != NULL)
		r->file = r->config->accounts;
	if (r->key_file == NULL && r->config != NULL)
		r->key_file = r->config->accounts_key;
	if (r->file == NULL)
		r->file = DEFAULT_FILE;
	if (r->key_file == NULL)
		r->key_file = DEFAULT_KEY_FILE;
	return PB_OK;
}

enum pb_status
pb_account_arguments(int argc, char **argv, struct pb_account_request *r)
{
	enum pb_status st;

	*r = (struct pb_account_request){ .account.enabled = true,
		.password.fd = -1, .upstream.fd = -1 };
	st = choose_action(r, argc, argv);
	if (st == PB_OK)
		st = take_options(r, argc - 1, argv + 1);
	if (st == PB_OK)
		st = take_name(r, argc - 1, argv + 1);
	if (st == PB_OK)
		st = judge(r);
	return st == PB_OK ? find_files(r) : st;
}
