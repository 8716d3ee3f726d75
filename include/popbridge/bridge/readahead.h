#ifndef PB_BRIDGE_READAHEAD_H
#define PB_BRIDGE_READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/budget.h"
#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/bridge/maildrop.h"
#include "popbridge/bridge/retrieval.h"
#include "popbridge/imap/client.h"

/*
 * The messages of a session that are on their way: the one that the client
 * waits for, and those that it is going to ask for next, if it goes on as it
 * has begun.
 *
 * A client that fetches 1, 2, 3 gets the next messages before it asks: they are
 * fetched behind the running one, small ones together, and kept as the reply
 * that they will be.  How much is fetched ahead doubles with each right guess; a
 * wrong one ends it until the client goes step by step again.  What was guessed
 * wrong is dropped, also while it comes in.
 *
 * A message that is ready has come whole, under its own UID, from a FETCH that
 * the server has completed.
 */

/* Octets ahead: for the first guess, and at most. */
#define PB_READAHEAD_FIRST (64 * 1024)
#define PB_READAHEAD_MAX (2 * 1024 * 1024)
/* A larger message takes longer to send than the way to the server and back. */
#define PB_READAHEAD_MESSAGE_MAX (256 * 1024)
/* Its reply: dots and line ends may make more of it, not much more. */
#define PB_READAHEAD_REPLY_MAX (PB_READAHEAD_MESSAGE_MAX + 64 * 1024)
/* Messages ahead, however small. */
#define PB_READAHEAD_MESSAGES_MAX 1024
/* What nobody asks for in so many ms is dropped. */
#define PB_READAHEAD_KEEP_MS 30000

struct pb_readahead_body;

struct pb_readahead {
	struct pb_budget *budget;	/* borrowed; NULL: nothing ahead */
	struct pb_readahead_body *bodies; /* own; in the order asked for */
	struct pb_readahead_body *current; /* the client waits; or NULL */
	struct pb_readahead_body *arriving; /* between BEGIN and END */
	struct pb_readahead_body *due;	/* behind the last that began; or NULL */
	/*
	 * What arrives may be another one of the same FETCH, for the server says
	 * behind the octets whose they are, or none at all (imap/excuse.h): the
	 * client gets nothing of it until it is whole.
	 */
	bool withheld;
	unsigned n;
	size_t window;		/* octets to have ahead */
	size_t held;		/* octets taken from the budget */
	uint32_t guess;		/* the next message to guess at; 0: none */
	bool alone;		/* groups do not work with this server */
	/*
	 * A connection was lost while something was on its way, which may have
	 * been the reason: a message that the server cannot read.  Nothing is
	 * read ahead any more, so that it is asked for only if it must be.
	 */
	bool careful;
	/* What the client has asked for last; */
	uint32_t msgno;		/* 0: nothing yet */
	bool is_top;
	uint64_t lines;
	bool backwards;		/* and it goes from high numbers to low ones */
	uint64_t octets;	/* of the message that was delivered last */
};

/* A zeroed struct reads nothing ahead.  The budget must outlive it. */
void pb_readahead_fini(struct pb_readahead *ra);

/*
 * The client asks for a message, and none is being delivered: what can be
 * written to `out` now is written.  `imap` is NULL when there is no connection;
 * then what is not ready waits for pb_readahead_resume or _give_up.  The verdict
 * is about this message; MORE is not among them.
 */
enum pb_retrieval_verdict pb_readahead_ask(struct pb_readahead *ra,
					   const struct pb_maildrop *maildrop,
					   struct pb_imap_client *imap,
					   uint32_t msgno, bool is_top,
					   uint64_t lines,
					   struct pb_buffer *out,
					   struct pb_error *err);
/*
 * Feed every event of the connection.  The verdict is about the message that
 * the client waits for, GOES_ON when it waits for none.
 */
enum pb_retrieval_verdict pb_readahead_event(struct pb_readahead *ra,
					     struct pb_imap_client *imap,
					     const struct pb_imap_event *event,
					     struct pb_buffer *out,
					     struct pb_error *err);

/* The client has been sent a part of the message that it waits for. */
bool pb_readahead_has_begun(const struct pb_readahead *ra);
/* So many octets of it. */
uint64_t pb_readahead_sent(const struct pb_readahead *ra);
/* Drop what is ahead: nobody will ask for it. */
void pb_readahead_drop(struct pb_readahead *ra);
/*
 * The connection is gone: what is ready remains, and the message that the client
 * waits for, until _resume or _give_up.
 */
void pb_readahead_lost(struct pb_readahead *ra);
/*
 * The message that the client waits for may be asked for again: it has not been
 * lost twice.
 */
bool pb_readahead_may_resume(const struct pb_readahead *ra);
/*
 * There is another connection, with the same messages: fetch the message that
 * the client waits for again, and go on behind what the client has been sent.
 */
void pb_readahead_resume(struct pb_readahead *ra, struct pb_imap_client *imap);
/* Nor will the message come that the client waits for. */
void pb_readahead_give_up(struct pb_readahead *ra);

#endif
