#ifndef PB_IMAP_GRAMMAR_H
#define PB_IMAP_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/imap/mailbox_data.h"
#include "popbridge/imap/uid_set.h"

/*
 * Untagged IMAP data (RFC 3501, section 7.2 to 7.4) as values of ours.
 *
 * The grammar is libetpan's (but for sets of UIDs, imap/uid_set.h, and
 * mailboxes by name, imap/mailbox_data.h), used without its I/O: it is shown
 * one complete response that the gate (imap/gate.h) has admitted.  Nothing of
 * libetpan's appears outside of imap/.
 *
 * One grammar serves all connections of one loop; it is scratch, so it is not
 * shared between threads.
 */

/* What a server can do, as far as we care. */
enum pb_imap_capability {
	PB_IMAP_CAP_IMAP4REV1 = 1 << 0,
	PB_IMAP_CAP_IMAP4REV2 = 1 << 1,
	PB_IMAP_CAP_STARTTLS = 1 << 2,
	PB_IMAP_CAP_LOGINDISABLED = 1 << 3,
	PB_IMAP_CAP_AUTH_PLAIN = 1 << 4,
	PB_IMAP_CAP_SASL_IR = 1 << 5,
	PB_IMAP_CAP_UIDPLUS = 1 << 6,
	PB_IMAP_CAP_ID = 1 << 7,
	PB_IMAP_CAP_LITERAL_PLUS = 1 << 8,
	PB_IMAP_CAP_LITERAL_MINUS = 1 << 9,
	PB_IMAP_CAP_AUTH_LOGIN = 1 << 10,
	PB_IMAP_CAP_AUTH_XOAUTH2 = 1 << 11,
	PB_IMAP_CAP_AUTH_OAUTHBEARER = 1 << 12,
	PB_IMAP_CAP_ESEARCH = 1 << 13,
	PB_IMAP_CAP_MOVE = 1 << 14,
	PB_IMAP_CAP_ACL = 1 << 15,
	PB_IMAP_CAP_SPECIAL_USE = 1 << 16,
	PB_IMAP_CAP_LIST_EXTENDED = 1 << 17,
};

enum pb_imap_data_type {
	PB_IMAP_DATA_CAPABILITY,
	PB_IMAP_DATA_EXISTS,
	PB_IMAP_DATA_EXPUNGE,
	PB_IMAP_DATA_FETCH,
	PB_IMAP_DATA_SEARCH,	/* ESEARCH, too */
	PB_IMAP_DATA_MAILBOX,	/* LIST, STATUS, MYRIGHTS */
	PB_IMAP_DATA_OTHER,	/* well formed, and of no interest */
};

enum pb_imap_body {
	PB_IMAP_BODY_ABSENT,
	PB_IMAP_BODY_NIL,
	PB_IMAP_BODY_TEXT,	/* here, or empty because it was streamed */
};

struct pb_imap_data {
	enum pb_imap_data_type type;
	unsigned capabilities;	/* CAPABILITY: set of pb_imap_capability */
	uint32_t number;	/* EXISTS: count; EXPUNGE, FETCH: seq */
	/* FETCH; what was not in it is 0, and no UID is 0 */
	uint32_t uid;
	bool has_size;
	uint32_t size;		/* RFC822.SIZE */
	enum pb_imap_body body;
	struct pb_slice body_text;
	uint32_t body_origin;	/* BODY[]<origin> */
	/* SEARCH: ascending, and no two could be one */
	const struct pb_imap_range *ranges;
	size_t n_ranges;
	struct pb_slice tag;	/* ESEARCH: in the response; else empty */
	const struct pb_imap_mailbox_data *mailbox; /* MAILBOX */
};

struct pb_imap_grammar;

/* NULL when there is no memory. */
struct pb_imap_grammar *pb_imap_grammar_new(void);
void pb_imap_grammar_free(struct pb_imap_grammar **g);

/*
 * Parse one admitted response, given without its last CR LF.  What *data
 * points to is valid until the next call.
 *
 * PB_OK, PB_EPROTO (not IMAP after all), PB_ENOMEM.
 */
enum pb_status pb_imap_grammar_parse(struct pb_imap_grammar *g,
				     struct pb_slice response,
				     struct pb_imap_data *data) PB_MUST_CHECK;

#endif
