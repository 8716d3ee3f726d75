#include "journal_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/base/text.h"

/* A server that says no five times says so again. */
#define TRIES_MAX 5
#define REST_SECONDS 86400

/*
 * Of one maildrop: a poll each five minutes for 30 days makes no more, should
 * the server refuse each time.
 */
#define PROMISES_MAX 10000

enum pb_status
pb_journal_add(struct pb_db_file *f,
    const struct pb_journal_source *source, const struct pb_promise *promise,
    int64_t *number, struct pb_error *err)
{
	bool keeps = promise->removal == PB_REMOVAL_KEEP;
	const struct pb_journal_owner owner = { .maildrop = source->maildrop,
		.login = keeps ? source->login : pb_slice("", 0),
		.removal = promise->removal,
		.uidvalidity = promise->uidvalidity };
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_ADD];
	struct pb_journal_code code;
	enum pb_status st;

	if (pb_journal_encode(&owner, promise->uids, promise->n, &code) !=
	    PB_OK)
		return pb_journal_no_memory(err);
	pb_db_bind_blob(s, 1, source->maildrop.data, source->maildrop.len);
	pb_db_bind_number(s, 2, promise->uidvalidity);
	pb_db_bind_blob(s, 3, pb_buffer_slice(&code.uids).data,
	    code.uids.len);
	pb_db_bind_blob(s, 4, code.checksum, sizeof(code.checksum));
	pb_db_bind_number(s, 5, (int64_t)promise->n);
	pb_db_bind_text(s, 6, pb_slice_str(source->session));
	pb_db_bind_text(s, 7, pb_slice_str(source->client));
	pb_db_bind_number(s, 8, pb_journal_now());
	pb_db_bind_text(s, 9, pb_slice_str(pb_removal_name(owner.removal)));
	pb_db_bind_blob(s, 10, owner.login.data, owner.login.len);
	st = pb_db_file_run(f, PB_JOURNAL_SQL_ADD, err);
	*number = sqlite3_last_insert_rowid(f->db);
	pb_journal_code_fini(&code);
	return st;
}

enum pb_status
pb_journal_promise(struct pb_journal *j,
    const struct pb_journal_source *source, const struct pb_promise *promise,
    int64_t *number, struct pb_error *err)
{
	enum pb_status st;

	pb_check(promise->removal != PB_REMOVAL_REFUSE);
	st = pb_journal_begin(j, true, err);
	if (st != PB_OK)
		return st;
	if (promise->removal == PB_REMOVAL_KEEP)
		st = pb_journal_keep(&j->writer.file, source, promise, number,
		    err);
	else
		st = pb_journal_add(&j->writer.file, source, promise, number,
		    err);
	return pb_journal_end(j, st, err);
}

static bool
rests(sqlite3_stmt *s, enum pb_removal removal)
{
	int64_t ago = pb_journal_now() - sqlite3_column_int64(s, 5);

	return removal == PB_REMOVAL_KEEP ||
	    (sqlite3_column_int64(s, 4) >= TRIES_MAX && ago < REST_SECONDS);
}

/* PB_EINVAL: it is damaged. */
static enum pb_status
read_promise(sqlite3_stmt *s, struct pb_slice maildrop,
    struct pb_promise *promise)
{
	int64_t uidvalidity = sqlite3_column_int64(s, 1);
	struct pb_journal_owner owner = { .maildrop = maildrop,
		.login = pb_db_column(s, 7),
		.uidvalidity = (uint32_t)uidvalidity };

	promise->number = sqlite3_column_int64(s, 0);
	promise->uidvalidity = owner.uidvalidity;
	if (uidvalidity < 0 || uidvalidity > UINT32_MAX ||
	    !pb_removal_by_name(pb_db_column(s, 6), &owner.removal) ||
	    owner.removal == PB_REMOVAL_REFUSE)
		return PB_EINVAL;
	promise->removal = owner.removal;
	promise->rests = rests(s, owner.removal);
	return pb_journal_decode(&owner, pb_db_column(s, 2),
	    pb_db_column(s, 3), &promise->uids, &promise->n);
}

void
pb_journal_say_damaged(int64_t number)
{
	pb_log(PB_LOG_ERROR, "a promise in the journal is damaged: the "
	    "messages that it was to remove come again",
	    PB_LOG_NUM("number", (uint64_t)number));
}

static sqlite3_stmt *
statement_of(struct pb_db_file *f, enum pb_journal_sql which,
    struct pb_slice maildrop, struct pb_slice login)
{
	sqlite3_stmt *s = f->statement[which];

	pb_db_bind_blob(s, 1, maildrop.data, maildrop.len);
	pb_db_bind_number(s, 2, pb_journal_now() - PB_JOURNAL_KEEP_SECONDS);
	pb_db_bind_blob(s, 3, login.data, login.len);
	return s;
}

/* A damaged one is void: nobody knows what it was about. */
static enum pb_status
find(struct pb_db_file *f, struct pb_slice maildrop,
    struct pb_slice login, struct pb_promises *promises, struct pb_error *err)
{
	sqlite3_stmt *s = statement_of(f, PB_JOURNAL_SQL_FIND, maildrop,
	    login);
	size_t room = promises->n;
	enum pb_status st = PB_OK;

	promises->n = 0;
	while (promises->n < room && (st = pb_db_file_step(f,
	    PB_JOURNAL_SQL_FIND, err)) == PB_OK) {
		struct pb_promise *p = &promises->list[promises->n++];

		st = read_promise(s, maildrop, p);
		if (st == PB_EINVAL) {
			p->outcome = PB_PROMISE_VOID;
			pb_journal_say_damaged(p->number);
		}
		if (st == PB_ENOMEM) {
			pb_db_leave(s);
			return pb_journal_no_memory(err);
		}
	}
	if (promises->n == room) {
		pb_db_leave(s);
		return PB_OK;
	}
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
count(struct pb_db_file *f, struct pb_slice maildrop,
    struct pb_slice login, size_t *n, struct pb_error *err)
{
	sqlite3_stmt *s = statement_of(f, PB_JOURNAL_SQL_COUNT_OF, maildrop,
	    login);
	enum pb_status st;
	int64_t found;

	st = pb_db_file_step(f, PB_JOURNAL_SQL_COUNT_OF, err);
	if (st != PB_OK)
		return st;
	found = sqlite3_column_int64(s, 0);
	*n = found < PROMISES_MAX ? (size_t)found : PROMISES_MAX;
	pb_db_leave(s);
	return PB_OK;
}

/* What comes between the two is another session's that is just at its end. */
static enum pb_status
load(struct pb_db_file *f, struct pb_slice maildrop,
    struct pb_slice login, struct pb_promises **promises,
    struct pb_error *err)
{
	enum pb_status st;
	size_t n = 0;

	st = count(f, maildrop, login, &n, err);
	if (st != PB_OK || n == 0)
		return st;
	*promises = pb_promises_new(n);
	if (*promises == NULL)
		return pb_journal_no_memory(err);
	st = find(f, maildrop, login, *promises, err);
	if (st != PB_OK || (*promises)->n == 0)
		pb_promises_free(promises);
	return st;
}

/* PB_AGAIN, too: the file is of an older version. */
static enum pb_status
read_file(struct pb_journal *j, struct pb_slice maildrop,
    struct pb_slice login, struct pb_promises **promises,
    struct pb_error *err)
{
	struct pb_db_file *f = &j->reader.file;
	enum pb_status st = PB_OK;

	pb_journal_lock(&j->reader);
	if (f->db != NULL && pb_db_file_has_moved(f))
		pb_db_file_close(f);
	if (f->db == NULL)
		st = pb_journal_file_open(f, j->name, err);
	if (st == PB_OK)
		st = load(f, maildrop, login, promises, err);
	if (st != PB_OK)
		pb_db_file_close(f);
	pb_journal_unlock(&j->reader);
	return st;
}

enum pb_status
pb_journal_load(struct pb_journal *j, struct pb_slice maildrop,
    struct pb_slice login, struct pb_promises **promises,
    struct pb_error *err)
{
	enum pb_status st;

	*promises = NULL;
	st = read_file(j, maildrop, login, promises, err);
	if (st == PB_AGAIN) {
		st = pb_journal_open(j, err);
		if (st == PB_OK)
			st = read_file(j, maildrop, login, promises, err);
	}
	if (st == PB_EPROTO) {
		pb_journal_suspect(j);
		st = PB_EIO;
	}
	if (st != PB_OK && st != PB_EOF)
		pb_journal_say(j, "the journal cannot be read: messages that "
		    "it was to remove come again", err->text);
	return st == PB_EOF ? PB_OK : st;
}

/* What is kept stays, however often it is looked at. */
static enum pb_status
note_kept(struct pb_db_file *f, const struct pb_promise *promise,
    struct pb_error *err)
{
	switch (promise->outcome) {
	case PB_PROMISE_VOID:
		return pb_journal_strike(f, promise->number, promise->uids,
		    promise->n, err);
	case PB_PROMISE_SHRUNK:
		return pb_journal_strike(f, promise->number,
		    promise->uids + promise->n, promise->gone, err);
	case PB_PROMISE_OPEN:
	case PB_PROMISE_KEPT:
	case PB_PROMISE_FAILED:
		break;
	}
	return PB_OK;
}

static enum pb_status
note(struct pb_db_file *f, const struct pb_promise *promise,
    const char *why, struct pb_error *err)
{
	bool failed = promise->outcome == PB_PROMISE_FAILED;
	enum pb_journal_sql which = failed ? PB_JOURNAL_SQL_FAILED
	    : PB_JOURNAL_SQL_DROP;
	sqlite3_stmt *s = f->statement[which];

	if (promise->number == 0 || promise->outcome == PB_PROMISE_OPEN)
		return PB_OK;
	if (promise->removal == PB_REMOVAL_KEEP)
		return note_kept(f, promise, err);
	pb_db_bind_number(s, 1, promise->number);
	if (failed) {
		pb_db_bind_number(s, 2, pb_journal_now());
		pb_db_bind_text(s, 3, pb_slice_str(why));
	}
	return pb_db_file_run(f, which, err);
}

enum pb_status
pb_journal_note(struct pb_journal *j, const struct pb_promises *promises,
    struct pb_error *err)
{
	char why[256];
	enum pb_status st;
	size_t i;

	pb_text_clean(pb_slice_str(promises->why), why, sizeof(why));
	st = pb_journal_begin(j, false, err);
	if (st == PB_OK) {
		for (i = 0; st == PB_OK && i < promises->n; i++)
			st = note(&j->writer.file, &promises->list[i], why,
			    err);
		st = pb_journal_end(j, st, err);
	}
	if (st != PB_OK)
		pb_journal_say(j, "the journal cannot be written: the next "
		    "login looks again at what was to be removed", err->text);
	return st;
}
