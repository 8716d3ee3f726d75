#ifndef PB_SERVICE_LIMITS_H
#define PB_SERVICE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Who may knock, for all loops of the process: how many connections there are,
 * from where and whose, how long the answer to a wrong password is held back,
 * and which credentials the IMAP server has refused a moment ago.
 *
 * Every function may be called from any thread; none waits for anything but a
 * short mutex.  Time is an argument, in milliseconds of one steady clock; that
 * threads see it a little apart does no harm.  All tables are bounded.
 */

/*
 * A failed login is answered at once: it may be a slip, and the client should
 * ask its user.  The next one waits for 1 s, then 2 s, 4 s, 8 s.  Networks and
 * users are each counted by themselves, so it slows who guesses many users'
 * passwords from one address, and who guesses one user's from many.
 *
 * Only a refusal is ever held back: however long a guesser has made a user's
 * delay, the right password is answered at once.  And a right password
 * shortens no delay: else the user's own mail program, as it looks for mail
 * every few minutes, would give the guesser a fresh start each time.
 */
#define PB_LIMITS_DELAY_SECOND_MS 1000
#define PB_LIMITS_DELAY_MAX_MS 15000
/* Without a failure for so long, each starts again at the first. */
#define PB_LIMITS_DELAY_FORGET_MS (10 * 60 * 1000)
/*
 * Networks, and users, whose failures are known; the one that is longest quiet
 * goes.  Each kind has so many places of its own: who invents user names makes
 * no network forgotten.
 */
#define PB_LIMITS_FAILURES_MAX 16384

/* A credential that was refused is not tried again so soon. */
#define PB_LIMITS_REFUSED_MS (60 * 1000)
/* Refused credentials that are known; the oldest one goes. */
#define PB_LIMITS_REFUSED_MAX 16384

/* The same thing is said once in so long, with how often it happened. */
#define PB_LIMITS_SAY_MS (30 * 1000)

/* A client's network: its IPv4 address, or the /64 of its IPv6 address. */
struct pb_limits_network {
	uint8_t octets[9];
};

struct pb_limits_network pb_limits_ipv4(const uint8_t address[4]);
/* An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is an IPv4 address. */
struct pb_limits_network pb_limits_ipv6(const uint8_t address[16]);

#define PB_LIMITS_DIGEST 32

/*
 * A keyed hash with a key of this process's own, as the edge has it: passwords
 * are known by it and cannot be found from it.  Different parts must give
 * different digests, however they are cut.  False: no digest, no memory.
 */
struct pb_limits_hash {
	bool (*digest)(void *ctx, const struct pb_slice *parts, size_t n,
		       uint8_t out[PB_LIMITS_DIGEST]);
	void *ctx;		/* borrowed; used by all threads */
};

struct pb_limits;

/* NULL: no memory. */
struct pb_limits *pb_limits_new(const struct pb_limits_hash *hash)
    PB_MUST_CHECK;
/* No thread uses it any more. */
void pb_limits_free(struct pb_limits **limits);

/* From now on nobody is welcome, whatever the configuration allows; or again. */
void pb_limits_shut(struct pb_limits *limits, bool shut);

/* What the configuration allows at the moment. */
struct pb_limits_max {
	size_t connections;
	size_t per_network;
	size_t unauthenticated;
};

enum pb_limits_verdict {
	PB_LIMITS_WELCOME,
	PB_LIMITS_TOO_MANY,
	PB_LIMITS_TOO_MANY_OF_NETWORK,
	PB_LIMITS_TOO_MANY_UNAUTHENTICATED,
	PB_LIMITS_TOO_MANY_OF_USER,
	PB_LIMITS_NO_MEMORY,
	PB_LIMITS_MEMORY_SHORT,
};

/* For the log: which option it was. */
const char *pb_limits_verdict_name(enum pb_limits_verdict verdict);

/* One connection, as it is counted; a zeroed one is not. */
struct pb_limits_visit {
	struct pb_limits_network network;
	bool counted;
	bool authenticated;
	bool of_user;
	uint8_t user[PB_LIMITS_DIGEST];	/* of the key, when of_user */
};

/*
 * A connection has come.  *visit is filled when it is welcome.  With a
 * per_network of SIZE_MAX any number may come from there: a trusted proxy.
 */
enum pb_limits_verdict pb_limits_enter(struct pb_limits *limits,
				       const struct pb_limits_max *max,
				       const struct pb_limits_network *network,
				       struct pb_limits_visit *visit)
    PB_MUST_CHECK;
/*
 * Whose it is has turned out to be another than who opened it (PROXY header,
 * XCLIENT): count it there, where max->per_network holds.  PB_LIMITS_WELCOME;
 * PB_LIMITS_TOO_MANY_OF_NETWORK or PB_LIMITS_NO_MEMORY: it is counted where it
 * was, and has to go.
 */
enum pb_limits_verdict pb_limits_move(struct pb_limits *limits,
				      const struct pb_limits_max *max,
				      struct pb_limits_visit *visit,
				      const struct pb_limits_network *network)
    PB_MUST_CHECK;
/*
 * It logs in as this user: count it among his sessions, of which there may be
 * `max` (0: any number).  `key` is what a user is known by, route and login as
 * any octets; it is not kept.  An earlier key of the visit's is let go of in
 * any case, so the same one again is no second session.  PB_LIMITS_WELCOME;
 * PB_LIMITS_TOO_MANY_OF_USER or PB_LIMITS_NO_MEMORY: it is no user's.
 */
enum pb_limits_verdict pb_limits_login(struct pb_limits *limits,
				       struct pb_limits_visit *visit,
				       struct pb_slice key, size_t max)
    PB_MUST_CHECK;
/* It is no user's any more.  The second time changes nothing. */
void pb_limits_logout(struct pb_limits *limits, struct pb_limits_visit *visit);
/* It has shown a right password.  The second time changes nothing. */
void pb_limits_authenticated(struct pb_limits *limits,
			     struct pb_limits_visit *visit);
/* It has ended, and is no user's.  The second time changes nothing. */
void pb_limits_leave(struct pb_limits *limits, struct pb_limits_visit *visit);

enum pb_limits_topic {
	PB_LIMITS_SAY_REFUSED,		/* connections over a limit */
	PB_LIMITS_SAY_DESCRIPTORS,	/* accepting pauses */
	PB_LIMITS_TOPICS
};

/*
 * It has happened once more: how often is to be said now, this time included;
 * 0 for "said a moment ago".
 */
uint64_t pb_limits_say(struct pb_limits *limits, enum pb_limits_topic topic,
		       uint64_t now);

/*
 * A login from there as this user has failed: hold its answer back for so many
 * ms, the larger one of the network's delay and the user's.  Upper and lower
 * case of `name` are the same; an empty one is nobody's, and only the network
 * counts.
 */
uint64_t pb_limits_failed(struct pb_limits *limits,
			  const struct pb_limits_network *network,
			  struct pb_slice name, uint64_t now);

/*
 * What a credential is known by: where, who, for whom ("" for himself), and the
 * password.  False: it cannot be known.
 */
bool pb_limits_digest(const struct pb_limits *limits, struct pb_slice upstream,
		      struct pb_slice user, struct pb_slice authzid,
		      struct pb_slice password,
		      uint8_t digest[PB_LIMITS_DIGEST]) PB_MUST_CHECK;
/*
 * The server has refused it.  What is known already is not known for longer:
 * the server is asked again when its time is over, whatever was asked since.
 */
void pb_limits_remember(struct pb_limits *limits,
			const uint8_t digest[PB_LIMITS_DIGEST], uint64_t now);
bool pb_limits_is_refused(struct pb_limits *limits,
			  const uint8_t digest[PB_LIMITS_DIGEST],
			  uint64_t now) PB_MUST_CHECK;

struct pb_limits_counts {
	size_t connections;
	size_t unauthenticated;
	size_t networks;	/* that have connections */
	size_t users;		/* that have sessions */
	size_t failures;	/* networks whose failures are known */
	size_t user_failures;	/* users whose failures are known */
	size_t refused;		/* credentials that are known */
};

struct pb_limits_counts pb_limits_counts(struct pb_limits *limits);

#endif
