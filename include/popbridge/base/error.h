#ifndef PB_BASE_ERROR_H
#define PB_BASE_ERROR_H

#include <stdbool.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * A failure that a person must understand: filled once, where it is known,
 * logged once, where somebody gives up, and turned into a POP3 reply in one
 * place (pop3/reply.h).  A value; allocates nothing.
 */

enum pb_error_kind {
	PB_ERROR_NONE,
	PB_ERROR_AUTH,		/* the credential was refused */
	PB_ERROR_TEMPORARY,	/* it may work later: server down, busy, mute */
	PB_ERROR_PERMANENT,	/* an administrator must act */
	PB_ERROR_IN_USE,	/* somebody else has the maildrop */
	PB_ERROR_GONE,		/* the message is not there any more */
	PB_ERROR_PROTOCOL,	/* the peer broke the protocol */
	PB_ERROR_INTERNAL,	/* no memory, or our fault */
};

/* How much of the session the failure takes with it. */
enum pb_error_scope {
	PB_SCOPE_MESSAGE,	/* this message only */
	PB_SCOPE_MAILDROP,	/* the mailbox: the session can only end */
	PB_SCOPE_CONNECTION,	/* the upstream connection is of no use */
	PB_SCOPE_ACCOUNT,	/* the login */
};

struct pb_error {
	enum pb_error_kind kind;
	enum pb_error_scope scope;
	/* The peer asks for less: of all who use this account, for a while. */
	bool throttled;
	/*
	 * For the log, which makes it printable.  May quote the peer, so it
	 * is never sent to a client.
	 */
	char text[256];
};

/* Fill *err, not throttled; a text that does not fit is cut. */
void pb_error_set(struct pb_error *err, enum pb_error_kind kind,
		  enum pb_error_scope scope, const char *fmt, ...)
    PB_PRINTF(4, 5);

#endif
