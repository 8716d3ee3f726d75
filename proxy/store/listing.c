#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/manage.h"

static void
copy_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
	struct pb_slice text = pb_db_column(s, column);
	size_t len = text.len < size ? text.len : size - 1;

	memcpy(out, text.data, len);
	out[len] = '\0';
}

static void
copy_row(sqlite3_stmt *s, struct pb_account *account)
{
	copy_text(s, PB_COLUMN_NAME, account->name, sizeof(account->name));
	copy_text(s, PB_COLUMN_LABEL, account->label, sizeof(account->label));
	copy_text(s, PB_COLUMN_UPSTREAM_USER, account->upstream_user,
	    sizeof(account->upstream_user));
	account->enabled = sqlite3_column_int(s, PB_COLUMN_ENABLED) != 0;
	account->has_password = pb_db_column(s, PB_COLUMN_VERIFIER).len > 0;
	account->has_scram = pb_db_column(s, PB_COLUMN_STORED_KEY).len > 0;
	account->is_recoverable =
	    pb_db_column(s, PB_COLUMN_RECOVERABLE).len > 0;
	account->has_upstream_password =
	    pb_db_column(s, PB_COLUMN_UPSTREAM_PASSWORD).len > 0;
}

static enum pb_status
read_networks(struct pb_accounts *a, int64_t id, struct pb_account *account,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_NETWORKS);
	enum pb_status st;

	pb_db_bind_number(s, 1, id);
	while ((st = pb_db_step(a, s, err)) == PB_OK) {
		struct pb_network *n = &account->networks[account->n_networks];
		struct pb_slice address = pb_db_column(s, 0);
		int bits = sqlite3_column_int(s, 1);

		if (address.len != sizeof(n->address) || bits < 0 ||
		    bits > 128 ||
		    account->n_networks == PB_ACCOUNT_NETWORKS_MAX)
			continue;
		memcpy(n->address, address.data, address.len);
		n->bits = (uint8_t)bits;
		account->n_networks++;
	}
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
read_listeners(struct pb_accounts *a, int64_t id, struct pb_account *account,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_LISTENERS);
	enum pb_status st;

	pb_db_bind_number(s, 1, id);
	while ((st = pb_db_step(a, s, err)) == PB_OK) {
		if (account->n_listeners == PB_ACCOUNT_LISTENERS_MAX)
			continue;
		copy_text(s, 0, account->listeners[account->n_listeners],
		    PB_ACCOUNT_LISTENER_SIZE);
		account->n_listeners++;
	}
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
read_account(struct pb_accounts *a, sqlite3_stmt *s,
    struct pb_account *account, struct pb_error *err)
{
	int64_t id = sqlite3_column_int64(s, PB_COLUMN_ID);
	enum pb_status st;

	*account = (struct pb_account){ .n_networks = 0 };
	copy_row(s, account);
	st = read_networks(a, id, account, err);
	return st == PB_OK ? read_listeners(a, id, account, err) : st;
}

enum pb_status
pb_account_get(struct pb_accounts *a, struct pb_slice user,
    struct pb_account *account, struct pb_error *err)
{
	char name[PB_ACCOUNT_NAME_MAX + 1];
	enum pb_status st;
	sqlite3_stmt *s;

	(void)pb_account_name(user, name);
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_begin(a, PB_SQL_BEGIN, err);
	if (st == PB_OK) {
		s = pb_db_use(a, PB_SQL_FIND);
		pb_db_bind_text(s, 1, pb_slice_str(name));
		st = pb_db_step(a, s, err);
		if (st == PB_OK)
			st = read_account(a, s, account, err);
		pb_db_leave(s);
		if (st == PB_EOF) {
			pb_error_set(err, PB_ERROR_PERMANENT,
			    PB_SCOPE_ACCOUNT, "there is no such account");
			st = PB_EINVAL;
		}
		st = pb_db_end(a, st, err);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st;
}

static enum pb_status
list(struct pb_accounts *a, struct pb_account *account,
    void (*each)(void *ctx, const struct pb_account *account), void *ctx,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_ALL);
	enum pb_status st;

	while ((st = pb_db_step(a, s, err)) == PB_OK) {
		st = read_account(a, s, account, err);
		if (st != PB_OK)
			break;
		each(ctx, account);
	}
	pb_db_leave(s);
	return st == PB_EOF ? PB_OK : st;
}

enum pb_status
pb_account_list(struct pb_accounts *a,
    void (*each)(void *ctx, const struct pb_account *account), void *ctx,
    struct pb_error *err)
{
	struct pb_account *account = pb_alloc(sizeof(*account));
	enum pb_status st;

	if (account == NULL) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory");
		return PB_ENOMEM;
	}
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_begin(a, PB_SQL_BEGIN, err);
	if (st == PB_OK)
		st = pb_db_end(a, list(a, account, each, ctx, err), err);
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	pb_free(account);
	return st;
}
