#ifndef PB_SASL_SERVER_H
#define PB_SASL_SERVER_H

#include <stdbool.h>

#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The server side of a SASL exchange (RFC 4422), for mechanisms that hand over
 * a name and a password: PLAIN (RFC 4616) and LOGIN.  It collects what the
 * client says; whether that is true, somebody else finds out.
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
	PB_SASL_PLAIN,
	PB_SASL_LOGIN,
	PB_SASL_MECHANISMS	/* how many there are */
};

enum pb_sasl_step {
	PB_SASL_MESSAGE,	/* PLAIN: all in one */
	PB_SASL_USER,		/* LOGIN */
	PB_SASL_PASSWORD,
	PB_SASL_DONE,		/* over, well or not */
};

struct pb_sasl_server {
	enum pb_sasl_step step;
	struct pb_secret user;		/* own; the authentication identity */
	struct pb_secret password;	/* own */
	struct pb_secret authzid;	/* own; empty when the client gave none */
};

/* The names of all mechanisms, with a blank between. */
const char *pb_sasl_mechanisms(void);
/* False when there is none of this name. */
bool pb_sasl_find(struct pb_slice name, enum pb_sasl_mechanism *mechanism);

/*
 * Begin an exchange; what is left of another is wiped.  A zeroed struct has
 * had none.
 */
void pb_sasl_server_start(struct pb_sasl_server *s,
			  enum pb_sasl_mechanism mechanism);
/* Wipe everything; harmless at any time. */
void pb_sasl_server_clear(struct pb_sasl_server *s);

/*
 * Take a response, or NULL where the client began without one; and go on until
 * it is PB_OK.
 *
 * PB_OK      user, password and authzid are there.
 * PB_AGAIN   *challenge is to be sent; static text.
 * PB_EPROTO  wrong base64, or not what the mechanism asks for.
 * PB_EINVAL  CR, LF or NUL where no mail server takes it.
 * PB_ETOOBIG a name is too long.
 * PB_ENOMEM
 *
 * After a failure the exchange is over and everything is wiped.
 */
enum pb_status pb_sasl_server_step(struct pb_sasl_server *s,
				   const struct pb_slice *response,
				   struct pb_slice *challenge) PB_MUST_CHECK;

#endif
