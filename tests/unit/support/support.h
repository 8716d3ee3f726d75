#ifndef PBT_SUPPORT_H
#define PBT_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/slice.h"

/*
 * What tests share.  Nothing here needs a test framework: what goes wrong
 * ends the process with a message.
 */

/*
 * Random numbers that can be had again: the seed comes from PB_TEST_SEED, or
 * from the kernel, and is printed.
 */
struct pbt_random {
	uint64_t state;
};

void pbt_random_init(struct pbt_random *r);
void pbt_random_seed(struct pbt_random *r, uint64_t seed);
uint64_t pbt_random_next(struct pbt_random *r);
/* 0 to n - 1; n > 0. */
size_t pbt_random_below(struct pbt_random *r, size_t n);

/*
 * Octets behind which no octet can be read: the end of a page, followed by
 * one that is not there.
 */
struct pbt_guarded {
	char *map;
	size_t map_len;
	struct pb_slice octets;
};

void pbt_guard(struct pbt_guarded *g, struct pb_slice octets);
void pbt_unguard(struct pbt_guarded *g);

/* A copy on the heap of just the size; free() it. */
char *pbt_exact(struct pb_slice octets);

/* Append, or end the process; what tests write always fits. */
void pbt_put(struct pb_buffer *b, struct pb_slice octets);
void pbt_say(struct pb_buffer *b, const char *fmt, ...) PB_PRINTF(2, 3);
/* The same, what is not printable as \xNN, lines kept apart. */
void pbt_put_clean(struct pb_buffer *b, struct pb_slice octets);

/*
 * A machine that takes octets in pieces and says what it makes of them: a
 * trace that must not depend on where the pieces are cut.
 */
struct pbt_machine {
	void *(*start)(struct pb_buffer *trace);
	void (*feed)(void *machine, struct pb_slice piece,
		     struct pb_buffer *trace);
	void (*stop)(void *machine, struct pb_buffer *trace);
};

/*
 * Feed the input whole, octet by octet, cut in two at every place, and in
 * random pieces, from memory that ends where they end.  All traces must be
 * equal; *trace (initialised here, the caller's to fini) is that trace.
 */
void pbt_all_splits(const struct pbt_machine *m, struct pb_slice input,
		    struct pb_buffer *trace);

/* Fed line by line, each in one piece. */
void pbt_lines(const struct pbt_machine *m, struct pb_slice input,
	       struct pb_buffer *trace);

/*
 * As pbt_all_splits, for fuzzing: with only one other way to cut, random by
 * `seed`, and without guarded memory, which is slow.
 */
void pbt_random_splits(const struct pbt_machine *m, struct pb_slice input,
		       uint64_t seed, struct pb_buffer *trace);

#endif
