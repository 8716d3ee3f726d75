#ifndef PB_NET_UPSTREAM_H
#define PB_NET_UPSTREAM_H

#include <stdbool.h>
#include <uv.h>

#include "popbridge/base/error.h"
#include "popbridge/imap/client.h"
#include "popbridge/net/pool.h"
#include "popbridge/net/stream.h"
#include "popbridge/net/tls.h"
#include "popbridge/service/url.h"

/*
 * One connection to an IMAP server: the name is resolved off the loop, every
 * address is tried, TLS is set up where the URL says so.
 *
 * Level-triggered like a stream: `ready` says "look".  pb_upstream_leave ends
 * the owner's interest: nothing is called back after it, what is in imap.out
 * is still sent, and the object closes and frees itself.
 */

enum pb_upstream_state {
	PB_UPSTREAM_RESOLVING,
	PB_UPSTREAM_CONNECTING,
	PB_UPSTREAM_HANDSHAKE,
	PB_UPSTREAM_OPEN,
	PB_UPSTREAM_FAILED,	/* error says why */
};

/* What every upstream of a loop uses. */
struct pb_upstream_loop {
	uv_loop_t *uv;
	char *scratch;		/* PB_STREAM_READ_SIZE octets */
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
};

struct pb_upstream;

/*
 * Begin.  `domain` is NULL, or the domain that the server was discovered for,
 * whose name its certificate may carry.  `ready` comes when the state has changed and when octets have come
 * or gone, from the loop and never from inside this call.  NULL: no memory.
 */
struct pb_upstream *pb_upstream_open(const struct pb_upstream_loop *loop,
				     const struct pb_url *url,
				     const char *domain,
				     struct pb_tls_context *tls,
				     uint64_t attempt_ms,
				     void (*ready)(void *owner), void *owner);

enum pb_upstream_state pb_upstream_state(const struct pb_upstream *u);
const struct pb_error *pb_upstream_error(const struct pb_upstream *u);
struct pb_imap_client *pb_upstream_imap(struct pb_upstream *u);
/* Once it is OPEN; what it is read from and written to. */
struct pb_stream *pb_upstream_stream(struct pb_upstream *u);
/*
 * Sends what the IMAP client has to say.  False when the connection turns out
 * to be lost by that: it is FAILED, and ready does not come again.
 */
bool pb_upstream_send(struct pb_upstream *u);

/*
 * The handshake that STARTTLS asked for; the state is HANDSHAKE until it is
 * done.  Octets that have come already make it FAILED.
 */
void pb_upstream_starttls(struct pb_upstream *u);

void pb_upstream_leave(struct pb_upstream *u);

/*
 * Instead of leaving: take the connection, logged in, out of its loop into
 * *connection, from where pb_upstream_resume takes it into another; the owner's
 * interest ends.  What else *connection says, who parks it fills in.  False,
 * and nothing has changed: it is not fit for that.
 */
bool pb_upstream_park(struct pb_upstream *u,
		      struct pb_pool_connection *connection) PB_MUST_CHECK;
/*
 * The reverse: OPEN at once; `ready` as above.  NULL: that failed, and
 * *connection still is the caller's, or has no descriptor any more.
 */
struct pb_upstream *pb_upstream_resume(const struct pb_upstream_loop *loop,
				       struct pb_pool_connection *connection,
				       void (*ready)(void *owner),
				       void *owner);

#endif
