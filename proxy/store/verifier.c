#include "popbridge/store/verifier.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <string.h>

#include "popbridge/base/mem.h"

/* Half of the time of the next step, which is 100 ms and 32 MB. */
#define COST 7
#define KIND "$y$"

/* What nobody's password is hashed with: of our cost, and any salt. */
#define NOBODY "$y$jBT$SBE4q4MvmWVW/e32RbHCq1$"

_Static_assert(PB_VERIFIER_SIZE == CRYPT_OUTPUT_SIZE &&
    PB_VERIFIER_SECRET_MAX == CRYPT_MAX_PASSPHRASE_SIZE - 1,
    "as large as libcrypt's");

static atomic_ulong hashed;

unsigned long
pb_verifier_count(void)
{
	return atomic_load(&hashed);
}

static bool
can_be_hashed(struct pb_slice password)
{
	return password.len > 0 && password.len <= PB_VERIFIER_SECRET_MAX &&
	    pb_slice_find(password, '\0') == password.len;
}

static enum pb_status
hash(struct pb_slice password, const char *setting,
    char out[PB_VERIFIER_SIZE])
{
	/* Too large for the stack of a thread that others run in. */
	struct crypt_data *data = pb_alloc(sizeof(*data));
	char phrase[PB_VERIFIER_SECRET_MAX + 1];
	enum pb_status st = PB_OK;
	const char *result;

	if (data == NULL)
		return PB_ENOMEM;
	memcpy(phrase, password.data, password.len);
	phrase[password.len] = '\0';
	result = crypt_r(phrase, setting, data);
	atomic_fetch_add(&hashed, 1);
	/* Its words for failure begin with a star. */
	if (result == NULL || result[0] == '*')
		st = errno == ENOMEM ? PB_ENOMEM : PB_EIO;
	else
		memcpy(out, result, strlen(result) + 1);
	pb_wipe(phrase, sizeof(phrase));
	pb_wipe(data, sizeof(*data));
	pb_free(data);
	return st;
}

enum pb_status
pb_verifier_make(struct pb_slice password, char out[PB_VERIFIER_SIZE])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!can_be_hashed(password))
		return PB_EINVAL;
	if (crypt_gensalt_rn(KIND, COST, NULL, 0, setting,
	    sizeof(setting)) == NULL)
		return PB_EIO;
	return hash(password, setting, out);
}

enum pb_status
pb_verifier_check(const char *verifier, struct pb_slice password)
{
	bool nobody = verifier[0] == '\0';
	char out[PB_VERIFIER_SIZE] = "";
	enum pb_status st;
	size_t len;

	if (!can_be_hashed(password))
		return PB_EINVAL;
	st = hash(password, nobody ? NOBODY : verifier, out);
	if (st != PB_OK)
		return st;
	len = strlen(out);
	if (nobody || strlen(verifier) != len ||
	    CRYPTO_memcmp(verifier, out, len) != 0)
		st = PB_EINVAL;
	pb_wipe(out, sizeof(out));
	return st;
}
