#ifndef PB_BASE_FINGERPRINT_H
#define PB_BASE_FINGERPRINT_H

#include <stdint.h>

#include "popbridge/base/slice.h"

/*
 * Are these the octets that were here before?  XXH64 over what is added, however
 * it is cut into pieces.  It notices accidents; whoever can choose the octets can
 * make two of one fingerprint, so it proves nothing against an enemy.
 */
struct pb_fingerprint {
	uint64_t priv[11];
};

/* Of no octets yet. */
void pb_fingerprint_init(struct pb_fingerprint *f);
void pb_fingerprint_add(struct pb_fingerprint *f, struct pb_slice octets);
/* Of what was added so far; more may be added. */
uint64_t pb_fingerprint_value(const struct pb_fingerprint *f);

#endif
