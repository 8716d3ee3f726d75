#include "popbridge/service/route.h"

#include "route_map.h"

/* A login as one route reads it; kept for the next route. */
struct reading {
	bool valid;
	const char *separators;	/* the route's, that it was read with */
	bool windows_domain;
	char login[PB_ROUTE_LOGIN_MAX];
	char lower[PB_ROUTE_LOGIN_MAX];
	size_t len;
};

/*
 * DOMAIN\user is user; then, without an @, the last of the separators is one.
 */
static void
read_login(struct reading *r, const struct pb_route_config *route,
    struct pb_slice login)
{
	size_t back = pb_slice_find(login, '\\');
	const char *signs = route->login_separators;
	size_t i;

	if (r->valid && r->separators == signs &&
	    r->windows_domain == route->login_windows_domain)
		return;
	if (route->login_windows_domain && back + 1 < login.len)
		pb_slice_skip(&login, back + 1);
	memcpy(r->login, login.data, login.len);
	r->len = login.len;
	for (i = login.len; signs != NULL && i > 0 &&
	    pb_slice_find(login, '@') == login.len; i--) {
		if (strchr(signs, login.data[i - 1]) == NULL)
			continue;
		r->login[i - 1] = '@';
		break;
	}
	pb_route_lower(pb_slice(r->login, r->len), r->lower);
	r->valid = true;
	r->separators = signs;
	r->windows_domain = route->login_windows_domain;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* `text` is in lower case.  At a mismatch the last * takes one octet more. */
static bool
matches(const char *pattern, struct pb_slice text)
{
	const char *star = NULL;
	size_t star_at = 0;
	size_t at = 0;

	while (at < text.len) {
		if (*pattern == '*') {
			star = ++pattern;
			star_at = at;
		} else if (*pattern != '\0' && (*pattern == '?' ||
		    lower(*pattern) == text.data[at])) {
			pattern++;
			at++;
		} else if (star != NULL) {
			pattern = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool
has_listener(const struct pb_route_config *route, const char *listener)
{
	size_t i;

	for (i = 0; i < route->listeners.n; i++) {
		if (strcmp(route->listeners.text[i], listener) == 0)
			return true;
	}
	return route->listeners.n == 0;
}

static bool
takes(const struct pb_route_config *route, struct pb_slice login,
    const struct pb_route_map_entry **entry)
{
	size_t i;

	*entry = NULL;
	if (route->priv_map != NULL)
		*entry = pb_route_map_find(route->priv_map, login);
	if (*entry != NULL)
		return true;
	for (i = 0; i < route->match.n; i++) {
		if (matches(route->match.text[i], login))
			return true;
	}
	return route->match.n == 0 && route->match_file == NULL;
}

/* Behind the last @; empty without one. */
static struct pb_slice
domain_of(struct pb_slice login)
{
	size_t i;

	for (i = login.len; i > 0; i--) {
		if (login.data[i - 1] == '@')
			return pb_slice_sub(login, i, login.len);
	}
	return pb_slice(login.data, 0);
}

static void
choose_domain(const struct reading *r, struct pb_route_choice *c)
{
	struct pb_slice domain = domain_of(pb_slice(r->lower, r->len));

	if (domain.len == 0 && c->route->add_domain != NULL)
		domain = pb_slice_str(c->route->add_domain);
	/* What is no name of a host is nothing to ask DNS for. */
	if (domain.len == 0 || !pb_url_is_name(domain))
		return;
	pb_route_lower(domain, c->domain);
}

static enum pb_status
choose_upstream_login(const struct pb_route_map_entry *entry,
    struct pb_route_choice *c)
{
	struct pb_slice login = pb_slice(c->login, c->login_len);
	struct pb_slice domain = domain_of(login);
	const char *add = c->route->add_domain;
	size_t add_len = 0;

	if (entry != NULL && entry->login != NULL) {
		login = pb_slice_str(entry->login);
	} else {
		/* Nobody is the user "". */
		if (c->route->strip_domain && domain.len + 1 < login.len &&
		    pb_slice_find(login, '@') < login.len)
			login.len -= domain.len + 1;
		if (add != NULL && pb_slice_find(login, '@') == login.len)
			add_len = strlen(add) + 1;
	}
	if (login.len + add_len > PB_ROUTE_LOGIN_MAX)
		return PB_ETOOBIG;
	memcpy(c->upstream_login, login.data, login.len);
	if (add_len > 0) {
		c->upstream_login[login.len] = '@';
		memcpy(c->upstream_login + login.len + 1, add, add_len - 1);
	}
	c->upstream_login_len = login.len + add_len;
	c->upstream_login[c->upstream_login_len] = '\0';
	return PB_OK;
}

static enum pb_status
fill(const struct reading *r, const struct pb_route_map_entry *entry,
    struct pb_route_choice *c)
{
	enum pb_status st;

	memcpy(c->login, r->login, r->len);
	c->login_len = r->len;
	st = choose_upstream_login(entry, c);
	if (st != PB_OK)
		return st;
	choose_domain(r, c);
	c->upstream = entry != NULL && entry->upstream != NULL
	    ? *entry->upstream : c->route->upstream;
	return PB_OK;
}

enum pb_status
pb_route_choose(const struct pb_config *config, const char *listener,
    struct pb_slice login, struct pb_route_choice *choice)
{
	const struct pb_route_map_entry *entry;
	struct pb_route_choice c = { .route = NULL };
	struct reading r = { .valid = false };
	enum pb_status st;
	size_t i;

	if (login.len > PB_ROUTE_LOGIN_MAX)
		return PB_ETOOBIG;
	if (login.len == 0 || memchr(login.data, '\r', login.len) ||
	    memchr(login.data, '\n', login.len) ||
	    memchr(login.data, '\0', login.len))
		return PB_EOF;
	for (i = 0; i < config->n_routes; i++) {
		c.route = &config->route[i];
		c.index = i;
		if (!has_listener(c.route, listener))
			continue;
		read_login(&r, c.route, login);
		if (!takes(c.route, pb_slice(r.lower, r.len), &entry))
			continue;
		st = fill(&r, entry, &c);
		if (st == PB_OK)
			*choice = c;
		return st;
	}
	return PB_EOF;
}
