#include "support/tls.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct pbt_identity
pbt_identity_begin(long from, long until)
{
	static long serial = 1;
	struct pbt_identity id = { EVP_EC_gen("P-256"), X509_new() };

	assert_non_null(id.key);
	assert_non_null(id.cert);
	assert_int_equal(X509_set_version(id.cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(id.cert),
	    serial++), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(id.cert), from));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(id.cert), until));
	return id;
}

void
pbt_add_cn(struct pbt_identity *id, struct pb_slice name)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(id->cert), "CN", V_ASN1_UTF8STRING,
	    (const unsigned char *)name.data, (int)name.len, -1, 0), 1);
}

void
pbt_extend(struct pbt_identity *id, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, id->cert, id->cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(id->cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

void
pbt_identity_sign(struct pbt_identity *id, const struct pbt_identity *ca)
{
	const struct pbt_identity *by = ca != NULL ? ca : id;

	assert_int_equal(X509_set_pubkey(id->cert, id->key), 1);
	assert_int_equal(X509_set_issuer_name(id->cert,
	    X509_get_subject_name(by->cert)), 1);
	assert_true(X509_sign(id->cert, by->key, EVP_sha256()) > 0);
}

struct pbt_identity
pbt_ca(const char *name)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);

	pbt_add_cn(&id, pb_slice_str(name));
	pbt_extend(&id, NID_basic_constraints, "critical,CA:TRUE");
	pbt_identity_sign(&id, NULL);
	return id;
}

struct pbt_identity
pbt_identity(const struct pbt_identity *ca, const char *cn, const char *names)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);

	if (cn != NULL)
		pbt_add_cn(&id, pb_slice_str(cn));
	if (names != NULL)
		pbt_extend(&id, NID_subject_alt_name, names);
	pbt_identity_sign(&id, ca);
	return id;
}

void
pbt_identity_drop(struct pbt_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

void
pbt_directory_make(struct pbt_directory *d)
{
	strcpy(d->path, "/tmp/popbridge-tls-XXXXXX");
	assert_non_null(mkdtemp(d->path));
}

void
pbt_directory_drop(struct pbt_directory *d)
{
	DIR *dir = opendir(d->path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), entry->d_name,
			    0), 0);
	}
	closedir(dir);
	assert_int_equal(rmdir(d->path), 0);
}

static FILE *
create(const struct pbt_directory *d, const char *name,
    char path[PBT_PATH_SIZE])
{
	FILE *f;

	assert_in_range(snprintf(path, PBT_PATH_SIZE, "%s/%s", d->path, name),
	    1, PBT_PATH_SIZE - 1);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

void
pbt_write_cert(const struct pbt_directory *d, const char *name,
    const struct pbt_identity *id, char path[PBT_PATH_SIZE])
{
	FILE *f = create(d, name, path);

	assert_int_equal(PEM_write_X509(f, id->cert), 1);
	assert_int_equal(fclose(f), 0);
}

void
pbt_write_key(const struct pbt_directory *d, const char *name,
    const struct pbt_identity *id, const char *passphrase,
    char path[PBT_PATH_SIZE])
{
	FILE *f = create(d, name, path);

	assert_int_equal(PEM_write_PKCS8PrivateKey(f, id->key,
	    passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
	    passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
}

void
pbt_write_text(const struct pbt_directory *d, const char *name,
    const char *text, char path[PBT_PATH_SIZE])
{
	FILE *f = create(d, name, path);

	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}
