#ifndef PB_IMAP_UID_SET_H
#define PB_IMAP_UID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Responses that name many messages by UID: SEARCH (RFC 3501, section 7.2.5)
 * and ESEARCH with ALL (RFC 4731, RFC 9051).
 *
 * The grammar library knows but one of them, and makes two allocations of
 * every UID; these are numbers and nothing else, and there may be 100,000.
 */

/* Both ends belong to it; 1 <= first <= last. */
struct pb_imap_range {
	uint32_t first;
	uint32_t last;
};

/* Such a response, taken apart; borrowed from it. */
struct pb_imap_names {
	struct pb_slice tag;	/* of the command; empty: SEARCH has none */
	char separator;		/* between the UIDs of the set */
	struct pb_slice set;	/* may be empty when nothing was found */
};

/*
 * Is it one?  Given without "* " and trailing blanks.  Only the forms that our
 * commands ask for are: ESEARCH has a TAG, speaks of UIDs, and says ALL or
 * nothing.  The set is well formed then.
 */
bool pb_imap_names_parse(struct pb_slice response,
			 struct pb_imap_names *names);

/* A set as ranges: ascending, and no two could be one. */
struct pb_imap_uid_set {
	struct pb_imap_range *ranges;	/* own */
	size_t n;
	size_t cap;
};

/*
 * Add the set to *set, which is empty or was read before.  PB_OK, PB_EPROTO (it
 * is none), PB_ENOMEM; *set is to be cleared in any case.
 */
enum pb_status pb_imap_uid_set_read(struct pb_imap_uid_set *set,
				    struct pb_slice text,
				    char separator) PB_MUST_CHECK;
/* Is it a set with commas, not empty?  *n: the UIDs that it names, all told. */
bool pb_imap_uid_set_count(struct pb_slice text, uint64_t *n);
void pb_imap_uid_set_clear(struct pb_imap_uid_set *set);

#endif
