#ifndef PB_IMAP_WRITER_H
#define PB_IMAP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * IMAP commands as octets.  Each function appends one complete command line,
 * tag and CR LF included, to `out`; the serialisation is libetpan's, written
 * into memory.
 *
 * Strings of a user (name, password) never pass through quoting: what is not
 * plain goes as a literal or as base64, and CR, LF and NUL are refused.
 *
 * One writer serves all connections of one loop.  Results are PB_OK, or
 * PB_ENOMEM and PB_ETOOBIG from `out`; then `out` is as it was before.
 */

/*
 * Ranges in one set: "4294967295:4294967295," 40 times stays under the 1,000
 * octets that RFC 2683, section 3.2.1.5 asks of a command line.
 */
#define PB_IMAP_SET_RANGES_MAX 40

struct pb_imap_writer;

struct pb_imap_writer *pb_imap_writer_new(void);
void pb_imap_writer_free(struct pb_imap_writer **w);

/* Commands that take nothing. */
enum pb_imap_simple {
	PB_IMAP_CAPABILITY,
	PB_IMAP_STARTTLS,
	PB_IMAP_NOOP,
	PB_IMAP_EXPUNGE,
	PB_IMAP_LOGOUT,
};

enum pb_status pb_imap_write_simple(struct pb_imap_writer *w,
				    struct pb_buffer *out, const char *tag,
				    enum pb_imap_simple command) PB_MUST_CHECK;

/* ID (RFC 2971) with our name and version. */
enum pb_status pb_imap_write_id(struct pb_buffer *out,
				const char *tag) PB_MUST_CHECK;

/* Can both go without a literal: as atoms or quoted strings? */
bool pb_imap_login_is_plain(struct pb_slice user, struct pb_slice pass);
/* LOGIN without literals; pb_imap_login_is_plain must hold. */
enum pb_status pb_imap_write_login(struct pb_imap_writer *w,
				   struct pb_buffer *out, const char *tag,
				   struct pb_slice user,
				   struct pb_slice pass) PB_MUST_CHECK;
/*
 * LOGIN with two literals, in three pieces; unless they are non-synchronising
 * (RFC 7888) the server must ask for the next piece.
 */
enum pb_status pb_imap_write_login_literal(struct pb_buffer *out,
					   const char *tag, unsigned piece,
					   struct pb_slice user,
					   struct pb_slice pass,
					   bool synchronising) PB_MUST_CHECK;

enum pb_imap_sasl {
	PB_IMAP_SASL_PLAIN,		/* RFC 4616 */
	PB_IMAP_SASL_XOAUTH2,		/* Google's and Microsoft's */
	PB_IMAP_SASL_OAUTHBEARER,	/* RFC 7628 */
};

const char *pb_imap_sasl_name(enum pb_imap_sasl mechanism);

/* What AUTHENTICATE says; all of it borrowed. */
struct pb_imap_credential {
	enum pb_imap_sasl mechanism;
	struct pb_slice authzid;	/* PLAIN; empty for none */
	struct pb_slice user;
	/* a password, or a token; with a token no control octet in it or in
	   user, because 0x01 separates them */
	struct pb_slice secret;
};

/*
 * AUTHENTICATE, with the initial response (RFC 4959) or without; then
 * pb_imap_write_message answers the server's "+".
 */
enum pb_status
pb_imap_write_authenticate(struct pb_imap_writer *w, struct pb_buffer *out,
			   const char *tag, bool initial,
			   const struct pb_imap_credential *credential)
    PB_MUST_CHECK;
enum pb_status
pb_imap_write_message(struct pb_buffer *out,
		      const struct pb_imap_credential *credential)
    PB_MUST_CHECK;
/*
 * A server that refuses a token says why by one more "+", and goes on to its NO
 * when that is answered.
 */
enum pb_status pb_imap_write_dismissal(struct pb_buffer *out,
				       enum pb_imap_sasl mechanism)
    PB_MUST_CHECK;

enum pb_status pb_imap_write_select(struct pb_imap_writer *w,
				    struct pb_buffer *out, const char *tag,
				    const char *mailbox) PB_MUST_CHECK;

/* UID FETCH first:* UID */
enum pb_status pb_imap_write_fetch_uids(struct pb_imap_writer *w,
					struct pb_buffer *out, const char *tag,
					uint32_t first) PB_MUST_CHECK;
/* UID FETCH first:* (UID RFC822.SIZE) */
enum pb_status pb_imap_write_fetch_sizes(struct pb_imap_writer *w,
					 struct pb_buffer *out,
					 const char *tag,
					 uint32_t first) PB_MUST_CHECK;
/*
 * UID FETCH set (UID BODY.PEEK[]), or with count > 0 (UID BODY.PEEK[]<0.count>).
 */
enum pb_status pb_imap_write_fetch_bodies(struct pb_imap_writer *w,
					  struct pb_buffer *out,
					  const char *tag,
					  const uint32_t *uids, size_t n,
					  uint32_t count) PB_MUST_CHECK;

/*
 * How many of the first UIDs, ascending, fit into one command; runs without a
 * gap count as one range.
 */
size_t pb_imap_set_take(const uint32_t *uids, size_t n);

/* Dovecot's name for what POP3 has deleted and IMAP has not. */
#define PB_IMAP_POP3_DELETED "$POP3Deleted"

enum pb_imap_flag {
	PB_IMAP_FLAG_DELETED,
	PB_IMAP_FLAG_SEEN,
	PB_IMAP_FLAG_POP3_DELETED,
};

/* UID STORE set +FLAGS.SILENT (flag), or - when `add` is false. */
enum pb_status pb_imap_write_store(struct pb_imap_writer *w,
				   struct pb_buffer *out, const char *tag,
				   const uint32_t *uids, size_t n, bool add,
				   enum pb_imap_flag flag) PB_MUST_CHECK;
enum pb_status pb_imap_write_uid_expunge(struct pb_imap_writer *w,
					 struct pb_buffer *out,
					 const char *tag, const uint32_t *uids,
					 size_t n) PB_MUST_CHECK;

enum pb_imap_search {
	PB_IMAP_SEARCH_ALL,
	PB_IMAP_SEARCH_DELETED,
	PB_IMAP_SEARCH_POP3_DELETED,	/* KEYWORD */
};

/* UID SEARCH what, or UID SEARCH RETURN (ALL) what (RFC 4731). */
enum pb_status pb_imap_write_search(struct pb_buffer *out, const char *tag,
				    enum pb_imap_search what,
				    bool extended) PB_MUST_CHECK;

/*
 * Commands with the name of a mailbox.  It goes as a quoted string, or, with
 * octets over 127, as a non-synchronising literal (RFC 7888).
 */

/* Not empty or too long, and nothing in it that no form of string may have. */
bool pb_imap_mailbox_can_be_sent(struct pb_slice mailbox);
/* Does it need a literal? */
bool pb_imap_mailbox_is_literal(struct pb_slice mailbox);

enum pb_imap_transfer { PB_IMAP_COPY, PB_IMAP_MOVE };

/* UID COPY set mailbox, UID MOVE set mailbox (RFC 6851) */
enum pb_status pb_imap_write_transfer(struct pb_buffer *out, const char *tag,
				      enum pb_imap_transfer what,
				      const uint32_t *uids, size_t n,
				      struct pb_slice mailbox) PB_MUST_CHECK;

enum pb_imap_question {
	PB_IMAP_CREATE,
	PB_IMAP_MYRIGHTS,	/* RFC 4314 */
	PB_IMAP_STATUS_UIDVALIDITY, /* STATUS mailbox (UIDVALIDITY) */
};

enum pb_status pb_imap_write_question(struct pb_buffer *out, const char *tag,
				      enum pb_imap_question what,
				      struct pb_slice mailbox) PB_MUST_CHECK;

/* LIST "" "*", or LIST (SPECIAL-USE) "" "*" (RFC 6154) */
enum pb_status pb_imap_write_list(struct pb_buffer *out, const char *tag,
				  bool special) PB_MUST_CHECK;

#endif
