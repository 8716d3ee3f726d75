#ifndef PB_STORE_KEYRING_H
#define PB_STORE_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Secrets that must be had back, sealed by AES-256-GCM (NIST SP 800-38D) with
 * keys from a file: 64 hexadecimal digits a line, the newest key first.  The
 * first one seals, any of them opens.
 *
 *	sealed = version, id of the key, nonce, ciphertext, tag
 *
 * A key is named by a digest of it.  What is sealed is bound to a place (an
 * account and a column), and opens at that place only.
 */

#define PB_KEY_SIZE 32
#define PB_KEY_ID_SIZE 8

/* One is in use, one is being replaced; the rest is for broken rotations. */
#define PB_KEYRING_MAX 16

struct pb_key {
	uint8_t id[PB_KEY_ID_SIZE];
	uint8_t key[PB_KEY_SIZE];
};

struct pb_keyring {
	struct pb_key keys[PB_KEYRING_MAX];
	size_t n;
};

/* What sealing adds to a secret. */
#define PB_SEAL_EXTRA (1 + PB_KEY_ID_SIZE + 12 + 16)
/* Longest secret that is sealed; passwords and tokens are shorter. */
#define PB_SEAL_MAX 4096

/* Where a sealed secret belongs. */
struct pb_seal_place {
	struct pb_slice account;
	const char *column;
};

/*
 * Read a file of keys.  Others than its owner and its group may not read it
 * (the group, because systemd hands a credential out like that).
 *
 * PB_OK; PB_EOF (there is no such file); PB_EINVAL (others can read it, or it
 * has no keys, or what is no key), PB_EIO.  The ring is empty unless PB_OK.
 * *err says what is wrong, and never quotes the file.
 */
enum pb_status pb_keyring_read(struct pb_keyring *ring, const char *file,
			       struct pb_error *err) PB_MUST_CHECK;

/*
 * Replace the file, or make it: by a new one that is renamed, of mode 0600 or
 * as the old one was, with its owner.  When it returns, it is on the disk.
 *
 * PB_OK, PB_EIO (the old file is untouched).
 */
enum pb_status pb_keyring_write(const struct pb_keyring *ring,
				const char *file,
				struct pb_error *err) PB_MUST_CHECK;

/* Put a new random key in front.  PB_OK, PB_ETOOBIG (full), PB_EIO. */
enum pb_status pb_keyring_renew(struct pb_keyring *ring) PB_MUST_CHECK;

/* Wipe. */
void pb_keyring_clear(struct pb_keyring *ring);

/* The key of this id, or NULL. */
const struct pb_key *pb_keyring_find(const struct pb_keyring *ring,
				     const uint8_t id[PB_KEY_ID_SIZE]);

/*
 * Seal with the first key, which must be there, into secret.len +
 * PB_SEAL_EXTRA octets.
 *
 * PB_OK, PB_ETOOBIG (over PB_SEAL_MAX), PB_EIO (no randomness, or OpenSSL
 * cannot).
 */
enum pb_status pb_seal(const struct pb_keyring *ring,
		       const struct pb_seal_place *place,
		       struct pb_slice secret, uint8_t *out) PB_MUST_CHECK;

/*
 * PB_OK; PB_AGAIN (there is no key of that id); PB_EINVAL (changed since, or
 * from another place, or nothing that was sealed); PB_ENOMEM; PB_EIO.
 * *secret is empty unless PB_OK.
 */
enum pb_status pb_unseal(const struct pb_keyring *ring,
			 const struct pb_seal_place *place,
			 struct pb_slice sealed,
			 struct pb_secret *secret) PB_MUST_CHECK;

/* The id of the key that sealed it.  PB_OK, PB_EINVAL. */
enum pb_status pb_seal_key(struct pb_slice sealed,
			   uint8_t id[PB_KEY_ID_SIZE]) PB_MUST_CHECK;

#endif
