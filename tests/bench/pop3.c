#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest beginning of a message that is looked at. */
#define HEAD_MAX 64

static void
status(struct wire *w, const char *command)
{
	struct wire_line line = wire_line(w);

	if (line.len < 3 || memcmp(line.text, "+OK", 3) != 0)
		fail("%s: %.*s", command, (int)line.len, line.text);
}

static void
request(struct wire *w, const char *command)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s\r\n", command);

	wire_must_be_empty(w);
	wire_send(w, line, (size_t)len);
}

static void
ask(struct wire *w, const char *command)
{
	request(w, command);
	status(w, command);
}

static void
ask_about(struct wire *w, const char *verb, const char *argument)
{
	char command[290];

	snprintf(command, sizeof(command), "%s %s", verb, argument);
	request(w, command);
	status(w, verb);
}

static void
login(struct load *l, struct wire *w, unsigned number)
{
	char name[256];

	l->mark = wire_now();
	wire_open(w, &l->options->target, l->in);
	status(w, "greeting");
	load_phase_done(l, PHASE_CONNECT);
	load_user(l, number, name);
	ask_about(w, "USER", name);
	ask_about(w, "PASS", l->options->password);
	load_phase_done(l, PHASE_LOGIN);
}

static void
quit(struct load *l, struct wire *w)
{
	ask(w, "QUIT");
	wire_must_be_empty(w);
	load_phase_done(l, PHASE_QUIT);
	wire_close(w);
}

static void
stat_count(struct load *l, struct wire *w)
{
	struct wire_line line;

	request(w, "STAT");
	line = wire_line(w);
	if (line.len < 5 || memcmp(line.text, "+OK ", 4) != 0)
		fail("STAT: %.*s", (int)line.len, line.text);
	if (strtoul(line.text + 4, NULL, 10) != l->options->messages)
		fail("STAT: %.*s, but there are %u messages", (int)line.len,
		    line.text, l->options->messages);
	load_phase_done(l, PHASE_STAT);
}

/* UIDL or LIST: every number must be there, in order; LIST's sizes stay. */
static void
listing(struct load *l, struct wire *w, const char *command, uint32_t *sizes)
{
	unsigned n;

	ask(w, command);
	for (n = 0;; n++) {
		struct wire_line line = wire_line(w);
		char *end;

		if (line.len == 1 && line.text[0] == '.')
			break;
		if (strtoul(line.text, &end, 10) != n + 1 || *end != ' ' ||
		    end + 1 >= line.text + line.len)
			fail("%s: wrong line %.*s", command, (int)line.len,
			    line.text);
		if (n >= l->options->messages)
			continue;
		if (sizes != NULL)
			sizes[n] = (uint32_t)strtoul(end + 1, NULL, 10);
	}
	if (n != l->options->messages)
		fail("%s has %u messages, but there are %u", command, n,
		    l->options->messages);
	wire_must_be_empty(w);
}

struct body {
	uint64_t octets;
	char tail[5];
	char head[HEAD_MAX];
	size_t head_len;
};

/* Takes what is there; true when it ends as an answer of many lines does. */
static bool
took(struct body *b, struct wire_buffer *in)
{
	size_t n = in->end - in->start;
	const char *data = in->data + in->start;
	size_t head = sizeof(b->head) - b->head_len;

	if (head > n)
		head = n;
	memcpy(b->head + b->head_len, data, head);
	b->head_len += head;
	if (n >= sizeof(b->tail)) {
		memcpy(b->tail, data + n - sizeof(b->tail), sizeof(b->tail));
	} else {
		memmove(b->tail, b->tail + n, sizeof(b->tail) - n);
		memcpy(b->tail + sizeof(b->tail) - n, data, n);
	}
	b->octets += n;
	in->start = in->end = 0;
	return memcmp(b->tail, "\r\n.\r\n", sizeof(b->tail)) == 0;
}

static void
check_head(const struct load *l, const struct body *b, unsigned n)
{
	char expected[HEAD_MAX];
	int len = snprintf(expected, sizeof(expected),
	    "Subject: message %u\r\n", n);

	if (!l->options->numbered)
		return;
	if (b->head_len < (size_t)len ||
	    memcmp(b->head, expected, (size_t)len) != 0)
		fail("message %u begins with %.*s", n, (int)b->head_len,
		    b->head);
}

/* RETR or TOP; returns the octets of the message. */
static uint64_t
retrieve(struct load *l, struct wire *w, const char *verb,
    const char *argument, unsigned n)
{
	struct body b = { .octets = 0 };
	uint64_t sent = wire_now();
	char command[40];

	snprintf(command, sizeof(command), "%s %u%s", verb, n, argument);
	request(w, command);
	wire_read(w);
	samples_add(&l->figures.first_octets, wire_now() - sent);
	status(w, command);
	/* Of an empty message, the line before the final dot is the status. */
	memcpy(b.tail, "OK \r\n", sizeof(b.tail));
	while (!took(&b, w->in))
		wire_read(w);
	samples_add(&l->figures.answers, wire_now() - sent);
	check_head(l, &b, n);
	l->figures.messages++;
	l->figures.octets += b.octets - 3;
	return b.octets - 3;
}

void
pop3_download(struct load *l, unsigned number)
{
	struct wire w;
	unsigned n;

	login(l, &w, number);
	listing(l, &w, "UIDL", NULL);
	load_phase_done(l, PHASE_UIDL);
	listing(l, &w, "LIST", l->sizes);
	load_phase_done(l, PHASE_LIST);
	for (n = 1; n <= l->options->messages; n++) {
		uint64_t octets = retrieve(l, &w, "RETR", "", n);

		/* No line of the benchmark's mail begins with a dot. */
		if (octets != l->sizes[n - 1])
			fail("LIST says %" PRIu32 " octets, message %u has %"
			    PRIu64, l->sizes[n - 1], n, octets);
	}
	load_phase_done(l, PHASE_WORK);
	quit(l, &w);
}

void
pop3_poll(struct load *l, unsigned number)
{
	struct wire w;

	login(l, &w, number);
	stat_count(l, &w);
	listing(l, &w, "UIDL", NULL);
	load_phase_done(l, PHASE_UIDL);
	quit(l, &w);
}

void
pop3_top(struct load *l, unsigned number)
{
	struct wire w;
	unsigned n;

	login(l, &w, number);
	stat_count(l, &w);
	for (n = 1; n <= l->options->messages; n++)
		retrieve(l, &w, "TOP", " 0", n);
	load_phase_done(l, PHASE_WORK);
	quit(l, &w);
}

void
pop3_dele(struct load *l, unsigned number)
{
	struct wire w;
	char argument[20];
	unsigned n;

	login(l, &w, number);
	stat_count(l, &w);
	for (n = 1; n <= l->options->messages; n++) {
		uint64_t sent = wire_now();

		snprintf(argument, sizeof(argument), "%u", n);
		ask_about(&w, "DELE", argument);
		samples_add(&l->figures.answers, wire_now() - sent);
		l->figures.messages++;
	}
	load_phase_done(l, PHASE_WORK);
	quit(l, &w);
}

void
pop3_stay(struct load *l, unsigned number, struct wire *w)
{
	login(l, w, number);
	stat_count(l, w);
	if (l->options->messages > 0)
		retrieve(l, w, "RETR", "", 1);
	load_phase_done(l, PHASE_WORK);
}
