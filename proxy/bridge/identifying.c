#include "bridge_priv.h"

#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"

void
pb_bridge_identity_clear(struct pb_bridge_identity *identity)
{
	pb_secret_clear(&identity->user);
	pb_secret_clear(&identity->password);
	pb_secret_clear(&identity->authzid);
}

struct pb_bridge_claim
pb_bridge_claim(const struct pb_bridge *b)
{
	struct pb_bridge_claim claim = { .proof = b->proof,
		.user = pb_bridge_user(b),
		.authzid = pb_secret_reveal(&b->authzid),
		.secret = pb_secret_reveal(&b->secret) };

	if (b->state == PB_BRIDGE_IDENTIFYING &&
	    b->sasl.step == PB_SASL_KEYS)
		claim.authzid = pb_secret_reveal(&b->sasl.authzid);
	if (b->proof == PB_BRIDGE_PROOF_CERTIFICATE)
		claim.user = pb_slice("", 0);
	if (b->proof == PB_BRIDGE_PROOF_APOP)
		claim.challenge = pb_slice_str(b->stamp);
	if (b->proof == PB_BRIDGE_PROOF_CRAM_MD5)
		claim.challenge = pb_slice_str(b->sasl.challenge);
	return claim;
}

void
pb_bridge_name(struct pb_bridge *b, struct pb_slice user)
{
	pb_pop3_session_name(&b->pop3, user);
}

static void
ask_who(struct pb_bridge *b, enum pb_bridge_proof proof)
{
	b->proof = proof;
	pb_bridge_enter(b, PB_BRIDGE_IDENTIFYING);
	pb_bridge_ask(b, PB_BRIDGE_IDENTIFY);
}

void
pb_bridge_do_pass(struct pb_bridge *b, struct pb_pop3_request *request)
{
	pb_secret_clear(&b->authzid);
	pb_secret_move(&b->secret, &request->password);
	ask_who(b, PB_BRIDGE_PROOF_PASSWORD);
}

void
pb_bridge_do_apop(struct pb_bridge *b, struct pb_pop3_request *request)
{
	pb_secret_clear(&b->authzid);
	pb_secret_move(&b->secret, &request->password);
	ask_who(b, PB_BRIDGE_PROOF_APOP);
}

static enum pb_bridge_proof
proof_of(enum pb_sasl_proof proof)
{
	switch (proof) {
	case PB_SASL_PROOF_PASSWORD:
		return PB_BRIDGE_PROOF_PASSWORD;
	case PB_SASL_PROOF_TOKEN:
		return PB_BRIDGE_PROOF_TOKEN;
	case PB_SASL_PROOF_CRAM_MD5:
		return PB_BRIDGE_PROOF_CRAM_MD5;
	case PB_SASL_PROOF_SCRAM:
		return PB_BRIDGE_PROOF_SCRAM;
	case PB_SASL_PROOF_EXTERNAL:
		return PB_BRIDGE_PROOF_CERTIFICATE;
	}
	return PB_BRIDGE_PROOF_PASSWORD;
}

/* Who it is said to be, for the log and for whoever judges. */
static void
take_names(struct pb_bridge *b)
{
	pb_pop3_session_name(&b->pop3, pb_secret_reveal(&b->sasl.user));
	pb_secret_move(&b->authzid, &b->sasl.authzid);
}

/* SCRAM goes on behind the lookup, and needs its names until then. */
static void
find_keys(struct pb_bridge *b)
{
	pb_pop3_session_name(&b->pop3, pb_secret_reveal(&b->sasl.user));
	/* An earlier login's is not this one's. */
	pb_secret_clear(&b->authzid);
	b->proof = PB_BRIDGE_PROOF_SCRAM;
	pb_bridge_enter(b, PB_BRIDGE_IDENTIFYING);
	pb_bridge_ask(b, PB_BRIDGE_FIND_KEYS);
}

/* The client has said everything; is it true? */
static void
auth_done(struct pb_bridge *b)
{
	take_names(b);
	pb_secret_move(&b->secret, &b->sasl.password);
	ask_who(b, proof_of(b->sasl.proof));
}

static void
auth_refused(struct pb_bridge *b, enum pb_pop3_reply reply, const char *why)
{
	pb_log(PB_LOG_INFO, "AUTH refused", PB_LOG_STR("id", b->id),
	    PB_LOG_STR("client", b->peer), PB_LOG_STR("why", why));
	pb_bridge_refuse(b, reply);
	if (b->state == PB_BRIDGE_IDENTIFYING)
		pb_bridge_command_done(b);
}

/* The exchange has taken a step, with this status. */
static void
auth_went_on(struct pb_bridge *b, enum pb_status st, struct pb_slice challenge)
{
	switch (st) {
	case PB_OK:
		auth_done(b);
		return;
	case PB_AGAIN:
		if (b->sasl.step == PB_SASL_KEYS) {
			find_keys(b);
			return;
		}
		if (pb_pop3_session_challenge(&b->pop3, &b->client_out,
		    challenge) != PB_OK)
			pb_bridge_end(b, "no memory");
		if (b->state == PB_BRIDGE_IDENTIFYING)
			pb_bridge_command_done(b);
		return;
	case PB_EOF:
		take_names(b);
		pb_bridge_login_failed_for(b, PB_ERROR_AUTH,
		    "the client does not know the account's password");
		return;
	case PB_EINVAL:
		auth_refused(b, PB_REPLY_BAD_LOGIN_OCTETS,
		    "a control octet in a name or password");
		return;
	case PB_ETOOBIG:
		auth_refused(b, PB_REPLY_BAD_RESPONSE,
		    "a name of more than 255 octets");
		return;
	case PB_EPROTO:
		auth_refused(b, PB_REPLY_BAD_RESPONSE,
		    "no base64, or not what the mechanism asks for");
		return;
	case PB_ENOMEM:
	case PB_EIO:
		break;
	}
	pb_bridge_end(b, "no memory");
}

/* No challenge is made twice: a response to one is good for that one only. */
static void
begin_auth(struct pb_bridge *b, struct pb_slice name)
{
	char nonce[PB_SASL_NONCE_MAX + 1];
	enum pb_sasl_mechanism mechanism;

	if (!pb_sasl_find(name, &mechanism))
		pb_unreachable("the session knows just these");
	snprintf(nonce, sizeof(nonce), "%u.%s", ++b->challenges, b->nonce);
	pb_sasl_server_start(&b->sasl, mechanism, nonce);
}

void
pb_bridge_do_auth(struct pb_bridge *b, struct pb_pop3_request *request)
{
	struct pb_slice response = pb_secret_reveal(&request->response);
	struct pb_slice challenge = { "", 0 };
	bool refusing = b->refusing;
	enum pb_status st;

	b->refusing = false;
	switch (request->auth) {
	case PB_POP3_AUTH_BEGIN:
		begin_auth(b, request->mechanism);
		break;
	case PB_POP3_AUTH_RESPONSE:
		break;
	case PB_POP3_AUTH_ABORTED:
		pb_sasl_server_clear(&b->sasl);
		return;
	}
	if (refusing) {
		pb_secret_clear(&request->response);
		pb_bridge_refuse(b, PB_REPLY_AUTH);
		return;
	}
	st = pb_sasl_server_step(&b->sasl,
	    request->has_response ? &response : NULL, &challenge);
	pb_secret_clear(&request->response);
	auth_went_on(b, st, challenge);
}

void
pb_bridge_keys(struct pb_bridge *b, const struct pb_sasl_keys *keys,
    uint64_t now)
{
	struct pb_slice challenge = { "", 0 };
	enum pb_status st;

	b->now = now;
	if (b->state != PB_BRIDGE_IDENTIFYING || b->sasl.step != PB_SASL_KEYS)
		return;
	st = pb_sasl_server_keys(&b->sasl, keys, &challenge);
	auth_went_on(b, st, challenge);
}

void
pb_bridge_identified(struct pb_bridge *b, struct pb_bridge_identity *identity,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_IDENTIFYING) {
		pb_bridge_identity_clear(identity);
		return;
	}
	/* Whose keys were asked for has shown nothing yet. */
	pb_check(b->sasl.step != PB_SASL_KEYS);
	pb_secret_clear(&b->secret);
	pb_sasl_server_clear(&b->sasl);
	pb_bridge_identity_clear(&b->identity);
	b->identity = *identity;
	*identity = (struct pb_bridge_identity){ .options = NULL };
	b->options = b->identity.options;
	b->resumed = b->fresh = false;
	pb_bridge_enter(b, PB_BRIDGE_CONNECTING);
	pb_bridge_ask(b, PB_BRIDGE_CONNECT);
}

void
pb_bridge_unknown(struct pb_bridge *b, const struct pb_error *why,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_IDENTIFYING)
		return;
	if (b->sasl.step == PB_SASL_KEYS)
		take_names(b);
	pb_bridge_login_failed(b, why);
}

void
pb_bridge_release(struct pb_bridge *b)
{
	struct pb_slice challenge;

	if (b->proof == PB_BRIDGE_PROOF_TOKEN && b->held == PB_REPLY_AUTH &&
	    pb_sasl_server_refuse(&b->sasl, &challenge)) {
		b->refusing = true;
		if (pb_pop3_session_challenge(&b->pop3, &b->client_out,
		    challenge) != PB_OK)
			pb_bridge_end(b, "no memory");
	} else {
		pb_bridge_refuse(b, b->held);
	}
	pb_bridge_command_done(b);
}

void
pb_bridge_do_xclient(struct pb_bridge *b, struct pb_slice text)
{
	if (pb_pop3_xclient_parse(text, b->client_address,
	    &b->client_port) != PB_OK) {
		pb_bridge_refuse(b, PB_REPLY_WRONG_ARGUMENTS);
		return;
	}
	pb_bridge_enter(b, PB_BRIDGE_IDENTIFYING);
	pb_bridge_ask(b, PB_BRIDGE_INTRODUCE);
}

void
pb_bridge_introduced(struct pb_bridge *b, bool accepted, uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_IDENTIFYING)
		return;
	if (!accepted) {
		pb_bridge_end(b, "its address may not come in");
		return;
	}
	pb_bridge_answer(b, PB_REPLY_XCLIENT, 0, 0);
	pb_bridge_command_done(b);
}
