#include "popbridge/store/listing_code.h"

#include "number.h"
#include "popbridge/base/check.h"

/* Octets of two numbers, and of three. */
#define MESSAGE_MAX (2 * PB_NUMBER_MAX)
#define HEAD_MAX (3 * PB_NUMBER_MAX)

static char *
put_head(char *at, const struct pb_listing *l)
{
	at = pb_number_put(at, l->uidvalidity);
	at = pb_number_put(at, l->uidnext);
	return pb_number_put(at, l->count);
}

/* So many messages at a time, that no more memory is asked for than needed. */
#define PIECE 1024

static enum pb_status
put_piece(struct pb_buffer *out, const struct pb_listing *l, uint32_t from,
    uint32_t to)
{
	uint32_t before = from > 0 ? l->uids[from - 1] : 0;
	enum pb_status st;
	char *room;
	char *at;

	st = pb_buffer_reserve(out, (size_t)(to - from) * MESSAGE_MAX, &room);
	if (st != PB_OK)
		return st;
	at = room;
	for (; from < to; from++) {
		at = pb_number_put(at, l->uids[from] - before - 1);
		at = pb_number_put(at, l->sizes[from]);
		before = l->uids[from];
	}
	pb_buffer_commit(out, (size_t)(at - room));
	return PB_OK;
}

enum pb_status
pb_listing_encode(const struct pb_listing *l, struct pb_buffer *out)
{
	char head[HEAD_MAX];
	enum pb_status st;
	uint32_t from = 0;

	pb_check(l->uidnext != 0 && l->count <= PB_LISTING_MAX);
	st = pb_buffer_append(out, head, (size_t)(put_head(head, l) - head));
	while (st == PB_OK && from < l->count) {
		uint32_t to = l->count - from > PIECE ? from + PIECE
						      : l->count;

		st = put_piece(out, l, from, to);
		from = to;
	}
	return st;
}

static bool
take_messages(struct pb_slice *in, struct pb_listing *l)
{
	uint64_t uid = 0;
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		uint32_t step = 0;
		uint32_t size = 0;

		if (!pb_number_take(in, UINT32_MAX, &step) ||
		    !pb_number_take(in, UINT32_MAX, &size))
			return false;
		uid += (uint64_t)step + 1;
		if (uid > UINT32_MAX)
			return false;
		l->uids[i] = (uint32_t)uid;
		l->sizes[i] = size;
	}
	return in->len == 0;
}

enum pb_status
pb_listing_decode(struct pb_slice in, struct pb_listing **listing)
{
	uint32_t uidvalidity = 0;
	uint32_t uidnext = 0;
	uint32_t count = 0;
	struct pb_listing *l;

	*listing = NULL;
	/* A message has two octets, so that few cannot ask for much memory. */
	if (!pb_number_take(&in, UINT32_MAX, &uidvalidity) ||
	    !pb_number_take(&in, UINT32_MAX, &uidnext) || uidnext == 0 ||
	    !pb_number_take(&in, PB_LISTING_MAX, &count) || count > in.len / 2)
		return PB_EINVAL;
	l = pb_listing_new(count);
	if (l == NULL)
		return PB_ENOMEM;
	l->uidvalidity = uidvalidity;
	l->uidnext = uidnext;
	if (take_messages(&in, l) && pb_listing_seal(l) == PB_OK) {
		*listing = l;
		return PB_OK;
	}
	pb_listing_unref(&l);
	return PB_EINVAL;
}
