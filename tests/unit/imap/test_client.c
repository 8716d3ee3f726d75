#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/client.h"
#include "support/trace.h"

struct fixture {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_imap_event event;	/* the last one */
	enum pb_status status;
};

static struct fixture *
start_as(enum pb_imap_tls tls, struct pb_slice user, struct pb_slice pass)
{
	struct fixture *f = pb_xalloc(sizeof(*f));
	struct pb_secret secret = { NULL, 0 };

	f->grammar = pb_imap_grammar_new();
	f->writer = pb_imap_writer_new();
	pb_imap_client_init(&f->client, f->grammar, f->writer, tls);
	assert_int_equal(pb_secret_set(&secret, pass), PB_OK);
	assert_int_equal(pb_imap_client_login(&f->client, user, &secret),
	    PB_OK);
	assert_int_equal(pb_secret_reveal(&secret).len, 0);
	return f;
}

static struct fixture *
start(void)
{
	return start_as(PB_IMAP_TLS_IMPLICIT, OCTETS("max"), OCTETS("geheim"));
}

static void
finish(struct fixture *f)
{
	pb_imap_client_fini(&f->client);
	pb_imap_grammar_free(&f->grammar);
	pb_imap_writer_free(&f->writer);
	pb_free(f);
}

/* The server says this; the last event is in f->event. */
static void
says(struct fixture *f, const char *octets)
{
	struct pb_slice in = pb_slice_str(octets);
	struct pb_imap_event event;

	f->event.type = PB_IMAP_EVENT_EXISTS;
	do {
		f->status = pb_imap_client_next(&f->client, &in, &event);
		if (f->status == PB_OK)
			f->event = event;
	} while (f->status == PB_OK);
}

static void
sends(struct fixture *f, const char *octets)
{
	ASSERT_OCTETS(pb_buffer_slice(&f->client.out), pb_slice_str(octets));
	pb_buffer_clear(&f->client.out);
}

static void
must_be_ready(struct fixture *f)
{
	assert_int_equal(f->status, PB_AGAIN);
	assert_int_equal(f->event.type, PB_IMAP_EVENT_READY);
	assert_int_equal(f->client.state, PB_IMAP_STATE_READY);
	assert_int_equal(pb_secret_reveal(&f->client.password).len, 0);
}

static void
must_fail(struct fixture *f, enum pb_error_kind kind)
{
	struct pb_slice in = OCTETS("* OK\r\n");
	struct pb_imap_event event;

	assert_int_equal(f->status, PB_EPROTO);
	assert_int_equal(f->client.state, PB_IMAP_STATE_BROKEN);
	assert_int_equal(f->client.error.kind, kind);
	assert_true(f->client.error.text[0] != '\0');
	/* Nothing more goes out, nothing is kept, it stays so. */
	assert_int_equal(f->client.out.len, 0);
	assert_int_equal(pb_secret_reveal(&f->client.password).len, 0);
	assert_int_equal(pb_imap_client_next(&f->client, &in, &event),
	    PB_EPROTO);
}

#define PLAIN_IR "A1 AUTHENTICATE PLAIN AG1heABnZWhlaW0=\r\n"

static void
a_greeting_with_capabilities_saves_a_question(void **state)
{
	struct fixture *f = start();

	(void)state;
	sends(f, "");
	says(f, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
	sends(f, PLAIN_IR);
	says(f, "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n");
	must_be_ready(f);
	sends(f, "");
	assert_true(pb_imap_client_has_uid_expunge(&f->client));
	finish(f);
}

static void
a_greeting_without_capabilities_is_asked_for_them(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK hi\r\n");
	sends(f, "A1 CAPABILITY\r\n");
	says(f, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA1 OK\r\n");
	sends(f, "A2 AUTHENTICATE PLAIN\r\n");
	says(f, "+ \r\n");
	sends(f, "AG1heABnZWhlaW0=\r\n");
	says(f, "A2 OK in\r\n");
	must_be_ready(f);
	sends(f, "A3 CAPABILITY\r\n");
	assert_false(pb_imap_client_has_uid_expunge(&f->client));
	says(f, "* CAPABILITY IMAP4rev1 UIDPLUS\r\nA3 OK\r\n");
	assert_true(pb_imap_client_has_uid_expunge(&f->client));
	finish(f);
}

static void
capabilities_may_come_in_the_completion(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK hi\r\n");
	sends(f, "A1 CAPABILITY\r\n");
	says(f, "A1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] x\r\n");
	sends(f, "A2 AUTHENTICATE PLAIN AG1heABnZWhlaW0=\r\n");
	finish(f);
}

static void
without_sasl_plain_it_is_login(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	sends(f, "A1 LOGIN max geheim\r\n");
	says(f, "A1 OK in\r\n");
	must_be_ready(f);
	finish(f);
}

static void
odd_names_go_as_literals_that_are_asked_for(void **state)
{
	struct fixture *f = start_as(PB_IMAP_TLS_IMPLICIT,
	    OCTETS("m\xc3\xbcller"), OCTETS("a\"b\\c {9}"));

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	sends(f, "A1 LOGIN {7}\r\n");
	says(f, "+ go\r\n");
	sends(f, "m\xc3\xbcller {9}\r\n");
	says(f, "+\r\n");
	sends(f, "a\"b\\c {9}\r\n");
	says(f, "A1 OK in\r\n");
	must_be_ready(f);
	finish(f);
}

static void
literal_plus_and_minus_save_the_questions(void **state)
{
	static const char *const words[] = { "LITERAL+", "LITERAL-" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++) {
		struct fixture *f = start_as(PB_IMAP_TLS_IMPLICIT,
		    OCTETS("m\xc3\xbc"), OCTETS("a b"));
		char line[100];

		snprintf(line, sizeof(line),
		    "* OK [CAPABILITY IMAP4rev1 %s] hi\r\n", words[i]);
		says(f, line);
		sends(f, "A1 LOGIN {3+}\r\nm\xc3\xbc {3+}\r\na b\r\n");
		says(f, "A1 OK in\r\n");
		must_be_ready(f);
		finish(f);
	}
}

static void
more_questions_than_answers_break_the_protocol(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
	sends(f, PLAIN_IR);
	says(f, "+ \r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
	f = start();
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	says(f, "+ password?\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
	f = start();
	says(f, "+ \r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
}

static void
id_is_sent_where_it_is_offered(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 ID] hi\r\n");
	sends(f, "A1 LOGIN max geheim\r\n");
	says(f, "A1 OK [CAPABILITY IMAP4rev1 ID] in\r\n");
	must_be_ready(f);
	assert_true(pb_slice_starts(pb_buffer_slice(&f->client.out),
	    "A2 ID (\"name\" \"popbridge\" "));
	pb_buffer_clear(&f->client.out);
	/* Nobody waits for it, whatever comes. */
	says(f, "* ID (\"name\" \"x\")\r\nA2 NO never\r\n");
	assert_int_equal(f->status, PB_AGAIN);
	finish(f);
}

static void
starttls_comes_before_the_login(void **state)
{
	struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS, OCTETS("max"),
	    OCTETS("geheim"));

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n");
	sends(f, "A1 STARTTLS\r\n");
	says(f, "A1 OK go\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_STARTTLS);
	assert_int_equal(f->client.state, PB_IMAP_STATE_HANDSHAKE);
	sends(f, "");
	assert_int_equal(pb_imap_client_secured(&f->client), PB_OK);
	sends(f, "A2 CAPABILITY\r\n");
	says(f, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nA2 OK\r\n");
	sends(f, "A3 AUTHENTICATE PLAIN AG1heABnZWhlaW0=\r\n");
	says(f, "A3 OK\r\n");
	must_be_ready(f);
	finish(f);
}

static void
what_was_said_before_starttls_is_forgotten(void **state)
{
	struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS, OCTETS("max"),
	    OCTETS("geheim"));

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN "
	    "UIDPLUS] hi\r\n");
	says(f, "A1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] go\r\n");
	assert_int_equal(pb_imap_client_secured(&f->client), PB_OK);
	pb_buffer_clear(&f->client.out);
	/* No capabilities at all this time. */
	says(f, "A2 OK\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	assert_false(pb_imap_client_has_uid_expunge(&f->client));
	finish(f);
}

static void
starttls_that_is_not_offered_ends_without_a_login(void **state)
{
	struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS, OCTETS("max"),
	    OCTETS("geheim"));

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n");
	must_fail(f, PB_ERROR_PERMANENT);
	finish(f);
}

static void
starttls_that_is_refused_ends_without_a_login(void **state)
{
	static const char *const answers[] = { "A1 NO no\r\n", "A1 BAD no\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(answers); i++) {
		struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS,
		    OCTETS("max"), OCTETS("geheim"));

		says(f, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n");
		says(f, answers[i]);
		must_fail(f, PB_ERROR_TEMPORARY);
		finish(f);
	}
}

static void
octets_behind_the_ok_of_starttls_are_an_attack(void **state)
{
	static const char *const answers[] = {
		"A1 OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
		"A1 OK go\r\nx", "A1 OK go\r\n\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(answers); i++) {
		struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS,
		    OCTETS("max"), OCTETS("geheim"));

		says(f, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n");
		says(f, answers[i]);
		must_fail(f, PB_ERROR_PROTOCOL);
		finish(f);
	}
}

static void
octets_that_come_later_before_the_handshake_are_one_too(void **state)
{
	struct fixture *f = start_as(PB_IMAP_TLS_STARTTLS, OCTETS("max"),
	    OCTETS("geheim"));

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n");
	says(f, "A1 OK go\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_STARTTLS);
	says(f, "* CAPABILITY IMAP4rev1\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
}

static void
preauth_is_refused(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* PREAUTH [CAPABILITY IMAP4rev1] you are root\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
	f = start_as(PB_IMAP_TLS_STARTTLS, OCTETS("max"), OCTETS("geheim"));
	says(f, "* PREAUTH hi\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
}

static void
greetings_that_refuse_are_temporary(void **state)
{
	static const char *const greetings[] = { "* BYE busy\r\n",
		"* NO busy\r\n", "* BAD busy\r\n",
		"* BYE [UNAVAILABLE] busy\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(greetings); i++) {
		struct fixture *f = start();

		says(f, greetings[i]);
		must_fail(f, PB_ERROR_TEMPORARY);
		finish(f);
	}
}

static void
greetings_that_are_not_imap_break_the_protocol(void **state)
{
	static const char *const greetings[] = { "+OK POP3 ready\r\n",
		"220 mail.example.com ESMTP\r\n", "SSH-2.0-x\r\n",
		"HTTP/1.1 400 Bad Request\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(greetings); i++) {
		struct fixture *f = start();

		says(f, greetings[i]);
		must_fail(f, PB_ERROR_PROTOCOL);
		finish(f);
	}
}

static void
a_server_without_imap4rev1_is_refused(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4 AUTH=PLAIN] hi\r\n");
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
	f = start();
	says(f, "* OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] hi\r\n");
	sends(f, "A1 AUTHENTICATE PLAIN\r\n");
	says(f, "+ \r\nA1 OK [CAPABILITY IMAP4rev2] in\r\n");
	must_be_ready(f);
	assert_true(pb_imap_client_has_uid_expunge(&f->client));
	finish(f);
}

static void
logindisabled_is_respected(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n");
	must_fail(f, PB_ERROR_PERMANENT);
	finish(f);
	f = start();
	says(f, "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN] hi\r\n");
	sends(f, "A1 AUTHENTICATE PLAIN\r\n");
	finish(f);
}

static void
refused_logins_mean_what_their_code_says(void **state)
{
	static const struct {
		const char *answer;
		enum pb_error_kind kind;
	} rows[] = {
		{ "NO no", PB_ERROR_AUTH },
		{ "NO", PB_ERROR_AUTH },
		{ "NO [AUTHENTICATIONFAILED] no", PB_ERROR_AUTH },
		{ "NO [authenticationfailed] no", PB_ERROR_AUTH },
		{ "NO [AUTHORIZATIONFAILED] no", PB_ERROR_AUTH },
		{ "NO [EXPIRED] no", PB_ERROR_AUTH },
		{ "NO [X-NEW 5] no", PB_ERROR_AUTH },
		{ "NO [UNAVAILABLE] no", PB_ERROR_TEMPORARY },
		{ "NO [INUSE] no", PB_ERROR_TEMPORARY },
		{ "NO [SERVERBUG] no", PB_ERROR_TEMPORARY },
		{ "NO [LIMIT] no", PB_ERROR_TEMPORARY },
		{ "NO [OVERQUOTA] no", PB_ERROR_TEMPORARY },
		{ "NO [PRIVACYREQUIRED] no", PB_ERROR_PERMANENT },
		{ "NO [CONTACTADMIN] no", PB_ERROR_PERMANENT },
		{ "BAD what", PB_ERROR_TEMPORARY },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start();
		char line[100];

		ROW(rows, i);
		says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
		snprintf(line, sizeof(line), "A1 %s\r\n", rows[i].answer);
		says(f, line);
		must_fail(f, rows[i].kind);
		assert_int_equal(f->client.error.scope, PB_SCOPE_ACCOUNT);
		finish(f);
	}
}

static void
a_server_that_asks_for_less_is_understood(void **state)
{
	static const struct {
		const char *answer;
		bool throttled;
		enum pb_error_kind kind;
	} rows[] = {
		{ "A1 NO [THROTTLED] no", true, PB_ERROR_TEMPORARY },
		{ "A1 NO [LIMIT] no", true, PB_ERROR_TEMPORARY },
		{ "A1 NO [limit 5] no", true, PB_ERROR_TEMPORARY },
		{ "A1 NO [OVERQUOTA] Account exceeded command or bandwidth "
		  "limits.", true, PB_ERROR_TEMPORARY },
		{ "A1 NO [ALERT] Too many simultaneous connections. (Failure)",
		  true, PB_ERROR_TEMPORARY },
		{ "A1 NO [UNAVAILABLE] Maximum number of connections from "
		  "user+IP exceeded", true, PB_ERROR_TEMPORARY },
		{ "A1 BAD User is authenticated but not connected.", true,
		  PB_ERROR_TEMPORARY },
		{ "A1 BAD Request is throttled. Suggested Backoff Time: "
		  "299961 milliseconds", true, PB_ERROR_TEMPORARY },
		{ "A1 NO Server Unavailable. 15", true,
		  PB_ERROR_TEMPORARY },
		{ "* BYE Session throttled", true, PB_ERROR_TEMPORARY },
		{ "* BYE Connection closed. 14", true, PB_ERROR_TEMPORARY },
		{ "* BYE [UNAVAILABLE] busy", false, PB_ERROR_TEMPORARY },
		{ "* BYE Connection closed. 7", false, PB_ERROR_TEMPORARY },
		{ "A1 NO [UNAVAILABLE] down", false, PB_ERROR_TEMPORARY },
		{ "A1 NO wrong password", false, PB_ERROR_AUTH },
		{ "A1 NO [AUTHENTICATIONFAILED] too many errors", false,
		  PB_ERROR_AUTH },
		{ "A1 NO [CONTACTADMIN] too many", false,
		  PB_ERROR_PERMANENT },
		{ "A1 NO too man", false, PB_ERROR_AUTH },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start();
		char line[200];

		ROW(rows, i);
		says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
		snprintf(line, sizeof(line), "%s\r\n", rows[i].answer);
		says(f, line);
		must_fail(f, rows[i].kind);
		assert_int_equal(f->client.error.throttled,
		    rows[i].throttled);
		finish(f);
	}
}

static void
an_ok_may_ask_for_less_too(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	assert_false(f->client.throttled);
	says(f, "A1 OK [THROTTLED] in\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_READY);
	assert_true(f->client.throttled);
	finish(f);
}

static void
bye_during_the_login_is_temporary(void **state)
{
	struct fixture *f = start();

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	says(f, "* BYE shutting down\r\n");
	must_fail(f, PB_ERROR_TEMPORARY);
	finish(f);
}

static void
a_completion_of_no_command_breaks_the_protocol(void **state)
{
	static const char *const lines[] = { "A2 OK\r\n", "A0 OK\r\n",
		"B1 OK\r\n", "A OK\r\n", "A01x OK\r\n", "A4294967297 OK\r\n",
		"A1 MAYBE\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct fixture *f = start();

		ROW(lines, i);
		says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
		says(f, lines[i]);
		must_fail(f, PB_ERROR_PROTOCOL);
		finish(f);
	}
}

static void
credentials_that_cannot_be_sent_are_refused(void **state)
{
	static const struct {
		struct pb_slice user, pass;
	} rows[] = {
		{ { "a\rb", 3 }, { "x", 1 } }, { { "a\nb", 3 }, { "x", 1 } },
		{ { "a\0b", 3 }, { "x", 1 } }, { { "a", 1 }, { "x\r", 2 } },
		{ { "a", 1 }, { "x\ny", 3 } }, { { "a", 1 }, { "\0", 1 } },
	};
	struct pb_imap_client c;
	struct pb_secret secret = { NULL, 0 };
	char user[PB_IMAP_USER_MAX + 1];
	size_t i;

	(void)state;
	pb_imap_client_init(&c, NULL, NULL, PB_IMAP_TLS_IMPLICIT);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_secret_set(&secret, rows[i].pass), PB_OK);
		assert_int_equal(pb_imap_client_login(&c, rows[i].user,
		    &secret), PB_EINVAL);
	}
	memset(user, 'u', sizeof(user));
	assert_int_equal(pb_secret_set(&secret, OCTETS("x")), PB_OK);
	assert_int_equal(pb_imap_client_login(&c, pb_slice(user,
	    sizeof(user)), &secret), PB_EINVAL);
	assert_int_equal(pb_imap_client_login(&c, pb_slice(user,
	    sizeof(user) - 1), &secret), PB_OK);
	pb_secret_clear(&secret);
	pb_imap_client_fini(&c);
}

static void
an_identity_that_cannot_be_sent_is_refused(void **state)
{
	static const struct pb_slice rows[] = {
		{ "a\rb", 3 }, { "a\nb", 3 }, { "a\0b", 3 }, { "\0", 1 },
	};
	char name[PB_IMAP_USER_MAX + 1];
	struct pb_imap_client c;
	size_t i;

	(void)state;
	memset(name, 'u', sizeof(name));
	pb_imap_client_init(&c, NULL, NULL, PB_IMAP_TLS_IMPLICIT);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_imap_client_authorize(&c, rows[i]),
		    PB_EINVAL);
	}
	assert_int_equal(pb_imap_client_authorize(&c, pb_slice(name,
	    sizeof(name))), PB_EINVAL);
	pb_mem_fail_from(1);
	assert_int_equal(pb_imap_client_authorize(&c, OCTETS("boss")),
	    PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_int_equal(pb_imap_client_authorize(&c, pb_slice(name,
	    sizeof(name) - 1)), PB_OK);
	pb_imap_client_fini(&c);
	assert_null(c.authzid.priv_data);
}

/* A client that is READY; its tags go on from A2. */
static struct fixture *
start_ready(void)
{
	struct fixture *f = start();

	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	says(f, "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n");
	must_be_ready(f);
	pb_buffer_clear(&f->client.out);
	return f;
}

static void
must_be_done(struct fixture *f, enum pb_imap_condition condition,
    enum pb_error_kind kind)
{
	assert_int_equal(f->status, PB_AGAIN);
	assert_int_equal(f->event.type, PB_IMAP_EVENT_DONE);
	assert_int_equal(f->event.condition, condition);
	assert_int_equal(f->event.error.kind, kind);
}

static void
select_learns_uidvalidity_and_rights(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	sends(f, "A2 SELECT INBOX\r\n");
	assert_false(f->client.has_uidvalidity);
	says(f, "* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
	    "* OK [UNSEEN 2] x\r\n* OK [PERMANENTFLAGS ({] x\r\n"
	    "* OK [UIDVALIDITY 1700000000] ok\r\n* OK [UIDNEXT 9] ok\r\n"
	    "A2 OK [READ-WRITE] done\r\n");
	must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
	assert_true(f->client.has_uidvalidity);
	assert_int_equal(f->client.uidvalidity, 1700000000);
	assert_int_equal(f->client.uidnext, 9);
	assert_false(f->client.read_only);
	finish(f);
}

static void
what_a_mailbox_says_of_itself_is_bounded(void **state)
{
	static const struct {
		const char *code;
		uint32_t uidnext;
	} rows[] = {
		{ "UIDNEXT 1", 1 },
		{ "uidnext 4294967295", UINT32_MAX },
		{ "UIDNEXT 0", 0 },
		{ "UIDNEXT 4294967296", 0 },
		{ "UIDNEXT 4294967297", 0 },
		{ "UIDNEXT 18446744073709551617", 0 },
		{ "UIDNEXT -1", 0 },
		{ "UIDNEXT", 0 },
		{ "UIDNEXT x", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start_ready();
		char line[100];

		ROW(rows, i);
		assert_int_equal(pb_imap_client_select(&f->client, "INBOX"),
		    PB_OK);
		snprintf(line, sizeof(line), "* OK [%s] x\r\nA2 OK\r\n",
		    rows[i].code);
		says(f, line);
		must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
		assert_int_equal(f->client.uidnext, rows[i].uidnext);
		finish(f);
	}
}

static void
the_next_select_forgets_what_the_last_said(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	says(f, "* 3 EXISTS\r\n* OK [UIDNEXT 9] x\r\nA2 OK\r\n");
	assert_int_equal(f->client.uidnext, 9);
	assert_int_equal(f->client.exists, 3);
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	assert_int_equal(f->client.uidnext, 0);
	assert_int_equal(f->client.exists, 0);
	finish(f);
}

static void
a_read_only_mailbox_is_noticed(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	says(f, "A2 OK [READ-ONLY] done\r\n");
	assert_true(f->client.read_only);
	finish(f);
}

static void
a_change_of_uidvalidity_ends_the_connection(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	says(f, "* OK [UIDVALIDITY 5] x\r\nA2 OK\r\n");
	says(f, "* OK [UIDVALIDITY 5] the same\r\n");
	assert_int_equal(f->status, PB_AGAIN);
	says(f, "* OK [UIDVALIDITY 6] x\r\n");
	must_fail(f, PB_ERROR_TEMPORARY);
	finish(f);
}

static void
sizes_come_in_any_form(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_sizes(&f->client, 1), PB_OK);
	sends(f, "A2 UID FETCH 1:* (UID RFC822.SIZE)\r\n");
	says(f, "* 3 FETCH (UID 7 RFC822.SIZE 120)\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_SIZE);
	assert_int_equal(f->event.seq, 3);
	assert_int_equal(f->event.uid, 7);
	assert_true(f->event.has_size);
	assert_int_equal(f->event.size, 120);
	says(f, "* 4 FETCH (UID 8)\r\n");
	assert_int_equal(f->event.uid, 8);
	assert_false(f->event.has_size);
	says(f, "* 4 FETCH (RFC822.SIZE 5)\r\n");
	assert_int_equal(f->event.uid, 0);
	assert_int_equal(f->event.size, 5);
	says(f, "A2 OK\r\n");
	must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
	/* Later ones are nobody's. */
	says(f, "* 4 FETCH (UID 8 RFC822.SIZE 6)\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_EXISTS);
	finish(f);
}

static void
a_body_comes_to_its_end_behind_a_select(void **state)
{
	static const uint32_t uids[] = { 5, 6 };
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_bodies(&f->client, uids, 2, 0, NULL),
	    PB_OK);
	says(f, "* 1 FETCH (UID 5 BODY[] {3}\r\nab");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_BODY_DATA);
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	says(f, "c)\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_BODY_END);
	assert_int_equal(f->event.uid, 5);
	says(f, "* 2 FETCH (UID 6 BODY[] \"\")\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_BODY_END);
	assert_int_equal(f->event.uid, 6);
	says(f, "A2 OK\r\n");
	must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
	says(f, "A3 OK\r\n");
	must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
	finish(f);
}

static void
what_is_said_before_select_is_answered_is_no_listing(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	assert_int_equal(pb_imap_client_sizes(&f->client, 1), PB_OK);
	says(f, "* 1 FETCH (UID 5 RFC822.SIZE 3)\r\n"
	    "* 2 FETCH (UID 8 FLAGS (\\Seen))\r\n* 3 EXPUNGE\r\n");
	assert_int_equal(f->status, PB_AGAIN);
	assert_int_equal(f->event.type, PB_IMAP_EVENT_EXISTS);
	says(f, "A2 OK\r\n* 1 FETCH (UID 5 RFC822.SIZE 3)\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_SIZE);
	assert_int_equal(f->event.uid, 5);
	finish(f);
}

static void
sizes_may_be_asked_for_from_a_uid_on(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_sizes(&f->client, 8), PB_OK);
	sends(f, "A2 UID FETCH 8:* (UID RFC822.SIZE)\r\n");
	/* "*" is the last one, wherever it stands. */
	says(f, "* 3 FETCH (UID 7 RFC822.SIZE 120)\r\n");
	assert_int_equal(f->event.type, PB_IMAP_EVENT_SIZE);
	assert_int_equal(f->event.uid, 7);
	finish(f);
}

static void
a_refusal_says_its_scope(void **state)
{
	const uint32_t uid = 7;
	struct fixture *f = start_ready();

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "X"), PB_OK);
	says(f, "A2 NO [NONEXISTENT] no such mailbox\r\n");
	must_be_done(f, PB_IMAP_NO, PB_ERROR_PERMANENT);
	assert_int_equal(f->event.error.scope, PB_SCOPE_ACCOUNT);
	assert_int_equal(pb_imap_client_bodies(&f->client, &uid, 1, 0, NULL),
	    PB_OK);
	says(f, "A3 NO x\r\n");
	must_be_done(f, PB_IMAP_NO, PB_ERROR_TEMPORARY);
	assert_int_equal(f->event.error.scope, PB_SCOPE_MESSAGE);
	finish(f);
}

/* The client of the whole-session tests has tags from A1 on. */
#define OPEN \
	"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n" \
	"A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n" \
	"* 2 EXISTS\r\n* OK [UIDVALIDITY 17] x\r\nA2 OK done\r\n" \
	"* 1 FETCH (UID 7 RFC822.SIZE 5)\r\n* 2 FETCH (UID 8 RFC822.SIZE " \
	"200)\r\nA3 OK done\r\n"
#define OPEN_TRACE \
	"ready\nexists 2\ndone 2 kind 4 condition 0\n" \
	"size of 1 uid 7 is 5\nsize of 2 uid 8 is 200\n" \
	"done 3 kind 5 condition 0\n"

/* Under all splits; what comes behind the trace is not looked at. */
static void
must_trace(const char *input, const char *want)
{
	struct pb_buffer got;
	struct pb_slice text;

	pbt_all_splits(&pbt_client, pb_slice_str(input), &got);
	text = pb_buffer_slice(&got);
	if (text.len > strlen(want))
		text.len = strlen(want);
	ASSERT_OCTETS(text, pb_slice_str(want));
	pb_buffer_fini(&got);
}

static void
a_whole_session_goes_on_under_all_splits(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {5}\r\na\r\nb\n)\r\n"
	    "* 3 EXISTS\r\nA4 OK\r\n"
	    "* 2 FETCH (UID 8 BODY[]<0> \"abc\")\r\nA5 OK\r\n"
	    "* 2 FETCH (UID 8 BODY[]<0> {2}\r\nde)\r\n"
	    "* 4 FETCH (UID 10 BODY[]<0> {1}\r\nf)\r\nA6 OK\r\n"
	    "* SEARCH 3 9\r\nA7 OK\r\nA8 OK\r\n* 2 EXPUNGE\r\nA9 OK\r\n"
	    "* BYE bye\r\nA10 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 5\na\\x0d\\x0ab\\x0a\nbody ends\n"
	    "exists 3\ndone 4 kind 6 condition 0\n"
	    "body of uid 8 with 3\nabc\nbody ends\n"
	    "done 5 kind 6 condition 0\n"
	    "body of uid 8 with 2\nde\nbody ends\n"
	    "body of uid 10 with 1\nf\nbody ends\n"
	    "done 6 kind 6 condition 0\nfound 3 9\n"
	    "done 7 kind 9 condition 0\ndone 8 kind 7 condition 0\n"
	    "expunge 2\ndone 9 kind 8 condition 0\nstate LOGOUT\n"
	    "sent A1 AUTHENTICATE PLAIN AG1heABnZWhlaW0xMjM=\\x0d\\x0a"
	    "A2 SELECT INBOX\\x0d\\x0a"
	    "A3 UID FETCH 1:* (UID RFC822.SIZE)\\x0d\\x0a"
	    "A4 UID FETCH 7 (UID BODY.PEEK[])\\x0d\\x0a"
	    "A5 UID FETCH 8,10 (UID BODY.PEEK[]<0.50>)\\x0d\\x0a"
	    "A6 UID FETCH 8,10 (UID BODY.PEEK[]<0.50>)\\x0d\\x0a"
	    "A7 UID SEARCH DELETED\\x0d\\x0a"
	    "A8 UID STORE 3:5,9,4294967295 +FLAGS.SILENT (\\\\Deleted)"
	    "\\x0d\\x0aA9 UID EXPUNGE 3:5,9,4294967295\\x0d\\x0a"
	    "A10 LOGOUT\\x0d\\x0a\n");
}

static void
the_uid_may_stand_behind_the_body(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (BODY[] {3}\r\nabc FLAGS (\\Seen) UID 7)"
	    "\r\nA4 OK\r\n", OPEN_TRACE
	    "body of uid 0 with 3\nabc\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
}

static void
other_data_may_stand_between(void **state)
{
	(void)state;
	must_trace(OPEN "* 2 FETCH (FLAGS (\\Seen))\r\n* OK still here {5}\r\n"
	    "* XYZZY\r\n* LIST () \"/\" {3}\r\nabc\r\n"
	    "* 1 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n* 1 FETCH (FLAGS ())\r\n"
	    "* 4 EXISTS\r\nA4 OK\r\n", OPEN_TRACE
	    "body of uid 7 with 3\nabc\nbody ends\nexists 4\n"
	    "done 4 kind 6 condition 0\n");
}

static void
a_body_may_be_nil_quoted_literal8_or_rfc822(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] NIL)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 is nil\ndone 4 kind 6 condition 0\n");
	must_trace(OPEN "* 1 FETCH (BODY[] \"a \\\"b\\\"\" UID 7)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 5\na \"b\"\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] \"\")\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 0\n\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] ~{3}\r\nabc)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 3\nabc\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
	must_trace(OPEN "* 1 FETCH (RFC822 {3}\r\nabc UID 7)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 0 with 3\nabc\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {0}\r\n)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 0\n\nbody ends\n"
	    "done 4 kind 6 condition 0\n");
}

static void
a_body_with_two_uids_ends_the_connection(void **state)
{
	(void)state;
	must_trace(OPEN "* 2 FETCH (UID 7 BODY[] {3}\r\nabc UID 8)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 3\nabc\nfailed 6 scope 2: ");
}

static void
a_body_that_nobody_names_ends_the_connection(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (BODY[] {3}\r\nabc)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 0 with 3\nabc\nfailed 6 scope 2: ");
	must_trace(OPEN "* 1 FETCH (BODY[] \"abc\")\r\nA4 OK\r\n",
	    OPEN_TRACE "failed 6 scope 2: ");
	must_trace(OPEN "* 1 FETCH (BODY[] NIL)\r\nA4 OK\r\n",
	    OPEN_TRACE "failed 6 scope 2: ");
}

static void
another_part_than_asked_for_ends_the_connection(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\nA4 OK\r\n"
	    "* 2 FETCH (UID 8 BODY[]<99> \"x\")\r\nA5 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 1\nx\nbody ends\n"
	    "done 4 kind 6 condition 0\nfailed 6 scope 2: ");
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[]<5> {1}\r\nx)\r\nA4 OK\r\n",
	    OPEN_TRACE "failed 6 scope 2: ");
}

static void
a_body_that_nobody_waits_for_is_not_told(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {3}\r\nabc)\r\nA4 OK\r\n"
	    "A5 OK\r\nA6 OK\r\n* 1 FETCH (UID 7 BODY[] {3}\r\nxyz)\r\n"
	    "* 1 FETCH (UID 7 BODY[] \"q\")\r\nA7 OK\r\n", OPEN_TRACE
	    "body of uid 7 with 3\nabc\nbody ends\n"
	    "done 4 kind 6 condition 0\ndone 5 kind 6 condition 0\n"
	    "done 6 kind 6 condition 0\ndone 7 kind 9 condition 0\n");
}

static void
a_response_that_does_not_close_ends_the_connection(void **state)
{
	(void)state;
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {3}\r\nabc\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 3\nabc\nfailed 6 scope 2: ");
	must_trace(OPEN "* 1 FETCH (UID 7 BODY[] {3}\r\nabc \"x)\r\nA4 OK\r\n",
	    OPEN_TRACE "body of uid 7 with 3\nabc\nfailed 6 scope 2: ");
}

static void
bye_ends_the_connection_unless_it_was_asked_for(void **state)
{
	(void)state;
	must_trace(OPEN "* BYE idle too long\r\n", OPEN_TRACE
	    "failed 2 scope 2: ");
}

static void
crash_lines_are_left_out(void **state)
{
	static const char *const lines[] = {
		"* OK [PERMANENTFLAGS ({] x\r\n",
		"*  OK [PERMANENTFLAGS ({] x\r\n",
		"* OK [ PERMANENTFLAGS ({] x\r\n",
		"* ANNOTATION X \"\r\n",
		"* NAMESPACE ((\"\r\n",
		"* 1 FETCH (BODYSTRUCTURE ((((((((((((((((((((((\r\n",
		"* 1 FETCH (UID 7 RFC822.SIZE 4294967297)\r\n",
		"* STATUS x ()\r\n",
		"* 1 FETCH (BODY[ X)\r\n",
		"\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		char input[1000];

		ROW(lines, i);
		snprintf(input, sizeof(input), OPEN "%s"
		    "* 1 FETCH (UID 7 BODY[] \"x\")\r\nA4 OK\r\n", lines[i]);
		must_trace(input, OPEN_TRACE "body of uid 7 with 1\nx\n"
		    "body ends\ndone 4 kind 6 condition 0\n");
	}
}

static void
too_much_that_is_no_imap_ends_the_connection(void **state)
{
	struct fixture *f = start_ready();
	unsigned i;

	(void)state;
	for (i = 0; i <= PB_IMAP_REFUSED_MAX; i++) {
		assert_int_not_equal(f->client.state, PB_IMAP_STATE_BROKEN);
		says(f, "* 1 FETCH (INTERNALDATE \"x\")\r\n");
	}
	must_fail(f, PB_ERROR_PROTOCOL);
	finish(f);
}

static void
commands_are_pipelined_up_to_a_limit(void **state)
{
	static const uint32_t uid = 7;
	struct fixture *f = start_ready();
	unsigned n = 0;

	(void)state;
	assert_false(pb_imap_client_is_busy(&f->client));
	assert_int_equal(pb_imap_client_room(&f->client),
	    PB_IMAP_PIPELINE_MAX);
	while (pb_imap_client_room(&f->client) > 0) {
		assert_int_equal(pb_imap_client_store(&f->client, &uid, 1,
		    true, PB_IMAP_FLAG_SEEN, NULL), PB_OK);
		n++;
	}
	assert_int_equal(n, PB_IMAP_PIPELINE_MAX);
	assert_true(pb_imap_client_is_busy(&f->client));
	/* They may be completed in any order. */
	says(f, "A5 OK\r\n");
	must_be_done(f, PB_IMAP_OK, PB_ERROR_NONE);
	assert_int_equal(f->event.id, 5);
	says(f, "A3 NO x\r\n");
	assert_int_equal(f->event.id, 3);
	assert_int_equal(pb_imap_client_room(&f->client), 2);
	finish(f);
}

static void
a_search_may_have_a_very_long_answer(void **state)
{
	struct fixture *f = start_ready();
	struct pb_buffer line;
	unsigned i;

	(void)state;
	pb_buffer_init(&line, 2 << 20);
	pbt_say(&line, "* SEARCH");
	for (i = 0; i < 90000; i++)
		pbt_say(&line, " %u", 4294000000u + i);
	pbt_say(&line, "\r\n");
	pbt_put(&line, pb_slice("", 1));
	assert_int_equal(pb_imap_client_search_deleted(&f->client, NULL),
	    PB_OK);
	says(f, pb_buffer_slice(&line).data);
	assert_int_equal(f->event.type, PB_IMAP_EVENT_FOUND);
	assert_int_equal(f->event.n_ranges, 1);
	assert_int_equal(f->event.ranges[0].last, 4294000000u + 89999);
	says(f, "A2 OK\r\n");
	/* And only while it runs. */
	says(f, pb_buffer_slice(&line).data);
	must_fail(f, PB_ERROR_PROTOCOL);
	pb_buffer_fini(&line);
	finish(f);
}

static void
after_the_logout_nothing_is_of_interest(void **state)
{
	struct fixture *f = start_ready();

	(void)state;
	pb_imap_client_logout(&f->client);
	sends(f, "A2 LOGOUT\r\n");
	assert_int_equal(pb_imap_client_room(&f->client), 0);
	pb_imap_client_logout(&f->client);
	sends(f, "");
	says(f, "* BYE bye\r\nA2 OK\r\n");
	assert_int_equal(f->status, PB_AGAIN);
	assert_int_equal(f->client.state, PB_IMAP_STATE_LOGOUT);
	finish(f);
}

static void
every_failing_allocation_breaks_the_client_in_order(void **state)
{
	unsigned long n;
	bool whole = false;

	(void)state;
	for (n = 1; !whole; n++) {
		struct fixture *f = start();
		enum pb_status st;

		assert_true(n < 200);
		pb_mem_fail_from(n);
		says(f, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n"
		    "A1 OK [CAPABILITY IMAP4rev1 ID] in\r\n");
		st = f->client.state == PB_IMAP_STATE_READY
		    ? pb_imap_client_search_deleted(&f->client, NULL)
		    : PB_EPROTO;
		if (st == PB_OK)
			says(f, "* SEARCH 1 2 3\r\nA3 OK\r\n");
		pb_mem_fail_from(0);
		whole = st == PB_OK && f->status == PB_AGAIN;
		if (!whole) {
			says(f, "");
			must_fail(f, PB_ERROR_INTERNAL);
		}
		finish(f);
	}
	assert_true(n > 4);
}

static void
the_password_is_wiped_with_the_client(void **state)
{
	struct fixture *f = start();
	size_t written;

	(void)state;
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	assert_true(f->client.out.secret);
	written = f->client.out.head + f->client.out.len;
	pb_buffer_clear(&f->client.out);
	assert_null(memmem(f->client.out.data, written, "geheim", 6));
	finish(f);
}

static void
states_have_names(void **state)
{
	(void)state;
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_GREETING),
	    "GREETING");
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_CAPABILITY),
	    "CAPABILITY");
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_STARTTLS),
	    "STARTTLS");
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_HANDSHAKE),
	    "HANDSHAKE");
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_LOGIN), "LOGIN");
	assert_string_equal(pb_imap_state_name(PB_IMAP_STATE_READY), "READY");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(a_greeting_with_capabilities_saves_a_question),
		cmocka_unit_test(
		    a_greeting_without_capabilities_is_asked_for_them),
		cmocka_unit_test(capabilities_may_come_in_the_completion),
		cmocka_unit_test(without_sasl_plain_it_is_login),
		cmocka_unit_test(odd_names_go_as_literals_that_are_asked_for),
		cmocka_unit_test(literal_plus_and_minus_save_the_questions),
		cmocka_unit_test(
		    more_questions_than_answers_break_the_protocol),
		cmocka_unit_test(id_is_sent_where_it_is_offered),
		cmocka_unit_test(starttls_comes_before_the_login),
		cmocka_unit_test(what_was_said_before_starttls_is_forgotten),
		cmocka_unit_test(
		    starttls_that_is_not_offered_ends_without_a_login),
		cmocka_unit_test(starttls_that_is_refused_ends_without_a_login),
		cmocka_unit_test(
		    octets_behind_the_ok_of_starttls_are_an_attack),
		cmocka_unit_test(
		    octets_that_come_later_before_the_handshake_are_one_too),
		cmocka_unit_test(preauth_is_refused),
		cmocka_unit_test(greetings_that_refuse_are_temporary),
		cmocka_unit_test(
		    greetings_that_are_not_imap_break_the_protocol),
		cmocka_unit_test(a_server_without_imap4rev1_is_refused),
		cmocka_unit_test(logindisabled_is_respected),
		cmocka_unit_test(refused_logins_mean_what_their_code_says),
		cmocka_unit_test(a_server_that_asks_for_less_is_understood),
		cmocka_unit_test(an_ok_may_ask_for_less_too),
		cmocka_unit_test(bye_during_the_login_is_temporary),
		cmocka_unit_test(
		    a_completion_of_no_command_breaks_the_protocol),
		cmocka_unit_test(credentials_that_cannot_be_sent_are_refused),
		cmocka_unit_test(an_identity_that_cannot_be_sent_is_refused),
		cmocka_unit_test(select_learns_uidvalidity_and_rights),
		cmocka_unit_test(what_a_mailbox_says_of_itself_is_bounded),
		cmocka_unit_test(the_next_select_forgets_what_the_last_said),
		cmocka_unit_test(a_read_only_mailbox_is_noticed),
		cmocka_unit_test(a_change_of_uidvalidity_ends_the_connection),
		cmocka_unit_test(sizes_come_in_any_form),
		cmocka_unit_test(a_body_comes_to_its_end_behind_a_select),
		cmocka_unit_test(
		    what_is_said_before_select_is_answered_is_no_listing),
		cmocka_unit_test(sizes_may_be_asked_for_from_a_uid_on),
		cmocka_unit_test(a_refusal_says_its_scope),
		cmocka_unit_test(a_whole_session_goes_on_under_all_splits),
		cmocka_unit_test(the_uid_may_stand_behind_the_body),
		cmocka_unit_test(other_data_may_stand_between),
		cmocka_unit_test(a_body_may_be_nil_quoted_literal8_or_rfc822),
		cmocka_unit_test(a_body_with_two_uids_ends_the_connection),
		cmocka_unit_test(a_body_that_nobody_names_ends_the_connection),
		cmocka_unit_test(
		    another_part_than_asked_for_ends_the_connection),
		cmocka_unit_test(a_body_that_nobody_waits_for_is_not_told),
		cmocka_unit_test(
		    a_response_that_does_not_close_ends_the_connection),
		cmocka_unit_test(
		    bye_ends_the_connection_unless_it_was_asked_for),
		cmocka_unit_test(crash_lines_are_left_out),
		cmocka_unit_test(too_much_that_is_no_imap_ends_the_connection),
		cmocka_unit_test(commands_are_pipelined_up_to_a_limit),
		cmocka_unit_test(a_search_may_have_a_very_long_answer),
		cmocka_unit_test(after_the_logout_nothing_is_of_interest),
		cmocka_unit_test(
		    every_failing_allocation_breaks_the_client_in_order),
		cmocka_unit_test(the_password_is_wiped_with_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
