#ifndef PB_STORE_UID_MERGE_H
#define PB_STORE_UID_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"

/*
 * Sets of UIDs, as everywhere: ascending, each once.  All calls are pure; what
 * has no members may be NULL.
 */

/* What is in a or in b; *out is the caller's.  PB_OK, PB_ENOMEM (NULL). */
enum pb_status pb_uids_union(const uint32_t *a, size_t n_a, const uint32_t *b,
			     size_t n_b, uint32_t **out,
			     size_t *n) PB_MUST_CHECK;

/* Take out of a what is in b; how many are left. */
size_t pb_uids_without(uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b);

#endif
