#ifndef PB_BRIDGE_COMMIT_H
#define PB_BRIDGE_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/lone_expunge.h"
#include "popbridge/bridge/removal.h"
#include "popbridge/bridge/set_removal.h"
#include "popbridge/imap/client.h"

/*
 * The UPDATE state (RFC 1939, section 6): what DELE has marked goes the way
 * that the administrator wants, and nothing else does.
 *
 * First the server is asked whether the mailbox still has the UIDVALIDITY of
 * the login: else the UIDs are those of other messages.  Nothing is changed
 * before pb_commit_go.  Then it is done by UID, set by set (set_removal); only
 * for expunging on a server without UID EXPUNGE there is another way
 * (lone_expunge).
 */

enum pb_commit_step {
	PB_COMMIT_CHECK,	/* STATUS: is it the same mailbox? */
	PB_COMMIT_HELD,		/* until pb_commit_go */
	PB_COMMIT_SEEN,		/* \Seen on what was retrieved */
	PB_COMMIT_LOCATE,	/* LIST: which folder do they go to? */
	PB_COMMIT_TURN,		/* until pb_commit_turn, for lone_expunge */
	PB_COMMIT_REMOVE,
	PB_COMMIT_DONE,
};

/* What is to be done; the texts are borrowed, and must last. */
struct pb_commit_plan {
	enum pb_removal removal;	/* not REFUSE */
	const char *mailbox;
	const char *folder;	/* as the server writes it; NULL: it says */
	/* UIDVALIDITY to be checked first; 0: SELECT has just said it. */
	uint32_t uidvalidity;
};

struct pb_commit {
	struct pb_commit_plan plan;
	enum pb_commit_step step;
	struct pb_uid_list ours;	/* to be removed */
	struct pb_uid_list seen;
	/* Of ours: the folder had them when a connection was lost. */
	struct pb_uid_list copied;
	size_t total;		/* of ours, at first */
	size_t vanished;	/* EXPUNGEs heard meanwhile, of whomever */
	size_t sent;		/* UIDs of SEEN that are sent, or commands */
	unsigned waiting;	/* commands of the step under way */
	uint32_t before;	/* commands up to this one are none of ours */
	bool go;
	bool turn;
	bool lone;		/* REMOVE: which of the two */
	struct pb_set_removal sets;
	struct pb_lone_expunge lone_expunge;
	char folder[PB_IMAP_MAILBOX_MAX + 1];	/* that the server names */
	bool folder_fits;	/* it is not only better than none */
	const char *trouble;	/* static text, or NULL */
};

/*
 * A commit with nothing to do yet.  NULL: no memory.
 */
struct pb_commit *pb_commit_new(const struct pb_commit_plan *plan);
/* Nulls *commit; harmless for NULL. */
void pb_commit_free(struct pb_commit **commit);

/*
 * Add to it before it begins: UIDs, ascending, each once.  PB_OK, PB_ENOMEM.
 */
enum pb_status pb_commit_remove(struct pb_commit *c, const uint32_t *uids,
				size_t n) PB_MUST_CHECK;
enum pb_status pb_commit_mark_seen(struct pb_commit *c, const uint32_t *uids,
				   size_t n) PB_MUST_CHECK;

/*
 * Begin on a connection with the mailbox selected; with nothing to do the step
 * is DONE soon.  Until pb_commit_go it only asks.  PB_OK, PB_ENOMEM, PB_EPROTO
 * (the connection has failed).
 */
enum pb_status pb_commit_begin(struct pb_commit *c,
			       struct pb_imap_client *imap) PB_MUST_CHECK;
/* Now change the mailbox.  As above. */
enum pb_status pb_commit_go(struct pb_commit *c,
			    struct pb_imap_client *imap) PB_MUST_CHECK;
/*
 * In the step TURN: no other session of the maildrop expunges meanwhile.  What
 * one flags again would go with the other's EXPUNGE.  As above.
 */
enum pb_status pb_commit_turn(struct pb_commit *c,
			      struct pb_imap_client *imap) PB_MUST_CHECK;
/* Feed every event of the connection until the step is DONE.  As above. */
enum pb_status pb_commit_event(struct pb_commit *c,
			       struct pb_imap_client *imap,
			       const struct pb_imap_event *event)
    PB_MUST_CHECK;
/*
 * The connection was lost in it, and this is another one, with the same mailbox
 * selected: what the server has not confirmed is done again, but for copies
 * that it has.  As above.
 */
enum pb_status pb_commit_resume(struct pb_commit *c,
				struct pb_imap_client *imap) PB_MUST_CHECK;

/* Messages whose removal the server has not confirmed (yet). */
size_t pb_commit_missing(const struct pb_commit *c);

/*
 * None is missing, and the server has shown that: where it says OK to UID
 * EXPUNGE, what somebody has unflagged at the last moment is still there.
 */
bool pb_commit_is_shown(const struct pb_commit *c);

/* Room for why they are missing: ours, and the server's own words. */
#define PB_COMMIT_WHY_SIZE 512
/* For people, may quote the server. */
void pb_commit_why(const struct pb_commit *c, char why[PB_COMMIT_WHY_SIZE]);

#endif
