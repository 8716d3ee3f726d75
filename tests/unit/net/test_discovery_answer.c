#include "support/test.h"

#include <stdlib.h>

#include "popbridge/net/discovery.h"
#include "support/dns.h"

#define ASKED "_imaps._tcp.shop.example"

/* Octets in a table. */
#define T(literal) { (literal), sizeof(literal) - 1 }

static void
begin(struct pbt_dns *d)
{
	pbt_dns_start(d, 1, PBT_DNS_RESPONSE, ASKED);
}

/* From memory that ends where the answer ends; takes `d`. */
static enum pb_status
parse(struct pbt_dns *d, struct pb_discovery *found)
{
	struct pb_slice answer = pbt_dns_answer(d);
	char *copy = pbt_exact(answer);
	enum pb_status st = pb_discovery_parse(pb_slice(copy, answer.len),
	    PB_URL_TLS_IMMEDIATE, 7, found);

	free(copy);
	pbt_dns_stop(d);
	assert_int_equal(found->n > 0, st == PB_OK);
	return st;
}

static void
assert_url(const struct pb_discovery *found, size_t i, const char *want)
{
	char text[PB_URL_TEXT_SIZE];

	assert_true(i < found->n);
	pb_url_format(&found->url[i], text);
	assert_string_equal(text, want);
}

static void
a_record_is_a_server(void **state)
{
	struct pb_discovery found;
	struct pb_slice answer;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	pbt_dns_srv(&d, 0, 1, 993, "Imap.Hoster.example");
	assert_int_equal(parse(&d, &found), PB_OK);
	assert_int_equal(found.n, 1);
	assert_url(&found, 0, "imaps://imap.hoster.example:993");
	begin(&d);
	pbt_dns_srv(&d, 0, 1, 1143, "imap.hoster.example");
	answer = pbt_dns_answer(&d);
	assert_int_equal(pb_discovery_parse(answer, PB_URL_TLS_UPGRADE, 0,
	    &found), PB_OK);
	assert_url(&found, 0, "imap://imap.hoster.example:1143");
	pbt_dns_stop(&d);
}

static void
names_may_be_compressed(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	/* Behind _imaps and _tcp: the domain of the question. */
	pbt_dns_srv_raw(&d, 993, OCTETS("\4imap\300\30"));
	assert_int_equal(parse(&d, &found), PB_OK);
	assert_url(&found, 0, "imaps://imap.shop.example:993");
}

static void
servers_are_in_the_order_of_their_priority(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	pbt_dns_srv(&d, 65535, 0, 993, "last.example");
	pbt_dns_srv(&d, 10, 65535, 993, "second.example");
	pbt_dns_srv(&d, 0, 0, 993, "first.example");
	pbt_dns_srv(&d, 20, 1, 993, "third.example");
	assert_int_equal(parse(&d, &found), PB_OK);
	assert_int_equal(found.n, 4);
	assert_url(&found, 0, "imaps://first.example:993");
	assert_url(&found, 1, "imaps://second.example:993");
	assert_url(&found, 2, "imaps://third.example:993");
	assert_url(&found, 3, "imaps://last.example:993");
}

/* How often the first record of two comes first, in a thousand seeds. */
static unsigned
times_first(unsigned weight, unsigned other)
{
	struct pb_discovery found;
	struct pbt_dns d;
	unsigned times = 0;
	uint32_t seed;

	begin(&d);
	pbt_dns_srv(&d, 5, weight, 993, "one.example");
	pbt_dns_srv(&d, 9, 65535, 993, "later.example");
	pbt_dns_srv(&d, 5, other, 993, "other.example");
	for (seed = 0; seed < 1000; seed++) {
		assert_int_equal(pb_discovery_parse(pbt_dns_answer(&d),
		    PB_URL_TLS_IMMEDIATE, seed, &found), PB_OK);
		assert_int_equal(found.n, 3);
		assert_url(&found, 2, "imaps://later.example:993");
		if (strcmp(found.url[0].host, "one.example") == 0)
			times++;
	}
	pbt_dns_stop(&d);
	return times;
}

static void
of_one_priority_each_comes_first_as_often_as_it_weighs(void **state)
{
	(void)state;
	assert_in_range(times_first(1, 1), 450, 550);
	assert_in_range(times_first(0, 0), 450, 550);
	assert_in_range(times_first(75, 25), 700, 800);
	assert_in_range(times_first(1, 9), 60, 140);
	assert_in_range(times_first(65535, 65535), 450, 550);
	assert_in_range(times_first(0, 100), 0, 5);
	assert_in_range(times_first(100, 0), 995, 1000);
}

static void
only_so_many_servers_are_tried(void **state)
{
	static const unsigned counts[] = { 8, 9, 31, 32, 33, 1000 };
	struct pb_discovery found;
	struct pbt_dns d;
	size_t i;
	unsigned n;

	(void)state;
	for (i = 0; i < COUNT(counts); i++) {
		begin(&d);
		for (n = 0; n < counts[i]; n++)
			pbt_dns_srv(&d, n, 65535, n + 1, "imap.example");
		assert_int_equal(parse(&d, &found), PB_OK);
		assert_int_equal(found.n, PB_DISCOVERY_MAX);
		for (n = 0; n < found.n; n++)
			assert_int_equal(found.url[n].port, n + 1);
	}
}

static void
the_root_as_a_target_means_that_there_is_no_server(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 0, "");
	assert_int_equal(parse(&d, &found), PB_EOF);
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 993, "");
	assert_int_equal(parse(&d, &found), PB_EOF);
}

static void
an_answer_without_records_has_no_server(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	assert_int_equal(parse(&d, &found), PB_EOF);
	pbt_dns_start(&d, 1, PBT_DNS_RESPONSE | PBT_DNS_NXDOMAIN, ASKED);
	assert_int_equal(parse(&d, &found), PB_EOF);
}

/* A target, as octets, that is not where anybody would connect to. */
static void
targets_that_are_no_host_names_are_passed_over(void **state)
{
	static const struct pb_slice targets[] = {
		T("\13imap server\0"), T("\6a.evil\0"), T("\5a\0b.c\0"),
		T("\4a\r\nb\0"), T("\3a/b\0"), T("\3a:1\0"), T("\3a@b\0"),
		T("\5[::1]\0"), T("\3a\\b\0"), T("\3a\377b\0"),
		T("\3a_b\0"), T("\3" "192\1" "0\1" "2\1" "1\0"),
		T("\3" "127\0"), T("\4" "0x7f\0"), T("\1*\7example\0"),
	};
	struct pb_discovery found;
	struct pbt_dns d;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(targets); i++) {
		ROW(targets, i);
		begin(&d);
		pbt_dns_srv_raw(&d, 993, targets[i]);
		assert_int_equal(parse(&d, &found), PB_EOF);
		begin(&d);
		pbt_dns_srv_raw(&d, 993, targets[i]);
		pbt_dns_srv(&d, 1, 0, 993, "good.example");
		assert_int_equal(parse(&d, &found), PB_OK);
		assert_int_equal(found.n, 1);
		assert_url(&found, 0, "imaps://good.example:993");
	}
}

static void
a_port_of_nought_is_passed_over(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 0, "imap.example");
	assert_int_equal(parse(&d, &found), PB_EOF);
}

static void
records_of_other_kinds_are_passed_over(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	pbt_dns_record(&d, 1, 1, 4);
	pbt_put(&d.octets, OCTETS("\177\0\0\1"));
	pbt_dns_record(&d, 33, 3, 0);
	pbt_dns_record(&d, 5, 1, 1);
	pbt_dns_name(&d, "");
	assert_int_equal(parse(&d, &found), PB_EOF);
	begin(&d);
	pbt_dns_record(&d, 5, 1, 6);
	pbt_dns_name(&d, "else");
	pbt_dns_srv(&d, 0, 0, 993, "imap.example");
	assert_int_equal(parse(&d, &found), PB_OK);
	assert_int_equal(found.n, 1);
}

static void
an_answer_that_is_cut_anywhere_is_no_answer(void **state)
{
	struct pb_discovery found;
	struct pb_slice answer;
	struct pbt_dns d;
	size_t n;

	(void)state;
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 993, "imap.example");
	pbt_dns_srv_raw(&d, 993, OCTETS("\4imap\300\30"));
	answer = pbt_dns_answer(&d);
	for (n = 0; n < answer.len; n++) {
		char *copy = pbt_exact(pb_slice_sub(answer, 0, n));

		assert_int_equal(pb_discovery_parse(pb_slice(copy, n),
		    PB_URL_TLS_IMMEDIATE, 0, &found), PB_EPROTO);
		assert_int_equal(found.n, 0);
		free(copy);
	}
	pbt_dns_stop(&d);
}

static void
names_that_lead_nowhere_break_the_answer(void **state)
{
	/* The first record's data begins at 54, its target at 60. */
	static const struct pb_slice targets[] = {
		T("\300\74"),			/* to itself */
		T("\1a\300\74"),		/* around and around */
		T("\300\377"),			/* behind the end */
		T("\377\377"),
		T("\100a"),			/* labels of another age */
		T("\200a"),
		T("\77a\0"),			/* longer than what is there */
		T("\1a"),			/* without an end */
		T("\1a\0b"),			/* with something behind it */
		T("\300"),
		T(""),
	};
	struct pb_discovery found;
	struct pbt_dns d;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(targets); i++) {
		ROW(targets, i);
		begin(&d);
		assert_int_equal(d.octets.len + 12 + 6, 60);
		pbt_dns_srv_raw(&d, 993, targets[i]);
		assert_int_equal(parse(&d, &found), PB_EPROTO);
		begin(&d);
		pbt_dns_srv_raw(&d, 993, targets[i]);
		pbt_dns_srv(&d, 1, 0, 993, "good.example");
		assert_int_equal(parse(&d, &found), PB_EPROTO);
	}
}

static void
what_is_no_whole_answer_is_refused(void **state)
{
	static const unsigned flags[] = { 0x0100, /* a question */
		PBT_DNS_RESPONSE | PBT_DNS_TRUNCATED,
		PBT_DNS_RESPONSE | PBT_DNS_SERVFAIL, PBT_DNS_RESPONSE | 5 };
	struct pb_discovery found;
	struct pbt_dns d;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(flags); i++) {
		ROW(flags, i);
		pbt_dns_start(&d, 1, flags[i], ASKED);
		pbt_dns_srv(&d, 0, 0, 993, "imap.example");
		assert_int_equal(parse(&d, &found), PB_EPROTO);
	}
	/* More records than there are. */
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 993, "imap.example");
	d.answers = 65535;
	assert_int_equal(parse(&d, &found), PB_EPROTO);
	/* Something behind the last one. */
	begin(&d);
	pbt_dns_srv(&d, 0, 0, 993, "imap.example");
	pbt_put(&d.octets, OCTETS("x"));
	assert_int_equal(parse(&d, &found), PB_EPROTO);
}

static void
an_answer_longer_than_dns_allows_is_refused(void **state)
{
	struct pb_discovery found;
	struct pbt_dns d;

	(void)state;
	begin(&d);
	while (d.octets.len <= 65535)
		pbt_dns_srv(&d, 0, 0, 993, "imap.example");
	assert_int_equal(parse(&d, &found), PB_EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_a_server),
		cmocka_unit_test(names_may_be_compressed),
		cmocka_unit_test(servers_are_in_the_order_of_their_priority),
		cmocka_unit_test(
		    of_one_priority_each_comes_first_as_often_as_it_weighs),
		cmocka_unit_test(only_so_many_servers_are_tried),
		cmocka_unit_test(
		    the_root_as_a_target_means_that_there_is_no_server),
		cmocka_unit_test(an_answer_without_records_has_no_server),
		cmocka_unit_test(
		    targets_that_are_no_host_names_are_passed_over),
		cmocka_unit_test(a_port_of_nought_is_passed_over),
		cmocka_unit_test(records_of_other_kinds_are_passed_over),
		cmocka_unit_test(an_answer_that_is_cut_anywhere_is_no_answer),
		cmocka_unit_test(names_that_lead_nowhere_break_the_answer),
		cmocka_unit_test(what_is_no_whole_answer_is_refused),
		cmocka_unit_test(an_answer_longer_than_dns_allows_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
