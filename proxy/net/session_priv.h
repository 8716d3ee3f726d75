#ifndef PB_NET_SESSION_PRIV_H
#define PB_NET_SESSION_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/bridge/bridge.h"
#include "popbridge/net/inquiry.h"
#include "popbridge/net/journal_work.h"
#include "popbridge/net/recall.h"
#include "popbridge/net/session.h"
#include "popbridge/net/snapshot.h"
#include "popbridge/net/stream.h"
#include "popbridge/net/upstream.h"
#include "popbridge/net/worker.h"
#include "popbridge/service/route.h"

/*
 * What the files of a session share.  session.c is the pump and the way to the
 * end; it calls session_door.c, which finds out where the client is and lets it
 * in, session_login.c, which does what the bridge asks for between a password
 * and a maildrop, session_listing.c, which remembers what maildrops hold,
 * session_journal.c, which remembers what is promised to be removed, and
 * session_upstream.c, which finds it a connection to the
 * IMAP server, and a use for one that it needs no longer.
 */

/* 16 random octets in hex, for challenges. */
#define PB_SESSION_NONCE_SIZE 33

enum pb_session_state {
	PB_SESSION_SERVING,
	PB_SESSION_SENDING,	/* the bridge has ended; the last octets */
	PB_SESSION_LINGERING,	/* all is sent; wait for the client's end */
	PB_SESSION_CLOSING,
};

/* Where a mailbox is; of use as long as it may have to be connected to. */
struct pb_session_target {
	size_t tried;			/* of the servers */
	char domain[256];		/* they were discovered for it, or "" */
	size_t n;
	struct pb_url server[];		/* one after the other */
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
	size_t turn_octets;		/* for the client, in this turn of the loop */
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
	struct pb_session_target *target; /* own; or NULL */
	bool verified;			/* the credential is the right one */
	uint8_t digest[PB_LIMITS_DIGEST]; /* of the credential that is tried */
	bool has_digest;		/* and `account` */
	bool locked;			/* it has the maildrop's lock */
	bool has_turn;			/* to expunge in it */
	uint64_t turn_at;		/* waits for it; UINT64_MAX: not */

	/* session_listing.c */
	char *maildrop_key;		/* own */
	size_t maildrop_key_len;
	struct pb_recall *recall;	/* own until it is left; or NULL */

	/* session_journal.c */
	struct pb_journal_work *promising; /* own until it is left; or NULL */

	/* session_upstream.c */
	struct pb_upstreams_key account;	/* at the IMAP server */
	struct pb_upstreams_visit upstream_visit;
	bool resumed;			/* the connection was a kept one */
	uint64_t verified_at;		/* the credential, on the connection */
	uint64_t retry_at;		/* waits for one; UINT64_MAX: not */
	uint64_t give_up_at;		/* the same */
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
void pb_session_hold_back(struct pb_session *s);
/* The server may have refused the credential when it was brought back. */
void pb_session_note_refusal(struct pb_session *s);
/* The bridge wants the maildrop of the user who has logged in. */
void pb_session_lock(struct pb_session *s);
/* Let go of it; harmless when there is none. */
void pb_session_unlock(struct pb_session *s);
/* The bridge wants its turn in the maildrop; it may have to wait. */
void pb_session_want_turn(struct pb_session *s);
/* Get it, or let go of it.  True when something has moved. */
bool pb_session_take_turn(struct pb_session *s);
void pb_session_leave_turn(struct pb_session *s);

/* session_listing.c */

/*
 * What is known of the mailbox that the session is going to open: the bridge
 * knows it then.  True: the disk must be asked first, and connect_known comes
 * when it has answered.
 */
bool pb_session_recall(struct pb_session *s);
bool pb_session_hear_recall(struct pb_session *s);
/* Everybody is to know what the bridge has found the mailbox to hold. */
void pb_session_remember(struct pb_session *s);
/*
 * Name the maildrop: upstream, owner and mailbox, with NUL between, which none
 * of them can hold.  The owner is the one for whom the user acts, if there is
 * one.  False: no memory.
 */
bool pb_session_name_maildrop(struct pb_session *s);
struct pb_slice pb_session_maildrop_key(const struct pb_session *s);

/* session_journal.c */

/*
 * What the POP3 user is called here, however the client writes it: for whom it
 * acts, else who it is.  Borrowed from *choice or the bridge.
 */
struct pb_slice pb_session_login(const struct pb_session *s,
				 struct pb_route_choice *choice);
/* QUIT: what is to be removed is written down. */
void pb_session_promise(struct pb_session *s);
bool pb_session_hear_promise(struct pb_session *s);
/* At the end; one that comes later must not count then either. */
void pb_session_leave_promise(struct pb_session *s);
/* The journal is to know what became of promises. */
void pb_session_note_promises(struct pb_session *s);

/* session_upstream.c */

/* What the mailbox's server is known by, whichever of several answers. */
struct pb_slice pb_session_server_name(const struct pb_session *s,
				       char url[PB_URL_TEXT_SIZE]);
void pb_session_connect(struct pb_session *s);
/* What is known of the mailbox is there. */
void pb_session_connect_known(struct pb_session *s);
/* The next of several servers.  False: there is none. */
bool pb_session_connect_next(struct pb_session *s);
/* It waits for a connection, and it is time to look again.  True: it has. */
bool pb_session_retry(struct pb_session *s);
/* Its connection is closed, or it waits for none. */
void pb_session_stop_counting(struct pb_session *s);
/* Keep the connection for the user's next session, or log out. */
void pb_session_park_upstream(struct pb_session *s);
/* The maildrop is open: the credential is the right one. */
void pb_session_credential_verified(struct pb_session *s);
void pb_session_credential_refused(struct pb_session *s);
/* The IMAP server may have asked for less. */
void pb_session_note_throttling(struct pb_session *s);

#endif
