#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "popbridge/imap/message_line.h"
#include "popbridge/imap/gate.h"

/* From memory of just the size, and from the end of a page. */
static bool
take(struct pb_slice line, struct pb_imap_data *data)
{
	struct pbt_guarded g;
	char *exact = pbt_exact(line);
	bool a = pb_imap_message_line(pb_slice(exact, line.len), data);
	bool b;

	free(exact);
	pbt_guard(&g, line);
	b = pb_imap_message_line(g.octets, data);
	pbt_unguard(&g);
	assert_int_equal(a, b);
	return a;
}

/* What gate and grammar say of it must be the same. */
static void
must_agree(struct pb_slice line, const struct pb_imap_data *quick)
{
	struct pb_imap_grammar *grammar = pb_imap_grammar_new();
	struct pb_imap_gated gated;
	struct pb_imap_data data;

	assert_int_equal(pb_imap_gate(line, &gated), PB_OK);
	assert_int_equal(gated.kind, PB_IMAP_DATA);
	assert_int_equal(pb_imap_grammar_parse(grammar, line, &data), PB_OK);
	assert_int_equal(quick->type, data.type);
	assert_int_equal(quick->capabilities, data.capabilities);
	assert_int_equal(quick->number, data.number);
	assert_int_equal(quick->uid, data.uid);
	assert_int_equal(quick->has_size, data.has_size);
	assert_int_equal(quick->size, data.size);
	assert_int_equal(quick->body, data.body);
	assert_int_equal(quick->body_text.len, data.body_text.len);
	assert_int_equal(quick->body_origin, data.body_origin);
	assert_int_equal(quick->n_ranges, data.n_ranges);
	assert_int_equal(quick->tag.len, data.tag.len);
	pb_imap_grammar_free(&grammar);
}

static void
lines_of_a_listing_are_taken(void **state)
{
	static const char *const lines[] = {
		"* 1 FETCH (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH (RFC822.SIZE 120 UID 7)",
		"* 4294967295 FETCH (UID 4294967295 RFC822.SIZE 4294967295)",
		"* 1 FETCH (UID 1 RFC822.SIZE 0)",
		"* 1 FETCH (UID 7)",
		"* 1 FETCH (RFC822.SIZE 5)",
		"* 1 FETCH (UID 1 FLAGS ())",
		"* 1 FETCH (UID 1 FLAGS (\\Seen))",
		"* 1 FETCH (FLAGS (\\Seen \\Answered $Junk NonJunk Label_1))",
		"* 1 FETCH (FLAGS (\\Recent) UID 7 RFC822.SIZE 9)",
		"* 1 FETCH (UID 7 BODY[] {0}\r\n)",
		"* 1 FETCH (BODY[] {0}\r\n UID 7)",
		"* 1 FETCH (FLAGS (\\Seen) BODY[]<0> {0}\r\n UID 7)",
		"* 44 EXPUNGE",
		"* 4294967295 EXPUNGE",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_data data;

		ROW(lines, i);
		assert_true(take(pb_slice_str(lines[i]), &data));
		must_agree(pb_slice_str(lines[i]), &data);
	}
}

static void
what_is_not_just_so_goes_the_long_way(void **state)
{
	static const char *const lines[] = {
		"", "*", "* ", "* 1", "* 1 FETCH (", "* 1 FETCH ()",
		"* 1 fetch (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH (uid 7 RFC822.SIZE 120)",
		"* 1 FETCH (UID 7 rfc822.size 120)",
		"* 1 FETCH (UID 7  RFC822.SIZE 120)",
		"*  1 FETCH (UID 7 RFC822.SIZE 120)",
		"* 1  FETCH (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH  (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH ( UID 7 RFC822.SIZE 120)",
		"* 1 FETCH (UID 7 RFC822.SIZE 120 )",
		"* 1 FETCH (UID 7 RFC822.SIZE 120) ",
		"* 1 FETCH (UID 7 RFC822.SIZE 120))",
		"* 1 FETCH (UID 7 RFC822.SIZE 120",
		"* 1 FETCH (UID 7 RFC822.SIZE )",
		"* 1 FETCH (UID 7 RFC822.SIZE -1)",
		"* 1 FETCH (UID 7 RFC822.SIZE 4294967296)",
		"* 1 FETCH (UID 7 RFC822.SIZE 4294967297)",
		"* 1 FETCH (UID 7 RFC822.SIZE 99999999999999999999999)",
		"* 1 FETCH (UID 0 RFC822.SIZE 120)",
		"* 0 FETCH (UID 7 RFC822.SIZE 120)",
		"* 01 FETCH (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH (UID 07 RFC822.SIZE 120)",
		"* 1 FETCH (UID 7 RFC822.SIZE 0120)",
		"* 4294967296 FETCH (UID 7 RFC822.SIZE 120)",
		"* 1 FETCH (UID 7 UID 7)",
		"* 1 FETCH (UID 7 UID 8)",
		"* 1 FETCH (RFC822.SIZE 1 RFC822.SIZE 1)",
		"* 1 FETCH (RFC822.SIZE 0 RFC822.SIZE 1)",
		"* 1 FETCH (UID 7 BODY[] NIL)",
		"* 1 FETCH (UID 7 BODY[] {0}\n)",
		"* 1 FETCH (UID 7 BODY[] {0}\r\n",
		"* 1 FETCH (UID 7 BODY[] {0}\r\n))",
		"* 1 FETCH (UID 7 BODY[] {00}\r\n)",
		"* 1 FETCH (UID 7 BODY[] {1}\r\nx)",
		"* 1 FETCH (UID 7 BODY[]<1> {0}\r\n)",
		"* 1 FETCH (UID 7 body[] {0}\r\n)",
		"* 1 FETCH (BODY[] {0}\r\nUID 7)",
		"* 1 FETCH (BODY[] {0}\r\n  UID 7)",
		"* 1 FETCH (BODY[] {0}\r\n BODY[] {0}\r\n)",
		"* 1 FETCH (UID 7 RFC822 {0}\r\n)",
		"* 1 FETCH (UID 7 RFC822 \"\")",
		"* 1 FETCH (UID 7 RFC822.SIZ 1)",
		"* 1 FETCH (UID 7 FLAGS)",
		"* 1 FETCH (UID 7 FLAGS (\\))",
		"* 1 FETCH (UID 7 FLAGS (\\*))",
		"* 1 FETCH (UID 7 FLAGS ( \\Seen))",
		"* 1 FETCH (UID 7 FLAGS (\\Seen ))",
		"* 1 FETCH (UID 7 FLAGS (\\Seen  \\Recent))",
		"* 1 FETCH (UID 7 FLAGS (a\"b))",
		"* 1 FETCH (UID 7 FLAGS (\x80))",
		"* 1 FETCH (UID 7 FLAGS (\\Seen)",
		"* 1 FETCH (UID 7 MODSEQ (5))",
		"* 1 FETCH (UID 7 X-GM-MSGID 5)",
		"* 0 EXPUNGE", "* 1 EXPUNGE ", "* 1 EXPUNGED",
		"* 1 expunge", "* EXPUNGE", "* 01 EXPUNGE",
		"* 4294967296 EXPUNGE", "* 1 EXPUNGE (UID 7)", "* 1 EXISTS",
		"A1 OK", "+ 1 FETCH (UID 7)",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_data data;

		ROW(lines, i);
		assert_false(take(pb_slice_str(lines[i]), &data));
	}
	{
		struct pb_imap_data data;

		assert_false(take(OCTETS("* 1 FETCH (UID 7\0)"), &data));
	}
}

static uint64_t
any_number(struct pbt_random *random)
{
	unsigned bits = (unsigned)pbt_random_below(random, 35);

	return pbt_random_next(random) & ((UINT64_C(1) << bits) - 1);
}

/* Lines by chance, with every item there is, and now and then an octet off. */
static void
any_line(struct pbt_random *random, struct pb_buffer *line)
{
	size_t n = 1 + pbt_random_below(random, 3);

	pb_buffer_clear(line);
	pbt_say(line, "* %" PRIu64 " FETCH (", any_number(random));
	while (n-- > 0) {
		switch (pbt_random_below(random, 4)) {
		case 0:
			pbt_say(line, "UID %" PRIu64, any_number(random));
			break;
		case 1:
			pbt_say(line, "RFC822.SIZE %" PRIu64,
			    any_number(random));
			break;
		case 2:
			pbt_say(line, "FLAGS (\\Seen $x)");
			break;
		default:
			pbt_say(line, "BODY[] {0}\r\n");
			break;
		}
		pbt_say(line, n > 0 ? " " : ")");
	}
	if (pbt_random_below(random, 4) == 0)
		line->data[pbt_random_below(random, (unsigned)line->len)] =
		    (char)pbt_random_below(random, 256);
}

static void
both_ways_read_the_same(void **state)
{
	struct pbt_random random;
	struct pb_buffer line;
	unsigned taken = 0;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	pb_buffer_init(&line, 4096);
	for (i = 0; i < 20000; i++) {
		struct pb_imap_data data;

		any_line(&random, &line);
		if (!take(pb_buffer_slice(&line), &data))
			continue;
		taken++;
		must_agree(pb_buffer_slice(&line), &data);
	}
	/* Neither all nor none. */
	assert_true(taken > 5000 && taken < 19000);
	pb_buffer_fini(&line);
}

static void
every_octet_that_is_changed_is_noticed_by_both(void **state)
{
	static const char good[] = "* 12 FETCH (UID 34 RFC822.SIZE 56)";
	char line[sizeof(good)];
	size_t at;
	int octet;

	(void)state;
	for (at = 0; at < sizeof(good) - 1; at++) {
		for (octet = 0; octet < 256; octet++) {
			struct pb_slice text = pb_slice(line,
			    sizeof(good) - 1);
			struct pb_imap_data data;

			memcpy(line, good, sizeof(good));
			line[at] = (char)octet;
			if (pb_imap_message_line(text, &data))
				must_agree(text, &data);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_listing_are_taken),
		cmocka_unit_test(what_is_not_just_so_goes_the_long_way),
		cmocka_unit_test(both_ways_read_the_same),
		cmocka_unit_test(
		    every_octet_that_is_changed_is_noticed_by_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
