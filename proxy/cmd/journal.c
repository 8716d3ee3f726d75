#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "action.h"
#include "cmd.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/base/text.h"

static const struct pb_journal_action actions[] = {
	{ { "journal", "list", "[OPTION]...",
	    "show what waits to be removed, or is hidden" },
	    pb_journal_cmd_list, false },
	{ { "journal", "retry", "[NUMBER]... [OPTION]...",
	    "try it at the next login" }, pb_journal_cmd_retry, true },
	{ { "journal", "drop", "[NUMBER]... [OPTION]...",
	    "do not remove it; what is kept is seen again" },
	    pb_journal_cmd_drop, true },
};

const struct pb_journal_action *
pb_journal_actions(size_t *n)
{
	*n = sizeof(actions) / sizeof(actions[0]);
	return actions;
}

bool
pb_journal_is_kept(const struct pb_journal_entry *e)
{
	return strcmp(e->removal, pb_removal_name(PB_REMOVAL_KEEP)) == 0;
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
struct chosen {
	int64_t number;
	bool kept;
	char text[512];		/* for people */
};

struct choice {
	const struct pb_journal_request *r;
	struct chosen *list;	/* own */
	size_t n;
	size_t n_kept;
	bool no_memory;
};

/* What an action does with each. */
struct way {
	enum pb_status (*change)(struct pb_journal *journal, int64_t number,
				 struct pb_error *err);
	const char *said;
	const char *said_of_kept;	/* NULL: nothing is done with those */
};

static void
choose(void *ctx, const struct pb_journal_entry *e)
{
	struct choice *c = ctx;
	struct chosen *list;
	char user[200];
	char mailbox[100];

	if (c->no_memory || !pb_journal_is_meant(c->r, e))
		return;
	list = pb_realloc(c->list, (c->n + 1) * sizeof(*list));
	c->no_memory = list == NULL;
	if (c->no_memory)
		return;
	c->list = list;
	list += c->n++;
	list->number = e->number;
	list->kept = pb_journal_is_kept(e);
	c->n_kept += list->kept;
	pb_text_clean(pb_slice_str(e->user), user, sizeof(user));
	pb_text_clean(pb_slice_str(e->mailbox), mailbox, sizeof(mailbox));
	snprintf(list->text, sizeof(list->text),
	    "%" PRIu32 " message%s of %s, %s", e->messages,
	    e->messages == 1 ? "" : "s", user, mailbox);
}

static int
change_all(const struct choice *c, struct pb_journal *journal,
    const struct way *way)
{
	struct pb_error err = { .text = "" };
	size_t i;

	for (i = 0; i < c->n; i++) {
		const struct chosen *one = &c->list[i];
		enum pb_status st = PB_EOF;

		if (!one->kept || way->said_of_kept != NULL)
			st = way->change(journal, one->number, &err);
		/* It is not for these, or somebody was faster. */
		if (st == PB_EOF)
			continue;
		if (st != PB_OK) {
			pb_journal_complain(c->r, "%s", err.text);
			return status_of(st);
		}
		printf("%" PRId64 ": %s: %s\n", one->number, one->text,
		    one->kept ? way->said_of_kept : way->said);
	}
	return EX_OK;
}

/* Why nothing is done; or NULL. */
static const char *
objection(const struct choice *c, const struct way *way)
{
	if (c->n == 0)
		return "there is no such entry, see popbridge journal list";
	if (c->n < c->r->n_numbers)
		return "not all of these are there, so nothing was done; see "
		    "popbridge journal list";
	if (way->said_of_kept == NULL && c->n_kept > 0 &&
	    (c->r->n_numbers > 0 || c->n_kept == c->n))
		return "there is nothing to try, so nothing was done: "
		    "messages with the removal \"keep\" stay at the IMAP "
		    "server, and are only hidden from a POP3 user; popbridge "
		    "journal drop lets that user see them again";
	return NULL;
}

static int
change(const struct pb_journal_request *r, struct pb_journal *journal,
    const struct way *way)
{
	struct choice c = { .r = r };
	struct pb_error err = { .text = "no memory" };
	enum pb_status st = pb_journal_list(journal, choose, &c, &err);
	const char *why = objection(&c, way);
	int status;

	if (st == PB_OK && c.no_memory)
		st = PB_ENOMEM;
	if (st != PB_OK) {
		pb_journal_complain(r, "%s", err.text);
		status = status_of(st);
	} else if (why != NULL) {
		pb_journal_complain(r, "%s", why);
		status = EX_DATAERR;
	} else {
		status = change_all(&c, journal, way);
	}
	pb_free(c.list);
	return status;
}

int
pb_journal_cmd_retry(const struct pb_journal_request *r,
    struct pb_journal *journal)
{
	static const struct way way = { pb_journal_retry,
	    "tried when the user logs in next, because nobody else has a "
	    "password for it", NULL };

	return change(r, journal, &way);
}

int
pb_journal_cmd_drop(const struct pb_journal_request *r,
    struct pb_journal *journal)
{
	static const struct way way = { pb_journal_drop,
	    "dropped; what is still there stays, and the user sees it again",
	    "dropped; the POP3 user from whom they were hidden sees them "
	    "again, and fetches them once more" };

	return change(r, journal, &way);
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
	enum pb_status st = pb_journal_arguments(argc, argv, &r);
	int status;

	if (st == PB_OK) {
		pb_logger_start(PB_LOG_WARN, PB_LOG_FORMAT_TEXT);
		status = run(&r);
	} else {
		status = pb_action_usage(st);
	}
	pb_config_unref(&r.config);
	return status;
}
