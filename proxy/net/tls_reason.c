#include <openssl/err.h>
#include <string.h>

#include "tls_priv.h"

/* What people get wrong, in other words than OpenSSL's. */
struct advice {
	int reason;
	const char *text;
};

static const struct advice of_client[] = {
	{ SSL_R_HTTP_REQUEST, "the client speaks no TLS but HTTP" },
	{ SSL_R_HTTPS_PROXY_REQUEST, "the client speaks no TLS but HTTP" },
	{ SSL_R_NO_SHARED_CIPHER, "the client has no cipher that this "
	    "listener's tls-profile and certificate allow" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, "the client asks for another "
	    "protocol than pop3 (ALPN)" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the client does not know the CA of "
	    "the certificate that it was shown" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the client does not accept the "
	    "certificate that it was shown" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the client does not accept "
	    "the certificate that it was shown" },
	{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "the client does not "
	    "accept the certificate that it was shown" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the certificate that the "
	    "client was shown has expired, or the client's clock is wrong" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the client does not want this "
	    "version of TLS" },
};

static const struct advice of_server[] = {
	{ SSL_R_UNSUPPORTED_PROTOCOL, "the mail server wants another version "
	    "of TLS than the profile for it allows" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the mail server wants another "
	    "version of TLS than the profile for it allows" },
	{ SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, "the mail server can "
	    "not renegotiate safely (RFC 5746)" },
	{ SSL_R_DH_KEY_TOO_SMALL, "the mail server's Diffie-Hellman key is "
	    "too small for the profile for it" },
};

static const char *
find_advice(const struct advice *rows, size_t n, int reason)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (rows[i].reason == reason)
			return rows[i].text;
	}
	return NULL;
}

static const char *
version_name(int version)
{
	switch (version) {
	case SSL3_VERSION:
		return "SSLv3";
	case TLS1_VERSION:
		return "TLSv1.0";
	case TLS1_1_VERSION:
		return "TLSv1.1";
	case TLS1_2_VERSION:
		return "TLSv1.2";
	default:
		return NULL;
	}
}

/* An advice, or "". */
static void
advise(const SSL *ssl, int reason, char *out, size_t size)
{
	bool server = SSL_is_server(ssl) == 1;
	const char *version = version_name(SSL_client_version(ssl));
	const char *text;

	/* Later on it is the mark of a damaged record. */
	if (reason == SSL_R_WRONG_VERSION_NUMBER) {
		text = SSL_get_state(ssl) == TLS_ST_OK ? NULL : server
		    ? "the client speaks no TLS"
		    : "the mail server speaks no TLS on this port";
	} else if (server && (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	    reason == SSL_R_VERSION_TOO_LOW)) {
		snprintf(out, size, "the client wants an older TLS version%s%s"
		    " than this listener's tls-profile allows",
		    version != NULL ? ", " : "",
		    version != NULL ? version : "");
		return;
	} else {
		text = server ? find_advice(of_client,
		    sizeof(of_client) / sizeof(of_client[0]), reason)
		    : find_advice(of_server,
		    sizeof(of_server) / sizeof(of_server[0]), reason);
	}
	snprintf(out, size, "%s", text != NULL ? text : "");
}

void
pb_tls_explain(const SSL *ssl, struct pb_error *err)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	long verify = SSL_get_verify_result(ssl);
	char advice[160] = "";

	if (ERR_GET_LIB(code) == ERR_LIB_SSL)
		advise(ssl, ERR_GET_REASON(code), advice, sizeof(advice));
	if (verify != X509_V_OK)
		pb_error_set(err, PB_ERROR_PERMANENT, SSL_is_server(ssl)
		    ? PB_SCOPE_CONNECTION : PB_SCOPE_ACCOUNT,
		    "the %s certificate is not trusted: %s",
		    SSL_is_server(ssl) ? "client's" : "mail server's",
		    X509_verify_cert_error_string(verify));
	else if (advice[0] != '\0')
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "TLS failed: %s (%s)", advice, reason);
	else
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "TLS failed: %s", reason != NULL ? reason
						     : "unexpected end");
	ERR_clear_error();
}

enum pb_status
pb_tls_explain_file(const char *what, const char *file, struct pb_error *err)
{
	/* What comes behind it is only who has met with it. */
	unsigned long first = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(first)
	    ? strerror(ERR_GET_REASON(first))
	    : ERR_reason_error_string(first);

	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "cannot load %s from %s: %s", what, file,
	    reason != NULL ? reason : "unknown reason");
	ERR_clear_error();
	return PB_EINVAL;
}
