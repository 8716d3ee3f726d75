#include "client_priv.h"

#include <stddef.h>

#include "popbridge/base/log.h"
#include "popbridge/imap/message_line.h"

static enum pb_status
take_untagged_status(struct pb_imap_client *c,
    const struct pb_imap_gated *line)
{
	enum pb_status st = pb_imap_take_code(c, line->code);

	/* MOVE says it before the messages go (RFC 6851, section 4.3). */
	if (st == PB_OK && line->condition == PB_IMAP_OK &&
	    pb_imap_find_kind(c, PB_IMAP_COMMAND_MOVE) != NULL)
		st = pb_imap_take_copied(c, &c->moved, line->code);
	if (st != PB_OK)
		return st;
	if (c->state == PB_IMAP_STATE_GREETING)
		return pb_imap_login_greeting(c, line);
	if (line->condition == PB_IMAP_BYE &&
	    c->state != PB_IMAP_STATE_LOGOUT) {
		pb_imap_error_of(line, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "the IMAP server says BYE", &c->error);
		return pb_imap_break(c);
	}
	if (line->condition != PB_IMAP_OK)
		pb_log(PB_LOG_DEBUG, "the IMAP server remarks",
		    PB_LOG_SLICE("user", pb_slice(c->user, c->user_len)),
		    PB_LOG_SLICE("text", line->text));
	if (pb_slice_starts(line->code, "ALERT"))
		pb_log(PB_LOG_WARN, "the IMAP server sends an alert",
		    PB_LOG_SLICE("user", pb_slice(c->user, c->user_len)),
		    PB_LOG_SLICE("alert", line->text));
	return PB_AGAIN;
}

static struct pb_imap_command *
find_tag(struct pb_imap_client *c, struct pb_slice tag)
{
	uint64_t id;
	unsigned i;

	if (tag.len < 2 || tag.data[0] != 'A' || pb_slice_number(
	    pb_slice_sub(tag, 1, tag.len), UINT32_MAX, &id) != PB_OK)
		return NULL;
	for (i = 0; i < c->n_queue; i++) {
		if (c->queue[i].id == id)
			return &c->queue[i];
	}
	return NULL;
}

static void
remove_command(struct pb_imap_client *c, struct pb_imap_command *command)
{
	size_t at = (size_t)(command - c->queue);

	c->n_queue--;
	memmove(command, command + 1, (c->n_queue - at) * sizeof(*command));
}

static enum pb_status
take_tagged(struct pb_imap_client *c, const struct pb_imap_gated *line,
    struct pb_imap_event *event)
{
	struct pb_imap_command *found = find_tag(c, line->tag);
	struct pb_imap_command command;
	enum pb_status st;

	if (found == NULL)
		return pb_imap_break_protocol(c,
		    "it completes a command that was not sent");
	command = *found;
	remove_command(c, found);
	st = pb_imap_take_code(c, line->code);
	if (st != PB_OK)
		return st;
	switch (command.kind) {
	case PB_IMAP_COMMAND_INTERNAL:
		return PB_AGAIN;
	case PB_IMAP_COMMAND_CAPABILITY:
	case PB_IMAP_COMMAND_STARTTLS:
	case PB_IMAP_COMMAND_LOGIN:
		return pb_imap_login_done(c, &command, line, event);
	case PB_IMAP_COMMAND_SELECT:
	case PB_IMAP_COMMAND_UIDS:
	case PB_IMAP_COMMAND_SIZES:
	case PB_IMAP_COMMAND_BODIES:
	case PB_IMAP_COMMAND_STORE:
	case PB_IMAP_COMMAND_EXPUNGE:
	case PB_IMAP_COMMAND_SEARCH:
	case PB_IMAP_COMMAND_COPY:
	case PB_IMAP_COMMAND_MOVE:
	case PB_IMAP_COMMAND_CREATE:
	case PB_IMAP_COMMAND_LIST:
	case PB_IMAP_COMMAND_MYRIGHTS:
	case PB_IMAP_COMMAND_STATUS:
	case PB_IMAP_COMMAND_NOOP:
		break;
	}
	return pb_imap_complete(c, &command, line, event);
}

static enum pb_status
take_fetch(struct pb_imap_client *c, const struct pb_imap_data *data,
    struct pb_imap_event *event)
{
	if (c->in_body)
		return pb_imap_end_body(c, data, event);
	if (data->body != PB_IMAP_BODY_ABSENT)
		return pb_imap_take_inline_body(c, data, event);
	if ((data->uid == 0 && !data->has_size) ||
	    (pb_imap_find_kind(c, PB_IMAP_COMMAND_SIZES) == NULL &&
	    pb_imap_find_kind(c, PB_IMAP_COMMAND_UIDS) == NULL))
		return PB_AGAIN;
	event->type = PB_IMAP_EVENT_SIZE;
	event->seq = data->number;
	event->uid = data->uid;
	event->has_size = data->has_size;
	event->size = data->size;
	return PB_OK;
}

/* Only ESEARCH says whose answer it is; of the others one is under way. */
static enum pb_status
take_found(struct pb_imap_client *c, const struct pb_imap_data *data,
    struct pb_imap_event *event)
{
	const struct pb_imap_command *command = data->tag.len > 0
	    ? find_tag(c, data->tag)
	    : pb_imap_find_kind(c, PB_IMAP_COMMAND_SEARCH);

	if (command == NULL || command->kind != PB_IMAP_COMMAND_SEARCH)
		return PB_AGAIN;
	event->type = PB_IMAP_EVENT_FOUND;
	event->id = command->id;
	event->ranges = data->ranges;
	event->n_ranges = data->n_ranges;
	return PB_OK;
}

static enum pb_status
tell_mailbox(const struct pb_imap_command *command,
    enum pb_imap_event_type type, const struct pb_imap_mailbox_data *mailbox,
    struct pb_imap_event *event)
{
	event->type = type;
	event->id = command->id;
	event->data = pb_slice(mailbox->name, mailbox->name_len);
	event->special = mailbox->special;
	event->number = mailbox->uidvalidity;
	return PB_OK;
}

/* Of mailboxes nothing counts but what was asked for. */
static enum pb_status
take_mailbox(struct pb_imap_client *c,
    const struct pb_imap_mailbox_data *mailbox, struct pb_imap_event *event)
{
	const struct pb_imap_command *command;

	switch (mailbox->type) {
	case PB_IMAP_MAILBOX_LIST:
		command = pb_imap_find_kind(c, PB_IMAP_COMMAND_LIST);
		if (command == NULL || mailbox->special == 0 ||
		    mailbox->is_absent || mailbox->name_len == 0)
			return PB_AGAIN;
		return tell_mailbox(command, PB_IMAP_EVENT_MAILBOX, mailbox,
		    event);
	case PB_IMAP_MAILBOX_STATUS:
		command = pb_imap_find_kind(c, PB_IMAP_COMMAND_STATUS);
		if (command == NULL || mailbox->uidvalidity == 0)
			return PB_AGAIN;
		return tell_mailbox(command, PB_IMAP_EVENT_STATUS, mailbox,
		    event);
	case PB_IMAP_MAILBOX_MYRIGHTS:
		if (pb_imap_find_kind(c, PB_IMAP_COMMAND_MYRIGHTS) == NULL)
			return PB_AGAIN;
		c->has_rights = true;
		c->may_flag_deleted = mailbox->may_flag_deleted;
		c->may_expunge = mailbox->may_expunge;
		return PB_AGAIN;
	}
	return PB_AGAIN;
}

/*
 * Until SELECT is answered, what is said of a message may be of the mailbox
 * that was open before.  EXISTS is not: that of the new one comes last.  A body
 * was asked for, and is the one of its UID.
 */
static bool
is_of_left_mailbox(struct pb_imap_client *c, const struct pb_imap_data *data)
{
	if (pb_imap_find_kind(c, PB_IMAP_COMMAND_SELECT) == NULL)
		return false;
	return data->type == PB_IMAP_DATA_EXPUNGE ||
	    (data->type == PB_IMAP_DATA_FETCH && !c->in_body &&
	    data->body == PB_IMAP_BODY_ABSENT);
}

static enum pb_status
take_data(struct pb_imap_client *c, const struct pb_imap_data *data,
    struct pb_imap_event *event)
{
	if (is_of_left_mailbox(c, data))
		return PB_AGAIN;
	switch (data->type) {
	case PB_IMAP_DATA_CAPABILITY:
		c->capabilities = data->capabilities;
		c->capabilities_known = true;
		return PB_AGAIN;
	case PB_IMAP_DATA_EXISTS:
		event->type = PB_IMAP_EVENT_EXISTS;
		event->number = data->number;
		c->exists = data->number;
		pb_imap_set_limit(c);
		return PB_OK;
	case PB_IMAP_DATA_EXPUNGE:
		event->type = PB_IMAP_EVENT_EXPUNGE;
		event->seq = data->number;
		return PB_OK;
	case PB_IMAP_DATA_FETCH:
		return take_fetch(c, data, event);
	case PB_IMAP_DATA_SEARCH:
		return take_found(c, data, event);
	case PB_IMAP_DATA_MAILBOX:
		return take_mailbox(c, data->mailbox, event);
	case PB_IMAP_DATA_OTHER:
		return PB_AGAIN;
	}
	return PB_AGAIN;
}

/*
 * A response that the gate or the grammar does not take is left out: a server
 * may say what we do not know.  Not so when it ends a body, because then the
 * body's UID stays unproven.
 */
static enum pb_status
leave_out(struct pb_imap_client *c)
{
	if (c->in_body)
		return pb_imap_break_protocol(c, "it sends a malformed FETCH");
	if (c->refused > PB_IMAP_REFUSED_MAX)
		return pb_imap_break_protocol(c,
		    "too many responses are no IMAP");
	return PB_AGAIN;
}

static enum pb_status
take_response(struct pb_imap_client *c, struct pb_slice text,
    struct pb_imap_event *event)
{
	struct pb_imap_gated line;
	struct pb_imap_data data;
	enum pb_status st;

	if (pb_imap_message_line(text, &data))
		return take_data(c, &data, event);
	st = pb_imap_gate(text, &line);
	if (st == PB_EPROTO)
		return pb_imap_break_protocol(c, "it sends a line that is no "
		    "response");
	if (st != PB_OK) {
		c->dropped++;
		return leave_out(c);
	}
	if (c->in_body && line.kind != PB_IMAP_DATA)
		return leave_out(c);
	switch (line.kind) {
	case PB_IMAP_CONTINUE:
		if (c->state != PB_IMAP_STATE_LOGIN)
			return pb_imap_break_protocol(c,
			    "it asks for more where nothing is to be sent");
		return pb_imap_login_continue(c, &line);
	case PB_IMAP_STATUS:
		if (line.tag.len == 0)
			return take_untagged_status(c, &line);
		return take_tagged(c, &line, event);
	case PB_IMAP_DATA:
		break;
	}
	st = pb_imap_grammar_parse(c->grammar, text, &data);
	if (st == PB_ENOMEM)
		return pb_imap_break_memory(c);
	if (st != PB_OK) {
		c->refused++;
		return leave_out(c);
	}
	return take_data(c, &data, event);
}

static enum pb_status
take_frame(struct pb_imap_client *c, const struct pb_imap_frame *frame,
    struct pb_imap_event *event)
{
	switch (frame->type) {
	case PB_IMAP_FRAME_RESPONSE:
		return take_response(c, frame->text, event);
	case PB_IMAP_FRAME_BODY:
		return pb_imap_begin_body(c, frame, event);
	case PB_IMAP_FRAME_BODY_DATA:
		event->type = PB_IMAP_EVENT_BODY_DATA;
		event->uid = c->body_uid;
		event->data = frame->text;
		return PB_OK;
	}
	return PB_AGAIN;
}

static enum pb_status
break_framing(struct pb_imap_client *c, enum pb_status st)
{
	if (st == PB_ENOMEM)
		return pb_imap_break_memory(c);
	return pb_imap_break_protocol(c, st == PB_ETOOBIG
	    ? "it sends a response larger than any that was asked for"
	    : "it sends a literal whose size is no size");
}

/* There are as many events as messages: most of the text stays as it was. */
static void
begin_event(struct pb_imap_event *event)
{
	memset(event, 0, offsetof(struct pb_imap_event, error) +
	    offsetof(struct pb_error, text) + 1);
}

enum pb_status
pb_imap_client_next(struct pb_imap_client *c, struct pb_slice *in,
    struct pb_imap_event *event)
{
	struct pb_imap_frame frame;
	enum pb_status st;

	begin_event(event);
	pb_imap_forget_copied(c);
	if (c->told != PB_IMAP_TOLD_ALL)
		return pb_imap_tell_inline_body(c, event);
	do {
		if (c->state == PB_IMAP_STATE_BROKEN)
			return PB_EPROTO;
		if (c->state == PB_IMAP_STATE_HANDSHAKE && in->len > 0)
			return pb_imap_break_protocol(c,
			    "it sends octets in the clear behind STARTTLS; "
			    "somebody may be in the line");
		st = pb_imap_framer_next(&c->framer, in, &frame);
		if (st == PB_AGAIN)
			return PB_AGAIN;
		if (st != PB_OK)
			return break_framing(c, st);
		st = take_frame(c, &frame, event);
	} while (st == PB_AGAIN);
	if (st == PB_OK && event->type == PB_IMAP_EVENT_STARTTLS &&
	    in->len > 0)
		return pb_imap_break_protocol(c,
		    "it sends octets in the clear behind STARTTLS; somebody "
		    "may be in the line");
	return st;
}
