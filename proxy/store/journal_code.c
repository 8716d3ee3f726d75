#include "journal_priv.h"

#include <openssl/evp.h>
#include <string.h>

#include "popbridge/store/uid_code.h"

/*
 * The digest of what a row is about: exactly that, or nothing.  What is to be
 * expunged has neither login nor name in it, as in the first version; so damage
 * never makes that of what is to stay.
 */
static bool
digest(const struct pb_journal_owner *o, struct pb_slice uids, uint8_t out[32])
{
	uint64_t head[2] = { o->uidvalidity, o->maildrop.len |
		(uint64_t)o->login.len << 32 };
	const char *name = o->removal == PB_REMOVAL_EXPUNGE ? ""
	    : pb_removal_name(o->removal);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c != NULL && EVP_DigestInit_ex2(c, EVP_sha256(), NULL) ==
	    1 && EVP_DigestUpdate(c, head, sizeof(head)) == 1 &&
	    EVP_DigestUpdate(c, o->maildrop.data, o->maildrop.len) == 1 &&
	    EVP_DigestUpdate(c, o->login.data, o->login.len) == 1 &&
	    EVP_DigestUpdate(c, uids.data, uids.len) == 1 &&
	    EVP_DigestUpdate(c, name, strlen(name)) == 1 &&
	    EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

enum pb_status
pb_journal_encode(const struct pb_journal_owner *owner, const uint32_t *uids,
    size_t n, struct pb_journal_code *code)
{
	pb_buffer_init(&code->uids, PB_UID_CODE_MAX);
	if (pb_uids_encode(uids, n, &code->uids) == PB_OK &&
	    digest(owner, pb_buffer_slice(&code->uids), code->checksum))
		return PB_OK;
	pb_buffer_fini(&code->uids);
	return PB_ENOMEM;
}

void
pb_journal_code_fini(struct pb_journal_code *code)
{
	pb_buffer_fini(&code->uids);
}

enum pb_status
pb_journal_decode(const struct pb_journal_owner *owner,
    struct pb_slice octets, struct pb_slice checksum, uint32_t **uids,
    size_t *n)
{
	uint8_t want[32];

	*uids = NULL;
	*n = 0;
	if (!digest(owner, octets, want))
		return PB_ENOMEM;
	if (checksum.len != sizeof(want) ||
	    memcmp(checksum.data, want, sizeof(want)) != 0)
		return PB_EINVAL;
	return pb_uids_decode(octets, uids, n);
}
