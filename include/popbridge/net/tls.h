#ifndef PB_NET_TLS_H
#define PB_NET_TLS_H

#include <stdbool.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * TLS as an engine: it knows no socket.  Cipher text goes in and plain text
 * comes out, and the other way round; `out` is sent by whoever owns the engine
 * after every call, because a read may also produce output.
 *
 * A context is immutable and counted; connections keep theirs while a reload
 * makes a new one.
 */

struct pb_tls_context;
struct pb_tls;

/*
 * For connections to IMAP servers: TLS 1.2 at least, the certificate and its
 * name verified against the CAs of ca_file, or the system's when it is "".
 * Reads files.  PB_OK, PB_EINVAL (*err says which file), PB_ENOMEM.
 */
enum pb_status pb_tls_client_context(const char *ca_file,
				     struct pb_tls_context **ctx,
				     struct pb_error *err) PB_MUST_CHECK;
/*
 * For POP3 clients: TLS 1.2 at least, with this certificate chain and key.  A
 * client that offers protocols (ALPN) and not "pop3" is refused: it meant
 * another service, or somebody wants it to (ALPACA).  Reads files.  As above.
 */
enum pb_status pb_tls_server_context(const char *cert_file,
				     const char *key_file,
				     struct pb_tls_context **ctx,
				     struct pb_error *err) PB_MUST_CHECK;
/*
 * Sessions are resumed by tickets, which the server encrypts with a key of its
 * own.  This makes a new key; the one before is still good for tickets that
 * are out, and older ones are not.  From any thread.  Every hour is often
 * enough: who steals the key reads no more than two hours.
 */
#define PB_TLS_TICKET_KEY_MS (60 * 60 * 1000)
void pb_tls_rotate_tickets(struct pb_tls_context *ctx);
struct pb_tls_context *pb_tls_context_ref(struct pb_tls_context *ctx);
void pb_tls_context_unref(struct pb_tls_context **ctx);

/* Cipher text that may wait: a full queue of plain text and its overhead. */
#define PB_TLS_OUT_MAX (512 * 1024)

/*
 * The client side of a connection to `host`, which is a name, or an address
 * when is_address.  NULL: no memory.
 */
struct pb_tls *pb_tls_client(struct pb_tls_context *ctx, const char *host,
			     bool is_address);
/* The server side of a connection.  NULL: no memory. */
struct pb_tls *pb_tls_server(struct pb_tls_context *ctx);
void pb_tls_free(struct pb_tls **tls);

/* Cipher text to send. */
struct pb_buffer *pb_tls_out(struct pb_tls *tls);

/*
 * All take cipher text from the front of *in.
 *
 * PB_OK      the handshake is done; plain text was written to `plain`.
 * PB_AGAIN   more cipher text is needed.
 * PB_EOF     the peer has said that it is done (close_notify).
 * PB_EPROTO  TLS failed, *err says why in words for an administrator.
 */
enum pb_status pb_tls_handshake(struct pb_tls *tls, struct pb_slice *in,
				struct pb_error *err) PB_MUST_CHECK;
enum pb_status pb_tls_read(struct pb_tls *tls, struct pb_slice *in,
			   char *plain, size_t size, size_t *len,
			   struct pb_error *err) PB_MUST_CHECK;
/* PB_OK, PB_EPROTO. */
enum pb_status pb_tls_write(struct pb_tls *tls, struct pb_slice plain,
			    struct pb_error *err) PB_MUST_CHECK;
/* Say close_notify, as far as that is possible. */
void pb_tls_shutdown(struct pb_tls *tls);

/* "TLSv1.3" and the like, for the log. */
const char *pb_tls_version(const struct pb_tls *tls);

#endif
