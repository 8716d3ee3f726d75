#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

/*
 * A connection of the load generator: blocking, in clear or TLS.
 *
 * Whatever goes wrong ends the whole program with a message and status 1: a
 * measurement in which something failed is no measurement.
 */

/* What one read may bring; the longest line of an answer, too. */
#define WIRE_BUFFER_MAX (256 * 1024)

/* Nothing answers later than this while all is well. */
#define WIRE_TIMEOUT_SECONDS 300

/*
 * What has been read and not yet used.  A connection between two answers has
 * nothing here, so connections that are used one after the other share it.
 */
struct wire_buffer {
	size_t start;
	size_t end;
	char data[WIRE_BUFFER_MAX];
};

struct wire_target {
	const char *host;	/* a numeric address; borrowed */
	const char *port;
	SSL_CTX *tls;		/* NULL: in clear; borrowed */
};

struct wire {
	int fd;
	SSL *ssl;		/* own, or NULL */
	struct wire_buffer *in;	/* borrowed */
};

struct wire_line {
	const char *text;	/* in the buffer, until the next read */
	size_t len;		/* without CRLF */
};

/* Says what failed, in printf's way, and ends the program. */
_Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Microseconds of the monotonic clock. */
uint64_t wire_now(void);

/* Memory, or the end. */
void *wire_alloc(size_t n, size_t size);

/* A client's context that trusts the CAs in this file; free it. */
SSL_CTX *wire_tls(const char *ca_file);

/* Connects, with TLS where the target has it. */
void wire_open(struct wire *w, const struct wire_target *target,
    struct wire_buffer *in);

/* Ends the connection; the other side may have ended it before. */
void wire_close(struct wire *w);

void wire_send(struct wire *w, const char *octets, size_t len);

/* Waits until there is more in the buffer than there was. */
void wire_read(struct wire *w);

/* Takes the next line, waiting for it. */
struct wire_line wire_line(struct wire *w);

/* Takes octets, waiting for them. */
void wire_skip(struct wire *w, uint64_t octets);

/* Ends the program when there is more than what was asked for. */
void wire_must_be_empty(const struct wire *w);

#endif
