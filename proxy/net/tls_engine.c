#include <openssl/err.h>

#include "popbridge/base/mem.h"
#include "tls_priv.h"

/* What a record has besides its octets: more than the worst cipher needs. */
#define OVERHEAD 128

/* The engine's two ends as OpenSSL sees them: no copy is kept in between. */

static int
bio_read(BIO *bio, char *data, int len)
{
	struct pb_tls *tls = BIO_get_data(bio);
	size_t n = (size_t)len < tls->in.len ? (size_t)len : tls->in.len;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(data, tls->in.data, n);
	pb_slice_skip(&tls->in, n);
	return (int)n;
}

static int
bio_write(BIO *bio, const char *data, int len)
{
	struct pb_tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return pb_buffer_append(&tls->out, data, (size_t)len) == PB_OK ? len
								       : -1;
}

static long
bio_ctrl(BIO *bio, int command, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

static int
bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method;

bool
pb_tls_prepare_engines(void)
{
	if (method != NULL)
		return true;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
	    "popbridge");
	return method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
	    BIO_meth_set_write(method, bio_write) == 1 &&
	    BIO_meth_set_ctrl(method, bio_ctrl) == 1 &&
	    BIO_meth_set_create(method, bio_create) == 1;
}

static struct pb_tls *
new_engine(struct pb_tls_context *ctx)
{
	struct pb_tls *tls = pb_alloc(sizeof(*tls));
	BIO *bio = tls != NULL ? BIO_new(method) : NULL;

	if (bio == NULL) {
		pb_free(tls);
		return NULL;
	}
	BIO_set_data(bio, tls);
	pb_buffer_init(&tls->out, PB_TLS_OUT_MAX);
	tls->ssl = SSL_new(ctx->sites[0]);
	if (tls->ssl == NULL) {
		BIO_free(bio);
		pb_free(tls);
		return NULL;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	tls->ctx = pb_tls_context_ref(ctx);
	return tls;
}

struct pb_tls *
pb_tls_client(struct pb_tls_context *ctx, const char *host, bool is_address,
    const char *domain)
{
	struct pb_tls *tls = new_engine(ctx);

	if (tls == NULL)
		return NULL;
	SSL_set_connect_state(tls->ssl);
	if (!pb_tls_expect(tls->ssl, host, is_address, domain))
		pb_tls_free(&tls);
	return tls;
}

struct pb_tls *
pb_tls_server(struct pb_tls_context *ctx)
{
	struct pb_tls *tls = new_engine(ctx);

	if (tls != NULL)
		SSL_set_accept_state(tls->ssl);
	return tls;
}

void
pb_tls_free(struct pb_tls **tlsp)
{
	struct pb_tls *tls = *tlsp;

	*tlsp = NULL;
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	pb_tls_context_unref(&tls->ctx);
	pb_buffer_fini(&tls->out);
	pb_free(tls);
}

struct pb_buffer *
pb_tls_out(struct pb_tls *tls)
{
	return &tls->out;
}

static enum pb_status
verdict(struct pb_tls *tls, int result, struct pb_slice *in,
    struct pb_error *err)
{
	*in = tls->in;
	tls->in = pb_slice(NULL, 0);
	if (result > 0)
		return PB_OK;
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return PB_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return PB_EOF;
	default:
		pb_tls_explain(tls->ssl, err);
		return PB_EPROTO;
	}
}

enum pb_status
pb_tls_handshake(struct pb_tls *tls, struct pb_slice *in,
    struct pb_error *err)
{
	ERR_clear_error();
	tls->in = *in;
	return verdict(tls, SSL_do_handshake(tls->ssl), in, err);
}

enum pb_status
pb_tls_read(struct pb_tls *tls, struct pb_slice *in, char *plain, size_t size,
    size_t *len, struct pb_error *err)
{
	ERR_clear_error();
	tls->in = *in;
	return verdict(tls, SSL_read_ex(tls->ssl, plain, size, len), in, err);
}

enum pb_status
pb_tls_write(struct pb_tls *tls, struct pb_slice plain, struct pb_error *err)
{
	struct pb_slice none = { NULL, 0 };
	size_t written;
	enum pb_status st;

	char *room;

	if (plain.len == 0)
		return PB_OK;
	/* In one go; where there is no memory, SSL_write_ex says so. */
	(void)!pb_buffer_reserve(&tls->out, plain.len + OVERHEAD *
	    (plain.len / SSL3_RT_MAX_PLAIN_LENGTH + 1), &room);
	ERR_clear_error();
	tls->in = none;
	st = verdict(tls, SSL_write_ex(tls->ssl, plain.data, plain.len,
	    &written), &none, err);
	if (st == PB_AGAIN || st == PB_EOF) {
		/* Only a renegotiation would ask for input; it is off. */
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "TLS failed: the peer has closed the connection");
		return PB_EPROTO;
	}
	return st;
}

void
pb_tls_shutdown(struct pb_tls *tls)
{
	ERR_clear_error();
	tls->in = pb_slice(NULL, 0);
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

const char *
pb_tls_version(const struct pb_tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *
pb_tls_cipher(const struct pb_tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

bool
pb_tls_is_weak(const struct pb_tls *tls)
{
	return SSL_version(tls->ssl) < TLS1_2_VERSION;
}
