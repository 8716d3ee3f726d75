#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "net/proxy_header_trace.h"

#define NO_HEADER "wrong: it begins with no PROXY header\n"
#define NO_ADDRESS "wrong: an address is none of its family\n"
#define NO_PORT "wrong: a port is no number from 0 to 65535\n"
#define NO_END "wrong: the line does not end in CR LF\n"
#define TOO_LONG "wrong: the line is longer than 107 octets\n"
#define NO_FAMILY "wrong: the family is not TCP over IPv4 or IPv6\n"

/* Under all splits.  What is wrong stays in front of what is behind it. */
static void
must_say(struct pb_slice input, const char *want)
{
	struct pb_buffer got;
	struct pb_slice said;

	pbt_all_splits(&pbt_proxy_header, input, &got);
	said = pb_buffer_slice(&got);
	if (strncmp(want, "wrong", 5) == 0 && said.len > strlen(want))
		said.len = strlen(want);
	ASSERT_OCTETS(said, pb_slice_str(want));
	pb_buffer_fini(&got);
}

#define SAYS(input, want) must_say(OCTETS(input), want)

static void
a_line_says_who_the_client_is(void **state)
{
	(void)state;
	SAYS("PROXY TCP4 192.0.2.1 198.51.100.255 56324 110\r\n",
	    "from ::ffff:192.0.2.1 56324 to ::ffff:198.51.100.255 110\n"
	    "then \n");
	SAYS("PROXY TCP6 2001:db8::1 FE80::aBcD 0 65535\r\n",
	    "from 2001:db8::1 0 to fe80::abcd 65535\nthen \n");
	SAYS("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
	    "from ::ffff:192.0.2.1 1 to ::1 2\nthen \n");
	SAYS("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
	    "from ::ffff:255.255.255.255 65535 to ::ffff:255.255.255.255 "
	    "65535\nthen \n");
	SAYS("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    "from ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 to "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535\nthen \n");
}

static void
what_stands_behind_the_header_is_the_clients(void **state)
{
	(void)state;
	SAYS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nUSER max\r\n",
	    "from ::ffff:192.0.2.1 1 to ::ffff:192.0.2.2 2\n"
	    "then USER max\\x0d\\x0a\n");
	SAYS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPROXY UNKNOWN\r\n",
	    "from ::ffff:192.0.2.1 1 to ::ffff:192.0.2.2 2\n"
	    "then PROXY UNKNOWN\\x0d\\x0a\n");
}

static void
of_unknown_nothing_is_believed(void **state)
{
	(void)state;
	SAYS("PROXY UNKNOWN\r\n", "local\nthen \n");
	SAYS("PROXY UNKNOWN \r\n", "local\nthen \n");
	SAYS("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\nQUIT",
	    "local\nthen QUIT\n");
	SAYS("PROXY UNKNOWN any  thing \1 at all\r\n", "local\nthen \n");
}

static void
an_unfinished_line_waits(void **state)
{
	(void)state;
	SAYS("", "open \n");
	SAYS("PRO", "open PRO\n");
	SAYS("PROXY ", "open PROXY \n");
	SAYS("PROXY TCP", "open PROXY TCP\n");
	SAYS("PROXY UNKNOWN", "open PROXY UNKNOWN\n");
	SAYS("PROXY UNKNOWN \r", "open PROXY UNKNOWN \\x0d\n");
	SAYS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r",
	    "open PROXY TCP4 192.0.2.1 192.0.2.2 1 2\\x0d\n");
}

static void
other_protocols_are_refused_at_their_first_octets(void **state)
{
	static const struct {
		const char *input;
		size_t len;
	} rows[] = {
		{ "GET", 1 }, { "USER max\r\n", 1 }, { "QUIT\r\n", 1 },
		{ "\x16\x03\x01", 1 }, { "\0", 1 }, { "proxy ", 1 },
		{ " PROXY", 1 }, { "PASS x", 2 }, { "POST /", 2 },
		{ "PROXy", 5 }, { "PROXY\r\n", 6 }, { "\r\nQUIT", 3 },
		{ "\n", 1 }, { "\r\n\r\n\r\n", 5 },
		{ "\r\n\r\n\0\r\nQUIT\r\n", 12 },
	};
	struct pb_proxy_header header;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_slice in = pb_slice(rows[i].input, rows[i].len - 1);

		ROW(rows, i);
		assert_int_equal(pb_proxy_header_take(&in, &header, &why),
		    PB_AGAIN);
		in.len++;
		assert_int_equal(pb_proxy_header_take(&in, &header, &why),
		    PB_EPROTO);
		assert_string_equal(why, "it begins with no PROXY header");
	}
}

static void
a_line_that_is_not_exactly_so_is_refused(void **state)
{
	static const struct {
		const char *input;
		const char *want;
	} rows[] = {
		{ "PROXY  TCP4", "wrong: the protocol is not TCP4, TCP6 or "
		    "UNKNOWN\n" },
		{ "PROXY UDP4 ", "wrong: the protocol is not" },
		{ "PROXY tcp4 ", "wrong: the protocol is not" },
		{ "PROXY TCP5 ", "wrong: the protocol is not" },
		{ "PROXY \r\n", "wrong: the protocol is not" },
		{ "PROXY TCP4\r\n", "wrong: the protocol is not" },
		{ "PROXY UNKNOWNS\r\n", NO_END },
		{ "PROXY UNKNOWN\n", NO_END },
		{ "PROXY UNKNOWN a\nb\r\n", NO_END },
		{ "PROXY UNKNOWN a\rb\r\n", NO_END },
		{ "PROXY TCP4  192.0.2.1", NO_ADDRESS },
		{ "PROXY TCP4 \t192.0.2.1", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.1\t", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2 ", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.256 ", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.01 ", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.1. ", NO_ADDRESS },
		{ "PROXY TCP4 3221225985 ", NO_ADDRESS },
		{ "PROXY TCP4 0xc0.0.2.1 ", NO_ADDRESS },
		{ "PROXY TCP4 ::1 ", NO_ADDRESS },
		{ "PROXY TCP4 1111.1111.111.111", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.1 ::1 ", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.1\r\n", NO_ADDRESS },
		{ "PROXY TCP6 192.0.2.1 ", NO_ADDRESS },
		{ "PROXY TCP6 2001:db8::1::2 ", NO_ADDRESS },
		{ "PROXY TCP6 2001:db8 ", NO_ADDRESS },
		{ "PROXY TCP6 fe80::1%lo ", NO_ADDRESS },
		{ "PROXY TCP6 [::1] ", NO_ADDRESS },
		{ "PROXY TCP6 ::12345 ", NO_ADDRESS },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2  1 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 111111", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", NO_PORT },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n", NO_END },
		{ "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rU", NO_END },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		must_say(pb_slice_str(rows[i].input), rows[i].want);
	}
	SAYS("PROXY TCP4 192.0.2.1\0 ", NO_ADDRESS);
	SAYS("PROXY TCP4 192.0.2.1 192.0.2.2 1\0 2\r\n", NO_PORT);
}

static void
a_line_has_107_octets_at_most(void **state)
{
	char line[200];
	size_t n;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	for (n = 107; n <= 108; n++) {
		memset(line + 100, 'x', 100);
		memcpy(line + n - 2, "\r\n", 2);
		must_say(pb_slice(line, n), n == 107 ? "local\nthen \n"
						     : TOO_LONG);
	}
	memset(line + 100, 'x', 100);
	must_say(pb_slice(line, 200), TOO_LONG);
	SAYS("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255 "
	    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255 1 65535\r\n",
	    TOO_LONG);
}

/* Version 2: what stands in front of the length. */
#define V2(octets) "\r\n\r\n\0\r\nQUIT\n" octets
#define TCP4 V2("\x21\x11")
#define TCP6 V2("\x21\x21")
#define ENDS4 "\xc0\x00\x02\x01\xc6\x33\x64\xff\xdc\x04\x00\x6e"
#define FROM4 "from ::ffff:192.0.2.1 56324 to ::ffff:198.51.100.255 110"
#define ENDS6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
	"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\xab\xcd\xdc\x04\x03\xe3"
#define FROM6 "from 2001:db8::1 56324 to fe80::abcd 995"

static void
octets_say_who_the_client_is(void **state)
{
	(void)state;
	SAYS(TCP4 "\x00\x0c" ENDS4, FROM4 "\nthen \n");
	SAYS(TCP4 "\x00\x0c" ENDS4 "CAPA", FROM4 "\nthen CAPA\n");
	SAYS(TCP6 "\x00\x24" ENDS6, FROM6 "\nthen \n");
	SAYS(TCP6 "\x00\x24" ENDS6 "\x16\x03\x01",
	    FROM6 "\nthen \\x16\\x03\\x01\n");
}

static void
of_local_and_of_no_family_nothing_is_believed(void **state)
{
	(void)state;
	SAYS(V2("\x20\x00\x00\x00"), "local\nthen \n");
	SAYS(V2("\x20\x00\x00\x00") "QUIT", "local\nthen QUIT\n");
	SAYS(V2("\x20\x11\x00\x0c") ENDS4 "CAPA", "local\nthen CAPA\n");
	SAYS(V2("\x20\x31\x00\x02") "xyz", "local\nthen z\n");
	SAYS(V2("\x20\xff\x00\x05") "\x03\x00\x04xyzA", "local\nthen zA\n");
	SAYS(V2("\x21\x00\x00\x00"), "local\nthen \n");
	SAYS(V2("\x21\x01\x00\x03") "xyzA", "local\nthen A\n");
	SAYS(V2("\x21\x00\x00\x14")
	    "\x20\x00\x0f\x01\0\0\0\0\x21\x00\x07TLSv1.3xyA",
	    "local\nthen A\n");
}

static void
what_we_do_not_speak_is_refused_at_its_octet(void **state)
{
	static const struct {
		char octets[4];
		size_t len;
		const char *want;
	} rows[] = {
		{ "\x11", 1, "the version is not 2" },
		{ "\x01", 1, "the version is not 2" },
		{ "\x31", 1, "the version is not 2" },
		{ "\x22", 1, "the command is not LOCAL or PROXY" },
		{ "\x2f", 1, "the command is not LOCAL or PROXY" },
		{ "\x21\x31", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x32", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x12", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x22", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x02", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x10", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x41", 2, "the family is not TCP over IPv4 or IPv6" },
		{ "\x21\x11\x00\x0b", 4,
		    "the header is too short for its addresses" },
		{ "\x21\x11\x00\x00", 4,
		    "the header is too short for its addresses" },
		{ "\x21\x21\x00\x23", 4,
		    "the header is too short for its addresses" },
		{ "\x21\x11\x08\x01", 4, "the header is too long" },
		{ "\x20\x00\xff\xff", 4, "the header is too long" },
	};
	char octets[16] = V2("");
	struct pb_proxy_header header;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_slice in = pb_slice(octets, 11 + rows[i].len);

		ROW(rows, i);
		memcpy(octets + 12, rows[i].octets, rows[i].len);
		assert_int_equal(pb_proxy_header_take(&in, &header, &why),
		    PB_AGAIN);
		in.len++;
		assert_int_equal(pb_proxy_header_take(&in, &header, &why),
		    PB_EPROTO);
		assert_string_equal(why, rows[i].want);
	}
}

static void
unfinished_octets_wait(void **state)
{
	(void)state;
	SAYS("\r", "open \\x0d\n");
	SAYS("\r\n\r\n", "open \\x0d\\x0a\\x0d\\x0a\n");
	SAYS(TCP4 "\x00\x0c\xc0\x00\x02", "open \\x0d\\x0a\\x0d\\x0a\\x00"
	    "\\x0d\\x0aQUIT\\x0a!\\x11\\x00\\x0c\\xc0\\x00\\x02\n");
}

static void
the_longest_header_is_taken_and_a_longer_one_refused(void **state)
{
	char octets[PB_PROXY_HEADER_MAX] = TCP4 "\x08\x00" ENDS4
	    "\x04\x07\xf1";
	struct pb_slice in = pb_slice(octets, sizeof(octets));
	struct pb_proxy_header header;
	const char *why;

	(void)state;
	assert_int_equal(pb_proxy_header_take(&in, &header, &why), PB_OK);
	assert_int_equal(in.len, 0);
	assert_int_equal(header.source_port, 56324);
	in = pb_slice(octets, sizeof(octets));
	octets[15] = 1;
	assert_int_equal(pb_proxy_header_take(&in, &header, &why), PB_EPROTO);
}

/* Behind the addresses, a length of less than 256 - 12. */
#define MORE4(len, octets) TCP4 "\x00" len ENDS4 octets

static void
fields_that_we_do_not_know_are_passed_over(void **state)
{
	(void)state;
	SAYS(MORE4("\x0f", "\x04\x00\x00"), FROM4 "\nthen \n");
	SAYS(MORE4("\x15", "\x04\x00\x00\xea\x00\x03xyz"),
	    FROM4 "\nthen \n");
	SAYS(MORE4("\x12", "\x05\x00\x00\x05\x00\x00"), FROM4 "\nthen \n");
	SAYS(MORE4("\x12", "\x30\x00\x03lan"), FROM4 "\nthen \n");
}

static void
fields_that_run_over_their_end_are_refused(void **state)
{
	static const char *const field = "wrong: a field is longer than the "
	    "header\n";
	static const char *const inside = "wrong: a field within the SSL "
	    "field is longer than that\n";

	(void)state;
	SAYS(MORE4("\x0d", "\x04"), field);
	SAYS(MORE4("\x0e", "\x04\x00"), field);
	SAYS(MORE4("\x0f", "\x04\x00\x01x"), field);
	SAYS(MORE4("\x10", "\x04\xff\xffx"), field);
	SAYS(MORE4("\x13", "\x04\x00\x01x\x04\x00\x01xx"), field);
	SAYS(MORE4("\x13", "\x20\x00\x04\x01\0\0\0"),
	    "wrong: the SSL field is too short\n");
	SAYS(MORE4("\x0f", "\x20\x00\x00"),
	    "wrong: the SSL field is too short\n");
	SAYS(MORE4("\x15", "\x20\x00\x06\x01\0\0\0\0\x21"), inside);
	/* Its own end lies within the header, but not within the field. */
	SAYS(MORE4("\x1a", "\x20\x00\x09\x01\0\0\0\0\x21\x00\x03xyz"),
	    inside);
}

static void
tls_at_the_proxy_is_said_with_its_version(void **state)
{
	(void)state;
	SAYS(MORE4("\x1e", "\x20\x00\x0f\x01\0\0\0\0\x21\x00\x07TLSv1.3"),
	    FROM4 " tls TLSv1.3\nthen \n");
	SAYS(MORE4("\x14", "\x20\x00\x05\x01\0\0\0\0"),
	    FROM4 " tls \nthen \n");
	SAYS(MORE4("\x14", "\x20\x00\x05\x07\0\0\0\1"),
	    FROM4 " tls \nthen \n");
	SAYS(MORE4("\x29", "\x20\x00\x1a\x01\0\0\0\0\x23\x00\x08"
	    "AES-GCM!\x21\x00\x07TLSv1.2"), FROM4 " tls TLSv1.2\nthen \n");
	/* A field without the bit: something else than TLS. */
	SAYS(MORE4("\x1e", "\x20\x00\x0f\x06\0\0\0\0\x21\x00\x07TLSv1.3"),
	    FROM4 "\nthen \n");
	SAYS(MORE4("\x1a", "\x20\x00\x0b\x01\0\0\0\0\x21\x00\x03\n=\xff"),
	    FROM4 " tls \\x0a=\\xff\nthen \n");
	SAYS(MORE4("\x2a", "\x20\x00\x1b\x01\0\0\0\0\x21\x00\x13"
	    "0123456789012345678"), FROM4 " tls 012345678901...\nthen \n");
}

static void
the_name_that_the_client_asked_for_is_handed_on(void **state)
{
	(void)state;
	SAYS(MORE4("\x18", "\x02\x00\x09localhost") "x",
	    FROM4 " for localhost\nthen x\n");
	SAYS(MORE4("\x0f", "\x02\x00\x00"), FROM4 "\nthen \n");
	SAYS(MORE4("\x12", "\x02\x00\x03\0\n\xff"),
	    FROM4 " for \\x00\\x0a\\xff\nthen \n");
}

static void
a_client_of_another_protocol_by_alpn_is_refused(void **state)
{
	static const char *const other = "wrong: the client speaks another "
	    "protocol than pop3 (ALPN)\n";

	(void)state;
	SAYS(MORE4("\x13", "\x01\x00\x04pop3"), FROM4 "\nthen \n");
	SAYS(MORE4("\x13", "\x01\x00\x04imap"), other);
	SAYS(MORE4("\x13", "\x01\x00\x04POP3"), other);
	SAYS(MORE4("\x14", "\x01\x00\x05pop3s"), other);
	SAYS(MORE4("\x11", "\x01\x00\x02h2"), other);
	SAYS(MORE4("\x0f", "\x01\x00\x00"), other);
}

/* As HAProxy 2.6 has sent it, with its proxy-v2-options. */
#define HAPROXY TCP4 "\x00\x34\x7f\0\0\x01\x7f\0\0\x01\x8e\x34\xe8\xeb" \
	"\x03\x00\x04\x8d\x08\x56\xe3" "\x02\x00\x09localhost" \
	"\x05\x00\x00" "\x20\x00\x0f\x01\0\0\0\0\x21\x00\x07TLSv1.3"

static void
a_checksum_that_is_there_is_right(void **state)
{
	(void)state;
	SAYS(HAPROXY "STAT", "from ::ffff:127.0.0.1 36404 to "
	    "::ffff:127.0.0.1 59627 tls TLSv1.3 for localhost\nthen STAT\n");
	SAYS(MORE4("\x12", "\x03\x00\x03\x12\x34\x56"),
	    "wrong: the checksum has not 4 octets\n");
	SAYS(MORE4("\x14", "\x03\x00\x05\x12\x34\x56\x78\x9a"),
	    "wrong: the checksum has not 4 octets\n");
}

static void
each_changed_bit_makes_the_checksum_wrong(void **state)
{
	char octets[] = HAPROXY;
	size_t bit;

	(void)state;
	for (bit = 16 * 8; bit < (sizeof(octets) - 1) * 8; bit++) {
		struct pb_slice in = pb_slice(octets, sizeof(octets) - 1);
		struct pb_proxy_header header;
		const char *why;

		/* Without its type or length it would be no checksum. */
		if (bit / 8 >= 28 && bit / 8 < 31)
			continue;
		octets[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(pb_proxy_header_take(&in, &header, &why),
		    PB_EPROTO);
		octets[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void
a_field_that_is_there_once_is_not_there_twice(void **state)
{
	static const char *const twice = "wrong: a field that can be there "
	    "once is there twice\n";

	(void)state;
	SAYS(MORE4("\x14", "\x02\x00\x01" "a\x02\x00\x01" "b"), twice);
	SAYS(MORE4("\x1a", "\x01\x00\x04pop3\x01\x00\x04pop3"), twice);
	SAYS(MORE4("\x1c", "\x20\x00\x05\0\0\0\0\0\x20\x00\x05\1\0\0\0\0"),
	    twice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_who_the_client_is),
		cmocka_unit_test(what_stands_behind_the_header_is_the_clients),
		cmocka_unit_test(of_unknown_nothing_is_believed),
		cmocka_unit_test(an_unfinished_line_waits),
		cmocka_unit_test(
		    other_protocols_are_refused_at_their_first_octets),
		cmocka_unit_test(a_line_that_is_not_exactly_so_is_refused),
		cmocka_unit_test(a_line_has_107_octets_at_most),
		cmocka_unit_test(octets_say_who_the_client_is),
		cmocka_unit_test(of_local_and_of_no_family_nothing_is_believed),
		cmocka_unit_test(what_we_do_not_speak_is_refused_at_its_octet),
		cmocka_unit_test(unfinished_octets_wait),
		cmocka_unit_test(
		    the_longest_header_is_taken_and_a_longer_one_refused),
		cmocka_unit_test(fields_that_we_do_not_know_are_passed_over),
		cmocka_unit_test(fields_that_run_over_their_end_are_refused),
		cmocka_unit_test(tls_at_the_proxy_is_said_with_its_version),
		cmocka_unit_test(
		    the_name_that_the_client_asked_for_is_handed_on),
		cmocka_unit_test(
		    a_client_of_another_protocol_by_alpn_is_refused),
		cmocka_unit_test(a_checksum_that_is_there_is_right),
		cmocka_unit_test(each_changed_bit_makes_the_checksum_wrong),
		cmocka_unit_test(a_field_that_is_there_once_is_not_there_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
