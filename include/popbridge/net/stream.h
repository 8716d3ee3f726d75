#ifndef PB_NET_STREAM_H
#define PB_NET_STREAM_H

#include <stdbool.h>
#include <uv.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/net/tls.h"

/*
 * A TCP connection, with TLS or without.
 *
 * It is level-triggered: `ready` says that something has changed (octets
 * arrived, octets left, TLS is up, the end or a failure), and the owner looks
 * what that is.  Nothing is called back from within a call of the owner's.
 *
 * Closing:
 * 1. pb_stream_close may be called at any time, any number of times, also
 *    from inside `ready`.
 * 2. After it the owner hears nothing more but `closed`, once, from the loop.
 * 3. The memory of the stream may be released or used again there, and no
 *    earlier.
 */

/* What a read brings at most; one buffer of this size serves a whole loop. */
#define PB_STREAM_READ_SIZE (64 * 1024)

/* Octets accepted for sending; owners stop long before. */
#define PB_STREAM_OUT_MAX (512 * 1024)

struct pb_stream_owner {
	void (*ready)(void *owner);
	void (*closed)(void *owner);
};

enum pb_stream_state {
	PB_STREAM_CLOSED,	/* no handle; the state of a zeroed struct */
	PB_STREAM_CONNECTING,
	PB_STREAM_OPEN,
	PB_STREAM_FAILED,	/* error says why; to be closed */
	PB_STREAM_CLOSING,
};

struct pb_stream {
	uv_tcp_t tcp;
	uv_connect_t connect_req;
	uv_write_t write_req;
	uv_shutdown_t shutdown_req;
	enum pb_stream_state state;
	const struct pb_stream_owner *events;	/* borrowed */
	void *owner;			/* borrowed */
	char *scratch;			/* borrowed: the loop's read buffer */
	struct pb_tls *tls;		/* own; NULL in the clear */
	bool secured;			/* its handshake is done */
	bool eof;			/* the peer sends no more */
	bool reading;
	bool writing_now;
	bool wipe;			/* what is read may hold a secret */
	bool broken;			/* TLS is, behind what is in kept */
	size_t turn;			/* octets read in this turn */
	struct pb_slice fresh;		/* in scratch, not yet taken */
	struct pb_buffer kept;		/* plain, not yet taken */
	struct pb_buffer out;		/* to send, as it goes on the wire */
	struct pb_buffer writing;	/* with libuv */
	struct pb_error error;
};

/*
 * Give the stream its handle.  PB_OK, PB_EIO.  From now on it must be closed,
 * also when nothing else succeeds.  `scratch` has PB_STREAM_READ_SIZE octets.
 */
enum pb_status pb_stream_init(struct pb_stream *s, uv_loop_t *loop,
			      char *scratch,
			      const struct pb_stream_owner *events,
			      void *owner) PB_MUST_CHECK;

/*
 * So long, in seconds, may the other end be silent before the kernel asks
 * whether it still lives; then it has PB_STREAM_ANSWER_S for an answer.
 */
#define PB_STREAM_KEEPALIVE_S 120
#define PB_STREAM_ANSWER_S 10

/*
 * Set on a socket what connections need, PB_STREAM_KEEPALIVE_S or another
 * time among it.  Connections that are accepted have it
 * from the socket that listens, so that it costs nothing for each.  False: errno
 * says why.
 */
bool pb_stream_prepare(int fd, unsigned keepalive_s) PB_MUST_CHECK;
/*
 * Take over an accepted connection, whatever comes of it; its listening socket
 * was prepared.  PB_OK, PB_EIO.
 */
enum pb_status pb_stream_accept(struct pb_stream *s, int fd) PB_MUST_CHECK;
/* Begin to connect; the state says what becomes of it. */
void pb_stream_connect(struct pb_stream *s, const struct sockaddr *address);

/* TLS from the next octet on; the engine is the stream's from here. */
void pb_stream_start_tls(struct pb_stream *s, struct pb_tls *tls);

/*
 * Octets that have arrived and are not taken, of TLS all records that a read
 * has brought; valid until the next call.
 */
struct pb_slice pb_stream_peek(struct pb_stream *s);
void pb_stream_take(struct pb_stream *s, size_t n);
/* Octets are there that came in the clear: an attack when TLS is to begin. */
bool pb_stream_has_octets(const struct pb_stream *s);
/* The peer sends no more and everything is taken. */
bool pb_stream_at_eof(struct pb_stream *s);
/* Read on, or leave what comes with the kernel. */
void pb_stream_want_read(struct pb_stream *s, bool want);
/* From now on, what was read is overwritten after use, or not. */
void pb_stream_wipe_reads(struct pb_stream *s, bool wipe);

/*
 * Send all of *octets and leave it empty.  Once a secret buffer was sent in
 * the clear, what the stream sends is wiped, too.
 */
void pb_stream_send(struct pb_stream *s, struct pb_buffer *octets);
/*
 * So many ms ago the other end has answered last, when it owes an answer: octets
 * were sent that it has not confirmed.  0: it owes none.
 */
uint64_t pb_stream_silence(const struct pb_stream *s);
/* Octets that the kernel has not taken yet. */
size_t pb_stream_unsent(const struct pb_stream *s);
/* Octets of memory that it holds, about so many for TLS. */
size_t pb_stream_memory(const struct pb_stream *s);
/* Say the end: close_notify and FIN, behind what is being sent. */
void pb_stream_finish(struct pb_stream *s);

void pb_stream_close(struct pb_stream *s);

/*
 * Take the connection out of the stream, and so out of its loop; the stream is
 * closed, with all that closing means.  *fd, a socket that does not block, and
 * *tls, NULL in the clear, are the caller's.  False, and nothing has changed:
 * it is not OPEN, octets wait to be taken or to be sent, the peer sends no
 * more, or there is no descriptor.
 */
bool pb_stream_detach(struct pb_stream *s, int *fd,
		      struct pb_tls **tls) PB_MUST_CHECK;
/*
 * The reverse, for a stream that was given its handle.  PB_OK, PB_EIO; both are
 * the stream's in any case.
 */
enum pb_status pb_stream_attach(struct pb_stream *s, int fd,
				struct pb_tls *tls) PB_MUST_CHECK;

/* "192.0.2.1:1234" or "[2001:db8::1]:1234"; `out` has 64 octets. */
void pb_stream_peer(const struct pb_stream *s, char out[64]);

#endif
