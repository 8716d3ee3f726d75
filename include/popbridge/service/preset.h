#ifndef PB_SERVICE_PRESET_H
#define PB_SERVICE_PRESET_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/bridge/removal.h"

/*
 * What is known of mail providers and IMAP servers, one row each: it fills what
 * a route does not say itself.  Static; nothing in it is a secret.
 */

enum pb_upstream_auth {
	PB_UPSTREAM_AUTH_AUTO,	/* what the server has and the login gives */
	PB_UPSTREAM_AUTH_PLAIN,
	PB_UPSTREAM_AUTH_LOGIN,
	PB_UPSTREAM_AUTH_XOAUTH2,
	PB_UPSTREAM_AUTH_OAUTHBEARER,
};

struct pb_preset {
	const char *name;
	const char *url;	/* NULL: the site has a host of its own */
	enum pb_upstream_auth auth;
	/* connections of one user at a time that the provider allows; 0 where
	 * it is not known, or the site's own choice */
	unsigned max_connections_per_user;
	/* what we take of them, so that his other clients find some */
	unsigned max_upstream_connections;
	/* they are few: of one user no more than one waits for a session */
	bool keeps_one;
	enum pb_removal removal;	/* EXPUNGE: as without a preset */
	bool login_lacks_domain;	/* "user", not "user@example.com" */
	const char *note;	/* a sentence for an administrator; NULL: none */
};

const struct pb_preset *pb_presets(size_t *n);

/* NULL: there is none of this name. */
const struct pb_preset *pb_preset_find(struct pb_slice name);

#endif
