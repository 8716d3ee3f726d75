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
 * Only a text that is always the same can be told from a message.  From a server
 * that has it, it is never a message, though its size be the one that was said:
 * that comes from the same text then.  From any other it may be a copy that was
 * made once, if the message is said to have this size.
 */

/* The text of so many octets, which lasts for ever, or no octets. */
struct pb_slice pb_imap_excuse(uint64_t size);
/* Whether it is the greeting of a server that has such a text. */
bool pb_imap_greets_with_excuses(struct pb_slice greeting);

#endif
