#ifndef PB_NET_TLS_H
#define PB_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/tls_profile.h"

/*
 * TLS as an engine: it knows no socket.  Cipher text goes in and plain text
 * comes out, and the other way round; `out` is sent by whoever owns the engine
 * after every call, because a read may also produce output.
 *
 * A context is immutable and counted; connections keep theirs while a reload
 * makes a new one.
 *
 * Versions and ciphers are those of the profile and of nothing else: what the
 * system's openssl.cnf says of them does not count.  In every profile there is
 * no compression, no renegotiation, and no data before the handshake is done.
 */

struct pb_tls_context;
struct pb_tls;

/* Files in PEM: the chain with the server's own certificate first, its key. */
struct pb_tls_certificate {
	const char *cert_file;
	const char *key_file;	/* without a passphrase */
};

struct pb_tls_server_options {
	enum pb_tls_profile profile;
	/*
	 * At least one; the first is for clients that name no host, or an
	 * unknown one.
	 */
	const struct pb_tls_certificate *certificates;
	size_t n_certificates;
	/* NULL: clients are not asked for a certificate. */
	const char *client_ca;
};

/*
 * For POP3 clients.  A client that names a host (SNI) is shown the first
 * certificate that has this name, whole names before wildcards.  A client that
 * offers protocols (ALPN) and not "pop3" is refused: it meant another service,
 * or somebody wants it to (ALPACA).
 *
 * With client_ca a client may show a certificate, and need not.  One that was
 * not issued by these CAs ends the handshake.
 *
 * Options are copied, files are read now.  PB_OK, PB_EINVAL (*err says which
 * file, and why), PB_ENOMEM.  A certificate that has expired is taken, so that
 * a restart at a bad moment does not end the service: see
 * pb_tls_context_expires.
 */
enum pb_status pb_tls_server_context(const struct pb_tls_server_options *o,
				     struct pb_tls_context **ctx,
				     struct pb_error *err) PB_MUST_CHECK;

struct pb_tls_client_options {
	const char *ca_file;	/* NULL: the system's */
	enum pb_tls_profile profile;
};

/*
 * For connections to IMAP servers: their certificate and its name are verified
 * against these CAs.  Results as above.
 */
enum pb_status pb_tls_client_context(const struct pb_tls_client_options *o,
				     struct pb_tls_context **ctx,
				     struct pb_error *err) PB_MUST_CHECK;

/*
 * When the first of its certificates expires, in seconds since 1970, and in
 * which file that is (valid as long as the context).  False: it has none.
 */
bool pb_tls_context_expires(const struct pb_tls_context *ctx,
			    int64_t *not_after, const char **file);

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
 * when is_address.  The server is told a name (SNI), never an address.
 *
 * The certificate must have the name or address in its subjectAltName: what
 * stands in the common name does not count (RFC 9525).  When SRV records have
 * led to the name, `domain` is where they were looked up; NULL otherwise.  A
 * certificate for the domain does as well then; and where `host` is not in the
 * domain, nothing else does: who forges the records has a certificate for a
 * host of his own (RFC 6186, section 6; RFC 7817).
 *
 * NULL: no memory.
 */
struct pb_tls *pb_tls_client(struct pb_tls_context *ctx, const char *host,
			     bool is_address, const char *domain);
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

/* Once the handshake is done, for the log: "TLSv1.3" and the like. */
const char *pb_tls_version(const struct pb_tls *tls);
/* OpenSSL's name of the cipher. */
const char *pb_tls_cipher(const struct pb_tls *tls);
/* A version that only the legacy profile allows (RFC 8996). */
bool pb_tls_is_weak(const struct pb_tls *tls);

/*
 * Whether the peer has shown a certificate, now or in the session that is
 * resumed, that one of our CAs has issued.  False until the handshake is done,
 * and once TLS has failed.
 */
bool pb_tls_peer_verified(const struct pb_tls *tls);

#define PB_TLS_PEER_NAME_SIZE 256

/*
 * Who the verified certificate is for: the first mail address (rfc822Name) of
 * its subjectAltName, else its common name (CN), in UTF-8.  False when there
 * is no verified certificate or no such name, and when it is too long, has
 * control characters, or is one of several common names.
 */
bool pb_tls_peer_name(const struct pb_tls *tls,
		      char out[PB_TLS_PEER_NAME_SIZE]);

#endif
