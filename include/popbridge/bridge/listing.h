#ifndef PB_BRIDGE_LISTING_H
#define PB_BRIDGE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"

/*
 * What a mailbox held at one moment: the UIDs of its messages, ascending, and
 * their sizes.  Immutable once it is made, counted, and so shared between
 * sessions and threads: a maildrop refers to one, and the cache remembers one
 * for each mailbox.
 *
 * Eight octets a message.
 */

/*
 * Messages in one mailbox, so that a hostile server cannot fill the memory:
 * 16 MB, ten times what the largest mailboxes in use have.
 */
#define PB_LISTING_MAX 2000000

struct pb_listing {
	_Atomic unsigned refs;
	uint32_t uidvalidity;
	/*
	 * No message with this UID or a higher one was there, and what comes has
	 * no lower one (RFC 3501, section 2.3.1.1); 0 when no UID is left, and
	 * then what is in the mailbox later cannot be compared with this.
	 */
	uint32_t uidnext;
	uint32_t count;
	uint64_t octets;	/* of all messages */
	uint32_t *uids;		/* own */
	uint32_t *sizes;	/* own */
};

/*
 * Room for `count` messages, to be filled in and sealed before anybody else
 * sees it.  NULL: no memory.
 */
struct pb_listing *pb_listing_new(uint32_t count);
/*
 * All is filled in but `octets`.  PB_OK; PB_EINVAL when it cannot be a listing:
 * UIDs not ascending, one of them 0 or not below uidnext (when that is said).
 */
enum pb_status pb_listing_seal(struct pb_listing *listing) PB_MUST_CHECK;

/* Any thread. */
struct pb_listing *pb_listing_ref(struct pb_listing *listing);
/* Nulls *listing; harmless for NULL. */
void pb_listing_unref(struct pb_listing **listing);

/* Octets of memory that it takes. */
size_t pb_listing_memory(const struct pb_listing *listing);

/*
 * Where the UID stands, counted from 0, or where it would stand.  *found says
 * which.
 */
uint32_t pb_listing_find(const struct pb_listing *listing, uint32_t uid,
			 bool *found);

#endif
