/* The server side of net/tls, against OpenSSL's own client. */
#include "support/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include "popbridge/net/tls.h"

struct world {
	char cert[32];
	char key[32];
	struct pb_tls_context *server;
	SSL_CTX *client;
};

static void
write_file(char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *f;
	int fd;

	strcpy(path, "/tmp/popbridge-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	if (cert != NULL)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	else
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0,
		    NULL, NULL), 1);
	fclose(f);
}

static int
start(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	const struct pb_tls_certificate certificate = { w->cert, w->key };
	const struct pb_tls_server_options o = {
		.certificates = &certificate, .n_certificates = 1,
	};
	struct pb_error err;

	assert_non_null(w);
	assert_non_null(key);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	write_file(w->cert, NULL, cert);
	write_file(w->key, key, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
	assert_int_equal(pb_tls_server_context(&o, &w->server, &err), PB_OK);
	w->client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(w->client, SSL_SESS_CACHE_CLIENT);
	*state = w;
	return 0;
}

static int
stop(void **state)
{
	struct world *w = *state;

	pb_tls_context_unref(&w->server);
	SSL_CTX_free(w->client);
	unlink(w->cert);
	unlink(w->key);
	free(w);
	return 0;
}

/* Everything that waits on one side goes to the other. */
static void
to_server(SSL *client, struct pb_buffer *wire)
{
	char octets[4096];
	int n;

	while ((n = BIO_read(SSL_get_wbio(client), octets, sizeof(octets))) > 0)
		assert_int_equal(pb_buffer_append(wire, octets, (size_t)n),
		    PB_OK);
}

static void
to_client(SSL *client, struct pb_tls *server)
{
	struct pb_slice out = pb_buffer_slice(pb_tls_out(server));

	if (out.len > 0)
		assert_int_equal(BIO_write(SSL_get_rbio(client), out.data,
		    (int)out.len), (int)out.len);
	pb_buffer_clear(pb_tls_out(server));
}

/*
 * One connection, with the session of an earlier one or without.  Says whether
 * that was resumed, and gives the session that the server hands out now.
 */
static bool
connect_once(struct world *w, SSL_SESSION *with, SSL_SESSION **got)
{
	struct pb_tls *server = pb_tls_server(w->server);
	SSL *client = SSL_new(w->client);
	enum pb_status st = PB_AGAIN;
	struct pb_buffer wire;
	struct pb_error err;
	char octets[16];
	bool resumed;
	unsigned turn;

	pb_buffer_init(&wire, 1024 * 1024);
	SSL_set_bio(client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(client);
	if (with != NULL)
		assert_int_equal(SSL_set_session(client, with), 1);
	for (turn = 0; turn < 10 && (st == PB_AGAIN ||
	    !SSL_is_init_finished(client)); turn++) {
		struct pb_slice in;

		(void)SSL_do_handshake(client);
		to_server(client, &wire);
		in = pb_buffer_slice(&wire);
		if (st == PB_AGAIN)
			st = pb_tls_handshake(server, &in, &err);
		pb_buffer_consume(&wire, wire.len - in.len);
		to_client(client, server);
	}
	assert_int_equal(st, PB_OK);
	/* TLS 1.3 sends its tickets behind the handshake. */
	(void)SSL_read(client, octets, sizeof(octets));
	resumed = SSL_session_reused(client) == 1;
	*got = SSL_get1_session(client);
	/* Without it the session counts as broken. */
	(void)SSL_shutdown(client);
	SSL_free(client);
	pb_tls_free(&server);
	pb_buffer_fini(&wire);
	return resumed;
}

static void
a_ticket_outlives(struct world *w, int version, unsigned rotations,
    bool expected)
{
	SSL_SESSION *first;
	SSL_SESSION *second;

	SSL_CTX_set_max_proto_version(w->client, version);
	assert_false(connect_once(w, NULL, &first));
	while (rotations-- > 0)
		pb_tls_rotate_tickets(w->server);
	assert_int_equal(connect_once(w, first, &second), expected);
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
}

static void
a_session_is_resumed_by_its_ticket(void **state)
{
	a_ticket_outlives(*state, TLS1_2_VERSION, 0, true);
	a_ticket_outlives(*state, TLS1_3_VERSION, 0, true);
}

static void
the_key_before_is_still_good(void **state)
{
	a_ticket_outlives(*state, TLS1_2_VERSION, 1, true);
	a_ticket_outlives(*state, TLS1_3_VERSION, 1, true);
}

static void
older_keys_are_gone(void **state)
{
	a_ticket_outlives(*state, TLS1_2_VERSION, 2, false);
	a_ticket_outlives(*state, TLS1_3_VERSION, 2, false);
}

static void
a_ticket_of_the_key_before_is_renewed(void **state)
{
	struct world *w = *state;
	SSL_SESSION *first;
	SSL_SESSION *second;
	SSL_SESSION *third;

	SSL_CTX_set_max_proto_version(w->client, TLS1_2_VERSION);
	assert_false(connect_once(w, NULL, &first));
	pb_tls_rotate_tickets(w->server);
	assert_true(connect_once(w, first, &second));
	pb_tls_rotate_tickets(w->server);
	assert_true(connect_once(w, second, &third));
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
	SSL_SESSION_free(third);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_session_is_resumed_by_its_ticket, start, stop),
		cmocka_unit_test_setup_teardown(
		    the_key_before_is_still_good, start, stop),
		cmocka_unit_test_setup_teardown(
		    older_keys_are_gone, start, stop),
		cmocka_unit_test_setup_teardown(
		    a_ticket_of_the_key_before_is_renewed, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
