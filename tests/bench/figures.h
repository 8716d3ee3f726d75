#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What was measured, and how it is printed. */

/* Durations in microseconds, in no order. */
struct samples {
	uint32_t *us;		/* own */
	size_t n;
	size_t cap;
};

/* The parts of a session, in the order in which they come. */
enum phase {
	PHASE_CONNECT,		/* TCP, TLS, greeting */
	PHASE_LOGIN,		/* USER and PASS; LOGIN */
	PHASE_STAT,		/* STAT; SELECT */
	PHASE_UIDL,
	PHASE_LIST,		/* LIST; FETCH of UIDs and sizes */
	PHASE_WORK,		/* RETR, TOP, DELE; FETCH of messages */
	PHASE_QUIT,
	N_PHASES
};

/* One for each thread; summed up at the end. */
struct figures {
	uint64_t phase_us[N_PHASES];	/* of all sessions together */
	uint64_t sessions;
	uint64_t messages;
	uint64_t octets;		/* of messages, not stuffed */
	struct samples answers;		/* command to its last octet */
	struct samples first_octets;	/* command to the first octet */
	struct samples whole_sessions;
};

void samples_add(struct samples *s, uint64_t us);

/* Moves all of one into the other. */
void figures_add(struct figures *sum, struct figures *part);

void figures_fini(struct figures *f);

/* One line of JSON: durations in seconds, percentiles in microseconds. */
void figures_print(struct figures *f, const char *scenario,
    uint64_t wall_us, FILE *out);

#endif
