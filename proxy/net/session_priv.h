#ifndef PB_NET_SESSION_PRIV_H
#define PB_NET_SESSION_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/bridge/bridge.h"
#include "popbridge/net/inquiry.h"
#include "popbridge/net/session.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/net/stream.h"
#include "popbridge/net/upstream.h"
#include "popbridge/net/worker.h"

/*
 * What the files of a session share.  session.c is the pump and the way to the
 * end; it calls session_door.c, which finds out where the client is and lets it
 * in, and session_login.c, which does what the bridge asks for between a
 * password and a maildrop.
 */

/* 16 random octets in hex, for challenges. */
#define PB_SESSION_NONCE_SIZE 33

enum pb_session_state {
	PB_SESSION_SERVING,
	PB_SESSION_SENDING,	/* the bridge has ended; the last octets */
	PB_SESSION_LINGERING,	/* all is sent; wait for the client's end */
	PB_SESSION_CLOSING,
};

/* Where a mailbox is; of use until somebody is logged in there. */
struct pb_session_target {
	struct pb_discovery servers;	/* one after the other */
	size_t tried;
	char domain[256];		/* they were discovered for it, or "" */
};

struct pb_session {
	struct pb_worker *worker;	/* borrowed */
	struct pb_worker_entry *entry;	/* the worker's */
	struct pb_snapshot *snapshot;	/* shared: unref in handle_closed */
	const struct pb_snapshot_listener *listener;	/* in the snapshot */
	struct pb_bridge bridge;
	struct pb_stream client;
	struct pb_upstream *upstream;	/* own until it is left; or NULL */
	bool upstream_open;		/* the bridge knows of it */
	bool securing;			/* a STARTTLS handshake is under way */
	bool eof_told;
	bool client_handshake;		/* TLS with the client to be begun */
	bool tls_first;			/* it begins with TLS */
	bool pumping;
	enum pb_session_state state;
	uint64_t id;
	char id_text[24];
	char nonce[PB_SESSION_NONCE_SIZE];
	uint64_t started;
	uv_timer_t timer;
	uint64_t timer_at;		/* when it fires; UINT64_MAX: not */
	uint64_t linger_until;
	unsigned open_handles;

	/* session_door.c */
	uint8_t address[16];		/* the client's; IPv4 is mapped */
	uint16_t port;
	char peer[64];			/* the same as text */
	bool header_due;		/* a PROXY header must come first */
	bool behind_proxy;		/* it has come */
	bool introduced;		/* XCLIENT has named another */
	struct pb_buffer header;	/* what there is of it */
	char proxy_tls[16];		/* TLS between client and proxy, or "" */
	struct pb_limits_visit visit;

	/* session_login.c */
	struct pb_inquiry *inquiry;	/* own until it is left; or NULL */
	const struct pb_snapshot_route *route;	/* in the snapshot; or NULL */
	struct pb_session_target *target; /* own; NULL after the login */
	uint8_t digest[PB_LIMITS_DIGEST]; /* of the credential that is tried */
	bool has_digest;
	char *lock_key;			/* own; NULL while nothing is locked */
	size_t lock_key_len;
};

static inline uint64_t
pb_session_now(const struct pb_session *s)
{
	return uv_now(s->timer.loop);
}

/* session.c */

/* Something has changed: whoever owns a handle of the session's calls it. */
void pb_session_ready(void *owner);
void pb_session_leave_upstream(struct pb_session *s);

/* session_door.c */

/* A client has been accepted: let it in, or wait for its PROXY header. */
void pb_session_open_door(struct pb_session *s,
			  const struct pb_session_guest *guest);
/* Octets of a PROXY header have come.  True when something has moved. */
bool pb_session_take_header(struct pb_session *s);
/* A handshake with the client is done: whom does its certificate name? */
void pb_session_client_secured(struct pb_session *s);
/* XCLIENT. */
void pb_session_introduce(struct pb_session *s);

/* session_login.c */

void pb_session_identify(struct pb_session *s, enum pb_inquiry_kind kind);
/* True when there was an answer, and the bridge has it. */
bool pb_session_hear_inquiry(struct pb_session *s);
void pb_session_connect(struct pb_session *s);
/* The next of several servers.  False: there is none. */
bool pb_session_connect_next(struct pb_session *s);
void pb_session_hold_back(struct pb_session *s);
/* The bridge wants the maildrop of the user who has logged in. */
void pb_session_lock(struct pb_session *s);
/* Let go of it; harmless when there is none. */
void pb_session_unlock(struct pb_session *s);

#endif
