#include "support/support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/text.h"

/* Traces of any test fit into this. */
#define TRACE_MAX (64u * 1024 * 1024)

/* Inputs longer than this are cut in two at random places only. */
#define EVERY_CUT_MAX 2048
#define RANDOM_CUTS 64

void
pbt_random_seed(struct pbt_random *r, uint64_t seed)
{
	r->state = seed != 0 ? seed : 1;
}

void
pbt_random_init(struct pbt_random *r)
{
	const char *given = getenv("PB_TEST_SEED");
	uint64_t seed = 0;

	if (given != NULL)
		seed = strtoull(given, NULL, 10);
	else
		pb_check(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
	printf("PB_TEST_SEED=%llu\n", (unsigned long long)seed);
	pbt_random_seed(r, seed);
}

/* xorshift64*, by Marsaglia and Vigna. */
uint64_t
pbt_random_next(struct pbt_random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * UINT64_C(2685821657736338717);
}

size_t
pbt_random_below(struct pbt_random *r, size_t n)
{
	return (size_t)((pbt_random_next(r) >> 11) % n);
}

void
pbt_guard(struct pbt_guarded *g, struct pb_slice octets)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (octets.len + page - 1) / page * page;

	g->map_len = room + page;
	g->map = mmap(NULL, g->map_len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pb_check(g->map != MAP_FAILED);
	pb_check(mprotect(g->map + room, page, PROT_NONE) == 0);
	g->octets = pb_slice(g->map + room - octets.len, octets.len);
	if (octets.len > 0)
		memcpy(g->map + room - octets.len, octets.data, octets.len);
}

void
pbt_unguard(struct pbt_guarded *g)
{
	pb_check(munmap(g->map, g->map_len) == 0);
}

char *
pbt_exact(struct pb_slice octets)
{
	char *copy = malloc(octets.len > 0 ? octets.len : 1);

	pb_check(copy != NULL);
	if (octets.len > 0)
		memcpy(copy, octets.data, octets.len);
	return copy;
}

void
pbt_put(struct pb_buffer *b, struct pb_slice octets)
{
	enum pb_status st = pb_buffer_append(b, octets.data, octets.len);

	pb_check(st == PB_OK);
}

void
pbt_say(struct pb_buffer *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pb_check(len >= 0 && (size_t)len < sizeof(text));
	pbt_put(b, pb_slice(text, (size_t)len));
}

void
pbt_put_clean(struct pb_buffer *b, struct pb_slice octets)
{
	char text[8 + 4 * 128];

	while (octets.len > 0) {
		size_t n = octets.len < 128 ? octets.len : 128;

		pb_text_clean(pb_slice(octets.data, n), text, sizeof(text));
		pbt_put(b, pb_slice_str(text));
		pb_slice_skip(&octets, n);
	}
}

static void
feed_guarded(const struct pbt_machine *m, void *machine, struct pb_slice piece,
    struct pb_buffer *trace)
{
	struct pbt_guarded guarded;

	pbt_guard(&guarded, piece);
	m->feed(machine, guarded.octets, trace);
	pbt_unguard(&guarded);
}

static void
feed_exact(const struct pbt_machine *m, void *machine, struct pb_slice piece,
    struct pb_buffer *trace)
{
	char *exact = pbt_exact(piece);

	m->feed(machine, pb_slice(exact, piece.len), trace);
	free(exact);
}

typedef void feed_fn(const struct pbt_machine *m, void *machine,
    struct pb_slice piece, struct pb_buffer *trace);

static void
run(const struct pbt_machine *m, struct pb_slice input, const size_t *sizes,
    size_t n_sizes, struct pb_buffer *trace, feed_fn *feed)
{
	void *machine = m->start(trace);
	size_t i = 0;

	while (input.len > 0) {
		size_t n = sizes[i++ % n_sizes];

		if (n == 0 || n > input.len)
			n = input.len;
		feed(m, machine, pb_slice(input.data, n), trace);
		pb_slice_skip(&input, n);
	}
	m->stop(machine, trace);
}

static void
show(const char *what, struct pb_slice trace, size_t from)
{
	size_t start = from > 200 ? from - 200 : 0;
	size_t end = trace.len < from + 200 ? trace.len : from + 200;

	fprintf(stderr, "--- %s (%zu octets), from %zu:\n%.*s\n", what,
	    trace.len, start, (int)(end - start), trace.data + start);
}

static void
must_equal(const struct pb_buffer *whole, const struct pb_buffer *other,
    const size_t *sizes, size_t n_sizes)
{
	struct pb_slice a = pb_buffer_slice(whole);
	struct pb_slice b = pb_buffer_slice(other);
	size_t at = 0;
	size_t i;

	if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
		return;
	while (at < a.len && at < b.len && a.data[at] == b.data[at])
		at++;
	fprintf(stderr, "the trace depends on the cuts; sizes");
	for (i = 0; i < n_sizes; i++)
		fprintf(stderr, " %zu", sizes[i]);
	fprintf(stderr, ", first difference at %zu\n", at);
	show("whole", a, at);
	show("cut", b, at);
	abort();
}

static void
try_sizes(const struct pbt_machine *m, struct pb_slice input,
    const size_t *sizes, size_t n_sizes, const struct pb_buffer *whole,
    feed_fn *feed)
{
	struct pb_buffer trace;

	pb_buffer_init(&trace, TRACE_MAX);
	pbt_put(&trace, pb_slice_str("trace\n"));
	run(m, input, sizes, n_sizes, &trace, feed);
	must_equal(whole, &trace, sizes, n_sizes);
	pb_buffer_fini(&trace);
}

static void
try_random(const struct pbt_machine *m, struct pb_slice input,
    const struct pb_buffer *whole)
{
	struct pbt_random random;
	size_t sizes[16];
	size_t i;

	pbt_random_seed(&random, input.len * 2654435761u + 1);
	for (i = 0; i < 16; i++)
		sizes[i] = 1 + pbt_random_below(&random, 1 + input.len / 4);
	try_sizes(m, input, sizes, 16, whole, feed_guarded);
	for (i = 0; i < 16; i++)
		sizes[i] = 1 + pbt_random_below(&random, 5);
	if (input.len <= 64u * 1024)
		try_sizes(m, input, sizes, 16, whole, feed_guarded);
}

void
pbt_all_splits(const struct pbt_machine *m, struct pb_slice input,
    struct pb_buffer *trace)
{
	static const size_t all[] = { 0 };
	static const size_t one[] = { 1 };
	struct pbt_random random;
	size_t cut;

	pb_buffer_init(trace, TRACE_MAX);
	pbt_put(trace, pb_slice_str("trace\n"));
	run(m, input, all, 1, trace, feed_guarded);
	if (input.len <= 64u * 1024)
		try_sizes(m, input, one, 1, trace, feed_exact);
	pbt_random_seed(&random, input.len + 1);
	for (cut = 1; cut < input.len; cut++) {
		size_t sizes[] = { cut, 0 };

		if (input.len > EVERY_CUT_MAX) {
			if (cut > RANDOM_CUTS)
				break;
			sizes[0] = 1 + pbt_random_below(&random,
			    input.len - 1);
		}
		try_sizes(m, input, sizes, 2, trace, feed_exact);
	}
	try_random(m, input, trace);
	pb_buffer_consume(trace, strlen("trace\n"));
}

void
pbt_random_splits(const struct pbt_machine *m, struct pb_slice input,
    uint64_t seed, struct pb_buffer *trace)
{
	static const size_t all[] = { 0 };
	struct pbt_random random;
	size_t sizes[8];
	size_t i;

	pb_buffer_init(trace, TRACE_MAX);
	pbt_put(trace, pb_slice_str("trace\n"));
	run(m, input, all, 1, trace, feed_exact);
	pbt_random_seed(&random, seed);
	for (i = 0; i < 8; i++)
		sizes[i] = 1 + pbt_random_below(&random, i % 2 == 0 ? 3 :
		    1 + input.len / 2);
	try_sizes(m, input, sizes, 8, trace, feed_exact);
	pb_buffer_consume(trace, strlen("trace\n"));
}

void
pbt_lines(const struct pbt_machine *m, struct pb_slice input,
    struct pb_buffer *trace)
{
	void *machine;

	pb_buffer_init(trace, TRACE_MAX);
	machine = m->start(trace);
	while (input.len > 0) {
		size_t end = pb_slice_find(input, '\n');

		end += end < input.len;
		feed_exact(m, machine, pb_slice(input.data, end), trace);
		pb_slice_skip(&input, end);
	}
	m->stop(machine, trace);
}
