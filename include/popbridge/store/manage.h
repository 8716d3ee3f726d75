#ifndef PB_STORE_MANAGE_H
#define PB_STORE_MANAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/network.h"
#include "popbridge/store/accounts.h"

/*
 * What an administrator does with the accounts.  Each call is one transaction:
 * it is done as a whole or not at all, and counts from the next login on.
 *
 * All return PB_OK, PB_EINVAL (it cannot be done like this; nothing changed),
 * PB_EIO or PB_ENOMEM, and *err says what is wrong.
 */

/* Octets of a label; a line of a terminal. */
#define PB_ACCOUNT_LABEL_MAX 80
/* As many as somebody may want to list, and as a login looks through. */
#define PB_ACCOUNT_NETWORKS_MAX 32
#define PB_ACCOUNT_LISTENERS_MAX 16
/* The name of a listener, and its NUL. */
#define PB_ACCOUNT_LISTENER_SIZE 64

/* What may be shown of an account; no secret is in it. */
struct pb_account {
	char name[PB_ACCOUNT_NAME_MAX + 1];
	char label[PB_ACCOUNT_LABEL_MAX + 1];
	char upstream_user[PB_ACCOUNT_NAME_MAX + 1];
	bool enabled;
	struct pb_network networks[PB_ACCOUNT_NETWORKS_MAX];	/* none: all */
	size_t n_networks;
	char listeners[PB_ACCOUNT_LISTENERS_MAX][PB_ACCOUNT_LISTENER_SIZE];
	size_t n_listeners;					/* 0: all */
	/* What there is; for pb_account_add they say nothing. */
	bool has_password;
	bool has_scram;
	bool is_recoverable;
	bool has_upstream_password;
};

/* What is to be set; where data is NULL, nothing is. */
struct pb_account_secrets {
	struct pb_slice password;
	/* Seal the password, too, for CRAM-MD5 and APOP. */
	bool recoverable;
	struct pb_slice upstream_password;
};

/*
 * Add an account: name, label, upstream_user, enabled, networks and listeners
 * of it.  *scram says whether the password is one that SCRAM can be had with;
 * it is false without a password.
 */
enum pb_status pb_account_add(struct pb_accounts *accounts,
			      const struct pb_account *account,
			      const struct pb_account_secrets *secrets,
			      bool *scram,
			      struct pb_error *err) PB_MUST_CHECK;

/*
 * Set what is given of the secrets.  A password that was recoverable stays
 * so.
 */
enum pb_status pb_account_set_secrets(struct pb_accounts *accounts,
				      struct pb_slice name,
				      const struct pb_account_secrets *secrets,
				      bool *scram,
				      struct pb_error *err) PB_MUST_CHECK;

enum pb_status pb_account_enable(struct pb_accounts *accounts,
				 struct pb_slice name, bool enabled,
				 struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_account_remove(struct pb_accounts *accounts,
				 struct pb_slice name,
				 struct pb_error *err) PB_MUST_CHECK;

enum pb_status pb_account_get(struct pb_accounts *accounts,
			      struct pb_slice name,
			      struct pb_account *account,
			      struct pb_error *err) PB_MUST_CHECK;
/*
 * All, sorted by name.  `each` is called before it returns, must not call back,
 * and must not keep what it is shown.
 */
enum pb_status pb_account_list(struct pb_accounts *accounts,
			       void (*each)(void *ctx,
					    const struct pb_account *account),
			       void *ctx, struct pb_error *err) PB_MUST_CHECK;

/*
 * Put a new key in front of the key file that the accounts were opened with
 * (or make the file, see pb_accounts_open_to_rotate), seal everything with it,
 * and drop the keys that nothing is sealed with any more.  *sealed is how many
 * secrets there were.
 */
enum pb_status pb_account_rotate_key(struct pb_accounts *accounts,
				     size_t *sealed,
				     struct pb_error *err) PB_MUST_CHECK;

/* As pb_accounts_open, but the key file need not be there yet. */
enum pb_status pb_accounts_open_to_rotate(const char *file,
					  const char *key_file,
					  struct pb_accounts **accounts,
					  struct pb_error *err) PB_MUST_CHECK;

#endif
