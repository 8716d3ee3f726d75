#ifndef PB_BASE_SECRET_H
#define PB_BASE_SECRET_H

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * A password or token.  It owns its memory, wipes it when it lets go, and no
 * function prints it: pb_secret_reveal is the one way out, so that every use
 * can be found by name.
 */
struct pb_secret {
	char *priv_data;	/* own; NULL when empty; ends in NUL */
	size_t priv_len;
};

/* Replace what it held by a copy.  PB_OK, PB_ENOMEM (it is empty then). */
enum pb_status pb_secret_set(struct pb_secret *s,
			     struct pb_slice value) PB_MUST_CHECK;
/* Wipe and release; harmless when empty.  A zeroed struct is empty. */
void pb_secret_clear(struct pb_secret *s);
/* Move from one owner to the next; `from` is empty afterwards. */
void pb_secret_move(struct pb_secret *to, struct pb_secret *from);
/* Valid until the secret changes; data[len] is NUL. */
struct pb_slice pb_secret_reveal(const struct pb_secret *s);

#endif
