#ifndef PB_NET_TLS_PRIV_H
#define PB_NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <uv.h>

#include "popbridge/net/tls.h"

/* What the files of TLS share: contexts, engines, and what went wrong. */

struct pb_tls_ticket_key {
	unsigned char name[16];
	unsigned char cipher[32];
	unsigned char mac[32];
};

struct pb_tls_context {
	SSL_CTX **sites;	/* own; a server has one for each certificate */
	size_t n_sites;
	_Atomic unsigned refs;	/* snapshots of the configuration, engines */
	char *expires_file;	/* own; NULL: has no certificate */
	int64_t not_after;
	uv_mutex_t mutex;
	struct pb_tls_ticket_key tickets[2];	/* under mutex: newest first */
};

struct pb_tls {
	struct pb_tls_context *ctx;	/* shared */
	SSL *ssl;			/* own */
	struct pb_slice in;		/* cipher text of the call under way */
	struct pb_buffer out;
};

/* Once, before the first engine.  False: no memory. */
bool pb_tls_prepare_engines(void);

/* With room for so many sites.  NULL: no memory. */
struct pb_tls_context *pb_tls_new_context(size_t n_sites);
/* A site with what all have in common; the context's.  NULL: no memory. */
SSL_CTX *pb_tls_add_site(struct pb_tls_context *ctx, const SSL_METHOD *side,
			 enum pb_tls_profile profile);

/* Make a site take its session tickets from the keys of `ctx`. */
void pb_tls_use_tickets(struct pb_tls_context *ctx, SSL_CTX *site);

/* Fill *err with what has made the last call fail; empties OpenSSL's queue. */
void pb_tls_explain(const SSL *ssl, struct pb_error *err);
/* The same for `file`, which was to bring `what`; it is PB_EINVAL. */
enum pb_status pb_tls_explain_file(const char *what, const char *file,
				   struct pb_error *err) PB_MUST_CHECK;

/* Whose certificate the server is to show.  False: no memory. */
bool pb_tls_expect(SSL *ssl, const char *host, bool is_address,
		   const char *domain) PB_MUST_CHECK;

#endif
