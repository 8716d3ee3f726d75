#ifndef PBT_TLS_H
#define PBT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "popbridge/net/tls.h"
#include "support/test.h"

/*
 * Certificates that are made when they are needed, and a TLS engine against
 * OpenSSL's own, without a socket.  What goes wrong fails the test.
 */

#define PBT_DAY (24L * 60 * 60)

struct pbt_identity {
	EVP_PKEY *key;
	X509 *cert;
};

/* A CA of its own, good from yesterday until tomorrow. */
struct pbt_identity pbt_ca(const char *name);
/*
 * By `ca`, or by itself when that is NULL.  `cn` and `names` (of the
 * subjectAltName, as openssl.cnf writes them) may be NULL.
 */
struct pbt_identity pbt_identity(const struct pbt_identity *ca,
				 const char *cn, const char *names);
/* The same in three steps, for names that can not be written so. */
struct pbt_identity pbt_identity_begin(long from, long until);
void pbt_add_cn(struct pbt_identity *id, struct pb_slice name);
void pbt_extend(struct pbt_identity *id, int nid, const char *value);
void pbt_identity_sign(struct pbt_identity *id,
		       const struct pbt_identity *ca);
void pbt_identity_drop(struct pbt_identity *id);

/* A directory for files, and what writes them; drop it with its files. */
struct pbt_directory {
	char path[64];
};

void pbt_directory_make(struct pbt_directory *d);
void pbt_directory_drop(struct pbt_directory *d);
#define PBT_PATH_SIZE 128
/* Each writes `path`.  A passphrase of NULL: none. */
void pbt_write_cert(const struct pbt_directory *d, const char *name,
		    const struct pbt_identity *id, char path[PBT_PATH_SIZE]);
void pbt_write_key(const struct pbt_directory *d, const char *name,
		   const struct pbt_identity *id, const char *passphrase,
		   char path[PBT_PATH_SIZE]);
void pbt_write_text(const struct pbt_directory *d, const char *name,
		    const char *text, char path[PBT_PATH_SIZE]);

/*
 * A server's context of one certificate, whose files are gone again.  The
 * options' certificates are filled here.
 */
struct pb_tls_context *pbt_server(const struct pbt_identity *id,
				  struct pb_tls_server_options o);

/* OpenSSL's side: all versions and ciphers that it has, no verification. */
SSL_CTX *pbt_openssl(bool server);

/* The two ends; `piece` is how much arrives at ours at a time, 0: all. */
struct pbt_pair {
	struct pb_tls *ours;	/* own */
	SSL *peer;		/* own */
	struct pb_buffer wire;	/* cipher text on its way to ours */
	size_t piece;
	struct pb_error err;	/* of ours */
};

/* Takes `ours`; the peer is a new connection of `ctx`. */
void pbt_pair_start(struct pbt_pair *p, struct pb_tls *ours, SSL_CTX *ctx);
void pbt_pair_stop(struct pbt_pair *p);
/* Until both are done, or ours has failed; what ours has said last. */
enum pb_status pbt_pair_shake(struct pbt_pair *p);
/* So many octets there and back again. */
void pbt_pair_talk(struct pbt_pair *p, size_t len);

/* Sizes of pieces that cut everything everywhere. */
extern const size_t pbt_pieces[8];

void pbt_assert_says(const struct pb_error *err, const char *what);

#endif
