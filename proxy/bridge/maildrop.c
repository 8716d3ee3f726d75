#include "popbridge/bridge/maildrop.h"

#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

enum mark { DELETED = 0, SEEN = 1 };

void
pb_maildrop_fini(struct pb_maildrop *m)
{
	pb_listing_unref(&m->listing);
	pb_free(m->marks);
	*m = (struct pb_maildrop){ .count = 0 };
}

void
pb_maildrop_open(struct pb_maildrop *m, struct pb_listing *listing)
{
	pb_maildrop_fini(m);
	m->listing = pb_listing_ref(listing);
	m->uidvalidity = listing->uidvalidity;
	m->count = listing->count;
	m->octets = listing->octets;
}

uint32_t
pb_maildrop_uid_of(const struct pb_maildrop *m, uint32_t msgno)
{
	pb_check(pb_maildrop_has(m, msgno));
	return m->listing->uids[msgno - 1];
}

uint32_t
pb_maildrop_size_of(const struct pb_maildrop *m, uint32_t msgno)
{
	pb_check(pb_maildrop_has(m, msgno));
	return m->listing->sizes[msgno - 1];
}

/* Two bits a message, four messages an octet. */
static bool
is_marked(const struct pb_maildrop *m, uint32_t msgno, enum mark mark)
{
	uint32_t i = msgno - 1;

	return m->marks != NULL &&
	    (m->marks[i / 4] >> (i % 4 * 2 + mark) & 1) != 0;
}

static enum pb_status
set_mark(struct pb_maildrop *m, uint32_t msgno, enum mark mark)
{
	uint32_t i = msgno - 1;

	pb_check(pb_maildrop_has(m, msgno));
	if (m->marks == NULL)
		m->marks = pb_alloc(m->count / 4 + 1);
	if (m->marks == NULL)
		return PB_ENOMEM;
	m->marks[i / 4] |= (uint8_t)(1u << (i % 4 * 2 + mark));
	return PB_OK;
}

bool
pb_maildrop_is_deleted(const struct pb_maildrop *m, uint32_t msgno)
{
	pb_check(pb_maildrop_has(m, msgno));
	return is_marked(m, msgno, DELETED);
}

enum pb_status
pb_maildrop_delete(struct pb_maildrop *m, uint32_t msgno)
{
	enum pb_status st;

	pb_check(!pb_maildrop_is_deleted(m, msgno));
	st = set_mark(m, msgno, DELETED);
	if (st != PB_OK)
		return st;
	m->n_deleted++;
	m->octets -= m->listing->sizes[msgno - 1];
	return PB_OK;
}

enum pb_status
pb_maildrop_mark_seen(struct pb_maildrop *m, uint32_t msgno)
{
	return set_mark(m, msgno, SEEN);
}

void
pb_maildrop_reset(struct pb_maildrop *m)
{
	uint32_t i;

	for (i = 1; i <= m->count; i++) {
		if (is_marked(m, i, DELETED))
			m->octets += m->listing->sizes[i - 1];
	}
	pb_free(m->marks);
	m->marks = NULL;
	m->n_deleted = 0;
	m->last = 0;
}

static bool
is_wanted(const struct pb_maildrop *m, uint32_t msgno, enum mark mark)
{
	return is_marked(m, msgno, mark) &&
	    (mark == DELETED || !is_marked(m, msgno, DELETED));
}

static enum pb_status
collect(const struct pb_maildrop *m, enum mark mark, uint32_t **uids,
    size_t *n)
{
	uint32_t i;

	*uids = NULL;
	*n = 0;
	for (i = 1; i <= m->count; i++)
		*n += is_wanted(m, i, mark);
	if (*n == 0)
		return PB_OK;
	*uids = pb_realloc(NULL, *n * sizeof(**uids));
	if (*uids == NULL)
		return PB_ENOMEM;
	*n = 0;
	for (i = 1; i <= m->count; i++) {
		if (is_wanted(m, i, mark))
			(*uids)[(*n)++] = m->listing->uids[i - 1];
	}
	return PB_OK;
}

enum pb_status
pb_maildrop_deleted(const struct pb_maildrop *m, uint32_t **uids, size_t *n)
{
	return collect(m, DELETED, uids, n);
}

enum pb_status
pb_maildrop_seen(const struct pb_maildrop *m, uint32_t **uids, size_t *n)
{
	return collect(m, SEEN, uids, n);
}

struct pb_listing *
pb_maildrop_rest(const struct pb_maildrop *m)
{
	struct pb_listing *rest = pb_listing_new(m->count - m->n_deleted);
	uint32_t n = 0;
	uint32_t i;

	if (rest == NULL)
		return NULL;
	rest->uidvalidity = m->uidvalidity;
	rest->uidnext = m->listing->uidnext;
	for (i = 1; i <= m->count; i++) {
		if (is_marked(m, i, DELETED))
			continue;
		rest->uids[n] = m->listing->uids[i - 1];
		rest->sizes[n++] = m->listing->sizes[i - 1];
	}
	if (pb_listing_seal(rest) != PB_OK)
		pb_listing_unref(&rest);
	return rest;
}
