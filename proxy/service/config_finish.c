#include "config_priv.h"

#include "popbridge/base/check.h"
#include "route_map.h"

enum pb_status
pb_config_add_listener(struct pb_config *config, struct pb_slice name,
    unsigned line)
{
	struct pb_listener_config *l;

	if (config->n_listeners == PB_CONFIG_LISTEN_MAX)
		return PB_ETOOBIG;
	l = pb_config_room(config, config->listener, config->n_listeners,
	    sizeof(*l));
	if (l == NULL)
		return PB_ENOMEM;
	config->listener = l;
	l += config->n_listeners;
	l->name = pb_config_text(config, name);
	l->line = line;
	if (l->name == NULL)
		return PB_ENOMEM;
	config->n_listeners++;
	return PB_OK;
}

enum pb_status
pb_config_add_route(struct pb_config *config, struct pb_slice name,
    unsigned line)
{
	struct pb_route_config *r;

	if (config->n_routes == PB_CONFIG_ROUTES_MAX && line != 0)
		return PB_ETOOBIG;
	r = pb_config_room(config, config->route, config->n_routes,
	    sizeof(*r));
	if (r == NULL)
		return PB_ENOMEM;
	config->route = r;
	r += config->n_routes;
	r->name = pb_config_text(config, name);
	r->line = line;
	if (r->name == NULL)
		return PB_ENOMEM;
	config->n_routes++;
	return PB_OK;
}

/* Every option of the scope that the section does not set itself. */
static void
inherit(void *section, const unsigned *lines, const void *global,
    enum pb_option_scope scope, bool last)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if ((rows[i].scopes & scope) == 0 || lines[i] != 0)
			continue;
		if (last || (rows[i].scopes & PB_OPTION_LAST_ROUTE) == 0)
			pb_option_copy(&rows[i], section, global);
	}
}

static void
listen_here(struct pb_config *config, const char *url)
{
	struct pb_listen_list *list = &config->priv_listen;
	char why[PB_URL_REASON_SIZE];

	pb_check(pb_url_parse_listener(pb_slice_str(url),
	    &list->url[list->n++], why) == PB_OK);
}

/* What listens when nobody says where. */
static void
default_listeners(struct pb_config *config)
{
	if (config->priv_listen.n > 0 || config->n_listeners > 0)
		return;
	if (config->priv_listener.tls_cert.n > 0) {
		listen_here(config, "pop3s://0.0.0.0:995");
		listen_here(config, "pop3://0.0.0.0:110");
	} else {
		listen_here(config, "pop3+plain://127.0.0.1:1110");
	}
}

/* Those of `listen` come first: they have been first in the ports-file. */
static enum pb_status
finish_listeners(struct pb_config *config, const struct pb_config_sink *sink)
{
	const struct pb_listener_config *sections = config->listener;
	size_t n = config->n_listeners;
	size_t i;

	default_listeners(config);
	if (n + config->priv_listen.n > PB_CONFIG_LISTEN_MAX) {
		pb_config_complain(sink, PB_CONFIG_ERROR,
		    pb_config_place(config, "listen"), "listen: with the "
		    "listener sections there are more than %d listeners (each "
		    "is a socket in every loop)", PB_CONFIG_LISTEN_MAX);
		return PB_EINVAL;
	}
	config->listener = NULL;
	config->n_listeners = 0;
	for (i = 0; i < config->priv_listen.n + n; i++) {
		char text[PB_URL_TEXT_SIZE] = "";
		enum pb_status st;

		if (i < config->priv_listen.n)
			pb_url_format(&config->priv_listen.url[i], text);
		st = pb_config_add_listener(config, pb_slice_str(text), 0);
		if (st != PB_OK)
			return st;
		if (i >= config->priv_listen.n)
			config->listener[i] =
			    sections[i - config->priv_listen.n];
	}
	for (i = 0; i < config->n_listeners; i++) {
		inherit(&config->listener[i], config->listener[i].priv_line,
		    &config->priv_listener, PB_OPTION_IN_LISTENER, true);
		if (i < config->priv_listen.n)
			config->listener[i].url = config->priv_listen.url[i];
	}
	return PB_OK;
}

/* A limit that is given elsewhere, or none (0), is lowered, never raised. */
static void
apply_limit(const struct pb_config *config, struct pb_route_config *route,
    const char *name, unsigned limit, unsigned *value)
{
	if (limit > 0 && (*value == 0 || *value > limit) &&
	    !pb_config_route_sets(config, route, name))
		*value = limit;
}

static void
apply_preset(const struct pb_config *config, struct pb_route_config *route)
{
	const struct pb_preset *p = route->preset;
	char why[PB_URL_REASON_SIZE];

	if (p == NULL)
		return;
	if (p->url != NULL && route->upstream.host[0] == '\0')
		pb_check(pb_url_parse_upstream(pb_slice_str(p->url),
		    &route->upstream, why) == PB_OK);
	if (p->auth != PB_UPSTREAM_AUTH_AUTO &&
	    !pb_config_route_sets(config, route, "upstream-auth"))
		route->upstream_auth = p->auth;
	if (p->removal != PB_REMOVAL_EXPUNGE &&
	    !pb_config_route_sets(config, route, "delete"))
		route->removal = p->removal;
	if (p->login_lacks_domain &&
	    !pb_config_route_sets(config, route, "strip-domain"))
		route->strip_domain = true;
	apply_limit(config, route, "max-connections-per-user",
	    p->max_connections_per_user, &route->max_connections_per_user);
	apply_limit(config, route, "max-upstream-connections",
	    p->max_upstream_connections, &route->max_upstream_connections);
}

/* Without a section its URL is its name, however that is written here. */
static enum pb_status
name_listeners(struct pb_config *config, struct pb_route_config *route)
{
	size_t i;

	for (i = 0; i < route->listeners.n; i++) {
		struct pb_slice name = pb_slice_str(route->listeners.text[i]);
		char text[PB_URL_TEXT_SIZE];
		char why[PB_URL_REASON_SIZE];
		struct pb_url url;

		if (pb_url_parse_listener(name, &url, why) != PB_OK)
			continue;
		pb_url_format(&url, text);
		route->listeners.text[i] = pb_config_text(config,
		    pb_slice_str(text));
		if (route->listeners.text[i] == NULL)
			return PB_ENOMEM;
	}
	return PB_OK;
}

static enum pb_status
finish_route(struct pb_config *config, struct pb_route_config *route,
    const struct pb_config_sink *sink)
{
	enum pb_status st;

	inherit(route, route->priv_line, &config->priv_route,
	    PB_OPTION_IN_ROUTE, route->line == 0);
	apply_preset(config, route);
	if (route->upstream.host[0] != '\0' &&
	    !pb_config_route_sets(config, route, "discover"))
		route->discover = false;
	st = name_listeners(config, route);
	if (st != PB_OK || route->match_file == NULL)
		return st;
	return pb_route_map_read(config, route, sink);
}

static bool
has_last_route(const struct pb_config *config)
{
	const struct pb_route_config *route = &config->priv_route;

	return route->upstream.host[0] != '\0' || route->preset != NULL ||
	    (route->discover && config->n_routes == 0);
}

enum pb_status
pb_config_finish(struct pb_config *config, const struct pb_config_sink *sink)
{
	enum pb_status result;
	enum pb_status st = PB_OK;
	size_t i;

	result = finish_listeners(config, sink);
	if (result == PB_ENOMEM)
		return result;
	if (has_last_route(config))
		st = pb_config_add_route(config, pb_slice_str(""), 0);
	for (i = 0; i < config->n_routes && st != PB_ENOMEM; i++) {
		st = finish_route(config, &config->route[i], sink);
		if (st != PB_OK)
			result = st;
	}
	return st == PB_ENOMEM ? st : result;
}
