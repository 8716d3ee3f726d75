#ifndef PB_NET_SANDBOX_H
#define PB_NET_SANDBOX_H

#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/service/config.h"

/*
 * What is left to somebody who has taken over the process: the system calls
 * that serving needs (seccomp), and the files that the configuration names
 * (Landlock).  There is no way out of it, also for threads to come.
 */

/*
 * Go in.  For a process with one thread, whose listeners are bound: no other
 * port can be.  `file` is the configuration's, or NULL.  The log is told, in
 * one record, what the kernel has of it.
 *
 * Files in the folders of those that the configuration names stay readable,
 * so that they can be replaced; the state directory, and the folders of the
 * accounts and of the ports file, stay writable.  What the process may not
 * read as its user (files that only root can read) is told, too: it would be
 * missed at the next reload.
 *
 * PB_OK   also when the kernel has less, with PB_SANDBOX_TRY.
 * PB_EIO  it has less, with PB_SANDBOX_YES; *err says what is missing.
 */
enum pb_status pb_sandbox_enter(const struct pb_config *config,
				const char *file,
				struct pb_error *err) PB_MUST_CHECK;

/*
 * What an administrator should know of a file that cannot be read, for the
 * reason in `why`; without data when this has nothing to do with it.  Static.
 */
struct pb_slice pb_sandbox_hint(const char *why);

#endif
