#ifndef PB_SERVICE_LIMITS_PRIV_H
#define PB_SERVICE_LIMITS_PRIV_H

#include <pthread.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/limits.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

/*
 * What the tables know something by: a network, or the digest of a user's key
 * or of a credential.  They never meet in one table.
 */
struct pb_limits_key {
	uint8_t octets[PB_LIMITS_DIGEST];
};

struct pb_limits_topic_state {
	bool said;
	uint64_t at;
	uint64_t times;			/* not said yet */
};

struct pb_limits {
	struct pb_limits_hash hash;
	pthread_mutex_t mutex;		/* guards what follows */
	struct pb_limits_crowd *networks; /* own, as all tables */
	struct pb_limits_crowd *users;
	struct pb_limits_failures *failures;
	struct pb_limits_failures *user_failures;
	struct pb_limits_refused *refused;
	size_t connections;
	size_t unauthenticated;
	bool shut;
	struct pb_limits_topic_state topics[PB_LIMITS_TOPICS];
};

void pb_limits_lock(struct pb_limits *limits);
void pb_limits_unlock(struct pb_limits *limits);

struct pb_limits_key
pb_limits_key_of_network(const struct pb_limits_network *network);
/* False: no digest, no memory. */
bool pb_limits_key_of_user(const struct pb_limits *limits, struct pb_slice key,
			   struct pb_limits_key *digest) PB_MUST_CHECK;

/* failures.c; both while it is locked, or nobody else has it. */
void pb_limits_forget_all(struct pb_limits *limits);
void pb_limits_count_failures(const struct pb_limits *limits,
			      struct pb_limits_counts *counts);

#endif
