#ifndef PB_STORE_LISTING_CACHE_H
#define PB_STORE_LISTING_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * What mailboxes held, on the disk: the SQLite file listings.db in a directory
 * that several processes may share.  It is a cache: whatever becomes of it
 * costs time and nothing else, and what is loaded says nothing about the
 * mailbox now.  A row that was damaged, or belongs to another mailbox, is never
 * taken for a listing.
 *
 * Mailboxes are known by keys of the caller's; the file has digests of them,
 * so that it lists no users.  What was not used for 90 days goes, and the
 * oldest go when there is more than 1 GB.
 *
 * When the disk is full, or says no, the log says so once in a while; nothing
 * is loaded or saved then, until it works again.
 */

struct pb_listing_cache;

/*
 * Whether there is such a directory, and this process may write to it.
 *
 * PB_OK, PB_EINVAL.
 */
enum pb_status pb_listing_cache_judge(const char *directory,
				      struct pb_error *err) PB_MUST_CHECK;

/*
 * Open the file, or make it with mode 0600.  One that is damaged, or of another
 * version, is begun anew, and the log says so.  Blocks.
 *
 * PB_OK, PB_EINVAL (as pb_listing_cache_judge), PB_EIO (the file can neither be
 * opened nor made: the disk is full, another process holds it, or something
 * else is in the way), PB_ENOMEM; *cache is untouched but for PB_OK.
 */
enum pb_status pb_listing_cache_open(const char *directory,
				     struct pb_listing_cache **cache,
				     struct pb_error *err) PB_MUST_CHECK;

/*
 * Write what waits and let go; nulls *cache, and NULL is harmless.  No other
 * thread is in a call any more.  What is not written within some ten seconds
 * is lost.
 */
void pb_listing_cache_close(struct pb_listing_cache **cache);

/*
 * What was saved last, also by another process: a reference that the caller
 * unrefs.  Any thread, several at a time; it blocks, so it is not for a loop.
 *
 * NULL: there is none, or it cannot be read.
 */
struct pb_listing *pb_listing_cache_load(struct pb_listing_cache *cache,
					 struct pb_slice key) PB_MUST_CHECK;

/*
 * Save a sealed listing in the place of what was there; one without UIDNEXT is
 * not saved.  Any thread; never waits for the disk: it takes a reference, and
 * the cache's own thread writes it within a few seconds.  Of several that wait
 * for one key the last counts.  When too many wait the oldest is dropped.
 */
void pb_listing_cache_save(struct pb_listing_cache *cache,
			   struct pb_slice key, struct pb_listing *listing);

/* The same way; a load does not find it from now on. */
void pb_listing_cache_forget(struct pb_listing_cache *cache,
			     struct pb_slice key);

/* Tests only: wait until all that waits is written, or could not be. */
void pb_listing_cache_flush(struct pb_listing_cache *cache);
/* Tests only: octets, instead of 1 GB; from the next flush on. */
void pb_listing_cache_limit(struct pb_listing_cache *cache, uint64_t octets);

#endif
