#include "popbridge/bridge/maildrop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/*
 * A size nobody has said yet.  A message of just this size counts as unsaid
 * and fails the login, as it should: its LIST line could not be trusted.
 */
#define SIZE_UNKNOWN UINT32_MAX

#define SMALLEST 64

enum mark { DELETED = 0, SEEN = 1 };

void
pb_maildrop_fini(struct pb_maildrop *m)
{
	pb_free(m->uids);
	pb_free(m->sizes);
	pb_free(m->marks);
	*m = (struct pb_maildrop){ .count = 0 };
}

void
pb_maildrop_clear(struct pb_maildrop *m)
{
	pb_maildrop_fini(m);
}

static enum pb_status
resize(struct pb_maildrop *m, uint32_t cap)
{
	uint32_t *uids = pb_realloc(m->uids, cap * sizeof(*uids));
	uint32_t *sizes;

	if (uids == NULL)
		return PB_ENOMEM;
	m->uids = uids;
	sizes = pb_realloc(m->sizes, cap * sizeof(*sizes));
	if (sizes == NULL)
		return PB_ENOMEM;
	m->sizes = sizes;
	m->cap = cap;
	return PB_OK;
}

enum pb_status
pb_maildrop_put(struct pb_maildrop *m, uint32_t seq, uint32_t uid,
    bool has_size, uint32_t size)
{
	if (seq > PB_MAILDROP_MAX)
		return PB_ETOOBIG;
	pb_check(seq >= 1);
	if (seq > m->cap) {
		uint32_t cap = m->cap > SMALLEST ? m->cap : SMALLEST;
		enum pb_status st;

		while (cap < seq)
			cap *= 2;
		st = resize(m, cap);
		if (st != PB_OK)
			return st;
	}
	while (m->count < seq) {
		m->uids[m->count] = 0;
		m->sizes[m->count] = SIZE_UNKNOWN;
		m->count++;
	}
	if (uid != 0)
		m->uids[seq - 1] = uid;
	if (has_size)
		m->sizes[seq - 1] = size;
	return PB_OK;
}

struct entry {
	uint32_t uid;
	uint32_t size;
};

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct entry *)a)->uid;
	uint32_t y = ((const struct entry *)b)->uid;

	return (x > y) - (x < y);
}

/* RFC 3501 has them ascending by sequence number; not all servers do. */
static enum pb_status
sort_by_uid(struct pb_maildrop *m)
{
	struct entry *entries;
	uint32_t i;

	for (i = 1; i < m->count && m->uids[i - 1] < m->uids[i]; i++)
		continue;
	if (i >= m->count)
		return PB_OK;
	entries = pb_realloc(NULL, m->count * sizeof(*entries));
	if (entries == NULL)
		return PB_ENOMEM;
	for (i = 0; i < m->count; i++)
		entries[i] = (struct entry){ m->uids[i], m->sizes[i] };
	qsort(entries, m->count, sizeof(*entries), by_uid);
	for (i = 0; i < m->count; i++) {
		m->uids[i] = entries[i].uid;
		m->sizes[i] = entries[i].size;
	}
	pb_free(entries);
	return PB_OK;
}

static enum pb_status
incomplete(struct pb_error *err, const char *what, uint32_t number)
{
	pb_error_set(err, PB_ERROR_PROTOCOL, PB_SCOPE_ACCOUNT,
	    "the IMAP server's listing cannot be trusted: %s %" PRIu32, what,
	    number);
	return PB_EPROTO;
}

enum pb_status
pb_maildrop_freeze(struct pb_maildrop *m, uint32_t uidvalidity, uint32_t least,
    struct pb_error *err)
{
	uint32_t i;

	if (m->count < least)
		return incomplete(err, "it lacks message", m->count + 1);
	for (i = 0; i < m->count; i++) {
		if (m->uids[i] == 0)
			return incomplete(err, "it lacks the UID of message",
			    i + 1);
		if (m->sizes[i] == SIZE_UNKNOWN)
			return incomplete(err, "it lacks the size of message",
			    i + 1);
	}
	if (sort_by_uid(m) != PB_OK)
		return PB_ENOMEM;
	for (i = 1; i < m->count; i++) {
		if (m->uids[i] == m->uids[i - 1])
			return incomplete(err, "two messages have UID",
			    m->uids[i]);
	}
	if (m->count > 0 && m->count < m->cap && resize(m, m->count) != PB_OK)
		return PB_ENOMEM;
	m->uidvalidity = uidvalidity;
	m->octets = 0;
	for (i = 0; i < m->count; i++)
		m->octets += m->sizes[i];
	return PB_OK;
}

uint32_t
pb_maildrop_uid_of(const struct pb_maildrop *m, uint32_t msgno)
{
	pb_check(pb_maildrop_has(m, msgno));
	return m->uids[msgno - 1];
}

uint32_t
pb_maildrop_size_of(const struct pb_maildrop *m, uint32_t msgno)
{
	pb_check(pb_maildrop_has(m, msgno));
	return m->sizes[msgno - 1];
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
	m->octets -= m->sizes[msgno - 1];
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
			m->octets += m->sizes[i - 1];
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
			(*uids)[(*n)++] = m->uids[i - 1];
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
