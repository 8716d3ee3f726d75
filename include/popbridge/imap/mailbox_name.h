#ifndef PB_IMAP_MAILBOX_NAME_H
#define PB_IMAP_MAILBOX_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Names of mailboxes.  On the wire they are modified UTF-7 (RFC 3501, section
 * 5.1.3); people write them in UTF-8.
 */

/*
 * Octets of a name as the server writes it.  File systems end at 255 for a
 * part of a path, and no server is known that allows more for a whole name.
 */
#define PB_IMAP_MAILBOX_MAX 255

/*
 * The name as a string of modified UTF-7 that ends in NUL; `size` is that of
 * `out`, PB_IMAP_MAILBOX_MAX + 1 for the longest that commands take.
 *
 * PB_OK, PB_EINVAL (empty, no UTF-8, or a control character in it), PB_ETOOBIG.
 */
enum pb_status pb_imap_mailbox_encode(struct pb_slice utf8, char *out,
				      size_t size) PB_MUST_CHECK;

/*
 * Do the two name one mailbox, both as they are on the wire?  Case counts, but
 * for INBOX (RFC 3501, section 5.1).
 */
bool pb_imap_mailbox_same(struct pb_slice a, struct pb_slice b);

#endif
