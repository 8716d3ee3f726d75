#include "popbridge/service/limits.h"

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

struct crowd {
	UT_hash_handle hh;
	struct pb_limits_network network;
	size_t connections;
};

/* These two tables are in the order of their times: the oldest is first. */

struct failures {
	UT_hash_handle hh;
	struct pb_limits_network network;
	uint64_t delay;			/* of the last answer */
	uint64_t at;			/* of the last failure */
};

struct refused {
	UT_hash_handle hh;
	uint8_t digest[PB_LIMITS_DIGEST];
	uint64_t at;
};

struct topic {
	bool said;
	uint64_t at;
	uint64_t times;			/* not said yet */
};

struct pb_limits {
	struct pb_limits_hash hash;
	pthread_mutex_t mutex;		/* guards what follows */
	struct crowd *crowds;		/* own, as all tables */
	struct failures *failures;
	struct refused *refused;
	size_t connections;
	size_t unauthenticated;
	struct topic topics[PB_LIMITS_TOPICS];
};

struct pb_limits_network
pb_limits_ipv4(const uint8_t address[4])
{
	struct pb_limits_network n = { { 4 } };

	memcpy(n.octets + 1, address, 4);
	return n;
}

struct pb_limits_network
pb_limits_ipv6(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct pb_limits_network n = { { 6 } };

	if (memcmp(address, mapped, sizeof(mapped)) == 0)
		return pb_limits_ipv4(address + 12);
	memcpy(n.octets + 1, address, 8);
	return n;
}

struct pb_limits *
pb_limits_new(const struct pb_limits_hash *hash)
{
	struct pb_limits *l = pb_alloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	l->hash = *hash;
	pb_check(pthread_mutex_init(&l->mutex, NULL) == 0);
	return l;
}

static void
drop_crowd(struct pb_limits *l, struct crowd *crowd)
{
	HASH_DEL(l->crowds, crowd);
	pb_free(crowd);
}

static void
drop_failures(struct pb_limits *l, struct failures *failures)
{
	HASH_DEL(l->failures, failures);
	pb_free(failures);
}

static void
drop_refused(struct pb_limits *l, struct refused *refused)
{
	HASH_DEL(l->refused, refused);
	pb_free(refused);
}

void
pb_limits_free(struct pb_limits **limits)
{
	struct pb_limits *l = *limits;

	*limits = NULL;
	if (l == NULL)
		return;
	while (l->crowds != NULL)
		drop_crowd(l, l->crowds);
	while (l->failures != NULL)
		drop_failures(l, l->failures);
	while (l->refused != NULL)
		drop_refused(l, l->refused);
	pb_check(pthread_mutex_destroy(&l->mutex) == 0);
	pb_free(l);
}

static void
enter(struct pb_limits *l)
{
	pb_check(pthread_mutex_lock(&l->mutex) == 0);
}

static void
leave(struct pb_limits *l)
{
	pb_check(pthread_mutex_unlock(&l->mutex) == 0);
}

const char *
pb_limits_verdict_name(enum pb_limits_verdict verdict)
{
	switch (verdict) {
	case PB_LIMITS_WELCOME:
		return "welcome";
	case PB_LIMITS_TOO_MANY:
		return "max-connections";
	case PB_LIMITS_TOO_MANY_OF_NETWORK:
		return "max-connections-per-address";
	case PB_LIMITS_TOO_MANY_UNAUTHENTICATED:
		return "max-unauthenticated";
	case PB_LIMITS_NO_MEMORY:
		return "no memory";
	}
	return "?";
}

static struct crowd *
find_crowd(const struct pb_limits *l, const struct pb_limits_network *network)
{
	struct crowd *crowd;

	HASH_FIND(hh, l->crowds, network, sizeof(*network), crowd);
	return crowd;
}

/* An empty one, or NULL. */
static struct crowd *
add_crowd(struct pb_limits *l, const struct pb_limits_network *network)
{
	struct crowd *crowd = pb_alloc(sizeof(*crowd));

	if (crowd == NULL)
		return NULL;
	crowd->network = *network;
	HASH_ADD(hh, l->crowds, network, sizeof(*network), crowd);
	if (crowd->hh.tbl != NULL)
		return crowd;
	pb_free(crowd);
	return NULL;
}

static enum pb_limits_verdict
admit(struct pb_limits *l, const struct pb_limits_max *max,
    const struct pb_limits_network *network)
{
	struct crowd *crowd = find_crowd(l, network);

	if (l->connections >= max->connections)
		return PB_LIMITS_TOO_MANY;
	if (crowd != NULL && crowd->connections >= max->per_network)
		return PB_LIMITS_TOO_MANY_OF_NETWORK;
	if (l->unauthenticated >= max->unauthenticated)
		return PB_LIMITS_TOO_MANY_UNAUTHENTICATED;
	if (crowd == NULL)
		crowd = add_crowd(l, network);
	if (crowd == NULL)
		return PB_LIMITS_NO_MEMORY;
	crowd->connections++;
	l->connections++;
	l->unauthenticated++;
	return PB_LIMITS_WELCOME;
}

enum pb_limits_verdict
pb_limits_enter(struct pb_limits *l, const struct pb_limits_max *max,
    const struct pb_limits_network *network, struct pb_limits_visit *visit)
{
	enum pb_limits_verdict verdict;

	pb_check(max->connections > 0 && max->per_network > 0 &&
	    max->unauthenticated > 0);
	enter(l);
	verdict = admit(l, max, network);
	leave(l);
	if (verdict == PB_LIMITS_WELCOME)
		*visit = (struct pb_limits_visit){ .network = *network,
			.counted = true };
	return verdict;
}

void
pb_limits_authenticated(struct pb_limits *l, struct pb_limits_visit *visit)
{
	if (!visit->counted || visit->authenticated)
		return;
	visit->authenticated = true;
	enter(l);
	l->unauthenticated--;
	leave(l);
}

void
pb_limits_leave(struct pb_limits *l, struct pb_limits_visit *visit)
{
	struct crowd *crowd;

	if (!visit->counted)
		return;
	pb_limits_authenticated(l, visit);
	visit->counted = false;
	enter(l);
	crowd = find_crowd(l, &visit->network);
	pb_check(crowd != NULL && crowd->connections > 0);
	l->connections--;
	if (--crowd->connections == 0)
		drop_crowd(l, crowd);
	leave(l);
}

uint64_t
pb_limits_say(struct pb_limits *l, enum pb_limits_topic topic, uint64_t now)
{
	struct topic *t = &l->topics[topic];
	uint64_t times = 0;

	enter(l);
	t->times++;
	if (!t->said || now >= t->at + PB_LIMITS_SAY_MS) {
		times = t->times;
		*t = (struct topic){ .said = true, .at = now };
	}
	leave(l);
	return times;
}

static struct failures *
find_failures(const struct pb_limits *l,
    const struct pb_limits_network *network)
{
	struct failures *failures;

	HASH_FIND(hh, l->failures, network, sizeof(*network), failures);
	return failures;
}

static void
forget_failures(struct pb_limits *l, uint64_t now)
{
	while (l->failures != NULL &&
	    now >= l->failures->at + PB_LIMITS_DELAY_FORGET_MS)
		drop_failures(l, l->failures);
}

/* Adding puts it at the end, behind those that failed before. */
static void
note_failure(struct pb_limits *l, const struct pb_limits_network *network,
    uint64_t delay, uint64_t now)
{
	struct failures *failures = find_failures(l, network);

	if (failures != NULL)
		HASH_DEL(l->failures, failures);
	else
		failures = pb_alloc(sizeof(*failures));
	if (failures == NULL)
		return;
	*failures = (struct failures){ .network = *network, .delay = delay,
		.at = now };
	if (HASH_COUNT(l->failures) >= PB_LIMITS_FAILURES_MAX)
		drop_failures(l, l->failures);
	HASH_ADD(hh, l->failures, network, sizeof(*network), failures);
	if (failures->hh.tbl == NULL)
		pb_free(failures);
}

uint64_t
pb_limits_failed(struct pb_limits *l, const struct pb_limits_network *network,
    uint64_t now)
{
	uint64_t delay = 0;
	const struct failures *before;

	enter(l);
	forget_failures(l, now);
	before = find_failures(l, network);
	if (before != NULL)
		delay = before->delay > 0 ? before->delay * 2
					  : PB_LIMITS_DELAY_SECOND_MS;
	if (delay > PB_LIMITS_DELAY_MAX_MS)
		delay = PB_LIMITS_DELAY_MAX_MS;
	note_failure(l, network, delay, now);
	leave(l);
	return delay;
}

bool
pb_limits_digest(const struct pb_limits *l, struct pb_slice upstream,
    struct pb_slice user, struct pb_slice authzid, struct pb_slice password,
    uint8_t digest[PB_LIMITS_DIGEST])
{
	const struct pb_slice parts[] = { upstream, user, authzid, password };

	return l->hash.digest(l->hash.ctx, parts,
	    sizeof(parts) / sizeof(parts[0]), digest);
}

/* NULL when it is not known, or not any more. */
static struct refused *
find_refused(struct pb_limits *l, const uint8_t *digest, uint64_t now)
{
	struct refused *refused;

	while (l->refused != NULL &&
	    now >= l->refused->at + PB_LIMITS_REFUSED_MS)
		drop_refused(l, l->refused);
	HASH_FIND(hh, l->refused, digest, PB_LIMITS_DIGEST, refused);
	return refused;
}

static void
add_refused(struct pb_limits *l, const uint8_t *digest, uint64_t now)
{
	struct refused *refused = pb_alloc(sizeof(*refused));

	if (refused == NULL)
		return;
	memcpy(refused->digest, digest, PB_LIMITS_DIGEST);
	refused->at = now;
	if (HASH_COUNT(l->refused) >= PB_LIMITS_REFUSED_MAX)
		drop_refused(l, l->refused);
	HASH_ADD(hh, l->refused, digest, PB_LIMITS_DIGEST, refused);
	if (refused->hh.tbl == NULL)
		pb_free(refused);
}

void
pb_limits_remember(struct pb_limits *l, const uint8_t digest[PB_LIMITS_DIGEST],
    uint64_t now)
{
	enter(l);
	if (find_refused(l, digest, now) == NULL)
		add_refused(l, digest, now);
	leave(l);
}

bool
pb_limits_is_refused(struct pb_limits *l,
    const uint8_t digest[PB_LIMITS_DIGEST], uint64_t now)
{
	bool found;

	enter(l);
	found = find_refused(l, digest, now) != NULL;
	leave(l);
	return found;
}

struct pb_limits_counts
pb_limits_counts(struct pb_limits *l)
{
	struct pb_limits_counts counts;

	enter(l);
	counts = (struct pb_limits_counts){ .connections = l->connections,
		.unauthenticated = l->unauthenticated,
		.networks = HASH_COUNT(l->crowds),
		.failures = HASH_COUNT(l->failures),
		.refused = HASH_COUNT(l->refused) };
	leave(l);
	return counts;
}
