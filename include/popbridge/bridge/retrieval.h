#ifndef PB_BRIDGE_RETRIEVAL_H
#define PB_BRIDGE_RETRIEVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/status.h"
#include "popbridge/imap/client.h"
#include "popbridge/pop3/stuff.h"

/*
 * One RETR or TOP: IMAP bodies in, a POP3 multi-line reply out.
 *
 * A positive reply is written when the body has begun and not before; the
 * final dot is written when the server has sent every octet it announced, said
 * whose they are, and completed the command.  Whatever happens between the two
 * cannot be told to the client but by closing the connection.
 *
 * RETR fetches the whole message.  TOP fetches its beginning, and more of it
 * until its lines are there, so that ten lines of a 50 MB message cost no
 * 50 MB.
 */

enum pb_retrieval_verdict {
	PB_RETRIEVAL_GOES_ON,
	PB_RETRIEVAL_DONE,	/* the reply is complete */
	PB_RETRIEVAL_FAILED,	/* nothing was written; error says why */
	PB_RETRIEVAL_CUT,	/* the reply is cut: close the connection */
};

struct pb_retrieval {
	struct pb_pop3_stuff stuff;
	uint32_t msgno;
	uint32_t uid;
	uint32_t announced;	/* the size that LIST shows */
	uint64_t lines;		/* of TOP; PB_POP3_ALL_LINES for RETR */
	bool is_top;
	bool begun;		/* the positive reply is written */
	bool part_nil;		/* this part came without octets */
	uint32_t window;	/* octets of a part; 0 fetches all at once */
	uint64_t fed;		/* octets of the message taken so far */
	uint64_t skip;		/* of this part: taken from the one before */
	uint64_t part_size;	/* octets that this part really has */
	struct pb_error error;
};

/*
 * Begin, with the first command to the server.  For RETR lines is
 * PB_POP3_ALL_LINES and is_top false.  PB_OK, PB_EPROTO (the client failed).
 */
enum pb_status pb_retrieval_begin(struct pb_retrieval *r,
				  struct pb_imap_client *imap, uint32_t msgno,
				  uint32_t uid, uint32_t size, bool is_top,
				  uint64_t lines) PB_MUST_CHECK;

/* Feed every event of the connection while the retrieval is under way. */
enum pb_retrieval_verdict pb_retrieval_event(struct pb_retrieval *r,
					     struct pb_imap_client *imap,
					     const struct pb_imap_event *event,
					     struct pb_buffer *out);

#endif
