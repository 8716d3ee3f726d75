#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "support/edge.h"

/*
 * Both legs of a session from one input, a list of events.  An event begins
 * with its letter; those that bring octets go on to the end of a line that is
 * "." alone:
 *
 *	c octets	of the client
 *	u octets	of the server
 *	N refused, K connected, k resumed, S secured, L lock granted, l lock refused
 *	Z the client's handshake is done
 *	I, i it is known, unknown (with the option that it is asked for)
 *	A, a XCLIENT is accepted, is not; Y keys for SCRAM
 *	M, m a promise is written down, cannot be
 *	E client's end, G client gone, X server's end, D drain
 *	P the client stops reading, R it reads again
 *	T a minute passes
 *	1 to 5, first of all: what is deleted is not expunged (enum pb_removal)
 *
 * The edge's checks hold whatever comes: above all, nothing is removed before
 * QUIT.
 */

static const struct pb_sasl_keys keys = { .iterations = 4096,
	.salt = "salt", .salt_len = 4 };

/* As in the transcripts: two messages, UIDs 7 and 9. */
static struct pb_listing *
known(void)
{
	struct pb_listing *l = pb_listing_new(2);

	l->uidvalidity = 1700000000;
	l->uidnext = 10;
	l->uids[0] = 7;
	l->sizes[0] = 120;
	l->uids[1] = 9;
	l->sizes[1] = 200;
	pb_check(pb_listing_seal(l) == PB_OK);
	return l;
}

/* One of the two, and one that is gone. */
static struct pb_promises *
owed(void)
{
	struct pb_promises *p = pb_promises_new(1);

	p->list[0].number = 1;
	p->list[0].uidvalidity = 1700000000;
	p->list[0].uids = pb_xalloc(2 * sizeof(*p->list[0].uids));
	p->list[0].uids[p->list[0].n++] = 5;
	p->list[0].uids[p->list[0].n++] = 7;
	return p;
}

static struct pb_slice
take_octets(struct pb_slice *in)
{
	struct pb_slice octets = *in;
	const char *end = in->len > 0
	    ? memmem(in->data, in->len, "\n.\n", 3) : NULL;

	if (end == NULL) {
		pb_slice_skip(in, in->len);
		return octets;
	}
	octets.len = (size_t)(end - in->data) + 1;
	pb_slice_skip(in, octets.len + 2);
	return octets;
}

static void
event(struct pbt_edge *e, char what, struct pb_slice *in)
{
	if (what == 'c')
		pbt_edge_client(e, take_octets(in));
	else if (what == 'u')
		pbt_edge_upstream(e, take_octets(in));
	else if (what == 'K' && e->connect_asked)
		pbt_edge_connected(e);
	else if (what == 'k' && e->connect_asked &&
	    !pb_bridge_wants_fresh(&e->bridge))
		pbt_edge_resumed(e);
	else if (what == 'N' && e->connect_asked)
		pbt_edge_refused(e, PB_ERROR_TEMPORARY, "refused");
	else if (what == 'S' && e->starttls_asked)
		pbt_edge_secured(e);
	else if ((what == 'L' || what == 'l') && e->lock_asked)
		pbt_edge_locked(e, what == 'L');
	else if (what == 'Z' && e->client_tls_asked)
		pbt_edge_client_secured(e);
	else if (what == 'I' && e->who_asked)
		pbt_edge_is(e, "somebody", "secret");
	else if (what == 'i' && (e->who_asked || e->keys_asked))
		pbt_edge_is_unknown(e, PB_ERROR_AUTH, "unknown");
	else if ((what == 'A' || what == 'a') && e->introduction_asked)
		pbt_edge_introduced(e, what == 'A');
	else if (what == 'Y' && e->keys_asked)
		pbt_edge_keys(e, &keys);
	else if ((what == 'M' || what == 'm') && e->promise_asked)
		pbt_edge_promised(e, what == 'M');
	else if (what == 'E')
		pbt_edge_client_eof(e);
	else if (what == 'G')
		pbt_edge_client_gone(e);
	else if (what == 'X')
		pbt_edge_upstream_eof(e);
	else if (what == 'D')
		pbt_edge_drain(e);
	else if (what == 'P' || what == 'R')
		pbt_edge_client_stops(e, what == 'P');
	else if (what == 'T')
		pbt_edge_clock(e, 60000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	char names[PB_SASL_NAMES_SIZE];
	struct pbt_edge e;

	if (size < 1)
		return 0;
	pbt_edge_init(&e);
	/* The first octet is a set of options. */
	e.upstream_tls = (data[0] & 1) != 0 ? PB_IMAP_TLS_STARTTLS
					   : PB_IMAP_TLS_IMPLICIT;
	e.options.lock = (data[0] & 2) != 0;
	e.options.mark_seen = (data[0] & 4) != 0;
	if ((data[0] & 8) != 0)
		e.door.tls = PB_POP3_TLS_OFFERED;
	if ((data[0] & 16) != 0)
		e.door.tls = (data[0] & 8) != 0 ? PB_POP3_TLS_ACTIVE
						  : PB_POP3_TLS_REQUIRED;
	e.hold_ms = (data[0] & 32) != 0 ? 15000 : 0;
	if ((data[0] & 64) != 0) {
		e.who_waits = e.door.apop = e.door.xclient = true;
		e.door.mechanisms = pb_sasl_names(
		    PB_SASL_SET(PB_SASL_MECHANISMS) - 1, names);
	}
	if ((data[0] & 128) != 0) {
		e.readahead.max = 4 * 1024 * 1024;
		e.known = known();
		e.options.revive = true;
	}
	if ((data[0] & 128) != 0 && (data[0] & 4) != 0) {
		e.options.journal = (data[0] & 2) != 0
		    ? PB_BRIDGE_JOURNAL_REQUIRED
		    : PB_BRIDGE_JOURNAL_BEST_EFFORT;
		e.owed = owed();
	}
	pb_slice_skip(&in, 1);
	if (in.len > 0 && in.data[0] >= '1' && in.data[0] <= '5') {
		e.options.removal = (enum pb_removal)(in.data[0] - '0');
		pb_slice_skip(&in, 1);
	}
	pbt_edge_start(&e);
	while (in.len > 0 && !e.ended) {
		char what = in.data[0];

		pb_slice_skip(&in, 1);
		event(&e, what, &in);
	}
	pbt_edge_fini(&e);
	return 0;
}
