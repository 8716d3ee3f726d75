#ifndef PB_BRIDGE_CENSUS_H
#define PB_BRIDGE_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/draft.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/imap/client.h"

/*
 * What does the mailbox hold?  SELECT, and as little behind it as proves a
 * listing.
 *
 * Where nothing is known of the mailbox, all UIDs and sizes are fetched.  Where
 * a listing is known, SELECT goes out with a question for UIDs from the last
 * known one on.  UIDs only grow (RFC 3501, section 2.3.1.1), so with the same
 * UIDVALIDITY whatever has come is named by the answer, and then its size is
 * fetched.  When known and new messages together are as many as SELECT says, and
 * the last known one and the last of all are in their places, none has
 * vanished; else a SEARCH says which are still there.  Whatever does not fit
 * together ends in a full listing: what is known only saves time, and is never
 * believed.
 *
 * Some servers do not say UIDNEXT (RFC 3501, section 6.3.1, allows for them).
 * Then the UID behind the last message stands in its place: what comes has it
 * or a higher one.
 */

/* Listings that fail because the mailbox changes meanwhile. */
#define PB_CENSUS_LISTINGS_MAX 3

enum pb_census_verdict {
	PB_CENSUS_GOES_ON,
	PB_CENSUS_DONE,		/* `listing` is what the mailbox holds; it
				   may be the known one itself */
	PB_CENSUS_FAILED,	/* *err says why */
};

enum pb_census_phase {
	PB_CENSUS_ALL,		/* all messages are listed */
	PB_CENSUS_LOOK,		/* is there anything from the last known one on? */
	PB_CENSUS_NEWS,		/* what is it? */
	PB_CENSUS_ALIVE,	/* which of the known ones are left? */
};

struct pb_census {
	struct pb_listing *known;	/* shared; NULL: nothing */
	struct pb_listing *listing;	/* shared; the result */
	uint32_t n_doubtful;	/* messages that were not known, and are empty or
				   an excuse: perhaps not to be read just now */
	enum pb_census_phase phase;
	unsigned listings;	/* full ones so far */
	struct pb_draft draft;	/* ALL: by place; else what is new */
	uint8_t *dead;		/* own; a bit for each known or new message */
	uint32_t n_marks;	/* bits in it */
	uint32_t n_dead;
	uint32_t exists;	/* what the server says now */
	uint32_t exists_selected; /* what SELECT said; of the full listing
				   that is under way, what it said then */
	uint32_t uidnext;	/* what SELECT said; 0: nothing */
	uint32_t last_uid;	/* NEWS: the highest that was listed, */
	uint32_t last_seq;	/* and its place; 0: none was */
	bool witness;		/* the last known message has its place */
	bool shifted;		/* a message vanished meanwhile */
	bool unclear;		/* something does not fit what is known */
	/* ALIVE */
	bool answered;
	uint32_t n_found;	/* messages that the SEARCH names */
};

/* A zeroed struct is none.  `known` may be NULL; a reference is taken. */
void pb_census_init(struct pb_census *c, struct pb_listing *known);
void pb_census_fini(struct pb_census *c);

/* SELECT, and the listing where nothing is known; the client must be READY. */
void pb_census_begin(struct pb_census *c, struct pb_imap_client *imap,
		     const char *mailbox);
/* Feed every event of the connection until the verdict is not GOES_ON. */
enum pb_census_verdict pb_census_event(struct pb_census *c,
				       struct pb_imap_client *imap,
				       const struct pb_imap_event *event,
				       struct pb_error *err);

#endif
