#include "popbridge/service/memory.h"

#include <stdlib.h>

static size_t
percent(size_t n, unsigned p)
{
	return n / 100 * p + n % 100 * p / 100;
}

struct pb_memory_limits
pb_memory_default(size_t system)
{
	return (struct pb_memory_limits){
		.soft = percent(system, PB_MEMORY_SOFT_PERCENT),
		.hard = percent(system, PB_MEMORY_HARD_PERCENT) };
}

enum pb_memory_state
pb_memory_judge(const struct pb_memory_limits *limits,
    enum pb_memory_state before, size_t used)
{
	size_t soft = limits->soft > 0 ? limits->soft : limits->hard;

	if (soft == 0)
		return PB_MEMORY_PLENTY;
	if (limits->hard > 0 && used > limits->hard)
		return PB_MEMORY_OVER;
	if (used > soft)
		return PB_MEMORY_SHORT;
	if (before != PB_MEMORY_PLENTY &&
	    used > percent(soft, PB_MEMORY_PLENTY_PERCENT))
		return PB_MEMORY_SHORT;
	return PB_MEMORY_PLENTY;
}

/* A heap whose root is the lightest: most sessions are lighter still. */
static void
sink(struct pb_memory_weight *heap, size_t n, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		struct pb_memory_weight weight = heap[at];

		if (child + 1 < n &&
		    heap[child + 1].octets < heap[child].octets)
			child++;
		if (child >= n || heap[child].octets >= weight.octets)
			return;
		heap[at] = heap[child];
		heap[child] = weight;
		at = child;
	}
}

static void
rise(struct pb_memory_weight *heap, size_t at)
{
	while (at > 0 && heap[at].octets < heap[(at - 1) / 2].octets) {
		struct pb_memory_weight weight = heap[at];

		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
		heap[at] = weight;
	}
}

void
pb_memory_weigh(struct pb_memory_scales *s, uint64_t session_id, size_t octets)
{
	const struct pb_memory_weight weight = { session_id, octets };

	if (octets == 0)
		return;
	if (s->n < PB_MEMORY_WEIGHED_MAX) {
		s->heaviest[s->n] = weight;
		rise(s->heaviest, s->n++);
	} else if (octets > s->heaviest[0].octets) {
		s->heaviest[0] = weight;
		sink(s->heaviest, s->n, 0);
	}
}

static int
heavier_first(const void *a, const void *b)
{
	const struct pb_memory_weight *x = a;
	const struct pb_memory_weight *y = b;

	return (x->octets < y->octets) - (x->octets > y->octets);
}

size_t
pb_memory_choose(struct pb_memory_scales *s, size_t octets)
{
	size_t sum = 0;
	size_t n = 0;

	qsort(s->heaviest, s->n, sizeof(s->heaviest[0]), heavier_first);
	while (n < s->n && sum < octets)
		sum += s->heaviest[n++].octets;
	return n;
}
