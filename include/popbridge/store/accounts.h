#ifndef PB_STORE_ACCOUNTS_H
#define PB_STORE_ACCOUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The accounts that popbridge has itself: device passwords, and whom each is
 * at the IMAP server.  An SQLite file; store/manage.h changes it.
 *
 * Every call blocks, a check of a password for some 50 ms: they are for
 * libuv's thread pool, never for a loop.  Any number of threads may be in
 * them with the same object.  Nothing is cached: what another process changes
 * counts from the next call on.
 *
 * Names are compared octet by octet, but for the case of ASCII letters, as
 * users expect it of names of mail.  A name has no control characters.
 */

#define PB_ACCOUNT_NAME_MAX 255

enum pb_account_proof {
	PB_ACCOUNT_PASSWORD,	/* secret is the password */
	PB_ACCOUNT_CRAM_MD5,	/* RFC 2195: secret is the digest in hex, over
				   challenge */
	PB_ACCOUNT_APOP,	/* RFC 1939, section 7: the same, over the
				   time stamp in challenge */
	PB_ACCOUNT_PROVEN,	/* SCRAM or a client certificate has proven it
				   already; only look whether it may come in */
};

/* All borrowed for the call. */
struct pb_account_claim {
	struct pb_slice user;
	enum pb_account_proof proof;
	struct pb_slice secret;
	struct pb_slice challenge;
	const char *listener;	/* its name */
	uint8_t address[16];	/* of the client; IPv4 as ::ffff:a.b.c.d */
};

/* Who the account is at the IMAP server. */
struct pb_account_grant {
	struct pb_secret user;		/* own */
	struct pb_secret password;	/* own; empty: the route's master user
					   has to do */
};

/* SCRAM-SHA-256 (RFC 5802, RFC 7677). */
struct pb_account_keys {
	unsigned iterations;
	uint8_t salt[16];
	size_t salt_len;
	uint8_t stored_key[32];
	uint8_t server_key[32];
};

struct pb_accounts;

/*
 * Open the file, or make it with mode 0600 when there is none.  The caller
 * owns the one reference of *accounts.  Without key_file (NULL) accounts with
 * a credential for the IMAP server cannot be used, and those with CRAM-MD5 and
 * APOP not by these; it is read again when it is changed.
 *
 * PB_OK, PB_EINVAL (it is no file of accounts, or of a newer popbridge, or
 * others can read the keys), PB_EIO, PB_ENOMEM; *accounts is untouched but for
 * PB_OK.
 */
enum pb_status pb_accounts_open(const char *file, const char *key_file,
				struct pb_accounts **accounts,
				struct pb_error *err) PB_MUST_CHECK;

/* From any thread. */
struct pb_accounts *pb_accounts_ref(struct pb_accounts *accounts);
/* Nulls *accounts; the last one closes it.  NULL is harmless. */
void pb_accounts_unref(struct pb_accounts **accounts);

/* Wipe and release; harmless when empty, as a zeroed one is. */
void pb_account_grant_clear(struct pb_account_grant *grant);

/*
 * Whether the claim is true, and whom it then makes the client.  An unknown
 * name, and one that may not come in, take as long as a wrong secret.
 *
 * PB_OK      *grant is filled; what it held is released.
 * PB_EINVAL  not this one: unknown, wrong secret, disabled, wrong network or
 *            listener, no such proof for this account.  *err says which, for
 *            the log only; its kind is PB_ERROR_AUTH.
 * PB_EIO     the file cannot be read (PB_ERROR_TEMPORARY), or no key opens
 *            what is sealed in it (PB_ERROR_PERMANENT).
 * PB_ENOMEM  PB_ERROR_INTERNAL.
 *
 * *grant is empty unless PB_OK.
 */
enum pb_status pb_accounts_check(struct pb_accounts *accounts,
				 const struct pb_account_claim *claim,
				 struct pb_account_grant *grant,
				 struct pb_error *err) PB_MUST_CHECK;

/*
 * The keys for SCRAM.  An account that is unknown, disabled, or has no keys
 * gets made-up ones, always the same for a name, that no proof fits.
 *
 * PB_OK, PB_EIO, PB_ENOMEM, as above.
 */
enum pb_status pb_accounts_keys(struct pb_accounts *accounts,
				struct pb_slice user,
				struct pb_account_keys *keys,
				struct pb_error *err) PB_MUST_CHECK;

#endif
