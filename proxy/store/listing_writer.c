#include "listing_cache_priv.h"

#include <time.h>

#include "popbridge/base/check.h"

/* What comes within these is written together, and the last of each only. */
#define GATHER_SECONDS 2

/* More of them at a time: the disk is slower than what comes. */
#define WAITING_MAX 4096
/* Octets of memory that waiting listings may keep in use. */
#define WAITING_OCTETS_MAX ((size_t)64 << 20)

/* Who did not look in for three months is gone, or will not mind. */
#define UNUSED_DAYS 90

static struct pb_listing_job *
find_job(struct pb_listing_job *table, const struct pb_listing_id *id)
{
	struct pb_listing_job *job;

	HASH_FIND(hh, table, id, sizeof(*id), job);
	return job;
}

static size_t
octets_of(const struct pb_listing_job *job)
{
	return job->listing != NULL ? pb_listing_memory(job->listing) : 0;
}

static void
drop_job(struct pb_listing_job **table, struct pb_listing_job *job)
{
	HASH_DEL(*table, job);
	pb_listing_unref(&job->listing);
	pb_free(job);
}

void
pb_listing_cache_drop_jobs(struct pb_listing_job **table)
{
	while (*table != NULL)
		drop_job(table, *table);
}

static void
drop_oldest(struct pb_listing_cache *c)
{
	c->waiting_octets -= octets_of(c->waiting);
	drop_job(&c->waiting, c->waiting);
	pb_listing_cache_say(c, PB_LISTING_FAULT_QUEUE, "more listings are to "
	    "be saved than the disk takes: some are remembered in memory "
	    "only", "the queue is full");
}

/* NULL: no memory. */
static struct pb_listing_job *
add_job(struct pb_listing_cache *c, const struct pb_listing_id *id)
{
	struct pb_listing_job *job = pb_alloc(sizeof(*job));

	if (job == NULL)
		return NULL;
	job->id = *id;
	HASH_ADD(hh, c->waiting, id, sizeof(*id), job);
	if (job->hh.tbl != NULL)
		return job;
	pb_free(job);
	return NULL;
}

void
pb_listing_cache_enqueue(struct pb_listing_cache *c,
    const struct pb_listing_id *id, bool forget, struct pb_listing *listing)
{
	struct pb_listing_job *job = find_job(c->waiting, id);
	bool first = c->waiting == NULL;

	/* Who only touches, or found a bad row, knows less than who saves. */
	if (job == NULL)
		job = add_job(c, id);
	if (job == NULL)
		return;
	c->waiting_octets -= octets_of(job);
	if (forget || listing != NULL)
		pb_listing_unref(&job->listing);
	job->forget = job->forget || forget;
	if (listing != NULL)
		job->listing = pb_listing_ref(listing);
	c->waiting_octets += octets_of(job);
	while (c->waiting != job && (HASH_COUNT(c->waiting) > WAITING_MAX ||
	    c->waiting_octets > WAITING_OCTETS_MAX))
		drop_oldest(c);
	if (first || HASH_COUNT(c->waiting) > WAITING_MAX / 2 ||
	    c->waiting_octets > WAITING_OCTETS_MAX / 2)
		pb_check(pthread_cond_signal(&c->news) == 0);
}

bool
pb_listing_cache_is_waiting(struct pb_listing_cache *c,
    const struct pb_listing_id *id, struct pb_listing **listing)
{
	const struct pb_listing_job *job = find_job(c->waiting, id);

	if (job == NULL || (job->listing == NULL && !job->forget))
		job = find_job(c->writing, id);
	if (job == NULL || (job->listing == NULL && !job->forget))
		return false;
	*listing = job->listing != NULL ? pb_listing_ref(job->listing) : NULL;
	return true;
}

static bool
is_late(struct pb_listing_cache *c)
{
	bool late;

	pb_listing_cache_lock(c);
	late = c->closing && pb_listing_cache_seconds() > c->close_by;
	pb_listing_cache_unlock(c);
	return late;
}

static enum pb_status
do_job(struct pb_listing_cache *c, const struct pb_listing_job *job,
    struct pb_error *err)
{
	int64_t today = pb_listing_cache_today();
	enum pb_status st = PB_OK;
	uint64_t octets = 0;

	if (job->forget)
		st = pb_listing_file_forget(&c->writer, &job->id, err);
	if (st == PB_OK && job->listing != NULL)
		st = pb_listing_file_save(&c->writer, &job->id, job->listing,
		    today, &octets, err);
	else if (st == PB_OK && !job->forget)
		st = pb_listing_file_touch(&c->writer, &job->id, today, err);
	c->octets += octets;
	return st;
}

static enum pb_status
do_jobs(struct pb_listing_cache *c, struct pb_error *err)
{
	const struct pb_listing_job *job = c->writing;
	enum pb_status st = PB_OK;

	while (st == PB_OK && job != NULL && !is_late(c)) {
		st = do_job(c, job, err);
		job = job->hh.next;
	}
	return st;
}

static enum pb_status
prune(struct pb_listing_cache *c, struct pb_error *err)
{
	int64_t today = pb_listing_cache_today();
	enum pb_status st;
	uint64_t max;

	pb_listing_cache_lock(c);
	max = c->max;
	pb_listing_cache_unlock(c);
	if ((c->pruned_on == today && c->octets <= max) || is_late(c))
		return PB_OK;
	st = pb_listing_file_prune(&c->writer, today - UNUSED_DAYS, max,
	    &c->octets, err);
	if (st == PB_OK)
		c->pruned_on = today;
	return st;
}

static enum pb_status
write_once(struct pb_listing_cache *c, struct pb_error *err)
{
	enum pb_status st = pb_listing_file_begin(&c->writer, err);

	if (st != PB_OK)
		return st;
	st = do_jobs(c, err);
	if (st == PB_OK)
		st = prune(c, err);
	st = pb_listing_file_end(&c->writer, st, err);
	/* What was counted is not there. */
	if (st != PB_OK)
		c->pruned_on = 0;
	return st;
}

static enum pb_status
write_down(struct pb_listing_cache *c, bool damaged, struct pb_error *err)
{
	enum pb_status st = PB_OK;

	if (is_late(c)) {
		pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_MAILDROP,
		    "popbridge ends, and the disk took too long");
		return PB_EIO;
	}
	if (damaged || c->writer.db == NULL ||
	    pb_db_file_has_moved(&c->writer))
		st = pb_listing_cache_ready(c, damaged, err);
	if (st == PB_OK)
		st = write_once(c, err);
	if (st != PB_EINVAL || c->writer.db == NULL)
		return st;
	st = pb_listing_cache_ready(c, true, err);
	return st == PB_OK ? write_once(c, err) : st;
}

/* With the lock held: until there is something to do, and some time more. */
static void
wait_for_work(struct pb_listing_cache *c)
{
	struct timespec until;

	while (c->waiting == NULL && !c->damaged && !c->closing)
		pb_check(pthread_cond_wait(&c->news, &c->lock) == 0);
	pb_check(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	until.tv_sec += GATHER_SECONDS;
	while (!c->damaged && !c->closing && !c->hurry &&
	    HASH_COUNT(c->waiting) <= WAITING_MAX / 2 &&
	    c->waiting_octets <= WAITING_OCTETS_MAX / 2 &&
	    pthread_cond_timedwait(&c->news, &c->lock, &until) == 0)
		;
}

/* With the lock held, but not meanwhile. */
static void
take_turn(struct pb_listing_cache *c)
{
	struct pb_listing_job *gone;
	struct pb_error err = { .text = "no memory" };
	bool damaged = c->damaged;
	enum pb_status st;

	c->writing = c->waiting;
	c->waiting = NULL;
	c->waiting_octets = 0;
	c->damaged = false;
	c->hurry = false;
	pb_listing_cache_unlock(c);
	st = write_down(c, damaged, &err);
	pb_listing_cache_lock(c);
	if (st != PB_OK)
		pb_listing_cache_say(c, PB_LISTING_FAULT_WRITE, "listings "
		    "cannot be saved on the disk: they are remembered in "
		    "memory only", err.text);
	gone = c->writing;
	c->writing = NULL;
	pb_check(pthread_cond_broadcast(&c->done) == 0);
	pb_listing_cache_unlock(c);
	pb_listing_cache_drop_jobs(&gone);
	pb_listing_cache_lock(c);
}

void *
pb_listing_cache_work(void *cache)
{
	struct pb_listing_cache *c = cache;

	pb_listing_cache_lock(c);
	while (!c->closing || c->waiting != NULL) {
		wait_for_work(c);
		if (c->waiting != NULL || c->damaged)
			take_turn(c);
	}
	pb_listing_cache_unlock(c);
	return NULL;
}
