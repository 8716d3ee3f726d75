#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/login.h"
#include "support/trace.h"

/*
 * RETR and TOP against a server that has one message and gives any part of it.
 */

struct server {
	struct pb_slice message;
	size_t given;		/* octets of bodies so far */
	unsigned fetches;
};

/* The numbers of <offset.count>; false when all is wanted. */
static bool
part_of(struct pb_slice line, unsigned *offset, unsigned *count)
{
	size_t at = pb_slice_find(line, '<');
	char text[64];

	if (at == line.len)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(line.len - at),
	    line.data + at);
	assert_int_equal(sscanf(text, "<%u.%u>", offset, count), 2);
	return true;
}

static void
answer(struct server *s, struct pb_slice line, struct pb_buffer *out)
{
	struct pb_slice body = s->message;
	unsigned offset, count;
	struct pb_slice rest = line;
	struct pb_slice tag = pb_slice_word(&rest);

	s->fetches++;
	if (part_of(line, &offset, &count)) {
		if (offset > body.len)
			offset = (unsigned)body.len;
		pb_slice_skip(&body, offset);
		if (body.len > count)
			body.len = count;
		pbt_say(out, "* 1 FETCH (UID 10 BODY[]<%u> {%zu}\r\n", offset,
		    body.len);
	} else {
		pbt_say(out, "* 1 FETCH (UID 10 BODY[] {%zu}\r\n", body.len);
	}
	s->given += body.len;
	pbt_put(out, body);
	pbt_say(out, ")\r\n%.*s OK\r\n", (int)tag.len, tag.data);
}

static void
serve(struct server *s, struct pbt_edge *e)
{
	while (e->to_upstream.len > 0) {
		struct pb_slice in = pb_buffer_slice(&e->to_upstream);
		size_t end = pb_slice_find(in, '\r');
		struct pb_buffer out;

		pb_buffer_init(&out, 128u * 1024 * 1024);
		answer(s, pb_slice_sub(in, 0, end), &out);
		pb_buffer_consume(&e->to_upstream, end + 2);
		pbt_edge_upstream(e, pb_buffer_slice(&out));
		pb_buffer_fini(&out);
	}
}

/* Logged in, with one message whose announced size is `announced`. */
static void
log_in(struct pbt_edge *e, size_t announced)
{
	char listing[200];

	pbt_edge_init(e);
	pbt_edge_start(e);
	pbt_edge_client(e, pb_slice_str("USER max\r\nPASS geheim\r\n"));
	pbt_edge_connected(e);
	pbt_edge_upstream(e, pb_slice_str(
	    "* OK [CAPABILITY IMAP4rev1] hi\r\n"));
	pbt_edge_upstream(e, pb_slice_str(
	    "A1 OK [CAPABILITY IMAP4rev1] in\r\n"));
	snprintf(listing, sizeof(listing), "* 1 EXISTS\r\n"
	    "* OK [UIDVALIDITY 17] x\r\nA2 OK\r\n"
	    "* 1 FETCH (UID 10 RFC822.SIZE %zu)\r\nA3 OK\r\n", announced);
	pbt_edge_upstream(e, pb_slice_str(listing));
	pb_buffer_clear(&e->to_client);
	pb_buffer_clear(&e->to_upstream);
}

/* The reply must be the message as the dot-stuffer makes it. */
static void
must_get(struct server *s, size_t announced, const char *command,
    uint64_t lines)
{
	struct pb_buffer want;
	struct pbt_edge e;
	struct pb_slice got;

	log_in(&e, announced);
	pbt_edge_client(&e, pb_slice_str(command));
	serve(s, &e);
	assert_int_equal(e.bridge.state, PB_BRIDGE_COMMAND);
	got = pb_buffer_slice(&e.to_client);
	assert_true(pb_slice_starts(got, "+OK "));
	pb_slice_skip(&got, pb_slice_find(got, '\n') + 1);
	pbt_stuff_lines = lines;
	pbt_random_splits(&pbt_stuff, s->message, 1, &want);
	ASSERT_OCTETS(got, pb_buffer_slice(&want));
	pb_buffer_fini(&want);
	pbt_edge_fini(&e);
}

static void
random_message(struct pbt_random *random, struct pb_buffer *m, size_t header,
    size_t body)
{
	static const char *const ends[] = { "\r\n", "\r\n", "\r\n", "\n",
		"\r\n.", "\n." };

	while (m->len < header)
		pbt_say(m, "x-header: %*s\r\n",
		    (int)pbt_random_below(random, 200), "");
	pbt_say(m, "\r\n");
	while (m->len < header + body)
		pbt_say(m, "%*s%s", (int)pbt_random_below(random, 100), "b",
		    ends[pbt_random_below(random, COUNT(ends))]);
}

static void
top_in_parts_is_top_of_the_whole(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 30; i++) {
		struct server s = { .given = 0 };
		struct pb_buffer m;
		char command[64];
		uint64_t lines = pbt_random_below(&random, 2000);
		size_t announced;

		pb_buffer_init(&m, 8u * 1024 * 1024);
		random_message(&random, &m,
		    pbt_random_below(&random, i % 2 == 0 ? 500 : 90000),
		    pbt_random_below(&random, 300000));
		s.message = pb_buffer_slice(&m);
		announced = s.message.len;
		/* Servers' sizes are not always exact. */
		if (i % 3 == 0)
			announced += pbt_random_below(&random, 100);
		snprintf(command, sizeof(command), "TOP 1 %" PRIu64 "\r\n",
		    lines);
		must_get(&s, announced, command, lines);
		pb_buffer_fini(&m);
	}
}

static void
retr_is_the_whole_in_one_fetch(void **state)
{
	struct pbt_random random;
	unsigned i;

	(void)state;
	pbt_random_init(&random);
	for (i = 0; i < 10; i++) {
		struct server s = { .given = 0 };
		struct pb_buffer m;

		pb_buffer_init(&m, 8u * 1024 * 1024);
		random_message(&random, &m, 500,
		    pbt_random_below(&random, 200000));
		s.message = pb_buffer_slice(&m);
		must_get(&s, s.message.len, "RETR 1\r\n", UINT64_MAX);
		assert_int_equal(s.fetches, 1);
		pb_buffer_fini(&m);
	}
}

static void
ten_lines_of_a_large_message_are_cheap(void **state)
{
	struct pbt_random random;
	struct server s = { .given = 0 };
	struct pb_buffer m;

	(void)state;
	pbt_random_seed(&random, 7);
	pb_buffer_init(&m, 16u * 1024 * 1024);
	random_message(&random, &m, 2000, 8u * 1024 * 1024);
	s.message = pb_buffer_slice(&m);
	must_get(&s, s.message.len, "TOP 1 10\r\n", 10);
	assert_int_equal(s.fetches, 1);
	assert_true(s.given < 32 * 1024);
	pb_buffer_fini(&m);
}

/* What Courier sends for a message whose file it cannot open. */
static const char excuse[] =
    "From: System Administrator <root@localhost>\r\n"
    "Subject: message unavailable\r\n\r\n"
    "This message is no longer available on the server.\r\n";

/*
 * What becomes of a text for a message of so many octets, cut in two.
 * from_courier: by a server that has such texts.
 */
static enum pb_retrieval_verdict
retrieve(const char *text, uint32_t announced, size_t cut, bool from_courier,
    struct pb_buffer *out, struct pb_error *err)
{
	struct pb_imap_event done = { .condition = PB_IMAP_OK };
	struct pb_slice all = pb_slice_str(text);
	struct pb_retrieval r;

	pb_buffer_init(out, 4096);
	pb_retrieval_init(&r, 1, 10, announced, false, PB_POP3_ALL_LINES);
	pb_retrieval_ask_part(&r);
	r.excuses = from_courier;
	if (pb_retrieval_begin_part(&r, all.len, out, err) !=
	    PB_RETRIEVAL_GOES_ON ||
	    pb_retrieval_take(&r, pb_slice_sub(all, 0, cut), out, err) !=
	    PB_RETRIEVAL_GOES_ON ||
	    pb_retrieval_take(&r, pb_slice_sub(all, cut, all.len), out, err) !=
	    PB_RETRIEVAL_GOES_ON)
		return PB_RETRIEVAL_CUT;
	return pb_retrieval_end_part(&r, &done, out, err);
}

static void
an_excuse_is_not_the_message(void **state)
{
	struct pb_buffer out;
	struct pb_error err;
	size_t cut;

	(void)state;
	for (cut = 0; cut < 2 * sizeof(excuse); cut++) {
		bool from_courier = cut >= sizeof(excuse);

		/* Courier says the size of the text, too. */
		assert_int_equal(retrieve(excuse,
		    from_courier ? sizeof(excuse) - 1 : 22,
		    cut % sizeof(excuse), from_courier, &out, &err),
		    PB_RETRIEVAL_FAILED);
		assert_int_equal(err.kind, PB_ERROR_TEMPORARY);
		assert_int_equal(out.len, 0);
		pb_buffer_fini(&out);
	}
}

static void
must_arrive(const char *text, uint32_t announced, size_t cut,
    bool from_courier)
{
	struct pb_buffer out;
	struct pb_error err;
	struct pb_slice got;

	assert_int_equal(retrieve(text, announced, cut, from_courier, &out,
	    &err), PB_RETRIEVAL_DONE);
	got = pb_buffer_slice(&out);
	assert_true(pb_slice_starts(got, "+OK "));
	pb_slice_skip(&got, pb_slice_find(got, '\n') + 1);
	assert_int_equal(got.len, strlen(text) + 3);
	assert_memory_equal(got.data, text, strlen(text));
	pb_buffer_fini(&out);
}

static void
a_message_that_only_begins_like_an_excuse_arrives(void **state)
{
	char text[sizeof(excuse)];
	size_t at, cut;

	(void)state;
	for (at = 0; at + 2 < sizeof(excuse) - 1; at++) {
		/* The LF behind it would become two octets. */
		if (excuse[at] == '\r')
			continue;
		memcpy(text, excuse, sizeof(text));
		text[at] = '#';
		for (cut = 0; cut < sizeof(excuse); cut++) {
			must_arrive(text, 22, cut, false);
			must_arrive(text, sizeof(excuse) - 1, cut, true);
		}
	}
}

static void
a_copy_of_such_a_text_arrives_from_another_server(void **state)
{
	(void)state;
	must_arrive(excuse, sizeof(excuse) - 1, 7, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_in_parts_is_top_of_the_whole),
		cmocka_unit_test(retr_is_the_whole_in_one_fetch),
		cmocka_unit_test(ten_lines_of_a_large_message_are_cheap),
		cmocka_unit_test(an_excuse_is_not_the_message),
		cmocka_unit_test(
		    a_message_that_only_begins_like_an_excuse_arrives),
		cmocka_unit_test(a_copy_of_such_a_text_arrives_from_another_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
