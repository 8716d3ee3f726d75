#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/error.h"
#include "popbridge/base/log.h"

static char seen[4096];
static unsigned records;

static void
sink(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	size_t at, i;

	at = (size_t)snprintf(seen, sizeof(seen), "%s: %s",
	    pb_log_level_name(level), text);
	for (i = 0; i < n; i++) {
		if (pairs[i].text != NULL)
			at += (size_t)snprintf(seen + at, sizeof(seen) - at,
			    " %s=%s", pairs[i].key, pairs[i].text);
		else
			at += (size_t)snprintf(seen + at, sizeof(seen) - at,
			    " %s=%llu", pairs[i].key,
			    (unsigned long long)pairs[i].number);
	}
	records++;
}

static void
a_record_has_a_sentence_and_values(void **state)
{
	(void)state;
	pb_log_setup(PB_LOG_INFO, sink);
	pb_log(PB_LOG_INFO, "session ended", PB_LOG_STR("user", "max"),
	    PB_LOG_NUM("octets", UINT64_MAX),
	    PB_LOG_SLICE("why", OCTETS("quit")));
	assert_string_equal(seen, "info: session ended user=max "
	    "octets=18446744073709551615 why=quit");
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
an_optional_value_may_be_missing(void **state)
{
	(void)state;
	pb_log_setup(PB_LOG_INFO, sink);
	pb_log(PB_LOG_INFO, "t", PB_LOG_STR("a", "1"),
	    PB_LOG_OPTIONAL("b", pb_slice(NULL, 0)),
	    PB_LOG_OPTIONAL("c", OCTETS("x\n")), PB_LOG_NUM("d", 2),
	    PB_LOG_OPTIONAL("e", pb_slice(NULL, 0)));
	assert_string_equal(seen, "info: t a=1 c=x\\x0a d=2");
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
a_value_cannot_forge_a_line(void **state)
{
	(void)state;
	pb_log_setup(PB_LOG_INFO, sink);
	pb_log(PB_LOG_WARN, "x", PB_LOG_SLICE("v", OCTETS("a\n\x1b[0m\0\\")));
	assert_string_equal(seen, "warn: x v=a\\x0a\\x1b[0m\\x00\\\\");
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
a_long_value_is_cut(void **state)
{
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	pb_log_setup(PB_LOG_INFO, sink);
	pb_log(PB_LOG_INFO, "t", PB_LOG_SLICE("v", pb_slice(text,
	    sizeof(text))));
	assert_true(strlen(seen) < PB_LOG_VALUE_MAX + 20);
	assert_string_equal(seen + strlen(seen) - 4, "x...");
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
records_above_the_level_are_dropped(void **state)
{
	(void)state;
	records = 0;
	pb_log_setup(PB_LOG_WARN, sink);
	pb_log(PB_LOG_INFO, "no", PB_LOG_NUM("n", 1));
	pb_log(PB_LOG_DEBUG, "no", PB_LOG_NUM("n", 1));
	assert_int_equal(records, 0);
	pb_log(PB_LOG_WARN, "yes", PB_LOG_NUM("n", 1));
	pb_log(PB_LOG_ERROR, "yes", PB_LOG_NUM("n", 1));
	assert_int_equal(records, 2);
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
without_a_sink_nothing_is_logged(void **state)
{
	(void)state;
	pb_log_setup(PB_LOG_DEBUG, NULL);
	assert_false(pb_log_enabled(PB_LOG_ERROR));
	pb_log(PB_LOG_ERROR, "no", PB_LOG_NUM("n", 1));
}

static void
an_error_text_that_does_not_fit_is_cut(void **state)
{
	struct pb_error error;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pb_error_set(&error, PB_ERROR_AUTH, PB_SCOPE_ACCOUNT, "%d %s", 7,
	    text);
	assert_int_equal(error.kind, PB_ERROR_AUTH);
	assert_int_equal(error.scope, PB_SCOPE_ACCOUNT);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	assert_memory_equal(error.text, "7 xxx", 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_has_a_sentence_and_values),
		cmocka_unit_test(an_optional_value_may_be_missing),
		cmocka_unit_test(a_value_cannot_forge_a_line),
		cmocka_unit_test(a_long_value_is_cut),
		cmocka_unit_test(records_above_the_level_are_dropped),
		cmocka_unit_test(without_a_sink_nothing_is_logged),
		cmocka_unit_test(an_error_text_that_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
