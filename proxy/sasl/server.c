/*
 * Why not GNU SASL (2.2), whose PLAIN and LOGIN were tried first: it sends
 * passwords through SASLprep, so that those in Latin-1 are refused and others
 * are changed (U+00AD vanishes, U+2122 becomes "TM") before the server that
 * must judge them has seen them; its LOGIN drops an initial response; and it
 * leaves copies of the password in the heap.
 */
#include "popbridge/sasl/server.h"

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"

#define ASK_USER "VXNlcm5hbWU6"		/* Username: */
#define ASK_PASSWORD "UGFzc3dvcmQ6"	/* Password: */

static const struct {
	const char *name;
	enum pb_sasl_step first;
} mechanisms[] = {
	[PB_SASL_PLAIN] = { "PLAIN", PB_SASL_MESSAGE },
	[PB_SASL_LOGIN] = { "LOGIN", PB_SASL_USER },
};

_Static_assert(sizeof(mechanisms) / sizeof(mechanisms[0]) ==
    PB_SASL_MECHANISMS, "a row for every mechanism");

const char *
pb_sasl_mechanisms(void)
{
	return "PLAIN LOGIN";
}

bool
pb_sasl_find(struct pb_slice name, enum pb_sasl_mechanism *mechanism)
{
	unsigned i;

	for (i = 0; i < PB_SASL_MECHANISMS; i++) {
		if (pb_slice_is(name, mechanisms[i].name)) {
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
	s->step = PB_SASL_DONE;
}

void
pb_sasl_server_start(struct pb_sasl_server *s,
    enum pb_sasl_mechanism mechanism)
{
	pb_check(mechanism < PB_SASL_MECHANISMS);
	pb_sasl_server_clear(s);
	s->step = mechanisms[mechanism].first;
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
take_message(struct pb_sasl_server *s, struct pb_slice message)
{
	size_t first = pb_slice_find(message, '\0');
	struct pb_slice authzid = pb_slice_sub(message, 0, first);
	struct pb_slice user;
	enum pb_status st = PB_OK;

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
	s->step = PB_SASL_DONE;
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

static const char *
first_challenge(const struct pb_sasl_server *s)
{
	return s->step == PB_SASL_USER ? ASK_USER : "";
}

enum pb_status
pb_sasl_server_step(struct pb_sasl_server *s, const struct pb_slice *response,
    struct pb_slice *challenge)
{
	enum pb_status st;

	*challenge = pb_slice("", 0);
	if (response == NULL) {
		*challenge = pb_slice_str(first_challenge(s));
		return PB_AGAIN;
	}
	st = take_coded(s, *response, challenge);
	if (st != PB_OK && st != PB_AGAIN)
		pb_sasl_server_clear(s);
	return st;
}
