#include "popbridge/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "popbridge/net/stream.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t
make_address(const struct pb_url *url, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (url->kind == PB_URL_IPV6) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(url->port);
		return inet_pton(AF_INET6, url->host, &a->v6.sin6_addr) == 1
		    ? sizeof(a->v6) : 0;
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(url->port);
	return inet_pton(AF_INET, url->host, &a->v4.sin_addr) == 1
	    ? sizeof(a->v4) : 0;
}

static enum pb_status
os_error(const struct pb_url *url, const char *what, struct pb_error *err)
{
	char text[PB_URL_TEXT_SIZE];

	pb_url_format(url, text);
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "cannot listen on %s: %s: %s", text, what, strerror(errno));
	return PB_EIO;
}

static enum pb_status
bind_one(struct pb_url *url, int *fdp, unsigned keepalive_s,
    struct pb_error *err)
{
	union address a;
	socklen_t len = make_address(url, &a);
	int on = 1;
	int fd;

	if (len == 0) {
		errno = EAFNOSUPPORT;
		return os_error(url, "address", err);
	}
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (fd < 0)
		return os_error(url, "socket", err);
	*fdp = fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
	    (url->kind == PB_URL_IPV6 && setsockopt(fd, IPPROTO_IPV6,
		IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    !pb_stream_prepare(fd, keepalive_s))
		return os_error(url, "socket option", err);
	if (bind(fd, &a.any, len) != 0)
		return os_error(url, "bind", err);
	if (getsockname(fd, &a.any, &len) != 0)
		return os_error(url, "bind", err);
	url->port = ntohs(url->kind == PB_URL_IPV6 ? a.v6.sin6_port
						   : a.v4.sin_port);
	return PB_OK;
}

/*
 * With SO_REUSEPORT a second popbridge of the same user could share the port
 * unnoticed and take half of the clients.
 */
static enum pb_status
refuse_shared(struct pb_url *url, struct pb_error *err)
{
	union address a;
	socklen_t len = make_address(url, &a);
	int on = 1;
	int fd;
	int r;

	if (url->port == 0 || len == 0)
		return PB_OK;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return os_error(url, "socket", err);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (url->kind == PB_URL_IPV6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	r = bind(fd, &a.any, len);
	if (r == 0)
		r = listen(fd, 1);
	if (r != 0) {
		enum pb_status st = os_error(url, "bind", err);

		close(fd);
		return st;
	}
	close(fd);
	return PB_OK;
}

enum pb_status
pb_listener_bind(struct pb_url *url, int *sockets, size_t n,
    unsigned keepalive_s, struct pb_error *err)
{
	enum pb_status st = refuse_shared(url, err);
	size_t i;

	for (i = 0; i < n; i++)
		sockets[i] = -1;
	for (i = 0; st == PB_OK && i < n; i++)
		st = bind_one(url, &sockets[i], keepalive_s, err);
	if (st == PB_OK)
		return PB_OK;
	for (i = 0; i < n; i++) {
		if (sockets[i] >= 0)
			close(sockets[i]);
	}
	return st;
}
