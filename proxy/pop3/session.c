#include "session_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

void
pb_pop3_session_init(struct pb_pop3_session *s)
{
	*s = (struct pb_pop3_session){ .state = PB_POP3_AUTHORIZATION };
	pb_buffer_init_secret(&s->response, PB_POP3_RESPONSE_MAX);
}

enum pb_status
pb_pop3_session_greet(struct pb_pop3_session *s, struct pb_buffer *out)
{
	pb_check(s->apop_stamp == NULL ||
	    strlen(s->apop_stamp) <= PB_POP3_STAMP_MAX);
	return pb_pop3_reply_greeting(out, s->xclient, s->apop_stamp);
}

void
pb_pop3_session_fini(struct pb_pop3_session *s)
{
	pb_buffer_fini(&s->response);
	pb_wipe(s, sizeof(*s));
	s->state = PB_POP3_CLOSED;
}

const char *
pb_pop3_state_name(enum pb_pop3_state state)
{
	switch (state) {
	case PB_POP3_AUTHORIZATION:
		return "AUTHORIZATION";
	case PB_POP3_TRANSACTION:
		return "TRANSACTION";
	case PB_POP3_UPDATE:
		return "UPDATE";
	case PB_POP3_CLOSED:
		return "CLOSED";
	}
	return "?";
}

void
pb_pop3_session_enter(struct pb_pop3_session *s, enum pb_pop3_state state)
{
	pb_check(state > s->state || state == PB_POP3_CLOSED);
	s->state = state;
	s->errors = 0;
}

void
pb_pop3_session_answered(struct pb_pop3_session *s, bool failed)
{
	s->errors = failed ? s->errors + 1 : 0;
}

void
pb_pop3_session_secured(struct pb_pop3_session *s)
{
	pb_check(s->state == PB_POP3_AUTHORIZATION);
	s->tls = PB_POP3_TLS_ACTIVE;
	s->user_len = 0;
	s->user_by_auth = false;
	s->errors = 0;
	pb_wipe(s->user, sizeof(s->user));
	pb_wipe(s->line, sizeof(s->line));
	s->line_len = 0;
}

enum pb_status
pb_pop3_session_challenge(struct pb_pop3_session *s, struct pb_buffer *out,
    struct pb_slice challenge)
{
	pb_check(s->state == PB_POP3_AUTHORIZATION && !s->in_auth);
	s->in_auth = true;
	return pb_pop3_reply_challenge(out, challenge);
}

void
pb_pop3_session_name(struct pb_pop3_session *s, struct pb_slice user)
{
	pb_check(user.len <= PB_POP3_USER_MAX);
	memcpy(s->user, user.data, user.len);
	s->user[user.len] = '\0';
	s->user_len = user.len;
	s->user_by_auth = true;
}

static bool
may_begin_tls(const struct pb_pop3_session *s)
{
	return s->state == PB_POP3_AUTHORIZATION &&
	    (s->tls == PB_POP3_TLS_OFFERED || s->tls == PB_POP3_TLS_REQUIRED);
}

enum pb_status
pb_pop3_refuse(struct pb_pop3_session *s, struct pb_buffer *out,
    enum pb_pop3_reply reply)
{
	pb_pop3_session_answered(s, true);
	return pb_pop3_reply(out, reply, 0, 0);
}

enum pb_status
pb_pop3_answer(struct pb_pop3_session *s, struct pb_buffer *out,
    enum pb_pop3_reply reply)
{
	enum pb_status st = pb_pop3_reply(out, reply, 0, 0);

	pb_pop3_session_answered(s, false);
	return st;
}

static enum pb_status
say_capa(struct pb_pop3_session *s, struct pb_buffer *out)
{
	bool login = s->tls != PB_POP3_TLS_REQUIRED;
	enum pb_status st = pb_pop3_answer(s, out, PB_REPLY_CAPA);

	if (st != PB_OK)
		return st;
	return pb_pop3_reply_capa_lines(out, login, may_begin_tls(s),
	    login && s->state == PB_POP3_AUTHORIZATION ? s->mechanisms
						       : NULL);
}

/* Verbs that are there only where somebody has switched them on. */
static bool
is_off(const struct pb_pop3_session *s, enum pb_pop3_verb verb)
{
	return (verb == PB_POP3_APOP && s->apop_stamp == NULL) ||
	    (verb == PB_POP3_XCLIENT && !s->xclient);
}

static bool
is_login(enum pb_pop3_verb verb)
{
	return verb == PB_POP3_APOP || verb == PB_POP3_AUTH ||
	    verb == PB_POP3_PASS || verb == PB_POP3_USER;
}

/*
 * Answer a command here when that is possible.  PB_OK when it is answered,
 * PB_AGAIN when it is a request for the caller.
 */
static enum pb_status
dispatch(struct pb_pop3_session *s, struct pb_pop3_request *request,
    struct pb_buffer *out)
{
	const struct pb_pop3_command *cmd = &request->command;

	if ((cmd->row->states & (unsigned)s->state) == 0)
		return pb_pop3_refuse(s, out, PB_REPLY_WRONG_STATE);
	if (s->tls == PB_POP3_TLS_REQUIRED && is_login(cmd->row->verb))
		return pb_pop3_refuse(s, out, PB_REPLY_STLS_FIRST);
	switch (cmd->row->verb) {
	case PB_POP3_APOP:
		return pb_pop3_take_apop(s, request, out);
	case PB_POP3_AUTH:
		return pb_pop3_begin_auth(s, request, out);
	case PB_POP3_CAPA:
		return say_capa(s, out);
	case PB_POP3_NOOP:
		return pb_pop3_answer(s, out, PB_REPLY_NOOP);
	case PB_POP3_STLS:
		return may_begin_tls(s) ? PB_AGAIN
		    : pb_pop3_refuse(s, out, PB_REPLY_NO_STLS);
	case PB_POP3_USER:
		return pb_pop3_take_user(s, cmd->text, out);
	case PB_POP3_PASS:
		return pb_pop3_take_pass(s, request, out);
	case PB_POP3_DELE:
	case PB_POP3_LAST:
	case PB_POP3_LIST:
	case PB_POP3_QUIT:
	case PB_POP3_RETR:
	case PB_POP3_RSET:
	case PB_POP3_STAT:
	case PB_POP3_TOP:
	case PB_POP3_UIDL:
	case PB_POP3_XCLIENT:
	case PB_POP3_VERBS:
		break;
	}
	return PB_AGAIN;
}

static void
wipe_secret(struct pb_pop3_session *s, const struct pb_pop3_request *request)
{
	if (request->command.row->secret)
		pb_wipe(s->line, sizeof(s->line));
}

/* PB_OK: answered.  PB_AGAIN: *request is for the caller. */
static enum pb_status
take_command(struct pb_pop3_session *s, struct pb_buffer *out,
    struct pb_pop3_request *request)
{
	struct pb_slice line = s->long_max > 0 ? pb_pop3_response_line(s)
	    : pb_slice(s->line, s->line_len);
	enum pb_status st;

	if (s->skipped > 0) {
		/* It may have been PASS. */
		pb_wipe(s->line, sizeof(s->line));
		return pb_pop3_refuse(s, out, PB_REPLY_LINE_TOO_LONG);
	}
	st = pb_pop3_command_parse(line, &request->command);
	if (request->command.row != NULL &&
	    is_off(s, request->command.row->verb))
		st = PB_EPROTO;
	switch (st) {
	case PB_OK:
		break;
	case PB_EINVAL:
		wipe_secret(s, request);
		return pb_pop3_refuse(s, out,
		    (request->command.row->states & (unsigned)s->state) == 0
			? PB_REPLY_WRONG_STATE
			: PB_REPLY_WRONG_ARGUMENTS);
	case PB_EPROTO:
	case PB_AGAIN:
	case PB_EOF:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EIO:
		/* It may be the response to a challenge that never came. */
		pb_wipe(s->line, sizeof(s->line));
		return pb_pop3_refuse(s, out, PB_REPLY_UNKNOWN_COMMAND);
	}
	st = dispatch(s, request, out);
	wipe_secret(s, request);
	return st;
}

/* The first octet of a handshake's record (RFC 8446, section 5.1). */
#define TLS_HANDSHAKE 0x16

static bool
begins_tls(const struct pb_pop3_session *s, struct pb_slice in)
{
	return s->state == PB_POP3_AUTHORIZATION && s->line_len == 0 &&
	    !s->in_auth && s->long_max == 0 && in.data[0] == TLS_HANDSHAKE;
}

/*
 * A request line of HTTP: a browser that was made to send one has POP3
 * commands of somebody else's in the body (ALPACA, cross-protocol requests).
 */
static bool
is_http(const struct pb_pop3_session *s)
{
	static const char *const methods[] = { "GET ", "POST ", "PUT ",
		"HEAD ", "OPTIONS ", "PATCH ", "DELETE ", "TRACE ",
		"CONNECT ", "PRI " };
	struct pb_slice line = pb_slice(s->line, s->line_len);
	size_t i;

	if (s->state != PB_POP3_AUTHORIZATION || s->in_auth)
		return false;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (pb_slice_starts(line, methods[i]))
			return true;
	}
	return false;
}

/* A program that guesses, or one that does not speak in lines. */
static bool
must_end(const struct pb_pop3_session *s)
{
	return s->foreign || s->skipped > PB_POP3_SKIP_MAX ||
	    s->errors >= PB_POP3_ERRORS_MAX;
}

static enum pb_status
end_early(struct pb_pop3_session *s, struct pb_buffer *out)
{
	enum pb_status st = PB_OK;

	if (s->foreign)
		st = pb_pop3_reply(out, PB_REPLY_OTHER_PROTOCOL, 0, 0);
	else if (s->skipped > PB_POP3_SKIP_MAX)
		st = pb_pop3_reply(out, PB_REPLY_LINE_TOO_LONG, 0, 0);
	pb_pop3_session_enter(s, PB_POP3_CLOSED);
	return st == PB_OK ? PB_EOF : st;
}

static void
forget_line(struct pb_pop3_session *s)
{
	pb_buffer_release(&s->response);
	s->handed = false;
	s->long_max = 0;
	s->skipped = 0;
	s->line_len = 0;
}

enum pb_status
pb_pop3_session_next(struct pb_pop3_session *s, struct pb_slice *in,
    struct pb_buffer *out, size_t high, struct pb_pop3_request *request)
{
	enum pb_status st;

	if (s->handed)
		forget_line(s);
	for (;;) {
		if (s->state == PB_POP3_CLOSED)
			return PB_EOF;
		if (must_end(s))
			return end_early(s, out);
		if (in->len == 0 || out->len >= high)
			return PB_AGAIN;
		s->foreign = begins_tls(s, *in);
		if (s->foreign)
			continue;
		st = pb_pop3_take_line(s, in);
		if (st == PB_AGAIN)
			continue;
		if (st != PB_OK)
			return st;
		s->foreign = is_http(s);
		if (must_end(s))
			return end_early(s, out);
		*request = (struct pb_pop3_request){ .password = { NULL, 0 } };
		st = s->in_auth ? pb_pop3_take_auth(s, out, request)
				: take_command(s, out, request);
		/* A request's text lasts until the next call. */
		s->handed = st == PB_AGAIN && !request->command.row->secret;
		if (!s->handed)
			forget_line(s);
		if (st == PB_AGAIN)
			return PB_OK;
		if (st != PB_OK)
			return st;
	}
}
