#ifndef BENCH_RELAY_H
#define BENCH_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command_counter.h"

/* The inside of the delay relay; delay.c says what it does. */

struct counts {
	uint64_t up;		/* octets of the client */
	uint64_t down;
	uint64_t commands;
	uint64_t turns;
};

struct connection;

/* One of the two sockets of a connection. */
struct side {
	int fd;			/* -1: not yet, or not any more */
	bool reading;		/* epoll looks for octets */
	bool waiting;		/* epoll looks for room */
	bool over;		/* nothing more comes from it */
	bool ended;		/* nothing more is sent to it */
	struct connection *of;
	size_t queued;		/* octets on their way to it */
	struct event *first;	/* arrived, but the socket is full */
	struct event **last;
};

struct connection {
	struct side client;
	struct side server;
	struct command_counter counter;
	struct counts counts;	/* since the last report */
	bool server_spoke;	/* last */
	bool closed;
	unsigned events;	/* that point here */
	struct connection *next;
	struct connection **link;
};

/*
 * What happens later, each kind a fixed time after it was put into its queue.
 * What is due at the same time happens in this order.
 */
enum event_kind { CLIENT_READS, SERVER_CONNECTS, OCTETS_ARRIVE, N_KINDS };

struct event {
	struct event *next;
	uint64_t due;
	enum event_kind kind;
	struct side *to;
	size_t len;		/* 0: the end of the stream */
	size_t sent;
	char octets[];
};

struct queue {
	uint64_t delay;		/* nanoseconds */
	struct event *first;
	struct event **last;
};

struct relay {
	int epoll;
	int listener;
	int signals;
	int timer;
	struct sockaddr_in to;
	struct queue queues[N_KINDS];
	struct connection *connections;
	struct counts ended;	/* of connections that are gone */
	uint64_t opened;
	bool stop;
};

/* Ends the program. */
_Noreturn void failed(const char *what);

/* Zeroed memory, or the end. */
void *memory(size_t size);

/* Nanoseconds of the monotonic clock. */
uint64_t now(void);

/* Puts something that will happen to this side into its queue. */
void relay_put(struct relay *r, enum event_kind kind, struct side *to,
    const char *octets, size_t len);

/* Listens on loopback and returns the port. */
uint16_t relay_start(struct relay *r, uint64_t ms, uint16_t port);

/* Until SIGTERM or SIGINT. */
void relay_run(struct relay *r);

void relay_fini(struct relay *r);

/* A socket has come; epoll is told, and watches it from now on. */
void side_open(struct relay *r, struct side *s, int fd);

/* epoll has something to say about it. */
void side_event(struct relay *r, struct side *s, uint32_t events);

/* Something has come to the end of the link; takes the event. */
void side_arrived(struct relay *r, struct event *e);

/* Both sockets go at once; what is under way to them is lost. */
void connection_close(struct connection *c);

void counts_add(struct counts *sum, const struct counts *c);

#endif
