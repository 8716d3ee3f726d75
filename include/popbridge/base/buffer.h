#ifndef PB_BASE_BUFFER_H
#define PB_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * A queue of octets with a maximum.  Octets are appended at the end and
 * consumed at the front; an empty buffer holds no memory after
 * pb_buffer_release.
 *
 *	data      head             head+len        cap
 *	 |---gone---|----octets------|----room------|
 *
 * A buffer marked secret wipes every piece of memory that it gives back.
 */
struct pb_buffer {
	char *data;	/* own */
	size_t head;
	size_t len;
	size_t cap;
	size_t max;	/* most octets it may hold at a time */
	bool secret;
};

void pb_buffer_init(struct pb_buffer *b, size_t max);
void pb_buffer_init_secret(struct pb_buffer *b, size_t max);
void pb_buffer_fini(struct pb_buffer *b);

/* PB_OK, PB_ETOOBIG (over max; nothing was added), PB_ENOMEM (same). */
enum pb_status pb_buffer_append(struct pb_buffer *b, const void *data,
				size_t len) PB_MUST_CHECK;
enum pb_status pb_buffer_printf(struct pb_buffer *b, const char *fmt, ...)
    PB_PRINTF(2, 3) PB_MUST_CHECK;

/*
 * Room for `len` more octets in one piece: *room is where to write them,
 * pb_buffer_commit says how many were written.  Results as for append.
 */
enum pb_status pb_buffer_reserve(struct pb_buffer *b, size_t len,
				 char **room) PB_MUST_CHECK;
void pb_buffer_commit(struct pb_buffer *b, size_t len);

/* What is in it; valid until the next call that changes the buffer. */
static inline struct pb_slice
pb_buffer_slice(const struct pb_buffer *b)
{
	return pb_slice(b->len > 0 ? b->data + b->head : "", b->len);
}

/* Drop the first n octets. */
void pb_buffer_consume(struct pb_buffer *b, size_t n);
/* Drop all octets, keep the memory. */
void pb_buffer_clear(struct pb_buffer *b);
/* Drop all octets, give the memory back. */
void pb_buffer_release(struct pb_buffer *b);
/* Exchange contents and memory; each keeps its own max and secrecy. */
void pb_buffer_swap(struct pb_buffer *a, struct pb_buffer *b);

#endif
