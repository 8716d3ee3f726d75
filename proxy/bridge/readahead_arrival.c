#include "readahead_priv.h"

#include <utlist.h>

#include "popbridge/imap/excuse.h"

static struct pb_buffer *
out_of(struct pb_readahead *ra, struct pb_readahead_body *body,
    struct pb_buffer *out)
{
	return body == ra->current && !ra->withheld ? out : &body->reply;
}

static void
miss(struct pb_readahead_body *body)
{
	pb_readahead_start_anew(body);
	body->missed = true;
}

/* A verdict about a guess is nothing that the client has to know. */
static enum pb_retrieval_verdict
judge(struct pb_readahead *ra, struct pb_readahead_body *body,
    enum pb_retrieval_verdict verdict)
{
	bool is_current = body == ra->current;

	if (verdict == PB_RETRIEVAL_GOES_ON)
		return verdict;
	if (ra->withheld) {
		miss(body);
		return PB_RETRIEVAL_GOES_ON;
	}
	if (verdict == PB_RETRIEVAL_DONE) {
		if (!is_current) {
			body->state = PB_READAHEAD_READY;
			return PB_RETRIEVAL_GOES_ON;
		}
		ra->octets = body->r.stuff.octets;
	}
	pb_readahead_dismiss(ra, body);
	return is_current ? verdict : PB_RETRIEVAL_GOES_ON;
}

static bool
may_come(const struct pb_readahead_body *body, uint32_t uid)
{
	return body->state == PB_READAHEAD_ASKED &&
	    (uid == 0 || uid == body->r.uid);
}

/*
 * Commands are answered one after the other, and of a set the lower UIDs come
 * first, whichever way the client goes.
 */
static bool
comes_before(const struct pb_readahead_body *a,
    const struct pb_readahead_body *b)
{
	return a->command != b->command ? a->command < b->command
	    : a->r.uid < b->r.uid;
}

/* Without a UID it is the next in order, and its end must prove it. */
static struct pb_readahead_body *
likeliest(const struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *best = NULL;

	DL_FOREACH(ra->bodies, body)
	{
		if (may_come(body, 0) &&
		    (best == NULL || comes_before(body, best)))
			best = body;
	}
	return best;
}

/* Whose body is it?  Mostly the one behind the last that came. */
static struct pb_readahead_body *
next_to_come(struct pb_readahead *ra, uint32_t uid)
{
	struct pb_readahead_body *body = uid == 0 ? likeliest(ra) : ra->due;

	if (body == NULL || !may_come(body, uid)) {
		DL_FOREACH(ra->bodies, body)
		{
			if (may_come(body, uid))
				break;
		}
	}
	if (body != NULL)
		ra->due = body->next;
	return body;
}

/* Another one that may still come of the same command: that of a UID, or any. */
static struct pb_readahead_body *
other_of(const struct pb_readahead *ra, const struct pb_readahead_body *one,
    uint32_t uid)
{
	struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (body != one && body->command == one->command &&
		    may_come(body, uid))
			return body;
	}
	return NULL;
}

static enum pb_retrieval_verdict
begin(struct pb_readahead *ra, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_buffer *out,
    struct pb_error *err)
{
	struct pb_readahead_body *body = next_to_come(ra, event->uid);

	ra->arriving = body;
	if (body == NULL) {
		pb_imap_client_reject(imap,
		    "it sends a message that was not asked for");
		return PB_RETRIEVAL_GOES_ON;
	}
	ra->withheld = (event->uid == 0 && other_of(ra, body, 0) != NULL) ||
	    (imap->apologizes && event->size <= PB_IMAP_APOLOGY_MAX &&
		!body->r.begun);
	body->state = PB_READAHEAD_ARRIVING;
	body->r.excuses = imap->makes_excuses;
	if (body->unwanted)
		return PB_RETRIEVAL_GOES_ON;
	return judge(ra, body, pb_retrieval_begin_part(&body->r, event->size,
	    out_of(ra, body, out), err));
}

static enum pb_retrieval_verdict
take(struct pb_readahead *ra, struct pb_slice data, struct pb_buffer *out,
    struct pb_error *err)
{
	struct pb_readahead_body *body = ra->arriving;

	if (body == NULL || body->unwanted || body->missed)
		return PB_RETRIEVAL_GOES_ON;
	return judge(ra, body, pb_retrieval_take(&body->r, data,
	    out_of(ra, body, out), err));
}

/* Behind the first line of its reply. */
static bool
has_apology(const struct pb_readahead_body *body)
{
	struct pb_slice text = pb_buffer_slice(&body->reply);
	size_t first = pb_slice_find(text, '\n');

	pb_slice_skip(&text, first < text.len ? first + 1 : first);
	return pb_imap_is_apology(text);
}

/* It is whole, and the one that it was taken for; is it a message? */
static void
release(struct pb_readahead *ra, const struct pb_imap_client *imap,
    struct pb_readahead_body *body, struct pb_buffer *out)
{
	if (body->missed)
		return;
	if (imap->apologizes && has_apology(body)) {
		pb_readahead_start_anew(body);
		body->r.part_seen = body->r.doubtful = true;
	}
	if (body != ra->current)
		return;
	if (pb_readahead_hand_over(body, out) != PB_OK)
		miss(body);
	pb_readahead_give_back(ra, body);
}

static void
end(struct pb_readahead *ra, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_buffer *out)
{
	struct pb_readahead_body *body = ra->arriving;
	struct pb_readahead_body *other;
	bool withheld = ra->withheld;

	ra->arriving = NULL;
	ra->withheld = false;
	if (body == NULL)
		return;
	body->state = PB_READAHEAD_ARRIVED;
	if (body->r.uid == event->uid) {
		if (withheld)
			release(ra, imap, body, out);
		return;
	}
	other = withheld ? other_of(ra, body, event->uid) : NULL;
	if (withheld) {
		pb_readahead_start_anew(body);
		body->state = PB_READAHEAD_ASKED;
	}
	if (other == NULL) {
		pb_imap_client_reject(imap,
		    "it sends another message than the one whose turn it is");
		return;
	}
	/* The server has left one out, or goes another way. */
	other->state = PB_READAHEAD_ARRIVED;
	miss(other);
}

static void
take_nil(struct pb_readahead *ra, const struct pb_imap_event *event)
{
	struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (body->state != PB_READAHEAD_ASKED ||
		    body->r.uid != event->uid)
			continue;
		pb_retrieval_take_nil(&body->r);
		body->state = PB_READAHEAD_ARRIVED;
		return;
	}
}

static enum pb_retrieval_verdict
no_memory(struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_MESSAGE,
	    "no memory for a message");
	return PB_RETRIEVAL_FAILED;
}

/*
 * The command of one body is completed.  When it asked for several and failed,
 * nobody knows for which: guesses are dropped, and what the client waits for
 * is fetched again, alone, from where it was.  So is what was missed.
 */
static enum pb_retrieval_verdict
end_one(struct pb_readahead *ra, struct pb_imap_client *imap,
    struct pb_readahead_body *body, const struct pb_imap_event *done,
    bool grouped, struct pb_buffer *out, struct pb_error *err)
{
	enum pb_retrieval_verdict verdict;

	body->state = PB_READAHEAD_ARRIVED;
	if (!body->unwanted && grouped &&
	    (body->missed || done->condition != PB_IMAP_OK)) {
		ra->alone = true;
		if (body == ra->current) {
			pb_readahead_fetch(ra, imap);
			return PB_RETRIEVAL_GOES_ON;
		}
		body->unwanted = true;
	}
	if (body->unwanted) {
		pb_readahead_discard(ra, body);
		return PB_RETRIEVAL_GOES_ON;
	}
	verdict = body->missed ? no_memory(err)
	    : pb_retrieval_end_part(&body->r, done, out_of(ra, body, out), err);
	body->state = PB_READAHEAD_STALLED;
	if (verdict != PB_RETRIEVAL_MORE)
		return judge(ra, body, verdict);
	if (body == ra->current)
		pb_readahead_fetch(ra, imap);
	return PB_RETRIEVAL_GOES_ON;
}

static enum pb_retrieval_verdict
completed(struct pb_readahead *ra, struct pb_imap_client *imap,
    const struct pb_imap_event *done, struct pb_buffer *out,
    struct pb_error *err)
{
	enum pb_retrieval_verdict verdict = PB_RETRIEVAL_GOES_ON;
	struct pb_readahead_body *body, *next;
	unsigned n = 0;

	DL_FOREACH(ra->bodies, body)
		n += pb_readahead_is_in_flight(body) &&
		    body->command == done->id;
	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		enum pb_retrieval_verdict one;

		if (!pb_readahead_is_in_flight(body) ||
		    body->command != done->id)
			continue;
		one = end_one(ra, imap, body, done, n > 1, out, err);
		if (one != PB_RETRIEVAL_GOES_ON)
			verdict = one;
	}
	if (ra->current != NULL && ra->current->state == PB_READAHEAD_WAITING)
		pb_readahead_fetch(ra, imap);
	return verdict;
}

enum pb_retrieval_verdict
pb_readahead_event(struct pb_readahead *ra, struct pb_imap_client *imap,
    const struct pb_imap_event *event, struct pb_buffer *out,
    struct pb_error *err)
{
	switch (event->type) {
	case PB_IMAP_EVENT_BODY_BEGIN:
		return begin(ra, imap, event, out, err);
	case PB_IMAP_EVENT_BODY_DATA:
		return take(ra, event->data, out, err);
	case PB_IMAP_EVENT_BODY_END:
		end(ra, imap, event, out);
		return PB_RETRIEVAL_GOES_ON;
	case PB_IMAP_EVENT_BODY_NIL:
		take_nil(ra, event);
		return PB_RETRIEVAL_GOES_ON;
	case PB_IMAP_EVENT_DONE:
		if (event->kind == PB_IMAP_COMMAND_BODIES)
			return completed(ra, imap, event, out, err);
		return PB_RETRIEVAL_GOES_ON;
	case PB_IMAP_EVENT_STARTTLS:
	case PB_IMAP_EVENT_READY:
	case PB_IMAP_EVENT_EXISTS:
	case PB_IMAP_EVENT_EXPUNGE:
	case PB_IMAP_EVENT_SIZE:
	case PB_IMAP_EVENT_FOUND:
	case PB_IMAP_EVENT_MAILBOX:
	case PB_IMAP_EVENT_STATUS:
		break;
	}
	return PB_RETRIEVAL_GOES_ON;
}
