#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/log.h"
#include "popbridge/service/config.h"
#include "popbridge/service/option.h"

static int
start(void **state)
{
	static struct pb_config config;

	memset(&config, 0, sizeof(config));
	*state = &config;
	return 0;
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
	st = pb_option_set(row_of(name), config, g.octets, why);
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
		assert_int_equal(rows[i].type == PB_OPTION_WORD,
		    rows[i].words != NULL);
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
		"log-format", "workers", "mark-seen", "lock", "idle-timeout" };
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
every_number_and_word_has_a_default(void **state)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	(void)state;
	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].type == PB_OPTION_NUMBER ||
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
		for (k = 0; rows[i].words != NULL && rows[i].words[k] != NULL;
		    k++) {
			unsigned value;

			assert_set(*state, rows[i].name, rows[i].words[k]);
			memcpy(&value, (const char *)*state + rows[i].offset,
			    sizeof(value));
			assert_int_equal(value, k);
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
	assert_int_equal(c->mark_seen, PB_MARK_SEEN_QUIT);
	assert_set(c, "mark-seen", "no");
	assert_int_equal(c->mark_seen, PB_MARK_SEEN_NO);
	assert_set(c, "lock", "exclusive");
	assert_int_equal(c->lock, PB_LOCK_EXCLUSIVE);
	assert_set(c, "lock", "takeover");
	assert_int_equal(c->lock, PB_LOCK_TAKEOVER);
	assert_set(c, "lock", "none");
	assert_int_equal(c->lock, PB_LOCK_NONE);
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
		if (rows[i].type != PB_OPTION_WORD)
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
number_of(const struct pb_config *config, const struct pb_option *row)
{
	unsigned value;

	memcpy(&value, (const char *)config + row->offset, sizeof(value));
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

	assert_set(c, "tls-cert", "/etc/a b/\xc3\xa4.pem");
	assert_string_equal(c->tls_cert, "/etc/a b/\xc3\xa4.pem");
	assert_set(c, "tls-cert", "x");
	assert_string_equal(c->tls_cert, "x");
	memset(name, 'n', sizeof(name) - 1);
	assert_refused(c, "tls-cert", pb_slice(name, PB_CONFIG_PATH_SIZE),
	    "at most 4095 letters");
	name[PB_CONFIG_PATH_SIZE - 1] = '\0';
	assert_set(c, "tls-cert", name);
	assert_string_equal(c->tls_cert, name);
	assert_string_equal(c->tls_key, "");
	assert_refused(c, "tls-key", OCTETS(""), "it is empty");
	assert_set(c, "tls-key", "k");
	assert_set(c, "upstream-ca", "c");
	assert_set(c, "ports-file", "p");
	assert_string_equal(c->tls_key, "k");
	assert_string_equal(c->upstream_ca, "c");
	assert_string_equal(c->ports_file, "p");
	assert_string_equal(c->tls_cert, name);
}

static void
an_upstream_is_replaced_by_the_next_one(void **state)
{
	struct pb_config *c = *state;

	assert_set(c, "upstream", "imaps://a.example");
	assert_set(c, "upstream", "imap://b.example");
	assert_string_equal(c->upstream.host, "b.example");
	assert_int_equal(c->upstream.port, 143);
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
		assert_int_equal(c->listen.n, i + 1);
		assert_int_equal(c->listen.url[i].port, i + 1);
	}
	assert_refused(c, "listen", OCTETS("pop3+plain://127.0.0.1"),
	    "more than 16 listeners");
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
		const char *nearest = pb_option_nearest_name(rows[i].word);

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

#define TEST(name) cmocka_unit_test_setup(name, start)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_option_has_a_name_a_help_and_an_argument),
		TEST(the_options_are_those_that_were_promised),
		TEST(every_default_is_a_value_that_its_option_takes),
		TEST(every_number_and_word_has_a_default),
		TEST(every_word_of_an_option_sets_its_own_value),
		TEST(words_have_the_meaning_that_their_names_say),
		TEST(a_wrong_word_is_answered_with_every_right_one),
		TEST(a_number_is_taken_within_its_bounds_and_not_outside),
		TEST(a_number_is_digits_and_nothing_else),
		TEST(a_file_name_is_kept_as_it_is_when_it_fits),
		TEST(an_upstream_is_replaced_by_the_next_one),
		TEST(listeners_are_added_until_there_are_too_many),
		TEST(the_longest_reason_of_a_url_fits),
		TEST(a_slip_of_the_fingers_is_recognised),
		TEST(of_two_near_words_the_nearer_one_is_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
