#include <openssl/err.h>

#include "popbridge/base/mem.h"
#include "tls_priv.h"

/* BCP 195 (RFC 9325, section 4.2): forward secrecy, AEAD before the rest. */
#define FORWARD_SECRET "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:" \
	"DHE+CHACHA20:ECDHE+AES+SHA384:ECDHE+AES+SHA256:DHE+AES+SHA256"

/* Without a certificate, or with a password for one, is not our business. */
#define NEVER ":!aNULL:!eNULL:!aDSS:!PSK:!SRP"

static const struct {
	int lowest;
	int level;		/* OpenSSL's: key sizes, digests */
	const char *ciphers;	/* of TLS 1.2 and before */
} profiles[] = {
	[PB_TLS_PROFILE_DEFAULT] = { TLS1_2_VERSION, 2,
	    FORWARD_SECRET NEVER },
	[PB_TLS_PROFILE_MODERN] = { TLS1_3_VERSION, 2,
	    FORWARD_SECRET NEVER },
	/*
	 * Old devices know AES-CBC-SHA without forward secrecy, or nothing
	 * but triple DES, which not every build of OpenSSL has.
	 */
	[PB_TLS_PROFILE_LEGACY] = { TLS1_VERSION, 0,
	    "DEFAULT:3DES" NEVER },
};

#define SUITES_OF_1_3 "TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

/* Everything is said, since openssl.cnf may have said something else. */
static bool
set_profile(SSL_CTX *site, enum pb_tls_profile profile)
{
	SSL_CTX_clear_options(site, SSL_OP_NO_SSL_MASK | SSL_OP_NO_TICKET |
	    SSL_OP_LEGACY_SERVER_CONNECT |
	    SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
	SSL_CTX_set_options(site, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_security_level(site, profiles[profile].level);
	return SSL_CTX_set_min_proto_version(site,
	    profiles[profile].lowest) == 1 &&
	    SSL_CTX_set_max_proto_version(site, 0) == 1 &&
	    SSL_CTX_set_cipher_list(site, profiles[profile].ciphers) == 1 &&
	    SSL_CTX_set_ciphersuites(site, SUITES_OF_1_3) == 1 &&
	    SSL_CTX_set_max_early_data(site, 0) == 1;
}

struct pb_tls_context *
pb_tls_new_context(size_t n_sites)
{
	struct pb_tls_context *ctx;

	ERR_clear_error();
	if (!pb_tls_prepare_engines())
		return NULL;
	ctx = pb_alloc(sizeof(*ctx));
	if (ctx == NULL)
		return NULL;
	ctx->refs = 1;
	ctx->sites = pb_alloc(n_sites * sizeof(SSL_CTX *));
	if (ctx->sites == NULL || uv_mutex_init(&ctx->mutex) != 0) {
		pb_free(ctx->sites);
		pb_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL_CTX *
pb_tls_add_site(struct pb_tls_context *ctx, const SSL_METHOD *side,
    enum pb_tls_profile profile)
{
	SSL_CTX *site = SSL_CTX_new(side);

	if (site == NULL || !set_profile(site, profile)) {
		SSL_CTX_free(site);
		return NULL;
	}
	/* An idle connection should not hold two records' buffers. */
	SSL_CTX_set_mode(site, SSL_MODE_RELEASE_BUFFERS);
	ctx->sites[ctx->n_sites++] = site;
	return site;
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
	size_t i;

	*ctxp = NULL;
	if (ctx == NULL || --ctx->refs > 0)
		return;
	for (i = 0; i < ctx->n_sites; i++)
		SSL_CTX_free(ctx->sites[i]);
	uv_mutex_destroy(&ctx->mutex);
	pb_wipe(ctx->tickets, sizeof(ctx->tickets));
	pb_free(ctx->sites);
	pb_free(ctx->expires_file);
	pb_free(ctx);
}

bool
pb_tls_context_expires(const struct pb_tls_context *ctx, int64_t *not_after,
    const char **file)
{
	if (ctx->expires_file == NULL)
		return false;
	*not_after = ctx->not_after;
	*file = ctx->expires_file;
	return true;
}

static enum pb_status
set_trust(SSL_CTX *site, const char *ca_file, struct pb_error *err)
{
	if (ca_file == NULL) {
		if (SSL_CTX_set_default_verify_paths(site) == 1)
			return PB_OK;
		return pb_tls_explain_file("CA certificates",
		    "the system's store", err);
	}
	if (SSL_CTX_load_verify_file(site, ca_file) == 1)
		return PB_OK;
	return pb_tls_explain_file("CA certificates", ca_file, err);
}

enum pb_status
pb_tls_client_context(const struct pb_tls_client_options *o,
    struct pb_tls_context **out, struct pb_error *err)
{
	static const unsigned char alpn[] = { 4, 'i', 'm', 'a', 'p' };
	struct pb_tls_context *ctx = pb_tls_new_context(1);
	SSL_CTX *site = ctx != NULL ? pb_tls_add_site(ctx,
	    TLS_client_method(), o->profile) : NULL;
	enum pb_status st;

	if (site == NULL) {
		pb_tls_context_unref(&ctx);
		return PB_ENOMEM;
	}
	SSL_CTX_set_verify(site, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_alpn_protos(site, alpn, sizeof(alpn));
	st = set_trust(site, o->ca_file, err);
	if (st == PB_OK)
		*out = ctx;
	else
		pb_tls_context_unref(&ctx);
	return st;
}
