#ifndef PB_BRIDGE_HIDDEN_H
#define PB_BRIDGE_HIDDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/imap/client.h"

/*
 * Messages that are in the mailbox and not in a maildrop: those with the
 * keyword $POP3Deleted, which sessions have set instead of removing them
 * (enum pb_removal's FLAG).  A zeroed struct hides nothing.
 */

struct pb_hidden {
	uint32_t id;			/* of the search; 0: not asked */
	bool answered;
	struct pb_imap_range *ranges;	/* own */
	size_t n;
};

void pb_hidden_fini(struct pb_hidden *h);

/* Behind SELECT.  PB_OK, PB_EPROTO (the connection has failed). */
enum pb_status pb_hidden_ask(struct pb_hidden *h,
			     struct pb_imap_client *imap) PB_MUST_CHECK;
/*
 * An event of its command (event->id is h->id).  PB_AGAIN until it is over;
 * then PB_OK, PB_ENOMEM, or PB_EINVAL: the server does not say which they are.
 */
enum pb_status pb_hidden_event(struct pb_hidden *h,
			       const struct pb_imap_event *event)
    PB_MUST_CHECK;
/*
 * What is left of a listing: a reference of the caller's, of the same listing
 * when nothing in it is hidden.  NULL: no memory.
 */
struct pb_listing *pb_hidden_filter(const struct pb_hidden *h,
				    struct pb_listing *listing);

#endif
