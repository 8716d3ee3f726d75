#ifndef PB_STORE_FILES_H
#define PB_STORE_FILES_H

#include <stddef.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/* Files that only their owner may see. */

/* The name of a file in a folder: the caller's.  NULL: no memory. */
char *pb_file_in(const char *folder, const char *name);

/*
 * Read all of it, which must be less than size.
 *
 * PB_OK, PB_EOF (there is none), PB_EINVAL (others can read it, or change it,
 * it is too large, or no file), PB_EIO.
 */
enum pb_status pb_file_read_private(const char *file, char *out, size_t size,
				    size_t *len,
				    struct pb_error *err) PB_MUST_CHECK;

/*
 * Put the text in the place of the file, at once or not at all, with the owner
 * and the mode of the one that was there (0600, and the owner of the folder,
 * when there was none).
 *
 * PB_OK (it is on the disk), PB_EIO.
 */
enum pb_status pb_file_replace(const char *file, struct pb_slice text,
			       struct pb_error *err) PB_MUST_CHECK;

/*
 * Make an empty file of mode 0600 when there is none.  It belongs to the
 * owner of its folder when root makes it, so that root may make what a service
 * is to use.
 *
 * PB_OK, PB_EIO.
 */
enum pb_status pb_file_make_private(const char *file,
				    struct pb_error *err) PB_MUST_CHECK;

/*
 * Lock a folder, for one caller in one process: closing the descriptor lets go.
 * Whoever waits for some seconds goes on without it, as on file systems that
 * have no locks.
 *
 * -1: it cannot be opened.
 */
int pb_file_lock_folder(const char *folder);

#endif
