#include "popbridge/service/locks.h"

#include <pthread.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

struct lock {
	UT_hash_handle hh;
	struct pb_lock_holder holder;
	char key[];
};

struct pb_locks {
	pthread_mutex_t mutex;	/* guards what follows */
	struct lock *table;	/* own */
	size_t max;
};

struct pb_locks *
pb_locks_new(size_t max)
{
	struct pb_locks *l = pb_alloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	l->max = max;
	pb_check(pthread_mutex_init(&l->mutex, NULL) == 0);
	return l;
}

void
pb_locks_free(struct pb_locks **locks)
{
	struct pb_locks *l = *locks;
	struct lock *lock;
	struct lock *next;

	*locks = NULL;
	if (l == NULL)
		return;
	HASH_ITER(hh, l->table, lock, next)
	{
		HASH_DEL(l->table, lock);
		pb_free(lock);
	}
	pb_check(pthread_mutex_destroy(&l->mutex) == 0);
	pb_free(l);
}

static void
enter(struct pb_locks *l)
{
	pb_check(pthread_mutex_lock(&l->mutex) == 0);
}

static void
leave(struct pb_locks *l)
{
	pb_check(pthread_mutex_unlock(&l->mutex) == 0);
}

static struct lock *
find(const struct pb_locks *l, struct pb_slice key)
{
	struct lock *lock;

	HASH_FIND(hh, l->table, key.data, key.len, lock);
	return lock;
}

static enum pb_lock_result
add(struct pb_locks *l, struct pb_slice key,
    const struct pb_lock_holder *holder)
{
	struct lock *lock;

	if (HASH_COUNT(l->table) >= l->max || key.len > PB_LOCK_KEY_MAX)
		return PB_LOCK_FULL;
	lock = pb_alloc(sizeof(*lock) + key.len);
	if (lock == NULL)
		return PB_LOCK_FULL;
	lock->holder = *holder;
	memcpy(lock->key, key.data, key.len);
	HASH_ADD(hh, l->table, key[0], key.len, lock);
	if (lock->hh.tbl == NULL) {
		pb_free(lock);
		return PB_LOCK_FULL;
	}
	return PB_LOCK_GRANTED;
}

static enum pb_lock_result
contend(struct lock *lock, enum pb_lock_mode mode,
    const struct pb_lock_holder *holder, struct pb_lock_holder *other)
{
	if (lock->holder.id == holder->id)
		return PB_LOCK_GRANTED;
	*other = lock->holder;
	if (mode == PB_LOCK_EXCLUSIVE)
		return PB_LOCK_IN_USE;
	lock->holder = *holder;
	return PB_LOCK_TAKEN_OVER;
}

enum pb_lock_result
pb_locks_acquire(struct pb_locks *l, struct pb_slice key,
    enum pb_lock_mode mode, const struct pb_lock_holder *holder,
    struct pb_lock_holder *other)
{
	enum pb_lock_result result;
	struct lock *lock;

	pb_check(key.len > 0);
	if (mode == PB_LOCK_NONE)
		return PB_LOCK_GRANTED;
	enter(l);
	lock = find(l, key);
	result = lock == NULL ? add(l, key, holder)
			      : contend(lock, mode, holder, other);
	leave(l);
	return result;
}

void
pb_locks_release(struct pb_locks *l, struct pb_slice key, uint64_t id)
{
	struct lock *lock;

	enter(l);
	lock = find(l, key);
	if (lock != NULL && lock->holder.id == id) {
		HASH_DEL(l->table, lock);
		pb_free(lock);
	}
	leave(l);
}

size_t
pb_locks_count(struct pb_locks *l)
{
	size_t n;

	enter(l);
	n = HASH_COUNT(l->table);
	leave(l);
	return n;
}
