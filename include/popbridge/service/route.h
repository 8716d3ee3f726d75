#ifndef PB_SERVICE_ROUTE_H
#define PB_SERVICE_ROUTE_H

#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/config.h"
#include "popbridge/service/url.h"

/*
 * Which IMAP server a login belongs to, and what it is called there.  A pure
 * function of the configuration: no file, no clock; any thread.
 */

/* Longest login, in octets. */
#define PB_ROUTE_LOGIN_MAX 255

struct pb_route_choice {
	const struct pb_route_config *route;	/* borrowed from the config */
	size_t index;				/* of it in config->route */
	struct pb_url upstream;		/* host "": it must be discovered */
	/*
	 * The domain to discover in, a host name in lower case: the login's,
	 * else the one that the route adds; "": none, or no host name.
	 */
	char domain[256];
	/*
	 * What the client is called here, for accounts: as it gave it, after
	 * login-windows-domain and login-separators.
	 */
	char login[PB_ROUTE_LOGIN_MAX + 1];
	/* At the server: after strip-domain, add-domain and the match-file. */
	char upstream_login[PB_ROUTE_LOGIN_MAX + 1];
	size_t login_len;
	size_t upstream_login_len;
};

/*
 * The first route that takes `login` from a client of the listener of this
 * name.  A login is octets: none of them means anything but the separators of
 * the route.
 *
 * PB_OK; PB_EOF: no route for this login (nor for an empty one, nor for one
 * with CR, LF or NUL); PB_ETOOBIG: it is too long, here or at the server.
 * *choice is filled with PB_OK only.
 */
enum pb_status pb_route_choose(const struct pb_config *config,
			       const char *listener, struct pb_slice login,
			       struct pb_route_choice *choice) PB_MUST_CHECK;

#endif
