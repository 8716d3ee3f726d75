#include "listing_cache_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "popbridge/base/check.h"

#define FILE_NAME "listings.db"

/* The same fault again is no news. */
#define QUIET_SECONDS 600

/* A shutdown does not wait longer for what is only a cache. */
#define CLOSE_SECONDS 5

#define TOTAL_MAX ((uint64_t)1 << 30)

void
pb_listing_cache_lock(struct pb_listing_cache *c)
{
	pb_check(pthread_mutex_lock(&c->lock) == 0);
}

void
pb_listing_cache_unlock(struct pb_listing_cache *c)
{
	pb_check(pthread_mutex_unlock(&c->lock) == 0);
}

int64_t
pb_listing_cache_seconds(void)
{
	struct timespec t;

	pb_check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return t.tv_sec;
}

int64_t
pb_listing_cache_today(void)
{
	return time(NULL) / 86400;
}

void
pb_listing_cache_say(struct pb_listing_cache *c, enum pb_listing_fault fault,
    const char *text, const char *what)
{
	struct pb_listing_said *said = &c->said[fault];
	int64_t now = pb_listing_cache_seconds();

	if (said->ever && now < said->at + QUIET_SECONDS)
		return;
	*said = (struct pb_listing_said){ .ever = true, .at = now };
	pb_log(PB_LOG_WARN, text, PB_LOG_STR("file", c->file),
	    PB_LOG_STR("what", what));
}

static enum pb_status
unusable(struct pb_error *err, const char *directory, const char *why)
{
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT, "%s: %s",
	    directory, why);
	return PB_EINVAL;
}

enum pb_status
pb_listing_cache_judge(const char *directory, struct pb_error *err)
{
	char why[128];
	struct stat st;

	if (stat(directory, &st) != 0)
		return unusable(err, directory, errno == ENOENT ?
		    "there is no such directory: make it, and give it to the "
		    "user that popbridge runs as" :
		    strerror_r(errno, why, sizeof(why)));
	if (!S_ISDIR(st.st_mode))
		return unusable(err, directory, "it is no directory");
	if (access(directory, R_OK | W_OK | X_OK) != 0)
		return unusable(err, directory, errno == EROFS ?
		    "it is on a disk that is mounted read-only" :
		    "this user may not write to it: give it to the user that "
		    "popbridge runs as");
	return PB_OK;
}

static enum pb_status
begin_anew(struct pb_listing_cache *c, const char *why, struct pb_error *err)
{
	enum pb_status st;

	pb_listing_cache_lock(c);
	pb_listing_cache_say(c, PB_LISTING_FAULT_FILE, "the file of "
	    "remembered listings is of no use and is begun anew; the next "
	    "polls take longer", why);
	pb_listing_cache_unlock(c);
	st = pb_listing_file_remove(c->file, err);
	if (st == PB_OK)
		st = pb_listing_file_make(&c->writer, c->file, err);
	pb_listing_cache_lock(c);
	c->damaged = false;	/* it was said of the old one */
	pb_listing_cache_unlock(c);
	return st;
}

/* Readers that nobody uses would keep the old file on the disk. */
static void
close_idle(struct pb_listing_cache *c)
{
	pb_listing_cache_lock(c);
	while (c->n_idle > 0)
		pb_db_file_close(&c->idle[--c->n_idle]);
	pb_listing_cache_unlock(c);
}

static enum pb_status
open_writer(struct pb_listing_cache *c, bool anew, struct pb_error *err)
{
	enum pb_status st;

	anew = anew && c->writer.db != NULL &&
	    !pb_db_file_has_moved(&c->writer);
	close_idle(c);
	pb_db_file_close(&c->writer);
	if (anew)
		return begin_anew(c, "it is damaged", err);
	st = pb_listing_file_make(&c->writer, c->file, err);
	if (st == PB_EINVAL) {
		struct pb_error why = *err;

		st = begin_anew(c, why.text, err);
	}
	return st;
}

enum pb_status
pb_listing_cache_ready(struct pb_listing_cache *c, bool anew,
    struct pb_error *err)
{
	enum pb_status st = pb_listing_cache_judge(c->directory, err);
	int fd;

	c->pruned_on = 0;
	if (st != PB_OK) {
		pb_db_file_close(&c->writer);
		return st;
	}
	/* Two processes must not find it damaged, and make two. */
	fd = pb_file_lock_folder(c->directory);
	pb_check(pthread_rwlock_wrlock(&c->file_lock) == 0);
	st = open_writer(c, anew, err);
	pb_check(pthread_rwlock_unlock(&c->file_lock) == 0);
	if (fd >= 0)
		close(fd);
	return st;
}

static void
release(struct pb_listing_cache *c)
{
	close_idle(c);
	pb_db_file_close(&c->writer);
	pb_check(pthread_cond_destroy(&c->news) == 0);
	pb_check(pthread_cond_destroy(&c->done) == 0);
	pb_check(pthread_mutex_destroy(&c->lock) == 0);
	pb_check(pthread_rwlock_destroy(&c->file_lock) == 0);
	pb_free(c->directory);
	pb_free(c->file);
	pb_free(c);
}

static void
init_locks(struct pb_listing_cache *c)
{
	pthread_condattr_t cond;
	pthread_rwlockattr_t rwlock;

	pb_check(pthread_condattr_init(&cond) == 0);
	pb_check(pthread_condattr_setclock(&cond, CLOCK_MONOTONIC) == 0);
	pb_check(pthread_cond_init(&c->news, &cond) == 0);
	pb_check(pthread_condattr_destroy(&cond) == 0);
	pb_check(pthread_cond_init(&c->done, NULL) == 0);
	pb_check(pthread_mutex_init(&c->lock, NULL) == 0);
	/* Else readers that never end would put a repair off for ever. */
	pb_check(pthread_rwlockattr_init(&rwlock) == 0);
	pb_check(pthread_rwlockattr_setkind_np(&rwlock,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
	pb_check(pthread_rwlock_init(&c->file_lock, &rwlock) == 0);
	pb_check(pthread_rwlockattr_destroy(&rwlock) == 0);
}

static struct pb_listing_cache *
allocate(const char *directory)
{
	struct pb_listing_cache *c = pb_alloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	init_locks(c);
	c->max = TOTAL_MAX;
	c->directory = pb_file_in(directory, "");
	c->file = pb_file_in(directory, FILE_NAME);
	if (c->directory == NULL || c->file == NULL) {
		release(c);
		return NULL;
	}
	return c;
}

static enum pb_status
no_memory(struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
	    "no memory for what is remembered of listings");
	return PB_ENOMEM;
}

enum pb_status
pb_listing_cache_open(const char *directory, struct pb_listing_cache **cache,
    struct pb_error *err)
{
	enum pb_status st = pb_listing_cache_judge(directory, err);
	struct pb_listing_cache *c;

	if (st != PB_OK)
		return st;
	c = allocate(directory);
	if (c == NULL)
		return no_memory(err);
	st = pb_listing_cache_ready(c, false, err);
	if (st == PB_OK && pthread_create(&c->thread, NULL,
	    pb_listing_cache_work, c) != 0)
		st = no_memory(err);
	if (st == PB_OK)
		*cache = c;
	else
		release(c);
	return st;
}

void
pb_listing_cache_close(struct pb_listing_cache **cache)
{
	struct pb_listing_cache *c = *cache;

	*cache = NULL;
	if (c == NULL)
		return;
	pb_listing_cache_lock(c);
	c->closing = true;
	c->close_by = pb_listing_cache_seconds() + CLOSE_SECONDS;
	pb_check(pthread_cond_signal(&c->news) == 0);
	pb_listing_cache_unlock(c);
	pb_check(pthread_join(c->thread, NULL) == 0);
	release(c);
}

/* One that is not in use, or a new one. */
static enum pb_status
take_reader(struct pb_listing_cache *c, struct pb_db_file *f,
    struct pb_error *err)
{
	*f = (struct pb_db_file){ .db = NULL };
	pb_listing_cache_lock(c);
	if (c->n_idle > 0)
		*f = c->idle[--c->n_idle];
	pb_listing_cache_unlock(c);
	if (f->db != NULL && !pb_db_file_has_moved(f))
		return PB_OK;
	pb_db_file_close(f);
	return pb_listing_file_open(f, c->file, err);
}

static void
give_back(struct pb_listing_cache *c, struct pb_db_file *f)
{
	pb_listing_cache_lock(c);
	if (c->n_idle < PB_LISTING_READERS) {
		c->idle[c->n_idle++] = *f;
		*f = (struct pb_db_file){ .db = NULL };
	}
	pb_listing_cache_unlock(c);
	pb_db_file_close(f);
}

static void
look_at_row(struct pb_listing_cache *c, const struct pb_listing_id *id,
    const struct pb_listing_row *row)
{
	if (row->fault == NULL && row->used == pb_listing_cache_today())
		return;
	pb_listing_cache_lock(c);
	if (row->fault != NULL)
		pb_listing_cache_say(c, PB_LISTING_FAULT_ROW,
		    "a remembered listing is damaged and is dropped",
		    row->fault);
	pb_listing_cache_enqueue(c, id, row->fault != NULL, NULL);
	pb_listing_cache_unlock(c);
}

static void
look_at_failure(struct pb_listing_cache *c, enum pb_status st,
    const struct pb_error *err)
{
	pb_listing_cache_lock(c);
	if (st == PB_EINVAL) {
		c->damaged = true;
		pb_check(pthread_cond_signal(&c->news) == 0);
	} else if (st == PB_EIO) {
		pb_listing_cache_say(c, PB_LISTING_FAULT_READ,
		    "listings cannot be read from the disk: they are "
		    "remembered in memory only", err->text);
	}
	pb_listing_cache_unlock(c);
}

static enum pb_status
find(struct pb_listing_cache *c, const struct pb_listing_id *id,
    struct pb_listing_row *row, struct pb_error *err)
{
	struct pb_db_file f;
	enum pb_status st = take_reader(c, &f, err);

	if (st != PB_OK)
		return st;
	st = pb_listing_file_find(&f, id, row, err);
	/* What another process has removed says nothing any more. */
	if (st != PB_OK && pb_db_file_has_moved(&f))
		st = PB_EOF;
	give_back(c, &f);
	return st;
}

static struct pb_listing *
load(struct pb_listing_cache *c, const struct pb_listing_id *id)
{
	struct pb_listing_row row = { .listing = NULL };
	struct pb_error err;
	enum pb_status st;

	pb_check(pthread_rwlock_rdlock(&c->file_lock) == 0);
	st = find(c, id, &row, &err);
	if (st == PB_OK)
		look_at_row(c, id, &row);
	else
		look_at_failure(c, st, &err);
	pb_check(pthread_rwlock_unlock(&c->file_lock) == 0);
	return row.listing;
}

struct pb_listing *
pb_listing_cache_load(struct pb_listing_cache *c, struct pb_slice key)
{
	struct pb_listing *listing = NULL;
	struct pb_listing_id id;
	bool waits;

	if (!pb_listing_id_of(key, &id))
		return NULL;
	pb_listing_cache_lock(c);
	waits = pb_listing_cache_is_waiting(c, &id, &listing);
	pb_listing_cache_unlock(c);
	return waits ? listing : load(c, &id);
}

void
pb_listing_cache_save(struct pb_listing_cache *c, struct pb_slice key,
    struct pb_listing *listing)
{
	struct pb_listing_id id;

	if (listing->uidnext == 0 || !pb_listing_id_of(key, &id))
		return;
	pb_listing_cache_lock(c);
	pb_listing_cache_enqueue(c, &id, false, listing);
	pb_listing_cache_unlock(c);
}

void
pb_listing_cache_forget(struct pb_listing_cache *c, struct pb_slice key)
{
	struct pb_listing_id id;

	if (!pb_listing_id_of(key, &id))
		return;
	pb_listing_cache_lock(c);
	pb_listing_cache_enqueue(c, &id, true, NULL);
	pb_listing_cache_unlock(c);
}

void
pb_listing_cache_flush(struct pb_listing_cache *c)
{
	pb_listing_cache_lock(c);
	while (c->waiting != NULL || c->writing != NULL || c->damaged) {
		c->hurry = true;
		pb_check(pthread_cond_signal(&c->news) == 0);
		pb_check(pthread_cond_wait(&c->done, &c->lock) == 0);
	}
	pb_listing_cache_unlock(c);
}

void
pb_listing_cache_limit(struct pb_listing_cache *c, uint64_t octets)
{
	pb_listing_cache_lock(c);
	c->max = octets;
	pb_listing_cache_unlock(c);
}
