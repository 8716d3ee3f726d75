#ifndef PB_IMAP_EXCUSE_H
#define PB_IMAP_EXCUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"

/*
 * Some servers answer a FETCH of a message that they cannot read with a text
 * of their own, as if that were the message.  A client that takes it for the
 * message and deletes what it has got loses mail.
 *
 * A text that is always the same can be told from a message by it.  From a server
 * that has it, it is never a message, though its size be the one that was said:
 * that comes from the same text then.  From any other it may be a copy that was
 * made once, if the message is said to have this size.
 *
 * Exchange writes one for each message that it cannot convert, in the language of
 * the mailbox.  It is known by its header: it is from the server itself, and
 * has nothing that a message gets from its sender or on its way.
 */

/* The text of so many octets, which lasts for ever, or no octets. */
struct pb_slice pb_imap_excuse(uint64_t size);
/* Whether it is the greeting of a server that has such a text. */
bool pb_imap_greets_with_excuses(struct pb_slice greeting);

/* What has more octets is no text of Exchange's. */
#define PB_IMAP_APOLOGY_MAX 8192
/* Whether it is the greeting of Exchange. */
bool pb_imap_greets_with_apologies(struct pb_slice greeting);
/* Whether it is a text of Exchange's; lines end in LF, or CR and LF. */
bool pb_imap_is_apology(struct pb_slice message);

#endif
