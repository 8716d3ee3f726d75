#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/base/text.h"

static const struct pb_journal_action actions[] = {
	{ "list", "[OPTION]...", "show what waits to be removed",
	    pb_journal_cmd_list, false },
	{ "retry", "[NUMBER]... [OPTION]...", "try it at the next login",
	    pb_journal_cmd_retry, true },
	{ "drop", "[NUMBER]... [OPTION]...", "do not remove it",
	    pb_journal_cmd_drop, true },
};

const struct pb_journal_action *
pb_journal_actions(size_t *n)
{
	*n = sizeof(actions) / sizeof(actions[0]);
	return actions;
}

bool
pb_journal_is_meant(const struct pb_journal_request *r,
    const struct pb_journal_entry *e)
{
	size_t i;

	if (r->user != NULL && strcmp(r->user, e->user) != 0)
		return false;
	for (i = 0; i < r->n_numbers; i++) {
		if (r->numbers[i] == e->number)
			return true;
	}
	return r->n_numbers == 0;
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
		return EX_CONFIG;
	case PB_EIO:
		return EX_IOERR;
	case PB_ENOMEM:
	case PB_AGAIN:
	case PB_EOF:
		return EX_UNAVAILABLE;
	}
	pb_unreachable("a status that is none");
}

/* What was chosen: none of it may be called for while it is listed. */
struct choice {
	const struct pb_journal_request *r;
	int64_t *numbers;	/* own */
	char (*text)[512];	/* own; what each is, for people */
	size_t n;
	bool no_memory;
};

static void
choose(void *ctx, const struct pb_journal_entry *e)
{
	struct choice *c = ctx;
	int64_t *numbers;
	char (*text)[512];
	char user[200];
	char mailbox[100];

	if (!pb_journal_is_meant(c->r, e))
		return;
	numbers = pb_realloc(c->numbers, (c->n + 1) * sizeof(*numbers));
	if (numbers != NULL)
		c->numbers = numbers;
	text = pb_realloc(c->text, (c->n + 1) * sizeof(*text));
	if (text != NULL)
		c->text = text;
	c->no_memory |= numbers == NULL || text == NULL;
	if (c->no_memory)
		return;
	pb_text_clean(pb_slice_str(e->user), user, sizeof(user));
	pb_text_clean(pb_slice_str(e->mailbox), mailbox, sizeof(mailbox));
	snprintf(text[c->n], sizeof(*text), "%" PRIu32 " message%s of %s, %s",
	    e->messages, e->messages == 1 ? "" : "s", user, mailbox);
	numbers[c->n++] = e->number;
}

static int
change_all(const struct choice *c, struct pb_journal *journal,
    enum pb_status (*change)(struct pb_journal *, int64_t, struct pb_error *),
    const char *said)
{
	struct pb_error err = { .text = "" };
	size_t i;

	for (i = 0; i < c->n; i++) {
		enum pb_status st = change(journal, c->numbers[i], &err);

		/* Somebody was faster. */
		if (st == PB_EOF)
			continue;
		if (st != PB_OK) {
			pb_journal_complain(c->r, "%s", err.text);
			return status_of(st);
		}
		printf("%" PRId64 ": %s: %s\n", c->numbers[i], c->text[i],
		    said);
	}
	return EX_OK;
}

static int
change(const struct pb_journal_request *r, struct pb_journal *journal,
    enum pb_status (*how)(struct pb_journal *, int64_t, struct pb_error *),
    const char *said)
{
	struct choice c = { .r = r };
	struct pb_error err = { .text = "no memory" };
	enum pb_status st = pb_journal_list(journal, choose, &c, &err);
	int status;

	if (st == PB_OK && c.no_memory)
		st = PB_ENOMEM;
	if (st != PB_OK) {
		pb_journal_complain(r, "%s", err.text);
		status = status_of(st);
	} else if (c.n < r->n_numbers || c.n == 0) {
		pb_journal_complain(r, "%s", c.n == 0
		    ? "there is no such entry, see popbridge journal list"
		    : "not all of these are there, so nothing was done; see "
		    "popbridge journal list");
		status = EX_DATAERR;
	} else {
		status = change_all(&c, journal, how, said);
	}
	pb_free(c.numbers);
	pb_free(c.text);
	return status;
}

int
pb_journal_cmd_retry(const struct pb_journal_request *r,
    struct pb_journal *journal)
{
	return change(r, journal, pb_journal_retry, "tried when the user logs "
	    "in next, because nobody else has a password for it");
}

int
pb_journal_cmd_drop(const struct pb_journal_request *r,
    struct pb_journal *journal)
{
	return change(r, journal, pb_journal_drop, "dropped; what is still "
	    "there stays, and the user sees it again");
}

/* A journal that nobody has made is an empty one, and is not made by a look. */
static bool
is_missing(const char *directory)
{
	char path[PB_CONFIG_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/journal.db", directory);
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static int
run(const struct pb_journal_request *r)
{
	struct pb_journal *journal;
	int status;

	if (access(r->config->state_directory, F_OK) == 0 &&
	    is_missing(r->config->state_directory)) {
		if (!r->action->takes_numbers) {
			fputs(r->json ? "[]\n" : "", stdout);
			return EX_OK;
		}
		pb_journal_complain(r, "there is nothing in the journal");
		return EX_DATAERR;
	}
	journal = pb_journal_new(r->config->state_directory);
	pb_check(journal != NULL);
	status = r->action->run(r, journal);
	pb_journal_free(&journal);
	return status;
}

int
pb_cmd_journal(int argc, char **argv)
{
	struct pb_journal_request r;
	int status = EX_USAGE;

	switch (pb_journal_arguments(argc, argv, &r)) {
	case PB_OK:
		pb_logger_start(PB_LOG_WARN, PB_LOG_FORMAT_TEXT);
		status = run(&r);
		break;
	case PB_EOF:
		status = EX_OK;
		break;
	case PB_EIO:
		status = EX_CONFIG;
		break;
	case PB_AGAIN:
	case PB_EPROTO:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EINVAL:
		break;
	}
	pb_config_unref(&r.config);
	return status;
}
