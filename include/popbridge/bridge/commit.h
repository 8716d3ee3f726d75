#ifndef PB_BRIDGE_COMMIT_H
#define PB_BRIDGE_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/maildrop.h"
#include "popbridge/imap/client.h"

/*
 * The UPDATE state (RFC 1939, section 6): what DELE has marked is removed from
 * the mailbox, and nothing else is.
 *
 * With UID EXPUNGE (RFC 4315): the marked UIDs are flagged \Deleted and
 * expunged by UID, in sets that any server takes, several at a time.
 *
 * Without it, EXPUNGE removes everybody's \Deleted messages.  So theirs are
 * found and unflagged first, ours are flagged, a second look proves that ours
 * alone are flagged, then comes EXPUNGE, and theirs are flagged again.  When
 * the second look shows others again and again, ours stay flagged and the
 * commit says that it failed.
 */

enum pb_commit_step {
	PB_COMMIT_SEEN,		/* \Seen on what was retrieved */
	PB_COMMIT_REMOVE,	/* STORE, then UID EXPUNGE, of each set */
	PB_COMMIT_FIND,		/* whose messages are \Deleted? */
	PB_COMMIT_UNFLAG,	/* theirs, for a moment */
	PB_COMMIT_FLAG,		/* ours */
	PB_COMMIT_PROVE,	/* only ours? */
	PB_COMMIT_EXPUNGE,
	PB_COMMIT_REFLAG,	/* theirs again */
	PB_COMMIT_DONE,
};

/* UIDs that one step works on, set by set. */
struct pb_commit_list {
	uint32_t *uids;		/* own */
	size_t n;
	size_t cap;
};

struct pb_commit {
	enum pb_commit_step step;
	struct pb_commit_list ours;	/* marked as deleted */
	struct pb_commit_list seen;
	struct pb_commit_list theirs;	/* foreign \Deleted; no UID EXPUNGE */
	struct pb_commit_list found;	/* by the SEARCH under way */
	size_t sent;		/* UIDs of the step's list that are sent */
	unsigned waiting;	/* commands of the step under way */
	size_t removed;		/* of ours: the server said OK */
	unsigned rounds;	/* how often ours were not alone */
	bool answered;		/* the SEARCH under way had a result */
	bool refused;		/* a STORE or SEARCH before the EXPUNGE was */
	bool gave_up;		/* others flag faster than we look */
	/* of REMOVE, under way */
	struct pb_commit_set {
		uint32_t id;		/* of its STORE, or of its EXPUNGE */
		bool flagged;		/* the STORE is done */
		const uint32_t *uids;	/* borrowed from `ours` */
		size_t n;
	} sets[PB_IMAP_PIPELINE_MAX / 2];
	unsigned n_sets;
};

/* Why a commit could not remove everything, for the log. */
const char *pb_commit_trouble(const struct pb_commit *c);

/*
 * Begin; with nothing to do the step is DONE at once.  PB_OK, PB_ENOMEM,
 * PB_EPROTO (the connection has failed).
 */
enum pb_status pb_commit_begin(struct pb_commit *c,
			       const struct pb_maildrop *maildrop,
			       struct pb_imap_client *imap) PB_MUST_CHECK;
/*
 * The same for what another session was to remove: ascending UIDs, each once,
 * which become the commit's.
 */
enum pb_status pb_commit_begin_with(struct pb_commit *c, uint32_t *uids,
				    size_t n,
				    struct pb_imap_client *imap)
    PB_MUST_CHECK;
/* Feed every event of the connection until the step is DONE.  As above. */
enum pb_status pb_commit_event(struct pb_commit *c,
			       struct pb_imap_client *imap,
			       const struct pb_imap_event *event)
    PB_MUST_CHECK;
void pb_commit_fini(struct pb_commit *c);

/* Marked messages whose removal the server has not confirmed (yet). */
size_t pb_commit_missing(const struct pb_commit *c);

#endif
