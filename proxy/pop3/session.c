#include "popbridge/pop3/session.h"

#include <strings.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/pop3/reply.h"

enum pb_status
pb_pop3_session_init(struct pb_pop3_session *s, struct pb_buffer *out)
{
	*s = (struct pb_pop3_session){ .state = PB_POP3_AUTHORIZATION };
	pb_buffer_init_secret(&s->response, PB_POP3_RESPONSE_MAX);
	return pb_pop3_reply(out, PB_REPLY_GREETING, 0, 0);
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

/*
 * Move octets of one response into s->response.  PB_OK when it is complete,
 * PB_AGAIN when there must come more of it, PB_ENOMEM.
 */
static enum pb_status
take_response(struct pb_pop3_session *s, struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, '\n');
	size_t room = PB_POP3_RESPONSE_MAX - 1 - s->response.len;
	size_t keep = end < room ? end : room;
	enum pb_status st = PB_OK;

	if (s->skipped > 0)
		keep = 0;
	s->skipped += end - keep;
	/* It is of no use any more, so nothing of it is kept. */
	if (s->skipped > 0)
		pb_buffer_release(&s->response);
	else
		st = pb_buffer_append(&s->response, in->data, keep);
	if (st != PB_OK)
		return st;
	st = end == in->len ? PB_AGAIN : PB_OK;
	pb_slice_skip(in, st == PB_OK ? end + 1 : end);
	return st;
}

/*
 * Clients that never heard of a limit send an AUTH with its response in one
 * line, however long that is.
 */
static bool
may_outgrow_the_line(const struct pb_pop3_session *s)
{
	return s->state == PB_POP3_AUTHORIZATION &&
	    s->tls != PB_POP3_TLS_REQUIRED && s->mechanisms != NULL &&
	    pb_slice_starts(pb_slice(s->line, s->line_len), "AUTH ");
}

static enum pb_status
go_on_in_response(struct pb_pop3_session *s)
{
	enum pb_status st = pb_buffer_append(&s->response, s->line,
	    s->line_len);

	pb_wipe(s->line, sizeof(s->line));
	s->long_auth = true;
	return st == PB_OK ? PB_AGAIN : st;
}

/*
 * Move octets of one line into s->line, as take_response does; when s->skipped
 * says that it did not fit, what is kept of it is of no use.
 */
static enum pb_status
take_line(struct pb_pop3_session *s, struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, '\n');
	size_t keep = end;

	/* One octet of room less: the LF is part of the limit. */
	if (keep > PB_POP3_LINE_MAX - 1 - s->line_len)
		keep = PB_POP3_LINE_MAX - 1 - s->line_len;
	if (keep > 0)
		memcpy(s->line + s->line_len, in->data, keep);
	s->line_len += keep;
	if (end > keep && s->skipped == 0 && may_outgrow_the_line(s)) {
		pb_slice_skip(in, keep);
		return go_on_in_response(s);
	}
	s->skipped += end - keep;
	if (end == in->len) {
		pb_slice_skip(in, end);
		return PB_AGAIN;
	}
	pb_slice_skip(in, end + 1);
	if (s->line_len > 0 && s->line[s->line_len - 1] == '\r')
		s->line_len--;
	return PB_OK;
}

/* CR and NUL would end up in a command or a C string of somebody else. */
static bool
is_login_text(struct pb_slice text)
{
	return pb_slice_find(text, '\r') == text.len &&
	    pb_slice_find(text, '\0') == text.len;
}

static enum pb_status
refuse(struct pb_pop3_session *s, struct pb_buffer *out,
    enum pb_pop3_reply reply)
{
	pb_pop3_session_answered(s, true);
	return pb_pop3_reply(out, reply, 0, 0);
}

static enum pb_status
answer(struct pb_pop3_session *s, struct pb_buffer *out,
    enum pb_pop3_reply reply)
{
	enum pb_status st = pb_pop3_reply(out, reply, 0, 0);

	pb_pop3_session_answered(s, false);
	return st;
}

static enum pb_status
take_user(struct pb_pop3_session *s, struct pb_slice name,
    struct pb_buffer *out)
{
	s->user_len = 0;
	s->user_by_auth = false;
	if (!is_login_text(name))
		return refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
	memcpy(s->user, name.data, name.len);
	s->user[name.len] = '\0';
	s->user_len = name.len;
	return answer(s, out, PB_REPLY_USER);
}

static enum pb_status
say_capa(struct pb_pop3_session *s, struct pb_buffer *out)
{
	bool login = s->tls != PB_POP3_TLS_REQUIRED;
	enum pb_status st = answer(s, out, PB_REPLY_CAPA);

	if (st != PB_OK)
		return st;
	return pb_pop3_reply_capa_lines(out, login, may_begin_tls(s),
	    login && s->state == PB_POP3_AUTHORIZATION ? s->mechanisms
						       : NULL);
}

/* The name in s->mechanisms, where it lasts; empty when it is not there. */
static struct pb_slice
find_mechanism(const struct pb_pop3_session *s, struct pb_slice name)
{
	struct pb_slice names = pb_slice_str(s->mechanisms);

	while (names.len > 0) {
		struct pb_slice one = pb_slice_word(&names);

		if (one.len == name.len &&
		    strncasecmp(one.data, name.data, one.len) == 0)
			return one;
	}
	return names;
}

/* As dispatch: AUTH, with what stands behind it. */
static enum pb_status
begin_auth(struct pb_pop3_session *s, struct pb_pop3_request *request,
    struct pb_buffer *out)
{
	struct pb_slice response = request->command.text;
	struct pb_slice name = pb_slice_word(&response);
	enum pb_status st;

	if (s->mechanisms == NULL)
		return refuse(s, out, PB_REPLY_NO_MECHANISM);
	if (name.len == 0) {
		st = answer(s, out, PB_REPLY_AUTH_LIST);
		return st == PB_OK ? pb_pop3_reply_sasl_lines(out,
		    s->mechanisms) : st;
	}
	if (pb_slice_find(response, ' ') < response.len)
		return refuse(s, out, PB_REPLY_WRONG_ARGUMENTS);
	request->auth = PB_POP3_AUTH_BEGIN;
	request->mechanism = find_mechanism(s, name);
	if (request->mechanism.len == 0)
		return refuse(s, out, PB_REPLY_NO_MECHANISM);
	request->has_response = response.len > 0;
	/* The line will be wiped. */
	request->command.text = pb_slice("", 0);
	/* "=" is an empty one (RFC 5034, section 4). */
	if (response.len == 1 && response.data[0] == '=')
		response.len = 0;
	st = pb_secret_set(&request->response, response);
	return st == PB_OK ? PB_AGAIN : st;
}

/* What take_response has gathered, without the CR. */
static struct pb_slice
response_line(const struct pb_pop3_session *s)
{
	struct pb_slice line = pb_buffer_slice(&s->response);

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* A line in a dialogue of AUTH; always for the caller. */
static enum pb_status
take_auth(struct pb_pop3_session *s, struct pb_buffer *out,
    struct pb_pop3_request *request)
{
	struct pb_slice line = response_line(s);
	enum pb_status st;

	request->command.row = pb_pop3_verb_row(PB_POP3_AUTH);
	request->auth = PB_POP3_AUTH_ABORTED;
	if (s->skipped > 0) {
		st = refuse(s, out, PB_REPLY_LINE_TOO_LONG);
	} else if (line.len == 1 && line.data[0] == '*') {
		st = refuse(s, out, PB_REPLY_AUTH_CANCELLED);
	} else {
		request->auth = PB_POP3_AUTH_RESPONSE;
		request->has_response = true;
		st = pb_secret_set(&request->response, line);
	}
	s->in_auth = false;
	return st == PB_OK ? PB_AGAIN : st;
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
	enum pb_status st;

	if ((cmd->row->states & (unsigned)s->state) == 0)
		return refuse(s, out, PB_REPLY_WRONG_STATE);
	if (s->tls == PB_POP3_TLS_REQUIRED &&
	    (cmd->row->verb == PB_POP3_USER || cmd->row->verb == PB_POP3_PASS ||
	    cmd->row->verb == PB_POP3_AUTH))
		return refuse(s, out, PB_REPLY_STLS_FIRST);
	switch (cmd->row->verb) {
	case PB_POP3_AUTH:
		return begin_auth(s, request, out);
	case PB_POP3_CAPA:
		return say_capa(s, out);
	case PB_POP3_NOOP:
		return answer(s, out, PB_REPLY_NOOP);
	case PB_POP3_STLS:
		return may_begin_tls(s) ? PB_AGAIN
					: refuse(s, out, PB_REPLY_NO_STLS);
	case PB_POP3_USER:
		return take_user(s, cmd->text, out);
	case PB_POP3_PASS:
		if (s->user_len == 0 || s->user_by_auth)
			return refuse(s, out, PB_REPLY_USER_FIRST);
		if (!is_login_text(cmd->text))
			return refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
		st = pb_secret_set(&request->password, cmd->text);
		return st == PB_OK ? PB_AGAIN : st;
	case PB_POP3_DELE:
	case PB_POP3_LAST:
	case PB_POP3_LIST:
	case PB_POP3_QUIT:
	case PB_POP3_RETR:
	case PB_POP3_RSET:
	case PB_POP3_STAT:
	case PB_POP3_TOP:
	case PB_POP3_UIDL:
	case PB_POP3_VERBS:
		break;
	}
	return PB_AGAIN;
}

/* PB_OK: answered.  PB_AGAIN: *request is for the caller. */
static enum pb_status
take_command(struct pb_pop3_session *s, struct pb_buffer *out,
    struct pb_pop3_request *request)
{
	struct pb_slice line = s->long_auth ? response_line(s)
	    : pb_slice(s->line, s->line_len);
	enum pb_status st;

	if (s->skipped > 0) {
		/* It may have been PASS. */
		pb_wipe(s->line, sizeof(s->line));
		return refuse(s, out, PB_REPLY_LINE_TOO_LONG);
	}
	switch (pb_pop3_command_parse(line, &request->command)) {
	case PB_OK:
		break;
	case PB_EINVAL:
		return refuse(s, out,
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
		return refuse(s, out, PB_REPLY_UNKNOWN_COMMAND);
	}
	st = dispatch(s, request, out);
	if (request->command.row->secret)
		pb_wipe(s->line, sizeof(s->line));
	return st;
}

/* A program that guesses, or one that does not speak in lines. */
static bool
must_end(const struct pb_pop3_session *s)
{
	return s->skipped > PB_POP3_SKIP_MAX ||
	    s->errors >= PB_POP3_ERRORS_MAX;
}

static enum pb_status
end_early(struct pb_pop3_session *s, struct pb_buffer *out)
{
	enum pb_status st = PB_OK;

	if (s->skipped > PB_POP3_SKIP_MAX)
		st = pb_pop3_reply(out, PB_REPLY_LINE_TOO_LONG, 0, 0);
	pb_pop3_session_enter(s, PB_POP3_CLOSED);
	return st == PB_OK ? PB_EOF : st;
}

static enum pb_status
take_any_line(struct pb_pop3_session *s, struct pb_slice *in)
{
	return s->in_auth || s->long_auth ? take_response(s, in)
					  : take_line(s, in);
}

enum pb_status
pb_pop3_session_next(struct pb_pop3_session *s, struct pb_slice *in,
    struct pb_buffer *out, size_t high, struct pb_pop3_request *request)
{
	enum pb_status st;

	for (;;) {
		if (s->state == PB_POP3_CLOSED)
			return PB_EOF;
		if (must_end(s))
			return end_early(s, out);
		if (in->len == 0 || out->len >= high)
			return PB_AGAIN;
		st = take_any_line(s, in);
		if (st == PB_AGAIN)
			continue;
		if (st != PB_OK)
			return st;
		if (must_end(s))
			return end_early(s, out);
		*request = (struct pb_pop3_request){ .password = { NULL, 0 } };
		st = s->in_auth ? take_auth(s, out, request)
				: take_command(s, out, request);
		pb_buffer_release(&s->response);
		s->long_auth = false;
		s->skipped = 0;
		s->line_len = 0;
		if (st == PB_AGAIN)
			return PB_OK;
		if (st != PB_OK)
			return st;
	}
}
