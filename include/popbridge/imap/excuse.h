#ifndef PB_IMAP_EXCUSE_H
#define PB_IMAP_EXCUSE_H

#include <stdint.h>

#include "popbridge/base/slice.h"

/*
 * Some servers answer a FETCH of a message that they cannot read with a text
 * of their own, as if that were the message.  A client that takes it for the
 * message and deletes what it has got loses mail.
 *
 * Only a text that is always the same can be told from a message, and only
 * when the message is said to have another size.
 *
 * The text of so many octets, which lasts for ever, or no octets.
 */
struct pb_slice pb_imap_excuse(uint64_t size);

#endif
