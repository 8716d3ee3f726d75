#ifndef PB_SERVICE_RIVALS_H
#define PB_SERVICE_RIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/service/limits.h"
#include "popbridge/service/upstreams.h"

/*
 * Which credentials of an account are good beside each other.  When a server
 * takes another one than before, either the password was changed, and the old
 * one does not count any more, or the user has several (app passwords, one for
 * each device).  Nobody says which; it shows when they take turns: each of two
 * has come back, and was taken again, after the other had been.  One of them is
 * not enough: a thief may have changed a password that the user has then
 * changed back.
 *
 * Not for several threads at a time; the owner has a mutex.  Time is an
 * argument, in milliseconds of one steady clock.
 */

/* Of one account; when there are more, the one that is longest unseen goes. */
#define PB_RIVALS_CREDENTIALS 8
/* Accounts, some 400 octets each; the one that is longest unseen goes. */
#define PB_RIVALS_ACCOUNTS_MAX 4096
/* Devices that look once a day are told apart anew: that costs some logins. */
#define PB_RIVALS_FORGET_MS (UINT64_C(24) * 60 * 60 * 1000)

struct pb_rivals;

/* NULL: no memory. */
struct pb_rivals *pb_rivals_new(void) PB_MUST_CHECK;
void pb_rivals_free(struct pb_rivals **rivals);

/*
 * The server has taken this credential.  An account that is not known becomes so
 * only if it is `contested`: there was another credential a moment ago.
 */
void pb_rivals_taken(struct pb_rivals *rivals,
		     const struct pb_upstreams_key *account,
		     const uint8_t credential[PB_LIMITS_DIGEST],
		     bool contested, uint64_t now);
/* The server has refused it: whatever it has shown before does not count. */
void pb_rivals_refused(struct pb_rivals *rivals,
		       const struct pb_upstreams_key *account,
		       const uint8_t credential[PB_LIMITS_DIGEST]);
/* That the server takes one of the two says nothing against the other. */
bool pb_rivals_coexist(const struct pb_rivals *rivals,
		       const struct pb_upstreams_key *account,
		       const uint8_t one[PB_LIMITS_DIGEST],
		       const uint8_t other[PB_LIMITS_DIGEST]);

/* Accounts that are known. */
size_t pb_rivals_count(const struct pb_rivals *rivals);

#endif
