#include "popbridge/base/text.h"

#include <stdio.h>

#include "popbridge/base/check.h"

static size_t
need_of(unsigned char c)
{
	if (c == '\\')
		return 2;
	return c < 0x20 || c > 0x7e ? 4 : 1;
}

static size_t
clean_len(struct pb_slice in)
{
	size_t len = 0;
	size_t i;

	for (i = 0; i < in.len; i++)
		len += need_of((unsigned char)in.data[i]);
	return len;
}

void
pb_text_clean(struct pb_slice in, char *out, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	bool cut = clean_len(in) >= size;
	size_t at = 0;
	size_t i;

	pb_check(size >= 8);
	for (i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];
		size_t need = need_of(c);

		if (cut && at + need > size - 4) {
			memcpy(out + at, "...", 3);
			at += 3;
			break;
		}
		if (need == 1) {
			out[at++] = (char)c;
			continue;
		}
		out[at++] = '\\';
		if (need == 2) {
			out[at++] = '\\';
			continue;
		}
		out[at++] = 'x';
		out[at++] = hex[c >> 4];
		out[at++] = hex[c & 15];
	}
	out[at] = '\0';
}
