#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/pop3/session.h"
#include "support/trace.h"

/* APOP and XCLIENT, where they are switched on and where they are not. */

#define GREETING "+OK popbridge ready\r\n"
#define GREETING_ALL "+OK [XCLIENT] popbridge ready <1.2@popbridge>\r\n"
#define UNKNOWN "-ERR unknown command\r\n"
#define ARGUMENTS "-ERR wrong arguments for this command\r\n"
#define STATE "-ERR this command is not valid now\r\n"
#define TOO_LONG "-ERR command line too long\r\n"
#define BAD_OCTETS "-ERR [AUTH] user name or password has a character that " \
	"no mail server takes\r\n"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"
#define UPPER "C4C9334BAC560ECC979E58001B3E22FB"

static void
must_trace(const struct pbt_machine *machine, struct pb_slice input,
    const char *want)
{
	struct pb_buffer got;

	pbt_all_splits(machine, input, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_slice_str(want));
	pb_buffer_fini(&got);
}

static void
apop_hands_on_name_and_digest(void **state)
{
	(void)state;
	must_trace(&pbt_session_all, OCTETS("APOP mrose " DIGEST "\r\nNOOP\r\n"),
	    GREETING_ALL "request APOP user mrose password " DIGEST "\n"
	    "+OK still here\r\nstate TRANSACTION\n");
	must_trace(&pbt_session_all, OCTETS("apop m\xfcx y " UPPER "\n"),
	    GREETING_ALL "request APOP user m\\xfcx y password " DIGEST "\n"
	    "state TRANSACTION\n");
}

static void
apop_that_is_malformed_is_answered_here(void **state)
{
	(void)state;
	must_trace(&pbt_session_all, OCTETS("APOP\r\nAPOP mrose\r\n"
	    "APOP " DIGEST "\r\nAPOP mrose x" DIGEST "\r\n"
	    "APOP m\1x " DIGEST "\r\nAPOP m\0x " DIGEST "\r\n"
	    "APOP m\rx " DIGEST "\r\nAPOP m\x7fx " DIGEST "\r\n"),
	    GREETING_ALL ARGUMENTS ARGUMENTS ARGUMENTS ARGUMENTS BAD_OCTETS
	    BAD_OCTETS BAD_OCTETS BAD_OCTETS "state AUTHORIZATION\n");
}

static void
what_is_off_is_no_command_in_any_state(void **state)
{
	(void)state;
	must_trace(&pbt_session, OCTETS("APOP mrose " DIGEST "\r\nAPOP\r\n"
	    "XCLIENT ADDR=192.0.2.1\r\nXCLIENT\r\nUSER a\r\nPASS b\r\n"
	    "APOP mrose " DIGEST "\r\nXCLIENT\r\n"),
	    GREETING UNKNOWN UNKNOWN UNKNOWN UNKNOWN "+OK send PASS\r\n"
	    "request PASS user a password b\n" UNKNOWN UNKNOWN
	    "state TRANSACTION\n");
}

static void
what_is_on_is_not_valid_after_the_login(void **state)
{
	(void)state;
	must_trace(&pbt_session_all, OCTETS("USER a\r\nPASS b\r\n"
	    "APOP mrose " DIGEST "\r\nAPOP\r\nXCLIENT ADDR=192.0.2.1\r\n"),
	    GREETING_ALL "+OK send PASS\r\n"
	    "request PASS user a password b\n" STATE STATE STATE
	    "state TRANSACTION\n");
}

static void
xclient_hands_on_its_text(void **state)
{
	(void)state;
	must_trace(&pbt_session_all, OCTETS(
	    "XCLIENT ADDR=192.0.2.1 PORT=1234 SESSION=x\r\n"
	    "xclient addr=x\r\nXCLIENT\r\nXCLIENT \r\n"
	    "USER a\r\nXCLIENT TTL=3\r\nPASS b\r\n"),
	    GREETING_ALL "request XCLIENT ADDR=192.0.2.1 PORT=1234 SESSION=x "
	    "is 192.0.2.1 1234\n"
	    "request XCLIENT addr=x is wrong\n" ARGUMENTS ARGUMENTS
	    "+OK send PASS\r\nrequest XCLIENT TTL=3 is  0\n"
	    "request PASS user a password b\nstate TRANSACTION\n");
}

/* An XCLIENT of so many octets, CR LF included, and a command behind it. */
static void
long_xclient(const struct pbt_machine *machine, size_t len, bool fits)
{
	struct pb_buffer in, want, got;
	size_t i;

	pb_buffer_init(&in, PB_POP3_XCLIENT_MAX + 100);
	pb_buffer_init(&want, PB_POP3_XCLIENT_MAX + 1000);
	pbt_say(&in, "XCLIENT PORT=7 FORWARD=");
	for (i = in.len; i < len - 2; i++)
		pbt_say(&in, "f");
	pbt_say(&want, machine == &pbt_session_all ? GREETING_ALL : GREETING);
	if (fits) {
		pbt_say(&want, "request ");
		pbt_put(&want, pb_buffer_slice(&in));
		pbt_say(&want, " is  7\n");
	} else {
		pbt_say(&want, TOO_LONG);
	}
	pbt_say(&in, "\r\nX\r\n");
	pbt_say(&want, UNKNOWN "state AUTHORIZATION\n");
	pbt_random_splits(machine, pb_buffer_slice(&in), 4711, &got);
	ASSERT_OCTETS(pb_buffer_slice(&got), pb_buffer_slice(&want));
	pb_buffer_fini(&got);
	pb_buffer_fini(&in);
	pb_buffer_fini(&want);
}

static void
an_xclient_may_be_longer_than_other_commands(void **state)
{
	size_t len;

	(void)state;
	for (len = PB_POP3_LINE_MAX - 2; len < PB_POP3_LINE_MAX + 3; len++)
		long_xclient(&pbt_session_all, len, true);
	long_xclient(&pbt_session_all, PB_POP3_XCLIENT_MAX, true);
	long_xclient(&pbt_session_all, PB_POP3_XCLIENT_MAX + 1, false);
	long_xclient(&pbt_session, PB_POP3_LINE_MAX + 1, false);
}

struct fixture {
	struct pb_pop3_session session;
	struct pb_buffer out;
	struct pb_pop3_request request;
};

static void
begin(struct fixture *f)
{
	*f = (struct fixture){ .request = { .password = { NULL, 0 } } };
	pb_buffer_init(&f->out, 4096);
	pb_pop3_session_init(&f->session);
	f->session.apop_stamp = "<1.2@popbridge>";
	f->session.xclient = true;
}

static enum pb_status
next(struct fixture *f, struct pb_slice *in)
{
	return pb_pop3_session_next(&f->session, in, &f->out, 4096,
	    &f->request);
}

static void
finish(struct fixture *f)
{
	pb_secret_clear(&f->request.password);
	pb_pop3_session_fini(&f->session);
	pb_buffer_fini(&f->out);
}

static void
nothing_is_said_before_the_greeting(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(f.out.len, 0);
	assert_int_equal(pb_pop3_session_greet(&f.session, &f.out), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&f.out), GREETING_ALL);
	finish(&f);
}

static void
a_greeting_with_the_longest_stamp_is_one_line(void **state)
{
	char stamp[PB_POP3_STAMP_MAX + 1];
	struct fixture f;

	(void)state;
	begin(&f);
	memset(stamp, 'x', PB_POP3_STAMP_MAX);
	stamp[PB_POP3_STAMP_MAX] = '\0';
	f.session.apop_stamp = stamp;
	assert_int_equal(pb_pop3_session_greet(&f.session, &f.out), PB_OK);
	assert_true(f.out.len < 512);
	finish(&f);
}

static void
the_digest_does_not_stay_in_the_line(void **state)
{
	struct pb_slice good = OCTETS("APOP mrose " DIGEST "\r\n");
	struct pb_slice bad = OCTETS("APOP " DIGEST "\r\n");
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(next(&f, &bad), PB_AGAIN);
	assert_null(memmem(&f.session, sizeof(f.session), DIGEST, 32));
	assert_int_equal(next(&f, &good), PB_OK);
	ASSERT_TEXT(f.request.command.text, "mrose");
	ASSERT_TEXT(pb_secret_reveal(&f.request.password), DIGEST);
	assert_null(memmem(&f.session, sizeof(f.session), DIGEST, 32));
	finish(&f);
}

static void
a_refused_apop_gives_pass_no_user(void **state)
{
	struct pb_slice in = OCTETS("APOP mrose " DIGEST "\r\nPASS x\r\n");
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(next(&f, &in), PB_OK);
	pb_secret_clear(&f.request.password);
	pb_pop3_session_answered(&f.session, true);
	assert_int_equal(next(&f, &in), PB_AGAIN);
	ASSERT_TEXT(pb_buffer_slice(&f.out), "-ERR send USER first\r\n");
	finish(&f);
}

static void
apop_waits_for_tls_where_pass_does_and_xclient_does_not(void **state)
{
	struct pb_slice in = OCTETS("APOP mrose " DIGEST "\r\nXCLIENT A=b\r\n");
	struct fixture f;

	(void)state;
	begin(&f);
	f.session.tls = PB_POP3_TLS_REQUIRED;
	assert_int_equal(next(&f, &in), PB_OK);
	assert_int_equal(f.request.command.row->verb, PB_POP3_XCLIENT);
	ASSERT_TEXT(pb_buffer_slice(&f.out),
	    "-ERR [AUTH] log in after STLS only\r\n");
	finish(&f);
}

static void
a_long_text_lasts_until_the_next_call(void **state)
{
	char text[600] = "XCLIENT ADDR=192.0.2.1 FORWARD=";
	struct pb_slice in = pb_slice(text, sizeof(text));
	struct pb_slice none = OCTETS("");
	struct fixture f;

	(void)state;
	memset(text + strlen(text), 'f', sizeof(text) - strlen(text));
	text[sizeof(text) - 1] = '\n';
	begin(&f);
	assert_int_equal(next(&f, &in), PB_OK);
	ASSERT_OCTETS(f.request.command.text, pb_slice(text + 8, 591));
	assert_non_null(f.session.response.data);
	assert_int_equal(next(&f, &none), PB_AGAIN);
	assert_null(f.session.response.data);
	finish(&f);
}

static void
no_memory_is_said(void **state)
{
	char text[600] = "XCLIENT ADDR=192.0.2.1 FORWARD=";
	struct pb_slice lines[] = { OCTETS("APOP mrose " DIGEST "\r\n"),
		{ text, sizeof(text) } };
	size_t i;

	(void)state;
	memset(text + strlen(text), 'f', sizeof(text) - strlen(text));
	for (i = 0; i < COUNT(lines); i++) {
		struct fixture f;

		begin(&f);
		pb_mem_fail_from(1);
		assert_int_equal(next(&f, &lines[i]), PB_ENOMEM);
		pb_mem_fail_from(0);
		assert_null(f.request.password.priv_data);
		finish(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apop_hands_on_name_and_digest),
		cmocka_unit_test(apop_that_is_malformed_is_answered_here),
		cmocka_unit_test(what_is_off_is_no_command_in_any_state),
		cmocka_unit_test(what_is_on_is_not_valid_after_the_login),
		cmocka_unit_test(xclient_hands_on_its_text),
		cmocka_unit_test(an_xclient_may_be_longer_than_other_commands),
		cmocka_unit_test(nothing_is_said_before_the_greeting),
		cmocka_unit_test(a_greeting_with_the_longest_stamp_is_one_line),
		cmocka_unit_test(the_digest_does_not_stay_in_the_line),
		cmocka_unit_test(a_refused_apop_gives_pass_no_user),
		cmocka_unit_test(
		    apop_waits_for_tls_where_pass_does_and_xclient_does_not),
		cmocka_unit_test(a_long_text_lasts_until_the_next_call),
		cmocka_unit_test(no_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
