#ifndef PBT_EDGE_H
#define PBT_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/bridge/bridge.h"
#include "support/support.h"

/*
 * The edge of a session without a network: it does with a bridge what
 * bridge.h asks of the edge, and keeps what each peer would have received.
 *
 * Whatever happens, it checks that no message is removed before QUIT, or before
 * a promise of it is durable.
 */
struct pbt_edge {
	struct pb_bridge bridge;
	struct pb_bridge_options options;
	enum pb_imap_tls upstream_tls;
	struct pb_bridge_door door;	/* before start: what the client finds */
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_imap_client imap;
	bool has_imap;
	struct pb_buffer from_client;	/* arrived, not taken yet */
	struct pb_buffer from_upstream;
	struct pb_buffer to_client;	/* received by the peer */
	struct pb_buffer to_upstream;
	bool client_stopped;		/* it does not read */
	bool client_eof;
	bool client_eof_told;
	bool who_waits;			/* else everybody logs in as he is */
	bool who_asked;			/* actions that wait for an answer */
	bool keys_asked;
	bool introduction_asked;
	bool connect_asked;
	bool starttls_asked;
	bool client_tls_asked;
	bool lock_asked;
	bool promise_asked;
	bool promised;			/* and written down */
	uint64_t hold_ms;		/* for each refused password */
	bool parked;			/* its connection was worth keeping */
	unsigned drops;			/* connections that it closed */
	/* Shared, or NULL: it is told to the bridge, which may renew it. */
	struct pb_listing *known;
	/* Own, or NULL: told to the bridge before its maildrop is open. */
	struct pb_promises *owed;
	/* The last that it has noted; OPEN: none, or they rest. */
	enum pb_promise_outcome noted;
	struct pb_budget readahead;	/* with a max, it is the bridge's */
	unsigned remembered;		/* listings that it was given */
	bool ended;
	uint64_t now;
};

/* Hears all that either peer is sent; NULL: nobody does. */
extern void (*pbt_edge_overhear)(const struct pbt_edge *e, bool client,
    struct pb_slice octets);

/*
 * INBOX, TLS, no lock, PLAIN and LOGIN; the time-outs are an hour but idle: 10
 * minutes.  Allocations that are to fail (base/mem.h) do from the start on.
 */
void pbt_edge_init(struct pbt_edge *e);
/* The options may be changed between init and start. */
void pbt_edge_start(struct pbt_edge *e);
void pbt_edge_fini(struct pbt_edge *e);

/* Octets arrive; everything that can happen happens. */
void pbt_edge_client(struct pbt_edge *e, struct pb_slice octets);
void pbt_edge_upstream(struct pbt_edge *e, struct pb_slice octets);

/* Each of these needs the action that it answers. */
/* The client is `user` at the server, with a password of ours. */
void pbt_edge_is(struct pbt_edge *e, const char *user, const char *password);
void pbt_edge_is_unknown(struct pbt_edge *e, enum pb_error_kind kind,
			 const char *why);
void pbt_edge_keys(struct pbt_edge *e, const struct pb_sasl_keys *keys);
void pbt_edge_introduced(struct pbt_edge *e, bool accepted);
void pbt_edge_connected(struct pbt_edge *e);
/* With a connection that is logged in already. */
void pbt_edge_resumed(struct pbt_edge *e);
void pbt_edge_refused(struct pbt_edge *e, enum pb_error_kind kind,
		      const char *why);
void pbt_edge_secured(struct pbt_edge *e);
void pbt_edge_client_secured(struct pbt_edge *e);
void pbt_edge_locked(struct pbt_edge *e, bool granted);

/* Nothing is written down when it fails. */
void pbt_edge_promised(struct pbt_edge *e, bool durable);

void pbt_edge_upstream_eof(struct pbt_edge *e);
void pbt_edge_client_eof(struct pbt_edge *e);
void pbt_edge_client_gone(struct pbt_edge *e);
void pbt_edge_client_stops(struct pbt_edge *e, bool stops);
/* Time passes; each deadline on the way is kept. */
void pbt_edge_clock(struct pbt_edge *e, uint64_t ms);
void pbt_edge_drain(struct pbt_edge *e);

#endif
