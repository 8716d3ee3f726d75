#include "number.h"

char *
pb_number_put(char *at, uint32_t number)
{
	while (number >= 0x80) {
		*at++ = (char)(number | 0x80);
		number >>= 7;
	}
	*at++ = (char)number;
	return at;
}

bool
pb_number_take(struct pb_slice *in, uint32_t max, uint32_t *number)
{
	uint64_t value = 0;
	size_t n;

	for (n = 0; n < in->len && n < PB_NUMBER_MAX; n++) {
		uint64_t octet = (unsigned char)in->data[n];

		value |= (octet & 0x7f) << (7 * n);
		if ((octet & 0x80) != 0)
			continue;
		pb_slice_skip(in, n + 1);
		*number = (uint32_t)value;
		return value <= max && (octet != 0 || n == 0);
	}
	return false;
}
