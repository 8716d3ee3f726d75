#include "readahead_priv.h"

#include <utlist.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

void
pb_readahead_give_back(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	if (body->taken > 0)
		pb_budget_give(ra->budget, body->taken);
	ra->held -= body->taken;
	body->taken = 0;
	pb_buffer_release(&body->reply);
}

void
pb_readahead_discard(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	pb_readahead_give_back(ra, body);
	DL_DELETE(ra->bodies, body);
	ra->n--;
	if (ra->current == body)
		ra->current = NULL;
	if (ra->arriving == body)
		ra->arriving = NULL;
	if (ra->due == body)
		ra->due = body->next;
	pb_free(body);
}

void
pb_readahead_dismiss(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	if (!pb_readahead_is_in_flight(body)) {
		pb_readahead_discard(ra, body);
		return;
	}
	pb_readahead_give_back(ra, body);
	body->unwanted = true;
	if (ra->current == body)
		ra->current = NULL;
}

struct pb_readahead_body *
pb_readahead_add(struct pb_readahead *ra, const struct pb_maildrop *m,
    uint32_t msgno, bool is_top, uint64_t lines)
{
	struct pb_readahead_body *body = pb_alloc(sizeof(*body));

	if (body == NULL)
		return NULL;
	pb_retrieval_init(&body->r, msgno, pb_maildrop_uid_of(m, msgno),
	    pb_maildrop_size_of(m, msgno), is_top, lines);
	pb_buffer_init(&body->reply, PB_READAHEAD_REPLY_MAX);
	DL_APPEND(ra->bodies, body);
	ra->n++;
	return body;
}

void
pb_readahead_start_anew(struct pb_readahead_body *body)
{
	const struct pb_retrieval r = body->r;

	pb_buffer_release(&body->reply);
	pb_retrieval_init(&body->r, r.msgno, r.uid, r.announced, r.is_top,
	    r.lines);
	pb_retrieval_ask_part(&body->r);
	body->missed = false;
}

bool
pb_readahead_comes_unwanted(const struct pb_readahead *ra, uint32_t uid)
{
	const struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (body->unwanted && body->r.uid == uid)
			return true;
	}
	return false;
}

void
pb_readahead_fetch(struct pb_readahead *ra, struct pb_imap_client *imap)
{
	struct pb_readahead_body *body = ra->current;

	body->state = PB_READAHEAD_WAITING;
	body->missed = false;
	if (imap == NULL || pb_readahead_comes_unwanted(ra, body->r.uid))
		return;
	pb_retrieval_ask_part(&body->r);
	body->state = PB_READAHEAD_ASKED;
	(void)!pb_imap_client_bodies(imap, &body->r.uid, 1, body->r.window,
	    &body->command);
}

void
pb_readahead_drop(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		if (body != ra->current && !body->unwanted)
			pb_readahead_dismiss(ra, body);
	}
	ra->window = 0;
	ra->guess = 0;
}

void
pb_readahead_lost(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	/* Nothing of it was sent. */
	if (ra->withheld && ra->arriving != NULL)
		pb_readahead_start_anew(ra->arriving);
	ra->withheld = false;
	ra->arriving = ra->due = NULL;
	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		ra->careful |= pb_readahead_is_in_flight(body);
		if (body == ra->current) {
			body->losses += pb_readahead_is_in_flight(body);
			body->state = PB_READAHEAD_WAITING;
			pb_retrieval_lost(&body->r);
		} else if (body->state != PB_READAHEAD_READY) {
			pb_readahead_discard(ra, body);
		}
	}
	ra->guess = 0;
}

bool
pb_readahead_may_resume(const struct pb_readahead *ra)
{
	return ra->current != NULL && ra->current->losses <= 1;
}

void
pb_readahead_give_up(struct pb_readahead *ra)
{
	if (ra->current != NULL)
		pb_readahead_dismiss(ra, ra->current);
}

void
pb_readahead_fini(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	DL_FOREACH_SAFE(ra->bodies, body, next)
		pb_readahead_discard(ra, body);
}

bool
pb_readahead_has_begun(const struct pb_readahead *ra)
{
	return ra->current != NULL && ra->current->r.begun;
}

uint64_t
pb_readahead_sent(const struct pb_readahead *ra)
{
	return ra->current != NULL ? ra->current->r.fed : 0;
}

/* Something that was asked for by these words, and is wanted. */
static struct pb_readahead_body *
find(const struct pb_readahead *ra, uint32_t msgno, bool is_top,
    uint64_t lines)
{
	struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (!body->unwanted && body->r.msgno == msgno &&
		    body->r.is_top == is_top && body->r.lines == lines)
			return body;
	}
	return NULL;
}

enum pb_status
pb_readahead_hand_over(struct pb_readahead_body *body, struct pb_buffer *out)
{
	struct pb_slice reply = pb_buffer_slice(&body->reply);

	if (out->len == 0) {
		pb_buffer_swap(&body->reply, out);
		return PB_OK;
	}
	return pb_buffer_append(out, reply.data, reply.len);
}

static enum pb_retrieval_verdict
no_memory(struct pb_readahead *ra, struct pb_error *err)
{
	bool begun = pb_readahead_has_begun(ra);

	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_MESSAGE,
	    "no memory for a message");
	if (ra->current != NULL)
		pb_readahead_dismiss(ra, ra->current);
	return begun ? PB_RETRIEVAL_CUT : PB_RETRIEVAL_FAILED;
}

/* The client asks for what was guessed, however far it has come. */
static enum pb_retrieval_verdict
deliver(struct pb_readahead *ra, struct pb_imap_client *imap,
    struct pb_buffer *out, struct pb_error *err)
{
	struct pb_readahead_body *body = ra->current;

	if (ra->withheld && body == ra->arriving)
		return PB_RETRIEVAL_GOES_ON;
	if (pb_readahead_hand_over(body, out) != PB_OK)
		return no_memory(ra, err);
	pb_readahead_give_back(ra, body);
	if (body->state == PB_READAHEAD_READY) {
		ra->octets = body->r.stuff.octets;
		pb_readahead_discard(ra, body);
		return PB_RETRIEVAL_DONE;
	}
	if (body->state == PB_READAHEAD_STALLED)
		pb_readahead_fetch(ra, imap);
	return PB_RETRIEVAL_GOES_ON;
}

enum pb_retrieval_verdict
pb_readahead_ask(struct pb_readahead *ra, const struct pb_maildrop *m,
    struct pb_imap_client *imap, uint32_t msgno, bool is_top, uint64_t lines,
    struct pb_buffer *out, struct pb_error *err)
{
	struct pb_readahead_body *body = find(ra, msgno, is_top, lines);
	enum pb_retrieval_verdict verdict = PB_RETRIEVAL_GOES_ON;

	pb_check(ra->current == NULL);
	pb_readahead_learn(ra, m, msgno, is_top, lines, body);
	if (body != NULL) {
		ra->current = body;
		verdict = deliver(ra, imap, out, err);
	} else {
		ra->current = pb_readahead_add(ra, m, msgno, is_top, lines);
		if (ra->current == NULL)
			return no_memory(ra, err);
		pb_readahead_fetch(ra, imap);
	}
	pb_readahead_fetch_ahead(ra, m, imap);
	return verdict;
}

void
pb_readahead_resume(struct pb_readahead *ra, struct pb_imap_client *imap)
{
	pb_check(ra->current != NULL &&
	    ra->current->state == PB_READAHEAD_WAITING);
	pb_readahead_fetch(ra, imap);
}
