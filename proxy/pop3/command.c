#include "popbridge/pop3/command.h"

#include "popbridge/base/check.h"

#define AUTH PB_POP3_AUTHORIZATION
#define TRAN PB_POP3_TRANSACTION

static const struct pb_pop3_verb_row verbs[] = {
	{ "APOP", PB_POP3_APOP, PB_POP3_ARGS_DIGEST, AUTH, true, NULL },
	{ "AUTH", PB_POP3_AUTH, PB_POP3_ARGS_OPT_TEXT, AUTH, true, NULL },
	{ "CAPA", PB_POP3_CAPA, PB_POP3_ARGS_NONE, AUTH | TRAN, false, NULL },
	{ "DELE", PB_POP3_DELE, PB_POP3_ARGS_MSGNO, TRAN, false, NULL },
	{ "LAST", PB_POP3_LAST, PB_POP3_ARGS_NONE, TRAN, false, NULL },
	{ "LIST", PB_POP3_LIST, PB_POP3_ARGS_OPT_MSGNO, TRAN, false, NULL },
	{ "NOOP", PB_POP3_NOOP, PB_POP3_ARGS_NONE, TRAN, false, NULL },
	{ "PASS", PB_POP3_PASS, PB_POP3_ARGS_TEXT, AUTH, true, NULL },
	{ "QUIT", PB_POP3_QUIT, PB_POP3_ARGS_NONE, AUTH | TRAN, false, NULL },
	{ "RETR", PB_POP3_RETR, PB_POP3_ARGS_MSGNO, TRAN, false, NULL },
	{ "RSET", PB_POP3_RSET, PB_POP3_ARGS_NONE, TRAN, false, NULL },
	{ "STAT", PB_POP3_STAT, PB_POP3_ARGS_NONE, TRAN, false, NULL },
	{ "STLS", PB_POP3_STLS, PB_POP3_ARGS_NONE, AUTH, false,
	    "STLS" },
	{ "TOP", PB_POP3_TOP, PB_POP3_ARGS_MSGNO_LINES, TRAN, false, "TOP" },
	{ "UIDL", PB_POP3_UIDL, PB_POP3_ARGS_OPT_MSGNO, TRAN, false, "UIDL" },
	{ "USER", PB_POP3_USER, PB_POP3_ARGS_TEXT, AUTH, false, "USER" },
	{ "XCLIENT", PB_POP3_XCLIENT, PB_POP3_ARGS_TEXT, AUTH, false, NULL },
};

_Static_assert(sizeof(verbs) / sizeof(verbs[0]) == PB_POP3_VERBS,
    "a row for every verb");

const struct pb_pop3_verb_row *
pb_pop3_verb_row(enum pb_pop3_verb verb)
{
	pb_check(verb < PB_POP3_VERBS && verbs[verb].verb == verb);
	return &verbs[verb];
}

static const struct pb_pop3_verb_row *
find(struct pb_slice name)
{
	size_t i;

	for (i = 0; i < PB_POP3_VERBS; i++) {
		if (pb_slice_is(name, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

static struct pb_slice
trim(struct pb_slice s)
{
	while (s.len > 0 && s.data[0] == ' ')
		pb_slice_skip(&s, 1);
	while (s.len > 0 && s.data[s.len - 1] == ' ')
		s.len--;
	return s;
}

/*
 * A number that does not fit names no message, and that is what the client
 * should hear: it saturates rather than being called a syntax error.
 */
static enum pb_status
number(struct pb_slice *args, uint64_t max, uint64_t *value)
{
	enum pb_status st = pb_slice_number(pb_slice_word(args), max, value);

	if (st == PB_ETOOBIG)
		*value = max;
	return st == PB_EINVAL ? PB_EINVAL : PB_OK;
}

static enum pb_status
parse_msgno(struct pb_slice args, struct pb_pop3_command *cmd, bool lines)
{
	uint64_t msgno;

	if (number(&args, UINT32_MAX, &msgno) != PB_OK)
		return PB_EINVAL;
	cmd->has_msgno = true;
	cmd->msgno = (uint32_t)msgno;
	args = trim(args);
	if (lines && number(&args, UINT64_MAX, &cmd->lines) != PB_OK)
		return PB_EINVAL;
	return args.len == 0 ? PB_OK : PB_EINVAL;
}

static bool
is_hex(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		char c = s.data[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f') &&
		    (c < 'A' || c > 'F'))
			return false;
	}
	return true;
}

/* The digest is the last word: a name may have blanks. */
static enum pb_status
parse_digest(struct pb_slice args, struct pb_pop3_command *cmd)
{
	const size_t digits = 32;

	if (args.len < digits + 2)
		return PB_EINVAL;
	cmd->text = pb_slice_sub(args, 0, args.len - digits - 1);
	cmd->digest = pb_slice_sub(args, args.len - digits, args.len);
	return args.data[cmd->text.len] == ' ' && is_hex(cmd->digest)
	    ? PB_OK : PB_EINVAL;
}

enum pb_status
pb_pop3_command_parse(struct pb_slice line, struct pb_pop3_command *cmd)
{
	struct pb_slice rest = line;

	*cmd = (struct pb_pop3_command){ .row = find(pb_slice_word(&rest)) };
	if (cmd->row == NULL)
		return PB_EPROTO;
	switch (cmd->row->args) {
	case PB_POP3_ARGS_NONE:
		return trim(rest).len == 0 ? PB_OK : PB_EINVAL;
	case PB_POP3_ARGS_TEXT:
		cmd->text = rest;
		return rest.len > 0 ? PB_OK : PB_EINVAL;
	case PB_POP3_ARGS_OPT_TEXT:
		cmd->text = trim(rest);
		return PB_OK;
	case PB_POP3_ARGS_DIGEST:
		return parse_digest(trim(rest), cmd);
	case PB_POP3_ARGS_OPT_MSGNO:
		if (trim(rest).len == 0)
			return PB_OK;
		return parse_msgno(trim(rest), cmd, false);
	case PB_POP3_ARGS_MSGNO:
		return parse_msgno(trim(rest), cmd, false);
	case PB_POP3_ARGS_MSGNO_LINES:
		return parse_msgno(trim(rest), cmd, true);
	}
	return PB_EPROTO;
}
