#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/mailbox_name.h"
#include "popbridge/imap/writer.h"
#include "popbridge/version.h"

struct fixture {
	struct pb_imap_writer *writer;
	struct pb_buffer out;
};

static int
set_up(void **state)
{
	struct fixture *f = pb_xalloc(sizeof(*f));

	f->writer = pb_imap_writer_new();
	pb_buffer_init_secret(&f->out, 64 * 1024);
	*state = f;
	return f->writer == NULL;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	pb_imap_writer_free(&f->writer);
	pb_buffer_fini(&f->out);
	pb_free(f);
	return 0;
}

/* The command was written; this is what came of it. */
static void
must_be(struct fixture *f, enum pb_status st, struct pb_slice want)
{
	assert_int_equal(st, PB_OK);
	ASSERT_OCTETS(pb_buffer_slice(&f->out), want);
	pb_buffer_clear(&f->out);
}

#define MUST_BE(f, call, want) must_be((f), (call), OCTETS(want))

static void
simple_commands_are_one_word(void **state)
{
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_simple(f->writer, &f->out, "A1",
	    PB_IMAP_CAPABILITY), "A1 CAPABILITY\r\n");
	MUST_BE(f, pb_imap_write_simple(f->writer, &f->out, "A2",
	    PB_IMAP_STARTTLS), "A2 STARTTLS\r\n");
	MUST_BE(f, pb_imap_write_simple(f->writer, &f->out, "A3",
	    PB_IMAP_NOOP), "A3 NOOP\r\n");
	MUST_BE(f, pb_imap_write_simple(f->writer, &f->out, "A4",
	    PB_IMAP_EXPUNGE), "A4 EXPUNGE\r\n");
	MUST_BE(f, pb_imap_write_simple(f->writer, &f->out, "A4294967295",
	    PB_IMAP_LOGOUT), "A4294967295 LOGOUT\r\n");
}

static void
id_says_who_we_are(void **state)
{
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_id(&f->out, "A1"),
	    "A1 ID (\"name\" \"popbridge\" \"version\" \"" PB_VERSION
	    "\")\r\n");
}

static void
select_names_the_mailbox(void **state)
{
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_select(f->writer, &f->out, "A1", "INBOX"),
	    "A1 SELECT INBOX\r\n");
	MUST_BE(f, pb_imap_write_select(f->writer, &f->out, "A1", "Old Mail"),
	    "A1 SELECT \"Old Mail\"\r\n");
	MUST_BE(f, pb_imap_write_select(f->writer, &f->out, "A1", "a\"b\\c"),
	    "A1 SELECT \"a\\\"b\\\\c\"\r\n");
}

static void
fetches_ask_by_uid_and_do_not_set_seen(void **state)
{
	static const uint32_t uids[] = { 7, 8, 9, 11, 4294967295u };
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_fetch_uids(f->writer, &f->out, "A1",
	    4294967295u), "A1 UID FETCH 4294967295:* (UID)\r\n");
	MUST_BE(f, pb_imap_write_fetch_sizes(f->writer, &f->out, "A1", 1),
	    "A1 UID FETCH 1:* (UID RFC822.SIZE)\r\n");
	MUST_BE(f, pb_imap_write_fetch_sizes(f->writer, &f->out, "A1",
	    4294967295u), "A1 UID FETCH 4294967295:* (UID RFC822.SIZE)\r\n");
	MUST_BE(f, pb_imap_write_fetch_bodies(f->writer, &f->out, "A1", uids,
	    1, 0), "A1 UID FETCH 7 (UID BODY.PEEK[])\r\n");
	MUST_BE(f, pb_imap_write_fetch_bodies(f->writer, &f->out, "A1", uids,
	    5, 0), "A1 UID FETCH 7:9,11,4294967295 (UID BODY.PEEK[])\r\n");
	MUST_BE(f, pb_imap_write_fetch_bodies(f->writer, &f->out, "A1",
	    uids + 4, 1, 4294967295u), "A1 UID FETCH 4294967295 (UID "
	    "BODY.PEEK[]<0.4294967295>)\r\n");
	MUST_BE(f, pb_imap_write_fetch_bodies(f->writer, &f->out, "A1", uids,
	    2, 16384), "A1 UID FETCH 7:8 (UID BODY.PEEK[]<0.16384>)\r\n");
}

static void
stores_are_silent_and_name_one_flag(void **state)
{
	static const uint32_t uids[] = { 7, 8, 9, 11, 4294967295u };
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_store(f->writer, &f->out, "A1", uids, 5,
	    true, PB_IMAP_FLAG_DELETED),
	    "A1 UID STORE 7:9,11,4294967295 +FLAGS.SILENT (\\Deleted)\r\n");
	MUST_BE(f, pb_imap_write_store(f->writer, &f->out, "A1", uids, 1,
	    false, PB_IMAP_FLAG_DELETED),
	    "A1 UID STORE 7 -FLAGS.SILENT (\\Deleted)\r\n");
	MUST_BE(f, pb_imap_write_store(f->writer, &f->out, "A1", uids, 2,
	    true, PB_IMAP_FLAG_SEEN),
	    "A1 UID STORE 7:8 +FLAGS.SILENT (\\Seen)\r\n");
}

static void
a_keyword_is_stored_as_a_flag(void **state)
{
	static const uint32_t uids[] = { 7, 8 };
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_store(f->writer, &f->out, "A1", uids, 2,
	    true, PB_IMAP_FLAG_POP3_DELETED),
	    "A1 UID STORE 7:8 +FLAGS.SILENT ($POP3Deleted)\r\n");
	MUST_BE(f, pb_imap_write_store(f->writer, &f->out, "A1", uids, 1,
	    false, PB_IMAP_FLAG_POP3_DELETED),
	    "A1 UID STORE 7 -FLAGS.SILENT ($POP3Deleted)\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_POP3_DELETED, false),
	    "A1 UID SEARCH KEYWORD $POP3Deleted\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_POP3_DELETED, true),
	    "A1 UID SEARCH RETURN (ALL) KEYWORD $POP3Deleted\r\n");
}

static void
mailboxes_are_named_in_quotes(void **state)
{
	static const uint32_t uids[] = { 7, 8, 9, 11, 4294967295u };
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_transfer(&f->out, "A1", PB_IMAP_COPY, uids,
	    5, OCTETS("Trash")),
	    "A1 UID COPY 7:9,11,4294967295 \"Trash\"\r\n");
	MUST_BE(f, pb_imap_write_transfer(&f->out, "A1", PB_IMAP_MOVE, uids,
	    1, OCTETS("a\"b\\c d")), "A1 UID MOVE 7 \"a\\\"b\\\\c d\"\r\n");
	MUST_BE(f, pb_imap_write_question(&f->out, "A1", PB_IMAP_CREATE,
	    OCTETS("{3}")), "A1 CREATE \"{3}\"\r\n");
	MUST_BE(f, pb_imap_write_question(&f->out, "A1", PB_IMAP_MYRIGHTS,
	    OCTETS("NIL")), "A1 MYRIGHTS \"NIL\"\r\n");
	MUST_BE(f, pb_imap_write_question(&f->out, "A1",
	    PB_IMAP_STATUS_UIDVALIDITY, OCTETS("&APw-")),
	    "A1 STATUS \"&APw-\" (UIDVALIDITY)\r\n");
	MUST_BE(f, pb_imap_write_question(&f->out, "A1", PB_IMAP_CREATE,
	    OCTETS("\xfc\"\\")), "A1 CREATE {3+}\r\n\xfc\"\\\r\n");
	MUST_BE(f, pb_imap_write_list(&f->out, "A1", false),
	    "A1 LIST \"\" \"*\"\r\n");
	MUST_BE(f, pb_imap_write_list(&f->out, "A1", true),
	    "A1 LIST (SPECIAL-USE) \"\" \"*\"\r\n");
}

static void
the_longest_name_has_room_in_quotes(void **state)
{
	struct fixture *f = *state;
	char name[PB_IMAP_MAILBOX_MAX];
	char *exact;

	memset(name, '"', sizeof(name));
	exact = pbt_exact(pb_slice(name, sizeof(name)));
	assert_int_equal(pb_imap_write_question(&f->out, "A1",
	    PB_IMAP_CREATE, pb_slice(exact, sizeof(name))), PB_OK);
	assert_int_equal(f->out.len, strlen("A1 CREATE \"\"\r\n") +
	    2 * sizeof(name));
	pb_buffer_clear(&f->out);
	free(exact);
}

static void
expunge_and_search_go_by_uid(void **state)
{
	static const uint32_t uids[] = { 1, 2, 4 };
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_uid_expunge(f->writer, &f->out, "A1", uids,
	    3), "A1 UID EXPUNGE 1:2,4\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_DELETED, false), "A1 UID SEARCH DELETED\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_ALL, false), "A1 UID SEARCH ALL\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_DELETED, true),
	    "A1 UID SEARCH RETURN (ALL) DELETED\r\n");
	MUST_BE(f, pb_imap_write_search(&f->out, "A1",
	    PB_IMAP_SEARCH_ALL, true), "A1 UID SEARCH RETURN (ALL) ALL\r\n");
}

static void
plain_logins_are_atoms_or_quoted(void **state)
{
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_login(f->writer, &f->out, "A1",
	    OCTETS("max"), OCTETS("geheim123")),
	    "A1 LOGIN max geheim123\r\n");
	MUST_BE(f, pb_imap_write_login(f->writer, &f->out, "A1",
	    OCTETS("max mustermann"), OCTETS("{9}%*()")),
	    "A1 LOGIN \"max mustermann\" \"{9}%*()\"\r\n");
}

/* Undo quoting, or take an atom; what is behind it stays in *in. */
static void
unquote(struct pb_slice *in, struct pb_buffer *out)
{
	if (in->data[0] != '"') {
		struct pb_slice atom = pb_slice_word(in);
		size_t i;

		assert_true(atom.len > 0);
		for (i = 0; i < atom.len; i++)
			assert_null(strchr("(){%*\"\\", atom.data[i]));
		pbt_put(out, atom);
		return;
	}
	pb_slice_skip(in, 1);
	while (in->len > 0 && in->data[0] != '"') {
		if (in->data[0] == '\\')
			pb_slice_skip(in, 1);
		assert_true(in->len > 0);
		pbt_put(out, pb_slice(in->data, 1));
		pb_slice_skip(in, 1);
	}
	assert_true(in->len > 0);
	pb_slice_skip(in, in->len > 1 ? 2 : 1);
}

static void
every_plain_character_of_a_login_arrives(void **state)
{
	static const char all[] = " !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJ"
	    "KLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~ ";
	static const char *const words[] = { all, "a b", " a", "a ", "%", "*",
		"NIL", "{5}", "(", "max@example.com", "x" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT(words); i++) {
		struct pb_slice word = pb_slice_str(words[i]);
		struct pb_slice line;
		struct pb_buffer user, pass;

		ROW(words, i);
		assert_true(pb_imap_login_is_plain(word, word));
		assert_int_equal(pb_imap_write_login(f->writer, &f->out, "A1",
		    word, word), PB_OK);
		line = pb_buffer_slice(&f->out);
		assert_true(pb_slice_starts(line, "A1 LOGIN "));
		assert_int_equal(pb_slice_find(line, '\n'), line.len - 1);
		line = pb_slice_sub(line, strlen("A1 LOGIN "), line.len - 2);
		pb_buffer_init(&user, 1000);
		pb_buffer_init(&pass, 1000);
		unquote(&line, &user);
		unquote(&line, &pass);
		assert_int_equal(line.len, 0);
		ASSERT_OCTETS(pb_buffer_slice(&user), word);
		ASSERT_OCTETS(pb_buffer_slice(&pass), word);
		pb_buffer_fini(&user);
		pb_buffer_fini(&pass);
		pb_buffer_clear(&f->out);
	}
}

static void
what_could_break_quoting_is_not_plain(void **state)
{
	static const char *const words[] = { "a\"b", "a\\b", "a\rb", "a\nb",
		"\x7f", "\x80", "m\xc3\xbcller", "\t", "\x1f" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++) {
		ROW(words, i);
		assert_false(pb_imap_login_is_plain(pb_slice_str(words[i]),
		    OCTETS("x")));
		assert_false(pb_imap_login_is_plain(OCTETS("x"),
		    pb_slice_str(words[i])));
	}
	assert_false(pb_imap_login_is_plain(OCTETS("a\0b"), OCTETS("x")));
}

static void
odd_logins_go_as_literals_exactly(void **state)
{
	struct pb_slice user = OCTETS("m\xc3\xbc\"ll\\er {3}");
	struct pb_slice pass = OCTETS("p%a \xff");
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_login_literal(&f->out, "A1", 0, user, pass,
	    true), "A1 LOGIN {13}\r\n");
	MUST_BE(f, pb_imap_write_login_literal(&f->out, "", 1, user, pass,
	    true), "m\xc3\xbc\"ll\\er {3} {5}\r\n");
	MUST_BE(f, pb_imap_write_login_literal(&f->out, "", 2, user, pass,
	    true), "p%a \xff\r\n");
	MUST_BE(f, pb_imap_write_login_literal(&f->out, "A1", 0, user, pass,
	    false), "A1 LOGIN {13+}\r\n");
	MUST_BE(f, pb_imap_write_login_literal(&f->out, "", 1, user, pass,
	    false), "m\xc3\xbc\"ll\\er {3} {5+}\r\n");
}

static struct pb_imap_credential
credential(enum pb_imap_sasl mechanism, const char *authzid, const char *user,
    const char *secret)
{
	return (struct pb_imap_credential){ .mechanism = mechanism,
		.authzid = pb_slice_str(authzid), .user = pb_slice_str(user),
		.secret = pb_slice_str(secret) };
}

static void
authenticate_with_and_without_the_initial_response(void **state)
{
	static const struct {
		enum pb_imap_sasl mechanism;
		const char *authzid, *user, *secret, *command, *message;
	} rows[] = {
		{ PB_IMAP_SASL_PLAIN, "", "max", "geheim123",
		    "A1 AUTHENTICATE PLAIN", "AG1heABnZWhlaW0xMjM=\r\n" },
		{ PB_IMAP_SASL_PLAIN, "", "\xff\"\\", "\xfe {5}",
		    "A1 AUTHENTICATE PLAIN", "AP8iXAD+IHs1fQ==\r\n" },
		{ PB_IMAP_SASL_PLAIN, "boss", "max", "x",
		    "A1 AUTHENTICATE PLAIN", "Ym9zcwBtYXgAeA==\r\n" },
		/* Google's example */
		{ PB_IMAP_SASL_XOAUTH2, "", "someuser@example.com",
		    "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
		    "A1 AUTHENTICATE XOAUTH2",
		    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5"
		    "LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cB"
		    "AQ==\r\n" },
		{ PB_IMAP_SASL_XOAUTH2, "", "m,a=x", "x",
		    "A1 AUTHENTICATE XOAUTH2",
		    "dXNlcj1tLGE9eAFhdXRoPUJlYXJlciB4AQE=\r\n" },
		/* n,a=m=2Ca=3Dx,^Aauth=Bearer x^A^A */
		{ PB_IMAP_SASL_OAUTHBEARER, "", "m,a=x", "x",
		    "A1 AUTHENTICATE OAUTHBEARER",
		    "bixhPW09MkNhPTNEeCwBYXV0aD1CZWFyZXIgeAEB\r\n" },
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_credential c = credential(rows[i].mechanism,
		    rows[i].authzid, rows[i].user, rows[i].secret);
		char want[512];

		ROW(rows, i);
		snprintf(want, sizeof(want), "%s\r\n", rows[i].command);
		must_be(f, pb_imap_write_authenticate(f->writer, &f->out,
		    "A1", false, &c), pb_slice_str(want));
		must_be(f, pb_imap_write_message(&f->out, &c),
		    pb_slice_str(rows[i].message));
		snprintf(want, sizeof(want), "%s %s", rows[i].command,
		    rows[i].message);
		must_be(f, pb_imap_write_authenticate(f->writer, &f->out,
		    "A1", true, &c), pb_slice_str(want));
	}
}

static void
the_reason_for_a_refusal_is_dismissed_as_the_mechanism_wants_it(void **state)
{
	struct fixture *f = *state;

	MUST_BE(f, pb_imap_write_dismissal(&f->out, PB_IMAP_SASL_XOAUTH2),
	    "\r\n");
	MUST_BE(f, pb_imap_write_dismissal(&f->out, PB_IMAP_SASL_OAUTHBEARER),
	    "AQ==\r\n");
}

static void
a_long_credential_is_one_line_of_base64(void **state)
{
	struct fixture *f = *state;
	char text[255] = "";
	struct pb_slice all = pb_slice(text, sizeof(text));
	struct pb_imap_credential c = { .mechanism = PB_IMAP_SASL_PLAIN,
		.authzid = all, .user = all, .secret = all };
	struct pb_slice line;

	memset(text, 'x', sizeof(text));
	assert_int_equal(pb_imap_write_message(&f->out, &c), PB_OK);
	line = pb_buffer_slice(&f->out);
	assert_int_equal(line.len, (767 + 2) / 3 * 4 + 2);
	assert_int_equal(pb_slice_find(line, '\r'), line.len - 2);
}

static void
a_token_of_several_kilobytes_is_one_line_of_base64(void **state)
{
	struct fixture *f = *state;
	char text[9000] = "";
	struct pb_imap_credential c = { .mechanism = PB_IMAP_SASL_XOAUTH2,
		.user = OCTETS("max"), .secret = { text, sizeof(text) } };
	size_t len = strlen("user=max.auth=Bearer ..") + sizeof(text);
	struct pb_slice line;

	memset(text, 'x', sizeof(text));
	assert_int_equal(pb_imap_write_authenticate(f->writer, &f->out, "A1",
	    true, &c), PB_OK);
	line = pb_buffer_slice(&f->out);
	assert_int_equal(line.len, strlen("A1 AUTHENTICATE XOAUTH2 ") +
	    (len + 2) / 3 * 4 + 2);
	assert_int_equal(pb_slice_find(line, '\r'), line.len - 2);
}

static void
a_set_takes_what_fits_into_a_command(void **state)
{
	enum { N = 2000 };
	struct fixture *f = *state;
	uint32_t *uids = pb_xalloc(N * sizeof(*uids));
	size_t i;

	for (i = 0; i < N; i++)
		uids[i] = 4294967295u - 2 * (N - (uint32_t)i);
	assert_int_equal(pb_imap_set_take(uids, N), PB_IMAP_SET_RANGES_MAX);
	assert_int_equal(pb_imap_set_take(uids, 3), 3);
	assert_int_equal(pb_imap_set_take(uids, 0), 0);
	assert_int_equal(pb_imap_write_store(f->writer, &f->out,
	    "A4294967295", uids, pb_imap_set_take(uids, N), true,
	    PB_IMAP_FLAG_DELETED), PB_OK);
	assert_true(f->out.len < 1000);
	for (i = 0; i < N; i++)
		uids[i] = 1 + (uint32_t)i;
	assert_int_equal(pb_imap_set_take(uids, N), N);
	pb_free(uids);
}

static void
the_longest_sets_stay_under_1000_octets(void **state)
{
	enum { N = 3 * PB_IMAP_SET_RANGES_MAX + 30 };
	struct fixture *f = *state;
	uint32_t uids[N];
	size_t i, n;

	/* Pairs with a gap between, as long as UIDs can be. */
	for (i = 0; i < N; i++)
		uids[i] = 4294967295u - 3 * (N - (uint32_t)i) / 2;
	n = pb_imap_set_take(uids, N);
	assert_true(n > 0 && n < N);
	assert_int_equal(pb_imap_write_uid_expunge(f->writer, &f->out,
	    "A4294967295", uids, n), PB_OK);
	assert_true(f->out.len <= 1000);
	pb_buffer_clear(&f->out);
	assert_int_equal(pb_imap_write_store(f->writer, &f->out,
	    "A4294967295", uids, n, true, PB_IMAP_FLAG_POP3_DELETED), PB_OK);
	assert_true(f->out.len <= 1000);
}

static uint32_t
number(struct pb_slice *in, char *end)
{
	size_t digits = 0;
	uint64_t n = 0;

	while (digits < in->len && in->data[digits] >= '0' &&
	    in->data[digits] <= '9')
		digits++;
	assert_int_equal(pb_slice_number(pb_slice_sub(*in, 0, digits),
	    UINT32_MAX, &n), PB_OK);
	assert_true(digits < in->len);
	*end = in->data[digits];
	pb_slice_skip(in, digits + 1);
	return (uint32_t)n;
}

/* Read a set back, in its simplest way. */
static size_t
read_set(struct pb_slice in, uint32_t *uids, size_t max)
{
	size_t n = 0;
	char end = ',';

	while (end == ',') {
		uint32_t first = number(&in, &end);
		uint32_t last = end == ':' ? number(&in, &end) : first;

		for (; first <= last && n < max; first++)
			uids[n++] = first;
	}
	return n;
}

static void
sets_name_exactly_the_uids_given(void **state)
{
	struct fixture *f = *state;
	struct pbt_random random;
	unsigned round;

	pbt_random_init(&random);
	for (round = 0; round < 500; round++) {
		uint32_t uids[200], back[200];
		size_t i, n = 1 + pbt_random_below(&random, 200), sent = 0;
		uint32_t uid = 0;

		for (i = 0; i < n; i++) {
			uid += 1 + (uint32_t)(pbt_random_below(&random, 3) / 2);
			uids[i] = uid;
		}
		while (sent < n) {
			size_t part = pb_imap_set_take(uids + sent, n - sent);
			struct pb_slice line;

			assert_true(part > 0);
			assert_int_equal(pb_imap_write_uid_expunge(f->writer,
			    &f->out, "A1", uids + sent, part), PB_OK);
			line = pb_buffer_slice(&f->out);
			pb_slice_skip(&line, strlen("A1 UID EXPUNGE "));
			assert_int_equal(read_set(line, back, 200), part);
			assert_memory_equal(back, uids + sent,
			    part * sizeof(*uids));
			sent += part;
			pb_buffer_clear(&f->out);
		}
	}
}

static void
a_command_that_does_not_fit_leaves_nothing(void **state)
{
	static const uint32_t uids[] = { 1, 3 };
	struct fixture *f = *state;
	struct pb_buffer out;
	struct pb_slice x = OCTETS("x");
	struct pb_imap_credential c = credential(PB_IMAP_SASL_PLAIN, "x", "x",
	    "x");
	struct pb_imap_credential token = credential(PB_IMAP_SASL_OAUTHBEARER,
	    "", "x", "x");

	pb_buffer_init(&out, 10);
	pbt_put(&out, pb_slice_str("kept"));
#define MUST_NOT_FIT(call) do {                                          \
	assert_int_equal((call), PB_ETOOBIG);                            \
	ASSERT_TEXT(pb_buffer_slice(&out), "kept");                      \
} while (0)
	MUST_NOT_FIT(pb_imap_write_simple(f->writer, &out, "A1",
	    PB_IMAP_CAPABILITY));
	MUST_NOT_FIT(pb_imap_write_id(&out, "A1"));
	MUST_NOT_FIT(pb_imap_write_login(f->writer, &out, "A1", x, x));
	MUST_NOT_FIT(pb_imap_write_login_literal(&out, "A1", 0, x, x, true));
	MUST_NOT_FIT(pb_imap_write_login_literal(&out, "A1", 1, x, x, true));
	MUST_NOT_FIT(pb_imap_write_login_literal(&out, "A1", 2,
	    OCTETS("x"), OCTETS("xxxxx"), true));
	MUST_NOT_FIT(pb_imap_write_authenticate(f->writer, &out, "A1", false,
	    &c));
	MUST_NOT_FIT(pb_imap_write_authenticate(f->writer, &out, "A1", true,
	    &c));
	MUST_NOT_FIT(pb_imap_write_message(&out, &c));
	MUST_NOT_FIT(pb_imap_write_message(&out, &token));
	MUST_NOT_FIT(pb_imap_write_select(f->writer, &out, "A1", "INBOX"));
	MUST_NOT_FIT(pb_imap_write_fetch_uids(f->writer, &out, "A1", 1));
	MUST_NOT_FIT(pb_imap_write_fetch_sizes(f->writer, &out, "A1", 1));
	MUST_NOT_FIT(pb_imap_write_fetch_bodies(f->writer, &out, "A1",
	    uids, 2, 0));
	MUST_NOT_FIT(pb_imap_write_store(f->writer, &out, "A1", uids, 2, true,
	    PB_IMAP_FLAG_SEEN));
	MUST_NOT_FIT(pb_imap_write_uid_expunge(f->writer, &out, "A1", uids,
	    2));
	MUST_NOT_FIT(pb_imap_write_search(&out, "A1",
	    PB_IMAP_SEARCH_ALL, false));
	MUST_NOT_FIT(pb_imap_write_search(&out, "A1",
	    PB_IMAP_SEARCH_ALL, true));
	MUST_NOT_FIT(pb_imap_write_transfer(&out, "A1", PB_IMAP_COPY, uids, 2,
	    x));
	MUST_NOT_FIT(pb_imap_write_question(&out, "A", PB_IMAP_CREATE, x));
	MUST_NOT_FIT(pb_imap_write_list(&out, "A1", false));
#undef MUST_NOT_FIT
	pb_buffer_fini(&out);
	/* And the next one is whole. */
	simple_commands_are_one_word(state);
}

static void
a_command_that_fits_in_part_leaves_nothing(void **state)
{
	static const uint32_t uids[] = { 1, 3 };
	const struct pb_slice names[] = { OCTETS("Trash"), OCTETS("\xfc") };
	size_t i, max;

	(void)state;
	for (i = 0; i < 2; i++) {
		enum pb_status st = PB_ETOOBIG;

		for (max = 4; st != PB_OK; max++) {
			struct pb_buffer out;

			pb_buffer_init(&out, max);
			pbt_put(&out, pb_slice_str("kept"));
			st = pb_imap_write_transfer(&out, "A1", PB_IMAP_MOVE,
			    uids, 2, names[i]);
			assert_true(st == PB_OK || st == PB_ETOOBIG);
			if (st != PB_OK)
				ASSERT_TEXT(pb_buffer_slice(&out), "kept");
			pb_buffer_fini(&out);
		}
		assert_true(max > 24);
	}
}

static enum pb_status
write_all(struct fixture *f, struct pb_buffer *out)
{
	static const uint32_t uids[] = { 1, 3 };
	struct pb_slice x = OCTETS("x");
	struct pb_imap_credential c = credential(PB_IMAP_SASL_OAUTHBEARER, "",
	    "x", "x");
	enum pb_status st;

	st = pb_imap_write_authenticate(f->writer, out, "A1", true, &c);
	if (st == PB_OK)
		st = pb_imap_write_login(f->writer, out, "A1", x, x);
	if (st == PB_OK)
		st = pb_imap_write_store(f->writer, out, "A1", uids, 2, true,
		    PB_IMAP_FLAG_POP3_DELETED);
	if (st == PB_OK)
		st = pb_imap_write_transfer(out, "A1", PB_IMAP_MOVE, uids, 2,
		    x);
	if (st == PB_OK)
		st = pb_imap_write_fetch_sizes(f->writer, out, "A1", 1);
	return st;
}

static void
every_failing_allocation_is_said(void **state)
{
	struct fixture *f = *state;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	for (n = 1; st != PB_OK; n++) {
		struct pb_buffer out;

		assert_true(n < 100);
		pb_buffer_init_secret(&out, 64 * 1024);
		pb_mem_fail_from(n);
		st = write_all(f, &out);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
		pb_buffer_fini(&out);
	}
	assert_true(n > 3);
	simple_commands_are_one_word(state);
}

static void
no_memory_for_a_writer_is_said(void **state)
{
	(void)state;
	pb_mem_fail_from(1);
	assert_null(pb_imap_writer_new());
	pb_mem_fail_from(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(simple_commands_are_one_word),
		TEST(id_says_who_we_are),
		TEST(select_names_the_mailbox),
		TEST(fetches_ask_by_uid_and_do_not_set_seen),
		TEST(stores_are_silent_and_name_one_flag),
		TEST(a_keyword_is_stored_as_a_flag),
		TEST(mailboxes_are_named_in_quotes),
		TEST(the_longest_name_has_room_in_quotes),
		TEST(expunge_and_search_go_by_uid),
		TEST(plain_logins_are_atoms_or_quoted),
		TEST(every_plain_character_of_a_login_arrives),
		TEST(what_could_break_quoting_is_not_plain),
		TEST(odd_logins_go_as_literals_exactly),
		TEST(authenticate_with_and_without_the_initial_response),
		TEST(the_reason_for_a_refusal_is_dismissed_as_the_mechanism_wants_it),
		TEST(a_token_of_several_kilobytes_is_one_line_of_base64),
		TEST(a_long_credential_is_one_line_of_base64),
		TEST(a_set_takes_what_fits_into_a_command),
		TEST(the_longest_sets_stay_under_1000_octets),
		TEST(sets_name_exactly_the_uids_given),
		TEST(a_command_that_does_not_fit_leaves_nothing),
		TEST(a_command_that_fits_in_part_leaves_nothing),
		TEST(every_failing_allocation_is_said),
		TEST(no_memory_for_a_writer_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
