#include "popbridge/store/keyring.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

#define VERSION 1
#define NONCE_SIZE 12
#define TAG_SIZE 16
/* Where the parts begin. */
#define ID_AT 1
#define NONCE_AT (ID_AT + PB_KEY_ID_SIZE)
#define TEXT_AT (NONCE_AT + NONCE_SIZE)

_Static_assert(TEXT_AT + TAG_SIZE == PB_SEAL_EXTRA, "the parts");

static const unsigned char *
octets(struct pb_slice s)
{
	return (const unsigned char *)s.data;
}

static EVP_CIPHER_CTX *
begin(const struct pb_key *key, const uint8_t *nonce, bool seal)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c != NULL && EVP_CipherInit_ex2(c, EVP_aes_256_gcm(), key->key,
	    nonce, seal, NULL) != 1) {
		EVP_CIPHER_CTX_free(c);
		c = NULL;
	}
	return c;
}

/* The head and the place are not secret, but may not be changed either. */
static bool
bind(EVP_CIPHER_CTX *c, const uint8_t *head, const struct pb_seal_place *place)
{
	struct pb_slice column = pb_slice_str(place->column);
	int len;

	/* No name has a NUL, so that the two cannot run into each other. */
	return EVP_CipherUpdate(c, NULL, &len, head, NONCE_AT) == 1 &&
	    EVP_CipherUpdate(c, NULL, &len, octets(place->account),
		(int)place->account.len) == 1 &&
	    EVP_CipherUpdate(c, NULL, &len, (const unsigned char *)"", 1) ==
		1 &&
	    EVP_CipherUpdate(c, NULL, &len, octets(column),
		(int)column.len) == 1;
}

enum pb_status
pb_seal(const struct pb_keyring *ring, const struct pb_seal_place *place,
    struct pb_slice secret, uint8_t *out)
{
	EVP_CIPHER_CTX *c;
	int len;
	bool ok;

	pb_check(ring->n > 0);
	if (secret.len > PB_SEAL_MAX)
		return PB_ETOOBIG;
	out[0] = VERSION;
	memcpy(out + ID_AT, ring->keys[0].id, PB_KEY_ID_SIZE);
	if (RAND_bytes(out + NONCE_AT, NONCE_SIZE) != 1)
		return PB_EIO;
	c = begin(&ring->keys[0], out + NONCE_AT, true);
	ok = c != NULL && bind(c, out, place) &&
	    EVP_CipherUpdate(c, out + TEXT_AT, &len, octets(secret),
		(int)secret.len) == 1 &&
	    EVP_CipherFinal_ex(c, out + TEXT_AT + secret.len, &len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE,
		out + TEXT_AT + secret.len) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? PB_OK : PB_EIO;
}

enum pb_status
pb_seal_key(struct pb_slice sealed, uint8_t id[PB_KEY_ID_SIZE])
{
	if (sealed.len < PB_SEAL_EXTRA ||
	    sealed.len > PB_SEAL_MAX + PB_SEAL_EXTRA ||
	    sealed.data[0] != VERSION)
		return PB_EINVAL;
	memcpy(id, sealed.data + ID_AT, PB_KEY_ID_SIZE);
	return PB_OK;
}

/* What it writes to out is worth nothing unless PB_OK. */
static enum pb_status
open_sealed(const struct pb_key *key, const struct pb_seal_place *place,
    struct pb_slice sealed, uint8_t *out)
{
	const uint8_t *in = octets(sealed);
	size_t text = sealed.len - PB_SEAL_EXTRA;
	EVP_CIPHER_CTX *c = begin(key, in + NONCE_AT, false);
	enum pb_status st = PB_EIO;
	uint8_t tag[TAG_SIZE];
	int len;

	memcpy(tag, in + TEXT_AT + text, TAG_SIZE);
	if (c != NULL && bind(c, in, place) &&
	    EVP_CipherUpdate(c, out, &len, in + TEXT_AT, (int)text) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1)
		st = EVP_CipherFinal_ex(c, out + text, &len) == 1 ? PB_OK
								  : PB_EINVAL;
	EVP_CIPHER_CTX_free(c);
	return st;
}

enum pb_status
pb_unseal(const struct pb_keyring *ring, const struct pb_seal_place *place,
    struct pb_slice sealed, struct pb_secret *secret)
{
	uint8_t id[PB_KEY_ID_SIZE];
	const struct pb_key *key;
	enum pb_status st;
	size_t len;
	uint8_t *out;

	pb_secret_clear(secret);
	if (pb_seal_key(sealed, id) != PB_OK)
		return PB_EINVAL;
	key = pb_keyring_find(ring, id);
	if (key == NULL)
		return PB_AGAIN;
	len = sealed.len - PB_SEAL_EXTRA;
	out = pb_alloc(len + 1);
	if (out == NULL)
		return PB_ENOMEM;
	st = open_sealed(key, place, sealed, out);
	if (st == PB_OK)
		st = pb_secret_set(secret, pb_slice((const char *)out, len));
	pb_wipe(out, len);
	pb_free(out);
	return st;
}
