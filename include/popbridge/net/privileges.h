#ifndef PB_NET_PRIVILEGES_H
#define PB_NET_PRIVILEGES_H

#include <stdbool.h>

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"

/*
 * What a process gives away of the rights that it was started with.  All of
 * it is for a process with one thread.
 */

/*
 * From here on no core is dumped, nobody but root can look into the process,
 * and files that it makes are its user's own.  For every program that may get
 * to know a secret, before it does.
 */
void pb_privileges_guard(void);

/*
 * Whether there is this user, and this group; user NULL: it stays who it is,
 * group NULL: the user's own.  PB_OK, PB_EINVAL (*err says what is wrong).
 */
enum pb_status pb_privileges_judge(const char *user, const char *group,
				   struct pb_error *err) PB_MUST_CHECK;

/*
 * Become that user for good, with the groups that it has.  Root can; somebody
 * else can only be that user already.
 *
 * PB_OK
 * PB_EINVAL  there is no such user or group, it is root, or the process is
 *            not root's; *err says which.
 * PB_EIO     the system refuses, or there was a way back; as above.
 */
enum pb_status pb_privileges_drop(const char *user, const char *group,
				  struct pb_error *err) PB_MUST_CHECK;

/*
 * The last step: no program that it could start gets rights that it has not,
 * and capabilities, of which a user other than root may have some, are gone.
 * core_dumps: cores may be dumped again.
 */
void pb_privileges_seal(bool core_dumps);

#endif
