#include "popbridge/store/keyring.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "files.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

#define LINE_DIGITS ((size_t)2 * PB_KEY_SIZE)
/* Each key with its line's end, some blank lines, and room to see more. */
#define FILE_SIZE (PB_KEYRING_MAX * (LINE_DIGITS + 2) + 64)

/* So that the id is not the digest of the key for any other purpose. */
static const char purpose[] = "popbridge key id";

void
pb_keyring_clear(struct pb_keyring *ring)
{
	pb_wipe(ring, sizeof(*ring));
}

const struct pb_key *
pb_keyring_find(const struct pb_keyring *ring,
    const uint8_t id[PB_KEY_ID_SIZE])
{
	size_t i;

	for (i = 0; i < ring->n; i++) {
		if (memcmp(ring->keys[i].id, id, PB_KEY_ID_SIZE) == 0)
			return &ring->keys[i];
	}
	return NULL;
}

static bool
name_key(struct pb_key *key)
{
	uint8_t in[sizeof(purpose) + PB_KEY_SIZE];
	uint8_t digest[EVP_MAX_MD_SIZE];
	bool ok;

	memcpy(in, purpose, sizeof(purpose));
	memcpy(in + sizeof(purpose), key->key, PB_KEY_SIZE);
	ok = EVP_Digest(in, sizeof(in), digest, NULL, EVP_sha256(), NULL) == 1;
	memcpy(key->id, digest, PB_KEY_ID_SIZE);
	pb_wipe(in, sizeof(in));
	return ok;
}

enum pb_status
pb_keyring_renew(struct pb_keyring *ring)
{
	struct pb_key key;

	if (ring->n == PB_KEYRING_MAX)
		return PB_ETOOBIG;
	if (RAND_priv_bytes(key.key, sizeof(key.key)) != 1 || !name_key(&key))
		return PB_EIO;
	memmove(&ring->keys[1], &ring->keys[0],
	    ring->n * sizeof(ring->keys[0]));
	ring->keys[0] = key;
	ring->n++;
	pb_wipe(&key, sizeof(key));
	return PB_OK;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum pb_status
take_key(struct pb_keyring *ring, struct pb_slice line)
{
	struct pb_key *key = &ring->keys[ring->n];
	size_t i;

	if (line.len != LINE_DIGITS)
		return PB_EINVAL;
	if (ring->n == PB_KEYRING_MAX)
		return PB_ETOOBIG;
	for (i = 0; i < PB_KEY_SIZE; i++) {
		int high = digit(line.data[2 * i]);
		int low = digit(line.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return PB_EINVAL;
		key->key[i] = (uint8_t)(high << 4 | low);
	}
	if (!name_key(key))
		return PB_EIO;
	ring->n++;
	return PB_OK;
}

static void
complain(struct pb_error *err, const char *file, size_t line,
    enum pb_status st)
{
	if (st == PB_EINVAL)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: line %zu is no key: each line must be %zu "
		    "hexadecimal digits", file, line, LINE_DIGITS);
	else if (st == PB_ETOOBIG)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: there are more than %d keys", file, PB_KEYRING_MAX);
	else
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: SHA-256 does not work", file);
}

static enum pb_status
take_keys(struct pb_keyring *ring, struct pb_slice text, const char *file,
    struct pb_error *err)
{
	size_t number;

	for (number = 1; text.len > 0; number++) {
		size_t end = pb_slice_find(text, '\n');
		struct pb_slice line = pb_slice_sub(text, 0, end);
		enum pb_status st = PB_OK;

		pb_slice_skip(&text, end < text.len ? end + 1 : end);
		if (line.len > 0)
			st = take_key(ring, line);
		if (st != PB_OK) {
			complain(err, file, number, st);
			return st == PB_EIO ? PB_EIO : PB_EINVAL;
		}
	}
	if (ring->n > 0)
		return PB_OK;
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "%s: there is no key in it: make one by popbridge account "
	    "rotate-key", file);
	return PB_EINVAL;
}

enum pb_status
pb_keyring_read(struct pb_keyring *ring, const char *file,
    struct pb_error *err)
{
	char text[FILE_SIZE];
	size_t len = 0;
	enum pb_status st;

	pb_keyring_clear(ring);
	st = pb_file_read_private(file, text, sizeof(text), &len, err);
	if (st == PB_EOF)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "%s: there is no such file of keys: popbridge account "
		    "rotate-key makes one", file);
	if (st == PB_OK)
		st = take_keys(ring, pb_slice(text, len), file, err);
	if (st != PB_OK)
		pb_keyring_clear(ring);
	pb_wipe(text, sizeof(text));
	return st;
}

enum pb_status
pb_keyring_write(const struct pb_keyring *ring, const char *file,
    struct pb_error *err)
{
	static const char digits[] = "0123456789abcdef";
	char text[FILE_SIZE];
	enum pb_status st;
	size_t len = 0;
	size_t i;
	size_t k;

	pb_check(ring->n > 0 && ring->n <= PB_KEYRING_MAX);
	for (i = 0; i < ring->n; i++) {
		for (k = 0; k < PB_KEY_SIZE; k++) {
			text[len++] = digits[ring->keys[i].key[k] >> 4];
			text[len++] = digits[ring->keys[i].key[k] & 15];
		}
		text[len++] = '\n';
	}
	st = pb_file_replace(file, pb_slice(text, len), err);
	pb_wipe(text, sizeof(text));
	return st;
}
