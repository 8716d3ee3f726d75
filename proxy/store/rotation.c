#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/manage.h"

static const struct sealed {
	enum pb_column column;
	enum pb_sql store;
	const char *place;
} columns[] = {
	{ PB_COLUMN_UPSTREAM_PASSWORD, PB_SQL_SET_UPSTREAM,
	    PB_PLACE_UPSTREAM_PASSWORD },
	{ PB_COLUMN_RECOVERABLE, PB_SQL_SET_RECOVERABLE,
	    PB_PLACE_RECOVERABLE },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static enum pb_status
fail(struct pb_accounts *a, const char *name, const struct sealed *column,
    enum pb_status st, struct pb_error *err)
{
	if (st == PB_ENOMEM) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory");
		return st;
	}
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT, st == PB_AGAIN
	    ? "the %s of %s is sealed with a key that is not in %s: put that "
	    "key back, or set it again by popbridge account passwd"
	    : "the %s of %s cannot be opened by the keys in %s: set it again "
	    "by popbridge account passwd", column->place, name, a->key_file);
	return PB_EINVAL;
}

static enum pb_status
unseal_row(struct pb_accounts *a, sqlite3_stmt *row, const char *name,
    struct pb_secret secrets[COLUMNS], struct pb_error *err)
{
	enum pb_status st;
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		const struct pb_seal_place place = { pb_slice_str(name),
			columns[i].place };
		struct pb_slice sealed = pb_db_column(row, columns[i].column);

		if (sealed.len == 0)
			continue;
		st = pb_unseal(&a->ring, &place, sealed, &secrets[i]);
		if (st != PB_OK)
			return fail(a, name, &columns[i], st, err);
	}
	return PB_OK;
}

/* Both are opened before one is stored: then the row is not what it was. */
static enum pb_status
reseal_row(struct pb_accounts *a, sqlite3_stmt *row, size_t *sealed,
    struct pb_error *err)
{
	struct pb_slice text = pb_db_column(row, PB_COLUMN_NAME);
	struct pb_secret secrets[COLUMNS] = { { .priv_data = NULL } };
	char name[PB_ACCOUNT_NAME_MAX + 1];
	enum pb_status st;
	size_t i;

	(void)pb_account_name(text, name);
	st = unseal_row(a, row, name, secrets, err);
	for (i = 0; i < COLUMNS; i++) {
		struct pb_slice secret = pb_secret_reveal(&secrets[i]);

		if (st == PB_OK && secret.len > 0) {
			st = pb_db_store_sealed(a, columns[i].store, name,
			    columns[i].place, secret, err);
			++*sealed;
		}
		pb_secret_clear(&secrets[i]);
	}
	return st;
}

static enum pb_status
reseal_all(struct pb_accounts *a, size_t *sealed, struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_ALL);
	enum pb_status st;

	*sealed = 0;
	while ((st = pb_db_step(a, s, err)) == PB_OK) {
		st = reseal_row(a, s, sealed, err);
		if (st != PB_OK)
			break;
	}
	pb_db_leave(s);
	return st == PB_EOF ? PB_OK : st;
}

/*
 * The new key is on the disk before anything is that only it opens, and the
 * old ones are there until nothing needs them.
 */
static enum pb_status
put_new_key(struct pb_accounts *a, size_t *sealed, struct pb_error *err)
{
	enum pb_status st = pb_accounts_read_keys(a, err);

	if (st != PB_OK)
		return st;
	st = pb_keyring_renew(&a->ring);
	if (st == PB_ETOOBIG) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: there are %d keys already", a->key_file,
		    PB_KEYRING_MAX);
		return PB_EINVAL;
	}
	if (st != PB_OK) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "there is no randomness for a new key");
		return st;
	}
	st = reseal_all(a, sealed, err);
	return st == PB_OK ? pb_keyring_write(&a->ring, a->key_file, err) : st;
}

static void
mark_used(struct pb_accounts *a, sqlite3_stmt *row, bool used[PB_KEYRING_MAX])
{
	uint8_t id[PB_KEY_ID_SIZE];
	const struct pb_key *key;
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		if (pb_seal_key(pb_db_column(row, columns[i].column), id) !=
		    PB_OK)
			continue;
		key = pb_keyring_find(&a->ring, id);
		if (key != NULL)
			used[key - a->ring.keys] = true;
	}
}

static void
keep_used(struct pb_keyring *ring, const bool used[PB_KEYRING_MAX])
{
	size_t kept = 1;
	size_t i;

	for (i = 1; i < ring->n; i++) {
		if (used[i])
			ring->keys[kept++] = ring->keys[i];
	}
	pb_wipe(&ring->keys[kept], (ring->n - kept) * sizeof(ring->keys[0]));
	ring->n = kept;
}

/* What another rotation has put there meanwhile is in use, or the newest. */
static enum pb_status
drop_old_keys(struct pb_accounts *a, struct pb_error *err)
{
	bool used[PB_KEYRING_MAX] = { false };
	enum pb_status st = pb_accounts_read_keys(a, err);
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_ALL);

	if (st != PB_OK)
		return st;
	while ((st = pb_db_step(a, s, err)) == PB_OK)
		mark_used(a, s, used);
	if (st != PB_EOF || a->ring.n == 0)
		return st == PB_EOF ? PB_OK : st;
	keep_used(&a->ring, used);
	return pb_keyring_write(&a->ring, a->key_file, err);
}

/* The transaction keeps others from the key file as well as from the tables. */
enum pb_status
pb_account_rotate_key(struct pb_accounts *a, size_t *sealed,
    struct pb_error *err)
{
	enum pb_status st;

	pb_check(a->key_file != NULL);
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_begin(a, PB_SQL_BEGIN_WRITING, err);
	if (st == PB_OK)
		st = pb_db_end(a, put_new_key(a, sealed, err), err);
	if (st == PB_OK)
		st = pb_db_begin(a, PB_SQL_BEGIN_WRITING, err);
	if (st == PB_OK) {
		st = pb_db_end(a, drop_old_keys(a, err), err);
		pb_db_forget(a);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st;
}
