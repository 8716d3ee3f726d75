#include "session_priv.h"

#include "popbridge/base/mem.h"

/*
 * Move octets of one response into s->response.  PB_OK when it is complete,
 * PB_AGAIN when there must come more of it, PB_ENOMEM.
 */
static enum pb_status
take_response(struct pb_pop3_session *s, struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, '\n');
	size_t max = s->long_max > 0 ? s->long_max : PB_POP3_RESPONSE_MAX;
	size_t room = max - 1 - s->response.len;
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
 * How long this one may become, or 0: clients that never heard of a limit send
 * an AUTH with its response in one line, however long that is.
 */
static size_t
longer_limit(const struct pb_pop3_session *s)
{
	struct pb_slice line = pb_slice(s->line, s->line_len);

	if (s->state != PB_POP3_AUTHORIZATION)
		return 0;
	if (s->tls != PB_POP3_TLS_REQUIRED && s->mechanisms != NULL &&
	    pb_slice_starts(line, "AUTH "))
		return PB_POP3_RESPONSE_MAX;
	return s->xclient && pb_slice_starts(line, "XCLIENT ")
	    ? PB_POP3_XCLIENT_MAX : 0;
}

static enum pb_status
go_on_in_response(struct pb_pop3_session *s, size_t max)
{
	enum pb_status st = pb_buffer_append(&s->response, s->line,
	    s->line_len);

	pb_wipe(s->line, sizeof(s->line));
	s->long_max = max;
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
	size_t longer;

	/* One octet of room less: the LF is part of the limit. */
	if (keep > PB_POP3_LINE_MAX - 1 - s->line_len)
		keep = PB_POP3_LINE_MAX - 1 - s->line_len;
	if (keep > 0)
		memcpy(s->line + s->line_len, in->data, keep);
	s->line_len += keep;
	longer = end > keep && s->skipped == 0 ? longer_limit(s) : 0;
	if (longer > 0) {
		pb_slice_skip(in, keep);
		return go_on_in_response(s, longer);
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

enum pb_status
pb_pop3_take_line(struct pb_pop3_session *s, struct pb_slice *in)
{
	return s->in_auth || s->long_max > 0 ? take_response(s, in)
					     : take_line(s, in);
}

struct pb_slice
pb_pop3_response_line(const struct pb_pop3_session *s)
{
	struct pb_slice line = pb_buffer_slice(&s->response);

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}
