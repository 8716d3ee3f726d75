#include "popbridge/bridge/bridge.h"

#include <inttypes.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/bridge/uidl.h"
#include "popbridge/pop3/reply.h"

/*
 * client_out's limit: the high mark, what one step can add (two octets for
 * one), and lines of a listing.
 */
#define OUT_MAX (PB_BRIDGE_OUT_HIGH + 2 * PB_IMAP_RESPONSE_MAX + 4096)

void
pb_bridge_init(struct pb_bridge *b, const struct pb_bridge_options *options,
    const char *id, const char *peer, uint64_t now)
{
	*b = (struct pb_bridge){ .options = options, .id = id, .peer = peer,
		.state = PB_BRIDGE_COMMAND, .now = now, .client_at = now };
	pb_buffer_init(&b->client_out, OUT_MAX);
	b->commit.step = PB_COMMIT_DONE;
	if (pb_pop3_session_init(&b->pop3, &b->client_out) != PB_OK)
		pb_bridge_stop(b, "no memory", now);
}

void
pb_bridge_fini(struct pb_bridge *b)
{
	pb_secret_clear(&b->password);
	pb_pop3_session_fini(&b->pop3);
	pb_maildrop_fini(&b->maildrop);
	pb_commit_fini(&b->commit);
	pb_buffer_fini(&b->client_out);
}

const char *
pb_bridge_state_name(enum pb_bridge_state state)
{
	switch (state) {
	case PB_BRIDGE_COMMAND:
		return "COMMAND";
	case PB_BRIDGE_CONNECTING:
		return "CONNECTING";
	case PB_BRIDGE_LOGIN:
		return "LOGIN";
	case PB_BRIDGE_LOCKING:
		return "LOCKING";
	case PB_BRIDGE_OPENING:
		return "OPENING";
	case PB_BRIDGE_LISTING:
		return "LISTING";
	case PB_BRIDGE_RETRIEVING:
		return "RETRIEVING";
	case PB_BRIDGE_COMMITTING:
		return "COMMITTING";
	case PB_BRIDGE_ENDED:
		return "ENDED";
	}
	return "?";
}

struct pb_slice
pb_bridge_user(const struct pb_bridge *b)
{
	return pb_slice(b->pop3.user, b->pop3.user_len);
}

bool
pb_bridge_is_private(const struct pb_bridge *b)
{
	return b->pop3.state == PB_POP3_AUTHORIZATION;
}

/* The one place that changes the state. */
static void
enter(struct pb_bridge *b, enum pb_bridge_state state)
{
	pb_check(b->state != PB_BRIDGE_ENDED);
	pb_log(PB_LOG_DEBUG, "session state", PB_LOG_STR("id", b->id),
	    PB_LOG_STR("from", pb_bridge_state_name(b->state)),
	    PB_LOG_STR("to", pb_bridge_state_name(state)));
	b->state = state;
	b->client_at = b->now;
	b->upstream_at = b->now;
}

static void
ask(struct pb_bridge *b, enum pb_bridge_action action)
{
	b->actions |= 1u << action;
}

enum pb_bridge_action
pb_bridge_next_action(struct pb_bridge *b)
{
	/* The old connection goes before a new one is asked for. */
	static const enum pb_bridge_action order[] = {
		PB_BRIDGE_DROP_UPSTREAM, PB_BRIDGE_CONNECT, PB_BRIDGE_STARTTLS,
		PB_BRIDGE_LOCK, PB_BRIDGE_END };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		unsigned bit = 1u << order[i];

		if ((b->actions & bit) != 0) {
			b->actions &= ~bit;
			return order[i];
		}
	}
	return PB_BRIDGE_NOTHING;
}

/*
 * The edge closes the connection.  Until the end it may still be told things
 * about it, so imap is forgotten here and now.
 */
static void
drop_upstream(struct pb_bridge *b)
{
	b->imap = NULL;
	b->actions = 0;
	ask(b, PB_BRIDGE_DROP_UPSTREAM);
}

static void
end(struct pb_bridge *b, const char *reason)
{
	if (b->state == PB_BRIDGE_ENDED)
		return;
	b->stats.reason = reason;
	pb_secret_clear(&b->password);
	if (b->imap != NULL)
		pb_imap_client_logout(b->imap);
	pb_pop3_session_enter(&b->pop3, PB_POP3_CLOSED);
	enter(b, PB_BRIDGE_ENDED);
	drop_upstream(b);
	ask(b, PB_BRIDGE_END);
}

/* Replies are small; when one does not fit, the session has no future. */
static void
reply(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n, uint64_t m)
{
	if (pb_pop3_reply(&b->client_out, r, n, m) != PB_OK)
		end(b, "no memory");
}

static void
answered(struct pb_bridge *b, bool failed)
{
	pb_pop3_session_answered(&b->pop3, failed);
}

static void
answer(struct pb_bridge *b, enum pb_pop3_reply r, uint64_t n, uint64_t m)
{
	answered(b, false);
	reply(b, r, n, m);
}

static void
refuse(struct pb_bridge *b, enum pb_pop3_reply r)
{
	answered(b, true);
	reply(b, r, 0, 0);
}

/* Back to the client's turn, unless somebody has asked for the end. */
static void
command_done(struct pb_bridge *b)
{
	if (b->state == PB_BRIDGE_ENDED)
		return;
	enter(b, PB_BRIDGE_COMMAND);
	if (b->draining)
		end(b, "shutting down");
}

static void
log_error(const struct pb_bridge *b, const char *text,
    const struct pb_error *err)
{
	pb_log(err->kind == PB_ERROR_INTERNAL ? PB_LOG_ERROR : PB_LOG_WARN,
	    text, PB_LOG_STR("id", b->id),
	    PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_STR("client", b->peer), PB_LOG_STR("why", err->text));
}

/*
 * The login has failed, wherever it was.  The client hears a reply, never a
 * closed connection: clients take that for a wrong password.
 */
static void
login_failed(struct pb_bridge *b, const struct pb_error *err)
{
	pb_secret_clear(&b->password);
	pb_maildrop_clear(&b->maildrop);
	log_error(b, "login failed", err);
	refuse(b, pb_pop3_reply_for_error(err));
	if (b->imap != NULL)
		pb_imap_client_logout(b->imap);
	drop_upstream(b);
	command_done(b);
}

static void
login_failed_for(struct pb_bridge *b, enum pb_error_kind kind,
    const char *why)
{
	struct pb_error err;

	pb_error_set(&err, kind, PB_SCOPE_ACCOUNT, "%s", why);
	login_failed(b, &err);
}

/* QUIT's reply, and the end. */
static void
finish_quit(struct pb_bridge *b, size_t missing)
{
	b->stats.removed = b->stats.dele - missing;
	if (missing > 0)
		reply(b, PB_REPLY_NOT_REMOVED, missing, 0);
	else if (b->stats.dele > 0)
		reply(b, PB_REPLY_QUIT_REMOVED, b->stats.dele, 0);
	else
		reply(b, PB_REPLY_QUIT, 0, 0);
	end(b, missing > 0 ? "quit, messages not removed" : "quit");
}

/* The connection is gone or useless while something waits for it. */
static void
upstream_failed(struct pb_bridge *b, const struct pb_error *err)
{
	b->imap = NULL;
	switch (b->state) {
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_OPENING:
		login_failed(b, err);
		return;
	case PB_BRIDGE_RETRIEVING:
		log_error(b, "mail server lost in a message", err);
		if (b->retrieval.begun) {
			end(b, "mail server lost in a message");
			return;
		}
		answer(b, PB_REPLY_MESSAGE_TEMPORARY, 0, 0);
		command_done(b);
		return;
	case PB_BRIDGE_COMMITTING:
		log_error(b, "mail server lost while removing messages", err);
		finish_quit(b, pb_commit_missing(&b->commit));
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_LISTING:
		log_error(b, "mail server lost", err);
		return;
	case PB_BRIDGE_ENDED:
		return;
	}
}

/* A command to the server failed: the client object says why. */
static void
imap_broken(struct pb_bridge *b)
{
	struct pb_error err = b->imap->error;

	drop_upstream(b);
	upstream_failed(b, &err);
}

static void
open_maildrop(struct pb_bridge *b)
{
	enter(b, PB_BRIDGE_OPENING);
	b->listings = 1;
	b->exists = 0;
	b->shifted = false;
	/* Both at once: what SELECT says decides if the listing counts. */
	if (pb_imap_client_select(b->imap, b->options->mailbox) != PB_OK ||
	    pb_imap_client_sizes(b->imap) != PB_OK)
		imap_broken(b);
}

static void
maildrop_open(struct pb_bridge *b)
{
	pb_pop3_session_enter(&b->pop3, PB_POP3_TRANSACTION);
	pb_log(PB_LOG_INFO, "logged in", PB_LOG_STR("id", b->id),
	    PB_LOG_SLICE("user", pb_bridge_user(b)),
	    PB_LOG_STR("client", b->peer),
	    PB_LOG_NUM("messages", b->maildrop.count),
	    PB_LOG_NUM("octets", b->maildrop.octets));
	answer(b, PB_REPLY_LOGGED_IN, 0, 0);
	command_done(b);
}

static void
list_again(struct pb_bridge *b)
{
	if (b->listings++ == PB_BRIDGE_LISTINGS_MAX) {
		login_failed_for(b, PB_ERROR_TEMPORARY,
		    "the mailbox changes faster than it can be listed");
		return;
	}
	pb_maildrop_clear(&b->maildrop);
	b->shifted = false;
	b->exists_selected = b->exists;
	if (pb_imap_client_sizes(b->imap) != PB_OK)
		imap_broken(b);
}

static void
selected(struct pb_bridge *b, const struct pb_imap_event *event)
{
	if (event->condition != PB_IMAP_OK) {
		login_failed(b, &event->error);
		return;
	}
	if (!b->imap->has_uidvalidity) {
		login_failed_for(b, PB_ERROR_PERMANENT,
		    "the mailbox has no UIDVALIDITY, so no UIDL would last");
		return;
	}
	b->exists_selected = b->exists;
}

static void
listed(struct pb_bridge *b, const struct pb_imap_event *event)
{
	struct pb_error err;

	/* In an empty mailbox 1:* names nothing, and some servers say so. */
	if (event->condition != PB_IMAP_OK && b->exists > 0) {
		login_failed(b, &event->error);
		return;
	}
	if (b->shifted || b->maildrop.count > b->exists) {
		list_again(b);
		return;
	}
	switch (pb_maildrop_freeze(&b->maildrop, b->imap->uidvalidity,
	    b->exists_selected, &err)) {
	case PB_OK:
		maildrop_open(b);
		return;
	case PB_EPROTO:
		login_failed(b, &err);
		return;
	case PB_AGAIN:
	case PB_EOF:
	case PB_ETOOBIG:
	case PB_ENOMEM:
	case PB_EINVAL:
	case PB_EIO:
		break;
	}
	login_failed_for(b, PB_ERROR_INTERNAL, "no memory for the listing");
}

static void
note_size(struct pb_bridge *b, const struct pb_imap_event *event)
{
	switch (pb_maildrop_put(&b->maildrop, event->seq, event->uid,
	    event->has_size, (uint32_t)event->size)) {
	case PB_OK:
		return;
	case PB_ETOOBIG:
		login_failed_for(b, PB_ERROR_PERMANENT,
		    "the mailbox has more messages than a maildrop may have");
		return;
	case PB_AGAIN:
	case PB_EOF:
	case PB_EPROTO:
	case PB_ENOMEM:
	case PB_EINVAL:
	case PB_EIO:
		break;
	}
	login_failed_for(b, PB_ERROR_INTERNAL, "no memory for the listing");
}

static void
opening_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	if (event->type == PB_IMAP_EVENT_SIZE)
		note_size(b, event);
	else if (event->type == PB_IMAP_EVENT_DONE &&
	    event->kind == PB_IMAP_COMMAND_SELECT)
		selected(b, event);
	else if (event->type == PB_IMAP_EVENT_DONE &&
	    event->kind == PB_IMAP_COMMAND_SIZES)
		listed(b, event);
}

static void
retrieval_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	struct pb_retrieval *r = &b->retrieval;

	switch (pb_retrieval_event(r, b->imap, event, &b->client_out)) {
	case PB_RETRIEVAL_GOES_ON:
		return;
	case PB_RETRIEVAL_DONE:
		b->stats.octets += r->stuff.octets;
		answered(b, false);
		if (r->is_top) {
			b->stats.top++;
		} else {
			b->stats.retr++;
			if (b->maildrop.last < r->msgno)
				b->maildrop.last = r->msgno;
			if (b->options->mark_seen && pb_maildrop_mark_seen(
			    &b->maildrop, r->msgno) != PB_OK) {
				end(b, "no memory");
				return;
			}
		}
		command_done(b);
		return;
	case PB_RETRIEVAL_FAILED:
		log_error(b, "message not delivered", &r->error);
		answer(b, pb_pop3_reply_for_error(&r->error), 0, 0);
		command_done(b);
		return;
	case PB_RETRIEVAL_CUT:
		log_error(b, "message cut", &r->error);
		end(b, "mail server failed in a message");
		return;
	}
}

static void
commit_went_on(struct pb_bridge *b, enum pb_status st)
{
	size_t missing = pb_commit_missing(&b->commit);

	if (st == PB_EPROTO) {
		imap_broken(b);
		return;
	}
	if (st == PB_OK && b->commit.step != PB_COMMIT_DONE)
		return;
	if (missing > 0)
		pb_log(PB_LOG_WARN, "messages not removed",
		    PB_LOG_STR("id", b->id),
		    PB_LOG_SLICE("user", pb_bridge_user(b)),
		    PB_LOG_NUM("missing", missing),
		    PB_LOG_STR("why", st == PB_OK
			? pb_commit_trouble(&b->commit) : "no memory"));
	finish_quit(b, missing);
}

static void
imap_event(struct pb_bridge *b, const struct pb_imap_event *event)
{
	/* Chatter is no progress: it could go on for ever. */
	if (event->type != PB_IMAP_EVENT_EXISTS &&
	    event->type != PB_IMAP_EVENT_EXPUNGE)
		b->upstream_at = b->now;
	if (event->type == PB_IMAP_EVENT_EXISTS)
		b->exists = event->number;
	if (event->type == PB_IMAP_EVENT_EXPUNGE) {
		b->exists -= b->exists > 0;
		b->shifted = true;
	}
	switch (b->state) {
	case PB_BRIDGE_LOGIN:
		if (event->type == PB_IMAP_EVENT_STARTTLS)
			ask(b, PB_BRIDGE_STARTTLS);
		if (event->type != PB_IMAP_EVENT_READY)
			return;
		if (!b->options->lock) {
			open_maildrop(b);
			return;
		}
		enter(b, PB_BRIDGE_LOCKING);
		ask(b, PB_BRIDGE_LOCK);
		return;
	case PB_BRIDGE_OPENING:
		opening_event(b, event);
		return;
	case PB_BRIDGE_RETRIEVING:
		retrieval_event(b, event);
		return;
	case PB_BRIDGE_COMMITTING:
		commit_went_on(b, pb_commit_event(&b->commit, b->imap,
		    event));
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_ENDED:
		return;
	}
}

bool
pb_bridge_wants_upstream(const struct pb_bridge *b)
{
	/*
	 * A commit goes on, whether the client reads or not; and a body that
	 * came inside a response must be taken before the next response.
	 */
	return b->imap != NULL && (b->state == PB_BRIDGE_COMMITTING ||
	    b->imap->told != PB_IMAP_TOLD_ALL ||
	    b->client_out.len < PB_BRIDGE_OUT_HIGH);
}

void
pb_bridge_upstream_in(struct pb_bridge *b, struct pb_slice *in, uint64_t now)
{
	struct pb_imap_event event;

	b->now = now;
	while (pb_bridge_wants_upstream(b)) {
		struct pb_slice chunk = pb_slice(in->data,
		    in->len < PB_BRIDGE_CHUNK_MAX ? in->len
						  : PB_BRIDGE_CHUNK_MAX);
		size_t offered = chunk.len;
		enum pb_status st = pb_imap_client_next(b->imap, &chunk,
		    &event);

		pb_slice_skip(in, offered - chunk.len);
		if (st == PB_OK) {
			imap_event(b, &event);
		} else if (st == PB_EPROTO) {
			imap_broken(b);
			return;
		} else if (in->len == 0) {
			return;
		}
	}
}

/* RETR, TOP, DELE, LIST n, UIDL n: is it a message, and still one? */
static bool
check_msgno(struct pb_bridge *b, uint32_t msgno)
{
	if (!pb_maildrop_has(&b->maildrop, msgno)) {
		refuse(b, PB_REPLY_NO_SUCH_MESSAGE);
		return false;
	}
	if (pb_maildrop_is_deleted(&b->maildrop, msgno)) {
		refuse(b, PB_REPLY_MESSAGE_DELETED);
		return false;
	}
	return true;
}

static uint32_t
count_of(const struct pb_bridge *b)
{
	return b->maildrop.count - b->maildrop.n_deleted;
}

/* Lines of a LIST or UIDL, as long as there is room. */
static void
continue_listing(struct pb_bridge *b)
{
	char uidl[PB_UIDL_SIZE];
	enum pb_status st = PB_OK;

	while (st == PB_OK && b->client_out.len < PB_BRIDGE_OUT_HIGH) {
		uint32_t msgno = b->list_next++;

		if (msgno > b->maildrop.count) {
			st = pb_pop3_reply_end(&b->client_out);
			if (st == PB_OK)
				command_done(b);
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
		end(b, "no memory");
}

static void
do_list(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	if (cmd->has_msgno) {
		if (check_msgno(b, cmd->msgno))
			answer(b, PB_REPLY_LIST_ONE, cmd->msgno,
			    pb_maildrop_size_of(&b->maildrop, cmd->msgno));
		return;
	}
	answer(b, PB_REPLY_LIST_ALL, count_of(b), b->maildrop.octets);
	b->list_uidl = false;
	b->list_next = 1;
	enter(b, PB_BRIDGE_LISTING);
	continue_listing(b);
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
		answered(b, false);
		if (pb_pop3_reply_uidl_one(&b->client_out, cmd->msgno, uidl) !=
		    PB_OK)
			end(b, "no memory");
		return;
	}
	answer(b, PB_REPLY_UIDL_ALL, 0, 0);
	b->list_uidl = true;
	b->list_next = 1;
	enter(b, PB_BRIDGE_LISTING);
	continue_listing(b);
}

static void
do_retrieve(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	bool is_top = cmd->row->verb == PB_POP3_TOP;
	struct pb_maildrop *m = &b->maildrop;

	if (!check_msgno(b, cmd->msgno))
		return;
	if (b->imap == NULL) {
		answer(b, PB_REPLY_MESSAGE_TEMPORARY, 0, 0);
		return;
	}
	enter(b, PB_BRIDGE_RETRIEVING);
	if (pb_retrieval_begin(&b->retrieval, b->imap, cmd->msgno,
	    pb_maildrop_uid_of(m, cmd->msgno),
	    pb_maildrop_size_of(m, cmd->msgno), is_top,
	    is_top ? cmd->lines : PB_POP3_ALL_LINES) != PB_OK)
		imap_broken(b);
}

static void
do_dele(struct pb_bridge *b, const struct pb_pop3_command *cmd)
{
	if (!check_msgno(b, cmd->msgno))
		return;
	if (b->imap != NULL && b->imap->read_only) {
		refuse(b, PB_REPLY_READ_ONLY);
		return;
	}
	if (pb_maildrop_delete(&b->maildrop, cmd->msgno) != PB_OK) {
		end(b, "no memory");
		return;
	}
	answer(b, PB_REPLY_DELE, cmd->msgno, 0);
}

static void
do_quit(struct pb_bridge *b)
{
	if (b->pop3.state == PB_POP3_AUTHORIZATION) {
		reply(b, PB_REPLY_QUIT, 0, 0);
		end(b, "quit before login");
		return;
	}
	pb_pop3_session_enter(&b->pop3, PB_POP3_UPDATE);
	b->stats.dele = b->maildrop.n_deleted;
	if (b->imap == NULL) {
		finish_quit(b, b->maildrop.n_deleted);
		return;
	}
	enter(b, PB_BRIDGE_COMMITTING);
	commit_went_on(b, pb_commit_begin(&b->commit, &b->maildrop, b->imap));
}

static void
do_pass(struct pb_bridge *b, struct pb_pop3_request *request)
{
	pb_secret_move(&b->password, &request->password);
	enter(b, PB_BRIDGE_CONNECTING);
	ask(b, PB_BRIDGE_CONNECT);
}

static void
do_request(struct pb_bridge *b, struct pb_pop3_request *request)
{
	const struct pb_pop3_command *cmd = &request->command;

	switch (cmd->row->verb) {
	case PB_POP3_PASS:
		do_pass(b, request);
		return;
	case PB_POP3_QUIT:
		do_quit(b);
		return;
	case PB_POP3_STAT:
		answer(b, PB_REPLY_STAT, count_of(b), b->maildrop.octets);
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
		pb_maildrop_reset(&b->maildrop);
		answer(b, PB_REPLY_RSET, b->maildrop.count, 0);
		return;
	case PB_POP3_LAST:
		answer(b, PB_REPLY_LAST, b->maildrop.last, 0);
		return;
	case PB_POP3_CAPA:
	case PB_POP3_NOOP:
	case PB_POP3_USER:
	case PB_POP3_VERBS:
		break;
	}
	pb_unreachable("a request that the POP3 session hands on");
}

bool
pb_bridge_wants_client(const struct pb_bridge *b)
{
	return b->state == PB_BRIDGE_COMMAND &&
	    b->client_out.len < PB_BRIDGE_OUT_HIGH;
}

void
pb_bridge_client_in(struct pb_bridge *b, struct pb_slice *in, uint64_t now)
{
	struct pb_pop3_request request;
	size_t before = b->client_out.len;

	b->now = now;
	while (pb_bridge_wants_client(b)) {
		switch (pb_pop3_session_next(&b->pop3, in, &b->client_out,
		    PB_BRIDGE_OUT_HIGH, &request)) {
		case PB_OK:
			b->client_at = now;
			do_request(b, &request);
			break;
		case PB_AGAIN:
			/* A command counts, a few octets of one do not. */
			if (b->client_out.len > before)
				b->client_at = now;
			return;
		case PB_EOF:
			end(b, "too many errors");
			return;
		case PB_EPROTO:
		case PB_ETOOBIG:
		case PB_ENOMEM:
		case PB_EINVAL:
		case PB_EIO:
			end(b, "no memory");
			return;
		}
	}
}

void
pb_bridge_client_eof(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->client_eof = true;
	pb_bridge_run(b, now);
}

void
pb_bridge_stop(struct pb_bridge *b, const char *reason, uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_COMMITTING)
		end(b, reason);
}

void
pb_bridge_client_gone(struct pb_bridge *b, uint64_t now)
{
	b->unsent = 0;
	pb_buffer_clear(&b->client_out);
	pb_bridge_stop(b, "client lost", now);
}

void
pb_bridge_client_flow(struct pb_bridge *b, size_t unsent, uint64_t now)
{
	if (unsent < b->unsent || (unsent > 0 && b->unsent == 0)) {
		b->client_at = now;
		b->upstream_at = now;
	}
	b->unsent = unsent;
}

void
pb_bridge_connected(struct pb_bridge *b, struct pb_imap_client *imap,
    uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_CONNECTING)
		return;
	b->imap = imap;
	enter(b, PB_BRIDGE_LOGIN);
	/* The POP3 session has refused what this refuses. */
	if (pb_imap_client_login(imap, pb_bridge_user(b), &b->password) !=
	    PB_OK)
		login_failed_for(b, PB_ERROR_AUTH,
		    "the user name or password cannot be sent");
}

void
pb_bridge_secured(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->upstream_at = now;
	if (b->imap != NULL && pb_imap_client_secured(b->imap) != PB_OK)
		imap_broken(b);
}

void
pb_bridge_locked(struct pb_bridge *b, bool granted, uint64_t now)
{
	b->now = now;
	if (b->state != PB_BRIDGE_LOCKING)
		return;
	if (granted)
		open_maildrop(b);
	else
		login_failed_for(b, PB_ERROR_IN_USE,
		    "another session has the maildrop");
}

void
pb_bridge_upstream_lost(struct pb_bridge *b, const struct pb_error *why,
    uint64_t now)
{
	b->now = now;
	if (b->state == PB_BRIDGE_CONNECTING || b->imap != NULL)
		upstream_failed(b, why);
	b->imap = NULL;
}

void
pb_bridge_drain(struct pb_bridge *b, uint64_t now)
{
	b->now = now;
	b->draining = true;
	if (b->state == PB_BRIDGE_COMMAND)
		end(b, "shutting down");
}

/* What the state waits for, and how long; NULL when for nothing. */
static const char *
waiting_for(const struct pb_bridge *b, uint64_t *deadline)
{
	bool sending = b->unsent > 0 || b->client_out.len > 0;

	/*
	 * While the client does not read, the upstream is not read either,
	 * and its silence says nothing.
	 */
	if (sending && b->state != PB_BRIDGE_COMMITTING) {
		*deadline = b->client_at + b->options->stall_ms;
		return "client does not read";
	}
	switch (b->state) {
	case PB_BRIDGE_COMMAND:
		*deadline = b->client_at + b->options->idle_ms;
		return "autologout";
	case PB_BRIDGE_CONNECTING:
		*deadline = b->upstream_at + b->options->connect_ms;
		return "no connection to the mail server in time";
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_RETRIEVING:
	case PB_BRIDGE_COMMITTING:
		*deadline = b->upstream_at + b->options->upstream_ms;
		return "the mail server does not answer";
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_ENDED:
		break;
	}
	*deadline = UINT64_MAX;
	return NULL;
}

static void
deadline_passed(struct pb_bridge *b, const char *what)
{
	struct pb_error err;

	switch (b->state) {
	case PB_BRIDGE_CONNECTING:
	case PB_BRIDGE_LOGIN:
	case PB_BRIDGE_OPENING:
	case PB_BRIDGE_RETRIEVING:
	case PB_BRIDGE_COMMITTING:
		if (b->state != PB_BRIDGE_COMMITTING &&
		    (b->unsent > 0 || b->client_out.len > 0))
			break;
		pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_CONNECTION,
		    "%s", what);
		drop_upstream(b);
		upstream_failed(b, &err);
		return;
	case PB_BRIDGE_COMMAND:
	case PB_BRIDGE_LOCKING:
	case PB_BRIDGE_LISTING:
	case PB_BRIDGE_ENDED:
		break;
	}
	pb_bridge_stop(b, what, b->now);
}

void
pb_bridge_run(struct pb_bridge *b, uint64_t now)
{
	struct pb_slice nothing = { "", 0 };
	uint64_t deadline;
	const char *what;

	b->now = now;
	if (b->state == PB_BRIDGE_LISTING)
		continue_listing(b);
	/* The answer that has just gone out may have been one error too many. */
	if (b->state == PB_BRIDGE_COMMAND)
		pb_bridge_client_in(b, &nothing, now);
	if (b->state == PB_BRIDGE_COMMAND && b->client_eof)
		end(b, "client closed the connection");
	what = waiting_for(b, &deadline);
	if (what != NULL && b->state != PB_BRIDGE_ENDED && now >= deadline)
		deadline_passed(b, what);
}

uint64_t
pb_bridge_deadline(const struct pb_bridge *b)
{
	uint64_t deadline;

	waiting_for(b, &deadline);
	return deadline;
}
