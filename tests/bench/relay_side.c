#include "relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX (256 * 1024)

/* More than any link has under way; only a receiver that stalls gets here. */
#define QUEUED_MAX (64 * 1024 * 1024)

static struct side *
other(struct side *s)
{
	return s == &s->of->client ? &s->of->server : &s->of->client;
}

static void
watch(struct relay *r, struct side *s, int how)
{
	struct epoll_event e = { .data.ptr = s };

	if (s->reading)
		e.events |= EPOLLIN;
	if (s->waiting)
		e.events |= EPOLLOUT;
	if (epoll_ctl(r->epoll, how, s->fd, &e) != 0)
		failed("epoll_ctl");
}

void
side_open(struct relay *r, struct side *s, int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->reading = true;
	watch(r, s, EPOLL_CTL_ADD);
}

static void
done_with(struct event *e)
{
	e->to->queued -= e->len;
	e->to->of->events--;
	free(e);
}

static void
take_first(struct side *s)
{
	struct event *e = s->first;

	s->first = e->next;
	if (s->first == NULL)
		s->last = &s->first;
	done_with(e);
}

static void
shut(struct side *s)
{
	while (s->first != NULL)
		take_first(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->reading = s->waiting = false;
	s->over = s->ended = true;
}

void
connection_close(struct connection *c)
{
	shut(&c->client);
	shut(&c->server);
	c->closed = true;
}

/* It is gone; the other side hears of it when the news has travelled. */
static void
lost(struct relay *r, struct side *s)
{
	if (!s->over)
		relay_put(r, OCTETS_ARRIVE, other(s), NULL, 0);
	shut(s);
	if (other(s)->ended)
		connection_close(s->of);
}

void
counts_add(struct counts *sum, const struct counts *c)
{
	sum->up += c->up;
	sum->down += c->down;
	sum->commands += c->commands;
	sum->turns += c->turns;
}

static void
count(struct side *from, const char *octets, size_t len)
{
	struct connection *c = from->of;
	uint64_t before = c->counter.commands;

	if (from == &c->server) {
		c->counts.down += len;
		c->server_spoke = true;
		return;
	}
	c->counts.up += len;
	c->counts.turns += c->server_spoke;
	c->server_spoke = false;
	command_counter_feed(&c->counter, octets, len);
	c->counts.commands += c->counter.commands - before;
}

static void
read_from(struct relay *r, struct side *s)
{
	static char octets[READ_MAX];
	struct side *to = other(s);
	ssize_t n = recv(s->fd, octets, sizeof(octets), MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lost(r, s);
		return;
	}
	if (n > 0)
		count(s, octets, (size_t)n);
	to->queued += (size_t)n;
	relay_put(r, OCTETS_ARRIVE, to, octets, (size_t)n);
	s->over = n == 0;
	if (s->over || to->queued > QUEUED_MAX) {
		s->reading = false;
		watch(r, s, EPOLL_CTL_MOD);
	}
}

/* Sends what has arrived first; false: not all of it, and not now. */
static bool
send_first(struct relay *r, struct side *s)
{
	struct event *e = s->first;
	ssize_t n;

	if (e->len == 0) {
		shutdown(s->fd, SHUT_WR);
		s->ended = true;
		return true;
	}
	n = send(s->fd, e->octets + e->sent, e->len - e->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lost(r, s);
		return false;
	}
	e->sent += (size_t)n;
	return e->sent == e->len;
}

static void
write_to(struct relay *r, struct side *s)
{
	struct side *from = other(s);

	while (s->first != NULL && send_first(r, s))
		take_first(s);
	if (s->fd < 0)
		return;
	if (s->ended && from->ended) {
		connection_close(s->of);
		return;
	}
	if (s->waiting != (s->first != NULL)) {
		s->waiting = s->first != NULL;
		watch(r, s, EPOLL_CTL_MOD);
	}
	if (from->fd >= 0 && !from->reading && !from->over &&
	    s->queued < QUEUED_MAX / 2) {
		from->reading = true;
		watch(r, from, EPOLL_CTL_MOD);
	}
}

void
side_arrived(struct relay *r, struct event *e)
{
	struct side *s = e->to;

	if (s->ended) {
		done_with(e);
		return;
	}
	e->next = NULL;
	*s->last = e;
	s->last = &e->next;
	if (s->first == e)
		write_to(r, s);
}

void
side_event(struct relay *r, struct side *s, uint32_t events)
{
	if (s->fd >= 0 && s->reading)
		read_from(r, s);
	else if (s->fd >= 0 && (events & (EPOLLHUP | EPOLLERR)) != 0)
		lost(r, s);
	if (s->fd >= 0 && s->waiting && (events & EPOLLOUT) != 0)
		write_to(r, s);
}
