#ifndef PB_POP3_STUFF_H
#define PB_POP3_STUFF_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * A message on its way to a POP3 client (RFC 1939, section 3): lines end in
 * CR LF, a line that begins with a dot gets another one, and TOP's count of
 * body lines ends it early.
 *
 * One rule for octets that POP3 cannot carry: a bare LF becomes CR LF, a NUL
 * becomes 0x80 (old clients hang on NUL; IMAP servers do the same), a bare CR
 * stays.  A message that does not end in CR LF gets one, an empty one too.
 *
 * Sans-I/O, no allocation of its own; input may be cut anywhere.
 */

#define PB_POP3_ALL_LINES UINT64_MAX

struct pb_pop3_stuff {
	uint64_t lines;		/* body lines still to send */
	uint64_t octets;	/* sent, before dot-stuffing, added CR LF too */
	char last;		/* last octet sent; LF before the first */
	bool in_body;		/* the blank line has passed */
	bool blank;		/* this line ends the header, if still in it */
	bool done;		/* all wanted lines are sent */
};

/* `lines` of the body are wanted, or PB_POP3_ALL_LINES. */
void pb_pop3_stuff_init(struct pb_pop3_stuff *s, uint64_t lines);

/*
 * Take all octets of *in and append what they become to out: at most two for
 * one.  When s->done, they are dropped.
 *
 * PB_OK, or out's failure PB_ENOMEM or PB_ETOOBIG, and the session must end.
 */
enum pb_status pb_pop3_stuff_feed(struct pb_pop3_stuff *s,
				  struct pb_slice *in,
				  struct pb_buffer *out) PB_MUST_CHECK;

/* End the last line where it is open, and append the final dot. */
enum pb_status pb_pop3_stuff_end(struct pb_pop3_stuff *s,
				 struct pb_buffer *out) PB_MUST_CHECK;

#endif
