#include "popbridge/store/proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/sasl/prep.h"

#define SHA256_SIZE 32
#define MD5_SIZE 16

static const unsigned char *
octets(struct pb_slice s)
{
	return (const unsigned char *)s.data;
}

static bool
hmac_sha256(const uint8_t *key, size_t key_len, struct pb_slice in,
    uint8_t out[SHA256_SIZE])
{
	return HMAC(EVP_sha256(), key, (int)key_len, octets(in), in.len, out,
	    NULL) != NULL;
}

static bool
derive(struct pb_slice prepared, struct pb_account_keys *keys)
{
	uint8_t salted[SHA256_SIZE];
	uint8_t client[SHA256_SIZE];
	bool ok;

	ok = PKCS5_PBKDF2_HMAC(prepared.data, (int)prepared.len, keys->salt,
		(int)keys->salt_len, (int)keys->iterations, EVP_sha256(),
		sizeof(salted), salted) == 1 &&
	    hmac_sha256(salted, sizeof(salted), pb_slice_str("Client Key"),
		client) &&
	    EVP_Digest(client, sizeof(client), keys->stored_key, NULL,
		EVP_sha256(), NULL) == 1 &&
	    hmac_sha256(salted, sizeof(salted), pb_slice_str("Server Key"),
		keys->server_key);
	pb_wipe(salted, sizeof(salted));
	pb_wipe(client, sizeof(client));
	return ok;
}

enum pb_status
pb_scram_derive(struct pb_slice password, struct pb_account_keys *keys)
{
	struct pb_secret prepared = { .priv_data = NULL };
	enum pb_status st;

	pb_check(keys->iterations > 0 && keys->salt_len > 0 &&
	    keys->salt_len <= sizeof(keys->salt));
	st = pb_sasl_prep(password, &prepared);
	if (st == PB_OK && !derive(pb_secret_reveal(&prepared), keys))
		st = PB_EIO;
	pb_secret_clear(&prepared);
	return st;
}

static bool
invent(const uint8_t *secret, const char *what, struct pb_slice name,
    uint8_t out[SHA256_SIZE])
{
	uint8_t key[SHA256_SIZE];

	return hmac_sha256(secret, PB_SCRAM_SECRET_SIZE, pb_slice_str(what),
	    key) && hmac_sha256(key, sizeof(key), name, out);
}

enum pb_status
pb_scram_invent(const uint8_t secret[PB_SCRAM_SECRET_SIZE],
    struct pb_slice name, struct pb_account_keys *keys)
{
	uint8_t salt[SHA256_SIZE];

	_Static_assert(sizeof(keys->salt) <= sizeof(salt), "cut off it");
	if (!invent(secret, "salt", name, salt) ||
	    !invent(secret, "stored key", name, keys->stored_key) ||
	    !invent(secret, "server key", name, keys->server_key))
		return PB_EIO;
	memcpy(keys->salt, salt, sizeof(keys->salt));
	keys->salt_len = sizeof(keys->salt);
	keys->iterations = PB_SCRAM_ITERATIONS;
	return PB_OK;
}

static enum pb_status
compare(const uint8_t digest[MD5_SIZE], struct pb_slice claimed)
{
	static const char digits[] = "0123456789abcdef";
	char want[2 * MD5_SIZE];
	char have[2 * MD5_SIZE];
	size_t i;

	if (claimed.len != sizeof(have))
		return PB_EINVAL;
	for (i = 0; i < sizeof(want); i++) {
		unsigned char c = (unsigned char)claimed.data[i];

		want[i] = digits[i % 2 == 0 ? digest[i / 2] >> 4
					    : digest[i / 2] & 15];
		have[i] = (char)(c >= 'A' && c <= 'F' ? c + 0x20 : c);
	}
	return CRYPTO_memcmp(want, have, sizeof(want)) == 0 ? PB_OK
							     : PB_EINVAL;
}

enum pb_status
pb_proof_cram_md5(struct pb_slice password, struct pb_slice challenge,
    struct pb_slice claimed)
{
	uint8_t digest[MD5_SIZE];

	if (HMAC(EVP_md5(), password.data, (int)password.len,
	    octets(challenge), challenge.len, digest, NULL) == NULL)
		return PB_EIO;
	return compare(digest, claimed);
}

enum pb_status
pb_proof_apop(struct pb_slice password, struct pb_slice challenge,
    struct pb_slice claimed)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t digest[MD5_SIZE];
	bool ok;

	ok = c != NULL && EVP_DigestInit_ex(c, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(c, challenge.data, challenge.len) == 1 &&
	    EVP_DigestUpdate(c, password.data, password.len) == 1 &&
	    EVP_DigestFinal_ex(c, digest, NULL) == 1;
	EVP_MD_CTX_free(c);
	return ok ? compare(digest, claimed) : PB_EIO;
}
