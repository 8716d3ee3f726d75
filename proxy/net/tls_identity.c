#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tls_priv.h"

/* The domain itself, or a host in it. */
static bool
is_within(const char *host, const char *domain)
{
	size_t len = strlen(host);
	size_t domain_len = strlen(domain);

	if (len < domain_len || strcasecmp(host + len - domain_len,
	    domain) != 0)
		return false;
	return len == domain_len || host[len - domain_len - 1] == '.';
}

bool
pb_tls_expect(SSL *ssl, const char *host, bool is_address, const char *domain)
{
	char name[256];

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    host) == 1;
	/* With a dot in front it would stand for every host below it. */
	if (domain != NULL && (domain[0] == '\0' || domain[0] == '.'))
		domain = NULL;
	/* OpenSSL's macro takes the name for its own to change. */
	snprintf(name, sizeof(name), "%s", host);
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		return false;
	/* Whoever forges DNS has a certificate for a host of his own. */
	if (domain != NULL && !is_within(host, domain))
		return SSL_set1_host(ssl, domain) == 1;
	return SSL_set1_host(ssl, host) == 1 &&
	    (domain == NULL || SSL_add1_host(ssl, domain) == 1);
}

bool
pb_tls_peer_verified(const struct pb_tls *tls)
{
	return SSL_is_init_finished(tls->ssl) &&
	    SSL_get0_peer_certificate(tls->ssl) != NULL &&
	    SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

/* The controls of ASCII, and in UTF-8 those of ISO 8859 behind them. */
static bool
has_controls(const unsigned char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] == 0x7f || (i > 0 &&
		    text[i - 1] == 0xc2 && text[i] < 0xa0))
			return true;
	}
	return false;
}

static bool
take_name(const ASN1_STRING *name, char out[PB_TLS_PEER_NAME_SIZE])
{
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, name);
	bool good = len > 0 && len < PB_TLS_PEER_NAME_SIZE &&
	    !has_controls(text, (size_t)len);

	if (good) {
		memcpy(out, text, (size_t)len);
		out[len] = '\0';
	}
	OPENSSL_free(text);
	return good;
}

static const ASN1_STRING *
first_address(const GENERAL_NAMES *names)
{
	int i;

	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL)
			return name->d.rfc822Name;
	}
	return NULL;
}

/* The common name, where there is just one. */
static const ASN1_STRING *
common_name(const X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName,
	    at) >= 0)
		return NULL;
	return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

bool
pb_tls_peer_name(const struct pb_tls *tls, char out[PB_TLS_PEER_NAME_SIZE])
{
	const ASN1_STRING *name = NULL;
	GENERAL_NAMES *names;
	int critical = -1;
	const X509 *cert;
	bool good;

	if (!pb_tls_peer_verified(tls))
		return false;
	cert = SSL_get0_peer_certificate(tls->ssl);
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	/* An extension that is there, and broken or there twice. */
	if (names == NULL && critical != -1)
		return false;
	if (names != NULL)
		name = first_address(names);
	if (name == NULL)
		name = common_name(cert);
	good = name != NULL && take_name(name, out);
	GENERAL_NAMES_free(names);
	return good;
}
