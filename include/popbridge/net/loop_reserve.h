#ifndef PB_NET_LOOP_RESERVE_H
#define PB_NET_LOOP_RESERVE_H

#include <stddef.h>

#include <uv.h>

/*
 * libuv ends the process where it finds no memory for a table of a loop's
 * descriptors, or for the first thread of its pool.  So both are made while
 * nobody is served yet.
 */

/*
 * Room in the loop for descriptors up to this number, as far as the process may
 * have them.  What fails here is tried again by libuv when it is needed.
 */
void pb_loop_reserve(uv_loop_t *loop, size_t descriptors);

/* Starts the threads of the pool; the loop is kept alive until they run. */
void pb_loop_start_pool(uv_loop_t *loop);

#endif
