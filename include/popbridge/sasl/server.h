#ifndef PB_SASL_SERVER_H
#define PB_SASL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The server side of a SASL exchange (RFC 4422).  It collects what the client
 * says and hands it to the one who judges; only SCRAM is judged here, because
 * its proof can be checked by keys and by nothing else.
 *
 * Responses come in and challenges go out in base64, as they stand in a line
 * of POP3.  What the client gave is neither changed nor mapped: it reaches the
 * one who judges it octet by octet.
 *
 * Sans-I/O.  All that is kept is wiped when it goes.
 */

/* Longest user name and authorization identity, in octets. */
#define PB_SASL_NAME_MAX 255

enum pb_sasl_mechanism {
	PB_SASL_PLAIN,		/* RFC 4616 */
	PB_SASL_LOGIN,
	PB_SASL_XOAUTH2,	/* as Google and Microsoft describe it */
	PB_SASL_OAUTHBEARER,	/* RFC 7628 */
	PB_SASL_SCRAM_SHA_256,	/* RFC 5802, RFC 7677 */
	PB_SASL_CRAM_MD5,	/* RFC 2195 */
	PB_SASL_EXTERNAL,	/* RFC 4422, appendix A */
	PB_SASL_MECHANISMS	/* how many there are */
};

/* Sets of mechanisms. */
#define PB_SASL_SET(mechanism) (1u << (mechanism))

/* What a finished exchange has brought; the judge decides by it. */
enum pb_sasl_proof {
	PB_SASL_PROOF_PASSWORD,	/* user, password, perhaps authzid */
	PB_SASL_PROOF_TOKEN,	/* user; password is the bearer token */
	PB_SASL_PROOF_CRAM_MD5,	/* user; password is the digest in lower-case
				   hex, challenge what it was made of */
	PB_SASL_PROOF_SCRAM,	/* user, perhaps authzid; it knows the keys */
	PB_SASL_PROOF_EXTERNAL,	/* authzid, perhaps empty; no user: who it is
				   says the certificate */
};

enum pb_sasl_step {
	PB_SASL_MESSAGE,	/* the only message, or SCRAM's first */
	PB_SASL_USER,		/* LOGIN */
	PB_SASL_PASSWORD,
	PB_SASL_CHALLENGE,	/* CRAM-MD5: the server speaks first */
	PB_SASL_DIGEST,
	PB_SASL_KEYS,		/* SCRAM: the keys of the user are wanted */
	PB_SASL_FINAL,		/* SCRAM: the client's final message */
	PB_SASL_SEEN,		/* SCRAM: it has seen the server's, too */
	PB_SASL_DONE,		/* over, well or not */
};

/* Octets of a nonce, at least and at most, without its NUL. */
#define PB_SASL_NONCE_MIN 18
#define PB_SASL_NONCE_MAX 64
/* Room for a challenge before it is base64: "<nonce@popbridge>" and NUL. */
#define PB_SASL_CHALLENGE_SIZE (PB_SASL_NONCE_MAX + 16)
/*
 * Room for one in base64.  The longest is SCRAM's first: a nonce of the
 * client's (at most 256 octets), one of ours, salt and count.
 */
#define PB_SASL_CODED_SIZE 512

struct pb_sasl_scram;

struct pb_sasl_server {
	enum pb_sasl_step step;
	enum pb_sasl_mechanism mechanism;
	enum pb_sasl_proof proof;	/* what PB_OK will have brought */
	struct pb_secret user;		/* own; the authentication identity */
	struct pb_secret password;	/* own */
	struct pb_secret authzid;	/* own; empty when the client gave none */
	char challenge[PB_SASL_CHALLENGE_SIZE];	/* CRAM-MD5; "" for others */
	char coded[PB_SASL_CODED_SIZE];	/* the challenge last handed out */
	struct pb_sasl_scram *scram;	/* own; NULL but for SCRAM */
};

/* What an account store knows of a SCRAM password (RFC 5803). */
struct pb_sasl_keys {
	unsigned iterations;	/* at least 1 */
	uint8_t salt[16];
	size_t salt_len;	/* 1 to 16 */
	uint8_t stored_key[32];
	uint8_t server_key[32];
};

/* Room for the names of all mechanisms. */
#define PB_SASL_NAMES_SIZE 80

/*
 * Write the names of the mechanisms of a set, with a blank between, in the
 * order of their enum; "" for an empty set.  Returns out.
 */
const char *pb_sasl_names(unsigned set, char out[PB_SASL_NAMES_SIZE]);
/* False when there is none of this name. */
bool pb_sasl_find(struct pb_slice name, enum pb_sasl_mechanism *mechanism);

/*
 * Begin an exchange; what is left of another is wiped.  A zeroed struct has
 * had none.  The nonce is text of visible ASCII without comma, of at least
 * PB_SASL_NONCE_MIN random characters, from whoever has randomness; it is only
 * borrowed for the call.  CRAM-MD5 makes its challenge of it, the others do not
 * look at it.
 */
void pb_sasl_server_start(struct pb_sasl_server *s,
			  enum pb_sasl_mechanism mechanism,
			  const char *nonce);
/* Wipe everything but which mechanism it was; harmless at any time. */
void pb_sasl_server_clear(struct pb_sasl_server *s);

/*
 * Take a response, or NULL where the client began without one; and go on until
 * it is PB_OK.
 *
 * PB_OK      what proof says is there.
 * PB_AGAIN   *challenge is to be sent; valid until the next call.  But with
 *            s->step == PB_SASL_KEYS nothing is to be sent yet: find the keys
 *            of s->user and call pb_sasl_server_keys.
 * PB_EOF     SCRAM: the client has shown that it does not know the secret;
 *            it counts as a wrong password.  user and authzid are still there,
 *            for whoever counts.
 * PB_EPROTO  wrong base64, or not what the mechanism asks for.
 * PB_EINVAL  a control octet: CR, LF or NUL in a name or password of PLAIN or
 *            LOGIN, any of them with the other mechanisms.
 * PB_ETOOBIG a name is too long.
 * PB_ENOMEM
 *
 * After a failure the exchange is over; but for PB_EOF everything is wiped.
 */
enum pb_status pb_sasl_server_step(struct pb_sasl_server *s,
				   const struct pb_slice *response,
				   struct pb_slice *challenge) PB_MUST_CHECK;

/*
 * The keys that PB_SASL_KEYS asks for.  Statuses as of _step, and PB_AGAIN is
 * to be expected.  For a user that is not there, give keys that nothing opens,
 * with the same salt each time: otherwise the client learns who is there.
 */
enum pb_status pb_sasl_server_keys(struct pb_sasl_server *s,
				   const struct pb_sasl_keys *keys,
				   struct pb_slice *challenge) PB_MUST_CHECK;

/*
 * After PB_OK, what the client gave was refused.  True: the mechanism has a way
 * to say so; send *challenge, take one more line, whatever it says, and then
 * refuse.  False: refuse at once.  It may be asked after _clear.
 */
bool pb_sasl_server_refuse(struct pb_sasl_server *s,
			   struct pb_slice *challenge);

#endif
