#include "figures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "wire.h"

static const char *const phase_names[N_PHASES] = {
	[PHASE_CONNECT] = "connect",
	[PHASE_LOGIN] = "login",
	[PHASE_STAT] = "stat",
	[PHASE_UIDL] = "uidl",
	[PHASE_LIST] = "list",
	[PHASE_WORK] = "work",
	[PHASE_QUIT] = "quit",
};

static void
room_for(struct samples *s, size_t n)
{
	size_t cap = s->cap > 0 ? s->cap : 1024;

	while (cap < s->n + n)
		cap *= 2;
	if (cap == s->cap)
		return;
	s->us = realloc(s->us, cap * sizeof(*s->us));
	if (s->us == NULL)
		fail("out of memory");
	s->cap = cap;
}

void
samples_add(struct samples *s, uint64_t us)
{
	room_for(s, 1);
	s->us[s->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void
samples_move(struct samples *to, struct samples *from)
{
	if (from->n == 0)
		return;
	room_for(to, from->n);
	memcpy(to->us + to->n, from->us, from->n * sizeof(*from->us));
	to->n += from->n;
}

void
figures_add(struct figures *sum, struct figures *part)
{
	unsigned i;

	for (i = 0; i < N_PHASES; i++)
		sum->phase_us[i] += part->phase_us[i];
	sum->sessions += part->sessions;
	sum->messages += part->messages;
	sum->octets += part->octets;
	samples_move(&sum->answers, &part->answers);
	samples_move(&sum->first_octets, &part->first_octets);
	samples_move(&sum->whole_sessions, &part->whole_sessions);
}

void
figures_fini(struct figures *f)
{
	free(f->answers.us);
	free(f->first_octets.us);
	free(f->whole_sessions.us);
}

static int
by_size(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

static void
percentiles(struct samples *s, const char *name, FILE *out)
{
	if (s->n == 0)
		return;
	qsort(s->us, s->n, sizeof(*s->us), by_size);
	fprintf(out, ", \"%s\": {\"p50\": %" PRIu32 ", \"p95\": %" PRIu32
	    ", \"p99\": %" PRIu32 ", \"max\": %" PRIu32 "}", name,
	    s->us[s->n / 2], s->us[s->n * 95 / 100], s->us[s->n * 99 / 100],
	    s->us[s->n - 1]);
}

static double
own_cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void
figures_print(struct figures *f, const char *scenario, uint64_t wall_us,
    FILE *out)
{
	unsigned i;

	fprintf(out, "{\"scenario\": \"%s\", \"seconds\": %.6f, "
	    "\"sessions\": %" PRIu64 ", \"messages\": %" PRIu64
	    ", \"octets\": %" PRIu64 ", \"generator_cpu\": %.3f, "
	    "\"phases\": {", scenario, (double)wall_us / 1e6, f->sessions,
	    f->messages, f->octets, own_cpu_seconds());
	for (i = 0; i < N_PHASES; i++)
		fprintf(out, "%s\"%s\": %.6f", i > 0 ? ", " : "",
		    phase_names[i], (double)f->phase_us[i] / 1e6);
	fputs("}", out);
	percentiles(&f->answers, "answer_us", out);
	percentiles(&f->first_octets, "first_octet_us", out);
	percentiles(&f->whole_sessions, "session_us", out);
	fputs("}\n", out);
	fflush(out);
}
