#include "support/test.h"

#include <string.h>

#include "support/login.h"

static void
client(struct pbt_edge *e, const char *text)
{
	pbt_edge_client(e, pb_slice_str(text));
}

static void
upstream(struct pbt_edge *e, const char *text)
{
	pbt_edge_upstream(e, pb_slice_str(text));
}

static void
client_hears(struct pbt_edge *e, const char *text)
{
	ASSERT_OCTETS(pb_buffer_slice(&e->to_client), pb_slice_str(text));
	pb_buffer_clear(&e->to_client);
}

static bool
contains(const struct pb_buffer *b, const char *text)
{
	return memmem(pb_buffer_slice(b).data, b->len, text, strlen(text)) !=
	    NULL;
}

/* The client has shown its password; a connection is asked for. */
static void
ask(struct pbt_edge *e, bool lock)
{
	pbt_edge_init(e);
	e->options.keep_upstream = true;
	e->options.lock = lock;
	pbt_edge_start(e);
	client(e, "USER joe\r\nPASS secret\r\n");
	assert_true(e->connect_asked);
	pb_buffer_clear(&e->to_client);
}

/* SELECT and the listing of a mailbox with one message. */
static void
open_mailbox(struct pbt_edge *e)
{
	assert_true(contains(&e->to_upstream, "A1 SELECT INBOX\r\n"));
	upstream(e, "* 1 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\n"
	    "A1 OK [READ-WRITE] in\r\n"
	    "* 1 FETCH (UID 10 RFC822.SIZE 5)\r\nA2 OK listed\r\n");
	client_hears(e, "+OK logged in\r\n");
	pb_buffer_clear(&e->to_upstream);
}

/* The new connection asks as every first one does. */
static void
log_in_afresh(struct pbt_edge *e)
{
	assert_true(e->connect_asked);
	assert_true(pb_bridge_wants_fresh(&e->bridge));
	assert_false(e->bridge.authenticated);
	client_hears(e, "");
	pb_buffer_clear(&e->to_upstream);
	pbt_edge_connected(e);
	upstream(e, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
	/* joe and secret */
	assert_true(contains(&e->to_upstream, "A1 AUTHENTICATE PLAIN "
	    "AGpvZQBzZWNyZXQ=\r\n"));
	upstream(e, "A1 OK [CAPABILITY IMAP4rev1] in\r\n");
}

static void
a_connection_that_is_logged_in_needs_no_login(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	assert_true(e.bridge.authenticated);
	open_mailbox(&e);
	assert_int_equal(pb_secret_reveal(&e.bridge.identity.password).len, 0);
	client(&e, "STAT\r\n");
	client_hears(&e, "+OK 1 5\r\n");
	pbt_edge_fini(&e);
}

static void
the_maildrop_is_locked_first(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, true);
	pbt_edge_resumed(&e);
	assert_true(e.lock_asked);
	assert_int_equal(e.to_upstream.len, 0);
	pbt_edge_locked(&e, true);
	open_mailbox(&e);
	pbt_edge_fini(&e);
}

static void
a_maildrop_in_use_asks_for_no_new_connection(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, true);
	pbt_edge_resumed(&e);
	pbt_edge_locked(&e, false);
	assert_false(e.connect_asked);
	assert_false(e.parked);
	assert_true(contains(&e.to_client, "[IN-USE]"));
	pbt_edge_fini(&e);
}

static void
a_connection_that_has_died_is_replaced_unseen(void **state)
{
	static const char *const deaths[] = { "", "* BYE too long idle\r\n",
		"* BY", "A1 NO [UNAVAILABLE] backend down\r\n",
		"A1 NO [AUTHORIZATIONFAILED] token expired\r\n", "HTTP/1.1\r\n",
		("* 1 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\nA1 OK in\r\n"
		    "* 1 FETCH (UID 10 RFC822.SIZE 5)\r\n* BYE now\r\n") };
	struct pbt_edge e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(deaths); i++) {
		ask(&e, false);
		pbt_edge_resumed(&e);
		upstream(&e, deaths[i]);
		pbt_edge_upstream_eof(&e);
		log_in_afresh(&e);
		upstream(&e, "* 0 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\n"
		    "A2 OK in\r\nA3 OK listed\r\n");
		client_hears(&e, "+OK logged in\r\n");
		pbt_edge_fini(&e);
	}
}

static void
a_mute_one_is_waited_for_five_seconds_only(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	pbt_edge_clock(&e, PB_BRIDGE_RESUMED_MS - 1);
	assert_false(e.connect_asked);
	pbt_edge_clock(&e, 1);
	log_in_afresh(&e);
	pbt_edge_fini(&e);
}

static void
one_that_has_answered_may_take_its_time(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	upstream(&e, "* 1 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\nA1 OK in\r\n");
	pbt_edge_clock(&e, 20 * PB_BRIDGE_RESUMED_MS);
	assert_false(e.connect_asked);
	upstream(&e, "* 1 FETCH (UID 10 RFC822.SIZE 5)\r\nA2 OK listed\r\n");
	client_hears(&e, "+OK logged in\r\n");
	pbt_edge_fini(&e);
}

static void
the_second_failure_is_told(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	pbt_edge_upstream_eof(&e);
	log_in_afresh(&e);
	upstream(&e, "A2 NO [UNAVAILABLE] not now\r\n");
	assert_false(e.connect_asked);
	assert_true(contains(&e.to_client, "[SYS/TEMP]"));
	pbt_edge_fini(&e);
}

static void
a_password_that_is_refused_meanwhile_is_refused(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	pbt_edge_upstream_eof(&e);
	pbt_edge_connected(&e);
	upstream(&e, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n"
	    "A1 NO [AUTHENTICATIONFAILED] no\r\n");
	assert_true(contains(&e.to_client, "[AUTH]"));
	assert_int_equal(pb_secret_reveal(&e.bridge.identity.password).len, 0);
	/* The next one may be a kept one again. */
	client(&e, "USER joe\r\nPASS secret\r\n");
	assert_true(e.connect_asked);
	assert_false(pb_bridge_wants_fresh(&e.bridge));
	pbt_edge_fini(&e);
}

static void
who_asks_for_less_is_not_asked_for_another_login(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	upstream(&e, "A1 NO [THROTTLED] slow down\r\n");
	assert_false(e.connect_asked);
	assert_true(e.bridge.throttled);
	assert_true(contains(&e.to_client, "[SYS/TEMP]"));
	pbt_edge_fini(&e);
}

static void
what_is_said_of_the_old_mailbox_is_not_of_the_new_one(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	upstream(&e, "* 7 EXISTS\r\n* 3 EXPUNGE\r\n"
	    "* 1 FETCH (UID 99 FLAGS (\\Seen))\r\n* OK [CLOSED] bye\r\n");
	open_mailbox(&e);
	client(&e, "UIDL 1\r\nSTAT\r\n");
	assert_true(contains(&e.to_client, "+OK 1 5\r\n"));
	/* Nothing was asked again. */
	assert_false(contains(&e.to_upstream, "SEARCH"));
	pbt_edge_fini(&e);
}

static void
the_end_keeps_a_connection_that_has_nothing_to_do(void **state)
{
	static const char *const ends[] = { "QUIT\r\n", "eof", "gone",
		"idle", "drain" };
	struct pbt_edge e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(ends); i++) {
		ask(&e, false);
		pbt_edge_resumed(&e);
		open_mailbox(&e);
		switch (i) {
		case 0:
			client(&e, ends[i]);
			break;
		case 1:
			pbt_edge_client_eof(&e);
			break;
		case 2:
			pbt_edge_client_gone(&e);
			break;
		case 3:
			pbt_edge_clock(&e, e.options.idle_ms);
			break;
		default:
			pbt_edge_drain(&e);
			break;
		}
		assert_true(e.ended);
		assert_true(e.parked);
		assert_int_equal(e.drops, 0);
		assert_false(contains(&e.to_upstream, "LOGOUT"));
		pbt_edge_fini(&e);
	}
}

static void
it_is_kept_when_the_commit_is_done(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	open_mailbox(&e);
	client(&e, "DELE 1\r\nQUIT\r\n");
	assert_false(e.parked);
	upstream(&e, "A3 OK status\r\nA4 OK stored\r\n"
	    "* 1 EXPUNGE\r\nA5 OK expunged\r\n");
	assert_true(e.ended);
	assert_true(e.parked);
	pbt_edge_fini(&e);
}

static void
one_with_a_message_on_its_way_is_not_kept(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	open_mailbox(&e);
	client(&e, "RETR 1\r\n");
	upstream(&e, "* 1 FETCH (UID 10 BODY[] {5}\r\nab");
	pbt_edge_client_gone(&e);
	assert_true(e.ended);
	assert_false(e.parked);
	assert_int_equal(e.drops, 1);
	pbt_edge_fini(&e);
}

static void
without_the_option_the_session_logs_out(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	e.options.keep_upstream = false;
	pbt_edge_resumed(&e);
	open_mailbox(&e);
	client(&e, "QUIT\r\n");
	assert_false(e.parked);
	assert_int_equal(e.drops, 1);
	assert_true(contains(&e.to_upstream, "LOGOUT\r\n"));
	pbt_edge_fini(&e);
}

static void
a_failed_login_is_never_kept(void **state)
{
	struct pbt_edge e;

	(void)state;
	ask(&e, false);
	pbt_edge_resumed(&e);
	upstream(&e, "A1 NO [NONEXISTENT] no such mailbox\r\n");
	assert_false(e.parked);
	assert_int_equal(e.drops, 1);
	assert_false(e.connect_asked);
	client(&e, "QUIT\r\n");
	assert_false(e.parked);
	pbt_edge_fini(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_that_is_logged_in_needs_no_login),
		cmocka_unit_test(the_maildrop_is_locked_first),
		cmocka_unit_test(a_maildrop_in_use_asks_for_no_new_connection),
		cmocka_unit_test(a_connection_that_has_died_is_replaced_unseen),
		cmocka_unit_test(a_mute_one_is_waited_for_five_seconds_only),
		cmocka_unit_test(one_that_has_answered_may_take_its_time),
		cmocka_unit_test(the_second_failure_is_told),
		cmocka_unit_test(a_password_that_is_refused_meanwhile_is_refused),
		cmocka_unit_test(who_asks_for_less_is_not_asked_for_another_login),
		cmocka_unit_test(what_is_said_of_the_old_mailbox_is_not_of_the_new_one),
		cmocka_unit_test(the_end_keeps_a_connection_that_has_nothing_to_do),
		cmocka_unit_test(it_is_kept_when_the_commit_is_done),
		cmocka_unit_test(one_with_a_message_on_its_way_is_not_kept),
		cmocka_unit_test(without_the_option_the_session_logs_out),
		cmocka_unit_test(a_failed_login_is_never_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
