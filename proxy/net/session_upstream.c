#include "session_priv.h"

#include <inttypes.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"

/* An address that does not answer must leave time for the next one. */
#define ATTEMPT_MS 10000

/*
 * Who waits for a connection looks so often; he notices no such delay, and a
 * thousand who wait cost nothing.
 */
#define RETRY_MS 200

struct pb_slice
pb_session_server_name(const struct pb_session *s, char url[PB_URL_TEXT_SIZE])
{
	if (s->target->domain[0] != '\0')
		return pb_slice_str(s->target->domain);
	pb_url_format(&s->target->server[0], url);
	return pb_slice_str(url);
}

/* What the account is known by, and the credential. */
static bool
make_digests(struct pb_session *s)
{
	struct pb_limits *limits = pb_worker_limits(s->worker);
	const struct pb_bridge_identity *identity = &s->bridge.identity;
	struct pb_slice user = pb_secret_reveal(&identity->user);
	struct pb_slice authzid = pb_secret_reveal(&identity->authzid);
	char url[PB_URL_TEXT_SIZE];
	struct pb_slice server = pb_session_server_name(s, url);

	return pb_limits_digest(limits, server, user, authzid,
	    pb_slice("", 0), s->account.octets) &&
	    pb_limits_digest(limits, server, user, authzid,
		pb_secret_reveal(&identity->password), s->digest);
}

static struct pb_pool_identity
pool_identity(const struct pb_session *s)
{
	struct pb_pool_identity identity = { .account = s->account,
		.auth = s->bridge.identity.auth, .trust = s->route->tls };

	memcpy(identity.credential, s->digest, sizeof(identity.credential));
	return identity;
}

static void
fail(struct pb_session *s, const struct pb_error *err)
{
	pb_session_stop_counting(s);
	pb_bridge_upstream_lost(&s->bridge, err, pb_session_now(s));
}

static void
fail_for_memory(struct pb_session *s)
{
	struct pb_error err;

	pb_error_set(&err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
	    "no memory for a connection to the mail server");
	fail(s, &err);
}

static void
forget_upstream(struct pb_session *s)
{
	s->upstream = NULL;
	s->upstream_open = false;
	s->securing = false;
	s->resumed = false;
}

bool
pb_session_connect_next(struct pb_session *s)
{
	struct pb_session_target *t = s->target;
	uint64_t attempt = s->snapshot->bridge.connect_ms;

	if (t->tried == t->n)
		return false;
	/* Only one of them at a time: it stays counted. */
	if (s->upstream != NULL)
		pb_upstream_leave(s->upstream);
	forget_upstream(s);
	s->upstream = pb_upstream_open(pb_worker_loop(s->worker),
	    &t->server[t->tried++],
	    t->domain[0] != '\0' ? t->domain : NULL, s->route->tls,
	    attempt < ATTEMPT_MS ? attempt : ATTEMPT_MS, pb_session_ready, s);
	return s->upstream != NULL;
}

/* The user's last session may have left one.  False: it has not. */
static bool
resume(struct pb_session *s)
{
	const struct pb_session_target *t = s->target;
	struct pb_pool_identity identity = pool_identity(s);
	struct pb_pool *pool = pb_worker_pool(s->worker);
	struct pb_pool_connection connection;
	uint64_t now = pb_session_now(s);

	if (!pb_pool_take(pool, &identity, t->server, t->n,
	    t->domain, &connection, now))
		return false;
	s->upstream = pb_upstream_resume(pb_worker_loop(s->worker),
	    &connection, pb_session_ready, s);
	if (s->upstream == NULL) {
		pb_pool_close(pool, &connection, now);
		return false;
	}
	pb_session_stop_counting(s);
	s->upstream_visit = connection.visit;
	s->verified_at = connection.verified_at;
	s->resumed = true;
	s->upstream_open = true;
	pb_log(PB_LOG_DEBUG, "kept connection taken up",
	    PB_LOG_STR("id", s->id_text),
	    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)));
	pb_bridge_resumed(&s->bridge, pb_upstream_imap(s->upstream), now);
	return true;
}

static void
left_alone(struct pb_session *s, uint64_t until)
{
	uint64_t ms = until - pb_session_now(s);
	struct pb_error err;

	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "the mail server has asked for less of this user, and is not asked "
	    "for another %" PRIu64 " s", (ms + 999) / 1000);
	fail(s, &err);
}

static void
wait_for_another(struct pb_session *s)
{
	uint64_t now = pb_session_now(s);
	struct pb_error err;

	if (now < s->give_up_at) {
		s->retry_at = now + RETRY_MS;
		return;
	}
	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "the user has %u connections to the mail server, and may have no "
	    "more (max-upstream-connections)",
	    s->route->config->max_upstream_connections);
	fail(s, &err);
}

/* What is kept for another credential gives way to who is here. */
static enum pb_upstreams_turn
enter(struct pb_session *s, uint64_t *until)
{
	struct pb_upstreams *upstreams = pb_worker_upstreams(s->worker);
	struct pb_pool_identity identity = pool_identity(s);
	unsigned limit = s->route->config->max_upstream_connections;
	size_t max = limit > 0 ? limit : SIZE_MAX;
	uint64_t now = pb_session_now(s);
	enum pb_upstreams_turn turn = pb_upstreams_enter(upstreams,
	    &s->upstream_visit, &s->account, max, now, until);

	if (turn == PB_UPSTREAMS_FULL && pb_pool_make_room(
	    pb_worker_pool(s->worker), &identity, now))
		turn = pb_upstreams_enter(upstreams, &s->upstream_visit,
		    &s->account, max, now, until);
	return turn;
}

static void
try_to_connect(struct pb_session *s)
{
	uint64_t now = pb_session_now(s);
	uint64_t until = 0;

	s->retry_at = UINT64_MAX;
	if (pb_upstreams_look(pb_worker_upstreams(s->worker),
	    &s->upstream_visit, &s->account, now, &until) ==
	    PB_UPSTREAMS_GO && !pb_bridge_wants_fresh(&s->bridge) &&
	    resume(s))
		return;
	switch (enter(s, &until)) {
	case PB_UPSTREAMS_GO:
		s->verified_at = now;
		if (!pb_session_connect_next(s))
			fail_for_memory(s);
		return;
	case PB_UPSTREAMS_FULL:
		wait_for_another(s);
		return;
	case PB_UPSTREAMS_LATER:
		left_alone(s, until);
		return;
	case PB_UPSTREAMS_NO_MEMORY:
		fail_for_memory(s);
		return;
	}
}

/* Whose mailbox is it?  When it is connected to again, that is known. */
static bool
name_mailbox(struct pb_session *s)
{
	if (pb_bridge_is_reviving(&s->bridge))
		return true;
	s->has_digest = make_digests(s);
	return s->has_digest && pb_session_name_maildrop(s);
}

void
pb_session_connect(struct pb_session *s)
{
	uint64_t now = pb_session_now(s);
	struct pb_error err;

	pb_check(s->upstream == NULL && s->target != NULL);
	s->target->tried = 0;
	if (!name_mailbox(s)) {
		fail_for_memory(s);
		return;
	}
	/* The server has said no to this very password a moment ago. */
	if (pb_limits_is_refused(pb_worker_limits(s->worker), s->digest,
	    now)) {
		pb_error_set(&err, PB_ERROR_AUTH, PB_SCOPE_ACCOUNT,
		    "the mail server has refused this password a moment ago "
		    "and is not asked again so soon");
		fail(s, &err);
		return;
	}
	/* The bridge would not know why there is none in time. */
	s->give_up_at = now + s->snapshot->bridge.connect_ms - RETRY_MS;
	if (pb_bridge_is_reviving(&s->bridge) || !pb_session_recall(s))
		try_to_connect(s);
}

void
pb_session_connect_known(struct pb_session *s)
{
	try_to_connect(s);
}

bool
pb_session_retry(struct pb_session *s)
{
	if (pb_session_now(s) < s->retry_at)
		return false;
	try_to_connect(s);
	return true;
}

void
pb_session_note_throttling(struct pb_session *s)
{
	uint64_t ms;

	if (!s->bridge.throttled || !s->has_digest)
		return;
	s->bridge.throttled = false;
	ms = pb_upstreams_throttled(pb_worker_upstreams(s->worker),
	    &s->account, pb_session_now(s));
	if (ms > 0)
		pb_log(PB_LOG_WARN, "the mail server asks for less, and gets "
		    "no login of the user for a while",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
		    PB_LOG_NUM("ms", ms));
}

/* The session is at its end: how did the server take it? */
static void
judge(struct pb_session *s)
{
	pb_session_note_throttling(s);
	if (s->upstream_visit.counted && !pb_bridge_is_private(&s->bridge))
		pb_upstreams_well(pb_worker_upstreams(s->worker), &s->account,
		    s->started);
}

void
pb_session_stop_counting(struct pb_session *s)
{
	judge(s);
	s->retry_at = UINT64_MAX;
	pb_upstreams_leave(pb_worker_upstreams(s->worker), &s->upstream_visit,
	    pb_session_now(s));
}

void
pb_session_park_upstream(struct pb_session *s)
{
	const struct pb_route_config *route = s->route->config;
	const struct pb_pool_identity identity = pool_identity(s);
	const struct pb_pool_terms terms = {
		.max = s->snapshot->config->max_kept_connections,
		.max_of_account = route->preset != NULL &&
		    route->preset->keeps_one ? 1 : PB_POOL_PER_ACCOUNT,
		.keep_ms = (uint64_t)route->upstream_keep * 1000 };
	struct pb_pool_connection connection;

	if (s->bridge.throttled ||
	    !pb_upstream_park(s->upstream, &connection)) {
		pb_imap_client_logout(pb_upstream_imap(s->upstream));
		pb_session_leave_upstream(s);
		return;
	}
	judge(s);
	forget_upstream(s);
	connection.verified_at = s->verified_at;
	connection.visit = s->upstream_visit;
	s->upstream_visit = (struct pb_upstreams_visit){ .counted = false };
	pb_pool_put(pb_worker_pool(s->worker), &identity, &connection, &terms,
	    pb_session_now(s));
}

void
pb_session_credential_verified(struct pb_session *s)
{
	const struct pb_pool_identity identity = pool_identity(s);

	if (!s->resumed)
		pb_pool_verified(pb_worker_pool(s->worker), &identity,
		    pb_session_now(s));
	s->verified = true;
	/* Thousands of idle sessions have no use for it. */
	if (!s->bridge.options->revive) {
		pb_free(s->target);
		s->target = NULL;
	}
}

void
pb_session_credential_refused(struct pb_session *s)
{
	const struct pb_pool_identity identity = pool_identity(s);

	pb_pool_refused(pb_worker_pool(s->worker), &identity,
	    pb_session_now(s));
}
