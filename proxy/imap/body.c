#include "client_priv.h"

#include "popbridge/imap/message_line.h"

/* The part of a FETCH response before its body: UID, flags, keywords. */
#define BODY_PREFIX_MAX 4096

/* The beginning of a message is asked for, and nothing else of it. */
static enum pb_status
check_origin(struct pb_imap_client *c, const struct pb_imap_data *data)
{
	return data->body_origin == 0 ? PB_OK : pb_imap_break_protocol(c,
	    "it sends another part of the message than asked for");
}

static bool
is_fetch(struct pb_imap_client *c, struct pb_slice response,
    struct pb_imap_data *data)
{
	struct pb_imap_gated line;

	return (pb_imap_message_line(response, data) ||
	    (pb_imap_gate(response, &line) == PB_OK &&
		pb_imap_grammar_parse(c->grammar, response, data) == PB_OK)) &&
	    data->type == PB_IMAP_DATA_FETCH;
}

enum pb_status
pb_imap_begin_body(struct pb_imap_client *c, const struct pb_imap_frame *frame,
    struct pb_imap_event *event)
{
	char text[BODY_PREFIX_MAX];
	struct pb_imap_data data;
	enum pb_status st;

	if (frame->text.len >= sizeof(text))
		return pb_imap_break_protocol(c, "it says too much before a "
		    "message");
	/* What came before the body, closed, is a response of its own. */
	memcpy(text, frame->text.data, frame->text.len);
	text[frame->text.len] = ')';
	if (!is_fetch(c, pb_slice(text, frame->text.len + 1), &data))
		return pb_imap_break_protocol(c, "it sends a malformed FETCH");
	st = check_origin(c, &data);
	if (st != PB_OK)
		return st;
	c->in_body = true;
	c->body_uid = data.uid;
	event->type = PB_IMAP_EVENT_BODY_BEGIN;
	event->uid = data.uid;
	event->size = frame->size;
	return PB_OK;
}

enum pb_status
pb_imap_end_body(struct pb_imap_client *c, const struct pb_imap_data *data,
    struct pb_imap_event *event)
{
	if (data->uid == 0)
		return pb_imap_break_protocol(c,
		    "it does not say whose body it sends");
	if (c->body_uid != 0 && c->body_uid != data->uid)
		return pb_imap_break_protocol(c,
		    "it gives a body two UIDs");
	c->in_body = false;
	event->type = PB_IMAP_EVENT_BODY_END;
	event->uid = data->uid;
	return check_origin(c, data);
}

enum pb_status
pb_imap_take_inline_body(struct pb_imap_client *c,
    const struct pb_imap_data *data, struct pb_imap_event *event)
{
	enum pb_status st;

	if (pb_imap_find_kind(c, PB_IMAP_COMMAND_BODIES) == NULL)
		return PB_AGAIN;
	if (data->uid == 0)
		return pb_imap_break_protocol(c,
		    "it does not say whose body it sends");
	event->type = PB_IMAP_EVENT_BODY_NIL;
	event->uid = data->uid;
	st = check_origin(c, data);
	if (st != PB_OK || data->body == PB_IMAP_BODY_NIL)
		return st;
	c->in_body = true;
	c->body_uid = data->uid;
	/* The grammar's copy lives until any connection parses again. */
	pb_buffer_init(&c->inline_body, PB_IMAP_RESPONSE_MAX);
	if (pb_buffer_append(&c->inline_body, data->body_text.data,
	    data->body_text.len) != PB_OK)
		return pb_imap_break_memory(c);
	c->told = PB_IMAP_TOLD_BEGIN;
	event->type = PB_IMAP_EVENT_BODY_BEGIN;
	event->size = data->body_text.len;
	return PB_OK;
}

enum pb_status
pb_imap_tell_inline_body(struct pb_imap_client *c, struct pb_imap_event *event)
{
	event->uid = c->body_uid;
	if (c->told == PB_IMAP_TOLD_BEGIN) {
		c->told = PB_IMAP_TOLD_DATA;
		event->type = PB_IMAP_EVENT_BODY_DATA;
		event->data = pb_buffer_slice(&c->inline_body);
		return PB_OK;
	}
	pb_buffer_release(&c->inline_body);
	c->told = PB_IMAP_TOLD_ALL;
	c->in_body = false;
	event->type = PB_IMAP_EVENT_BODY_END;
	return PB_OK;
}
