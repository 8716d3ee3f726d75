#ifndef PB_SERVICE_MEMORY_H
#define PB_SERVICE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the process does about its memory: figures in, a decision out.
 *
 * Over the soft limit nobody new comes in, and what only makes things faster is
 * given up.  Over the hard one, the sessions that hold most end, for otherwise
 * the kernel ends them all.
 */

/* In octets; 0: no such limit. */
struct pb_memory_limits {
	size_t soft;
	size_t hard;
};

/*
 * Of what the system lets the process have, so much in percent is the limit
 * where the administrator names none.  What is above the hard one is room for
 * what is not counted here, the kernel's buffers of sockets, and for a second.
 */
#define PB_MEMORY_SOFT_PERCENT 75
#define PB_MEMORY_HARD_PERCENT 90

/*
 * It is over when so much of the soft limit, in percent, is used no more: else
 * it would be said, and undone, each second.
 */
#define PB_MEMORY_PLENTY_PERCENT 90

/* `system`: what the system lets the process have, 0 for any amount. */
struct pb_memory_limits pb_memory_default(size_t system);

enum pb_memory_state {
	PB_MEMORY_PLENTY,
	PB_MEMORY_SHORT,	/* over the soft limit, or not yet well below */
	PB_MEMORY_OVER,		/* over the hard one */
};

/* What it is now that it was `before`. */
enum pb_memory_state pb_memory_judge(const struct pb_memory_limits *limits,
				     enum pb_memory_state before,
				     size_t used);

struct pb_memory_weight {
	uint64_t session_id;
	size_t octets;
};

/* Sessions that can be ended in one round; the next is a second later. */
#define PB_MEMORY_WEIGHED_MAX 256

/* The heaviest of all sessions that were put on; a zeroed one is empty. */
struct pb_memory_scales {
	size_t n;
	struct pb_memory_weight heaviest[PB_MEMORY_WEIGHED_MAX];
};

/* A weight of 0 is not taken: it must not end. */
void pb_memory_weigh(struct pb_memory_scales *scales, uint64_t session_id,
		     size_t octets);
/*
 * The fewest that give so many octets back: the first ones of `heaviest`, which
 * is sorted by this.  All of them where that is not enough.
 */
size_t pb_memory_choose(struct pb_memory_scales *scales, size_t octets);

#endif
