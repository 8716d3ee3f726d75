#ifndef PB_POP3_XCLIENT_H
#define PB_POP3_XCLIENT_H

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * What a proxy in front says of its client by XCLIENT, as Dovecot has it: words
 * of KEY=value, without regard to case of the key.  ADDR and PORT are of
 * interest, all others are left out.
 */

/* Room for any address in text, and a NUL. */
#define PB_POP3_ADDRESS_SIZE 46

/*
 * ADDR is IPv4 or IPv6, perhaps with IPV6: before it; it is written in the usual
 * form.  What is not said is "" and 0; what is said twice counts the last time.
 *
 * PB_OK, PB_EINVAL (no address, or no port).
 */
enum pb_status pb_pop3_xclient_parse(struct pb_slice text,
				     char address[PB_POP3_ADDRESS_SIZE],
				     unsigned *port) PB_MUST_CHECK;

#endif
