#include "journal_priv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/listing_cache.h"

#define FILE_NAME "journal.db"
#define DAMAGED ".damaged"

#define PRUNE_SECONDS 3600

/* The same fault again is no news. */
#define QUIET_SECONDS 600

int64_t
pb_journal_now(void)
{
	return time(NULL);
}

struct pb_journal *
pb_journal_new(const char *directory)
{
	struct pb_journal *j = pb_alloc(sizeof(*j));

	if (j == NULL)
		return NULL;
	pb_check(pthread_mutex_init(&j->reader.lock, NULL) == 0);
	pb_check(pthread_mutex_init(&j->writer.lock, NULL) == 0);
	j->directory = pb_file_in(directory, "");
	j->name = pb_file_in(directory, FILE_NAME);
	if (j->directory == NULL || j->name == NULL)
		pb_journal_free(&j);
	return j;
}

void
pb_journal_free(struct pb_journal **journal)
{
	struct pb_journal *j = *journal;

	*journal = NULL;
	if (j == NULL)
		return;
	pb_db_file_close(&j->reader.file);
	pb_db_file_close(&j->writer.file);
	pb_check(pthread_mutex_destroy(&j->reader.lock) == 0);
	pb_check(pthread_mutex_destroy(&j->writer.lock) == 0);
	pb_free(j->directory);
	pb_free(j->name);
	pb_free(j);
}

void
pb_journal_lock(struct pb_journal_side *side)
{
	pb_check(pthread_mutex_lock(&side->lock) == 0);
}

void
pb_journal_unlock(struct pb_journal_side *side)
{
	pb_check(pthread_mutex_unlock(&side->lock) == 0);
}

/* The log first: it must never meet a file that it is not of. */
static bool
move_away(const struct pb_journal *j)
{
	static const char *const tails[] = { "-wal", "-shm", "" };
	char from[4096];
	char to[4096];
	size_t i;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", j->name, tails[i]);
		snprintf(to, sizeof(to), "%s" DAMAGED "%s", j->name,
		    tails[i]);
		(void)unlink(to);
		if (rename(from, to) != 0 && tails[i][0] == '\0')
			return false;
	}
	return true;
}

/* One process at a time: the next finds it sound, or not there. */
static enum pb_status
put_aside(struct pb_journal *j, struct pb_error *err)
{
	struct pb_error why = *err;
	int fd = pb_file_lock_folder(j->directory);
	enum pb_status st = pb_journal_file_make(&j->writer.file, j->name,
	    err);

	if (st == PB_EPROTO && move_away(j)) {
		pb_log(PB_LOG_ERROR, "the journal is damaged and is put "
		    "aside: messages that it was to remove come again",
		    PB_LOG_STR("file", j->name),
		    PB_LOG_STR("aside", FILE_NAME DAMAGED),
		    PB_LOG_STR("why", why.text));
		st = pb_journal_file_make(&j->writer.file, j->name, err);
	}
	if (fd >= 0)
		close(fd);
	return st == PB_EPROTO ? PB_EIO : st;
}

static enum pb_status
open_writer(struct pb_journal *j, struct pb_error *err)
{
	enum pb_status st;

	if (j->writer.file.db != NULL &&
	    !pb_db_file_has_moved(&j->writer.file))
		return PB_OK;
	pb_db_file_close(&j->writer.file);
	st = pb_listing_cache_judge(j->directory, err);
	if (st == PB_OK)
		st = pb_journal_file_make(&j->writer.file, j->name, err);
	return st == PB_EPROTO ? put_aside(j, err) : st;
}

static enum pb_status
prune(struct pb_journal *j, struct pb_error *err)
{
	struct pb_db_file *f = &j->writer.file;
	int64_t before = pb_journal_now() - PB_JOURNAL_KEEP_SECONDS;
	struct pb_journal_text text;
	struct pb_journal_entry e;
	enum pb_status st;

	pb_db_bind_number(f->statement[PB_JOURNAL_SQL_OLD], 1, before);
	while ((st = pb_db_file_step(f, PB_JOURNAL_SQL_OLD, err)) ==
	    PB_OK) {
		pb_journal_read_entry(f->statement[PB_JOURNAL_SQL_OLD],
		    &text, &e);
		pb_log(PB_LOG_WARN, "messages were to be removed 30 days ago, "
		    "and are not any more", PB_LOG_STR("user", e.user),
		    PB_LOG_STR("mailbox", e.mailbox),
		    PB_LOG_STR("upstream", e.upstream),
		    PB_LOG_NUM("messages", e.messages));
	}
	if (st != PB_EOF)
		return st;
	pb_db_bind_number(f->statement[PB_JOURNAL_SQL_DROP_OLD], 1, before);
	return pb_db_file_run(f, PB_JOURNAL_SQL_DROP_OLD, err);
}

/* Another program has it, or it could not even be opened. */
static bool
is_held(const struct pb_journal *j, enum pb_status st)
{
	const struct pb_db_file *f = &j->writer.file;

	return st == PB_EIO && (f->db == NULL ||
	    sqlite3_errcode(f->db) == SQLITE_BUSY);
}

/* A connection that has failed may not be what it was. */
static enum pb_status
turn_failed(struct pb_journal *j, enum pb_status st, struct pb_error *err)
{
	struct pb_error ignored = *err;

	j->held = is_held(j, st);
	pb_db_file_close(&j->writer.file);
	if (st == PB_EPROTO && put_aside(j, &ignored) != PB_OK)
		pb_db_file_close(&j->writer.file);
	pb_journal_unlock(&j->writer);
	return st == PB_EPROTO ? PB_EIO : st;
}

/*
 * Each turn may take as long as SQLite waits for another program.  While one
 * has the file, a single thread finds out whether that is over: all others
 * would only wait behind it, and take the pool from whoever logs in.
 */
static bool
take_turn(struct pb_journal *j)
{
	if (pthread_mutex_trylock(&j->writer.lock) == 0)
		return true;
	if (j->held)
		return false;
	pb_journal_lock(&j->writer);
	if (!j->held)
		return true;
	pb_journal_unlock(&j->writer);
	return false;
}

enum pb_status
pb_journal_begin(struct pb_journal *j, bool durable, struct pb_error *err)
{
	struct pb_db_file *f = &j->writer.file;
	int64_t now = pb_journal_now();
	enum pb_status st;

	if (!take_turn(j)) {
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "%s: it could not be written a moment ago", j->name);
		return PB_EIO;
	}
	st = open_writer(j, err);
	if (st == PB_OK)
		st = pb_journal_file_sync(f, durable, err);
	if (st == PB_OK)
		st = pb_db_file_run(f, PB_DB_BEGIN, err);
	if (st == PB_OK && (now < j->pruned_at ||
	    now >= j->pruned_at + PRUNE_SECONDS)) {
		st = prune(j, err);
		j->pruned_at = now;
	}
	if (st != PB_OK)
		return turn_failed(j, st, err);
	j->held = false;
	return PB_OK;
}

enum pb_status
pb_journal_end(struct pb_journal *j, enum pb_status so_far,
    struct pb_error *err)
{
	enum pb_status st = pb_db_file_end(&j->writer.file, so_far, err);

	if (st != PB_OK)
		return turn_failed(j, st, err);
	pb_journal_unlock(&j->writer);
	return PB_OK;
}

enum pb_status
pb_journal_open(struct pb_journal *j, struct pb_error *err)
{
	enum pb_status st = pb_journal_begin(j, true, err);

	return st == PB_OK ? pb_journal_end(j, st, err) : st;
}

void
pb_journal_suspect(struct pb_journal *j)
{
	struct pb_error err = { .text = "" };

	pb_journal_lock(&j->writer);
	pb_db_file_close(&j->writer.file);
	if (open_writer(j, &err) != PB_OK)
		pb_db_file_close(&j->writer.file);
	pb_journal_unlock(&j->writer);
}

void
pb_journal_say(struct pb_journal *j, const char *text, const char *why)
{
	int64_t now = pb_journal_now();
	int64_t said_at = j->said_at;

	if (now >= said_at && now < said_at + QUIET_SECONDS)
		return;
	j->said_at = now;
	pb_log(PB_LOG_WARN, text, PB_LOG_STR("why", why));
}
