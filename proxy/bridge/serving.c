#include "bridge_priv.h"

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/bridge/uidl.h"

/* The whole reply to RETR or TOP is on its way. */
static void
delivered(struct pb_bridge *b)
{
	uint32_t msgno = b->readahead.msgno;

	b->stats.octets += b->readahead.octets;
	pb_bridge_answered(b, false);
	if (b->readahead.is_top) {
		b->stats.top++;
	} else {
		b->stats.retr++;
		if (b->maildrop.last < msgno)
			b->maildrop.last = msgno;
		if (b->options->mark_seen &&
		    pb_maildrop_mark_seen(&b->maildrop, msgno) != PB_OK) {
			pb_bridge_end(b, "no memory");
			return;
		}
	}
	pb_bridge_command_done(b);
}

static void
retrieval_went_on(struct pb_bridge *b, enum pb_retrieval_verdict verdict,
    const struct pb_error *err)
{
	switch (verdict) {
	case PB_RETRIEVAL_GOES_ON:
		return;
	case PB_RETRIEVAL_DONE:
		delivered(b);
		return;
	case PB_RETRIEVAL_FAILED:
		pb_bridge_log_error(b, "message not delivered", err);
		pb_bridge_answer(b, pb_pop3_reply_for_error(err), 0, 0);
		pb_bridge_command_done(b);
		return;
	case PB_RETRIEVAL_CUT:
		pb_bridge_log_error(b, "message cut", err);
		pb_bridge_end(b, "mail server failed in a message");
		return;
	case PB_RETRIEVAL_MORE:
		break;
	}
	pb_unreachable("the read-ahead fetches more by itself");
}

void
pb_bridge_body_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	struct pb_error err;

	retrieval_went_on(b, pb_readahead_event(&b->readahead, b->imap, event,
	    &b->client_out, &err), &err);
}

void
pb_bridge_resume_message(struct pb_bridge *b)
{
	pb_bridge_enter(b, PB_BRIDGE_RETRIEVING);
	pb_readahead_resume(&b->readahead, b->imap);
}

void
pb_bridge_lose_message(struct pb_bridge *b)
{
	bool begun = pb_readahead_has_begun(&b->readahead);

	pb_readahead_give_up(&b->readahead);
	if (begun) {
		pb_bridge_end(b, "mail server lost in a message");
		return;
	}
	pb_bridge_answer(b, PB_REPLY_MESSAGE_TEMPORARY, 0, 0);
	pb_bridge_command_done(b);
}

/* RETR, TOP, DELE, LIST n, UIDL n: is it a message, and still one? */
static bool
check_msgno(struct pb_bridge *b, uint32_t msgno)
{
	if (!pb_maildrop_has(&b->maildrop, msgno)) {
		pb_bridge_refuse(b, PB_REPLY_NO_SUCH_MESSAGE);
		return false;
	}
	if (pb_maildrop_is_deleted(&b->maildrop, msgno)) {
		pb_bridge_refuse(b, PB_REPLY_MESSAGE_DELETED);
		return false;
	}
	return true;
}

static uint32_t
count_of(const struct pb_bridge *b)
{
	return b->maildrop.count - b->maildrop.n_deleted;
}

void
pb_bridge_continue_listing(struct pb_bridge *b)
{
	char uidl[PB_UIDL_SIZE];
	enum pb_status st = PB_OK;

	while (st == PB_OK && b->client_out.len < PB_BRIDGE_OUT_HIGH &&
	    !pb_bridge_has_had_its_turn(b)) {
		uint32_t msgno = b->list_next++;

		b->looked_at++;
		if (msgno > b->maildrop.count) {
			st = pb_pop3_reply_end(&b->client_out);
			if (st == PB_OK)
				pb_bridge_command_done(b);
			break;
		}
		if (pb_maildrop_is_deleted(&b->maildrop, msgno))
			continue;
		if (b->list_uidl) {
			pb_uidl_write(pb_maildrop_uid_of(&b->maildrop, msgno),
			    b->maildrop.uidvalidity, uidl);
			st = pb_pop3_reply_uidl_line(&b->client_out, msgno,
			    uidl);
		} else {
			st = pb_pop3_reply_list_line(&b->client_out, msgno,
			    pb_maildrop_size_of(&b->maildrop, msgno));
		}
	}
	if (st != PB_OK)
		pb_bridge_end(b, "no memory");
}

/* Behind the first line, for which there may have been no memory. */
static void
begin_listing(struct pb_bridge *b, bool uidl)
{
	if (b->state == PB_BRIDGE_ENDED)
		return;
	b->list_uidl = uidl;
	b->list_next = 1;
	pb_bridge_enter(b, PB_BRIDGE_LISTING);
	pb_bridge_continue_listing(b);
}

static void
do_list(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	if (cmd->has_msgno) {
		if (check_msgno(b, cmd->msgno))
			pb_bridge_answer(b, PB_REPLY_LIST_ONE, cmd->msgno,
			    pb_maildrop_size_of(&b->maildrop, cmd->msgno));
		return;
	}
	pb_bridge_answer(b, PB_REPLY_LIST_ALL, count_of(b), b->maildrop.octets);
	begin_listing(b, false);
}

static void
do_uidl(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	char uidl[PB_UIDL_SIZE];

	if (cmd->has_msgno) {
		if (!check_msgno(b, cmd->msgno))
			return;
		pb_uidl_write(pb_maildrop_uid_of(&b->maildrop, cmd->msgno),
		    b->maildrop.uidvalidity, uidl);
		pb_bridge_answered(b, false);
		if (pb_pop3_reply_uidl_one(&b->client_out, cmd->msgno, uidl) !=
		    PB_OK)
			pb_bridge_end(b, "no memory");
		return;
	}
	pb_bridge_answer(b, PB_REPLY_UIDL_ALL, 0, 0);
	begin_listing(b, true);
}

static void
do_retrieve(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	static const struct pb_error no_connection = {
		.kind = PB_ERROR_TEMPORARY, .scope = PB_SCOPE_MESSAGE,
		.text = "there is no connection to the mail server any more" };
	bool is_top = cmd->row->verb == PB_POP3_TOP;
	struct pb_error err;

	if (!check_msgno(b, cmd->msgno))
		return;
	pb_bridge_enter(b, PB_BRIDGE_RETRIEVING);
	retrieval_went_on(b, pb_readahead_ask(&b->readahead, &b->maildrop,
	    b->imap, cmd->msgno, is_top, is_top ? cmd->lines
						: PB_POP3_ALL_LINES,
	    &b->client_out, &err), &err);
	if (b->state != PB_BRIDGE_RETRIEVING || b->imap != NULL ||
	    pb_bridge_revive(b, PB_BRIDGE_ERRAND_MESSAGE))
		return;
	pb_bridge_log_error(b, "message not delivered", &no_connection);
	pb_bridge_lose_message(b);
}

/* Better now than at QUIT, when the client thinks that it is done. */
static bool
may_delete(struct pb_bridge *b)
{
	enum pb_removal removal = b->options->removal;

	if (b->read_only && removal != PB_REMOVAL_REFUSE &&
	    removal != PB_REMOVAL_KEEP) {
		pb_bridge_refuse(b, PB_REPLY_READ_ONLY);
		return false;
	}
	if (b->obstacle == NULL)
		return true;
	if (!b->refused_delete)
		pb_log(PB_LOG_INFO, "DELE refused", PB_LOG_STR("id", b->id),
		    PB_LOG_SLICE("user", pb_bridge_user(b)),
		    PB_LOG_STR("delete", pb_removal_name(removal)),
		    PB_LOG_STR("why", b->obstacle));
	b->refused_delete = true;
	pb_bridge_refuse(b, PB_REPLY_NO_DELETION);
	return false;
}

static void
do_dele(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	if (!check_msgno(b, cmd->msgno) || !may_delete(b))
		return;
	if (pb_maildrop_delete(&b->maildrop, cmd->msgno) != PB_OK) {
		pb_bridge_end(b, "no memory");
		return;
	}
	pb_bridge_answer(b, PB_REPLY_DELE, cmd->msgno, 0);
}

static void
do_quit(struct pb_bridge *b)
{
	if (b->pop3.state == PB_POP3_AUTHORIZATION) {
		pb_bridge_reply(b, PB_REPLY_QUIT, 0, 0);
		pb_bridge_end(b, "quit before login");
		return;
	}
	pb_pop3_session_enter(&b->pop3, PB_POP3_UPDATE);
	pb_readahead_drop(&b->readahead);
	b->stats.dele = b->maildrop.n_deleted;
	pb_bridge_remove(b);
}

static void
do_stls(struct pb_bridge *b)
{
	pb_bridge_answer(b, PB_REPLY_STLS, 0, 0);
	if (b->state == PB_BRIDGE_ENDED)
		return;
	pb_bridge_enter(b, PB_BRIDGE_SECURING);
	pb_bridge_ask(b, PB_BRIDGE_CLIENT_TLS);
}

void
pb_bridge_do_request(struct pb_bridge *b, struct pb_pop3_request *request)
{
	const struct pb_pop3_command *cmd = &request->command;

	switch (cmd->row->verb) {
	case PB_POP3_AUTH:
		pb_bridge_do_auth(b, request);
		return;
	case PB_POP3_PASS:
		pb_bridge_do_pass(b, request);
		return;
	case PB_POP3_APOP:
		pb_bridge_do_apop(b, request);
		return;
	case PB_POP3_XCLIENT:
		pb_bridge_do_xclient(b, cmd->text);
		return;
	case PB_POP3_STLS:
		do_stls(b);
		return;
	case PB_POP3_QUIT:
		do_quit(b);
		return;
	case PB_POP3_STAT:
		pb_bridge_answer(b, PB_REPLY_STAT, count_of(b), b->maildrop.octets);
		return;
	case PB_POP3_LIST:
		do_list(b, cmd);
		return;
	case PB_POP3_UIDL:
		do_uidl(b, cmd);
		return;
	case PB_POP3_RETR:
	case PB_POP3_TOP:
		do_retrieve(b, cmd);
		return;
	case PB_POP3_DELE:
		do_dele(b, cmd);
		return;
	case PB_POP3_RSET:
		b->looked_at += b->maildrop.count;
		pb_maildrop_reset(&b->maildrop);
		pb_bridge_answer(b, PB_REPLY_RSET, b->maildrop.count, 0);
		return;
	case PB_POP3_LAST:
		pb_bridge_answer(b, PB_REPLY_LAST, b->maildrop.last, 0);
		return;
	case PB_POP3_CAPA:
	case PB_POP3_NOOP:
	case PB_POP3_USER:
	case PB_POP3_VERBS:
		break;
	}
	pb_unreachable("a request that the POP3 session hands on");
}
