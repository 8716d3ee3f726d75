#include "support/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/imap/client.h"
#include "popbridge/pop3/reply.h"
#include "popbridge/pop3/session.h"
#include "popbridge/pop3/stuff.h"
#include "popbridge/pop3/xclient.h"

struct framer {
	struct pb_imap_framer framer;
	bool body;
	bool in_body;
	bool failed;
};

static void *
start_framer(bool body)
{
	struct framer *f = pb_xalloc(sizeof(*f));

	pb_imap_framer_init(&f->framer);
	f->body = body;
	pb_imap_framer_want_bodies(&f->framer, body);
	return f;
}

static void *
framer_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_framer(false);
}

static void *
framer_body_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_framer(true);
}

static void
say_frame(struct framer *f, const struct pb_imap_frame *frame,
    struct pb_buffer *trace)
{
	if (f->in_body && frame->type != PB_IMAP_FRAME_BODY_DATA) {
		f->in_body = false;
		pbt_say(trace, "\n");
	}
	switch (frame->type) {
	case PB_IMAP_FRAME_RESPONSE:
		pbt_say(trace, "response ");
		pbt_put_clean(trace, frame->text);
		pbt_say(trace, "\n");
		pb_imap_framer_want_bodies(&f->framer, f->body);
		return;
	case PB_IMAP_FRAME_BODY:
		pbt_say(trace, "body %" PRIu64 " ", frame->size);
		pbt_put_clean(trace, frame->text);
		pbt_say(trace, "\n");
		f->in_body = true;
		return;
	case PB_IMAP_FRAME_BODY_DATA:
		pb_check(f->in_body && frame->text.len > 0);
		pbt_put_clean(trace, frame->text);
		return;
	}
}

static void
framer_feed(void *machine, struct pb_slice piece, struct pb_buffer *trace)
{
	struct framer *f = machine;
	struct pb_imap_frame frame;
	enum pb_status st;

	for (;;) {
		size_t before = piece.len;

		st = pb_imap_framer_next(&f->framer, &piece, &frame);
		pb_check(piece.len <= before);
		if (st != PB_OK)
			break;
		pb_check(!f->failed);
		say_frame(f, &frame, trace);
	}
	if (st == PB_AGAIN) {
		pb_check(piece.len == 0);
		return;
	}
	if (!f->failed)
		pbt_say(trace, "failed %d\n", st);
	f->failed = true;
}

static void
framer_stop(void *machine, struct pb_buffer *trace)
{
	struct framer *f = machine;

	pb_check(f->framer.text.len <= PB_IMAP_RESPONSE_MAX);
	pbt_say(trace, "end\n");
	pb_imap_framer_fini(&f->framer);
	pb_free(f);
}

const struct pbt_machine pbt_framer = { framer_start, framer_feed,
	framer_stop };
const struct pbt_machine pbt_framer_body = { framer_body_start, framer_feed,
	framer_stop };

struct client {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_buffer sent;
	bool names_mailboxes;
	bool in_body;
	uint64_t body_size;
	uint64_t body_got;
	bool failed;
};

static void
send_out(struct client *c)
{
	pbt_put(&c->sent, pb_buffer_slice(&c->client.out));
	pb_buffer_clear(&c->client.out);
}

static void *
start_client(enum pb_imap_tls tls)
{
	struct client *c = pb_xalloc(sizeof(*c));
	struct pb_secret password = { NULL, 0 };

	c->grammar = pb_imap_grammar_new();
	c->writer = pb_imap_writer_new();
	pb_check(c->grammar != NULL && c->writer != NULL);
	pb_buffer_init(&c->sent, 65536);
	pb_imap_client_init(&c->client, c->grammar, c->writer, tls);
	pb_check(pb_secret_set(&password, pb_slice_str("geheim123")) == PB_OK);
	pb_check(pb_imap_client_login(&c->client, pb_slice_str("max"),
	    &password) == PB_OK);
	return c;
}

static void *
client_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_client(PB_IMAP_TLS_IMPLICIT);
}

static void *
client_starttls_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_client(PB_IMAP_TLS_STARTTLS);
}

static void *
client_token_start(struct pb_buffer *trace)
{
	struct client *c = client_start(trace);

	pb_imap_client_authenticate_by(&c->client, PB_IMAP_AUTH_TOKEN);
	return c;
}

static void *
client_mailboxes_start(struct pb_buffer *trace)
{
	struct client *c = client_start(trace);

	c->names_mailboxes = true;
	return c;
}

/* The commands of the script; a failure shows at the next call. */
static void
client_goes_on(struct pb_imap_client *c, enum pb_imap_command_kind done)
{
	static const uint32_t uids[] = { 3, 4, 5, 9, 4294967295u };
	static const uint32_t bodies[] = { 7, 8, 10 };
	enum pb_status st = PB_OK;

	switch (done) {
	case PB_IMAP_COMMAND_SIZES:
		st = pb_imap_client_bodies(c, bodies, 1, 0, NULL);
		break;
	case PB_IMAP_COMMAND_BODIES:
		if (c->commands < 6)
			st = pb_imap_client_bodies(c, bodies + 1, 2, 50,
			    NULL);
		else
			st = pb_imap_client_search_deleted(c, NULL);
		break;
	case PB_IMAP_COMMAND_SEARCH:
		st = pb_imap_client_store(c, uids, 5, true,
		    PB_IMAP_FLAG_DELETED, NULL);
		if (st == PB_OK)
			st = pb_imap_client_uid_expunge(c, uids, 5, NULL);
		break;
	case PB_IMAP_COMMAND_EXPUNGE:
		pb_imap_client_logout(c);
		break;
	case PB_IMAP_COMMAND_INTERNAL:
	case PB_IMAP_COMMAND_CAPABILITY:
	case PB_IMAP_COMMAND_STARTTLS:
	case PB_IMAP_COMMAND_LOGIN:
	case PB_IMAP_COMMAND_SELECT:
	case PB_IMAP_COMMAND_UIDS:
	case PB_IMAP_COMMAND_STORE:
	case PB_IMAP_COMMAND_COPY:
	case PB_IMAP_COMMAND_MOVE:
	case PB_IMAP_COMMAND_CREATE:
	case PB_IMAP_COMMAND_LIST:
	case PB_IMAP_COMMAND_MYRIGHTS:
	case PB_IMAP_COMMAND_STATUS:
	case PB_IMAP_COMMAND_NOOP:
		break;
	}
	pb_check(st == PB_OK || st == PB_EPROTO);
}

static void
say_ranges(const struct pb_imap_event *e, struct pb_buffer *trace)
{
	size_t i;

	for (i = 0; i < e->n_ranges; i++) {
		const struct pb_imap_range *range = &e->ranges[i];

		pbt_say(trace, " %" PRIu32, range->first);
		if (range->last != range->first)
			pbt_say(trace, ":%" PRIu32, range->last);
	}
	pbt_say(trace, "\n");
}

static enum pb_status
name_mailboxes(struct pb_imap_client *c)
{
	static const uint32_t uids[] = { 3, 4, 5, 9 };
	struct pb_slice trash = pb_slice_str("Trash");
	enum pb_status st = pb_imap_client_select(c, "INBOX");

	if (st == PB_OK)
		st = pb_imap_client_myrights(c, "INBOX", NULL);
	if (st == PB_OK)
		st = pb_imap_client_list_special(c, NULL);
	if (st == PB_OK)
		st = pb_imap_client_search_pop3_deleted(c, NULL);
	if (st == PB_OK)
		st = pb_imap_client_create(c, trash, NULL);
	if (st == PB_OK)
		st = pb_imap_client_uid_copy(c, uids, 4, trash, NULL);
	if (st == PB_OK)
		st = pb_imap_client_uid_move(c, uids, 4, trash, NULL);
	if (st == PB_OK)
		st = pb_imap_client_status_uidvalidity(c, "INBOX", NULL);
	return st;
}

static void
say_done(struct client *c, const struct pb_imap_event *e,
    struct pb_buffer *trace)
{
	pbt_say(trace, "done %" PRIu32 " kind %d condition %d", e->id,
	    e->kind, e->condition);
	if (e->error.kind != PB_ERROR_NONE)
		pbt_say(trace, " error %d scope %d", e->error.kind,
		    e->error.scope);
	if (e->try_create)
		pbt_say(trace, " try create");
	if (e->already_exists)
		pbt_say(trace, " already exists");
	if (e->has_copied) {
		pbt_say(trace, " copied");
		say_ranges(e, trace);
	} else {
		pbt_say(trace, "\n");
	}
	if (e->kind == PB_IMAP_COMMAND_MYRIGHTS && c->client.has_rights)
		pbt_say(trace, "may flag %d expunge %d\n",
		    c->client.may_flag_deleted, c->client.may_expunge);
	if (c->names_mailboxes && e->kind == PB_IMAP_COMMAND_SELECT &&
	    c->client.has_permanentflags)
		pbt_say(trace, "keeps deleted %d keywords %d\n",
		    c->client.keeps_deleted, c->client.keeps_keywords);
}

static void
say_body_end(struct client *c, struct pb_buffer *trace)
{
	if (c->in_body)
		pbt_say(trace, "\n");
	c->in_body = false;
}

static void
say_event(struct client *c, const struct pb_imap_event *e,
    struct pb_buffer *trace)
{
	enum pb_status st;

	if (e->type != PB_IMAP_EVENT_BODY_DATA)
		say_body_end(c, trace);
	switch (e->type) {
	case PB_IMAP_EVENT_STARTTLS:
		pbt_say(trace, "starttls\n");
		st = pb_imap_client_secured(&c->client);
		pb_check(st == PB_OK);
		return;
	case PB_IMAP_EVENT_READY:
		pbt_say(trace, "ready\n");
		if (c->names_mailboxes)
			st = name_mailboxes(&c->client);
		else
			st = pb_imap_client_select(&c->client, "INBOX");
		if (st == PB_OK && !c->names_mailboxes)
			st = pb_imap_client_sizes(&c->client, 1);
		pb_check(st == PB_OK);
		return;
	case PB_IMAP_EVENT_EXISTS:
		pbt_say(trace, "exists %" PRIu32 "\n", e->number);
		return;
	case PB_IMAP_EVENT_EXPUNGE:
		pbt_say(trace, "expunge %" PRIu32 "\n", e->seq);
		return;
	case PB_IMAP_EVENT_SIZE:
		pbt_say(trace, "size of %" PRIu32 " uid %" PRIu32, e->seq,
		    e->uid);
		if (e->has_size)
			pbt_say(trace, " is %" PRIu64, e->size);
		pbt_say(trace, "\n");
		return;
	case PB_IMAP_EVENT_BODY_BEGIN:
		pbt_say(trace, "body of uid %" PRIu32 " with %" PRIu64 "\n",
		    e->uid, e->size);
		c->in_body = true;
		c->body_size = e->size;
		c->body_got = 0;
		return;
	case PB_IMAP_EVENT_BODY_DATA:
		pb_check(c->in_body);
		c->body_got += e->data.len;
		pb_check(c->body_got <= c->body_size);
		pbt_put_clean(trace, e->data);
		return;
	case PB_IMAP_EVENT_BODY_END:
		pb_check(c->body_got == c->body_size);
		pbt_say(trace, "body ends\n");
		return;
	case PB_IMAP_EVENT_BODY_NIL:
		pbt_say(trace, "body of uid %" PRIu32 " is nil\n", e->uid);
		return;
	case PB_IMAP_EVENT_FOUND:
		pbt_say(trace, "found");
		say_ranges(e, trace);
		return;
	case PB_IMAP_EVENT_MAILBOX:
		pbt_say(trace, "mailbox for %u is ", e->special);
		pbt_put_clean(trace, e->data);
		pbt_say(trace, "\n");
		return;
	case PB_IMAP_EVENT_STATUS:
		pbt_say(trace, "uidvalidity %" PRIu32 " of ", e->number);
		pbt_put_clean(trace, e->data);
		pbt_say(trace, "\n");
		return;
	case PB_IMAP_EVENT_DONE:
		say_done(c, e, trace);
		if (!c->names_mailboxes)
			client_goes_on(&c->client, e->kind);
		return;
	}
}

static void
client_feed(void *machine, struct pb_slice piece, struct pb_buffer *trace)
{
	struct client *c = machine;
	struct pb_imap_event event;
	enum pb_status st;

	for (;;) {
		st = pb_imap_client_next(&c->client, &piece, &event);
		if (st != PB_OK)
			break;
		pb_check(!c->failed);
		say_event(c, &event, trace);
	}
	if (st == PB_EPROTO) {
		pb_check(c->client.state == PB_IMAP_STATE_BROKEN &&
		    c->client.error.kind != PB_ERROR_NONE);
		if (!c->failed) {
			say_body_end(c, trace);
			pbt_say(trace, "failed %d scope %d: %s\n",
			    c->client.error.kind, c->client.error.scope,
			    c->client.error.text);
		}
		c->failed = true;
		return;
	}
	pb_check(st == PB_AGAIN && piece.len == 0);
	send_out(c);
}

static void
client_stop(void *machine, struct pb_buffer *trace)
{
	struct client *c = machine;

	say_body_end(c, trace);
	pbt_say(trace, "state %s\n", pb_imap_state_name(c->client.state));
	/* What was not sent before the failure depends on the cuts. */
	if (!c->failed) {
		pbt_say(trace, "sent ");
		pbt_put_clean(trace, pb_buffer_slice(&c->sent));
		pbt_say(trace, "\n");
	}
	pb_buffer_fini(&c->sent);
	pb_imap_client_fini(&c->client);
	pb_imap_grammar_free(&c->grammar);
	pb_imap_writer_free(&c->writer);
	pb_free(c);
}

const struct pbt_machine pbt_client = { client_start, client_feed,
	client_stop };
const struct pbt_machine pbt_client_starttls = { client_starttls_start,
	client_feed, client_stop };
const struct pbt_machine pbt_client_token = { client_token_start, client_feed,
	client_stop };
const struct pbt_machine pbt_client_mailboxes = { client_mailboxes_start,
	client_feed, client_stop };

struct session {
	struct pb_pop3_session session;
	struct pb_buffer out;
	bool ended;
};

#define SESSION_HIGH 600

static void *
start_session(bool all)
{
	struct session *s = pb_xalloc(sizeof(*s));

	pb_buffer_init(&s->out, 8192);
	pb_pop3_session_init(&s->session);
	s->session.mechanisms = "PLAIN LOGIN";
	s->session.apop_stamp = all ? "<1.2@popbridge>" : NULL;
	s->session.xclient = all;
	pb_check(pb_pop3_session_greet(&s->session, &s->out) == PB_OK);
	return s;
}

static void *
session_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_session(false);
}

static void *
session_all_start(struct pb_buffer *trace)
{
	(void)trace;
	return start_session(true);
}

/* Lines of at most 512 octets that end in CR LF. */
static void
check_replies(struct pb_slice out)
{
	while (out.len > 0) {
		size_t end = pb_slice_find(out, '\n');

		pb_check(end < out.len && end < PB_POP3_REPLY_MAX);
		pb_check(end > 0 && pb_slice_find(out, '\r') == end - 1);
		pb_slice_skip(&out, end + 1);
	}
}

static void
take_replies(struct session *s, struct pb_buffer *trace)
{
	check_replies(pb_buffer_slice(&s->out));
	pbt_put(trace, pb_buffer_slice(&s->out));
	pb_buffer_clear(&s->out);
}

static void
say_auth(const struct pb_pop3_request *request, struct pb_buffer *trace)
{
	switch (request->auth) {
	case PB_POP3_AUTH_BEGIN:
		pbt_say(trace, " begin ");
		pbt_put_clean(trace, request->mechanism);
		break;
	case PB_POP3_AUTH_RESPONSE:
		break;
	case PB_POP3_AUTH_ABORTED:
		pbt_say(trace, " aborted");
		break;
	}
	if (request->has_response) {
		pbt_say(trace, " response ");
		pbt_put_clean(trace, pb_secret_reveal(&request->response));
	}
}

/* "ok" is the right answer, "no" a wrong one; after others comes a question. */
static void
go_on_with_auth(struct session *s, struct pb_pop3_request *request)
{
	struct pb_slice response = pb_secret_reveal(&request->response);

	if (pb_slice_is(response, "ok"))
		pb_pop3_session_enter(&s->session, PB_POP3_TRANSACTION);
	else if (pb_slice_is(response, "no"))
		pb_pop3_session_answered(&s->session, true);
	else if (request->auth != PB_POP3_AUTH_ABORTED)
		pb_check(pb_pop3_session_challenge(&s->session, &s->out,
		    request->has_response ? pb_slice_str("bW9yZQ==")
					  : pb_slice("", 0)) == PB_OK);
	pb_secret_clear(&request->response);
}

static void
say_password(struct session *s, const struct pb_pop3_request *request,
    struct pb_buffer *trace)
{
	pbt_say(trace, " user ");
	pbt_put_clean(trace, pb_slice(s->session.user, s->session.user_len));
	pbt_say(trace, " password ");
	pbt_put_clean(trace, pb_secret_reveal(&request->password));
}

static void
say_xclient(struct pb_slice text, struct pb_buffer *trace)
{
	char address[PB_POP3_ADDRESS_SIZE];
	unsigned port;

	pbt_say(trace, " ");
	pbt_put_clean(trace, text);
	if (pb_pop3_xclient_parse(text, address, &port) == PB_OK)
		pbt_say(trace, " is %s %u", address, port);
	else
		pbt_say(trace, " is wrong");
}

/* What stands behind the verb. */
static void
say_arguments(struct session *s, const struct pb_pop3_request *request,
    struct pb_buffer *trace)
{
	const struct pb_pop3_command *cmd = &request->command;

	if (cmd->has_msgno)
		pbt_say(trace, " %" PRIu32, cmd->msgno);
	if (cmd->row->args == PB_POP3_ARGS_MSGNO_LINES)
		pbt_say(trace, " %" PRIu64, cmd->lines);
	if (cmd->row->verb == PB_POP3_PASS || cmd->row->verb == PB_POP3_APOP)
		say_password(s, request, trace);
	if (cmd->row->verb == PB_POP3_XCLIENT)
		say_xclient(cmd->text, trace);
	if (cmd->row->verb == PB_POP3_AUTH)
		say_auth(request, trace);
}

static void
say_request(struct session *s, struct pb_pop3_request *request,
    struct pb_buffer *trace)
{
	const struct pb_pop3_command *cmd = &request->command;

	pbt_say(trace, "request %s", cmd->row->name);
	say_arguments(s, request, trace);
	pbt_say(trace, "\n");
	if (cmd->row->verb == PB_POP3_AUTH) {
		go_on_with_auth(s, request);
		return;
	}
	if (cmd->row->verb == PB_POP3_PASS || cmd->row->verb == PB_POP3_APOP)
		pb_pop3_session_enter(&s->session, PB_POP3_TRANSACTION);
	if (cmd->row->verb == PB_POP3_QUIT)
		pb_pop3_session_enter(&s->session, PB_POP3_CLOSED);
	else
		pb_pop3_session_answered(&s->session,
		    cmd->has_msgno && cmd->msgno > 9);
	pb_secret_clear(&request->password);
}

static void
session_feed(void *machine, struct pb_slice piece, struct pb_buffer *trace)
{
	struct session *s = machine;
	struct pb_pop3_request request;
	enum pb_status st;

	for (;;) {
		st = pb_pop3_session_next(&s->session, &piece, &s->out,
		    SESSION_HIGH, &request);
		take_replies(s, trace);
		if (st == PB_OK)
			say_request(s, &request, trace);
		else if (st != PB_AGAIN || piece.len == 0)
			break;
	}
	if (st == PB_EOF && !s->ended) {
		pbt_say(trace, "closed\n");
		s->ended = true;
	}
	pb_check(st == PB_EOF || st == PB_AGAIN);
}

static void
session_stop(void *machine, struct pb_buffer *trace)
{
	struct session *s = machine;

	pbt_say(trace, "state %s\n", pb_pop3_state_name(s->session.state));
	pb_pop3_session_fini(&s->session);
	pb_buffer_fini(&s->out);
	pb_free(s);
}

const struct pbt_machine pbt_session = { session_start, session_feed,
	session_stop };
const struct pbt_machine pbt_session_all = { session_all_start, session_feed,
	session_stop };

uint64_t pbt_stuff_lines = PB_POP3_ALL_LINES;

static void *
stuff_start(struct pb_buffer *trace)
{
	struct pb_pop3_stuff *s = pb_xalloc(sizeof(*s));

	(void)trace;
	pb_pop3_stuff_init(s, pbt_stuff_lines);
	return s;
}

static void
stuff_feed(void *machine, struct pb_slice piece, struct pb_buffer *trace)
{
	size_t before = trace->len;
	size_t len = piece.len;
	enum pb_status st = pb_pop3_stuff_feed(machine, &piece, trace);

	pb_check(st == PB_OK && piece.len == 0);
	pb_check(trace->len - before <= 2 * len);
}

static void
stuff_stop(void *machine, struct pb_buffer *trace)
{
	enum pb_status st = pb_pop3_stuff_end(machine, trace);

	pb_check(st == PB_OK);
	pb_free(machine);
}

const struct pbt_machine pbt_stuff = { stuff_start, stuff_feed, stuff_stop };

bool
pbt_unstuff(struct pb_slice stuffed, struct pb_buffer *message)
{
	while (stuffed.len > 0) {
		size_t end = pb_slice_find(stuffed, '\n');

		if (end == stuffed.len || end == 0 ||
		    stuffed.data[end - 1] != '\r')
			return false;
		if (stuffed.data[0] == '.' && end == 2)
			return stuffed.len == 3;
		if (stuffed.data[0] == '.')
			pbt_put(message, pb_slice_sub(stuffed, 1, end + 1));
		else
			pbt_put(message, pb_slice_sub(stuffed, 0, end + 1));
		pb_slice_skip(&stuffed, end + 1);
	}
	return false;
}

void
pbt_normalise(struct pb_slice message, struct pb_buffer *out)
{
	char last = '\n';
	size_t i;

	for (i = 0; i < message.len; i++) {
		char c = message.data[i];

		if (c == '\n' && last != '\r')
			pbt_put(out, pb_slice_str("\r"));
		pbt_put(out, c == '\0' ? pb_slice_str("\x80")
				       : pb_slice(&c, 1));
		last = c;
	}
	if (last != '\n' || message.len == 0)
		pbt_put(out, pb_slice_str("\r\n"));
}
