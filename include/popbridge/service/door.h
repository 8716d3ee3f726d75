#ifndef PB_SERVICE_DOOR_H
#define PB_SERVICE_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/service/config.h"

/*
 * What a listener has to say to an address: may a client from there come in,
 * and whose word does it take for where a client is.  Addresses have 16 octets,
 * IPv4 as ::ffff:192.0.2.1.  Pure; any thread.
 */

/* `deny` wins over `allow`; an empty `allow` is everybody. */
bool pb_door_is_open(const struct pb_listener_config *listener,
		     const uint8_t address[16]);

/* From there a PROXY header must come first; from elsewhere none may. */
bool pb_door_wants_header(const struct pb_listener_config *listener,
			  const uint8_t address[16]);

/* From there XCLIENT is taken. */
bool pb_door_takes_xclient(const struct pb_listener_config *listener,
			   const uint8_t address[16]);

#endif
