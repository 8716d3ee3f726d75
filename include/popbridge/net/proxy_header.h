#ifndef PB_NET_PROXY_HEADER_H
#define PB_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The header that a proxy puts in front of a connection to say whose it is:
 * HAProxy's PROXY protocol, versions 1 (a line) and 2 (octets).  Octets in,
 * values out; whether the sender may say such things is for the caller to know
 * before it asks.
 */

/*
 * Most octets of a header: version 1 has 107; of version 2, which could have
 * 65,551, its 16 and so much of addresses and TLVs.  HAProxy's largest, with a
 * name, a certificate's subject and all options, is below 1,000.
 */
#define PB_PROXY_HEADER_MAX (16 + 2048)

/* Of "TLSv1.3" and its like. */
#define PB_PROXY_TLS_VERSION_SIZE 16

struct pb_proxy_header {
	/*
	 * LOCAL (version 2), UNKNOWN (version 1) or an unspecified family: a
	 * health check, or the proxy knows nothing.  The connection's own
	 * addresses count, and all that follows is zero.
	 */
	bool local;
	uint8_t source[16];		/* IPv4 as ::ffff:192.0.2.1 */
	uint16_t source_port;
	uint8_t destination[16];
	uint16_t destination_port;
	/* The client came to the proxy by TLS (version 2, PP2_CLIENT_SSL). */
	bool tls;
	char tls_version[PB_PROXY_TLS_VERSION_SIZE];	/* of it, cleaned */
	/*
	 * The name that the client asked for (version 2, PP2_TYPE_AUTHORITY),
	 * empty when it is not said.  Any octets: borrowed from the input, not
	 * cleaned.
	 */
	struct pb_slice authority;
};

/*
 * Takes the header from the front of *in when it is complete.
 *
 * PB_OK; PB_AGAIN: it may be the beginning of one, nothing was taken, come
 * again with more behind it; PB_EPROTO: this is no header, or a wrong one, and
 * *why (static text) says what is wrong: said at the first octet that shows
 * it, so a client of another protocol does not wait.  A checksum (CRC32C) that
 * is there must be right, an application protocol (ALPN) must be "pop3".
 * *header is filled with PB_OK only, *why with PB_EPROTO only.
 */
enum pb_status pb_proxy_header_take(struct pb_slice *in,
				    struct pb_proxy_header *header,
				    const char **why) PB_MUST_CHECK;

#endif
