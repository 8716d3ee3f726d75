#ifndef PB_IMAP_CLIENT_PRIV_H
#define PB_IMAP_CLIENT_PRIV_H

#include "popbridge/imap/client.h"

/*
 * What the files of the client share: client.c queues commands and has
 * the ways a client fails, mailbox_commands.c queues those that name a mailbox,
 * response.c understands what the server says, body.c the bodies of messages
 * among it, completion.c the ends of commands, login.c goes from the greeting to
 * the login.
 */

/* "A" and up to ten digits. */
#define PB_IMAP_TAG_SIZE 16

/* Tag of the next command; pb_imap_sent puts it into the queue. */
const char *pb_imap_next_tag(struct pb_imap_client *c,
			     char tag[PB_IMAP_TAG_SIZE]);
/*
 * The command was written with status st; on success it waits in the queue,
 * otherwise the client has failed.  Returns what a command function returns.
 */
enum pb_status pb_imap_sent(struct pb_imap_client *c, enum pb_status st,
			    enum pb_imap_command_kind kind, uint32_t *id);

void pb_imap_enter(struct pb_imap_client *c, enum pb_imap_state state);

/* Fail for ever, for the reason in c->error.  Returns PB_EPROTO. */
enum pb_status pb_imap_break(struct pb_imap_client *c);
enum pb_status pb_imap_break_protocol(struct pb_imap_client *c,
				      const char *what);
enum pb_status pb_imap_break_memory(struct pb_imap_client *c);

/* A response code, wherever it stood (code.c).  PB_OK, PB_EPROTO. */
enum pb_status pb_imap_take_code(struct pb_imap_client *c,
				 struct pb_slice code);

/* Most octets of a response, after the commands and the mailbox. */
void pb_imap_set_limit(struct pb_imap_client *c);

/* The first command of this kind under way, or NULL. */
struct pb_imap_command *pb_imap_find_kind(struct pb_imap_client *c,
					  enum pb_imap_command_kind kind);

/*
 * What a NO, BAD or BYE means (refusal.c; RFC 5530), and whether the server
 * asks for less; `otherwise` where it does not say.
 */
void pb_imap_error_of(const struct pb_imap_gated *line,
		      enum pb_error_kind otherwise, enum pb_error_scope scope,
		      const char *doing, struct pb_error *err);

/* Does the text have the phrase in it, in any case? */
bool pb_imap_says(struct pb_slice text, const char *phrase);

/* The DONE of a command that is no longer in the queue (completion.c). */
enum pb_status pb_imap_complete(struct pb_imap_client *c,
				const struct pb_imap_command *command,
				const struct pb_imap_gated *line,
				struct pb_imap_event *event);
/*
 * What the code says was copied, if it is COPYUID, goes to the set.  PB_OK, or
 * PB_EPROTO when there is no memory.
 */
enum pb_status pb_imap_take_copied(struct pb_imap_client *c,
				   struct pb_imap_uid_set *set,
				   struct pb_slice code);
/* The last event has been told, and with it what was copied. */
void pb_imap_forget_copied(struct pb_imap_client *c);

/*
 * Bodies (body.c).  One that is streamed begins with what stands before its
 * literal, and ends with the rest of its FETCH, which must prove whose it is.
 */
enum pb_status pb_imap_begin_body(struct pb_imap_client *c,
				  const struct pb_imap_frame *frame,
				  struct pb_imap_event *event);
enum pb_status pb_imap_end_body(struct pb_imap_client *c,
				const struct pb_imap_data *data,
				struct pb_imap_event *event);
/*
 * As NIL or a quoted string: nothing is streamed, it is all here, and told by
 * one event after the other.
 */
enum pb_status pb_imap_take_inline_body(struct pb_imap_client *c,
					const struct pb_imap_data *data,
					struct pb_imap_event *event);
enum pb_status pb_imap_tell_inline_body(struct pb_imap_client *c,
					struct pb_imap_event *event);

/*
 * From the greeting to the login (login.c).  Each is called in its state and
 * sends what is next, or breaks the client; PB_AGAIN is "go on reading".
 */
enum pb_status pb_imap_login_greeting(struct pb_imap_client *c,
				      const struct pb_imap_gated *line);
enum pb_status pb_imap_login_done(struct pb_imap_client *c,
				  const struct pb_imap_command *command,
				  const struct pb_imap_gated *line,
				  struct pb_imap_event *event);
enum pb_status pb_imap_login_continue(struct pb_imap_client *c,
				      const struct pb_imap_gated *line);

#endif
