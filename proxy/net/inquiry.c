#include "popbridge/net/inquiry.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/route.h"

struct pb_inquiry {
	enum pb_inquiry_kind kind;
	struct pb_snapshot *snapshot;	/* shared */
	const char *listener;		/* borrowed from it */
	uint8_t address[16];
	enum pb_bridge_proof proof;
	struct pb_secret secret;	/* own; so are these: */
	struct pb_secret challenge;
	struct pb_secret authzid;
	struct pb_secret login;
	struct pb_route_choice choice;
	uv_work_t work;
	bool working;
	bool answered;
	atomic_uint *counted[2];	/* where it is counted; or NULL */
	void (*ready)(void *owner);
	void *owner;			/* borrowed; NULL once it has left */
	struct pb_inquiry_answer answer;
};

static atomic_uint looking_at_accounts;
static atomic_uint discovering;

static void
release(struct pb_inquiry *q)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		if (q->counted[i] != NULL)
			atomic_fetch_sub(q->counted[i], 1);
	}
	pb_secret_clear(&q->secret);
	pb_secret_clear(&q->challenge);
	pb_secret_clear(&q->authzid);
	pb_secret_clear(&q->login);
	pb_bridge_identity_clear(&q->answer.identity);
	pb_wipe(&q->answer.keys, sizeof(q->answer.keys));
	pb_snapshot_unref(&q->snapshot);
	pb_free(q);
}

static bool
refuse(struct pb_inquiry *q, enum pb_error_kind kind, const char *why)
{
	q->answer.good = false;
	pb_error_set(&q->answer.error, kind, PB_SCOPE_ACCOUNT, "%s", why);
	return false;
}

static bool
no_memory(struct pb_inquiry *q)
{
	return refuse(q, PB_ERROR_INTERNAL, "no memory for the login");
}

static struct pb_slice
upstream_login(const struct pb_inquiry *q)
{
	return pb_slice(q->choice.upstream_login,
	    q->choice.upstream_login_len);
}

static struct pb_slice
login(const struct pb_inquiry *q)
{
	return pb_slice(q->choice.login, q->choice.login_len);
}

static bool
equal(struct pb_slice a, struct pb_slice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* As the table compares names of accounts. */
static bool
same_name(struct pb_slice a, struct pb_slice b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static bool
choose_route(struct pb_inquiry *q)
{
	enum pb_status st = pb_route_choose(q->snapshot->config, q->listener,
	    pb_secret_reveal(&q->login), &q->choice);

	if (st == PB_ETOOBIG)
		return refuse(q, PB_ERROR_AUTH, "the login is too long");
	if (st != PB_OK)
		return refuse(q, PB_ERROR_AUTH,
		    "no route is for this login and listener");
	q->answer.route = &q->snapshot->routes[q->choice.index];
	return true;
}

static enum pb_imap_auth
auth_of(const struct pb_inquiry *q)
{
	switch (q->choice.route->upstream_auth) {
	case PB_UPSTREAM_AUTH_PLAIN:
		return PB_IMAP_AUTH_PLAIN;
	case PB_UPSTREAM_AUTH_LOGIN:
		return PB_IMAP_AUTH_LOGIN;
	case PB_UPSTREAM_AUTH_XOAUTH2:
		return PB_IMAP_AUTH_XOAUTH2;
	case PB_UPSTREAM_AUTH_OAUTHBEARER:
		return PB_IMAP_AUTH_OAUTHBEARER;
	case PB_UPSTREAM_AUTH_AUTO:
		break;
	}
	return q->proof == PB_BRIDGE_PROOF_TOKEN ? PB_IMAP_AUTH_TOKEN
						 : PB_IMAP_AUTH_AUTO;
}

/* The master user acts for `user` (authorization identity). */
static bool
act_as_master(struct pb_inquiry *q, struct pb_slice user)
{
	struct pb_bridge_identity *identity = &q->answer.identity;
	const struct pb_snapshot_route *route = q->answer.route;

	if (route->config->master_user == NULL)
		return refuse(q, PB_ERROR_PERMANENT, "there is no password "
		    "for the IMAP server: the client brings none that it "
		    "would take, the account has none, and the route has no "
		    "master-user");
	identity->ours = true;
	identity->auth = PB_IMAP_AUTH_PLAIN;
	if (pb_secret_set(&identity->authzid, user) != PB_OK ||
	    pb_secret_set(&identity->user, pb_slice_str(
		route->config->master_user)) != PB_OK ||
	    pb_secret_set(&identity->password, pb_secret_reveal(
		&route->master_password)) != PB_OK)
		return no_memory(q);
	return true;
}

/*
 * A client that tries ways to log in which its route has not is none that
 * guesses: it hears of it, nothing counts against it, and it goes on to a way
 * that works (fetchmail begins with CRAM-MD5 wherever that is offered).
 */
static bool
pass_through(struct pb_inquiry *q)
{
	struct pb_bridge_identity *identity = &q->answer.identity;
	bool token = q->proof == PB_BRIDGE_PROOF_TOKEN;
	enum pb_imap_auth auth = auth_of(q);

	if (q->proof == PB_BRIDGE_PROOF_CERTIFICATE)
		return act_as_master(q, upstream_login(q));
	if (q->proof != PB_BRIDGE_PROOF_PASSWORD && !token)
		return refuse(q, PB_ERROR_PERMANENT, "this way to log in is "
		    "for accounts, and the login's route has identity = "
		    "pass-through");
	if (token && (auth == PB_IMAP_AUTH_PLAIN ||
	    auth == PB_IMAP_AUTH_LOGIN))
		return refuse(q, PB_ERROR_PERMANENT, "the client brings an OAuth "
		    "token, and upstream-auth of its route wants a password");
	identity->auth = auth;
	if (pb_secret_set(&identity->user, upstream_login(q)) != PB_OK)
		return no_memory(q);
	pb_secret_move(&identity->password, &q->secret);
	pb_secret_move(&identity->authzid, &q->authzid);
	return true;
}

/* One more than `max` at a time has to come again. */
static bool
count(struct pb_inquiry *q, size_t i, atomic_uint *counter, unsigned max)
{
	if (atomic_fetch_add(counter, 1) < max) {
		q->counted[i] = counter;
		return true;
	}
	atomic_fetch_sub(counter, 1);
	return refuse(q, PB_ERROR_TEMPORARY,
	    "too many logins are looked at in this moment");
}

static bool
may_use_accounts(struct pb_inquiry *q)
{
	struct pb_slice authzid = pb_secret_reveal(&q->authzid);

	if (q->snapshot->accounts == NULL)
		return refuse(q, PB_ERROR_PERMANENT,
		    "there is no table of accounts");
	if (q->proof == PB_BRIDGE_PROOF_TOKEN)
		return refuse(q, PB_ERROR_PERMANENT,
		    "an OAuth token is no proof for an account");
	if (authzid.len > 0 && !same_name(authzid, login(q)) &&
	    !equal(authzid, pb_secret_reveal(&q->login)))
		return refuse(q, PB_ERROR_AUTH,
		    "an account acts for nobody but itself");
	return count(q, 0, &looking_at_accounts, PB_INQUIRY_ACCOUNTS_MAX);
}

static enum pb_account_proof
account_proof(enum pb_bridge_proof proof)
{
	switch (proof) {
	case PB_BRIDGE_PROOF_PASSWORD:
	case PB_BRIDGE_PROOF_TOKEN:
		break;
	case PB_BRIDGE_PROOF_CRAM_MD5:
		return PB_ACCOUNT_CRAM_MD5;
	case PB_BRIDGE_PROOF_APOP:
		return PB_ACCOUNT_APOP;
	case PB_BRIDGE_PROOF_SCRAM:
	case PB_BRIDGE_PROOF_CERTIFICATE:
		return PB_ACCOUNT_PROVEN;
	}
	return PB_ACCOUNT_PASSWORD;
}

/*
 * Whose name was not changed in the table, the route may change.  An account
 * is the same in upper and lower case, its mailbox perhaps not: the letters
 * are the table's.
 */
static struct pb_slice
as_route_says(struct pb_inquiry *q, struct pb_slice user)
{
	struct pb_route_choice choice;

	if (pb_route_choose(q->snapshot->config, q->listener, user,
	    &choice) == PB_OK && choice.index == q->choice.index)
		q->choice = choice;
	return upstream_login(q);
}

/* On a thread. */
static bool
take_grant(struct pb_inquiry *q, struct pb_account_grant *grant)
{
	struct pb_bridge_identity *identity = &q->answer.identity;
	struct pb_slice user = pb_secret_reveal(&grant->user);

	if (same_name(user, login(q)))
		user = as_route_says(q, user);
	if (pb_secret_reveal(&grant->password).len == 0)
		return act_as_master(q, user);
	identity->ours = true;
	identity->auth = auth_of(q);
	if (pb_secret_set(&identity->user, user) != PB_OK)
		return no_memory(q);
	pb_secret_move(&identity->password, &grant->password);
	return true;
}

/* On a thread. */
static bool
check_account(struct pb_inquiry *q)
{
	struct pb_account_grant grant = { { NULL, 0 }, { NULL, 0 } };
	struct pb_account_claim claim = { .user = login(q),
		.proof = account_proof(q->proof),
		.secret = pb_secret_reveal(&q->secret),
		.challenge = pb_secret_reveal(&q->challenge),
		.listener = q->listener };
	bool good;

	memcpy(claim.address, q->address, sizeof(claim.address));
	if (pb_accounts_check(q->snapshot->accounts, &claim, &grant,
	    &q->answer.error) != PB_OK)
		return false;
	good = take_grant(q, &grant);
	pb_account_grant_clear(&grant);
	return good;
}

/* On a thread. */
static bool
find_keys(struct pb_inquiry *q)
{
	struct pb_account_keys keys;

	if (pb_accounts_keys(q->snapshot->accounts, login(q), &keys,
	    &q->answer.error) != PB_OK)
		return false;
	q->answer.keys = (struct pb_sasl_keys){
		.iterations = keys.iterations, .salt_len = keys.salt_len };
	memcpy(q->answer.keys.salt, keys.salt, sizeof(keys.salt));
	memcpy(q->answer.keys.stored_key, keys.stored_key,
	    sizeof(keys.stored_key));
	memcpy(q->answer.keys.server_key, keys.server_key,
	    sizeof(keys.server_key));
	pb_wipe(&keys, sizeof(keys));
	return true;
}

/* On a thread. */
static bool
find_servers(struct pb_inquiry *q)
{
	if (q->choice.domain[0] == '\0')
		return refuse(q, PB_ERROR_AUTH, "the login has no domain to "
		    "discover the IMAP server of");
	memcpy(q->answer.domain, q->choice.domain, sizeof(q->answer.domain));
	return pb_discover(q->choice.domain, (uint32_t)uv_hrtime(),
	    &q->answer.servers, &q->answer.error) == PB_OK;
}

static bool
uses_accounts(const struct pb_inquiry *q)
{
	return q->choice.route->identity == PB_IDENTITY_ACCOUNTS;
}

static void
work(uv_work_t *req)
{
	struct pb_inquiry *q = req->data;
	bool good = true;

	if (q->kind == PB_INQUIRY_KEYS) {
		q->answer.good = find_keys(q);
		return;
	}
	if (uses_accounts(q))
		good = check_account(q);
	if (good && q->choice.upstream.host[0] == '\0')
		good = find_servers(q);
	q->answer.good = good;
}

static void
after_work(uv_work_t *req, int status)
{
	struct pb_inquiry *q = req->data;

	q->working = false;
	q->answered = true;
	if (status != 0)
		refuse(q, PB_ERROR_TEMPORARY, "the login was not looked at");
	if (q->owner == NULL)
		release(q);
	else
		q->ready(q->owner);
}

/* True: it is to be asked for on a thread. */
static bool
begin(struct pb_inquiry *q)
{
	if (!choose_route(q))
		return false;
	if (q->kind == PB_INQUIRY_WHO &&
	    q->choice.upstream.host[0] != '\0') {
		q->answer.servers.n = 1;
		q->answer.servers.url[0] = q->choice.upstream;
	}
	q->answer.identity.options = &q->answer.route->bridge;
	if (q->answer.servers.n == 0 && q->kind == PB_INQUIRY_WHO &&
	    !count(q, 1, &discovering, PB_INQUIRY_DISCOVERIES_MAX))
		return false;
	if (uses_accounts(q))
		return may_use_accounts(q);
	if (q->kind == PB_INQUIRY_KEYS)
		return refuse(q, PB_ERROR_PERMANENT, "SCRAM is for accounts, "
		    "and the login's route has identity = pass-through");
	if (!pass_through(q))
		return false;
	q->answer.good = true;
	return q->answer.servers.n == 0;
}

/* A certificate says who it is; an authorization identity may only agree. */
static bool
take_names(struct pb_inquiry *q, const struct pb_inquiry_question *question)
{
	const struct pb_bridge_claim *claim = &question->claim;
	bool certificate = claim->proof == PB_BRIDGE_PROOF_CERTIFICATE;

	if (certificate && question->certified.len == 0)
		return refuse(q, PB_ERROR_AUTH,
		    "the client shows no certificate that names it");
	if (certificate && claim->authzid.len > 0 &&
	    !equal(claim->authzid, question->certified))
		return refuse(q, PB_ERROR_AUTH, "the client's certificate "
		    "names somebody else than the client says it is");
	if (pb_secret_set(&q->login, certificate ? question->certified
						 : claim->user) != PB_OK ||
	    pb_secret_set(&q->authzid, certificate ? pb_slice("", 0)
						   : claim->authzid) != PB_OK ||
	    pb_secret_set(&q->secret, claim->secret) != PB_OK ||
	    pb_secret_set(&q->challenge, claim->challenge) != PB_OK)
		return no_memory(q);
	return true;
}

struct pb_inquiry *
pb_inquiry_begin(uv_loop_t *loop, const struct pb_inquiry_question *question,
    void (*ready)(void *owner), void *owner)
{
	struct pb_inquiry *q = pb_alloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	q->kind = q->answer.kind = question->kind;
	q->snapshot = pb_snapshot_ref(question->snapshot);
	q->listener = question->listener;
	memcpy(q->address, question->address, sizeof(q->address));
	q->proof = question->claim.proof;
	q->ready = ready;
	q->owner = owner;
	q->work.data = q;
	if (take_names(q, question) && begin(q)) {
		pb_check(uv_queue_work(loop, &q->work, work, after_work) == 0);
		q->working = true;
	} else {
		q->answered = true;
	}
	return q;
}

struct pb_inquiry_answer *
pb_inquiry_answer(struct pb_inquiry *q)
{
	return q->answered ? &q->answer : NULL;
}

void
pb_inquiry_leave(struct pb_inquiry **qp)
{
	struct pb_inquiry *q = *qp;

	*qp = NULL;
	if (q == NULL)
		return;
	q->owner = NULL;
	if (!q->working)
		release(q);
	else
		/* Where it runs already, its callback comes all the same. */
		(void)uv_cancel((uv_req_t *)&q->work);
}
