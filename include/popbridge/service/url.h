#ifndef PB_SERVICE_URL_H
#define PB_SERVICE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * Where to listen and where to connect, as the configuration writes it:
 *
 *	pop3s://HOST[:PORT]       imaps://HOST[:PORT]
 *	pop3://HOST[:PORT]        imap://HOST[:PORT]
 *	pop3+plain://HOST[:PORT]  imap+plain://HOST[:PORT]
 *
 * The left column is for listeners: HOST is an address, PORT may be 0 (the
 * kernel picks one).  The right one is for upstreams: HOST is a name or an
 * address.  An IPv6 address stands in brackets.  There is no user, path or
 * query.
 */

enum pb_url_service { PB_URL_POP3, PB_URL_IMAP };

enum pb_url_tls {
	PB_URL_TLS_NONE,	/* ...+plain */
	PB_URL_TLS_UPGRADE,	/* STLS or STARTTLS, required */
	PB_URL_TLS_IMMEDIATE,	/* TLS from the first octet */
};

enum pb_url_host_kind { PB_URL_NAME, PB_URL_IPV4, PB_URL_IPV6 };

/* A DNS name has at most 253 octets (RFC 1035, section 2.3.4). */
#define PB_URL_HOST_MAX 253

struct pb_url {
	enum pb_url_service service;
	enum pb_url_tls tls;
	enum pb_url_host_kind kind;
	uint16_t port;
	char host[256];		/* lower case, without brackets */
};

/* Room for every text that pb_url_format writes, and its NUL. */
#define PB_URL_TEXT_SIZE 288

/* Room for every reason that the parsers give. */
#define PB_URL_REASON_SIZE 256

/*
 * PB_OK      *url is filled.
 * PB_EINVAL  *url is untouched; `why` says what is wrong and what would be
 *            right.  It is printable and never quotes a user or password.
 */
enum pb_status pb_url_parse_listener(struct pb_slice text, struct pb_url *url,
				     char why[PB_URL_REASON_SIZE])
    PB_MUST_CHECK;
enum pb_status pb_url_parse_upstream(struct pb_slice text, struct pb_url *url,
				     char why[PB_URL_REASON_SIZE])
    PB_MUST_CHECK;

/*
 * Whether it is the name of a host, and nothing that a resolver could take for
 * an address.
 */
bool pb_url_is_name(struct pb_slice name);

/* The full form, always with the port; parsing it gives the same value. */
void pb_url_format(const struct pb_url *url, char out[PB_URL_TEXT_SIZE]);

/* Whether what is sent there can not leave this machine. */
bool pb_url_is_loopback(const struct pb_url *url);

bool pb_url_equal(const struct pb_url *a, const struct pb_url *b);

#endif
