#include "popbridge/pop3/session.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/pop3/reply.h"

enum pb_status
pb_pop3_session_init(struct pb_pop3_session *s, struct pb_buffer *out)
{
	*s = (struct pb_pop3_session){ .state = PB_POP3_AUTHORIZATION };
	return pb_pop3_reply(out, PB_REPLY_GREETING, 0, 0);
}

void
pb_pop3_session_fini(struct pb_pop3_session *s)
{
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
	s->errors = 0;
	pb_wipe(s->user, sizeof(s->user));
	pb_wipe(s->line, sizeof(s->line));
	s->line_len = 0;
}

static bool
may_begin_tls(const struct pb_pop3_session *s)
{
	return s->state == PB_POP3_AUTHORIZATION &&
	    (s->tls == PB_POP3_TLS_OFFERED || s->tls == PB_POP3_TLS_REQUIRED);
}

/*
 * Move octets of one line into s->line.  True when the line is complete;
 * *too_long when it did not fit and what is kept of it is of no use.
 */
static bool
take_line(struct pb_pop3_session *s, struct pb_slice *in, bool *too_long)
{
	size_t end = pb_slice_find(*in, '\n');
	size_t keep = end;

	/* One octet of room less: the LF is part of the limit. */
	if (keep > PB_POP3_LINE_MAX - 1 - s->line_len)
		keep = PB_POP3_LINE_MAX - 1 - s->line_len;
	if (keep > 0)
		memcpy(s->line + s->line_len, in->data, keep);
	s->line_len += keep;
	s->skipped += end - keep;
	if (end == in->len) {
		pb_slice_skip(in, end);
		return false;
	}
	pb_slice_skip(in, end + 1);
	*too_long = s->skipped > 0;
	if (s->line_len > 0 && s->line[s->line_len - 1] == '\r')
		s->line_len--;
	return true;
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
	if (!is_login_text(name))
		return refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
	memcpy(s->user, name.data, name.len);
	s->user[name.len] = '\0';
	s->user_len = name.len;
	return answer(s, out, PB_REPLY_USER);
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
	    (cmd->row->verb == PB_POP3_USER || cmd->row->verb == PB_POP3_PASS))
		return refuse(s, out, PB_REPLY_STLS_FIRST);
	switch (cmd->row->verb) {
	case PB_POP3_CAPA:
		st = answer(s, out, PB_REPLY_CAPA);
		return st == PB_OK ? pb_pop3_reply_capa_lines(out,
		    s->tls != PB_POP3_TLS_REQUIRED, may_begin_tls(s)) : st;
	case PB_POP3_NOOP:
		return answer(s, out, PB_REPLY_NOOP);
	case PB_POP3_STLS:
		return may_begin_tls(s) ? PB_AGAIN
					: refuse(s, out, PB_REPLY_NO_STLS);
	case PB_POP3_USER:
		return take_user(s, cmd->text, out);
	case PB_POP3_PASS:
		if (s->user_len == 0)
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
take_command(struct pb_pop3_session *s, bool too_long, struct pb_buffer *out,
    struct pb_pop3_request *request)
{
	struct pb_slice line = pb_slice(s->line, s->line_len);
	enum pb_status st;

	if (too_long) {
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

enum pb_status
pb_pop3_session_next(struct pb_pop3_session *s, struct pb_slice *in,
    struct pb_buffer *out, size_t high, struct pb_pop3_request *request)
{
	enum pb_status st;
	bool too_long;

	for (;;) {
		if (s->state == PB_POP3_CLOSED)
			return PB_EOF;
		if (must_end(s))
			return end_early(s, out);
		if (in->len == 0 || out->len >= high)
			return PB_AGAIN;
		if (!take_line(s, in, &too_long))
			continue;
		if (too_long && must_end(s))
			return end_early(s, out);
		s->skipped = 0;
		*request = (struct pb_pop3_request){ .password = { NULL, 0 } };
		st = take_command(s, too_long, out, request);
		s->line_len = 0;
		if (st == PB_AGAIN)
			return PB_OK;
		if (st != PB_OK)
			return st;
	}
}
