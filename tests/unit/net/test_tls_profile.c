/* Profiles of net/tls, whatever the system's openssl.cnf says. */
#include "support/tls.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pbt_identity id;

/* A server in a profile meets a client that knows these versions. */
struct meeting {
	enum pb_tls_profile profile;
	int lowest;
	int highest;
	const char *version;	/* that they agree on; NULL: they do not */
};

static const struct meeting meetings[] = {
	{ PB_TLS_PROFILE_LEGACY, TLS1_VERSION, TLS1_VERSION, "TLSv1" },
	{ PB_TLS_PROFILE_LEGACY, TLS1_1_VERSION, TLS1_1_VERSION, "TLSv1.1" },
	{ PB_TLS_PROFILE_LEGACY, TLS1_2_VERSION, TLS1_2_VERSION, "TLSv1.2" },
	{ PB_TLS_PROFILE_LEGACY, TLS1_VERSION, TLS1_3_VERSION, "TLSv1.3" },
	{ PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_VERSION, NULL },
	{ PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_1_VERSION, NULL },
	{ PB_TLS_PROFILE_DEFAULT, TLS1_2_VERSION, TLS1_2_VERSION, "TLSv1.2" },
	{ PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_2_VERSION, "TLSv1.2" },
	{ PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_3_VERSION, "TLSv1.3" },
	{ PB_TLS_PROFILE_MODERN, TLS1_VERSION, TLS1_VERSION, NULL },
	{ PB_TLS_PROFILE_MODERN, TLS1_VERSION, TLS1_2_VERSION, NULL },
	{ PB_TLS_PROFILE_MODERN, TLS1_VERSION, TLS1_3_VERSION, "TLSv1.3" },
};

static SSL_CTX *
peer_of_versions(bool server, const struct meeting *m)
{
	SSL_CTX *ctx = pbt_openssl(server);

	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, m->lowest), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, m->highest), 1);
	return ctx;
}

static void
assert_meets(struct pbt_pair *p, const struct meeting *m)
{
	enum pb_status st = pbt_pair_shake(p);

	if (m->version == NULL) {
		assert_int_equal(st, PB_EPROTO);
		return;
	}
	if (st != PB_OK)
		fail_msg("%s", p->err.text);
	assert_string_equal(pb_tls_version(p->ours), m->version);
	assert_int_equal(pb_tls_is_weak(p->ours),
	    strcmp(m->version, "TLSv1.2") < 0);
	assert_string_equal(pb_tls_cipher(p->ours),
	    SSL_get_cipher_name(p->peer));
	pbt_pair_talk(p, 1000);
}

static void
a_listener_takes_the_versions_of_its_profile(void **state)
{
	size_t i;
	size_t k;

	(void)state;
	for (i = 0; i < COUNT(meetings); i++) {
		struct pb_tls_context *server = pbt_server(&id,
		    (struct pb_tls_server_options){
			.profile = meetings[i].profile });
		SSL_CTX *client = peer_of_versions(false, &meetings[i]);

		ROW(meetings, i);
		for (k = 0; k < COUNT(pbt_pieces); k++) {
			struct pbt_pair p;

			pbt_pair_start(&p, pb_tls_server(server), client);
			p.piece = pbt_pieces[k];
			SSL_set_connect_state(p.peer);
			assert_meets(&p, &meetings[i]);
			pbt_pair_stop(&p);
		}
		SSL_CTX_free(client);
		pb_tls_context_unref(&server);
	}
}

static void
an_upstream_is_asked_for_the_versions_of_its_profile(void **state)
{
	struct pbt_directory d;
	char ca[PBT_PATH_SIZE];
	size_t i;

	(void)state;
	pbt_directory_make(&d);
	pbt_write_cert(&d, "ca.pem", &id, ca);
	for (i = 0; i < COUNT(meetings); i++) {
		const struct pb_tls_client_options o = { ca,
			meetings[i].profile };
		SSL_CTX *server = peer_of_versions(true, &meetings[i]);
		struct pb_tls_context *client;
		struct pbt_pair p;

		ROW(meetings, i);
		assert_int_equal(SSL_CTX_use_certificate(server, id.cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(server, id.key), 1);
		assert_int_equal(pb_tls_client_context(&o, &client, &p.err),
		    PB_OK);
		pbt_pair_start(&p, pb_tls_client(client, "pop.example.com",
		    false, NULL), server);
		SSL_set_accept_state(p.peer);
		assert_meets(&p, &meetings[i]);
		if (meetings[i].version == NULL)
			pbt_assert_says(&p.err, "another version of TLS than "
			    "the profile");
		pbt_pair_stop(&p);
		pb_tls_context_unref(&client);
		SSL_CTX_free(server);
	}
	pbt_directory_drop(&d);
}

static void
who_is_too_old_is_told_apart_in_the_log(void **state)
{
	static const struct {
		struct meeting m;
		const char *said;
	} rows[] = {
		{ { PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_VERSION, NULL },
		    "TLSv1.0 than this listener's tls-profile allows" },
		{ { PB_TLS_PROFILE_DEFAULT, TLS1_VERSION, TLS1_1_VERSION,
		    NULL },
		    "TLSv1.1 than this listener's tls-profile allows" },
		{ { PB_TLS_PROFILE_MODERN, TLS1_VERSION, TLS1_2_VERSION,
		    NULL },
		    "TLSv1.2 than this listener's tls-profile allows" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_tls_context *server = pbt_server(&id,
		    (struct pb_tls_server_options){
			.profile = rows[i].m.profile });
		SSL_CTX *client = peer_of_versions(false, &rows[i].m);
		struct pbt_pair p;

		ROW(rows, i);
		pbt_pair_start(&p, pb_tls_server(server), client);
		SSL_set_connect_state(p.peer);
		assert_int_equal(pbt_pair_shake(&p), PB_EPROTO);
		pbt_assert_says(&p.err, "the client wants an older TLS ver");
		pbt_assert_says(&p.err, rows[i].said);
		pbt_pair_stop(&p);
		SSL_CTX_free(client);
		pb_tls_context_unref(&server);
	}
}

/* The one cipher that a client offers, up to TLS 1.2. */
struct offer {
	const char *cipher;
	bool by_default;
	bool by_legacy;
};

static const struct offer offers[] = {
	{ "ECDHE-RSA-AES128-GCM-SHA256", true, true },
	{ "ECDHE-RSA-CHACHA20-POLY1305", true, true },
	{ "ECDHE-RSA-AES256-SHA384", true, true },
	{ "ECDHE-RSA-AES128-SHA256", true, true },
	{ "ECDHE-RSA-AES128-SHA", false, true },
	{ "AES128-SHA", false, true },
	{ "AES256-SHA", false, true },
	{ "AES128-GCM-SHA256", false, true },
	{ "AECDH-AES128-SHA", false, false },
	{ "ADH-AES128-SHA", false, false },
	{ "ECDHE-RSA-NULL-SHA", false, false },
	{ "NULL-SHA", false, false },
};

static void
assert_offer(const struct pbt_identity *rsa, const struct offer *offer,
    enum pb_tls_profile profile, bool good)
{
	struct pb_tls_context *server = pbt_server(rsa,
	    (struct pb_tls_server_options){ .profile = profile });
	SSL_CTX *client = pbt_openssl(false);
	struct pbt_pair p;

	assert_int_equal(SSL_CTX_set_cipher_list(client, offer->cipher), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(client,
	    TLS1_2_VERSION), 1);
	SSL_CTX_set_security_level(client, 0);
	pbt_pair_start(&p, pb_tls_server(server), client);
	SSL_set_connect_state(p.peer);
	if (good) {
		assert_int_equal(pbt_pair_shake(&p), PB_OK);
		assert_string_equal(pb_tls_cipher(p.ours), offer->cipher);
	} else {
		assert_int_equal(pbt_pair_shake(&p), PB_EPROTO);
		pbt_assert_says(&p.err, "no cipher that this listener's "
		    "tls-profile and certificate allow");
	}
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	pb_tls_context_unref(&server);
}

static void
a_listener_takes_the_ciphers_of_its_profile(void **state)
{
	struct pbt_identity rsa = pbt_identity_begin(-PBT_DAY, PBT_DAY);
	size_t i;

	(void)state;
	EVP_PKEY_free(rsa.key);
	rsa.key = EVP_RSA_gen(2048);
	assert_non_null(rsa.key);
	pbt_add_cn(&rsa, pb_slice_str("pop.example.com"));
	pbt_identity_sign(&rsa, NULL);
	for (i = 0; i < COUNT(offers); i++) {
		ROW(offers, i);
		assert_offer(&rsa, &offers[i], PB_TLS_PROFILE_DEFAULT,
		    offers[i].by_default);
		assert_offer(&rsa, &offers[i], PB_TLS_PROFILE_LEGACY,
		    offers[i].by_legacy);
	}
	pbt_identity_drop(&rsa);
}

static void
there_is_no_early_data_and_no_compression(void **state)
{
	struct pb_tls_context *server = pbt_server(&id,
	    (struct pb_tls_server_options){ .client_ca = NULL });
	SSL_CTX *client = pbt_openssl(false);
	SSL_SESSION *session;
	struct pbt_pair p;

	(void)state;
	pbt_pair_start(&p, pb_tls_server(server), client);
	SSL_set_connect_state(p.peer);
	assert_int_equal(pbt_pair_shake(&p), PB_OK);
	pbt_pair_talk(&p, 10);
	session = SSL_get0_session(p.peer);
	assert_true(SSL_SESSION_has_ticket(session));
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	assert_null(SSL_get_current_compression(p.peer));
	pbt_pair_stop(&p);
	SSL_CTX_free(client);
	pb_tls_context_unref(&server);
}

static const char strict_conf[] =
    "openssl_conf = all\n[all]\nssl_conf = ssl\n"
    "[ssl]\nsystem_default = system\n[system]\n"
    "MinProtocol = TLSv1.2\nCipherString = DEFAULT:@SECLEVEL=2\n";
static const char loose_conf[] =
    "openssl_conf = all\n[all]\nssl_conf = ssl\n"
    "[ssl]\nsystem_default = system\n[system]\n"
    "MinProtocol = TLSv1\nMaxProtocol = TLSv1.2\n"
    "Options = UnsafeLegacyRenegotiation\n"
    "CipherString = ALL:eNULL:@SECLEVEL=0\n";

static int
run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_listener_takes_the_versions_of_its_profile),
		cmocka_unit_test(
		    an_upstream_is_asked_for_the_versions_of_its_profile),
		cmocka_unit_test(who_is_too_old_is_told_apart_in_the_log),
		cmocka_unit_test(
		    a_listener_takes_the_ciphers_of_its_profile),
		cmocka_unit_test(
		    there_is_no_early_data_and_no_compression),
	};
	int failed;

	id = pbt_identity(NULL, NULL, "DNS:pop.example.com");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pbt_identity_drop(&id);
	return failed;
}

/* OpenSSL reads its configuration once: a process for each. */
static int
run_with(const char *conf)
{
	char path[] = "/tmp/popbridge-conf-XXXXXX";
	int fd = mkstemp(path);
	int status = -1;
	pid_t child;

	if (fd < 0 || write(fd, conf, strlen(conf)) != (ssize_t)strlen(conf))
		return 1;
	close(fd);
	child = fork();
	if (child == 0) {
		setenv("OPENSSL_CONF", path, 1);
		exit(run());
	}
	if (child > 0)
		waitpid(child, &status, 0);
	unlink(path);
	return status != 0;
}

int
main(void)
{
	return run_with("") + run_with(strict_conf) + run_with(loose_conf);
}
