#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/imap/mailbox_data.h"

#define TRASH PB_IMAP_SPECIAL_TRASH
#define ARCHIVE PB_IMAP_SPECIAL_ARCHIVE
#define ALL PB_IMAP_SPECIAL_ALL

/* From memory of just the size, and from the end of a page. */
static bool
parse(struct pb_slice response, struct pb_imap_mailbox_data *data)
{
	struct pbt_guarded g;
	char *exact = pbt_exact(response);
	bool a = pb_imap_mailbox_data_parse(pb_slice(exact, response.len),
	    data);
	bool b;

	free(exact);
	pbt_guard(&g, response);
	b = pb_imap_mailbox_data_parse(g.octets, data);
	pbt_unguard(&g);
	assert_int_equal(a, b);
	return a;
}

static struct pb_slice
name_of(const struct pb_imap_mailbox_data *data)
{
	return pb_slice(data->name, data->name_len);
}

static void
mailboxes_of_usual_servers_are_read(void **state)
{
	static const struct {
		const char *line;
		const char *name;
		unsigned special;
		bool is_absent;
	} rows[] = {
		/* Dovecot, Cyrus, Gmail, Exchange, and RFC 5258 */
		{ "LIST (\\HasNoChildren \\Trash) \".\" Trash", "Trash", TRASH,
		    false },
		{ "LIST (\\HasNoChildren \\UnMarked \\Trash) \"/\" "
		  "\"Deleted Items\"", "Deleted Items", TRASH, false },
		{ "LIST (\\HasChildren \\Noselect) \"/\" \"[Gmail]\"",
		    "[Gmail]", 0, true },
		{ "LIST (\\All \\HasNoChildren) \"/\" \"[Gmail]/Alle "
		  "Nachrichten\"", "[Gmail]/Alle Nachrichten", ALL, false },
		{ "LIST (\\Trash \\HasNoChildren) \"/\" "
		  "\"Gel&APY-schte Elemente\"", "Gel&APY-schte Elemente",
		    TRASH, false },
		{ "LIST (\\Archive \\NonExistent) \"/\" Archive", "Archive",
		    ARCHIVE, true },
		{ "LIST () \"/\" INBOX (\"CHILDINFO\" (\"SUBSCRIBED\"))",
		    "INBOX", 0, false },
		{ "LIST () \"/\" a (\"OLDNAME\" ({3}\r\n)\"()))", "a", 0,
		    false },
		/* any case, blanks, delimiters, forms of a string */
		{ "list ( \\tRASH  \\ARCHIVE \\all ) nil  x", "x",
		    TRASH | ARCHIVE | ALL, false },
		{ "LIST (\\noSELECT) NIL x", "x", 0, true },
		{ "LIST () \"\\\\\" a\\b", NULL, 0, false },
		{ "LIST () \"\\\\\" \"a\\\\b\\\"c\"", "a\\b\"c", 0, false },
		{ "LIST () \"/\" {3}\r\na \"", "a \"", 0, false },
		{ "LIST () \"/\" {4}\r\nLIST", "LIST", 0, false },
		{ "LIST () \"/\" a]b", "a]b", 0, false },
		{ "LIST () \"/\" NIL", "NIL", 0, false },
		{ "LIST () \"/\" \"M\xc3\xbcll\"", "M\xc3\xbcll", 0, false },
		{ "LIST () \"/\" M\xc3\xbcll", "M\xc3\xbcll", 0, false },
		/* other attributes */
		{ "LIST (\\Trashy \\XTrash Trash \\Junk \\Sent) \"/\" x", "x",
		    0, false },
		/* names that no command can have */
		{ "LIST (\\Trash) \"/\" \"\"", "", TRASH, false },
		{ "LIST (\\Trash) \"/\" {0}\r\n", "", TRASH, false },
		{ "LIST (\\Trash) \"/\" {4}\r\na\r\nb", "", TRASH, false },
		{ "LIST (\\Trash) \"/\" \"a\rb\"", "", TRASH, false },
		{ "LIST (\\Trash) \"/\" \"a\tb\"", "", TRASH, false },
		{ "LIST (\\Trash) \"/\" \"a\x7f\"", "", TRASH, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_mailbox_data data;

		ROW(rows, i);
		if (rows[i].name == NULL) {
			assert_false(parse(pb_slice_str(rows[i].line), &data));
			continue;
		}
		assert_true(parse(pb_slice_str(rows[i].line), &data));
		assert_int_equal(data.type, PB_IMAP_MAILBOX_LIST);
		ASSERT_OCTETS(name_of(&data), pb_slice_str(rows[i].name));
		assert_int_equal(data.special, rows[i].special);
		assert_int_equal(data.is_absent, rows[i].is_absent);
	}
}

static void
a_name_is_read_up_to_its_limit(void **state)
{
	char name[PB_IMAP_MAILBOX_MAX + 2];
	unsigned i;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[PB_IMAP_MAILBOX_MAX] = '\0';
	for (i = 0; i < 6; i++) {
		struct pb_imap_mailbox_data data;
		struct pb_buffer line;
		size_t extra = i % 2;
		const char *more = extra > 0 ? "x" : "";

		pb_buffer_init(&line, 1000);
		if (i / 2 == 0)
			pbt_say(&line, "LIST () \"/\" %s%s", name,
			    more);
		else if (i / 2 == 1)
			pbt_say(&line, "LIST () \"/\" \"%s%s\"", name,
			    more);
		else
			pbt_say(&line, "LIST () \"/\" {%zu}\r\n%s%s",
			    PB_IMAP_MAILBOX_MAX + extra, name, more);
		assert_true(parse(pb_buffer_slice(&line), &data));
		ASSERT_OCTETS(name_of(&data), pb_slice(name,
		    extra > 0 ? 0 : PB_IMAP_MAILBOX_MAX));
		pb_buffer_fini(&line);
	}
}

static void
what_is_malformed_is_refused(void **state)
{
	const struct pb_slice rows[] = {
		OCTETS(""),
		OCTETS("LIST"),
		OCTETS("LIST "),
		OCTETS("LIST x"),
		OCTETS("LIST ("),
		OCTETS("LIST (\\Trash"),
		OCTETS("LIST (\\Trash \"/\" x"),
		OCTETS("LIST (()) \"/\" x"),
		OCTETS("LIST (\"x\") \"/\" x"),
		OCTETS("LIST ({1}\r\nx) \"/\" x"),
		OCTETS("LIST (\\Tr\0ash) \"/\" x"),
		OCTETS("LIST (\\Tr\x80) \"/\" x"),
		OCTETS("LIST ()"),
		OCTETS("LIST () "),
		OCTETS("LIST () \"/\""),
		OCTETS("LIST () \"/\" "),
		OCTETS("LIST () \"/ x"),
		OCTETS("LIST () / x"),
		OCTETS("LIST () NI x"),
		OCTETS("LIST ()\"/\" x"),
		OCTETS("LIST () \"/\"x"),
		OCTETS("LIST () \"/\" \""),
		OCTETS("LIST () \"/\" \"x"),
		OCTETS("LIST () \"/\" \"x\\"),
		OCTETS("LIST () \"/\" \"x\\y\""),
		OCTETS("LIST () \"/\" \"x\" y"),
		OCTETS("LIST () \"/\" \"x\"y"),
		OCTETS("LIST () \"/\" x\"y"),
		OCTETS("LIST () \"/\" (x)"),
		OCTETS("LIST () \"/\" x(y)"),
		OCTETS("LIST () \"/\" x (y"),
		OCTETS("LIST () \"/\" x ("),
		OCTETS("LIST () \"/\" Deleted Items"),
		OCTETS("LIST () \"/\" {"),
		OCTETS("LIST () \"/\" {}"),
		OCTETS("LIST () \"/\" {1"),
		OCTETS("LIST () \"/\" {1}"),
		OCTETS("LIST () \"/\" {1}\r"),
		OCTETS("LIST () \"/\" {1}\r\n"),
		OCTETS("LIST () \"/\" {2}\r\nx"),
		OCTETS("LIST () \"/\" {-1}\r\nx"),
		OCTETS("LIST () \"/\" {18446744073709551617}\r\nx"),
		OCTETS("LIST () \"/\" a\0b"),
		OCTETS("LSUB () \"/\" x"),
		OCTETS("XLIST (\\Trash) \"/\" x"),
		OCTETS("STATUS"),
		OCTETS("STATUS x"),
		OCTETS("STATUS x "),
		OCTETS("STATUS x ("),
		OCTETS("STATUS x ()"),
		OCTETS("STATUS x (UIDVALIDITY)"),
		OCTETS("STATUS x (UIDVALIDITY )"),
		OCTETS("STATUS x (UIDVALIDITY 5"),
		OCTETS("STATUS x (UIDVALIDITY 5) y"),
		OCTETS("STATUS x (UIDVALIDITY 5)y"),
		OCTETS("STATUS x (UIDVALIDITY 0)"),
		OCTETS("STATUS x (UIDVALIDITY -5)"),
		OCTETS("STATUS x (UIDVALIDITY 5x)"),
		OCTETS("STATUS x (UIDVALIDITY 4294967296)"),
		OCTETS("STATUS x (UIDVALIDITY 4294967297)"),
		OCTETS("STATUS x (UIDVALIDITY 18446744073709551617)"),
		OCTETS("STATUS x (UIDVALIDITY 5 UIDVALIDITY 6)"),
		OCTETS("STATUS x (UIDVALIDITY 5 MAILBOXID (F5))"),
		OCTETS("STATUS x (MESSAGES 123456789012345678901)"),
		OCTETS("STATUS x UIDVALIDITY 5"),
		OCTETS("STATUS (UIDVALIDITY 5)"),
		OCTETS("MYRIGHTS"),
		OCTETS("MYRIGHTS x"),
		OCTETS("MYRIGHTS x "),
		OCTETS("MYRIGHTS x te y"),
		OCTETS("MYRIGHTS x (te)"),
		OCTETS("MYRIGHTS x \"te"),
		OCTETS("MYRIGHTS x \"t\re\""),
		OCTETS("MYRIGHTS x lrswipkxtealrswipkxtealrswipkxtealrswipkxte"
		       "alrswipkxtealrswipkxtea"),
		OCTETS("NAMESPACE ((\""),
		OCTETS("ACL x max te"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_mailbox_data data;

		ROW(rows, i);
		assert_false(parse(rows[i], &data));
	}
}

static void
no_part_of_a_response_is_one(void **state)
{
	static const char *const lines[] = {
		"LIST (\\Trash) \"/\" \"Deleted Items\"",
		"LIST (\\Trash) \"/\" {5}\r\nTrash",
		"STATUS \"a b\" (MESSAGES 3 UIDVALIDITY 5)",
		"MYRIGHTS \"INBOX\" \"lrste\"",
	};
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct pb_imap_mailbox_data data;
		size_t whole = strlen(lines[i]);

		ROW(lines, i);
		for (len = 0; len < whole; len++)
			assert_false(parse(pb_slice(lines[i], len), &data));
		assert_true(parse(pb_slice(lines[i], whole), &data));
	}
}

static void
status_says_the_uidvalidity(void **state)
{
	static const struct {
		const char *line;
		const char *name;
		uint32_t uidvalidity;
	} rows[] = {
		{ "STATUS INBOX (UIDVALIDITY 1700000000)", "INBOX",
		    1700000000 },
		{ "status \"Deleted Items\" ( uidvalidity 4294967295 )",
		    "Deleted Items", UINT32_MAX },
		{ "STATUS {3}\r\na b (MESSAGES 4 UIDVALIDITY 5 UNSEEN 0 "
		  "HIGHESTMODSEQ 9223372036854775807)", "a b", 5 },
		{ "STATUS x (MESSAGES 4)", "x", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_mailbox_data data;

		ROW(rows, i);
		assert_true(parse(pb_slice_str(rows[i].line), &data));
		assert_int_equal(data.type, PB_IMAP_MAILBOX_STATUS);
		ASSERT_OCTETS(name_of(&data), pb_slice_str(rows[i].name));
		assert_int_equal(data.uidvalidity, rows[i].uidvalidity);
	}
}

static void
rights_are_read_in_their_old_and_new_form(void **state)
{
	static const struct {
		const char *line;
		bool may_flag_deleted;
		bool may_expunge;
	} rows[] = {
		{ "MYRIGHTS INBOX lrwstipekxacd", true, true },
		{ "myrights \"a b\" \"te\"", true, true },
		{ "MYRIGHTS {1}\r\nx {2}\r\nte", true, true },
		{ "MYRIGHTS x lrs", false, false },
		{ "MYRIGHTS x \"\"", false, false },
		{ "MYRIGHTS x t", true, false },
		{ "MYRIGHTS x e", false, true },
		{ "MYRIGHTS x TE", false, false },
		/* RFC 2086 */
		{ "MYRIGHTS x lrswipcda", true, true },
		{ "MYRIGHTS x lrswipca", false, false },
		/* RFC 4314, section 2.1.1: "d" where one of its parts is */
		{ "MYRIGHTS x lrstd", true, false },
		{ "MYRIGHTS x lrsed", false, true },
		{ "MYRIGHTS x lrsxcd", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_imap_mailbox_data data;

		ROW(rows, i);
		assert_true(parse(pb_slice_str(rows[i].line), &data));
		assert_int_equal(data.type, PB_IMAP_MAILBOX_MYRIGHTS);
		assert_int_equal(data.may_flag_deleted,
		    rows[i].may_flag_deleted);
		assert_int_equal(data.may_expunge, rows[i].may_expunge);
	}
}

static void
more_rights_than_there_can_be_are_none(void **state)
{
	const size_t max = 64;
	struct pb_imap_mailbox_data data;
	char line[100];
	size_t n;

	(void)state;
	for (n = 2; n <= max + 1; n++) {
		char *rights = line + snprintf(line, sizeof(line),
		    "MYRIGHTS x te");

		memset(rights, 'l', n - 2);
		rights[n - 2] = '\0';
		assert_int_equal(parse(pb_slice_str(line), &data), n <= max);
	}
}

static void
nothing_is_left_of_the_response_before(void **state)
{
	struct pb_imap_mailbox_data data;

	(void)state;
	assert_true(parse(OCTETS("LIST (\\Trash \\Noselect) \"/\" x"), &data));
	assert_true(parse(OCTETS("LIST () \"/\" y"), &data));
	assert_int_equal(data.special, 0);
	assert_false(data.is_absent);
	assert_true(parse(OCTETS("STATUS x (UIDVALIDITY 5)"), &data));
	assert_true(parse(OCTETS("STATUS x (MESSAGES 5)"), &data));
	assert_int_equal(data.uidvalidity, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mailboxes_of_usual_servers_are_read),
		cmocka_unit_test(a_name_is_read_up_to_its_limit),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(no_part_of_a_response_is_one),
		cmocka_unit_test(status_says_the_uidvalidity),
		cmocka_unit_test(rights_are_read_in_their_old_and_new_form),
		cmocka_unit_test(more_rights_than_there_can_be_are_none),
		cmocka_unit_test(nothing_is_left_of_the_response_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
