#include "popbridge/service/rivals.h"

#include <string.h>

#include "popbridge/base/mem.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>
#include <utlist.h>

struct rival {
	uint8_t credential[PB_LIMITS_DIGEST];
	bool came_back;		/* after another had been taken */
};

struct account {
	UT_hash_handle hh;
	struct pb_upstreams_key key;
	size_t n;
	struct rival rival[PB_RIVALS_CREDENTIALS]; /* taken last is first */
	uint64_t at;
	struct account *prev;	/* who is longest unseen is first */
	struct account *next;
};

struct pb_rivals {
	struct account *accounts;	/* own */
	struct account *oldest;		/* into accounts */
};

struct pb_rivals *
pb_rivals_new(void)
{
	return pb_alloc(sizeof(struct pb_rivals));
}

static void
drop(struct pb_rivals *r, struct account *account)
{
	DL_DELETE(r->oldest, account);
	HASH_DEL(r->accounts, account);
	pb_free(account);
}

void
pb_rivals_free(struct pb_rivals **rivals)
{
	struct pb_rivals *r = *rivals;

	*rivals = NULL;
	if (r == NULL)
		return;
	while (r->oldest != NULL)
		drop(r, r->oldest);
	pb_free(r);
}

static struct account *
find(const struct pb_rivals *r, const struct pb_upstreams_key *key)
{
	struct account *account;

	HASH_FIND(hh, r->accounts, key, sizeof(*key), account);
	return account;
}

/* NULL: no memory, and then it is not known. */
static struct account *
add(struct pb_rivals *r, const struct pb_upstreams_key *key)
{
	struct account *account = pb_alloc(sizeof(*account));

	if (account == NULL)
		return NULL;
	account->key = *key;
	HASH_ADD(hh, r->accounts, key, sizeof(*key), account);
	if (account->hh.tbl == NULL) {
		pb_free(account);
		return NULL;
	}
	DL_APPEND(r->oldest, account);
	while (HASH_COUNT(r->accounts) > PB_RIVALS_ACCOUNTS_MAX)
		drop(r, r->oldest);
	return account;
}

static void
expire(struct pb_rivals *r, uint64_t now)
{
	while (r->oldest != NULL &&
	    now >= r->oldest->at + PB_RIVALS_FORGET_MS)
		drop(r, r->oldest);
}

/* Where it stands; n: nowhere. */
static size_t
place_of(const struct account *account,
    const uint8_t credential[PB_LIMITS_DIGEST])
{
	size_t i;

	for (i = 0; i < account->n; i++) {
		if (memcmp(account->rival[i].credential, credential,
		    PB_LIMITS_DIGEST) == 0)
			break;
	}
	return i;
}

static void
put_first(struct account *account, const uint8_t credential[PB_LIMITS_DIGEST])
{
	size_t at = place_of(account, credential);
	struct rival rival = { .came_back = false };

	if (at == 0 && account->n > 0)
		return;
	if (at < account->n)
		rival.came_back = true;
	else if (account->n < PB_RIVALS_CREDENTIALS)
		account->n++;
	else
		at--;
	memcpy(rival.credential, credential, PB_LIMITS_DIGEST);
	memmove(account->rival + 1, account->rival, at * sizeof(rival));
	account->rival[0] = rival;
}

void
pb_rivals_taken(struct pb_rivals *r, const struct pb_upstreams_key *key,
    const uint8_t credential[PB_LIMITS_DIGEST], bool contested, uint64_t now)
{
	struct account *account;

	expire(r, now);
	account = find(r, key);
	if (account == NULL && contested)
		account = add(r, key);
	if (account == NULL)
		return;
	put_first(account, credential);
	account->at = now;
	DL_DELETE(r->oldest, account);
	DL_APPEND(r->oldest, account);
}

void
pb_rivals_refused(struct pb_rivals *r, const struct pb_upstreams_key *key,
    const uint8_t credential[PB_LIMITS_DIGEST])
{
	struct account *account = find(r, key);
	size_t at;

	if (account == NULL)
		return;
	at = place_of(account, credential);
	if (at == account->n)
		return;
	account->n--;
	memmove(account->rival + at, account->rival + at + 1,
	    (account->n - at) * sizeof(account->rival[0]));
	if (account->n == 0)
		drop(r, account);
}

bool
pb_rivals_coexist(const struct pb_rivals *r,
    const struct pb_upstreams_key *key, const uint8_t one[PB_LIMITS_DIGEST],
    const uint8_t other[PB_LIMITS_DIGEST])
{
	const struct account *account = find(r, key);
	size_t i, j;

	if (account == NULL)
		return false;
	i = place_of(account, one);
	j = place_of(account, other);
	return i < account->n && j < account->n &&
	    account->rival[i].came_back && account->rival[j].came_back;
}

size_t
pb_rivals_count(const struct pb_rivals *r)
{
	return HASH_COUNT(r->accounts);
}
