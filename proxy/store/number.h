#ifndef PB_STORE_NUMBER_H
#define PB_STORE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Numbers of 32 bits as octets: seven bits an octet, the lowest first, with the eighth bit
 * where more follow, in as few octets as they need.
 */

/* Octets of the longest. */
#define PB_NUMBER_MAX 5

/* Write one; returns what stands behind it. */
char *pb_number_put(char *at, uint32_t number);
/*
 * Take one from the front of *in.  False: the octets end in it, it is over max,
 * or longer than it need be.
 */
bool pb_number_take(struct pb_slice *in, uint32_t max,
		    uint32_t *number) PB_MUST_CHECK;

#endif
