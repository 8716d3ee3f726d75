/*
 * By GNU SASL (2.2), which brings the arithmetic (HMAC, SHA-256) and has met
 * many clients.  Two things were weighed:
 *
 * It sends names through SASLprep and refuses those that do not pass, as
 * RFC 5802 asks of the client; the name that is looked up, and that the judge
 * sees, is taken from the message before that, octet by octet.
 *
 * It frees the keys and the proof of the client without wiping them.  They are
 * no password, and none can be made of them; the keys stand in the account
 * store anyway.  Who could read them out of this process would have to read the
 * proof of the same login, too, to log in by them.
 */
#include "mechanism.h"

#include <gsasl.h>
#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"

/* Clients send 16 to 48 octets; ours and the salt go back with it. */
#define CLIENT_NONCE_MAX 256

struct pb_sasl_scram {
	struct pb_secret first;		/* own; the client's first message */
	Gsasl *library;			/* own; NULL before the keys */
	Gsasl_session *session;		/* own; the same */
};

void
pb_sasl_scram_free(struct pb_sasl_scram **scram)
{
	struct pb_sasl_scram *c = *scram;

	*scram = NULL;
	if (c == NULL)
		return;
	if (c->session != NULL)
		gsasl_finish(c->session);
	if (c->library != NULL)
		gsasl_done(c->library);
	pb_secret_clear(&c->first);
	pb_free(c);
}

/* The value of "key=" at the front of *in, up to a comma; without data: no. */
static struct pb_slice
take_attribute(struct pb_slice *in, const char *key)
{
	struct pb_slice value;

	if (!pb_slice_starts(*in, key))
		return pb_slice(NULL, 0);
	pb_slice_skip(in, strlen(key));
	value = pb_slice_sub(*in, 0, pb_slice_find(*in, ','));
	pb_slice_skip(in, value.len < in->len ? value.len + 1 : value.len);
	return value;
}

/* The name, for the lookup; the library reads the message again. */
static enum pb_status
read_first(struct pb_sasl_server *s, struct pb_slice message)
{
	enum pb_status st;
	struct pb_slice nonce;

	if (pb_slice_has_control(message))
		return PB_EINVAL;
	st = pb_sasl_take_gs2(&message, &s->authzid);
	if (st == PB_OK)
		st = pb_sasl_keep_saslname(&s->user,
		    take_attribute(&message, "n="));
	if (st != PB_OK)
		return st;
	nonce = take_attribute(&message, "r=");
	return nonce.len > 0 && nonce.len <= CLIENT_NONCE_MAX ? PB_OK
							      : PB_EPROTO;
}

enum pb_status
pb_sasl_scram_first(struct pb_sasl_server *s, struct pb_slice message)
{
	enum pb_status st = read_first(s, message);

	if (st != PB_OK)
		return st;
	s->scram = pb_alloc(sizeof(*s->scram));
	if (s->scram == NULL)
		return PB_ENOMEM;
	st = pb_secret_set(&s->scram->first, message);
	s->step = PB_SASL_KEYS;
	return st == PB_OK ? PB_AGAIN : st;
}

static bool
set_coded(struct pb_sasl_scram *c, Gsasl_property property,
    const uint8_t *value, size_t len)
{
	char coded[PB_BASE64_CODED(32)];
	bool ok;

	pb_check(len <= 32);
	pb_base64_encode(pb_slice((const char *)value, len), coded);
	ok = gsasl_property_set(c->session, property, coded) == GSASL_OK;
	pb_wipe(coded, sizeof(coded));
	return ok;
}

static enum pb_status
open_session(struct pb_sasl_scram *c, const struct pb_sasl_keys *keys)
{
	char iterations[16];

	snprintf(iterations, sizeof(iterations), "%u", keys->iterations);
	if (gsasl_init(&c->library) != GSASL_OK ||
	    gsasl_server_start(c->library, "SCRAM-SHA-256", &c->session) !=
		GSASL_OK ||
	    gsasl_property_set(c->session, GSASL_SCRAM_ITER, iterations) !=
		GSASL_OK ||
	    !set_coded(c, GSASL_SCRAM_SALT, keys->salt, keys->salt_len) ||
	    !set_coded(c, GSASL_SCRAM_STOREDKEY, keys->stored_key,
		sizeof(keys->stored_key)) ||
	    !set_coded(c, GSASL_SCRAM_SERVERKEY, keys->server_key,
		sizeof(keys->server_key)))
		return PB_ENOMEM;
	return PB_OK;
}

/*
 * Show the library a message and say what it answers, which must be with
 * `expected`.  PB_EOF where it finds the message well formed and wrong.
 */
static enum pb_status
step(struct pb_sasl_server *s, struct pb_slice message, int expected,
    struct pb_slice *challenge)
{
	char *answer = NULL;
	size_t len = 0;
	int result = gsasl_step(s->scram->session, message.data, message.len,
	    &answer, &len);
	enum pb_status st = PB_EPROTO;

	if (result == expected)
		st = pb_sasl_say(s, pb_slice(answer, len), challenge);
	else if (result == GSASL_AUTHENTICATION_ERROR)
		st = PB_EOF;
	else if (result == GSASL_MALLOC_ERROR)
		st = PB_ENOMEM;
	gsasl_free(answer);
	return st;
}

enum pb_status
pb_sasl_scram_keys(struct pb_sasl_server *s, const struct pb_sasl_keys *keys,
    struct pb_slice *challenge)
{
	enum pb_status st;

	pb_check(keys->iterations > 0 && keys->salt_len > 0 &&
	    keys->salt_len <= sizeof(keys->salt));
	st = open_session(s->scram, keys);
	if (st == PB_OK)
		st = step(s, pb_secret_reveal(&s->scram->first),
		    GSASL_NEEDS_MORE, challenge);
	pb_secret_clear(&s->scram->first);
	s->step = PB_SASL_FINAL;
	/* Nothing is proved yet: the name is not one that SASLprep passes. */
	return st == PB_EOF ? PB_EPROTO : st;
}

enum pb_status
pb_sasl_scram_final(struct pb_sasl_server *s, struct pb_slice message,
    struct pb_slice *challenge)
{
	enum pb_status st;

	if (pb_slice_has_control(message))
		return PB_EINVAL;
	st = step(s, message, GSASL_OK, challenge);
	s->step = PB_SASL_SEEN;
	pb_sasl_scram_free(&s->scram);
	return st;
}
