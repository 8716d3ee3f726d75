#ifndef PBT_TRACE_H
#define PBT_TRACE_H

#include <stdint.h>

#include "support/support.h"

/*
 * The machines of the codecs as pbt_machines: what they say is written down,
 * one event a line, octets of a stream without a mark where they were cut.
 */

/* Frames; no body is wanted. */
extern const struct pbt_machine pbt_framer;
/* Frames; the first body of each response is handed on. */
extern const struct pbt_machine pbt_framer_body;

/*
 * A client from the greeting to the logout: user "max", password "geheim123",
 * TLS below it.  When it is READY it selects and lists; then, as the DONEs
 * come in, it fetches UID 7, a part of UID 8, searches, stores, expunges, logs
 * out.  What it has sent stands at the end of the trace, unless it failed.
 */
extern const struct pbt_machine pbt_client;
/* The same with STARTTLS; the handshake succeeds at once. */
extern const struct pbt_machine pbt_client_starttls;
/* The same, where the password is a bearer token. */
extern const struct pbt_machine pbt_client_token;
/*
 * The same up to READY, with a password; then it selects INBOX and sends, with
 * the tags from A3 on, MYRIGHTS, LIST, SEARCH, CREATE, COPY, MOVE and STATUS at
 * once, and nothing more.
 */
extern const struct pbt_machine pbt_client_mailboxes;

/*
 * A POP3 session whose requests are written down and all succeed, but those
 * for messages over 9, which are the client's mistakes.  An AUTH goes on until
 * its response is "ok" or "no".
 */
extern const struct pbt_machine pbt_session;
/* The same, with APOP and XCLIENT. */
extern const struct pbt_machine pbt_session_all;

/* The dot-stuffer with so many lines of the body. */
extern uint64_t pbt_stuff_lines;
extern const struct pbt_machine pbt_stuff;

/*
 * The reverse of dot-stuffing, as a POP3 client does it: message without the
 * dots and the final line.  False when the octets are no multi-line reply.
 */
bool pbt_unstuff(struct pb_slice stuffed, struct pb_buffer *message);
/* What a message becomes on its way: line ends, NUL, the last line. */
void pbt_normalise(struct pb_slice message, struct pb_buffer *out);

#endif
