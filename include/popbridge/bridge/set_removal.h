#ifndef PB_BRIDGE_SET_REMOVAL_H
#define PB_BRIDGE_SET_REMOVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/uid_list.h"
#include "popbridge/imap/client.h"

/*
 * Removal by UID, in sets that any server takes, several at a time.  A set goes
 * its way on its own; what is refused stops it, and no other.
 *
 * A copy counts when the server has named it (COPYUID, RFC 4315): only what is
 * proven to be in the folder is removed from the mailbox.  Where the folder is
 * the administrator's word and the server says NO, it is made, once.  Where
 * others have expunged some of the set, so that the server moves nothing of it
 * ([EXPUNGEISSUED], RFC 5530), it is asked again when it knows that they are gone.
 */

enum pb_set_way {
	PB_SET_EXPUNGE,	/* STORE \Deleted, UID EXPUNGE (RFC 4315) */
	PB_SET_MOVE,	/* UID MOVE (RFC 6851) */
	PB_SET_COPY,	/* UID COPY, and then as EXPUNGE */
	PB_SET_FLAG,	/* STORE $POP3Deleted */
};

/* What a set waits for. */
enum pb_set_step {
	PB_SET_STEP_CREATE,
	PB_SET_STEP_REFRESH,	/* NOOP, and TRANSFER again */
	PB_SET_STEP_TRANSFER,	/* MOVE or COPY */
	PB_SET_STEP_STORE,
	PB_SET_STEP_EXPUNGE,
};

struct pb_set {
	enum pb_set_step step;
	uint32_t id;		/* of its command; 0: there was no room for it */
	const uint32_t *uids;	/* borrowed from the list */
	size_t n;
	unsigned refreshed;	/* so often */
};

struct pb_set_removal {
	enum pb_set_way way;
	const struct pb_uid_list *list;	/* borrowed, tidy */
	struct pb_slice folder;		/* borrowed; of MOVE and COPY */
	bool may_create;
	enum {
		PB_SET_CREATE_NOT_YET,
		PB_SET_CREATE_ASKED,
		PB_SET_CREATE_ANSWERED,
	} create;
	uint32_t create_id;
	size_t sent;			/* UIDs that are in a set, or were */
	struct pb_set sets[PB_IMAP_PIPELINE_MAX / 2];
	unsigned n_sets;
	/* Own: what the server has confirmed, and of that what is copied and
	   not known to be expunged; neither is tidy. */
	struct pb_uid_list removed;
	struct pb_uid_list copied;
	const char *trouble;		/* the first; static text, or NULL */
	struct pb_error refusal;	/* its reason, if the server said one */
};

/*
 * Begin with these; list and folder must last.  `removed` and `copied` are kept
 * and grow.  PB_OK, PB_ENOMEM, PB_EPROTO (the connection has failed).
 */
enum pb_status pb_set_removal_begin(struct pb_set_removal *r,
				    enum pb_set_way way,
				    const struct pb_uid_list *list,
				    struct pb_imap_client *imap) PB_MUST_CHECK;
/* Every event of the connection until it is done.  As above. */
enum pb_status pb_set_removal_event(struct pb_set_removal *r,
				    struct pb_imap_client *imap,
				    const struct pb_imap_event *event)
    PB_MUST_CHECK;
bool pb_set_removal_is_done(const struct pb_set_removal *r);
void pb_set_removal_fini(struct pb_set_removal *r);

#endif
