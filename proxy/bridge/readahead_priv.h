#ifndef PB_BRIDGE_READAHEAD_PRIV_H
#define PB_BRIDGE_READAHEAD_PRIV_H

#include "popbridge/bridge/readahead.h"

/*
 * What the files of the read-ahead share.  readahead.c has the bodies and is
 * the client's side: it asks, and is given what there is.  readahead_guess.c
 * decides what to fetch before it is asked for, readahead_arrival.c takes what
 * comes.
 */

enum pb_readahead_state {
	/* To be asked for; the same UID is on its way, unwanted. */
	PB_READAHEAD_WAITING,
	PB_READAHEAD_ASKED,
	PB_READAHEAD_ARRIVING,
	PB_READAHEAD_ARRIVED,	/* whole; its command is not completed */
	PB_READAHEAD_STALLED,	/* another part of it is to be fetched */
	PB_READAHEAD_READY,	/* the reply is complete */
};

struct pb_readahead_body {
	struct pb_retrieval r;
	struct pb_buffer reply;	/* own; of a guess */
	enum pb_readahead_state state;
	bool unwanted;		/* its octets are dropped as they come */
	bool missed;		/* it came, but was not kept: ask again, alone */
	unsigned losses;	/* of connections while it was on its way */
	uint32_t command;
	size_t taken;		/* from the budget */
	struct pb_readahead_body *prev, *next;
};

static inline bool
pb_readahead_is_in_flight(const struct pb_readahead_body *body)
{
	return body->state == PB_READAHEAD_ASKED ||
	    body->state == PB_READAHEAD_ARRIVING ||
	    body->state == PB_READAHEAD_ARRIVED;
}

/* readahead.c */

/* A body, in the list of those asked for.  NULL: no memory. */
struct pb_readahead_body *pb_readahead_add(struct pb_readahead *ra,
					   const struct pb_maildrop *maildrop,
					   uint32_t msgno, bool is_top,
					   uint64_t lines);
/* Its reply goes, and what it has of the budget. */
void pb_readahead_give_back(struct pb_readahead *ra,
			    struct pb_readahead_body *body);
void pb_readahead_discard(struct pb_readahead *ra,
			  struct pb_readahead_body *body);
/* Nobody wants it any more; what is on its way must still be taken. */
void pb_readahead_dismiss(struct pb_readahead *ra,
			  struct pb_readahead_body *body);
/* As if nothing of it had come yet; the client must not have had any of it. */
void pb_readahead_start_anew(struct pb_readahead_body *body);
/*
 * What there is of the reply goes to the client; the rest goes there at once.
 * PB_OK; else nothing has gone there.
 */
enum pb_status pb_readahead_hand_over(struct pb_readahead_body *body,
				      struct pb_buffer *out) PB_MUST_CHECK;
/* Its octets are on their way, and nobody wants them. */
bool pb_readahead_comes_unwanted(const struct pb_readahead *ra, uint32_t uid);
/*
 * Fetch the message that the client waits for, alone.  Never while the same
 * one is on its way already: what comes could not be told apart, and might be
 * a part only.  A connection that fails says so itself.
 */
void pb_readahead_fetch(struct pb_readahead *ra, struct pb_imap_client *imap);

/* readahead_guess.c */

/*
 * What does this command tell about the next one?  `guessed` is the body that
 * was asked for before the client did; NULL: there is none.
 */
void pb_readahead_learn(struct pb_readahead *ra,
			const struct pb_maildrop *maildrop, uint32_t msgno,
			bool is_top, uint64_t lines,
			const struct pb_readahead_body *guessed);
/* Fetch what the client is going to ask for, as far as there is room. */
void pb_readahead_fetch_ahead(struct pb_readahead *ra,
			      const struct pb_maildrop *maildrop,
			      struct pb_imap_client *imap);

#endif
