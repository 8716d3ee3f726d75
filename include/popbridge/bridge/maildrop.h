#ifndef PB_BRIDGE_MAILDROP_H
#define PB_BRIDGE_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * The maildrop of a session, frozen at login (RFC 1939, section 4): message
 * numbers 1..count are the messages of a listing in the order of their UIDs.
 * What happens to the mailbox later changes nothing here.  The listing is
 * shared; the session's own is which messages are marked: two bits each, once
 * something is.
 */

struct pb_maildrop {
	struct pb_listing *listing;	/* shared; NULL: not open */
	uint32_t uidvalidity;
	uint32_t count;
	uint8_t *marks;		/* own; NULL while nothing is marked */
	uint32_t n_deleted;
	uint64_t octets;	/* of the messages that are not deleted */
	uint32_t last;		/* highest message retrieved (LAST) */
};

/* A zeroed struct is an empty maildrop. */
void pb_maildrop_fini(struct pb_maildrop *m);

/* Takes a reference of a sealed listing. */
void pb_maildrop_open(struct pb_maildrop *m, struct pb_listing *listing);

static inline bool
pb_maildrop_has(const struct pb_maildrop *m, uint32_t msgno)
{
	return msgno >= 1 && msgno <= m->count;
}

/* msgno must be there. */
uint32_t pb_maildrop_uid_of(const struct pb_maildrop *m, uint32_t msgno);
uint32_t pb_maildrop_size_of(const struct pb_maildrop *m, uint32_t msgno);
bool pb_maildrop_is_deleted(const struct pb_maildrop *m, uint32_t msgno);

/* DELE, and "its body has been sent".  PB_OK, PB_ENOMEM. */
enum pb_status pb_maildrop_delete(struct pb_maildrop *m,
				  uint32_t msgno) PB_MUST_CHECK;
enum pb_status pb_maildrop_mark_seen(struct pb_maildrop *m,
				     uint32_t msgno) PB_MUST_CHECK;
/* RSET: nothing is marked any more. */
void pb_maildrop_reset(struct pb_maildrop *m);

/*
 * UIDs that are marked as deleted, or seen and not deleted; ascending, in
 * memory that the caller frees.  *uids is NULL when there are none.
 */
enum pb_status pb_maildrop_deleted(const struct pb_maildrop *m,
				   uint32_t **uids, size_t *n) PB_MUST_CHECK;
enum pb_status pb_maildrop_seen(const struct pb_maildrop *m, uint32_t **uids,
				size_t *n) PB_MUST_CHECK;

/* A listing of what is not marked as deleted.  NULL: no memory. */
struct pb_listing *pb_maildrop_rest(const struct pb_maildrop *m);

#endif
