#ifndef PB_BRIDGE_MAILDROP_H
#define PB_BRIDGE_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"

/*
 * The listing of a session, frozen at login (RFC 1939, section 4): message
 * numbers 1..count in the order of ascending UIDs, each with its size, and
 * which of them are marked as deleted.  What happens to the mailbox later
 * changes nothing here.
 *
 * msgno is a POP3 message number, seq an IMAP sequence number; they are the
 * same thing only while the listing is built.
 *
 * Eight octets a message, and two bits once something is marked.
 */

/*
 * Messages in one maildrop, so that a hostile server cannot fill the memory:
 * 16 MB, ten times what the largest mailboxes in use have.
 */
#define PB_MAILDROP_MAX 2000000

struct pb_maildrop {
	uint32_t uidvalidity;
	uint32_t count;
	uint32_t cap;
	uint32_t *uids;		/* own; 0 while not known */
	uint32_t *sizes;	/* own */
	uint8_t *marks;		/* own; NULL while nothing is marked */
	uint32_t n_deleted;
	uint64_t octets;	/* of the messages that are not deleted */
	uint32_t last;		/* highest message retrieved (LAST) */
};

/* A zeroed struct is an empty maildrop. */
void pb_maildrop_fini(struct pb_maildrop *m);

/*
 * Building.  pb_maildrop_put notes what the server says of one message;
 * a message may be said in pieces, twice, and in any order.
 *
 * PB_OK, PB_ETOOBIG (seq over PB_MAILDROP_MAX), PB_ENOMEM.
 */
enum pb_status pb_maildrop_put(struct pb_maildrop *m, uint32_t seq,
			       uint32_t uid, bool has_size,
			       uint32_t size) PB_MUST_CHECK;
/* Start again with nothing. */
void pb_maildrop_clear(struct pb_maildrop *m);
/*
 * The listing is complete when every message from 1 to `least` is there with
 * UID and size, and every further one up to the last that was said.
 *
 * PB_OK; PB_EPROTO with *err filled: a message is missing, or two have the
 * same UID.  PB_ENOMEM.
 */
enum pb_status pb_maildrop_freeze(struct pb_maildrop *m, uint32_t uidvalidity,
				  uint32_t least,
				  struct pb_error *err) PB_MUST_CHECK;

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

#endif
