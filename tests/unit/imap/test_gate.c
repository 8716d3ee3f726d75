#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/imap/gate.h"
#include "popbridge/imap/grammar.h"

/* From memory of just the size, and from the end of a page. */
static enum pb_status
gate(struct pb_slice response)
{
	struct pb_imap_gated line;
	struct pbt_guarded g;
	char *exact = pbt_exact(response);
	enum pb_status a = pb_imap_gate(pb_slice(exact, response.len), &line);
	enum pb_status b;

	free(exact);
	pbt_guard(&g, response);
	b = pb_imap_gate(g.octets, &line);
	pbt_unguard(&g);
	assert_int_equal(a, b);
	return a;
}

/* What passes is shown to the grammar, which must live through it. */
static enum pb_status
through(struct pb_slice response)
{
	struct pb_imap_gated line;
	struct pb_imap_data data;
	struct pb_imap_grammar *grammar = pb_imap_grammar_new();
	enum pb_status st = pb_imap_gate(response, &line);

	assert_non_null(grammar);
	if (st == PB_OK && line.kind == PB_IMAP_DATA)
		st = pb_imap_grammar_parse(grammar, response, &data);
	pb_imap_grammar_free(&grammar);
	return st;
}

static void
data_that_a_bridge_needs_passes(void **state)
{
	static const char *const lines[] = {
		"* CAPABILITY IMAP4rev1",
		"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN ID ",
		"* capability imap4rev1",
		"* 0 EXISTS",
		"* 23 EXISTS",
		"* 23 exists",
		"* 23 EXISTS ",
		"* 4294967295 EXISTS",
		"* 1 EXPUNGE",
		"* SEARCH",
		"* SEARCH ",
		"* SEARCH 1",
		"* SEARCH 1 2 4294967295 ",
		"* ESEARCH (TAG \"A5\") UID",
		"* ESEARCH (TAG \"A5\") UID ALL 1:3,7",
		"* ESEARCH (TAG A5) UID ALL 3:1",
		"* esearch (tag \"A5\") uid all 4294967295 ",
		"* 1 FETCH (UID 1)",
		"* 1 fetch (uid 1 rfc822.size 0)",
		"* 1 FETCH (RFC822.SIZE 4294967295 UID 4294967295)",
		"* 1 FETCH (UID 5 FLAGS (\\Seen \\Answered $Junk))",
		"* 1 FETCH (UID 5 BODY[] NIL)",
		"* 1 FETCH (UID 5 BODY[] \"\")",
		"* 1 FETCH (UID 5 BODY[] \"a \\\"b\\\" \\\\ c\")",
		"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)",
		"* 1 FETCH (UID 5 BODY[] {4}\r\n\")(\x80)",
		"* 1 FETCH (BODY[]<0> {0}\r\n UID 5)",
		"* 1 FETCH (UID 5 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")",
		"* 1 FETCH (UID 5 MODSEQ (9223372036854775807))",
		"* 1 FETCH (UID 5 BODY[]<16384> {3}\r\nabc)",
		"* 1 FETCH (UID 5 RFC822 {3}\r\nabc)",
		"* 1 FETCH ( UID  5 FLAGS ( \\Seen  $Junk ) )",
		"* LIST () \"/\" INBOX",
		"* LIST (\\Trash) NIL \"Deleted Items\" ",
		"* list (\\Trash) \"/\" {5}\r\nTrash",
		"* STATUS x (MESSAGES 1)",
		"* STATUS INBOX (UIDVALIDITY 4294967295) ",
		"* MYRIGHTS INBOX lrswipkxtea",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_gated line;

		ROW(lines, i);
		assert_int_equal(gate(pb_slice_str(lines[i])), PB_OK);
		assert_int_equal(pb_imap_gate(pb_slice_str(lines[i]), &line),
		    PB_OK);
		assert_int_equal(line.kind, PB_IMAP_DATA);
		assert_int_equal(line.tag.len, 0);
	}
}

static void
data_that_is_malformed_or_not_needed_is_dropped(void **state)
{
	static const char *const lines[] = {
		"",
		"*",
		"* ",
		"*  ",
		"* XYZZY",
		"* FLAGS (\\Seen)",
		"* LIST",
		"* LIST () \"/\"",
		"* LIST () \"/\" Deleted Items",
		"* LIST () \"/\" \"x",
		"* LIST ((((((((",
		"* LIST (\\Trash) \"/\" {4294967290}",
		"* LSUB () \"/\" INBOX",
		"* XLIST (\\Trash) \"/\" x",
		"* STATUS x ()",
		"* STATUS x (UIDVALIDITY 4294967297)",
		"* MYRIGHTS INBOX",
		"* ACL INBOX max te",
		"* LISTRIGHTS INBOX max t e",
		"*  LIST () \"/\" INBOX",
		"* ID NIL",
		"* ENABLED CONDSTORE",
		"* ESEARCH",
		"* ESEARCH UID ALL 1:3",
		"* ESEARCH (TAG \"A1\")",
		"* ESEARCH (TAG \"A1\") ALL 1:3",
		"* ESEARCH (TAG \"\") UID ALL 1:3",
		"* ESEARCH (TAG) UID ALL 1:3",
		"* ESEARCH (TAG \"A1\" UID ALL 1:3",
		"* ESEARCH (TAG \"A1\") UID ALL",
		"* ESEARCH (TAG \"A1\") UID ALL 0",
		"* ESEARCH (TAG \"A1\") UID ALL 1:*",
		"* ESEARCH (TAG \"A1\") UID ALL *",
		"* ESEARCH (TAG \"A1\") UID ALL 1:3,",
		"* ESEARCH (TAG \"A1\") UID ALL ,1",
		"* ESEARCH (TAG \"A1\") UID ALL 1,,2",
		"* ESEARCH (TAG \"A1\") UID ALL 1:2:3",
		"* ESEARCH (TAG \"A1\") UID ALL 1: 2",
		"* ESEARCH (TAG \"A1\") UID ALL 1 2",
		"* ESEARCH (TAG \"A1\") UID ALL 4294967296",
		"* ESEARCH (TAG \"A1\") UID ALL 1:18446744073709551617",
		"* ESEARCH (TAG \"A1\") UID MIN 1 ALL 1:3",
		"* ESEARCH (TAG \"A1\") UID ALL 1:3 MODSEQ 5",
		"* ESEARCH (TAG {2}\r\nA1) UID ALL 1:3",
		"* VANISHED 405",
		"* VANISHED (EARLIER) 41,43:116",
		"* 1 RECENT",
		"* CAPABILITY",
		"* CAPABILITY ",
		"* CAPABILITY IMAP4rev1 (",
		"* CAPABILITY IMAP4rev1 \"x\"",
		"* CAPABILITY IMAP4rev1 {3}\r\nabc",
		"* CAPABILITY IMAP4rev1 \x80",
		"* CAPABILITY IMAP4rev1\tX",
		"* EXISTS",
		"* -1 EXISTS",
		"* 4294967296 EXISTS",
		"* 99999999999999999999 EXISTS",
		"* 1 EXISTS x",
		"* 1  EXISTS",
		"* 0 EXPUNGE",
		"* 4294967297 EXPUNGE",
		"* SEARCH 0",
		"* SEARCH -1",
		"* SEARCH 1  2",
		"* SEARCH 1 x",
		"* SEARCH 4294967296",
		"* SEARCH 1 (MODSEQ 5)",
		"* 0 FETCH (UID 1)",
		"* 4294967296 FETCH (UID 1)",
		"* x FETCH (UID 1)",
		"* 1 FETCH",
		"* 1 FETCH ",
		"* 1 FETCH UID 1",
		"* 1 FETCH (",
		"* 1 FETCH (UID 1",
		"* 1 FETCH (UID 1))",
		"* 1 FETCH ((UID 1)",
		"* 1 FETCH (UID 0)",
		"* 1 FETCH (UID)",
		"* 1 FETCH (UID -1)",
		"* 1 FETCH (UID x)",
		"* 1 FETCH (UID 1 FLAGS (\\Seen \"x\"))",
		"* 1 FETCH (UID 1 FLAGS (a\"b))",
		"* 1 FETCH (UID 1 X-GM-LABELS (x))",
		"* 1 FETCH (UID 1) (UID 2)",
		"* 1 FETCH (UID 1)x",
		"* 1 FETCH ()",
		"* 1 FETCH (UID \"1\")",
		"* 1 FETCH (UID 4294967296)",
		"* 1 FETCH (UID 18446744073709551617)",
		"* 1 FETCH (RFC822.SIZE -7)",
		"* 1 FETCH (RFC822.SIZE 4294967296)",
		"* 1 FETCH (RFC822.SIZE 4294967297)",
		"* 1 FETCH (rfc822.size 4294967297)",
		"* 1 FETCH (UID 1 RFC822.SIZE)",
		"* 1 FETCH (MODSEQ (123456789012345678901))",
		"* 1 FETCH (X 1)",
		"* 1 FETCH (BODY[] \"open)",
		"* 1 FETCH (BODY[] \"\\x\")",
		"* 1 FETCH (BODY[] \"\\)",
		"* 1 FETCH (BODY[] \"a\rb\")",
		"* 1 FETCH (BODY[] \"a\nb\")",
		"* 1 FETCH (FLAGS\r\n)",
		"* 1 FETCH (FLAGS \x80)",
		"* 1 FETCH (FLAGS \x7f)",
		"* 1 FETCH (BODY[] {3}\r\nab)",
		"* 1 FETCH (BODY[] {3}abc)",
		"* 1 FETCH (BODY[] {3}\nabc )",
		"* 1 FETCH (BODY[] {}\r\n)",
		"* 1 FETCH (BODY[] {-1}\r\n)",
		"* 1 FETCH (BODY[] {99999999999}\r\n)",
		"* 1 FETCH (BODY[] {4294967296}\r\n)",
		"* 1 FETCH (FLAGS ((((a)))))",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		ROW(lines, i);
		assert_int_equal(gate(pb_slice_str(lines[i])), PB_EINVAL);
	}
	assert_int_equal(gate(OCTETS("* 1 FETCH (BODY[] \"a\0b\")")), PB_EINVAL);
	assert_int_equal(gate(OCTETS("* 1 FETCH (BODY[] {1}\r\n\0)")), PB_EINVAL);
	assert_int_equal(gate(OCTETS("* 1 FETCH (FLAGS\0)")), PB_EINVAL);
	assert_int_equal(gate(OCTETS("* CAPABILITY A\0B")), PB_EINVAL);
}

static void
tagged_lines_that_complete_nothing_are_refused(void **state)
{
	static const char *const lines[] = { "A1", "A1 ", "A1 HELLO x",
		"A1 BYE x", "A1 PREAUTH x", " OK x", "HTTP/1.1 400 Bad",
		"A1  OK", "220 mail.example.com ESMTP" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		ROW(lines, i);
		assert_int_equal(gate(pb_slice_str(lines[i])), PB_EPROTO);
	}
}

static void
status_lines_are_taken_apart(void **state)
{
	static const struct {
		const char *line;
		enum pb_imap_condition condition;
		const char *tag;
		const char *code;
		const char *text;
	} rows[] = {
		{ "* OK hello", PB_IMAP_OK, "", "", "hello" },
		{ "* ok hello", PB_IMAP_OK, "", "", "hello" },
		{ "* OK", PB_IMAP_OK, "", "", "" },
		{ "* OK ", PB_IMAP_OK, "", "", "" },
		{ "* NO x", PB_IMAP_NO, "", "", "x" },
		{ "* BAD x", PB_IMAP_BAD, "", "", "x" },
		{ "* BYE x", PB_IMAP_BYE, "", "", "x" },
		{ "* BYE", PB_IMAP_BYE, "", "", "" },
		{ "* PREAUTH x", PB_IMAP_PREAUTH, "", "", "x" },
		{ "A1 OK done", PB_IMAP_OK, "A1", "", "done" },
		{ "A1 OK", PB_IMAP_OK, "A1", "", "" },
		{ "A17 NO [AUTHENTICATIONFAILED] no", PB_IMAP_NO, "A17",
		    "AUTHENTICATIONFAILED", "no" },
		{ "A1 OK [READ-WRITE]", PB_IMAP_OK, "A1", "READ-WRITE", "" },
		{ "* OK [UIDVALIDITY 7] x", PB_IMAP_OK, "", "UIDVALIDITY 7",
		    "x" },
		{ "* OK [ALERT]x", PB_IMAP_OK, "", "ALERT", "x" },
		{ "* OK [] x", PB_IMAP_OK, "", "", "x" },
		{ "* OK [open x", PB_IMAP_OK, "", "", "[open x" },
		{ "* OK x [ALERT]", PB_IMAP_OK, "", "", "x [ALERT]" },
		{ "* OK see {5}", PB_IMAP_OK, "", "", "see {5}" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_gated line;

		ROW(rows, i);
		assert_int_equal(gate(pb_slice_str(rows[i].line)), PB_OK);
		assert_int_equal(pb_imap_gate(pb_slice_str(rows[i].line),
		    &line), PB_OK);
		assert_int_equal(line.kind, PB_IMAP_STATUS);
		assert_int_equal(line.condition, rows[i].condition);
		ASSERT_OCTETS(line.tag, pb_slice_str(rows[i].tag));
		ASSERT_OCTETS(line.code, pb_slice_str(rows[i].code));
		ASSERT_OCTETS(line.text, pb_slice_str(rows[i].text));
	}
}

static void
continuations_are_recognised(void **state)
{
	static const char *const lines[] = { "+", "+ ", "+ go", "+ [X", "+OK" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_gated line;

		ROW(lines, i);
		assert_int_equal(gate(pb_slice_str(lines[i])), PB_OK);
		assert_int_equal(pb_imap_gate(pb_slice_str(lines[i]), &line),
		    PB_OK);
		assert_int_equal(line.kind, PB_IMAP_CONTINUE);
	}
}

/*
 * Lines that crash the grammar library, or that it misreads.  Each is either
 * stopped or a status line, which the library never sees.
 */
static void
must_be_stopped(const char *line)
{
	assert_int_equal(gate(pb_slice_str(line)), PB_EINVAL);
}

static void
must_be_status(const char *text)
{
	struct pb_imap_gated line;

	assert_int_equal(gate(pb_slice_str(text)), PB_OK);
	assert_int_equal(pb_imap_gate(pb_slice_str(text), &line), PB_OK);
	assert_int_not_equal(line.kind, PB_IMAP_DATA);
}

static void
permanentflags_with_an_open_brace_is_never_parsed(void **state)
{
	(void)state;
	must_be_status("* OK [PERMANENTFLAGS ({] x");
	must_be_status("* OK [ PERMANENTFLAGS ({] x");
	must_be_status("* NO [PERMANENTFLAGS ({] x");
	must_be_status("A1 OK [PERMANENTFLAGS ({] x");
}

static void
permanentflags_behind_two_blanks_is_stopped(void **state)
{
	(void)state;
	must_be_stopped("*  OK [PERMANENTFLAGS ({] x");
	must_be_status("* OK  [PERMANENTFLAGS ({] x");
}

static void
permanentflags_in_a_continuation_is_never_parsed(void **state)
{
	(void)state;
	must_be_status("+ [PERMANENTFLAGS ({] x");
	must_be_status("+  [PERMANENTFLAGS ({] x");
}

static void
annotation_with_an_open_quote_is_stopped(void **state)
{
	(void)state;
	must_be_stopped("* ANNOTATION X \"");
	must_be_stopped("* ANNOTATEMORE X \"");
	must_be_stopped("* 1 FETCH (ANNOTATION \"");
}

static void
namespace_with_an_open_quote_is_stopped(void **state)
{
	(void)state;
	must_be_stopped("* NAMESPACE ((\"");
	must_be_stopped("* namespace ((\"");
	must_be_stopped("* NAMESPACE NIL NIL NIL");
}

static void
bodystructure_without_end_is_stopped(void **state)
{
	static const char start[] = "* 1 FETCH (BODYSTRUCTURE ";
	char line[20000];

	(void)state;
	memset(line, '(', sizeof(line));
	memcpy(line, start, sizeof(start) - 1);
	line[sizeof(line) - 1] = '\0';
	must_be_stopped(line);
	memset(line + 10000, ')', sizeof(line) - 10001);
	must_be_stopped(line);
}

static void
a_literal_of_gigabytes_is_stopped(void **state)
{
	(void)state;
	must_be_stopped("* 1 FETCH (X {4294967290}\r\n)");
	must_be_stopped("* 1 FETCH (X {4294967296}\r\n)");
	must_be_stopped("* LIST () \"/\" {4294967290}\r\n");
}

static void
sizes_that_the_library_misreads_are_stopped(void **state)
{
	(void)state;
	must_be_stopped("* 1 FETCH (UID 1 RFC822.SIZE 4294967297)");
	must_be_stopped("* 1 FETCH (UID 1 RFC822.SIZE -7)");
}

static void
status_without_items_is_stopped(void **state)
{
	(void)state;
	must_be_stopped("* STATUS x ()");
}

/* The library loses memory on the malformed ones of these. */
static void
a_section_that_was_not_asked_for_is_stopped(void **state)
{
	static const char *const lines[] = { "* 1 FETCH (BODY[ X)",
		"* 1 FETCH (BODY[HEADER.FIELDS (A] NIL)",
		"* 1 FETCH (BODY[HEADER.FIELDS (A)] {0}\r\n)",
		"* 1 FETCH (BODY[HEADER] NIL)", "* 1 FETCH (BODY[1] NIL)",
		"* 1 FETCH (BODY[)", "* 1 FETCH (BODY[1.)",
		"* 1 FETCH (BODY[]< NIL)", "* 1 FETCH (BODY[]<x> NIL)",
		"* 1 FETCH (BODY[]<> NIL)", "* 1 FETCH (BODY[]x NIL)" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		ROW(lines, i);
		must_be_stopped(lines[i]);
	}
}

static void
structure_and_envelope_are_stopped(void **state)
{
	(void)state;
	must_be_stopped("* 12 FETCH (BODYSTRUCTURE (\"TEXT\" NIL NIL \"7BIT\" "
	    "302))");
	must_be_stopped("* 1 FETCH (UID 5 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" "
	    "NIL NIL NIL \"7BIT\" 302 3))");
	must_be_stopped("* 1 FETCH (BODY (\"TEXT\" \"PLAIN\"))");
	must_be_stopped("* 1 FETCH (ENVELOPE (NIL NIL NIL))");
	must_be_stopped("* 1 FETCH (RFC822.HEADER {0}\r\n)");
}

static void
a_tag_and_its_bye_without_text_are_status(void **state)
{
	(void)state;
	must_be_status("A1 OK");
	must_be_status("* BYE");
	must_be_status("* OK");
	must_be_status("* PREAUTH");
	must_be_stopped("");
}

static void
nested_messages_are_stopped_by_their_depth(void **state)
{
	(void)state;
	must_be_stopped("* 1 FETCH (BODYSTRUCTURE (\"MESSAGE\" \"RFC822\" NIL "
	    "NIL NIL \"7BIT\" 1 (NIL NIL ((NIL NIL \"a\" (\"b\"))) NIL)))");
}

/* Octets that matter, put together by chance. */
static void
whatever_passes_is_harmless_to_the_grammar(void **state)
{
	static const char *const pieces[] = { "* ", "1 ", "FETCH ", "(", ")",
		"UID ", "5", " ", "BODY[", "]", "BODY[] ", "\"", "\\", "{1}\r\n",
		"{0}\r\n", "NIL", "FLAGS ", "RFC822.SIZE ", "OK ", "[",
		"PERMANENTFLAGS ", "BODYSTRUCTURE ", "ENVELOPE ", "SEARCH ",
		"CAPABILITY ", "HEADER.FIELDS ", "INTERNALDATE ", "X-GM-LABELS ",
		"MODSEQ ", "ANNOTATION ", "QUOTA " };
	struct pbt_random random;
	unsigned i, passed = 0;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 20000; i++) {
		struct pb_buffer in;
		unsigned n = 2 + (unsigned)pbt_random_below(&random, 12);

		pb_buffer_init(&in, 4096);
		pbt_say(&in, "* 1 FETCH (");
		while (n-- > 0)
			pbt_say(&in, "%s", pieces[pbt_random_below(&random,
			    COUNT(pieces))]);
		pbt_say(&in, ")");
		passed += through(pb_buffer_slice(&in)) != PB_EINVAL;
		pb_buffer_fini(&in);
	}
	assert_true(passed > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_that_a_bridge_needs_passes),
		cmocka_unit_test(
		    data_that_is_malformed_or_not_needed_is_dropped),
		cmocka_unit_test(
		    tagged_lines_that_complete_nothing_are_refused),
		cmocka_unit_test(status_lines_are_taken_apart),
		cmocka_unit_test(continuations_are_recognised),
		cmocka_unit_test(
		    permanentflags_with_an_open_brace_is_never_parsed),
		cmocka_unit_test(permanentflags_behind_two_blanks_is_stopped),
		cmocka_unit_test(
		    permanentflags_in_a_continuation_is_never_parsed),
		cmocka_unit_test(annotation_with_an_open_quote_is_stopped),
		cmocka_unit_test(namespace_with_an_open_quote_is_stopped),
		cmocka_unit_test(bodystructure_without_end_is_stopped),
		cmocka_unit_test(a_literal_of_gigabytes_is_stopped),
		cmocka_unit_test(sizes_that_the_library_misreads_are_stopped),
		cmocka_unit_test(status_without_items_is_stopped),
		cmocka_unit_test(a_section_that_was_not_asked_for_is_stopped),
		cmocka_unit_test(structure_and_envelope_are_stopped),
		cmocka_unit_test(a_tag_and_its_bye_without_text_are_status),
		cmocka_unit_test(nested_messages_are_stopped_by_their_depth),
		cmocka_unit_test(whatever_passes_is_harmless_to_the_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
