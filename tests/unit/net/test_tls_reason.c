/* What the log says when TLS fails. */
#include "support/tls.h"

#include <openssl/x509.h>
#include <stdlib.h>

static struct {
	struct pbt_identity id;
	struct pb_tls_context *server;
} w;

static int
make_world(void **state)
{
	(void)state;
	w.id = pbt_identity(NULL, NULL, "DNS:pop.example.com");
	w.server = pbt_server(&w.id, (struct pb_tls_server_options){
		.client_ca = NULL });
	return 0;
}

static int
drop_world(void **state)
{
	(void)state;
	pb_tls_context_unref(&w.server);
	pbt_identity_drop(&w.id);
	return 0;
}

/* Octets in pieces, until there are no more or TLS has failed. */
static enum pb_status
feed(struct pb_tls *tls, struct pb_slice octets, size_t piece,
    struct pb_error *err)
{
	enum pb_status st = PB_AGAIN;

	while (st == PB_AGAIN && octets.len > 0) {
		size_t n = piece > 0 && piece < octets.len ? piece
							   : octets.len;
		struct pb_slice in = pb_slice_sub(octets, 0, n);
		char *copy = pbt_exact(in);

		in.data = copy;
		st = pb_tls_handshake(tls, &in, err);
		pb_slice_skip(&octets, n);
		free(copy);
	}
	return st;
}

struct greeting {
	const char *octets;
	const char *said;
};

static void
assert_said(struct pb_tls *(*begin)(void), const struct greeting *g)
{
	size_t k;

	for (k = 0; k < COUNT(pbt_pieces); k++) {
		struct pb_tls *tls = begin();
		struct pb_error err = { .text = "" };

		assert_non_null(tls);
		assert_int_equal(feed(tls, pb_slice_str(g->octets),
		    pbt_pieces[k], &err), PB_EPROTO);
		assert_int_equal(err.kind, PB_ERROR_TEMPORARY);
		pbt_assert_says(&err, "TLS failed: ");
		pbt_assert_says(&err, g->said);
		pb_tls_free(&tls);
	}
}

static struct pb_tls *
begin_server(void)
{
	return pb_tls_server(w.server);
}

static struct pb_tls *
begin_client(void)
{
	const struct pb_tls_client_options o = { .ca_file = NULL };
	struct pb_tls_context *ctx;
	struct pb_error err;
	struct pb_tls *tls;

	assert_int_equal(pb_tls_client_context(&o, &ctx, &err), PB_OK);
	tls = pb_tls_client(ctx, "imap.example.com", false, NULL);
	pb_tls_context_unref(&ctx);
	return tls;
}

static void
a_client_that_speaks_no_tls_is_said_to_speak_none(void **state)
{
	static const struct greeting rows[] = {
		{ "USER max\r\n", "the client speaks no TLS (" },
		{ "CAPA\r\n", "the client speaks no TLS (" },
		{ "STLS\r\n", "the client speaks no TLS (" },
		{ "PASS geheim\r\n", "the client speaks no TLS (" },
		{ "GET / HTTP/1.1\r\n", "the client speaks no TLS but HTTP" },
		{ "POST / HTTP/1.1\r\n", "the client speaks no TLS but HTT" },
		{ "CONNECT a:1 HTTP/1.1\r\n", "speaks no TLS but HTTP" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_said(begin_server, &rows[i]);
	}
}

static void
a_server_that_speaks_no_tls_is_said_to_speak_none(void **state)
{
	static const struct greeting rows[] = {
		{ "* OK ready\r\n", "the mail server speaks no TLS on this "
		    "port" },
		{ "+OK ready\r\n", "the mail server speaks no TLS on this" },
		{ "220 mx\r\n", "the mail server speaks no TLS on this port" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_said(begin_client, &rows[i]);
	}
}

static void
what_a_client_has_sent_is_not_repeated(void **state)
{
	struct pb_tls *tls = begin_server();
	struct pb_error err;

	(void)state;
	assert_int_equal(feed(tls, OCTETS("PASS geheim\r\n"), 0, &err),
	    PB_EPROTO);
	assert_null(strstr(err.text, "geheim"));
	assert_null(strstr(err.text, "PASS"));
	pb_tls_free(&tls);
}

/* A client that verifies what it is shown, and stops when it is not good. */
static void
assert_client_leaves(int version, const struct pbt_identity *trusted,
    const char *host, const char *said)
{
	SSL_CTX *client = pbt_openssl(false);
	struct pbt_pair p;

	SSL_CTX_set_max_proto_version(client, version);
	SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
	if (trusted != NULL)
		X509_STORE_add_cert(SSL_CTX_get_cert_store(client),
		    trusted->cert);
	pbt_pair_start(&p, pb_tls_server(w.server), client);
	SSL_set_connect_state(p.peer);
	assert_int_equal(SSL_set1_host(p.peer, host), 1);
	/* In TLS 1.3 the alert comes in place of the client's last words. */
	assert_int_equal(pbt_pair_shake(&p), PB_EPROTO);
	pbt_assert_says(&p.err, said);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
}

static void
a_client_that_does_not_trust_us_is_said_to_be_the_one(void **state)
{
	(void)state;
	assert_client_leaves(TLS1_2_VERSION, NULL, "pop.example.com",
	    "the client does not know the CA of the certificate that it was "
	    "shown");
	assert_client_leaves(TLS1_3_VERSION, NULL, "pop.example.com",
	    "the client does not know the CA of the certificate that it was "
	    "shown");
	assert_client_leaves(TLS1_3_VERSION, &w.id, "other.example.com",
	    "the client does not accept the certificate that it was shown");
}

static void
a_damaged_record_is_not_taken_for_another_protocol(void **state)
{
	SSL_CTX *client = pbt_openssl(false);
	struct pb_slice in = OCTETS("USER max\r\n");
	struct pbt_pair p;
	char room[16];
	size_t n;

	(void)state;
	pbt_pair_start(&p, pb_tls_server(w.server), client);
	SSL_set_connect_state(p.peer);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 10);
	assert_int_equal(pb_tls_read(p.ours, &in, room, sizeof(room), &n,
	    &p.err), PB_EPROTO);
	assert_null(strstr(p.err.text, "speaks no TLS"));
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_client_that_speaks_no_tls_is_said_to_speak_none),
		cmocka_unit_test(
		    a_server_that_speaks_no_tls_is_said_to_speak_none),
		cmocka_unit_test(what_a_client_has_sent_is_not_repeated),
		cmocka_unit_test(
		    a_client_that_does_not_trust_us_is_said_to_be_the_one),
		cmocka_unit_test(
		    a_damaged_record_is_not_taken_for_another_protocol),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
