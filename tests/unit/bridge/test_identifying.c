#include "support/test.h"

#include "support/edge.h"

/* AUTH PLAIN of max for boss; AUTH SCRAM-SHA-256 of eva, and of eva for max. */
#define PLAIN_FOR_BOSS "AUTH PLAIN Ym9zcwBtYXgAZ2VoZWltMTIz\r\n"
#define SCRAM "AUTH SCRAM-SHA-256 biwsbj1ldmEscj1mZjAwZmYwMA==\r\n"
#define SCRAM_FOR_MAX "AUTH SCRAM-SHA-256 " \
	"bixhPW1heCxuPWV2YSxyPWZmMDBmZjAw\r\n"

static void
start(struct pbt_edge *e)
{
	pbt_edge_init(e);
	e->who_waits = true;
	e->options.connect_ms = 30000;
	e->door.mechanisms = "PLAIN SCRAM-SHA-256";
	pbt_edge_start(e);
}

static void
the_keys_are_asked_for_whom_this_auth_is(void **state)
{
	struct pb_bridge_claim claim;
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_edge_client(&e, OCTETS(PLAIN_FOR_BOSS));
	ASSERT_TEXT(pb_bridge_claim(&e.bridge).authzid, "boss");
	pbt_edge_is_unknown(&e, PB_ERROR_AUTH, "test");
	pbt_edge_client(&e, OCTETS(SCRAM));
	assert_true(e.keys_asked);
	claim = pb_bridge_claim(&e.bridge);
	ASSERT_TEXT(claim.user, "eva");
	ASSERT_TEXT(claim.authzid, "");
	pbt_edge_is_unknown(&e, PB_ERROR_AUTH, "test");
	pbt_edge_client(&e, OCTETS(SCRAM_FOR_MAX));
	assert_true(e.keys_asked);
	claim = pb_bridge_claim(&e.bridge);
	ASSERT_TEXT(claim.user, "eva");
	ASSERT_TEXT(claim.authzid, "max");
	pbt_edge_fini(&e);
}

/* Nobody else's name stands in the log for it, and none is missing. */
static void
who_gets_no_keys_in_time_is_named(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_edge_client(&e, OCTETS(PLAIN_FOR_BOSS));
	pbt_edge_is_unknown(&e, PB_ERROR_AUTH, "test");
	pbt_edge_client(&e, OCTETS(SCRAM));
	pbt_edge_clock(&e, e.options.connect_ms);
	assert_int_equal(e.bridge.state, PB_BRIDGE_COMMAND);
	ASSERT_TEXT(pb_bridge_user(&e.bridge), "eva");
	assert_null(pb_bridge_authzid(&e.bridge).data);
	pbt_edge_fini(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keys_are_asked_for_whom_this_auth_is),
		cmocka_unit_test(who_gets_no_keys_in_time_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
