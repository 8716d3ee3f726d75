#ifndef PB_BRIDGE_LONE_EXPUNGE_H
#define PB_BRIDGE_LONE_EXPUNGE_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/uid_list.h"
#include "popbridge/imap/client.h"

/*
 * Removal where the server has no UID EXPUNGE, and EXPUNGE removes everybody's
 * \Deleted messages.  So theirs are found and unflagged first, ours are
 * flagged, a second look proves that ours alone are flagged, then comes
 * EXPUNGE, a third look at whether ours are gone, and theirs are flagged again.
 * When the second look shows others again and again, ours stay flagged.
 *
 * What others flag within the round trip between the second look and EXPUNGE
 * goes with ours: nothing in IMAP prevents that.  It is counted.
 *
 * A look is SEARCH, and SELECT or NOOP before it: some servers search in what
 * they knew last, and some know what others do at SELECT only.
 */

enum pb_lone_step {
	PB_LONE_FIND,		/* whose messages are \Deleted? */
	PB_LONE_UNFLAG,		/* theirs, for a moment */
	PB_LONE_FLAG,		/* ours */
	PB_LONE_PROVE,		/* only ours? */
	PB_LONE_EXPUNGE,
	PB_LONE_CONFIRM,	/* are ours gone? */
	PB_LONE_REFLAG,		/* theirs again */
	PB_LONE_DONE,
};

struct pb_lone_expunge {
	enum pb_lone_step step;
	const struct pb_uid_list *ours;	/* borrowed, tidy */
	const char *mailbox;	/* borrowed */
	uint32_t uidvalidity;	/* at the beginning */
	struct pb_uid_list theirs;	/* foreign \Deleted */
	struct pb_uid_list found;	/* by the SEARCH under way */
	size_t sent;		/* UIDs of the step's list, or commands */
	unsigned waiting;	/* commands of the step under way */
	uint32_t before;	/* commands up to this one are none of ours */
	size_t flagged;		/* of ours, at the second look */
	size_t went;		/* messages, while EXPUNGE was under way */
	unsigned rounds;	/* how often ours were not alone */
	bool answered;		/* the SEARCH under way had a result */
	bool refused;		/* a STORE or SEARCH before the EXPUNGE was */
	bool another;		/* SELECT says another UIDVALIDITY, or NO */
	bool gave_up;		/* others flag faster than we look */
	bool expunged;		/* EXPUNGE was OK */
	bool confirmed;		/* and nobody of ours is left */
};

/*
 * Begin, or begin again on another connection, which must have the mailbox
 * selected: what is known of theirs is kept.  PB_OK, PB_ENOMEM, PB_EPROTO (the
 * connection has failed).
 */
enum pb_status pb_lone_expunge_begin(struct pb_lone_expunge *l,
				     const struct pb_uid_list *ours,
				     const char *mailbox,
				     struct pb_imap_client *imap)
    PB_MUST_CHECK;
/* Every event of the connection until the step is DONE.  As above. */
enum pb_status pb_lone_expunge_event(struct pb_lone_expunge *l,
				     struct pb_imap_client *imap,
				     const struct pb_imap_event *event)
    PB_MUST_CHECK;
void pb_lone_expunge_fini(struct pb_lone_expunge *l);

/* So many went with EXPUNGE besides ours; at most, for others expunge, too. */
size_t pb_lone_expunge_beyond(const struct pb_lone_expunge *l);

/* Why ours are not confirmed to be gone, for people. */
const char *pb_lone_expunge_trouble(const struct pb_lone_expunge *l);

#endif
