#ifndef PB_IMAP_MAILBOX_DATA_H
#define PB_IMAP_MAILBOX_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/imap/mailbox_name.h"

/*
 * Responses about mailboxes by name: LIST (RFC 3501, section 7.2.2; RFC 5258),
 * STATUS (7.2.4) and MYRIGHTS (RFC 4314, section 3.8).
 *
 * They are read here and not by the grammar library, because a server has
 * thousands of mailboxes to list, and the library makes several allocations of
 * each, under a lock that all threads share.
 */

/* What a mailbox is for (RFC 6154). */
enum pb_imap_special {
	PB_IMAP_SPECIAL_TRASH = 1 << 0,
	PB_IMAP_SPECIAL_ARCHIVE = 1 << 1,
	PB_IMAP_SPECIAL_ALL = 1 << 2,
};

enum pb_imap_mailbox_data_type {
	PB_IMAP_MAILBOX_LIST,
	PB_IMAP_MAILBOX_STATUS,
	PB_IMAP_MAILBOX_MYRIGHTS,
};

struct pb_imap_mailbox_data {
	enum pb_imap_mailbox_data_type type;
	/* Without quotes; 0 octets when it is longer than
	   PB_IMAP_MAILBOX_MAX, or one that no command can name. */
	char name[PB_IMAP_MAILBOX_MAX];
	size_t name_len;
	unsigned special;	/* LIST: set of pb_imap_special */
	bool is_absent;		/* LIST: \NonExistent or \Noselect */
	uint32_t uidvalidity;	/* STATUS; 0: it does not say */
	bool may_flag_deleted;	/* MYRIGHTS: "t", or "d" of RFC 2086 */
	bool may_expunge;	/* MYRIGHTS: "e", or "d" */
};

/*
 * Is it one, and well formed?  Given without "* " and trailing blanks, with
 * its literals as the framer leaves them.  Allocates nothing.
 */
bool pb_imap_mailbox_data_parse(struct pb_slice response,
				struct pb_imap_mailbox_data *data);

#endif
