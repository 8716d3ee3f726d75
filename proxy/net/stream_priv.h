#ifndef PB_NET_STREAM_PRIV_H
#define PB_NET_STREAM_PRIV_H

#include "popbridge/net/stream.h"

/*
 * What the files of a stream share: stream.c has the connection, stream_tls.c
 * moves octets between it and the engine of TLS.
 */

/* stream.c */

/*
 * Nothing more can be done with it.  `what` is NULL when s->error says why
 * already; uverr is libuv's reason, or 0.
 */
void pb_stream_fail(struct pb_stream *s, enum pb_error_kind kind,
		    const char *what, int uverr);
/* Most octets leave at once; the rest waits until the kernel has room. */
void pb_stream_flush(struct pb_stream *s);

/* stream_tls.c */

/* What the engine has for the peer is sent. */
void pb_stream_take_tls_output(struct pb_stream *s);
/* One step further in the handshake, with what has come. */
void pb_stream_drive_handshake(struct pb_stream *s);
/*
 * Decrypt what was read into `kept`, which is empty: all records at once, so
 * that what they become goes on in as large a piece.
 */
void pb_stream_decrypt(struct pb_stream *s);

#endif
