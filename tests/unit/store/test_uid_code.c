#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/uid_code.h"

static void
encode(const uint32_t *uids, size_t n, struct pb_buffer *b)
{
	pb_buffer_init(b, PB_UID_CODE_MAX);
	assert_int_equal(pb_uids_encode(uids, n, b), PB_OK);
}

static void
assert_decodes(struct pb_slice octets, const uint32_t *uids, size_t n)
{
	uint32_t *got = NULL;
	size_t got_n = 0;

	assert_int_equal(pb_uids_decode(octets, &got, &got_n), PB_OK);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, uids, n * sizeof(*uids));
	pb_free(got);
}

static void
uids_that_run_take_a_few_octets(void **state)
{
	static uint32_t uids[5000];
	struct pb_buffer b;
	uint32_t i;

	(void)state;
	for (i = 0; i < COUNT(uids); i++)
		uids[i] = 70000 + i;
	encode(uids, COUNT(uids), &b);
	assert_true(b.len <= 8);
	assert_decodes(pb_buffer_slice(&b), uids, COUNT(uids));
	pb_buffer_fini(&b);
	/* And some hundred when a few are missing. */
	for (i = 0; i < COUNT(uids); i++)
		uids[i] = 70000 + i + i / 50;
	encode(uids, COUNT(uids), &b);
	assert_true(b.len <= 300);
	assert_decodes(pb_buffer_slice(&b), uids, COUNT(uids));
	pb_buffer_fini(&b);
}

static void
what_is_encoded_is_decoded(void **state)
{
	static const uint32_t rows[][4] = {
		{ 1 }, { UINT32_MAX }, { 1, 2, 3, 4 }, { 1, 3, 5, 7 },
		{ 1, UINT32_MAX - 1, UINT32_MAX }, { 127, 128, 129, 300 },
		{ 1000000, 2000000, 2000001, 4000000000 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		size_t n = 0;
		struct pb_buffer b;

		ROW(rows, i);
		while (n < 4 && rows[i][n] != 0)
			n++;
		encode(rows[i], n, &b);
		assert_decodes(pb_buffer_slice(&b), rows[i], n);
		pb_buffer_fini(&b);
	}
}

static void
octets_that_are_none_are_refused(void **state)
{
	static const struct pb_slice rows[] = {
		{ "", 0 }, { "\0", 1 }, { "\1", 1 }, { "\1\0", 2 },
		{ "\1\0\0\0", 4 }, { "\1\0\1", 3 }, { "\2\0\0", 3 },
		/* Longer than it need be; beyond the largest UID. */
		{ "\1\x80\0\0", 4 },
		{ "\2\xfe\xff\xff\xff\x0f\1", 7 },
		{ "\2\xfe\xff\xff\xff\x0f\0\0\0", 9 },
		/* More than a mailbox has. */
		{ "\x81\x89\x7a\0\0", 5 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *exact = pbt_exact(rows[i]);
		uint32_t *uids = NULL;
		size_t n = 0;

		ROW(rows, i);
		assert_int_equal(pb_uids_decode(pb_slice(exact, rows[i].len),
		    &uids, &n), PB_EINVAL);
		assert_null(uids);
		free(exact);
	}
}

static void
every_cut_off_end_is_refused(void **state)
{
	static const uint32_t uids[] = { 5, 6, 7, 100, 4000, 4001, 900000 };
	struct pb_buffer b;
	size_t cut;

	(void)state;
	encode(uids, COUNT(uids), &b);
	for (cut = 0; cut < b.len; cut++) {
		uint32_t *got = NULL;
		size_t n = 0;

		assert_int_equal(pb_uids_decode(pb_slice(
		    pb_buffer_slice(&b).data, cut), &got, &n), PB_EINVAL);
	}
	pb_buffer_fini(&b);
}

static void
without_memory_there_is_nothing(void **state)
{
	static const uint32_t uid = 7;
	struct pb_buffer b;
	uint32_t *uids = NULL;
	size_t n = 0;

	(void)state;
	encode(&uid, 1, &b);
	pb_mem_fail_from(1);
	assert_int_equal(pb_uids_decode(pb_buffer_slice(&b), &uids, &n),
	    PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_null(uids);
	pb_buffer_fini(&b);
	pb_buffer_init(&b, PB_UID_CODE_MAX);
	pb_mem_fail_from(1);
	assert_int_equal(pb_uids_encode(&uid, 1, &b), PB_ENOMEM);
	pb_mem_fail_from(0);
	pb_buffer_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uids_that_run_take_a_few_octets),
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(octets_that_are_none_are_refused),
		cmocka_unit_test(every_cut_off_end_is_refused),
		cmocka_unit_test(without_memory_there_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
