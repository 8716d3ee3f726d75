#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "support/edge.h"

/*
 * What was promised, when memory fails and when answers come late; the order of
 * things is in the transcripts.
 */

static void
client(struct pbt_edge *e, const char *text)
{
	pbt_edge_client(e, pb_slice_str(text));
}

static void
upstream(struct pbt_edge *e, const char *text)
{
	pbt_edge_upstream(e, pb_slice_str(text));
}

static bool
contains(const struct pb_buffer *b, const char *text)
{
	return memmem(pb_buffer_slice(b).data, b->len, text, strlen(text)) !=
	    NULL;
}

static struct pb_promises *
owed(uint32_t uid)
{
	struct pb_promises *p = pb_promises_new(1);

	assert_non_null(p);
	p->list[0].number = 1;
	p->list[0].uidvalidity = 17;
	p->list[0].uids = pb_xalloc(sizeof(uid));
	p->list[0].uids[0] = uid;
	p->list[0].n = 1;
	return p;
}

/* Up to the end of the listing: UIDs 10 and 11. */
static void
list(struct pbt_edge *e)
{
	pbt_edge_start(e);
	client(e, "USER joe\r\nPASS secret\r\n");
	pbt_edge_connected(e);
	upstream(e, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
	upstream(e, "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n");
	upstream(e, "* 2 EXISTS\r\n* OK [UIDVALIDITY 17] v\r\n"
	    "A2 OK [READ-WRITE] in\r\n"
	    "* 1 FETCH (UID 10 RFC822.SIZE 5)\r\n"
	    "* 2 FETCH (UID 11 RFC822.SIZE 6)\r\n");
	pb_buffer_clear(&e->to_upstream);
}

static void
quit_without_memory_removes_all_or_says_that_it_does_not(void **state)
{
	bool removed = false;
	unsigned long n;

	(void)state;
	for (n = 1; !removed; n++) {
		struct pbt_edge e;

		pbt_edge_init(&e);
		e.options.journal = PB_BRIDGE_JOURNAL_BEST_EFFORT;
		list(&e);
		upstream(&e, "A3 OK listed\r\n");
		client(&e, "DELE 2\r\n");
		pb_buffer_clear(&e.to_client);
		pb_mem_fail_from(n);
		client(&e, "QUIT\r\n");
		pb_mem_fail_from(0);
		if (e.promise_asked)
			pbt_edge_promised(&e, true);
		upstream(&e, "A4 OK\r\nA5 OK\r\nA6 OK\r\n");
		assert_true(e.ended);
		removed = e.noted == PB_PROMISE_KEPT;
		assert_int_equal(contains(&e.to_client, "+OK"),
		    contains(&e.to_upstream, "A6 UID EXPUNGE 11"));
		pbt_edge_fini(&e);
	}
	assert_true(n > 2);
}

static void
without_journal_and_memory_nothing_is_removed_when_it_is_required(
    void **state)
{
	struct pbt_edge e;

	(void)state;
	pbt_edge_init(&e);
	e.options.journal = PB_BRIDGE_JOURNAL_REQUIRED;
	list(&e);
	upstream(&e, "A3 OK listed\r\n");
	client(&e, "DELE 2\r\n");
	pb_mem_fail_from(1);
	client(&e, "QUIT\r\n");
	pb_mem_fail_from(0);
	assert_true(e.ended);
	assert_false(contains(&e.to_upstream, "STORE"));
	/* There may be no memory for a reply either. */
	assert_false(contains(&e.to_client, "+OK goodbye"));
	pbt_edge_fini(&e);
}

static void
a_login_without_memory_fails_or_hides_what_was_promised(void **state)
{
	bool kept = false;
	unsigned long n;

	(void)state;
	for (n = 1; !kept; n++) {
		struct pbt_edge e;

		pbt_edge_init(&e);
		e.owed = owed(11);
		list(&e);
		pb_mem_fail_from(n);
		upstream(&e, "A3 OK listed\r\n");
		pb_mem_fail_from(0);
		upstream(&e, "A4 OK\r\nA5 OK\r\n");
		kept = e.noted == PB_PROMISE_KEPT;
		if (contains(&e.to_client, "+OK logged in"))
			assert_int_equal(e.bridge.maildrop.count, 1);
		else
			assert_true(e.ended || contains(&e.to_client,
			    "-ERR [SYS/TEMP]"));
		pbt_edge_fini(&e);
	}
	assert_true(n > 4);
}

static void
an_answer_of_the_journal_that_comes_too_late_changes_nothing(void **state)
{
	struct pbt_edge e;

	(void)state;
	pbt_edge_init(&e);
	e.options.journal = PB_BRIDGE_JOURNAL_BEST_EFFORT;
	e.options.upstream_ms = 30000;
	list(&e);
	upstream(&e, "A3 OK listed\r\n");
	client(&e, "DELE 2\r\nQUIT\r\n");
	upstream(&e, "A4 OK\r\n");
	pbt_edge_clock(&e, 31000);
	assert_true(contains(&e.to_upstream, "A5 UID STORE 11 "));
	pbt_edge_promised(&e, true);
	upstream(&e, "A5 OK\r\nA6 OK\r\n");
	assert_true(e.ended);
	assert_true(contains(&e.to_client, "+OK goodbye, 1 messages"));
	pbt_edge_fini(&e);
}

static void
the_mail_server_may_be_silent_while_it_is_written_down(void **state)
{
	struct pbt_edge e;

	(void)state;
	pbt_edge_init(&e);
	e.options.journal = PB_BRIDGE_JOURNAL_BEST_EFFORT;
	list(&e);
	upstream(&e, "A3 OK listed\r\n");
	client(&e, "DELE 2\r\nQUIT\r\n");
	/* Somebody else removes another message meanwhile. */
	upstream(&e, "* 1 EXPUNGE\r\n");
	assert_false(contains(&e.to_upstream, "STORE"));
	pbt_edge_promised(&e, true);
	upstream(&e, "A4 OK\r\nA5 OK\r\nA6 OK\r\n");
	assert_int_equal(e.noted, PB_PROMISE_KEPT);
	pbt_edge_fini(&e);
}

static void
another_uidvalidity_at_quit_removes_nothing(void **state)
{
	struct pbt_edge e;

	(void)state;
	pbt_edge_init(&e);
	e.options.journal = PB_BRIDGE_JOURNAL_BEST_EFFORT;
	list(&e);
	upstream(&e, "A3 OK listed\r\n");
	client(&e, "DELE 2\r\nQUIT\r\n");
	upstream(&e, "* OK [UIDVALIDITY 18] all is new\r\n");
	pbt_edge_promised(&e, true);
	assert_true(e.ended);
	assert_false(contains(&e.to_upstream, "STORE"));
	assert_true(contains(&e.to_client, "-ERR [SYS/TEMP]"));
	assert_int_equal(e.noted, PB_PROMISE_FAILED);
	pbt_edge_fini(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    quit_without_memory_removes_all_or_says_that_it_does_not),
		cmocka_unit_test(
		    without_journal_and_memory_nothing_is_removed_when_it_is_required),
		cmocka_unit_test(
		    a_login_without_memory_fails_or_hides_what_was_promised),
		cmocka_unit_test(
		    an_answer_of_the_journal_that_comes_too_late_changes_nothing),
		cmocka_unit_test(
		    the_mail_server_may_be_silent_while_it_is_written_down),
		cmocka_unit_test(another_uidvalidity_at_quit_removes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
