#ifndef PB_BRIDGE_PROMISE_H
#define PB_BRIDGE_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/bridge/removal.h"

/*
 * What sessions have promised at QUIT: these messages, and no others, are
 * removed (RFC 1939, section 6).  A journal keeps a promise from before the
 * first command that keeps it until the server has confirmed all of it, so that
 * the user's next session can finish what was cut off.
 *
 * A promise of PB_REMOVAL_KEEP is kept by being written down: the journal has
 * one for all sessions of a POP3 user, which stays, and always rests.
 */

enum pb_promise_outcome {
	PB_PROMISE_OPEN,	/* nothing has become of it yet */
	PB_PROMISE_KEPT,	/* the server has confirmed all of it */
	PB_PROMISE_VOID,	/* there is nothing left to be removed */
	PB_PROMISE_FAILED,	/* it was tried, and not all of it is done */
	PB_PROMISE_SHRUNK,	/* PB_REMOVAL_KEEP: some are `gone` */
};

struct pb_promise {
	int64_t number;		/* the journal's; 0: it is not in it */
	uint32_t uidvalidity;
	enum pb_removal removal;
	uint32_t *uids;		/* own; ascending, each once */
	size_t n;
	/* SHRUNK: so many more stand behind them, which are not there. */
	size_t gone;
	bool rests;		/* not now: it is to hide messages only */
	enum pb_promise_outcome outcome;
};

struct pb_promises {
	struct pb_promise *list;	/* own */
	size_t n;
	/* Why those that have failed did: for people, may quote the server. */
	char why[256];
};

/* Room for n promises, zeroed.  NULL: no memory. */
struct pb_promises *pb_promises_new(size_t n);
/* Nulls *promises; harmless for NULL. */
void pb_promises_free(struct pb_promises **promises);

/* What is to be done about them, with this in the mailbox. */
struct pb_promises_look {
	/* What no promise is about: a reference of the caller's. */
	struct pb_listing *rest;
	uint32_t *uids;		/* to be removed now; the caller frees it */
	size_t n;
	enum pb_removal removal;	/* how, where n > 0 */
};

/*
 * Compare open promises with what the mailbox holds.  Those of which nothing
 * is left become VOID: another UIDVALIDITY, or none of the messages is there.
 * What they all are about is not in `rest`, which is the listing itself where
 * they are about nothing.
 *
 * All that is to be removed now is to go in one way, that of the first promise
 * that is due: those of other ways rest until the next time.
 *
 * Marks of PB_REMOVAL_KEEP stay where the mailbox is empty, which may be a
 * fault.  Those of which many are about nothing become SHRUNK: they would grow
 * for ever where others empty the mailbox.
 *
 * PB_OK, PB_ENOMEM (nothing has changed).
 */
enum pb_status pb_promises_compare(struct pb_promises *promises,
				   struct pb_listing *listing,
				   struct pb_promises_look *look)
    PB_MUST_CHECK;

/* Those that were to be kept now are kept, or have failed for this reason. */
void pb_promises_decide(struct pb_promises *promises,
			enum pb_promise_outcome outcome, const char *why);

#endif
