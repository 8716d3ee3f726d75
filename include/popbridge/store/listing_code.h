#ifndef PB_STORE_LISTING_CODE_H
#define PB_STORE_LISTING_CODE_H

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * A listing as octets, for the disk:
 *
 *	UIDVALIDITY, UIDNEXT, how many messages;
 *	for each message the step from the UID before it, less one, and its
 *	size
 *
 * all of them numbers of seven bits an octet, the lowest first, with the
 * eighth bit where more follow, in as few octets as they need.  A message
 * takes three or four.  Both calls are pure.
 */

/* Longest that a listing can get. */
#define PB_LISTING_CODE_MAX (3 * 5 + (size_t)PB_LISTING_MAX * 10)

/*
 * Append a sealed listing of at most PB_LISTING_MAX messages.
 *
 * PB_OK, PB_ETOOBIG, PB_ENOMEM (as pb_buffer_append).
 */
enum pb_status pb_listing_encode(const struct pb_listing *listing,
				 struct pb_buffer *out) PB_MUST_CHECK;

/*
 * What a listing was encoded as, whole and with nothing behind it.  *listing
 * is sealed, has a UIDNEXT, and is the caller's to unref; it is NULL but for
 * PB_OK.
 *
 * PB_OK, PB_EINVAL (it is none), PB_ENOMEM.
 */
enum pb_status pb_listing_decode(struct pb_slice octets,
				 struct pb_listing **listing) PB_MUST_CHECK;

#endif
