#include "journal_priv.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/base/text.h"
#include "popbridge/store/uid_code.h"

/* A server that says no five times says so again. */
#define TRIES_MAX 5
#define REST_SECONDS 86400

/*
 * Of one maildrop: a poll each five minutes for 30 days makes no more, should
 * the server refuse each time.
 */
#define PROMISES_MAX 10000

/* The digest of what a promise is about: exactly that, or nothing. */
static bool
digest(struct pb_slice maildrop, uint32_t uidvalidity, struct pb_slice uids,
    uint8_t out[32])
{
	uint64_t head[2] = { uidvalidity, maildrop.len };
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c != NULL && EVP_DigestInit_ex2(c, EVP_sha256(), NULL) ==
	    1 && EVP_DigestUpdate(c, head, sizeof(head)) == 1 &&
	    EVP_DigestUpdate(c, maildrop.data, maildrop.len) == 1 &&
	    EVP_DigestUpdate(c, uids.data, uids.len) == 1 &&
	    EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

static enum pb_status
no_memory(struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_MAILDROP,
	    "no memory for the journal");
	return PB_ENOMEM;
}

static enum pb_status
add(struct pb_journal *j, const struct pb_journal_source *source,
    const struct pb_promise *promise, struct pb_slice uids,
    const uint8_t checksum[32], struct pb_error *err)
{
	struct pb_journal_file *f = &j->writer.file;
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_ADD];

	pb_db_bind_blob(s, 1, source->maildrop.data, source->maildrop.len);
	pb_db_bind_number(s, 2, promise->uidvalidity);
	pb_db_bind_blob(s, 3, uids.data, uids.len);
	pb_db_bind_blob(s, 4, checksum, 32);
	pb_db_bind_number(s, 5, (int64_t)promise->n);
	pb_db_bind_text(s, 6, pb_slice_str(source->session));
	pb_db_bind_text(s, 7, pb_slice_str(source->client));
	pb_db_bind_number(s, 8, pb_journal_now());
	return pb_journal_file_run(f, PB_JOURNAL_SQL_ADD, err);
}

enum pb_status
pb_journal_promise(struct pb_journal *j,
    const struct pb_journal_source *source, const struct pb_promise *promise,
    int64_t *number, struct pb_error *err)
{
	struct pb_buffer uids;
	uint8_t checksum[32];
	enum pb_status st;

	pb_buffer_init(&uids, PB_UID_CODE_MAX);
	st = pb_uids_encode(promise->uids, promise->n, &uids);
	if (st != PB_OK || !digest(source->maildrop, promise->uidvalidity,
	    pb_buffer_slice(&uids), checksum)) {
		pb_buffer_fini(&uids);
		return no_memory(err);
	}
	st = pb_journal_begin(j, true, err);
	if (st == PB_OK) {
		st = add(j, source, promise, pb_buffer_slice(&uids), checksum,
		    err);
		*number = sqlite3_last_insert_rowid(j->writer.file.db);
		st = pb_journal_end(j, st, err);
	}
	pb_buffer_fini(&uids);
	return st;
}

/* PB_EINVAL: it is damaged. */
static enum pb_status
read_promise(sqlite3_stmt *s, struct pb_slice maildrop,
    struct pb_promise *promise)
{
	int64_t uidvalidity = sqlite3_column_int64(s, 1);
	struct pb_slice uids = pb_db_column(s, 2);
	struct pb_slice checksum = pb_db_column(s, 3);
	int64_t ago = pb_journal_now() - sqlite3_column_int64(s, 5);
	uint8_t want[32];

	promise->number = sqlite3_column_int64(s, 0);
	promise->uidvalidity = (uint32_t)uidvalidity;
	promise->rests = sqlite3_column_int64(s, 4) >= TRIES_MAX &&
	    ago < REST_SECONDS;
	if (!digest(maildrop, promise->uidvalidity, uids, want))
		return PB_ENOMEM;
	if (uidvalidity < 0 || uidvalidity > UINT32_MAX ||
	    checksum.len != sizeof(want) ||
	    memcmp(checksum.data, want, sizeof(want)) != 0)
		return PB_EINVAL;
	return pb_uids_decode(uids, &promise->uids, &promise->n);
}

static void
say_damaged(const struct pb_promise *promise)
{
	pb_log(PB_LOG_ERROR, "a promise in the journal is damaged: the "
	    "messages that it was to remove come again",
	    PB_LOG_NUM("number", (uint64_t)promise->number));
}

/* A damaged one is void: nobody knows what it was about. */
static enum pb_status
find(struct pb_journal_file *f, struct pb_slice maildrop,
    struct pb_promises *promises, struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_FIND];
	size_t room = promises->n;
	enum pb_status st = PB_OK;

	pb_db_bind_blob(s, 1, maildrop.data, maildrop.len);
	pb_db_bind_number(s, 2, pb_journal_now() - PB_JOURNAL_KEEP_SECONDS);
	promises->n = 0;
	while (promises->n < room && (st = pb_journal_file_step(f,
	    PB_JOURNAL_SQL_FIND, err)) == PB_OK) {
		struct pb_promise *p = &promises->list[promises->n++];

		st = read_promise(s, maildrop, p);
		if (st == PB_EINVAL) {
			p->outcome = PB_PROMISE_VOID;
			say_damaged(p);
		}
		if (st == PB_ENOMEM) {
			pb_db_leave(s);
			return no_memory(err);
		}
	}
	if (promises->n == room) {
		pb_db_leave(s);
		return PB_OK;
	}
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
count(struct pb_journal_file *f, struct pb_slice maildrop, size_t *n,
    struct pb_error *err)
{
	sqlite3_stmt *s = f->statement[PB_JOURNAL_SQL_COUNT_OF];
	enum pb_status st;
	int64_t found;

	pb_db_bind_blob(s, 1, maildrop.data, maildrop.len);
	pb_db_bind_number(s, 2, pb_journal_now() - PB_JOURNAL_KEEP_SECONDS);
	st = pb_journal_file_step(f, PB_JOURNAL_SQL_COUNT_OF, err);
	if (st != PB_OK)
		return st;
	found = sqlite3_column_int64(s, 0);
	*n = found < PROMISES_MAX ? (size_t)found : PROMISES_MAX;
	pb_db_leave(s);
	return PB_OK;
}

/* What comes between the two is another session's that is just at its end. */
static enum pb_status
load(struct pb_journal_file *f, struct pb_slice maildrop,
    struct pb_promises **promises, struct pb_error *err)
{
	enum pb_status st;
	size_t n = 0;

	st = count(f, maildrop, &n, err);
	if (st != PB_OK || n == 0)
		return st;
	*promises = pb_promises_new(n);
	if (*promises == NULL)
		return no_memory(err);
	st = find(f, maildrop, *promises, err);
	if (st != PB_OK || (*promises)->n == 0)
		pb_promises_free(promises);
	return st;
}

enum pb_status
pb_journal_load(struct pb_journal *j, struct pb_slice maildrop,
    struct pb_promises **promises, struct pb_error *err)
{
	struct pb_journal_file *f = &j->reader.file;
	enum pb_status st = PB_OK;

	*promises = NULL;
	pb_journal_lock(&j->reader);
	if (f->db != NULL && pb_journal_file_has_moved(f))
		pb_journal_file_close(f);
	if (f->db == NULL)
		st = pb_journal_file_open(f, j->name, err);
	if (st == PB_OK)
		st = load(f, maildrop, promises, err);
	if (st != PB_OK)
		pb_journal_file_close(f);
	pb_journal_unlock(&j->reader);
	if (st == PB_EPROTO) {
		pb_journal_suspect(j);
		st = PB_EIO;
	}
	if (st != PB_OK && st != PB_EOF)
		pb_journal_say(j, "the journal cannot be read: messages that "
		    "it was to remove come again", err->text);
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
note(struct pb_journal_file *f, const struct pb_promise *promise,
    const char *why, struct pb_error *err)
{
	enum pb_journal_sql which = promise->outcome == PB_PROMISE_FAILED
	    ? PB_JOURNAL_SQL_FAILED : PB_JOURNAL_SQL_DROP;
	sqlite3_stmt *s = f->statement[which];

	pb_db_bind_number(s, 1, promise->number);
	if (which == PB_JOURNAL_SQL_FAILED) {
		pb_db_bind_number(s, 2, pb_journal_now());
		pb_db_bind_text(s, 3, pb_slice_str(why));
	}
	return pb_journal_file_run(f, which, err);
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
		for (i = 0; st == PB_OK && i < promises->n; i++) {
			if (promises->list[i].number != 0 &&
			    promises->list[i].outcome != PB_PROMISE_OPEN)
				st = note(&j->writer.file, &promises->list[i],
				    why, err);
		}
		st = pb_journal_end(j, st, err);
	}
	if (st != PB_OK)
		pb_journal_say(j, "the journal cannot be written: the next "
		    "login looks again at what was to be removed", err->text);
	return st;
}
