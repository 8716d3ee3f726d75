#include "client_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/imap/excuse.h"

static enum pb_status
ask_capabilities(struct pb_imap_client *c)
{
	char tag[PB_IMAP_TAG_SIZE];

	pb_imap_enter(c, PB_IMAP_STATE_CAPABILITY);
	return pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_CAPABILITY),
	    PB_IMAP_COMMAND_CAPABILITY, NULL);
}

static enum pb_status
ask_starttls(struct pb_imap_client *c)
{
	char tag[PB_IMAP_TAG_SIZE];

	if ((c->capabilities & PB_IMAP_CAP_STARTTLS) == 0) {
		pb_error_set(&c->error, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the IMAP server does not offer STARTTLS, which imap:// "
		    "requires");
		return pb_imap_break(c);
	}
	pb_imap_enter(c, PB_IMAP_STATE_STARTTLS);
	return pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
	    pb_imap_next_tag(c, tag), PB_IMAP_STARTTLS),
	    PB_IMAP_COMMAND_STARTTLS, NULL);
}

static struct pb_slice
user_of(const struct pb_imap_client *c)
{
	return pb_slice(c->user, c->user_len);
}

/* RFC 7888, section 5: with LITERAL- alone, longer ones must wait. */
#define LITERAL_MINUS_MAX 4096

static bool
literals_wait(const struct pb_imap_client *c)
{
	if ((c->capabilities & PB_IMAP_CAP_LITERAL_PLUS) != 0)
		return false;
	return (c->capabilities & PB_IMAP_CAP_LITERAL_MINUS) == 0 ||
	    pb_secret_reveal(&c->password).len > LITERAL_MINUS_MAX;
}

/* Only PLAIN can say it; for oneself it need not be said. */
static bool
needs_plain(const struct pb_imap_client *c)
{
	struct pb_slice authzid = pb_secret_reveal(&c->authzid);

	return authzid.len > 0 && (authzid.len != c->user_len ||
	    memcmp(authzid.data, c->user, c->user_len) != 0);
}

/*
 * c->login_piece counts what the server may still ask for: 0 is the message of
 * AUTHENTICATE, 1 and 2 are literals of LOGIN, 3 is nothing.
 */
#define LOGIN_PIECES 3

static enum pb_status
send_login_literals(struct pb_imap_client *c, const char *tag)
{
	struct pb_slice pass = pb_secret_reveal(&c->password);
	bool wait = literals_wait(c);
	enum pb_status st;

	c->login_piece = 0;
	do {
		st = pb_imap_write_login_literal(&c->out, tag, c->login_piece++,
		    user_of(c), pass, wait);
	} while (st == PB_OK && !wait && c->login_piece < LOGIN_PIECES);
	return st;
}

static enum pb_imap_sasl
sasl_of(const struct pb_imap_client *c)
{
	switch (c->way) {
	case PB_IMAP_AUTH_XOAUTH2:
		return PB_IMAP_SASL_XOAUTH2;
	case PB_IMAP_AUTH_OAUTHBEARER:
		return PB_IMAP_SASL_OAUTHBEARER;
	case PB_IMAP_AUTH_PLAIN:
	case PB_IMAP_AUTH_LOGIN:
	case PB_IMAP_AUTH_AUTO:
	case PB_IMAP_AUTH_TOKEN:
		break;
	}
	return PB_IMAP_SASL_PLAIN;
}

static bool
is_by_token(const struct pb_imap_client *c)
{
	return sasl_of(c) != PB_IMAP_SASL_PLAIN;
}

static struct pb_imap_credential
credential_of(const struct pb_imap_client *c)
{
	return (struct pb_imap_credential){ .mechanism = sasl_of(c),
		.authzid = pb_secret_reveal(&c->authzid), .user = user_of(c),
		.secret = pb_secret_reveal(&c->password) };
}

static enum pb_status
send_authenticate(struct pb_imap_client *c, const char *tag)
{
	struct pb_imap_credential credential = credential_of(c);
	bool initial = (c->capabilities & PB_IMAP_CAP_SASL_IR) != 0;

	c->login_piece = initial ? LOGIN_PIECES : 0;
	return pb_imap_write_authenticate(c->writer, &c->out, tag, initial,
	    &credential);
}

static enum pb_status
send_login(struct pb_imap_client *c)
{
	struct pb_slice pass = pb_secret_reveal(&c->password);
	char tag[PB_IMAP_TAG_SIZE];
	enum pb_status st;

	pb_imap_next_tag(c, tag);
	pb_imap_enter(c, PB_IMAP_STATE_LOGIN);
	/* After the login there may be others. */
	c->capabilities_known = false;
	c->login_piece = LOGIN_PIECES;
	if (c->way != PB_IMAP_AUTH_LOGIN)
		st = send_authenticate(c, tag);
	else if (pb_imap_login_is_plain(user_of(c), pass))
		st = pb_imap_write_login(c->writer, &c->out, tag, user_of(c),
		    pass);
	else
		st = send_login_literals(c, tag);
	return pb_imap_sent(c, st, PB_IMAP_COMMAND_LOGIN, NULL);
}

static bool
offers(const struct pb_imap_client *c, unsigned capability)
{
	return (c->capabilities & capability) != 0;
}

/* What is missing at the server; NULL when c->way is there. */
static const char *
choose_way(struct pb_imap_client *c)
{
	bool plain = offers(c, PB_IMAP_CAP_AUTH_PLAIN);
	bool login = !offers(c, PB_IMAP_CAP_LOGINDISABLED);
	bool xoauth2 = offers(c, PB_IMAP_CAP_AUTH_XOAUTH2);
	bool oauthbearer = offers(c, PB_IMAP_CAP_AUTH_OAUTHBEARER);

	c->way = c->auth;
	switch (c->auth) {
	case PB_IMAP_AUTH_AUTO:
		c->way = plain ? PB_IMAP_AUTH_PLAIN : PB_IMAP_AUTH_LOGIN;
		return plain || login ? NULL
		    : "the IMAP server takes no password on this connection "
		      "(LOGINDISABLED, no AUTH=PLAIN); it may want TLS";
	case PB_IMAP_AUTH_PLAIN:
		return plain ? NULL : "the IMAP server does not offer "
		    "AUTH=PLAIN, by which popbridge is to log in";
	case PB_IMAP_AUTH_LOGIN:
		return login ? NULL : "the IMAP server takes no LOGIN on this "
		    "connection (LOGINDISABLED); it may want TLS";
	case PB_IMAP_AUTH_XOAUTH2:
		return xoauth2 ? NULL : "the IMAP server does not offer "
		    "AUTH=XOAUTH2, by which popbridge is to log in";
	case PB_IMAP_AUTH_OAUTHBEARER:
		return oauthbearer ? NULL : "the IMAP server does not offer "
		    "AUTH=OAUTHBEARER, by which popbridge is to log in";
	case PB_IMAP_AUTH_TOKEN:
		c->way = xoauth2 ? PB_IMAP_AUTH_XOAUTH2
				 : PB_IMAP_AUTH_OAUTHBEARER;
		return xoauth2 || oauthbearer ? NULL
		    : "the IMAP server takes no OAuth token (neither "
		      "AUTH=XOAUTH2 nor AUTH=OAUTHBEARER)";
	}
	return NULL;
}

/* What of the credential c->way cannot say; NULL when it can say all. */
static const char *
what_cannot_be_said(const struct pb_imap_client *c)
{
	if (c->way != PB_IMAP_AUTH_PLAIN && needs_plain(c))
		return c->auth == PB_IMAP_AUTH_AUTO
		    ? "the client gives an authorization identity, and the "
		      "IMAP server cannot be told it (no AUTH=PLAIN)"
		    : "the client gives an authorization identity, and the "
		      "IMAP server can be told it by AUTH=PLAIN only";
	if (is_by_token(c) && (pb_slice_has_control(user_of(c)) ||
	    pb_slice_has_control(pb_secret_reveal(&c->password))))
		return "the user name or the OAuth token has a control "
		    "character, so it cannot be sent to the IMAP server";
	return NULL;
}

/* The capabilities are known: upgrade first, or log in. */
static enum pb_status
go_on(struct pb_imap_client *c)
{
	enum pb_error_kind kind = PB_ERROR_PERMANENT;
	const char *wrong;

	if (c->tls == PB_IMAP_TLS_STARTTLS && !c->secured)
		return ask_starttls(c);
	if (!offers(c, PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_IMAP4REV2))
		return pb_imap_break_protocol(c,
		    "it does not announce IMAP4rev1");
	wrong = choose_way(c);
	if (wrong == NULL) {
		kind = PB_ERROR_AUTH;
		wrong = what_cannot_be_said(c);
	}
	if (wrong == NULL)
		return send_login(c);
	pb_error_set(&c->error, kind, PB_SCOPE_ACCOUNT, "%s", wrong);
	return pb_imap_break(c);
}

enum pb_status
pb_imap_login_greeting(struct pb_imap_client *c,
    const struct pb_imap_gated *line)
{
	enum pb_status st;

	switch (line->condition) {
	case PB_IMAP_OK:
		c->makes_excuses = pb_imap_greets_with_excuses(line->text);
		c->apologizes = pb_imap_greets_with_apologies(line->text);
		st = c->capabilities_known ? go_on(c) : ask_capabilities(c);
		return st == PB_OK ? PB_AGAIN : st;
	case PB_IMAP_BYE:
	case PB_IMAP_NO:
	case PB_IMAP_BAD:
		pb_imap_error_of(line, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
		    "the IMAP server refuses the connection", &c->error);
		return pb_imap_break(c);
	case PB_IMAP_PREAUTH:
		/* Whose mailbox would it be?  And it can strip STARTTLS. */
		return pb_imap_break_protocol(c,
		    "it greets with PREAUTH, so nobody would be logged in by "
		    "his own password");
	}
	return PB_EPROTO;
}

static enum pb_status
logged_in(struct pb_imap_client *c, struct pb_imap_event *event)
{
	char tag[PB_IMAP_TAG_SIZE];
	enum pb_status st = PB_OK;

	pb_secret_clear(&c->password);
	pb_secret_clear(&c->authzid);
	/* Some servers (163.com, QQ) allow no SELECT before ID. */
	if ((c->capabilities & PB_IMAP_CAP_ID) != 0)
		st = pb_imap_sent(c, pb_imap_write_id(&c->out,
		    pb_imap_next_tag(c, tag)), PB_IMAP_COMMAND_INTERNAL, NULL);
	if (st == PB_OK && !c->capabilities_known)
		st = pb_imap_sent(c, pb_imap_write_simple(c->writer, &c->out,
		    pb_imap_next_tag(c, tag), PB_IMAP_CAPABILITY),
		    PB_IMAP_COMMAND_INTERNAL, NULL);
	if (st != PB_OK)
		return st;
	pb_imap_enter(c, PB_IMAP_STATE_READY);
	event->type = PB_IMAP_EVENT_READY;
	return PB_OK;
}

static enum pb_status
refused(struct pb_imap_client *c, const struct pb_imap_gated *line,
    enum pb_error_kind otherwise, const char *doing)
{
	pb_imap_error_of(line, otherwise, PB_SCOPE_ACCOUNT, doing, &c->error);
	return pb_imap_break(c);
}

enum pb_status
pb_imap_login_done(struct pb_imap_client *c,
    const struct pb_imap_command *command, const struct pb_imap_gated *line,
    struct pb_imap_event *event)
{
	bool ok = line->condition == PB_IMAP_OK;
	enum pb_status st;

	if (command->kind == PB_IMAP_COMMAND_CAPABILITY) {
		if (!ok)
			return refused(c, line, PB_ERROR_TEMPORARY,
			    "the IMAP server refuses CAPABILITY");
		if (!c->capabilities_known)
			return pb_imap_break_protocol(c,
			    "it answers CAPABILITY without capabilities");
		st = go_on(c);
		return st == PB_OK ? PB_AGAIN : st;
	}
	if (command->kind == PB_IMAP_COMMAND_STARTTLS) {
		if (!ok)
			return refused(c, line, PB_ERROR_TEMPORARY,
			    "the IMAP server refuses STARTTLS");
		pb_imap_enter(c, PB_IMAP_STATE_HANDSHAKE);
		event->type = PB_IMAP_EVENT_STARTTLS;
		return PB_OK;
	}
	pb_check(command->kind == PB_IMAP_COMMAND_LOGIN);
	if (ok)
		return logged_in(c, event);
	/* BAD is said of a busy server, too; only NO is about the password. */
	return refused(c, line, line->condition == PB_IMAP_NO ? PB_ERROR_AUTH
							: PB_ERROR_TEMPORARY,
	    is_by_token(c) ? "the IMAP server refuses the OAuth token"
			   : "the IMAP server refuses the login");
}

/* A "+" that asks for nothing: why it does not take the token, in JSON. */
static enum pb_status
take_reason(struct pb_imap_client *c, const struct pb_imap_gated *line)
{
	if (!is_by_token(c) || c->dismissed)
		return pb_imap_break_protocol(c,
		    "it asks for more than name and password");
	c->dismissed = true;
	/* As it stands, in base64: whose octets it would be is not sure. */
	pb_log(PB_LOG_DEBUG, "the IMAP server says why it takes no token",
	    PB_LOG_SLICE("user", user_of(c)),
	    PB_LOG_SLICE("base64", line->text));
	if (pb_imap_write_dismissal(&c->out, sasl_of(c)) != PB_OK)
		return pb_imap_break_memory(c);
	return PB_AGAIN;
}

enum pb_status
pb_imap_login_continue(struct pb_imap_client *c,
    const struct pb_imap_gated *line)
{
	struct pb_imap_credential credential = credential_of(c);
	enum pb_status st;

	if (c->login_piece == LOGIN_PIECES)
		return take_reason(c, line);
	if (c->login_piece == 0) {
		c->login_piece = LOGIN_PIECES;
		st = pb_imap_write_message(&c->out, &credential);
	} else {
		st = pb_imap_write_login_literal(&c->out, "",
		    c->login_piece++, credential.user, credential.secret,
		    true);
	}
	if (st != PB_OK) {
		pb_error_set(&c->error, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory for the login");
		return pb_imap_break(c);
	}
	return PB_AGAIN;
}
