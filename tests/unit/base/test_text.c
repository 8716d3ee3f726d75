#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/text.h"

static void
must_show(struct pb_slice in, size_t size, const char *want)
{
	char *out = malloc(size);

	assert_non_null(out);
	pb_text_clean(in, out, size);
	assert_string_equal(out, want);
	free(out);
}

static void
printable_text_stays(void **state)
{
	(void)state;
	must_show(OCTETS("max@example.com {5}"), 100, "max@example.com {5}");
	must_show(OCTETS(""), 8, "");
	must_show(pb_slice(NULL, 0), 8, "");
}

static void
everything_else_is_escaped(void **state)
{
	(void)state;
	must_show(OCTETS("a\r\n\0\x1b[1m\x7f\x80\xff\\b"), 100,
	    "a\\x0d\\x0a\\x00\\x1b[1m\\x7f\\x80\\xff\\\\b");
}

static void
what_does_not_fit_is_cut_and_marked(void **state)
{
	(void)state;
	must_show(OCTETS("0123456"), 8, "0123456");
	must_show(OCTETS("0123456789"), 8, "0123...");
	must_show(OCTETS("01234567"), 8, "0123...");
	must_show(OCTETS("012\n567"), 8, "012...");
	must_show(OCTETS("\n\n\n"), 8, "\\x0a...");
}

static void
no_octet_behind_the_end_is_written(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 2000; i++) {
		char in[64];
		size_t len = pbt_random_below(&random, sizeof(in));
		size_t size = 8 + pbt_random_below(&random, 100);
		char *out = malloc(size);
		size_t n;

		assert_non_null(out);
		for (n = 0; n < len; n++)
			in[n] = (char)pbt_random_next(&random);
		pb_text_clean(pb_slice(in, len), out, size);
		for (n = 0; out[n] != '\0'; n++)
			assert_in_range(out[n], 0x20, 0x7e);
		assert_true(n < size);
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_text_stays),
		cmocka_unit_test(everything_else_is_escaped),
		cmocka_unit_test(what_does_not_fit_is_cut_and_marked),
		cmocka_unit_test(no_octet_behind_the_end_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
