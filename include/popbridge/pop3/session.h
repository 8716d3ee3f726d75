#ifndef PB_POP3_SESSION_H
#define PB_POP3_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/pop3/command.h"

/*
 * The server side of POP3 (RFC 1939): octets of a client in, requests out.
 *
 * The session cuts lines, knows the state, refuses by itself what the state,
 * the syntax or the limits forbid, and hands on only what somebody else must
 * answer.  It holds at most one request at a time: the next line is not looked
 * at before the caller asks for it, so commands that a client sends ahead
 * (PIPELINING, RFC 2449) are answered in order.
 *
 * AUTH (RFC 5034) is a dialogue: the session cuts its lines, ends it where the
 * client cancels it, and hands on the responses; what they mean, and what to
 * ask next, says the caller.
 *
 * Sans-I/O.  No allocation but for passwords, and for the lines of AUTH while
 * there is one.
 */

/* Errors in a row that end a session: a program that guesses, not a client. */
#define PB_POP3_ERRORS_MAX 20

/*
 * Octets of one line that are dropped while looking for its end, before the
 * session gives up: a client that sends this much without LF is none.
 */
#define PB_POP3_SKIP_MAX (64 * 1024)

/*
 * Longest response in a dialogue of AUTH, CR LF included, and longest AUTH with
 * a response of its own (RFC 4954, section 4,
 * found this enough for all mechanisms).
 */
#define PB_POP3_RESPONSE_MAX 12288

/*
 * Longest XCLIENT, CR LF included: Dovecot's proxies forward fields of their
 * own by it, and limit a line to this.
 */
#define PB_POP3_XCLIENT_MAX 8192

/* Octets of the stamp of a greeting, so that it stays one line. */
#define PB_POP3_STAMP_MAX 256

/* A user name; a line holds no longer one. */
#define PB_POP3_USER_MAX PB_POP3_LINE_MAX

/* TLS between the client and us (RFC 2595). */
enum pb_pop3_tls {
	PB_POP3_TLS_NONE,	/* there is none, and logins are allowed */
	PB_POP3_TLS_OFFERED,	/* by STLS; logins are allowed before */
	PB_POP3_TLS_REQUIRED,	/* by STLS; no login before */
	PB_POP3_TLS_ACTIVE,
};

struct pb_pop3_session {
	enum pb_pop3_state state;
	enum pb_pop3_tls tls;
	unsigned errors;		/* in a row */
	bool foreign;			/* it speaks another protocol */
	size_t line_len;
	size_t skipped;			/* of a line that is too long */
	char line[PB_POP3_LINE_MAX];	/* the line so far */
	char user[PB_POP3_USER_MAX + 1]; /* given by USER; "" for none */
	size_t user_len;		/* it may hold any octet but LF */
	bool user_by_auth;		/* by AUTH or APOP: no PASS for it */
	/* borrowed: mechanisms of AUTH, a blank between; NULL for none */
	const char *mechanisms;
	/* borrowed: "<...>" of the greeting, for APOP; NULL: there is none */
	const char *apop_stamp;
	bool xclient;			/* it may say whom it stands for */
	bool in_auth;			/* the next line is a response */
	bool handed;			/* the line is with the caller */
	size_t long_max;		/* of a line that outgrew line; or 0 */
	struct pb_buffer response;	/* the response, or that line, so far */
};

/* AUTH: what the client says by this line. */
enum pb_pop3_auth {
	PB_POP3_AUTH_BEGIN,	/* mechanism; response, if it gave one */
	PB_POP3_AUTH_RESPONSE,	/* response */
	PB_POP3_AUTH_ABORTED,	/* answered here: forget the dialogue */
};

/* One thing that the client wants and that the session cannot answer. */
struct pb_pop3_request {
	struct pb_pop3_command command;
	struct pb_secret password;	/* PASS, APOP: the receiver's to clear */
	enum pb_pop3_auth auth;		/* AUTH */
	struct pb_slice mechanism;	/* AUTH: one of session->mechanisms */
	bool has_response;		/* AUTH */
	struct pb_secret response;	/* AUTH, in base64; as password */
};

/*
 * Starts in AUTHORIZATION, with PB_POP3_TLS_NONE, no mechanism, no APOP and no
 * XCLIENT; nothing is said yet.
 */
void pb_pop3_session_init(struct pb_pop3_session *s);
/*
 * Append the greeting, when tls, apop_stamp and xclient are set; the stamp has
 * at most PB_POP3_STAMP_MAX octets.  PB_OK, PB_ENOMEM, PB_ETOOBIG.
 */
enum pb_status pb_pop3_session_greet(struct pb_pop3_session *s,
				     struct pb_buffer *out) PB_MUST_CHECK;
/* Wipes what it knows of the client. */
void pb_pop3_session_fini(struct pb_pop3_session *s);

/*
 * TLS is on: what came before it, anybody may have said, and is forgotten.
 */
void pb_pop3_session_secured(struct pb_pop3_session *s);

/*
 * Take octets from the front of *in up to the next request; answers of the
 * session's own go to out, at most until it holds `high` octets.
 *
 * PB_OK      *request is filled; its text is valid until the next call.
 *            Requests are PASS (login with s->user), APOP (the same; text is
 *            the name, password the digest in lower case), AUTH, STLS, QUIT,
 *            XCLIENT (text is for pop3/xclient.h), and every verb of the
 *            TRANSACTION state but NOOP.
 * PB_AGAIN   all of *in is taken, or out is full (then *in is not empty).
 * PB_EOF     too many errors, or another protocol than POP3 (s->foreign), whose
 *            next lines might pass for commands: the session is CLOSED; send what is in out.
 * PB_ENOMEM, PB_ETOOBIG  out's failure, or no room for a password or response.
 */
enum pb_status pb_pop3_session_next(struct pb_pop3_session *s,
				    struct pb_slice *in, struct pb_buffer *out,
				    size_t high,
				    struct pb_pop3_request *request)
    PB_MUST_CHECK;

/*
 * The request has been answered; failed is whether by an error of the
 * client's making, which counts among the errors in a row.
 */
void pb_pop3_session_answered(struct pb_pop3_session *s, bool failed);

/* An AUTH goes on: ask the client, and take its next line as the response. */
enum pb_status pb_pop3_session_challenge(struct pb_pop3_session *s,
					 struct pb_buffer *out,
					 struct pb_slice challenge)
    PB_MUST_CHECK;
/*
 * By AUTH or APOP the client has said who it is; no longer than PB_POP3_USER_MAX.  PASS
 * needs another USER.
 */
void pb_pop3_session_name(struct pb_pop3_session *s, struct pb_slice user);

/* The one place that changes the state; a step back is our bug. */
void pb_pop3_session_enter(struct pb_pop3_session *s,
			   enum pb_pop3_state state);

const char *pb_pop3_state_name(enum pb_pop3_state state);

#endif
