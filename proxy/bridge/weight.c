#include "popbridge/bridge/weight.h"

#include "bridge_priv.h"

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

	if (pb_bridge_is_removing(b))
		return 0;
	if (b->census != NULL)
		weight += weight_of_census(b->census);
	if (b->imap != NULL)
		weight += b->imap->out.cap + b->imap->framer.text.cap +
		    b->imap->inline_body.cap;
	return weight;
}
