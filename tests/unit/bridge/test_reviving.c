#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "support/login.h"

/*
 * A server that has one message, and dies at every octet of what it says: the
 * client must hear what it hears when nothing happens.
 */

/* Lines of all kinds, so that cuts fall on dots and line ends. */
#define SHORT "a: b\r\n\r\n.\r\n..\r\nbare\nx\r\r\n\r.\r\n.end"

struct world {
	struct pbt_edge edge;
	struct pb_buffer heard;		/* when nothing happens */
};

static void
say(struct pbt_edge *e, const char *text)
{
	pbt_edge_upstream(e, pb_slice_str(text));
}

static void
list(struct pbt_edge *e, unsigned tag, size_t announced)
{
	char listing[200];

	snprintf(listing, sizeof(listing), "* 1 EXISTS\r\n"
	    "* OK [UIDVALIDITY 17] x\r\nA%u OK\r\n"
	    "* 1 FETCH (UID 10 RFC822.SIZE %zu)\r\nA%u OK\r\n", tag,
	    announced, tag + 1);
	say(e, listing);
}

static void
log_in(struct pbt_edge *e, size_t announced)
{
	pbt_edge_init(e);
	e->options.revive = true;
	pbt_edge_start(e);
	pbt_edge_client(e, pb_slice_str("USER max\r\nPASS geheim\r\n"));
	pbt_edge_connected(e);
	say(e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	say(e, "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n");
	list(e, 2, announced);
	/* That it has no octets is believed the second time. */
	if (announced == 0)
		list(e, 4, announced);
	assert_int_equal(e->bridge.pop3.state, PB_POP3_TRANSACTION);
	pb_buffer_clear(&e->to_client);
	pb_buffer_clear(&e->to_upstream);
}

/* Up to the command that is sent again. */
static void
come_back(struct pbt_edge *e)
{
	if (!e->connect_asked)
		return;
	pb_buffer_clear(&e->to_upstream);
	pbt_edge_connected(e);
	say(e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	say(e, "A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n");
	pb_buffer_clear(&e->to_upstream);
	say(e, "* 1 EXISTS\r\n* OK [UIDVALIDITY 17] x\r\nA2 OK\r\n");
}

/* What the server says to the FETCH that it has heard. */
static void
answer(struct pbt_edge *e, struct pb_slice message, struct pb_buffer *out)
{
	struct pb_slice line = pb_buffer_slice(&e->to_upstream);
	struct pb_slice body = message;
	char tag[16], text[200], *part;
	unsigned count = 0;

	pb_buffer_init(out, 16u * 1024 * 1024);
	snprintf(text, sizeof(text), "%.*s", (int)line.len, line.data);
	assert_int_equal(sscanf(text, "%15s UID FETCH 10", tag), 1);
	part = strstr(text, "<0.");
	if (part != NULL)
		assert_int_equal(sscanf(part, "<0.%u>", &count), 1);
	if (count > 0 && body.len > count)
		body.len = count;
	pbt_say(out, "* 1 FETCH (UID 10 BODY[]%s {%zu}\r\n",
	    count > 0 ? "<0>" : "", body.len);
	pbt_put(out, body);
	pbt_say(out, ")\r\n%s OK\r\n", tag);
	pb_buffer_clear(&e->to_upstream);
}

/*
 * Serve what is asked for until nothing is; the server dies before octet `cut`
 * of all that it says.  True: it has died.
 */
static bool
serve(struct pbt_edge *e, struct pb_slice message, size_t cut)
{
	struct pb_buffer out;
	size_t said = 0;
	bool dead = false;

	while (e->to_upstream.len > 0 && !e->ended) {
		struct pb_slice words;

		answer(e, message, &out);
		words = pb_buffer_slice(&out);
		if (!dead && cut - said < words.len) {
			dead = true;
			pbt_edge_upstream(e, pb_slice_sub(words, 0,
			    cut - said));
			pbt_edge_upstream_eof(e);
			come_back(e);
		} else {
			said += dead ? 0 : words.len;
			pbt_edge_upstream(e, words);
		}
		pb_buffer_fini(&out);
	}
	return dead;
}

static void
listen_undisturbed(struct pb_buffer *heard, struct pb_slice message,
    const char *command)
{
	struct pbt_edge e;

	pb_buffer_init(heard, 16u * 1024 * 1024);
	log_in(&e, message.len);
	pbt_edge_client(&e, pb_slice_str(command));
	assert_false(serve(&e, message, SIZE_MAX));
	pbt_put(heard, pb_buffer_slice(&e.to_client));
	pbt_edge_fini(&e);
}

/* `step` apart, for long messages. */
static void
cut_everywhere(struct pb_slice message, const char *command, size_t step)
{
	struct pb_buffer heard;
	struct pbt_edge e;
	size_t cut;
	bool dead = true;

	listen_undisturbed(&heard, message, command);
	for (cut = 0; dead; cut += step) {
		log_in(&e, message.len);
		pbt_edge_client(&e, pb_slice_str(command));
		dead = serve(&e, message, cut);
		assert_false(e.ended);
		assert_int_equal(e.bridge.revivals, dead);
		ASSERT_OCTETS(pb_buffer_slice(&e.to_client),
		    pb_buffer_slice(&heard));
		pbt_edge_fini(&e);
	}
	pb_buffer_fini(&heard);
}

static void
make_long(struct pb_buffer *m, size_t lines)
{
	size_t i;

	pb_buffer_init(m, 16u * 1024 * 1024);
	for (i = 0; i < lines; i++)
		pbt_say(m, "header-%zu: %zu\r\n", i, i * i);
	pbt_say(m, "\r\n");
	for (i = 0; i < lines; i++)
		pbt_say(m, "%s%zu\r\n", i % 3 == 0 ? "." : "", i);
}

static void
a_message_that_is_cut_at_any_octet_is_delivered_whole(void **state)
{
	(void)state;
	cut_everywhere(pb_slice_str(SHORT), "RETR 1\r\n", 1);
	cut_everywhere(pb_slice_str("x"), "RETR 1\r\n", 1);
	cut_everywhere(pb_slice_str(""), "RETR 1\r\n", 1);
}

static void
so_is_the_top_of_one(void **state)
{
	(void)state;
	cut_everywhere(pb_slice_str(SHORT), "TOP 1 0\r\n", 1);
	cut_everywhere(pb_slice_str(SHORT), "TOP 1 3\r\n", 1);
}

static void
so_is_a_top_of_several_parts(void **state)
{
	struct pb_buffer m;

	(void)state;
	/* A header of three parts. */
	make_long(&m, 6000);
	assert_true(m.len > 90000);
	cut_everywhere(pb_buffer_slice(&m), "TOP 1 2\r\n", 503);
	pb_buffer_fini(&m);
}

static void
so_is_one_that_is_longer_than_a_read(void **state)
{
	struct pb_buffer m;

	(void)state;
	make_long(&m, 10000);
	cut_everywhere(pb_buffer_slice(&m), "RETR 1\r\n", 2003);
	pb_buffer_fini(&m);
}

static bool
is_complete(const struct pb_buffer *reply)
{
	struct pb_slice s = pb_buffer_slice(reply);

	return s.len >= 5 && memcmp(s.data + s.len - 5, "\r\n.\r\n", 5) == 0;
}

/* Each octet that the client has been sent, and one that it has not. */
static void
one_octet_that_changed_meanwhile_cuts_it(void **state)
{
	static const char before[] = "Subject: x\r\n\r\nwell, this is it\r\n";
	struct pb_slice message = pb_slice_str(before);
	size_t sent = 20;
	size_t i;

	(void)state;
	for (i = 0; i < message.len; i++) {
		struct pb_buffer out;
		struct pbt_edge e;
		char after[sizeof(before)];
		char begin[80];

		memcpy(after, before, sizeof(after));
		after[i] ^= 1;
		log_in(&e, message.len);
		pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
		snprintf(begin, sizeof(begin),
		    "* 1 FETCH (UID 10 BODY[] {%zu}\r\n%.*s", message.len,
		    (int)sent, before);
		say(&e, begin);
		pbt_edge_upstream_eof(&e);
		come_back(&e);
		answer(&e, pb_slice(after, message.len), &out);
		pbt_edge_upstream(&e, pb_buffer_slice(&out));
		assert_int_equal(e.ended, i < sent);
		assert_int_equal(is_complete(&e.to_client), i >= sent);
		pb_buffer_fini(&out);
		pbt_edge_fini(&e);
	}
}

static void
without_the_option_nothing_remembers_the_password(void **state)
{
	struct pbt_edge e;

	(void)state;
	pbt_edge_init(&e);
	pbt_edge_start(&e);
	pbt_login(&e, 1, true);
	assert_int_equal(pb_secret_reveal(&e.bridge.identity.password).len, 0);
	pbt_edge_upstream_eof(&e);
	pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
	assert_false(e.connect_asked);
	pbt_edge_fini(&e);
}

static void
with_it_the_password_ends_with_the_session(void **state)
{
	static const char *const ends[] = { "QUIT\r\n", NULL };
	struct pbt_edge e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(ends); i++) {
		log_in(&e, 1);
		assert_int_equal(pb_secret_reveal(
		    &e.bridge.identity.password).len, 6);
		/* Nobody but the bridge has it. */
		assert_int_equal(pb_secret_reveal(&e.imap.password).len, 0);
		if (ends[i] != NULL)
			pbt_edge_client(&e, pb_slice_str(ends[i]));
		else
			pbt_edge_client_gone(&e);
		assert_true(e.ended);
		assert_int_equal(pb_secret_reveal(
		    &e.bridge.identity.password).len, 0);
		pbt_edge_fini(&e);
	}
}

static void
a_refused_one_is_forgotten_at_once_and_the_edge_is_told(void **state)
{
	struct pbt_edge e;

	(void)state;
	log_in(&e, 1);
	pbt_edge_upstream_eof(&e);
	pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
	pbt_edge_connected(&e);
	say(&e, "* OK [CAPABILITY IMAP4rev1] hi\r\n");
	assert_false(e.bridge.refused);
	say(&e, "A1 NO [AUTHENTICATIONFAILED] no\r\n");
	assert_true(e.bridge.refused);
	assert_int_equal(pb_secret_reveal(&e.bridge.identity.password).len, 0);
	pb_buffer_clear(&e.to_client);
	pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
	assert_false(e.connect_asked);
	assert_true(pb_slice_starts(pb_buffer_slice(&e.to_client), "-ERR"));
	pbt_edge_fini(&e);
}

/* Capacity for what a peer says or hears: that is not under test. */
static void
make_room(struct pb_buffer *b)
{
	char *room;

	assert_int_equal(pb_buffer_reserve(b, 1 << 14, &room), PB_OK);
}

/* However little memory there is, no reply is complete that is not right. */
static void
no_memory_on_the_way_back_completes_nothing(void **state)
{
	static const char head[] = "* 1 FETCH (UID 10 BODY[] {32}\r\n";
	struct pb_buffer heard;
	bool complete = false;
	unsigned long n;

	(void)state;
	listen_undisturbed(&heard, pb_slice_str(SHORT), "RETR 1\r\n");
	for (n = 1; !complete && n < 1000; n++) {
		struct pbt_edge e;
		struct pb_slice got;

		log_in(&e, strlen(SHORT));
		make_room(&e.from_client);
		make_room(&e.from_upstream);
		make_room(&e.to_client);
		make_room(&e.to_upstream);
		pbt_edge_client(&e, pb_slice_str("RETR 1\r\n"));
		say(&e, head);
		say(&e, "a: b\r\n\r\n.\r");
		pb_mem_fail_from(n);
		pbt_edge_upstream_eof(&e);
		come_back(&e);
		say(&e, head);
		say(&e, SHORT ")\r\nA3 OK\r\n");
		pb_mem_fail_from(0);
		got = pb_buffer_slice(&e.to_client);
		assert_true(got.len <= heard.len && memcmp(got.data,
		    pb_buffer_slice(&heard).data, got.len) == 0);
		complete = got.len == heard.len;
		assert_true(complete || e.ended);
		pbt_edge_fini(&e);
	}
	assert_true(complete);
	assert_true(n > 4);
	pb_buffer_fini(&heard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_that_is_cut_at_any_octet_is_delivered_whole),
		cmocka_unit_test(so_is_the_top_of_one),
		cmocka_unit_test(so_is_a_top_of_several_parts),
		cmocka_unit_test(so_is_one_that_is_longer_than_a_read),
		cmocka_unit_test(one_octet_that_changed_meanwhile_cuts_it),
		cmocka_unit_test(without_the_option_nothing_remembers_the_password),
		cmocka_unit_test(with_it_the_password_ends_with_the_session),
		cmocka_unit_test(
		    a_refused_one_is_forgotten_at_once_and_the_edge_is_told),
		cmocka_unit_test(no_memory_on_the_way_back_completes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
