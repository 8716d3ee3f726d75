#ifndef PB_SERVICE_UPSTREAMS_H
#define PB_SERVICE_UPSTREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"

/*
 * Mercy with accounts at IMAP servers, for all loops of the process: how many
 * connections each has, those that are kept without a session included; who
 * waits for one; and which account is to be left alone for a while, because its
 * server has asked for less.
 *
 * Every function may be called from any thread; none waits for anything but a
 * short mutex.  Time is an argument, in milliseconds of one steady clock.
 */

#define PB_UPSTREAMS_KEY 32

/* What an account is known by: a digest of its server and its user. */
struct pb_upstreams_key {
	uint8_t octets[PB_UPSTREAMS_KEY];
};

/*
 * A server that asks for less is left alone for 1 s; when it asks again after
 * that, for 2 s, 4 s ...  Providers count in minutes, so more than five would
 * gain nothing.
 */
#define PB_UPSTREAMS_DELAY_MS 1000
#define PB_UPSTREAMS_DELAY_MAX_MS (300 * 1000)
/* Quiet for so long after a delay, it is told the first delay again. */
#define PB_UPSTREAMS_FORGET_MS (10 * 60 * 1000)
/*
 * Accounts without a connection whose delays are known; the one that is longest
 * without one goes.
 */
#define PB_UPSTREAMS_RESTING_MAX 16384

struct pb_upstreams;

/* NULL: no memory. */
struct pb_upstreams *pb_upstreams_new(void) PB_MUST_CHECK;
/* No thread uses it any more. */
void pb_upstreams_free(struct pb_upstreams **upstreams);

/*
 * One connection as it is counted, or one that is waited for; a zeroed one is
 * neither.  It stays where it is while it waits; once it is counted, it may be
 * copied, and one of the copies leaves.
 */
struct pb_upstreams_visit {
	struct pb_upstreams_key key;
	bool counted;
	bool waiting;
	struct pb_upstreams_visit *prev;	/* the others that wait */
	struct pb_upstreams_visit *next;
};

enum pb_upstreams_turn {
	PB_UPSTREAMS_GO,
	PB_UPSTREAMS_FULL,	/* it waits; ask again a little later */
	PB_UPSTREAMS_LATER,	/* the account is left alone */
	PB_UPSTREAMS_NO_MEMORY,
};

/*
 * Whether it is this visit's turn to look for a kept connection; *until is when
 * the account may be asked again (LATER).  Changes nothing.  FULL: others wait,
 * and came first.
 */
enum pb_upstreams_turn pb_upstreams_look(struct pb_upstreams *upstreams,
					 const struct pb_upstreams_visit *visit,
					 const struct pb_upstreams_key *key,
					 uint64_t now,
					 uint64_t *until) PB_MUST_CHECK;
/*
 * Count another connection, of which the account may have `max`.  GO: it is
 * counted.  FULL: it waits behind those that came first, until it is called
 * again with success, or leaves.  LATER, as above, and NO_MEMORY: neither.
 */
enum pb_upstreams_turn pb_upstreams_enter(struct pb_upstreams *upstreams,
					  struct pb_upstreams_visit *visit,
					  const struct pb_upstreams_key *key,
					  size_t max, uint64_t now,
					  uint64_t *until) PB_MUST_CHECK;
/* It is closed, or waits no longer.  The second time changes nothing. */
void pb_upstreams_leave(struct pb_upstreams *upstreams,
			struct pb_upstreams_visit *visit, uint64_t now);

/*
 * The server asks for less of this account.  For how many ms it is left alone
 * from now; 0: it is already (or there is no memory to remember it).
 */
uint64_t pb_upstreams_throttled(struct pb_upstreams *upstreams,
				const struct pb_upstreams_key *key,
				uint64_t now);
/*
 * A session that began at `since` was served to its end.  If the server has not
 * asked for less since then, the next delay is the first again.
 */
void pb_upstreams_well(struct pb_upstreams *upstreams,
		       const struct pb_upstreams_key *key, uint64_t since);

struct pb_upstreams_counts {
	size_t accounts;	/* known for whatever reason */
	size_t connections;
	size_t waiting;
};

struct pb_upstreams_counts pb_upstreams_counts(struct pb_upstreams *upstreams);

#endif
