#include "readahead_priv.h"

#include <utlist.h>

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
	    pb_readahead_comes_unwanted(ra, uid) ||
	    !pb_budget_take(ra->budget, octets))
		return false;
	body = pb_readahead_add(ra, m, ra->guess, ra->is_top, ra->lines);
	if (body == NULL) {
		pb_budget_give(ra->budget, octets);
		return false;
	}
	body->taken = octets;
	ra->held += octets;
	body->state = PB_READAHEAD_ASKED;
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

void
pb_readahead_fetch_ahead(struct pb_readahead *ra, const struct pb_maildrop *m,
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

/* It was guessed: those that the client has passed over are not wanted. */
static void
pass_over(struct pb_readahead *ra, const struct pb_readahead_body *asked)
{
	struct pb_readahead_body *body = ra->bodies;

	while (body != asked) {
		struct pb_readahead_body *next = body->next;

		if (!body->unwanted)
			pb_readahead_dismiss(ra, body);
		body = next;
	}
}

void
pb_readahead_learn(struct pb_readahead *ra, const struct pb_maildrop *m,
    uint32_t msgno, bool is_top, uint64_t lines,
    const struct pb_readahead_body *guessed)
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
