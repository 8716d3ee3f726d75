#ifndef PB_SASL_MECHANISM_H
#define PB_SASL_MECHANISM_H

#include "popbridge/sasl/server.h"

/*
 * What the files of the server side share: server.c has the exchange and the
 * mechanisms that only collect, oauth.c the bearer tokens, scram.c SCRAM, name.c
 * the forms of names.
 */

bool pb_sasl_is_utf8(struct pb_slice s);

/* A name, as it stands: not empty, not too long, no control octet. */
enum pb_status pb_sasl_keep_name(struct pb_secret *where,
				 struct pb_slice name) PB_MUST_CHECK;
/* The same for a saslname, where "," and "=" are =2C and =3D (RFC 5801). */
enum pb_status pb_sasl_keep_saslname(struct pb_secret *where,
				     struct pb_slice coded) PB_MUST_CHECK;
/*
 * Take a GS2 header from the front of *message (RFC 5801, section 4), up to
 * its second comma; what it says of an authzid is kept.  Channel binding is
 * refused.
 */
enum pb_status pb_sasl_take_gs2(struct pb_slice *message,
				struct pb_secret *authzid) PB_MUST_CHECK;

/* Say text as a challenge, in base64; PB_AGAIN, or PB_EPROTO: too long. */
enum pb_status pb_sasl_say(struct pb_sasl_server *s, struct pb_slice text,
			   struct pb_slice *challenge) PB_MUST_CHECK;

enum pb_status pb_sasl_take_xoauth2(struct pb_sasl_server *s,
				    struct pb_slice message) PB_MUST_CHECK;
enum pb_status pb_sasl_take_oauthbearer(struct pb_sasl_server *s,
					struct pb_slice message)
    PB_MUST_CHECK;

/* SCRAM's messages; each goes on to the next step. */
enum pb_status pb_sasl_scram_first(struct pb_sasl_server *s,
				   struct pb_slice message) PB_MUST_CHECK;
enum pb_status pb_sasl_scram_keys(struct pb_sasl_server *s,
				  const struct pb_sasl_keys *keys,
				  struct pb_slice *challenge) PB_MUST_CHECK;
enum pb_status pb_sasl_scram_final(struct pb_sasl_server *s,
				   struct pb_slice message,
				   struct pb_slice *challenge) PB_MUST_CHECK;
void pb_sasl_scram_free(struct pb_sasl_scram **scram);

#endif
