#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "journal.h"
#include "popbridge/base/text.h"

/* Where columns end; longer values push the rest to the right. */
#define ROW "%-6s  %-28s  %-12s  %-8s  %-7s  %-16s  %-20s  %-5s  %-32s  %s\n"

static void
write_time(int64_t since, char *out, size_t size)
{
	time_t t = since;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, size, "?");
}

static void
clean(const char *text, char *out, size_t size)
{
	pb_text_clean(pb_slice_str(text[0] != '\0' ? text : "-"), out, size);
}

static void
print_row(void *ctx, const struct pb_journal_entry *e)
{
	char number[24];
	char user[300];
	char mailbox[300];
	char messages[16];
	char removal[64];
	char login[1024];
	char since[32];
	char tries[24];
	char upstream[300];
	char error[600];

	if (!pb_journal_is_meant(ctx, e))
		return;
	snprintf(number, sizeof(number), "%" PRId64, e->number);
	snprintf(messages, sizeof(messages), "%" PRIu32, e->messages);
	snprintf(tries, sizeof(tries), "%" PRId64, e->tries);
	write_time(e->since, since, sizeof(since));
	clean(e->user, user, sizeof(user));
	clean(e->mailbox, mailbox, sizeof(mailbox));
	clean(e->removal, removal, sizeof(removal));
	clean(e->login, login, sizeof(login));
	clean(e->upstream, upstream, sizeof(upstream));
	clean(e->error, error, sizeof(error));
	printf(ROW, number, user, mailbox, messages, removal, login, since,
	    tries, upstream, error);
}

/* Names need not be UTF-8, and JSON must be. */
static json_t *
text_of(const char *text)
{
	json_t *value = json_string(text);
	char clean_text[2000];

	if (value != NULL)
		return value;
	clean(text, clean_text, sizeof(clean_text));
	return json_string(clean_text);
}

/* Only what is kept is kept from somebody. */
static json_t *
login_of(const struct pb_journal_entry *e)
{
	return e->login[0] != '\0' ? text_of(e->login) : json_null();
}

struct list {
	const struct pb_journal_request *r;
	json_t *array;
};

static void
collect(void *ctx, const struct pb_journal_entry *e)
{
	struct list *list = ctx;
	char since[32];

	if (!pb_journal_is_meant(list->r, e))
		return;
	write_time(e->since, since, sizeof(since));
	json_array_append_new(list->array, json_pack(
	    "{s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:s, s:I, s:o, s:o, s:o}",
	    "number", (json_int_t)e->number, "user", text_of(e->user),
	    "mailbox", text_of(e->mailbox), "upstream", text_of(e->upstream),
	    "messages", (json_int_t)e->messages,
	    "removal", text_of(e->removal), "login", login_of(e),
	    "since", since,
	    "tries", (json_int_t)e->tries, "error", text_of(e->error),
	    "session", text_of(e->session), "client", text_of(e->client)));
}

static int
failed(const struct pb_journal_request *r, enum pb_status st,
    const struct pb_error *err)
{
	pb_journal_complain(r, "%s", err->text);
	return st == PB_EINVAL ? EX_CONFIG : EX_IOERR;
}

static int
list_json(const struct pb_journal_request *r, struct pb_journal *journal)
{
	struct list list = { .r = r, .array = json_array() };
	struct pb_error err = { .text = "" };
	enum pb_status st = pb_journal_list(journal, collect, &list, &err);
	int result = 0;

	if (st == PB_OK)
		result = list.array != NULL ? json_dumpf(list.array, stdout,
		    JSON_INDENT(2)) : -1;
	json_decref(list.array);
	if (st != PB_OK)
		return failed(r, st, &err);
	if (result != 0) {
		pb_journal_complain(r, "no memory, or the output cannot be "
		    "written");
		return EX_IOERR;
	}
	printf("\n");
	return EX_OK;
}

int
pb_journal_cmd_list(const struct pb_journal_request *r,
    struct pb_journal *journal)
{
	struct pb_journal_request meant = *r;
	struct pb_error err = { .text = "" };
	enum pb_status st;

	if (r->json)
		return list_json(r, journal);
	printf(ROW, "NUMBER", "USER", "MAILBOX", "MESSAGES", "REMOVAL",
	    "LOGIN", "SINCE", "TRIES", "UPSTREAM", "LAST ERROR");
	st = pb_journal_list(journal, print_row, &meant, &err);
	return st == PB_OK ? EX_OK : failed(r, st, &err);
}
