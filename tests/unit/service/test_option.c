#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/config.h"
#include "popbridge/service/network.h"
#include "popbridge/service/option.h"

static void
ignore(void *ctx, const struct pb_config_problem *problem)
{
	(void)ctx;
	(void)problem;
}

static int
start(void **state)
{
	const struct pb_config_source source = { .file = NULL };
	const struct pb_config_sink sink = { ignore, NULL };
	struct pb_config *config = NULL;

	if (pb_config_load(&source, &sink, &config) != PB_OK)
		return -1;
	memset(&config->priv_listen, 0, sizeof(config->priv_listen));
	memset(&config->priv_listener, 0, sizeof(config->priv_listener));
	*state = config;
	return 0;
}

static int
stop(void **state)
{
	struct pb_config *config = *state;

	pb_config_unref(&config);
	return 0;
}

/* The struct that has the option's field outside of sections. */
static void *
part_of(struct pb_config *config, const struct pb_option *row)
{
	if (row->scopes & PB_OPTION_IN_LISTENER)
		return &config->priv_listener;
	if (row->scopes & PB_OPTION_IN_ROUTE)
		return &config->priv_route;
	return config;
}

static const struct pb_option *
row_of(const char *name)
{
	const struct pb_option *row = pb_option_find(name);

	assert_non_null(row);
	return row;
}

static enum pb_status
set(struct pb_config *config, const char *name, struct pb_slice value,
    char why[PB_OPTION_REASON_SIZE])
{
	struct pbt_guarded g;
	enum pb_status st;

	pbt_guard(&g, value);
	st = pb_option_set(row_of(name), config,
	    part_of(config, row_of(name)), g.octets, why);
	pbt_unguard(&g);
	return st;
}

static void
assert_set(struct pb_config *config, const char *name, const char *value)
{
	char why[PB_OPTION_REASON_SIZE] = "";

	if (set(config, name, pb_slice_str(value), why) != PB_OK)
		fail_msg("%s = %s: %s", name, value, why);
}

/* Refused, for a reason with this piece in it; nothing has changed. */
static void
assert_refused(struct pb_config *config, const char *name,
    struct pb_slice value, const char *piece)
{
	static struct pb_config before;
	char why[PB_OPTION_REASON_SIZE];

	memcpy(&before, config, sizeof(before));
	memset(why, 'x', sizeof(why));
	assert_int_equal(set(config, name, value, why), PB_EINVAL);
	assert_memory_equal(&before, config, sizeof(before));
	assert_true(strnlen(why, sizeof(why)) < sizeof(why));
	if (strstr(why, piece) == NULL)
		fail_msg("%s: \"%s\" is not in \"%s\"", name, piece, why);
}

static void
every_option_has_a_name_a_help_and_an_argument(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;
	size_t k;

	(void)state;
	rows = pb_options(&n);
	assert_true(n > 0);
	for (i = 0; i < n; i++) {
		assert_non_null(rows[i].help);
		assert_true(strlen(rows[i].help) > 10);
		assert_non_null(rows[i].argument);
		assert_ptr_equal(pb_option_find(rows[i].name), &rows[i]);
		assert_int_equal(strspn(rows[i].name,
		    "abcdefghijklmnopqrstuvwxyz-"), strlen(rows[i].name));
		for (k = 0; k < i; k++)
			assert_string_not_equal(rows[i].name, rows[k].name);
		assert_int_equal(rows[i].type == PB_OPTION_WORD ||
		    rows[i].type == PB_OPTION_WORDS, rows[i].words != NULL);
		assert_true(rows[i].scopes != 0);
		assert_false((rows[i].scopes & PB_OPTION_IN_LISTENER) &&
		    (rows[i].scopes & PB_OPTION_IN_ROUTE));
		if (pb_option_is_list(&rows[i]) &&
		    rows[i].type != PB_OPTION_WORDS) {
			assert_true(rows[i].max > 0);
			assert_non_null(rows[i].reason);
		}
		if (rows[i].type != PB_OPTION_NUMBER)
			continue;
		assert_true(rows[i].min < rows[i].max);
		assert_non_null(rows[i].reason);
	}
}

static void
the_options_are_those_that_were_promised(void **state)
{
	static const char *const names[] = { "listen", "upstream", "tls-cert",
		"tls-key", "upstream-ca", "ports-file", "log-level",
		"log-format", "workers", "mark-seen", "lock", "idle-timeout",
		"url", "tls-profile", "client-ca", "mechanisms", "apop",
		"allow", "deny", "proxy-protocol", "xclient", "match",
		"match-file", "listeners", "preset", "discover",
		"upstream-tls-profile", "upstream-auth", "identity",
		"accounts", "accounts-key", "master-user",
		"master-password-file", "mailbox", "login-separators",
		"login-windows-domain", "strip-domain", "add-domain",
		"max-connections-per-user", "state-directory",
		"listing-memory", "revive" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++)
		row_of(names[i]);
	assert_null(pb_option_find(""));
	assert_null(pb_option_find("Listen"));
	assert_null(pb_option_find("listen "));
	assert_null(pb_option_find("liste"));
}

static void
every_default_is_a_value_that_its_option_takes(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].fallback != NULL)
			assert_set(*state, rows[i].name, rows[i].fallback);
	}
}

static void
every_number_flag_and_word_has_a_default(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	(void)state;
	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		/* Their defaults are what the system allows. */
		if (strcmp(rows[i].name, "memory-soft") == 0 ||
		    strcmp(rows[i].name, "memory-hard") == 0)
			continue;
		if (rows[i].type == PB_OPTION_NUMBER ||
		    rows[i].type == PB_OPTION_FLAG ||
		    rows[i].type == PB_OPTION_WORDS ||
		    rows[i].type == PB_OPTION_WORD)
			assert_non_null(rows[i].fallback);
	}
}

static void
every_word_of_an_option_sets_its_own_value(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;
	unsigned k;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		const char *part = part_of(*state, &rows[i]);

		for (k = 0; rows[i].words != NULL && rows[i].words[k] != NULL;
		    k++) {
			bool set = rows[i].type == PB_OPTION_WORDS;
			unsigned value;

			if (set)
				pb_option_clear(&rows[i], part_of(*state,
				    &rows[i]));
			assert_set(*state, rows[i].name, rows[i].words[k]);
			memcpy(&value, part + rows[i].offset, sizeof(value));
			assert_int_equal(value, set ? 1u << k : k);
		}
	}
}

static void
words_have_the_meaning_that_their_names_say(void **state)
{
	struct pb_config *c = *state;

	assert_set(c, "log-level", "error");
	assert_int_equal(c->log_level, PB_LOG_ERROR);
	assert_set(c, "log-level", "warn");
	assert_int_equal(c->log_level, PB_LOG_WARN);
	assert_set(c, "log-level", "info");
	assert_int_equal(c->log_level, PB_LOG_INFO);
	assert_set(c, "log-level", "debug");
	assert_int_equal(c->log_level, PB_LOG_DEBUG);
	assert_set(c, "log-format", "json");
	assert_int_equal(c->log_format, PB_LOG_FORMAT_JSON);
	assert_set(c, "log-format", "text");
	assert_int_equal(c->log_format, PB_LOG_FORMAT_TEXT);
	assert_set(c, "mark-seen", "quit");
	assert_int_equal(c->priv_route.mark_seen, PB_MARK_SEEN_QUIT);
	assert_set(c, "mark-seen", "no");
	assert_int_equal(c->priv_route.mark_seen, PB_MARK_SEEN_NO);
	assert_set(c, "lock", "exclusive");
	assert_int_equal(c->priv_route.lock, PB_LOCK_EXCLUSIVE);
	assert_set(c, "lock", "takeover");
	assert_int_equal(c->priv_route.lock, PB_LOCK_TAKEOVER);
	assert_set(c, "lock", "none");
	assert_int_equal(c->priv_route.lock, PB_LOCK_NONE);
}

static void
a_wrong_word_is_answered_with_every_right_one(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;
	size_t k;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].words == NULL)
			continue;
		for (k = 0; rows[i].words[k] != NULL; k++)
			assert_refused(*state, rows[i].name,
			    OCTETS("nonsense"), rows[i].words[k]);
		assert_refused(*state, rows[i].name, OCTETS("nonsense"),
		    "not \"nonsense\"");
		assert_refused(*state, rows[i].name, OCTETS(""), "not \"\"");
	}
	assert_refused(*state, "lock", OCTETS("none\0"), "not \"none\\x00\"");
	assert_refused(*state, "lock", OCTETS("none "), "not \"none \"");
	assert_refused(*state, "lock", OCTETS("x\n\x1b[2J"), "x\\x0a\\x1b[2J");
	assert_refused(*state, "log-format", OCTETS("xml"),
	    "it must be text or json");
	assert_refused(*state, "lock", OCTETS("shared"),
	    "it must be none, exclusive or takeover");
}

static unsigned
number_of(struct pb_config *config, const struct pb_option *row)
{
	unsigned value;

	memcpy(&value, (const char *)part_of(config, row) + row->offset,
	    sizeof(value));
	return value;
}

static void
a_number_is_taken_within_its_bounds_and_not_outside(void **state)
{
	const struct pb_option *rows;
	char text[32];
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		const struct pb_option *row = &rows[i];

		if (row->type != PB_OPTION_NUMBER)
			continue;
		snprintf(text, sizeof(text), "%u", row->min);
		assert_set(*state, row->name, text);
		assert_int_equal(number_of(*state, row), row->min);
		snprintf(text, sizeof(text), "%u", row->max);
		assert_set(*state, row->name, text);
		assert_int_equal(number_of(*state, row), row->max);
		snprintf(text, sizeof(text), "%u", row->max + 1);
		assert_refused(*state, row->name, pb_slice_str(text),
		    row->reason);
		if (row->min == 0)
			continue;
		snprintf(text, sizeof(text), "%u", row->min - 1);
		assert_refused(*state, row->name, pb_slice_str(text),
		    row->reason);
	}
}

static void
a_number_is_digits_and_nothing_else(void **state)
{
	assert_set(*state, "workers", "007");
	assert_refused(*state, "workers", OCTETS(""), "not \"\"");
	assert_refused(*state, "workers", OCTETS(" 1"), "not \" 1\"");
	assert_refused(*state, "workers", OCTETS("1 "), "not \"1 \"");
	assert_refused(*state, "workers", OCTETS("-1"), "not \"-1\"");
	assert_refused(*state, "workers", OCTETS("+1"), "not \"+1\"");
	assert_refused(*state, "workers", OCTETS("1.5"), "not \"1.5\"");
	assert_refused(*state, "workers", OCTETS("0x1"), "not \"0x1\"");
	assert_refused(*state, "workers", OCTETS("1k"), "not \"1k\"");
	assert_refused(*state, "workers", OCTETS("1\0"), "not \"1\\x00\"");
	assert_refused(*state, "workers", OCTETS("4294967297"), "from 0 to");
	assert_refused(*state, "workers", OCTETS("18446744073709551617"),
	    "from 0 to");
	assert_refused(*state, "idle-timeout", OCTETS("10m"), "not \"10m\"");
}

static void
a_file_name_is_kept_as_it_is_when_it_fits(void **state)
{
	struct pb_config *c = *state;
	static char name[PB_CONFIG_PATH_SIZE + 1];

	assert_set(c, "ports-file", "/etc/a b/\xc3\xa4.pem");
	assert_string_equal(c->ports_file, "/etc/a b/\xc3\xa4.pem");
	assert_set(c, "ports-file", "x");
	assert_string_equal(c->ports_file, "x");
	memset(name, 'n', sizeof(name) - 1);
	assert_refused(c, "ports-file", pb_slice(name, PB_CONFIG_PATH_SIZE),
	    "at most 4095 letters");
	name[PB_CONFIG_PATH_SIZE - 1] = '\0';
	assert_set(c, "ports-file", name);
	assert_string_equal(c->ports_file, name);
	assert_null(c->accounts);
	assert_refused(c, "accounts", OCTETS(""), "it is empty");
	assert_refused(c, "accounts", OCTETS("a\0b"), "no NUL");
	assert_set(c, "accounts", "k");
	assert_set(c, "upstream-ca", "c");
	assert_string_equal(c->accounts, "k");
	assert_string_equal(c->priv_route.upstream_ca, "c");
	assert_string_equal(c->ports_file, name);
}

static void
an_upstream_is_replaced_by_the_next_one(void **state)
{
	struct pb_config *c = *state;

	assert_set(c, "upstream", "imaps://a.example");
	assert_set(c, "upstream", "imap://b.example");
	assert_string_equal(c->priv_route.upstream.host, "b.example");
	assert_int_equal(c->priv_route.upstream.port, 143);
	assert_refused(c, "upstream", OCTETS("http://c.example"),
	    "http:// is not known");
	assert_refused(c, "upstream", OCTETS(""), "it is empty");
}

static void
listeners_are_added_until_there_are_too_many(void **state)
{
	struct pb_config *c = *state;
	char text[40];
	unsigned i;

	for (i = 0; i < PB_CONFIG_LISTEN_MAX; i++) {
		snprintf(text, sizeof(text), "pop3+plain://127.0.0.1:%u",
		    i + 1);
		assert_set(c, "listen", text);
		assert_int_equal(c->priv_listen.n, i + 1);
		assert_int_equal(c->priv_listen.url[i].port, i + 1);
	}
	assert_refused(c, "listen", OCTETS("pop3+plain://127.0.0.1"),
	    "more than 16 listeners");
}

static void
the_files_of_a_list_are_added(void **state)
{
	struct pb_config *c = *state;
	unsigned i;

	for (i = 0; i < 64; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%u", i);
		assert_set(c, "tls-cert", text);
		assert_int_equal(c->priv_listener.tls_cert.n, i + 1);
	}
	assert_string_equal(c->priv_listener.tls_cert.text[0], "0");
	assert_string_equal(c->priv_listener.tls_cert.text[63], "63");
	assert_refused(c, "tls-cert", OCTETS("x"), "more than 64 of them");
	assert_refused(c, "tls-key", OCTETS(""), "it is empty");
	pb_option_clear(row_of("tls-cert"), &c->priv_listener);
	assert_int_equal(c->priv_listener.tls_cert.n, 0);
}

static void
the_networks_of_a_list_are_added(void **state)
{
	struct pb_config *c = *state;
	char text[PB_NETWORK_TEXT_SIZE];
	unsigned i;

	assert_set(c, "allow", "10.0.0.7/8");
	assert_set(c, "allow", "2001:db8::/32");
	assert_int_equal(c->priv_listener.allow.n, 2);
	pb_network_format(&c->priv_listener.allow.network[0], text);
	assert_string_equal(text, "10.0.0.0/8");
	pb_network_format(&c->priv_listener.allow.network[1], text);
	assert_string_equal(text, "2001:db8::/32");
	assert_refused(c, "allow", OCTETS(""), "not \"\"");
	assert_refused(c, "allow", OCTETS("all"), "as in 192.0.2.0/24");
	assert_refused(c, "allow", OCTETS("10.0.0.0/33"), "\"10.0.0.0/33\"");
	for (i = 2; i < 256; i++)
		assert_set(c, "allow", "::1");
	assert_refused(c, "allow", OCTETS("::1"), "more than 256 of them");
}

static void
a_flag_is_yes_or_no(void **state)
{
	struct pb_config *c = *state;

	assert_set(c, "discover", "yes");
	assert_true(c->priv_route.discover);
	assert_set(c, "discover", "no");
	assert_false(c->priv_route.discover);
	assert_refused(c, "discover", OCTETS("true"), "not \"true\"");
	assert_refused(c, "discover", OCTETS("1"), "yes or no");
	assert_refused(c, "discover", OCTETS(""), "not \"\"");
}

static void
texts_are_checked_for_what_they_must_be(void **state)
{
	static char text[300];
	struct pb_config *c = *state;

	memset(text, 'x', sizeof(text) - 1);
	assert_set(c, "mailbox", "Entw&APw-rfe");
	assert_string_equal(c->priv_route.mailbox, "Entw&APw-rfe");
	assert_refused(c, "mailbox", OCTETS(""), "it is empty");
	assert_refused(c, "mailbox", OCTETS("\xc3\xa4"), "modified UTF-7");
	assert_refused(c, "mailbox", OCTETS("a\r\nb"), "a\\x0d");
	assert_refused(c, "mailbox", pb_slice(text, 256), "at most 255");
	assert_set(c, "add-domain", "example.org");
	assert_set(c, "add-domain", "");
	assert_null(c->priv_route.add_domain);
	assert_refused(c, "add-domain", OCTETS("@example.org"), "without the");
	assert_refused(c, "add-domain", OCTETS("a..b"), "not \"a..b\"");
	assert_refused(c, "add-domain", OCTETS("127.0.0.1"), "a domain");
	assert_set(c, "login-separators", "%#!");
	assert_set(c, "login-separators", "");
	assert_null(c->priv_route.login_separators);
	assert_refused(c, "login-separators", OCTETS("%a"), "has \"a\"");
	assert_refused(c, "login-separators", OCTETS("@"), "has \"@\"");
	assert_refused(c, "login-separators", OCTETS("."), "has \".\"");
	assert_refused(c, "login-separators", OCTETS("\0"), "has \"\\x00");
	assert_refused(c, "login-separators", OCTETS("!#$%&'*+-"), "than 8");
	assert_set(c, "master-user", "*@\xc3\xa4 x");
	assert_refused(c, "master-user", OCTETS(""), "it is empty");
	assert_refused(c, "master-user", OCTETS("a\nb"), "control");
	assert_refused(c, "master-user", pb_slice(text, 256), "at most 255");
	assert_set(c, "match", "*");
	assert_refused(c, "match", OCTETS(""), "a pattern is empty");
	assert_refused(c, "match", OCTETS("a\0"), "control");
	assert_refused(c, "match", pb_slice(text, 256), "at most 255");
	assert_refused(c, "listeners", OCTETS(""), "a name is empty");
	assert_refused(c, "listeners", pb_slice(text, 65), "at most 64");
}

static void
a_preset_is_one_of_the_table(void **state)
{
	struct pb_config *c = *state;
	const struct pb_preset *rows;
	size_t n;
	size_t i;

	rows = pb_presets(&n);
	for (i = 0; i < n; i++) {
		assert_set(c, "preset", rows[i].name);
		assert_ptr_equal(c->priv_route.preset, &rows[i]);
		assert_refused(c, "preset", OCTETS("gmial"), rows[i].name);
	}
	assert_refused(c, "preset", OCTETS(""), "not \"\"");
}

static void
each_scope_knows_its_own_names(void **state)
{
	(void)state;
	assert_string_equal(pb_option_nearest_name("alow",
	    PB_OPTION_IN_LISTENER), "allow");
	assert_null(pb_option_nearest_name("alow", PB_OPTION_IN_ROUTE));
	assert_null(pb_option_nearest_name("alow", PB_OPTION_GLOBAL));
	assert_string_equal(pb_option_nearest_name("mactch",
	    PB_OPTION_IN_ROUTE), "match");
	assert_null(pb_option_nearest_name("worker", PB_OPTION_IN_ROUTE));
	assert_string_equal(pb_option_home(row_of("apop")), "a listener");
	assert_string_equal(pb_option_home(row_of("match")), "a route");
	assert_string_equal(pb_option_home(row_of("workers")), "no section");
}

static void
without_memory_nothing_is_set(void **state)
{
	static const struct {
		const char *name;
		const char *value;
	} rows[] = { { "ports-file", "p" }, { "tls-cert", "c" },
		{ "allow", "::1" }, { "mailbox", "m" }, { "match", "*" } };
	struct pb_config *c = *state;
	char why[PB_OPTION_REASON_SIZE];
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		enum pb_status st;

		ROW(rows, i);
		pb_mem_fail_from(1);
		st = pb_option_set(row_of(rows[i].name), c,
		    part_of(c, row_of(rows[i].name)),
		    pb_slice_str(rows[i].value), why);
		pb_mem_fail_from(0);
		assert_int_equal(st, PB_ENOMEM);
	}
	assert_null(c->ports_file);
	assert_int_equal(c->priv_listener.tls_cert.n, 0);
	assert_int_equal(c->priv_listener.allow.n, 0);
	assert_string_equal(c->priv_route.mailbox, "INBOX");
	assert_int_equal(c->priv_route.match.n, 0);
}

static void
the_longest_reason_of_a_url_fits(void **state)
{
	static char text[2000];

	memset(text, 1, sizeof(text) - 1);
	assert_refused(*state, "upstream", pb_slice_str(text), "\\x01");
	assert_refused(*state, "listen", pb_slice_str(text), "\\x01");
	assert_refused(*state, "lock", pb_slice_str(text), "\\x01");
	assert_refused(*state, "workers", pb_slice_str(text), "\\x01");
}

static void
a_slip_of_the_fingers_is_recognised(void **state)
{
	const struct {
		const char *word;
		const char *nearest;
	} rows[] = {
		{ "listen", "listen" },
		{ "listne", "listen" },
		{ "listening", NULL },
		{ "upstram", "upstream" },
		{ "up-stream", "upstream" },
		{ "tls_cert", "tls-cert" },
		{ "tlskey", "tls-key" },
		{ "loglevel", "log-level" },
		{ "log-formt", "log-format" },
		{ "worker", "workers" },
		{ "idle_timeout", "idle-timeout" },
		{ "idle-timeoutxy", "idle-timeout" },
		{ "idle-timeoutxyz", NULL },
		{ "look", "lock" },
		{ "book", NULL },
		{ "", NULL },
		{ "x", NULL },
		{ "colour", NULL },
		{ "idle-timeout-of-thirty-two-lette", NULL },
		{ "idle-timeout-of-thirty-three-lett", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		const char *nearest = pb_option_nearest_name(rows[i].word,
		    PB_OPTION_GLOBAL);

		ROW(rows, i);
		if (rows[i].nearest == NULL)
			assert_null(nearest);
		else {
			assert_non_null(nearest);
			assert_string_equal(nearest, rows[i].nearest);
		}
	}
}

static void
of_two_near_words_the_nearer_one_is_meant(void **state)
{
	static const char *const words[] = { "certain", "certains" };

	(void)state;
	assert_string_equal(pb_option_nearest("certains", words, 2),
	    "certains");
	assert_string_equal(pb_option_nearest("certan", words, 2), "certain");
	assert_string_equal(pb_option_nearest("certainsx", words, 2),
	    "certains");
	assert_null(pb_option_nearest("certain", words, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_option_has_a_name_a_help_and_an_argument),
		TEST(the_options_are_those_that_were_promised),
		TEST(every_default_is_a_value_that_its_option_takes),
		TEST(every_number_flag_and_word_has_a_default),
		TEST(every_word_of_an_option_sets_its_own_value),
		TEST(words_have_the_meaning_that_their_names_say),
		TEST(a_wrong_word_is_answered_with_every_right_one),
		TEST(a_number_is_taken_within_its_bounds_and_not_outside),
		TEST(a_number_is_digits_and_nothing_else),
		TEST(a_file_name_is_kept_as_it_is_when_it_fits),
		TEST(an_upstream_is_replaced_by_the_next_one),
		TEST(listeners_are_added_until_there_are_too_many),
		TEST(the_files_of_a_list_are_added),
		TEST(the_networks_of_a_list_are_added),
		TEST(a_flag_is_yes_or_no),
		TEST(texts_are_checked_for_what_they_must_be),
		TEST(a_preset_is_one_of_the_table),
		TEST(each_scope_knows_its_own_names),
		TEST(without_memory_nothing_is_set),
		TEST(the_longest_reason_of_a_url_fits),
		TEST(a_slip_of_the_fingers_is_recognised),
		TEST(of_two_near_words_the_nearer_one_is_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
