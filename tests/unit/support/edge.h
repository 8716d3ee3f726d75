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
 * Whatever happens, it checks that no message is removed before QUIT.
 */
struct pbt_edge {
	struct pb_bridge bridge;
	struct pb_bridge_options options;
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
	bool connect_asked;		/* actions that wait for an answer */
	bool starttls_asked;
	bool client_tls_asked;
	enum pb_pop3_tls client_tls;	/* before start: as the listener says */
	bool lock_asked;
	uint64_t hold_ms;		/* for each refused password */
	unsigned drops;			/* connections that it closed */
	bool ended;
	uint64_t now;
};

/* INBOX, TLS, no lock; the time-outs are an hour but idle: 10 minutes. */
void pbt_edge_init(struct pbt_edge *e);
/* The options may be changed between init and start. */
void pbt_edge_start(struct pbt_edge *e);
void pbt_edge_fini(struct pbt_edge *e);

/* Octets arrive; everything that can happen happens. */
void pbt_edge_client(struct pbt_edge *e, struct pb_slice octets);
void pbt_edge_upstream(struct pbt_edge *e, struct pb_slice octets);

/* Each of these needs the action that it answers. */
void pbt_edge_connected(struct pbt_edge *e);
void pbt_edge_refused(struct pbt_edge *e, enum pb_error_kind kind,
		      const char *why);
void pbt_edge_secured(struct pbt_edge *e);
void pbt_edge_client_secured(struct pbt_edge *e);
void pbt_edge_locked(struct pbt_edge *e, bool granted);

void pbt_edge_upstream_eof(struct pbt_edge *e);
void pbt_edge_client_eof(struct pbt_edge *e);
void pbt_edge_client_gone(struct pbt_edge *e);
void pbt_edge_client_stops(struct pbt_edge *e, bool stops);
/* Time passes; each deadline on the way is kept. */
void pbt_edge_clock(struct pbt_edge *e, uint64_t ms);
void pbt_edge_drain(struct pbt_edge *e);

#endif
