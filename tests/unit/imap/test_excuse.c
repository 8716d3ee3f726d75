#include "support/test.h"

#include <stdio.h>

#include "popbridge/imap/excuse.h"

static bool
is_apology(const char *text)
{
	return pb_imap_is_apology(pb_slice_str(text));
}

static void
what_exchange_writes_itself_is_no_message(void **state)
{
	(void)state;
	assert_true(is_apology("MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=\"us-ascii\"\r\n"
	    "From: Microsoft Exchange Server 2010\r\n"
	    "To: Max <max@example.com>\r\n"
	    "Subject: Retrieval using the IMAP4 protocol failed for the "
	    "following\r\n message: 20004\r\n\r\n"
	    "The server couldn't retrieve the following message:\r\n\r\n"
	    "Date: yesterday\r\n"));
	/* In any language, and as quoted string. */
	assert_true(is_apology("from:\"Microsoft Exchange Server\"\n"
	    "Subject: =?utf-8?B?xJ0=?=\n\n"));
}

/* Reports of Exchange are messages, and so is what quotes it. */
static void
what_was_sent_is_a_message(void **state)
{
	static const char *const fields[] = {
		"Date: Fri, 5 Mar 2010 11:08:28 +0000",
		"Message-ID: <1@example.com>", "received: from x by y" };
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(fields); i++) {
		snprintf(text, sizeof(text), "From: Microsoft Exchange Server\r\n"
		    "%s\r\n\r\nx\r\n", fields[i]);
		assert_false(is_apology(text));
	}
	assert_false(is_apology(""));
	assert_false(is_apology("Subject: hello\r\n\r\n"
	    "From: Microsoft Exchange Server 2010\r\n"));
	assert_false(is_apology("From: Microsoft Outlook <x@example.com>\r\n"
	    "\r\n"));
	assert_false(is_apology("To: x\r\n From: Microsoft Exchange Server"));
}

static void
only_the_greeting_of_exchange_is_one(void **state)
{
	(void)state;
	assert_true(pb_imap_greets_with_apologies(pb_slice_str(
	    "The Microsoft Exchange IMAP4 service is ready. [TABPADIA]")));
	assert_false(pb_imap_greets_with_apologies(pb_slice_str(
	    "Courier-IMAP ready. Copyright 1998-2018")));
	assert_false(pb_imap_greets_with_excuses(pb_slice_str(
	    "The Microsoft Exchange IMAP4 service is ready.")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_exchange_writes_itself_is_no_message),
		cmocka_unit_test(what_was_sent_is_a_message),
		cmocka_unit_test(only_the_greeting_of_exchange_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
