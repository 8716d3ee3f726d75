#include <stdlib.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/imap/client.h"

/*
 * Commands at any moment, also between the octets of a body: the first line of
 * the input has a letter for each piece that the server sends and for each
 * event, the rest is what the server says, a line at a time.
 *
 *	S SELECT	u UIDs		s sizes		b, B bodies, parts of some
 *	d, a SEARCH	t STORE		e UID EXPUNGE	E EXPUNGE
 *	l log out	x the caller rejects what the server says
 *	m the client moves, if it is at rest
 *
 * Each command is answered once, by DONE with its id and kind; each body is
 * whole; nothing is said after a failure.
 */

struct play {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_slice letters;
	struct pb_imap_command waiting[PB_IMAP_PIPELINE_MAX];
	unsigned n_waiting;
	bool in_body;
	uint64_t body_left;
	bool failed;
};

static unsigned
n_of_kind(const struct play *p, enum pb_imap_command_kind kind)
{
	unsigned n = 0;
	unsigned i;

	for (i = 0; i < p->n_waiting; i++)
		n += p->waiting[i].kind == kind;
	return n;
}

/* Those that give no id away are known by the next number. */
static void
note(struct play *p, enum pb_status st, enum pb_imap_command_kind kind)
{
	pb_check(st == PB_OK || st == PB_EPROTO);
	if (st != PB_OK)
		return;
	pb_check(p->n_waiting < PB_IMAP_PIPELINE_MAX);
	p->waiting[p->n_waiting++] = (struct pb_imap_command){
		.id = p->client.last_id, .kind = kind };
}

static void
move(struct play *p)
{
	struct pb_imap_client to;

	if (!pb_imap_client_is_at_rest(&p->client))
		return;
	pb_check(p->n_waiting == 0 && !p->in_body);
	pb_imap_client_move(&to, &p->client, p->grammar, p->writer);
	p->client = to;
}

/* What is about mailboxes by name. */
static void
send_mailbox_letter(struct play *p, char letter)
{
	static const uint32_t uids[] = { 3, 4, 5, 9, UINT32_MAX };
	struct pb_slice bin = pb_slice_str("Bin");
	struct pb_imap_client *c = &p->client;

	if (letter == 'c')
		note(p, pb_imap_client_uid_copy(c, uids, 5, bin, NULL),
		    PB_IMAP_COMMAND_COPY);
	else if (letter == 'M')
		note(p, pb_imap_client_uid_move(c, uids, 5, bin, NULL),
		    PB_IMAP_COMMAND_MOVE);
	else if (letter == 'C')
		note(p, pb_imap_client_create(c, bin, NULL),
		    PB_IMAP_COMMAND_CREATE);
	else if (letter == 'L')
		note(p, pb_imap_client_list_special(c, NULL),
		    PB_IMAP_COMMAND_LIST);
	else if (letter == 'R')
		note(p, pb_imap_client_myrights(c, "INBOX", NULL),
		    PB_IMAP_COMMAND_MYRIGHTS);
	else if (letter == 'T')
		note(p, pb_imap_client_status_uidvalidity(c, "INBOX", NULL),
		    PB_IMAP_COMMAND_STATUS);
	else if (letter == 'n')
		note(p, pb_imap_client_noop(c, NULL), PB_IMAP_COMMAND_NOOP);
	else if (letter == 'f')
		note(p, pb_imap_client_search_pop3_deleted(c, NULL),
		    PB_IMAP_COMMAND_SEARCH);
}

static void
send_letter(struct play *p, char letter)
{
	static const uint32_t uids[] = { 3, 4, 5, 9, UINT32_MAX };
	struct pb_imap_client *c = &p->client;

	if (letter == 'S')
		note(p, pb_imap_client_select(c, "INBOX"),
		    PB_IMAP_COMMAND_SELECT);
	else if (letter == 'u')
		note(p, pb_imap_client_uids(c, 7), PB_IMAP_COMMAND_UIDS);
	else if (letter == 's')
		note(p, pb_imap_client_sizes(c, 1), PB_IMAP_COMMAND_SIZES);
	else if (letter == 'b')
		note(p, pb_imap_client_bodies(c, uids, 1, 0, NULL),
		    PB_IMAP_COMMAND_BODIES);
	else if (letter == 'B')
		note(p, pb_imap_client_bodies(c, uids, 5, 50, NULL),
		    PB_IMAP_COMMAND_BODIES);
	else if (letter == 'd')
		note(p, pb_imap_client_search_deleted(c, NULL),
		    PB_IMAP_COMMAND_SEARCH);
	else if (letter == 'a')
		note(p, pb_imap_client_search_all(c, NULL),
		    PB_IMAP_COMMAND_SEARCH);
	else if (letter == 't')
		note(p, pb_imap_client_store(c, uids, 5, true,
		    PB_IMAP_FLAG_SEEN, NULL), PB_IMAP_COMMAND_STORE);
	else if (letter == 'e')
		note(p, pb_imap_client_uid_expunge(c, uids, 5, NULL),
		    PB_IMAP_COMMAND_EXPUNGE);
	else if (letter == 'E')
		note(p, pb_imap_client_expunge(c, NULL),
		    PB_IMAP_COMMAND_EXPUNGE);
	else
		send_mailbox_letter(p, letter);
}

static void
next_letter(struct play *p)
{
	char letter;

	if (p->letters.len == 0)
		return;
	letter = p->letters.data[0];
	pb_slice_skip(&p->letters, 1);
	if (letter == 'm')
		move(p);
	else if (letter == 'l')
		pb_imap_client_logout(&p->client);
	else if (letter == 'x' && p->client.state == PB_IMAP_STATE_READY)
		pb_imap_client_reject(&p->client, "it lies");
	else if (pb_imap_client_room(&p->client) > 0)
		send_letter(p, letter);
}

static void
answered(struct play *p, const struct pb_imap_event *e)
{
	unsigned i = 0;

	while (i < p->n_waiting && p->waiting[i].id != e->id)
		i++;
	pb_check(i < p->n_waiting && p->waiting[i].kind == e->kind);
	pb_check((e->condition == PB_IMAP_OK) ==
	    (e->error.kind == PB_ERROR_NONE));
	p->waiting[i] = p->waiting[--p->n_waiting];
}

static void
check_found(const struct play *p, const struct pb_imap_event *e)
{
	size_t i;

	pb_check(n_of_kind(p, PB_IMAP_COMMAND_SEARCH) > 0);
	for (i = 0; i < e->n_ranges; i++) {
		pb_check(e->ranges[i].first > 0 &&
		    e->ranges[i].first <= e->ranges[i].last);
		pb_check(i == 0 ||
		    e->ranges[i].first - 1 > e->ranges[i - 1].last);
	}
}

static void
check_event(struct play *p, const struct pb_imap_event *e)
{
	switch (e->type) {
	case PB_IMAP_EVENT_BODY_BEGIN:
		pb_check(!p->in_body &&
		    n_of_kind(p, PB_IMAP_COMMAND_BODIES) > 0);
		p->in_body = true;
		p->body_left = e->size;
		return;
	case PB_IMAP_EVENT_BODY_DATA:
		pb_check(p->in_body &&
		    e->data.len <= p->body_left);
		p->body_left -= e->data.len;
		return;
	case PB_IMAP_EVENT_BODY_END:
		pb_check(p->in_body && p->body_left == 0 && e->uid > 0);
		p->in_body = false;
		return;
	case PB_IMAP_EVENT_BODY_NIL:
		pb_check(!p->in_body && e->uid > 0 &&
		    n_of_kind(p, PB_IMAP_COMMAND_BODIES) > 0);
		return;
	case PB_IMAP_EVENT_FOUND:
		check_found(p, e);
		return;
	case PB_IMAP_EVENT_MAILBOX:
		pb_check(!p->in_body && e->special != 0 && e->data.len > 0 &&
		    e->data.len <= PB_IMAP_MAILBOX_MAX &&
		    n_of_kind(p, PB_IMAP_COMMAND_LIST) > 0);
		return;
	case PB_IMAP_EVENT_STATUS:
		pb_check(!p->in_body && e->number > 0 &&
		    n_of_kind(p, PB_IMAP_COMMAND_STATUS) > 0);
		return;
	case PB_IMAP_EVENT_DONE:
		pb_check(!p->in_body);
		answered(p, e);
		return;
	case PB_IMAP_EVENT_SIZE:
		pb_check(!p->in_body && (e->uid > 0 || e->has_size));
		return;
	case PB_IMAP_EVENT_EXPUNGE:
		pb_check(!p->in_body && e->seq > 0);
		return;
	case PB_IMAP_EVENT_EXISTS:
		pb_check(!p->in_body);
		return;
	case PB_IMAP_EVENT_STARTTLS:
	case PB_IMAP_EVENT_READY:
		break;
	}
	pb_unreachable("it is logged in already");
}

static void
feed(struct play *p, struct pb_slice piece)
{
	struct pb_imap_event event;
	enum pb_status st;

	for (;;) {
		st = pb_imap_client_next(&p->client, &piece, &event);
		if (st != PB_OK)
			break;
		pb_check(!p->failed);
		check_event(p, &event);
		next_letter(p);
	}
	pb_check(st == PB_EPROTO || (st == PB_AGAIN && piece.len == 0));
	pb_check(!p->failed || st == PB_EPROTO);
	p->failed = st == PB_EPROTO;
	pb_check(p->failed == (p->client.state == PB_IMAP_STATE_BROKEN));
	pb_check(!p->failed || p->client.error.kind != PB_ERROR_NONE);
	pb_buffer_clear(&p->client.out);
}

static void
start(struct play *p)
{
	p->grammar = pb_imap_grammar_new();
	p->writer = pb_imap_writer_new();
	pb_check(p->grammar != NULL && p->writer != NULL);
	pb_imap_client_init(&p->client, p->grammar, p->writer,
	    PB_IMAP_TLS_IMPLICIT);
	p->client.state = PB_IMAP_STATE_READY;
	p->client.capabilities = PB_IMAP_CAP_IMAP4REV1 | PB_IMAP_CAP_UIDPLUS |
	    PB_IMAP_CAP_ESEARCH;
	p->client.capabilities_known = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	size_t end = pb_slice_find(in, '\n');
	struct play p = { .letters = pb_slice_sub(in, 0, end) };

	pb_slice_skip(&in, end < in.len ? end + 1 : end);
	start(&p);
	while (in.len > 0) {
		char *exact;

		end = pb_slice_find(in, '\n');
		end += end < in.len;
		next_letter(&p);
		exact = pbt_exact(pb_slice_sub(in, 0, end));
		feed(&p, pb_slice(exact, end));
		free(exact);
		pb_slice_skip(&in, end);
	}
	pb_imap_client_fini(&p.client);
	pb_imap_grammar_free(&p.grammar);
	pb_imap_writer_free(&p.writer);
	return 0;
}
