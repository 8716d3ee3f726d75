#ifndef PB_BRIDGE_DRAFT_H
#define PB_BRIDGE_DRAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * A listing in the making, from what a server says of its messages.
 *
 * seq is an IMAP sequence number: the place of a message in the mailbox as long
 * as nothing is expunged.
 */

struct pb_draft {
	uint32_t count;
	uint32_t cap;
	uint32_t *uids;		/* own; 0 while not known */
	uint32_t *sizes;	/* own */
	uint32_t torn;		/* a message that was said with two UIDs; 0 */
};

/* A zeroed struct is an empty draft; so is a cleared one. */
void pb_draft_clear(struct pb_draft *d);

/*
 * What the server says of one message; a message may be said in pieces, twice,
 * and in any order.  PB_OK, PB_ETOOBIG (seq over PB_LISTING_MAX), PB_ENOMEM.
 */
enum pb_status pb_draft_put(struct pb_draft *d, uint32_t seq, uint32_t uid,
			    bool has_size, uint32_t size) PB_MUST_CHECK;

/*
 * The draft is complete when every message from 1 to `least` is there with UID
 * and size, and every further one up to the last that was said.  It is in the
 * order of UIDs then.
 *
 * PB_OK; PB_EPROTO with *err filled: a message is missing, two have the same
 * UID, or one was said with two UIDs.  PB_ENOMEM.
 */
enum pb_status pb_draft_check(struct pb_draft *d, uint32_t least,
			      struct pb_error *err) PB_MUST_CHECK;
/* In the order of UIDs.  PB_OK, PB_ENOMEM. */
enum pb_status pb_draft_sort(struct pb_draft *d) PB_MUST_CHECK;

/*
 * A listing of what is in the draft, which is empty then; not sealed yet.
 * NULL: no memory.
 */
struct pb_listing *pb_draft_listing(struct pb_draft *d);

#endif
