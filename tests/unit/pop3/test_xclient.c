#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/pop3/xclient.h"

#define LIT(l) { l, sizeof(l) - 1 }
#define LONGEST "ABCD:ABCD:ABCD:ABCD:ABCD:ABCD:192.168.158.190"

static void
address_and_port_are_taken_and_all_else_is_left(void **state)
{
	static const struct {
		struct pb_slice text;
		const char *address;
		unsigned port;
	} rows[] = {
		{ LIT("ADDR=192.0.2.1 PORT=1234"), "192.0.2.1", 1234 },
		{ LIT("PORT=0 ADDR=192.0.2.1"), "192.0.2.1", 0 },
		{ LIT("addr=192.0.2.1 Port=65535"), "192.0.2.1", 65535 },
		{ LIT("ADDR=2001:DB8:0:0::1"), "2001:db8::1", 0 },
		{ LIT("ADDR=IPV6:2001:db8::1"), "2001:db8::1", 0 },
		{ LIT("ADDR=ipv6:::1"), "::1", 0 },
		{ LIT("ADDR=" LONGEST),
		    "abcd:abcd:abcd:abcd:abcd:abcd:c0a8:9ebe", 0 },
		{ LIT("ADDR=::ffff:192.0.2.1"), "::ffff:192.0.2.1", 0 },
		{ LIT("ADDR=192.0.2.1 ADDR=192.0.2.2"), "192.0.2.2", 0 },
		{ LIT("  ADDR=192.0.2.1   PORT=7  "), "192.0.2.1", 7 },
		{ LIT("SESSION=a=b TTL=5 ADDR=192.0.2.1 X =Y FORWARD=Zm9v "
		    "XADDR=z ADDRESS=y PORTS=x CLIENT-TRANSPORT=TLS"),
		    "192.0.2.1", 0 },
		{ LIT("PORT=1"), "", 1 },
		{ LIT("SESSION=\x80\1\0"), "", 0 },
		{ LIT("ADDR"), "", 0 },
		{ LIT(" "), "", 0 },
		{ LIT(""), "", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *exact = pbt_exact(rows[i].text);
		char address[PB_POP3_ADDRESS_SIZE];
		unsigned port = 99;

		ROW(rows, i);
		assert_int_equal(pb_pop3_xclient_parse(pb_slice(exact,
		    rows[i].text.len), address, &port), PB_OK);
		assert_string_equal(address, rows[i].address);
		assert_int_equal(port, rows[i].port);
		free(exact);
	}
}

static void
what_is_no_address_or_no_port_is_refused(void **state)
{
	static const struct pb_slice rows[] = {
		LIT("ADDR="), LIT("ADDR=x"), LIT("ADDR=[UNAVAILABLE]"),
		LIT("ADDR=192.0.2"), LIT("ADDR=192.0.2.256"),
		LIT("ADDR=192.0.2.1\0"), LIT("ADDR=192.0.2.1\r"),
		LIT("ADDR=\t192.0.2.1"), LIT("ADDR=2001:db8::1%eth0"),
		LIT("ADDR=[2001:db8::1]"), LIT("ADDR=IPV6:"),
		LIT("ADDR=IPV6:192.0.2.1"), LIT("ADDR=IPV6:IPV6:::1"),
		LIT("ADDR=" LONGEST "0"),
		LIT("ADDR=192.0.2.1000000000000000000000000000000000000000000"),
		LIT("PORT="), LIT("PORT=x"), LIT("PORT=-1"), LIT("PORT=65536"),
		LIT("PORT=99999999999999999999999"), LIT("PORT=1\0"),
		LIT("ADDR=192.0.2.1 PORT=y"), LIT("ADDR=x ADDR=192.0.2.1"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *exact = pbt_exact(rows[i]);
		char address[PB_POP3_ADDRESS_SIZE];
		unsigned port;

		ROW(rows, i);
		assert_int_equal(pb_pop3_xclient_parse(pb_slice(exact,
		    rows[i].len), address, &port), PB_EINVAL);
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    address_and_port_are_taken_and_all_else_is_left),
		cmocka_unit_test(what_is_no_address_or_no_port_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
