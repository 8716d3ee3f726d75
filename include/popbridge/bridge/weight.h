#ifndef PB_BRIDGE_WEIGHT_H
#define PB_BRIDGE_WEIGHT_H

#include <stddef.h>

#include "popbridge/bridge/bridge.h"

/*
 * About how many octets of memory the session's end would give back.  0: it
 * must not end now, for it removes messages, its own or an earlier session's.
 */
size_t pb_bridge_weight(const struct pb_bridge *b);

#endif
