#include "popbridge/imap/client.h"

#include "popbridge/base/check.h"

bool
pb_imap_client_is_at_rest(const struct pb_imap_client *c)
{
	return c->state == PB_IMAP_STATE_READY && !pb_imap_client_is_busy(c) &&
	    c->out.len == 0 && !c->in_body &&
	    c->told == PB_IMAP_TOLD_ALL &&
	    c->framer.state == PB_IMAP_FRAMER_LINE &&
	    (c->framer.ended || c->framer.text.len == 0);
}

void
pb_imap_client_move(struct pb_imap_client *to, struct pb_imap_client *from,
    struct pb_imap_grammar *grammar, struct pb_imap_writer *writer)
{
	struct pb_slice nothing = { "", 0 };
	struct pb_imap_frame frame;

	pb_check(pb_imap_client_is_at_rest(from));
	/* It keeps no memory for a response that has been told. */
	pb_check(pb_imap_framer_next(&from->framer, &nothing, &frame) ==
	    PB_AGAIN);
	pb_imap_uid_set_clear(&from->copied);
	pb_imap_uid_set_clear(&from->moved);
	*to = *from;
	*from = (struct pb_imap_client){ .state = PB_IMAP_STATE_BROKEN };
	to->grammar = grammar;
	to->writer = writer;
	/* Each session may hear as much nonsense as the first. */
	to->refused = 0;
	to->dropped = 0;
	to->commands = 0;
}
