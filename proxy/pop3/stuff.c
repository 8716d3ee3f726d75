#include "popbridge/pop3/stuff.h"

#include "popbridge/base/check.h"

void
pb_pop3_stuff_init(struct pb_pop3_stuff *s, uint64_t lines)
{
	*s = (struct pb_pop3_stuff){ .lines = lines, .last = '\n',
		.blank = true };
}

static enum pb_status
put(struct pb_pop3_stuff *s, struct pb_buffer *out, const char *data,
    size_t len)
{
	enum pb_status st = pb_buffer_append(out, data, len);

	if (st == PB_OK) {
		s->octets += len;
		s->last = data[len - 1];
	}
	return st;
}

/* A line has ended: was it the blank one, is it the last one? */
static void
count_line(struct pb_pop3_stuff *s)
{
	if (s->in_body) {
		if (s->lines != PB_POP3_ALL_LINES)
			s->lines--;
	} else if (s->blank) {
		s->in_body = true;
	}
	s->blank = true;
	s->done = s->in_body && s->lines == 0;
}

/* What one special octet at the front of *in becomes. */
static enum pb_status
special(struct pb_pop3_stuff *s, char c, struct pb_buffer *out)
{
	enum pb_status st;

	if (c == '\n') {
		st = s->last == '\r' ? put(s, out, "\n", 1)
				     : put(s, out, "\r\n", 2);
		if (st == PB_OK)
			count_line(s);
		return st;
	}
	if (c == '\0')
		return put(s, out, "\x80", 1);
	pb_check(c == '.');
	st = pb_buffer_append(out, ".", 1);
	return st == PB_OK ? put(s, out, ".", 1) : st;
}

/* Octets of one line, without LF.  What needs a decision is dot and NUL. */
static enum pb_status
feed_line(struct pb_pop3_stuff *s, struct pb_slice line, struct pb_buffer *out)
{
	enum pb_status st = PB_OK;

	/* Like Dovecot: the header ends at a line that begins with CR. */
	if (line.len > 0 && s->last == '\n')
		s->blank = line.data[0] == '\r';
	while (st == PB_OK && line.len > 0) {
		size_t run = pb_slice_find(line, '\0');

		if (line.data[0] == '.' && s->last == '\n')
			run = 0;
		if (run == 0) {
			st = special(s, line.data[0], out);
			pb_slice_skip(&line, 1);
			continue;
		}
		st = put(s, out, line.data, run);
		pb_slice_skip(&line, run);
	}
	return st;
}

enum pb_status
pb_pop3_stuff_feed(struct pb_pop3_stuff *s, struct pb_slice *in,
    struct pb_buffer *out)
{
	enum pb_status st = PB_OK;

	while (st == PB_OK && in->len > 0 && !s->done) {
		size_t end = pb_slice_find(*in, '\n');

		st = feed_line(s, pb_slice_sub(*in, 0, end), out);
		pb_slice_skip(in, end);
		if (st == PB_OK && in->len > 0) {
			st = special(s, '\n', out);
			pb_slice_skip(in, 1);
		}
	}
	pb_slice_skip(in, in->len);
	return st;
}

enum pb_status
pb_pop3_stuff_end(struct pb_pop3_stuff *s, struct pb_buffer *out)
{
	/* The CR of an open line is content; the line end is ours. */
	if (s->octets == 0 || s->last != '\n') {
		enum pb_status st = put(s, out, "\r\n", 2);

		if (st != PB_OK)
			return st;
	}
	return pb_buffer_append(out, ".\r\n", 3);
}
