#include "popbridge/net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <uv.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

struct ticket_key {
	unsigned char name[16];
	unsigned char cipher[32];
	unsigned char mac[32];
};

struct pb_tls_context {
	SSL_CTX *ssl;	/* own; OpenSSL counts it for us, too */
	_Atomic unsigned refs;	/* snapshots of the configuration */
	uv_mutex_t mutex;
	struct ticket_key tickets[2];	/* under mutex: the newest first */
};

struct pb_tls {
	SSL *ssl;		/* own */
	struct pb_slice in;	/* cipher text of the call under way */
	struct pb_buffer out;
};

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

static int
make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
	    "popbridge");
	return method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
	    BIO_meth_set_write(method, bio_write) == 1 &&
	    BIO_meth_set_ctrl(method, bio_ctrl) == 1 &&
	    BIO_meth_set_create(method, bio_create) == 1;
}

static void
take_reason(const SSL *ssl, struct pb_error *err)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	long verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (verify != X509_V_OK)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the mail server's certificate is not trusted: %s",
		    X509_verify_cert_error_string(verify));
	else
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "TLS failed: %s", reason != NULL ? reason
						     : "unexpected end");
	ERR_clear_error();
}

static bool
load_trust(SSL_CTX *ssl, const char *ca_file)
{
	if (ca_file[0] == '\0')
		return SSL_CTX_set_default_verify_paths(ssl) == 1;
	return SSL_CTX_load_verify_file(ssl, ca_file) == 1;
}

static enum pb_status
file_error(const char *what, const char *file, struct pb_error *err)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "cannot load %s from %s: %s", what, file,
	    reason != NULL ? reason : "unknown reason");
	ERR_clear_error();
	return PB_EINVAL;
}

/* What both sides have in common. */
static struct pb_tls_context *
new_context(const SSL_METHOD *side)
{
	struct pb_tls_context *ctx;

	ERR_clear_error();
	if (method == NULL && !make_method())
		return NULL;
	ctx = pb_alloc(sizeof(*ctx));
	if (ctx == NULL)
		return NULL;
	ctx->refs = 1;
	ctx->ssl = SSL_CTX_new(side);
	if (ctx->ssl == NULL || uv_mutex_init(&ctx->mutex) != 0) {
		SSL_CTX_free(ctx->ssl);
		pb_free(ctx);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION);
	/* An idle connection should not hold two records' buffers. */
	SSL_CTX_set_mode(ctx->ssl, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

enum pb_status
pb_tls_client_context(const char *ca_file, struct pb_tls_context **out,
    struct pb_error *err)
{
	static const unsigned char alpn[] = { 4, 'i', 'm', 'a', 'p' };
	struct pb_tls_context *ctx = new_context(TLS_client_method());

	if (ctx == NULL)
		return PB_ENOMEM;
	if (!load_trust(ctx->ssl, ca_file)) {
		pb_tls_context_unref(&ctx);
		return file_error("CA certificates", ca_file[0] != '\0'
		    ? ca_file : "the system's store", err);
	}
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_alpn_protos(ctx->ssl, alpn, sizeof(alpn));
	*out = ctx;
	return PB_OK;
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = { 4, 'p', 'o', 'p', '3' };
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours), in,
	    in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

void
pb_tls_rotate_tickets(struct pb_tls_context *ctx)
{
	struct ticket_key key;

	pb_check(RAND_bytes((unsigned char *)&key, sizeof(key)) == 1);
	uv_mutex_lock(&ctx->mutex);
	ctx->tickets[1] = ctx->tickets[0];
	ctx->tickets[0] = key;
	uv_mutex_unlock(&ctx->mutex);
	pb_wipe(&key, sizeof(key));
}

/* The key of a ticket, by its name; -1 when it is too old or not ours. */
static int
find_key(struct pb_tls_context *ctx, const unsigned char name[16],
    struct ticket_key *key)
{
	int found = -1;
	int i;

	uv_mutex_lock(&ctx->mutex);
	for (i = 0; i < 2; i++) {
		if (found < 0 && (name == NULL || CRYPTO_memcmp(name,
		    ctx->tickets[i].name, sizeof(key->name)) == 0)) {
			*key = ctx->tickets[i];
			found = i;
		}
	}
	uv_mutex_unlock(&ctx->mutex);
	return found;
}

/* OpenSSL's terms: 0 no such key, 1 go on, 2 go on and give a new ticket. */
static int
ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct pb_tls_context *ctx =
	    SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char digest[] = "SHA256";
	struct ticket_key key;
	OSSL_PARAM params[3];
	int found = find_key(ctx, encrypt ? NULL : name, &key);
	int ok;

	if (found < 0)
		return 0;
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
	    key.mac, sizeof(key.mac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	ok = EVP_MAC_CTX_set_params(mac, params);
	if (encrypt) {
		memcpy(name, key.name, sizeof(key.name));
		ok = ok && RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
		    EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		    key.cipher, iv);
	} else {
		ok = ok && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		    key.cipher, iv);
	}
	pb_wipe(&key, sizeof(key));
	if (!ok)
		return -1;
	return found == 0 ? 1 : 2;
}

enum pb_status
pb_tls_server_context(const char *cert_file, const char *key_file,
    struct pb_tls_context **out, struct pb_error *err)
{
	struct pb_tls_context *ctx = new_context(TLS_server_method());
	enum pb_status st = PB_OK;

	if (ctx == NULL)
		return PB_ENOMEM;
	SSL_CTX_set_options(ctx->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
	if (SSL_CTX_use_certificate_chain_file(ctx->ssl, cert_file) != 1)
		st = file_error("the certificate", cert_file, err);
	else if (SSL_CTX_use_PrivateKey_file(ctx->ssl, key_file,
	    SSL_FILETYPE_PEM) != 1)
		st = file_error("the private key", key_file, err);
	else if (SSL_CTX_check_private_key(ctx->ssl) != 1)
		st = file_error("a key for the certificate", key_file, err);
	if (st != PB_OK) {
		pb_tls_context_unref(&ctx);
		return st;
	}
	SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_protocol, NULL);
	SSL_CTX_set_app_data(ctx->ssl, ctx);
	pb_tls_rotate_tickets(ctx);
	pb_tls_rotate_tickets(ctx);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx->ssl, ticket_key);
	*out = ctx;
	return PB_OK;
}

struct pb_tls_context *
pb_tls_context_ref(struct pb_tls_context *ctx)
{
	ctx->refs++;
	return ctx;
}

void
pb_tls_context_unref(struct pb_tls_context **ctxp)
{
	struct pb_tls_context *ctx = *ctxp;

	*ctxp = NULL;
	if (ctx == NULL || --ctx->refs > 0)
		return;
	SSL_CTX_free(ctx->ssl);
	uv_mutex_destroy(&ctx->mutex);
	pb_wipe(ctx->tickets, sizeof(ctx->tickets));
	pb_free(ctx);
}

static bool
expect_host(SSL *ssl, const char *host, bool is_address)
{
	char name[256];

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    host) == 1;
	/* OpenSSL's macro takes the name for its own to change. */
	snprintf(name, sizeof(name), "%s", host);
	return SSL_set1_host(ssl, host) == 1 &&
	    SSL_set_tlsext_host_name(ssl, name) == 1;
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
	tls->ssl = SSL_new(ctx->ssl);
	if (tls->ssl == NULL) {
		BIO_free(bio);
		pb_free(tls);
		return NULL;
	}
	SSL_set_bio(tls->ssl, bio, bio);
	return tls;
}

struct pb_tls *
pb_tls_client(struct pb_tls_context *ctx, const char *host, bool is_address)
{
	struct pb_tls *tls = new_engine(ctx);

	if (tls == NULL)
		return NULL;
	SSL_set_connect_state(tls->ssl);
	if (!expect_host(tls->ssl, host, is_address))
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
		take_reason(tls->ssl, err);
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

	if (plain.len == 0)
		return PB_OK;
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
