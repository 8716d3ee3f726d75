#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("pop3load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	fflush(stderr);
	/* Other threads may be in the middle of something. */
	_exit(1);
}

uint64_t
wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void *
wire_alloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
		fail("out of memory");
	return p;
}

SSL_CTX *
wire_tls(const char *ca_file)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1)
		fail("cannot use %s: %s", ca_file,
		    ERR_reason_error_string(ERR_get_error()));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* Thousands of idle connections fit into the generator, too. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static int
connected(const struct wire_target *target)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
		.ai_socktype = SOCK_STREAM };
	const struct timeval patience = { .tv_sec = WIRE_TIMEOUT_SECONDS };
	const int on = 1;
	struct addrinfo *where;
	int fd;
	int rc = getaddrinfo(target->host, target->port, &hints, &where);

	if (rc != 0)
		fail("%s: %s", target->host, gai_strerror(rc));
	fd = socket(where->ai_family, where->ai_socktype, 0);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, where->ai_addr, where->ai_addrlen) != 0)
		fail("cannot connect to %s:%s: %s", target->host,
		    target->port, strerror(errno));
	freeaddrinfo(where);
	return fd;
}

void
wire_open(struct wire *w, const struct wire_target *target,
    struct wire_buffer *in)
{
	char name[] = "localhost";

	w->fd = connected(target);
	w->ssl = NULL;
	w->in = in;
	in->start = in->end = 0;
	if (target->tls == NULL)
		return;
	w->ssl = SSL_new(target->tls);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1 ||
	    SSL_set1_host(w->ssl, name) != 1 ||
	    SSL_set_tlsext_host_name(w->ssl, name) != 1)
		fail("cannot start TLS");
	if (SSL_connect(w->ssl) != 1)
		fail("TLS handshake with %s:%s: %s", target->host,
		    target->port, ERR_reason_error_string(ERR_get_error()));
}

void
wire_close(struct wire *w)
{
	if (w->ssl != NULL) {
		SSL_shutdown(w->ssl);
		SSL_free(w->ssl);
		ERR_clear_error();
	}
	close(w->fd);
}

void
wire_send(struct wire *w, const char *octets, size_t len)
{
	while (len > 0) {
		ssize_t n = w->ssl != NULL
		    ? SSL_write(w->ssl, octets, (int)len)
		    : send(w->fd, octets, len, MSG_NOSIGNAL);

		if (n <= 0)
			fail("cannot send: %s", strerror(errno));
		octets += n;
		len -= (size_t)n;
	}
}

void
wire_read(struct wire *w)
{
	struct wire_buffer *in = w->in;
	ssize_t n;

	if (in->start > 0) {
		memmove(in->data, in->data + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	if (in->end == sizeof(in->data))
		fail("a line of more than %zu octets", in->end);
	n = w->ssl != NULL
	    ? SSL_read(w->ssl, in->data + in->end,
		  (int)(sizeof(in->data) - in->end))
	    : recv(w->fd, in->data + in->end, sizeof(in->data) - in->end, 0);
	if (n < 0)
		fail("cannot receive: %s", strerror(errno));
	if (n == 0)
		fail("the server has ended the connection");
	in->end += (size_t)n;
}

struct wire_line
wire_line(struct wire *w)
{
	struct wire_buffer *in = w->in;
	struct wire_line line;
	size_t seen = 0;
	const char *nl;

	while ((nl = memchr(in->data + in->start + seen, '\n',
		    in->end - in->start - seen)) == NULL) {
		seen = in->end - in->start;
		wire_read(w);
	}
	line.text = in->data + in->start;
	line.len = (size_t)(nl - line.text);
	if (line.len == 0 || nl[-1] != '\r')
		fail("a line without CR");
	line.len--;
	in->start += line.len + 2;
	return line;
}

void
wire_skip(struct wire *w, uint64_t octets)
{
	struct wire_buffer *in = w->in;

	for (;;) {
		size_t here = in->end - in->start;

		if (here >= octets) {
			in->start += (size_t)octets;
			return;
		}
		octets -= here;
		in->start = in->end = 0;
		wire_read(w);
	}
}

void
wire_must_be_empty(const struct wire *w)
{
	if (w->in->start != w->in->end)
		fail("%zu octets that belong to no answer",
		    w->in->end - w->in->start);
}
