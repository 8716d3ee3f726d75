#ifndef PB_STORE_LISTING_CACHE_PRIV_H
#define PB_STORE_LISTING_CACHE_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "listing_file.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/store/listing_cache.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

/* As many as libuv's pool has threads, which is who loads. */
#define PB_LISTING_READERS 4

/* What the log is told of, each once in a while. */
enum pb_listing_fault {
	PB_LISTING_FAULT_READ,		/* the disk says no */
	PB_LISTING_FAULT_WRITE,		/* the same */
	PB_LISTING_FAULT_FILE,		/* begun anew */
	PB_LISTING_FAULT_ROW,		/* dropped */
	PB_LISTING_FAULT_QUEUE,		/* it is slower than what comes */
	PB_LISTING_FAULT_COUNT		/* how many there are */
};

struct pb_listing_said {
	bool ever;
	int64_t at;	/* seconds */
};

/* What is to be done for a mailbox: first forget, then save; or touch. */
struct pb_listing_job {
	UT_hash_handle hh;
	struct pb_listing_id id;
	bool forget;
	struct pb_listing *listing;	/* shared; NULL: none to save */
};

struct pb_listing_cache {
	char *directory;	/* own; also the next */
	char *file;
	pthread_t thread;

	/*
	 * Held for reading while a reader is in the file, and for writing
	 * while it is replaced: who opened the old file must not meet the new
	 * one's log.  Taken before the next one.
	 */
	pthread_rwlock_t file_lock;
	pthread_mutex_t lock;	/* guards what follows, to the next line */
	pthread_cond_t news;	/* the thread has something to look at */
	pthread_cond_t done;	/* it has written what it took */
	struct pb_listing_job *waiting;	/* own; oldest first */
	size_t waiting_octets;
	struct pb_listing_job *writing;	/* own; what the thread took */
	struct pb_db_file idle[PB_LISTING_READERS];
	size_t n_idle;
	bool damaged;		/* a reader says so */
	bool hurry;
	bool closing;
	int64_t close_by;	/* seconds */
	uint64_t max;		/* octets in the file */
	struct pb_listing_said said[PB_LISTING_FAULT_COUNT];

	/* The thread's own. */
	struct pb_db_file writer;
	uint64_t octets;	/* in the file, about; since: */
	int64_t pruned_on;	/* day; 0: never */
};

void pb_listing_cache_lock(struct pb_listing_cache *c);
void pb_listing_cache_unlock(struct pb_listing_cache *c);

/* Seconds of a clock that nobody sets; days of the calendar. */
int64_t pb_listing_cache_seconds(void);
int64_t pb_listing_cache_today(void);

/* With the lock held: tell the log, unless it was told a short while ago. */
void pb_listing_cache_say(struct pb_listing_cache *c,
			  enum pb_listing_fault fault, const char *text,
			  const char *what);

/*
 * Open the writer, or begin the file anew when it is damaged; one process at a
 * time.  `anew`: what is open is known to be damaged; when another process has
 * replaced it meanwhile, that is looked at first.
 */
enum pb_status pb_listing_cache_ready(struct pb_listing_cache *c, bool anew,
				      struct pb_error *err) PB_MUST_CHECK;

/* With the lock held: add to what waits. */
void pb_listing_cache_enqueue(struct pb_listing_cache *c,
			      const struct pb_listing_id *id, bool forget,
			      struct pb_listing *listing);
/*
 * With the lock held: whether a save or forget of it is not on the disk yet.
 * *listing is a new reference, or NULL when it is to be forgotten.
 */
bool pb_listing_cache_is_waiting(struct pb_listing_cache *c,
				 const struct pb_listing_id *id,
				 struct pb_listing **listing);
/* The jobs that a table has; without the lock. */
void pb_listing_cache_drop_jobs(struct pb_listing_job **table);

/* What the thread does, until the cache is closing. */
void *pb_listing_cache_work(void *cache);

#endif
