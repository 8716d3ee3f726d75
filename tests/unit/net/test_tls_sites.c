/* A server of net/tls with several certificates, and their files. */
#include "support/tls.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "popbridge/base/mem.h"

enum { FIRST, WILD, WHOLE, NAMED, SITES };

static struct {
	struct pbt_directory d;
	struct pbt_identity id[SITES];
	char cert[SITES][PBT_PATH_SIZE];
	char key[SITES][PBT_PATH_SIZE];
	struct pb_tls_certificate files[SITES];
} w;

static int
make_world(void **state)
{
	static const char *const names[SITES][2] = {
		[FIRST] = { "first", "DNS:first.example.com" },
		[WILD] = { "wild", "DNS:*.example.com,DNS:other.example" },
		[WHOLE] = { "whole", "DNS:whole.example.com" },
		[NAMED] = { "named.example.net", NULL },
	};
	char name[16];
	int i;

	(void)state;
	pbt_directory_make(&w.d);
	for (i = 0; i < SITES; i++) {
		w.id[i] = pbt_identity(NULL, names[i][0], names[i][1]);
		snprintf(name, sizeof(name), "%d.pem", i);
		pbt_write_cert(&w.d, name, &w.id[i], w.cert[i]);
		snprintf(name, sizeof(name), "%d.key", i);
		pbt_write_key(&w.d, name, &w.id[i], NULL, w.key[i]);
		w.files[i] = (struct pb_tls_certificate){ w.cert[i],
			w.key[i] };
	}
	return 0;
}

static int
drop_world(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < SITES; i++)
		pbt_identity_drop(&w.id[i]);
	pbt_directory_drop(&w.d);
	return 0;
}

static struct pb_tls_context *
server_of(const struct pb_tls_certificate *files, size_t n)
{
	const struct pb_tls_server_options o = {
		.certificates = files, .n_certificates = n,
	};
	struct pb_tls_context *ctx = NULL;
	struct pb_error err = { .text = "" };

	if (pb_tls_server_context(&o, &ctx, &err) != PB_OK)
		fail_msg("%s", err.text);
	return ctx;
}

static void
start(struct pbt_pair *p, struct pb_tls_context *server, SSL_CTX *client,
    const char *host)
{
	char name[256];

	pbt_pair_start(p, pb_tls_server(server), client);
	SSL_set_connect_state(p->peer);
	if (host == NULL)
		return;
	snprintf(name, sizeof(name), "%s", host);
	assert_int_equal(SSL_set_tlsext_host_name(p->peer, name), 1);
}

/* The host that a client names, and the certificate that it sees. */
struct visit {
	const char *host;
	int site;
};

static const struct visit visits[] = {
	{ "first.example.com", FIRST },
	{ "whole.example.com", WHOLE },
	{ "WHOLE.Example.COM", WHOLE },
	{ "a.example.com", WILD },
	{ "other.example", WILD },
	{ "named.example.net", NAMED },
	{ "a.b.example.com", FIRST },
	{ "example.com", FIRST },
	{ "sub.other.example", FIRST },
	{ "stranger.example", FIRST },
	{ "wild", FIRST },
	{ NULL, FIRST },
};

static void
a_client_sees_the_certificate_of_the_host_that_it_names(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct pb_tls_context *server = server_of(w.files, SITES);
	SSL_CTX *client = pbt_openssl(false);
	size_t i;
	size_t k;
	size_t v;

	(void)state;
	for (v = 0; v < COUNT(versions); v++) {
		SSL_CTX_set_max_proto_version(client, versions[v]);
		for (i = 0; i < COUNT(visits); i++) {
			ROW(visits, i);
			for (k = 0; k < COUNT(pbt_pieces); k++) {
				struct pbt_pair p;

				start(&p, server, client, visits[i].host);
				p.piece = pbt_pieces[k];
				assert_int_equal(pbt_pair_shake(&p), PB_OK);
				assert_int_equal(X509_cmp(
				    SSL_get0_peer_certificate(p.peer),
				    w.id[visits[i].site].cert), 0);
				pbt_pair_talk(&p, 100);
				pbt_pair_stop(&p);
			}
		}
	}
	SSL_CTX_free(client);
	pb_tls_context_unref(&server);
}

/* Whether a session that began with `first` goes on with `then`. */
static bool
is_resumed(struct pb_tls_context *server, int version, const char *first,
    const char *then)
{
	SSL_CTX *client = pbt_openssl(false);
	SSL_SESSION *session;
	struct pbt_pair p;
	bool resumed;

	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_set_max_proto_version(client, version);
	start(&p, server, client, first);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 10);
	session = SSL_get1_session(p.peer);
	assert_true(SSL_SESSION_has_ticket(session));
	pbt_pair_stop(&p);
	start(&p, server, client, then);
	assert_int_equal(SSL_set_session(p.peer, session), 1);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 10);
	resumed = SSL_session_reused(p.peer) == 1;
	SSL_SESSION_free(session);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	return resumed;
}

static void
a_ticket_is_good_whichever_host_was_named(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct pb_tls_context *server = server_of(w.files, SITES);
	size_t v;
	size_t i;

	(void)state;
	for (v = 0; v < COUNT(versions); v++) {
		for (i = 0; i < COUNT(visits); i++) {
			ROW(visits, i);
			assert_true(is_resumed(server, versions[v],
			    visits[i].host, visits[i].host));
		}
	}
	pb_tls_context_unref(&server);
}

static void
a_ticket_of_another_context_is_worth_nothing(void **state)
{
	struct pb_tls_context *before = server_of(w.files, SITES);
	struct pb_tls_context *after = server_of(w.files, SITES);
	SSL_CTX *client = pbt_openssl(false);
	SSL_SESSION *session;
	struct pbt_pair p;

	(void)state;
	start(&p, before, client, "whole.example.com");
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 10);
	session = SSL_get1_session(p.peer);
	pbt_pair_stop(&p);
	start(&p, after, client, "whole.example.com");
	assert_int_equal(SSL_set_session(p.peer, session), 1);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	assert_int_equal(SSL_session_reused(p.peer), 0);
	SSL_SESSION_free(session);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	pb_tls_context_unref(&before);
	pb_tls_context_unref(&after);
}

static void
the_protocol_is_chosen_on_every_site(void **state)
{
	static const struct {
		const char *offered;
		const char *chosen;	/* NULL: refused */
	} rows[] = {
		{ "\4pop3", "pop3" },
		{ "\4imap\4pop3", "pop3" },
		{ "\4imap", NULL },
		{ "\2h2\10http/1.1", NULL },
	};
	struct pb_tls_context *server = server_of(w.files, SITES);
	SSL_CTX *client = pbt_openssl(false);
	size_t i;
	size_t k;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const unsigned char *offered = (const void *)rows[i].offered;

		SSL_CTX_set_alpn_protos(client, offered,
		    (unsigned)strlen(rows[i].offered));
		for (k = 0; k < COUNT(visits); k++) {
			const unsigned char *chosen;
			struct pbt_pair p;
			unsigned len;

			start(&p, server, client, visits[k].host);
			assert_int_equal(pbt_pair_shake(&p),
			    rows[i].chosen != NULL ? PB_OK : PB_EPROTO);
			SSL_get0_alpn_selected(p.peer, &chosen, &len);
			if (rows[i].chosen != NULL)
				ASSERT_OCTETS(pb_slice((const char *)chosen,
				    len), pb_slice_str(rows[i].chosen));
			else
				pbt_assert_says(&p.err, "ALPN");
			pbt_pair_stop(&p);
		}
	}
	SSL_CTX_free(client);
	pb_tls_context_unref(&server);
}

static void
connections_outlive_their_context(void **state)
{
	struct pb_tls_context *server = server_of(w.files, SITES);
	SSL_CTX *client = pbt_openssl(false);
	struct pbt_pair p;

	(void)state;
	start(&p, server, client, "whole.example.com");
	pb_tls_context_unref(&server);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 1000);
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
}

/* Files. */

static void
assert_refused(const char *cert, const char *key, const char *why)
{
	/* What is wrong with the last of several is found as well. */
	struct pb_tls_certificate files[2] = { w.files[FIRST], { cert, key } };
	const struct pb_tls_server_options o = {
		.certificates = files, .n_certificates = COUNT(files),
	};
	struct pb_tls_context *ctx = NULL;
	struct pb_error err = { .kind = PB_ERROR_NONE };

	assert_int_equal(pb_tls_server_context(&o, &ctx, &err), PB_EINVAL);
	assert_null(ctx);
	assert_int_equal(err.kind, PB_ERROR_PERMANENT);
	pbt_assert_says(&err, why);
}

static void
a_file_that_can_not_be_used_is_named_with_the_reason(void **state)
{
	char missing[PBT_PATH_SIZE];
	char empty[PBT_PATH_SIZE];
	char why[2 * PBT_PATH_SIZE];

	(void)state;
	snprintf(missing, sizeof(missing), "%s/missing.pem", w.d.path);
	snprintf(why, sizeof(why), "the certificate from %s: No such file",
	    missing);
	assert_refused(missing, w.key[WILD], why);
	snprintf(why, sizeof(why), "the private key from %s: No such file",
	    missing);
	assert_refused(w.cert[WILD], missing, why);
	pbt_write_text(&w.d, "empty.pem", "nothing\n", empty);
	snprintf(why, sizeof(why), "the certificate from %s: no start line",
	    empty);
	assert_refused(empty, w.key[WILD], why);
	snprintf(why, sizeof(why), "the private key from %s: ", empty);
	assert_refused(w.cert[WILD], empty, why);
	unlink(empty);
}

static void
a_key_of_another_certificate_is_said_to_be_that(void **state)
{
	struct pbt_identity rsa = { EVP_RSA_gen(2048), NULL };
	char key[PBT_PATH_SIZE];
	char why[3 * PBT_PATH_SIZE];

	(void)state;
	snprintf(why, sizeof(why), "%s does not belong to the certificate in "
	    "%s", w.key[WHOLE], w.cert[WILD]);
	assert_refused(w.cert[WILD], w.key[WHOLE], why);
	/* Of another kind, which OpenSSL would keep beside it. */
	pbt_write_key(&w.d, "rsa.key", &rsa, NULL, key);
	assert_refused(w.cert[WILD], key, "does not belong to the certif");
	unlink(key);
	pbt_identity_drop(&rsa);
}

static void
a_key_with_a_passphrase_is_refused_and_nobody_is_asked(void **state)
{
	char key[PBT_PATH_SIZE];
	char why[2 * PBT_PATH_SIZE];

	(void)state;
	pbt_write_key(&w.d, "locked.key", &w.id[WILD], "hush", key);
	snprintf(why, sizeof(why), "the private key in %s has a passphrase",
	    key);
	assert_refused(w.cert[WILD], key, why);
	unlink(key);
}

static void
the_first_certificate_to_expire_is_known(void **state)
{
	static const long until[] = { 100 * PBT_DAY, 3 * PBT_DAY,
		50 * PBT_DAY };
	char cert[3][PBT_PATH_SIZE];
	char key[3][PBT_PATH_SIZE];
	struct pb_tls_certificate files[3];
	struct pb_tls_context *server;
	const char *file = NULL;
	int64_t not_after = 0;
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct pbt_identity id = pbt_identity_begin(0, until[i]);

		pbt_identity_sign(&id, NULL);
		snprintf(name, sizeof(name), "until%d.pem", i);
		pbt_write_cert(&w.d, name, &id, cert[i]);
		snprintf(name, sizeof(name), "until%d.key", i);
		pbt_write_key(&w.d, name, &id, NULL, key[i]);
		files[i] = (struct pb_tls_certificate){ cert[i], key[i] };
		pbt_identity_drop(&id);
	}
	server = server_of(files, 3);
	assert_true(pb_tls_context_expires(server, &not_after, &file));
	assert_string_equal(file, cert[1]);
	assert_true(llabs(not_after - ((int64_t)time(NULL) + until[1])) <
	    1000);
	pb_tls_context_unref(&server);
	for (i = 0; i < 3; i++) {
		unlink(cert[i]);
		unlink(key[i]);
	}
}

static void
an_expired_certificate_is_taken_and_can_be_told(void **state)
{
	struct pbt_identity id = pbt_identity_begin(-2 * PBT_DAY, -PBT_DAY);
	struct pb_tls_context *server;
	const char *file;
	int64_t not_after;

	(void)state;
	pbt_identity_sign(&id, NULL);
	server = pbt_server(&id, (struct pb_tls_server_options){
		.client_ca = NULL });
	assert_true(pb_tls_context_expires(server, &not_after, &file));
	assert_true(not_after < (int64_t)time(NULL));
	pb_tls_context_unref(&server);
	pbt_identity_drop(&id);
}

static void
a_context_for_upstreams_does_not_expire(void **state)
{
	const struct pb_tls_client_options o = { .ca_file = NULL };
	struct pb_tls_context *ctx;
	struct pb_error err;
	const char *file;
	int64_t not_after;

	(void)state;
	assert_int_equal(pb_tls_client_context(&o, &ctx, &err), PB_OK);
	assert_false(pb_tls_context_expires(ctx, &not_after, &file));
	pb_tls_context_unref(&ctx);
}

static void
without_memory_there_is_no_context(void **state)
{
	const struct pb_tls_server_options o = {
		.certificates = w.files, .n_certificates = SITES,
	};
	struct pb_tls_context *ctx = NULL;
	enum pb_status st = PB_ENOMEM;
	struct pb_error err;
	unsigned long n;

	(void)state;
	for (n = 1; st == PB_ENOMEM; n++) {
		pb_mem_fail_from(n);
		st = pb_tls_server_context(&o, &ctx, &err);
		pb_mem_fail_from(0);
	}
	assert_int_equal(st, PB_OK);
	assert_in_range(n, 4, 20);
	pb_mem_fail_from(1);
	assert_null(pb_tls_server(ctx));
	pb_mem_fail_from(0);
	pb_tls_context_unref(&ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_client_sees_the_certificate_of_the_host_that_it_names),
		cmocka_unit_test(a_ticket_is_good_whichever_host_was_named),
		cmocka_unit_test(
		    a_ticket_of_another_context_is_worth_nothing),
		cmocka_unit_test(the_protocol_is_chosen_on_every_site),
		cmocka_unit_test(connections_outlive_their_context),
		cmocka_unit_test(
		    a_file_that_can_not_be_used_is_named_with_the_reason),
		cmocka_unit_test(
		    a_key_of_another_certificate_is_said_to_be_that),
		cmocka_unit_test(
		    a_key_with_a_passphrase_is_refused_and_nobody_is_asked),
		cmocka_unit_test(the_first_certificate_to_expire_is_known),
		cmocka_unit_test(
		    an_expired_certificate_is_taken_and_can_be_told),
		cmocka_unit_test(a_context_for_upstreams_does_not_expire),
		cmocka_unit_test(without_memory_there_is_no_context),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
