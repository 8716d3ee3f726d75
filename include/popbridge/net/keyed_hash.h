#ifndef PB_NET_KEYED_HASH_H
#define PB_NET_KEYED_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * HMAC-SHA256 with a random key that lives and dies with the process: what
 * service/limits.h knows passwords by.  Any number of threads may use one.
 */

#define PB_KEYED_HASH_SIZE 32

struct pb_keyed_hash;

/* NULL: no memory, or no randomness. */
struct pb_keyed_hash *pb_keyed_hash_new(void) PB_MUST_CHECK;
void pb_keyed_hash_free(struct pb_keyed_hash **hash);

/*
 * Over the parts and their lengths, so that it matters where one ends.  `ctx`
 * is a struct pb_keyed_hash.  False: no memory.
 */
bool pb_keyed_hash_digest(void *ctx, const struct pb_slice *parts, size_t n,
			  uint8_t out[PB_KEYED_HASH_SIZE]) PB_MUST_CHECK;

#endif
