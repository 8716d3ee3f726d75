#include "service/world.h"

#include "popbridge/base/mem.h"
#include "popbridge/service/route.h"

static struct pb_route_choice choice;

static enum pb_status
choose(struct world *w, const char *listener, struct pb_slice login)
{
	struct pbt_guarded g;
	enum pb_status st;

	pbt_guard(&g, login);
	memset(&choice, 0x55, sizeof(choice));
	st = pb_route_choose(w->config, listener, g.octets, &choice);
	pbt_unguard(&g);
	return st;
}

/* Where a login goes, and what it is called there. */
static void
assert_route(struct world *w, const char *login, const char *route,
    const char *upstream_login)
{
	assert_int_equal(choose(w, "x", pb_slice_str(login)), PB_OK);
	assert_string_equal(choice.route->name, route);
	assert_ptr_equal(choice.route, &w->config->route[choice.index]);
	assert_string_equal(choice.upstream_login, upstream_login);
	assert_int_equal(choice.upstream_login_len, strlen(upstream_login));
	assert_int_equal(choice.login_len, strlen(choice.login));
}

static void
assert_refused(struct world *w, const char *login)
{
	assert_int_equal(choose(w, "x", pb_slice_str(login)), PB_EOF);
	/* Untouched. */
	assert_int_equal(choice.login[0], 0x55);
}

#define SERVER "upstream = \"imaps://h\" "

static void
the_first_route_that_matches_wins(void **state)
{
	struct world *w = *state;

	assert_loads(w,
	    "route a { match = {\"boss\"} upstream = \"imaps://a\" }\n"
	    "upstream = \"imaps://last\"\n"
	    "route b { match = {\"*@b.org\", \"boss\", \"ann\"}\n"
	    "upstream = \"imaps://b\" }\n"
	    "route c { match = {\"ann\"} upstream = \"imaps://c\" }\n");
	assert_int_equal(w->config->n_routes, 4);
	assert_route(w, "boss", "a", "boss");
	assert_url(&choice.upstream, "imaps://a:993");
	assert_route(w, "x@b.org", "b", "x@b.org");
	assert_string_equal(choice.domain, "b.org");
	assert_route(w, "ann", "b", "ann");
	assert_route(w, "other", "", "other");
	assert_url(&choice.upstream, "imaps://last:993");
	assert_string_equal(choice.domain, "");
	assert_int_equal(choice.index, 3);
}

static void
without_a_match_there_is_no_route(void **state)
{
	struct world *w = *state;

	assert_loads(w, "route a { match = {\"a\"} " SERVER "}\n");
	assert_route(w, "a", "a", "a");
	assert_refused(w, "b");
	assert_refused(w, "aa");
	assert_refused(w, "");
	assert_loads(w, "route a { " SERVER "}\n");
	assert_route(w, "anybody", "a", "anybody");
}

static void
a_route_may_be_for_clients_of_some_listeners(void **state)
{
	struct world *w = *state;

	assert_loads(w, "route a { listeners = {\"in\", "
	    "\"pop3+plain://127.0.0.1:1\"} " SERVER "}\n");
	assert_int_equal(choose(w, "in", OCTETS("u")), PB_OK);
	assert_int_equal(choose(w, "pop3+plain://127.0.0.1:1", OCTETS("u")),
	    PB_OK);
	assert_int_equal(choose(w, "out", OCTETS("u")), PB_EOF);
	assert_int_equal(choose(w, "IN", OCTETS("u")), PB_EOF);
	/* A URL is the same however it is written. */
	assert_loads(w, "route a { listeners = {\"pop3s://[0::0]\"} "
	    SERVER "}\n");
	assert_int_equal(choose(w, "pop3s://[::]:995", OCTETS("u")), PB_OK);
}

static void
patterns_have_stars_and_question_marks(void **state)
{
	static const struct {
		const char *pattern;
		const char *login;
		bool matches;
	} rows[] = {
		{ "*", "a", true }, { "**", "a", true }, { "?", "a", true },
		{ "?", "ab", false }, { "??", "ab", true }, { "a*", "a", true },
		{ "*a", "a", true }, { "*a*", "a", true }, { "a", "A", true },
		{ "A", "a", true }, { "\xc3\x84", "\xc3\xa4", false },
		{ "\xc3\xa4", "\xc3\xa4", true }, { "a?c", "abc", true },
		{ "a?c", "ac", false }, { "*@x.org", "@x.org", true },
		{ "*@x.org", "a@x.org", true }, { "*@x.org", "a@x.orG", true },
		{ "*@x.org", "a@x.org.evil", false },
		{ "*@x.org", "a@yx.org", false },
		{ "*@x.org", "a@x.org@x.org", true },
		{ "a*b*c", "aXbXbXc", true }, { "a*b*c", "aXbXbX", false },
		{ "*aab", "aaaaab", true }, { "*a?b*", "xxaxbxx", true },
		{ "a", "*", false }, { "a", "?", false }, { "[ab]", "a", false },
		{ "[ab]", "[ab]", true }, { "%n", "%n", true },
		{ "%n", "n", false }, { "../x", "../x", true },
		{ "\\\\*", "\\", true }, { "$HOME", "$HOME", true },
		{ "K", "\xe2\x84\xaa", false }, { "a b", "a b", true },
	};
	struct world *w = *state;
	char text[128];
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		snprintf(text, sizeof(text), "route a { match = {\"%s\"} "
		    SERVER "}\n", rows[i].pattern);
		assert_loads(w, text);
		if (rows[i].matches)
			assert_route(w, rows[i].login, "a", rows[i].login);
		else
			assert_refused(w, rows[i].login);
	}
}

static void
a_login_is_text_and_nothing_in_it_is_expanded(void **state)
{
	static const char *const logins[] = { "%n", "%u%d", "$HOME", "${HOME}",
		"../x", "*", "?", "\\", "a\\b", "{}", "\"", "'", " ", "a b",
		"\x01", "\x7f", "\xff\xfe", "-", "#", "a:b", "/etc/passwd",
		"@", "@@", "a@", "%", "\t" };
	struct world *w = *state;
	size_t i;

	assert_loads(w, SERVER "\n");
	for (i = 0; i < COUNT(logins); i++) {
		ROW(logins, i);
		assert_route(w, logins[i], "", logins[i]);
		assert_string_equal(choice.login, logins[i]);
	}
}

static void
separators_mean_an_at_in_a_login_that_has_none(void **state)
{
	static const struct {
		const char *given;
		const char *read;
	} rows[] = {
		{ "u%x.org", "u@x.org" }, { "u#x.org", "u@x.org" },
		{ "a%b%x.org", "a%b@x.org" }, { "a%b#x.org", "a%b@x.org" },
		{ "a%b@x.org", "a%b@x.org" }, { "u!x.org", "u!x.org" },
		{ "%", "@" }, { "u", "u" }, { "U%X.ORG", "U@X.ORG" },
	};
	struct world *w = *state;
	size_t i;

	assert_loads(w, SERVER "login-separators = \"%#\"\n");
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_route(w, rows[i].given, "", rows[i].read);
		assert_string_equal(choice.login, rows[i].read);
	}
	assert_string_equal(choice.domain, "x.org");
	/* Patterns see the @. */
	assert_loads(w, "route a { match = {\"*@x.org\"} login-separators = "
	    "\"%\" " SERVER "}\nroute b { " SERVER "}\n");
	assert_route(w, "u%x.org", "a", "u@x.org");
	assert_route(w, "u%y.org", "b", "u%y.org");
}

static void
a_windows_domain_is_dropped_where_it_is_to_be(void **state)
{
	static const struct {
		const char *given;
		const char *read;
	} rows[] = {
		{ "DOMAIN\\user", "user" }, { "user", "user" },
		{ "DOMAIN\\user\\alias", "user\\alias" },
		{ "\\user", "user" }, { "DOMAIN\\", "DOMAIN\\" },
		{ "\\", "\\" }, { "D\\u%x", "u@x" }, { "a%b\\u", "u" },
	};
	struct world *w = *state;
	size_t i;

	assert_loads(w, SERVER "login-windows-domain = yes\n"
	    "login-separators = \"%\"\n");
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_route(w, rows[i].given, "", rows[i].read);
		assert_string_equal(choice.login, rows[i].read);
	}
	assert_loads(w, SERVER "\n");
	assert_route(w, "DOMAIN\\user", "", "DOMAIN\\user");
}

static void
domains_are_stripped_and_added_for_the_server_only(void **state)
{
	static const struct {
		const char *options;
		const char *given;
		const char *upstream;
		const char *domain;
	} rows[] = {
		{ "strip-domain = yes", "u@x.org", "u", "x.org" },
		{ "strip-domain = yes", "a@b@X.org", "a@b", "x.org" },
		{ "strip-domain = yes", "u", "u", "" },
		{ "strip-domain = yes", "u@", "u", "" },
		{ "strip-domain = yes", "@x.org", "@x.org", "x.org" },
		{ "add-domain = x.org", "u", "u@x.org", "x.org" },
		{ "add-domain = X.org", "u", "u@X.org", "x.org" },
		{ "add-domain = x.org", "u@y.org", "u@y.org", "y.org" },
		{ "strip-domain = yes add-domain = x.org", "u@y.org",
		    "u@x.org", "y.org" },
		{ "strip-domain = yes add-domain = x.org", "u", "u@x.org",
		    "x.org" },
	};
	struct world *w = *state;
	char text[128];
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		snprintf(text, sizeof(text), SERVER "%s\n", rows[i].options);
		assert_loads(w, text);
		assert_route(w, rows[i].given, "", rows[i].upstream);
		assert_string_equal(choice.login, rows[i].given);
		assert_string_equal(choice.domain, rows[i].domain);
	}
}

static void
only_the_name_of_a_host_is_a_domain_to_discover(void **state)
{
	static const char *const domains[] = { "127.0.0.1", "2130706433",
		"0x7f.1", "a..b", ".a", "a.", "a b", "a/b", "[::1]", "::1",
		"a\x01", "\xc3\xa4.org", "%n", "*", "" };
	struct world *w = *state;
	char login[64];
	size_t i;

	assert_loads(w, "discover = yes\n");
	for (i = 0; i < COUNT(domains); i++) {
		ROW(domains, i);
		snprintf(login, sizeof(login), "u@%s", domains[i]);
		assert_route(w, login, "", login);
		assert_string_equal(choice.domain, "");
		assert_string_equal(choice.upstream.host, "");
	}
	assert_route(w, "u@Sub.Example.ORG", "", "u@Sub.Example.ORG");
	assert_string_equal(choice.domain, "sub.example.org");
	assert_route(w, "u@a@localhost", "", "u@a@localhost");
	assert_string_equal(choice.domain, "localhost");
}

static void
a_login_with_cr_lf_or_nul_has_no_route(void **state)
{
	struct world *w = *state;

	assert_loads(w, SERVER "\n");
	assert_int_equal(choose(w, "x", OCTETS("a\rb")), PB_EOF);
	assert_int_equal(choose(w, "x", OCTETS("a\nb")), PB_EOF);
	assert_int_equal(choose(w, "x", OCTETS("a\0b")), PB_EOF);
	assert_int_equal(choose(w, "x", OCTETS("\0")), PB_EOF);
	assert_int_equal(choose(w, "x", OCTETS("")), PB_EOF);
}

static void
a_login_is_too_long_here_or_at_the_server(void **state)
{
	struct world *w = *state;
	char login[PB_ROUTE_LOGIN_MAX + 2];

	memset(login, 'u', sizeof(login));
	assert_loads(w, SERVER "add-domain = x.org\n");
	assert_int_equal(choose(w, "x", pb_slice(login, 256)), PB_ETOOBIG);
	assert_int_equal(choose(w, "x", pb_slice(login, 255)), PB_ETOOBIG);
	assert_int_equal(choose(w, "x", pb_slice(login, 250)), PB_ETOOBIG);
	assert_int_equal(choice.login[0], 0x55);
	assert_int_equal(choose(w, "x", pb_slice(login, 249)), PB_OK);
	assert_int_equal(choice.upstream_login_len, 255);
	assert_loads(w, SERVER "\n");
	assert_int_equal(choose(w, "x", pb_slice(login, 255)), PB_OK);
	assert_int_equal(choice.login_len, 255);
	login[0] = '@';
	assert_int_equal(choose(w, "x", pb_slice(login, 255)), PB_OK);
	assert_string_equal(choice.domain, "");
}

/* The match-file. */

static void
use_map(struct world *w, const char *map, const char *more)
{
	char text[400];

	write_map(w, map);
	snprintf(text, sizeof(text), "route m { match-file = \"%s\"\n%s }\n",
	    w->map, more);
	assert_loads(w, text);
}

static void
a_match_file_names_logins_servers_and_names_there(void **state)
{
	struct world *w = *state;

	use_map(w, "# who is where\n\nann\r\nBob imap://b.example\n"
	    "  eve\timaps://e.example:1993 Eve@e.example # moved\n"
	    "joe joseph\nhash#tag\n\xc3\xa4@x.org imaps://b.example\n"
	    "last", "upstream = \"imaps://route\" add-domain = x.org");
	assert_route(w, "ann", "m", "ann@x.org");
	assert_url(&choice.upstream, "imaps://route:993");
	assert_route(w, "bob", "m", "bob@x.org");
	assert_url(&choice.upstream, "imap://b.example:143");
	assert_string_equal(choice.login, "bob");
	assert_route(w, "EVE", "m", "Eve@e.example");
	assert_url(&choice.upstream, "imaps://e.example:1993");
	assert_string_equal(choice.login, "EVE");
	assert_route(w, "joe", "m", "joseph");
	assert_url(&choice.upstream, "imaps://route:993");
	assert_route(w, "hash#tag", "m", "hash#tag@x.org");
	assert_route(w, "\xc3\xa4@X.ORG", "m", "\xc3\xa4@X.ORG");
	assert_url(&choice.upstream, "imaps://b.example:993");
	assert_route(w, "last", "m", "last@x.org");
	assert_refused(w, "moved");
	assert_refused(w, "#");
	assert_refused(w, "joseph");
	assert_refused(w, "an");
}

static void
patterns_and_a_match_file_are_both_tried(void **state)
{
	struct world *w = *state;

	use_map(w, "ann imaps://a\n", "match = {\"*n\"} "
	    "upstream = \"imaps://route\"");
	assert_route(w, "ann", "m", "ann");
	assert_url(&choice.upstream, "imaps://a:993");
	assert_route(w, "jon", "m", "jon");
	assert_url(&choice.upstream, "imaps://route:993");
	assert_refused(w, "bob");
	use_map(w, "", "upstream = \"imaps://route\"");
	assert_refused(w, "ann");
}

static void
each_error_of_a_match_file_is_told_with_its_line(void **state)
{
	static const struct {
		const char *map;
		const char *said;
	} rows[] = {
		{ "a\n\na imaps://b\n", "M:3: error: \"a\" is here twice: the "
		    "first time is in line 1\n" },
		{ "ann@x\nANN@X\n", "M:2: error: \"ANN@X\" is here twice: the "
		    "first time is in line 1\n" },
		{ "a http://b\n", "M:1: error: http:// is not known here: use "
		    "imaps://, imap:// or imap+plain://\n" },
		{ "a imaps://u:geheim@b\n", "M:1: error: a user name has no "
		    "place in this URL: remove all that is before the @, and "
		    "the @\n" },
		{ "imaps://b a\n", "M:1: error: the login comes first, and "
		    "then the URL of its server\n" },
		{ "a b c\n", "M:1: error: a line is LOGIN [IMAP-URL] "
		    "[LOGIN-AT-THE-SERVER]\n" },
		{ "a imaps://b c d\n", "M:1: error: a line is LOGIN "
		    "[IMAP-URL] [LOGIN-AT-THE-SERVER]\n" },
		{ "x\na\x01\n", "M:2: error: there is a control character in "
		    "the line\n" },
		{ "a\rb\n", "M:1: error: there is a control character in the "
		    "line\n" },
		{ "a http://x\nb\nc d e f", "M:1: error: http:// is not known "
		    "here: use imaps://, imap:// or imap+plain://\nM:3: error: "
		    "a line is LOGIN [IMAP-URL] [LOGIN-AT-THE-SERVER]\n" },
	};
	struct world *w = *state;
	char text[200];
	size_t i;

	snprintf(text, sizeof(text), "route m { match-file = \"%s\" }\n",
	    w->map);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		write_map(w, rows[i].map);
		assert_int_equal(load_octets(w, pb_slice_str(text)),
		    PB_EINVAL);
		assert_said(w, rows[i].said);
		assert_null(w->config);
	}
}

static void
long_lines_and_logins_of_a_match_file_are_refused(void **state)
{
	struct world *w = *state;
	struct pb_buffer map;
	char text[200];
	unsigned i;

	snprintf(text, sizeof(text), "route m { match-file = \"%s\" }\n",
	    w->map);
	pb_buffer_init(&map, 1024 * 1024);
	pbt_say(&map, "%0256d\n%0255d\nb %0256d\n#", 1, 1, 1);
	for (i = 0; i < 30000; i++)
		pbt_say(&map, "x");
	pbt_say(&map, "\nlast last last\n");
	write_to(w->map, pb_buffer_slice(&map));
	assert_int_equal(load_octets(w, pb_slice_str(text)), PB_EINVAL);
	assert_said(w, "M:1: error: a login has at most 255 letters\n"
	    "M:3: error: a login has at most 255 letters\n"
	    "M:4: error: the line is too long for two logins and a URL\n"
	    "M:5: error: a line is LOGIN [IMAP-URL] "
	    "[LOGIN-AT-THE-SERVER]\n");
	write_to(w->map, OCTETS("a\n\0b\n"));
	assert_int_equal(load_octets(w, pb_slice_str(text)), PB_EINVAL);
	assert_said(w, "M:2: error: there is a control character in the line"
	    "\n");
	pb_buffer_fini(&map);
}

static void
many_errors_of_a_match_file_are_not_all_told(void **state)
{
	struct world *w = *state;
	struct pb_buffer map;
	char text[200];
	unsigned i;

	snprintf(text, sizeof(text), "route m { match-file = \"%s\" }\n",
	    w->map);
	pb_buffer_init(&map, 1024 * 1024);
	for (i = 0; i < 1000; i++)
		pbt_say(&map, "a b c\n");
	write_to(w->map, pb_buffer_slice(&map));
	assert_int_equal(load_octets(w, pb_slice_str(text)), PB_EINVAL);
	assert_says(w, "M:20: error: these are enough errors of one file; "
	    "the rest of it is not looked at\n");
	assert_null(strstr(pb_buffer_slice(&w->said).data, "M:21:"));
	pb_buffer_fini(&map);
}

static void
a_match_file_that_is_not_there_is_told_with_the_line_of_its_option(void **s)
{
	struct world *w = *s;
	char text[200];
	char want[200];

	snprintf(text, sizeof(text), "route m {\n\tmatch-file = \"%s\"\n}\n",
	    w->map);
	snprintf(want, sizeof(want), "F:2: error: match-file: %s can not be "
	    "read: No such file or directory\n", w->map);
	assert_int_equal(load_octets(w, pb_slice_str(text)), PB_EINVAL);
	assert_said(w, want);
	assert_int_equal(load_octets(w, OCTETS("route m { match-file = "
	    "\"/\" }\n")), PB_EINVAL);
	assert_says(w, "Is a directory");
}

static void
a_match_file_has_an_end(void **state)
{
	struct world *w = *state;
	struct pb_buffer map;
	char text[200];
	unsigned i;

	snprintf(text, sizeof(text), "route m { match-file = \"%s\" "
	    SERVER "}\n", w->map);
	pb_buffer_init(&map, 1024 * 1024);
	for (i = 0; i < 1000001; i++)
		pbt_say(&map, "\n");
	write_to(w->map, pb_buffer_slice(&map));
	assert_int_equal(load_octets(w, pb_slice_str(text)), PB_EINVAL);
	assert_says(w, "M:1000001: error: a match-file has at most 1000000 lines\n");
	pb_buffer_consume(&map, 1);
	write_to(w->map, pb_buffer_slice(&map));
	assert_loads(w, text);
	pb_buffer_fini(&map);
}

static void
a_match_file_without_line_ends_is_not_read_for_ever(void **state)
{
	struct world *w = *state;
	struct pb_buffer map;
	char config[200];

	pb_buffer_init(&map, 1024 * 1024);
	pbt_say(&map, "a\n");
	while (map.len < 100000)
		pbt_say(&map, "xxxxxxxxxxxxxxxxxxxx");
	pbt_say(&map, "\na b c\n");
	write_to(w->map, pb_buffer_slice(&map));
	pb_buffer_fini(&map);
	snprintf(config, sizeof(config), "route m { match-file = \"%s\" }\n",
	    w->map);
	assert_int_equal(load_octets(w, pb_slice_str(config)), PB_EINVAL);
	assert_said(w, "M:2: error: it is not a text file: this line does not "
	    "end\n");
}

static void
without_memory_a_match_file_is_not_loaded(void **state)
{
	struct world *w = *state;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;
	char text[200];
	char *room;

	snprintf(text, sizeof(text), "route m { match-file = \"%s\" }\n",
	    w->map);
	write_file(w, pb_slice_str(text));
	write_map(w, "a imaps://b c\nd imap://b\ne imaps://b\n");
	for (n = 1; st == PB_ENOMEM; n++) {
		const struct pb_config_sink sink = { note, w };
		const struct pb_config_source source = { .file = w->file };

		assert_in_range(n, 1, 100);
		pb_buffer_clear(&w->said);
		assert_int_equal(pb_buffer_reserve(&w->said, 4096, &room),
		    PB_OK);
		pb_mem_fail_from(n);
		st = pb_config_load(&source, &sink, &w->config);
		pb_mem_fail_from(0);
		assert_said(w, st == PB_OK ? "" : "F: error: no memory\n");
	}
	assert_int_equal(st, PB_OK);
	assert_route(w, "a", "m", "c");
}

static void
many_routes_and_logins_find_their_place(void **state)
{
	struct world *w = *state;
	struct pb_buffer text;
	struct pb_buffer map;
	char login[40];
	unsigned i;

	pb_buffer_init(&text, 1024 * 1024);
	pb_buffer_init(&map, 16 * 1024 * 1024);
	for (i = 0; i < 20000; i++)
		pbt_say(&map, "user%u@map.org imaps://s%u.map.org\n", i,
		    i % 7);
	write_to(w->map, pb_buffer_slice(&map));
	for (i = 0; i < PB_CONFIG_ROUTES_MAX - 1; i++)
		pbt_say(&text, "route r%u { match = {\"*@r%u.org\"} "
		    "upstream = \"imaps://r%u.org\" }\n", i, i, i);
	pbt_say(&text, "route m { match-file = \"%s\" }\n", w->map);
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_OK);
	assert_int_equal(w->config->n_routes, PB_CONFIG_ROUTES_MAX);
	for (i = 0; i < 20000; i += 97) {
		snprintf(login, sizeof(login), "USER%u@map.org", i);
		assert_route(w, login, "m", login);
		assert_int_equal(choice.upstream.host[1], '0' + (int)(i % 7));
		snprintf(login, sizeof(login), "u@r%u.org", i % 1023);
		assert_route(w, login, choice.route == NULL ? "" :
		    w->config->route[i % 1023].name, login);
	}
	assert_refused(w, "user20000@map.org");
	/* One more is one too many, but for the last one. */
	pbt_say(&text, "upstream = \"imaps://last\"\n");
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_OK);
	assert_route(w, "user20000@map.org", "", "user20000@map.org");
	pbt_say(&text, "route more { " SERVER "}\n");
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_EINVAL);
	assert_says(w, "F:1026: error: there are more than 1024 routes");
	pb_buffer_fini(&text);
	pb_buffer_fini(&map);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_route_that_matches_wins),
		TEST(without_a_match_there_is_no_route),
		TEST(a_route_may_be_for_clients_of_some_listeners),
		TEST(patterns_have_stars_and_question_marks),
		TEST(a_login_is_text_and_nothing_in_it_is_expanded),
		TEST(separators_mean_an_at_in_a_login_that_has_none),
		TEST(a_windows_domain_is_dropped_where_it_is_to_be),
		TEST(domains_are_stripped_and_added_for_the_server_only),
		TEST(only_the_name_of_a_host_is_a_domain_to_discover),
		TEST(a_login_with_cr_lf_or_nul_has_no_route),
		TEST(a_login_is_too_long_here_or_at_the_server),
		TEST(a_match_file_names_logins_servers_and_names_there),
		TEST(patterns_and_a_match_file_are_both_tried),
		TEST(each_error_of_a_match_file_is_told_with_its_line),
		TEST(long_lines_and_logins_of_a_match_file_are_refused),
		TEST(many_errors_of_a_match_file_are_not_all_told),
		TEST(a_match_file_that_is_not_there_is_told_with_the_line_of_its_option),
		TEST(a_match_file_has_an_end),
		TEST(a_match_file_without_line_ends_is_not_read_for_ever),
		TEST(without_memory_a_match_file_is_not_loaded),
		TEST(many_routes_and_logins_find_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
