#ifndef PB_POP3_SESSION_PRIV_H
#define PB_POP3_SESSION_PRIV_H

#include "popbridge/pop3/reply.h"
#include "popbridge/pop3/session.h"

/*
 * What the files of the session share: line.c cuts lines, session.c knows what
 * is legal, authorization.c has the verbs by which a client says who it is.
 */

/*
 * Take octets of the line that is due, of a command or a response.  PB_OK when
 * it is complete: in s->line, or in s->response when the session is within AUTH
 * or the line outgrew the others; s->skipped says that it did not fit, and then
 * what is kept of it is of no use.  PB_AGAIN when there must come more of it.
 * PB_ENOMEM.
 */
enum pb_status pb_pop3_take_line(struct pb_pop3_session *s,
				 struct pb_slice *in) PB_MUST_CHECK;

/* Answer here: by an error of the client's making, or well. */
enum pb_status pb_pop3_refuse(struct pb_pop3_session *s, struct pb_buffer *out,
			      enum pb_pop3_reply reply) PB_MUST_CHECK;
enum pb_status pb_pop3_answer(struct pb_pop3_session *s, struct pb_buffer *out,
			      enum pb_pop3_reply reply) PB_MUST_CHECK;

/* The response, or the line that outgrew the others, without its CR. */
struct pb_slice pb_pop3_response_line(const struct pb_pop3_session *s);

/*
 * The verbs.  PB_OK when it is answered, PB_AGAIN when *request is for the
 * caller.
 */
enum pb_status pb_pop3_take_user(struct pb_pop3_session *s,
				 struct pb_slice name,
				 struct pb_buffer *out) PB_MUST_CHECK;
enum pb_status pb_pop3_take_pass(struct pb_pop3_session *s,
				 struct pb_pop3_request *request,
				 struct pb_buffer *out) PB_MUST_CHECK;
enum pb_status pb_pop3_take_apop(struct pb_pop3_session *s,
				 struct pb_pop3_request *request,
				 struct pb_buffer *out) PB_MUST_CHECK;
enum pb_status pb_pop3_begin_auth(struct pb_pop3_session *s,
				  struct pb_pop3_request *request,
				  struct pb_buffer *out) PB_MUST_CHECK;
/* A line in a dialogue of AUTH; always for the caller. */
enum pb_status pb_pop3_take_auth(struct pb_pop3_session *s,
				 struct pb_buffer *out,
				 struct pb_pop3_request *request)
    PB_MUST_CHECK;

#endif
