#include "popbridge/net/keyed_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "popbridge/base/mem.h"

struct pb_keyed_hash {
	EVP_MAC *mac;			/* own */
	uint8_t key[PB_KEYED_HASH_SIZE];
};

struct pb_keyed_hash *
pb_keyed_hash_new(void)
{
	struct pb_keyed_hash *h = pb_alloc(sizeof(*h));

	if (h == NULL)
		return NULL;
	h->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (h->mac == NULL || RAND_bytes(h->key, sizeof(h->key)) != 1)
		pb_keyed_hash_free(&h);
	return h;
}

void
pb_keyed_hash_free(struct pb_keyed_hash **hash)
{
	struct pb_keyed_hash *h = *hash;

	*hash = NULL;
	if (h == NULL)
		return;
	EVP_MAC_free(h->mac);
	pb_wipe(h->key, sizeof(h->key));
	pb_free(h);
}

static bool
put(EVP_MAC_CTX *c, struct pb_slice part)
{
	uint64_t len = part.len;

	return EVP_MAC_update(c, (const unsigned char *)&len,
	    sizeof(len)) == 1 && EVP_MAC_update(c,
	    (const unsigned char *)part.data, part.len) == 1;
}

bool
pb_keyed_hash_digest(void *ctx, const struct pb_slice *parts, size_t n,
    uint8_t out[PB_KEYED_HASH_SIZE])
{
	const struct pb_keyed_hash *h = ctx;
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
	    OSSL_MAC_PARAM_DIGEST, sha256, 0), OSSL_PARAM_construct_end() };
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(h->mac);
	size_t len = 0;
	size_t i;
	bool ok;

	ok = c != NULL && EVP_MAC_init(c, h->key, sizeof(h->key), params) == 1;
	for (i = 0; ok && i < n; i++)
		ok = put(c, parts[i]);
	ok = ok && EVP_MAC_final(c, out, &len, PB_KEYED_HASH_SIZE) == 1;
	EVP_MAC_CTX_free(c);
	return ok && len == PB_KEYED_HASH_SIZE;
}
