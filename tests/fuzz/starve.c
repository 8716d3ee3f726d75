#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "support/edge.h"

/*
 * Plays each input of the bridge's target again and again without memory: the
 * n-th allocation fails, alone or with all that come after it, for every n that
 * the session comes to.
 *
 * What the client hears then must be replies, and no message may end that has
 * not come whole; the server must not hear of any removal that it does not hear
 * of with memory, and of each one before the client hears that it is done.
 */

#define HEARD_MAX (256u * 1024 * 1024)
/* RFC 2449, section 4, with its CR LF. */
#define LINE_MAX_OCTETS 512

int pbt_starve_play(const uint8_t *data, size_t size);

struct heard {
	struct pb_buffer client;
	struct pb_buffer removals;	/* commands without their tags */
	struct pb_buffer unasked;	/* those of them that nobody asked for */
	bool lie;			/* "removed" is heard, and it is not */
};

static const char done[] = " messages removed\r\n";

static struct heard *now;
static unsigned long plays;

static bool
removes(struct pb_slice command)
{
	struct pb_slice word = pb_slice_word(&command);

	if (memmem(command.data, command.len, "\\Seen", 5) != NULL)
		return false;
	if (pb_slice_is(word, "UID"))
		word = pb_slice_word(&command);
	return pb_slice_is(word, "STORE") || pb_slice_is(word, "EXPUNGE") ||
	    pb_slice_is(word, "MOVE") || pb_slice_is(word, "COPY") || pb_slice_is(word, "CLOSE");
}

/* By DELE in this session, or by an earlier one. */
static bool
is_asked_for(const struct pbt_edge *e, uint64_t uid)
{
	const struct pb_maildrop *m = &e->bridge.maildrop;
	uint32_t i;
	size_t k;

	for (i = 1; i <= m->count; i++) {
		if (pb_maildrop_uid_of(m, i) == uid)
			return pb_maildrop_is_deleted(m, i);
	}
	for (i = 0; e->owed != NULL && i < e->owed->n; i++) {
		for (k = 0; k < e->owed->list[i].n; k++) {
			if (e->owed->list[i].uids[k] == uid)
				return true;
		}
	}
	return false;
}

/* The set of UIDs of a UID STORE or UID EXPUNGE, as a string. */
static char *
set_of(struct pb_slice command, char *set, size_t size)
{
	(void)pb_slice_word(&command);
	(void)pb_slice_word(&command);
	snprintf(set, size, "%.*s", (int)command.len, command.data);
	return set;
}

/* The next range of the set; false at its end. */
static bool
next_range(char **set, uint64_t *first, uint64_t *last)
{
	char *at = *set;

	if (*at < '0' || *at > '9')
		return false;
	*first = *last = strtoull(at, &at, 10);
	if (*at == ':')
		*last = strtoull(at + 1, &at, 10);
	*set = at + (*at == ',');
	return true;
}

/* Each message that the command names; of all when it names none. */
static bool
all_asked_for(const struct pbt_edge *e, struct pb_slice command)
{
	char text[1024];
	char *set = set_of(command, text, sizeof(text));
	uint64_t uid;
	uint64_t last;

	while (next_range(&set, &uid, &last)) {
		for (; uid <= last; uid++) {
			if (!is_asked_for(e, uid))
				return false;
		}
	}
	return set > text;
}

/* Has the server heard of this one? */
static bool
is_told(uint64_t uid)
{
	struct pb_slice rest = pb_buffer_slice(&now->removals);
	char text[1024];

	while (rest.len > 0) {
		struct pb_slice line = pb_slice(rest.data,
		    pb_slice_find(rest, '\n') + 1);
		char *set = set_of(line, text, sizeof(text));
		uint64_t first;
		uint64_t last;

		pb_slice_skip(&rest, line.len);
		while (next_range(&set, &first, &last)) {
			if (uid >= first && uid <= last)
				return true;
		}
	}
	return false;
}

static bool
all_told(const struct pbt_edge *e)
{
	const struct pb_maildrop *m = &e->bridge.maildrop;
	uint32_t i;

	/* Of that the journal has to hear. */
	if (e->options.removal == PB_REMOVAL_KEEP)
		return e->promised;
	for (i = 1; i <= m->count; i++) {
		if (pb_maildrop_is_deleted(m, i) &&
		    !is_told(pb_maildrop_uid_of(m, i)))
			return false;
	}
	return true;
}

static void
overhear(const struct pbt_edge *e, bool client, struct pb_slice octets)
{
	pb_mem_spare(true);
	if (client)
		pbt_put(&now->client, octets);
	if (client && memmem(octets.data, octets.len, done,
	    sizeof(done) - 1) != NULL && !all_told(e))
		now->lie = true;
	while (!client && octets.len > 0) {
		size_t end = pb_slice_find(octets, '\n');
		struct pb_slice line = pb_slice(octets.data,
		    end < octets.len ? end + 1 : end);

		pb_slice_skip(&octets, line.len);
		pb_slice_word(&line);
		if (!removes(line))
			continue;
		pbt_put(&now->removals, line);
		if (!all_asked_for(e, line))
			pbt_put(&now->unasked, line);
	}
	pb_mem_spare(false);
}

static void
play(struct heard *heard, const uint8_t *data, size_t size)
{
	pb_buffer_init(&heard->client, HEARD_MAX);
	pb_buffer_init(&heard->removals, HEARD_MAX);
	pb_buffer_init(&heard->unasked, HEARD_MAX);
	now = heard;
	heard->lie = false;
	plays++;
	pbt_edge_overhear = overhear;
	(void)pbt_starve_play(data, size);
	pbt_edge_overhear = NULL;
}

static void
forget(struct heard *heard)
{
	pb_buffer_fini(&heard->client);
	pb_buffer_fini(&heard->removals);
	pb_buffer_fini(&heard->unasked);
}

static bool
has(const struct pb_buffer *b, struct pb_slice part)
{
	struct pb_slice all = pb_buffer_slice(b);

	return part.len == 0 || memmem(all.data, all.len, part.data,
	    part.len) != NULL;
}

static bool
is_reply(struct pb_slice line)
{
	size_t i;

	for (i = 0; i + 2 < line.len; i++) {
		if (line.data[i] < ' ' || line.data[i] > '~')
			return false;
	}
	return line.len <= LINE_MAX_OCTETS && (pb_slice_starts(line, "+OK") ||
	    pb_slice_starts(line, "-ERR") || pb_slice_starts(line, "+ "));
}

/* Each line is a reply, or of a message that is heard with memory, too. */
static const char *
judge_client(const struct heard *full, const struct heard *starved)
{
	struct pb_slice rest = pb_buffer_slice(&starved->client);
	struct pb_slice message = pb_slice(rest.data, 0);

	while (rest.len > 0) {
		size_t end = pb_slice_find(rest, '\n');
		struct pb_slice line = pb_slice(rest.data, end + 1);

		if (end == rest.len)
			return has(&full->client, rest) ? NULL
			    : "half a line that is no part of a message";
		pb_slice_skip(&rest, line.len);
		if (pb_slice_starts(line, "+OK"))
			message = pb_slice(line.data, 0);
		message.len += line.len;
		if (!is_reply(line) && !has(&full->client, line))
			return "a line that is no reply";
		if (pb_slice_is(line, ".\r\n") && !has(&full->client, message))
			return "a message has an end and is not whole";
	}
	return NULL;
}

static const char *
judge_removals(const struct heard *full, const struct heard *starved)
{
	struct pb_slice rest = pb_buffer_slice(&starved->unasked);

	while (rest.len > 0) {
		struct pb_slice line = pb_slice(rest.data,
		    pb_slice_find(rest, '\n') + 1);

		pb_slice_skip(&rest, line.len);
		if (!has(&full->unasked, line))
			return "the server hears of a removal that nobody "
			    "asked for";
	}
	if (starved->lie)
		return "messages are said to be removed, and the server has "
		    "not heard of all";
	return NULL;
}

static void
show(const char *when, const struct heard *heard)
{
	fprintf(stderr, "%s the client heard:\n%.*s\nand the server:\n%.*s\n",
	    when, (int)heard->client.len, pb_buffer_slice(&heard->client).data,
	    (int)heard->removals.len, pb_buffer_slice(&heard->removals).data);
}

static void
judge(const struct heard *full, const struct heard *starved, unsigned long n,
    bool once)
{
	const char *why = judge_client(full, starved);

	if (why == NULL)
		why = judge_removals(full, starved);
	if (why == NULL)
		return;
	fprintf(stderr, "allocation %lu fails%s: %s\n", n,
	    once ? "" : " and all after it", why);
	show("with memory", full);
	show("without", starved);
	exit(1);
}

static void
starve(const struct heard *full, const uint8_t *data, size_t size,
    bool once)
{
	bool failed = true;
	unsigned long n;

	for (n = 1; failed; n++) {
		struct heard starved;

		if (once)
			pb_mem_fail_at(n);
		else
			pb_mem_fail_from(n);
		play(&starved, data, size);
		failed = pb_mem_has_failed();
		pb_mem_fail_from(0);
		judge(full, &starved, n, once);
		forget(&starved);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard full;

	play(&full, data, size);
	starve(&full, data, size, true);
	starve(&full, data, size, false);
	forget(&full);
	printf("%lu plays so far\n", plays);
	return 0;
}
