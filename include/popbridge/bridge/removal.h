#ifndef PB_BRIDGE_REMOVAL_H
#define PB_BRIDGE_REMOVAL_H

#include <stdbool.h>

#include "popbridge/base/slice.h"

struct pb_imap_client;

/* What becomes of messages that a client has deleted. */
enum pb_removal {
	PB_REMOVAL_EXPUNGE,	/* they go for good */
	PB_REMOVAL_TRASH,	/* they are moved to the folder for that */
	PB_REMOVAL_ARCHIVE,	/* the same */
	/* They stay with the keyword $POP3Deleted, hidden from POP3. */
	PB_REMOVAL_FLAG,
	PB_REMOVAL_KEEP,	/* they stay, hidden from this POP3 user */
	PB_REMOVAL_REFUSE,	/* DELE is refused */
};

/* In lower case, as people and the journal write it: static text. */
const char *pb_removal_name(enum pb_removal removal);
/* Of such a name, exactly; false: of none, and *removal is as it was. */
bool pb_removal_by_name(struct pb_slice name, enum pb_removal *removal);

/*
 * Why it cannot be done with the mailbox that is selected, as far as the server
 * has told: for people, static text.  NULL: nothing is known against it, as
 * when imap is NULL.
 */
const char *pb_removal_obstacle(enum pb_removal removal,
				const struct pb_imap_client *imap);

#endif
