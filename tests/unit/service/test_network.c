#include "support/test.h"

#include <string.h>

#include "popbridge/service/network.h"

static enum pb_status
parse_guarded(struct pb_slice text, struct pb_network *n)
{
	struct pbt_guarded g;
	enum pb_status st;

	pbt_guard(&g, text);
	st = pb_network_parse(g.octets, n);
	pbt_unguard(&g);
	return st;
}

static void
networks_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		uint8_t bits;
		const char *formatted;
	} rows[] = {
		{ "192.0.2.0/24", 120, "192.0.2.0/24" },
		{ "192.0.2.7/24", 120, "192.0.2.0/24" },
		{ "192.0.2.255/25", 121, "192.0.2.128/25" },
		{ "192.0.2.7", 128, "192.0.2.7/32" },
		{ "192.0.2.7/32", 128, "192.0.2.7/32" },
		{ "192.0.2.7/31", 127, "192.0.2.6/31" },
		{ "0.0.0.0/0", 96, "0.0.0.0/0" },
		{ "10.0.0.0/8", 104, "10.0.0.0/8" },
		{ "::/0", 0, "::/0" },
		{ "::1", 128, "::1/128" },
		{ "2001:DB8::/32", 32, "2001:db8::/32" },
		{ "2001:db8:ffff::1/33", 33, "2001:db8:8000::/33" },
		{ "::ffff:192.0.2.0/120", 120, "192.0.2.0/24" },
		{ "::ffff:0.0.0.0/95", 95, "::fffe:0:0/95" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888/128", 128,
		    "1111:2222:3333:4444:5555:6666:7777:8888/128" },
	};
	char text[PB_NETWORK_TEXT_SIZE];
	struct pb_network n;
	struct pb_network again;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(parse_guarded(pb_slice_str(rows[i].text),
		    &n), PB_OK);
		assert_int_equal(n.bits, rows[i].bits);
		pb_network_format(&n, text);
		assert_string_equal(text, rows[i].formatted);
		assert_int_equal(parse_guarded(pb_slice_str(text), &again),
		    PB_OK);
		assert_memory_equal(&n, &again, sizeof(n));
	}
}

static void
what_is_no_network_is_refused(void **state)
{
	static const struct pb_slice rows[] = {
		{ "", 0 },
		{ "/", 1 },
		{ "/24", 3 },
		{ "192.0.2.0/", 10 },
		{ "192.0.2.0/33", 12 },
		{ "192.0.2.0/024", 13 },
		{ "192.0.2.0/-1", 12 },
		{ "192.0.2.0/+1", 12 },
		{ "192.0.2.0/2 ", 12 },
		{ "192.0.2.0/2/3", 13 },
		{ "192.0.2.0/99999999999999999999", 30 },
		{ "192.0.2/24", 10 },
		{ "192.0.2.256", 11 },
		{ "192.0.2.0/255.255.255.0", 23 },
		{ " 192.0.2.0", 10 },
		{ "192.0.2.0\0", 10 },
		{ "192.0.2.0\0/24", 13 },
		{ "::/129", 6 },
		{ "::1%lo", 6 },
		{ "[::1]", 5 },
		{ "localhost", 9 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999/64", 47 },
		{ "00000000000000000000000000000000000000000000000000", 50 },
	};
	struct pb_network before = { .bits = 77 };
	struct pb_network n = before;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(parse_guarded(rows[i], &n), PB_EINVAL);
		assert_memory_equal(&n, &before, sizeof(n));
	}
}

static void
a_network_has_the_addresses_of_its_prefix_and_no_others(void **state)
{
	static const struct {
		const char *network;
		const char *address;
		bool has;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		{ "::1/127", "::", true },
	};
	struct pb_network n;
	struct pb_network address;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(parse_guarded(
		    pb_slice_str(rows[i].network), &n), PB_OK);
		assert_int_equal(parse_guarded(
		    pb_slice_str(rows[i].address), &address), PB_OK);
		assert_int_equal(pb_network_has(&n, address.address),
		    rows[i].has);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_read_and_written),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(
		    a_network_has_the_addresses_of_its_prefix_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
