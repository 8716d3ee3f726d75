#include "popbridge/service/listings.h"

#include <pthread.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>
#include <utlist.h>

struct entry {
	UT_hash_handle hh;
	struct entry *prev;		/* used before it; utlist's names */
	struct entry *next;		/* used after it */
	struct pb_listing *listing;	/* shared */
	char key[];
};

struct pb_listings {
	size_t memory_max;
	pthread_mutex_t mutex;		/* guards what follows */
	struct entry *table;		/* own */
	struct entry *oldest;		/* the same ones, by their last use */
	struct pb_listings_stats stats;
};

/* A key and its hash, which is made outside of the mutex. */
struct name {
	struct pb_slice key;
	unsigned hash;
};

struct pb_listings *
pb_listings_new(size_t memory_max)
{
	struct pb_listings *l = pb_alloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	l->memory_max = memory_max;
	pb_check(pthread_mutex_init(&l->mutex, NULL) == 0);
	return l;
}

static void
enter(struct pb_listings *l)
{
	pb_check(pthread_mutex_lock(&l->mutex) == 0);
}

static void
leave(struct pb_listings *l)
{
	pb_check(pthread_mutex_unlock(&l->mutex) == 0);
}

static bool
name_of(struct pb_slice key, struct name *name)
{
	pb_check(key.len > 0);
	if (key.len > PB_LISTINGS_KEY_MAX)
		return false;
	name->key = key;
	HASH_VALUE(key.data, key.len, name->hash);
	return true;
}

static struct entry *
find(const struct pb_listings *l, const struct name *name)
{
	struct entry *e;

	HASH_FIND_BYHASHVALUE(hh, l->table, name->key.data, name->key.len,
	    name->hash, e);
	return e;
}

static size_t
cost(size_t key_len, const struct pb_listing *listing)
{
	return sizeof(struct entry) + key_len + pb_listing_memory(listing);
}

/*
 * Take it out.  The listing goes to a chain that is let go outside of the
 * mutex: to free a large one takes long.
 */
static void
take_out(struct pb_listings *l, struct entry *e, struct entry **gone)
{
	HASH_DEL(l->table, e);
	DL_DELETE(l->oldest, e);
	l->stats.octets -= cost(e->hh.keylen, e->listing);
	LL_PREPEND(*gone, e);
}

static void
let_go(struct entry *gone)
{
	while (gone != NULL) {
		struct entry *e = gone;

		gone = e->next;
		pb_listing_unref(&e->listing);
		pb_free(e);
	}
}

void
pb_listings_free(struct pb_listings **listings)
{
	struct pb_listings *l = *listings;
	struct entry *gone = NULL;

	*listings = NULL;
	if (l == NULL)
		return;
	while (l->oldest != NULL)
		take_out(l, l->oldest, &gone);
	let_go(gone);
	pb_check(pthread_mutex_destroy(&l->mutex) == 0);
	pb_free(l);
}

struct pb_listing *
pb_listings_find(struct pb_listings *l, struct pb_slice key)
{
	struct pb_listing *listing = NULL;
	struct entry *e = NULL;
	struct name name;
	bool can_be = name_of(key, &name);

	enter(l);
	if (can_be)
		e = find(l, &name);
	if (e != NULL) {
		DL_DELETE(l->oldest, e);
		DL_APPEND(l->oldest, e);
		listing = pb_listing_ref(e->listing);
		l->stats.hits++;
	} else {
		l->stats.misses++;
	}
	leave(l);
	return listing;
}

static struct entry *
entry_new(const struct name *name, struct pb_listing *listing)
{
	struct entry *e = pb_alloc(sizeof(*e) + name->key.len);

	if (e == NULL)
		return NULL;
	memcpy(e->key, name->key.data, name->key.len);
	e->listing = pb_listing_ref(listing);
	return e;
}

static bool
is_older(const struct pb_listing *listing, const struct pb_listing *than)
{
	return listing->uidnext != 0 &&
	    listing->uidvalidity == than->uidvalidity &&
	    listing->uidnext < than->uidnext;
}

static bool
is_worth_it(const struct pb_listings *l, const struct name *name,
    const struct pb_listing *listing)
{
	return listing->uidnext != 0 &&
	    cost(name->key.len, listing) <= l->memory_max / 2;
}

/* False when the table could not take it. */
static bool
add(struct pb_listings *l, const struct name *name, struct entry *e,
    struct entry **gone)
{
	size_t octets = cost(name->key.len, e->listing);

	while (l->stats.octets + octets > l->memory_max) {
		take_out(l, l->oldest, gone);
		l->stats.evictions++;
	}
	HASH_ADD_BYHASHVALUE(hh, l->table, key[0], name->key.len, name->hash,
	    e);
	if (e->hh.tbl == NULL)
		return false;
	DL_APPEND(l->oldest, e);
	l->stats.octets += octets;
	return true;
}

void
pb_listings_put(struct pb_listings *l, struct pb_slice key,
    struct pb_listing *listing)
{
	struct entry *gone = NULL;
	struct entry *fresh = NULL;
	struct entry *old;
	struct name name;

	if (!name_of(key, &name))
		return;
	if (is_worth_it(l, &name, listing))
		fresh = entry_new(&name, listing);
	enter(l);
	old = find(l, &name);
	if (old == NULL || !is_older(listing, old->listing)) {
		if (old != NULL)
			take_out(l, old, &gone);
		if (fresh != NULL && add(l, &name, fresh, &gone))
			fresh = NULL;
	}
	leave(l);
	if (fresh != NULL)
		LL_PREPEND(gone, fresh);
	let_go(gone);
}

void
pb_listings_forget(struct pb_listings *l, struct pb_slice key)
{
	struct entry *gone = NULL;
	struct entry *e;
	struct name name;

	if (!name_of(key, &name))
		return;
	enter(l);
	e = find(l, &name);
	if (e != NULL)
		take_out(l, e, &gone);
	leave(l);
	let_go(gone);
}

void
pb_listings_clear(struct pb_listings *l)
{
	struct entry *gone = NULL;

	enter(l);
	while (l->oldest != NULL)
		take_out(l, l->oldest, &gone);
	leave(l);
	let_go(gone);
}

struct pb_listings_stats
pb_listings_stats(struct pb_listings *l)
{
	struct pb_listings_stats stats;

	enter(l);
	stats = l->stats;
	stats.entries = HASH_COUNT(l->table);
	leave(l);
	return stats;
}
