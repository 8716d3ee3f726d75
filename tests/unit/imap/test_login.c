#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/imap/client.h"
#include "support/trace.h"

/* How the client logs in where it has been told how. */

struct fixture {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	enum pb_status status;
	bool ready;
};

static struct fixture *
start_as(enum pb_imap_auth how, struct pb_slice user, struct pb_slice pass)
{
	struct fixture *f = pb_xalloc(sizeof(*f));
	struct pb_secret secret = { NULL, 0 };

	f->grammar = pb_imap_grammar_new();
	f->writer = pb_imap_writer_new();
	pb_imap_client_init(&f->client, f->grammar, f->writer,
	    PB_IMAP_TLS_IMPLICIT);
	assert_int_equal(pb_secret_set(&secret, pass), PB_OK);
	assert_int_equal(pb_imap_client_login(&f->client, user, &secret),
	    PB_OK);
	pb_imap_client_authenticate_by(&f->client, how);
	return f;
}

static struct fixture *
start(enum pb_imap_auth how)
{
	return start_as(how, OCTETS("max"), OCTETS("tok.en"));
}

static void
finish(struct fixture *f)
{
	pb_imap_client_fini(&f->client);
	pb_imap_grammar_free(&f->grammar);
	pb_imap_writer_free(&f->writer);
	pb_free(f);
}

static void
says(struct fixture *f, const char *octets)
{
	struct pb_slice in = pb_slice_str(octets);
	struct pb_imap_event event;

	do {
		f->status = pb_imap_client_next(&f->client, &in, &event);
		if (f->status == PB_OK && event.type == PB_IMAP_EVENT_READY)
			f->ready = true;
	} while (f->status == PB_OK);
}

/* A greeting with IMAP4rev1 and these capabilities. */
static void
greets(struct fixture *f, const char *capabilities)
{
	char line[256];

	snprintf(line, sizeof(line), "* OK [CAPABILITY IMAP4rev1 %s] hi\r\n",
	    capabilities);
	says(f, line);
}

static void
sends(struct fixture *f, const char *octets)
{
	ASSERT_OCTETS(pb_buffer_slice(&f->client.out), pb_slice_str(octets));
	pb_buffer_clear(&f->client.out);
}

static void
must_fail(struct fixture *f, enum pb_error_kind kind, const char *text)
{
	assert_int_equal(f->status, PB_EPROTO);
	assert_int_equal(f->client.state, PB_IMAP_STATE_BROKEN);
	assert_int_equal(f->client.error.kind, kind);
	assert_string_equal(f->client.error.text, text);
	assert_int_equal(f->client.out.len, 0);
	assert_int_equal(pb_secret_reveal(&f->client.password).len, 0);
	finish(f);
}

/* user=max^Aauth=Bearer tok.en^A^A; n,a=max,^Aauth=Bearer tok.en^A^A */
#define XOAUTH2 "dXNlcj1tYXgBYXV0aD1CZWFyZXIgdG9rLmVuAQE=\r\n"
#define OAUTHBEARER "bixhPW1heCwBYXV0aD1CZWFyZXIgdG9rLmVuAQE=\r\n"
/* {"status":"400"} */
#define REASON "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"

static void
each_way_is_gone_where_it_is_offered(void **state)
{
	static const struct {
		enum pb_imap_auth how;
		const char *capabilities, *sent;
	} rows[] = {
		{ PB_IMAP_AUTH_AUTO, "AUTH=PLAIN AUTH=XOAUTH2 SASL-IR",
		    "A1 AUTHENTICATE PLAIN AG1heAB0b2suZW4=\r\n" },
		{ PB_IMAP_AUTH_AUTO, "AUTH=XOAUTH2 SASL-IR",
		    "A1 LOGIN max \"tok.en\"\r\n" },
		{ PB_IMAP_AUTH_PLAIN, "AUTH=PLAIN LOGINDISABLED SASL-IR",
		    "A1 AUTHENTICATE PLAIN AG1heAB0b2suZW4=\r\n" },
		{ PB_IMAP_AUTH_LOGIN, "AUTH=PLAIN SASL-IR",
		    "A1 LOGIN max \"tok.en\"\r\n" },
		{ PB_IMAP_AUTH_XOAUTH2,
		    "AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR",
		    "A1 AUTHENTICATE XOAUTH2 " XOAUTH2 },
		{ PB_IMAP_AUTH_OAUTHBEARER,
		    "AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR",
		    "A1 AUTHENTICATE OAUTHBEARER " OAUTHBEARER },
		{ PB_IMAP_AUTH_TOKEN,
		    "AUTH=PLAIN AUTH=OAUTHBEARER AUTH=XOAUTH2 SASL-IR",
		    "A1 AUTHENTICATE XOAUTH2 " XOAUTH2 },
		{ PB_IMAP_AUTH_TOKEN,
		    "LOGINDISABLED AUTH=OAUTHBEARER SASL-IR",
		    "A1 AUTHENTICATE OAUTHBEARER " OAUTHBEARER },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(rows[i].how);

		ROW(rows, i);
		greets(f, rows[i].capabilities);
		sends(f, rows[i].sent);
		says(f, "A1 OK [CAPABILITY IMAP4rev1] in\r\n");
		assert_true(f->ready);
		assert_int_equal(pb_secret_reveal(&f->client.password).len, 0);
		finish(f);
	}
}

static void
what_the_server_does_not_offer_is_named(void **state)
{
	static const struct {
		enum pb_imap_auth how;
		const char *capabilities, *text;
	} rows[] = {
		{ PB_IMAP_AUTH_PLAIN, "AUTH=XOAUTH2", "the IMAP server does "
		    "not offer AUTH=PLAIN, by which popbridge is to log in" },
		{ PB_IMAP_AUTH_LOGIN, "LOGINDISABLED AUTH=PLAIN",
		    "the IMAP server takes no LOGIN on this connection "
		    "(LOGINDISABLED); it may want TLS" },
		{ PB_IMAP_AUTH_XOAUTH2, "AUTH=PLAIN AUTH=OAUTHBEARER",
		    "the IMAP server does not offer AUTH=XOAUTH2, by which "
		    "popbridge is to log in" },
		{ PB_IMAP_AUTH_OAUTHBEARER, "AUTH=PLAIN AUTH=XOAUTH2",
		    "the IMAP server does not offer AUTH=OAUTHBEARER, by "
		    "which popbridge is to log in" },
		{ PB_IMAP_AUTH_TOKEN, "AUTH=PLAIN", "the IMAP server takes no "
		    "OAuth token (neither AUTH=XOAUTH2 nor "
		    "AUTH=OAUTHBEARER)" },
		{ PB_IMAP_AUTH_AUTO, "LOGINDISABLED", "the IMAP server takes "
		    "no password on this connection (LOGINDISABLED, no "
		    "AUTH=PLAIN); it may want TLS" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(rows[i].how);

		ROW(rows, i);
		greets(f, rows[i].capabilities);
		must_fail(f, PB_ERROR_PERMANENT, rows[i].text);
	}
}

static void
without_sasl_ir_the_server_asks_for_the_token(void **state)
{
	static const struct {
		const char *capability, *command, *message;
	} rows[] = {
		{ "AUTH=XOAUTH2", "A1 AUTHENTICATE XOAUTH2\r\n", XOAUTH2 },
		{ "AUTH=OAUTHBEARER", "A1 AUTHENTICATE OAUTHBEARER\r\n",
		    OAUTHBEARER },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(PB_IMAP_AUTH_TOKEN);

		ROW(rows, i);
		greets(f, rows[i].capability);
		sends(f, rows[i].command);
		says(f, "+ \r\n");
		sends(f, rows[i].message);
		says(f, "A1 OK [CAPABILITY IMAP4rev1] in\r\n");
		assert_true(f->ready);
		finish(f);
	}
}

static unsigned seen;

static void
look_at(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	size_t i;

	(void)level;
	if (strcmp(text, "the IMAP server says why it takes no token") != 0)
		return;
	seen++;
	for (i = 0; i < n; i++)
		assert_null(strstr(pairs[i].text, "status"));
	assert_string_equal(pairs[n - 1].text, " eyJzdGF0dXMiOiI0MDAifQ==");
}

static void
a_refused_token_is_an_error_of_the_login(void **state)
{
	static const struct {
		const char *capabilities, *asked, *dismissal;
	} rows[] = {
		{ "SASL-IR AUTH=XOAUTH2", "", "\r\n" },
		{ "SASL-IR AUTH=OAUTHBEARER", "", "AQ==\r\n" },
		{ "AUTH=XOAUTH2", "+ \r\n", "\r\n" },
		{ "AUTH=OAUTHBEARER", "+\r\n", "AQ==\r\n" },
	};
	size_t i;

	(void)state;
	pb_log_setup(PB_LOG_DEBUG, look_at);
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(PB_IMAP_AUTH_TOKEN);

		ROW(rows, i);
		greets(f, rows[i].capabilities);
		says(f, rows[i].asked);
		pb_buffer_clear(&f->client.out);
		says(f, REASON);
		sends(f, rows[i].dismissal);
		says(f, "A1 NO [AUTHENTICATIONFAILED] Invalid\r\n");
		must_fail(f, PB_ERROR_AUTH, "the IMAP server refuses the "
		    "OAuth token: [AUTHENTICATIONFAILED] Invalid");
		assert_int_equal(seen, i + 1);
	}
	pb_log_setup(PB_LOG_INFO, NULL);
}

static void
a_token_may_be_refused_without_a_reason(void **state)
{
	struct fixture *f = start(PB_IMAP_AUTH_XOAUTH2);

	(void)state;
	greets(f, "SASL-IR AUTH=XOAUTH2");
	says(f, "A1 NO AUTHENTICATE failed.\r\n");
	must_fail(f, PB_ERROR_AUTH, "the IMAP server refuses the OAuth token: "
	    "AUTHENTICATE failed.");
	f = start(PB_IMAP_AUTH_XOAUTH2);
	greets(f, "SASL-IR AUTH=XOAUTH2");
	says(f, "A1 BAD busy\r\n");
	must_fail(f, PB_ERROR_TEMPORARY,
	    "the IMAP server refuses the OAuth token: busy");
}

static void
one_reason_is_enough(void **state)
{
	static const char text[] = "the IMAP server breaks the protocol: it "
	    "asks for more than name and password";
	struct fixture *f = start(PB_IMAP_AUTH_XOAUTH2);

	(void)state;
	greets(f, "SASL-IR AUTH=XOAUTH2");
	says(f, REASON REASON);
	must_fail(f, PB_ERROR_PROTOCOL, text);
	f = start(PB_IMAP_AUTH_PLAIN);
	greets(f, "SASL-IR AUTH=PLAIN");
	says(f, REASON);
	must_fail(f, PB_ERROR_PROTOCOL, text);
}

static void
control_octets_do_not_get_into_the_message_of_a_token(void **state)
{
	static const struct {
		struct pb_slice user, token;
	} rows[] = {
		{ { "max\1auth=Bearer y", 17 }, { "x", 1 } },
		{ { "max", 3 }, { "x\1user=boss", 11 } },
		{ { "m\tx", 3 }, { "x", 1 } },
		{ { "max", 3 }, { "\x1f", 1 } },
		{ { "max", 3 }, { "x\x7f", 2 } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT(rows); i++) {
		struct fixture *f = start_as(PB_IMAP_AUTH_TOKEN,
		    rows[i / 2].user, rows[i / 2].token);

		ROW(rows, i / 2);
		greets(f, i % 2 == 0 ? "SASL-IR AUTH=XOAUTH2"
				     : "SASL-IR AUTH=OAUTHBEARER");
		must_fail(f, PB_ERROR_AUTH, "the user name or the OAuth token "
		    "has a control character, so it cannot be sent to the "
		    "IMAP server");
	}
}

static void
only_plain_tells_an_authorization_identity(void **state)
{
	static const struct {
		enum pb_imap_auth how;
		const char *capabilities;
	} rows[] = {
		{ PB_IMAP_AUTH_LOGIN, "AUTH=PLAIN" },
		{ PB_IMAP_AUTH_XOAUTH2, "AUTH=XOAUTH2" },
		{ PB_IMAP_AUTH_OAUTHBEARER, "AUTH=OAUTHBEARER" },
		{ PB_IMAP_AUTH_TOKEN, "AUTH=XOAUTH2" },
	};
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		f = start(rows[i].how);
		assert_int_equal(pb_imap_client_authorize(&f->client,
		    OCTETS("boss")), PB_OK);
		greets(f, rows[i].capabilities);
		must_fail(f, PB_ERROR_AUTH, "the client gives an "
		    "authorization identity, and the IMAP server can be told "
		    "it by AUTH=PLAIN only");
		/* For oneself it need not be told. */
		f = start(rows[i].how);
		assert_int_equal(pb_imap_client_authorize(&f->client,
		    OCTETS("max")), PB_OK);
		greets(f, rows[i].capabilities);
		assert_int_equal(f->status, PB_AGAIN);
		finish(f);
	}
	f = start(PB_IMAP_AUTH_PLAIN);
	assert_int_equal(pb_imap_client_authorize(&f->client, OCTETS("boss")),
	    PB_OK);
	greets(f, "AUTH=PLAIN SASL-IR");
	sends(f, "A1 AUTHENTICATE PLAIN Ym9zcwBtYXgAdG9rLmVu\r\n");
	finish(f);
}

static void
a_login_by_token_goes_on_under_all_splits(void **state)
{
	static const char input[] =
	    "* OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER] hi\r\n"
	    "+ \r\n" REASON "A1 OK [CAPABILITY IMAP4rev1] in\r\n";
	struct pb_buffer trace;

	(void)state;
	pbt_all_splits(&pbt_client_token, OCTETS(input), &trace);
	ASSERT_TEXT(pb_buffer_slice(&trace), "ready\nstate READY\n"
	    "sent A1 AUTHENTICATE OAUTHBEARER\\x0d\\x0a"
	    "bixhPW1heCwBYXV0aD1CZWFyZXIgZ2VoZWltMTIzAQE=\\x0d\\x0a"
	    "AQ==\\x0d\\x0a"
	    "A2 SELECT INBOX\\x0d\\x0a"
	    "A3 UID FETCH 1:* (UID RFC822.SIZE)\\x0d\\x0a\n");
	pb_buffer_fini(&trace);
}

static void
every_failing_allocation_breaks_the_client_in_order(void **state)
{
	bool whole = false;
	unsigned long n;

	(void)state;
	for (n = 1; !whole; n++) {
		struct fixture *f = start(PB_IMAP_AUTH_OAUTHBEARER);

		assert_true(n < 200);
		pb_mem_fail_from(n);
		greets(f, "AUTH=OAUTHBEARER");
		if (f->status == PB_AGAIN)
			says(f, "+ \r\n");
		if (f->status == PB_AGAIN)
			says(f, REASON);
		pb_mem_fail_from(0);
		whole = f->status == PB_AGAIN;
		if (!whole)
			assert_int_equal(f->client.error.kind,
			    PB_ERROR_INTERNAL);
		finish(f);
	}
	assert_true(n > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_is_gone_where_it_is_offered),
		cmocka_unit_test(what_the_server_does_not_offer_is_named),
		cmocka_unit_test(without_sasl_ir_the_server_asks_for_the_token),
		cmocka_unit_test(a_refused_token_is_an_error_of_the_login),
		cmocka_unit_test(a_token_may_be_refused_without_a_reason),
		cmocka_unit_test(one_reason_is_enough),
		cmocka_unit_test(
		    control_octets_do_not_get_into_the_message_of_a_token),
		cmocka_unit_test(only_plain_tells_an_authorization_identity),
		cmocka_unit_test(a_login_by_token_goes_on_under_all_splits),
		cmocka_unit_test(
		    every_failing_allocation_breaks_the_client_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
