#include "relay.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The rest is in the sums. */
#define CONNECTIONS_PRINTED 100

#define BATCH 256

_Noreturn void
failed(const char *what)
{
	fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
	exit(1);
}

void *
memory(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		failed("memory");
	return p;
}

uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void
relay_put(struct relay *r, enum event_kind kind, struct side *to,
    const char *octets, size_t len)
{
	struct queue *q = &r->queues[kind];
	struct event *e = memory(sizeof(*e) + len);

	e->kind = kind;
	e->to = to;
	e->len = len;
	if (len > 0)
		memcpy(e->octets, octets, len);
	e->due = now() + q->delay;
	*q->last = e;
	q->last = &e->next;
	to->of->events++;
}

static void
accept_one(struct relay *r)
{
	int fd = accept(r->listener, NULL, NULL);
	struct connection *c;

	if (fd < 0)
		return;
	c = memory(sizeof(*c));
	c->client = (struct side){ .fd = fd, .of = c };
	c->client.last = &c->client.first;
	c->server = (struct side){ .fd = -1, .of = c };
	c->server.last = &c->server.first;
	c->next = r->connections;
	if (c->next != NULL)
		c->next->link = &c->next;
	c->link = &r->connections;
	r->connections = c;
	r->opened++;
	relay_put(r, CLIENT_READS, &c->client, NULL, 0);
	relay_put(r, SERVER_CONNECTS, &c->server, NULL, 0);
}

static void
connect_server(struct relay *r, struct connection *c)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* On loopback this does not wait. */
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&r->to,
	    sizeof(r->to)) == 0) {
		side_open(r, &c->server, fd);
		return;
	}
	fprintf(stderr, "delay: cannot connect: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	connection_close(c);
}

static void
happens(struct relay *r, struct event *e)
{
	struct side *to = e->to;

	switch (e->kind) {
	case CLIENT_READS:
		side_open(r, to, to->fd);
		break;
	case SERVER_CONNECTS:
		connect_server(r, to->of);
		break;
	case OCTETS_ARRIVE:
		side_arrived(r, e);
		return;
	case N_KINDS:
		abort();
	}
	to->of->events--;
	free(e);
}

/* Does all that is due and sets the timer for what comes next. */
static void
run_queues(struct relay *r)
{
	struct itimerspec when = { .it_value = { 0, 0 } };
	uint64_t next = UINT64_MAX;
	unsigned kind;

	for (kind = 0; kind < N_KINDS; kind++) {
		struct queue *q = &r->queues[kind];

		while (q->first != NULL && q->first->due <= now()) {
			struct event *e = q->first;

			q->first = e->next;
			if (q->first == NULL)
				q->last = &q->first;
			happens(r, e);
		}
		if (q->first != NULL && q->first->due < next)
			next = q->first->due;
	}
	if (next != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(next / 1000000000);
		when.it_value.tv_nsec = (long)(next % 1000000000);
	}
	timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
sweep(struct relay *r)
{
	struct connection *c = r->connections;

	while (c != NULL) {
		struct connection *next = c->next;

		if (c->closed && c->events == 0) {
			counts_add(&r->ended, &c->counts);
			*c->link = next;
			if (next != NULL)
				next->link = c->link;
			free(c);
		}
		c = next;
	}
}

static void
print_counts(const struct counts *c)
{
	printf("\"up\": %" PRIu64 ", \"down\": %" PRIu64
	    ", \"commands\": %" PRIu64 ", \"turns\": %" PRIu64, c->up,
	    c->down, c->commands, c->turns);
}

static void
report(struct relay *r)
{
	struct counts sum = r->ended;
	struct connection *c;
	unsigned n = 0;

	for (c = r->connections; c != NULL; c = c->next)
		counts_add(&sum, &c->counts);
	printf("{\"connections\": %" PRIu64 ", ", r->opened);
	print_counts(&sum);
	printf(", \"open\": [");
	for (c = r->connections; c != NULL; c = c->next) {
		if (n++ < CONNECTIONS_PRINTED) {
			printf(n > 1 ? ", {" : "{");
			print_counts(&c->counts);
			printf("}");
		}
		c->counts = (struct counts){ .up = 0 };
	}
	printf("]}\n");
	fflush(stdout);
	r->ended = (struct counts){ .up = 0 };
	r->opened = 0;
}

static void
take_signal(struct relay *r)
{
	struct signalfd_siginfo s;

	if (read(r->signals, &s, sizeof(s)) != (ssize_t)sizeof(s))
		return;
	report(r);
	r->stop = s.ssi_signo != SIGUSR1;
}

static void
watch_own(struct relay *r, int *fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = fd };

	if (*fd < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, *fd, &e) != 0)
		failed("epoll");
}

static void
take_event(struct relay *r, const struct epoll_event *e)
{
	uint64_t ticks;

	if (e->data.ptr == &r->listener)
		accept_one(r);
	else if (e->data.ptr == &r->signals)
		take_signal(r);
	else if (e->data.ptr != &r->timer)
		side_event(r, e->data.ptr, e->events);
	else if (read(r->timer, &ticks, sizeof(ticks)) < 0 &&
	    errno != EAGAIN)
		failed("timer");
}

void
relay_run(struct relay *r)
{
	struct epoll_event events[BATCH];
	int i;

	while (!r->stop) {
		int n = epoll_wait(r->epoll, events, BATCH, -1);

		for (i = 0; i < n; i++)
			take_event(r, &events[i]);
		run_queues(r);
		sweep(r);
	}
}

void
relay_fini(struct relay *r)
{
	struct connection *c;
	unsigned kind;

	for (c = r->connections; c != NULL; c = c->next)
		connection_close(c);
	for (kind = 0; kind < N_KINDS; kind++) {
		struct event *e;

		while ((e = r->queues[kind].first) != NULL) {
			r->queues[kind].first = e->next;
			e->to->of->events--;
			free(e);
		}
	}
	sweep(r);
	close(r->listener);
	close(r->signals);
	close(r->timer);
	close(r->epoll);
}

static void
catch_signals(struct relay *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK);
}

uint16_t
relay_start(struct relay *r, uint64_t ms, uint16_t port)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	const int on = 1;
	unsigned kind;

	for (kind = 0; kind < N_KINDS; kind++)
		r->queues[kind].last = &r->queues[kind].first;
	r->queues[CLIENT_READS].delay = 2 * ms * 1000000;
	r->queues[SERVER_CONNECTS].delay = 3 * ms * 1000000;
	r->queues[OCTETS_ARRIVE].delay = ms * 1000000;
	catch_signals(r);
	r->epoll = epoll_create1(0);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(r->listener, (struct sockaddr *)&here, sizeof(here)) != 0 ||
	    listen(r->listener, 4096) != 0 ||
	    getsockname(r->listener, (struct sockaddr *)&here, &len) != 0)
		failed("cannot listen");
	watch_own(r, &r->listener);
	watch_own(r, &r->signals);
	watch_own(r, &r->timer);
	return ntohs(here.sin_port);
}
