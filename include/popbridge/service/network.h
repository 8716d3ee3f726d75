#ifndef PB_SERVICE_NETWORK_H
#define PB_SERVICE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Networks as administrators write them (RFC 4632, RFC 4291, section 2.3):
 * 192.0.2.0/24, 2001:db8::/32, or one address.  An IPv4 address is the IPv6
 * address ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2) everywhere here, so
 * ::/0 has all addresses of both kinds, and 0.0.0.0/0 those of IPv4.
 */
struct pb_network {
	uint8_t address[16];	/* zero behind the prefix */
	uint8_t bits;		/* of the prefix, counted of 128 */
};

/* Room for every text that pb_network_format writes, and its NUL. */
#define PB_NETWORK_TEXT_SIZE 64

/*
 * What stands behind the prefix is dropped: 192.0.2.1/24 is 192.0.2.0/24.
 *
 * PB_OK, PB_EINVAL (*out is untouched).
 */
enum pb_status pb_network_parse(struct pb_slice text,
				struct pb_network *out) PB_MUST_CHECK;

/* Always with the length of the prefix; parsing it gives the same value. */
void pb_network_format(const struct pb_network *network,
		       char out[PB_NETWORK_TEXT_SIZE]);

bool pb_network_has(const struct pb_network *network,
		    const uint8_t address[16]);

#endif
