#ifndef PB_BASE_BUDGET_H
#define PB_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Octets that many may use together, and no more than `max`: whoever wants some
 * takes them first, and gives them back.  Any thread.
 */
struct pb_budget {
	_Atomic size_t used;
	size_t max;
	/* Borrowed; while it is true nothing is given.  NULL: never. */
	const _Atomic bool *closed;
};

/* All of n, or false and nothing. */
static inline bool
pb_budget_take(struct pb_budget *b, size_t n)
{
	size_t used;

	if (b->closed != NULL && *b->closed)
		return false;
	used = atomic_fetch_add(&b->used, n);
	if (n <= b->max && used <= b->max - n)
		return true;
	atomic_fetch_sub(&b->used, n);
	return false;
}

static inline void
pb_budget_give(struct pb_budget *b, size_t n)
{
	atomic_fetch_sub(&b->used, n);
}

#endif
