#include "popbridge/store/accounts.h"

#include "database.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/network.h"
#include "popbridge/store/verifier.h"

/* What the file says of a claim, copied out of it. */
struct found {
	bool known;
	bool enabled;
	bool has_network;	/* or every network may */
	bool has_listener;
	char name[PB_ACCOUNT_NAME_MAX + 1];
	char verifier[PB_VERIFIER_SIZE];	/* "": no password */
	struct pb_secret upstream_user;		/* own */
	struct pb_secret upstream_password;	/* own; sealed */
	struct pb_secret recoverable;		/* own; sealed */
};

bool
pb_account_is_clean(struct pb_slice text)
{
	size_t i;

	for (i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		/* U+0080 to U+009F, which terminals obey. */
		if (c == 0xc2 && i + 1 < text.len &&
		    (unsigned char)text.data[i + 1] < 0xa0)
			return false;
	}
	return true;
}

bool
pb_account_name(struct pb_slice user, char out[PB_ACCOUNT_NAME_MAX + 1])
{
	size_t i;

	out[0] = '\0';
	if (user.len == 0 || user.len > PB_ACCOUNT_NAME_MAX ||
	    !pb_account_is_clean(user))
		return false;
	for (i = 0; i < user.len; i++) {
		char c = user.data[i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
	}
	out[user.len] = '\0';
	return true;
}

void
pb_account_grant_clear(struct pb_account_grant *grant)
{
	pb_secret_clear(&grant->user);
	pb_secret_clear(&grant->password);
}

static enum pb_status
no_memory(struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT, "no memory");
	return PB_ENOMEM;
}

static enum pb_status
refuse(struct pb_error *err, const char *why)
{
	pb_error_set(err, PB_ERROR_AUTH, PB_SCOPE_ACCOUNT, "%s", why);
	return PB_EINVAL;
}

static void
found_clear(struct found *f)
{
	pb_secret_clear(&f->upstream_user);
	pb_secret_clear(&f->upstream_password);
	pb_secret_clear(&f->recoverable);
	pb_wipe(f->verifier, sizeof(f->verifier));
}

static enum pb_status
copy_row(sqlite3_stmt *s, struct found *f, int64_t *id, struct pb_error *err)
{
	struct pb_slice verifier = pb_db_column(s, PB_COLUMN_VERIFIER);

	f->known = true;
	*id = sqlite3_column_int64(s, PB_COLUMN_ID);
	f->enabled = sqlite3_column_int(s, PB_COLUMN_ENABLED) != 0;
	if (verifier.len < sizeof(f->verifier))
		memcpy(f->verifier, verifier.data, verifier.len);
	if (pb_secret_set(&f->upstream_user, pb_db_column(s,
		PB_COLUMN_UPSTREAM_USER)) != PB_OK ||
	    pb_secret_set(&f->upstream_password, pb_db_column(s,
		PB_COLUMN_UPSTREAM_PASSWORD)) != PB_OK ||
	    pb_secret_set(&f->recoverable, pb_db_column(s,
		PB_COLUMN_RECOVERABLE)) != PB_OK)
		return no_memory(err);
	return PB_OK;
}

static bool
is_in_network(sqlite3_stmt *s, const void *address)
{
	struct pb_slice octets = pb_db_column(s, 0);
	int64_t bits = sqlite3_column_int64(s, 1);
	struct pb_network network;

	if (octets.len != sizeof(network.address) || bits < 0 || bits > 128)
		return false;
	memcpy(network.address, octets.data, octets.len);
	network.bits = (uint8_t)bits;
	return pb_network_has(&network, address);
}

static bool
is_listener(sqlite3_stmt *s, const void *listener)
{
	struct pb_slice name = pb_db_column(s, 0);
	const char *want = listener;

	return strlen(want) == name.len &&
	    memcmp(want, name.data, name.len) == 0;
}

/* Whether it has a row that fits, or none at all. */
static enum pb_status
look_for(struct pb_accounts *a, enum pb_sql which, int64_t id,
    bool (*fits)(sqlite3_stmt *s, const void *what), const void *what,
    bool *has, struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, which);
	bool any = false;
	bool fit = false;
	enum pb_status st;

	pb_db_bind_number(s, 1, id);
	while ((st = pb_db_step(a, s, err)) == PB_OK) {
		any = true;
		fit = fits(s, what) || fit;
	}
	*has = fit || !any;
	return st == PB_EOF ? PB_OK : st;
}

static enum pb_status
find_row(struct pb_accounts *a, struct found *f, int64_t *id,
    struct pb_error *err)
{
	sqlite3_stmt *s = pb_db_use(a, PB_SQL_FIND);
	enum pb_status st;

	pb_db_bind_text(s, 1, pb_slice_str(f->name));
	st = pb_db_step(a, s, err);
	if (st != PB_OK)
		return st == PB_EOF ? PB_OK : st;
	st = copy_row(s, f, id, err);
	pb_db_leave(s);
	return st;
}

/* One that is not there costs the same questions as one that is. */
static enum pb_status
find(struct pb_accounts *a, const struct pb_account_claim *claim,
    struct found *f, struct pb_error *err)
{
	enum pb_status st;
	int64_t id = 0;

	(void)pb_account_name(claim->user, f->name);
	pb_check(pthread_mutex_lock(&a->lock) == 0);
	st = pb_db_begin(a, PB_SQL_BEGIN, err);
	if (st == PB_OK) {
		st = find_row(a, f, &id, err);
		if (st == PB_OK)
			st = look_for(a, PB_SQL_NETWORKS, id, is_in_network,
			    claim->address, &f->has_network, err);
		if (st == PB_OK)
			st = look_for(a, PB_SQL_LISTENERS, id, is_listener,
			    claim->listener, &f->has_listener, err);
		st = pb_db_end(a, st, err);
	}
	pb_check(pthread_mutex_unlock(&a->lock) == 0);
	return st;
}

static enum pb_status
say_failure(enum pb_status st, struct pb_error *err)
{
	if (st == PB_ENOMEM)
		return no_memory(err);
	if (st == PB_EIO)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the secret of the account cannot be checked: what is "
		    "stored is damaged, or libcrypt or OpenSSL lack the method");
	return st;
}

static enum pb_status
prove_password(const struct found *f, const struct pb_account_claim *claim,
    struct pb_error *err)
{
	return say_failure(pb_verifier_check(f->verifier, claim->secret), err);
}

/* Who has no such password gets the same arithmetic, and lack() refuses. */
static enum pb_status
prove_digest(struct pb_accounts *a, const struct found *f,
    const struct pb_account_claim *claim, struct pb_error *err)
{
	struct pb_secret secret = { .priv_data = NULL };
	struct pb_slice sealed = pb_secret_reveal(&f->recoverable);
	struct pb_slice password = pb_slice_str("nobody's");
	enum pb_status st = PB_OK;

	if (sealed.len > 0) {
		st = pb_accounts_unseal(a, f->name, PB_PLACE_RECOVERABLE,
		    sealed, &secret, err);
		password = pb_secret_reveal(&secret);
	}
	if (st != PB_OK)
		return st;
	if (claim->proof == PB_ACCOUNT_APOP)
		st = pb_proof_apop(password, claim->challenge, claim->secret);
	else
		st = pb_proof_cram_md5(password, claim->challenge,
		    claim->secret);
	pb_secret_clear(&secret);
	return say_failure(st, err);
}

static enum pb_status
prove(struct pb_accounts *a, const struct found *f,
    const struct pb_account_claim *claim, struct pb_error *err)
{
	switch (claim->proof) {
	case PB_ACCOUNT_PASSWORD:
		return prove_password(f, claim, err);
	case PB_ACCOUNT_CRAM_MD5:
	case PB_ACCOUNT_APOP:
		return prove_digest(a, f, claim, err);
	case PB_ACCOUNT_PROVEN:
		return PB_OK;
	}
	pb_unreachable("a proof that is none");
}

/* Why this account has no such proof, or NULL. */
static const char *
lack(const struct found *f, enum pb_account_proof proof)
{
	switch (proof) {
	case PB_ACCOUNT_PASSWORD:
		return f->verifier[0] != '\0' ? NULL :
		    "the account has no password";
	case PB_ACCOUNT_CRAM_MD5:
	case PB_ACCOUNT_APOP:
		return pb_secret_reveal(&f->recoverable).len > 0 ? NULL :
		    "the account has no recoverable password, which CRAM-MD5 "
		    "and APOP need";
	case PB_ACCOUNT_PROVEN:
		return NULL;
	}
	pb_unreachable("a proof that is none");
}

static enum pb_status
decide(const struct found *f, const struct pb_account_claim *claim,
    enum pb_status proof, struct pb_error *err)
{
	const char *why;

	if (proof == PB_ENOMEM)
		return proof;
	if (!f->known)
		return refuse(err, "there is no such account");
	if (!f->enabled)
		return refuse(err, "the account is disabled");
	if (!f->has_network)
		return refuse(err, "the account may not come from this "
		    "network");
	if (!f->has_listener)
		return refuse(err, "the account may not come in by this "
		    "listener");
	why = lack(f, claim->proof);
	if (why != NULL)
		return refuse(err, why);
	if (proof == PB_EINVAL)
		return refuse(err, "the password is wrong");
	return proof;
}

static enum pb_status
give(struct pb_accounts *a, struct found *f, struct pb_account_grant *grant,
    struct pb_error *err)
{
	struct pb_slice sealed = pb_secret_reveal(&f->upstream_password);
	enum pb_status st = PB_OK;

	if (sealed.len > 0)
		st = pb_accounts_unseal(a, f->name,
		    PB_PLACE_UPSTREAM_PASSWORD, sealed, &grant->password, err);
	if (st == PB_OK)
		pb_secret_move(&grant->user, &f->upstream_user);
	return st;
}

enum pb_status
pb_accounts_check(struct pb_accounts *a, const struct pb_account_claim *claim,
    struct pb_account_grant *grant, struct pb_error *err)
{
	struct found f = { .known = false };
	enum pb_status st;

	pb_account_grant_clear(grant);
	st = find(a, claim, &f, err);
	if (st == PB_OK)
		st = decide(&f, claim, prove(a, &f, claim, err), err);
	if (st == PB_OK)
		st = give(a, &f, grant, err);
	found_clear(&f);
	return st;
}
