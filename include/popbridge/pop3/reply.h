#ifndef PB_POP3_REPLY_H
#define PB_POP3_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/status.h"

/*
 * What popbridge says to a POP3 client.  Replies are values; their texts are
 * one table in reply.c, and nowhere else stands a status indicator.  No text
 * comes from a peer, so no reply can carry one's octets.
 */

/* Longest first line of a reply, CR LF included (RFC 2449, section 4). */
#define PB_POP3_REPLY_MAX 512

enum pb_pop3_reply {
	/* positive; (n) and (n, m) are the numbers the text shows */
	PB_REPLY_GREETING,
	PB_REPLY_CAPA,		/* multi-line follows */
	PB_REPLY_STLS,
	PB_REPLY_AUTH_LIST,	/* multi-line follows */
	PB_REPLY_XCLIENT,
	PB_REPLY_USER,
	PB_REPLY_LOGGED_IN,
	PB_REPLY_NOOP,
	PB_REPLY_STAT,		/* (messages, octets) */
	PB_REPLY_LIST_ONE,	/* (message, octets) */
	PB_REPLY_LIST_ALL,	/* (messages, octets), multi-line follows */
	PB_REPLY_UIDL_ALL,	/* multi-line follows */
	PB_REPLY_RETR,		/* (octets), multi-line follows */
	PB_REPLY_TOP,		/* multi-line follows */
	PB_REPLY_DELE,		/* (message) */
	PB_REPLY_RSET,		/* (messages) */
	PB_REPLY_LAST,		/* (message) */
	PB_REPLY_QUIT,
	PB_REPLY_QUIT_REMOVED,	/* (messages) */
	/* the client's mistakes */
	PB_REPLY_OTHER_PROTOCOL,
	PB_REPLY_UNKNOWN_COMMAND,
	PB_REPLY_WRONG_ARGUMENTS,
	PB_REPLY_WRONG_STATE,
	PB_REPLY_USER_FIRST,
	PB_REPLY_STLS_FIRST,	/* no login in the clear here */
	PB_REPLY_NO_STLS,	/* there is no TLS here, or it is on */
	PB_REPLY_LINE_TOO_LONG,
	PB_REPLY_BAD_LOGIN_OCTETS, /* CR, LF or NUL in a credential */
	PB_REPLY_NO_MECHANISM,	/* none of this name, for AUTH */
	PB_REPLY_AUTH_CANCELLED,
	PB_REPLY_BAD_RESPONSE,	/* not what the mechanism asks for */
	PB_REPLY_NO_SUCH_MESSAGE,
	PB_REPLY_MESSAGE_DELETED,
	/* what went wrong behind */
	PB_REPLY_AUTH,
	PB_REPLY_TEMPORARY,
	PB_REPLY_PERMANENT,
	PB_REPLY_IN_USE,
	PB_REPLY_MESSAGE_GONE,
	PB_REPLY_MESSAGE_TEMPORARY,
	PB_REPLY_READ_ONLY,
	PB_REPLY_NO_DELETION,
	PB_REPLY_NOT_REMOVED,	/* (messages) */
	PB_REPLY_NO_ROOM,
	PB_REPLIES		/* how many there are */
};

/*
 * Append a reply with its CR LF.  Numbers that the text does not show are
 * ignored.  PB_OK, PB_ENOMEM, PB_ETOOBIG.
 */
enum pb_status pb_pop3_reply(struct pb_buffer *out, enum pb_pop3_reply reply,
			     uint64_t n, uint64_t m) PB_MUST_CHECK;

/*
 * The greeting, which says what it can do even before CAPA: XCLIENT (as Dovecot
 * says it), and APOP by the stamp (RFC 1939, section 7), with its angle
 * brackets; NULL for none.  PB_OK, PB_ENOMEM, PB_ETOOBIG.
 */
enum pb_status pb_pop3_reply_greeting(struct pb_buffer *out, bool xclient,
				      const char *stamp) PB_MUST_CHECK;

/*
 * Lines of multi-line replies, and what ends them.  CAPA tells whether a client
 * may log in by USER and PASS now, whether it may upgrade by STLS, and by which
 * SASL mechanisms it may log in: names with a blank between, NULL for none.
 */
enum pb_status pb_pop3_reply_capa_lines(struct pb_buffer *out, bool user,
					bool stls, const char *sasl)
    PB_MUST_CHECK;
/* The same names, one a line, and the end. */
enum pb_status pb_pop3_reply_sasl_lines(struct pb_buffer *out,
					const char *sasl) PB_MUST_CHECK;
enum pb_status pb_pop3_reply_list_line(struct pb_buffer *out, uint32_t msgno,
				       uint64_t octets) PB_MUST_CHECK;
enum pb_status pb_pop3_reply_uidl_line(struct pb_buffer *out, uint32_t msgno,
				       const char *uidl) PB_MUST_CHECK;
enum pb_status pb_pop3_reply_end(struct pb_buffer *out) PB_MUST_CHECK;
/* UIDL n: one line, and it is the reply. */
enum pb_status pb_pop3_reply_uidl_one(struct pb_buffer *out, uint32_t msgno,
				      const char *uidl) PB_MUST_CHECK;

/* The response code of a reply, without its brackets; "" for none. */
const char *pb_pop3_reply_code(enum pb_pop3_reply reply);

/*
 * A challenge of SASL (RFC 5034), which is base64 already.  An empty one still
 * has the blank before it: PHP's c-client wants to see one.
 */
enum pb_status pb_pop3_reply_challenge(struct pb_buffer *out,
				       struct pb_slice challenge)
    PB_MUST_CHECK;

/* The reply for a failure (RFC 3206), by its kind and scope. */
enum pb_pop3_reply pb_pop3_reply_for_error(const struct pb_error *err);

#endif
