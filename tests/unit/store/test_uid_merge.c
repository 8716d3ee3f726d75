#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/uid_merge.h"

/* Every pair of subsets of { 1, ..., 5 }, as bits. */
enum { SETS = 32 };

static size_t
members(unsigned set, uint32_t *uids)
{
	size_t n = 0;
	uint32_t uid;

	for (uid = 1; uid <= 5; uid++) {
		if ((set & 1u << (uid - 1)) != 0)
			uids[n++] = uid;
	}
	return n;
}

/* On the heap, with nothing behind it. */
static uint32_t *
exactly(unsigned set, size_t *n)
{
	uint32_t room[5];
	uint32_t *uids;

	*n = members(set, room);
	if (*n == 0)
		return NULL;
	uids = pb_xalloc(*n * sizeof(*uids));
	memcpy(uids, room, *n * sizeof(*uids));
	return uids;
}

static void
assert_members(unsigned set, const uint32_t *uids, size_t n)
{
	uint32_t want[5];

	assert_int_equal(n, members(set, want));
	if (n > 0)
		assert_memory_equal(uids, want, n * sizeof(*uids));
}

static void
a_union_has_what_is_in_either_once(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < SETS * SETS; i++) {
		uint32_t *out;
		size_t n_a;
		size_t n_b;
		size_t n;
		uint32_t *a = exactly(i % SETS, &n_a);
		uint32_t *b = exactly(i / SETS, &n_b);

		assert_int_equal(pb_uids_union(a, n_a, b, n_b, &out, &n),
		    PB_OK);
		assert_members(i % SETS | i / SETS, out, n);
		pb_free(out);
		pb_free(a);
		pb_free(b);
	}
}

static void
what_is_taken_out_is_not_left(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < SETS * SETS; i++) {
		size_t n_a;
		size_t n_b;
		uint32_t *a = exactly(i % SETS, &n_a);
		uint32_t *b = exactly(i / SETS, &n_b);

		n_a = pb_uids_without(a, n_a, b, n_b);
		assert_members(i % SETS & ~(i / SETS), a, n_a);
		pb_free(a);
		pb_free(b);
	}
}

static void
without_memory_there_is_no_union(void **state)
{
	uint32_t uid = UINT32_MAX;
	uint32_t *out;
	size_t n;

	(void)state;
	pb_mem_fail_from(1);
	assert_int_equal(pb_uids_union(&uid, 1, NULL, 0, &out, &n),
	    PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_null(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_union_has_what_is_in_either_once),
		cmocka_unit_test(what_is_taken_out_is_not_left),
		cmocka_unit_test(without_memory_there_is_no_union),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
