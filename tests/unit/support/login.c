#include "support/login.h"

#include <inttypes.h>

#include "popbridge/base/check.h"

static void
upstream_says(struct pbt_edge *e, const char *text)
{
	pbt_edge_upstream(e, pb_slice_str(text));
}

void
pbt_login(struct pbt_edge *e, uint32_t count, bool uidplus)
{
	pbt_login_with(e, count, uidplus ? " UIDPLUS" : "");
}

void
pbt_login_with(struct pbt_edge *e, uint32_t count, const char *capabilities)
{
	struct pb_buffer listing;
	uint32_t i;

	pbt_edge_client(e, pb_slice_str("USER max\r\nPASS geheim\r\n"));
	pbt_edge_connected(e);
	upstream_says(e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	pb_buffer_init(&listing, 64u * 1024 * 1024);
	pbt_say(&listing, "A1 OK [CAPABILITY IMAP4rev1%s] in\r\n",
	    capabilities);
	pbt_say(&listing, "* %" PRIu32 " EXISTS\r\n* OK [UIDVALIDITY 17] x\r\n"
	    "* OK [PERMANENTFLAGS (\\Deleted \\*)] x\r\n"
	    "A2 OK [READ-WRITE] ok\r\n", count);
	for (i = 1; i <= count; i++)
		pbt_say(&listing, "* %" PRIu32 " FETCH (UID %" PRIu32
		    " RFC822.SIZE 1)\r\n", i, 10 * i);
	pbt_say(&listing, "A3 OK\r\n");
	if (e->options.removal == PB_REMOVAL_FLAG)
		pbt_say(&listing, "* SEARCH\r\nA4 OK\r\n");
	pbt_edge_upstream(e, pb_buffer_slice(&listing));
	pb_buffer_fini(&listing);
	pb_check(e->bridge.pop3.state == PB_POP3_TRANSACTION);
	pb_buffer_clear(&e->to_client);
	pb_buffer_clear(&e->to_upstream);
}
