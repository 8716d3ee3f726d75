#include "popbridge/service/network.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "popbridge/base/check.h"

/* In front of an IPv4 address that is written as one of IPv6. */
#define MAPPED_BITS 96
static const uint8_t mapped[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* PB_OK: *width is the number of bits that a prefix of it can have. */
static enum pb_status
parse_address(struct pb_slice text, uint8_t address[16], unsigned *width)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(copy) ||
	    pb_slice_find(text, '\0') != text.len)
		return PB_EINVAL;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*width = 128;
	if (inet_pton(AF_INET6, copy, address) == 1)
		return PB_OK;
	*width = 32;
	memcpy(address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, copy, address + sizeof(mapped)) == 1 ?
	    PB_OK : PB_EINVAL;
}

static enum pb_status
parse_bits(struct pb_slice text, unsigned width, uint8_t *bits)
{
	uint64_t number;

	/* Some read a leading zero as octal. */
	if (text.len > 1 && text.data[0] == '0')
		return PB_EINVAL;
	if (pb_slice_number(text, width, &number) != PB_OK)
		return PB_EINVAL;
	*bits = (uint8_t)(128 - width + (unsigned)number);
	return PB_OK;
}

static uint8_t
mask_of(unsigned bits, unsigned octet)
{
	if (bits >= 8 * (octet + 1))
		return 0xff;
	if (bits <= 8 * octet)
		return 0;
	return (uint8_t)(0xff << (8 - bits % 8));
}

enum pb_status
pb_network_parse(struct pb_slice text, struct pb_network *out)
{
	size_t slash = pb_slice_find(text, '/');
	struct pb_network n = { .bits = 128 };
	unsigned width;
	unsigned i;

	if (parse_address(pb_slice_sub(text, 0, slash), n.address,
	    &width) != PB_OK)
		return PB_EINVAL;
	if (slash < text.len && parse_bits(pb_slice_sub(text, slash + 1,
	    text.len), width, &n.bits) != PB_OK)
		return PB_EINVAL;
	for (i = 0; i < sizeof(n.address); i++)
		n.address[i] &= mask_of(n.bits, i);
	*out = n;
	return PB_OK;
}

void
pb_network_format(const struct pb_network *n, char out[PB_NETWORK_TEXT_SIZE])
{
	bool v4 = n->bits >= MAPPED_BITS &&
	    memcmp(n->address, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	pb_check(n->bits <= 128);
	pb_check(inet_ntop(v4 ? AF_INET : AF_INET6,
	    n->address + (v4 ? sizeof(mapped) : 0), text,
	    sizeof(text)) != NULL);
	snprintf(out, PB_NETWORK_TEXT_SIZE, "%s/%u", text,
	    n->bits - (v4 ? MAPPED_BITS : 0u));
}

bool
pb_network_has(const struct pb_network *n, const uint8_t address[16])
{
	unsigned i;

	for (i = 0; i < 16; i++) {
		if (((n->address[i] ^ address[i]) & mask_of(n->bits, i)) != 0)
			return false;
	}
	return true;
}
