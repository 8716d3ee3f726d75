#ifndef PB_SASL_BASE64_H
#define PB_SASL_BASE64_H

#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Base64 as SASL profiles use it (RFC 4648, section 4): groups of four,
 * padded, and no octet that is not of the alphabet.  Bits that the padding
 * leaves over do not count.
 */

/* Room for what so many octets of base64 become, at most. */
#define PB_BASE64_DECODED(len) ((len) / 4 * 3)
/* Room for what so many octets become in base64, and a NUL. */
#define PB_BASE64_CODED(len) (((len) + 2) / 3 * 4 + 1)

/*
 * Decode into out, which has room for PB_BASE64_DECODED(in.len).  PB_OK, or
 * PB_EPROTO, and what stands in out is of no use.
 */
enum pb_status pb_base64_decode(struct pb_slice in, char *out,
				size_t *len) PB_MUST_CHECK;

/*
 * Encode into out, which has room for PB_BASE64_CODED(in.len), and end it in
 * NUL.  Returns the length without that.
 */
size_t pb_base64_encode(struct pb_slice in, char *out);

#endif
