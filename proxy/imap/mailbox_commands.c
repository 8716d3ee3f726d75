#include "client_priv.h"

/*
 * In a literal: with LITERAL- too, because no name has the 4,096 octets from
 * which on that is another thing (RFC 7888, section 5).  IMAP4rev2 has it.
 */
static bool
takes(const struct pb_imap_client *c, struct pb_slice mailbox)
{
	return pb_imap_mailbox_can_be_sent(mailbox) &&
	    (!pb_imap_mailbox_is_literal(mailbox) ||
		(c->capabilities & (PB_IMAP_CAP_LITERAL_PLUS |
		    PB_IMAP_CAP_LITERAL_MINUS | PB_IMAP_CAP_IMAP4REV2)) != 0);
}

static enum pb_status
transfer(struct pb_imap_client *c, enum pb_imap_transfer what,
    const uint32_t *uids, size_t n, struct pb_slice mailbox, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	if (!takes(c, mailbox))
		return PB_EINVAL;
	return pb_imap_sent(c, pb_imap_write_transfer(&c->out,
	    pb_imap_next_tag(c, tag), what, uids, n, mailbox),
	    what == PB_IMAP_MOVE ? PB_IMAP_COMMAND_MOVE : PB_IMAP_COMMAND_COPY,
	    id);
}

enum pb_status
pb_imap_client_uid_copy(struct pb_imap_client *c, const uint32_t *uids,
    size_t n, struct pb_slice mailbox, uint32_t *id)
{
	return transfer(c, PB_IMAP_COPY, uids, n, mailbox, id);
}

enum pb_status
pb_imap_client_uid_move(struct pb_imap_client *c, const uint32_t *uids,
    size_t n, struct pb_slice mailbox, uint32_t *id)
{
	return transfer(c, PB_IMAP_MOVE, uids, n, mailbox, id);
}

static enum pb_status
ask(struct pb_imap_client *c, enum pb_imap_question what,
    struct pb_slice mailbox, enum pb_imap_command_kind kind, uint32_t *id)
{
	char tag[PB_IMAP_TAG_SIZE];

	if (!takes(c, mailbox))
		return PB_EINVAL;
	return pb_imap_sent(c, pb_imap_write_question(&c->out,
	    pb_imap_next_tag(c, tag), what, mailbox), kind, id);
}

enum pb_status
pb_imap_client_create(struct pb_imap_client *c, struct pb_slice mailbox,
    uint32_t *id)
{
	return ask(c, PB_IMAP_CREATE, mailbox, PB_IMAP_COMMAND_CREATE, id);
}

enum pb_status
pb_imap_client_myrights(struct pb_imap_client *c, const char *mailbox,
    uint32_t *id)
{
	return ask(c, PB_IMAP_MYRIGHTS, pb_slice_str(mailbox),
	    PB_IMAP_COMMAND_MYRIGHTS, id);
}

enum pb_status
pb_imap_client_status_uidvalidity(struct pb_imap_client *c,
    const char *mailbox, uint32_t *id)
{
	return ask(c, PB_IMAP_STATUS_UIDVALIDITY, pb_slice_str(mailbox),
	    PB_IMAP_COMMAND_STATUS, id);
}

enum pb_status
pb_imap_client_list_special(struct pb_imap_client *c, uint32_t *id)
{
	/* To select by an attribute is part of LIST-EXTENDED. */
	unsigned both = PB_IMAP_CAP_SPECIAL_USE | PB_IMAP_CAP_LIST_EXTENDED;
	bool special = (c->capabilities & both) == both ||
	    (c->capabilities & PB_IMAP_CAP_IMAP4REV2) != 0;
	char tag[PB_IMAP_TAG_SIZE];

	return pb_imap_sent(c, pb_imap_write_list(&c->out,
	    pb_imap_next_tag(c, tag), special), PB_IMAP_COMMAND_LIST, id);
}

bool
pb_imap_client_has_move(const struct pb_imap_client *c)
{
	return (c->capabilities & (PB_IMAP_CAP_MOVE |
	    PB_IMAP_CAP_IMAP4REV2)) != 0;
}

bool
pb_imap_client_has_acl(const struct pb_imap_client *c)
{
	return (c->capabilities & PB_IMAP_CAP_ACL) != 0;
}
