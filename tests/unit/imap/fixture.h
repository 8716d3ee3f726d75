#ifndef PBT_IMAP_FIXTURE_H
#define PBT_IMAP_FIXTURE_H

#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/imap/client.h"

/* A client that has logged in, and what it tells, an event a line. */
struct fixture {
	struct pb_imap_client client;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_imap_event event;	/* the last one */
	enum pb_status status;
	struct pb_buffer told;		/* events, a line each */
};

static inline void
tell(struct fixture *f, const struct pb_imap_event *e)
{
	size_t i;

	pbt_say(&f->told, "%s %u", e->type == PB_IMAP_EVENT_DONE ? "done" :
	    e->type == PB_IMAP_EVENT_FOUND ? "found" :
	    e->type == PB_IMAP_EVENT_MAILBOX ? "mailbox" :
	    e->type == PB_IMAP_EVENT_STATUS ? "status" :
	    e->type == PB_IMAP_EVENT_EXISTS ? "exists" :
	    e->type == PB_IMAP_EVENT_EXPUNGE ? "expunge" : "other", e->id);
	if (e->condition != PB_IMAP_OK)
		pbt_say(&f->told, " refused");
	if (e->try_create)
		pbt_say(&f->told, " try create");
	if (e->already_exists)
		pbt_say(&f->told, " already exists");
	if (e->number > 0)
		pbt_say(&f->told, " %u", e->number);
	if (e->special > 0)
		pbt_say(&f->told, " for %u", e->special);
	if (e->data.len > 0)
		pbt_say(&f->told, " %.*s", (int)e->data.len, e->data.data);
	if (e->has_copied)
		pbt_say(&f->told, " copied");
	assert_true(e->has_copied || e->n_ranges == 0 ||
	    e->type == PB_IMAP_EVENT_FOUND);
	for (i = 0; i < e->n_ranges; i++)
		pbt_say(&f->told, " %u:%u", e->ranges[i].first,
		    e->ranges[i].last);
	pbt_say(&f->told, "\n");
}

static inline void
says(struct fixture *f, const char *octets)
{
	struct pb_slice in = pb_slice_str(octets);
	struct pb_imap_event event;

	pb_buffer_clear(&f->told);
	do {
		f->status = pb_imap_client_next(&f->client, &in, &event);
		if (f->status == PB_OK) {
			f->event = event;
			tell(f, &event);
		}
	} while (f->status == PB_OK);
}

static inline void
must_tell(struct fixture *f, const char *octets, const char *want)
{
	says(f, octets);
	assert_int_equal(f->status, PB_AGAIN);
	ASSERT_OCTETS(pb_buffer_slice(&f->told), pb_slice_str(want));
}

static inline void
sends(struct fixture *f, const char *octets)
{
	ASSERT_OCTETS(pb_buffer_slice(&f->client.out), pb_slice_str(octets));
	pb_buffer_clear(&f->client.out);
}

/* A client that is READY; its tags go on from A2. */
static inline struct fixture *
start(const char *capabilities)
{
	struct fixture *f = pb_xalloc(sizeof(*f));
	struct pb_secret secret = { NULL, 0 };
	char line[200];

	f->grammar = pb_imap_grammar_new();
	f->writer = pb_imap_writer_new();
	pb_buffer_init(&f->told, 1024 * 1024);
	pb_imap_client_init(&f->client, f->grammar, f->writer,
	    PB_IMAP_TLS_IMPLICIT);
	assert_int_equal(pb_secret_set(&secret, OCTETS("x")), PB_OK);
	assert_int_equal(pb_imap_client_login(&f->client, OCTETS("max"),
	    &secret), PB_OK);
	says(f, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	snprintf(line, sizeof(line), "A1 OK [CAPABILITY IMAP4rev1 %s] in\r\n",
	    capabilities);
	says(f, line);
	assert_int_equal(f->client.state, PB_IMAP_STATE_READY);
	pb_buffer_clear(&f->client.out);
	return f;
}

static inline void
finish(struct fixture *f)
{
	pb_imap_client_fini(&f->client);
	pb_imap_grammar_free(&f->grammar);
	pb_imap_writer_free(&f->writer);
	pb_buffer_fini(&f->told);
	pb_free(f);
}

#endif
