#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <sys/random.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "tls_priv.h"

void
pb_tls_rotate_tickets(struct pb_tls_context *ctx)
{
	struct pb_tls_ticket_key key;

	/* The kernel's: OpenSSL may have no memory for a generator. */
	pb_check(getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key));
	uv_mutex_lock(&ctx->mutex);
	ctx->tickets[1] = ctx->tickets[0];
	ctx->tickets[0] = key;
	uv_mutex_unlock(&ctx->mutex);
	pb_wipe(&key, sizeof(key));
}

/* The key of a ticket, by its name; -1 when it is too old or not ours. */
static int
find_key(struct pb_tls_context *ctx, const unsigned char name[16],
    struct pb_tls_ticket_key *key)
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
	/* Whichever site was chosen by now: all have the same. */
	struct pb_tls_context *ctx =
	    SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char digest[] = "SHA256";
	struct pb_tls_ticket_key key;
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

void
pb_tls_use_tickets(struct pb_tls_context *ctx, SSL_CTX *site)
{
	SSL_CTX_set_app_data(site, ctx);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(site, ticket_key);
}
