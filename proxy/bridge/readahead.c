#include "popbridge/bridge/readahead.h"

#include <utlist.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/*
 * Small messages are fetched together until they are so many octets, or an
 * eighth of the window: then the first of them can be used while others are
 * still on their way.
 */
#define GROUP_OCTETS (64 * 1024)
#define GROUPS 8
#define GROUP_MESSAGES 256

/* Commands that are left for what the client asks for. */
#define ROOM 4

enum body_state {
	WAITING,	/* to be asked for; the same UID is on its way, unwanted */
	ASKED,
	ARRIVING,
	ARRIVED,	/* whole; its command is not completed */
	STALLED,	/* another part of it is to be fetched */
	READY,		/* the reply is complete */
};

struct pb_readahead_body {
	struct pb_retrieval r;
	struct pb_buffer reply;	/* own; of a guess */
	enum body_state state;
	bool unwanted;		/* its octets are dropped as they come */
	unsigned losses;	/* of connections while it was on its way */
	uint32_t command;
	size_t taken;		/* from the budget */
	struct pb_readahead_body *prev, *next;
};

static bool
is_in_flight(const struct pb_readahead_body *body)
{
	return body->state == ASKED || body->state == ARRIVING ||
	    body->state == ARRIVED;
}

static void
give_back(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	if (body->taken > 0)
		pb_budget_give(ra->budget, body->taken);
	ra->held -= body->taken;
	body->taken = 0;
	pb_buffer_release(&body->reply);
}

static void
discard(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	give_back(ra, body);
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

/* Nobody wants it any more; what is on its way must still be taken. */
static void
dismiss(struct pb_readahead *ra, struct pb_readahead_body *body)
{
	if (!is_in_flight(body)) {
		discard(ra, body);
		return;
	}
	give_back(ra, body);
	body->unwanted = true;
	if (ra->current == body)
		ra->current = NULL;
}

void
pb_readahead_drop(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		if (body != ra->current && !body->unwanted)
			dismiss(ra, body);
	}
	ra->window = 0;
	ra->guess = 0;
}

void
pb_readahead_lost(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	ra->arriving = ra->due = NULL;
	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		ra->careful |= is_in_flight(body);
		if (body == ra->current) {
			body->losses += is_in_flight(body);
			body->state = WAITING;
			pb_retrieval_lost(&body->r);
		} else if (body->state != READY) {
			discard(ra, body);
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
		dismiss(ra, ra->current);
}

void
pb_readahead_fini(struct pb_readahead *ra)
{
	struct pb_readahead_body *body, *next;

	DL_FOREACH_SAFE(ra->bodies, body, next)
		discard(ra, body);
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

static struct pb_readahead_body *
add(struct pb_readahead *ra, const struct pb_maildrop *m, uint32_t msgno,
    bool is_top, uint64_t lines)
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

static bool
comes_unwanted(const struct pb_readahead *ra, uint32_t uid)
{
	const struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (body->unwanted && body->r.uid == uid)
			return true;
	}
	return false;
}

/*
 * Fetch the message that the client waits for, alone.  Never while the same
 * one is on its way already: what comes could not be told apart, and might be
 * a part only.  A connection that fails says so itself.
 */
static void
fetch(struct pb_readahead *ra, struct pb_imap_client *imap)
{
	struct pb_readahead_body *body = ra->current;

	body->state = WAITING;
	if (imap == NULL || comes_unwanted(ra, body->r.uid))
		return;
	pb_retrieval_ask_part(&body->r);
	body->state = ASKED;
	(void)!pb_imap_client_bodies(imap, &body->r.uid, 1, body->r.window,
	    &body->command);
}

/* The message beside msgno that is not deleted; 0: there is none. */
static uint32_t
beside(const struct pb_maildrop *m, uint32_t msgno, bool backwards)
{
	do {
		msgno = backwards ? msgno - 1 : msgno + 1;
	} while (pb_maildrop_has(m, msgno) &&
	    pb_maildrop_is_deleted(m, msgno));
	return pb_maildrop_has(m, msgno) ? msgno : 0;
}

/* What is to be fetched of a guess, in octets; 0: it is not to be. */
static size_t
octets_of(const struct pb_maildrop *m, const struct pb_readahead *ra,
    uint32_t msgno, uint32_t *window)
{
	struct pb_retrieval r;
	size_t octets = pb_maildrop_size_of(m, msgno);

	pb_retrieval_init(&r, msgno, 1, (uint32_t)octets, ra->is_top,
	    ra->lines);
	*window = r.window;
	if (r.window > 0)
		octets = r.window;
	return octets > PB_READAHEAD_MESSAGE_MAX ? 0 : octets +
	    sizeof(struct pb_readahead_body);
}

struct group {
	uint32_t uids[GROUP_MESSAGES];
	size_t n;
	size_t octets;
	unsigned ranges;
	uint32_t window;
	struct pb_readahead_body *first;
};

static bool
fits(const struct pb_readahead *ra, const struct group *g, uint32_t uid,
    uint32_t window)
{
	size_t most = ra->window / GROUPS;

	if (g->n == 0)
		return true;
	if (ra->alone || g->n == GROUP_MESSAGES || g->window != window)
		return false;
	if (g->octets >= (most > GROUP_OCTETS ? most : GROUP_OCTETS))
		return false;
	/* Ranges run upwards, whichever way the client goes. */
	return g->ranges < PB_IMAP_SET_RANGES_MAX ||
	    g->uids[g->n - 1] + (ra->backwards ? -1u : 1u) == uid;
}

/* One more message for the group.  False: it is full, or there is no more. */
static bool
guess_one(struct pb_readahead *ra, const struct pb_maildrop *m,
    struct group *g)
{
	struct pb_readahead_body *body;
	uint32_t window, uid;
	size_t octets;

	if (ra->guess == 0 || ra->n >= PB_READAHEAD_MESSAGES_MAX ||
	    ra->held >= ra->window)
		return false;
	uid = pb_maildrop_uid_of(m, ra->guess);
	octets = octets_of(m, ra, ra->guess, &window);
	if (octets == 0 || !fits(ra, g, uid, window) ||
	    comes_unwanted(ra, uid) || !pb_budget_take(ra->budget, octets))
		return false;
	body = add(ra, m, ra->guess, ra->is_top, ra->lines);
	if (body == NULL) {
		pb_budget_give(ra->budget, octets);
		return false;
	}
	body->taken = octets;
	ra->held += octets;
	body->state = ASKED;
	pb_retrieval_ask_part(&body->r);
	if (g->n == 0)
		g->first = body;
	if (g->n == 0 || g->uids[g->n - 1] + (ra->backwards ? -1u : 1u) != uid)
		g->ranges++;
	g->window = window;
	g->uids[g->n++] = uid;
	g->octets += octets;
	ra->guess = beside(m, ra->guess, ra->backwards);
	return true;
}

static void
turn_round(struct group *g)
{
	size_t i;

	for (i = 0; i < g->n / 2; i++) {
		uint32_t uid = g->uids[i];

		g->uids[i] = g->uids[g->n - 1 - i];
		g->uids[g->n - 1 - i] = uid;
	}
}

static void
fetch_ahead(struct pb_readahead *ra, const struct pb_maildrop *m,
    struct pb_imap_client *imap)
{
	/* Refilled in large pieces, not message by message. */
	if (ra->budget == NULL || imap == NULL || ra->careful ||
	    ra->held > ra->window / 2)
		return;
	while (pb_imap_client_room(imap) > ROOM) {
		struct group g = { .n = 0 };
		struct pb_readahead_body *body;
		uint32_t command = 0;

		while (guess_one(ra, m, &g))
			continue;
		if (g.n == 0)
			return;
		if (ra->backwards)
			turn_round(&g);
		if (pb_imap_client_bodies(imap, g.uids, g.n, g.window,
		    &command) != PB_OK)
			return;
		for (body = g.first; body != NULL; body = body->next)
			body->command = command;
	}
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

/* It was guessed: those that the client has passed over are not wanted. */
static void
pass_over(struct pb_readahead *ra, const struct pb_readahead_body *asked)
{
	struct pb_readahead_body *body = ra->bodies;

	while (body != asked) {
		struct pb_readahead_body *next = body->next;

		if (!body->unwanted)
			dismiss(ra, body);
		body = next;
	}
}

/* What does this command tell about the next one? */
static void
learn(struct pb_readahead *ra, const struct pb_maildrop *m, uint32_t msgno,
    bool is_top, uint64_t lines, const struct pb_readahead_body *guessed)
{
	bool same = is_top == ra->is_top && lines == ra->lines;
	size_t window = 0;

	if (guessed != NULL) {
		pass_over(ra, guessed);
		ra->window = 2 * ra->window < PB_READAHEAD_MAX
		    ? 2 * ra->window : PB_READAHEAD_MAX;
		ra->msgno = msgno;
		return;
	}
	if (ra->msgno == 0) {
		window = PB_READAHEAD_FIRST;
	} else if (same && beside(m, ra->msgno, false) == msgno) {
		window = !ra->backwards && ra->window > PB_READAHEAD_FIRST
		    ? ra->window : PB_READAHEAD_FIRST;
		ra->backwards = false;
	} else if (same && beside(m, ra->msgno, true) == msgno) {
		window = ra->backwards && ra->window > PB_READAHEAD_FIRST
		    ? ra->window : PB_READAHEAD_FIRST;
		ra->backwards = true;
	}
	pb_readahead_drop(ra);
	ra->window = window;
	ra->msgno = msgno;
	ra->is_top = is_top;
	ra->lines = lines;
	ra->guess = window > 0 ? beside(m, msgno, ra->backwards) : 0;
}

/* What there is of the reply goes to the client; the rest goes there at once. */
static enum pb_status
hand_over(struct pb_readahead_body *body, struct pb_buffer *out)
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
		dismiss(ra, ra->current);
	return begun ? PB_RETRIEVAL_CUT : PB_RETRIEVAL_FAILED;
}

/* The client asks for what was guessed, however far it has come. */
static enum pb_retrieval_verdict
deliver(struct pb_readahead *ra, struct pb_imap_client *imap,
    struct pb_buffer *out, struct pb_error *err)
{
	struct pb_readahead_body *body = ra->current;

	if (hand_over(body, out) != PB_OK)
		return no_memory(ra, err);
	give_back(ra, body);
	if (body->state == READY) {
		ra->octets = body->r.stuff.octets;
		discard(ra, body);
		return PB_RETRIEVAL_DONE;
	}
	if (body->state == STALLED)
		fetch(ra, imap);
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
	learn(ra, m, msgno, is_top, lines, body);
	if (body != NULL) {
		ra->current = body;
		verdict = deliver(ra, imap, out, err);
	} else {
		ra->current = add(ra, m, msgno, is_top, lines);
		if (ra->current == NULL)
			return no_memory(ra, err);
		fetch(ra, imap);
	}
	fetch_ahead(ra, m, imap);
	return verdict;
}

void
pb_readahead_resume(struct pb_readahead *ra, struct pb_imap_client *imap)
{
	pb_check(ra->current != NULL && ra->current->state == WAITING);
	fetch(ra, imap);
}

static struct pb_buffer *
out_of(struct pb_readahead *ra, struct pb_readahead_body *body,
    struct pb_buffer *out)
{
	return body == ra->current ? out : &body->reply;
}

/* A verdict about a guess is nothing that the client has to know. */
static enum pb_retrieval_verdict
judge(struct pb_readahead *ra, struct pb_readahead_body *body,
    enum pb_retrieval_verdict verdict)
{
	bool is_current = body == ra->current;

	if (verdict == PB_RETRIEVAL_GOES_ON)
		return verdict;
	if (verdict == PB_RETRIEVAL_DONE) {
		if (!is_current) {
			body->state = READY;
			return PB_RETRIEVAL_GOES_ON;
		}
		ra->octets = body->r.stuff.octets;
	}
	dismiss(ra, body);
	return is_current ? verdict : PB_RETRIEVAL_GOES_ON;
}

static bool
may_come(const struct pb_readahead_body *body, uint32_t uid)
{
	return body->state == ASKED && (uid == 0 || uid == body->r.uid);
}

/*
 * Whose body is it?  Mostly the one behind the last that came.  Without a UID it
 * is the next in order, and its end must prove it.
 */
static struct pb_readahead_body *
next_to_come(struct pb_readahead *ra, uint32_t uid)
{
	struct pb_readahead_body *body = ra->due;

	if (body == NULL || uid == 0 || !may_come(body, uid)) {
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
	body->state = ARRIVING;
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

	if (body == NULL || body->unwanted)
		return PB_RETRIEVAL_GOES_ON;
	return judge(ra, body, pb_retrieval_take(&body->r, data,
	    out_of(ra, body, out), err));
}

static void
end(struct pb_readahead *ra, struct pb_imap_client *imap,
    const struct pb_imap_event *event)
{
	struct pb_readahead_body *body = ra->arriving;

	ra->arriving = NULL;
	if (body == NULL)
		return;
	body->state = ARRIVED;
	if (body->r.uid != event->uid)
		pb_imap_client_reject(imap,
		    "it sends another message than the one whose turn it is");
}

static void
take_nil(struct pb_readahead *ra, const struct pb_imap_event *event)
{
	struct pb_readahead_body *body;

	DL_FOREACH(ra->bodies, body)
	{
		if (body->state != ASKED || body->r.uid != event->uid)
			continue;
		pb_retrieval_take_nil(&body->r);
		body->state = ARRIVED;
		return;
	}
}

/*
 * The command of one body is completed.  When it asked for several and failed,
 * nobody knows for which: guesses are dropped, and what the client waits for
 * is fetched again, alone, from where it was.
 */
static enum pb_retrieval_verdict
end_one(struct pb_readahead *ra, struct pb_imap_client *imap,
    struct pb_readahead_body *body, const struct pb_imap_event *done,
    bool grouped, struct pb_buffer *out, struct pb_error *err)
{
	enum pb_retrieval_verdict verdict;

	body->state = ARRIVED;
	if (!body->unwanted && grouped && done->condition != PB_IMAP_OK) {
		ra->alone = true;
		if (body == ra->current) {
			fetch(ra, imap);
			return PB_RETRIEVAL_GOES_ON;
		}
		body->unwanted = true;
	}
	if (body->unwanted) {
		discard(ra, body);
		return PB_RETRIEVAL_GOES_ON;
	}
	verdict = pb_retrieval_end_part(&body->r, done, out_of(ra, body, out),
	    err);
	body->state = STALLED;
	if (verdict != PB_RETRIEVAL_MORE)
		return judge(ra, body, verdict);
	if (body == ra->current)
		fetch(ra, imap);
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
		n += is_in_flight(body) && body->command == done->id;
	DL_FOREACH_SAFE(ra->bodies, body, next)
	{
		enum pb_retrieval_verdict one;

		if (!is_in_flight(body) || body->command != done->id)
			continue;
		one = end_one(ra, imap, body, done, n > 1, out, err);
		if (one != PB_RETRIEVAL_GOES_ON)
			verdict = one;
	}
	if (ra->current != NULL && ra->current->state == WAITING)
		fetch(ra, imap);
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
		end(ra, imap, event);
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
