#include "support/test.h"

#include "popbridge/base/mem.h"
#include "popbridge/sasl/prep.h"

static void
passwords_are_prepared_as_rfc_4013_says(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{ "I\xc2\xadX", "IX" },
		{ "user", "user" },
		{ "USER", "USER" },
		{ "\xc2\xaa", "a" },
		{ "\xe2\x85\xa8", "IX" },
		{ "K\xc3\xbc" "che", "K\xc3\xbc" "che" },
		{ "two words", "two words" },
	};
	struct pb_secret out = { .priv_data = NULL };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_sasl_prep(pb_slice_str(rows[i].in), &out),
		    PB_OK);
		ASSERT_OCTETS(pb_secret_reveal(&out),
		    pb_slice_str(rows[i].out));
	}
	pb_secret_clear(&out);
}

static void
what_saslprep_refuses_is_refused(void **state)
{
	static const struct pb_slice rows[] = {
		{ "", 0 },
		{ "\a", 1 },
		{ "\xd8\xa7" "1", 3 },		/* right to left, then not */
		{ "K\xfc" "che", 5 },		/* Latin-1 */
		{ "a\0b", 3 },
		{ "\xc2\xad", 2 },		/* nothing is left of it */
	};
	struct pb_secret out = { .priv_data = NULL };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_secret_set(&out, OCTETS("old")), PB_OK);
		assert_int_equal(pb_sasl_prep(rows[i], &out), PB_EINVAL);
		assert_int_equal(pb_secret_reveal(&out).len, 0);
	}
}

static void
without_memory_it_says_so(void **state)
{
	struct pb_secret out = { .priv_data = NULL };
	unsigned long n;

	(void)state;
	for (n = 1; n <= 2; n++) {
		pb_mem_fail_from(n);
		assert_int_equal(pb_sasl_prep(OCTETS("user"), &out),
		    PB_ENOMEM);
		assert_int_equal(pb_secret_reveal(&out).len, 0);
	}
	pb_mem_fail_from(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_prepared_as_rfc_4013_says),
		cmocka_unit_test(what_saslprep_refuses_is_refused),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
