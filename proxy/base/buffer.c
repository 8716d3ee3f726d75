#include "popbridge/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* Below this, growing costs more calls than it saves octets. */
#define SMALLEST 256

void
pb_buffer_init(struct pb_buffer *b, size_t max)
{
	*b = (struct pb_buffer){ .max = max };
}

void
pb_buffer_init_secret(struct pb_buffer *b, size_t max)
{
	*b = (struct pb_buffer){ .max = max, .secret = true };
}

void
pb_buffer_release(struct pb_buffer *b)
{
	if (b->secret)
		pb_wipe(b->data, b->cap);
	pb_free(b->data);
	b->data = NULL;
	b->head = b->len = b->cap = 0;
}

void
pb_buffer_fini(struct pb_buffer *b)
{
	pb_buffer_release(b);
}

static void
move_to_front(struct pb_buffer *b)
{
	if (b->head == 0)
		return;
	memmove(b->data, b->data + b->head, b->len);
	if (b->secret)
		pb_wipe(b->data + b->len, b->head);
	b->head = 0;
}

static enum pb_status
grow(struct pb_buffer *b, size_t need)
{
	size_t cap = b->cap > SMALLEST ? b->cap : SMALLEST;
	char *data;

	while (cap < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	/* Not realloc: it may leave a copy of a secret behind. */
	data = pb_realloc(NULL, cap);
	if (data == NULL)
		return PB_ENOMEM;
	if (b->len > 0)
		memcpy(data, b->data + b->head, b->len);
	if (b->secret)
		pb_wipe(b->data, b->cap);
	pb_free(b->data);
	b->data = data;
	b->head = 0;
	b->cap = cap;
	return PB_OK;
}

enum pb_status
pb_buffer_reserve(struct pb_buffer *b, size_t len, char **room)
{
	if (len > b->max - b->len)
		return PB_ETOOBIG;
	if (b->head + b->len + len > b->cap) {
		/* Moving pays only when what moves is small beside the gap. */
		if (b->len + len <= b->cap && b->head >= b->len) {
			move_to_front(b);
		} else {
			enum pb_status st = grow(b, b->len + len);

			if (st != PB_OK)
				return st;
		}
	}
	*room = b->data + b->head + b->len;
	return PB_OK;
}

void
pb_buffer_commit(struct pb_buffer *b, size_t len)
{
	pb_check(b->head + b->len + len <= b->cap);
	b->len += len;
}

enum pb_status
pb_buffer_append(struct pb_buffer *b, const void *data, size_t len)
{
	enum pb_status st;
	char *room;

	if (len == 0)
		return PB_OK;
	st = pb_buffer_reserve(b, len, &room);
	if (st != PB_OK)
		return st;
	memcpy(room, data, len);
	pb_buffer_commit(b, len);
	return PB_OK;
}

enum pb_status
pb_buffer_printf(struct pb_buffer *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pb_check(len >= 0);
	if ((size_t)len >= sizeof(text))
		return PB_ETOOBIG;
	return pb_buffer_append(b, text, (size_t)len);
}

void
pb_buffer_consume(struct pb_buffer *b, size_t n)
{
	pb_check(n <= b->len);
	if (n == 0)
		return;
	if (b->secret)
		pb_wipe(b->data + b->head, n);
	b->head += n;
	b->len -= n;
	if (b->len == 0)
		b->head = 0;
}

void
pb_buffer_clear(struct pb_buffer *b)
{
	pb_buffer_consume(b, b->len);
}

void
pb_buffer_swap(struct pb_buffer *a, struct pb_buffer *b)
{
	struct pb_buffer was = *a;

	a->data = b->data;
	a->head = b->head;
	a->len = b->len;
	a->cap = b->cap;
	b->data = was.data;
	b->head = was.head;
	b->len = was.len;
	b->cap = was.cap;
}
