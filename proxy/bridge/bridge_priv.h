#ifndef PB_BRIDGE_BRIDGE_PRIV_H
#define PB_BRIDGE_BRIDGE_PRIV_H

#include "popbridge/bridge/bridge.h"
#include "popbridge/pop3/reply.h"

/*
 * What the files of the bridge share.  bridge.c is the machine between edge and
 * peers; it calls identifying.c, who the client is, opening.c, the way from
 * there to a maildrop, keeping.c, what earlier sessions have left to be done,
 * serving.c, what is done with the maildrop, committing.c, what QUIT does, and
 * reviving.c, the way back when the server was lost; all stand on state.c.
 * deadlines.c has what a session waits for, and how long.
 *
 * A command to the server that cannot be sent breaks the IMAP client; bridge.c
 * looks for that after each step, so that nobody else has to.
 */

static inline void
pb_bridge_sent(enum pb_status st)
{
	(void)st;
}

/* state.c */

/* What the user is called at the server; no data when just the same. */
struct pb_slice pb_bridge_other_name(const struct pb_bridge *b);
/* The one place that changes the state. */
void pb_bridge_enter(struct pb_bridge *b, enum pb_bridge_state state);
void pb_bridge_ask(struct pb_bridge *b, enum pb_bridge_action action);
/* Give the connection back to the edge; imap is forgotten here and now. */
void pb_bridge_drop_upstream(struct pb_bridge *b);
/*
 * The connection was a resumed one, and a new one may do better: it is asked
 * for.  False: the failure is the client's to hear.
 */
bool pb_bridge_start_over(struct pb_bridge *b, const struct pb_error *err);
/* The session is over; `reason` is static text. */
void pb_bridge_end(struct pb_bridge *b, const char *reason);

/* A reply alone; or as the answer to the request, which was good or failed. */
void pb_bridge_reply(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n,
		     uint64_t m);
void pb_bridge_answer(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n,
		      uint64_t m);
void pb_bridge_refuse(struct pb_bridge *b, enum pb_pop3_reply r);
void pb_bridge_answered(struct pb_bridge *b, bool failed);
/* Back to the client's turn, unless somebody has asked for the end. */
void pb_bridge_command_done(struct pb_bridge *b);

void pb_bridge_log_error(const struct pb_bridge *b, const char *text,
			 const struct pb_error *err);

/* bridge.c */

/* The connection is gone or useless while something may wait for it. */
void pb_bridge_upstream_failed(struct pb_bridge *b, const struct pb_error *err);

/* deadlines.c */

/* Messages are being removed, whatever the client does meanwhile. */
bool pb_bridge_is_removing(const struct pb_bridge *b);

/* identifying.c */

/* All ways to say who one is; then the edge is asked. */
void pb_bridge_do_pass(struct pb_bridge *b, struct pb_pop3_request *request);
void pb_bridge_do_apop(struct pb_bridge *b, struct pb_pop3_request *request);
void pb_bridge_do_auth(struct pb_bridge *b, struct pb_pop3_request *request);
void pb_bridge_do_xclient(struct pb_bridge *b, struct pb_slice text);

/* opening.c */

/*
 * The login has failed, wherever it was.  The client hears a reply, never a
 * closed connection: clients take that for a wrong password.
 */
void pb_bridge_login_failed(struct pb_bridge *b, const struct pb_error *err);
/* Say what was held back. */
void pb_bridge_release(struct pb_bridge *b);
void pb_bridge_login_failed_for(struct pb_bridge *b, enum pb_error_kind kind,
				const char *why);
/* The maildrop is there: the client hears so. */
void pb_bridge_welcome(struct pb_bridge *b);
/* SELECT and the listing; then events until the maildrop is open. */
void pb_bridge_open_maildrop(struct pb_bridge *b);
/* And what is known of it is forgotten. */
void pb_bridge_close_maildrop(struct pb_bridge *b);
/* The mailbox holds this now; NULL: nobody knows. */
void pb_bridge_remember(struct pb_bridge *b, struct pb_listing *listing);
void pb_bridge_opening_event(struct pb_bridge *b,
			     const struct pb_imap_event *event);

/* reviving.c */

/*
 * The server is lost, and this command needs it: a connection is asked for.
 * False: there shall be none.
 */
bool pb_bridge_revive(struct pb_bridge *b, enum pb_bridge_errand errand);
/* The same, for a message under way that was lost with it, for this reason. */
bool pb_bridge_revive_message(struct pb_bridge *b, const struct pb_error *err);
/* It is connected and logged in. */
void pb_bridge_reopen_maildrop(struct pb_bridge *b);
void pb_bridge_reopening_event(struct pb_bridge *b,
			       const struct pb_imap_event *event);
void pb_bridge_revival_failed(struct pb_bridge *b, const struct pb_error *err);

/* keeping.c */

/*
 * Open the maildrop with what the mailbox holds, but for what earlier sessions
 * have promised to remove, which is removed first.
 */
void pb_bridge_keep_promises(struct pb_bridge *b, struct pb_listing *listing);
void pb_bridge_keeping_event(struct pb_bridge *b,
			     const struct pb_imap_event *event);
void pb_bridge_keeping_turn(struct pb_bridge *b);
void pb_bridge_keeping_lost(struct pb_bridge *b, const struct pb_error *err);

/* committing.c */

/* QUIT: write down what is to be removed, remove it, answer, and end. */
void pb_bridge_remove(struct pb_bridge *b);
void pb_bridge_promise_made(struct pb_bridge *b, int64_t number,
			    const struct pb_error *why);
void pb_bridge_committing_event(struct pb_bridge *b,
				const struct pb_imap_event *event);
/* The server is lost in it, for this reason. */
void pb_bridge_commit_lost(struct pb_bridge *b, const struct pb_error *err);
/* It goes on, for which it may need its turn; or its connection has failed. */
bool pb_bridge_commit_goes_on(struct pb_bridge *b, enum pb_status st);
void pb_bridge_committing_turn(struct pb_bridge *b);
/* It is back, and the mailbox is open. */
void pb_bridge_resume_commit(struct pb_bridge *b);
/* QUIT's reply, and the end. */
void pb_bridge_finish_quit(struct pb_bridge *b, size_t missing);
/* See bridge/commit.h. */
void pb_bridge_plan(const struct pb_bridge *b, enum pb_removal removal,
		    uint32_t uidvalidity, struct pb_commit_plan *plan);

/* serving.c */

void pb_bridge_do_request(struct pb_bridge *b,
			  struct pb_pop3_request *request);
/* Lines of a LIST or UIDL, as long as there is room. */
void pb_bridge_continue_listing(struct pb_bridge *b);
/* An event of the connection, which may be about a message. */
void pb_bridge_body_event(struct pb_bridge *b,
			  const struct pb_imap_event *event);
/* The connection is back: the message that waits is asked for again. */
void pb_bridge_resume_message(struct pb_bridge *b);
/* The message that waits does not come. */
void pb_bridge_lose_message(struct pb_bridge *b);

#endif
