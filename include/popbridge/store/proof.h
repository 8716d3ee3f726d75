#ifndef PB_STORE_PROOF_H
#define PB_STORE_PROOF_H

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/store/accounts.h"

/* The arithmetic of the proofs that are no password.  All of it is pure. */

/*
 * Rounds of PBKDF2 for new keys.  RFC 7677, section 4, asks for 4096 at least;
 * the client pays for them at each login, and ours are small devices.
 */
#define PB_SCRAM_ITERATIONS 8192

/* The secret that made-up keys are made with. */
#define PB_SCRAM_SECRET_SIZE 32

/*
 * Fill stored_key and server_key for the password; the other fields say how
 * (RFC 5802, section 3).
 *
 * PB_OK, PB_EINVAL (SASLprep refuses the password, so that SCRAM cannot be
 * had with it), PB_ENOMEM, PB_EIO (OpenSSL cannot).
 */
enum pb_status pb_scram_derive(struct pb_slice password,
			       struct pb_account_keys *keys) PB_MUST_CHECK;

/*
 * The keys of a name that has none: the same each time, and as good as random
 * for who does not know the secret.
 *
 * PB_OK, PB_EIO.
 */
enum pb_status pb_scram_invent(const uint8_t secret[PB_SCRAM_SECRET_SIZE],
			       struct pb_slice name,
			       struct pb_account_keys *keys) PB_MUST_CHECK;

/*
 * Whether `claimed`, in hexadecimal digits of either case, is the keyed MD5
 * of CRAM-MD5 (RFC 2195), or the MD5 of APOP (RFC 1939, section 7).
 * In constant time.
 *
 * PB_OK, PB_EINVAL (it is not), PB_EIO (OpenSSL cannot).
 */
enum pb_status pb_proof_cram_md5(struct pb_slice password,
				 struct pb_slice challenge,
				 struct pb_slice claimed) PB_MUST_CHECK;
enum pb_status pb_proof_apop(struct pb_slice password,
			     struct pb_slice challenge,
			     struct pb_slice claimed) PB_MUST_CHECK;

#endif
