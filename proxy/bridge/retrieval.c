#include "popbridge/bridge/retrieval.h"

#include <inttypes.h>

#include "popbridge/base/log.h"
#include "popbridge/pop3/reply.h"

/*
 * The first part of TOP holds the header of nearly every message, and lines of
 * usual length.  When that is not enough, more is fetched from the beginning
 * again, not from where the first part ended: servers count octets
 * differently in the middle of a message with odd line ends, and Dovecot drops
 * the connection then.
 */
#define WINDOW_FIRST (16 * 1024)
#define WINDOW_LINE 80
#define WINDOW_MAX (16 * 1024 * 1024)
#define WINDOW_GROWTH 4

static enum pb_status
fetch(struct pb_retrieval *r, struct pb_imap_client *imap)
{
	r->part_nil = false;
	r->part_size = 0;
	r->skip = r->fed;
	return pb_imap_client_body(imap, r->uid, 0, r->window);
}

enum pb_status
pb_retrieval_begin(struct pb_retrieval *r, struct pb_imap_client *imap,
    uint32_t msgno, uint32_t uid, uint32_t size, bool is_top, uint64_t lines)
{
	uint64_t first = WINDOW_FIRST;

	*r = (struct pb_retrieval){ .msgno = msgno, .uid = uid,
		.announced = size, .is_top = is_top, .lines = lines };
	pb_pop3_stuff_init(&r->stuff, lines);
	if (lines < WINDOW_MAX / WINDOW_LINE)
		first += lines * WINDOW_LINE;
	else
		first = UINT64_MAX;
	r->window = is_top && size > first ? (uint32_t)first : 0;
	return fetch(r, imap);
}

static enum pb_retrieval_verdict
fail(struct pb_retrieval *r, enum pb_error_kind kind, const char *what)
{
	if (r->error.kind == PB_ERROR_NONE)
		pb_error_set(&r->error, kind, PB_SCOPE_MESSAGE,
		    "%s (UID %" PRIu32 ")", what, r->uid);
	return r->begun ? PB_RETRIEVAL_CUT : PB_RETRIEVAL_FAILED;
}

static enum pb_retrieval_verdict
begin_part(struct pb_retrieval *r, uint64_t size, struct pb_buffer *out)
{
	enum pb_status st;

	r->part_size = size;
	if (size == 0 && r->announced > 0) {
		/* An empty message in its place would be a lost one. */
		r->part_nil = true;
		return PB_RETRIEVAL_GOES_ON;
	}
	if (size < r->skip)
		return fail(r, PB_ERROR_TEMPORARY,
		    "the IMAP server sends less of a message than before");
	if (r->begun)
		return PB_RETRIEVAL_GOES_ON;
	if (r->window == 0 && size != r->announced)
		pb_log(PB_LOG_WARN, "a message's size is not the listed one",
		    PB_LOG_NUM("uid", r->uid),
		    PB_LOG_NUM("listed", r->announced),
		    PB_LOG_NUM("sent", size));
	r->begun = true;
	st = pb_pop3_reply(out, r->is_top ? PB_REPLY_TOP : PB_REPLY_RETR, size,
	    0);
	return st == PB_OK ? PB_RETRIEVAL_GOES_ON
			   : fail(r, PB_ERROR_INTERNAL, "no memory for a reply");
}

static enum pb_retrieval_verdict
finish(struct pb_retrieval *r, struct pb_buffer *out)
{
	if (pb_pop3_stuff_end(&r->stuff, out) != PB_OK)
		return fail(r, PB_ERROR_INTERNAL, "no memory for a message");
	return PB_RETRIEVAL_DONE;
}

/* The command of a part is completed: was it the last part? */
static enum pb_retrieval_verdict
end_part(struct pb_retrieval *r, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_buffer *out)
{
	if (event->condition != PB_IMAP_OK ||
	    event->error.kind != PB_ERROR_NONE) {
		r->error = event->error;
		return fail(r, PB_ERROR_TEMPORARY, "the server refuses FETCH");
	}
	if (r->part_nil && event->expunged)
		return fail(r, PB_ERROR_GONE,
		    "the IMAP server says that the message was expunged");
	if (r->part_nil && r->announced > 0)
		return fail(r, PB_ERROR_TEMPORARY,
		    "the IMAP server sends nothing for a message that has "
		    "octets");
	if (!r->begun && begin_part(r, 0, out) != PB_RETRIEVAL_GOES_ON)
		return PB_RETRIEVAL_CUT;
	/* More than was asked for is all there is, too. */
	if (r->stuff.done || r->window == 0 || r->part_size != r->window)
		return finish(r, out);
	r->window *= WINDOW_GROWTH;
	if (r->window > WINDOW_MAX || r->window >= r->announced)
		r->window = 0;
	if (fetch(r, imap) != PB_OK)
		return fail(r, PB_ERROR_TEMPORARY, imap->error.text);
	return PB_RETRIEVAL_GOES_ON;
}

static enum pb_retrieval_verdict
take_data(struct pb_retrieval *r, struct pb_slice data, struct pb_buffer *out)
{
	size_t known = data.len < r->skip ? data.len : (size_t)r->skip;

	pb_slice_skip(&data, known);
	r->skip -= known;
	r->fed += data.len;
	if (pb_pop3_stuff_feed(&r->stuff, &data, out) != PB_OK)
		return fail(r, PB_ERROR_INTERNAL, "no memory for a message");
	return PB_RETRIEVAL_GOES_ON;
}

enum pb_retrieval_verdict
pb_retrieval_event(struct pb_retrieval *r, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_buffer *out)
{
	switch (event->type) {
	case PB_IMAP_EVENT_BODY_BEGIN:
		return begin_part(r, event->size, out);
	case PB_IMAP_EVENT_BODY_DATA:
		return take_data(r, event->data, out);
	case PB_IMAP_EVENT_BODY_NIL:
		r->part_nil = true;
		return PB_RETRIEVAL_GOES_ON;
	case PB_IMAP_EVENT_DONE:
		if (event->kind == PB_IMAP_COMMAND_BODY)
			return end_part(r, imap, event, out);
		return PB_RETRIEVAL_GOES_ON;
	case PB_IMAP_EVENT_STARTTLS:
	case PB_IMAP_EVENT_READY:
	case PB_IMAP_EVENT_EXISTS:
	case PB_IMAP_EVENT_EXPUNGE:
	case PB_IMAP_EVENT_SIZE:
	case PB_IMAP_EVENT_BODY_END:
	case PB_IMAP_EVENT_FOUND:
		break;
	}
	return PB_RETRIEVAL_GOES_ON;
}
