#ifndef PB_NET_INQUIRY_H
#define PB_NET_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/bridge/bridge.h"
#include "popbridge/net/discovery.h"
#include "popbridge/net/snapshot.h"

/*
 * Who a client is, and where its mailbox is: routes, accounts and DNS are asked
 * in this order, the last two on a thread of libuv's pool.
 *
 * Level-triggered: `ready` says "look", and an inquiry that needs no thread is
 * answered when it begins.  pb_inquiry_leave ends the owner's interest: nothing
 * is called back after it, and the object frees itself.
 */

/*
 * Accounts looked at on threads at a time: each takes 50 ms of a core, and who
 * would have to wait for more than a few seconds is told to come again.
 */
#define PB_INQUIRY_ACCOUNTS_MAX 128

/*
 * Domains whose servers are discovered at a time: each may wait half a minute
 * for a name server that is dead, and so many threads are left for the others.
 */
#define PB_INQUIRY_DISCOVERIES_MAX 8

enum pb_inquiry_kind {
	PB_INQUIRY_WHO,		/* who is it, and where to */
	PB_INQUIRY_KEYS,	/* SCRAM's keys for the user of the claim */
};

struct pb_inquiry_question {
	enum pb_inquiry_kind kind;
	struct pb_snapshot *snapshot;	/* a reference is taken */
	const char *listener;		/* its name; lives in the snapshot */
	uint8_t address[16];		/* the client's */
	struct pb_bridge_claim claim;	/* copied */
	/* The name in a verified client certificate; empty: none; copied. */
	struct pb_slice certified;
};

struct pb_inquiry_answer {
	enum pb_inquiry_kind kind;	/* what was asked */
	bool good;
	struct pb_error error;		/* unless it is good */
	const struct pb_snapshot_route *route;	/* NULL: none was found */
	struct pb_bridge_identity identity;	/* own; of WHO */
	/* Where to connect, one after the other until one answers; of WHO. */
	struct pb_discovery servers;
	char domain[256];	/* they were discovered for it; else "" */
	struct pb_sasl_keys keys;	/* of KEYS */
};

struct pb_inquiry;

/* `ready` comes at most once, from the loop.  NULL: no memory. */
struct pb_inquiry *pb_inquiry_begin(uv_loop_t *loop,
				    const struct pb_inquiry_question *question,
				    void (*ready)(void *owner), void *owner);

/* NULL: not known yet.  Valid, and the owner's to move from, until _leave. */
struct pb_inquiry_answer *pb_inquiry_answer(struct pb_inquiry *q);

/* Nulls *q. */
void pb_inquiry_leave(struct pb_inquiry **q);

#endif
