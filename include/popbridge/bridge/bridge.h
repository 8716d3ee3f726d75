#ifndef PB_BRIDGE_BRIDGE_H
#define PB_BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/bridge/census.h"
#include "popbridge/bridge/commit.h"
#include "popbridge/bridge/hidden.h"
#include "popbridge/bridge/listing.h"
#include "popbridge/bridge/maildrop.h"
#include "popbridge/bridge/promise.h"
#include "popbridge/bridge/readahead.h"
#include "popbridge/bridge/removal.h"
#include "popbridge/imap/client.h"
#include "popbridge/pop3/reply.h"
#include "popbridge/pop3/session.h"
#include "popbridge/pop3/xclient.h"
#include "popbridge/sasl/server.h"

/*
 * One POP3 session served from one IMAP mailbox.
 *
 * Sans-I/O: octets of both peers go in, octets for both come out (client_out
 * here, imap->out for the server), and what only the edge can do is asked for
 * by actions.  Nothing calls back; time is an argument, in ms of a clock that
 * never goes back.  The edge's loop is:
 *
 *	feed what has arrived and is wanted; send what is in both outs; do
 *	the actions; arm a timer for pb_bridge_deadline; wait.
 *
 * Nothing is removed from a mailbox but in the UPDATE state, after QUIT.
 */

/*
 * Octets for a client that may wait before the upstream is no longer read;
 * more only costs memory, less costs throughput.
 */
#define PB_BRIDGE_OUT_HIGH (64 * 1024)

/*
 * LIST, UIDL and RSET look at so many messages in a turn, a millisecond or two:
 * a mailbox has millions, and a client that has deleted them sends ten thousand
 * commands in one write.
 */
#define PB_BRIDGE_TURN_MESSAGES 250000

/* Most octets of a chunk that are taken from upstream in one step. */
#define PB_BRIDGE_CHUNK_MAX (64 * 1024)

/* A time stamp of APOP (RFC 1939, section 7), "<...>" and NUL. */
#define PB_BRIDGE_STAMP_SIZE 96

/*
 * A connection that waited may have died unseen: so long for its first answer,
 * then a new one is asked for.
 */
#define PB_BRIDGE_RESUMED_MS 5000

/* Whether what QUIT is to remove is written down before. */
enum pb_bridge_journal {
	PB_BRIDGE_JOURNAL_NONE,
	PB_BRIDGE_JOURNAL_BEST_EFFORT,	/* where that fails, it goes on */
	PB_BRIDGE_JOURNAL_REQUIRED,	/* where that fails, QUIT does */
};

/*
 * A server that is lost is brought back so often in a session: one that fails
 * again and again is better left alone.
 */
#define PB_BRIDGE_REVIVALS_MAX 3

/*
 * A connection on which messages of a larger mailbox were read is not kept: a
 * server may have loaded what it opens the mailbox slowly with from then on
 * (Dovecot on Maildir: 5 us a message, where a new login costs 5 ms).
 */
#define PB_BRIDGE_KEEP_MESSAGES 2000

/* How a user's sessions are served; those of one route have the same. */
struct pb_bridge_options {
	const char *mailbox;
	bool mark_seen;		/* \Seen at QUIT on what was retrieved */
	enum pb_removal removal;	/* of what a client deletes */
	const char *delete_folder; /* for TRASH, ARCHIVE; borrowed; or NULL */
	bool lock;		/* ask for the maildrop before it is opened */
	enum pb_bridge_journal journal;
	bool keep_upstream;	/* PARK_UPSTREAM, where the connection is fit */
	/*
	 * A connection that is lost is replaced: for that, the credential is
	 * kept until the session ends.
	 */
	bool revive;
	struct pb_budget *readahead; /* borrowed; NULL: nothing is read ahead */
	uint64_t idle_ms;	/* autologout (RFC 1939, section 3) */
	uint64_t upstream_ms;	/* for each answer of the server */
	uint64_t connect_ms;	/* until there is a connection, TLS included */
	uint64_t stall_ms;	/* for a client that does not read */
	uint64_t handshake_ms;	/* for TLS with the client */
	uint64_t login_ms;	/* from the beginning to a right password */
};

/* What the client finds, and what the edge has for it. */
struct pb_bridge_door {
	enum pb_pop3_tls tls;
	const char *mechanisms;	/* of AUTH, a blank between; borrowed */
	/* Random printable text without comma, for challenges; borrowed. */
	const char *nonce;
	bool apop;		/* the greeting carries a time stamp */
	bool xclient;		/* it may say for whom it speaks */
};

/* How the client shows that it is who it says it is. */
enum pb_bridge_proof {
	PB_BRIDGE_PROOF_PASSWORD,
	PB_BRIDGE_PROOF_TOKEN,		/* OAuth's, a bearer token */
	PB_BRIDGE_PROOF_CRAM_MD5,	/* a digest over challenge, in hex */
	PB_BRIDGE_PROOF_APOP,		/* the same */
	PB_BRIDGE_PROOF_SCRAM,		/* it has shown it already */
	PB_BRIDGE_PROOF_CERTIFICATE,	/* the handshake has */
};

/* All of it borrowed from the bridge, until the next call. */
struct pb_bridge_claim {
	enum pb_bridge_proof proof;
	struct pb_slice user;		/* empty when the certificate says it */
	struct pb_slice authzid;	/* empty: for nobody else */
	struct pb_slice secret;		/* password, token or digest */
	struct pb_slice challenge;
};

/* Who a client is at the IMAP server. */
struct pb_bridge_identity {
	struct pb_secret user;		/* own; so are these: */
	struct pb_secret password;	/* or a bearer token */
	struct pb_secret authzid;	/* empty for none */
	enum pb_imap_auth auth;
	/*
	 * The credential is not the client's own: when the server refuses it,
	 * that is nothing the client could mend.
	 */
	bool ours;
	const struct pb_bridge_options *options;	/* borrowed */
};

void pb_bridge_identity_clear(struct pb_bridge_identity *identity);

enum pb_bridge_state {
	PB_BRIDGE_COMMAND,	/* the client's turn */
	PB_BRIDGE_SECURING,	/* TLS with the client */
	PB_BRIDGE_IDENTIFYING,	/* who is it, and where to */
	PB_BRIDGE_CONNECTING,
	PB_BRIDGE_LOGIN,
	PB_BRIDGE_HOLDING,	/* a refusal is held back */
	PB_BRIDGE_LOCKING,
	PB_BRIDGE_OPENING,	/* SELECT and the listing */
	PB_BRIDGE_KEEPING,	/* what earlier sessions promised to remove */
	PB_BRIDGE_LISTING,	/* a LIST or UIDL is on its way out */
	PB_BRIDGE_RETRIEVING,
	PB_BRIDGE_REOPENING,	/* SELECT, after a connection was lost */
	PB_BRIDGE_PROMISING,	/* what QUIT will remove is written down */
	PB_BRIDGE_COMMITTING,
	PB_BRIDGE_ENDED,	/* send client_out, then close */
};

/* What the edge has to do; each is handed out once. */
enum pb_bridge_action {
	PB_BRIDGE_NOTHING,
	PB_BRIDGE_INTRODUCE,	/* XCLIENT has said an address; then _introduced */
	PB_BRIDGE_FIND_KEYS,	/* SCRAM's, of _claim's user; then _keys, */
	PB_BRIDGE_IDENTIFY,	/* _claim; then _identified, or _unknown */
	/* Then _connected, _resumed (unless _wants_fresh), or _upstream_lost. */
	PB_BRIDGE_CONNECT,
	PB_BRIDGE_STARTTLS,	/* then _secured or _upstream_lost */
	PB_BRIDGE_LOCK,		/* then _locked */
	/* Then _turn, which ends with `commit`, or with the session. */
	PB_BRIDGE_TURN,
	PB_BRIDGE_HOLD,		/* a password was wrong; then _hold */
	PB_BRIDGE_CLIENT_TLS,	/* behind client_out; then _client_secured */
	PB_BRIDGE_REMEMBER,	/* what the mailbox holds: _listing */
	PB_BRIDGE_PROMISE,	/* _promise is to be durable; then _promised */
	PB_BRIDGE_NOTE,		/* _take_promises: what became of them */
	PB_BRIDGE_DROP_UPSTREAM, /* send what is in its out, then close it */
	PB_BRIDGE_PARK_UPSTREAM, /* keep it for the user; else log out, drop */
	PB_BRIDGE_END,		/* the last one */
};

/* What a server is brought back for: the command that waits. */
enum pb_bridge_errand {
	PB_BRIDGE_ERRAND_NONE,
	PB_BRIDGE_ERRAND_MESSAGE,	/* RETR or TOP */
	PB_BRIDGE_ERRAND_COMMIT,	/* QUIT, with messages to be removed */
};

/* For the summary line of a session. */
struct pb_bridge_stats {
	uint64_t retr;
	uint64_t top;
	uint64_t dele;		/* marked at QUIT */
	uint64_t removed;	/* confirmed by the server */
	uint64_t octets;	/* of messages sent */
	const char *reason;	/* why it ended; static text */
};

struct pb_bridge {
	const struct pb_bridge_options *options;	/* borrowed */
	const char *id;		/* borrowed: the session's, for the log */
	const char *peer;	/* borrowed: the client's address */
	enum pb_bridge_state state;
	struct pb_pop3_session pop3;
	struct pb_buffer client_out;
	struct pb_imap_client *imap;	/* borrowed; NULL when not connected */
	const char *nonce;		/* borrowed: the door's */
	unsigned challenges;		/* made of it so far */
	char stamp[PB_BRIDGE_STAMP_SIZE]; /* of APOP, or "" */
	struct pb_sasl_server sasl;	/* an AUTH under way */
	bool refusing;			/* AUTH: it takes one more response */
	enum pb_bridge_proof proof;
	struct pb_secret secret;	/* between a claim and its judgement */
	struct pb_secret authzid;	/* of AUTH; empty for none */
	struct pb_bridge_identity identity;
	char client_address[PB_POP3_ADDRESS_SIZE]; /* of XCLIENT */
	unsigned client_port;		/* the same */
	struct pb_listing *known;	/* shared; of the mailbox, or NULL */
	struct pb_census *census;	/* own; while OPENING */
	unsigned questions;		/* asked beside it, and not answered */
	bool counted;			/* it is done */
	bool looked_again;		/* because of what was doubtful */
	bool refuted;			/* what was known */
	struct pb_maildrop maildrop;
	struct pb_readahead readahead;
	struct pb_hidden hidden;	/* what FLAG has hidden; while OPENING */
	struct pb_commit *commit;	/* own; from PROMISING or KEEPING on */
	/* Own; earlier sessions' until COMMAND, from QUIT on its own; or NULL. */
	struct pb_promises *promises;
	bool hides;			/* the mailbox has more than maildrop */
	/* What DELE is answered, as the login has found the mailbox. */
	bool read_only;
	const char *obstacle;		/* static text, or NULL */
	bool refused_delete;		/* the log knows */
	const char *stopped;		/* KEEPING: why it ends then; static */
	bool list_uidl;			/* LISTING: UIDL, or LIST */
	uint32_t list_next;
	uint32_t looked_at;		/* messages, in this turn */
	bool client_eof;
	bool draining;
	unsigned actions;		/* set of enum pb_bridge_action */
	bool authenticated;		/* the server took a password */
	bool resumed;			/* by _resumed; until the maildrop is open */
	bool proven;			/* resumed, and it has answered */
	bool fresh;			/* no resumed connection will do */
	bool revivable;			/* the server may be brought back */
	enum pb_bridge_errand errand;	/* for this it is being brought back */
	unsigned revivals;		/* so far */
	uint64_t revive_at;		/* when that began */
	/* The server asked for less; for the edge, which clears it. */
	bool throttled;
	/* It refused the credential in a revival; the same. */
	bool refused;
	uint64_t login_until;		/* the time for that */
	enum pb_pop3_reply held;	/* HOLDING: what is said then */
	uint64_t hold_until;		/* HOLDING; UINT64_MAX: not known */
	uint64_t now;
	uint64_t client_at;		/* its last command or progress */
	uint64_t upstream_at;		/* its last progress, or our command */
	size_t unsent;			/* of client_out, on its way */
	struct pb_bridge_stats stats;
};

void pb_bridge_init(struct pb_bridge *b,
		    const struct pb_bridge_options *options, const char *id,
		    const char *peer, uint64_t now);
void pb_bridge_fini(struct pb_bridge *b);

/*
 * Let the client in; the greeting is in client_out at once.  TLS active means
 * that the edge does a handshake first, before anything is sent, and then calls
 * _client_secured.
 */
void pb_bridge_greet(struct pb_bridge *b, const struct pb_bridge_door *door,
		     uint64_t now);
/* A handshake with the client is done; what the door offers behind it. */
void pb_bridge_client_secured(struct pb_bridge *b, const char *mechanisms,
			      uint64_t now);

/*
 * Octets of the client, of the server.  Taken from the front of *in while
 * they are wanted; what is left must be offered again later.
 */
bool pb_bridge_wants_client(const struct pb_bridge *b);
void pb_bridge_client_in(struct pb_bridge *b, struct pb_slice *in,
			 uint64_t now);
bool pb_bridge_wants_upstream(const struct pb_bridge *b);
void pb_bridge_upstream_in(struct pb_bridge *b, struct pb_slice *in,
			   uint64_t now);

/*
 * The client sends no more.  Said when everything that it has sent is taken:
 * what was offered and not taken yet is still to be answered.
 */
void pb_bridge_client_eof(struct pb_bridge *b, uint64_t now);
/* The client cannot be reached any more; a commit under way goes on. */
void pb_bridge_client_gone(struct pb_bridge *b, uint64_t now);
/* So many octets of client_out's are not yet with the client's kernel. */
void pb_bridge_client_flow(struct pb_bridge *b, size_t unsent, uint64_t now);

/* Answers to actions. */
/* The address of XCLIENT is known, and may come in or not. */
void pb_bridge_introduced(struct pb_bridge *b, bool accepted, uint64_t now);
void pb_bridge_keys(struct pb_bridge *b, const struct pb_sasl_keys *keys,
		    uint64_t now);
/* *identity is moved from. */
void pb_bridge_identified(struct pb_bridge *b,
			  struct pb_bridge_identity *identity, uint64_t now);
/* It is not who it says it is, or that cannot be found out. */
void pb_bridge_unknown(struct pb_bridge *b, const struct pb_error *why,
		       uint64_t now);
void pb_bridge_connected(struct pb_bridge *b, struct pb_imap_client *imap,
			 uint64_t now);
/*
 * The server is being brought back for a session that is logged in: CONNECT is
 * for the same identity, and what is known of the mailbox is of no interest.
 */
bool pb_bridge_is_reviving(const struct pb_bridge *b);
/*
 * Instead of _connected: a connection on which the server has verified this
 * very credential, READY, nothing under way.  When it fails before the client
 * was told anything, CONNECT is asked for again, and _wants_fresh.
 */
void pb_bridge_resumed(struct pb_bridge *b, struct pb_imap_client *imap,
		       uint64_t now);
bool pb_bridge_wants_fresh(const struct pb_bridge *b);
void pb_bridge_secured(struct pb_bridge *b, uint64_t now);
/*
 * What the mailbox held when somebody looked last, before the maildrop is
 * opened: it saves asking for all of it.  A reference is taken.
 */
void pb_bridge_knows(struct pb_bridge *b, struct pb_listing *listing);
/*
 * What earlier sessions have promised, and may not have kept, before the
 * maildrop is opened.  Moved from; *promises may be NULL.
 */
void pb_bridge_owes(struct pb_bridge *b, struct pb_promises **promises);
/*
 * The promise is durable under this number; or why it is not, and then nobody
 * will finish what is cut off.
 */
void pb_bridge_promised(struct pb_bridge *b, int64_t number,
			const struct pb_error *why, uint64_t now);
/*
 * No other session of the maildrop has its turn: it may expunge what is flagged,
 * on a server that expunges all of that.
 */
void pb_bridge_turn(struct pb_bridge *b, uint64_t now);
/* The maildrop is this session's; or why not. */
void pb_bridge_locked(struct pb_bridge *b, const struct pb_error *why,
		      uint64_t now);
/* Hold the refusal back for so long; with 0 it is said at once. */
void pb_bridge_hold(struct pb_bridge *b, uint64_t ms, uint64_t now);
/* The connection, or the attempt at one, is over.  imap is not used again. */
void pb_bridge_upstream_lost(struct pb_bridge *b, const struct pb_error *why,
			     uint64_t now);

/* Finish the command or commit under way, then end (SIGTERM). */
void pb_bridge_drain(struct pb_bridge *b, uint64_t now);
/* End at once, without UPDATE; only a commit under way goes on. */
void pb_bridge_stop(struct pb_bridge *b, const char *reason, uint64_t now);

/* Time has passed, there is room in client_out again, or a turn begins. */
void pb_bridge_run(struct pb_bridge *b, uint64_t now);
/* Nothing of the client's is taken, or listed, until the next one. */
bool pb_bridge_has_had_its_turn(const struct pb_bridge *b);
/* When to call pb_bridge_run at the latest; UINT64_MAX for never. */
uint64_t pb_bridge_deadline(const struct pb_bridge *b);

enum pb_bridge_action pb_bridge_next_action(struct pb_bridge *b);

/* What REMEMBER is about; borrowed. */
struct pb_listing *pb_bridge_listing(const struct pb_bridge *b);
/* What was known was wrong, not only old. */
bool pb_bridge_refutes(const struct pb_bridge *b);
/* What PROMISE is about; borrowed. */
const struct pb_promise *pb_bridge_promise(const struct pb_bridge *b);
/* What NOTE is about; the caller's to free.  NULL: it is too late. */
struct pb_promises *pb_bridge_take_promises(struct pb_bridge *b);
/* What IDENTIFY and FIND_KEYS are about. */
struct pb_bridge_claim pb_bridge_claim(const struct pb_bridge *b);
/* The certificate has said who it is; before _identified or _unknown. */
void pb_bridge_name(struct pb_bridge *b, struct pb_slice user);

/* The login name; "" before USER or AUTH. */
struct pb_slice pb_bridge_user(const struct pb_bridge *b);
/* For whom the user acts by AUTH; data is NULL when for nobody else. */
struct pb_slice pb_bridge_authzid(const struct pb_bridge *b);
/* Octets from the client may hold a password until the login is done. */
bool pb_bridge_is_private(const struct pb_bridge *b);

const char *pb_bridge_state_name(enum pb_bridge_state state);

#endif
