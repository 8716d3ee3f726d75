#include "fixture.h"

#include "support/trace.h"

/* Commands that name a mailbox, and what their answers tell. */

static const uint32_t uids[] = { 3, 4, 5, 9 };

static void
copies(struct fixture *f)
{
	assert_int_equal(pb_imap_client_uid_copy(&f->client, uids, 4,
	    OCTETS("Trash"), NULL), PB_OK);
}

static void
moves(struct fixture *f)
{
	assert_int_equal(pb_imap_client_uid_move(&f->client, uids, 4,
	    OCTETS("Trash"), NULL), PB_OK);
}

static void
what_the_server_can_is_known(void **state)
{
	static const struct {
		const char *capabilities;
		bool has_move;
		bool has_acl;
	} rows[] = {
		{ "UIDPLUS", false, false },
		{ "MOVE", true, false },
		{ "ACL RIGHTS=texk", false, true },
		{ "IMAP4rev2", true, false },
		{ "XMOVE RIGHTS=te", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(rows[i].capabilities);

		ROW(rows, i);
		assert_int_equal(pb_imap_client_has_move(&f->client),
		    rows[i].has_move);
		assert_int_equal(pb_imap_client_has_acl(&f->client),
		    rows[i].has_acl);
		finish(f);
	}
}

static void
a_copy_tells_which_messages_were_copied(void **state)
{
	struct fixture *f = start("UIDPLUS");
	uint32_t id;

	(void)state;
	assert_int_equal(pb_imap_client_uid_copy(&f->client, uids, 4,
	    OCTETS("Deleted Items"), &id), PB_OK);
	assert_int_equal(id, 2);
	sends(f, "A2 UID COPY 3:5,9 \"Deleted Items\"\r\n");
	must_tell(f, "A2 OK [COPYUID 38505 3:5,9 3956:3959] done\r\n",
	    "done 2 copied 3:5 9:9\n");
	assert_int_equal(f->event.kind, PB_IMAP_COMMAND_COPY);
	copies(f);
	copies(f);
	must_tell(f, "A3 OK [copyuid 1 9,5:3 4,1:3] x\r\n"
	    "A4 OK [COPYUID 1 4 7] x\r\n",
	    "done 3 copied 3:5 9:9\ndone 4 copied 4:4\n");
	/* It keeps nothing of it. */
	says(f, "");
	assert_null(f->client.copied.ranges);
	finish(f);
}

static void
without_proof_nothing_counts_as_copied(void **state)
{
	static const char *const lines[] = {
		"A2 OK done\r\n",
		"A2 OK\r\n",
		"A2 OK [COPYUID] x\r\n",
		"A2 OK [COPYUID ] x\r\n",
		"A2 OK [COPYUID 1] x\r\n",
		"A2 OK [COPYUID 1 3:5] x\r\n",
		"A2 OK [COPYUID 1 3:5 ] x\r\n",
		"A2 OK [COPYUID 1  3:5] x\r\n",
		"A2 OK [COPYUID 1 3:5 7:8] x\r\n",
		"A2 OK [COPYUID 1 3:5 7:10] x\r\n",
		"A2 OK [COPYUID 1 3:5 7:9 1] x\r\n",
		"A2 OK [COPYUID 1 3:* 7:9] x\r\n",
		"A2 OK [COPYUID 1 3:5, 7:9] x\r\n",
		"A2 OK [COPYUID 1 0 7] x\r\n",
		"A2 OK [COPYUID 1 4294967296 7] x\r\n",
		"A2 OK [COPYUID 1 (3) 7] x\r\n",
		"A2 OK [COPYUID x 3 7] x\r\n",
		"A2 OK [COPYUID 4294967296 3 7] x\r\n",
		"A2 OK [COPYUIDS 1 3 7] x\r\n",
		"A2 OK [APPENDUID 1 3] x\r\n",
		"A2 OK [COPYUID 1 3 7 x\r\n",
		"A2 OK COPYUID 1 3 7\r\n",
		/* a COPY says it in its OK and nowhere else */
		"* OK [COPYUID 1 3 7] x\r\nA2 OK\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		struct fixture *f = start("UIDPLUS");

		ROW(lines, i);
		copies(f);
		must_tell(f, lines[i], "done 2\n");
		finish(f);
	}
}

static void
a_refused_copy_copies_nothing(void **state)
{
	struct fixture *f = start("UIDPLUS");

	(void)state;
	copies(f);
	must_tell(f, "A2 NO [COPYUID 1 3 7] x\r\n", "done 2 refused\n");
	copies(f);
	must_tell(f, "A3 BAD [COPYUID 1 3 7] x\r\n", "done 3 refused\n");
	finish(f);
}

static void
a_move_tells_before_the_messages_go(void **state)
{
	struct fixture *f = start("UIDPLUS MOVE");

	(void)state;
	moves(f);
	sends(f, "A2 UID MOVE 3:5,9 \"Trash\"\r\n");
	must_tell(f, "* OK [COPYUID 1 3:5,9 7:10] moved\r\n* 1 EXPUNGE\r\n"
	    "* SEARCH 77\r\nA2 OK done\r\n",
	    "expunge 0\ndone 2 copied 3:5 9:9\n");
	assert_int_equal(f->event.kind, PB_IMAP_COMMAND_MOVE);
	/* That was all of it. */
	moves(f);
	must_tell(f, "A3 OK done\r\n", "done 3\n");
	moves(f);
	must_tell(f, "A4 OK [COPYUID 1 4 7] done\r\n", "done 4 copied 4:4\n");
	/* In pieces, and out of order. */
	moves(f);
	must_tell(f, "* OK [COPYUID 1 9 7] x\r\n* OK [COPYUID 1 3,5 8:9] x\r\n"
	    "A5 OK [COPYUID 1 4 10] done\r\n", "done 5 copied 3:5 9:9\n");
	/* Some are there, though it failed. */
	moves(f);
	must_tell(f, "* OK [COPYUID 1 3 7] x\r\n"
	    "* NO [COPYUID 1 4 8] x\r\nA6 NO no room\r\n",
	    "done 6 refused copied 3:3\n");
	finish(f);
}

static void
moves_that_overlap_may_tell_of_each_other(void **state)
{
	struct fixture *f = start("UIDPLUS MOVE");

	(void)state;
	moves(f);
	moves(f);
	copies(f);
	must_tell(f, "* OK [COPYUID 1 3 7] x\r\n* OK [COPYUID 1 9 8] x\r\n"
	    "A3 OK\r\nA4 OK [COPYUID 1 4 9] x\r\nA2 OK\r\n",
	    "done 3 copied 3:3 9:9\ndone 4 copied 4:4\n"
	    "done 2 copied 3:3 9:9\n");
	moves(f);
	must_tell(f, "A5 OK\r\n", "done 5\n");
	finish(f);
}

static void
nobody_moves_what_nobody_asked_for(void **state)
{
	struct fixture *f = start("UIDPLUS MOVE");

	(void)state;
	must_tell(f, "* OK [COPYUID 1 9 7] x\r\n", "");
	moves(f);
	must_tell(f, "A2 OK\r\n", "done 2\n");
	finish(f);
}

static void
what_a_server_says_was_moved_is_bounded(void **state)
{
	struct fixture *f = start("UIDPLUS MOVE");
	struct pb_buffer line;
	unsigned i, round;

	(void)state;
	moves(f);
	for (round = 0; round < 50; round++) {
		pb_buffer_init(&line, 64 * 1024);
		pbt_say(&line, "* OK [COPYUID 1 ");
		for (i = 0; i < 2000; i++)
			pbt_say(&line, "%s%u", i > 0 ? "," : "",
			    1 + 2 * (round * 2000 + i));
		pbt_say(&line, " 1:2000] x\r\n");
		pbt_put(&line, pb_slice("", 1));
		says(f, pb_buffer_slice(&line).data);
		assert_int_equal(f->status, PB_AGAIN);
		pb_buffer_fini(&line);
	}
	assert_int_equal(f->client.moved.n, 18000);
	says(f, "A2 OK\r\n");
	assert_true(f->event.has_copied);
	assert_int_equal(f->event.n_ranges, 18000);
	says(f, "");
	assert_null(f->client.moved.ranges);
	finish(f);
}

static void
a_refusal_says_whether_to_create_the_mailbox(void **state)
{
	static const struct {
		const char *line;
		const char *want;
	} rows[] = {
		{ "A2 NO [TRYCREATE] no such mailbox\r\n",
		    "done 2 refused try create\n" },
		{ "A2 NO [trycreate]\r\n", "done 2 refused try create\n" },
		{ "A2 NO UID COPY [TRYCREATE] failed\r\n",
		    "done 2 refused try create\n" },
		{ "A2 NO [TRYCREATED] x\r\n", "done 2 refused\n" },
		{ "A2 NO TRYCREATE\r\n", "done 2 refused\n" },
		{ "A2 BAD [TRYCREATE] x\r\n", "done 2 refused\n" },
		{ "A2 OK [TRYCREATE] x\r\n", "done 2\n" },
		{ "A2 NO [ALREADYEXISTS] x\r\n", "done 2 refused\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT(rows); i++) {
		struct fixture *f = start("UIDPLUS MOVE");

		ROW(rows, i / 2);
		if (i % 2 == 0)
			copies(f);
		else
			moves(f);
		must_tell(f, rows[i / 2].line, rows[i / 2].want);
		finish(f);
	}
}

static void
create_says_that_the_mailbox_is_there_already(void **state)
{
	static const struct {
		const char *line;
		const char *want;
	} rows[] = {
		{ "A2 OK done\r\n", "done 2\n" },
		{ "A2 NO [ALREADYEXISTS] x\r\n",
		    "done 2 refused already exists\n" },
		{ "A2 NO Mailbox already exists\r\n",
		    "done 2 refused already exists\n" },
		{ "A2 NO [CANNOT] Invalid name\r\n", "done 2 refused\n" },
		{ "A2 BAD [ALREADYEXISTS] x\r\n", "done 2 refused\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start("");

		ROW(rows, i);
		assert_int_equal(pb_imap_client_create(&f->client,
		    OCTETS("POP3/Trash"), NULL), PB_OK);
		sends(f, "A2 CREATE \"POP3/Trash\"\r\n");
		must_tell(f, rows[i].line, rows[i].want);
		assert_int_equal(f->event.kind, PB_IMAP_COMMAND_CREATE);
		finish(f);
	}
}

static void
a_full_trash_is_no_reason_to_come_less_often(void **state)
{
	static const char *const lines[] = {
		"A2 NO [OVERQUOTA] Too many messages\r\n",
		"A2 NO [LIMIT] x\r\n",
	};
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines); i++) {
		f = start("MOVE");
		copies(f);
		must_tell(f, lines[i], "done 2 refused\n");
		assert_int_equal(f->event.error.kind, PB_ERROR_TEMPORARY);
		assert_false(f->event.error.throttled);
		assert_non_null(strstr(f->event.error.text,
		    "refuses COPY: ["));
		finish(f);
	}
	f = start("MOVE");
	moves(f);
	must_tell(f, "A2 NO [THROTTLED] x\r\n", "done 2 refused\n");
	assert_true(f->event.error.throttled);
	finish(f);
	f = start("");
	assert_int_equal(pb_imap_client_search_all(&f->client, NULL), PB_OK);
	must_tell(f, "A2 NO [LIMIT] x\r\n", "done 2 refused\n");
	assert_true(f->event.error.throttled);
	finish(f);
}

static void
mailboxes_for_special_uses_are_told(void **state)
{
	struct fixture *f = start("SPECIAL-USE LIST-EXTENDED");

	(void)state;
	assert_int_equal(pb_imap_client_list_special(&f->client, NULL), PB_OK);
	sends(f, "A2 LIST (SPECIAL-USE) \"\" \"*\"\r\n");
	must_tell(f, "* LIST (\\HasNoChildren \\Trash) \"/\" \"Deleted "
	    "Items\"\r\n"
	    "* LIST (\\archive) NIL {7}\r\nArchive\r\n"
	    "* LIST (\\Sent) \"/\" Sent\r\n"
	    "* LIST (\\Trash \\Noselect) \"/\" a\r\n"
	    "* LIST (\\All \\NonExistent) \"/\" b\r\n"
	    "* LIST (\\Trash) \"/\" {3}\r\na\r\n\r\n"
	    "* LIST (\\Trash) \"/\" c d\r\n"
	    "* LIST (\\All) \"/\" \"[Gmail]/\\\"All\\\"\"\r\nA2 OK\r\n",
	    "mailbox 2 for 1 Deleted Items\nmailbox 2 for 2 Archive\n"
	    "mailbox 2 for 4 [Gmail]/\"All\"\ndone 2\n");
	assert_int_equal(f->event.kind, PB_IMAP_COMMAND_LIST);
	/* Nobody asks any more. */
	must_tell(f, "* LIST (\\Trash) \"/\" Trash\r\n", "");
	finish(f);
}

static void
a_server_without_special_use_is_asked_for_all(void **state)
{
	static const struct {
		const char *capabilities;
		const char *want;
	} rows[] = {
		{ "", "A2 LIST \"\" \"*\"\r\n" },
		{ "SPECIAL-USE", "A2 LIST \"\" \"*\"\r\n" },
		{ "LIST-EXTENDED", "A2 LIST \"\" \"*\"\r\n" },
		{ "IMAP4rev2", "A2 LIST (SPECIAL-USE) \"\" \"*\"\r\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start(rows[i].capabilities);

		ROW(rows, i);
		assert_int_equal(pb_imap_client_list_special(&f->client,
		    NULL), PB_OK);
		sends(f, rows[i].want);
		must_tell(f, "* LIST (\\Trash) \"/\" Trash\r\nA2 OK\r\n",
		    "mailbox 2 for 1 Trash\ndone 2\n");
		finish(f);
	}
}

/* No allocation is needed for any of them. */
static void
thousands_of_mailboxes_take_no_memory(void **state)
{
	struct fixture *f = start("");
	unsigned i;

	(void)state;
	assert_int_equal(pb_imap_client_list_special(&f->client, NULL), PB_OK);
	pb_mem_fail_from(1);
	for (i = 0; i < 20000; i++) {
		struct pb_slice in = OCTETS("* LIST (\\HasNoChildren) \"/\" "
		    "\"Projekte/2020/Kunde &APY- Nr. 5\"\r\n");
		struct pb_imap_event event;

		assert_int_equal(pb_imap_client_next(&f->client, &in, &event),
		    PB_AGAIN);
	}
	pb_mem_fail_from(0);
	must_tell(f, "A2 OK\r\n", "done 2\n");
	assert_int_equal(f->client.refused + f->client.dropped, 0);
	finish(f);
}

static void
status_tells_the_uidvalidity_and_changes_none(void **state)
{
	struct fixture *f = start("");

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	says(f, "* OK [UIDVALIDITY 5] x\r\nA2 OK\r\n");
	pb_buffer_clear(&f->client.out);
	assert_int_equal(pb_imap_client_status_uidvalidity(&f->client,
	    "INBOX", NULL), PB_OK);
	sends(f, "A3 STATUS \"INBOX\" (UIDVALIDITY)\r\n");
	must_tell(f, "* STATUS INBOX (UIDVALIDITY 6)\r\nA3 OK\r\n",
	    "status 3 6 INBOX\ndone 3\n");
	assert_int_equal(f->event.kind, PB_IMAP_COMMAND_STATUS);
	assert_true(f->client.has_uidvalidity);
	assert_int_equal(f->client.uidvalidity, 5);
	/* What says nothing of it is no answer, and neither is what nobody
	   asked for. */
	must_tell(f, "* STATUS INBOX (UIDVALIDITY 7)\r\n", "");
	assert_int_equal(pb_imap_client_status_uidvalidity(&f->client,
	    "INBOX", NULL), PB_OK);
	must_tell(f, "* STATUS INBOX (MESSAGES 7)\r\n* STATUS INBOX ()\r\n"
	    "* STATUS INBOX (UIDVALIDITY 0)\r\nA4 OK\r\n", "done 4\n");
	finish(f);
}

static void
rights_are_those_of_the_selected_mailbox(void **state)
{
	struct fixture *f = start("ACL");

	(void)state;
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	assert_int_equal(pb_imap_client_myrights(&f->client, "INBOX", NULL),
	    PB_OK);
	sends(f, "A2 SELECT INBOX\r\nA3 MYRIGHTS \"INBOX\"\r\n");
	must_tell(f, "A2 OK\r\n", "done 2\n");
	assert_false(f->client.has_rights);
	must_tell(f, "* MYRIGHTS INBOX lrswt\r\nA3 OK\r\n", "done 3\n");
	assert_int_equal(f->event.kind, PB_IMAP_COMMAND_MYRIGHTS);
	assert_true(f->client.has_rights);
	assert_true(f->client.may_flag_deleted);
	assert_false(f->client.may_expunge);
	/* Not asked for. */
	must_tell(f, "* MYRIGHTS INBOX lrswte\r\n", "");
	assert_false(f->client.may_expunge);
	assert_int_equal(pb_imap_client_select(&f->client, "INBOX"), PB_OK);
	assert_false(f->client.has_rights);
	assert_false(f->client.may_flag_deleted);
	assert_int_equal(pb_imap_client_myrights(&f->client, "INBOX", NULL),
	    PB_OK);
	must_tell(f, "A4 OK\r\nA5 NO no\r\n", "done 4\ndone 5 refused\n");
	assert_false(f->client.has_rights);
	finish(f);
}

static void
permanentflags_say_what_the_mailbox_keeps(void **state)
{
	static const struct {
		const char *code;
		bool has, deleted, keywords;
	} rows[] = {
		{ "PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
		  "\\Draft \\*)", true, true, true },
		{ "permanentflags (\\deleted \\Seen)", true, true, false },
		{ "PERMANENTFLAGS (\\Deleted $pop3DELETED)", true, true,
		    true },
		{ "PERMANENTFLAGS (\\*)", true, false, true },
		{ "PERMANENTFLAGS ()", true, false, false },
		{ "PERMANENTFLAGS ( \\Deleted  \\* )", true, true, true },
		{ "PERMANENTFLAGS (\\DeletedX \\** $POP3Deleted2 Deleted *)",
		    true, false, false },
		{ "PERMANENTFLAGS", false, false, false },
		{ "PERMANENTFLAGS ", false, false, false },
		{ "PERMANENTFLAGS (", false, false, false },
		{ "PERMANENTFLAGS )", false, false, false },
		{ "PERMANENTFLAGS ({", false, false, false },
		{ "PERMANENTFLAGS (\\Deleted", false, false, false },
		{ "PERMANENTFLAGS (\\Deleted) (\\*)", false, false, false },
		{ "PERMANENTFLAGS ((\\Deleted))", false, false, false },
		{ "PERMANENTFLAGS \\Deleted", false, false, false },
		{ "FLAGS (\\Deleted \\*)", false, false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct fixture *f = start("");
		char line[200];

		ROW(rows, i);
		assert_int_equal(pb_imap_client_select(&f->client, "INBOX"),
		    PB_OK);
		snprintf(line, sizeof(line), "* OK [%s] x\r\nA2 OK\r\n",
		    rows[i].code);
		must_tell(f, line, "done 2\n");
		assert_int_equal(f->client.has_permanentflags, rows[i].has);
		assert_int_equal(f->client.keeps_deleted, rows[i].deleted);
		assert_int_equal(f->client.keeps_keywords, rows[i].keywords);
		assert_int_equal(pb_imap_client_select(&f->client, "INBOX"),
		    PB_OK);
		assert_false(f->client.has_permanentflags);
		assert_false(f->client.keeps_deleted);
		assert_false(f->client.keeps_keywords);
		finish(f);
	}
}

static void
several_searches_know_whose_answer_it_is(void **state)
{
	struct fixture *f = start("ESEARCH");

	(void)state;
	assert_int_equal(pb_imap_client_search_deleted(&f->client, NULL),
	    PB_OK);
	assert_int_equal(pb_imap_client_search_pop3_deleted(&f->client, NULL),
	    PB_OK);
	sends(f, "A2 UID SEARCH RETURN (ALL) DELETED\r\n"
	    "A3 UID SEARCH RETURN (ALL) KEYWORD $POP3Deleted\r\n");
	must_tell(f, "* ESEARCH (TAG \"A3\") UID ALL 7\r\n"
	    "* ESEARCH (TAG \"A2\") UID ALL 1:3\r\nA3 OK\r\nA2 OK\r\n",
	    "found 3 7:7\nfound 2 1:3\ndone 3\ndone 2\n");
	finish(f);
	f = start("");
	assert_int_equal(pb_imap_client_search_deleted(&f->client, NULL),
	    PB_OK);
	assert_int_equal(pb_imap_client_search_pop3_deleted(&f->client, NULL),
	    PB_OK);
	sends(f, "A2 UID SEARCH DELETED\r\n"
	    "A3 UID SEARCH KEYWORD $POP3Deleted\r\n");
	must_tell(f, "* SEARCH 1 2 3\r\nA2 OK\r\n* SEARCH 7\r\nA3 OK\r\n",
	    "found 2 1:3\ndone 2\nfound 3 7:7\ndone 3\n");
	finish(f);
}

static void
names_that_cannot_be_sent_are_refused(void **state)
{
	static const char longest[PB_IMAP_MAILBOX_MAX + 2];
	struct fixture *f = start("MOVE ACL");
	char name[PB_IMAP_MAILBOX_MAX + 2];
	const struct pb_slice rows[] = {
		OCTETS(""),
		OCTETS("a\rb"),
		OCTETS("a\nb"),
		OCTETS("Trash\r\nA9 DELETE INBOX"),
		OCTETS("a\0b"),
		OCTETS("Gel\xc3\xb6scht"),
		pb_slice(name, sizeof(longest) - 1),
	};
	size_t i;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(strlen(name), PB_IMAP_MAILBOX_MAX + 1);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_imap_client_uid_copy(&f->client, uids, 4,
		    rows[i], NULL), PB_EINVAL);
		assert_int_equal(pb_imap_client_uid_move(&f->client, uids, 4,
		    rows[i], NULL), PB_EINVAL);
		assert_int_equal(pb_imap_client_create(&f->client, rows[i],
		    NULL), PB_EINVAL);
	}
	assert_int_equal(pb_imap_client_myrights(&f->client, name, NULL),
	    PB_EINVAL);
	assert_int_equal(pb_imap_client_status_uidvalidity(&f->client, "",
	    NULL), PB_EINVAL);
	/* It is as before. */
	sends(f, "");
	assert_false(pb_imap_client_is_busy(&f->client));
	assert_int_equal(pb_imap_client_create(&f->client, pb_slice(name,
	    PB_IMAP_MAILBOX_MAX), NULL), PB_OK);
	assert_int_equal(f->client.out.len, strlen("A2 CREATE \"\"\r\n") +
	    PB_IMAP_MAILBOX_MAX);
	finish(f);
}

static void
octets_over_127_go_as_a_literal_that_does_not_wait(void **state)
{
	static const char *const words[] = { "LITERAL+", "LITERAL-",
		"IMAP4rev2" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(words); i++) {
		struct fixture *f = start(words[i]);

		ROW(words, i);
		assert_int_equal(pb_imap_client_uid_copy(&f->client, uids, 4,
		    OCTETS("Gel\xc3\xb6scht \"x\\"), NULL), PB_OK);
		assert_int_equal(pb_imap_client_status_uidvalidity(&f->client,
		    "\xc3\xb6", NULL), PB_OK);
		sends(f, "A2 UID COPY 3:5,9 {13+}\r\nGel\xc3\xb6scht \"x\\\r\n"
		    "A3 STATUS {2+}\r\n\xc3\xb6 (UIDVALIDITY)\r\n");
		finish(f);
	}
}

#define OPEN \
	"* OK [CAPABILITY IMAP4rev1] hi\r\n" \
	"A1 OK [CAPABILITY IMAP4rev1 UIDPLUS MOVE ACL ESEARCH] in\r\n"

static void
mailboxes_are_understood_under_all_splits(void **state)
{
	struct pb_buffer got;

	(void)state;
	pbt_all_splits(&pbt_client_mailboxes, OCTETS(OPEN
	    "* OK [PERMANENTFLAGS (\\Deleted \\*)] x\r\n"
	    "A2 OK [READ-WRITE] done\r\n"
	    "* MYRIGHTS INBOX \"lrste\"\r\nA3 OK\r\n"
	    "* LIST (\\Trash) \"/\" {5}\r\nTrash\r\n"
	    "* LIST (\\Junk) \"/\" \"Junk\"\r\n"
	    "* LIST (\\All) NIL \"a\\\\b\"\r\nA4 OK\r\n"
	    "* ESEARCH (TAG \"A5\") UID ALL 3:5\r\nA5 OK\r\n"
	    "A6 NO [ALREADYEXISTS] x\r\n"
	    "A7 OK [COPYUID 1 3:5,9 1:4] x\r\n"
	    "* OK [COPYUID 1 3:5 1:3] x\r\n* 3 EXPUNGE\r\n"
	    "A8 NO [TRYCREATE] x\r\n"
	    "* STATUS \"INBOX\" (UIDVALIDITY 17)\r\nA9 OK\r\n"), &got);
	ASSERT_TEXT(pb_buffer_slice(&got), "ready\n"
	    "done 2 kind 4 condition 0\nkeeps deleted 1 keywords 1\n"
	    "done 3 kind 15 condition 0\nmay flag 1 expunge 1\n"
	    "mailbox for 1 is Trash\nmailbox for 4 is a\\\\b\n"
	    "done 4 kind 14 condition 0\nfound 3:5\n"
	    "done 5 kind 9 condition 0\n"
	    "done 6 kind 13 condition 1 error 2 scope 1 already exists\n"
	    "done 7 kind 11 condition 0 copied 3:5 9\n"
	    "expunge 3\n"
	    "done 8 kind 12 condition 1 error 2 scope 1 try create copied "
	    "3:5\nuidvalidity 17 of INBOX\ndone 9 kind 16 condition 0\n"
	    "state READY\n"
	    "sent A1 LOGIN max geheim123\\x0d\\x0a"
	    "A2 SELECT INBOX\\x0d\\x0aA3 MYRIGHTS \"INBOX\"\\x0d\\x0a"
	    "A4 LIST \"\" \"*\"\\x0d\\x0a"
	    "A5 UID SEARCH RETURN (ALL) KEYWORD $POP3Deleted\\x0d\\x0a"
	    "A6 CREATE \"Trash\"\\x0d\\x0a"
	    "A7 UID COPY 3:5,9 \"Trash\"\\x0d\\x0a"
	    "A8 UID MOVE 3:5,9 \"Trash\"\\x0d\\x0a"
	    "A9 STATUS \"INBOX\" (UIDVALIDITY)\\x0d\\x0a\n");
	pb_buffer_fini(&got);
}

static void
every_failing_allocation_breaks_the_client_in_order(void **state)
{
	unsigned long n;
	bool whole = false;

	(void)state;
	for (n = 1; !whole; n++) {
		struct fixture *f = start("UIDPLUS MOVE");
		enum pb_status st;

		assert_true(n < 100);
		pb_buffer_release(&f->client.out);
		pbt_say(&f->told, "%1000s", "");
		pb_mem_fail_from(n);
		st = pb_imap_client_uid_move(&f->client, uids, 4,
		    OCTETS("Trash"), NULL);
		if (st == PB_OK)
			st = pb_imap_client_create(&f->client,
			    OCTETS("Trash"), NULL);
		if (st == PB_OK)
			says(f, "* OK [COPYUID 1 3 7] x\r\n"
			    "A2 OK [COPYUID 1 4 8] x\r\nA3 OK\r\n");
		pb_mem_fail_from(0);
		whole = st == PB_OK && f->status == PB_AGAIN;
		if (!whole) {
			assert_int_equal(f->client.state,
			    PB_IMAP_STATE_BROKEN);
			assert_int_equal(f->client.error.kind,
			    PB_ERROR_INTERNAL);
		}
		finish(f);
	}
	assert_true(n > 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_server_can_is_known),
		cmocka_unit_test(a_copy_tells_which_messages_were_copied),
		cmocka_unit_test(without_proof_nothing_counts_as_copied),
		cmocka_unit_test(a_refused_copy_copies_nothing),
		cmocka_unit_test(a_move_tells_before_the_messages_go),
		cmocka_unit_test(moves_that_overlap_may_tell_of_each_other),
		cmocka_unit_test(nobody_moves_what_nobody_asked_for),
		cmocka_unit_test(what_a_server_says_was_moved_is_bounded),
		cmocka_unit_test(a_refusal_says_whether_to_create_the_mailbox),
		cmocka_unit_test(
		    create_says_that_the_mailbox_is_there_already),
		cmocka_unit_test(a_full_trash_is_no_reason_to_come_less_often),
		cmocka_unit_test(mailboxes_for_special_uses_are_told),
		cmocka_unit_test(
		    a_server_without_special_use_is_asked_for_all),
		cmocka_unit_test(thousands_of_mailboxes_take_no_memory),
		cmocka_unit_test(
		    status_tells_the_uidvalidity_and_changes_none),
		cmocka_unit_test(rights_are_those_of_the_selected_mailbox),
		cmocka_unit_test(permanentflags_say_what_the_mailbox_keeps),
		cmocka_unit_test(several_searches_know_whose_answer_it_is),
		cmocka_unit_test(names_that_cannot_be_sent_are_refused),
		cmocka_unit_test(
		    octets_over_127_go_as_a_literal_that_does_not_wait),
		cmocka_unit_test(mailboxes_are_understood_under_all_splits),
		cmocka_unit_test(
		    every_failing_allocation_breaks_the_client_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
