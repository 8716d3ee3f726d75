#include "session_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/net/proxy_header.h"
#include "popbridge/service/door.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void
write_peer(struct pb_session *s)
{
	char host[64] = "unknown";

	if (memcmp(s->address, mapped, sizeof(mapped)) == 0) {
		(void)uv_inet_ntop(AF_INET, s->address + 12, host,
		    sizeof(host));
		snprintf(s->peer, sizeof(s->peer), "%.48s:%u", host,
		    (unsigned)s->port);
	} else {
		(void)uv_inet_ntop(AF_INET6, s->address, host, sizeof(host));
		snprintf(s->peer, sizeof(s->peer), "[%.48s]:%u", host,
		    (unsigned)s->port);
	}
}

static void
turn_away(struct pb_session *s, const char *why)
{
	pb_log(PB_LOG_WARN, "client refused", PB_LOG_STR("id", s->id_text),
	    PB_LOG_STR("client", s->peer), PB_LOG_STR("why", why));
	pb_bridge_stop(&s->bridge, why, pb_session_now(s));
}

static enum pb_pop3_tls
tls_of(const struct pb_session *s)
{
	switch (s->listener->config->url.tls) {
	case PB_URL_TLS_IMMEDIATE:
		return PB_POP3_TLS_ACTIVE;
	case PB_URL_TLS_UPGRADE:
		/* The proxy speaks TLS with the client. */
		return s->proxy_tls[0] != '\0' ? PB_POP3_TLS_NONE
					       : PB_POP3_TLS_REQUIRED;
	case PB_URL_TLS_NONE:
		break;
	}
	return s->listener->tls != NULL ? PB_POP3_TLS_OFFERED
					: PB_POP3_TLS_NONE;
}

static void
make_nonce(struct pb_session *s)
{
	unsigned char octets[(PB_SESSION_NONCE_SIZE - 1) / 2];
	size_t i;

	/* The kernel's: OpenSSL may have no memory for a generator. */
	pb_check(getrandom(octets, sizeof(octets), 0) ==
	    (ssize_t)sizeof(octets));
	for (i = 0; i < sizeof(octets); i++)
		snprintf(s->nonce + 2 * i, 3, "%02x", (unsigned)octets[i]);
}

static const char *
offered(const char *mechanisms)
{
	return mechanisms[0] != '\0' ? mechanisms : NULL;
}

static void
greet(struct pb_session *s)
{
	const struct pb_listener_config *config = s->listener->config;
	const struct pb_bridge_door door = { .tls = tls_of(s),
		.mechanisms = offered(s->listener->mechanisms),
		.nonce = s->nonce, .apop = config->apop,
		/* A proxy that says nothing of its client has no say. */
		.xclient = !s->behind_proxy &&
		    pb_door_takes_xclient(config, s->address) };

	make_nonce(s);
	s->tls_first = door.tls == PB_POP3_TLS_ACTIVE;
	s->client_handshake = s->tls_first;
	pb_log(PB_LOG_DEBUG, "client connected", PB_LOG_STR("id", s->id_text),
	    PB_LOG_STR("client", s->peer),
	    PB_LOG_STR("listener", config->name));
	pb_bridge_greet(&s->bridge, &door, pb_session_now(s));
}

void
pb_session_open_door(struct pb_session *s, const struct pb_session_guest *guest)
{
	memcpy(s->address, guest->address, sizeof(s->address));
	s->port = guest->port;
	write_peer(s);
	/* A password may come right behind it. */
	pb_buffer_init_secret(&s->header, PB_PROXY_HEADER_MAX);
	s->header_due = pb_door_wants_header(s->listener->config, s->address);
	if (!s->header_due)
		greet(s);
}

/* The client is elsewhere than who speaks for it. */
static bool
move_to(struct pb_session *s, const uint8_t address[16], uint16_t port)
{
	const struct pb_config *config = s->snapshot->config;
	const struct pb_limits_max max = {
		.connections = config->max_connections,
		.per_network = config->max_connections_per_address,
		.unauthenticated = config->max_unauthenticated };
	struct pb_limits_network network = pb_limits_ipv6(address);

	memcpy(s->address, address, sizeof(s->address));
	s->port = port;
	write_peer(s);
	if (!pb_door_is_open(s->listener->config, s->address)) {
		turn_away(s, "this listener is not for its address (allow, "
		    "deny)");
		return false;
	}
	if (pb_limits_move(pb_worker_limits(s->worker), &max, &s->visit,
	    &network) != PB_LIMITS_WELCOME) {
		turn_away(s, "too many connections from its address "
		    "(max-connections-per-address)");
		return false;
	}
	return true;
}

static void
header_taken(struct pb_session *s, const struct pb_proxy_header *header)
{
	s->header_due = false;
	s->behind_proxy = true;
	if (header->local && !pb_door_is_open(s->listener->config,
	    s->address)) {
		turn_away(s, "the proxy names no client, and the listener is "
		    "not for the proxy itself (allow, deny)");
		return;
	}
	if (!header->local && !move_to(s, header->source,
	    header->source_port))
		return;
	if (header->tls)
		snprintf(s->proxy_tls, sizeof(s->proxy_tls), "%s",
		    header->tls_version[0] != '\0' ? header->tls_version
						   : "TLS");
	greet(s);
}

bool
pb_session_take_header(struct pb_session *s)
{
	struct pb_slice fresh = pb_stream_peek(&s->client);
	size_t before = s->header.len;
	size_t room = PB_PROXY_HEADER_MAX - before;
	size_t take = fresh.len < room ? fresh.len : room;
	struct pb_proxy_header header;
	const char *why = "it is too long";
	struct pb_slice in;
	enum pb_status st = PB_EPROTO;

	if (fresh.len == 0)
		return false;
	if (pb_buffer_append(&s->header, fresh.data, take) != PB_OK) {
		pb_bridge_stop(&s->bridge, "no memory", pb_session_now(s));
		return true;
	}
	in = pb_buffer_slice(&s->header);
	st = pb_proxy_header_take(&in, &header, &why);
	if (st == PB_AGAIN && take < fresh.len)
		st = PB_EPROTO;
	/* What stands behind the header is the client's. */
	if (st == PB_OK)
		take = s->header.len - in.len - before;
	pb_stream_take(&s->client, take);
	if (st == PB_AGAIN)
		return true;
	if (st == PB_OK) {
		header_taken(s, &header);
	} else {
		char text[160];

		snprintf(text, sizeof(text), "no PROXY header, which "
		    "proxy-protocol wants from there: %s", why);
		pb_log(PB_LOG_WARN, "client refused",
		    PB_LOG_STR("id", s->id_text),
		    PB_LOG_STR("client", s->peer), PB_LOG_STR("why", text));
		pb_bridge_stop(&s->bridge, "no PROXY header",
		    pb_session_now(s));
	}
	pb_buffer_release(&s->header);
	return true;
}

void
pb_session_client_secured(struct pb_session *s)
{
	char name[256];
	bool named = pb_tls_peer_name(s->client.tls, name);

	pb_bridge_client_secured(&s->bridge, offered(named
	    ? s->listener->mechanisms_named : s->listener->mechanisms),
	    pb_session_now(s));
}

static bool
parse_address(const char *text, uint8_t address[16])
{
	if (uv_inet_pton(AF_INET6, text, address) == 0)
		return true;
	memcpy(address, mapped, sizeof(mapped));
	return uv_inet_pton(AF_INET, text, address + 12) == 0;
}

void
pb_session_introduce(struct pb_session *s)
{
	const char *text = s->bridge.client_address;
	uint8_t address[16];
	bool accepted = true;

	if (text[0] != '\0') {
		accepted = parse_address(text, address);
		s->introduced = true;
		if (accepted)
			accepted = move_to(s, address,
			    (uint16_t)s->bridge.client_port);
		else
			turn_away(s, "XCLIENT gives an address that is none");
	}
	pb_bridge_introduced(&s->bridge, accepted, pb_session_now(s));
}
