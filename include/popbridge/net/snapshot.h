#ifndef PB_NET_SNAPSHOT_H
#define PB_NET_SNAPSHOT_H

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/bridge/bridge.h"
#include "popbridge/net/tls.h"
#include "popbridge/service/config.h"

/*
 * A configuration with all that had to be loaded for it: immutable, counted,
 * exchanged as a whole by a reload.  Sessions keep the one they began with.
 */
struct pb_snapshot {
	/* holders: the server, each worker, each session */
	_Atomic unsigned refs;
	struct pb_config *config;		/* shared */
	struct pb_tls_context *upstream_tls;	/* shared */
	struct pb_tls_context *client_tls;	/* shared; NULL: no certificate */
	struct pb_bridge_options bridge;
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

#endif
