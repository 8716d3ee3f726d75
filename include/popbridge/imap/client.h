#ifndef PB_IMAP_CLIENT_H
#define PB_IMAP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/imap/framer.h"
#include "popbridge/imap/gate.h"
#include "popbridge/imap/grammar.h"
#include "popbridge/imap/mailbox_name.h"
#include "popbridge/imap/writer.h"

/*
 * The client side of one IMAP connection (RFC 3501): octets of a server in,
 * events out; commands in, octets for the server out.
 *
 * From the greeting to the login it acts by itself: it asks for the
 * capabilities, upgrades to TLS where that was asked for, authenticates in the
 * way that was asked for or the best that the server offers.  From PB_IMAP_EVENT_READY on, commands are
 * pipelined: each call queues one, each ends in one PB_IMAP_EVENT_DONE.
 * Commands name messages by UID only, so that no expunge can shift them.
 *
 * Sans-I/O.  A client that has failed stays failed: error says why.
 */

/* Commands under way at a time; more would only wait in the server. */
#define PB_IMAP_PIPELINE_MAX 32

/* A user name, as POP3 can carry it. */
#define PB_IMAP_USER_MAX 255

/* Untagged responses that the grammar refuses, before it is enough. */
#define PB_IMAP_REFUSED_MAX 64

enum pb_imap_tls {
	PB_IMAP_TLS_IMPLICIT,	/* the octets come out of TLS already */
	PB_IMAP_TLS_STARTTLS,	/* required: no login without */
	PB_IMAP_TLS_NONE,
};

/* How to log in. */
enum pb_imap_auth {
	PB_IMAP_AUTH_AUTO,	/* PLAIN when it is offered, else LOGIN */
	PB_IMAP_AUTH_PLAIN,	/* AUTHENTICATE PLAIN (RFC 4616) */
	PB_IMAP_AUTH_LOGIN,	/* the LOGIN command */
	PB_IMAP_AUTH_XOAUTH2,
	PB_IMAP_AUTH_OAUTHBEARER, /* RFC 7628 */
	PB_IMAP_AUTH_TOKEN,	/* of these two what is offered, XOAUTH2 first */
};

enum pb_imap_state {
	PB_IMAP_STATE_GREETING,
	PB_IMAP_STATE_CAPABILITY,
	PB_IMAP_STATE_STARTTLS,
	PB_IMAP_STATE_HANDSHAKE,
	PB_IMAP_STATE_LOGIN,
	PB_IMAP_STATE_READY,
	PB_IMAP_STATE_LOGOUT,
	PB_IMAP_STATE_BROKEN,
};

enum pb_imap_command_kind {
	PB_IMAP_COMMAND_INTERNAL,	/* nobody waits for it */
	PB_IMAP_COMMAND_CAPABILITY,
	PB_IMAP_COMMAND_STARTTLS,
	PB_IMAP_COMMAND_LOGIN,
	PB_IMAP_COMMAND_SELECT,
	PB_IMAP_COMMAND_SIZES,
	PB_IMAP_COMMAND_BODIES,
	PB_IMAP_COMMAND_STORE,
	PB_IMAP_COMMAND_EXPUNGE,
	PB_IMAP_COMMAND_SEARCH,
	PB_IMAP_COMMAND_UIDS,
	PB_IMAP_COMMAND_COPY,
	PB_IMAP_COMMAND_MOVE,
	PB_IMAP_COMMAND_CREATE,
	PB_IMAP_COMMAND_LIST,
	PB_IMAP_COMMAND_MYRIGHTS,
	PB_IMAP_COMMAND_STATUS,
	PB_IMAP_COMMAND_NOOP,
};

enum pb_imap_event_type {
	PB_IMAP_EVENT_STARTTLS,	/* do the handshake, then _secured() */
	PB_IMAP_EVENT_READY,	/* logged in */
	PB_IMAP_EVENT_EXISTS,	/* number */
	PB_IMAP_EVENT_EXPUNGE,	/* seq */
	/* seq, and uid or size or both, of a SIZES or UIDS */
	PB_IMAP_EVENT_SIZE,
	PB_IMAP_EVENT_BODY_BEGIN, /* size: octets of the literal; uid, or 0
				     when the server says it behind the body */
	PB_IMAP_EVENT_BODY_DATA, /* data */
	PB_IMAP_EVENT_BODY_END,	/* it is whole; uid */
	PB_IMAP_EVENT_BODY_NIL,	/* instead of the three; uid */
	PB_IMAP_EVENT_FOUND,	/* id, ranges, n_ranges of a SEARCH */
	PB_IMAP_EVENT_MAILBOX,	/* id, special, data: its name, of a LIST */
	PB_IMAP_EVENT_STATUS,	/* id, number: UIDVALIDITY, data: the name */
	PB_IMAP_EVENT_DONE,	/* id, kind, condition; error unless OK */
};

struct pb_imap_event {
	enum pb_imap_event_type type;
	uint32_t number;
	uint32_t seq;
	uint32_t uid;		/* 0 when the server did not say */
	bool has_size;
	uint64_t size;
	struct pb_slice data;	/* valid until the next call */
	const struct pb_imap_range *ranges; /* as data; see imap/grammar.h */
	size_t n_ranges;
	unsigned special;	/* set of pb_imap_special */
	uint32_t id;
	enum pb_imap_command_kind kind;
	enum pb_imap_condition condition;
	bool expunged;		/* EXPUNGEISSUED (RFC 5530) */
	/* of a COPY or MOVE: ranges are the UIDs in this mailbox that COPYUID
	   (RFC 4315) has; of a MOVE that was refused, too */
	bool has_copied;
	bool try_create;	/* of a NO: [TRYCREATE], so CREATE may help */
	bool already_exists;	/* of a CREATE's NO: it is there already */
	struct pb_error error;	/* last: its text is most of an event */
};

struct pb_imap_command {
	uint32_t id;		/* its tag's number */
	enum pb_imap_command_kind kind;
};

/* How far a body that came inside a response has been told. */
enum pb_imap_told {
	PB_IMAP_TOLD_ALL,
	PB_IMAP_TOLD_NOTHING,
	PB_IMAP_TOLD_BEGIN,
	PB_IMAP_TOLD_DATA,
};

struct pb_imap_client {
	enum pb_imap_state state;
	struct pb_imap_grammar *grammar;	/* borrowed: the loop's */
	struct pb_imap_writer *writer;		/* borrowed: the loop's */
	enum pb_imap_tls tls;
	bool secured;
	struct pb_imap_framer framer;
	struct pb_buffer out;		/* for the server; take from it */
	struct pb_imap_command queue[PB_IMAP_PIPELINE_MAX];
	unsigned n_queue;
	uint32_t last_id;
	unsigned capabilities;
	bool capabilities_known;
	bool has_uidvalidity;
	bool read_only;
	bool throttled;			/* it said [THROTTLED], even with OK */
	bool makes_excuses;		/* in place of messages: imap/excuse.h */
	bool apologizes;		/* the same, each time in other words */
	uint32_t uidvalidity;
	/* What it said last of the mailbox; 0: it does not say. */
	uint32_t uidnext;
	uint32_t exists;
	/* What flags it keeps, by PERMANENTFLAGS; a server need not say. */
	bool has_permanentflags;
	bool keeps_deleted;		/* \Deleted */
	bool keeps_keywords;		/* any, or $POP3Deleted */
	/* After a MYRIGHTS. */
	bool has_rights;
	bool may_flag_deleted;
	bool may_expunge;
	struct pb_imap_uid_set copied;	/* by the COPY whose DONE is told */
	struct pb_imap_uid_set moved;	/* by the MOVEs under way */
	unsigned refused;		/* responses that did not parse */
	unsigned dropped;		/* responses that the gate stopped */
	enum pb_imap_auth auth;		/* as asked for */
	enum pb_imap_auth way;		/* what is done; no AUTO, no TOKEN */
	bool dismissed;			/* it has said why it takes no token */
	unsigned login_piece;		/* of a LOGIN with literals */
	uint64_t commands;		/* sent so far, for the summary */
	bool in_body;			/* BEGIN is told, END is not */
	uint32_t body_uid;		/* of it; 0: not said yet */
	bool has_read;			/* sizes or bodies, ever */
	struct pb_buffer inline_body;	/* came inside a response */
	enum pb_imap_told told;
	char user[PB_IMAP_USER_MAX + 1];
	size_t user_len;
	struct pb_secret password;	/* own; empty after the login */
	struct pb_secret authzid;	/* own; the same, and for none */
	struct pb_error error;		/* why it is BROKEN */
};

void pb_imap_client_init(struct pb_imap_client *c,
			 struct pb_imap_grammar *grammar,
			 struct pb_imap_writer *writer, enum pb_imap_tls tls);
void pb_imap_client_fini(struct pb_imap_client *c);

/*
 * The credential, before the first octet is fed; the password is moved in.
 * PB_OK, PB_EINVAL (CR, LF or NUL in it, or too long).
 */
enum pb_status pb_imap_client_login(struct pb_imap_client *c,
				    struct pb_slice user,
				    struct pb_secret *password) PB_MUST_CHECK;
/*
 * How to log in, before the first octet is fed; AUTO without this.  For the
 * ways of a token, the password of pb_imap_client_login is the bearer token.
 */
void pb_imap_client_authenticate_by(struct pb_imap_client *c,
				    enum pb_imap_auth how);
/*
 * The user acts for somebody else (RFC 4616, authorization identity): before
 * the first octet is fed.  A server that cannot be told so refuses the login.
 * PB_OK, PB_EINVAL (as above), PB_ENOMEM.
 */
enum pb_status pb_imap_client_authorize(struct pb_imap_client *c,
					struct pb_slice authzid) PB_MUST_CHECK;
/* The handshake that PB_IMAP_EVENT_STARTTLS asked for is done. */
enum pb_status pb_imap_client_secured(struct pb_imap_client *c) PB_MUST_CHECK;

/*
 * Take octets from the front of *in up to the next event.
 *
 * PB_OK      *event is filled.
 * PB_AGAIN   all of *in is taken.
 * PB_EPROTO  the connection is of no use any more, see c->error.
 */
enum pb_status pb_imap_client_next(struct pb_imap_client *c,
				   struct pb_slice *in,
				   struct pb_imap_event *event) PB_MUST_CHECK;

/* Commands may be queued now, so many of them. */
unsigned pb_imap_client_room(const struct pb_imap_client *c);
/* Commands wait for their completion. */
bool pb_imap_client_is_busy(const struct pb_imap_client *c);

/*
 * Commands, when READY and with room.  *id may be NULL.  PB_OK, or PB_EPROTO
 * when the client has failed now (no memory) or before.
 */
enum pb_status pb_imap_client_select(struct pb_imap_client *c,
				     const char *mailbox) PB_MUST_CHECK;
/* The same as _sizes, but of UIDs only, which a server knows by heart. */
enum pb_status pb_imap_client_uids(struct pb_imap_client *c,
				   uint32_t first) PB_MUST_CHECK;
/*
 * UID and RFC822.SIZE of the messages from UID `first` on.  Of the last message
 * in any case: "*" names it, and a range may be written backwards.
 */
enum pb_status pb_imap_client_sizes(struct pb_imap_client *c,
				    uint32_t first) PB_MUST_CHECK;
/*
 * Whole messages, or the first `count` octets of each when that is not 0; no
 * more UIDs than pb_imap_set_take allows.  Several may be under way.  Which
 * bodies were asked for, and whether all of them came, the caller knows: the
 * client vouches for the UID of each, and that none is told but while a
 * BODIES is under way.
 */
enum pb_status pb_imap_client_bodies(struct pb_imap_client *c,
				     const uint32_t *uids, size_t n,
				     uint32_t count,
				     uint32_t *id) PB_MUST_CHECK;
/*
 * The server contradicts what it was asked: the connection is of no use any
 * more, for the reason that `what` tells behind "the IMAP server breaks the
 * protocol".
 */
void pb_imap_client_reject(struct pb_imap_client *c, const char *what);
/* No more UIDs than pb_imap_set_take allows. */
enum pb_status pb_imap_client_store(struct pb_imap_client *c,
				    const uint32_t *uids, size_t n, bool add,
				    enum pb_imap_flag flag,
				    uint32_t *id) PB_MUST_CHECK;
enum pb_status pb_imap_client_uid_expunge(struct pb_imap_client *c,
					  const uint32_t *uids, size_t n,
					  uint32_t *id) PB_MUST_CHECK;
enum pb_status pb_imap_client_expunge(struct pb_imap_client *c,
				      uint32_t *id) PB_MUST_CHECK;
/* What has happened to the mailbox meanwhile? */
enum pb_status pb_imap_client_noop(struct pb_imap_client *c,
				   uint32_t *id) PB_MUST_CHECK;
/*
 * Each ends in one PB_IMAP_EVENT_FOUND, perhaps of nothing, and DONE.  A DONE
 * without FOUND is no answer: what the server said was not understood.
 */
enum pb_status pb_imap_client_search_all(struct pb_imap_client *c,
					 uint32_t *id) PB_MUST_CHECK;
enum pb_status pb_imap_client_search_deleted(struct pb_imap_client *c,
					     uint32_t *id) PB_MUST_CHECK;
/*
 * What has the keyword $POP3Deleted.  Only to be asked of a mailbox that keeps
 * it: GNU Mailutils, which has no keywords, says that all messages have it.
 */
enum pb_status pb_imap_client_search_pop3_deleted(struct pb_imap_client *c,
						  uint32_t *id) PB_MUST_CHECK;

/*
 * Commands with the name of a mailbox, as the server writes it, or from
 * pb_imap_mailbox_encode.  Besides the results above:
 *
 * PB_EINVAL  the name is empty, too long, or cannot be sent: CR, LF or NUL in
 *            it, or octets over 127 to a server without non-synchronising
 *            literals (RFC 7888).  Nothing was sent, the client is as before.
 */

/*
 * COPY, and MOVE (RFC 6851), which only a server with pb_imap_client_has_move
 * knows; no more UIDs than pb_imap_set_take allows.  An OK does not say that
 * all messages were there: that has_copied does, if the server has UIDPLUS.
 * While several MOVEs are under way, a DONE may have UIDs of the others.
 */
enum pb_status pb_imap_client_uid_copy(struct pb_imap_client *c,
				       const uint32_t *uids, size_t n,
				       struct pb_slice mailbox,
				       uint32_t *id) PB_MUST_CHECK;
enum pb_status pb_imap_client_uid_move(struct pb_imap_client *c,
				       const uint32_t *uids, size_t n,
				       struct pb_slice mailbox,
				       uint32_t *id) PB_MUST_CHECK;
enum pb_status pb_imap_client_create(struct pb_imap_client *c,
				     struct pb_slice mailbox,
				     uint32_t *id) PB_MUST_CHECK;
/* What we may do with it (RFC 4314); only with pb_imap_client_has_acl. */
enum pb_status pb_imap_client_myrights(struct pb_imap_client *c,
				       const char *mailbox,
				       uint32_t *id) PB_MUST_CHECK;
/*
 * The UIDVALIDITY that the mailbox has now, which may be the selected one: one
 * PB_IMAP_EVENT_STATUS, and DONE.  A DONE without it is no answer.
 */
enum pb_status pb_imap_client_status_uidvalidity(struct pb_imap_client *c,
						 const char *mailbox,
						 uint32_t *id) PB_MUST_CHECK;
/*
 * The mailboxes for special uses (RFC 6154), by their attributes: a
 * PB_IMAP_EVENT_MAILBOX for each that has one of pb_imap_special and can be
 * selected, then DONE.  A server without SPECIAL-USE is asked for all its
 * mailboxes, because many mark them nevertheless.
 */
enum pb_status pb_imap_client_list_special(struct pb_imap_client *c,
					   uint32_t *id) PB_MUST_CHECK;

/*
 * Whether nothing is under way, nothing waits to be sent, and the server's last
 * octet that was taken ended a response: the connection can be taken up later
 * from here, with SELECT as the first command.
 */
bool pb_imap_client_is_at_rest(const struct pb_imap_client *c);
/*
 * Move a client at rest, also to another loop, whose grammar and writer it
 * uses from then on.  *from holds nothing any more, and needs no pb_imap_client_fini.
 */
void pb_imap_client_move(struct pb_imap_client *to,
			 struct pb_imap_client *from,
			 struct pb_imap_grammar *grammar,
			 struct pb_imap_writer *writer);
/* Say goodbye; what the server answers is of no interest. */
void pb_imap_client_logout(struct pb_imap_client *c);

/* It can UID EXPUNGE (RFC 4315, or IMAP4rev2). */
bool pb_imap_client_has_uid_expunge(const struct pb_imap_client *c);
/* It can MOVE (RFC 6851, or IMAP4rev2). */
bool pb_imap_client_has_move(const struct pb_imap_client *c);
/* It can MYRIGHTS (RFC 4314). */
bool pb_imap_client_has_acl(const struct pb_imap_client *c);

const char *pb_imap_state_name(enum pb_imap_state state);

#endif
