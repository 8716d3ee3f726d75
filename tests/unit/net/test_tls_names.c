/* Whose certificate an IMAP server may show. */
#include "support/tls.h"

static struct {
	struct pbt_directory d;
	char ca_file[PBT_PATH_SIZE];
	struct pbt_identity ca;
	struct pb_tls_context *client;
} w;

static int
make_world(void **state)
{
	struct pb_tls_client_options o = { .ca_file = w.ca_file };
	struct pb_error err;

	(void)state;
	pbt_directory_make(&w.d);
	w.ca = pbt_ca("Servers' CA");
	pbt_write_cert(&w.d, "ca.pem", &w.ca, w.ca_file);
	assert_int_equal(pb_tls_client_context(&o, &w.client, &err), PB_OK);
	return 0;
}

static int
drop_world(void **state)
{
	(void)state;
	pb_tls_context_unref(&w.client);
	pbt_identity_drop(&w.ca);
	pbt_directory_drop(&w.d);
	return 0;
}

struct meeting {
	const char *cn;
	const char *names;	/* of the certificate */
	const char *host;	/* that is connected to */
	bool is_address;
	const char *domain;	/* whose SRV record has led to it */
	bool good;
};

#define HOST "imap.hoster.example"
#define DOMAIN "shop.example"

static const struct meeting meetings[] = {
	/* A record may lead out of the domain, its certificate may not. */
	{ NULL, "DNS:" HOST, HOST, false, DOMAIN, false },
	{ NULL, "DNS:*.hoster.example", HOST, false, DOMAIN, false },
	{ NULL, "DNS:" HOST, HOST, false, "hoster.example", true },
	{ NULL, "DNS:hoster.example", HOST, false, "Hoster.example", true },
	{ NULL, "DNS:" HOST, HOST, false, HOST, true },
	{ NULL, "DNS:*.hoster.example", HOST, false, "hoster.example", true },
	{ NULL, "DNS:" HOST, HOST, false, "oster.example", false },
	{ NULL, "DNS:" DOMAIN, HOST, false, DOMAIN, true },
	{ NULL, "DNS:SHOP.Example", HOST, false, DOMAIN, true },
	{ NULL, "DNS:a.example,DNS:" DOMAIN, HOST, false, DOMAIN, true },
	{ NULL, "DNS:*.shop.example", HOST, false, DOMAIN, false },
	{ NULL, "DNS:mail.shop.example", HOST, false, DOMAIN, false },
	{ NULL, "DNS:hoster.example", HOST, false, DOMAIN, false },
	{ NULL, "DNS:evil.example", HOST, false, DOMAIN, false },
	{ NULL, "email:a@" DOMAIN, HOST, false, DOMAIN, false },
	/* Without the record nobody knows of the domain. */
	{ NULL, "DNS:" DOMAIN, HOST, false, NULL, false },
	{ NULL, "DNS:" HOST, HOST, false, NULL, true },
	/* No domain, and one that would stand for all below it. */
	{ NULL, "DNS:" HOST, HOST, false, "", true },
	{ NULL, "DNS:evil.example", HOST, false, "", false },
	{ NULL, "DNS:evil.example", HOST, false, ".example", false },
	/* An address is an address. */
	{ NULL, "IP:192.0.2.1", "192.0.2.1", true, NULL, true },
	{ NULL, "IP:192.0.2.1", "192.0.2.1", true, DOMAIN, true },
	{ NULL, "DNS:" DOMAIN, "192.0.2.1", true, DOMAIN, false },
	/* The common name does not count. */
	{ HOST, NULL, HOST, false, NULL, false },
	{ HOST, "email:a@" HOST, HOST, false, NULL, false },
	{ HOST, "DNS:evil.example", HOST, false, NULL, false },
	{ DOMAIN, NULL, HOST, false, DOMAIN, false },
	{ "192.0.2.1", NULL, "192.0.2.1", true, NULL, false },
};

static void
meet(const struct meeting *m, size_t piece, char sni[256])
{
	struct pbt_identity id = pbt_identity(&w.ca, m->cn, m->names);
	SSL_CTX *server = pbt_openssl(true);
	struct pbt_pair p;
	const char *name;

	assert_int_equal(SSL_CTX_use_certificate(server, id.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, id.key), 1);
	pbt_pair_start(&p, pb_tls_client(w.client, m->host, m->is_address,
	    m->domain), server);
	p.piece = piece;
	SSL_set_accept_state(p.peer);
	assert_int_equal(pbt_pair_shake(&p), m->good ? PB_OK : PB_EPROTO);
	if (m->good)
		pbt_pair_talk(&p, 100);
	else
		pbt_assert_says(&p.err, "certificate is not trusted: ");
	name = SSL_get_servername(p.peer, TLSEXT_NAMETYPE_host_name);
	snprintf(sni, 256, "%s", name != NULL ? name : "");
	assert_int_equal(pb_tls_peer_verified(p.ours), m->good);
	pbt_pair_stop(&p);
	SSL_CTX_free(server);
	pbt_identity_drop(&id);
}

static void
a_certificate_is_for_the_host_or_the_domain_that_led_to_it(void **state)
{
	char sni[256];
	size_t i;
	size_t k;

	(void)state;
	for (i = 0; i < COUNT(meetings); i++) {
		ROW(meetings, i);
		for (k = 0; k < COUNT(pbt_pieces); k++)
			meet(&meetings[i], pbt_pieces[k], sni);
	}
}

static void
the_server_is_told_the_host_and_not_the_domain(void **state)
{
	char sni[256];

	(void)state;
	meet(&meetings[1], 0, sni);
	assert_string_equal(sni, HOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_certificate_is_for_the_host_or_the_domain_that_led_to_it),
		cmocka_unit_test(
		    the_server_is_told_the_host_and_not_the_domain),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
