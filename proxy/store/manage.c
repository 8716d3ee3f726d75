#include "popbridge/store/manage.h"

#include <openssl/rand.h>

#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/verifier.h"

/* A password as it is stored; a secret, but for `scram`. */
struct stored {
	bool set;
	char verifier[PB_VERIFIER_SIZE];
	bool scram;
	struct pb_account_keys keys;
};

static enum pb_status
refuse(struct pb_error *err, const char *why)
{
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT, "%s", why);
	return PB_EINVAL;
}

static enum pb_status
cannot(enum pb_status st, struct pb_error *err)
{
	if (st == PB_ENOMEM)
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory");
	else
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the secret cannot be stored: libcrypt or OpenSSL lack "
		    "the method, or there is no randomness");
	return st;
}

/* The slow part, before any transaction. */
static enum pb_status
make_stored(struct pb_slice password, struct stored *out, struct pb_error *err)
{
	enum pb_status st;

	if (password.data == NULL)
		return PB_OK;
	st = pb_verifier_make(password, out->verifier);
	if (st == PB_EINVAL)
		return refuse(err, "a password has 1 to 511 octets and no "
		    "NUL");
	if (st != PB_OK)
		return cannot(st, err);
	out->set = true;
	out->keys.iterations = PB_SCRAM_ITERATIONS;
	out->keys.salt_len = sizeof(out->keys.salt);
	if (RAND_bytes(out->keys.salt, sizeof(out->keys.salt)) != 1)
		return cannot(PB_EIO, err);
	st = pb_scram_derive(password, &out->keys);
	out->scram = st == PB_OK;
	return st == PB_OK || st == PB_EINVAL ? PB_OK : cannot(st, err);
}

static enum pb_status
store_password(struct pb_accounts *a, const char *name,
    const struct stored *p, struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_SET_PASSWORD);

	pb_db_bind_text(s, 1, pb_slice_str(name));
	pb_db_bind_text(s, 2, pb_slice_str(p->verifier));
	if (p->scram) {
		pb_db_bind_number(s, 3, p->keys.iterations);
		pb_db_bind_blob(s, 4, p->keys.salt, p->keys.salt_len);
		pb_db_bind_blob(s, 5, p->keys.stored_key,
		    sizeof(p->keys.stored_key));
		pb_db_bind_blob(s, 6, p->keys.server_key,
		    sizeof(p->keys.server_key));
	}
	return pb_db_run(a, s, err);
}

enum pb_status
pb_db_store_sealed(struct pb_accounts *a, enum pb_sql which,
    const char *name, const char *column, struct pb_slice secret,
    struct pb_error *err)
{
	const struct pb_seal_place place = { pb_slice_str(name), column };
	uint8_t sealed[PB_SEAL_MAX + PB_SEAL_EXTRA];
	sqlite3_stmt *s;
	enum pb_status st;

	if (a->ring.n == 0)
		return refuse(err, "without a key it cannot be sealed: make "
		    "one by popbridge account rotate-key");
	st = pb_seal(&a->ring, &place, secret, sealed);
	if (st == PB_ETOOBIG)
		return refuse(err, "the secret is too long");
	if (st != PB_OK)
		return cannot(st, err);
	s = pb_db_use(a, which);
	pb_db_bind_text(s, 1, pb_slice_str(name));
	pb_db_bind_blob(s, 2, sealed, secret.len + PB_SEAL_EXTRA);
	return pb_db_run(a, s, err);
}

/* Inside of a transaction, so that no rotation drops the key meanwhile. */
static enum pb_status
store_secrets(struct pb_accounts *a, const char *name,
    const struct pb_account_secrets *secrets, const struct stored *p,
    bool recoverable, struct pb_error *err)
{
	enum pb_status st = pb_accounts_read_keys(a, err);

	if (st == PB_OK && p->set)
		st = store_password(a, name, p, err);
	if (st == PB_OK && p->set && recoverable)
		st = pb_db_store_sealed(a, PB_SQL_SET_RECOVERABLE, name,
		    PB_PLACE_RECOVERABLE, secrets->password, err);
	if (st == PB_OK && secrets->upstream_password.data != NULL)
		st = pb_db_store_sealed(a, PB_SQL_SET_UPSTREAM, name,
		    PB_PLACE_UPSTREAM_PASSWORD, secrets->upstream_password,
		    err);
	return st;
}

static enum pb_status
add_lists(struct pb_accounts *a, int64_t id, const struct pb_account *account,
    struct pb_error *err)
{
	enum pb_status st = PB_OK;
	sqlite3_stmt *s;
	size_t i;

	for (i = 0; i < account->n_networks && st == PB_OK; i++) {
		s = pb_db_use(a, PB_SQL_ADD_NETWORK);
		pb_db_bind_number(s, 1, id);
		pb_db_bind_blob(s, 2, account->networks[i].address,
		    sizeof(account->networks[i].address));
		pb_db_bind_number(s, 3, account->networks[i].bits);
		st = pb_db_run(a, s, err);
	}
	for (i = 0; i < account->n_listeners && st == PB_OK; i++) {
		s = pb_db_use(a, PB_SQL_ADD_LISTENER);
		pb_db_bind_number(s, 1, id);
		pb_db_bind_text(s, 2, pb_slice_str(account->listeners[i]));
		st = pb_db_run(a, s, err);
	}
	return st;
}

static enum pb_status
add_row(struct pb_accounts *a, const char *name,
    const struct pb_account *account, struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_ADD);
	enum pb_status st;

	pb_db_bind_text(s, 1, pb_slice_str(name));
	pb_db_bind_text(s, 2, pb_slice_str(account->label));
	pb_db_bind_number(s, 3, account->enabled);
	pb_db_bind_text(s, 4, pb_slice_str(account->upstream_user));
	st = pb_db_run(a, s, err);
	if (st == PB_OK)
		return add_lists(a, sqlite3_last_insert_rowid(a->db), account,
		    err);
	if (sqlite3_errcode(a->db) == SQLITE_CONSTRAINT)
		return refuse(err, "there is an account of this name "
		    "already");
	return st;
}

static enum pb_status
judge(const struct pb_account *account,
    const struct pb_account_secrets *secrets, struct pb_error *err)
{
	size_t i;

	pb_check(account->n_networks <= PB_ACCOUNT_NETWORKS_MAX &&
	    account->n_listeners <= PB_ACCOUNT_LISTENERS_MAX);
	if (!pb_account_is_clean(pb_slice_str(account->label)))
		return refuse(err, "a label has no control characters");
	if (account->upstream_user[0] == '\0' ||
	    !pb_account_is_clean(pb_slice_str(account->upstream_user)))
		return refuse(err, "the name at the IMAP server is empty, or "
		    "has control characters");
	for (i = 0; i < account->n_listeners; i++) {
		if (account->listeners[i][0] == '\0' ||
		    !pb_account_is_clean(pb_slice_str(account->listeners[i])))
			return refuse(err, "the name of a listener is empty, "
			    "or has control characters");
	}
	if (secrets->recoverable && secrets->password.data == NULL)
		return refuse(err, "without a password none can be "
		    "recoverable");
	return PB_OK;
}

/* It goes into an IMAP command, or a SASL response of PLAIN. */
static enum pb_status
judge_upstream(struct pb_slice secret, struct pb_error *err)
{
	if (secret.data == NULL)
		return PB_OK;
	if (secret.len == 0 || pb_slice_find(secret, '\0') < secret.len ||
	    pb_slice_find(secret, '\r') < secret.len ||
	    pb_slice_find(secret, '\n') < secret.len)
		return refuse(err, "the password of the IMAP server is empty, "
		    "or has a CR, LF or NUL");
	return PB_OK;
}

static enum pb_status
take_name(struct pb_slice text, char name[PB_ACCOUNT_NAME_MAX + 1],
    struct pb_error *err)
{
	if (pb_account_name(text, name))
		return PB_OK;
	return refuse(err, "a name has 1 to 255 octets and no control "
	    "characters");
}

enum pb_status
pb_account_add(struct pb_accounts *a, const struct pb_account *account,
    const struct pb_account_secrets *secrets, bool *scram,
    struct pb_error *err)
{
	struct stored p = { .set = false };
	char name[PB_ACCOUNT_NAME_MAX + 1];
	enum pb_status st;

	st = take_name(pb_slice_str(account->name), name, err);
	if (st == PB_OK)
		st = judge(account, secrets, err);
	if (st == PB_OK)
		st = judge_upstream(secrets->upstream_password, err);
	if (st == PB_OK)
		st = make_stored(secrets->password, &p, err);
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	if (st == PB_OK)
		st = pb_db_begin(a, PB_SQL_BEGIN_WRITING, err);
	if (st == PB_OK) {
		st = add_row(a, name, account, err);
		if (st == PB_OK)
			st = store_secrets(a, name, secrets, &p,
			    secrets->recoverable, err);
		st = pb_db_end(a, st, err);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	*scram = p.scram;
	pb_wipe(&p, sizeof(p));
	return st;
}

/* PB_OK: it is there; *recoverable may be NULL. */
static enum pb_status
look(struct pb_accounts *a, const char *name, bool *recoverable,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_FIND);
	enum pb_status st;

	pb_db_bind_text(s, 1, pb_slice_str(name));
	st = pb_db_step(a, s, err);
	if (st == PB_EOF)
		return refuse(err, "there is no such account");
	if (st != PB_OK)
		return st;
	if (recoverable != NULL)
		*recoverable = pb_db_column(s, PB_COLUMN_RECOVERABLE).len > 0;
	pb_db_leave(s);
	return PB_OK;
}

enum pb_status
pb_account_set_secrets(struct pb_accounts *a, struct pb_slice user,
    const struct pb_account_secrets *secrets, bool *scram,
    struct pb_error *err)
{
	struct stored p = { .set = false };
	char name[PB_ACCOUNT_NAME_MAX + 1];
	bool was = false;
	enum pb_status st;

	st = take_name(user, name, err);
	if (st == PB_OK)
		st = judge_upstream(secrets->upstream_password, err);
	if (st == PB_OK)
		st = make_stored(secrets->password, &p, err);
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	if (st == PB_OK)
		st = pb_db_begin(a, PB_SQL_BEGIN_WRITING, err);
	if (st == PB_OK) {
		st = look(a, name, &was, err);
		if (st == PB_OK)
			st = store_secrets(a, name, secrets, &p,
			    was || secrets->recoverable, err);
		st = pb_db_end(a, st, err);
		pb_db_forget(a);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	*scram = p.scram;
	pb_wipe(&p, sizeof(p));
	return st;
}

/* Run a statement on an account that must be there. */
static enum pb_status
change(struct pb_accounts *a, struct pb_slice user, enum pb_sql which,
    const bool *value, struct pb_error *err)
{
	char name[PB_ACCOUNT_NAME_MAX + 1];
	enum pb_status st = take_name(user, name, err);
	sqlite3_stmt *s;

	if (st != PB_OK)
		return st;
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_begin(a, PB_SQL_BEGIN_WRITING, err);
	if (st == PB_OK) {
		st = look(a, name, NULL, err);
		s = pb_db_use(a, which);
		pb_db_bind_text(s, 1, pb_slice_str(name));
		if (value != NULL)
			pb_db_bind_number(s, 2, *value);
		if (st == PB_OK)
			st = pb_db_run(a, s, err);
		pb_db_leave(s);
		st = pb_db_end(a, st, err);
		pb_db_forget(a);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st;
}

enum pb_status
pb_account_enable(struct pb_accounts *a, struct pb_slice user, bool enabled,
    struct pb_error *err)
{
	return change(a, user, PB_SQL_SET_ENABLED, &enabled, err);
}

enum pb_status
pb_account_remove(struct pb_accounts *a, struct pb_slice user,
    struct pb_error *err)
{
	return change(a, user, PB_SQL_REMOVE, NULL, err);
}
