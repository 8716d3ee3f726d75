#include "journal_priv.h"

#include <string.h>

static void
copy(sqlite3_stmt *s, enum pb_journal_column column, char *out, size_t size)
{
	struct pb_slice text = pb_db_column(s, column);
	size_t len = text.len < size ? text.len : size - 1;

	memcpy(out, text.data, len);
	out[len] = '\0';
}

/* What stands behind the next NUL, or nothing. */
static const char *
next_part(const char *part, const char *end)
{
	part += strlen(part);
	return part < end ? part + 1 : part;
}

void
pb_journal_read_entry(sqlite3_stmt *s, struct pb_journal_text *text,
    struct pb_journal_entry *entry)
{
	size_t len = pb_db_column(s, PB_JOURNAL_COLUMN_MAILDROP).len;
	const char *end = text->maildrop + (len < sizeof(text->maildrop)
	    ? len : sizeof(text->maildrop) - 1);

	copy(s, PB_JOURNAL_COLUMN_MAILDROP, text->maildrop,
	    sizeof(text->maildrop));
	copy(s, PB_JOURNAL_COLUMN_SESSION, text->session,
	    sizeof(text->session));
	copy(s, PB_JOURNAL_COLUMN_CLIENT, text->client, sizeof(text->client));
	copy(s, PB_JOURNAL_COLUMN_ERROR, text->error, sizeof(text->error));
	copy(s, PB_JOURNAL_COLUMN_REMOVAL, text->removal,
	    sizeof(text->removal));
	copy(s, PB_JOURNAL_COLUMN_LOGIN, text->login, sizeof(text->login));
	*entry = (struct pb_journal_entry){
		.number = sqlite3_column_int64(s, PB_JOURNAL_COLUMN_NUMBER),
		.upstream = text->maildrop, .session = text->session,
		.client = text->client, .error = text->error,
		.removal = text->removal, .login = text->login,
		.messages = (uint32_t)sqlite3_column_int64(s,
		    PB_JOURNAL_COLUMN_MESSAGES),
		.since = sqlite3_column_int64(s, PB_JOURNAL_COLUMN_SINCE),
		.tries = sqlite3_column_int64(s, PB_JOURNAL_COLUMN_TRIES) };
	entry->user = next_part(entry->upstream, end);
	entry->mailbox = next_part(entry->user, end);
}

static enum pb_status
list(struct pb_db_file *f,
    void (*each)(void *ctx, const struct pb_journal_entry *e), void *ctx,
    struct pb_error *err)
{
	struct pb_journal_text text;
	struct pb_journal_entry entry;
	enum pb_status st;

	while ((st = pb_db_file_step(f, PB_JOURNAL_SQL_LIST, err)) ==
	    PB_OK) {
		pb_journal_read_entry(f->statement[PB_JOURNAL_SQL_LIST],
		    &text, &entry);
		each(ctx, &entry);
	}
	return st == PB_EOF ? PB_OK : st;
}

enum pb_status
pb_journal_list(struct pb_journal *j,
    void (*each)(void *ctx, const struct pb_journal_entry *e), void *ctx,
    struct pb_error *err)
{
	enum pb_status st = pb_journal_begin(j, false, err);

	if (st != PB_OK)
		return st;
	return pb_journal_end(j, list(&j->writer.file, each, ctx, err), err);
}

static enum pb_status
change(struct pb_journal *j, enum pb_journal_sql which, int64_t number,
    struct pb_error *err)
{
	enum pb_status st = pb_journal_begin(j, true, err);
	int changed;

	if (st != PB_OK)
		return st;
	pb_db_bind_number(j->writer.file.statement[which], 1, number);
	st = pb_db_file_run(&j->writer.file, which, err);
	changed = sqlite3_changes(j->writer.file.db);
	st = pb_journal_end(j, st, err);
	return st == PB_OK && changed == 0 ? PB_EOF : st;
}

enum pb_status
pb_journal_drop(struct pb_journal *j, int64_t number, struct pb_error *err)
{
	return change(j, PB_JOURNAL_SQL_DROP, number, err);
}

enum pb_status
pb_journal_retry(struct pb_journal *j, int64_t number, struct pb_error *err)
{
	return change(j, PB_JOURNAL_SQL_RETRY, number, err);
}
