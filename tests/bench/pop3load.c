/*
 * A load generator for POP3 and IMAP servers: the clients of scripts/bench.
 *
 *	pop3load download --port 1110 --user u --password p --messages 5000
 *	pop3load poll --port 1110 --user u --users 100 --password p \
 *	    --messages 50 --sessions 2000 --connections 8
 *	pop3load idle ... --sessions 10000	ends when stdin does
 *	pop3load download ... --tls ca.pem	TLS, for the name localhost
 *	pop3load imap-bulk --port 1143 ...	raw IMAP: what the wire allows
 *
 * download is USER, PASS, UIDL, LIST, RETR 1 ... N, QUIT; poll is STAT and
 * UIDL; top is TOP n 0 for all; dele deletes all; idle retrieves one message
 * and stays.  imap-bulk is one UID FETCH for all messages, imap-each is one
 * for each, imap-sizes asks for UIDs and sizes only.  The client waits for
 * each answer before its next command.
 *
 * Each mailbox must have --messages messages; every answer must end as it
 * should, every message must have the size that LIST has promised, and with
 * --numbered, message n must begin with "Subject: message n".  Else the
 * program ends with status 1.  What it has measured is one line of JSON.
 */

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define CONNECTIONS_MAX 1000

/* A generous bound, so that sums of them cannot overflow. */
#define COUNT_MAX 100000000

struct scenario {
	const char *name;
	load_session_fn *session;	/* NULL: the sessions stay */
};

static const struct scenario scenarios[] = {
	{ "download", pop3_download },
	{ "poll", pop3_poll },
	{ "top", pop3_top },
	{ "dele", pop3_dele },
	{ "idle", NULL },
	{ "imap-bulk", imap_bulk },
	{ "imap-sizes", imap_sizes },
	{ "imap-each", imap_each },
};

struct run {
	const struct scenario *scenario;
	struct load_options options;
	atomic_uint next;		/* session that nobody has begun */
	struct wire *staying;		/* own: of idle, one a session */
};

struct worker {
	pthread_t thread;
	struct run *run;
	struct load load;
};

void
load_user(const struct load *l, unsigned number, char name[256])
{
	const struct load_options *o = l->options;

	if (o->users == 0)
		snprintf(name, 256, "%s", o->user);
	else
		snprintf(name, 256, "%s%u", o->user, number % o->users + 1);
}

void
load_phase_done(struct load *l, enum phase phase)
{
	uint64_t now = wire_now();

	l->figures.phase_us[phase] += now - l->mark;
	l->mark = now;
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	struct run *run = worker->run;
	struct load *l = &worker->load;
	unsigned number;

	while ((number = atomic_fetch_add(&run->next, 1)) <
	    run->options.sessions) {
		uint64_t began = wire_now();

		if (run->scenario->session != NULL)
			run->scenario->session(l, number);
		else
			pop3_stay(l, number, &run->staying[number]);
		samples_add(&l->figures.whole_sessions, wire_now() - began);
		l->figures.sessions++;
	}
	return NULL;
}

static void
start(struct worker *w, struct run *run)
{
	w->run = run;
	w->load.options = &run->options;
	w->load.in = wire_alloc(1, sizeof(*w->load.in));
	w->load.sizes = wire_alloc(run->options.messages,
	    sizeof(*w->load.sizes));
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		fail("cannot start a thread");
}

static void
finish(struct worker *w, struct figures *sum)
{
	pthread_join(w->thread, NULL);
	figures_add(sum, &w->load.figures);
	figures_fini(&w->load.figures);
	free(w->load.in);
	free(w->load.sizes);
}

static void
stay_until_stdin_ends(struct run *run)
{
	char octets[64];
	unsigned i;

	while (read(STDIN_FILENO, octets, sizeof(octets)) > 0)
		;
	for (i = 0; i < run->options.sessions; i++)
		wire_close(&run->staying[i]);
	free(run->staying);
}

static void
measure(struct run *run)
{
	unsigned n = run->options.connections;
	struct worker *workers = wire_alloc(n, sizeof(*workers));
	struct figures sum = { .sessions = 0 };
	uint64_t began = wire_now();
	unsigned i;

	for (i = 0; i < n; i++)
		start(&workers[i], run);
	for (i = 0; i < n; i++)
		finish(&workers[i], &sum);
	free(workers);
	figures_print(&sum, run->scenario->name, wire_now() - began, stdout);
	figures_fini(&sum);
	if (run->scenario->session == NULL)
		stay_until_stdin_ends(run);
}

static _Noreturn void
usage(void)
{
	fputs("usage: pop3load SCENARIO --port PORT --user NAME "
	    "--password PASSWORD --messages N\n"
	    "    [--host ADDRESS] [--tls CA-FILE] [--users N] "
	    "[--sessions N]\n    [--connections N] [--numbered]\n"
	    "scenarios: download poll top dele idle imap-bulk imap-sizes "
	    "imap-each\n", stderr);
	exit(64);
}

static unsigned
number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n > max)
		usage();
	return (unsigned)n;
}

static const struct scenario *
scenario_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	usage();
}

static void
set_option(struct load_options *o, int which, const char *value)
{
	switch (which) {
	case 'h':
		o->target.host = value;
		break;
	case 'p':
		o->target.port = value;
		break;
	case 't':
		o->target.tls = wire_tls(value);
		break;
	case 'u':
		o->user = value;
		break;
	case 'w':
		o->password = value;
		break;
	case 'U':
		o->users = number(value, COUNT_MAX);
		break;
	case 'm':
		o->messages = number(value, COUNT_MAX);
		break;
	case 's':
		o->sessions = number(value, COUNT_MAX);
		break;
	case 'c':
		o->connections = number(value, CONNECTIONS_MAX);
		break;
	case 'n':
		o->numbered = true;
		break;
	default:
		usage();
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "tls", required_argument, NULL, 't' },
		{ "user", required_argument, NULL, 'u' },
		{ "password", required_argument, NULL, 'w' },
		{ "users", required_argument, NULL, 'U' },
		{ "messages", required_argument, NULL, 'm' },
		{ "sessions", required_argument, NULL, 's' },
		{ "connections", required_argument, NULL, 'c' },
		{ "numbered", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct run run = { .options = { .connections = 1 } };
	struct load_options *o = &run.options;
	int which;

	o->target.host = "127.0.0.1";
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(o, which, optarg);
	if (optind != argc - 1 || o->target.port == NULL || o->user == NULL ||
	    o->password == NULL || o->connections == 0)
		usage();
	run.scenario = scenario_named(argv[optind]);
	if (o->sessions == 0)
		o->sessions = o->connections;
	if (run.scenario->session == NULL)
		run.staying = wire_alloc(o->sessions, sizeof(*run.staying));
	signal(SIGPIPE, SIG_IGN);
	measure(&run);
	SSL_CTX_free(o->target.tls);
	return 0;
}
