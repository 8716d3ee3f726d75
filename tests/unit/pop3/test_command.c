#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "popbridge/pop3/command.h"

static enum pb_status
parse(const char *line, struct pb_pop3_command *cmd)
{
	return pb_pop3_command_parse(pb_slice_str(line), cmd);
}

/* An argument that each shape takes. */
static const char *
good_args(enum pb_pop3_args args)
{
	switch (args) {
	case PB_POP3_ARGS_NONE:
	case PB_POP3_ARGS_OPT_MSGNO:
		return "";
	case PB_POP3_ARGS_TEXT:
	case PB_POP3_ARGS_OPT_TEXT:
		return " some text";
	case PB_POP3_ARGS_DIGEST:
		return " max c4c9334bac560ecc979e58001b3e22fb";
	case PB_POP3_ARGS_MSGNO:
		return " 7";
	case PB_POP3_ARGS_MSGNO_LINES:
		return " 7 10";
	}
	return "";
}

static void
every_verb_is_found_in_any_case(void **state)
{
	unsigned verb;

	(void)state;
	for (verb = 0; verb < PB_POP3_VERBS; verb++) {
		const struct pb_pop3_verb_row *row = pb_pop3_verb_row(verb);
		struct pb_pop3_command cmd;
		char line[128];
		char *p;

		snprintf(line, sizeof(line), "%s%s", row->name,
		    good_args(row->args));
		assert_int_equal(parse(line, &cmd), PB_OK);
		assert_ptr_equal(cmd.row, row);
		assert_int_equal(cmd.row->verb, verb);
		for (p = line; *p != '\0' && *p != ' '; p += 2) {
			*p = (char)(*p | 0x20);
			if (p[1] == '\0')
				break;
		}
		assert_int_equal(parse(line, &cmd), PB_OK);
		assert_ptr_equal(cmd.row, row);
	}
}

static void
every_verb_refuses_arguments_of_another_shape(void **state)
{
	unsigned verb;

	(void)state;
	for (verb = 0; verb < PB_POP3_VERBS; verb++) {
		const struct pb_pop3_verb_row *row = pb_pop3_verb_row(verb);
		struct pb_pop3_command cmd;
		char line[64];

		/* There is no other shape. */
		if (row->args == PB_POP3_ARGS_OPT_TEXT)
			continue;
		snprintf(line, sizeof(line), "%s%s", row->name,
		    row->args == PB_POP3_ARGS_TEXT ? "" : " one two three");
		assert_int_equal(parse(line, &cmd), PB_EINVAL);
		assert_ptr_equal(cmd.row, row);
	}
}

static void
verbs_are_legal_in_the_states_of_the_rfc(void **state)
{
	const unsigned auth = PB_POP3_AUTHORIZATION;
	const unsigned tran = PB_POP3_TRANSACTION;
	unsigned verb;

	(void)state;
	for (verb = 0; verb < PB_POP3_VERBS; verb++) {
		const struct pb_pop3_verb_row *row = pb_pop3_verb_row(verb);
		unsigned want = tran;

		if (verb == PB_POP3_USER || verb == PB_POP3_PASS ||
		    verb == PB_POP3_STLS || verb == PB_POP3_AUTH ||
		    verb == PB_POP3_APOP || verb == PB_POP3_XCLIENT)
			want = auth;
		if (verb == PB_POP3_QUIT || verb == PB_POP3_CAPA)
			want = auth | tran;
		assert_int_equal(row->states, want);
	}
}

static void
only_credentials_are_secret(void **state)
{
	unsigned verb;

	(void)state;
	for (verb = 0; verb < PB_POP3_VERBS; verb++)
		assert_int_equal(pb_pop3_verb_row(verb)->secret,
		    verb == PB_POP3_PASS || verb == PB_POP3_AUTH ||
		    verb == PB_POP3_APOP);
}

static void
unknown_words_are_no_verbs(void **state)
{
	static const char *const lines[] = { "", " ", "X", "STA", "STATT",
		"STAT\t", " STAT", "RETR\xc3\xa4", "CLOSE", "XTND XMIT",
		"STAT\r" };
	struct pb_pop3_command cmd;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		ROW(lines, i);
		assert_int_equal(parse(lines[i], &cmd), PB_EPROTO);
		assert_null(cmd.row);
	}
	assert_int_equal(pb_pop3_command_parse(OCTETS("STAT\0"), &cmd),
	    PB_EPROTO);
}

static void
message_numbers_are_decimal_and_saturate(void **state)
{
	static const struct {
		const char *line;
		enum pb_status status;
		uint32_t msgno;
	} rows[] = {
		{ "RETR 1", PB_OK, 1 },
		{ "RETR 0", PB_OK, 0 },
		{ "RETR 007", PB_OK, 7 },
		{ "RETR 2000001", PB_OK, 2000001 },
		{ "RETR 4294967295", PB_OK, UINT32_MAX },
		{ "RETR 4294967296", PB_OK, UINT32_MAX },
		{ "RETR 4294967297", PB_OK, UINT32_MAX },
		{ "RETR 18446744073709551616", PB_OK, UINT32_MAX },
		{ "RETR 18446744073709551617", PB_OK, UINT32_MAX },
		{ "RETR 99999999999999999999999999999999", PB_OK, UINT32_MAX },
		{ "RETR", PB_EINVAL, 0 },
		{ "RETR ", PB_EINVAL, 0 },
		{ "RETR -1", PB_EINVAL, 0 },
		{ "RETR +1", PB_EINVAL, 0 },
		{ "RETR 1.", PB_EINVAL, 0 },
		{ "RETR 0x1", PB_EINVAL, 0 },
		{ "RETR one", PB_EINVAL, 0 },
		{ "RETR 1 2", PB_EINVAL, 0 },
		{ "RETR 1\t", PB_EINVAL, 0 },
		{ "RETR 99999999999999999999x", PB_EINVAL, 0 },
	};
	struct pb_pop3_command cmd;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(parse(rows[i].line, &cmd), rows[i].status);
		if (rows[i].status != PB_OK)
			continue;
		assert_true(cmd.has_msgno);
		assert_int_equal(cmd.msgno, rows[i].msgno);
	}
}

static void
top_takes_a_number_and_a_count_of_lines(void **state)
{
	static const struct {
		const char *line;
		enum pb_status status;
		uint32_t msgno;
		uint64_t lines;
	} rows[] = {
		{ "TOP 1 0", PB_OK, 1, 0 },
		{ "TOP 1 10", PB_OK, 1, 10 },
		{ "TOP  3   20  ", PB_OK, 3, 20 },
		{ "TOP 1 99999999", PB_OK, 1, 99999999 },
		{ "TOP 1 18446744073709551615", PB_OK, 1, UINT64_MAX },
		{ "TOP 1 18446744073709551616", PB_OK, 1, UINT64_MAX },
		{ "TOP 99999999999 99999999999999999999999", PB_OK,
		    UINT32_MAX, UINT64_MAX },
		{ "TOP", PB_EINVAL, 0, 0 },
		{ "TOP 1", PB_EINVAL, 0, 0 },
		{ "TOP 1 ", PB_EINVAL, 0, 0 },
		{ "TOP 1 -1", PB_EINVAL, 0, 0 },
		{ "TOP 1 2 3", PB_EINVAL, 0, 0 },
		{ "TOP 1 x", PB_EINVAL, 0, 0 },
	};
	struct pb_pop3_command cmd;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(parse(rows[i].line, &cmd), rows[i].status);
		if (rows[i].status != PB_OK)
			continue;
		assert_int_equal(cmd.msgno, rows[i].msgno);
		assert_true(cmd.lines == rows[i].lines);
	}
}

static void
list_and_uidl_go_with_and_without_a_number(void **state)
{
	struct pb_pop3_command cmd;

	(void)state;
	assert_int_equal(parse("LIST", &cmd), PB_OK);
	assert_false(cmd.has_msgno);
	assert_int_equal(parse("LIST   ", &cmd), PB_OK);
	assert_false(cmd.has_msgno);
	assert_int_equal(parse("UIDL 12 ", &cmd), PB_OK);
	assert_true(cmd.has_msgno);
	assert_int_equal(cmd.msgno, 12);
	assert_int_equal(parse("UIDL x", &cmd), PB_EINVAL);
}

static void
blanks_belong_to_a_password(void **state)
{
	struct pb_pop3_command cmd;

	(void)state;
	assert_int_equal(parse("PASS  two  words ", &cmd), PB_OK);
	ASSERT_TEXT(cmd.text, " two  words ");
	assert_int_equal(parse("PASS x", &cmd), PB_OK);
	ASSERT_TEXT(cmd.text, "x");
	assert_int_equal(parse("PASS  ", &cmd), PB_OK);
	ASSERT_TEXT(cmd.text, " ");
	assert_int_equal(parse("PASS", &cmd), PB_EINVAL);
	assert_int_equal(parse("PASS ", &cmd), PB_EINVAL);
	assert_int_equal(parse("USER max mustermann", &cmd), PB_OK);
	ASSERT_TEXT(cmd.text, "max mustermann");
}

#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"

static void
a_digest_is_the_last_word_and_all_of_hex(void **state)
{
	static const struct {
		const char *line;
		enum pb_status status;
		const char *name;
	} rows[] = {
		{ "APOP mrose " DIGEST, PB_OK, "mrose" },
		{ "APOP two words " DIGEST, PB_OK, "two words" },
		{ "apop  mrose " DIGEST "  ", PB_OK, "mrose" },
		{ "APOP " DIGEST " C4C9334BAC560ECC979E58001B3E22FB", PB_OK,
		    DIGEST },
		{ "APOP", PB_EINVAL, NULL },
		{ "APOP mrose", PB_EINVAL, NULL },
		{ "APOP " DIGEST, PB_EINVAL, NULL },
		{ "APOP  " DIGEST, PB_EINVAL, NULL },
		{ "APOP m" DIGEST, PB_EINVAL, NULL },
		{ "APOP mrose " DIGEST "0", PB_EINVAL, NULL },
		{ "APOP mrose c4c9334bac560ecc979e58001b3e22f", PB_EINVAL,
		    NULL },
		{ "APOP mrose c4c9334bac560ecc979e58001b3e22fg", PB_EINVAL,
		    NULL },
		{ "APOP mrose\tc4c9334bac560ecc979e58001b3e22fb", PB_EINVAL,
		    NULL },
	};
	struct pb_pop3_command cmd;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *exact = pbt_exact(pb_slice_str(rows[i].line));

		ROW(rows, i);
		assert_int_equal(pb_pop3_command_parse(pb_slice(exact,
		    strlen(rows[i].line)), &cmd), rows[i].status);
		if (rows[i].status == PB_OK) {
			ASSERT_OCTETS(cmd.text, pb_slice_str(rows[i].name));
			assert_int_equal(cmd.digest.len, 32);
		}
		free(exact);
	}
}

static void
a_line_is_not_read_behind_its_end(void **state)
{
	static const char *const lines[] = { "RETR 12", "TOP 1 2", "PASS a",
		"STAT", "LIST ", "S", "" };
	struct pb_pop3_command cmd;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pbt_guarded g;
		size_t len;

		pbt_guard(&g, pb_slice_str(lines[i]));
		for (len = 0; len <= g.octets.len; len++) {
			char *exact = pbt_exact(pb_slice(g.octets.data, len));
			enum pb_status a = pb_pop3_command_parse(
			    pb_slice(exact, len), &cmd);
			enum pb_status b = pb_pop3_command_parse(
			    pb_slice(g.octets.data + g.octets.len - len, len),
			    &cmd);

			assert_true(a <= PB_OK && b <= PB_OK);
			free(exact);
		}
		pbt_unguard(&g);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_is_found_in_any_case),
		cmocka_unit_test(every_verb_refuses_arguments_of_another_shape),
		cmocka_unit_test(verbs_are_legal_in_the_states_of_the_rfc),
		cmocka_unit_test(only_credentials_are_secret),
		cmocka_unit_test(unknown_words_are_no_verbs),
		cmocka_unit_test(message_numbers_are_decimal_and_saturate),
		cmocka_unit_test(top_takes_a_number_and_a_count_of_lines),
		cmocka_unit_test(list_and_uidl_go_with_and_without_a_number),
		cmocka_unit_test(blanks_belong_to_a_password),
		cmocka_unit_test(a_digest_is_the_last_word_and_all_of_hex),
		cmocka_unit_test(a_line_is_not_read_behind_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
