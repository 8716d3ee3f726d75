#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/pop3/command.h"
#include "script.h"
#include "support/edge.h"

/*
 * Plays transcripts: each file whole, octet by octet, and cut at random with
 * a seed that is printed.
 *
 *	player FILE...		play, and end with 1 at the first difference
 *	player --verbs FILE...	is there a transcript for every POP3 verb?
 *	player --seed FILE	write it as an input of the bridge's fuzz target
 */

#define VARIABLES_MAX 40
#define RANDOM_PLAYS 3

enum mode { WHOLE, OCTETS, RANDOM };

struct variable {
	char name[16];
	char value[64];
};

struct player {
	const struct pbt_step *step;	/* the one that is played */
	struct pbt_edge edge;
	enum mode mode;
	struct pbt_random random;
	uint64_t seed;
	bool started;
	unsigned drops;			/* that were expected so far */
	bool end_expected;
	char mailbox[100];
	char folder[100];
	char mechanisms[100];
	struct variable variables[VARIABLES_MAX];
	size_t n_variables;
};

static const char *
mode_name(enum mode mode)
{
	return mode == WHOLE ? "whole" : mode == OCTETS ? "octet by octet" :
	    "cut at random";
}

static _Noreturn void
failed(const struct player *p, const char *what)
{
	fprintf(stderr, "%s:%u: %s (%s", p->step->file, p->step->line, what,
	    mode_name(p->mode));
	if (p->mode == RANDOM)
		fprintf(stderr, ", PB_TEST_SEED=%" PRIu64, p->seed);
	fprintf(stderr, "; bridge %s, POP3 %s)\n",
	    pb_bridge_state_name(p->edge.bridge.state),
	    pb_pop3_state_name(p->edge.bridge.pop3.state));
	exit(1);
}

static void
show(const char *name, struct pb_slice octets)
{
	struct pb_buffer b;

	pb_buffer_init(&b, 16u * 1024 * 1024);
	pbt_put_clean(&b, octets.len > 1000 ? pb_slice(octets.data, 1000)
					    : octets);
	fprintf(stderr, "%s %.*s\n", name, (int)b.len,
	    pb_buffer_slice(&b).data);
	pb_buffer_fini(&b);
}

static struct variable *
find_variable(struct player *p, struct pb_slice name)
{
	size_t i;

	for (i = 0; i < p->n_variables; i++) {
		if (pb_slice_is(name, p->variables[i].name))
			return &p->variables[i];
	}
	return NULL;
}

/*
 * $NAME in capitals at the front of `in`; empty when there is none, and for a
 * keyword like $POP3Deleted.
 */
static struct pb_slice
variable_name(struct pb_slice in)
{
	size_t len = 1;

	if (in.len == 0 || in.data[0] != '$')
		return pb_slice(in.data, 0);
	while (len < in.len && in.data[len] >= 'A' && in.data[len] <= 'Z')
		len++;
	if (len < in.len && isalnum((unsigned char)in.data[len]))
		return pb_slice(in.data, 0);
	return pb_slice_sub(in, 1, len);
}

static void
substitute(struct player *p, struct pb_slice in, struct pb_buffer *out)
{
	while (in.len > 0) {
		struct pb_slice name = variable_name(in);
		const struct variable *v;

		if (name.len == 0) {
			pbt_put(out, pb_slice(in.data, 1));
			pb_slice_skip(&in, 1);
			continue;
		}
		v = find_variable(p, name);
		if (v == NULL)
			failed(p, "a variable is used before it is bound");
		pbt_put(out, pb_slice_str(v->value));
		pb_slice_skip(&in, 1 + name.len);
	}
}

/*
 * The tag at the start of what the server hears: bound here, and another one
 * than all before.
 */
static void
bind_tag(struct player *p, struct pb_slice expected, struct pb_slice got)
{
	struct pb_slice name = variable_name(expected);
	struct pb_slice tag = pb_slice_word(&got);
	struct variable *v;
	size_t i;

	if (name.len == 0)
		return;
	if (tag.len == 0 || tag.len >= sizeof(v->value))
		failed(p, "the server hears no tag");
	for (i = 0; i < p->n_variables; i++) {
		if (pb_slice_is(tag, p->variables[i].value))
			failed(p, "a tag is used twice");
	}
	v = find_variable(p, name);
	if (v == NULL) {
		pb_check(p->n_variables < VARIABLES_MAX);
		v = &p->variables[p->n_variables++];
	}
	snprintf(v->name, sizeof(v->name), "%.*s", (int)name.len, name.data);
	snprintf(v->value, sizeof(v->value), "%.*s", (int)tag.len, tag.data);
}

static void
expect(struct player *p, struct pb_buffer *received, bool tagged)
{
	struct pb_slice got = pb_buffer_slice(received);
	struct pb_slice want;
	struct pb_buffer text;
	size_t at = 0;

	if (tagged)
		bind_tag(p, pb_buffer_slice(&p->step->text), got);
	pb_buffer_init(&text, 16u * 1024 * 1024);
	substitute(p, pb_buffer_slice(&p->step->text), &text);
	want = pb_buffer_slice(&text);
	while (at < want.len && at < got.len && want.data[at] == got.data[at])
		at++;
	if (at < want.len) {
		show("want", want);
		show("got ", got);
		show("equal up to", pb_slice(want.data, at));
		failed(p, "something else was heard");
	}
	pb_buffer_consume(received, want.len);
	pb_buffer_fini(&text);
}

static void
nothing_unheard(const struct player *p)
{
	if (p->edge.to_client.len > 0) {
		show("client", pb_buffer_slice(&p->edge.to_client));
		failed(p, "before this the client hears something unexpected");
	}
	if (p->edge.to_upstream.len > 0) {
		show("server", pb_buffer_slice(&p->edge.to_upstream));
		failed(p, "before this the server hears something unexpected");
	}
	if (p->edge.drops != p->drops)
		failed(p, "before this the connection to the server is "
		    "closed");
	if (p->edge.ended && !p->end_expected)
		failed(p, "before this the session ends");
}

static size_t
piece_of(struct player *p, size_t left, size_t done)
{
	size_t n = left;

	if (p->mode == OCTETS)
		n = done < 2000 || left < 2000 ? 1 : 997;
	if (p->mode == RANDOM)
		n = 1 + pbt_random_below(&p->random,
		    pbt_random_below(&p->random, 2) == 0 ? 4 : left);
	return n < left ? n : left;
}

static void
say(struct player *p, struct pb_slice octets,
    void (*to)(struct pbt_edge *, struct pb_slice))
{
	size_t done = 0;

	while (done < octets.len) {
		size_t n = piece_of(p, octets.len - done, done);

		to(&p->edge, pb_slice_sub(octets, done, done + n));
		done += n;
	}
}

static uint64_t
duration(const struct player *p, const char *text)
{
	char *unit;
	uint64_t n = strtoull(text, &unit, 10);

	if (strcmp(unit, "ms") == 0)
		return n;
	if (strcmp(unit, "s") == 0)
		return n * 1000;
	if (strcmp(unit, "m") == 0)
		return n * 60000;
	failed(p, "a time is a number and ms, s or m");
}

/* With commas between, where the client sees blanks. */
static void
mechanisms(struct player *p, const char *list)
{
	char *c;

	snprintf(p->mechanisms, sizeof(p->mechanisms), "%s", list);
	for (c = p->mechanisms; *c != '\0'; c++)
		*c = *c == ',' ? ' ' : *c;
	p->edge.door.mechanisms = p->mechanisms;
}

/* UIDVALIDITY/UIDNEXT and then /UID=SIZE for each message. */
static void
knows(struct player *p, const char *text)
{
	struct pb_listing *l = pb_listing_new(16);
	char *at;

	l->count = 0;
	l->uidvalidity = (uint32_t)strtoul(text, &at, 10);
	l->uidnext = (uint32_t)strtoul(at + 1, &at, 10);
	while (*at == '/' && l->count < 16) {
		l->uids[l->count] = (uint32_t)strtoul(at + 1, &at, 10);
		l->sizes[l->count++] = (uint32_t)strtoul(at + 1, &at, 10);
	}
	if (*at != '\0' || pb_listing_seal(l) != PB_OK)
		failed(p, "what it knows is no listing");
	p->edge.known = l;
}

/* UIDVALIDITY/UID/UID..., + behind a promise that rests, =WAY of removal. */
static void
owes(struct player *p, const char *text)
{
	struct pb_promises *owed = pb_promises_new(1);
	struct pb_promise *promise = &owed->list[0];
	char *at;

	promise->number = 1;
	promise->uidvalidity = (uint32_t)strtoul(text, &at, 10);
	promise->uids = pb_xalloc(16 * sizeof(*promise->uids));
	while (*at == '/' && promise->n < 16)
		promise->uids[promise->n++] = (uint32_t)strtoul(at + 1, &at,
		    10);
	promise->rests = *at == '+';
	at += promise->rests;
	if (*at == '=' && pb_removal_by_name(pb_slice_str(at + 1),
	    &promise->removal))
		at += strlen(at);
	if (*at != '\0')
		failed(p, "what it owes are no UIDs");
	p->edge.owed = owed;
}

static void
option(struct player *p, const char *word)
{
	struct pb_bridge_options *o = &p->edge.options;

	if (strcmp(word, "starttls") == 0)
		p->edge.upstream_tls = PB_IMAP_TLS_STARTTLS;
	else if (strcmp(word, "plain") == 0)
		p->edge.upstream_tls = PB_IMAP_TLS_NONE;
	else if (strcmp(word, "client-tls=offered") == 0)
		p->edge.door.tls = PB_POP3_TLS_OFFERED;
	else if (strcmp(word, "client-tls=required") == 0)
		p->edge.door.tls = PB_POP3_TLS_REQUIRED;
	else if (strcmp(word, "client-tls=active") == 0)
		p->edge.door.tls = PB_POP3_TLS_ACTIVE;
	else if (strcmp(word, "who") == 0)
		p->edge.who_waits = true;
	else if (strcmp(word, "apop") == 0)
		p->edge.door.apop = true;
	else if (strcmp(word, "xclient") == 0)
		p->edge.door.xclient = true;
	else if (strncmp(word, "auth=", 5) == 0)
		mechanisms(p, word + 5);
	else if (strcmp(word, "lock") == 0)
		o->lock = true;
	else if (strcmp(word, "revive") == 0)
		o->revive = true;
	else if (strcmp(word, "mark-seen") == 0)
		o->mark_seen = true;
	else if (strncmp(word, "mailbox=", 8) == 0)
		snprintf(p->mailbox, sizeof(p->mailbox), "%s", word + 8);
	else if (strncmp(word, "delete=", 7) == 0)
		pb_check(pb_removal_by_name(pb_slice_str(word + 7),
		    &o->removal));
	else if (strncmp(word, "folder=", 7) == 0) {
		snprintf(p->folder, sizeof(p->folder), "%s", word + 7);
		o->delete_folder = p->folder;
	} else if (strncmp(word, "readahead=", 10) == 0)
		p->edge.readahead.max = strtoul(word + 10, NULL, 10);
	else if (strncmp(word, "knows=", 6) == 0)
		knows(p, word + 6);
	else if (strncmp(word, "owes=", 5) == 0)
		owes(p, word + 5);
	else if (strcmp(word, "journal=best-effort") == 0)
		o->journal = PB_BRIDGE_JOURNAL_BEST_EFFORT;
	else if (strcmp(word, "journal=required") == 0)
		o->journal = PB_BRIDGE_JOURNAL_REQUIRED;
	else if (strncmp(word, "upstream=", 9) == 0)
		o->upstream_ms = duration(p, word + 9);
	else if (strncmp(word, "connect=", 8) == 0)
		o->connect_ms = duration(p, word + 8);
	else if (strncmp(word, "stall=", 6) == 0)
		o->stall_ms = duration(p, word + 6);
	else if (strncmp(word, "login=", 6) == 0)
		o->login_ms = duration(p, word + 6);
	else if (strncmp(word, "hold=", 5) == 0)
		p->edge.hold_ms = duration(p, word + 5);
	else
		failed(p, "unknown option");
}

static void
options(struct player *p, char *text)
{
	char *word;
	char *rest = NULL;

	if (p->started)
		failed(p, "options come first");
	for (word = strtok_r(text, " ", &rest); word != NULL;
	    word = strtok_r(NULL, " ", &rest))
		option(p, word);
}

static void
ends(struct player *p, const char *reason)
{
	if (!p->edge.ended)
		failed(p, "the session does not end");
	if (strcmp(p->edge.bridge.stats.reason, reason) != 0) {
		fprintf(stderr, "it ends for \"%s\"\n",
		    p->edge.bridge.stats.reason);
		failed(p, "the session ends for another reason");
	}
	p->drops = p->edge.drops;
	p->end_expected = true;
}

static void
dropped(struct player *p)
{
	if (p->edge.drops != p->drops + 1)
		failed(p, "the connection to the server is not closed");
	p->drops++;
}

static void
noted(struct player *p, const char *what)
{
	static const char *const names[] = { [PB_PROMISE_OPEN] = "nothing",
		[PB_PROMISE_KEPT] = "kept", [PB_PROMISE_VOID] = "void",
		[PB_PROMISE_FAILED] = "failed" };

	if (strcmp(names[p->edge.noted], what) != 0)
		failed(p, "something else has become of what was promised");
	p->edge.noted = PB_PROMISE_OPEN;
}

/* Events that change nothing, so that something may still be unheard. */
static bool
observe(struct player *p, const char *event)
{
	if (strcmp(event, "upstream dropped") == 0)
		dropped(p);
	else if (strncmp(event, "knows ", 6) == 0 &&
	    strtoul(event + 6, NULL, 10) != p->edge.remembered)
		failed(p, "it has not learnt so often what the mailbox holds");
	else if (strncmp(event, "knows ", 6) == 0)
		return true;
	else if (strncmp(event, "promise noted ", 14) == 0)
		noted(p, event + 14);
	else if (strncmp(event, "ends ", 5) == 0)
		ends(p, event + 5);
	else
		return false;
	return true;
}

/* "who is USER PASSWORD", "who refused", "who fault" */
static void
answer_who(struct player *p, const char *answer)
{
	struct pbt_edge *e = &p->edge;
	char user[64];
	char password[64];

	if (!e->who_asked)
		failed(p, "nobody asked who the client is");
	if (strcmp(answer, "refused") == 0)
		pbt_edge_is_unknown(e, PB_ERROR_AUTH, "wrong password");
	else if (strcmp(answer, "fault") == 0)
		pbt_edge_is_unknown(e, PB_ERROR_TEMPORARY, "no accounts");
	else if (sscanf(answer, "is %63s %63s", user, password) == 2)
		pbt_edge_is(e, user, password);
	else
		failed(p, "who is it, then?");
}

static bool
answer_action(struct player *p, const char *event)
{
	struct pbt_edge *e = &p->edge;

	/* A connection has tags of its own. */
	if (strcmp(event, "upstream connected") == 0 ||
	    strcmp(event, "upstream resumed") == 0)
		p->n_variables = 0;
	if (strncmp(event, "upstream connected", 18) == 0 ||
	    strncmp(event, "upstream refused", 16) == 0) {
		if (!e->connect_asked)
			failed(p, "no connection was asked for");
		if (strcmp(event, "upstream connected") == 0)
			pbt_edge_connected(e);
		else
			pbt_edge_refused(e, strcmp(event,
			    "upstream refused for good") == 0
				? PB_ERROR_PERMANENT : PB_ERROR_TEMPORARY,
			    "connection refused");
	} else if (strcmp(event, "upstream resumed") == 0) {
		if (!e->connect_asked)
			failed(p, "no connection was asked for");
		pbt_edge_resumed(e);
	} else if (strcmp(event, "upstream secured") == 0) {
		if (!e->starttls_asked)
			failed(p, "no handshake was asked for");
		pbt_edge_secured(e);
	} else if (strcmp(event, "client secured") == 0) {
		if (!e->client_tls_asked)
			failed(p, "no TLS with the client was asked for");
		pbt_edge_client_secured(e);
	} else if (strncmp(event, "who ", 4) == 0) {
		answer_who(p, event + 4);
	} else if (strncmp(event, "xclient ", 8) == 0) {
		if (!e->introduction_asked)
			failed(p, "no XCLIENT is to be judged");
		pbt_edge_introduced(e, strcmp(event, "xclient good") == 0);
	} else if (strcmp(event, "promise made") == 0 ||
	    strcmp(event, "promise impossible") == 0) {
		if (!e->promise_asked)
			failed(p, "nothing is to be promised");
		pbt_edge_promised(e, strcmp(event, "promise made") == 0);
	} else if (strncmp(event, "lock ", 5) == 0) {
		if (!e->lock_asked)
			failed(p, "no lock was asked for");
		pbt_edge_locked(e, strcmp(event, "lock granted") == 0);
	} else {
		return false;
	}
	return true;
}

static void
happen(struct player *p, char *event)
{
	struct pbt_edge *e = &p->edge;

	if (answer_action(p, event))
		return;
	if (strncmp(event, "clock +", 7) == 0)
		pbt_edge_clock(e, duration(p, event + 7));
	else if (strcmp(event, "upstream eof") == 0)
		pbt_edge_upstream_eof(e);
	else if (strcmp(event, "client eof") == 0)
		pbt_edge_client_eof(e);
	else if (strcmp(event, "client gone") == 0)
		pbt_edge_client_gone(e);
	else if (strcmp(event, "client stops") == 0)
		pbt_edge_client_stops(e, true);
	else if (strcmp(event, "client reads") == 0)
		pbt_edge_client_stops(e, false);
	else if (strcmp(event, "drain") == 0)
		pbt_edge_drain(e);
	else
		failed(p, "unknown event");
}

static void
play_event(struct player *p)
{
	struct pb_slice text = pb_buffer_slice(&p->step->text);
	char event[200];

	pb_check(text.len < sizeof(event));
	snprintf(event, sizeof(event), "%.*s", (int)text.len, text.data);
	if (strncmp(event, "options ", 8) == 0) {
		options(p, event + 8);
		return;
	}
	if (observe(p, event))
		return;
	nothing_unheard(p);
	happen(p, event);
}

/* All lines that a peer says in a row arrive together. */
static size_t
play_words(struct player *p, const struct pbt_script *s, size_t i)
{
	enum pbt_step_kind kind = s->steps[i].kind;
	struct pb_buffer text;

	nothing_unheard(p);
	pb_buffer_init(&text, 64u * 1024 * 1024);
	for (; i < s->n && s->steps[i].kind == kind; i++) {
		p->step = &s->steps[i];
		substitute(p, pb_buffer_slice(&p->step->text), &text);
	}
	if (kind == PBT_UPSTREAM_SAYS && !p->edge.has_imap)
		failed(p, "there is no connection to the server");
	say(p, pb_buffer_slice(&text), kind == PBT_CLIENT_SAYS
	    ? pbt_edge_client : pbt_edge_upstream);
	pb_buffer_fini(&text);
	return i;
}

static size_t
play_step(struct player *p, const struct pbt_script *s, size_t i)
{
	p->step = &s->steps[i];
	if (!p->started && (p->step->kind != PBT_EVENT ||
	    !pb_slice_starts(pb_buffer_slice(&p->step->text), "options"))) {
		p->edge.options.mailbox = p->mailbox;
		pbt_edge_start(&p->edge);
		p->started = true;
	}
	switch (p->step->kind) {
	case PBT_CLIENT_SAYS:
	case PBT_UPSTREAM_SAYS:
		return play_words(p, s, i);
	case PBT_CLIENT_HEARS:
		expect(p, &p->edge.to_client, false);
		return i + 1;
	case PBT_UPSTREAM_HEARS:
		expect(p, &p->edge.to_upstream, true);
		return i + 1;
	case PBT_EVENT:
		play_event(p);
		return i + 1;
	}
	return i + 1;
}

static void
play(const struct pbt_script *s, enum mode mode, uint64_t seed)
{
	struct player *p = pb_xalloc(sizeof(*p));
	size_t i = 0;

	p->mode = mode;
	p->seed = seed;
	pbt_random_seed(&p->random, seed);
	snprintf(p->mailbox, sizeof(p->mailbox), "INBOX");
	pbt_edge_init(&p->edge);
	while (i < s->n)
		i = play_step(p, s, i);
	pb_check(p->started);
	nothing_unheard(p);
	pbt_edge_fini(&p->edge);
	pb_free(p);
}

static void
play_all(const char *path)
{
	struct pbt_random seeds;
	struct pbt_script script;
	int i;

	pbt_random_init(&seeds);
	pbt_script_read(&script, path);
	play(&script, WHOLE, 1);
	play(&script, OCTETS, 1);
	play(&script, RANDOM, seeds.state);
	for (i = 1; i < RANDOM_PLAYS; i++)
		play(&script, RANDOM, pbt_random_next(&seeds));
	pbt_script_fini(&script);
}

static bool
mentions(const char *path, const char *verb)
{
	struct pbt_script script;
	bool found = false;
	size_t i;

	pbt_script_read(&script, path);
	for (i = 0; i < script.n && !found; i++) {
		struct pb_slice line = pb_buffer_slice(&script.steps[i].text);

		line.len = pb_slice_find(line, '\r');
		found = script.steps[i].kind == PBT_CLIENT_SAYS &&
		    pb_slice_is(pb_slice_word(&line), verb);
	}
	pbt_script_fini(&script);
	return found;
}

static int
check_verbs(int n, char **paths)
{
	int missing = 0;
	unsigned verb;
	int i;

	for (verb = 0; verb < PB_POP3_VERBS; verb++) {
		const char *name = pb_pop3_verb_row(verb)->name;

		for (i = 0; i < n && !mentions(paths[i], name); i++)
			continue;
		if (i < n)
			continue;
		fprintf(stderr, "no transcript has the verb %s\n", name);
		missing++;
	}
	return missing > 0;
}

/* The letters of fuzz/bridge.c. */
static char
letter_of(struct pb_slice event)
{
	static const struct {
		const char *event;
		char letter;
	} letters[] = {
		{ "upstream connected", 'K' }, { "upstream refused", 'N' },
		{ "upstream resumed", 'k' },
		{ "upstream secured", 'S' }, { "upstream eof", 'X' },
		{ "promise made", 'M' }, { "promise impossible", 'm' },
		{ "lock granted", 'L' }, { "lock", 'l' },
		{ "client secured", 'Z' },
		{ "who is", 'I' }, { "who", 'i' },
		{ "xclient good", 'A' }, { "xclient", 'a' },
		{ "client eof", 'E' }, { "client gone", 'G' },
		{ "client stops", 'P' }, { "client reads", 'R' },
		{ "clock", 'T' }, { "drain", 'D' },
	};
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (pb_slice_starts(event, letters[i].event))
			return letters[i].letter;
	}
	return '\0';
}

static char
options_of(struct pb_slice event)
{
	char set = 0;

	if (memmem(event.data, event.len, "starttls", 8) != NULL)
		set |= 1;
	if (memmem(event.data, event.len, "lock", 4) != NULL)
		set |= 2;
	if (memmem(event.data, event.len, "mark-seen", 9) != NULL)
		set |= 4;
	if (memmem(event.data, event.len, "client-tls=offered", 18) != NULL)
		set |= 8;
	if (memmem(event.data, event.len, "client-tls=required", 19) != NULL)
		set |= 16;
	if (memmem(event.data, event.len, "client-tls=active", 17) != NULL)
		set |= 8 | 16;
	if (memmem(event.data, event.len, "hold", 4) != NULL)
		set |= 32;
	if (memmem(event.data, event.len, "readahead=", 10) != NULL ||
	    memmem(event.data, event.len, "knows=", 6) != NULL ||
	    memmem(event.data, event.len, "revive", 6) != NULL)
		set |= (char)128;
	if (memmem(event.data, event.len, "journal=", 8) != NULL ||
	    memmem(event.data, event.len, "owes=", 5) != NULL)
		set |= (char)128 | 4;
	if (memmem(event.data, event.len, "journal=required", 16) != NULL)
		set |= 2;
	if (memmem(event.data, event.len, " who", 4) != NULL ||
	    memmem(event.data, event.len, "xclient", 7) != NULL)
		set |= 64;
	return set;
}

/* '1' to '5', for what is not removed as usual. */
static char
removal_of(struct pb_slice event)
{
	enum pb_removal removal;
	char option[32];

	for (removal = PB_REMOVAL_TRASH; removal <= PB_REMOVAL_REFUSE;
	    removal++) {
		int n = snprintf(option, sizeof(option), "delete=%s",
		    pb_removal_name(removal));

		if (memmem(event.data, event.len, option, (size_t)n) != NULL)
			return (char)('0' + removal);
	}
	return '\0';
}

/* Variables become the tags they were in a play. */
static void
write_seed(const char *path)
{
	struct player *p = pb_xalloc(sizeof(*p));
	struct pb_buffer out;
	struct pbt_script s;
	size_t i = 0;
	char c = 0;

	pb_buffer_init(&out, 64u * 1024 * 1024);
	pbt_script_read(&s, path);
	snprintf(p->mailbox, sizeof(p->mailbox), "INBOX");
	pbt_edge_init(&p->edge);
	if (s.steps[0].kind == PBT_EVENT)
		c = options_of(pb_buffer_slice(&s.steps[0].text));
	pbt_put(&out, pb_slice(&c, 1));
	c = s.steps[0].kind == PBT_EVENT
	    ? removal_of(pb_buffer_slice(&s.steps[0].text)) : '\0';
	pbt_put(&out, pb_slice(&c, c != '\0'));
	while (i < s.n) {
		const struct pbt_step *step = &s.steps[i];
		bool says = step->kind == PBT_CLIENT_SAYS ||
		    step->kind == PBT_UPSTREAM_SAYS;

		c = step->kind == PBT_EVENT
		    ? letter_of(pb_buffer_slice(&step->text)) : '\0';
		if (says)
			c = step->kind == PBT_CLIENT_SAYS ? 'c' : 'u';
		if (c != '\0')
			pbt_put(&out, pb_slice(&c, 1));
		if (says) {
			size_t end = i;

			p->step = step;
			for (; end < s.n && s.steps[end].kind == step->kind;
			    end++)
				substitute(p, pb_buffer_slice(
				    &s.steps[end].text), &out);
			pbt_say(&out, "%s.\n",
			    pb_buffer_slice(&out).data[out.len - 1] == '\n'
				? "" : "\n");
		}
		i = play_step(p, &s, i);
	}
	fwrite(pb_buffer_slice(&out).data, 1, out.len, stdout);
	pb_buffer_fini(&out);
	pbt_edge_fini(&p->edge);
	pbt_script_fini(&s);
	pb_free(p);
}

int
main(int argc, char **argv)
{
	int i;

	if (argc > 2 && strcmp(argv[1], "--verbs") == 0)
		return check_verbs(argc - 2, argv + 2);
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		write_seed(argv[2]);
		return 0;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: player [--verbs | --seed] FILE...\n");
		return 64;
	}
	for (i = 1; i < argc; i++)
		play_all(argv[i]);
	return 0;
}
