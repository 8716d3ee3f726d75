#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "popbridge/base/mem.h"
#include "popbridge/net/tls.h"

/* The client engine against OpenSSL's own server, without a socket. */

#define DAY (24L * 60 * 60)
#define QUEUE_MAX (4 * 1024 * 1024)

/* Certificates. */

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static struct {
	char directory[64];
	char ca_file[80];
	struct identity ca;
	struct identity other_ca;
} pki;

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Signed by `ca`, or by itself when that is NULL. */
static struct identity
make_identity(const struct identity *ca, const char *name, const char *names,
    long from, long until)
{
	static long serial = 1;
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject;

	assert_non_null(id.key);
	assert_non_null(id.cert);
	subject = X509_get_subject_name(id.cert);
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN",
	    MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
	assert_int_equal(X509_set_version(id.cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(id.cert),
	    serial++), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(id.cert), from));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(id.cert), until));
	assert_int_equal(X509_set_pubkey(id.cert, id.key), 1);
	assert_int_equal(X509_set_issuer_name(id.cert, X509_get_subject_name(
	    ca != NULL ? ca->cert : id.cert)), 1);
	if (names != NULL)
		extend(id.cert, id.cert, NID_subject_alt_name, names);
	else
		extend(id.cert, id.cert, NID_basic_constraints,
		    "critical,CA:TRUE");
	assert_true(X509_sign(id.cert, ca != NULL ? ca->key : id.key,
	    EVP_sha256()) > 0);
	return id;
}

static void
drop_identity(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static int
make_pki(void **state)
{
	FILE *f;

	(void)state;
	strcpy(pki.directory, "/tmp/popbridge-tls-XXXXXX");
	if (mkdtemp(pki.directory) == NULL)
		return -1;
	snprintf(pki.ca_file, sizeof(pki.ca_file), "%s/ca.pem",
	    pki.directory);
	pki.ca = make_identity(NULL, "Test CA", NULL, -DAY, DAY);
	pki.other_ca = make_identity(NULL, "Test CA", NULL, -DAY, DAY);
	f = fopen(pki.ca_file, "w");
	if (f == NULL || PEM_write_X509(f, pki.ca.cert) != 1)
		return -1;
	return fclose(f);
}

static int
drop_pki(void **state)
{
	(void)state;
	drop_identity(&pki.ca);
	drop_identity(&pki.other_ca);
	return unlink(pki.ca_file) != 0 || rmdir(pki.directory) != 0;
}

/* Two ends and the wire between them. */

struct pair {
	struct pb_tls_context *context;
	struct pb_tls *client;
	SSL_CTX *server_context;
	SSL *server;
	struct identity id;
	struct pb_buffer to_client;	/* cipher text under way */
	size_t piece;			/* how much of it at a time; 0: all */
	struct pb_error err;
	char sni[256];			/* what the client has sent */
	char alpn[64];
};

static int
on_sni(SSL *ssl, int *alert, void *arg)
{
	struct pair *p = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(p->sni, sizeof(p->sni), "%s", name != NULL ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned len, void *arg)
{
	struct pair *p = arg;

	(void)ssl;
	assert_true(len < sizeof(p->alpn));
	memcpy(p->alpn, in, len);
	p->alpn[len] = '\0';
	*out = in + 1;
	*out_len = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static void
start_server(struct pair *p, int min_version, int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	/* The library refuses the old versions otherwise. */
	assert_int_equal(SSL_CTX_set_cipher_list(ctx,
	    "ALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, min_version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, max_version), 1);
	assert_int_equal(SSL_CTX_use_certificate(ctx, p->id.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p->id.key), 1);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
	SSL_CTX_set_tlsext_servername_arg(ctx, p);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, p);
	p->server_context = ctx;
	p->server = SSL_new(ctx);
	assert_non_null(p->server);
	SSL_set_bio(p->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(p->server);
}

/* As upstream-ca has it, in the default profile. */
static enum pb_status
trust(const char *ca_file, struct pb_tls_context **ctx, struct pb_error *err)
{
	const struct pb_tls_client_options o = { .ca_file = ca_file };

	return pb_tls_client_context(&o, ctx, err);
}

static void
start_client(struct pair *p, const char *host, bool is_address)
{
	assert_int_equal(trust(pki.ca_file, &p->context, &p->err), PB_OK);
	p->client = pb_tls_client(p->context, host, is_address, NULL);
	assert_non_null(p->client);
	pb_buffer_init(&p->to_client, QUEUE_MAX);
}

/* A pair whose server is what it should be for `host`; `id` is taken. */
static void
start_pair(struct pair *p, struct identity id, const char *host,
    bool is_address)
{
	memset(p, 0, sizeof(*p));
	p->id = id;
	start_server(p, TLS1_2_VERSION, TLS1_3_VERSION);
	start_client(p, host, is_address);
}

static void
stop_pair(struct pair *p)
{
	pb_tls_free(&p->client);
	pb_tls_context_unref(&p->context);
	SSL_free(p->server);
	SSL_CTX_free(p->server_context);
	drop_identity(&p->id);
	pb_buffer_fini(&p->to_client);
}

static struct identity
good_identity(void)
{
	return make_identity(&pki.ca, "test", "DNS:imap.example.com", -DAY,
	    DAY);
}

/* What the client has written goes to the server, and the other way round. */
static void
carry(struct pair *p)
{
	struct pb_buffer *out = pb_tls_out(p->client);
	BIO *from_server = SSL_get_wbio(p->server);
	char chunk[4096];
	int n;

	if (out->len > 0) {
		struct pb_slice s = pb_buffer_slice(out);

		assert_int_equal(BIO_write(SSL_get_rbio(p->server), s.data,
		    (int)s.len), s.len);
		pb_buffer_consume(out, s.len);
	}
	while (BIO_pending(from_server) > 0) {
		n = BIO_read(from_server, chunk, sizeof(chunk));
		assert_true(n > 0);
		pbt_put(&p->to_client, pb_slice(chunk, (size_t)n));
	}
}

/* The next piece for the client, in memory that ends where it ends. */
static char *
next_piece(struct pair *p, struct pb_slice *in)
{
	struct pb_slice all = pb_buffer_slice(&p->to_client);
	char *copy;

	if (p->piece > 0 && all.len > p->piece)
		all.len = p->piece;
	copy = pbt_exact(all);
	*in = pb_slice(copy, all.len);
	return copy;
}

static enum pb_status
step_handshake(struct pair *p)
{
	struct pb_slice in;
	char *copy = next_piece(p, &in);
	size_t len = in.len;
	enum pb_status st;

	st = pb_tls_handshake(p->client, &in, &p->err);
	assert_true(in.len <= len);
	/* More is asked for only when all was taken. */
	if (st == PB_AGAIN)
		assert_int_equal(in.len, 0);
	pb_buffer_consume(&p->to_client, len - in.len);
	free(copy);
	return st;
}

static enum pb_status
shake_hands(struct pair *p)
{
	enum pb_status st;
	unsigned i;

	for (i = 0; i < 20000; i++) {
		st = step_handshake(p);
		if (st != PB_AGAIN)
			break;
		carry(p);
		if (p->to_client.len == 0) {
			(void)SSL_do_handshake(p->server);
			carry(p);
		}
	}
	carry(p);
	if (st == PB_OK)
		(void)SSL_do_handshake(p->server);
	carry(p);
	return st;
}

/* All that there is to read, until the engine wants more than is there. */
static enum pb_status
read_all(struct pair *p, struct pb_buffer *plain)
{
	enum pb_status st = PB_OK;

	while (st == PB_OK || (st == PB_AGAIN && p->to_client.len > 0)) {
		struct pb_slice in;
		char *copy = next_piece(p, &in);
		size_t len = in.len;
		char *room = malloc(777);
		size_t n = 0;

		st = pb_tls_read(p->client, &in, room, 777, &n, &p->err);
		if (st == PB_OK) {
			assert_in_range(n, 1, 777);
			pbt_put(plain, pb_slice(room, n));
		}
		pb_buffer_consume(&p->to_client, len - in.len);
		free(copy);
		free(room);
	}
	return st;
}

static void
server_says(struct pair *p, struct pb_slice text)
{
	size_t n;

	assert_int_equal(SSL_write_ex(p->server, text.data, text.len, &n), 1);
	assert_int_equal(n, text.len);
	carry(p);
}

static void
assert_server_hears(struct pair *p, struct pb_slice want)
{
	struct pb_buffer got;
	char chunk[4096];
	size_t n;

	pb_buffer_init(&got, QUEUE_MAX);
	carry(p);
	while (SSL_read_ex(p->server, chunk, sizeof(chunk), &n) == 1)
		pbt_put(&got, pb_slice(chunk, n));
	ASSERT_OCTETS(pb_buffer_slice(&got), want);
	pb_buffer_fini(&got);
}

static void
assert_client_hears(struct pair *p, struct pb_slice want)
{
	struct pb_buffer got;

	pb_buffer_init(&got, QUEUE_MAX);
	assert_int_equal(read_all(p, &got), PB_AGAIN);
	ASSERT_OCTETS(pb_buffer_slice(&got), want);
	pb_buffer_fini(&got);
}

static char *
long_text(size_t len)
{
	char *text = malloc(len);
	size_t i;

	assert_non_null(text);
	for (i = 0; i < len; i++)
		text[i] = (char)(i * 7 + i / 251);
	return text;
}

static void
converse(struct pair *p, size_t len)
{
	char *text = long_text(len);

	assert_int_equal(pb_tls_write(p->client, pb_slice(text, len),
	    &p->err), PB_OK);
	assert_server_hears(p, pb_slice(text, len));
	server_says(p, pb_slice(text, len));
	assert_client_hears(p, pb_slice(text, len));
	free(text);
}

static const size_t pieces[] = { 0, 1, 2, 3, 5, 6, 7, 64, 1000 };

static void
a_conversation_does_not_depend_on_where_it_is_cut(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	size_t i;
	size_t v;

	(void)state;
	for (i = 0; i < COUNT(pieces); i++) {
		for (v = 0; v < COUNT(versions); v++) {
			struct pair p = { .id = good_identity(),
				.piece = pieces[i] };

			ROW(pieces, i);
			start_server(&p, versions[v], versions[v]);
			start_client(&p, "imap.example.com", false);
			assert_int_equal(shake_hands(&p), PB_OK);
			assert_string_equal(pb_tls_version(p.client),
			    versions[v] == TLS1_2_VERSION ? "TLSv1.2"
							  : "TLSv1.3");
			converse(&p, 1);
			converse(&p, 100000);
			stop_pair(&p);
		}
	}
}

static void
a_server_that_can_do_more_gets_the_newest_version(void **state)
{
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	assert_string_equal(pb_tls_version(p.client), "TLSv1.3");
	stop_pair(&p);
}

static void
an_old_version_is_refused(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(versions); i++) {
		struct pair p = { .id = good_identity() };

		ROW(versions, i);
		start_server(&p, versions[i], versions[i]);
		start_client(&p, "imap.example.com", false);
		assert_int_equal(shake_hands(&p), PB_EPROTO);
		assert_non_null(strstr(p.err.text, "TLS failed: "));
		assert_non_null(strstr(p.err.text, "version"));
		stop_pair(&p);
	}
}

/* Who is who. */

struct meeting {
	const char *names;	/* of the certificate */
	const char *host;	/* that was asked for */
	bool is_address;
	bool good;
};

static void
a_certificate_is_for_the_names_that_it_has(void **state)
{
	static const struct meeting rows[] = {
		{ "DNS:imap.example.com", "imap.example.com", false, true },
		{ "DNS:IMAP.Example.com", "imap.example.com", false, true },
		{ "DNS:a.example,DNS:imap.example.com", "imap.example.com",
		    false, true },
		{ "DNS:*.example.com", "imap.example.com", false, true },
		{ "DNS:localhost", "localhost", false, true },
		{ "IP:127.0.0.1", "127.0.0.1", true, true },
		{ "IP:2001:db8::1", "2001:db8::1", true, true },
		{ "DNS:a.example,IP:127.0.0.1", "127.0.0.1", true, true },
		{ "DNS:example.com", "imap.example.com", false, false },
		{ "DNS:imap.example.com", "example.com", false, false },
		{ "DNS:imap.example.com.evil.example", "imap.example.com",
		    false, false },
		{ "DNS:*.example.com", "a.imap.example.com", false, false },
		{ "DNS:*.example.com", "example.com", false, false },
		{ "DNS:im*.example.com", "imap.example.com", false, false },
		{ "DNS:*.com", "example.com", false, false },
		{ "DNS:*", "localhost", false, false },
		{ "IP:127.0.0.1", "127.0.0.2", true, false },
		{ "IP:2001:db8::1", "2001:db8::2", true, false },
		{ "DNS:127.0.0.1", "127.0.0.1", true, false },
		{ "IP:127.0.0.1", "localhost", false, false },
		{ "email:a@imap.example.com", "imap.example.com", false,
		    false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pair p;

		ROW(rows, i);
		start_pair(&p, make_identity(&pki.ca, "test", rows[i].names,
		    -DAY, DAY), rows[i].host, rows[i].is_address);
		assert_int_equal(shake_hands(&p), rows[i].good ? PB_OK
							       : PB_EPROTO);
		if (!rows[i].good)
			assert_non_null(strstr(p.err.text, "mismatch"));
		stop_pair(&p);
	}
}

static struct identity
share(const struct identity *id)
{
	assert_int_equal(EVP_PKEY_up_ref(id->key), 1);
	assert_int_equal(X509_up_ref(id->cert), 1);
	return *id;
}

/* Takes `id`. */
static void
assert_distrusted(struct identity id, const char *why)
{
	size_t i;

	for (i = 0; i < COUNT(pieces); i++) {
		struct pb_buffer plain;
		struct pair p;

		ROW(pieces, i);
		start_pair(&p, share(&id), "imap.example.com", false);
		p.piece = pieces[i];
		assert_int_equal(shake_hands(&p), PB_EPROTO);
		assert_int_equal(p.err.kind, PB_ERROR_PERMANENT);
		assert_non_null(strstr(p.err.text, "certificate is not tr"));
		if (strstr(p.err.text, why) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", why, p.err.text);
		/* What is broken stays broken, whatever is asked for. */
		pb_buffer_init(&plain, 1000);
		assert_int_equal(step_handshake(&p), PB_EPROTO);
		assert_int_equal(read_all(&p, &plain), PB_EPROTO);
		assert_int_equal(pb_tls_write(p.client, OCTETS("secret"),
		    &p.err), PB_EPROTO);
		assert_int_equal(plain.len, 0);
		pb_buffer_fini(&plain);
		pb_tls_shutdown(p.client);
		stop_pair(&p);
	}
	drop_identity(&id);
}

static void
a_certificate_of_a_stranger_is_not_trusted(void **state)
{
	(void)state;
	assert_distrusted(make_identity(&pki.other_ca, "test",
	    "DNS:imap.example.com", -DAY, DAY), "certificate");
	assert_distrusted(make_identity(NULL, "test", "DNS:imap.example.com",
	    -DAY, DAY), "self-signed");
}

static void
a_certificate_has_its_time(void **state)
{
	(void)state;
	assert_distrusted(make_identity(&pki.ca, "test",
	    "DNS:imap.example.com", -2 * DAY, -DAY), "expired");
	assert_distrusted(make_identity(&pki.ca, "test",
	    "DNS:imap.example.com", DAY, 2 * DAY), "not yet valid");
}

static void
a_certificate_for_another_host_is_not_trusted(void **state)
{
	(void)state;
	assert_distrusted(make_identity(&pki.ca, "test",
	    "DNS:imap.example.net", -DAY, DAY), "hostname mismatch");
}

static void
the_ca_of_the_system_does_not_know_our_test_ca(void **state)
{
	struct pair p = { .id = good_identity() };

	(void)state;
	start_server(&p, TLS1_2_VERSION, TLS1_3_VERSION);
	assert_int_equal(trust(NULL, &p.context, &p.err), PB_OK);
	p.client = pb_tls_client(p.context, "imap.example.com", false, NULL);
	assert_non_null(p.client);
	pb_buffer_init(&p.to_client, QUEUE_MAX);
	assert_int_equal(shake_hands(&p), PB_EPROTO);
	assert_non_null(strstr(p.err.text, "certificate is not trusted"));
	stop_pair(&p);
}

/* What the client shows before anything is encrypted. */

static void
a_name_is_told_to_the_server_and_an_address_is_not(void **state)
{
	static const struct meeting rows[] = {
		{ "DNS:imap.example.com", "imap.example.com", false, true },
		{ "IP:127.0.0.1", "127.0.0.1", true, false },
		{ "IP:::1", "::1", true, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pair p;

		ROW(rows, i);
		start_pair(&p, make_identity(&pki.ca, "test", rows[i].names,
		    -DAY, DAY), rows[i].host, rows[i].is_address);
		assert_int_equal(shake_hands(&p), PB_OK);
		assert_string_equal(p.sni, rows[i].good ? rows[i].host : "");
		stop_pair(&p);
	}
}

static void
the_protocol_imap_is_offered(void **state)
{
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	assert_string_equal(p.alpn, "\4imap");
	stop_pair(&p);
}

static void
a_server_without_a_choice_of_protocols_is_all_right(void **state)
{
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	SSL_CTX_set_alpn_select_cb(p.server_context, NULL, NULL);
	assert_int_equal(shake_hands(&p), PB_OK);
	converse(&p, 100);
	stop_pair(&p);
}

/* The end. */

static void
the_end_that_the_server_says_is_seen(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pieces); i++) {
		struct pb_buffer plain;
		struct pair p;

		ROW(pieces, i);
		start_pair(&p, good_identity(), "imap.example.com", false);
		p.piece = pieces[i];
		assert_int_equal(shake_hands(&p), PB_OK);
		server_says(&p, OCTETS("* BYE\r\n"));
		assert_int_equal(SSL_shutdown(p.server), 0);
		carry(&p);
		pb_buffer_init(&plain, 1000);
		assert_int_equal(read_all(&p, &plain), PB_EOF);
		ASSERT_TEXT(pb_buffer_slice(&plain), "* BYE\r\n");
		assert_int_equal(read_all(&p, &plain), PB_EOF);
		pb_buffer_fini(&plain);
		stop_pair(&p);
	}
}

static void
the_end_that_the_client_says_is_heard(void **state)
{
	struct pair p;
	char c;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	assert_int_equal(pb_tls_write(p.client, OCTETS("bye"), &p.err),
	    PB_OK);
	pb_tls_shutdown(p.client);
	assert_server_hears(&p, OCTETS("bye"));
	assert_int_equal(SSL_get_error(p.server, SSL_read(p.server, &c, 1)),
	    SSL_ERROR_ZERO_RETURN);
	pb_tls_shutdown(p.client);
	stop_pair(&p);
}

static void
an_end_before_anything_was_said_is_harmless(void **state)
{
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	pb_tls_shutdown(p.client);
	assert_int_equal(step_handshake(&p), PB_AGAIN);
	pb_tls_shutdown(p.client);
	stop_pair(&p);
}

/* Other servers than one would like. */

static void
a_server_that_speaks_no_tls_is_an_error(void **state)
{
	static const char *const greetings[] = { "* OK ready\r\n",
		"+OK ready\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
		"\r\n\r\n\r\n\r\n" };
	size_t i;
	size_t k;

	(void)state;
	for (i = 0; i < COUNT(greetings); i++) {
		for (k = 0; k < COUNT(pieces); k++) {
			struct pair p;
			enum pb_status st;

			ROW(greetings, i);
			start_pair(&p, good_identity(), "imap.example.com",
			    false);
			p.piece = pieces[k];
			pbt_put(&p.to_client, pb_slice_str(greetings[i]));
			do
				st = step_handshake(&p);
			while (st == PB_AGAIN && p.to_client.len > 0);
			assert_int_equal(st, PB_EPROTO);
			assert_int_equal(p.err.kind, PB_ERROR_TEMPORARY);
			assert_non_null(strstr(p.err.text, "TLS failed: "));
			stop_pair(&p);
		}
	}
}

static void
what_was_changed_on_the_way_is_an_error(void **state)
{
	struct pb_buffer plain;
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	pb_buffer_init(&plain, 1000);
	assert_int_equal(read_all(&p, &plain), PB_AGAIN);
	server_says(&p, OCTETS("* OK true\r\n"));
	p.to_client.data[p.to_client.head + p.to_client.len - 1] ^= 1;
	assert_int_equal(read_all(&p, &plain), PB_EPROTO);
	assert_non_null(strstr(p.err.text, "TLS failed: "));
	assert_int_equal(plain.len, 0);
	server_says(&p, OCTETS("* OK next\r\n"));
	assert_int_equal(read_all(&p, &plain), PB_EPROTO);
	assert_int_equal(plain.len, 0);
	pb_buffer_fini(&plain);
	stop_pair(&p);
}

static void
a_read_may_have_something_to_send(void **state)
{
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	converse(&p, 10);
	assert_int_equal(SSL_key_update(p.server, SSL_KEY_UPDATE_REQUESTED),
	    1);
	server_says(&p, OCTETS("with a new key"));
	assert_int_equal(pb_tls_out(p.client)->len, 0);
	assert_client_hears(&p, OCTETS("with a new key"));
	converse(&p, 10);
	assert_int_equal(SSL_get_key_update_type(p.server),
	    SSL_KEY_UPDATE_NONE);
	converse(&p, 100000);
	stop_pair(&p);
}

static void
a_renegotiation_is_not_entered_into(void **state)
{
	struct pair p = { .id = good_identity() };

	(void)state;
	start_server(&p, TLS1_2_VERSION, TLS1_2_VERSION);
	start_client(&p, "imap.example.com", false);
	assert_int_equal(shake_hands(&p), PB_OK);
	converse(&p, 10);
	assert_int_equal(SSL_renegotiate(p.server), 1);
	(void)SSL_do_handshake(p.server);
	carry(&p);
	assert_client_hears(&p, OCTETS(""));
	/* A warning at most, no new ClientHello. */
	assert_in_range(pb_tls_out(p.client)->len, 0, 64);
	assert_int_equal(SSL_renegotiate_pending(p.server), 1);
	stop_pair(&p);
}

/* Contexts. */

static void
a_file_without_ca_certificates_is_named_in_the_error(void **state)
{
	struct pb_tls_context *ctx = NULL;
	struct pb_error err = { .kind = PB_ERROR_NONE };
	char file[100];
	FILE *f;

	(void)state;
	snprintf(file, sizeof(file), "%s/missing.pem", pki.directory);
	assert_int_equal(trust(file, &ctx, &err), PB_EINVAL);
	assert_null(ctx);
	assert_int_equal(err.kind, PB_ERROR_PERMANENT);
	assert_non_null(strstr(err.text, file));
	snprintf(file, sizeof(file), "%s/empty.pem", pki.directory);
	f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fputs("no certificate\n", f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	err.text[0] = '\0';
	assert_int_equal(trust(file, &ctx, &err), PB_EINVAL);
	assert_int_equal(unlink(file), 0);
	assert_null(ctx);
	assert_non_null(strstr(err.text, file));
}

static void
a_connection_outlives_its_context(void **state)
{
	struct pb_tls_context *second;
	struct pair p;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	second = pb_tls_context_ref(p.context);
	pb_tls_context_unref(&p.context);
	assert_null(p.context);
	pb_tls_context_unref(&second);
	assert_null(second);
	pb_tls_context_unref(&second);
	assert_int_equal(shake_hands(&p), PB_OK);
	converse(&p, 1000);
	stop_pair(&p);
}

static void
without_memory_there_is_no_engine(void **state)
{
	struct pb_tls_context *ctx;
	struct pb_tls *tls;
	struct pb_error err;

	(void)state;
	assert_int_equal(trust(pki.ca_file, &ctx, &err), PB_OK);
	pb_mem_fail_from(1);
	tls = pb_tls_client(ctx, "imap.example.com", false, NULL);
	pb_mem_fail_from(0);
	assert_null(tls);
	pb_tls_free(&tls);
	pb_tls_context_unref(&ctx);
	pb_mem_fail_from(1);
	assert_int_equal(trust(pki.ca_file, &ctx, &err), PB_ENOMEM);
	pb_mem_fail_from(0);
}

static void
without_memory_for_what_is_to_be_sent_tls_fails(void **state)
{
	struct pair p;
	enum pb_status st;

	(void)state;
	start_pair(&p, good_identity(), "imap.example.com", false);
	pb_mem_fail_from(1);
	st = step_handshake(&p);
	pb_mem_fail_from(0);
	assert_int_equal(st, PB_EPROTO);
	stop_pair(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_conversation_does_not_depend_on_where_it_is_cut),
		cmocka_unit_test(
		    a_server_that_can_do_more_gets_the_newest_version),
		cmocka_unit_test(an_old_version_is_refused),
		cmocka_unit_test(a_certificate_is_for_the_names_that_it_has),
		cmocka_unit_test(a_certificate_of_a_stranger_is_not_trusted),
		cmocka_unit_test(a_certificate_has_its_time),
		cmocka_unit_test(
		    a_certificate_for_another_host_is_not_trusted),
		cmocka_unit_test(
		    the_ca_of_the_system_does_not_know_our_test_ca),
		cmocka_unit_test(
		    a_name_is_told_to_the_server_and_an_address_is_not),
		cmocka_unit_test(the_protocol_imap_is_offered),
		cmocka_unit_test(
		    a_server_without_a_choice_of_protocols_is_all_right),
		cmocka_unit_test(the_end_that_the_server_says_is_seen),
		cmocka_unit_test(the_end_that_the_client_says_is_heard),
		cmocka_unit_test(an_end_before_anything_was_said_is_harmless),
		cmocka_unit_test(a_server_that_speaks_no_tls_is_an_error),
		cmocka_unit_test(what_was_changed_on_the_way_is_an_error),
		cmocka_unit_test(a_read_may_have_something_to_send),
		cmocka_unit_test(a_renegotiation_is_not_entered_into),
		cmocka_unit_test(
		    a_file_without_ca_certificates_is_named_in_the_error),
		cmocka_unit_test(a_connection_outlives_its_context),
		cmocka_unit_test(without_memory_there_is_no_engine),
		cmocka_unit_test(
		    without_memory_for_what_is_to_be_sent_tls_fails),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
