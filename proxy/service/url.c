#include "popbridge/service/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/text.h"

/* The longest piece of a wrong URL that is worth repeating. */
#define QUOTE_SIZE 72

static const struct scheme {
	const char *name;
	enum pb_url_service service;
	enum pb_url_tls tls;
	uint16_t port;
} schemes[] = {
	{ "pop3s", PB_URL_POP3, PB_URL_TLS_IMMEDIATE, 995 },
	{ "pop3", PB_URL_POP3, PB_URL_TLS_UPGRADE, 110 },
	{ "pop3+plain", PB_URL_POP3, PB_URL_TLS_NONE, 110 },
	{ "imaps", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE, 993 },
	{ "imap", PB_URL_IMAP, PB_URL_TLS_UPGRADE, 143 },
	{ "imap+plain", PB_URL_IMAP, PB_URL_TLS_NONE, 143 },
};

static const char *const scheme_lists[] = {
	[PB_URL_POP3] = "pop3s://, pop3:// or pop3+plain://",
	[PB_URL_IMAP] = "imaps://, imap:// or imap+plain://",
};

static enum pb_status refuse(char *why, const char *fmt, ...) PB_PRINTF(2, 3);

static enum pb_status
refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PB_URL_REASON_SIZE, fmt, ap);
	va_end(ap);
	return PB_EINVAL;
}

static const char *
quote(struct pb_slice s, char out[QUOTE_SIZE])
{
	pb_text_clean(s, out, QUOTE_SIZE);
	return out;
}

static const struct scheme *
find_scheme(struct pb_slice name)
{
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (pb_slice_is(name, schemes[i].name))
			return &schemes[i];
	}
	return NULL;
}

static size_t
find_text(struct pb_slice s, const char *what)
{
	const char *p = memmem(s.data, s.len, what, strlen(what));

	return p != NULL ? (size_t)(p - s.data) : s.len;
}

static enum pb_status
take_scheme(struct pb_slice *in, enum pb_url_service want,
    const struct scheme **found, char *why)
{
	const char *usual = want == PB_URL_POP3 ? "pop3s" : "imaps";
	size_t end = find_text(*in, "://");
	char q[QUOTE_SIZE];

	/* Before anything is quoted: what is before an @ is nobody's. */
	if (pb_slice_find(*in, '@') < in->len)
		return refuse(why, "a user name has no place in this URL: "
		    "remove all that is before the @, and the @");
	if (end == in->len)
		return refuse(why, "it does not begin with %s: did you mean "
		    "%s://%s?", scheme_lists[want], usual, quote(*in, q));
	*found = find_scheme(pb_slice(in->data, end));
	if (*found == NULL)
		return refuse(why, "%s:// is not known here: use %s",
		    quote(pb_slice(in->data, end), q), scheme_lists[want]);
	if ((*found)->service != want)
		return refuse(why, "%s:// is for %s: use %s", (*found)->name,
		    want == PB_URL_POP3 ? "the upstream, not for a listener"
		    : "a listener, not for the upstream", scheme_lists[want]);
	pb_slice_skip(in, end + 3);
	return PB_OK;
}

/* Split [v6]:port, v4:port and name:port; *port is empty without a colon. */
static enum pb_status
split_authority(struct pb_slice in, struct pb_slice *host, bool *brackets,
    struct pb_slice *port, char *why)
{
	size_t end = pb_slice_find(in, ':');
	char q[QUOTE_SIZE];

	*brackets = in.len > 0 && in.data[0] == '[';
	if (*brackets) {
		end = pb_slice_find(in, ']');
		if (end == in.len)
			return refuse(why, "the [ of the IPv6 address has no ]");
		*host = pb_slice_sub(in, 1, end);
		end++;
	} else {
		*host = pb_slice(in.data, end);
	}
	*port = pb_slice_sub(in, end, in.len);
	if (port->len == 0)
		return PB_OK;
	if (port->data[0] != ':')
		return refuse(why, "after the ] comes :PORT or nothing, not "
		    "\"%s\"", quote(*port, q));
	if (!*brackets && find_text(pb_slice_sub(*port, 1, port->len), ":") <
	    port->len - 1)
		return refuse(why, "an IPv6 address stands in brackets, as in "
		    "[::1]:1110");
	pb_slice_skip(port, 1);
	if (port->len == 0)
		return refuse(why, "there is no port after the colon");
	return PB_OK;
}

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

static enum pb_status
check_label(struct pb_slice label, bool *digits, char *why)
{
	char q[QUOTE_SIZE];
	bool hex;
	size_t i;

	if (label.len == 0)
		return refuse(why, "the host name begins or ends with a dot, "
		    "or has two in a row");
	if (label.len > 63)
		return refuse(why, "a part of the host name is longer than "
		    "the 63 letters that DNS allows");
	/* 0x7f is a number, too, to the resolver. */
	hex = label.len > 2 && pb_slice_starts(label, "0x");
	*digits = true;
	for (i = 0; i < label.len; i++) {
		char c = label.data[i];

		if (!is_letter_or_digit(c) && c != '-' && c != '_')
			return refuse(why, "\"%s\" does not belong into a host "
			    "name (write names with other letters in their "
			    "xn-- form)",
			    quote(pb_slice_sub(label, i, i + 1), q));
		if (c < '0' || c > '9')
			*digits = false;
		if (i >= 2 && !isxdigit((unsigned char)c))
			hex = false;
	}
	*digits = *digits || hex;
	return PB_OK;
}

static enum pb_status
check_name(struct pb_slice name, char *why)
{
	bool digits = false;
	char q[QUOTE_SIZE];

	if (name.len > PB_URL_HOST_MAX)
		return refuse(why, "the host name is longer than the %d "
		    "letters that DNS allows", PB_URL_HOST_MAX);
	for (;;) {
		size_t end = pb_slice_find(name, '.');
		enum pb_status st;

		st = check_label(pb_slice(name.data, end), &digits, why);
		if (st != PB_OK)
			return st;
		if (end == name.len)
			break;
		pb_slice_skip(&name, end + 1);
	}
	/* The resolver would read 127.1 and 2130706433 as addresses. */
	if (digits)
		return refuse(why, "a host that ends in a number must be a "
		    "whole IPv4 address, as in 192.0.2.1; this ends in \"%s\"",
		    quote(name, q));
	return PB_OK;
}

bool
pb_url_is_name(struct pb_slice name)
{
	char why[PB_URL_REASON_SIZE];

	return check_name(name, why) == PB_OK;
}

static enum pb_status
parse_ipv6(struct pb_slice host, struct pb_url *url, char *why)
{
	unsigned char addr[16];
	char text[INET6_ADDRSTRLEN];
	char q[QUOTE_SIZE];

	if (host.len < sizeof(text)) {
		memcpy(text, host.data, host.len);
		text[host.len] = '\0';
	}
	if (host.len >= sizeof(text) || memchr(host.data, '\0', host.len) ||
	    inet_pton(AF_INET6, text, addr) != 1)
		return refuse(why, "\"%s\" in brackets is not an IPv6 address "
		    "(without a zone such as %%eth0)", quote(host, q));
	url->kind = PB_URL_IPV6;
	pb_check(inet_ntop(AF_INET6, addr, url->host, sizeof(url->host)) !=
	    NULL);
	return PB_OK;
}

static enum pb_status
parse_host(struct pb_slice host, bool brackets, struct pb_url *url, char *why)
{
	unsigned char addr[4];
	enum pb_status st;
	size_t i;

	if (brackets)
		return parse_ipv6(host, url, why);
	if (host.len == 0)
		return refuse(why, "there is no host after ://");
	if (host.len > PB_URL_HOST_MAX)
		return check_name(host, why);
	for (i = 0; i < host.len; i++) {
		char c = host.data[i];

		url->host[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	url->host[i] = '\0';
	url->kind = PB_URL_IPV4;
	if (strlen(url->host) == host.len &&
	    inet_pton(AF_INET, url->host, addr) == 1)
		return PB_OK;
	st = check_name(host, why);
	url->kind = PB_URL_NAME;
	return st;
}

static enum pb_status
parse_port(struct pb_slice text, enum pb_url_service service,
    const struct scheme *scheme, struct pb_url *url, char *why)
{
	uint64_t lowest = service == PB_URL_POP3 ? 0 : 1;
	uint64_t port = scheme->port;
	char q[QUOTE_SIZE];

	if (text.len > 0 &&
	    (pb_slice_number(text, UINT16_MAX, &port) != PB_OK ||
	    port < lowest))
		return refuse(why, "the port is a number from %u to 65535, not "
		    "\"%s\"", (unsigned)lowest, quote(text, q));
	url->port = (uint16_t)port;
	return PB_OK;
}

static enum pb_status
parse(struct pb_slice in, enum pb_url_service want, struct pb_url *url,
    char *why)
{
	const struct scheme *scheme = NULL;
	struct pb_slice host = { NULL, 0 };
	struct pb_slice port;
	struct pb_url u = { .service = want };
	enum pb_status st;
	bool brackets;
	char q[QUOTE_SIZE];
	size_t i;

	if (in.len == 0)
		return refuse(why, "it is empty: use %s", scheme_lists[want]);
	st = take_scheme(&in, want, &scheme, why);
	if (st != PB_OK)
		return st;
	for (i = 0; i < in.len; i++) {
		if (strchr("/?#", in.data[i]) != NULL && in.data[i] != '\0')
			return refuse(why, "it ends after the host and port: "
			    "remove \"%s\"",
			    quote(pb_slice_sub(in, i, in.len), q));
	}
	st = split_authority(in, &host, &brackets, &port, why);
	if (st == PB_OK)
		st = parse_host(host, brackets, &u, why);
	if (st == PB_OK)
		st = parse_port(port, want, scheme, &u, why);
	if (st != PB_OK)
		return st;
	u.tls = scheme->tls;
	*url = u;
	return PB_OK;
}

enum pb_status
pb_url_parse_listener(struct pb_slice text, struct pb_url *url,
    char why[PB_URL_REASON_SIZE])
{
	struct pb_url u;
	enum pb_status st = parse(text, PB_URL_POP3, &u, why);

	if (st != PB_OK)
		return st;
	if (u.kind == PB_URL_NAME)
		return refuse(why, "a listener needs an address, not a name "
		    "(a name may have several, or other ones tomorrow): use "
		    "127.0.0.1 for this machine only, 0.0.0.0 or [::] for "
		    "every interface");
	*url = u;
	return PB_OK;
}

enum pb_status
pb_url_parse_upstream(struct pb_slice text, struct pb_url *url,
    char why[PB_URL_REASON_SIZE])
{
	return parse(text, PB_URL_IMAP, url, why);
}

void
pb_url_format(const struct pb_url *url, char out[PB_URL_TEXT_SIZE])
{
	const char *name = NULL;
	bool v6 = url->kind == PB_URL_IPV6;
	size_t i;
	int n;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (schemes[i].service == url->service &&
		    schemes[i].tls == url->tls)
			name = schemes[i].name;
	}
	pb_check(name != NULL);
	n = snprintf(out, PB_URL_TEXT_SIZE, "%s://%s%s%s:%u", name,
	    v6 ? "[" : "", url->host, v6 ? "]" : "", (unsigned)url->port);
	pb_check(n > 0 && n < PB_URL_TEXT_SIZE);
}

bool
pb_url_is_loopback(const struct pb_url *url)
{
	switch (url->kind) {
	case PB_URL_NAME:
		return strcmp(url->host, "localhost") == 0;
	case PB_URL_IPV4:
		return strncmp(url->host, "127.", 4) == 0;
	case PB_URL_IPV6:
		return strcmp(url->host, "::1") == 0;
	}
	return false;
}

bool
pb_url_equal(const struct pb_url *a, const struct pb_url *b)
{
	return a->service == b->service && a->tls == b->tls &&
	    a->port == b->port && strcmp(a->host, b->host) == 0;
}
