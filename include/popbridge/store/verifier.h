#ifndef PB_STORE_VERIFIER_H
#define PB_STORE_VERIFIER_H

#include <stdbool.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * What a password is known by: yescrypt, by libcrypt.  Both calls take some
 * 50 ms and 16 MB, so that a stolen file is slow to guess from; any number of
 * threads may be in them.
 */

/* A verifier and its NUL; libcrypt's longest (CRYPT_OUTPUT_SIZE). */
#define PB_VERIFIER_SIZE 384

/* libcrypt takes 511 octets. */
#define PB_VERIFIER_SECRET_MAX 511

/*
 * PB_OK, PB_EINVAL (the password is empty, too long or has a NUL), PB_ENOMEM,
 * PB_EIO (libcrypt cannot, or there is no randomness).
 */
enum pb_status pb_verifier_make(struct pb_slice password,
				char out[PB_VERIFIER_SIZE]) PB_MUST_CHECK;

/*
 * Compare in constant time.  An empty verifier is nobody's: it takes the time
 * of any other, and no password fits.
 *
 * PB_OK, PB_EINVAL (another password), PB_ENOMEM, PB_EIO (the verifier is
 * damaged).
 */
enum pb_status pb_verifier_check(const char *verifier,
				 struct pb_slice password) PB_MUST_CHECK;

/* Tests only: how many passwords this process has hashed. */
unsigned long pb_verifier_count(void);

#endif
