#include "service/world.h"

#include <sys/stat.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/option.h"

static void
nothing_at_all_gives_the_defaults(void **state)
{
	struct world *w = *state;
	const struct pb_config *c;

	assert_int_equal(load(w, NULL, NULL, 0), PB_OK);
	assert_said(w, "");
	c = w->config;
	assert_int_equal(c->n_listeners, 1);
	assert_url(&c->listener[0].url, "pop3+plain://127.0.0.1:1110");
	assert_int_equal(c->listener[0].tls_cert.n, 0);
	assert_int_equal(c->listener[0].tls_key.n, 0);
	assert_null(c->listener[0].client_ca);
	assert_int_equal(c->n_routes, 0);
	assert_null(c->ports_file);
	assert_null(c->accounts);
	assert_null(c->accounts_key);
	assert_null(c->user);
	assert_null(c->group);
	assert_int_equal(c->sandbox, PB_SANDBOX_TRY);
	assert_false(c->core_dumps);
	assert_int_equal(c->log_level, PB_LOG_INFO);
	assert_int_equal(c->log_format, PB_LOG_FORMAT_TEXT);
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->listing_memory, 64);
	assert_null(c->state_directory);
	assert_int_equal(c->idle_timeout, 600);
	assert_int_equal(c->drain_timeout, 30);
	assert_int_equal(c->login_timeout, 180);
	assert_int_equal(c->client_keepalive, 120);
	assert_int_equal(c->memory_soft, 0);
	assert_int_equal(c->memory_hard, 0);
	assert_int_equal(c->max_connections, 20000);
	assert_int_equal(c->max_connections_per_address, 200);
	assert_int_equal(c->max_unauthenticated, 5000);
	assert_int_equal(c->readahead_memory, 64);
	assert_null(pb_config_place(c, "lock").file);
	assert_false(pb_config_place(c, "lock").command_line);
}

static void
an_empty_file_gives_the_same_as_none(void **state)
{
	static const char *const texts[] = { "", "\n", "# nothing\n",
		"// nothing", "/* nothing */", "\t \r\n\n" };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(texts); i++) {
		ROW(texts, i);
		assert_loads(w, texts[i]);
		assert_int_equal(w->config->n_listeners, 1);
		assert_int_equal(w->config->idle_timeout, 600);
		assert_place(w, "idle-timeout", 0);
	}
}

static void
a_certificate_changes_the_default_listeners(void **state)
{
	struct world *w = *state;

	assert_loads(w, "tls-cert = \"/c\"\ntls-key = \"/k\"\n");
	assert_int_equal(w->config->n_listeners, 2);
	assert_url(&w->config->listener[0].url, "pop3s://0.0.0.0:995");
	assert_url(&w->config->listener[1].url, "pop3://0.0.0.0:110");
	assert_loads(w, "tls-cert = \"/c\"\ntls-key = \"/k\"\n"
	    "listen = {\"pop3s://[::]\"}\n");
	assert_int_equal(w->config->n_listeners, 1);
	assert_url(&w->config->listener[0].url, "pop3s://[::]:995");
}

static void
a_file_can_set_every_option(void **state)
{
	static const char text[] =
	    "listen = {\"pop3s://[::]:1995\", \"pop3://127.0.0.1:0\"}\n"
	    "upstream = \"imap://imap.example.com\"\n"
	    "tls-cert = {\"/c\", \"/d\"}\n"
	    "tls-key = {\"/k\", \"/l\"}\n"
	    "upstream-ca = \"/a\"\n"
	    "ports-file = \"/p\"\n"
	    "log-level = \"debug\"\n"
	    "log-format = \"json\"\n"
	    "workers = 3\n"
	    "mark-seen = \"quit\"\n"
	    "lock = \"takeover\"\n"
	    "idle-timeout = \"601\"\n"
	    "upstream-timeout = 61\n"
	    "connect-timeout = 31\n"
	    "drain-timeout = 0\n"
	    "login-timeout = 181\n"
	    "client-keepalive = 121\n"
	    "memory-soft = 700\n"
	    "memory-hard = 701\n"
	    "max-connections = 3001\n"
	    "max-connections-per-address = 21\n"
	    "max-unauthenticated = 301\n"
	    "max-kept-connections = 7\n"
	    "max-upstream-connections = 4\n"
	    "upstream-keep = 1500\n"
	    "readahead-memory = 5\n"
	    "max-connections-per-user = 11\n"
	    "tls-profile = modern\n"
	    "client-ca = \"/ca\"\n"
	    "mechanisms = {\"EXTERNAL\", PLAIN}\n"
	    "preset = dovecot\n"
	    "discover = yes\n"
	    "upstream-tls-profile = legacy\n"
	    "upstream-auth = oauthbearer\n"
	    "identity = accounts\n"
	    "accounts = \"/accounts\"\n"
	    "accounts-key = \"/accounts.key\"\n"
	    "master-user = popbridge\n"
	    "master-password-file = \"/m\"\n"
	    "login-separators = \"%#\"\n"
	    "login-windows-domain = yes\n"
	    "strip-domain = yes\n"
	    "add-domain = \"example.org\"\n"
	    "mailbox = \"Archive/2024\"\n"
	    "delete = trash\n"
	    "delete-folder = \"Papierkorb\"\n"
	    "revive = no\n"
	    "listing-memory = 65\n"
	    "state-directory = \"/state\"\n"
	    "journal = required\n"
	    "user = popbridge\n"
	    "group = mail\n"
	    "sandbox = yes\n"
	    "core-dumps = yes\n";
	struct world *w = *state;
	const struct pb_config *c;
	const struct pb_route_config *r;
	const struct pb_option *rows;
	size_t n;
	size_t i;

	assert_loads(w, text);
	c = w->config;
	r = &c->route[0];
	assert_int_equal(c->n_listeners, 2);
	assert_url(&c->listener[0].url, "pop3s://[::]:1995");
	assert_url(&c->listener[1].url, "pop3://127.0.0.1:0");
	assert_int_equal(c->n_routes, 1);
	assert_url(&c->route[0].upstream, "imap://imap.example.com:143");
	assert_texts(&c->listener[1].tls_cert, "/c /d");
	assert_texts(&c->listener[1].tls_key, "/k /l");
	assert_string_equal(c->route[0].upstream_ca, "/a");
	assert_string_equal(c->ports_file, "/p");
	assert_int_equal(c->log_level, PB_LOG_DEBUG);
	assert_int_equal(c->log_format, PB_LOG_FORMAT_JSON);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->route[0].mark_seen, PB_MARK_SEEN_QUIT);
	assert_int_equal(c->route[0].lock, PB_LOCK_TAKEOVER);
	assert_int_equal(c->idle_timeout, 601);
	assert_int_equal(c->upstream_timeout, 61);
	assert_int_equal(c->connect_timeout, 31);
	assert_int_equal(c->drain_timeout, 0);
	assert_int_equal(c->login_timeout, 181);
	assert_int_equal(c->client_keepalive, 121);
	assert_int_equal(c->memory_soft, 700);
	assert_int_equal(c->memory_hard, 701);
	assert_int_equal(c->max_connections, 3001);
	assert_int_equal(c->max_connections_per_address, 21);
	assert_int_equal(c->max_unauthenticated, 301);
	assert_int_equal(c->readahead_memory, 5);
	assert_int_equal(r->max_connections_per_user, 11);
	assert_int_equal(c->max_kept_connections, 7);
	assert_int_equal(r->max_upstream_connections, 4);
	assert_int_equal(r->upstream_keep, 1500);
	assert_int_equal(c->listener[0].tls_profile, PB_TLS_PROFILE_MODERN);
	assert_string_equal(c->listener[0].client_ca, "/ca");
	assert_int_equal(c->listener[0].mechanisms, 1 << 6 | 1 << 0);
	assert_string_equal(r->preset->name, "dovecot");
	assert_true(r->discover);
	assert_int_equal(r->upstream_tls_profile, PB_TLS_PROFILE_LEGACY);
	assert_int_equal(r->upstream_auth, PB_UPSTREAM_AUTH_OAUTHBEARER);
	assert_int_equal(r->identity, PB_IDENTITY_ACCOUNTS);
	assert_int_equal(c->listing_memory, 65);
	assert_string_equal(c->state_directory, "/state");
	assert_int_equal(c->journal, PB_JOURNAL_REQUIRED);
	assert_string_equal(c->user, "popbridge");
	assert_string_equal(c->group, "mail");
	assert_int_equal(c->sandbox, PB_SANDBOX_YES);
	assert_true(c->core_dumps);
	assert_string_equal(c->accounts, "/accounts");
	assert_string_equal(c->accounts_key, "/accounts.key");
	assert_string_equal(r->master_user, "popbridge");
	assert_string_equal(r->master_password_file, "/m");
	assert_string_equal(r->login_separators, "%#");
	assert_true(r->login_windows_domain);
	assert_true(r->strip_domain);
	assert_string_equal(r->add_domain, "example.org");
	assert_string_equal(r->mailbox, "Archive/2024");
	assert_int_equal(r->removal, PB_REMOVAL_TRASH);
	assert_string_equal(r->delete_folder, "Papierkorb");
	assert_false(r->revive);
	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].scopes & PB_OPTION_GLOBAL)
			assert_in_range(pb_config_place(c,
			    rows[i].name).line, 1, n);
	}
	assert_place(w, "listen", 1);
	assert_place(w, "connect-timeout", 14);
}

/* The lines that are wrong, and what is said of them. */
static const struct wrong {
	const char *text;
	const char *said;	/* how it begins */
} wrongs[] = {
	{ "lock = \"shared\"\n",
	    "F:1: error: lock: it must be none, exclusive or takeover, not "
	    "\"shared\"\n" },
	{ "\n\nworkers = 257\n",
	    "F:3: error: workers: it must be a number from 0 to 256 (each is "
	    "a thread, and more than cores gain nothing), not \"257\"\n" },
	{ "idle-timeout = 0\n", "F:1: error: idle-timeout: it must be a num" },
	{ "workers = 1\r\nlock = bogus\r\n", "F:2: error: lock: it must be " },
	{ "upstream = \"https://h\"\n",
	    "F:1: error: upstream: https:// is not known here: use " },
	{ "upstream = \"imaps://max:geheim@h\"\n",
	    "F:1: error: upstream: a user name has no place" },
	{ "tls-key = \"\"\n", "F:1: error: tls-key: it is empty" },
	{ "listen = {\"pop3s://[::]\",\n\n\"pop3s://localhost\"}\n",
	    "F:3: error: listen: a listener needs an address, not a name" },
	{ "listen = {\"\"}\n", "F:1: error: listen: it is empty: use" },
	{ "\nupstram = \"imaps://h\"\n",
	    "F:2: error: there is no option \"upstram\": did you mean "
	    "\"upstream\"?\n" },
	{ "colour = \"red\"\n",
	    "F:1: error: there is no option \"colour\": popbridge.conf(5) "
	    "has them all\n" },
	{ "lo\x1b[2Jck = 1\n",
	    "F:1: error: there is no option \"lo\\x1b[2Jck\"" },
	{ "server {\nworkers = 1\n}\n",
	    "F:1: error: there is no option \"server\"" },
	{ "include(\"/etc/hostname\")\n",
	    "F:1: error: there is no option \"include\"" },
	{ "workers 3\n", "F:1: error: missing equal sign after option "
	    "'workers': write NAME = \"VALUE\", or for a list "
	    "NAME = {\"VALUE\", \"VALUE\"}\n" },
	{ "workers = {\"1\"}\n", "F:1: error: unexpected token '{'" },
	{ "workers += 1\n", "F:1: error: attempt to append to non-list" },
	{ "workers =\n", "F:" },
	{ "workers", "F:1: error: " },
	{ "}\n", "F:1: error: unexpected closing brace" },
	{ "=\n", "F:1: error: " },
	{ "listen = {\"pop3s://[::]\"\nlock = \"none\"\n",
	    "F:2: error: unexpected token 'lock'" },
	{ "listen = {\"pop3s://[::]\"\n", "F:" },
	{ "lock = \"none\n", "F:" },
	{ "lock = 'none\n", "F:" },
	{ "workers = 1\n\nworkers = 1\n",
	    "F:3: error: workers is set twice: the first time is in line 1"
	    "\n" },
	{ "listen = {\"pop3s://[::]\"}\nlisten = {\"pop3://[::]\"}\n",
	    "F:2: error: listen is set twice: give one list, or add to it "
	    "by listen += {\"VALUE\"}\n" },
	{ "listen = {\"pop3s://[::]\"}\nlisten = {\"pop3s://[::]\"}\n",
	    "F:2: error: listen is set twice" },
	{ "listen = \"pop3s://[::]\"\nlisten = \"pop3://[::]\"\n",
	    "F:2: error: listen is set twice" },
};

static void
each_error_is_told_with_file_and_line(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(wrongs); i++) {
		struct pb_slice want = pb_slice_str(wrongs[i].said);
		struct pb_slice said;

		ROW(wrongs, i);
		assert_int_equal(load_octets(w, pb_slice_str(wrongs[i].text)),
		    PB_EINVAL);
		assert_null(w->config);
		said = pb_buffer_slice(&w->said);
		if (said.len > want.len)
			said.len = want.len;
		ASSERT_OCTETS(said, want);
	}
}

static void
one_load_finds_many_errors(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_octets(w, OCTETS(
	    "lock = \"a\"\nlog-level = \"b\"\n\nworkers = x\n"
	    "listen = {\"c\", \"pop3s://[::]\", \"d\"}\n")), PB_EINVAL);
	assert_said(w,
	    "F:1: error: lock: it must be none, exclusive or takeover, not "
	    "\"a\"\n"
	    "F:2: error: log-level: it must be error, warn, info or debug, "
	    "not \"b\"\n"
	    "F:4: error: workers: it must be a number from 0 to 256 (each is "
	    "a thread, and more than cores gain nothing), not \"x\"\n"
	    "F:5: error: listen: it does not begin with pop3s://, pop3:// or "
	    "pop3+plain://: did you mean pop3s://c?\n"
	    "F:5: error: listen: it does not begin with pop3s://, pop3:// or "
	    "pop3+plain://: did you mean pop3s://d?\n");
}

static void
errors_of_file_and_command_line_are_told_together(void **state)
{
	const struct pb_config_setting settings[] = {
		{ "log-level", "loud" }, { "workers", "many" } };
	struct world *w = *state;

	write_file(w, OCTETS("lock = \"a\"\n"));
	assert_int_equal(load(w, w->file, settings, COUNT(settings)),
	    PB_EINVAL);
	assert_said(w,
	    "F:1: error: lock: it must be none, exclusive or takeover, not "
	    "\"a\"\n"
	    "-- error: log-level: it must be error, warn, info or debug, not "
	    "\"loud\"\n"
	    "-- error: workers: it must be a number from 0 to 256 (each is a "
	    "thread, and more than cores gain nothing), not \"many\"\n");
}

static void
comments_do_not_shift_the_lines(void **state)
{
	static const char *const before[] = { "# a\n# b\n", "// a\n// b\n",
		"/* a\n b */\n", "/* a */ /* b */\n\n", "# \"\n# '\n",
		"/* \" */\n# /*\n", "// /*\n//*/\n", "workers = 1 # a\n\n",
		"workers = 1 // a\n/* b */\n", "workers = 1 /* a\n*/\n",
		"tls-cert = \"#\"\n\n", "tls-cert = \"//\"\n\n",
		"tls-cert = \"/*\" # */\n\n", "tls-cert = '/*'\n# */\n",
		"tls-cert = \"\\\"#\"\n# '\n", "tls-cert = /a//b\n\n",
		"tls-cert = \"a\n\"\n",
		"listen = {# a\n\"pop3s://[::]\" // }\n}",
		"#\n/***/\n", "/**/# a\n//\n" };
	struct world *w = *state;
	char text[200];
	size_t i;

	for (i = 0; i < COUNT(before); i++) {
		ROW(before, i);
		snprintf(text, sizeof(text), "%slock = \"bogus\"\n",
		    before[i]);
		assert_int_equal(load_octets(w, pb_slice_str(text)),
		    PB_EINVAL);
		assert_said(w, "F:3: error: lock: it must be none, exclusive "
		    "or takeover, not \"bogus\"\n");
	}
}

static void
signs_of_a_comment_in_a_value_belong_to_it(void **state)
{
	static const struct {
		const char *text;
		const char *value;
	} rows[] = {
		{ "ports-file = \"/a#b\"\n", "/a#b" },
		{ "ports-file = \"//a\" # b\n", "//a" },
		{ "ports-file = \"/*a*/\"\n", "/*a*/" },
		{ "ports-file = '/*a*/ // #'\n", "/*a*/ // #" },
		{ "ports-file = \"a\\\"#b\"\n", "a\"#b" },
		{ "ports-file = '\"'#'\n", "\"" },
		{ "ports-file = /a//b\n", "/a//b" },
		{ "ports-file = /* c */ \"/a\"\n", "/a" },
		{ "ports-file /* c */ = \"/a\"\n", "/a" },
		{ "ports-file = // c\n\"/a\"\n", "/a" },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_loads(w, rows[i].text);
		assert_string_equal(w->config->ports_file, rows[i].value);
	}
}

static void
a_comment_that_is_not_closed_is_an_error(void **state)
{
	struct world *w = *state;

	assert_int_equal(load_octets(w, OCTETS("lock = \"none\"\n"
	    "/* open\nworkers = 3\n")), PB_EINVAL);
	assert_says(w, "F:2: error: ");
}

static void
a_list_can_be_added_to(void **state)
{
	struct world *w = *state;

	assert_loads(w, "listen = {\"pop3+plain://127.0.0.1:1\"}\n"
	    "listen += {\"pop3+plain://127.0.0.1:2\",\n"
	    "\"pop3+plain://127.0.0.1:3\"}\n"
	    "listen += \"pop3+plain://127.0.0.1:4\"\n");
	assert_int_equal(w->config->n_listeners, 4);
	assert_url(&w->config->listener[0].url, "pop3+plain://127.0.0.1:1");
	assert_url(&w->config->listener[1].url, "pop3+plain://127.0.0.1:2");
	assert_url(&w->config->listener[2].url, "pop3+plain://127.0.0.1:3");
	assert_url(&w->config->listener[3].url, "pop3+plain://127.0.0.1:4");
	assert_loads(w, "listen = \"pop3+plain://127.0.0.1:5\"\n");
	assert_int_equal(w->config->n_listeners, 1);
	assert_url(&w->config->listener[0].url, "pop3+plain://127.0.0.1:5");
}

static void
there_is_an_end_to_the_list_of_listeners(void **state)
{
	struct world *w = *state;
	struct pb_buffer text;
	unsigned i;

	pb_buffer_init(&text, 4096);
	pbt_say(&text, "listen = {");
	for (i = 1; i <= PB_CONFIG_LISTEN_MAX; i++)
		pbt_say(&text, "\"pop3+plain://127.0.0.1:%u\",\n", i);
	pbt_say(&text, "\"pop3+plain://127.0.0.1:99\"}\n");
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_EINVAL);
	pb_buffer_fini(&text);
	assert_said(w, "F:17: error: listen: there are more than 16 "
	    "listeners (each is a socket in every loop)\n");
}

static void
the_command_line_wins(void **state)
{
	const struct pb_config_setting settings[] = {
		{ "mechanisms", "LOGIN" }, { "mechanisms", "PLAIN" },
		{ "lock", "exclusive" }, { "workers", "5" },
		{ "upstream", "imaps://line.example" }, { "workers", "6" } };
	struct world *w = *state;

	write_file(w, OCTETS("lock = \"takeover\"\nworkers = 4\n"
	    "upstream = \"imaps://file.example\"\nidle-timeout = 700\n"
	    "mechanisms = {\"XOAUTH2\"}\n"));
	assert_int_equal(load(w, w->file, settings, COUNT(settings)), PB_OK);
	assert_said(w, "");
	assert_int_equal(w->config->route[0].lock, PB_LOCK_EXCLUSIVE);
	assert_int_equal(w->config->workers, 6);
	assert_int_equal(w->config->listener[0].mechanisms, 1 << 0 | 1 << 1);
	assert_string_equal(w->config->route[0].upstream.host, "line.example");
	assert_int_equal(w->config->idle_timeout, 700);
	assert_true(pb_config_place(w->config, "lock").command_line);
	assert_null(pb_config_place(w->config, "lock").file);
	assert_place(w, "idle-timeout", 4);
}

static void
listeners_of_the_command_line_replace_those_of_the_file(void **state)
{
	const struct pb_config_setting settings[] = {
		{ "listen", "pop3+plain://127.0.0.1:3" },
		{ "lock", "none" },
		{ "listen", "pop3+plain://127.0.0.1:4" } };
	struct world *w = *state;

	write_file(w, OCTETS("listen = {\"pop3+plain://127.0.0.1:1\", "
	    "\"pop3+plain://127.0.0.1:2\"}\n"));
	assert_int_equal(load(w, w->file, settings, COUNT(settings)), PB_OK);
	assert_int_equal(w->config->n_listeners, 2);
	assert_url(&w->config->listener[0].url, "pop3+plain://127.0.0.1:3");
	assert_url(&w->config->listener[1].url, "pop3+plain://127.0.0.1:4");
	assert_true(pb_config_place(w->config, "listen").command_line);
}

static void
a_file_that_may_be_missing_may_be_missing(void **state)
{
	struct world *w = *state;
	const struct pb_config_sink sink = { note, w };
	struct pb_config_source source = { .file = w->file,
		.file_may_be_missing = true };

	assert_int_equal(pb_config_load(&source, &sink, &w->config), PB_OK);
	assert_said(w, "");
	assert_null(pb_config_place(w->config, "lock").file);
	assert_int_equal(load(w, w->file, NULL, 0), PB_EINVAL);
	assert_said(w, "F: error: it can not be read: No such file or "
	    "directory\n");
}

static void
what_is_no_readable_text_file_is_refused(void **state)
{
	struct world *w = *state;
	struct pb_buffer text;
	char line[80];

	memset(line, '#', sizeof(line));
	line[79] = '\n';
	assert_int_equal(load_octets(w, OCTETS("lock = \"no\0ne\"\n")),
	    PB_EINVAL);
	assert_said(w, "F: error: it is not a text file\n");
	assert_int_equal(unlink(w->file), 0);
	assert_int_equal(mkdir(w->file, 0700), 0);
	assert_int_equal(load(w, w->file, NULL, 0), PB_EINVAL);
	assert_said(w, "F: error: it can not be read: Is a directory\n");
	assert_int_equal(rmdir(w->file), 0);
	pb_buffer_init(&text, 2 * 1024 * 1024);
	while (text.len <= 1024 * 1024)
		pbt_put(&text, pb_slice(line, sizeof(line)));
	assert_int_equal(load_octets(w, pb_buffer_slice(&text)), PB_EINVAL);
	assert_said(w, "F: error: it is larger than 1048576 octets\n");
	pb_buffer_fini(&text);
}

static void
count(void *ctx, const struct pb_config_problem *problem)
{
	unsigned *n = ctx;

	assert_int_equal(problem->severity, PB_CONFIG_ERROR);
	++*n;
}

static void
a_name_of_a_file_that_is_too_long_is_refused(void **state)
{
	struct world *w = *state;
	static char name[PB_CONFIG_PATH_SIZE + 1];
	unsigned problems = 0;
	const struct pb_config_sink sink = { count, &problems };
	const struct pb_config_source source = { .file = name };

	memset(name, 'n', PB_CONFIG_PATH_SIZE);
	assert_int_equal(pb_config_load(&source, &sink, &w->config),
	    PB_EINVAL);
	assert_int_equal(problems, 1);
	/* One less is a name, of a file that is not there. */
	name[PB_CONFIG_PATH_SIZE - 1] = '\0';
	assert_int_equal(pb_config_load(&source, &sink, &w->config),
	    PB_EINVAL);
	assert_int_equal(problems, 2);
	assert_null(w->config);
}

static void
a_load_after_a_wrong_one_knows_nothing_of_it(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT(wrongs); i++) {
		ROW(wrongs, i);
		assert_int_equal(load_octets(w, pb_slice_str(wrongs[i].text)),
		    PB_EINVAL);
		assert_loads(w, "listen = {\"pop3+plain://127.0.0.1:1\"}\n"
		    "workers = 2\n");
		assert_int_equal(w->config->n_listeners, 1);
		assert_int_equal(w->config->workers, 2);
		assert_place(w, "workers", 2);
		assert_place(w, "lock", 0);
	}
}

static void
a_failed_load_leaves_the_old_snapshot_alone(void **state)
{
	struct world *w = *state;
	const struct pb_config_sink sink = { note, w };
	const struct pb_config_source source = { .file = w->file };
	struct pb_config *before;

	assert_loads(w, "workers = 2\n");
	before = w->config;
	write_file(w, OCTETS("workers = x\n"));
	assert_int_equal(pb_config_load(&source, &sink, &w->config),
	    PB_EINVAL);
	assert_ptr_equal(w->config, before);
	assert_int_equal(w->config->workers, 2);
}

static void
without_memory_a_load_fails_and_says_so(void **state)
{
	struct world *w = *state;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;
	char *room;

	write_file(w, OCTETS("workers = 2\ntls-cert = {a, b, c}\n"
	    "listener x { url = \"pop3s://[::]\" allow = {\"::1\"} }\n"
	    "route r { match = {a, b, c} add-domain = d }\n"
	    "upstream = \"imaps://h\"\n"));
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
	assert_true(n > 20);
	assert_int_equal(w->config->workers, 2);
	assert_int_equal(w->config->n_routes, 2);
}

static void
the_last_holder_frees_a_snapshot(void **state)
{
	struct world *w = *state;
	struct pb_config *second;
	struct pb_config *none = NULL;

	assert_loads(w, "workers = 2\n");
	second = pb_config_ref(w->config);
	assert_ptr_equal(second, w->config);
	pb_config_unref(&w->config);
	assert_null(w->config);
	assert_int_equal(second->workers, 2);
	pb_config_unref(&second);
	assert_null(second);
	pb_config_unref(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_at_all_gives_the_defaults),
		TEST(an_empty_file_gives_the_same_as_none),
		TEST(a_certificate_changes_the_default_listeners),
		TEST(a_file_can_set_every_option),
		TEST(each_error_is_told_with_file_and_line),
		TEST(one_load_finds_many_errors),
		TEST(errors_of_file_and_command_line_are_told_together),
		TEST(comments_do_not_shift_the_lines),
		TEST(signs_of_a_comment_in_a_value_belong_to_it),
		TEST(a_comment_that_is_not_closed_is_an_error),
		TEST(a_list_can_be_added_to),
		TEST(there_is_an_end_to_the_list_of_listeners),
		TEST(the_command_line_wins),
		TEST(listeners_of_the_command_line_replace_those_of_the_file),
		TEST(a_file_that_may_be_missing_may_be_missing),
		TEST(what_is_no_readable_text_file_is_refused),
		TEST(a_name_of_a_file_that_is_too_long_is_refused),
		TEST(a_load_after_a_wrong_one_knows_nothing_of_it),
		TEST(a_failed_load_leaves_the_old_snapshot_alone),
		TEST(without_memory_a_load_fails_and_says_so),
		TEST(the_last_holder_frees_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
