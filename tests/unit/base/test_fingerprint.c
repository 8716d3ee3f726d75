#include "support/test.h"

#include <string.h>

#include "popbridge/base/fingerprint.h"

static uint64_t
of(struct pb_slice octets)
{
	struct pb_fingerprint f;

	pb_fingerprint_init(&f);
	pb_fingerprint_add(&f, octets);
	return pb_fingerprint_value(&f);
}

static void
it_is_the_same_however_the_octets_are_cut(void **state)
{
	struct pb_fingerprint f;
	char octets[300];
	size_t i, cut;

	(void)state;
	for (i = 0; i < sizeof(octets); i++)
		octets[i] = (char)(i * 7);
	for (cut = 0; cut <= sizeof(octets); cut++) {
		pb_fingerprint_init(&f);
		pb_fingerprint_add(&f, pb_slice(octets, cut));
		assert_true(pb_fingerprint_value(&f) ==
		    of(pb_slice(octets, cut)));
		pb_fingerprint_add(&f, pb_slice(octets + cut,
		    sizeof(octets) - cut));
		assert_true(pb_fingerprint_value(&f) ==
		    of(pb_slice(octets, sizeof(octets))));
	}
	pb_fingerprint_init(&f);
	for (i = 0; i < sizeof(octets); i++)
		pb_fingerprint_add(&f, pb_slice(octets + i, 1));
	assert_true(pb_fingerprint_value(&f) ==
	    of(pb_slice(octets, sizeof(octets))));
}

static void
one_other_octet_makes_another_one(void **state)
{
	char octets[100] = { 0 };
	uint64_t same = of(pb_slice(octets, sizeof(octets)));
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(octets); i++) {
		octets[i] ^= 1;
		assert_false(of(pb_slice(octets, sizeof(octets))) == same);
		octets[i] ^= 1;
		assert_false(of(pb_slice(octets, i)) == same);
	}
	assert_true(of(pb_slice(octets, sizeof(octets))) == same);
}

static void
no_octets_have_one_too(void **state)
{
	(void)state;
	assert_true(of(pb_slice(NULL, 0)) == of(pb_slice("", 0)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_same_however_the_octets_are_cut),
		cmocka_unit_test(one_other_octet_makes_another_one),
		cmocka_unit_test(no_octets_have_one_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
