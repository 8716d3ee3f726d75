#include "support/edge.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

#define MINUTE UINT64_C(60000)
#define PEER_MAX (256u * 1024 * 1024)

void (*pbt_edge_overhear)(const struct pbt_edge *e, bool client,
    struct pb_slice octets);

void
pbt_edge_init(struct pbt_edge *e)
{
	pb_mem_spare(true);
	*e = (struct pbt_edge){ .now = 1000 };
	e->upstream_tls = PB_IMAP_TLS_IMPLICIT;
	e->door = (struct pb_bridge_door){ .mechanisms = "PLAIN LOGIN",
		.nonce = "0123456789abcdef0123456789abcdef" };
	e->options = (struct pb_bridge_options){ .mailbox = "INBOX",
		.idle_ms = 10 * MINUTE,
		.handshake_ms = 30 * 1000, .upstream_ms = 60 * MINUTE,
		.connect_ms = 60 * MINUTE,
		.stall_ms = 60 * MINUTE, .login_ms = 60 * MINUTE };
	pb_buffer_init(&e->from_client, PEER_MAX);
	pb_buffer_init(&e->from_upstream, PEER_MAX);
	pb_buffer_init(&e->to_client, PEER_MAX);
	pb_buffer_init(&e->to_upstream, PEER_MAX);
	e->grammar = pb_imap_grammar_new();
	e->writer = pb_imap_writer_new();
	pb_check(e->grammar != NULL && e->writer != NULL);
}

/* The peers' memory is not the session's. */
static void
put(struct pb_buffer *b, struct pb_slice octets)
{
	pb_mem_spare(true);
	pbt_put(b, octets);
	pb_mem_spare(false);
}

static void
move(const struct pbt_edge *e, struct pb_buffer *from, struct pb_buffer *to)
{
	if (pbt_edge_overhear != NULL)
		pbt_edge_overhear(e, to == &e->to_client,
		    pb_buffer_slice(from));
	put(to, pb_buffer_slice(from));
	/* A socket takes them with their memory. */
	pb_buffer_release(from);
}

/* Words of a command behind its tag that change a mailbox. */
static bool
is_harmful(struct pb_slice line)
{
	struct pb_slice word;

	pb_slice_word(&line);
	word = pb_slice_word(&line);
	if (pb_slice_is(word, "UID"))
		word = pb_slice_word(&line);
	return pb_slice_starts(word, "STORE") ||
	    pb_slice_starts(word, "COPY") || pb_slice_starts(word, "MOVE") ||
	    pb_slice_starts(word, "CREATE") ||
	    pb_slice_starts(word, "EXPUNGE") ||
	    pb_slice_starts(word, "CLOSE") || pb_slice_starts(word, "DELETE");
}

static void
check_harmless(const struct pbt_edge *e, struct pb_slice out)
{
	if (e->imap.state != PB_IMAP_STATE_READY || e->owed != NULL ||
	    (e->bridge.pop3.state == PB_POP3_UPDATE &&
		e->bridge.state != PB_BRIDGE_PROMISING) ||
	    e->bridge.pop3.state == PB_POP3_CLOSED)
		return;
	while (out.len > 0) {
		size_t end = pb_slice_find(out, '\n');

		pb_check(end < out.len);
		pb_check(!is_harmful(pb_slice_sub(out, 0, end)));
		pb_slice_skip(&out, end + 1);
	}
}

static void
flush_upstream(struct pbt_edge *e)
{
	if (!e->has_imap)
		return;
	check_harmless(e, pb_buffer_slice(&e->imap.out));
	move(e, &e->imap.out, &e->to_upstream);
}

static void
forget_upstream(struct pbt_edge *e)
{
	if (e->has_imap)
		pb_imap_client_fini(&e->imap);
	e->has_imap = false;
	pb_buffer_clear(&e->from_upstream);
}

static bool
flush_client(struct pbt_edge *e)
{
	/* Nothing is said before the handshake that TLS begins with. */
	if (e->client_tls_asked && e->door.tls == PB_POP3_TLS_ACTIVE)
		return false;
	if (e->client_stopped) {
		pb_bridge_client_flow(&e->bridge, e->bridge.client_out.len,
		    e->now);
		return false;
	}
	if (e->bridge.client_out.len == 0)
		return false;
	move(e, &e->bridge.client_out, &e->to_client);
	pb_bridge_client_flow(&e->bridge, 0, e->now);
	return true;
}

/* As with a server that knows its users itself. */
static void
pass_through(struct pbt_edge *e)
{
	struct pb_bridge_claim claim = pb_bridge_claim(&e->bridge);
	struct pb_bridge_identity identity = { .options = &e->options,
		.auth = claim.proof == PB_BRIDGE_PROOF_TOKEN
		    ? PB_IMAP_AUTH_TOKEN : PB_IMAP_AUTH_AUTO };
	struct pb_error error;

	if (pb_secret_set(&identity.user, claim.user) == PB_OK &&
	    pb_secret_set(&identity.password, claim.secret) == PB_OK &&
	    pb_secret_set(&identity.authzid, claim.authzid) == PB_OK) {
		pb_bridge_identified(&e->bridge, &identity, e->now);
		return;
	}
	pb_bridge_identity_clear(&identity);
	pb_error_set(&error, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT, "no memory");
	pb_bridge_unknown(&e->bridge, &error, e->now);
}

/* Each has one outcome: those that are open are not to be noted. */
static void
note(struct pbt_edge *e)
{
	struct pb_promises *promises = pb_bridge_take_promises(&e->bridge);
	size_t i;

	for (i = 0; promises != NULL && i < promises->n; i++) {
		if (promises->list[i].outcome != PB_PROMISE_OPEN)
			e->noted = promises->list[i].outcome;
	}
	pb_promises_free(&promises);
}

static void
do_action(struct pbt_edge *e, enum pb_bridge_action action)
{
	pb_check(!e->ended);
	switch (action) {
	case PB_BRIDGE_NOTHING:
		return;
	case PB_BRIDGE_INTRODUCE:
		pb_check(!e->introduction_asked);
		e->introduction_asked = true;
		return;
	case PB_BRIDGE_FIND_KEYS:
		pb_check(!e->keys_asked);
		e->keys_asked = true;
		return;
	case PB_BRIDGE_IDENTIFY:
		pb_check(!e->who_asked);
		if (e->who_waits)
			e->who_asked = true;
		else
			pass_through(e);
		return;
	case PB_BRIDGE_CONNECT:
		pb_check(!e->has_imap && !e->connect_asked);
		e->connect_asked = true;
		return;
	case PB_BRIDGE_STARTTLS:
		pb_check(e->has_imap && !e->starttls_asked);
		e->starttls_asked = true;
		return;
	case PB_BRIDGE_CLIENT_TLS:
		pb_check(!e->client_tls_asked);
		e->client_tls_asked = true;
		return;
	case PB_BRIDGE_LOCK:
		pb_check(!e->lock_asked);
		e->lock_asked = true;
		return;
	case PB_BRIDGE_TURN:
		pb_bridge_turn(&e->bridge, e->now);
		return;
	case PB_BRIDGE_HOLD:
		pb_bridge_hold(&e->bridge, e->hold_ms, e->now);
		return;
	case PB_BRIDGE_REMEMBER:
		pb_listing_unref(&e->known);
		e->known = pb_listing_ref(pb_bridge_listing(&e->bridge));
		e->remembered++;
		return;
	case PB_BRIDGE_PROMISE:
		pb_check(!e->promise_asked && pb_bridge_promise(&e->bridge)->n
		    == e->bridge.maildrop.n_deleted);
		e->promise_asked = true;
		return;
	case PB_BRIDGE_NOTE:
		note(e);
		return;
	case PB_BRIDGE_DROP_UPSTREAM:
		flush_upstream(e);
		e->drops += e->has_imap;
		forget_upstream(e);
		e->who_asked = false;
		e->keys_asked = false;
		e->introduction_asked = false;
		e->connect_asked = false;
		e->starttls_asked = false;
		e->lock_asked = false;
		return;
	case PB_BRIDGE_PARK_UPSTREAM:
		pb_check(e->has_imap && e->imap.out.len == 0 && !e->parked);
		e->parked = true;
		return;
	case PB_BRIDGE_END:
		pb_check(!e->connect_asked);
		e->ended = true;
		return;
	}
}

static bool
take(struct pbt_edge *e, struct pb_buffer *from,
    void (*feed)(struct pb_bridge *, struct pb_slice *, uint64_t))
{
	struct pb_slice octets = pb_buffer_slice(from);
	char *exact = pbt_exact(octets);
	struct pb_slice in = pb_slice(exact, octets.len);
	size_t taken;

	feed(&e->bridge, &in, e->now);
	pb_check(in.len <= octets.len);
	taken = octets.len - in.len;
	free(exact);
	/* A dropped connection's octets are not for the next one. */
	if (taken <= from->len)
		pb_buffer_consume(from, taken);
	return taken > 0;
}

static bool
turn(struct pbt_edge *e)
{
	enum pb_bridge_action action;
	bool progress = false;

	if (e->from_client.len > 0 && pb_bridge_wants_client(&e->bridge))
		progress |= take(e, &e->from_client, pb_bridge_client_in);
	if (e->client_eof && !e->client_eof_told && e->from_client.len == 0) {
		e->client_eof_told = true;
		pb_bridge_client_eof(&e->bridge, e->now);
		progress = true;
	}
	if (e->has_imap && e->from_upstream.len > 0 &&
	    pb_bridge_wants_upstream(&e->bridge))
		progress |= take(e, &e->from_upstream, pb_bridge_upstream_in);
	pb_bridge_run(&e->bridge, e->now);
	flush_upstream(e);
	progress |= flush_client(e);
	for (;;) {
		action = pb_bridge_next_action(&e->bridge);
		if (action == PB_BRIDGE_NOTHING)
			return progress;
		do_action(e, action);
		progress = true;
	}
}

static void
pump(struct pbt_edge *e)
{
	while (!e->ended && turn(e))
		continue;
	if (e->ended && !e->client_stopped)
		move(e, &e->bridge.client_out, &e->to_client);
}

void
pbt_edge_start(struct pbt_edge *e)
{
	pb_mem_spare(false);
	if (e->readahead.max > 0)
		e->options.readahead = &e->readahead;
	pb_bridge_init(&e->bridge, &e->options, "s1", "192.0.2.7", e->now);
	pb_bridge_greet(&e->bridge, &e->door, e->now);
	e->client_tls_asked = e->door.tls == PB_POP3_TLS_ACTIVE;
	pump(e);
}

void
pbt_edge_fini(struct pbt_edge *e)
{
	forget_upstream(e);
	pb_bridge_fini(&e->bridge);
	pb_check(e->readahead.used == 0);
	pb_listing_unref(&e->known);
	pb_promises_free(&e->owed);
	pb_buffer_fini(&e->from_client);
	pb_buffer_fini(&e->from_upstream);
	pb_buffer_fini(&e->to_client);
	pb_buffer_fini(&e->to_upstream);
	pb_imap_grammar_free(&e->grammar);
	pb_imap_writer_free(&e->writer);
}

void
pbt_edge_client(struct pbt_edge *e, struct pb_slice octets)
{
	if (e->ended)
		return;
	put(&e->from_client, octets);
	pump(e);
}

void
pbt_edge_upstream(struct pbt_edge *e, struct pb_slice octets)
{
	if (!e->has_imap)
		return;
	put(&e->from_upstream, octets);
	pump(e);
}

void
pbt_edge_is(struct pbt_edge *e, const char *user, const char *password)
{
	struct pb_bridge_identity identity = { .options = &e->options,
		.ours = true };

	pb_check(e->who_asked);
	e->who_asked = false;
	pb_mem_spare(true);
	pb_check(pb_secret_set(&identity.user, pb_slice_str(user)) == PB_OK &&
	    pb_secret_set(&identity.password, pb_slice_str(password)) ==
	    PB_OK);
	pb_mem_spare(false);
	pb_bridge_identified(&e->bridge, &identity, e->now);
	pump(e);
}

void
pbt_edge_is_unknown(struct pbt_edge *e, enum pb_error_kind kind,
    const char *why)
{
	struct pb_error error;

	pb_check(e->who_asked || e->keys_asked);
	e->who_asked = e->keys_asked = false;
	pb_error_set(&error, kind, PB_SCOPE_ACCOUNT, "%s", why);
	pb_bridge_unknown(&e->bridge, &error, e->now);
	pump(e);
}

void
pbt_edge_keys(struct pbt_edge *e, const struct pb_sasl_keys *keys)
{
	pb_check(e->keys_asked);
	e->keys_asked = false;
	pb_bridge_keys(&e->bridge, keys, e->now);
	pump(e);
}

void
pbt_edge_introduced(struct pbt_edge *e, bool accepted)
{
	pb_check(e->introduction_asked);
	e->introduction_asked = false;
	pb_bridge_introduced(&e->bridge, accepted, e->now);
	pump(e);
}

/* The next connection has them again, unless the maildrop is open. */
static void
give_promises(struct pbt_edge *e)
{
	struct pb_promises *copy;
	size_t i;

	if (e->owed == NULL || pb_bridge_is_reviving(&e->bridge))
		return;
	pb_mem_spare(true);
	copy = pb_promises_new(e->owed->n);
	for (i = 0; i < copy->n; i++) {
		struct pb_promise *to = &copy->list[i];
		size_t size = e->owed->list[i].n * sizeof(*to->uids);

		*to = e->owed->list[i];
		to->uids = pb_xalloc(size);
		memcpy(to->uids, e->owed->list[i].uids, size);
	}
	pb_mem_spare(false);
	pb_bridge_owes(&e->bridge, &copy);
}

void
pbt_edge_connected(struct pbt_edge *e)
{
	pb_check(e->connect_asked);
	e->connect_asked = false;
	pb_imap_client_init(&e->imap, e->grammar, e->writer, e->upstream_tls);
	e->has_imap = true;
	if (e->known != NULL && !pb_bridge_is_reviving(&e->bridge))
		pb_bridge_knows(&e->bridge, e->known);
	give_promises(e);
	pb_bridge_connected(&e->bridge, &e->imap, e->now);
	pump(e);
}

void
pbt_edge_resumed(struct pbt_edge *e)
{
	pb_check(e->connect_asked && !pb_bridge_wants_fresh(&e->bridge));
	e->connect_asked = false;
	pb_imap_client_init(&e->imap, e->grammar, e->writer, e->upstream_tls);
	e->imap.state = PB_IMAP_STATE_READY;
	e->imap.capabilities = PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_UIDPLUS;
	e->imap.capabilities_known = true;
	e->has_imap = true;
	pb_bridge_resumed(&e->bridge, &e->imap, e->now);
	pump(e);
}

static void
lost(struct pbt_edge *e, enum pb_error_kind kind, const char *why)
{
	struct pb_error error;

	pb_error_set(&error, kind, PB_SCOPE_CONNECTION, "%s", why);
	pb_bridge_upstream_lost(&e->bridge, &error, e->now);
	forget_upstream(e);
	pump(e);
}

void
pbt_edge_refused(struct pbt_edge *e, enum pb_error_kind kind, const char *why)
{
	pb_check(e->connect_asked);
	e->connect_asked = false;
	lost(e, kind, why);
}

void
pbt_edge_secured(struct pbt_edge *e)
{
	pb_check(e->starttls_asked);
	e->starttls_asked = false;
	pb_bridge_secured(&e->bridge, e->now);
	pump(e);
}

void
pbt_edge_client_secured(struct pbt_edge *e)
{
	pb_check(e->client_tls_asked);
	e->client_tls_asked = false;
	pb_bridge_client_secured(&e->bridge, e->door.mechanisms, e->now);
	pump(e);
}

void
pbt_edge_locked(struct pbt_edge *e, bool granted)
{
	struct pb_error error;

	pb_check(e->lock_asked);
	e->lock_asked = false;
	pb_error_set(&error, PB_ERROR_IN_USE, PB_SCOPE_ACCOUNT,
	    "another session has the maildrop");
	pb_bridge_locked(&e->bridge, granted ? NULL : &error, e->now);
	pump(e);
}

void
pbt_edge_promised(struct pbt_edge *e, bool durable)
{
	struct pb_error error;

	pb_check(e->promise_asked);
	e->promise_asked = false;
	e->promised = durable;
	pb_error_set(&error, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
	    "the disk is full");
	pb_bridge_promised(&e->bridge, durable ? 1 : 0,
	    durable ? NULL : &error, e->now);
	pump(e);
}

void
pbt_edge_upstream_eof(struct pbt_edge *e)
{
	if (!e->has_imap)
		return;
	/* What arrived before the end is read first. */
	pump(e);
	lost(e, PB_ERROR_TEMPORARY, "the IMAP server closed the connection");
}

void
pbt_edge_client_eof(struct pbt_edge *e)
{
	e->client_eof = true;
	pump(e);
}

void
pbt_edge_client_gone(struct pbt_edge *e)
{
	if (e->ended)
		return;
	pb_buffer_clear(&e->from_client);
	pb_bridge_client_gone(&e->bridge, e->now);
	pump(e);
}

void
pbt_edge_client_stops(struct pbt_edge *e, bool stops)
{
	e->client_stopped = stops;
	pump(e);
}

void
pbt_edge_clock(struct pbt_edge *e, uint64_t ms)
{
	uint64_t end = e->now + ms;

	while (!e->ended) {
		uint64_t next = pb_bridge_deadline(&e->bridge);

		if (next > end)
			break;
		e->now = next > e->now ? next : e->now + 1;
		pb_bridge_run(&e->bridge, e->now);
		pump(e);
	}
	e->now = end;
}

void
pbt_edge_drain(struct pbt_edge *e)
{
	if (e->ended)
		return;
	pb_bridge_drain(&e->bridge, e->now);
	pump(e);
}
