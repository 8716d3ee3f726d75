#ifndef PB_IMAP_FRAMER_H
#define PB_IMAP_FRAMER_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Cuts the octets of an IMAP server into responses (RFC 3501, section 7).
 *
 * A response is a line, or several with literals between them.  Literals are
 * kept as part of the response, but for the literal of a message body that was
 * asked for: it is handed on as it comes, and the response is shown with {0} in
 * its place.  So memory is bounded whatever the size of a message.
 *
 * Sans-I/O; input may be cut anywhere.
 */

/* A response with its kept literals; real ones are a few hundred octets. */
#define PB_IMAP_RESPONSE_MAX (64 * 1024)
/* SEARCH, ESEARCH: 100,000 UIDs of ten digits on one line. */
#define PB_IMAP_RESPONSE_SEARCH_MAX (1100 * 1024)
/* The same of 2,000,000, in a mailbox that has as many messages. */
#define PB_IMAP_RESPONSE_NAMES_MAX (22 * 1000 * 1024)

enum pb_imap_frame_type {
	PB_IMAP_FRAME_RESPONSE,	/* text: the whole response, no CR LF behind */
	PB_IMAP_FRAME_BODY,	/* text: the response up to the body's literal,
				   which has `size` octets; BODY_DATA follows */
	PB_IMAP_FRAME_BODY_DATA, /* text: octets of the body */
};

struct pb_imap_frame {
	enum pb_imap_frame_type type;
	struct pb_slice text;	/* valid until the next call */
	uint64_t size;
};

enum pb_imap_framer_state {
	PB_IMAP_FRAMER_LINE,
	PB_IMAP_FRAMER_LITERAL,		/* kept */
	PB_IMAP_FRAMER_BODY,		/* handed on */
	PB_IMAP_FRAMER_BROKEN,
};

struct pb_imap_framer {
	enum pb_imap_framer_state state;
	bool want_bodies;	/* hand their literals on */
	bool handed_on;		/* this response's body was: one each */
	bool ended;		/* text was handed out, drop it */
	struct pb_buffer text;	/* the response so far */
	size_t line;		/* where its present line begins */
	uint64_t literal_left;
};

void pb_imap_framer_init(struct pb_imap_framer *f);
void pb_imap_framer_fini(struct pb_imap_framer *f);

/* Hand on literals that are message bodies, or keep them. */
void pb_imap_framer_want_bodies(struct pb_imap_framer *f, bool want);
/* Most octets of a response from now on. */
void pb_imap_framer_limit(struct pb_imap_framer *f, size_t max);

/*
 * Take octets from the front of *in up to the next frame.
 *
 * PB_OK      *frame is filled.
 * PB_AGAIN   all of *in is taken, no frame is complete.
 * PB_ETOOBIG the response is larger than the limit.
 * PB_EPROTO  a literal's size that no octet count can have.
 * PB_ENOMEM
 *
 * A failure is for ever: the stream cannot be found back into step.
 */
enum pb_status pb_imap_framer_next(struct pb_imap_framer *f,
				   struct pb_slice *in,
				   struct pb_imap_frame *frame) PB_MUST_CHECK;

#endif
