#include "popbridge/net/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

/* A password of one line; longer ones no IMAP server takes. */
#define PASSWORD_MAX 1024

static enum pb_bridge_journal
journal_of(const struct pb_config *config)
{
	if (config->state_directory == NULL)
		return PB_BRIDGE_JOURNAL_NONE;
	switch (config->journal) {
	case PB_JOURNAL_BEST_EFFORT:
		return PB_BRIDGE_JOURNAL_BEST_EFFORT;
	case PB_JOURNAL_REQUIRED:
		break;
	}
	return PB_BRIDGE_JOURNAL_REQUIRED;
}

static struct pb_bridge_options
bridge_options(const struct pb_config *config)
{
	return (struct pb_bridge_options){
		.mailbox = "INBOX",
		.journal = journal_of(config),
		.idle_ms = (uint64_t)config->idle_timeout * SECONDS,
		.upstream_ms = (uint64_t)config->upstream_timeout * SECONDS,
		.connect_ms = (uint64_t)config->connect_timeout * SECONDS,
		.stall_ms = STALL_MS,
		.handshake_ms = HANDSHAKE_MS,
		.login_ms = (uint64_t)config->login_timeout * SECONDS,
	};
}

static enum pb_status
open_listener_tls(struct pb_snapshot_listener *l, struct pb_error *err)
{
	const struct pb_listener_config *config = l->config;
	struct pb_tls_server_options options = {
		.profile = config->tls_profile,
		.n_certificates = config->tls_cert.n,
		.client_ca = config->client_ca };
	struct pb_tls_certificate *pairs;
	enum pb_status st;
	size_t i;

	if (config->tls_cert.n == 0)
		return PB_OK;
	pairs = pb_alloc(config->tls_cert.n * sizeof(*pairs));
	if (pairs == NULL)
		return PB_ENOMEM;
	for (i = 0; i < config->tls_cert.n; i++) {
		pairs[i].cert_file = config->tls_cert.text[i];
		pairs[i].key_file = config->tls_key.text[i];
	}
	options.certificates = pairs;
	st = pb_tls_server_context(&options, &l->tls, err);
	pb_free(pairs);
	return st;
}

static enum pb_status
open_listeners(struct pb_snapshot *s, struct pb_error *err)
{
	const struct pb_config *config = s->config;
	enum pb_status st = PB_OK;
	size_t i;

	s->listeners = pb_alloc(config->n_listeners * sizeof(*s->listeners));
	if (s->listeners == NULL)
		return PB_ENOMEM;
	for (i = 0; st == PB_OK && i < config->n_listeners; i++) {
		struct pb_snapshot_listener *l = &s->listeners[i];
		const unsigned external = PB_SASL_SET(PB_SASL_EXTERNAL);

		l->config = &config->listener[i];
		pb_sasl_names(l->config->mechanisms & ~external,
		    l->mechanisms);
		pb_sasl_names(l->config->mechanisms, l->mechanisms_named);
		st = open_listener_tls(l, err);
	}
	return st;
}

static bool
same_trust(const struct pb_route_config *a, const struct pb_route_config *b)
{
	const char *ca = a->upstream_ca != NULL ? a->upstream_ca : "";
	const char *cb = b->upstream_ca != NULL ? b->upstream_ca : "";

	return a->upstream_tls_profile == b->upstream_tls_profile &&
	    strcmp(ca, cb) == 0;
}

/* The system's CAs take a megabyte: routes that trust the same share them. */
static enum pb_status
open_route_tls(struct pb_snapshot *s, size_t i, struct pb_error *err)
{
	struct pb_tls_client_options options;
	size_t k;

	for (k = 0; k < i; k++) {
		if (!same_trust(s->routes[k].config, s->routes[i].config))
			continue;
		s->routes[i].tls = pb_tls_context_ref(s->routes[k].tls);
		return PB_OK;
	}
	options.ca_file = s->routes[i].config->upstream_ca;
	options.profile = s->routes[i].config->upstream_tls_profile;
	return pb_tls_client_context(&options, &s->routes[i].tls, err);
}

/* The first line of a file. */
static enum pb_status
read_password(const char *file, struct pb_secret *password,
    struct pb_error *err)
{
	char text[PASSWORD_MAX];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	int error = errno;
	struct pb_slice line;
	enum pb_status st;

	if (fd >= 0)
		close(fd);
	line = pb_slice(text, n > 0 ? (size_t)n : 0);
	line.len = pb_slice_find(line, '\n');
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	st = line.len > 0 ? pb_secret_set(password, line) : PB_EINVAL;
	pb_wipe(text, sizeof(text));
	if (st == PB_EINVAL)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "cannot read the master user's password from %s: %s",
		    file, n < 0 ? strerror(error) : "its first line is empty");
	return st;
}

static enum pb_status
open_routes(struct pb_snapshot *s, struct pb_error *err)
{
	const struct pb_config *config = s->config;
	enum pb_status st = PB_OK;
	size_t i;

	if (config->n_routes == 0)
		return PB_OK;
	s->routes = pb_alloc(config->n_routes * sizeof(*s->routes));
	if (s->routes == NULL)
		return PB_ENOMEM;
	for (i = 0; st == PB_OK && i < config->n_routes; i++) {
		struct pb_snapshot_route *r = &s->routes[i];

		r->config = &config->route[i];
		r->bridge = s->bridge;
		r->bridge.mailbox = r->config->mailbox;
		r->bridge.mark_seen = r->config->mark_seen ==
		    PB_MARK_SEEN_QUIT;
		r->bridge.removal = r->config->removal;
		r->bridge.delete_folder = r->config->delete_folder;
		r->bridge.revive = r->config->revive;
		r->bridge.keep_upstream = r->config->upstream_keep > 0 &&
		    config->max_kept_connections > 0;
		r->bridge.lock = r->config->lock != PB_LOCK_NONE ||
		    r->config->max_connections_per_user > 0;
		st = open_route_tls(s, i, err);
		if (st == PB_OK && r->config->master_password_file != NULL)
			st = read_password(r->config->master_password_file,
			    &r->master_password, err);
	}
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
	s->refs = 1;
	s->config = pb_config_ref(config);
	s->bridge = bridge_options(config);
	s->readahead.max = (size_t)config->readahead_memory * 1024 * 1024;
	if (s->readahead.max > 0)
		s->bridge.readahead = &s->readahead;
	st = open_listeners(s, err);
	if (st == PB_OK)
		st = open_routes(s, err);
	if (st == PB_OK && config->accounts != NULL)
		st = pb_accounts_open(config->accounts, config->accounts_key,
		    &s->accounts, err);
	if (st == PB_OK)
		*out = s;
	else
		pb_snapshot_unref(&s);
	return st == PB_EIO ? PB_EINVAL : st;
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
	size_t i;

	*sp = NULL;
	if (s == NULL || --s->refs > 0)
		return;
	for (i = 0; s->listeners != NULL && i < s->config->n_listeners; i++)
		pb_tls_context_unref(&s->listeners[i].tls);
	for (i = 0; s->routes != NULL && i < s->config->n_routes; i++) {
		pb_tls_context_unref(&s->routes[i].tls);
		pb_secret_clear(&s->routes[i].master_password);
	}
	pb_free(s->listeners);
	pb_free(s->routes);
	pb_accounts_unref(&s->accounts);
	pb_config_unref(&s->config);
	pb_free(s);
}

void
pb_snapshot_rotate_tickets(struct pb_snapshot *s)
{
	size_t i;

	for (i = 0; i < s->config->n_listeners; i++) {
		if (s->listeners[i].tls != NULL)
			pb_tls_rotate_tickets(s->listeners[i].tls);
	}
}
