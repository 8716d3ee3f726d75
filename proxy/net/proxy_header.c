#include "popbridge/net/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

#include "popbridge/base/text.h"

/* Version 1's longest line, with its CR LF. */
#define V1_MAX 107
#define V2_FIXED 16

#define IPV4 "0123456789."
#define IPV6 "0123456789abcdefABCDEF:."
#define DIGITS "0123456789"

/* The lower half of the 13th octet, and the 14th. */
#define V2_LOCAL 0
#define V2_PROXY 1
#define V2_UNSPEC 0x00
#define V2_UNSPEC_STREAM 0x01
#define V2_TCP4 0x11
#define V2_TCP6 0x21

#define TLV_ALPN 0x01
#define TLV_AUTHORITY 0x02
#define TLV_CRC32C 0x03
#define TLV_SSL 0x20
#define TLV_SSL_VERSION 0x21
#define SSL_FIXED 5
#define SSL_CLIENT_TLS 0x01

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

static enum pb_status
wrong(const char **why, const char *text)
{
	*why = text;
	return PB_EPROTO;
}

/* PB_OK and taken; PB_AGAIN: as far as it goes; PB_EPROTO. */
static enum pb_status
take_constant(struct pb_slice *in, struct pb_slice constant)
{
	size_t n = in->len < constant.len ? in->len : constant.len;

	if (n > 0 && memcmp(in->data, constant.data, n) != 0)
		return PB_EPROTO;
	if (n < constant.len)
		return PB_AGAIN;
	pb_slice_skip(in, n);
	return PB_OK;
}

static enum pb_status
take_word(struct pb_slice *in, const char *word)
{
	return take_constant(in, pb_slice_str(word));
}

static void
map_ipv4(const void *ipv4, uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), ipv4, 4);
}

/* One to `max` characters of the alphabet; the one that ends it is taken. */
static enum pb_status
take_field(struct pb_slice *in, const char *alphabet, size_t max, char end,
    struct pb_slice *field)
{
	size_t n = 0;

	while (n < in->len && n <= max &&
	    memchr(alphabet, in->data[n], strlen(alphabet)) != NULL)
		n++;
	if (n > max)
		return PB_EPROTO;
	if (n == in->len)
		return PB_AGAIN;
	if (n == 0 || in->data[n] != end)
		return PB_EPROTO;
	*field = pb_slice_sub(*in, 0, n);
	pb_slice_skip(in, n + 1);
	return PB_OK;
}

static enum pb_status
take_address(struct pb_slice *in, int family, uint8_t address[16],
    const char **why)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint8_t octets[16];
	struct pb_slice field;
	enum pb_status st = family == AF_INET
	    ? take_field(in, IPV4, INET_ADDRSTRLEN - 1, ' ', &field)
	    : take_field(in, IPV6, INET6_ADDRSTRLEN - 1, ' ', &field);

	if (st == PB_OK) {
		memcpy(text, field.data, field.len);
		if (inet_pton(family, text, octets) != 1)
			st = PB_EPROTO;
	}
	if (st == PB_EPROTO)
		return wrong(why, "an address is none of its family");
	if (st != PB_OK)
		return st;
	if (family == AF_INET)
		map_ipv4(octets, address);
	else
		memcpy(address, octets, sizeof(octets));
	return PB_OK;
}

static enum pb_status
take_port(struct pb_slice *in, char end, uint16_t *port, const char **why)
{
	struct pb_slice field;
	uint64_t value = 0;
	enum pb_status st = take_field(in, DIGITS, 5, end, &field);

	if (st == PB_AGAIN)
		return st;
	/* "080" could be octal. */
	if (st != PB_OK || (field.len > 1 && field.data[0] == '0') ||
	    pb_slice_number(field, UINT16_MAX, &value) != PB_OK)
		return wrong(why, "a port is no number from 0 to 65535");
	*port = (uint16_t)value;
	return PB_OK;
}

static enum pb_status
take_line_end(struct pb_slice *in, const char *end, const char **why)
{
	enum pb_status st = take_word(in, end);

	return st == PB_EPROTO ? wrong(why, "the line does not end in CR LF")
			       : st;
}

static enum pb_status
take_tcp(struct pb_slice *in, int family, struct pb_proxy_header *header,
    const char **why)
{
	enum pb_status st = take_address(in, family, header->source, why);

	if (st == PB_OK)
		st = take_address(in, family, header->destination, why);
	if (st == PB_OK)
		st = take_port(in, ' ', &header->source_port, why);
	if (st == PB_OK)
		st = take_port(in, '\r', &header->destination_port, why);
	return st == PB_OK ? take_line_end(in, "\n", why) : st;
}

/* What stands behind UNKNOWN is nobody's business. */
static enum pb_status
take_unknown(struct pb_slice *in, const char **why)
{
	if (in->len > 0 && in->data[0] == ' ') {
		while (in->len > 0 && in->data[0] != '\r' &&
		    in->data[0] != '\n')
			pb_slice_skip(in, 1);
	}
	return take_line_end(in, "\r\n", why);
}

static enum pb_status
take_v1_rest(struct pb_slice *in, struct pb_proxy_header *header,
    const char **why)
{
	enum pb_status unknown;
	enum pb_status tcp4;
	enum pb_status tcp6;

	unknown = take_word(in, "UNKNOWN");
	if (unknown == PB_OK) {
		header->local = true;
		return take_unknown(in, why);
	}
	tcp4 = take_word(in, "TCP4 ");
	if (tcp4 == PB_OK)
		return take_tcp(in, AF_INET, header, why);
	tcp6 = take_word(in, "TCP6 ");
	if (tcp6 == PB_OK)
		return take_tcp(in, AF_INET6, header, why);
	if (unknown == PB_AGAIN || tcp4 == PB_AGAIN || tcp6 == PB_AGAIN)
		return PB_AGAIN;
	return wrong(why, "the protocol is not TCP4, TCP6 or UNKNOWN");
}

static enum pb_status
take_v1(struct pb_slice *in, struct pb_proxy_header *header, const char **why)
{
	struct pb_slice line = pb_slice_sub(*in, 0,
	    in->len < V1_MAX ? in->len : V1_MAX);
	enum pb_status st = take_word(&line, v1_start);

	if (st == PB_OK)
		st = take_v1_rest(&line, header, why);
	if (st == PB_AGAIN && in->len >= V1_MAX)
		return wrong(why, "the line is longer than 107 octets");
	if (st == PB_OK)
		pb_slice_skip(in, (size_t)(line.data - in->data));
	return st;
}

static uint8_t
octet(struct pb_slice s, size_t at)
{
	return (uint8_t)s.data[at];
}

static uint16_t
number16(struct pb_slice s, size_t at)
{
	return (uint16_t)(octet(s, at) << 8 | octet(s, at + 1));
}

/* RFC 3720, appendix B.4, one bit after the other. */
static uint32_t
crc32c(uint32_t crc, const char *octets, size_t n)
{
	size_t i;
	unsigned bit;

	for (i = 0; i < n; i++) {
		crc ^= (uint8_t)octets[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return crc;
}

/* Of the header, with zeros where `value`, a piece of it, is. */
static uint32_t
checksum(struct pb_slice header, struct pb_slice value)
{
	static const char zeros[4];
	size_t at = (size_t)(value.data - header.data);
	uint32_t crc = crc32c(UINT32_MAX, header.data, at);

	crc = crc32c(crc, zeros, sizeof(zeros));
	at += sizeof(zeros);
	return ~crc32c(crc, header.data + at, header.len - at);
}

struct tlv {
	uint8_t type;
	struct pb_slice value;
};

/* False: it ends behind the end of what it is in. */
static bool
take_tlv(struct pb_slice *in, struct tlv *tlv)
{
	size_t len;

	if (in->len < 3)
		return false;
	tlv->type = octet(*in, 0);
	len = number16(*in, 1);
	pb_slice_skip(in, 3);
	if (len > in->len)
		return false;
	tlv->value = pb_slice_sub(*in, 0, len);
	pb_slice_skip(in, len);
	return true;
}

/* These functions return what is wrong, or NULL. */

static const char *
read_ssl(struct pb_slice in, struct pb_proxy_header *header)
{
	struct tlv tlv;

	if (in.len < SSL_FIXED)
		return "the SSL field is too short";
	header->tls = octet(in, 0) & SSL_CLIENT_TLS;
	pb_slice_skip(&in, SSL_FIXED);
	while (in.len > 0) {
		if (!take_tlv(&in, &tlv))
			return "a field within the SSL field is longer than "
			    "that";
		if (tlv.type == TLV_SSL_VERSION && header->tls)
			pb_text_clean(tlv.value, header->tls_version,
			    sizeof(header->tls_version));
	}
	return NULL;
}

static const char *
check_sum(struct pb_slice all, struct pb_slice value)
{
	if (value.len != 4)
		return "the checksum has not 4 octets";
	if (checksum(all, value) != ((uint32_t)number16(value, 0) << 16 |
		number16(value, 2)))
		return "the checksum is not right";
	return NULL;
}

static const char *
read_tlv(struct pb_slice all, const struct tlv *tlv,
    struct pb_proxy_header *header)
{
	switch (tlv->type) {
	case TLV_ALPN:
		return tlv->value.len == 4 &&
		    memcmp(tlv->value.data, "pop3", 4) == 0 ? NULL :
		    "the client speaks another protocol than pop3 (ALPN)";
	case TLV_AUTHORITY:
		header->authority = tlv->value;
		return NULL;
	case TLV_CRC32C:
		return check_sum(all, tlv->value);
	case TLV_SSL:
		return read_ssl(tlv->value, header);
	}
	return NULL;
}

static bool
is_single(uint8_t type)
{
	return type == TLV_ALPN || type == TLV_AUTHORITY ||
	    type == TLV_CRC32C || type == TLV_SSL;
}

static const char *
read_tlvs(struct pb_slice all, struct pb_slice in,
    struct pb_proxy_header *header)
{
	bool seen[UINT8_MAX + 1] = { false };
	const char *what = NULL;
	struct tlv tlv;

	while (in.len > 0 && what == NULL) {
		if (!take_tlv(&in, &tlv))
			return "a field is longer than the header";
		if (seen[tlv.type] && is_single(tlv.type))
			return "a field that can be there once is there twice";
		seen[tlv.type] = true;
		what = read_tlv(all, &tlv, header);
	}
	return what;
}

static size_t
address_size(uint8_t family)
{
	switch (family) {
	case V2_TCP4:
		return 4;
	case V2_TCP6:
		return 16;
	}
	return 0;
}

static void
read_addresses(struct pb_slice in, size_t size, struct pb_proxy_header *header)
{
	if (size == 4) {
		map_ipv4(in.data, header->source);
		map_ipv4(in.data + size, header->destination);
	} else {
		memcpy(header->source, in.data, size);
		memcpy(header->destination, in.data + size, size);
	}
	header->source_port = number16(in, 2 * size);
	header->destination_port = number16(in, 2 * size + 2);
}

/* What is wrong with as much of the first 16 octets as there is, or NULL. */
static const char *
check_fixed(struct pb_slice in)
{
	size_t least;

	if (in.len > 12 && octet(in, 12) >> 4 != 2)
		return "the version is not 2";
	if (in.len > 12 && (octet(in, 12) & 0xf) > V2_PROXY)
		return "the command is not LOCAL or PROXY";
	if (in.len > 13 && (octet(in, 12) & 0xf) == V2_PROXY &&
	    address_size(octet(in, 13)) == 0 && octet(in, 13) != V2_UNSPEC &&
	    octet(in, 13) != V2_UNSPEC_STREAM)
		return "the family is not TCP over IPv4 or IPv6";
	if (in.len < V2_FIXED)
		return NULL;
	if (number16(in, 14) > PB_PROXY_HEADER_MAX - V2_FIXED)
		return "the header is too long";
	least = address_size(octet(in, 13));
	if ((octet(in, 12) & 0xf) == V2_PROXY && least > 0 &&
	    number16(in, 14) < 2 * least + 4)
		return "the header is too short for its addresses";
	return NULL;
}

static const char *
read_v2(struct pb_slice all, struct pb_proxy_header *header)
{
	size_t size = address_size(octet(all, 13));
	struct pb_slice rest = all;

	header->local = (octet(all, 12) & 0xf) == V2_LOCAL || size == 0;
	if (header->local)
		return NULL;
	pb_slice_skip(&rest, V2_FIXED);
	read_addresses(rest, size, header);
	pb_slice_skip(&rest, 2 * size + 4);
	return read_tlvs(all, rest, header);
}

static enum pb_status
take_v2(struct pb_slice *in, struct pb_proxy_header *header, const char **why)
{
	const char *what = check_fixed(*in);
	size_t len;

	if (what != NULL)
		return wrong(why, what);
	if (in->len < V2_FIXED)
		return PB_AGAIN;
	len = V2_FIXED + (size_t)number16(*in, 14);
	if (in->len < len)
		return PB_AGAIN;
	what = read_v2(pb_slice_sub(*in, 0, len), header);
	if (what != NULL)
		return wrong(why, what);
	pb_slice_skip(in, len);
	return PB_OK;
}

enum pb_status
pb_proxy_header_take(struct pb_slice *in, struct pb_proxy_header *header,
    const char **why)
{
	struct pb_slice start = *in;
	struct pb_proxy_header h = { .authority = { "", 0 } };
	const char *what = "it begins with no PROXY header";
	enum pb_status st = take_constant(&start, pb_slice(v2_start,
	    sizeof(v2_start) - 1));

	if (st == PB_OK)
		st = take_v2(in, &h, &what);
	else if (st == PB_EPROTO)
		st = take_v1(in, &h, &what);
	if (st == PB_OK)
		*header = h;
	else if (st == PB_EPROTO)
		*why = what;
	return st;
}
