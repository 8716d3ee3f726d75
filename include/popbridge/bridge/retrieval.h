#ifndef PB_BRIDGE_RETRIEVAL_H
#define PB_BRIDGE_RETRIEVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/fingerprint.h"
#include "popbridge/base/slice.h"
#include "popbridge/imap/client.h"
#include "popbridge/pop3/stuff.h"

/*
 * One RETR or TOP: the octets of an IMAP body in, a POP3 multi-line reply out.
 *
 * A positive reply is written when the body has begun and not before; the
 * final dot is written when the server has sent every octet it announced, said
 * whose they are, and completed the command.  Whatever happens between the two
 * cannot be told to the client but by closing the connection.
 *
 * What a server is known to send for a message that it cannot read counts as
 * nothing (imap/excuse.h).
 *
 * RETR fetches the whole message.  TOP fetches its beginning, and more of it
 * until its lines are there, so that ten lines of a 50 MB message cost no
 * 50 MB.  Who fetches is the owner (bridge/readahead.h): parts go in by
 * _begin_part, _take and _end_part, and the verdict says what is next.
 *
 * What was taken once is fetched again, by the next part of a TOP or when the
 * connection was lost, and passed over.  It must be the same: octets behind
 * others than the client has been sent would make a message that nobody wrote.
 * Nobody asks for the rest alone (BODY.PEEK[]<offset>), which would be cheaper:
 * servers count octets differently in the middle of a message with odd line
 * ends, and Dovecot drops the connection then.
 */

enum pb_retrieval_verdict {
	PB_RETRIEVAL_GOES_ON,
	PB_RETRIEVAL_MORE,	/* another part must be fetched: `window` */
	PB_RETRIEVAL_DONE,	/* the reply is complete */
	PB_RETRIEVAL_FAILED,	/* nothing was written; *err says why */
	PB_RETRIEVAL_CUT,	/* the reply is cut: close the connection */
};

struct pb_retrieval {
	struct pb_pop3_stuff stuff;
	uint32_t msgno;
	uint32_t uid;
	uint32_t announced;	/* the size that LIST shows */
	uint32_t window;	/* octets of this part; 0 fetches all at once */
	uint64_t lines;		/* of TOP; PB_POP3_ALL_LINES for RETR */
	bool is_top;
	bool begun;		/* the positive reply is written */
	bool part_seen;		/* something came for this part */
	bool part_nil;		/* it came without octets */
	bool excuses;		/* the server may send others in its place; said
				   by the owner before each part begins */
	bool doubtful;		/* may be what a server sends instead of it */
	uint64_t fed;		/* octets of the message taken so far */
	uint64_t skip;		/* of this part: taken from the one before */
	uint64_t part_size;	/* octets that this part really has */
	size_t matched;		/* of the text in doubt, not yet replied */
	struct pb_fingerprint taken;	/* of what was fed */
	struct pb_fingerprint again;	/* of what is passed over */
	bool size_known;	/* the part is fetched for the second time: */
	uint64_t size;		/* its size must be this one */
};

/* For RETR lines is PB_POP3_ALL_LINES and is_top false. */
void pb_retrieval_init(struct pb_retrieval *r, uint32_t msgno, uint32_t uid,
		       uint32_t size, bool is_top, uint64_t lines);

/* The part is asked for (again): from its first octet. */
void pb_retrieval_ask_part(struct pb_retrieval *r);
/* The connection is gone; the part may be asked for over another one. */
void pb_retrieval_lost(struct pb_retrieval *r);
/* The server begins to send it, with so many octets.  *err on a failure. */
enum pb_retrieval_verdict pb_retrieval_begin_part(struct pb_retrieval *r,
						  uint64_t size,
						  struct pb_buffer *out,
						  struct pb_error *err);
enum pb_retrieval_verdict pb_retrieval_take(struct pb_retrieval *r,
					    struct pb_slice data,
					    struct pb_buffer *out,
					    struct pb_error *err);
/* There is nothing of it. */
void pb_retrieval_take_nil(struct pb_retrieval *r);
/* The command that asked for it is completed by `done`. */
enum pb_retrieval_verdict pb_retrieval_end_part(struct pb_retrieval *r,
						const struct pb_imap_event *done,
						struct pb_buffer *out,
						struct pb_error *err);

#endif
