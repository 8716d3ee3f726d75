#include "support/test.h"

#include <string.h>

#include "popbridge/net/keyed_hash.h"
#include "popbridge/service/limits.h"

_Static_assert(PB_KEYED_HASH_SIZE == PB_LIMITS_DIGEST, "one serves the other");

static bool
differ(struct pb_keyed_hash *h, struct pb_keyed_hash *g,
    const struct pb_slice a[2], const struct pb_slice b[2])
{
	uint8_t da[PB_KEYED_HASH_SIZE];
	uint8_t db[PB_KEYED_HASH_SIZE];

	assert_true(pb_keyed_hash_digest(h, a, 2, da));
	assert_true(pb_keyed_hash_digest(g, b, 2, db));
	return memcmp(da, db, sizeof(da)) != 0;
}

static void
the_same_parts_have_one_digest_and_others_another(void **state)
{
	const struct pb_slice a[] = { OCTETS("max"), OCTETS("secret") };
	const struct pb_slice same[] = { OCTETS("max"), OCTETS("secret") };
	const struct pb_slice other[] = { OCTETS("max"), OCTETS("secreT") };
	const struct pb_slice cut[] = { OCTETS("maxs"), OCTETS("ecret") };
	const struct pb_slice nul[] = { OCTETS("max\0"), OCTETS("secret") };
	const struct pb_slice empty[] = { OCTETS(""), OCTETS("maxsecret") };
	struct pb_keyed_hash *h = pb_keyed_hash_new();

	(void)state;
	assert_non_null(h);
	assert_false(differ(h, h, a, same));
	assert_true(differ(h, h, a, other));
	assert_true(differ(h, h, a, cut));
	assert_true(differ(h, h, a, nul));
	assert_true(differ(h, h, a, empty));
	pb_keyed_hash_free(&h);
	assert_null(h);
	pb_keyed_hash_free(&h);
}

static void
each_process_has_a_key_of_its_own(void **state)
{
	const struct pb_slice a[] = { OCTETS("max"), OCTETS("secret") };
	struct pb_keyed_hash *h = pb_keyed_hash_new();
	struct pb_keyed_hash *g = pb_keyed_hash_new();

	(void)state;
	assert_non_null(h);
	assert_non_null(g);
	assert_true(differ(h, g, a, a));
	pb_keyed_hash_free(&h);
	pb_keyed_hash_free(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_same_parts_have_one_digest_and_others_another),
		cmocka_unit_test(each_process_has_a_key_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
