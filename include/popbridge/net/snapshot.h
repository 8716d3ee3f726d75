#ifndef PB_NET_SNAPSHOT_H
#define PB_NET_SNAPSHOT_H

#include "popbridge/base/error.h"
#include "popbridge/base/secret.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/bridge.h"
#include "popbridge/net/tls.h"
#include "popbridge/service/config.h"
#include "popbridge/store/accounts.h"

/*
 * A configuration with all that had to be loaded for it: immutable, counted,
 * exchanged as a whole by a reload.  Sessions keep the one they began with.
 */

/* Room for the names of all mechanisms of a listener. */
#define PB_SNAPSHOT_MECHANISMS_SIZE PB_SASL_NAMES_SIZE

struct pb_snapshot_listener {
	const struct pb_listener_config *config;	/* borrowed */
	struct pb_tls_context *tls;	/* shared; NULL: no certificate */
	/* What it offers to everybody; and to whom a certificate names. */
	char mechanisms[PB_SNAPSHOT_MECHANISMS_SIZE];
	char mechanisms_named[PB_SNAPSHOT_MECHANISMS_SIZE];
};

struct pb_snapshot_route {
	const struct pb_route_config *config;	/* borrowed */
	struct pb_tls_context *tls;		/* shared */
	struct pb_secret master_password;	/* own */
	struct pb_bridge_options bridge;
};

struct pb_snapshot {
	/* holders: the server, each worker, each session, each inquiry */
	_Atomic unsigned refs;
	struct pb_config *config;		/* shared */
	struct pb_snapshot_listener *listeners;	/* own; as in config */
	struct pb_snapshot_route *routes;	/* own; as in config */
	struct pb_accounts *accounts;		/* shared; NULL: none */
	struct pb_bridge_options bridge;	/* before a route is known */
	struct pb_budget readahead;		/* of all its sessions */
};

/*
 * Takes a reference of config.  Reads files, so not on a loop.  PB_OK,
 * PB_EINVAL (*err says what cannot be loaded), PB_ENOMEM.
 */
enum pb_status pb_snapshot_new(struct pb_config *config,
			       struct pb_snapshot **snapshot,
			       struct pb_error *err) PB_MUST_CHECK;
struct pb_snapshot *pb_snapshot_ref(struct pb_snapshot *snapshot);
void pb_snapshot_unref(struct pb_snapshot **snapshot);

/* New keys for the tickets of all listeners. */
void pb_snapshot_rotate_tickets(struct pb_snapshot *snapshot);

#endif
