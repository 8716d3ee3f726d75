#ifndef PB_BASE_SLICE_H
#define PB_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "popbridge/base/status.h"

/*
 * Octets that belong to somebody else.  A slice never owns and never ends in
 * NUL by promise; whoever hands one out says until when it is valid.
 */
struct pb_slice {
	const char *data;
	size_t len;
};

static inline struct pb_slice
pb_slice(const char *data, size_t len)
{
	return (struct pb_slice){ data, len };
}

static inline struct pb_slice
pb_slice_str(const char *s)
{
	return (struct pb_slice){ s, strlen(s) };
}

/* Drop the first n octets; n is at most in->len. */
static inline void
pb_slice_skip(struct pb_slice *in, size_t n)
{
	if (n > 0)
		in->data += n;
	in->len -= n;
}

/* The slice [from, to) of s. */
static inline struct pb_slice
pb_slice_sub(struct pb_slice s, size_t from, size_t to)
{
	pb_slice_skip(&s, from);
	s.len = to - from;
	return s;
}

/* Take c from the front, if it is there. */
static inline bool
pb_slice_take(struct pb_slice *in, char c)
{
	if (in->len == 0 || in->data[0] != c)
		return false;
	pb_slice_skip(in, 1);
	return true;
}

/* Take the blanks from the front.  False: there is none. */
bool pb_slice_take_blanks(struct pb_slice *in);
/* Take the decimal digits from the front; they may be none. */
struct pb_slice pb_slice_take_digits(struct pb_slice *in);

/* Position of the first c, or s.len when there is none. */
size_t pb_slice_find(struct pb_slice s, char c);

/* Octets below 0x20, and 0x7f. */
bool pb_slice_has_control(struct pb_slice s);

/* ASCII case does not count; what is not a letter must be equal. */
bool pb_slice_is(struct pb_slice s, const char *word);
bool pb_slice_starts(struct pb_slice s, const char *prefix);

/*
 * The next word of *in, up to a blank or the end; the blank is taken, too.
 * An empty slice when *in is empty or begins with a blank.
 */
struct pb_slice pb_slice_word(struct pb_slice *in);

/*
 * Decimal digits and nothing else, at most `max`.
 *
 * PB_OK, PB_EINVAL (empty, or not only digits), PB_ETOOBIG (over max).
 */
enum pb_status pb_slice_number(struct pb_slice s, uint64_t max,
			       uint64_t *value) PB_MUST_CHECK;

#endif
