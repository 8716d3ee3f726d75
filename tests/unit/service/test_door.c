#include "popbridge/service/door.h"

#include "popbridge/base/check.h"
#include "popbridge/service/network.h"
#include "support/test.h"

/* 192.0.2.0/24 but not 192.0.2.66, and all of 2001:db8::/32. */
static struct pb_network allowed[2];
static struct pb_network denied[1];

static const uint8_t inside[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
static const uint8_t outside[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 3, 1 };
static const uint8_t unwanted[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2,
	66 };
static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

static int
set_up(void **state)
{
	(void)state;
	pb_check(pb_network_parse(OCTETS("192.0.2.0/24"), &allowed[0]) ==
	    PB_OK);
	pb_check(pb_network_parse(OCTETS("2001:db8::/32"), &allowed[1]) ==
	    PB_OK);
	pb_check(pb_network_parse(OCTETS("192.0.2.66"), &denied[0]) == PB_OK);
	return 0;
}

static void
without_lists_everybody_may_come_in(void **state)
{
	const struct pb_listener_config l = { .name = "l" };

	(void)state;
	assert_true(pb_door_is_open(&l, inside));
	assert_true(pb_door_is_open(&l, outside));
	assert_true(pb_door_is_open(&l, six));
}

static void
only_who_is_allowed_may_come_in(void **state)
{
	const struct pb_listener_config l = { .allow = { allowed, 2 } };

	(void)state;
	assert_true(pb_door_is_open(&l, inside));
	assert_true(pb_door_is_open(&l, six));
	assert_false(pb_door_is_open(&l, outside));
}

static void
deny_wins_over_allow(void **state)
{
	const struct pb_listener_config l = { .allow = { allowed, 2 },
		.deny = { denied, 1 } };
	const struct pb_listener_config only = { .deny = { denied, 1 } };

	(void)state;
	assert_false(pb_door_is_open(&l, unwanted));
	assert_true(pb_door_is_open(&l, inside));
	assert_false(pb_door_is_open(&only, unwanted));
	assert_true(pb_door_is_open(&only, outside));
}

static void
nobody_speaks_for_others_unless_the_listener_says_so(void **state)
{
	const struct pb_listener_config none = { .name = "l" };
	const struct pb_listener_config l = { .proxy_protocol = { allowed, 1 },
		.xclient = { denied, 1 } };

	(void)state;
	assert_false(pb_door_wants_header(&none, inside));
	assert_false(pb_door_takes_xclient(&none, inside));
	assert_true(pb_door_wants_header(&l, inside));
	assert_false(pb_door_wants_header(&l, outside));
	assert_true(pb_door_takes_xclient(&l, unwanted));
	assert_false(pb_door_takes_xclient(&l, inside));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_lists_everybody_may_come_in),
		cmocka_unit_test(only_who_is_allowed_may_come_in),
		cmocka_unit_test(deny_wins_over_allow),
		cmocka_unit_test(
		    nobody_speaks_for_others_unless_the_listener_says_so),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
