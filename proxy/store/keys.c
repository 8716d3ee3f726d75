#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

static bool
take_octets(sqlite3_stmt *s, int column, uint8_t *out, size_t len)
{
	struct pb_slice value = pb_db_column(s, column);

	if (value.len != len)
		return false;
	memcpy(out, value.data, len);
	return true;
}

/* Those of an account that may come in; the rest keeps what was made up. */
static void
take_keys(sqlite3_stmt *s, struct pb_account_keys *keys)
{
	struct pb_account_keys k = { .salt_len = sizeof(k.salt) };
	int64_t iterations = sqlite3_column_int64(s, PB_COLUMN_ITERATIONS);

	if (sqlite3_column_int(s, PB_COLUMN_ENABLED) == 0 ||
	    iterations <= 0 || iterations > INT32_MAX ||
	    !take_octets(s, PB_COLUMN_SALT, k.salt, sizeof(k.salt)) ||
	    !take_octets(s, PB_COLUMN_STORED_KEY, k.stored_key,
		sizeof(k.stored_key)) ||
	    !take_octets(s, PB_COLUMN_SERVER_KEY, k.server_key,
		sizeof(k.server_key)))
		return;
	k.iterations = (unsigned)iterations;
	*keys = k;
	pb_wipe(&k, sizeof(k));
}

static enum pb_status
find(struct pb_accounts *a, const char *name, struct pb_account_keys *keys,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_FIND);
	enum pb_status st;

	pb_db_bind_text(s, 1, pb_slice_str(name));
	st = pb_db_step(a, s, err);
	if (st == PB_OK) {
		take_keys(s, keys);
		pb_db_leave(s);
	}
	return st == PB_EOF ? PB_OK : st;
}

/* Made for all, so that it takes the same time for all. */
static enum pb_status
invent(const struct pb_accounts *a, struct pb_slice user,
    struct pb_account_keys *keys, struct pb_error *err)
{
	enum pb_status st = pb_scram_invent(a->secret, user, keys);

	if (st != PB_OK)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "HMAC-SHA-256 does not work");
	return st;
}

enum pb_status
pb_accounts_keys(struct pb_accounts *a, struct pb_slice user,
    struct pb_account_keys *keys, struct pb_error *err)
{
	char name[PB_ACCOUNT_NAME_MAX + 1];
	bool possible = pb_account_name(user, name);
	enum pb_status st;

	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_follow(a, err);
	if (st == PB_OK)
		st = invent(a, possible ? pb_slice_str(name) : user, keys,
		    err);
	if (st == PB_OK)
		st = find(a, name, keys, err);
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st;
}
