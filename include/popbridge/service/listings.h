#ifndef PB_SERVICE_LISTINGS_H
#define PB_SERVICE_LISTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * What mailboxes held when somebody looked last, for all loops of the process.
 * Every function may be called from any thread; none waits for anything but a
 * short mutex.
 *
 * A mailbox is known by a key: the caller's, of one octet or more.  What is
 * remembered says nothing about the mailbox now: who uses it compares it with
 * the server first.
 *
 * Listings in use are counted, and so live on when they are forgotten here:
 * the budget is that of what is remembered, not of what is in use.
 */

/* Longest key: upstream, owner and mailbox; a longer one is not remembered. */
#define PB_LISTINGS_KEY_MAX 1024

struct pb_listings;

struct pb_listings_stats {
	uint64_t hits;		/* since the beginning; also the next two */
	uint64_t misses;
	uint64_t evictions;	/* forgotten for want of room */
	size_t entries;
	size_t octets;		/* never more than the budget */
};

/*
 * At most memory_max octets, keys and the table's own included; 0 remembers
 * nothing.  NULL: no memory.
 */
struct pb_listings *pb_listings_new(size_t memory_max) PB_MUST_CHECK;
/* Nulls *listings; NULL is harmless.  No thread uses it any more. */
void pb_listings_free(struct pb_listings **listings);

/* A reference that the caller unrefs, or NULL. */
struct pb_listing *pb_listings_find(struct pb_listings *listings,
				    struct pb_slice key) PB_MUST_CHECK;

/*
 * Remember a sealed listing, by a reference of its own, in the place of the
 * one that was there; what was not used for longest goes when there is no
 * room.
 *
 * A mailbox whose listing would take more than half of the budget is not
 * remembered, nor one without UIDNEXT, which cannot be compared with anything;
 * what was there is forgotten then.  One of the same UIDVALIDITY and a lower
 * UIDNEXT is an older view, from a session that was slower, and changes
 * nothing: when it is the server that went back, the caller forgets first.
 */
void pb_listings_put(struct pb_listings *listings, struct pb_slice key,
		     struct pb_listing *listing);

void pb_listings_forget(struct pb_listings *listings, struct pb_slice key);
/* Forget all. */
void pb_listings_clear(struct pb_listings *listings);

struct pb_listings_stats pb_listings_stats(struct pb_listings *listings);

#endif
