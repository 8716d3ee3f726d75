#ifndef PB_BASE_MEM_H
#define PB_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/status.h"

/*
 * The one way to the heap.  pb_alloc and pb_realloc return NULL when there is
 * no memory: a session ends then, the process lives.  pb_xalloc aborts and is
 * for start-up and tools only.  Memory from pb_alloc and pb_xalloc is zeroed.
 */

void *pb_alloc(size_t size) PB_MUST_CHECK;
void *pb_xalloc(size_t size) PB_MUST_CHECK;
void *pb_realloc(void *p, size_t size) PB_MUST_CHECK;
char *pb_xstrdup(const char *s) PB_MUST_CHECK;
void  pb_free(void *p);

/* Overwrite memory that held a secret; the compiler may not drop it. */
void pb_wipe(void *p, size_t len);

/*
 * Tests only: the n-th allocation of this thread from now on (counted from 1)
 * and all after it fail; 0 ends it.  With _at only the n-th does.
 */
void pb_mem_fail_from(unsigned long n);
void pb_mem_fail_at(unsigned long n);

/* Tests only: has one failed since? */
bool pb_mem_has_failed(void);

/* Tests only: what is allocated while spared does not count and not fail. */
void pb_mem_spare(bool spared);

#endif
