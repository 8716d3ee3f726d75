#ifndef PB_NET_DISCOVERY_PRIV_H
#define PB_NET_DISCOVERY_PRIV_H

#include <stdbool.h>

#include "popbridge/service/url.h"

/*
 * A host name of letters, digits, hyphens and dots, and a port, as an imaps://
 * URL.  False: it is none, or an address, or the port is 0.
 */
bool pb_discovery_url(const char *name, unsigned port, struct pb_url *url);

#endif
