#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/pop3/reply.h"
#include "popbridge/pop3/session.h"
#include "support/trace.h"

#define GREETING "+OK popbridge ready\r\n"
#define USER_OK "+OK send PASS\r\n"
#define LOGIN "USER max\r\nPASS geheim123\r\n"
#define LOGIN_TRACE GREETING USER_OK \
	"request PASS user max password geheim123\n"
#define UNKNOWN "-ERR unknown command\r\n"
#define ARGUMENTS "-ERR wrong arguments for this command\r\n"
#define STATE "-ERR this command is not valid now\r\n"
#define TOO_LONG "-ERR command line too long\r\n"
#define NOOP_OK "+OK still here\r\n"

/* Under all splits. */
static void
must_trace(struct pb_slice input, const char *want)
{
	struct pb_buffer got;

	pbt_all_splits(&pbt_session, input, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_slice_str(want));
	pb_buffer_fini(&got);
}

static void
a_login_hands_on_user_and_password(void **state)
{
	(void)state;
	must_trace(OCTETS(LOGIN), LOGIN_TRACE "state TRANSACTION\n");
}

static void
cr_lf_and_bare_lf_end_a_line(void **state)
{
	(void)state;
	must_trace(OCTETS("USER max\nPASS geheim123\nNOOP\r\nNOOP\n"),
	    LOGIN_TRACE NOOP_OK NOOP_OK "state TRANSACTION\n");
}

static void
before_the_login_only_four_verbs_are_valid(void **state)
{
	(void)state;
	must_trace(OCTETS("STAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 1 1\r\n"
	    "DELE 1\r\nRSET\r\nNOOP\r\nLAST\r\n"), GREETING STATE STATE STATE
	    STATE STATE STATE STATE STATE STATE "state AUTHORIZATION\n");
}

static void
after_the_login_user_and_pass_are_not_valid(void **state)
{
	(void)state;
	must_trace(OCTETS(LOGIN "USER max\r\nPASS x\r\n"),
	    LOGIN_TRACE STATE STATE "state TRANSACTION\n");
}

static void
wrong_arguments_in_the_wrong_state_are_about_the_state(void **state)
{
	(void)state;
	must_trace(OCTETS("RETR\r\nTOP 1\r\n"),
	    GREETING STATE STATE "state AUTHORIZATION\n");
}

static void
pass_needs_user_first(void **state)
{
	(void)state;
	must_trace(OCTETS("PASS x\r\n"), GREETING
	    "-ERR send USER first\r\nstate AUTHORIZATION\n");
}

static void
a_second_user_replaces_the_first(void **state)
{
	(void)state;
	must_trace(OCTETS("USER a\r\nUSER b\r\nPASS c\r\n"), GREETING USER_OK
	    USER_OK "request PASS user b password c\nstate TRANSACTION\n");
}

static void
cr_and_nul_in_name_or_password_are_refused(void **state)
{
	static const char bad[] = "-ERR [AUTH] user name or password has a "
	    "character that no mail server takes\r\n";
	struct pb_buffer want;

	(void)state;
	pb_buffer_init(&want, 4096);
	pbt_say(&want, GREETING "%s%s" "-ERR send USER first\r\n"
	    USER_OK "%s%s" "state AUTHORIZATION\n", bad, bad, bad, bad);
	pbt_put(&want, pb_slice("", 1));
	must_trace(OCTETS("USER a\rb\r\nUSER a\0b\r\nPASS x\r\nUSER a\r\n"
	    "PASS x\0\r\nPASS x\ry\r\n"), pb_buffer_slice(&want).data);
	pb_buffer_fini(&want);
}

static void
requests_of_the_transaction_are_handed_on(void **state)
{
	(void)state;
	must_trace(OCTETS(LOGIN "STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 3\r\n"
	    "RETR 1\r\nTOP 1 5\r\nDELE 4\r\nRSET\r\nLAST\r\nNOOP\r\n"
	    "QUIT\r\n"),
	    LOGIN_TRACE "request STAT\nrequest LIST\nrequest LIST 2\n"
	    "request UIDL\nrequest UIDL 3\nrequest RETR 1\n"
	    "request TOP 1 5\nrequest DELE 4\nrequest RSET\n"
	    "request LAST\n" NOOP_OK "request QUIT\nclosed\nstate CLOSED\n");
}

static void
nothing_is_read_after_quit(void **state)
{
	(void)state;
	must_trace(OCTETS("QUIT\r\nNOOP\r\nUSER a\r\n"), GREETING
	    "request QUIT\nclosed\nstate CLOSED\n");
}

static void
mistakes_get_one_answer_and_the_session_goes_on(void **state)
{
	(void)state;
	must_trace(OCTETS("\r\nHELO x\r\nUSER\r\nCAPA x\r\n" LOGIN
	    "RETR\r\nRETR x\r\nTOP 1\r\nSTAT 1\r\nNOOP\r\n"), GREETING UNKNOWN
	    UNKNOWN ARGUMENTS ARGUMENTS USER_OK
	    "request PASS user max password geheim123\n" ARGUMENTS ARGUMENTS
	    ARGUMENTS ARGUMENTS NOOP_OK "state TRANSACTION\n");
}

static void
capa_answers_in_both_states(void **state)
{
	struct pb_buffer got;

	(void)state;
	pbt_all_splits(&pbt_session, OCTETS("CAPA\r\n" LOGIN "capa\r\n"),
	    &got);
	pbt_put(&got, pb_slice("", 1));
	{
		const char *text = pb_buffer_slice(&got).data;
		const char *first = strstr(text, "\r\nPIPELINING\r\n");

		assert_non_null(first);
		assert_non_null(strstr(first + 1, "\r\nPIPELINING\r\n"));
	}
	pb_buffer_fini(&got);
}

static void
twenty_errors_in_a_row_end_the_session(void **state)
{
	struct pb_buffer in, want;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 4096);
	pb_buffer_init(&want, 4096);
	pbt_say(&want, GREETING);
	for (i = 0; i < 25; i++) {
		pbt_say(&in, "X%u\r\n", i);
		if (i < PB_POP3_ERRORS_MAX)
			pbt_say(&want, UNKNOWN);
	}
	pbt_say(&want, "closed\nstate CLOSED\n");
	pbt_put(&want, pb_slice("", 1));
	must_trace(pb_buffer_slice(&in), pb_buffer_slice(&want).data);
	pb_buffer_fini(&in);
	pb_buffer_fini(&want);
}

static void
a_good_command_forgives_the_errors_before_it(void **state)
{
	struct pb_buffer in, got;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 4096);
	pbt_say(&in, LOGIN);
	for (i = 0; i < 3 * (PB_POP3_ERRORS_MAX - 1); i++)
		pbt_say(&in, "X\r\n%s", i % 19 == 18 ? "NOOP\r\n" : "");
	pbt_all_splits(&pbt_session, pb_buffer_slice(&in), &got);
	assert_true(got.len > 20);
	ASSERT_TEXT(pb_slice_sub(pb_buffer_slice(&got),
	    got.len - strlen("state TRANSACTION\n"), got.len),
	    "state TRANSACTION\n");
	pb_buffer_fini(&in);
	pb_buffer_fini(&got);
}

static void
errors_of_the_callers_count_too(void **state)
{
	struct pb_buffer in, got;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 4096);
	pbt_say(&in, LOGIN);
	for (i = 0; i < PB_POP3_ERRORS_MAX; i++)
		pbt_say(&in, i % 2 == 0 ? "RETR 10\r\n" : "X\r\n");
	pbt_say(&in, "STAT\r\n");
	pbt_all_splits(&pbt_session, pb_buffer_slice(&in), &got);
	ASSERT_TEXT(pb_slice_sub(pb_buffer_slice(&got),
	    got.len - strlen("closed\nstate CLOSED\n"), got.len),
	    "closed\nstate CLOSED\n");
	pb_buffer_fini(&in);
	pb_buffer_fini(&got);
}

static struct pb_slice
user_line(struct pb_buffer *in, size_t name, const char *end)
{
	pbt_say(in, "USER ");
	while (name-- > 0)
		pbt_say(in, "u");
	pbt_say(in, "%s", end);
	return pb_buffer_slice(in);
}

static void
lines_of_255_octets_with_their_end_are_taken(void **state)
{
	struct pb_buffer in;

	(void)state;
	pb_buffer_init(&in, 4096);
	user_line(&in, PB_POP3_LINE_MAX - 5 - 2, "\r\n");
	must_trace(user_line(&in, PB_POP3_LINE_MAX - 5 - 1, "\n"),
	    GREETING USER_OK USER_OK "state AUTHORIZATION\n");
	pb_buffer_fini(&in);
}

static void
longer_lines_are_refused_and_the_next_is_read(void **state)
{
	struct pb_buffer in;

	(void)state;
	pb_buffer_init(&in, 4096);
	user_line(&in, PB_POP3_LINE_MAX - 5 - 1, "\r\n");
	user_line(&in, PB_POP3_LINE_MAX - 5, "\n");
	user_line(&in, 1000, "\r\n");
	pbt_say(&in, "USER a\r\n");
	must_trace(pb_buffer_slice(&in), GREETING TOO_LONG TOO_LONG TOO_LONG
	    USER_OK "state AUTHORIZATION\n");
	pb_buffer_fini(&in);
}

static void
a_line_without_an_end_is_given_up(void **state)
{
	struct pb_buffer in;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 200000);
	for (i = 0; i < PB_POP3_SKIP_MAX + PB_POP3_LINE_MAX; i++)
		pbt_put(&in, pb_slice_str("x"));
	must_trace(pb_buffer_slice(&in), GREETING TOO_LONG
	    "closed\nstate CLOSED\n");
	pb_buffer_fini(&in);
}

static void
a_line_that_ends_too_late_is_given_up_however_it_arrives(void **state)
{
	struct pb_buffer in;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 200000);
	for (i = 0; i < PB_POP3_SKIP_MAX + 2 * PB_POP3_LINE_MAX; i++)
		pbt_put(&in, pb_slice_str("x"));
	pbt_say(&in, "\r\nUSER a\r\n");
	must_trace(pb_buffer_slice(&in), GREETING TOO_LONG
	    "closed\nstate CLOSED\n");
	pb_buffer_fini(&in);
}

static void
commands_sent_ahead_are_answered_in_order(void **state)
{
	struct pb_buffer in, want;
	unsigned i;

	(void)state;
	pb_buffer_init(&in, 1 << 20);
	pb_buffer_init(&want, 1 << 20);
	pbt_say(&in, LOGIN);
	pbt_say(&want, LOGIN_TRACE);
	for (i = 0; i < 200; i++) {
		pbt_say(&in, "NOOP\r\nRETR %u\r\n", 1 + i % 9);
		pbt_say(&want, NOOP_OK "request RETR %u\n", 1 + i % 9);
	}
	pbt_say(&want, "state TRANSACTION\n");
	pbt_put(&want, pb_slice("", 1));
	must_trace(pb_buffer_slice(&in), pb_buffer_slice(&want).data);
	pb_buffer_fini(&in);
	pb_buffer_fini(&want);
}

#define UNKNOWN_MECHANISM "-ERR no such mechanism\r\n"
#define CANCELLED "-ERR login cancelled\r\n"
#define LIST "+OK mechanism list follows\r\nPLAIN\r\nLOGIN\r\n.\r\n"

static void
auth_alone_lists_the_mechanisms(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH\r\nauth \r\n"), GREETING LIST LIST
	    "state AUTHORIZATION\n");
}

static void
auth_with_an_initial_response(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH PLAIN ok\r\nAUTH PLAIN ok\r\nAUTH\r\n"),
	    GREETING "request AUTH begin PLAIN response ok\n" STATE STATE
	    "state TRANSACTION\n");
	must_trace(OCTETS("auth login =\r\nok\r\n"), GREETING
	    "request AUTH begin LOGIN response \n+ bW9yZQ==\r\n"
	    "request AUTH response ok\nstate TRANSACTION\n");
}

static void
auth_is_a_dialogue(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH  PLAIN \r\n\r\n=\r\nUSER max\r\nok\r\n"
	    "NOOP\r\n"), GREETING
	    "request AUTH begin PLAIN\n+ \r\n"
	    "request AUTH response \n+ bW9yZQ==\r\n"
	    "request AUTH response =\n+ bW9yZQ==\r\n"
	    "request AUTH response USER max\n+ bW9yZQ==\r\n"
	    "request AUTH response ok\n" NOOP_OK "state TRANSACTION\n");
}

static void
auth_is_cancelled_by_an_asterisk(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH LOGIN\n*\nAUTH PLAIN\r\n**\r\n*\r\nAUTH\r\n"
	    "*\r\n"), GREETING
	    "request AUTH begin LOGIN\n+ \r\n" CANCELLED
	    "request AUTH aborted\nrequest AUTH begin PLAIN\n+ \r\n"
	    "request AUTH response **\n+ bW9yZQ==\r\n" CANCELLED
	    "request AUTH aborted\n" LIST UNKNOWN "state AUTHORIZATION\n");
}

static void
auth_by_no_mechanism_of_ours(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH NTLM\r\nAUTH PLAI x\r\nAUTH PLAIN x y\r\n"
	    "AUTH \xff\r\nAUTH PLAIN\tx\r\n"), GREETING UNKNOWN_MECHANISM
	    UNKNOWN_MECHANISM ARGUMENTS UNKNOWN_MECHANISM UNKNOWN_MECHANISM
	    "state AUTHORIZATION\n");
}

static void
a_refused_auth_gives_pass_no_user(void **state)
{
	(void)state;
	must_trace(OCTETS("AUTH PLAIN no\r\nPASS x\r\nUSER a\r\nPASS x\r\n"),
	    GREETING "request AUTH begin PLAIN response no\n"
	    "-ERR send USER first\r\n" USER_OK
	    "request PASS user a password x\nstate TRANSACTION\n");
}

/* A response of so many octets, CR LF included. */
static void
long_response(size_t len, const char *answer)
{
	struct pb_buffer in, want;
	size_t i;

	pb_buffer_init(&in, PB_POP3_RESPONSE_MAX + 100);
	pb_buffer_init(&want, PB_POP3_RESPONSE_MAX + 1000);
	pbt_say(&in, "AUTH PLAIN\r\n");
	pbt_say(&want, GREETING "request AUTH begin PLAIN\n+ \r\n");
	if (answer == NULL)
		pbt_say(&want, "request AUTH response ");
	for (i = 0; i < len - 2; i++) {
		pbt_put(&in, OCTETS("a"));
		if (answer == NULL)
			pbt_put(&want, OCTETS("a"));
	}
	pbt_say(&in, "\r\nok\r\n");
	pbt_say(&want, "%s", answer != NULL ? answer
	    : "\n+ bW9yZQ==\r\nrequest AUTH response ok\n"
	      "state TRANSACTION\n");
	{
		struct pb_buffer got;

		pbt_random_splits(&pbt_session, pb_buffer_slice(&in), 4711,
		    &got);
		ASSERT_OCTETS(pb_buffer_slice(&got), pb_buffer_slice(&want));
		pb_buffer_fini(&got);
	}
	pb_buffer_fini(&in);
	pb_buffer_fini(&want);
}

/* An AUTH with its response, so many octets, CR LF included. */
static void
long_auth(size_t len, bool fits)
{
	struct pb_buffer in, want, got;
	size_t i;

	pb_buffer_init(&in, PB_POP3_RESPONSE_MAX + 100);
	pb_buffer_init(&want, PB_POP3_RESPONSE_MAX + 1000);
	pbt_say(&in, "auth plain ");
	pbt_say(&want, GREETING "%s", fits
	    ? "request AUTH begin PLAIN response " : TOO_LONG UNKNOWN);
	for (i = 0; i < len - 13; i++) {
		pbt_put(&in, OCTETS("a"));
		if (fits)
			pbt_put(&want, OCTETS("a"));
	}
	pbt_say(&in, "\r\nok\r\n");
	pbt_say(&want, fits ? "\n+ bW9yZQ==\r\nrequest AUTH response ok\n"
	    "state TRANSACTION\n" : "state AUTHORIZATION\n");
	pbt_random_splits(&pbt_session, pb_buffer_slice(&in), 4711, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_buffer_slice(&want));
	pb_buffer_fini(&got);
	pb_buffer_fini(&in);
	pb_buffer_fini(&want);
}

static void
an_auth_may_be_longer_than_other_commands(void **state)
{
	size_t len;

	(void)state;
	for (len = PB_POP3_LINE_MAX - 2; len < PB_POP3_LINE_MAX + 3; len++)
		long_auth(len, true);
	long_auth(PB_POP3_RESPONSE_MAX, true);
	long_auth(PB_POP3_RESPONSE_MAX + 1, false);
}

static void
a_response_has_a_limit(void **state)
{
	(void)state;
	long_response(PB_POP3_RESPONSE_MAX, NULL);
	long_response(PB_POP3_RESPONSE_MAX + 1, TOO_LONG
	    "request AUTH aborted\n" UNKNOWN "state AUTHORIZATION\n");
}

struct fixture {
	struct pb_pop3_session session;
	struct pb_buffer out;
	struct pb_pop3_request request;
};

static void
begin(struct fixture *f, size_t max)
{
	pb_buffer_init(&f->out, max);
	f->request = (struct pb_pop3_request){ .password = { NULL, 0 } };
	pb_pop3_session_init(&f->session);
}

static void
finish(struct fixture *f)
{
	pb_secret_clear(&f->request.password);
	pb_pop3_session_fini(&f->session);
	pb_buffer_fini(&f->out);
}

static void
a_full_out_stops_the_reading(void **state)
{
	struct pb_slice in = OCTETS("CAPA\r\nCAPA\r\nCAPA\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 20,
	    &f.request), PB_AGAIN);
	ASSERT_TEXT(in, "CAPA\r\nCAPA\r\n");
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 20,
	    &f.request), PB_AGAIN);
	ASSERT_TEXT(in, "CAPA\r\nCAPA\r\n");
	pb_buffer_clear(&f.out);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 20,
	    &f.request), PB_AGAIN);
	ASSERT_TEXT(in, "CAPA\r\n");
	finish(&f);
}

static void
one_request_is_handed_out_at_a_time(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS b\r\nSTAT\r\nLIST\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_OK);
	assert_int_equal(f.request.command.row->verb, PB_POP3_PASS);
	ASSERT_TEXT(in, "STAT\r\nLIST\r\n");
	finish(&f);
}

static void
the_password_does_not_stay_in_the_line(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS geheim123\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&f.request.password), "geheim123");
	assert_null(memmem(&f.session, sizeof(f.session), "geheim123", 9));
	finish(&f);
}

static void
a_password_that_is_too_long_does_not_stay_in_the_line(void **state)
{
	char text[400] = "";
	struct pb_slice in = pb_slice(text, sizeof(text));
	struct fixture f;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "PASS geheim123", 14);
	text[sizeof(text) - 1] = '\n';
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_AGAIN);
	assert_null(memmem(&f.session, sizeof(f.session), "geheim123", 9));
	finish(&f);
}

static void
the_end_of_a_session_wipes_the_user(void **state)
{
	struct pb_slice in = OCTETS("USER mustermann\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_AGAIN);
	pb_pop3_session_fini(&f.session);
	assert_null(memmem(&f.session, sizeof(f.session), "mustermann", 10));
	assert_int_equal(f.session.state, PB_POP3_CLOSED);
	pb_buffer_fini(&f.out);
}

static void
no_memory_for_the_password_is_said(void **state)
{
	struct pb_slice in = OCTETS("USER a\r\nPASS b\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 1,
	    &f.request), PB_AGAIN);
	pb_mem_fail_from(1);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_ENOMEM);
	pb_mem_fail_from(0);
	finish(&f);
}

static void
must_begin_auth(struct fixture *f)
{
	struct pb_slice in = OCTETS("AUTH PLAIN\r\n");

	begin(f, 4096);
	f->session.mechanisms = "PLAIN";
	assert_int_equal(pb_pop3_session_next(&f->session, &in, &f->out, 4096,
	    &f->request), PB_OK);
	ASSERT_TEXT(f->request.mechanism, "PLAIN");
	pb_secret_clear(&f->request.response);
	assert_int_equal(pb_pop3_session_challenge(&f->session, &f->out,
	    OCTETS("")), PB_OK);
	assert_null(f->session.response.data);
}

static void
a_response_does_not_stay(void **state)
{
	struct pb_slice in = OCTETS("AUTH PLAIN geheim123\r\n");
	struct pb_slice line = OCTETS("geheim123\r\n");
	struct pb_slice lost = OCTETS("Z2VoZWltMTIz\r\n");
	struct fixture f;

	(void)state;
	must_begin_auth(&f);
	assert_int_equal(pb_pop3_session_next(&f.session, &line, &f.out, 4096,
	    &f.request), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&f.request.response), "geheim123");
	assert_null(f.session.response.data);
	pb_secret_clear(&f.request.response);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&f.request.response), "geheim123");
	assert_null(memmem(&f.session, sizeof(f.session), "geheim123", 9));
	pb_secret_clear(&f.request.response);
	assert_int_equal(pb_pop3_session_next(&f.session, &lost, &f.out, 4096,
	    &f.request), PB_AGAIN);
	assert_null(memmem(&f.session, sizeof(f.session), "Z2VoZWlt", 8));
	finish(&f);
}

static void
a_megabyte_of_response_ends_the_session(void **state)
{
	static char text[4096];
	struct fixture f;
	enum pb_status st = PB_AGAIN;
	size_t fed = 0;

	(void)state;
	must_begin_auth(&f);
	memset(text, 'A', sizeof(text));
	while (st == PB_AGAIN && fed < 1024 * 1024) {
		struct pb_slice in = pb_slice(text, sizeof(text));

		st = pb_pop3_session_next(&f.session, &in, &f.out, 4096,
		    &f.request);
		fed += sizeof(text);
		assert_true(f.session.response.cap <= PB_POP3_RESPONSE_MAX);
		if (fed > PB_POP3_RESPONSE_MAX)
			assert_null(f.session.response.data);
	}
	assert_int_equal(st, PB_EOF);
	assert_true(fed < 2 * PB_POP3_SKIP_MAX);
	finish(&f);
}

static void
a_hundred_thousand_cancelled_auths_leave_nothing(void **state)
{
	struct fixture f;
	unsigned i;

	(void)state;
	begin(&f, 4096);
	f.session.mechanisms = "PLAIN";
	for (i = 0; i < 100000; i++) {
		struct pb_slice in = OCTETS("CAPA\r\nAUTH PLAIN\r\n");
		struct pb_slice star = OCTETS("*\r\n");

		assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out,
		    4096, &f.request), PB_OK);
		pb_secret_clear(&f.request.response);
		assert_int_equal(pb_pop3_session_challenge(&f.session, &f.out,
		    OCTETS("")), PB_OK);
		assert_int_equal(pb_pop3_session_next(&f.session, &star,
		    &f.out, 4096, &f.request), PB_OK);
		assert_int_equal(f.request.auth, PB_POP3_AUTH_ABORTED);
		assert_null(f.session.response.data);
		assert_null(f.request.response.priv_data);
		pb_buffer_clear(&f.out);
	}
	finish(&f);
}

static void
no_memory_for_a_response_is_said(void **state)
{
	unsigned long n;

	(void)state;
	for (n = 1; n <= 2; n++) {
		struct pb_slice in = OCTETS("eA==\r\n");
		struct fixture f;

		must_begin_auth(&f);
		pb_mem_fail_from(n);
		assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out,
		    4096, &f.request), PB_ENOMEM);
		pb_mem_fail_from(0);
		assert_null(f.request.response.priv_data);
		finish(&f);
	}
}

static void
without_mechanisms_there_is_no_auth(void **state)
{
	struct pb_slice in = OCTETS("AUTH\r\nAUTH PLAIN\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 4096);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_AGAIN);
	ASSERT_TEXT(pb_buffer_slice(&f.out),
	    UNKNOWN_MECHANISM UNKNOWN_MECHANISM);
	finish(&f);
}

static void
no_room_for_a_reply_is_said(void **state)
{
	struct pb_slice in = OCTETS("CAPA\r\n");
	struct fixture f;

	(void)state;
	begin(&f, 60);
	assert_int_equal(pb_pop3_session_next(&f.session, &in, &f.out, 4096,
	    &f.request), PB_ETOOBIG);
	finish(&f);
}

static void
states_have_the_names_of_the_rfc(void **state)
{
	(void)state;
	assert_string_equal(pb_pop3_state_name(PB_POP3_AUTHORIZATION),
	    "AUTHORIZATION");
	assert_string_equal(pb_pop3_state_name(PB_POP3_TRANSACTION),
	    "TRANSACTION");
	assert_string_equal(pb_pop3_state_name(PB_POP3_UPDATE), "UPDATE");
	assert_string_equal(pb_pop3_state_name(PB_POP3_CLOSED), "CLOSED");
}

/* Lines of words that matter, put together by chance. */
static void
any_lines_give_the_same_answers_under_all_splits(void **state)
{
	static const char *const words[] = { "USER", "PASS", "RETR", "TOP",
		"LIST", "NOOP", "CAPA", " ", " ", "1", "12", "x", "\r\n",
		"\r\n", "\n", "\r", "STAT\r\n", "NOOP\r\n",
		LOGIN, "UIDL 1\r\n" };
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 60; i++) {
		struct pb_buffer in, got;
		unsigned n;

		pb_buffer_init(&in, 4096);
		for (n = 0; n < 30; n++)
			pbt_say(&in, "%s", words[pbt_random_below(&random,
			    COUNT(words))]);
		pbt_all_splits(&pbt_session, pb_buffer_slice(&in), &got);
		assert_true(got.len > 0);
		pb_buffer_fini(&in);
		pb_buffer_fini(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_hands_on_user_and_password),
		cmocka_unit_test(cr_lf_and_bare_lf_end_a_line),
		cmocka_unit_test(before_the_login_only_four_verbs_are_valid),
		cmocka_unit_test(after_the_login_user_and_pass_are_not_valid),
		cmocka_unit_test(
		    wrong_arguments_in_the_wrong_state_are_about_the_state),
		cmocka_unit_test(pass_needs_user_first),
		cmocka_unit_test(a_second_user_replaces_the_first),
		cmocka_unit_test(cr_and_nul_in_name_or_password_are_refused),
		cmocka_unit_test(requests_of_the_transaction_are_handed_on),
		cmocka_unit_test(nothing_is_read_after_quit),
		cmocka_unit_test(
		    mistakes_get_one_answer_and_the_session_goes_on),
		cmocka_unit_test(capa_answers_in_both_states),
		cmocka_unit_test(twenty_errors_in_a_row_end_the_session),
		cmocka_unit_test(a_good_command_forgives_the_errors_before_it),
		cmocka_unit_test(errors_of_the_callers_count_too),
		cmocka_unit_test(lines_of_255_octets_with_their_end_are_taken),
		cmocka_unit_test(longer_lines_are_refused_and_the_next_is_read),
		cmocka_unit_test(a_line_without_an_end_is_given_up),
		cmocka_unit_test(
		    a_line_that_ends_too_late_is_given_up_however_it_arrives),
		cmocka_unit_test(commands_sent_ahead_are_answered_in_order),
		cmocka_unit_test(a_full_out_stops_the_reading),
		cmocka_unit_test(one_request_is_handed_out_at_a_time),
		cmocka_unit_test(the_password_does_not_stay_in_the_line),
		cmocka_unit_test(
		    a_password_that_is_too_long_does_not_stay_in_the_line),
		cmocka_unit_test(the_end_of_a_session_wipes_the_user),
		cmocka_unit_test(no_memory_for_the_password_is_said),
		cmocka_unit_test(auth_alone_lists_the_mechanisms),
		cmocka_unit_test(auth_with_an_initial_response),
		cmocka_unit_test(auth_is_a_dialogue),
		cmocka_unit_test(auth_is_cancelled_by_an_asterisk),
		cmocka_unit_test(auth_by_no_mechanism_of_ours),
		cmocka_unit_test(a_refused_auth_gives_pass_no_user),
		cmocka_unit_test(an_auth_may_be_longer_than_other_commands),
		cmocka_unit_test(a_response_has_a_limit),
		cmocka_unit_test(a_response_does_not_stay),
		cmocka_unit_test(a_megabyte_of_response_ends_the_session),
		cmocka_unit_test(no_memory_for_a_response_is_said),
		cmocka_unit_test(without_mechanisms_there_is_no_auth),
		cmocka_unit_test(
		    a_hundred_thousand_cancelled_auths_leave_nothing),
		cmocka_unit_test(no_room_for_a_reply_is_said),
		cmocka_unit_test(states_have_the_names_of_the_rfc),
		cmocka_unit_test(
		    any_lines_give_the_same_answers_under_all_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
