#ifndef PB_IMAP_MESSAGE_LINE_H
#define PB_IMAP_MESSAGE_LINE_H

#include <stdbool.h>

#include "popbridge/base/slice.h"
#include "popbridge/imap/grammar.h"

/*
 * A short cut past gate and grammar for the responses of which there are as
 * many as messages (RFC 3501, message-data): EXPUNGE, and FETCH of UID,
 * RFC822.SIZE, FLAGS and a body that the framer has handed on, in the form in
 * which servers write them.  One look at each octet, no allocation.
 *
 * What it takes, gate and grammar would take with the same *data; it takes no
 * other spacing, case or item, and no number with leading zeros.  Everything
 * that it does not take is for them.
 *
 * The response is given without its last CR LF, as to the grammar.
 */
bool pb_imap_message_line(struct pb_slice response, struct pb_imap_data *data);

#endif
