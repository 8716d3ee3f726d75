#include "mechanism.h"

/* How many octets follow the first one of a character, or -1. */
static int
following(unsigned char first)
{
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first < 0xe0)
		return 1;
	if (first >= 0xe0 && first < 0xf0)
		return 2;
	return first >= 0xf0 && first < 0xf5 ? 3 : -1;
}

/* The second octet has a narrower range behind some (RFC 3629, section 4). */
static bool
is_second(unsigned char first, unsigned char second)
{
	if (first == 0xe0 && second < 0xa0)
		return false;
	if (first == 0xed && second > 0x9f)
		return false;
	if (first == 0xf0 && second < 0x90)
		return false;
	return first != 0xf4 || second < 0x90;
}

bool
pb_sasl_is_utf8(struct pb_slice s)
{
	while (s.len > 0) {
		unsigned char first = (unsigned char)s.data[0];
		int more = following(first);
		int i;

		if (more < 0 || s.len < (size_t)more + 1)
			return false;
		for (i = 1; i <= more; i++) {
			if (((unsigned char)s.data[i] & 0xc0) != 0x80)
				return false;
		}
		if (more > 0 && !is_second(first, (unsigned char)s.data[1]))
			return false;
		pb_slice_skip(&s, (size_t)more + 1);
	}
	return true;
}

enum pb_status
pb_sasl_keep_name(struct pb_secret *where, struct pb_slice name)
{
	if (pb_slice_has_control(name))
		return PB_EINVAL;
	if (name.len > PB_SASL_NAME_MAX)
		return PB_ETOOBIG;
	return name.len > 0 ? pb_secret_set(where, name) : PB_EPROTO;
}

enum pb_status
pb_sasl_keep_saslname(struct pb_secret *where, struct pb_slice coded)
{
	char name[PB_SASL_NAME_MAX];
	size_t len = 0;

	while (coded.len > 0) {
		char c = coded.data[0];
		size_t taken = 1;

		if (c == '=') {
			c = pb_slice_starts(coded, "=2C") ? ',' : '=';
			taken = 3;
			if (c == '=' && !pb_slice_starts(coded, "=3D"))
				return PB_EPROTO;
		}
		if (len == sizeof(name))
			return PB_ETOOBIG;
		name[len++] = c;
		pb_slice_skip(&coded, taken);
	}
	return pb_sasl_keep_name(where, pb_slice(name, len));
}

enum pb_status
pb_sasl_take_gs2(struct pb_slice *message, struct pb_secret *authzid)
{
	struct pb_slice name;

	if (!pb_slice_starts(*message, "n,") &&
	    !pb_slice_starts(*message, "y,"))
		return PB_EPROTO;
	pb_slice_skip(message, 2);
	name = pb_slice_sub(*message, 0, pb_slice_find(*message, ','));
	if (name.len == message->len)
		return PB_EPROTO;
	pb_slice_skip(message, name.len + 1);
	if (name.len == 0)
		return PB_OK;
	if (!pb_slice_starts(name, "a="))
		return PB_EPROTO;
	pb_slice_skip(&name, 2);
	return pb_sasl_keep_saslname(authzid, name);
}
