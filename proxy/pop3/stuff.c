#include "popbridge/pop3/stuff.h"

#include "popbridge/base/check.h"

/*
 * Octets are looked at by vectors, of GCC's and clang's extension; every
 * machine has something for it.  So many at a time, and so many times before
 * there is a branch.
 */
#define STEP 16
#define STEPS 8
typedef unsigned char octets __attribute__((vector_size(STEP)));

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

/* A part of a message whose lines count: to where TOP ends. */
static enum pb_status
feed_counted(struct pb_pop3_stuff *s, struct pb_slice *in,
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
	return st;
}

/* Octets in front of which another one is put. */
static bool
is_bare_lf(char before, char c)
{
	return c == '\n' && before != '\r';
}

static bool
is_first_dot(char before, char c)
{
	return c == '.' && before == '\n';
}

/* Copy steps and look at them: false when an octet of them changes. */
static inline bool
copy_steps(const char *from, char *to, unsigned steps)
{
	octets changes = { 0 };
	uint64_t any[STEP / 8];
	unsigned i;

	for (i = 0; i < steps; i++) {
		octets before, c;

		memcpy(&before, from + i * STEP - 1, STEP);
		memcpy(&c, from + i * STEP, STEP);
		memcpy(to + i * STEP, &c, STEP);
		changes |= (octets)(c == '\0') |
		    (octets)((c == '\n') & (before != '\r')) |
		    (octets)((c == '.') & (before == '\n'));
	}
	memcpy(any, &changes, STEP);
	return (any[0] | any[1]) == 0;
}

/* Whole steps that need no change; *in has one octet in front of it. */
static enum pb_status
pass_run(struct pb_pop3_stuff *s, struct pb_slice *in, struct pb_buffer *out)
{
	size_t n = 0;
	char *to;
	/* No octet ever becomes less than one. */
	enum pb_status st = pb_buffer_reserve(out, in->len, &to);

	if (st != PB_OK)
		return st;
	while (in->len - n >= STEPS * STEP &&
	    copy_steps(in->data + n, to + n, STEPS))
		n += STEPS * STEP;
	while (in->len - n >= STEP && copy_steps(in->data + n, to + n, 1))
		n += STEP;
	pb_buffer_commit(out, n);
	s->octets += n;
	pb_slice_skip(in, n);
	if (n > 0)
		s->last = in->data[-1];
	return PB_OK;
}

/* Octet by octet, whatever they are. */
static enum pb_status
change(struct pb_pop3_stuff *s, struct pb_slice in, struct pb_buffer *out)
{
	char before = s->last;
	size_t bare = 0;
	size_t dots = 0;
	enum pb_status st;
	char *to;
	size_t i;

	for (i = 0; i < in.len; i++) {
		bare += is_bare_lf(before, in.data[i]);
		dots += is_first_dot(before, in.data[i]);
		before = in.data[i];
	}
	st = pb_buffer_reserve(out, in.len + bare + dots, &to);
	if (st != PB_OK)
		return st;
	before = s->last;
	for (i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (is_bare_lf(before, c))
			*to++ = '\r';
		if (is_first_dot(before, c))
			*to++ = '.';
		before = c != '\0' ? c : '\x80';
		*to++ = before;
	}
	pb_buffer_commit(out, in.len + bare + dots);
	s->octets += in.len + bare;
	s->last = before;
	return PB_OK;
}

/* All of it is wanted: long runs, and steps with changes between them. */
static enum pb_status
feed_all(struct pb_pop3_stuff *s, struct pb_slice *in, struct pb_buffer *out)
{
	enum pb_status st = PB_OK;
	size_t n = 1;

	while (st == PB_OK && in->len > 0) {
		st = change(s, pb_slice(in->data, n), out);
		pb_slice_skip(in, n);
		if (st == PB_OK && in->len >= STEP)
			st = pass_run(s, in, out);
		n = in->len < STEP ? in->len : STEP;
	}
	return st;
}

enum pb_status
pb_pop3_stuff_feed(struct pb_pop3_stuff *s, struct pb_slice *in,
    struct pb_buffer *out)
{
	enum pb_status st = s->lines == PB_POP3_ALL_LINES
	    ? feed_all(s, in, out) : feed_counted(s, in, out);

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
