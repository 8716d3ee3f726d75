#include "popbridge/bridge/weight.h"

static bool
must_go_on(enum pb_bridge_state state)
{
	switch (state) {
	case PB_BRIDGE_KEEPING:
	case PB_BRIDGE_PROMISING:
	case PB_BRIDGE_COMMITTING:
		return true;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_SECURING:
	case PB_BRIDGE_IDENTIFYING:
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_HOLDING:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_RETRIEVING:
	case PB_BRIDGE_REOPENING:
	case PB_BRIDGE_ENDED:
		break;
	}
	return false;
}

/* Each reference is a share: others that have the same listing go on. */
static size_t
share_of(const struct pb_listing *listing)
{
	return listing != NULL ? pb_listing_memory(listing) / listing->refs
			       : 0;
}

static size_t
weight_of_maildrop(const struct pb_maildrop *m)
{
	return share_of(m->listing) + (m->marks != NULL ? m->count : 0);
}

static size_t
weight_of_census(const struct pb_census *c)
{
	return sizeof(*c) + share_of(c->listing) + share_of(c->known) +
	    c->n_marks / 8 +
	    (size_t)c->draft.cap * 2 * sizeof(*c->draft.uids);
}

size_t
pb_bridge_weight(const struct pb_bridge *b)
{
	size_t weight = sizeof(*b) + b->client_out.cap + b->readahead.held +
	    b->pop3.response.cap + share_of(b->known) +
	    weight_of_maildrop(&b->maildrop);

	if (must_go_on(b->state))
		return 0;
	if (b->census != NULL)
		weight += weight_of_census(b->census);
	if (b->imap != NULL)
		weight += b->imap->out.cap + b->imap->framer.text.cap +
		    b->imap->inline_body.cap;
	return weight;
}
