/* Certificates of clients, and who they are for. */
#include "support/tls.h"

#include <openssl/x509v3.h>
#include <stdio.h>

static struct {
	struct pbt_directory d;
	char ca_file[PBT_PATH_SIZE];
	struct pbt_identity ca;
	struct pbt_identity other_ca;
	struct pbt_identity id;
	struct pb_tls_context *server;
} w;

static int
make_world(void **state)
{
	(void)state;
	pbt_directory_make(&w.d);
	w.ca = pbt_ca("Clients' CA");
	w.other_ca = pbt_ca("Another CA");
	w.id = pbt_identity(NULL, NULL, "DNS:pop.example.com");
	pbt_write_cert(&w.d, "ca.pem", &w.ca, w.ca_file);
	w.server = pbt_server(&w.id, (struct pb_tls_server_options){
		.client_ca = w.ca_file });
	return 0;
}

static int
drop_world(void **state)
{
	(void)state;
	pb_tls_context_unref(&w.server);
	pbt_identity_drop(&w.ca);
	pbt_identity_drop(&w.other_ca);
	pbt_identity_drop(&w.id);
	pbt_directory_drop(&w.d);
	return 0;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* A client with a certificate, or without one: NULL. */
static SSL_CTX *
client_of(const struct pbt_identity *id, int version)
{
	SSL_CTX *client = pbt_openssl(false);

	SSL_CTX_set_max_proto_version(client, version);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
	if (id != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(client, id->cert),
		    1);
		assert_int_equal(SSL_CTX_use_PrivateKey(client, id->key), 1);
	}
	return client;
}

static void
start(struct pbt_pair *p, SSL_CTX *client)
{
	pbt_pair_start(p, pb_tls_server(w.server), client);
	SSL_set_connect_state(p->peer);
}

static void
assert_name(const struct pb_tls *tls, const char *want)
{
	char name[PB_TLS_PEER_NAME_SIZE] = "untouched";

	assert_int_equal(pb_tls_peer_name(tls, name), want != NULL);
	assert_string_equal(name, want != NULL ? want : "untouched");
}

/* A client with this certificate, which it takes, comes in under `name`. */
static void
assert_known_as(struct pbt_identity id, const char *name)
{
	size_t v;
	size_t k;

	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX *client = client_of(&id, versions[v]);

		for (k = 0; k < COUNT(pbt_pieces); k++) {
			struct pbt_pair p;

			start(&p, client);
			p.piece = pbt_pieces[k];
			assert_false(pb_tls_peer_verified(p.ours));
			assert_name(p.ours, NULL);
			if (pbt_pair_shake(&p) != PB_OK)
				fail_msg("%s", p.err.text);
			assert_true(pb_tls_peer_verified(p.ours));
			assert_name(p.ours, name);
			pbt_pair_talk(&p, 100);
			pbt_pair_stop(&p);
		}
		SSL_CTX_free(client);
	}
	pbt_identity_drop(&id);
}

static void
a_client_is_known_by_the_mail_address_in_its_certificate(void **state)
{
	(void)state;
	assert_known_as(pbt_identity(&w.ca, "Max", "email:max@example.com"),
	    "max@example.com");
	assert_known_as(pbt_identity(&w.ca, "Max", "DNS:pc.example.com,"
	    "email:max@example.com,email:other@example.com"),
	    "max@example.com");
}

static void
without_an_address_it_is_known_by_its_common_name(void **state)
{
	(void)state;
	assert_known_as(pbt_identity(&w.ca, "max", NULL), "max");
	assert_known_as(pbt_identity(&w.ca, "max", "DNS:pc.example.com"),
	    "max");
	assert_known_as(pbt_identity(&w.ca, "m\303\244x", NULL),
	    "m\303\244x");
}

static void
a_certificate_without_a_name_names_nobody(void **state)
{
	(void)state;
	assert_known_as(pbt_identity(&w.ca, NULL, "DNS:pc.example.com"),
	    NULL);
}

static struct pbt_identity
with_cn(struct pb_slice name)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);

	pbt_add_cn(&id, name);
	pbt_identity_sign(&id, &w.ca);
	return id;
}

static struct pbt_identity
with_address(struct pb_slice address)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	assert_int_equal(ASN1_STRING_set(text, address.data,
	    (int)address.len), 1);
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(X509_add1_ext_i2d(id.cert, NID_subject_alt_name,
	    names, 0, 0), 1);
	GENERAL_NAMES_free(names);
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_identity_sign(&id, &w.ca);
	return id;
}

/* Nor is the common name taken in place of a broken address. */
static void
a_name_with_controls_names_nobody(void **state)
{
	static const struct pb_slice names[] = {
		{ "max\0@evil.example", 17 }, { "\0", 1 }, { "max\r", 4 },
		{ "max\nADMIN", 9 }, { "max\t", 4 }, { "\33[2Jmax", 7 },
		{ "max\177", 4 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		ROW(names, i);
		assert_known_as(with_cn(names[i]), NULL);
		assert_known_as(with_address(names[i]), NULL);
	}
	/* A control of ISO 8859: CSI. */
	assert_known_as(with_cn(OCTETS("max\302\233" "2J")), NULL);
}

static void
a_name_that_is_too_long_names_nobody(void **state)
{
	char name[PB_TLS_PEER_NAME_SIZE + 1];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_known_as(with_address(pb_slice(name,
	    PB_TLS_PEER_NAME_SIZE)), NULL);
	name[PB_TLS_PEER_NAME_SIZE - 1] = '\0';
	assert_known_as(with_address(pb_slice(name,
	    PB_TLS_PEER_NAME_SIZE - 1)), name);
	assert_known_as(with_address(pb_slice("", 0)), NULL);
}

static void
of_two_common_names_none_is_taken(void **state)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);

	(void)state;
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_add_cn(&id, pb_slice_str("moritz"));
	pbt_identity_sign(&id, &w.ca);
	assert_known_as(id, NULL);
}

static void
an_address_that_can_not_be_decoded_names_nobody(void **state)
{
	static unsigned char broken[] = { 0x30, 0x7f, 0x81 };
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	SSL_CTX *client;
	struct pbt_pair p;

	(void)state;
	assert_int_equal(ASN1_OCTET_STRING_set(octets, broken,
	    sizeof(broken)), 1);
	extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name,
	    0, octets);
	assert_int_equal(X509_add_ext(id.cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(octets);
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_identity_sign(&id, &w.ca);
	client = client_of(&id, TLS1_2_VERSION);
	start(&p, client);
	/* OpenSSL may refuse it as a whole; in no case it is somebody. */
	(void)pbt_pair_shake(&p);
	assert_name(p.ours, NULL);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	pbt_identity_drop(&id);
}

static void
a_client_without_a_certificate_is_let_in_as_nobody(void **state)
{
	size_t v;

	(void)state;
	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX *client = client_of(NULL, versions[v]);
		struct pbt_pair p;

		start(&p, client);
		assert_int_equal(pbt_pair_shake(&p), PB_OK);
		assert_false(pb_tls_peer_verified(p.ours));
		assert_name(p.ours, NULL);
		pbt_pair_talk(&p, 100);
		pbt_pair_stop(&p);
		SSL_CTX_free(client);
	}
}

static void
nobody_is_asked_for_a_certificate_without_a_ca_for_it(void **state)
{
	struct pbt_identity id = pbt_identity(&w.ca, "max", NULL);
	struct pb_tls_context *server = pbt_server(&w.id,
	    (struct pb_tls_server_options){ .client_ca = NULL });
	SSL_CTX *client = client_of(&id, TLS1_3_VERSION);
	struct pbt_pair p;

	(void)state;
	pbt_pair_start(&p, pb_tls_server(server), client);
	SSL_set_connect_state(p.peer);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	assert_false(pb_tls_peer_verified(p.ours));
	assert_name(p.ours, NULL);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	pb_tls_context_unref(&server);
	pbt_identity_drop(&id);
}

/* Takes `id`. */
static void
assert_refused(struct pbt_identity id, const char *why)
{
	size_t v;
	size_t k;

	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX *client = client_of(&id, versions[v]);

		for (k = 0; k < COUNT(pbt_pieces); k++) {
			struct pbt_pair p;

			start(&p, client);
			p.piece = pbt_pieces[k];
			assert_int_equal(pbt_pair_shake(&p), PB_EPROTO);
			pbt_assert_says(&p.err, "the client's certificate is "
			    "not trusted: ");
			pbt_assert_says(&p.err, why);
			assert_int_equal(p.err.scope, PB_SCOPE_CONNECTION);
			assert_false(pb_tls_peer_verified(p.ours));
			assert_name(p.ours, NULL);
			pbt_pair_stop(&p);
		}
		SSL_CTX_free(client);
	}
	pbt_identity_drop(&id);
}

static void
a_certificate_of_another_ca_ends_the_handshake(void **state)
{
	(void)state;
	assert_refused(pbt_identity(&w.other_ca, "max", NULL), "issuer");
	assert_refused(pbt_identity(NULL, "max", NULL), "self-signed");
}

static void
a_certificate_that_has_expired_ends_the_handshake(void **state)
{
	struct pbt_identity id = pbt_identity_begin(-2 * PBT_DAY, -PBT_DAY);

	(void)state;
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_identity_sign(&id, &w.ca);
	assert_refused(id, "expired");
	id = pbt_identity_begin(PBT_DAY, 2 * PBT_DAY);
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_identity_sign(&id, &w.ca);
	assert_refused(id, "not yet valid");
}

static void
a_certificate_for_servers_ends_the_handshake(void **state)
{
	struct pbt_identity id = pbt_identity_begin(-PBT_DAY, PBT_DAY);

	(void)state;
	pbt_add_cn(&id, pb_slice_str("max"));
	pbt_extend(&id, NID_ext_key_usage, "serverAuth");
	pbt_identity_sign(&id, &w.ca);
	assert_refused(id, "purpose");
}

static void
a_client_is_told_which_cas_are_meant(void **state)
{
	size_t v;

	(void)state;
	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX *client = client_of(NULL, versions[v]);
		const STACK_OF(X509_NAME) *names;
		struct pbt_pair p;

		start(&p, client);
		assert_int_equal(pbt_pair_shake(&p), PB_OK);
		names = SSL_get0_peer_CA_list(p.peer);
		assert_int_equal(sk_X509_NAME_num(names), 1);
		assert_int_equal(X509_NAME_cmp(sk_X509_NAME_value(names, 0),
		    X509_get_subject_name(w.ca.cert)), 0);
		pbt_pair_stop(&p);
		SSL_CTX_free(client);
	}
}

static void
a_resumed_session_keeps_its_name(void **state)
{
	struct pbt_identity id = pbt_identity(&w.ca, "Max",
	    "email:max@example.com");
	size_t v;

	(void)state;
	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX *client = client_of(&id, versions[v]);
		SSL_SESSION *session;
		struct pbt_pair p;

		start(&p, client);
		assert_int_equal(pbt_pair_shake(&p), PB_OK);
		pbt_pair_talk(&p, 10);
		session = SSL_get1_session(p.peer);
		pbt_pair_stop(&p);
		pb_tls_rotate_tickets(w.server);
		start(&p, client);
		assert_int_equal(SSL_set_session(p.peer, session), 1);
		assert_int_equal(pbt_pair_shake(&p), PB_OK);
		assert_int_equal(SSL_session_reused(p.peer), 1);
		assert_true(pb_tls_peer_verified(p.ours));
		assert_name(p.ours, "max@example.com");
		SSL_SESSION_free(session);
		pbt_pair_stop(&p);
		SSL_CTX_free(client);
	}
	pbt_identity_drop(&id);
}

static void
a_file_of_cas_that_can_not_be_read_is_named(void **state)
{
	char cert[PBT_PATH_SIZE];
	char key[PBT_PATH_SIZE];
	const struct pb_tls_certificate files = { cert, key };
	struct pb_tls_server_options o = { .certificates = &files,
		.n_certificates = 1, .client_ca = "/nonexistent/ca.pem" };
	struct pb_tls_context *ctx = NULL;
	struct pb_error err;

	(void)state;
	pbt_write_cert(&w.d, "cert.pem", &w.id, cert);
	pbt_write_key(&w.d, "key.pem", &w.id, NULL, key);
	assert_int_equal(pb_tls_server_context(&o, &ctx, &err), PB_EINVAL);
	pbt_assert_says(&err, "CA certificates for clients from "
	    "/nonexistent/ca.pem: No such file");
	o.client_ca = key;
	assert_int_equal(pb_tls_server_context(&o, &ctx, &err), PB_EINVAL);
	pbt_assert_says(&err, key);
	assert_null(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_client_is_known_by_the_mail_address_in_its_certificate),
		cmocka_unit_test(
		    without_an_address_it_is_known_by_its_common_name),
		cmocka_unit_test(a_certificate_without_a_name_names_nobody),
		cmocka_unit_test(a_name_with_controls_names_nobody),
		cmocka_unit_test(a_name_that_is_too_long_names_nobody),
		cmocka_unit_test(of_two_common_names_none_is_taken),
		cmocka_unit_test(
		    an_address_that_can_not_be_decoded_names_nobody),
		cmocka_unit_test(
		    a_client_without_a_certificate_is_let_in_as_nobody),
		cmocka_unit_test(
		    nobody_is_asked_for_a_certificate_without_a_ca_for_it),
		cmocka_unit_test(
		    a_certificate_of_another_ca_ends_the_handshake),
		cmocka_unit_test(
		    a_certificate_that_has_expired_ends_the_handshake),
		cmocka_unit_test(a_certificate_for_servers_ends_the_handshake),
		cmocka_unit_test(a_client_is_told_which_cas_are_meant),
		cmocka_unit_test(a_resumed_session_keeps_its_name),
		cmocka_unit_test(a_file_of_cas_that_can_not_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
