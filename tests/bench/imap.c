#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of FETCH: what its lines say. */
struct fetched {
	unsigned messages;
	uint64_t octets;	/* of literals */
	uint32_t *uids;		/* borrowed, or NULL */
};

static bool
begins(struct wire_line line, const char *with)
{
	return line.len >= strlen(with) &&
	    memcmp(line.text, with, strlen(with)) == 0;
}

/* The octets of the literal that this line announces; false: none. */
static bool
literal(struct wire_line line, uint64_t *octets)
{
	size_t i = line.len;

	if (line.len < 3 || line.text[--i] != '}')
		return false;
	while (i > 0 && line.text[i] != '{')
		i--;
	*octets = strtoull(line.text + i + 1, NULL, 10);
	return line.text[i] == '{';
}

static void
fetch_line(struct fetched *f, const struct load *l, struct wire_line line)
{
	char text[200];
	size_t len = line.len < sizeof(text) ? line.len : sizeof(text) - 1;
	const char *uid;

	memcpy(text, line.text, len);
	text[len] = '\0';
	if (strstr(text, " FETCH (") == NULL)
		return;
	uid = strstr(text, "UID ");
	if (uid == NULL || f->messages >= l->options->messages)
		fail("unexpected: %s", text);
	if (f->uids != NULL)
		f->uids[f->messages] = (uint32_t)strtoul(uid + 4, NULL, 10);
	f->messages++;
}

/* Sends a command and takes everything up to its end. */
static void
command(struct load *l, struct wire *w, const char *text, struct fetched *f)
{
	char line[700];
	int len = snprintf(line, sizeof(line), "a %s\r\n", text);

	wire_must_be_empty(w);
	wire_send(w, line, (size_t)len);
	for (;;) {
		struct wire_line answer = wire_line(w);
		uint64_t octets;

		if (begins(answer, "a ")) {
			if (!begins(answer, "a OK"))
				fail("IMAP: %.*s", (int)answer.len,
				    answer.text);
			break;
		}
		if (f != NULL && begins(answer, "* "))
			fetch_line(f, l, answer);
		if (literal(answer, &octets)) {
			wire_skip(w, octets);
			if (f != NULL)
				f->octets += octets;
		}
	}
}

static void
login(struct load *l, struct wire *w, unsigned number)
{
	char text[600];
	char name[256];

	l->mark = wire_now();
	wire_open(w, &l->options->target, l->in);
	if (!begins(wire_line(w), "* OK"))
		fail("this is not the greeting of an IMAP server");
	load_phase_done(l, PHASE_CONNECT);
	load_user(l, number, name);
	snprintf(text, sizeof(text), "LOGIN \"%s\" \"%.200s\"", name,
	    l->options->password);
	command(l, w, text, NULL);
	load_phase_done(l, PHASE_LOGIN);
	command(l, w, "SELECT INBOX", NULL);
	load_phase_done(l, PHASE_STAT);
}

static void
logout(struct load *l, struct wire *w)
{
	command(l, w, "LOGOUT", NULL);
	load_phase_done(l, PHASE_QUIT);
	wire_close(w);
}

static void
count(struct load *l, const struct fetched *f)
{
	if (f->messages != l->options->messages)
		fail("FETCH brought %u messages, but there are %u",
		    f->messages, l->options->messages);
	l->figures.messages += f->messages;
	l->figures.octets += f->octets;
}

static void
fetch_all(struct load *l, struct wire *w, const char *what, uint32_t *uids)
{
	struct fetched f = { .uids = uids };
	char text[100];

	snprintf(text, sizeof(text), "UID FETCH 1:* (UID %s)", what);
	command(l, w, text, &f);
	count(l, &f);
}

void
imap_bulk(struct load *l, unsigned number)
{
	struct wire w;

	login(l, &w, number);
	fetch_all(l, &w, "BODY.PEEK[]", NULL);
	load_phase_done(l, PHASE_WORK);
	logout(l, &w);
}

void
imap_sizes(struct load *l, unsigned number)
{
	struct wire w;

	login(l, &w, number);
	fetch_all(l, &w, "RFC822.SIZE", NULL);
	load_phase_done(l, PHASE_LIST);
	logout(l, &w);
}

void
imap_each(struct load *l, unsigned number)
{
	uint32_t *uids = l->sizes;
	struct wire w;
	unsigned i;

	login(l, &w, number);
	fetch_all(l, &w, "RFC822.SIZE", uids);
	l->figures.messages = 0;
	load_phase_done(l, PHASE_LIST);
	for (i = 0; i < l->options->messages; i++) {
		struct fetched f = { .messages = 0 };
		uint64_t sent = wire_now();
		char text[60];

		snprintf(text, sizeof(text), "UID FETCH %" PRIu32
		    " (UID BODY.PEEK[])", uids[i]);
		command(l, &w, text, &f);
		samples_add(&l->figures.answers, wire_now() - sent);
		if (f.messages != 1)
			fail("%s: %u messages", text, f.messages);
		l->figures.messages++;
		l->figures.octets += f.octets;
	}
	load_phase_done(l, PHASE_WORK);
	logout(l, &w);
}
