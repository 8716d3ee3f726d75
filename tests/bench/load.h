#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "figures.h"
#include "wire.h"

/* What all sessions of a run have in common, and what one of them does. */

struct load_options {
	struct wire_target target;
	const char *user;
	const char *password;
	unsigned users;		/* user1 ... userN in turn; 0: user itself */
	unsigned messages;	/* that each mailbox must have */
	unsigned sessions;	/* in all */
	unsigned connections;	/* at once, each with a thread */
	bool numbered;		/* message n begins with "Subject: message n" */
};

/* One thread's state. */
struct load {
	const struct load_options *options;
	struct wire_buffer *in;		/* own */
	struct figures figures;
	uint64_t mark;			/* when the running phase began */
	uint32_t *sizes;		/* own: of LIST, by number minus 1 */
};

/* A whole session, the number-th of the run, counted from 0. */
typedef void load_session_fn(struct load *l, unsigned number);

/* The login name of this session. */
void load_user(const struct load *l, unsigned number, char name[256]);

/* Ends a phase: the time since the last one belongs to it. */
void load_phase_done(struct load *l, enum phase phase);

/* POP3: a client that waits for each answer. */
load_session_fn pop3_download;
load_session_fn pop3_poll;
load_session_fn pop3_top;
load_session_fn pop3_dele;

/* Logs in, retrieves message 1 if there are messages, and stays. */
void pop3_stay(struct load *l, unsigned number, struct wire *w);

/* IMAP: what the wire allows. */
load_session_fn imap_bulk;
load_session_fn imap_sizes;
load_session_fn imap_each;

#endif
