#include "db_file.h"

#include <stdio.h>

#include "popbridge/base/check.h"

static const char *const common[PB_DB_OWN] = {
	[PB_DB_BEGIN] = "BEGIN IMMEDIATE",
	[PB_DB_COMMIT] = "COMMIT",
	[PB_DB_ROLLBACK] = "ROLLBACK",
};

static enum pb_status
say(const struct pb_db_file *f, enum pb_status st, const char *what,
    const char *hint, struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP, "%s: %s%s",
	    f->name, what, hint);
	return st;
}

enum pb_status
pb_db_file_no_memory(const struct pb_db_kind *kind, struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_MAILDROP,
	    "no memory for %s", kind->what);
	return PB_ENOMEM;
}

/* What is said of tables that are not ours counts as damage, too. */
enum pb_status
pb_db_file_failed(struct pb_db_file *f, struct pb_error *err)
{
	int code = sqlite3_errcode(f->db);

	if (code == SQLITE_NOMEM)
		return pb_db_file_no_memory(f->kind, err);
	if (pb_db_is_damaged(f->db) || code == SQLITE_ERROR ||
	    code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH)
		return say(f, PB_EPROTO, sqlite3_errmsg(f->db), "", err);
	return say(f, PB_EIO, sqlite3_errmsg(f->db), pb_db_hint(f->db), err);
}

enum pb_status
pb_db_file_step(struct pb_db_file *f, int which, struct pb_error *err)
{
	int result = sqlite3_step(f->statement[which]);
	enum pb_status st = PB_EOF;

	if (result == SQLITE_ROW)
		return PB_OK;
	if (result != SQLITE_DONE)
		st = pb_db_file_failed(f, err);
	pb_db_leave(f->statement[which]);
	return st;
}

enum pb_status
pb_db_file_run(struct pb_db_file *f, int which, struct pb_error *err)
{
	enum pb_status st = pb_db_file_step(f, which, err);

	pb_check(st != PB_OK);
	return st == PB_EOF ? PB_OK : st;
}

enum pb_status
pb_db_file_end(struct pb_db_file *f, enum pb_status so_far,
    struct pb_error *err)
{
	struct pb_error ignored;

	if (so_far == PB_OK)
		so_far = pb_db_file_run(f, PB_DB_COMMIT, err);
	/* Some failures have ended it already. */
	if (so_far != PB_OK && sqlite3_get_autocommit(f->db) == 0)
		(void)!pb_db_file_run(f, PB_DB_ROLLBACK, &ignored);
	return so_far;
}

enum pb_status
pb_db_file_execute(struct pb_db_file *f, const char *sql,
    struct pb_error *err)
{
	return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ?
	    PB_OK : pb_db_file_failed(f, err);
}

/*
 * PB_OK: it is ours; PB_EOF: it is empty; PB_AGAIN: it is of the version
 * before.
 */
static enum pb_status
recognise(struct pb_db_file *f, struct pb_error *err)
{
	const struct pb_db_kind *kind = f->kind;
	struct pb_db_identity found;

	if (!pb_db_ask_identity(f->db, &found))
		return pb_db_file_failed(f, err);
	if (pb_db_is_empty(&found))
		return PB_EOF;
	if (found.id != kind->id)
		return say(f, PB_EINVAL, kind->foreign, "", err);
	if (kind->version_before != 0 &&
	    found.version == kind->version_before)
		return say(f, PB_AGAIN, "it is of an older version of "
		    "popbridge", "", err);
	if (found.version != kind->version)
		return say(f, PB_EINVAL, kind->other_version, "", err);
	return PB_OK;
}

/* So far it is empty, or of the version before. */
static enum pb_status
bring_up(struct pb_db_file *f, enum pb_status so_far, struct pb_error *err)
{
	const struct pb_db_kind *kind = f->kind;
	char identity[96];
	enum pb_status st = PB_OK;

	snprintf(identity, sizeof(identity), "PRAGMA application_id = %d;"
	    "PRAGMA user_version = %d", kind->id, kind->version);
	if (so_far == PB_EOF)
		st = pb_db_file_execute(f, kind->schema, err);
	if (st == PB_OK && kind->upgrade != NULL)
		st = pb_db_file_execute(f, kind->upgrade, err);
	return st == PB_OK ? pb_db_file_execute(f, identity, err) : st;
}

/* Two processes may find it so at the same time. */
static enum pb_status
make_tables(struct pb_db_file *f, struct pb_error *err)
{
	enum pb_status st;

	if (!pb_db_use_log(f->db))
		return pb_db_file_failed(f, err);
	st = pb_db_file_execute(f, "BEGIN IMMEDIATE", err);
	if (st != PB_OK)
		return st;
	st = recognise(f, err);
	if (st == PB_EOF || st == PB_AGAIN)
		st = bring_up(f, st, err);
	if (st == PB_OK)
		return pb_db_file_execute(f, "COMMIT", err);
	(void)sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return st;
}

static enum pb_status
prepare(struct pb_db_file *f, struct pb_error *err)
{
	size_t i;

	pb_check(f->kind->n <= PB_DB_STATEMENTS_MAX);
	for (i = 0; i < f->kind->n; i++) {
		const char *sql = i < PB_DB_OWN ? common[i]
		    : f->kind->statements[i];

		if (sqlite3_prepare_v3(f->db, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &f->statement[i], NULL) !=
		    SQLITE_OK)
			return pb_db_file_failed(f, err);
	}
	return PB_OK;
}

static enum pb_status
open_file(struct pb_db_file *f, bool make, struct pb_error *err)
{
	enum pb_status st;

	if (!pb_db_connect(f->name, &f->db))
		return f->db != NULL ? pb_db_file_failed(f, err)
		    : pb_db_file_no_memory(f->kind, err);
	st = recognise(f, err);
	if (make && (st == PB_EOF || st == PB_AGAIN))
		st = make_tables(f, err);
	/* Without mmap, what another process cuts off is no signal. */
	if (st == PB_OK)
		st = pb_db_file_execute(f, "PRAGMA trusted_schema = OFF;"
		    "PRAGMA mmap_size = 0", err);
	if (st == PB_OK)
		st = pb_db_file_execute(f, f->kind->settings, err);
	return st == PB_OK ? prepare(f, err) : st;
}

enum pb_status
pb_db_file_open(struct pb_db_file *f, const struct pb_db_kind *kind,
    const char *name, bool make, struct pb_error *err)
{
	enum pb_status st;

	f->kind = kind;
	f->name = name;
	st = open_file(f, make, err);
	if (st != PB_OK)
		pb_db_file_close(f);
	return st;
}

void
pb_db_file_close(struct pb_db_file *f)
{
	size_t i;

	for (i = 0; i < PB_DB_STATEMENTS_MAX; i++)
		sqlite3_finalize(f->statement[i]);
	sqlite3_close(f->db);
	*f = (struct pb_db_file){ .db = NULL };
}

bool
pb_db_file_has_moved(struct pb_db_file *f)
{
	return pb_db_has_moved(f->db);
}
