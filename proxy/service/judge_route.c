#include "judge_priv.h"

#include <stdio.h>
#include <string.h>

#include "config_priv.h"
#include "popbridge/imap/mailbox_name.h"
#include "route_map.h"

static void
judge_clear_text(struct pb_judgement *j, const struct pb_route_config *r)
{
	const struct pb_config_place place = { .file = r->match_file,
		.line = r->priv_map != NULL
		    ? pb_route_map_in_clear(r->priv_map) : 0 };
	char text[PB_URL_TEXT_SIZE];

	if (place.line != 0)
		pb_config_complain(j->sink, PB_CONFIG_WARNING, place,
		    "passwords and mail go to this server in clear text, and "
		    "anybody on the way can read and change them: use "
		    "imaps:// or imap:// if it can");
	if (r->upstream.host[0] == '\0' ||
	    r->upstream.tls != PB_URL_TLS_NONE ||
	    pb_url_is_loopback(&r->upstream))
		return;
	pb_url_format(&r->upstream, text);
	pb_judge_say_route(j, PB_CONFIG_WARNING, r, "upstream", "passwords "
	    "and mail go to %s in clear text, and anybody on the way can read "
	    "and change them: use imaps:// or imap:// if the server can",
	    text);
}

/* Where the server comes from: one way, and one that names one. */
static void
judge_server(struct pb_judgement *j, const struct pb_route_config *r)
{
	unsigned bare = r->priv_map != NULL
	    ? pb_route_map_without_url(r->priv_map) : 0;

	if (r->discover && r->upstream.host[0] != '\0') {
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "discover", "the "
		    "server is to be discovered, and named by %s: keep one of "
		    "the two", pb_config_route_sets(j->config, r, "upstream")
		    ? "upstream" : "the preset");
		return;
	}
	if (r->discover || r->upstream.host[0] != '\0')
		return;
	if (r->preset != NULL && r->preset->url == NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "preset", "%s is a "
		    "server that sites have of their own: say where yours is, "
		    "as in upstream = \"imaps://imap.example.com\"",
		    r->preset->name);
	else if (bare != 0)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "match-file",
		    "its line %u names no server, and neither does the "
		    "route: give one of them a URL", bare);
	else if (r->match.n > 0 || r->match_file == NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "upstream", "there "
		    "is no IMAP server for %s: give upstream, a preset or "
		    "discover = yes", r->match_file == NULL ? "this route"
		    : "the logins of match");
}

static void
judge_discovery(struct pb_judgement *j, const struct pb_route_config *r)
{
	if (r->discover && r->upstream.host[0] == '\0' &&
	    r->match.n == 0 && r->match_file == NULL)
		pb_judge_say_route(j, PB_CONFIG_WARNING, r, "discover",
		    "every login names the server to connect to by its "
		    "domain: name the domains that are yours in match");
}

static void
judge_listener_names(struct pb_judgement *j, const struct pb_route_config *r)
{
	const struct pb_config *c = j->config;
	const char *names[PB_CONFIG_LISTEN_MAX];
	size_t i;
	size_t k;

	for (k = 0; k < c->n_listeners; k++)
		names[k] = c->listener[k].name;
	for (i = 0; i < r->listeners.n; i++) {
		const char *name = r->listeners.text[i];
		const char *near = NULL;

		for (k = 0; k < c->n_listeners; k++) {
			if (strcmp(names[k], name) == 0)
				break;
		}
		if (k < c->n_listeners)
			continue;
		near = pb_option_nearest(name, names, c->n_listeners);
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "listeners",
		    "there is no listener \"%s\"%s%s%s", name,
		    near != NULL ? ": did you mean \"" : "",
		    near != NULL ? near : "", near != NULL ? "\"?" : "");
	}
}

static void
judge_identity(struct pb_judgement *j, const struct pb_route_config *r)
{
	bool token = r->upstream_auth == PB_UPSTREAM_AUTH_XOAUTH2 ||
	    r->upstream_auth == PB_UPSTREAM_AUTH_OAUTHBEARER;
	const char *option = "upstream-auth";

	if (r->identity != PB_IDENTITY_ACCOUNTS)
		return;
	if (j->config->accounts == NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "identity", "there "
		    "are no accounts: give accounts, too");
	if (!pb_config_route_sets(j->config, r, option) && r->preset != NULL)
		option = "preset";
	if (token)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, option, "the server "
		    "wants a token, and one that accounts keep does not last: "
		    "let clients bring theirs, by identity = pass-through");
}

/* Whether each client that comes here shows a certificate. */
static bool
has_certificates_only(const struct pb_config *c,
    const struct pb_route_config *r)
{
	size_t i;

	for (i = 0; i < c->n_listeners; i++) {
		if (pb_judge_reaches(&c->listener[i], r) &&
		    c->listener[i].client_ca == NULL)
			return false;
	}
	return true;
}

static void
judge_master(struct pb_judgement *j, const struct pb_route_config *r)
{
	if (r->master_user == NULL && r->master_password_file != NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r,
		    "master-password-file", "it is of no use without "
		    "master-user");
	if (r->master_user == NULL)
		return;
	if (r->master_password_file == NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "master-user", "it "
		    "needs a password: give master-password-file, too");
	if (r->identity == PB_IDENTITY_PASS_THROUGH &&
	    !has_certificates_only(j->config, r))
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "master-user", "the "
		    "IMAP server checks only the master user, so that nobody "
		    "would check the clients: give identity = accounts, or "
		    "let the route have only listeners with client-ca");
	if (r->upstream_auth != PB_UPSTREAM_AUTH_AUTO &&
	    r->upstream_auth != PB_UPSTREAM_AUTH_PLAIN)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "master-user", "it "
		    "logs in on behalf of others, which only upstream-auth = "
		    "plain (or auto) can say");
}

static void
judge_limits(struct pb_judgement *j, const struct pb_route_config *r)
{
	unsigned most = r->preset != NULL
	    ? r->preset->max_connections_per_user : 0;

	if (r->upstream_tls_profile == PB_TLS_PROFILE_LEGACY)
		pb_judge_say_route(j, PB_CONFIG_WARNING, r,
		    "upstream-tls-profile", "legacy speaks versions of TLS "
		    "that are broken: keep it for a server that cannot do "
		    "better, on a network of your own");
	if (most > 0 && (r->max_connections_per_user == 0 ||
	    r->max_connections_per_user > most))
		pb_judge_say_route(j, PB_CONFIG_WARNING, r,
		    "max-connections-per-user", "%s allows %u connections of "
		    "one user, other clients of his included",
		    r->preset->name, most);
}

static void
judge_removal(struct pb_judgement *j, const struct pb_route_config *r)
{
	bool moves = r->removal == PB_REMOVAL_TRASH ||
	    r->removal == PB_REMOVAL_ARCHIVE;

	if (r->removal == PB_REMOVAL_KEEP && j->config->state_directory == NULL)
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "delete", "keep "
		    "remembers what each client has deleted, and has no place "
		    "for it: give state-directory, too");
	if (r->delete_folder == NULL)
		return;
	if (!moves)
		pb_judge_say_route(j, PB_CONFIG_WARNING, r, "delete-folder",
		    "nothing goes there with delete = %s: that takes trash or "
		    "archive", pb_removal_name(r->removal));
	else if (pb_imap_mailbox_same(pb_slice_str(r->delete_folder),
	    pb_slice_str(r->mailbox)))
		pb_judge_say_route(j, PB_CONFIG_ERROR, r, "delete-folder",
		    "it is the mailbox that is served, so messages would stay "
		    "in it");
}

static bool
takes_everything(const struct pb_route_config *r)
{
	size_t i;

	for (i = 0; i < r->match.n; i++) {
		if (strspn(r->match.text[i], "*") == strlen(r->match.text[i]))
			return true;
	}
	return r->match.n == 0 && r->match_file == NULL;
}

/* The first route that takes all that would come to this one, or NULL. */
static const struct pb_route_config *
who_is_before(const struct pb_config *c, size_t index)
{
	size_t i;
	size_t k;

	for (i = 0; i < index; i++) {
		if (!takes_everything(&c->route[i]))
			continue;
		for (k = 0; k < c->n_listeners; k++) {
			if (pb_judge_reaches(&c->listener[k],
			    &c->route[index]) &&
			    !pb_judge_reaches(&c->listener[k], &c->route[i]))
				break;
		}
		if (k == c->n_listeners)
			return &c->route[i];
	}
	return NULL;
}

static void
judge_order(struct pb_judgement *j, size_t index)
{
	const struct pb_route_config *r = &j->config->route[index];
	const struct pb_route_config *before = who_is_before(j->config,
	    index);
	const char *option = "match";

	if (before == NULL)
		return;
	if (r->line == 0)
		option = pb_config_route_sets(j->config, r, "upstream")
		    ? "upstream" : "preset";
	pb_judge_say_route(j, PB_CONFIG_WARNING, r, option, "no login comes "
	    "here: the route \"%s\" before it takes every one", before->name);
}

void
pb_judge_routes(struct pb_judgement *j)
{
	size_t i;

	if (j->config->n_routes == 0)
		pb_judge_say(j, PB_CONFIG_ERROR, "upstream", "there is no "
		    "IMAP server to fetch mail from: name one, as in "
		    "upstream = \"imaps://imap.example.com\"");
	for (i = 0; i < j->config->n_routes; i++) {
		const struct pb_route_config *r = &j->config->route[i];

		judge_server(j, r);
		judge_clear_text(j, r);
		judge_discovery(j, r);
		judge_listener_names(j, r);
		judge_identity(j, r);
		judge_master(j, r);
		judge_removal(j, r);
		judge_limits(j, r);
		judge_order(j, i);
	}
}
