#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/manage.h"

static char *
copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *out = pb_alloc(size);

	if (out != NULL)
		memcpy(out, text, size);
	return out;
}

static void
release(struct pb_accounts *a)
{
	pb_db_close(a);
	pb_keyring_clear(&a->ring);
	pb_check(pthread_mutex_destroy(&a->lock) == 0);
	pb_free(a->file);
	pb_free(a->key_file);
	pb_free(a);
}

struct pb_accounts *
pb_accounts_ref(struct pb_accounts *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void
pb_accounts_unref(struct pb_accounts **accounts)
{
	struct pb_accounts *a = *accounts;

	*accounts = NULL;
	if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1,
	    memory_order_acq_rel) == 1)
		release(a);
}

static struct pb_accounts *
allocate(const char *file, const char *key_file)
{
	struct pb_accounts *a = pb_alloc(sizeof(*a));

	if (a == NULL)
		return NULL;
	atomic_init(&a->refs, 1);
	pb_check(pthread_mutex_init(&a->lock, NULL) == 0);
	a->file = copy(file);
	a->key_file = key_file != NULL ? copy(key_file) : NULL;
	if (a->file == NULL || (key_file != NULL && a->key_file == NULL))
		pb_accounts_unref(&a);
	return a;
}

static enum pb_status
open_with(const char *file, const char *key_file, bool may_be_missing,
    struct pb_accounts **accounts, struct pb_error *err)
{
	struct pb_accounts *a = allocate(file, key_file);
	enum pb_status st = PB_OK;

	if (a == NULL) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory");
		return PB_ENOMEM;
	}
	if (key_file != NULL)
		st = pb_keyring_read(&a->ring, key_file, err);
	if (st == PB_EOF)
		st = may_be_missing ? PB_OK : PB_EINVAL;
	if (st == PB_OK)
		st = pb_db_open(a, err);
	if (st == PB_OK)
		*accounts = a;
	else
		pb_accounts_unref(&a);
	return st;
}

enum pb_status
pb_accounts_open(const char *file, const char *key_file,
    struct pb_accounts **accounts, struct pb_error *err)
{
	return open_with(file, key_file, false, accounts, err);
}

enum pb_status
pb_accounts_open_to_rotate(const char *file, const char *key_file,
    struct pb_accounts **accounts, struct pb_error *err)
{
	return open_with(file, key_file, true, accounts, err);
}

enum pb_status
pb_accounts_read_keys(struct pb_accounts *a, struct pb_error *err)
{
	struct pb_keyring ring = { .n = 0 };
	enum pb_status st = PB_OK;

	if (a->key_file != NULL)
		st = pb_keyring_read(&ring, a->key_file, err);
	if (st == PB_OK || st == PB_EOF) {
		a->ring = ring;
		st = PB_OK;
	}
	pb_keyring_clear(&ring);
	return st;
}

static enum pb_status
say_sealed(struct pb_accounts *a, enum pb_status st, const char *column,
    struct pb_error *err)
{
	if (st == PB_ENOMEM)
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory");
	else if (st == PB_AGAIN && a->key_file == NULL)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the %s of the account is sealed, and there is no "
		    "accounts-key to open it with", column);
	else if (st == PB_AGAIN)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the %s of the account is sealed with a key that is not "
		    "in %s", column, a->key_file);
	else
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the %s of the account was changed by somebody else, or "
		    "is damaged: set it again by popbridge account passwd",
		    column);
	return st == PB_ENOMEM ? PB_ENOMEM : PB_EIO;
}

enum pb_status
pb_accounts_unseal(struct pb_accounts *a, const char *name,
    const char *column, struct pb_slice sealed, struct pb_secret *secret,
    struct pb_error *err)
{
	const struct pb_seal_place place = { pb_slice_str(name), column };
	enum pb_status st;

	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_unseal(&a->ring, &place, sealed, secret);
	/* The key was changed, perhaps. */
	if (st == PB_AGAIN && a->key_file != NULL) {
		st = pb_accounts_read_keys(a, err);
		if (st == PB_OK)
			st = pb_unseal(&a->ring, &place, sealed, secret);
		else
			st = PB_AGAIN;
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st == PB_OK ? PB_OK : say_sealed(a, st, column, err);
}
