#include "popbridge/base/slice.h"

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

size_t
pb_slice_find(struct pb_slice s, char c)
{
	const char *p = s.len > 0 ? memchr(s.data, c, s.len) : NULL;

	return p != NULL ? (size_t)(p - s.data) : s.len;
}

bool
pb_slice_starts(struct pb_slice s, const char *prefix)
{
	size_t i;

	for (i = 0; prefix[i] != '\0'; i++) {
		if (i == s.len || lower(s.data[i]) != lower(prefix[i]))
			return false;
	}
	return true;
}

bool
pb_slice_take_blanks(struct pb_slice *in)
{
	bool any = false;

	while (pb_slice_take(in, ' '))
		any = true;
	return any;
}

struct pb_slice
pb_slice_take_digits(struct pb_slice *in)
{
	struct pb_slice digits = pb_slice(in->data, 0);

	while (in->len > 0 && in->data[0] >= '0' && in->data[0] <= '9') {
		pb_slice_skip(in, 1);
		digits.len++;
	}
	return digits;
}

bool
pb_slice_has_control(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c < 0x20 || c == 0x7f)
			return true;
	}
	return false;
}

bool
pb_slice_is(struct pb_slice s, const char *word)
{
	return s.len == strlen(word) && pb_slice_starts(s, word);
}

struct pb_slice
pb_slice_word(struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, ' ');
	struct pb_slice word = pb_slice(in->data, end);

	pb_slice_skip(in, end < in->len ? end + 1 : end);
	return word;
}

enum pb_status
pb_slice_number(struct pb_slice s, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;
	size_t i;

	if (s.len == 0)
		return PB_EINVAL;
	for (i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return PB_EINVAL;
	}
	for (i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)(s.data[i] - '0');

		if (digit > max || n > (max - digit) / 10)
			return PB_ETOOBIG;
		n = n * 10 + digit;
	}
	*value = n;
	return PB_OK;
}
