#include "popbridge/pop3/xclient.h"

#include <arpa/inet.h>

_Static_assert(PB_POP3_ADDRESS_SIZE >= INET6_ADDRSTRLEN, "room for any");

static enum pb_status
take_address(struct pb_slice value, char address[PB_POP3_ADDRESS_SIZE])
{
	char text[PB_POP3_ADDRESS_SIZE];
	struct in6_addr binary;
	int family = pb_slice_find(value, ':') < value.len ? AF_INET6
							   : AF_INET;

	if (pb_slice_starts(value, "IPV6:"))
		pb_slice_skip(&value, strlen("IPV6:"));
	if (value.len >= sizeof(text) ||
	    pb_slice_find(value, '\0') < value.len)
		return PB_EINVAL;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (inet_pton(family, text, &binary) != 1 ||
	    inet_ntop(family, &binary, address, PB_POP3_ADDRESS_SIZE) == NULL)
		return PB_EINVAL;
	return PB_OK;
}

static enum pb_status
take_port(struct pb_slice value, unsigned *port)
{
	uint64_t n;

	if (pb_slice_number(value, UINT16_MAX, &n) != PB_OK)
		return PB_EINVAL;
	*port = (unsigned)n;
	return PB_OK;
}

enum pb_status
pb_pop3_xclient_parse(struct pb_slice text,
    char address[PB_POP3_ADDRESS_SIZE], unsigned *port)
{
	enum pb_status st = PB_OK;

	address[0] = '\0';
	*port = 0;
	while (st == PB_OK && text.len > 0) {
		struct pb_slice word = pb_slice_word(&text);
		size_t key = pb_slice_find(word, '=');
		struct pb_slice value = pb_slice_sub(word,
		    key < word.len ? key + 1 : key, word.len);

		if (pb_slice_starts(word, "ADDR="))
			st = take_address(value, address);
		else if (pb_slice_starts(word, "PORT="))
			st = take_port(value, port);
	}
	return st;
}
