#include "support/test.h"

#include <string.h>

#include "popbridge/bridge/census.h"

#define UIDVALIDITY 17

struct world {
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_imap_client imap;
	struct pb_census census;
	struct pb_error error;
};

/* UIDs 1, 2, ... of one octet each. */
static struct pb_listing *
listing(uint32_t count)
{
	struct pb_listing *l = pb_listing_new(count);
	uint32_t i;

	assert_non_null(l);
	l->uidvalidity = UIDVALIDITY;
	l->uidnext = count + 1;
	for (i = 0; i < count; i++) {
		l->uids[i] = i + 1;
		l->sizes[i] = 1;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

static enum pb_census_verdict
hear(struct world *w, struct pb_imap_event event)
{
	return pb_census_event(&w->census, &w->imap, &event, &w->error);
}

static enum pb_census_verdict
hear_done(struct world *w, enum pb_imap_command_kind kind)
{
	return hear(w, (struct pb_imap_event){ .type = PB_IMAP_EVENT_DONE,
		.kind = kind, .condition = PB_IMAP_OK });
}

static enum pb_census_verdict
hear_message(struct world *w, uint32_t n, bool has_size)
{
	return hear(w, (struct pb_imap_event){ .type = PB_IMAP_EVENT_SIZE,
		.seq = n, .uid = n, .has_size = has_size, .size = 1 });
}

/* So many are known, and so many have come behind them: the last verdict. */
static enum pb_census_verdict
count(struct world *w, uint32_t known, uint32_t news)
{
	struct pb_listing *l = listing(known);
	uint32_t i;

	*w = (struct world){ .grammar = pb_imap_grammar_new(),
		.writer = pb_imap_writer_new() };
	pb_imap_client_init(&w->imap, w->grammar, w->writer,
	    PB_IMAP_TLS_IMPLICIT);
	w->imap.state = PB_IMAP_STATE_READY;
	pb_census_init(&w->census, l);
	pb_listing_unref(&l);
	pb_census_begin(&w->census, &w->imap, "INBOX");
	w->imap.has_uidvalidity = true;
	w->imap.uidvalidity = UIDVALIDITY;
	w->imap.uidnext = known + news + 1;
	hear(w, (struct pb_imap_event){ .type = PB_IMAP_EVENT_EXISTS,
		.number = known + news });
	hear_done(w, PB_IMAP_COMMAND_SELECT);
	for (i = known; i <= known + news; i++)
		hear_message(w, i, false);
	assert_int_equal(hear_done(w, PB_IMAP_COMMAND_UIDS),
	    PB_CENSUS_GOES_ON);
	for (i = known + 1; i <= known + news; i++)
		assert_int_equal(hear_message(w, i, true), PB_CENSUS_GOES_ON);
	return hear_done(w, PB_IMAP_COMMAND_SIZES);
}

static void
stop(struct world *w)
{
	pb_census_fini(&w->census);
	pb_imap_client_fini(&w->imap);
	pb_imap_writer_free(&w->writer);
	pb_imap_grammar_free(&w->grammar);
}

static void
a_mailbox_may_grow_to_as_many_as_a_maildrop_has(void **state)
{
	struct world w;

	(void)state;
	assert_int_equal(count(&w, PB_LISTING_MAX - 2, 2), PB_CENSUS_DONE);
	assert_int_equal(w.census.listing->count, PB_LISTING_MAX);
	stop(&w);
}

static void
a_mailbox_that_grows_beyond_is_refused(void **state)
{
	struct world w;

	(void)state;
	assert_int_equal(count(&w, PB_LISTING_MAX - 1, 2), PB_CENSUS_FAILED);
	assert_int_equal(w.error.kind, PB_ERROR_PERMANENT);
	assert_non_null(strstr(w.error.text, "more messages than"));
	stop(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_mailbox_may_grow_to_as_many_as_a_maildrop_has),
		cmocka_unit_test(a_mailbox_that_grows_beyond_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
