#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "tls_priv.h"

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

static SSL_CTX *
find_site(const struct pb_tls_context *ctx, const char *name)
{
	static const unsigned flags[] = { X509_CHECK_FLAG_NO_WILDCARDS,
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS };
	size_t f;
	size_t i;

	for (f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
		for (i = 0; i < ctx->n_sites; i++) {
			X509 *cert = SSL_CTX_get0_certificate(ctx->sites[i]);

			if (X509_check_host(cert, name, 0, flags[f], NULL) == 1)
				return ctx->sites[i];
		}
	}
	return NULL;
}

static int
choose_site(SSL *ssl, int *alert, void *arg)
{
	const struct pb_tls_context *ctx = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *site = name != NULL ? find_site(ctx, name) : NULL;

	(void)alert;
	if (site == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_set_SSL_CTX(ssl, site) == NULL)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* A daemon must not ask the terminal, which is what happens without this. */
static int
refuse_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *
read_key(const char *file, struct pb_error *err)
{
	BIO *bio = BIO_new_file(file, "r");
	EVP_PKEY *key = NULL;
	bool asked = false;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase,
		    &asked);
	BIO_free(bio);
	if (key == NULL && pb_tls_explain_file("the private key", file,
	    err) != PB_OK && asked)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the private key in %s has a passphrase, and there is "
		    "nobody to type it: write one without by \"openssl pkey "
		    "-in OLD -out NEW\"", file);
	return key;
}

static enum pb_status
load_certificate(SSL_CTX *site, const struct pb_tls_certificate *c,
    struct pb_error *err)
{
	enum pb_status st = PB_OK;
	bool asked = false;
	EVP_PKEY *key;

	SSL_CTX_set_default_passwd_cb(site, refuse_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(site, &asked);
	if (SSL_CTX_use_certificate_chain_file(site, c->cert_file) != 1)
		return pb_tls_explain_file("the certificate", c->cert_file,
		    err);
	SSL_CTX_set_default_passwd_cb_userdata(site, NULL);
	key = read_key(c->key_file, err);
	if (key == NULL)
		return PB_EINVAL;
	if (X509_check_private_key(SSL_CTX_get0_certificate(site), key) != 1) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the private key in %s does not belong to the certificate "
		    "in %s", c->key_file, c->cert_file);
		ERR_clear_error();
		st = PB_EINVAL;
	} else if (SSL_CTX_use_PrivateKey(site, key) != 1) {
		st = pb_tls_explain_file("the private key", c->key_file, err);
	}
	EVP_PKEY_free(key);
	return st;
}

static enum pb_status
note_expiry(struct pb_tls_context *ctx, const SSL_CTX *site, const char *file)
{
	struct tm when = { .tm_year = 0 };
	int64_t not_after;
	char *copy;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(site)),
	    &when) != 1)
		return PB_OK;
	not_after = timegm(&when);
	if (ctx->expires_file != NULL && not_after >= ctx->not_after)
		return PB_OK;
	copy = pb_alloc(strlen(file) + 1);
	if (copy == NULL)
		return PB_ENOMEM;
	memcpy(copy, file, strlen(file) + 1);
	pb_free(ctx->expires_file);
	ctx->expires_file = copy;
	ctx->not_after = not_after;
	return PB_OK;
}

static enum pb_status
ask_for_certificates(SSL_CTX *site, const char *ca_file, struct pb_error *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);

	if (names == NULL || SSL_CTX_load_verify_file(site, ca_file) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return pb_tls_explain_file("CA certificates for clients",
		    ca_file, err);
	}
	SSL_CTX_set_client_CA_list(site, names);
	SSL_CTX_set_verify(site, SSL_VERIFY_PEER, NULL);
	return PB_OK;
}

static enum pb_status
add_server_site(struct pb_tls_context *ctx,
    const struct pb_tls_server_options *o, const struct pb_tls_certificate *c,
    struct pb_error *err)
{
	static const unsigned char service[] = "pop3";
	SSL_CTX *site = pb_tls_add_site(ctx, TLS_server_method(),
	    o->profile);
	enum pb_status st;

	if (site == NULL)
		return PB_ENOMEM;
	/* Passwords come in here, and a buffer is not wiped when it goes. */
	(void)SSL_CTX_set_options(site, SSL_OP_CLEANSE_PLAINTEXT);
	st = load_certificate(site, c, err);
	if (st == PB_OK)
		st = note_expiry(ctx, site, c->cert_file);
	if (st == PB_OK && o->client_ca != NULL)
		st = ask_for_certificates(site, o->client_ca, err);
	SSL_CTX_set_alpn_select_cb(site, choose_protocol, NULL);
	/* Without one no session with a client's certificate is resumed. */
	SSL_CTX_set_session_id_context(site, service, sizeof(service) - 1);
	pb_tls_use_tickets(ctx, site);
	return st;
}

enum pb_status
pb_tls_server_context(const struct pb_tls_server_options *o,
    struct pb_tls_context **out, struct pb_error *err)
{
	struct pb_tls_context *ctx;
	enum pb_status st = PB_OK;
	size_t i;

	pb_check(o->n_certificates > 0);
	ctx = pb_tls_new_context(o->n_certificates);
	if (ctx == NULL)
		return PB_ENOMEM;
	for (i = 0; st == PB_OK && i < o->n_certificates; i++)
		st = add_server_site(ctx, o, &o->certificates[i], err);
	if (st != PB_OK) {
		pb_tls_context_unref(&ctx);
		return st;
	}
	/* It is asked of the first one, where every connection begins. */
	SSL_CTX_set_tlsext_servername_callback(ctx->sites[0], choose_site);
	SSL_CTX_set_tlsext_servername_arg(ctx->sites[0], ctx);
	pb_tls_rotate_tickets(ctx);
	pb_tls_rotate_tickets(ctx);
	*out = ctx;
	return PB_OK;
}
