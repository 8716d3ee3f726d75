#include "rfc1939.h"

#include <string.h>

static bool
is_owed(const struct pbt_rfc1939 *m, uint32_t uid)
{
	size_t i;

	for (i = 0; i < m->n_owed; i++) {
		if (m->owed[i] == uid)
			return true;
	}
	return false;
}

/* What was there, and was not removed by others. */
void
pbt_rfc1939_open(struct pbt_rfc1939 *m)
{
	size_t i;

	m->n = 0;
	for (i = 0; i < m->server->n; i++) {
		const struct pbt_message *one = &m->server->messages[i];

		if (!one->was_gone && !one->vanished && !is_owed(m, one->uid))
			m->drop[m->n++] = (struct pbt_drop_message){
				.message = one };
	}
	m->state = PBT_POP3_TRANSACTION;
}

void
pbt_rfc1939_reset(struct pbt_rfc1939 *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		m->drop[i] = (struct pbt_drop_message){
			.message = m->drop[i].message };
	m->last = 0;
}

/* A command has been obeyed, as far as the mailbox is concerned. */
static void
obey(struct pbt_rfc1939 *m, const struct pbt_next *next)
{
	const struct pbt_command *c = &next->command;

	if (c->verb == PBT_USER && c->well_formed)
		m->has_user = next->verdict == PBT_YES;
	if (next->verdict == PBT_NO)
		return;
	if (c->verb == PBT_PASS)
		pbt_rfc1939_open(m);
	else if (c->verb == PBT_DELE)
		pbt_rfc1939_named(m, c)->marked = true;
	else if (c->verb == PBT_RETR)
		pbt_rfc1939_named(m, c)->retrieved = true;
	else if (c->verb == PBT_RSET)
		pbt_rfc1939_reset(m);
}

/*
 * Go on to where a QUIT that was sent is being done, before it is answered.
 * False: none was sent, or not after a login.
 */
static bool
foresee_quit(struct pbt_rfc1939 *m)
{
	struct pb_slice in = pb_buffer_slice(&m->sent);

	while (m->state != PBT_POP3_END) {
		struct pbt_next next = pbt_rfc1939_next(m, in);

		if (next.octets == 0 || next.foreign)
			return false;
		if (next.command.verb == PBT_QUIT && next.verdict != PBT_NO)
			return m->state == PBT_POP3_TRANSACTION;
		obey(m, &next);
		pb_slice_skip(&in, next.octets);
	}
	return m->quit;
}

bool
pbt_rfc1939_is_quitting(const struct pbt_rfc1939 *m)
{
	struct pbt_rfc1939 then = *m;

	return foresee_quit(&then);
}

static const struct pbt_drop_message *
find(const struct pbt_rfc1939 *m, const struct pbt_message *one)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (m->drop[i].message == one)
			return &m->drop[i];
	}
	return NULL;
}

static void
check_message(const struct pbt_rfc1939 *m, const struct pbt_message *one,
    bool quit)
{
	const struct pbt_drop_message *drop = quit ? find(m, one) : NULL;
	bool owed = is_owed(m, one->uid);
	bool marked = drop != NULL && drop->marked && !m->no_journal;
	bool seen = drop != NULL && drop->retrieved && m->marks_seen;

	pbt_rfc1939_must(m, !one->removed || marked || owed,
	    "nothing is removed but by QUIT what was marked");
	pbt_rfc1939_must(m, !one->deleted || one->was_deleted || marked ||
	    owed, "nothing is flagged but by QUIT what was marked");
	/* Without UIDPLUS, flags of others are taken away for a moment. */
	pbt_rfc1939_must(m, one->deleted || !one->was_deleted ||
	    (!m->server->uidplus && (quit || m->n_owed > 0)),
	    "nobody else's flags are taken away");
	pbt_rfc1939_must(m, one->seen == one->was_seen || seen,
	    "nothing is seen but what was retrieved");
}

void
pbt_rfc1939_check_mailbox(const struct pbt_rfc1939 *m)
{
	struct pbt_rfc1939 then = *m;
	bool quit = foresee_quit(&then);
	size_t i;

	for (i = 0; i < m->server->n; i++)
		check_message(&then, &m->server->messages[i], quit);
}

/* What another client removes while the server is away does not come back. */
static bool
cannot_be_had(const struct pbt_rfc1939 *m, const struct pbt_command *c)
{
	return m->trouble || (m->lost &&
	    m->drop[c->numbers[0] - 1].message->vanished);
}

/* A message that is cut is a part of it, and does not end like one. */
static void
check_cut(struct pbt_rfc1939 *m, const struct pbt_command *c)
{
	struct pb_slice part = pb_buffer_slice(&m->received);
	struct pb_buffer whole;

	pb_slice_skip(&part, pb_slice_find(part, '\n') + 1);
	pbt_rfc1939_write_body(m, c, &whole);
	pbt_rfc1939_must(m, part.len < whole.len && (part.len == 0 ||
	    memcmp(part.data, pb_buffer_slice(&whole).data, part.len) == 0),
	    "what is cut is the beginning of the message");
	pb_buffer_fini(&whole);
}

static void
check_flags_are_back(const struct pbt_rfc1939 *m)
{
	size_t i;

	for (i = 0; i < m->server->n; i++) {
		const struct pbt_message *one = &m->server->messages[i];

		pbt_rfc1939_must(m, !one->was_deleted || one->deleted ||
		    one->gone, "flags of others are there at the end");
	}
}

void
pbt_rfc1939_check_end(struct pbt_rfc1939 *m, bool over)
{
	struct pbt_next next = pbt_rfc1939_next(m, pb_buffer_slice(&m->sent));
	bool message = next.verdict != PBT_NO && (next.command.verb == PBT_RETR
	    || next.command.verb == PBT_TOP);
	bool cut = m->received.len > 0 && message &&
	    m->state == PBT_POP3_TRANSACTION;

	pbt_rfc1939_check_mailbox(m);
	if (cut)
		check_cut(m, &next.command);
	pbt_rfc1939_must(m, m->received.len == 0 || m->may_end ||
	    (cut && cannot_be_had(m, &next.command)),
	    "no reply is cut without a reason");
	pbt_rfc1939_must(m, over || !m->must_end, "the session is over");
	pbt_rfc1939_must(m, !over || m->must_end || m->may_end || cut,
	    "the session is not over without a reason");
	pbt_rfc1939_must(m, over || next.octets == 0 ||
	    m->state == PBT_POP3_END, "every command is answered");
	if (!m->trouble)
		check_flags_are_back(m);
}
