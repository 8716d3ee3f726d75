#include "popbridge/imap/framer.h"

#include "popbridge/base/check.h"

/* No message has more octets than this, and sums of two cannot wrap. */
#define LITERAL_MAX (UINT64_MAX / 4)

void
pb_imap_framer_init(struct pb_imap_framer *f)
{
	*f = (struct pb_imap_framer){ .state = PB_IMAP_FRAMER_LINE };
	pb_buffer_init(&f->text, PB_IMAP_RESPONSE_MAX);
}

void
pb_imap_framer_fini(struct pb_imap_framer *f)
{
	pb_buffer_fini(&f->text);
	f->state = PB_IMAP_FRAMER_BROKEN;
}

void
pb_imap_framer_want_bodies(struct pb_imap_framer *f, bool want)
{
	f->want_bodies = want;
}

void
pb_imap_framer_limit(struct pb_imap_framer *f, size_t max)
{
	f->text.max = max > f->text.len ? max : f->text.len;
}

/*
 * Text that people read may end in braces and is no literal: tagged lines,
 * continuations, and untagged conditions.
 */
static bool
is_data(struct pb_slice text)
{
	static const char *const conditions[] = { "OK", "NO", "BAD", "BYE",
		"PREAUTH" };
	struct pb_slice word;
	size_t i;

	if (text.len < 2 || text.data[0] != '*' || text.data[1] != ' ')
		return false;
	pb_slice_skip(&text, 2);
	word = pb_slice_word(&text);
	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (pb_slice_is(word, conditions[i]))
			return false;
	}
	return true;
}

/*
 * Does the line end in {n}, {n+} or ~{n}?  *brace is where that begins.
 *
 * PB_OK, PB_EINVAL (it does not), PB_EPROTO (it does, n is absurd).
 */
static enum pb_status
literal_at_end(struct pb_slice line, size_t *brace, uint64_t *size)
{
	size_t end = line.len;
	size_t start;

	if (end < 3 || line.data[end - 1] != '}')
		return PB_EINVAL;
	end--;
	if (line.data[end - 1] == '+')
		end--;
	for (start = end; start > 0 && line.data[start - 1] >= '0' &&
	    line.data[start - 1] <= '9'; start--)
		continue;
	if (start == end || start == 0 || line.data[start - 1] != '{')
		return PB_EINVAL;
	if (pb_slice_number(pb_slice_sub(line, start, end), LITERAL_MAX,
	    size) != PB_OK)
		return PB_EPROTO;
	*brace = start - 1;
	if (*brace > 0 && line.data[*brace - 1] == '~')
		(*brace)--;
	return PB_OK;
}

static bool
ends_in(struct pb_slice s, const char *tail)
{
	size_t len = strlen(tail);

	return s.len >= len &&
	    pb_slice_is(pb_slice_sub(s, s.len - len, s.len), tail);
}

/*
 * Is the literal behind this text a message's body?  What counts is the item
 * right before it, BODY[], BODY[]<0> or RFC822: anywhere else the same octets
 * may be part of a quoted string.
 */
static bool
is_body_item(struct pb_slice text)
{
	if (text.len < 2 || text.data[text.len - 1] != ' ')
		return false;
	text.len--;
	if (text.data[text.len - 1] == '>') {
		text.len--;
		while (text.len > 0 && text.data[text.len - 1] >= '0' &&
		    text.data[text.len - 1] <= '9')
			text.len--;
		if (text.len == 0 || text.data[text.len - 1] != '<')
			return false;
		text.len--;
	}
	return ends_in(text, "(BODY[]") || ends_in(text, " BODY[]") ||
	    ends_in(text, "(RFC822") || ends_in(text, " RFC822");
}

static enum pb_status
broken(struct pb_imap_framer *f, enum pb_status st)
{
	f->state = PB_IMAP_FRAMER_BROKEN;
	pb_buffer_release(&f->text);
	return st;
}

static enum pb_status
whole(struct pb_imap_framer *f, struct pb_slice text,
    struct pb_imap_frame *frame)
{
	f->ended = true;
	*frame = (struct pb_imap_frame){ PB_IMAP_FRAME_RESPONSE, text, 0 };
	return PB_OK;
}

/* The present line is complete and ends in a literal of `size` octets. */
static enum pb_status
begin_literal(struct pb_imap_framer *f, size_t brace, uint64_t size,
    struct pb_imap_frame *frame)
{
	struct pb_slice before = pb_slice_sub(pb_buffer_slice(&f->text), 0,
	    f->line + brace);
	enum pb_status st;

	f->literal_left = size;
	if (f->want_bodies && !f->handed_on && is_body_item(before)) {
		f->handed_on = true;
		f->text.len = before.len;
		st = pb_buffer_append(&f->text, "{0}\r\n", 5);
		if (st != PB_OK)
			return broken(f, st);
		f->line = f->text.len;
		f->state = PB_IMAP_FRAMER_BODY;
		*frame = (struct pb_imap_frame){ PB_IMAP_FRAME_BODY,
			pb_buffer_slice(&f->text), size };
		return PB_OK;
	}
	if (size > f->text.max)
		return broken(f, PB_ETOOBIG);
	st = pb_buffer_append(&f->text, "\r\n", 2);
	if (st != PB_OK)
		return broken(f, st);
	f->line = f->text.len;
	f->state = PB_IMAP_FRAMER_LITERAL;
	return PB_AGAIN;
}

/* The octets up to a LF are in f->text, or in `line` when nothing was there. */
static enum pb_status
end_line(struct pb_imap_framer *f, struct pb_slice line,
    struct pb_imap_frame *frame)
{
	enum pb_status st;
	uint64_t size = 0;
	size_t brace = 0;

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	st = literal_at_end(line, &brace, &size);
	if (st == PB_EINVAL || !is_data(f->text.len > 0 ?
	    pb_buffer_slice(&f->text) : line)) {
		if (f->text.len == 0)
			return whole(f, line, frame);
		f->text.len = f->line + line.len;
		return whole(f, pb_buffer_slice(&f->text), frame);
	}
	if (st != PB_OK)
		return broken(f, st);
	if (f->text.len == 0) {
		st = pb_buffer_append(&f->text, line.data, line.len);
		if (st != PB_OK)
			return broken(f, st);
	}
	f->text.len = f->line + line.len;
	return begin_literal(f, brace, size, frame);
}

static enum pb_status
next_in_line(struct pb_imap_framer *f, struct pb_slice *in,
    struct pb_imap_frame *frame)
{
	size_t end = pb_slice_find(*in, '\n');
	struct pb_slice part = pb_slice(in->data, end);
	bool complete = end < in->len;
	enum pb_status st;

	pb_slice_skip(in, complete ? end + 1 : end);
	if (complete && f->text.len == 0) {
		if (part.len > f->text.max)
			return broken(f, PB_ETOOBIG);
		return end_line(f, part, frame);
	}
	st = pb_buffer_append(&f->text, part.data, part.len);
	if (st != PB_OK)
		return broken(f, st);
	if (!complete)
		return PB_AGAIN;
	return end_line(f, pb_slice_sub(pb_buffer_slice(&f->text), f->line,
	    f->text.len), frame);
}

static enum pb_status
next_in_literal(struct pb_imap_framer *f, struct pb_slice *in)
{
	size_t n = in->len < f->literal_left ? in->len
					     : (size_t)f->literal_left;
	enum pb_status st = pb_buffer_append(&f->text, in->data, n);

	if (st != PB_OK)
		return broken(f, st);
	pb_slice_skip(in, n);
	f->literal_left -= n;
	if (f->literal_left == 0) {
		f->state = PB_IMAP_FRAMER_LINE;
		f->line = f->text.len;
	}
	return PB_AGAIN;
}

static enum pb_status
next_in_body(struct pb_imap_framer *f, struct pb_slice *in,
    struct pb_imap_frame *frame)
{
	size_t n = in->len < f->literal_left ? in->len
					     : (size_t)f->literal_left;

	*frame = (struct pb_imap_frame){ PB_IMAP_FRAME_BODY_DATA,
		pb_slice(in->data, n), 0 };
	pb_slice_skip(in, n);
	f->literal_left -= n;
	return PB_OK;
}

enum pb_status
pb_imap_framer_next(struct pb_imap_framer *f, struct pb_slice *in,
    struct pb_imap_frame *frame)
{
	enum pb_status st = PB_AGAIN;

	if (f->ended) {
		f->ended = false;
		f->handed_on = false;
		f->line = 0;
		/* An idle connection keeps no memory for text. */
		pb_buffer_release(&f->text);
	}
	while (st == PB_AGAIN) {
		if (f->state == PB_IMAP_FRAMER_BODY && f->literal_left == 0)
			f->state = PB_IMAP_FRAMER_LINE;
		if (f->state == PB_IMAP_FRAMER_LITERAL && f->literal_left == 0)
			f->state = PB_IMAP_FRAMER_LINE;
		if (in->len == 0)
			return PB_AGAIN;
		switch (f->state) {
		case PB_IMAP_FRAMER_LINE:
			st = next_in_line(f, in, frame);
			break;
		case PB_IMAP_FRAMER_LITERAL:
			st = next_in_literal(f, in);
			break;
		case PB_IMAP_FRAMER_BODY:
			return next_in_body(f, in, frame);
		case PB_IMAP_FRAMER_BROKEN:
			return PB_EPROTO;
		}
	}
	return st;
}
