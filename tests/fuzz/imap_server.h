#ifndef PBT_IMAP_SERVER_H
#define PBT_IMAP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "support/support.h"

/*
 * A well-behaved IMAP server over one mailbox, without a network: octets of a
 * client go in, octets for it come out.  The mailbox outlives connections, and
 * remembers what became of each message, and by whom.
 *
 * It knows the commands that popbridge sends, and ends the process at one that
 * it does not know.
 */

#define PBT_MESSAGES_MAX 64

struct pbt_message {
	uint32_t uid;
	char *text;		/* own */
	size_t len;
	bool deleted;		/* flagged \Deleted */
	bool seen;
	bool gone;
	bool in_view;		/* the connection has been told of it */
	/* Since the session began: */
	bool was_deleted;	/* flagged \Deleted already */
	bool was_seen;
	bool was_gone;
	bool removed;		/* by this client */
	bool vanished;		/* by another one */
};

struct pbt_imap_server {
	struct pbt_message messages[PBT_MESSAGES_MAX];
	size_t n;
	uint32_t uidnext;
	bool uidplus;
	bool esearch;
	bool read_only;
	bool uid_behind;	/* the body */
	const char *password;	/* anybody's */
	unsigned commands_max;	/* dies behind the last; 0: does not */
	bool dead;		/* it has died so */
	struct pb_buffer in;
	struct pb_buffer out;
};

#define PBT_UIDVALIDITY 1700000000u

void pbt_imap_server_init(struct pbt_imap_server *s);
void pbt_imap_server_fini(struct pbt_imap_server *s);

/*
 * A new message, of a kind from 'a' to 'z': empty, short, with dots at line
 * ends and beginnings, with bare LF, long ...  False: the mailbox is full.
 */
bool pbt_imap_server_add(struct pbt_imap_server *s, char kind);
/* Another client removes a message; its place counts from 0. */
void pbt_imap_server_vanish(struct pbt_imap_server *s, size_t place);
/* Another session begins: what has happened until now is how it was. */
void pbt_imap_server_settle(struct pbt_imap_server *s);

/* A new connection; the greeting is in `out`. */
void pbt_imap_server_accept(struct pbt_imap_server *s);
/* Do what the octets in `in` say. */
void pbt_imap_server_run(struct pbt_imap_server *s);

#endif
