#ifndef PBT_RFC1939_H
#define PBT_RFC1939_H

#include <stdbool.h>
#include <stdint.h>

#include "imap_server.h"
#include "support/support.h"

/*
 * What a POP3 server must say and do (RFC 1939, RFC 2449), written once more
 * and without a look at popbridge: what a client sends and receives goes in,
 * and whatever is not as it must be ends the process and says why.
 *
 * The maildrop is what is in the mailbox of the server when the login is
 * answered.  Nothing may be removed from there, and nothing flagged, but what
 * is marked when a QUIT is done.
 */

struct pbt_drop_message {
	const struct pbt_message *message;	/* borrowed: the server's */
	bool marked;
	bool retrieved;
};

enum pbt_pop3_state {
	PBT_POP3_GREETING,
	PBT_POP3_AUTHORIZATION,
	PBT_POP3_TRANSACTION,
	PBT_POP3_END,
};

struct pbt_rfc1939 {
	const struct pbt_imap_server *server;	/* borrowed */
	/* What earlier sessions were to remove: hidden, and may go at any time. */
	uint32_t owed[PBT_MESSAGES_MAX];
	size_t n_owed;
	bool marks_seen;	/* what was retrieved, at QUIT */
	/* These excuse a refusal of what needs the server: */
	bool trouble;		/* the server was lost */
	bool lost;		/* it was, but came back: \Seen may be, too */
	/* Where QUIT needs one; then it removes nothing, too. */
	bool no_journal;
	/* The client or the clock may end the session now. */
	bool may_end;

	struct pb_buffer sent;		/* by the client, not answered */
	struct pb_buffer received;	/* the same way back */
	enum pbt_pop3_state state;
	bool has_user;
	unsigned errors;	/* of the client, in a row */
	bool must_end;
	bool quit;		/* in TRANSACTION, and it is answered */
	struct pbt_drop_message drop[PBT_MESSAGES_MAX];
	size_t n;
	size_t last;		/* highest message retrieved */
};

void pbt_rfc1939_init(struct pbt_rfc1939 *m,
		      const struct pbt_imap_server *server);
void pbt_rfc1939_fini(struct pbt_rfc1939 *m);

void pbt_rfc1939_sent(struct pbt_rfc1939 *m, struct pb_slice octets);
/* Judges every reply that is complete. */
void pbt_rfc1939_received(struct pbt_rfc1939 *m, struct pb_slice octets);
/* Judges what has become of the mailbox until now. */
void pbt_rfc1939_check_mailbox(const struct pbt_rfc1939 *m);
/* The client has sent a QUIT that is for a maildrop. */
bool pbt_rfc1939_is_quitting(const struct pbt_rfc1939 *m);
/*
 * All that can happen has happened, and the client has read everything (or is
 * gone).  Is it right that the session is over, or that it is not?
 */
void pbt_rfc1939_check_end(struct pbt_rfc1939 *m, bool over);

/* A command, read as the RFCs have it. */
enum pbt_verb {
	PBT_CAPA, PBT_DELE, PBT_LAST, PBT_LIST, PBT_NOOP, PBT_PASS, PBT_QUIT,
	PBT_RETR, PBT_RSET, PBT_STAT, PBT_TOP, PBT_UIDL, PBT_USER,
	PBT_UNKNOWN,
};

struct pbt_command {
	enum pbt_verb verb;
	bool well_formed;	/* its arguments are as they must be */
	struct pb_slice text;	/* of USER and PASS */
	size_t n_numbers;
	uint64_t numbers[2];
};

struct pbt_command pbt_rfc1939_parse(struct pb_slice line);

/* What a command deserves. */
enum pbt_verdict { PBT_YES, PBT_NO, PBT_EITHER };

struct pbt_next {
	struct pbt_command command;
	enum pbt_verdict verdict;
	size_t octets;		/* with its line end; 0: there is none yet */
	bool foreign;		/* not POP3 at all: one refusal, and the end */
};

/* The first command in what the client has sent. */
struct pbt_next pbt_rfc1939_next(struct pbt_rfc1939 *m, struct pb_slice in);

/* The message that the command names, if it is there; or NULL. */
struct pbt_drop_message *pbt_rfc1939_named(struct pbt_rfc1939 *m,
					   const struct pbt_command *c);
/* The login has succeeded. */
void pbt_rfc1939_open(struct pbt_rfc1939 *m);
void pbt_rfc1939_reset(struct pbt_rfc1939 *m);
void pbt_rfc1939_write_body(const struct pbt_rfc1939 *m,
			    const struct pbt_command *c,
			    struct pb_buffer *to);
/* Or the process ends. */
void pbt_rfc1939_must(const struct pbt_rfc1939 *m, bool fulfilled,
		      const char *what);

#endif
