#include "service/world.h"

#include "popbridge/base/mem.h"
#include "popbridge/service/network.h"
#include "popbridge/service/option.h"

static void
assert_networks(const struct pb_network_list *list, const char *want)
{
	struct pb_buffer b;
	char text[PB_NETWORK_TEXT_SIZE];
	size_t i;

	pb_buffer_init(&b, 4096);
	for (i = 0; i < list->n; i++) {
		pb_network_format(&list->network[i], text);
		pbt_say(&b, "%s%s", i > 0 ? " " : "", text);
	}
	ASSERT_OCTETS(pb_buffer_slice(&b), pb_slice_str(want));
	pb_buffer_fini(&b);
}

static unsigned
line_of(struct pb_config_place place)
{
	return place.line;
}

#define DEFAULT_MECHANISMS (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3)

static void
a_listener_that_says_nothing_has_the_defaults(void **state)
{
	struct world *w = *state;
	const struct pb_listener_config *l;

	assert_loads(w, "\nlistener \"a\" {\n\turl = \"pop3s://[::]\"\n}\n");
	assert_int_equal(w->config->n_listeners, 1);
	l = &w->config->listener[0];
	assert_string_equal(l->name, "a");
	assert_url(&l->url, "pop3s://[::]:995");
	assert_int_equal(l->tls_profile, PB_TLS_PROFILE_DEFAULT);
	assert_int_equal(l->tls_cert.n, 0);
	assert_int_equal(l->tls_key.n, 0);
	assert_null(l->client_ca);
	assert_int_equal(l->mechanisms, DEFAULT_MECHANISMS);
	assert_false(l->apop);
	assert_int_equal(l->allow.n, 0);
	assert_int_equal(l->deny.n, 0);
	assert_int_equal(l->proxy_protocol.n, 0);
	assert_int_equal(l->xclient.n, 0);
	assert_int_equal(l->line, 2);
}

static void
a_listener_can_set_every_option_of_its_own(void **state)
{
	struct world *w = *state;
	const struct pb_listener_config *l;
	const struct pb_option *rows;
	size_t n;
	size_t i;

	assert_loads(w, "listener \"scanners\" {\n"
	    "url = \"pop3+plain://10.0.0.1:110\"\n"
	    "tls-profile = legacy\n"
	    "tls-cert = {\"c\", \"d\"}\n"
	    "tls-key = {\"k\", \"l\"}\n"
	    "client-ca = \"a\"\n"
	    "mechanisms = {\"PLAIN\", \"SCRAM-SHA-256\"}\n"
	    "apop = yes\n"
	    "allow = {\"10.0.0.0/24\", \"fd00::/8\"}\n"
	    "deny = {\"10.0.0.66\"}\n"
	    "proxy-protocol = {\"10.0.0.2\"}\n"
	    "xclient = {\"10.0.0.3\"}\n"
	    "}\n");
	l = &w->config->listener[0];
	assert_url(&l->url, "pop3+plain://10.0.0.1:110");
	assert_int_equal(l->tls_profile, PB_TLS_PROFILE_LEGACY);
	assert_texts(&l->tls_cert, "c d");
	assert_texts(&l->tls_key, "k l");
	assert_string_equal(l->client_ca, "a");
	assert_int_equal(l->mechanisms, 1u << 0 | 1u << 4);
	assert_true(l->apop);
	assert_networks(&l->allow, "10.0.0.0/24 fd00::/8");
	assert_networks(&l->deny, "10.0.0.66/32");
	assert_networks(&l->proxy_protocol, "10.0.0.2/32");
	assert_networks(&l->xclient, "10.0.0.3/32");
	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].scopes & PB_OPTION_IN_LISTENER)
			assert_in_range(line_of(pb_config_listener_place(
			    w->config, l, rows[i].name)), 2, 12);
	}
}

static void
a_route_that_says_nothing_has_the_defaults(void **state)
{
	struct world *w = *state;
	const struct pb_route_config *r;

	assert_loads(w, "route \"a\" {}\n");
	assert_int_equal(w->config->n_routes, 1);
	r = &w->config->route[0];
	assert_string_equal(r->name, "a");
	assert_int_equal(r->match.n, 0);
	assert_null(r->match_file);
	assert_int_equal(r->listeners.n, 0);
	assert_null(r->preset);
	assert_string_equal(r->upstream.host, "");
	assert_false(r->discover);
	assert_null(r->upstream_ca);
	assert_int_equal(r->upstream_tls_profile, PB_TLS_PROFILE_DEFAULT);
	assert_int_equal(r->upstream_auth, PB_UPSTREAM_AUTH_AUTO);
	assert_int_equal(r->identity, PB_IDENTITY_PASS_THROUGH);
	assert_null(r->master_user);
	assert_null(r->master_password_file);
	assert_string_equal(r->mailbox, "INBOX");
	assert_null(r->login_separators);
	assert_false(r->login_windows_domain);
	assert_false(r->strip_domain);
	assert_null(r->add_domain);
	assert_int_equal(r->lock, PB_LOCK_NONE);
	assert_int_equal(r->mark_seen, PB_MARK_SEEN_NO);
	assert_int_equal(r->max_connections_per_user, 0);
	assert_int_equal(r->line, 1);
}

static void
a_route_can_set_every_option_of_its_own(void **state)
{
	struct world *w = *state;
	const struct pb_route_config *r;
	const struct pb_option *rows;
	char text[1024];
	size_t n;
	size_t i;

	write_map(w, "ann\n");
	snprintf(text, sizeof(text), "route \"example\" {\n"
	    "match = {\"*@example.org\", \"boss\"}\n"
	    "match-file = \"%s\"\n"
	    "listeners = {\"x\", \"y\"}\n"
	    "preset = gmail\n"
	    "upstream = \"imaps://imap.example.org\"\n"
	    "discover = yes\n"
	    "upstream-ca = \"a\"\n"
	    "upstream-tls-profile = modern\n"
	    "upstream-auth = login\n"
	    "identity = accounts\n"
	    "master-user = m\n"
	    "master-password-file = \"p\"\n"
	    "mailbox = \"Other\"\n"
	    "login-separators = \"%%\"\n"
	    "login-windows-domain = yes\n"
	    "strip-domain = yes\n"
	    "add-domain = \"example.org\"\n"
	    "lock = takeover\n"
	    "mark-seen = quit\n"
	    "delete = archive\n"
	    "delete-folder = \"Old\"\n"
	    "max-connections-per-user = 0\n"
	    "max-upstream-connections = 99\n"
	    "upstream-keep = 0\n"
	    "revive = no\n"
	    "}\n", w->map);
	assert_loads(w, text);
	r = &w->config->route[0];
	assert_texts(&r->match, "*@example.org boss");
	assert_string_equal(r->match_file, w->map);
	assert_texts(&r->listeners, "x y");
	assert_string_equal(r->preset->name, "gmail");
	assert_url(&r->upstream, "imaps://imap.example.org:993");
	assert_true(r->discover);
	assert_string_equal(r->upstream_ca, "a");
	assert_int_equal(r->upstream_tls_profile, PB_TLS_PROFILE_MODERN);
	assert_int_equal(r->upstream_auth, PB_UPSTREAM_AUTH_LOGIN);
	assert_int_equal(r->identity, PB_IDENTITY_ACCOUNTS);
	assert_string_equal(r->master_user, "m");
	assert_string_equal(r->master_password_file, "p");
	assert_string_equal(r->mailbox, "Other");
	assert_string_equal(r->login_separators, "%");
	assert_true(r->login_windows_domain);
	assert_true(r->strip_domain);
	assert_string_equal(r->add_domain, "example.org");
	assert_int_equal(r->lock, PB_LOCK_TAKEOVER);
	assert_int_equal(r->mark_seen, PB_MARK_SEEN_QUIT);
	assert_int_equal(r->removal, PB_REMOVAL_ARCHIVE);
	assert_string_equal(r->delete_folder, "Old");
	assert_int_equal(r->max_connections_per_user, 0);
	assert_int_equal(r->max_upstream_connections, 99);
	assert_int_equal(r->upstream_keep, 0);
	assert_false(r->revive);
	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].scopes & PB_OPTION_IN_ROUTE)
			assert_in_range(line_of(pb_config_route_place(
			    w->config, r, rows[i].name)), 2, 26);
	}
}

static void
what_is_outside_is_for_sections_that_say_nothing(void **state)
{
	struct world *w = *state;
	const struct pb_listener_config *l;
	const struct pb_route_config *r;

	assert_loads(w,
	    "listener a { url = \"pop3s://[::]:1\" }\n"
	    "listener b { url = \"pop3s://[::]:2\" tls-cert = b tls-key = bk\n"
	    "tls-profile = default mechanisms = LOGIN client-ca = bca }\n"
	    "route a { upstream = \"imaps://a\" }\n"
	    "route b { upstream = \"imaps://b\" lock = none mailbox = b\n"
	    "strip-domain = no add-domain = \"\" }\n"
	    "tls-cert = {g, h} tls-key = {gk, hk} tls-profile = legacy\n"
	    "mechanisms = {PLAIN, EXTERNAL} client-ca = ca\n"
	    "lock = exclusive mailbox = G strip-domain = yes add-domain = g\n"
	    "max-connections-per-user = 3 identity = accounts\n"
	    "upstream-auth = plain login-separators = \"%\"\n");
	l = &w->config->listener[0];
	assert_texts(&l->tls_cert, "g h");
	assert_texts(&l->tls_key, "gk hk");
	assert_int_equal(l->tls_profile, PB_TLS_PROFILE_LEGACY);
	assert_int_equal(l->mechanisms, 1u << 0 | 1u << 6);
	assert_string_equal(l->client_ca, "ca");
	assert_int_equal(line_of(pb_config_listener_place(w->config, l,
	    "tls-cert")), 7);
	assert_int_equal(line_of(pb_config_listener_place(w->config, l,
	    "allow")), 1);
	l++;
	assert_texts(&l->tls_cert, "b");
	assert_texts(&l->tls_key, "bk");
	assert_int_equal(l->tls_profile, PB_TLS_PROFILE_DEFAULT);
	assert_int_equal(l->mechanisms, 1u << 1);
	assert_string_equal(l->client_ca, "bca");
	r = &w->config->route[0];
	assert_int_equal(w->config->n_routes, 2);
	assert_int_equal(r->lock, PB_LOCK_EXCLUSIVE);
	assert_string_equal(r->mailbox, "G");
	assert_true(r->strip_domain);
	assert_string_equal(r->add_domain, "g");
	assert_int_equal(r->max_connections_per_user, 3);
	assert_int_equal(r->identity, PB_IDENTITY_ACCOUNTS);
	assert_int_equal(r->upstream_auth, PB_UPSTREAM_AUTH_PLAIN);
	assert_string_equal(r->login_separators, "%");
	r++;
	assert_int_equal(r->lock, PB_LOCK_NONE);
	assert_string_equal(r->mailbox, "b");
	assert_false(r->strip_domain);
	assert_null(r->add_domain);
}

static void
what_belongs_to_one_server_is_for_the_last_route_alone(void **state)
{
	struct world *w = *state;
	const struct pb_route_config *r;

	assert_loads(w, "upstream = \"imaps://last\" upstream-ca = ca\n"
	    "master-user = m master-password-file = p preset = dovecot\n"
	    "route a { upstream = \"imaps://a\" }\n");
	r = &w->config->route[0];
	assert_url(&r->upstream, "imaps://a:993");
	assert_null(r->upstream_ca);
	assert_null(r->master_user);
	assert_null(r->master_password_file);
	assert_null(r->preset);
	assert_int_equal(line_of(pb_config_route_place(w->config, r,
	    "upstream-ca")), 3);
	r++;
	assert_string_equal(r->name, "");
	assert_int_equal(r->line, 0);
	assert_url(&r->upstream, "imaps://last:993");
	assert_string_equal(r->upstream_ca, "ca");
	assert_string_equal(r->master_user, "m");
	assert_string_equal(r->master_password_file, "p");
	assert_string_equal(r->preset->name, "dovecot");
}

static void
the_command_line_wins_outside_of_sections_only(void **state)
{
	const struct pb_config_setting settings[] = {
		{ "lock", "takeover" }, { "tls-cert", "x" },
		{ "tls-cert", "y" } };
	struct world *w = *state;

	write_file(w, OCTETS("lock = none\ntls-cert = {a, b, c}\n"
	    "listener l { url = \"pop3s://[::]:1\" }\n"
	    "listener m { url = \"pop3s://[::]:2\" tls-cert = m }\n"
	    "route r { lock = exclusive }\nroute s { }\n"));
	assert_int_equal(load(w, w->file, settings, COUNT(settings)), PB_OK);
	assert_texts(&w->config->listener[0].tls_cert, "x y");
	assert_texts(&w->config->listener[1].tls_cert, "m");
	assert_int_equal(w->config->route[0].lock, PB_LOCK_EXCLUSIVE);
	assert_int_equal(w->config->route[1].lock, PB_LOCK_TAKEOVER);
	assert_true(pb_config_route_place(w->config, &w->config->route[1],
	    "lock").command_line);
}

static void
listeners_of_both_kinds_stand_beside_each_other(void **state)
{
	struct world *w = *state;
	const struct pb_config *c;

	assert_loads(w, "listener a { url = \"pop3s://[::]:1\" }\n"
	    "listen = {\"pop3://127.0.0.1:2\", \"pop3s://[0::1]\"}\n"
	    "listener b { url = \"pop3s://[::]:3\" }\n"
	    "mechanisms = {\"LOGIN\"}\n");
	c = w->config;
	assert_int_equal(c->n_listeners, 4);
	assert_string_equal(c->listener[0].name, "pop3://127.0.0.1:2");
	assert_string_equal(c->listener[1].name, "pop3s://[::1]:995");
	assert_string_equal(c->listener[2].name, "a");
	assert_string_equal(c->listener[3].name, "b");
	assert_int_equal(c->listener[0].mechanisms, 1u << 1);
	assert_int_equal(c->listener[0].line, 0);
	assert_int_equal(line_of(pb_config_listener_place(c,
	    &c->listener[0], "url")), 2);
	assert_int_equal(line_of(pb_config_listener_place(c,
	    &c->listener[3], "url")), 3);
	/* With a section there is no default listener. */
	assert_loads(w, "listener a { url = \"pop3s://[::]:1\" }\n");
	assert_int_equal(w->config->n_listeners, 1);
}

static void
there_are_not_more_than_sixteen_listeners_of_both_kinds(void **state)
{
	struct world *w = *state;
	struct pb_buffer text;
	unsigned i;

	pb_buffer_init(&text, 65536);
	for (i = 1; i <= 16; i++)
		pbt_say(&text, "listener l%u { url = "
		    "\"pop3+plain://127.0.0.1:%u\" }\n", i, i);
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_OK);
	assert_int_equal(w->config->n_listeners, 16);
	pbt_say(&text, "listen = {\"pop3+plain://127.0.0.1:17\"}\n");
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_EINVAL);
	assert_said(w, "F:17: error: listen: with the listener sections there "
	    "are more than 16 listeners (each is a socket in every loop)\n");
	pbt_say(&text, "listener l17 {\nurl = \"pop3s://[::]\" }\n");
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_EINVAL);
	assert_said(w, "F:18: error: there are more than 16 listeners (each "
	    "is a socket in every loop)\n");
	pb_buffer_fini(&text);
}

static void
a_preset_fills_what_the_route_does_not_say(void **state)
{
	struct world *w = *state;
	const struct pb_route_config *r;

	assert_loads(w,
	    "route a { preset = gmail }\n"
	    "route b { preset = gmail upstream = \"imaps://own\"\n"
	    "max-connections-per-user = 40 }\n"
	    "route c { preset = microsoft365 }\n"
	    "route d { preset = microsoft365 upstream-auth = plain }\n"
	    "route e { preset = icloud }\n"
	    "route f { preset = icloud strip-domain = no }\n"
	    "route g { preset = dovecot }\n"
	    "route h { preset = gmail delete = expunge }\n"
	    "upstream-auth = login max-connections-per-user = 0\n"
	    "preset = gmail\n");
	r = w->config->route;
	assert_url(&r[0].upstream, "imaps://imap.gmail.com:993");
	assert_int_equal(r[0].upstream_auth, PB_UPSTREAM_AUTH_LOGIN);
	assert_int_equal(r[0].max_connections_per_user, 15);
	assert_int_equal(r[0].max_upstream_connections, 10);
	assert_int_equal(r[0].upstream_keep, 120);
	assert_url(&r[1].upstream, "imaps://own:993");
	assert_int_equal(r[1].max_connections_per_user, 40);
	assert_url(&r[2].upstream, "imaps://outlook.office365.com:993");
	assert_int_equal(r[2].upstream_auth, PB_UPSTREAM_AUTH_XOAUTH2);
	assert_int_equal(r[2].max_connections_per_user, 0);
	assert_int_equal(r[3].upstream_auth, PB_UPSTREAM_AUTH_PLAIN);
	assert_true(r[4].strip_domain);
	assert_false(r[5].strip_domain);
	assert_string_equal(r[6].upstream.host, "");
	/* The last one says it, by what stands outside. */
	assert_int_equal(r[0].removal, PB_REMOVAL_TRASH);
	assert_int_equal(r[6].removal, PB_REMOVAL_EXPUNGE);
	assert_int_equal(r[7].removal, PB_REMOVAL_EXPUNGE);
	assert_url(&r[8].upstream, "imaps://imap.gmail.com:993");
	assert_int_equal(r[8].max_connections_per_user, 0);
	/* A preset's limit is for who sets none, and never raises one. */
	assert_loads(w, "preset = gmail\n");
	assert_int_equal(w->config->route[0].max_connections_per_user, 15);
	assert_loads(w, "preset = gmail\nmax-upstream-connections = 3\n");
	assert_int_equal(w->config->route[0].max_upstream_connections, 3);
	assert_loads(w, "route a { preset = gmail }\n"
	    "max-upstream-connections = 0\nupstream-keep = 5\n");
	assert_int_equal(w->config->route[0].max_upstream_connections, 10);
	assert_int_equal(w->config->route[0].upstream_keep, 5);
	assert_loads(w, "preset = gmail\nmax-connections-per-user = 10\n");
	assert_int_equal(w->config->route[0].max_connections_per_user, 10);
}

static void
discovery_is_for_routes_without_a_server(void **state)
{
	struct world *w = *state;
	const struct pb_route_config *r;

	assert_loads(w, "discover = yes\n"
	    "route a { upstream = \"imaps://a\" }\n"
	    "route b { preset = gmail }\n"
	    "route c { }\nroute d { discover = no }\n");
	r = w->config->route;
	assert_int_equal(w->config->n_routes, 4);
	assert_false(r[0].discover);
	assert_false(r[1].discover);
	assert_true(r[2].discover);
	assert_false(r[3].discover);
	assert_loads(w, "discover = yes\n");
	assert_int_equal(w->config->n_routes, 1);
	assert_true(w->config->route[0].discover);
}

/* The lines that are wrong, and all that is said of them. */
static const struct wrong {
	const char *text;
	const char *said;
} wrongs[] = {
	{ "apop = yes\n", "F:1: error: apop belongs into a listener: "
	    "listener \"NAME\" { apop = ... }\n" },
	{ "match = {\"a\", \"b\"}\n", "F:1: error: match belongs into a "
	    "route: route \"NAME\" { match = ... }\n" },
	{ "route a {\nworkers = 3\n}\n", "F:2: error: workers belongs into "
	    "no section: it stands outside of { }\n" },
	{ "route a {\nlisten = {\"pop3s://[::]\"}\n}\n", "F:2: error: "
	    "listen belongs into no section: it stands outside of { }\n" },
	{ "route a {\nallow = {\"::1\"}\ntls-cert = c\n}\n",
	    "F:2: error: allow belongs into a listener, not into a route\n"
	    "F:3: error: tls-cert belongs into a listener, not into a "
	    "route\n" },
	{ "listener a {\nurl = \"pop3s://[::]\"\nupstream = "
	    "\"imaps://h\"\n}\n", "F:3: error: upstream belongs into a "
	    "route, not into a listener\n" },
	{ "listener a {\nalow = {\"::1\"}\n}\n", "F:2: error: there is no "
	    "option \"alow\": did you mean \"allow\"?\n" },
	{ "route a {\nmtach = b\n}\n", "F:2: error: there is no option "
	    "\"mtach\": did you mean \"match\"?\n" },
	{ "listner a {\n}\n", "F:1: error: there is no option \"listner\": "
	    "did you mean \"listener\"?\n" },
	{ "rout a {\n}\n", "F:1: error: there is no option \"rout\": did you "
	    "mean \"route\"?\n" },
	{ "listener a {\nlock = x\n}\nroute b {\nlock = x\n}\n",
	    "F:2: error: lock belongs into a route, not into a listener\n"
	    "F:5: error: lock: it must be none, exclusive or takeover, not "
	    "\"x\"\n" },
	{ "route a {\nlock = none\nlock = none\n}\n", "F:3: error: lock is "
	    "set twice: the first time is in line 2\n" },
	{ "route a {\nmatch = b\nmatch = c\n}\n", "F:3: error: match is set "
	    "twice: give one list, or add to it by match += {\"VALUE\"}\n" },
	{ "route a { lock = none }\nroute b { lock = none }\nlock = x\n",
	    "F:3: error: lock: it must be none, exclusive or takeover, not "
	    "\"x\"\n" },
	{ "route a { }\nroute a { }\n", "F:2: error: found duplicate title "
	    "'a': give each section of a kind its own name\n" },
	{ "route { }\n", "F:1: error: missing title for section 'route': "
	    "write listener \"NAME\" { ... } or route \"NAME\" { ... }\n" },
	{ "listener \"a\"\nlock = none\n", "F:2: error: missing opening "
	    "brace for section 'listener': write listener \"NAME\" { ... } or "
	    "route \"NAME\" { ... }\n" },
	{ "route \"\" {\nlock = none }\n", "F:1: error: route: a name is "
	    "empty\n" },
	{ "route \"a\x1b[2J\" {\nlock = none }\n", "F:1: error: route: a "
	    "name has at most 64 letters, all of them printable ASCII, not "
	    "\"a\\x1b[2J\"\n" },
	{ "route a {\nlock = none\nroute b {\n}\n}\n", "F:3: error: a section "
	    "can not stand in a section: close the route before it by }\n" },
	{ "workers = 1\nroute a {\nlock = none\n", "F:2: error: the { of this "
	    "line is not closed: close it by }\n" },
	{ "route a {\n\n", "F:1: error: the { of this line is not closed: "
	    "close it by }\n" },
	{ "listener a {\nmechanisms = {\n }\n}\n", "F:2: error: this list is "
	    "empty: give it a value, or leave the option out for its "
	    "default\n" },
	{ "listen = {}\n", "F:1: error: this list is empty: give it a value, "
	    "or leave the option out for its default\n" },
	{ "route a {\n}\n}\n", "F:3: error: unexpected closing brace: write "
	    "NAME = \"VALUE\", or for a list NAME = {\"VALUE\", \"VALUE\"}"
	    "\n" },
	{ "listener a {\nmechanisms = {\"PLAIN\",\n\"NTLM\"}\n}\n",
	    "F:3: error: mechanisms: it must be PLAIN, LOGIN, XOAUTH2, "
	    "OAUTHBEARER, SCRAM-SHA-256, CRAM-MD5 or EXTERNAL, not "
	    "\"NTLM\"\n" },
	{ "listener a {\nallow = {\"10.0.0.0/8\",\n\"home\"}\n}\n",
	    "F:3: error: allow: it must be a network or an address, as in "
	    "192.0.2.0/24 or 2001:db8::/32, not \"home\"\n" },
	{ "route a {\nmatch = {\"x\", \"\"}\n}\n", "F:2: error: match: a "
	    "pattern is empty: no login is; \"*\" is every login\n" },
	{ "route a {\npreset = gmial\n}\n", "F:2: error: preset: it must be "
	    "gmail, google-workspace, microsoft365, outlook.com, icloud, "
	    "yahoo, fastmail, gmx, zoho, dovecot, cyrus, courier or exchange, "
	    "not \"gmial\"\n" },
};

static void
each_error_in_a_section_is_told_with_its_line(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(wrongs); i++) {
		ROW(wrongs, i);
		assert_int_equal(load_octets(w, pb_slice_str(wrongs[i].text)),
		    PB_EINVAL);
		assert_said(w, wrongs[i].said);
		assert_null(w->config);
		assert_loads(w, "route a { match = {\"b\"} }\n");
		assert_texts(&w->config->route[0].match, "b");
	}
}

static void
lists_of_sections_can_be_added_to_and_do_not_mix(void **state)
{
	struct world *w = *state;

	assert_loads(w, "tls-cert = {a}\n"
	    "listener l { url = \"pop3s://[::]:1\" tls-cert = {b, b}\n"
	    "tls-cert += {c} tls-cert += d }\n"
	    "tls-cert += e\n"
	    "listener m { url = \"pop3s://[::]:2\" tls-cert = b }\n"
	    "route r { match = {x, y} }\nroute s { match = {x} }\n");
	assert_texts(&w->config->priv_listener.tls_cert, "a e");
	assert_texts(&w->config->listener[0].tls_cert, "b b c d");
	assert_texts(&w->config->listener[1].tls_cert, "b");
	assert_texts(&w->config->route[0].match, "x y");
	assert_texts(&w->config->route[1].match, "x");
}

static void
signs_of_libconfuse_in_values_are_text(void **state)
{
	struct world *w = *state;

	assert_loads(w, "route a { match = {'${HOME}', '$x', '`id`', "
	    "\"a{b}c\", \"#\", \"//\", \"\\\\\\\"\"} }\n");
	assert_texts(&w->config->route[0].match,
	    "${HOME} $x `id` a{b}c # // \\\"");
}

static void
any_octets_give_a_config_or_an_error(void **state)
{
	static const char *const pieces[] = { "listener ", "route ", "\"a\" ",
		"b ", "{", "}", "=", "+=", "match", "allow", "lock", "listen",
		"none ", "\"x\"", "'", "\"", "#", "/*", "*/", "//", "\n", ",",
		"(", ")", "include", "${HOME}", "\\", "\x80", "\x01", "url ",
		"match-file", "preset", " " };
	struct world *w = *state;
	struct pbt_random random;
	unsigned i;

	pbt_random_init(&random);
	for (i = 0; i < 1000; i++) {
		struct pb_buffer text;
		size_t n = pbt_random_below(&random, 24);
		enum pb_status st;

		pb_buffer_init(&text, 4096);
		while (n-- > 0)
			pbt_say(&text, "%s", pieces[pbt_random_below(&random,
			    COUNT(pieces))]);
		st = load_octets(w, pb_buffer_slice(&text));
		assert_int_equal(st == PB_OK, w->config != NULL);
		assert_int_equal(st == PB_OK, w->said.len == 0);
		pb_buffer_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_listener_that_says_nothing_has_the_defaults),
		TEST(a_listener_can_set_every_option_of_its_own),
		TEST(a_route_that_says_nothing_has_the_defaults),
		TEST(a_route_can_set_every_option_of_its_own),
		TEST(what_is_outside_is_for_sections_that_say_nothing),
		TEST(what_belongs_to_one_server_is_for_the_last_route_alone),
		TEST(the_command_line_wins_outside_of_sections_only),
		TEST(listeners_of_both_kinds_stand_beside_each_other),
		TEST(there_are_not_more_than_sixteen_listeners_of_both_kinds),
		TEST(a_preset_fills_what_the_route_does_not_say),
		TEST(discovery_is_for_routes_without_a_server),
		TEST(each_error_in_a_section_is_told_with_its_line),
		TEST(lists_of_sections_can_be_added_to_and_do_not_mix),
		TEST(signs_of_libconfuse_in_values_are_text),
		TEST(any_octets_give_a_config_or_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
