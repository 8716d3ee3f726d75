/*
 * Why not GNU SASL (2.2) for PLAIN and LOGIN, whose were tried first: it sends
 * passwords through SASLprep, so that those in Latin-1 are refused and others
 * are changed (U+00AD vanishes, U+2122 becomes "TM") before the server that
 * must judge them has seen them; its LOGIN drops an initial response; and it
 * leaves copies of the password in the heap.  The others here only carry what
 * somebody else judges; for SCRAM, see scram.c.
 */
#include "popbridge/sasl/server.h"

#include <stdio.h>

#include "mechanism.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"

#define ASK_USER "VXNlcm5hbWU6"		/* Username: */
#define ASK_PASSWORD "UGFzc3dvcmQ6"	/* Password: */

static const struct row {
	const char *name;
	enum pb_sasl_step first;
	enum pb_sasl_proof proof;
	const char *refusal;	/* how it tells a client so, or NULL */
} rows[] = {
	[PB_SASL_PLAIN] = { "PLAIN", PB_SASL_MESSAGE, PB_SASL_PROOF_PASSWORD,
	    NULL },
	[PB_SASL_LOGIN] = { "LOGIN", PB_SASL_USER, PB_SASL_PROOF_PASSWORD,
	    NULL },
	[PB_SASL_XOAUTH2] = { "XOAUTH2", PB_SASL_MESSAGE, PB_SASL_PROOF_TOKEN,
	    "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"\"}" },
	[PB_SASL_OAUTHBEARER] = { "OAUTHBEARER", PB_SASL_MESSAGE,
	    PB_SASL_PROOF_TOKEN, "{\"status\":\"invalid_token\"}" },
	[PB_SASL_SCRAM_SHA_256] = { "SCRAM-SHA-256", PB_SASL_MESSAGE,
	    PB_SASL_PROOF_SCRAM, NULL },
	[PB_SASL_CRAM_MD5] = { "CRAM-MD5", PB_SASL_CHALLENGE,
	    PB_SASL_PROOF_CRAM_MD5, NULL },
	[PB_SASL_EXTERNAL] = { "EXTERNAL", PB_SASL_MESSAGE,
	    PB_SASL_PROOF_EXTERNAL, NULL },
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == PB_SASL_MECHANISMS,
    "a row for every mechanism");

const char *
pb_sasl_names(unsigned set, char out[PB_SASL_NAMES_SIZE])
{
	size_t at = 0;
	unsigned i;

	out[0] = '\0';
	for (i = 0; i < PB_SASL_MECHANISMS; i++) {
		if ((set & PB_SASL_SET(i)) == 0)
			continue;
		at += (size_t)snprintf(out + at, PB_SASL_NAMES_SIZE - at,
		    "%s%s", at > 0 ? " " : "", rows[i].name);
		pb_check(at < PB_SASL_NAMES_SIZE);
	}
	return out;
}

bool
pb_sasl_find(struct pb_slice name, enum pb_sasl_mechanism *mechanism)
{
	unsigned i;

	for (i = 0; i < PB_SASL_MECHANISMS; i++) {
		if (pb_slice_is(name, rows[i].name)) {
			*mechanism = (enum pb_sasl_mechanism)i;
			return true;
		}
	}
	return false;
}

void
pb_sasl_server_clear(struct pb_sasl_server *s)
{
	pb_secret_clear(&s->user);
	pb_secret_clear(&s->password);
	pb_secret_clear(&s->authzid);
	pb_sasl_scram_free(&s->scram);
	pb_wipe(s->challenge, sizeof(s->challenge));
	pb_wipe(s->coded, sizeof(s->coded));
	s->step = PB_SASL_DONE;
}

void
pb_sasl_server_start(struct pb_sasl_server *s,
    enum pb_sasl_mechanism mechanism, const char *nonce)
{
	pb_check(mechanism < PB_SASL_MECHANISMS);
	pb_sasl_server_clear(s);
	s->mechanism = mechanism;
	s->proof = rows[mechanism].proof;
	s->step = rows[mechanism].first;
	if (s->step != PB_SASL_CHALLENGE)
		return;
	pb_check(strlen(nonce) >= PB_SASL_NONCE_MIN &&
	    strlen(nonce) <= PB_SASL_NONCE_MAX);
	snprintf(s->challenge, sizeof(s->challenge), "<%s@popbridge>", nonce);
}

enum pb_status
pb_sasl_say(struct pb_sasl_server *s, struct pb_slice text,
    struct pb_slice *challenge)
{
	size_t len;

	if (PB_BASE64_CODED(text.len) > sizeof(s->coded))
		return PB_EPROTO;
	len = pb_base64_encode(text, s->coded);
	*challenge = pb_slice(s->coded, len);
	return PB_AGAIN;
}

static bool
has_bad_octet(struct pb_slice s)
{
	return pb_slice_find(s, '\r') < s.len ||
	    pb_slice_find(s, '\n') < s.len || pb_slice_find(s, '\0') < s.len;
}

static enum pb_status
keep(struct pb_secret *where, struct pb_slice value, size_t max)
{
	if (has_bad_octet(value))
		return PB_EINVAL;
	if (value.len > max)
		return PB_ETOOBIG;
	return value.len > 0 ? pb_secret_set(where, value) : PB_EPROTO;
}

/* [authzid] NUL user NUL password */
static enum pb_status
take_plain(struct pb_sasl_server *s, struct pb_slice message)
{
	size_t first = pb_slice_find(message, '\0');
	struct pb_slice authzid = pb_slice_sub(message, 0, first);
	struct pb_slice user;
	enum pb_status st = PB_OK;

	s->step = PB_SASL_DONE;
	if (first == message.len)
		return PB_EPROTO;
	pb_slice_skip(&message, first + 1);
	user = pb_slice_sub(message, 0, pb_slice_find(message, '\0'));
	if (user.len == message.len)
		return PB_EPROTO;
	pb_slice_skip(&message, user.len + 1);
	if (authzid.len > 0)
		st = keep(&s->authzid, authzid, PB_SASL_NAME_MAX);
	if (st == PB_OK)
		st = keep(&s->user, user, PB_SASL_NAME_MAX);
	if (st == PB_OK)
		st = keep(&s->password, message, SIZE_MAX);
	return st;
}

/* An authzid, or nothing: then the certificate says that, too. */
static enum pb_status
take_external(struct pb_sasl_server *s, struct pb_slice message)
{
	s->step = PB_SASL_DONE;
	if (message.len == 0)
		return PB_OK;
	if (!pb_sasl_is_utf8(message))
		return PB_EPROTO;
	return pb_sasl_keep_name(&s->authzid, message);
}

static enum pb_status
take_message(struct pb_sasl_server *s, struct pb_slice message)
{
	switch (s->mechanism) {
	case PB_SASL_PLAIN:
		return take_plain(s, message);
	case PB_SASL_XOAUTH2:
		return pb_sasl_take_xoauth2(s, message);
	case PB_SASL_OAUTHBEARER:
		return pb_sasl_take_oauthbearer(s, message);
	case PB_SASL_SCRAM_SHA_256:
		return pb_sasl_scram_first(s, message);
	case PB_SASL_EXTERNAL:
		return take_external(s, message);
	case PB_SASL_LOGIN:
	case PB_SASL_CRAM_MD5:
	case PB_SASL_MECHANISMS:
		break;
	}
	pb_unreachable("these have other first steps");
}

/* The 16 octets of MD5 in hex, in either case; in lower case into out. */
static bool
is_digest(struct pb_slice text, char out[32])
{
	size_t i;

	if (text.len != 32)
		return false;
	for (i = 0; i < 32; i++) {
		char c = text.data[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c + ('a' - 'A'));
		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
		out[i] = c;
	}
	return true;
}

/* user SP digest; a name may have blanks. */
static enum pb_status
take_digest(struct pb_sasl_server *s, struct pb_slice message)
{
	char digest[32];
	enum pb_status st;

	s->step = PB_SASL_DONE;
	if (message.len < sizeof(digest) + 1 ||
	    message.data[message.len - sizeof(digest) - 1] != ' ' ||
	    !is_digest(pb_slice_sub(message, message.len - sizeof(digest),
		message.len), digest))
		return PB_EPROTO;
	message.len -= sizeof(digest) + 1;
	st = pb_sasl_keep_name(&s->user, message);
	if (st == PB_OK)
		st = pb_secret_set(&s->password,
		    pb_slice(digest, sizeof(digest)));
	pb_wipe(digest, sizeof(digest));
	return st;
}

static enum pb_status
take_decoded(struct pb_sasl_server *s, struct pb_slice decoded,
    struct pb_slice *challenge)
{
	enum pb_status st;

	switch (s->step) {
	case PB_SASL_MESSAGE:
		return take_message(s, decoded);
	case PB_SASL_USER:
		st = keep(&s->user, decoded, PB_SASL_NAME_MAX);
		s->step = PB_SASL_PASSWORD;
		*challenge = pb_slice_str(ASK_PASSWORD);
		return st == PB_OK ? PB_AGAIN : st;
	case PB_SASL_PASSWORD:
		s->step = PB_SASL_DONE;
		return keep(&s->password, decoded, SIZE_MAX);
	case PB_SASL_DIGEST:
		return take_digest(s, decoded);
	case PB_SASL_FINAL:
		return pb_sasl_scram_final(s, decoded, challenge);
	case PB_SASL_SEEN:
		s->step = PB_SASL_DONE;
		return decoded.len == 0 ? PB_OK : PB_EPROTO;
	case PB_SASL_CHALLENGE:
	case PB_SASL_KEYS:
	case PB_SASL_DONE:
		break;
	}
	return PB_EPROTO;
}

static enum pb_status
take_coded(struct pb_sasl_server *s, struct pb_slice coded,
    struct pb_slice *challenge)
{
	size_t room = PB_BASE64_DECODED(coded.len);
	char *decoded = pb_alloc(room + 1);
	enum pb_status st;
	size_t len;

	if (decoded == NULL)
		return PB_ENOMEM;
	st = pb_base64_decode(coded, decoded, &len);
	if (st == PB_OK)
		st = take_decoded(s, pb_slice(decoded, len), challenge);
	pb_wipe(decoded, room);
	pb_free(decoded);
	return st;
}

/* The client began without a response. */
static enum pb_status
ask_first(struct pb_sasl_server *s, struct pb_slice *challenge)
{
	switch (s->step) {
	case PB_SASL_MESSAGE:
		return PB_AGAIN;
	case PB_SASL_USER:
		*challenge = pb_slice_str(ASK_USER);
		return PB_AGAIN;
	case PB_SASL_CHALLENGE:
		s->step = PB_SASL_DIGEST;
		return pb_sasl_say(s, pb_slice_str(s->challenge), challenge);
	case PB_SASL_PASSWORD:
	case PB_SASL_DIGEST:
	case PB_SASL_KEYS:
	case PB_SASL_FINAL:
	case PB_SASL_SEEN:
	case PB_SASL_DONE:
		break;
	}
	return PB_EPROTO;
}

/* What a failure leaves: nothing, or who it was. */
static enum pb_status
ended(struct pb_sasl_server *s, enum pb_status st)
{
	if (st == PB_EOF)
		s->step = PB_SASL_DONE;
	else if (st != PB_OK && st != PB_AGAIN)
		pb_sasl_server_clear(s);
	return st;
}

enum pb_status
pb_sasl_server_step(struct pb_sasl_server *s, const struct pb_slice *response,
    struct pb_slice *challenge)
{
	*challenge = pb_slice("", 0);
	if (response == NULL)
		return ended(s, ask_first(s, challenge));
	return ended(s, take_coded(s, *response, challenge));
}

enum pb_status
pb_sasl_server_keys(struct pb_sasl_server *s, const struct pb_sasl_keys *keys,
    struct pb_slice *challenge)
{
	pb_check(s->step == PB_SASL_KEYS);
	*challenge = pb_slice("", 0);
	return ended(s, pb_sasl_scram_keys(s, keys, challenge));
}

bool
pb_sasl_server_refuse(struct pb_sasl_server *s, struct pb_slice *challenge)
{
	const char *refusal = rows[s->mechanism].refusal;

	*challenge = pb_slice("", 0);
	return refusal != NULL && pb_sasl_say(s, pb_slice_str(refusal),
	    challenge) == PB_AGAIN;
}
