#ifndef PB_STORE_UID_CODE_H
#define PB_STORE_UID_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/listing.h"

/*
 * UIDs as octets, for the disk: how many there are, and then for each run of
 * them, in which one follows the other, the step from the run before and how
 * long it is, as the numbers of store/listing_code.h.  Thousands that run take
 * a few octets, and two that stand alone take four at most where no more than
 * a hundred lie between.  Both calls are pure.
 */

/* Longest that they can get: each stands alone. */
#define PB_UID_CODE_MAX (5 + (size_t)PB_LISTING_MAX * 6)

/*
 * Append n UIDs, 1 to PB_LISTING_MAX, ascending, each once, none of them 0.
 *
 * PB_OK, PB_ETOOBIG, PB_ENOMEM (as pb_buffer_append).
 */
enum pb_status pb_uids_encode(const uint32_t *uids, size_t n,
			      struct pb_buffer *out) PB_MUST_CHECK;

/*
 * What they were encoded as, whole and with nothing behind it.  *uids is the
 * caller's to free; NULL but for PB_OK.
 *
 * PB_OK, PB_EINVAL (it is none), PB_ENOMEM.
 */
enum pb_status pb_uids_decode(struct pb_slice octets, uint32_t **uids,
			      size_t *n) PB_MUST_CHECK;

#endif
