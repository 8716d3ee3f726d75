#include "support/test.h"

#include <stdlib.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/uid_set.h"

/* The set as text again: what was understood. */
static void
must_read(const char *text, char separator, const char *want)
{
	struct pb_imap_uid_set set = { .n = 0 };
	struct pb_slice octets = pb_slice_str(text);
	char *exact = pbt_exact(octets);
	struct pb_buffer got;
	size_t i;

	assert_int_equal(pb_imap_uid_set_read(&set, pb_slice(exact,
	    octets.len), separator), PB_OK);
	free(exact);
	pb_buffer_init(&got, 4096);
	for (i = 0; i < set.n; i++)
		pbt_say(&got, "%s%u:%u", i > 0 ? "," : "",
		    set.ranges[i].first, set.ranges[i].last);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_slice_str(want));
	pb_buffer_fini(&got);
	pb_imap_uid_set_clear(&set);
	assert_null(set.ranges);
}

static void
a_set_is_read_as_ranges(void **state)
{
	(void)state;
	must_read("", ',', "");
	must_read("1", ',', "1:1");
	must_read("41,43:116,118", ',', "41:41,43:116,118:118");
	must_read("4294967295", ',', "4294967295:4294967295");
	must_read("1:4294967295", ',', "1:4294967295");
	must_read("007", ',', "7:7");
}

static void
neighbours_are_one_range(void **state)
{
	(void)state;
	must_read("1,2,3,5", ',', "1:3,5:5");
	must_read("1:3,4:6", ',', "1:6");
	must_read("2 3 4 84 85", ' ', "2:4,84:85");
	must_read("4294967294,4294967295", ',', "4294967294:4294967295");
}

static void
ranges_that_are_written_backwards_are_turned(void **state)
{
	(void)state;
	must_read("5:3", ',', "3:5");
	must_read("4294967295:1", ',', "1:4294967295");
}

static void
sets_out_of_order_are_put_in_order(void **state)
{
	(void)state;
	must_read("7,1:3", ',', "1:3,7:7");
	must_read("5 4 3 2 9", ' ', "2:5,9:9");
	must_read("1:10,5,3:12", ',', "1:12");
	must_read("7,7,7", ',', "7:7");
	must_read("4294967295,1:4294967295,1", ',', "1:4294967295");
	must_read("10:20,1:9", ',', "1:20");
	must_read("10:20,1:8", ',', "1:8,10:20");
}

static void
what_is_no_set_is_refused(void **state)
{
	static const char *const texts[] = { ",", "1,", ",1", "1,,2", "0",
		"1:0", "0:1", "*", "1:*", "1:", ":1", "1:2:3", "1 2", " 1",
		"1 ", "x", "1x", "-1", "+1", "4294967296", "1:4294967296",
		"18446744073709551617", "99999999999999999999999999" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		struct pb_imap_uid_set set = { .n = 0 };

		ROW(texts, i);
		assert_int_equal(pb_imap_uid_set_read(&set,
		    pb_slice_str(texts[i]), ','), PB_EPROTO);
		pb_imap_uid_set_clear(&set);
	}
}

static void
a_search_has_no_ranges(void **state)
{
	static const char *const texts[] = { "1:2", "1,2", "1  2", " 1",
		"1 " };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		struct pb_imap_uid_set set = { .n = 0 };

		ROW(texts, i);
		assert_int_equal(pb_imap_uid_set_read(&set,
		    pb_slice_str(texts[i]), ' '), PB_EPROTO);
		pb_imap_uid_set_clear(&set);
	}
}

/* By chance, against a table of all the UIDs there are. */
static void
no_uid_is_lost_and_none_is_added(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 2000; i++) {
		bool named[64] = { false };
		bool found[64] = { false };
		struct pb_imap_uid_set set = { .n = 0 };
		struct pb_buffer text;
		size_t n = pbt_random_below(&random, 20);
		size_t k;

		pb_buffer_init(&text, 4096);
		for (k = 0; k < n; k++) {
			uint32_t a = 1 +
			    (uint32_t)pbt_random_below(&random, 63);
			uint32_t b = 1 +
			    (uint32_t)pbt_random_below(&random, 63);
			uint32_t uid;

			pbt_say(&text, k > 0 ? ",%u:%u" : "%u:%u", a, b);
			for (uid = a < b ? a : b; uid <= (a < b ? b : a); uid++)
				named[uid] = true;
		}
		assert_int_equal(pb_imap_uid_set_read(&set,
		    pb_buffer_slice(&text), ','), PB_OK);
		for (k = 0; k < set.n; k++) {
			uint32_t uid = set.ranges[k].first;

			assert_true(k == 0 ||
			    uid - 1 > set.ranges[k - 1].last);
			for (; uid <= set.ranges[k].last; uid++)
				found[uid] = true;
		}
		assert_memory_equal(named, found, sizeof(named));
		pb_imap_uid_set_clear(&set);
		pb_buffer_fini(&text);
	}
}

static void
a_set_is_counted_as_it_is_written(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t n;
	} rows[] = {
		{ "1", true, 1 },
		{ "3:5,9", true, 4 },
		{ "9,5:3", true, 4 },
		{ "1,1", true, 2 },
		{ "1:4294967295,1:4294967295", true, 8589934590u },
		{ "", false, 0 },
		{ "0", false, 0 },
		{ "*", false, 0 },
		{ "1:*", false, 0 },
		{ "1,", false, 0 },
		{ "1 2", false, 0 },
		{ "4294967296", false, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_slice text = pb_slice_str(rows[i].text);
		char *exact = pbt_exact(text);
		uint64_t n;

		ROW(rows, i);
		assert_int_equal(pb_imap_uid_set_count(pb_slice(exact,
		    text.len), &n), rows[i].good);
		assert_true(!rows[i].good || n == rows[i].n);
		free(exact);
	}
}

static void
a_set_can_be_added_to_another(void **state)
{
	struct pb_imap_uid_set set = { .n = 0 };

	(void)state;
	assert_int_equal(pb_imap_uid_set_read(&set, OCTETS("5,9"), ','),
	    PB_OK);
	assert_int_equal(pb_imap_uid_set_read(&set, OCTETS("6,10"), ','),
	    PB_OK);
	assert_int_equal(pb_imap_uid_set_read(&set, OCTETS("7:8,1"), ','),
	    PB_OK);
	assert_int_equal(set.n, 2);
	assert_int_equal(set.ranges[0].first, 1);
	assert_int_equal(set.ranges[0].last, 1);
	assert_int_equal(set.ranges[1].first, 5);
	assert_int_equal(set.ranges[1].last, 10);
	pb_imap_uid_set_clear(&set);
}

static void
no_memory_for_a_set_is_said(void **state)
{
	struct pb_imap_uid_set set = { .n = 0 };

	(void)state;
	pb_mem_fail_from(1);
	assert_int_equal(pb_imap_uid_set_read(&set, OCTETS("1"), ','),
	    PB_ENOMEM);
	pb_mem_fail_from(2);
	assert_int_equal(pb_imap_uid_set_read(&set, OCTETS("1,3,5,7,9,11,13,"
	    "15,17,19,21,23,25,27,29,31,33"), ','), PB_ENOMEM);
	pb_mem_fail_from(0);
	pb_imap_uid_set_clear(&set);
}

static void
both_responses_are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		const char *tag;
		char separator;
		const char *set;
	} rows[] = {
		{ "SEARCH", "", ' ', "" },
		{ "SEARCH 1 2", "", ' ', "1 2" },
		{ "ESEARCH (TAG \"A5\") UID", "A5", ',', "" },
		{ "esearch (tag A5) uid all 1:3,7", "A5", ',', "1:3,7" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_names names;

		ROW(rows, i);
		assert_true(pb_imap_names_parse(pb_slice_str(rows[i].text),
		    &names));
		ASSERT_OCTETS(names.tag, pb_slice_str(rows[i].tag));
		assert_int_equal(names.separator, rows[i].separator);
		ASSERT_OCTETS(names.set, pb_slice_str(rows[i].set));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_is_read_as_ranges),
		cmocka_unit_test(neighbours_are_one_range),
		cmocka_unit_test(ranges_that_are_written_backwards_are_turned),
		cmocka_unit_test(sets_out_of_order_are_put_in_order),
		cmocka_unit_test(what_is_no_set_is_refused),
		cmocka_unit_test(a_search_has_no_ranges),
		cmocka_unit_test(no_uid_is_lost_and_none_is_added),
		cmocka_unit_test(a_set_is_counted_as_it_is_written),
		cmocka_unit_test(a_set_can_be_added_to_another),
		cmocka_unit_test(no_memory_for_a_set_is_said),
		cmocka_unit_test(both_responses_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
