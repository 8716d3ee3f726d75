#include "support/tls.h"

#include <stdlib.h>

#define WIRE_MAX (4 * 1024 * 1024)

const size_t pbt_pieces[8] = { 0, 1, 2, 3, 5, 7, 64, 1000 };

struct pb_tls_context *
pbt_server(const struct pbt_identity *id, struct pb_tls_server_options o)
{
	struct pbt_directory d;
	char cert[PBT_PATH_SIZE];
	char key[PBT_PATH_SIZE];
	const struct pb_tls_certificate files = { cert, key };
	struct pb_tls_context *ctx = NULL;
	struct pb_error err = { .text = "" };

	pbt_directory_make(&d);
	pbt_write_cert(&d, "cert.pem", id, cert);
	pbt_write_key(&d, "key.pem", id, NULL, key);
	o.certificates = &files;
	o.n_certificates = 1;
	if (pb_tls_server_context(&o, &ctx, &err) != PB_OK)
		fail_msg("%s", err.text);
	pbt_directory_drop(&d);
	return ctx;
}

SSL_CTX *
pbt_openssl(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method()
					  : TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, 0), 1);
	return ctx;
}

void
pbt_pair_start(struct pbt_pair *p, struct pb_tls *ours, SSL_CTX *ctx)
{
	memset(p, 0, sizeof(*p));
	assert_non_null(ours);
	p->ours = ours;
	p->peer = SSL_new(ctx);
	assert_non_null(p->peer);
	SSL_set_bio(p->peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	pb_buffer_init(&p->wire, WIRE_MAX);
}

void
pbt_pair_stop(struct pbt_pair *p)
{
	pb_tls_free(&p->ours);
	/* Without it the session counts as broken and is not resumed. */
	SSL_set_shutdown(p->peer, SSL_SENT_SHUTDOWN);
	SSL_free(p->peer);
	pb_buffer_fini(&p->wire);
}

/* What was written goes to the other side. */
static void
carry(struct pbt_pair *p)
{
	struct pb_buffer *out = pb_tls_out(p->ours);
	struct pb_slice s = pb_buffer_slice(out);
	char chunk[4096];
	int n;

	if (s.len > 0)
		assert_int_equal(BIO_write(SSL_get_rbio(p->peer), s.data,
		    (int)s.len), s.len);
	pb_buffer_clear(out);
	while ((n = BIO_read(SSL_get_wbio(p->peer), chunk, sizeof(chunk))) > 0)
		pbt_put(&p->wire, pb_slice(chunk, (size_t)n));
}

/* The next piece for ours, in memory that ends where it ends. */
static char *
next_piece(struct pbt_pair *p, struct pb_slice *in)
{
	struct pb_slice all = pb_buffer_slice(&p->wire);
	char *copy;

	if (p->piece > 0 && all.len > p->piece)
		all.len = p->piece;
	copy = pbt_exact(all);
	*in = pb_slice(copy, all.len);
	return copy;
}

static enum pb_status
step(struct pbt_pair *p)
{
	struct pb_slice in;
	char *copy = next_piece(p, &in);
	size_t offered = in.len;
	enum pb_status st = pb_tls_handshake(p->ours, &in, &p->err);

	assert_true(in.len <= offered);
	if (st == PB_AGAIN)
		assert_int_equal(in.len, 0);
	pb_buffer_consume(&p->wire, offered - in.len);
	free(copy);
	return st;
}

enum pb_status
pbt_pair_shake(struct pbt_pair *p)
{
	enum pb_status st = PB_AGAIN;
	unsigned idle = 0;

	while (st == PB_AGAIN && idle < 4) {
		idle = p->wire.len == 0 ? idle + 1 : 0;
		st = step(p);
		carry(p);
		if (p->wire.len == 0 && st >= PB_OK) {
			(void)SSL_do_handshake(p->peer);
			carry(p);
		}
	}
	(void)SSL_do_handshake(p->peer);
	carry(p);
	return st;
}

static void
assert_ours_hears(struct pbt_pair *p, struct pb_slice want)
{
	struct pb_buffer got;
	enum pb_status st = PB_OK;

	pb_buffer_init(&got, WIRE_MAX);
	while (st == PB_OK || (st == PB_AGAIN && p->wire.len > 0)) {
		struct pb_slice in;
		char *copy = next_piece(p, &in);
		size_t offered = in.len;
		char room[777];
		size_t n = 0;

		st = pb_tls_read(p->ours, &in, room, sizeof(room), &n,
		    &p->err);
		if (st == PB_OK)
			pbt_put(&got, pb_slice(room, n));
		pb_buffer_consume(&p->wire, offered - in.len);
		free(copy);
	}
	assert_int_equal(st, PB_AGAIN);
	ASSERT_OCTETS(pb_buffer_slice(&got), want);
	pb_buffer_fini(&got);
}

static void
assert_peer_hears(struct pbt_pair *p, struct pb_slice want)
{
	struct pb_buffer got;
	char chunk[4096];
	size_t n;

	pb_buffer_init(&got, WIRE_MAX);
	while (SSL_read_ex(p->peer, chunk, sizeof(chunk), &n) == 1)
		pbt_put(&got, pb_slice(chunk, n));
	ASSERT_OCTETS(pb_buffer_slice(&got), want);
	pb_buffer_fini(&got);
}

void
pbt_pair_talk(struct pbt_pair *p, size_t len)
{
	char *text = malloc(len);
	size_t written;
	size_t i;

	assert_non_null(text);
	for (i = 0; i < len; i++)
		text[i] = (char)(i * 7 + i / 251);
	assert_int_equal(pb_tls_write(p->ours, pb_slice(text, len), &p->err),
	    PB_OK);
	carry(p);
	assert_peer_hears(p, pb_slice(text, len));
	assert_int_equal(SSL_write_ex(p->peer, text, len, &written), 1);
	assert_int_equal(written, len);
	carry(p);
	assert_ours_hears(p, pb_slice(text, len));
	free(text);
}

void
pbt_assert_says(const struct pb_error *err, const char *what)
{
	if (strstr(err->text, what) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", what, err->text);
}
