#include "popbridge/sasl/base64.h"

#include <stdint.h>

/* What a letter stands for, or -1. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

enum pb_status
pb_base64_decode(struct pb_slice in, char *out, size_t *len)
{
	uint32_t bits = 0;
	size_t padding = 0;
	size_t i;

	*len = 0;
	if (in.len % 4 != 0)
		return PB_EPROTO;
	while (padding < 2 && padding < in.len &&
	    in.data[in.len - 1 - padding] == '=')
		padding++;
	for (i = 0; i < in.len - padding; i++) {
		int value = value_of(in.data[i]);

		if (value < 0)
			return PB_EPROTO;
		bits = bits << 6 | (uint32_t)value;
		/* The first letter of a group fills no octet yet. */
		if (i % 4 > 0)
			out[(*len)++] = (char)(bits >> (6 - 2 * (i % 4)) &
			    0xff);
	}
	return PB_OK;
}

size_t
pb_base64_encode(struct pb_slice in, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;
	size_t i, k;

	for (i = 0; i < in.len; i += 3) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		uint32_t bits = 0;

		for (k = 0; k < 3; k++)
			bits = bits << 8 |
			    (k < n ? (unsigned char)in.data[i + k] : 0u);
		for (k = 0; k < 4; k++)
			out[at++] = k <= n
			    ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
	}
	out[at] = '\0';
	return at;
}
