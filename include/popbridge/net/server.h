#ifndef PB_NET_SERVER_H
#define PB_NET_SERVER_H

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/service/config.h"

/*
 * The service as a whole: listeners, workers, signals.
 *
 * SIGTERM and SIGINT end it: no more clients, commands and commits under way
 * get the time that the configuration gives them; a second signal ends it at
 * once.  SIGHUP asks for another configuration.
 */

struct pb_server_hooks {
	/*
	 * A configuration read anew, or NULL when it cannot be used and that
	 * has been said.  Called on the server's own thread, which serves no
	 * client.  The reference becomes the server's.
	 */
	struct pb_config *(*reload)(void *ctx);
	/*
	 * Every listener is bound, the files of the configuration are read,
	 * and there is no other thread yet: the time to give up rights.  PB_OK
	 * to go on, else *err says why not.
	 */
	enum pb_status (*confine)(void *ctx, const struct pb_config *config,
				  struct pb_error *err);
	void *ctx;		/* borrowed */
};

/*
 * Serve until a signal ends it.
 *
 * PB_OK      a clean end.
 * PB_EIO     a listener could not be bound, the ports file not written, or
 *            rights not be given up; *err says which.
 * PB_EINVAL  a file, or a user, that the configuration names cannot be used; as
 *            above.
 * PB_ENOMEM
 */
enum pb_status pb_server_run(struct pb_config *config,
			     const struct pb_server_hooks *hooks,
			     struct pb_error *err) PB_MUST_CHECK;

#endif
