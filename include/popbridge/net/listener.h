#ifndef PB_NET_LISTENER_H
#define PB_NET_LISTENER_H

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/service/url.h"

/*
 * Bind `n` sockets to the same address, one for each loop (SO_REUSEPORT: the
 * kernel spreads connections over them).  Port 0 asks the kernel for one;
 * url->port says which it was.  The sockets are the caller's, and prepared
 * (net/stream.h) for connections with this keepalive time.
 *
 * PB_OK, PB_EIO (*err says why; nothing is left open).
 */
enum pb_status pb_listener_bind(struct pb_url *url, int *sockets, size_t n,
				unsigned keepalive_s,
				struct pb_error *err) PB_MUST_CHECK;

#endif
