#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/gate.h"
#include "popbridge/imap/grammar.h"

static int
set_up(void **state)
{
	*state = pb_imap_grammar_new();
	return *state == NULL;
}

static int
tear_down(void **state)
{
	struct pb_imap_grammar *g = *state;

	pb_imap_grammar_free(&g);
	return g != NULL;
}

/* Through the gate first, as always; from memory of just the size. */
static enum pb_status
parse(void **state, struct pb_slice response, struct pb_imap_data *data)
{
	struct pb_imap_gated line;
	char *exact = pbt_exact(response);
	enum pb_status st = pb_imap_gate(pb_slice(exact, response.len), &line);

	assert_int_equal(st, PB_OK);
	assert_int_equal(line.kind, PB_IMAP_DATA);
	st = pb_imap_grammar_parse(*state, pb_slice(exact, response.len),
	    data);
	free(exact);
	return st;
}

static struct pb_imap_data
good(void **state, struct pb_slice response)
{
	struct pb_imap_data data;

	assert_int_equal(parse(state, response, &data), PB_OK);
	return data;
}

static void
capabilities_of_usual_servers_are_read(void **state)
{
	static const struct {
		const char *line;
		unsigned want;
	} rows[] = {
		/* Dovecot before the login, and after it */
		{ "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE "
		  "IDLE LITERAL+ STARTTLS LOGINDISABLED",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_SASL_IR |
		    PB_IMAP_CAP_ID | PB_IMAP_CAP_LITERAL_PLUS |
		    PB_IMAP_CAP_STARTTLS | PB_IMAP_CAP_LOGINDISABLED },
		{ "* CAPABILITY IMAP4rev1 SASL-IR ID UIDPLUS LITERAL+ "
		  "THREAD=REFERENCES CONDSTORE QRESYNC PREVIEW=FUZZY",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_SASL_IR |
		    PB_IMAP_CAP_ID | PB_IMAP_CAP_UIDPLUS |
		    PB_IMAP_CAP_LITERAL_PLUS },
		{ "* CAPABILITY IMAP4rev1 ESEARCH ESORT SEARCHRES",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_ESEARCH },
		/* Gmail */
		{ "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID "
		  "XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 "
		  "AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_ID |
		    PB_IMAP_CAP_SASL_IR | PB_IMAP_CAP_AUTH_PLAIN |
		    PB_IMAP_CAP_AUTH_XOAUTH2 | PB_IMAP_CAP_AUTH_OAUTHBEARER },
		/* Exchange */
		{ "* CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=GSSAPI "
		  "AUTH=PLAIN UIDPLUS MOVE ID CHILDREN IDLE NAMESPACE "
		  "LITERAL+",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_AUTH_PLAIN |
		    PB_IMAP_CAP_UIDPLUS | PB_IMAP_CAP_MOVE | PB_IMAP_CAP_ID |
		    PB_IMAP_CAP_LITERAL_PLUS },
		/* Cyrus 3 */
		{ "* CAPABILITY IMAP4rev1 LITERAL- ID ENABLE AUTH=PLAIN "
		  "SASL-IR", PB_IMAP_CAP_IMAP4REV1 |
		    PB_IMAP_CAP_LITERAL_MINUS | PB_IMAP_CAP_ID |
		    PB_IMAP_CAP_AUTH_PLAIN | PB_IMAP_CAP_SASL_IR },
		{ "* CAPABILITY IMAP4rev1 AUTH=LOGIN AUTH=xoauth2 "
		  "AUTH=XOAUTH AUTH=OAUTHBEARERS XOAUTH2",
		    PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_AUTH_LOGIN |
		    PB_IMAP_CAP_AUTH_XOAUTH2 },
		{ "* CAPABILITY IMAP4rev1 ACL RIGHTS=texk LIST-EXTENDED "
		  "SPECIAL-USE CREATE-SPECIAL-USE", PB_IMAP_CAP_IMAP4REV1 |
		    PB_IMAP_CAP_ACL | PB_IMAP_CAP_LIST_EXTENDED |
		    PB_IMAP_CAP_SPECIAL_USE },
		/* case does not count; a part of a word is no word */
		{ "* capability imap4REV2 uidplus auth=plain IDX SASL-IRX",
		    PB_IMAP_CAP_IMAP4REV2 | PB_IMAP_CAP_UIDPLUS |
		    PB_IMAP_CAP_AUTH_PLAIN },
		{ "* CAPABILITY XYZZY", 0 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_data data;

		ROW(rows, i);
		data = good(state, pb_slice_str(rows[i].line));
		assert_int_equal(data.type, PB_IMAP_DATA_CAPABILITY);
		assert_int_equal(data.capabilities, rows[i].want);
	}
}

static void
exists_and_expunge_have_their_number(void **state)
{
	struct pb_imap_data data = good(state, OCTETS("* 23 EXISTS"));

	assert_int_equal(data.type, PB_IMAP_DATA_EXISTS);
	assert_int_equal(data.number, 23);
	data = good(state, OCTETS("* 4294967295 EXISTS"));
	assert_int_equal(data.number, UINT32_MAX);
	data = good(state, OCTETS("* 44 EXPUNGE"));
	assert_int_equal(data.type, PB_IMAP_DATA_EXPUNGE);
	assert_int_equal(data.number, 44);
}

static void
search_returns_its_numbers(void **state)
{
	struct pb_imap_data data = good(state,
	    OCTETS("* SEARCH 2 84 4294967295"));

	assert_int_equal(data.type, PB_IMAP_DATA_SEARCH);
	assert_int_equal(data.n_ranges, 3);
	assert_int_equal(data.ranges[0].first, 2);
	assert_int_equal(data.ranges[1].first, 84);
	assert_int_equal(data.ranges[1].last, 84);
	assert_int_equal(data.ranges[2].last, UINT32_MAX);
	assert_int_equal(data.tag.len, 0);
	data = good(state, OCTETS("* SEARCH"));
	assert_int_equal(data.type, PB_IMAP_DATA_SEARCH);
	assert_int_equal(data.n_ranges, 0);
	data = good(state, OCTETS("* SEARCH "));
	assert_int_equal(data.type, PB_IMAP_DATA_SEARCH);
	assert_int_equal(data.n_ranges, 0);
}

static void
sizes_of_usual_servers_are_read(void **state)
{
	static const struct {
		const char *line;
		uint32_t seq, uid;
		bool has_size;
		uint32_t size;
	} rows[] = {
		{ "* 1 FETCH (UID 7 RFC822.SIZE 120)", 1, 7, true, 120 },
		{ "* 1 FETCH (RFC822.SIZE 120 UID 7)", 1, 7, true, 120 },
		{ "* 1 fetch (uid 7 rfc822.size 120)", 1, 7, true, 120 },
		{ "* 1 FETCH (FLAGS (\\Seen \\Recent) UID 7 RFC822.SIZE 120)",
		    1, 7, true, 120 },
		{ "* 1 FETCH (MODSEQ (12111230047) UID 7 RFC822.SIZE 120)",
		    1, 7, true, 120 },
		{ "* 4294967295 FETCH (UID 4294967295 RFC822.SIZE 4294967295)",
		    UINT32_MAX, UINT32_MAX, true, UINT32_MAX },
		{ "* 1 FETCH (UID 7)", 1, 7, false, 0 },
		{ "* 1 FETCH (RFC822.SIZE 0)", 1, 0, true, 0 },
		{ "* 9 FETCH (FLAGS ())", 9, 0, false, 0 },
		{ "* 1 FETCH (UID 007 RFC822.SIZE 0120)", 1, 7, true, 120 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_data data;

		ROW(rows, i);
		data = good(state, pb_slice_str(rows[i].line));
		assert_int_equal(data.type, PB_IMAP_DATA_FETCH);
		assert_int_equal(data.number, rows[i].seq);
		assert_int_equal(data.uid, rows[i].uid);
		assert_int_equal(data.has_size, rows[i].has_size);
		assert_int_equal(data.size, rows[i].size);
		assert_int_equal(data.body, PB_IMAP_BODY_ABSENT);
	}
}

static void
bodies_of_every_form_are_read(void **state)
{
	static const struct {
		const char *line;
		enum pb_imap_body body;
		const char *text;
		uint32_t origin;
	} rows[] = {
		{ "* 1 FETCH (UID 7 BODY[] {0}\r\n)", PB_IMAP_BODY_TEXT, "",
		    0 },
		{ "* 1 FETCH (BODY[] {5}\r\na\r\n)b UID 7)",
		    PB_IMAP_BODY_TEXT, "a\r\n)b", 0 },
		{ "* 1 FETCH (UID 7 BODY[] NIL)", PB_IMAP_BODY_NIL, "", 0 },
		{ "* 1 FETCH (UID 7 BODY[] nil)", PB_IMAP_BODY_NIL, "", 0 },
		{ "* 1 FETCH (UID 7 BODY[] \"\")", PB_IMAP_BODY_TEXT, "", 0 },
		{ "* 1 FETCH (BODY[] \"a b\" UID 7)", PB_IMAP_BODY_TEXT,
		    "a b", 0 },
		{ "* 1 FETCH (UID 7 BODY[] \"\\\"a\\\\\")",
		    PB_IMAP_BODY_TEXT, "\"a\\", 0 },
		{ "* 1 FETCH (UID 7 BODY[]<0> {1}\r\nx)", PB_IMAP_BODY_TEXT,
		    "x", 0 },
		{ "* 1 FETCH (UID 7 BODY[]<16384> \"x\")", PB_IMAP_BODY_TEXT,
		    "x", 16384 },
		{ "* 1 FETCH (UID 7 BODY[]<16384> NIL)", PB_IMAP_BODY_NIL, "",
		    16384 },
		{ "* 1 FETCH (UID 7 RFC822 {1}\r\nx)", PB_IMAP_BODY_TEXT, "x",
		    0 },
		{ "* 1 FETCH (UID 7 RFC822 NIL)", PB_IMAP_BODY_NIL, "", 0 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_data data;

		ROW(rows, i);
		data = good(state, pb_slice_str(rows[i].line));
		assert_int_equal(data.type, PB_IMAP_DATA_FETCH);
		assert_int_equal(data.uid, 7);
		assert_int_equal(data.body, rows[i].body);
		ASSERT_OCTETS(data.body_text, pb_slice_str(rows[i].text));
		assert_int_equal(data.body_origin, rows[i].origin);
	}
}

static void
what_the_library_does_not_know_is_refused(void **state)
{
	static const char *const lines[] = {
		"* 1 FETCH (UID 5abc)",
		"* 1 FETCH (UID 5 RFC822.SIZE 7x)",
		"* 1 FETCH ()",
		"* 1 FETCH (BODY[] UID 5)",
	};
	size_t i;

	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_data data;
		struct pb_imap_gated line;

		ROW(lines, i);
		if (pb_imap_gate(pb_slice_str(lines[i]), &line) != PB_OK)
			continue;
		assert_int_equal(parse(state, pb_slice_str(lines[i]), &data),
		    PB_EPROTO);
	}
	/* It has not lost its way. */
	assert_int_equal(good(state, OCTETS("* 5 EXISTS")).number, 5);
}

static void
nothing_is_left_of_the_response_before(void **state)
{
	struct pb_imap_data data;

	good(state, OCTETS("* 1 FETCH (UID 7 RFC822.SIZE 5 BODY[] \"abc\")"));
	data = good(state, OCTETS("* 2 FETCH (UID 8)"));
	assert_false(data.has_size);
	assert_int_equal(data.size, 0);
	assert_int_equal(data.body, PB_IMAP_BODY_ABSENT);
	assert_int_equal(data.body_text.len, 0);
	good(state, OCTETS("* SEARCH 1 2 3"));
	data = good(state, OCTETS("* SEARCH"));
	assert_int_equal(data.n_ranges, 0);
	assert_null(data.ranges);
}

static void
no_memory_for_a_search_is_said(void **state)
{
	struct pb_imap_data data;

	pb_mem_fail_from(1);
	assert_int_equal(pb_imap_grammar_parse(*state,
	    OCTETS("* SEARCH 1 2 3"), &data), PB_ENOMEM);
	pb_mem_fail_from(0);
	assert_int_equal(good(state, OCTETS("* SEARCH 4")).ranges[0].first, 4);
}

static void
no_memory_for_a_grammar_is_said(void **state)
{
	(void)state;
	pb_mem_fail_from(1);
	assert_null(pb_imap_grammar_new());
	pb_mem_fail_from(0);
}

/* A second opinion on `* n FETCH (UID u RFC822.SIZE s)`. */
static bool
tokenize(const char *line, uint32_t *seq, uint32_t *uid, uint32_t *size)
{
	char end = 0;

	return sscanf(line, "* %" SCNu32 " FETCH (UID %" SCNu32
	    " RFC822.SIZE %" SCNu32 "%c", seq, uid, size, &end) == 4 &&
	    end == ')';
}

static uint32_t
any_number(struct pbt_random *random, uint32_t least)
{
	unsigned bits = (unsigned)pbt_random_below(random, 33);
	uint64_t n = pbt_random_next(random) & ((UINT64_C(1) << bits) - 1);

	return n < least ? least : (uint32_t)n;
}

static void
sizes_are_read_as_a_simple_tokenizer_reads_them(void **state)
{
	struct pbt_random random;
	unsigned i;

	pbt_random_init(&random);
	for (i = 0; i < 20000; i++) {
		struct pb_imap_data data;
		uint32_t seq, uid, size;
		char line[100];

		snprintf(line, sizeof(line), "* %" PRIu32 " FETCH (UID %" PRIu32
		    " RFC822.SIZE %" PRIu32 ")", any_number(&random, 1),
		    any_number(&random, 1), any_number(&random, 0));
		assert_true(tokenize(line, &seq, &uid, &size));
		data = good(state, pb_slice_str(line));
		assert_int_equal(data.number, seq);
		assert_int_equal(data.uid, uid);
		assert_true(data.has_size);
		assert_int_equal(data.size, size);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capabilities_of_usual_servers_are_read),
		TEST(exists_and_expunge_have_their_number),
		TEST(search_returns_its_numbers),
		TEST(sizes_of_usual_servers_are_read),
		TEST(bodies_of_every_form_are_read),
		TEST(what_the_library_does_not_know_is_refused),
		TEST(nothing_is_left_of_the_response_before),
		TEST(no_memory_for_a_search_is_said),
		TEST(no_memory_for_a_grammar_is_said),
		TEST(sizes_are_read_as_a_simple_tokenizer_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
