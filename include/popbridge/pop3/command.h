#ifndef PB_POP3_COMMAND_H
#define PB_POP3_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * One POP3 command line (RFC 1939, RFC 2449).
 *
 * The table of verbs is the vocabulary: parsing, permission, CAPA, redaction
 * in logs, the fuzz dictionary and the tests all derive from its rows.
 */

/*
 * Longest line a client may send, CR LF included (RFC 2449, section 4); AUTH and
 * XCLIENT have limits of their own, see session.h.
 */
#define PB_POP3_LINE_MAX 255

enum pb_pop3_state {
	PB_POP3_AUTHORIZATION = 1 << 0,
	PB_POP3_TRANSACTION = 1 << 1,
	PB_POP3_UPDATE = 1 << 2,
	PB_POP3_CLOSED = 1 << 3,
};

enum pb_pop3_verb {
	PB_POP3_APOP,
	PB_POP3_AUTH,
	PB_POP3_CAPA,
	PB_POP3_DELE,
	PB_POP3_LAST,
	PB_POP3_LIST,
	PB_POP3_NOOP,
	PB_POP3_PASS,
	PB_POP3_QUIT,
	PB_POP3_RETR,
	PB_POP3_RSET,
	PB_POP3_STAT,
	PB_POP3_STLS,
	PB_POP3_TOP,
	PB_POP3_UIDL,
	PB_POP3_USER,
	PB_POP3_XCLIENT,	/* Dovecot's: whom a proxy stands for */
	PB_POP3_VERBS	/* how many there are */
};

enum pb_pop3_args {
	PB_POP3_ARGS_NONE,
	PB_POP3_ARGS_TEXT,	/* the rest of the line, blanks included */
	PB_POP3_ARGS_OPT_TEXT,	/* the same, or nothing; blanks around it gone */
	PB_POP3_ARGS_DIGEST,	/* a name, and a digest of MD5 behind it */
	PB_POP3_ARGS_MSGNO,	/* one message number */
	PB_POP3_ARGS_OPT_MSGNO,	/* none, or one message number */
	PB_POP3_ARGS_MSGNO_LINES, /* a message number and a count of lines */
};

struct pb_pop3_verb_row {
	const char *name;
	enum pb_pop3_verb verb;
	enum pb_pop3_args args;
	unsigned states;	/* set of enum pb_pop3_state */
	bool secret;		/* the argument never appears in a log */
	const char *capa;	/* line that CAPA announces for it, or NULL */
};

struct pb_pop3_command {
	const struct pb_pop3_verb_row *row;
	/* borrowed from the line */
	struct pb_slice text;	/* _TEXT, _OPT_TEXT; _DIGEST: the name */
	struct pb_slice digest;	/* _DIGEST: 32 digits of hex, in any case */
	bool has_msgno;
	uint32_t msgno;		/* over any maildrop's size when too large */
	uint64_t lines;		/* UINT64_MAX when it does not fit */
};

/* Row of a verb; every verb has one. */
const struct pb_pop3_verb_row *pb_pop3_verb_row(enum pb_pop3_verb verb);

/*
 * Parse one line, given without its line end.  Blanks at the end do not count
 * but for the verbs that take text.
 *
 * PB_OK      *cmd is filled.
 * PB_EINVAL  the verb is known (cmd->row says which), its arguments are not
 *            what it takes.
 * PB_EPROTO  no such verb; cmd->row is NULL.
 */
enum pb_status pb_pop3_command_parse(struct pb_slice line,
				     struct pb_pop3_command *cmd) PB_MUST_CHECK;

#endif
