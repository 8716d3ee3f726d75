#ifndef PB_NET_POOL_H
#define PB_NET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"
#include "popbridge/imap/client.h"
#include "popbridge/net/tls.h"
#include "popbridge/service/limits.h"
#include "popbridge/service/upstreams.h"
#include "popbridge/service/url.h"

/*
 * Connections to IMAP servers that wait, logged in, for the next session of the
 * same user, for all loops of the process.  Every function may be called from
 * any thread.  net/upstream.h takes them out of a loop and into one.
 *
 * Only the very credential that the server itself has verified on a connection
 * may use it, and not for long: a password that was changed, or an account that
 * was locked, must count soon.  So what is kept is known by a keyed hash of the
 * credential, and whoever shows another one goes to the server.
 *
 * Nothing is said on a connection that waits: no server may log out before 30
 * minutes (RFC 3501, section 5.4), none waits as long as that, and TCP asks
 * whether the peer still lives.
 */

/*
 * A password that the server has verified counts for so long on the connection
 * where it was, however often that is taken up.
 */
#define PB_POOL_VERIFIED_MS (30 * 60 * 1000)

/* Who looks one after the other is served by one; two devices, by two. */
#define PB_POOL_PER_ACCOUNT 2

/* Whose connection it is, and who may use it. */
struct pb_pool_identity {
	struct pb_upstreams_key account;
	uint8_t credential[PB_LIMITS_DIGEST];
	enum pb_imap_auth auth;
	/*
	 * What the server's certificate was, or would have to be, verified by:
	 * another configuration has another one.  Borrowed.
	 */
	const struct pb_tls_context *trust;
};

/* A connection that has no loop.  A zeroed one, but for fd = -1, is none. */
struct pb_pool_connection {
	int fd;				/* own; does not block */
	struct pb_tls *tls;		/* own; NULL in the clear */
	struct pb_tls_context *trust;	/* shared */
	struct pb_imap_client imap;	/* own; at rest */
	struct pb_url url;
	char domain[256];		/* it was discovered for it, or "" */
	uint64_t verified_at;		/* the password, by the server */
	struct pb_upstreams_visit visit;	/* counted, or zero */
};

/* How many may wait, and how long. */
struct pb_pool_terms {
	size_t max;			/* of all accounts together */
	size_t max_of_account;
	uint64_t keep_ms;		/* 0: not at all */
};

struct pb_pool;

/* `upstreams` counts the connections; borrowed.  NULL: no memory. */
struct pb_pool *pb_pool_new(struct pb_upstreams *upstreams) PB_MUST_CHECK;
/* No thread uses it any more; what waits is closed. */
void pb_pool_free(struct pb_pool **pool);

/*
 * Keep it; *connection is the pool's in any case, and zeroed.  Where there are
 * too many, the one that has waited longest is closed: of this account, or of
 * all.
 */
void pb_pool_put(struct pb_pool *pool, const struct pb_pool_identity *identity,
		 struct pb_pool_connection *connection,
		 const struct pb_pool_terms *terms, uint64_t now);
/*
 * The one that came last of those that this identity may use and that are
 * alive, to one of these servers.  False: there is none.
 */
bool pb_pool_take(struct pb_pool *pool,
		  const struct pb_pool_identity *identity,
		  const struct pb_url *servers, size_t n_servers,
		  const char *domain, struct pb_pool_connection *connection,
		  uint64_t now) PB_MUST_CHECK;

/*
 * The server has taken this credential: others of the account do not count, but
 * for those that take turns with it (service/rivals.h).
 */
void pb_pool_verified(struct pb_pool *pool,
		      const struct pb_pool_identity *identity, uint64_t now);
/* The server has refused it: it does not count any more. */
void pb_pool_refused(struct pb_pool *pool,
		     const struct pb_pool_identity *identity, uint64_t now);
/* Close one of the account's that this identity may not use.  False: none. */
bool pb_pool_make_room(struct pb_pool *pool,
		       const struct pb_pool_identity *identity,
		       uint64_t now);

/* Close those whose time is over; somebody has to call it now and then. */
#define PB_POOL_EXPIRE_MS 1000
void pb_pool_expire(struct pb_pool *pool, uint64_t now);
/* Close all: the configuration, or a file that it names, is another. */
void pb_pool_clear(struct pb_pool *pool, uint64_t now);
/* Close all, and keep none from now on. */
void pb_pool_shut(struct pb_pool *pool, uint64_t now);

size_t pb_pool_count(struct pb_pool *pool);

/* Say LOGOUT, as far as that can be done at once, and close it. */
void pb_pool_close(struct pb_pool *pool,
		   struct pb_pool_connection *connection, uint64_t now);

#endif
