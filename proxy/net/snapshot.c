#include "popbridge/net/snapshot.h"

#include "popbridge/base/mem.h"

/*
 * A client that takes no octet for so long is gone.  Slow links and old
 * devices pause for minutes, and every pause costs one upstream connection.
 */
#define STALL_MS (5 * 60 * 1000)

/*
 * The slowest device computes a handshake in seconds, and whoever stalls one
 * holds a connection that nobody has logged in on.
 */
#define HANDSHAKE_MS (30 * 1000)

#define SECONDS 1000

static enum pb_imap_tls
tls_of(const struct pb_url *url)
{
	switch (url->tls) {
	case PB_URL_TLS_NONE:
		return PB_IMAP_TLS_NONE;
	case PB_URL_TLS_UPGRADE:
		return PB_IMAP_TLS_STARTTLS;
	case PB_URL_TLS_IMMEDIATE:
		return PB_IMAP_TLS_IMPLICIT;
	}
	return PB_IMAP_TLS_STARTTLS;
}

static enum pb_status
make_contexts(const struct pb_config *config, struct pb_snapshot *s,
    struct pb_error *err)
{
	const struct pb_tls_client_options client = {
		.ca_file = config->upstream_ca[0] != '\0' ? config->upstream_ca
							 : NULL,
	};
	const struct pb_tls_certificate certificate = { config->tls_cert,
		config->tls_key };
	const struct pb_tls_server_options server = {
		.certificates = &certificate, .n_certificates = 1,
	};
	enum pb_status st = pb_tls_client_context(&client, &s->upstream_tls,
	    err);

	if (st == PB_OK && config->tls_cert[0] != '\0')
		st = pb_tls_server_context(&server, &s->client_tls, err);
	return st;
}

enum pb_status
pb_snapshot_new(struct pb_config *config, struct pb_snapshot **out,
    struct pb_error *err)
{
	struct pb_snapshot *s = pb_alloc(sizeof(*s));
	enum pb_status st;

	if (s == NULL)
		return PB_ENOMEM;
	st = make_contexts(config, s, err);
	if (st != PB_OK) {
		pb_tls_context_unref(&s->upstream_tls);
		pb_free(s);
		return st;
	}
	s->refs = 1;
	s->config = pb_config_ref(config);
	s->bridge = (struct pb_bridge_options){
		.mailbox = "INBOX",
		.tls = tls_of(&config->upstream),
		.mark_seen = config->mark_seen == PB_MARK_SEEN_QUIT,
		.lock = config->lock != PB_LOCK_NONE,
		.idle_ms = (uint64_t)config->idle_timeout * SECONDS,
		.upstream_ms = (uint64_t)config->upstream_timeout * SECONDS,
		.connect_ms = (uint64_t)config->connect_timeout * SECONDS,
		.stall_ms = STALL_MS,
		.handshake_ms = HANDSHAKE_MS,
		.login_ms = (uint64_t)config->login_timeout * SECONDS,
	};
	*out = s;
	return PB_OK;
}

struct pb_snapshot *
pb_snapshot_ref(struct pb_snapshot *s)
{
	s->refs++;
	return s;
}

void
pb_snapshot_unref(struct pb_snapshot **sp)
{
	struct pb_snapshot *s = *sp;

	*sp = NULL;
	if (s == NULL || --s->refs > 0)
		return;
	pb_tls_context_unref(&s->upstream_tls);
	pb_tls_context_unref(&s->client_tls);
	pb_config_unref(&s->config);
	pb_free(s);
}
