#include "popbridge/imap/mailbox_name.h"

#include <stdint.h>
#include <string.h>

/* Where the name is written, with a place for the NUL kept. */
struct target {
	char *out;
	size_t len;
	size_t size;
	bool is_full;
	uint32_t bits;		/* of base64, not written yet */
	unsigned n_bits;
	bool is_shifted;	/* between & and - */
};

/* The first octet of a sequence says how many there are. */
static unsigned
length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2)
		return 0;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0)
		return 3;
	return first < 0xf5 ? 4 : 0;
}

/* RFC 3629: the shortest form, no surrogates, nothing over 10FFFF. */
static bool
take_character(struct pb_slice *in, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned len = length_of((unsigned char)in->data[0]);
	uint32_t c;
	unsigned i;

	if (len == 0 || len > in->len)
		return false;
	c = (unsigned char)in->data[0] & mask[len];
	for (i = 1; i < len; i++) {
		unsigned char next = (unsigned char)in->data[i];

		if ((next & 0xc0) != 0x80)
			return false;
		c = c << 6 | (next & 0x3f);
	}
	pb_slice_skip(in, len);
	*character = c;
	return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static void
put(struct target *t, char c)
{
	if (t->len + 1 >= t->size)
		t->is_full = true;
	else
		t->out[t->len++] = c;
}

static void
put_base64(struct target *t, uint32_t value)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+,";

	put(t, digits[value & 0x3f]);
}

static void
put_unit(struct target *t, uint32_t unit)
{
	t->bits = t->bits << 16 | unit;
	t->n_bits += 16;
	while (t->n_bits >= 6) {
		t->n_bits -= 6;
		put_base64(t, t->bits >> t->n_bits);
	}
}

static void
put_shifted(struct target *t, uint32_t character)
{
	if (!t->is_shifted)
		put(t, '&');
	t->is_shifted = true;
	if (character < 0x10000) {
		put_unit(t, character);
		return;
	}
	character -= 0x10000;
	put_unit(t, 0xd800 | character >> 10);
	put_unit(t, 0xdc00 | (character & 0x3ff));
}

static void
shift_out(struct target *t)
{
	if (!t->is_shifted)
		return;
	if (t->n_bits > 0)
		put_base64(t, t->bits << (6 - t->n_bits));
	put(t, '-');
	t->is_shifted = false;
	t->n_bits = 0;
}

enum pb_status
pb_imap_mailbox_encode(struct pb_slice utf8, char *out, size_t size)
{
	struct target t = { .out = out, .size = size };
	uint32_t c;

	if (utf8.len == 0)
		return PB_EINVAL;
	while (utf8.len > 0) {
		if (!take_character(&utf8, &c) || c < 0x20 || c == 0x7f)
			return PB_EINVAL;
		if (c > 0x7f) {
			put_shifted(&t, c);
			continue;
		}
		shift_out(&t);
		put(&t, (char)c);
		if (c == '&')
			put(&t, '-');
	}
	shift_out(&t);
	if (t.is_full)
		return PB_ETOOBIG;
	out[t.len] = '\0';
	return PB_OK;
}

bool
pb_imap_mailbox_same(struct pb_slice a, struct pb_slice b)
{
	if (pb_slice_is(a, "INBOX"))
		return pb_slice_is(b, "INBOX");
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}
