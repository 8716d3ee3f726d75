#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "support/login.h"

static void
start(struct pbt_edge *e)
{
	pbt_edge_init(e);
	pbt_edge_start(e);
}

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

static void
upstream_hears(struct pbt_edge *e, const char *text)
{
	ASSERT_OCTETS(pb_buffer_slice(&e->to_upstream), pb_slice_str(text));
	pb_buffer_clear(&e->to_upstream);
}

static const struct pb_bridge_options usual = { .mailbox = "INBOX",
	.idle_ms = 600000, .upstream_ms = 60000, .connect_ms = 30000,
	.stall_ms = 60000, .login_ms = 3600000 };
static const struct pb_bridge_door open_door = { .mechanisms = "PLAIN LOGIN",
	.nonce = "0123456789abcdef0123456789abcdef" };

/* It is who it says it is. */
static void
be_known(struct pb_bridge *b)
{
	struct pb_bridge_identity identity = { .options = &usual };

	assert_int_equal(pb_secret_set(&identity.user, pb_bridge_user(b)),
	    PB_OK);
	assert_int_equal(pb_secret_set(&identity.password,
	    pb_bridge_claim(b).secret), PB_OK);
	pb_bridge_identified(b, &identity, b->now);
}

static void
actions_that_nobody_took_end_with_the_session(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS b\r\n");
	enum pb_bridge_action action;
	struct pb_bridge b;
	bool end = false;

	(void)state;
	pb_bridge_init(&b, &usual, "s1", "192.0.2.7", 1);
	pb_bridge_greet(&b, &open_door, 1);
	pb_bridge_client_in(&b, &in, 1);
	assert_int_equal(b.state, PB_BRIDGE_IDENTIFYING);
	pb_bridge_client_gone(&b, 2);
	do {
		action = pb_bridge_next_action(&b);
		assert_int_not_equal(action, PB_BRIDGE_IDENTIFY);
		end = end || action == PB_BRIDGE_END;
	} while (action != PB_BRIDGE_NOTHING);
	assert_true(end);
	pb_bridge_fini(&b);
}

static void
each_action_is_handed_out_once(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS b\r\n");
	struct pb_bridge b;

	(void)state;
	pb_bridge_init(&b, &usual, "s1", "192.0.2.7", 1);
	pb_bridge_greet(&b, &open_door, 1);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_NOTHING);
	pb_bridge_client_in(&b, &in, 1);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_IDENTIFY);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_NOTHING);
	be_known(&b);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_CONNECT);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_NOTHING);
	pb_bridge_fini(&b);
}

static void
the_old_connection_goes_before_a_new_one_comes(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS b\r\n");
	struct pb_slice again = OCTETS("PASS c\r\n");
	struct pb_error error;
	struct pb_bridge b;

	(void)state;
	pb_bridge_init(&b, &usual, "s1", "192.0.2.7", 1);
	pb_bridge_greet(&b, &open_door, 1);
	pb_bridge_client_in(&b, &in, 1);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_IDENTIFY);
	be_known(&b);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_CONNECT);
	pb_error_set(&error, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION, "x");
	pb_bridge_upstream_lost(&b, &error, 2);
	pb_bridge_client_in(&b, &again, 3);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_DROP_UPSTREAM);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_IDENTIFY);
	assert_int_equal(pb_bridge_next_action(&b), PB_BRIDGE_NOTHING);
	pb_bridge_fini(&b);
}

/*
 * The OK of STARTTLS ends a piece of what is taken in one step, the attack
 * begins the next: no handshake may be asked for on a dropped connection.
 */
static void
starttls_injection_behind_a_full_piece_asks_for_no_handshake(void **state)
{
	static const char greeting[] =
	    "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n";
	static const char ok[] = "A1 OK go\r\n";
	struct pb_buffer text;
	struct pbt_edge e;
	size_t fill;

	(void)state;
	pbt_edge_init(&e);
	e.upstream_tls = PB_IMAP_TLS_STARTTLS;
	pbt_edge_start(&e);
	client(&e, "USER a\r\nPASS b\r\n");
	pbt_edge_connected(&e);
	pb_buffer_init(&text, 1 << 20);
	pbt_say(&text, "%s* OK ", greeting);
	fill = PB_BRIDGE_CHUNK_MAX - text.len - 2 - strlen(ok);
	while (fill-- > 0)
		pbt_say(&text, "x");
	pbt_say(&text, "\r\n%s", ok);
	assert_int_equal(text.len, PB_BRIDGE_CHUNK_MAX);
	pbt_say(&text, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n");
	pbt_edge_upstream(&e, pb_buffer_slice(&text));
	assert_false(e.starttls_asked);
	assert_int_equal(e.drops, 1);
	pb_buffer_fini(&text);
	pbt_edge_fini(&e);
}

/*
 * The reply's first line passes the high mark, and another session of the
 * loop uses the grammar before this one goes on.
 */
static void
a_body_in_a_response_is_taken_though_the_client_is_slow(void **state)
{
	struct pb_imap_data data;
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_login(&e, 1, true);
	pbt_edge_client_stops(&e, true);
	while (e.bridge.client_out.len + 26 < PB_BRIDGE_OUT_HIGH)
		client(&e, "NOOP\r\n");
	while (e.bridge.client_out.len + 9 < PB_BRIDGE_OUT_HIGH)
		client(&e, "STAT\r\n");
	assert_true(e.bridge.client_out.len < PB_BRIDGE_OUT_HIGH);
	assert_true(e.bridge.client_out.len + 14 > PB_BRIDGE_OUT_HIGH);
	client(&e, "RETR 1\r\n");
	upstream_hears(&e, "A4 UID FETCH 10 (UID BODY.PEEK[])\r\n");
	upstream(&e, "* 1 FETCH (UID 10 BODY[] \"just this body\")\r\n");
	assert_non_null(memmem(pb_buffer_slice(&e.bridge.client_out).data,
	    e.bridge.client_out.len, "just this body", 14));
	assert_int_equal(pb_imap_grammar_parse(e.grammar,
	    OCTETS("* 2 FETCH (UID 9 BODY[] \"another's message\")"), &data),
	    PB_OK);
	upstream(&e, "A4 OK\r\n");
	pbt_edge_client_stops(&e, false);
	{
		static const char tail[] =
		    "+OK 14 octets\r\njust this body\r\n.\r\n";
		struct pb_slice all = pb_buffer_slice(&e.to_client);

		assert_true(all.len > sizeof(tail));
		ASSERT_OCTETS(pb_slice_sub(all, all.len - strlen(tail),
		    all.len), pb_slice_str(tail));
	}
	pbt_edge_fini(&e);
}

static void
a_body_waits_upstream_while_the_client_does_not_read(void **state)
{
	enum { BODY = 3 * 1000 * 1000 };
	struct pb_buffer text;
	struct pbt_edge e;
	unsigned i;

	(void)state;
	start(&e);
	pbt_login(&e, 1, true);
	client(&e, "RETR 1\r\n");
	pbt_edge_client_stops(&e, true);
	pb_buffer_init(&text, 2 * BODY);
	pbt_say(&text, "* 1 FETCH (UID 10 BODY[] {%d}\r\n", BODY);
	for (i = 0; i < BODY / 10; i++)
		pbt_put(&text, pb_slice_str("\n.\n.\n.\n.\n."));
	pbt_say(&text, ")\r\nA4 OK\r\n");
	pbt_edge_upstream(&e, pb_buffer_slice(&text));
	assert_false(pb_bridge_wants_upstream(&e.bridge));
	assert_true(e.bridge.client_out.len <= PB_BRIDGE_OUT_HIGH +
	    2 * PB_BRIDGE_CHUNK_MAX);
	assert_true(e.from_upstream.len > BODY - 2 * PB_BRIDGE_OUT_HIGH);
	pbt_edge_client_stops(&e, false);
	assert_int_equal(e.from_upstream.len, 0);
	assert_int_equal(e.bridge.state, PB_BRIDGE_COMMAND);
	assert_int_equal(e.bridge.stats.retr, 1);
	pb_buffer_fini(&text);
	pbt_edge_fini(&e);
}

static void
a_long_listing_waits_for_the_client(void **state)
{
	enum { COUNT_OF = 30000 };
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_login(&e, COUNT_OF, true);
	pbt_edge_client_stops(&e, true);
	client(&e, "UIDL\r\nLIST\r\nSTAT\r\n");
	assert_true(e.bridge.client_out.len <= PB_BRIDGE_OUT_HIGH + 600);
	assert_int_equal(e.bridge.state, PB_BRIDGE_LISTING);
	pbt_edge_client_stops(&e, false);
	assert_int_equal(e.bridge.state, PB_BRIDGE_COMMAND);
	{
		static const char tail[] = "30000 1\r\n.\r\n+OK 30000 30000\r\n";
		struct pb_slice all = pb_buffer_slice(&e.to_client);

		assert_true(all.len > 20 * COUNT_OF);
		ASSERT_OCTETS(pb_slice_sub(all, all.len - strlen(tail),
		    all.len), pb_slice_str(tail));
	}
	pbt_edge_fini(&e);
}

static void
thousands_of_commands_at_once_cost_no_memory(void **state)
{
	struct pb_buffer in;
	struct pbt_edge e;
	unsigned i;

	(void)state;
	start(&e);
	pbt_login(&e, 1, true);
	pb_buffer_init(&in, 1 << 20);
	for (i = 0; i < 20000; i++)
		pbt_say(&in, "CAPA\r\n");
	pbt_edge_client_stops(&e, true);
	pbt_edge_client(&e, pb_buffer_slice(&in));
	assert_false(pb_bridge_wants_client(&e.bridge));
	assert_true(e.bridge.client_out.len <= PB_BRIDGE_OUT_HIGH + 600);
	assert_true(e.from_client.len > 100000);
	pbt_edge_client_stops(&e, false);
	assert_int_equal(e.from_client.len, 0);
	pb_buffer_fini(&in);
	pbt_edge_fini(&e);
}

static void
the_password_is_gone_after_the_login(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	client(&e, "USER max\r\n");
	assert_true(pb_bridge_is_private(&e.bridge));
	client(&e, "PASS geheim123\r\n");
	assert_true(pb_bridge_is_private(&e.bridge));
	pbt_edge_connected(&e);
	assert_int_equal(pb_secret_reveal(&e.bridge.secret).len, 0);
	assert_int_equal(pb_secret_reveal(
	    &e.bridge.identity.password).len, 0);
	upstream(&e, "* OK [CAPABILITY IMAP4rev1] hi\r\nA1 OK in\r\n");
	upstream(&e, "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nA3 OK\r\n"
	    "A2 OK\r\nA4 OK\r\n");
	assert_false(pb_bridge_is_private(&e.bridge));
	assert_int_equal(pb_secret_reveal(&e.imap.password).len, 0);
	assert_null(memmem(&e.bridge, sizeof(e.bridge), "geheim", 6));
	assert_null(memmem(&e.imap, sizeof(e.imap), "geheim", 6));
	ASSERT_TEXT(pb_bridge_user(&e.bridge), "max");
	pbt_edge_fini(&e);
}

static void
the_password_of_auth_is_gone_after_the_login(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	client(&e, "AUTH PLAIN Ym9zcwBtYXgAZ2VoZWltMTIz\r\n");
	assert_true(pb_bridge_is_private(&e.bridge));
	ASSERT_TEXT(pb_bridge_user(&e.bridge), "max");
	ASSERT_TEXT(pb_bridge_authzid(&e.bridge), "boss");
	assert_null(e.bridge.sasl.password.priv_data);
	pbt_edge_connected(&e);
	assert_int_equal(pb_secret_reveal(&e.bridge.secret).len, 0);
	assert_int_equal(pb_secret_reveal(
	    &e.bridge.identity.password).len, 0);
	upstream(&e, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n"
	    "A1 OK in\r\n");
	assert_null(e.imap.password.priv_data);
	assert_null(e.imap.authzid.priv_data);
	assert_null(memmem(&e.bridge, sizeof(e.bridge), "geheim", 6));
	assert_null(memmem(&e.bridge, sizeof(e.bridge), "Z2Vo", 4));
	pbt_edge_fini(&e);
}

static void
without_auth_nobody_acts_for_another(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	client(&e, "AUTH PLAIN Ym9zcwBtYXgAZ2VoZWltMTIz\r\n");
	pbt_edge_refused(&e, PB_ERROR_TEMPORARY, "test");
	client(&e, "USER max\r\nPASS x\r\n");
	assert_null(pb_bridge_authzid(&e.bridge).data);
	pbt_edge_fini(&e);
}

static char logged[2048];

static void
keep_record(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	size_t at = 0;
	size_t i;

	(void)level;
	at += (size_t)snprintf(logged, sizeof(logged), "%s", text);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(logged + at, sizeof(logged) - at,
		    " %s=%s", pairs[i].key,
		    pairs[i].text != NULL ? pairs[i].text : "n");
}

static void
the_log_says_why_nobody_can_act_for_another(void **state)
{
	struct pbt_edge e;

	(void)state;
	pb_log_setup(PB_LOG_WARN, keep_record);
	start(&e);
	client(&e, "AUTH PLAIN Ym9zcwBtYXgAZ2VoZWltMTIz\r\n");
	pbt_edge_connected(&e);
	upstream(&e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	pb_log_setup(PB_LOG_WARN, NULL);
	assert_non_null(strstr(logged, "login failed"));
	assert_non_null(strstr(logged, " user=max authzid=boss "));
	assert_non_null(strstr(logged, "no AUTH=PLAIN"));
	pbt_edge_fini(&e);
}

static void
neither_auth_nor_its_responses_are_logged(void **state)
{
	static const char *const lines[] = { "AUTH PLAIN AG1heABnZQBoZWlt",
		"AUTH LOGIN", "bWF4", "Z2UKaGVpbQ==", "AUTH PLAIN", "Z2Vo!",
		"AUTH PLAIN Z2VoZWltMTIz", "Z2VoZWltMTIz" };
	struct pbt_edge e;
	size_t i;

	(void)state;
	pb_log_setup(PB_LOG_DEBUG, keep_record);
	start(&e);
	for (i = 0; i < COUNT(lines); i++) {
		ROW(lines, i);
		client(&e, lines[i]);
		client(&e, "\r\n");
		assert_null(strstr(logged, "Z2"));
		assert_null(strstr(logged, "AG1"));
		assert_null(strstr(logged, "ge"));
	}
	assert_non_null(strstr(logged, "AUTH refused"));
	pb_log_setup(PB_LOG_WARN, NULL);
	pbt_edge_fini(&e);
}

static void
a_hundred_thousand_cancelled_auths_hold_no_memory(void **state)
{
	struct pbt_edge e;
	unsigned i;

	(void)state;
	start(&e);
	pb_buffer_clear(&e.to_client);
	for (i = 0; i < 100000; i++) {
		client(&e, "CAPA\r\nAUTH LOGIN\r\nbWF4\r\n*\r\n");
		assert_true(e.to_client.len > 100);
		pb_buffer_clear(&e.to_client);
		assert_null(e.bridge.sasl.user.priv_data);
		assert_null(e.bridge.pop3.response.data);
	}
	assert_false(e.ended);
	pbt_edge_fini(&e);
}

static void
no_memory_in_auth_ends_the_session_or_the_login(void **state)
{
	unsigned long n;
	bool failed = true;

	(void)state;
	for (n = 1; failed && n < 100; n++) {
		struct pbt_edge e;
		struct pb_slice in = OCTETS("AUTH LOGIN\r\nbWF4\r\neA==\r\n");

		start(&e);
		pb_mem_fail_from(n);
		pb_bridge_client_in(&e.bridge, &in, e.now);
		pb_mem_fail_from(0);
		failed = e.bridge.state == PB_BRIDGE_ENDED;
		if (failed)
			assert_string_equal(e.bridge.stats.reason,
			    "no memory");
		else
			assert_int_equal(e.bridge.state,
			    PB_BRIDGE_IDENTIFYING);
		pbt_edge_fini(&e);
	}
	assert_false(failed);
	assert_true(n > 5);
}

static void
nothing_to_send_does_not_put_the_autologout_off(void **state)
{
	struct pbt_edge e;
	uint64_t before;

	(void)state;
	start(&e);
	pbt_login(&e, 1, true);
	before = pb_bridge_deadline(&e.bridge);
	pb_bridge_client_flow(&e.bridge, 0, e.now + 1000);
	pb_bridge_client_flow(&e.bridge, 0, e.now + 2000);
	assert_true(pb_bridge_deadline(&e.bridge) == before);
	pbt_edge_fini(&e);
}

static void
a_client_that_reads_slowly_is_not_stalled(void **state)
{
	struct pb_slice in = OCTETS("NOOP\r\n");
	struct pb_bridge b;
	uint64_t now = 1;
	size_t unsent;

	(void)state;
	pb_bridge_init(&b, &usual, "s1", "192.0.2.7", now);
	pb_bridge_greet(&b, &open_door, now);
	pb_buffer_clear(&b.client_out);
	pb_bridge_client_in(&b, &in, now);
	for (unsent = 100; unsent > 50; unsent--) {
		pb_bridge_client_flow(&b, unsent, now);
		now += usual.stall_ms - 1;
		pb_bridge_run(&b, now);
		assert_int_not_equal(b.state, PB_BRIDGE_ENDED);
	}
	now += 2;
	pb_bridge_run(&b, now);
	assert_int_equal(b.state, PB_BRIDGE_ENDED);
	assert_string_equal(b.stats.reason, "client does not read");
	pb_bridge_fini(&b);
}

static void
a_session_is_summed_up(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_login(&e, 3, true);
	client(&e, "RETR 1\r\n");
	upstream(&e, "* 1 FETCH (UID 10 BODY[] {3}\r\nab\n)\r\nA4 OK\r\n");
	client(&e, "TOP 2 0\r\n");
	upstream(&e, "* 1 FETCH (UID 20 BODY[] {3}\r\nab\n)\r\nA5 OK\r\n");
	client(&e, "RETR 3\r\n");
	upstream(&e, "A6 OK\r\n");
	client(&e, "DELE 1\r\nDELE 2\r\nQUIT\r\n");
	upstream(&e, "A7 OK\r\nA8 OK\r\nA9 OK\r\n");
	assert_true(e.ended);
	assert_int_equal(e.bridge.stats.retr, 1);
	assert_int_equal(e.bridge.stats.top, 1);
	assert_int_equal(e.bridge.stats.dele, 2);
	assert_int_equal(e.bridge.stats.removed, 2);
	assert_int_equal(e.bridge.stats.octets, 8);
	assert_string_equal(e.bridge.stats.reason, "quit");
	pbt_edge_fini(&e);
}

static void
a_stopped_session_removes_nothing(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_login(&e, 3, true);
	client(&e, "DELE 1\r\n");
	pb_bridge_stop(&e.bridge, "killed", e.now);
	pbt_edge_clock(&e, 1);
	pbt_edge_client_eof(&e);
	assert_true(e.ended);
	upstream_hears(&e, "A4 LOGOUT\r\n");
	client_hears(&e, "+OK message 1 deleted\r\n");
	pbt_edge_fini(&e);
}

static void
a_stopped_commit_goes_on(void **state)
{
	struct pbt_edge e;

	(void)state;
	start(&e);
	pbt_login(&e, 3, true);
	client(&e, "DELE 1\r\nQUIT\r\n");
	pb_buffer_clear(&e.to_client);
	pb_bridge_stop(&e.bridge, "killed", e.now);
	assert_int_equal(e.bridge.state, PB_BRIDGE_COMMITTING);
	upstream(&e, "* STATUS INBOX (UIDVALIDITY 17)\r\nA4 OK\r\nA5 OK\r\n"
	    "A6 OK\r\n");
	client_hears(&e, "+OK goodbye, 1 messages removed\r\n");
	assert_true(e.ended);
	pbt_edge_fini(&e);
}

static void
words_of_the_server_never_reach_the_client(void **state)
{
	static const char *const lines[] = {
		"A1 NO [AUTHENTICATIONFAILED] GEHEIMNIS\r\n",
		"A1 BAD GEHEIMNIS\r\n", "* BYE GEHEIMNIS\r\n",
		"GEHEIMNIS\r\n", "* OK [ALERT] GEHEIMNIS\r\nA1 NO x\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pbt_edge e;

		ROW(lines, i);
		start(&e);
		client(&e, "USER a\r\nPASS b\r\n");
		pbt_edge_connected(&e);
		upstream(&e, "* OK [CAPABILITY IMAP4rev1] GEHEIMNIS\r\n");
		upstream(&e, lines[i]);
		assert_true(e.to_client.len > 0);
		assert_null(memmem(pb_buffer_slice(&e.to_client).data,
		    e.to_client.len, "GEHEIMNIS", 9));
		pbt_edge_fini(&e);
	}
}

/* A session from end to end; its peers say what they say, come what may. */
static void
whole_session(struct pbt_edge *e, bool uidplus)
{
	/* STATUS, \Seen, and then two for each message or look. */
	static const char *const answers[] = { "A4 OK\r\n", "A5 OK\r\n",
		"A6 OK\r\n", "* OK [UIDVALIDITY 17] x\r\nA7 OK\r\n",
		"* SEARCH 10\r\nA8 OK\r\n", "A9 OK\r\n", "A10 OK\r\n",
		"* SEARCH 10\r\nA11 OK\r\n", "A12 OK\r\n",
		"* OK [UIDVALIDITY 17] x\r\nA13 OK\r\n",
		"* SEARCH\r\nA14 OK\r\n" };
	size_t i;

	client(e, "USER max\r\nPASS geheim\r\n");
	if (e->connect_asked)
		pbt_edge_connected(e);
	upstream(e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	upstream(e, uidplus ? "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n"
			    : "A1 OK [CAPABILITY IMAP4rev1] in\r\n");
	upstream(e, "* 2 EXISTS\r\n* OK [UIDVALIDITY 17] x\r\nA2 OK\r\n"
	    "* 1 FETCH (UID 20 RFC822.SIZE 1)\r\n"
	    "* 2 FETCH (UID 10 RFC822.SIZE 1)\r\nA3 OK\r\n");
	client(e, "LIST\r\nUIDL\r\nDELE 1\r\nRETR 2\r\n");
	upstream(e, "* 1 FETCH (UID 20 BODY[] \"x\")\r\n");
	upstream(e, answers[0]);
	client(e, "QUIT\r\n");
	for (i = 1; i < COUNT(answers); i++)
		upstream(e, answers[i]);
}

/* What the edge itself needs is there before allocations begin to fail. */
static void
make_room(struct pb_buffer *b)
{
	char *room;

	assert_int_equal(pb_buffer_reserve(b, 1 << 17, &room), PB_OK);
}

static void
every_failing_allocation_leaves_a_session_that_can_end(void **state)
{
	static const char goodbye[] = "+OK goodbye, 1 messages removed\r\n";
	unsigned uidplus;

	(void)state;
	for (uidplus = 0; uidplus < 2; uidplus++) {
		bool whole = false;
		unsigned long n;

		for (n = 1; !whole; n++) {
			struct pbt_edge e;

			assert_true(n < 400);
			pbt_edge_init(&e);
			e.options.mark_seen = true;
			make_room(&e.from_client);
			make_room(&e.from_upstream);
			make_room(&e.to_client);
			make_room(&e.to_upstream);
			pb_mem_fail_from(n);
			pbt_edge_start(&e);
			whole_session(&e, uidplus != 0);
			if (!e.ended)
				pbt_edge_client_gone(&e);
			pb_mem_fail_from(0);
			whole = memmem(pb_buffer_slice(&e.to_client).data,
			    e.to_client.len, goodbye, strlen(goodbye)) != NULL;
			pbt_edge_fini(&e);
		}
		assert_true(n > 10);
	}
}

static void
octets_in_the_clear_behind_stls_end_the_session(void **state)
{
	struct pb_slice in = pb_slice_str("STLS\r\nUSER mallory\r\n");
	struct pb_bridge_door door = open_door;
	struct pb_bridge b;

	(void)state;
	door.tls = PB_POP3_TLS_OFFERED;
	pb_bridge_init(&b, &usual, "s1", "192.0.2.7", 1);
	pb_bridge_greet(&b, &door, 1);
	pb_bridge_client_in(&b, &in, 2);
	assert_int_equal(b.state, PB_BRIDGE_ENDED);
	assert_string_equal(b.stats.reason,
	    "octets in the clear behind STLS");
	while (b.actions != 0)
		assert_int_not_equal(pb_bridge_next_action(&b),
		    PB_BRIDGE_CLIENT_TLS);
	pb_bridge_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_that_nobody_took_end_with_the_session),
		cmocka_unit_test(each_action_is_handed_out_once),
		cmocka_unit_test(
		    the_old_connection_goes_before_a_new_one_comes),
		cmocka_unit_test(
		    starttls_injection_behind_a_full_piece_asks_for_no_handshake),
		cmocka_unit_test(
		    a_body_in_a_response_is_taken_though_the_client_is_slow),
		cmocka_unit_test(
		    a_body_waits_upstream_while_the_client_does_not_read),
		cmocka_unit_test(a_long_listing_waits_for_the_client),
		cmocka_unit_test(thousands_of_commands_at_once_cost_no_memory),
		cmocka_unit_test(the_password_is_gone_after_the_login),
		cmocka_unit_test(the_password_of_auth_is_gone_after_the_login),
		cmocka_unit_test(the_log_says_why_nobody_can_act_for_another),
		cmocka_unit_test(neither_auth_nor_its_responses_are_logged),
		cmocka_unit_test(without_auth_nobody_acts_for_another),
		cmocka_unit_test(
		    a_hundred_thousand_cancelled_auths_hold_no_memory),
		cmocka_unit_test(
		    no_memory_in_auth_ends_the_session_or_the_login),
		cmocka_unit_test(
		    nothing_to_send_does_not_put_the_autologout_off),
		cmocka_unit_test(a_client_that_reads_slowly_is_not_stalled),
		cmocka_unit_test(a_session_is_summed_up),
		cmocka_unit_test(a_stopped_session_removes_nothing),
		cmocka_unit_test(a_stopped_commit_goes_on),
		cmocka_unit_test(words_of_the_server_never_reach_the_client),
		cmocka_unit_test(
		    every_failing_allocation_leaves_a_session_that_can_end),
		cmocka_unit_test(
		    octets_in_the_clear_behind_stls_end_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
