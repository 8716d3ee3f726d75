#include "session_priv.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/route.h"

void
pb_session_identify(struct pb_session *s, enum pb_inquiry_kind kind)
{
	struct pb_inquiry_question question = { .kind = kind,
		.snapshot = s->snapshot,
		.listener = s->listener->config->name,
		.claim = pb_bridge_claim(&s->bridge) };
	char name[256];
	struct pb_error err;

	s->has_digest = false;
	s->route = NULL;
	memcpy(question.address, s->address, sizeof(question.address));
	if (question.claim.proof == PB_BRIDGE_PROOF_CERTIFICATE &&
	    !s->introduced && s->client.tls != NULL && pb_tls_peer_name(s->client.tls, name)) {
		question.certified = pb_slice_str(name);
		pb_bridge_name(&s->bridge, question.certified);
	}
	pb_inquiry_leave(&s->inquiry);
	s->inquiry = pb_inquiry_begin(pb_worker_loop(s->worker)->uv,
	    &question, pb_session_ready, s);
	if (s->inquiry != NULL)
		return;
	pb_error_set(&err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
	    "no memory for the login");
	pb_bridge_unknown(&s->bridge, &err, pb_session_now(s));
}

/* The session goes to the server of the answer, or to none. */
static void
go_to(struct pb_session *s, struct pb_inquiry_answer *answer)
{
	const struct pb_discovery *servers = &answer->servers;
	struct pb_error err;

	pb_free(s->target);
	s->target = pb_alloc(sizeof(*s->target) +
	    servers->n * sizeof(s->target->server[0]));
	if (s->target == NULL) {
		pb_error_set(&err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory for the login");
		pb_bridge_unknown(&s->bridge, &err, pb_session_now(s));
		return;
	}
	s->target->n = servers->n;
	memcpy(s->target->server, servers->url,
	    servers->n * sizeof(servers->url[0]));
	memcpy(s->target->domain, answer->domain, sizeof(answer->domain));
	pb_bridge_identified(&s->bridge, &answer->identity,
	    pb_session_now(s));
}

bool
pb_session_hear_inquiry(struct pb_session *s)
{
	struct pb_inquiry_answer *answer;

	if (s->inquiry == NULL)
		return false;
	answer = pb_inquiry_answer(s->inquiry);
	if (answer == NULL)
		return false;
	s->route = answer->route;
	if (!answer->good)
		pb_bridge_unknown(&s->bridge, &answer->error,
		    pb_session_now(s));
	else if (answer->kind == PB_INQUIRY_KEYS)
		pb_bridge_keys(&s->bridge, &answer->keys, pb_session_now(s));
	else
		go_to(s, answer);
	pb_inquiry_leave(&s->inquiry);
	return true;
}

/*
 * However the client writes its login, it guesses at one user: separators, and
 * a domain of Windows, which may be any, would make others of him.
 */
static uint64_t
delay_of_failure(struct pb_session *s)
{
	struct pb_slice user = pb_bridge_user(&s->bridge);
	struct pb_route_choice choice;

	if (pb_route_choose(s->snapshot->config, s->listener->config->name,
	    user, &choice) == PB_OK)
		user = pb_slice(choice.login, choice.login_len);
	return pb_limits_failed(pb_worker_limits(s->worker),
	    &s->visit.network, user, pb_session_now(s));
}

/* The server is not shown it again, and what it was good for is closed. */
static void
remember_refusal(struct pb_session *s)
{
	if (!s->has_digest)
		return;
	pb_limits_remember(pb_worker_limits(s->worker), s->digest,
	    pb_session_now(s));
	pb_session_credential_refused(s);
}

void
pb_session_note_refusal(struct pb_session *s)
{
	if (!s->bridge.refused)
		return;
	/* The client has shown nothing: it is no failure of its own. */
	s->bridge.refused = false;
	remember_refusal(s);
}

void
pb_session_hold_back(struct pb_session *s)
{
	uint64_t now = pb_session_now(s);

	remember_refusal(s);
	/* A stored credential that is wrong is nothing the client has done. */
	if (s->has_digest && s->bridge.identity.ours)
		pb_bridge_hold(&s->bridge, 0, now);
	else
		pb_bridge_hold(&s->bridge, delay_of_failure(s), now);
}

void
pb_session_unlock(struct pb_session *s)
{
	pb_limits_logout(pb_worker_limits(s->worker), &s->visit);
	if (!s->locked)
		return;
	pb_locks_release(pb_worker_locks(s->worker),
	    pb_session_maildrop_key(s), s->id);
	s->locked = false;
}

/* Who waits for his turn looks so often; it is a matter of round trips. */
#define TURN_MS 50

/* No maildrop's own key ends so. */
static struct pb_slice
turn_key(const struct pb_session *s)
{
	return pb_slice(s->maildrop_key, s->maildrop_key_len + 1);
}

void
pb_session_leave_turn(struct pb_session *s)
{
	s->turn_at = UINT64_MAX;
	if (s->has_turn)
		pb_locks_release(pb_worker_locks(s->worker), turn_key(s),
		    s->id);
	s->has_turn = false;
}

void
pb_session_want_turn(struct pb_session *s)
{
	s->turn_at = pb_session_now(s);
}

bool
pb_session_take_turn(struct pb_session *s)
{
	uint64_t now = pb_session_now(s);
	struct pb_lock_holder self = { .id = s->id, .since_ms = now };
	struct pb_lock_holder other;

	if (s->bridge.commit == NULL ||
	    s->bridge.state == PB_BRIDGE_ENDED) {
		pb_session_leave_turn(s);
		return false;
	}
	if (now < s->turn_at)
		return false;
	switch (pb_locks_acquire(pb_worker_locks(s->worker), turn_key(s),
	    PB_LOCK_EXCLUSIVE, &self, &other)) {
	case PB_LOCK_IN_USE:
		s->turn_at = now + TURN_MS;
		return false;
	case PB_LOCK_GRANTED:
	case PB_LOCK_TAKEN_OVER:
		s->has_turn = true;
		break;
	/* That others are there at the same moment is not likely. */
	case PB_LOCK_FULL:
		break;
	}
	s->turn_at = UINT64_MAX;
	pb_bridge_turn(&s->bridge, now);
	return true;
}

/* The user's sessions are counted when he has shown his password. */
static bool
count_session(struct pb_session *s, struct pb_error *err)
{
	unsigned max = s->route->config->max_connections_per_user;

	switch (pb_limits_login(pb_worker_limits(s->worker), &s->visit,
	    pb_session_maildrop_key(s), max)) {
	case PB_LIMITS_WELCOME:
		return true;
	case PB_LIMITS_TOO_MANY_OF_USER:
		pb_error_set(err, PB_ERROR_IN_USE, PB_SCOPE_ACCOUNT,
		    "the user has %u sessions, and may have no more "
		    "(max-connections-per-user)", max);
		return false;
	case PB_LIMITS_TOO_MANY:
	case PB_LIMITS_TOO_MANY_OF_NETWORK:
	case PB_LIMITS_TOO_MANY_UNAUTHENTICATED:
	case PB_LIMITS_NO_MEMORY:
	case PB_LIMITS_MEMORY_SHORT:
		break;
	}
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
	    "no memory to count the user's sessions");
	return false;
}

/* Another loop's clock may be some milliseconds ahead. */
static uint64_t
held_for(const struct pb_session *s, const struct pb_lock_holder *other)
{
	uint64_t now = pb_session_now(s);

	return now > other->since_ms ? now - other->since_ms : 0;
}

static bool
take_lock(struct pb_session *s, struct pb_error *err)
{
	struct pb_lock_holder self = { .id = s->id,
		.since_ms = pb_session_now(s) };
	struct pb_lock_holder other;

	snprintf(self.address, sizeof(self.address), "%s", s->peer);
	switch (pb_locks_acquire(pb_worker_locks(s->worker), pb_session_maildrop_key(s),
	    s->route->config->lock, &self, &other)) {
	case PB_LOCK_GRANTED:
		return true;
	case PB_LOCK_TAKEN_OVER:
		pb_log(PB_LOG_INFO, "maildrop taken over",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
		    PB_LOG_STR("from", other.address),
		    PB_LOG_NUM("for_ms", held_for(s, &other)));
		pb_worker_ask_evict(s->worker, other.id);
		return true;
	case PB_LOCK_IN_USE:
		pb_log(PB_LOG_INFO, "maildrop in use",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
		    PB_LOG_STR("by", other.address),
		    PB_LOG_NUM("for_ms", held_for(s, &other)));
		pb_worker_ask_doubt(s->worker, other.id);
		break;
	case PB_LOCK_FULL:
		pb_log(PB_LOG_ERROR, "no room for another maildrop lock",
		    PB_LOG_STR("id", s->id_text));
		break;
	}
	pb_error_set(err, PB_ERROR_IN_USE, PB_SCOPE_ACCOUNT,
	    "another session has the maildrop");
	return false;
}

void
pb_session_lock(struct pb_session *s)
{
	struct pb_error err;

	s->locked = count_session(s, &err) && take_lock(s, &err);
	if (!s->locked)
		pb_session_unlock(s);
	pb_bridge_locked(&s->bridge, s->locked ? NULL : &err,
	    pb_session_now(s));
}
