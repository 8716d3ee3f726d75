#include "popbridge/service/upstreams.h"

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
#include <utlist.h>

struct account {
	UT_hash_handle hh;
	struct pb_upstreams_key key;
	size_t connections;
	struct pb_upstreams_visit *waiters;	/* theirs; who came first */
	uint64_t delay;			/* the last one; 0: none */
	uint64_t throttled_at;
	uint64_t until;			/* left alone until then */
	bool resting;			/* no connection, only a delay */
	struct account *prev;		/* those that rest */
	struct account *next;
};

struct pb_upstreams {
	pthread_mutex_t mutex;		/* guards what follows */
	struct account *accounts;	/* own */
	struct account *resting;	/* into accounts; longest first */
	size_t n_resting;
	size_t connections;
	size_t waiting;
};

struct pb_upstreams *
pb_upstreams_new(void)
{
	struct pb_upstreams *u = pb_alloc(sizeof(*u));

	if (u != NULL)
		pb_check(pthread_mutex_init(&u->mutex, NULL) == 0);
	return u;
}

static void
enter(struct pb_upstreams *u)
{
	pb_check(pthread_mutex_lock(&u->mutex) == 0);
}

static void
leave(struct pb_upstreams *u)
{
	pb_check(pthread_mutex_unlock(&u->mutex) == 0);
}

static void
wake_up(struct pb_upstreams *u, struct account *account)
{
	if (!account->resting)
		return;
	DL_DELETE(u->resting, account);
	account->resting = false;
	u->n_resting--;
}

static void
drop(struct pb_upstreams *u, struct account *account)
{
	wake_up(u, account);
	HASH_DEL(u->accounts, account);
	pb_free(account);
}

void
pb_upstreams_free(struct pb_upstreams **upstreams)
{
	struct pb_upstreams *u = *upstreams;

	*upstreams = NULL;
	if (u == NULL)
		return;
	while (u->accounts != NULL)
		drop(u, u->accounts);
	pb_check(pthread_mutex_destroy(&u->mutex) == 0);
	pb_free(u);
}

static struct account *
find(const struct pb_upstreams *u, const struct pb_upstreams_key *key)
{
	struct account *account;

	HASH_FIND(hh, u->accounts, key, sizeof(*key), account);
	return account;
}

/* The one that there is, or a new one; NULL: no memory. */
static struct account *
need(struct pb_upstreams *u, const struct pb_upstreams_key *key)
{
	struct account *account = find(u, key);

	if (account != NULL)
		return account;
	account = pb_alloc(sizeof(*account));
	if (account == NULL)
		return NULL;
	account->key = *key;
	HASH_ADD(hh, u->accounts, key, sizeof(*key), account);
	if (account->hh.tbl != NULL)
		return account;
	pb_free(account);
	return NULL;
}

static bool
is_forgotten(const struct account *account, uint64_t now)
{
	return account->delay == 0 ||
	    now >= account->until + PB_UPSTREAMS_FORGET_MS;
}

/* What has neither a connection nor a waiter is known for its delay only. */
static void
rest(struct pb_upstreams *u, struct account *account, uint64_t now)
{
	if (account->connections > 0 || account->waiters != NULL)
		return;
	if (is_forgotten(account, now)) {
		drop(u, account);
		return;
	}
	if (!account->resting) {
		DL_APPEND(u->resting, account);
		account->resting = true;
		u->n_resting++;
	}
	while (u->n_resting > PB_UPSTREAMS_RESTING_MAX ||
	    (u->resting != NULL && is_forgotten(u->resting, now)))
		drop(u, u->resting);
}

static enum pb_upstreams_turn
look(const struct account *account, const struct pb_upstreams_visit *visit,
    uint64_t now, uint64_t *until)
{
	if (account == NULL)
		return PB_UPSTREAMS_GO;
	if (now < account->until) {
		*until = account->until;
		return PB_UPSTREAMS_LATER;
	}
	return account->waiters == NULL || account->waiters == visit
	    ? PB_UPSTREAMS_GO : PB_UPSTREAMS_FULL;
}

enum pb_upstreams_turn
pb_upstreams_look(struct pb_upstreams *u,
    const struct pb_upstreams_visit *visit,
    const struct pb_upstreams_key *key, uint64_t now, uint64_t *until)
{
	enum pb_upstreams_turn turn;

	enter(u);
	turn = look(find(u, key), visit, now, until);
	leave(u);
	return turn;
}

static void
stop_waiting(struct pb_upstreams *u, struct account *account,
    struct pb_upstreams_visit *visit)
{
	if (!visit->waiting)
		return;
	DL_DELETE(account->waiters, visit);
	visit->waiting = false;
	visit->prev = visit->next = NULL;
	u->waiting--;
}

/* How many came before it, or all that are there. */
static size_t
ahead_of(const struct account *account, const struct pb_upstreams_visit *visit)
{
	const struct pb_upstreams_visit *other;
	size_t n = 0;

	DL_FOREACH(account->waiters, other) {
		if (other == visit)
			break;
		n++;
	}
	return n;
}

static enum pb_upstreams_turn
count(struct pb_upstreams *u, struct account *account,
    struct pb_upstreams_visit *visit, size_t max)
{
	if (account->connections + ahead_of(account, visit) < max) {
		stop_waiting(u, account, visit);
		visit->counted = true;
		account->connections++;
		u->connections++;
		wake_up(u, account);
		return PB_UPSTREAMS_GO;
	}
	if (!visit->waiting) {
		visit->waiting = true;
		DL_APPEND(account->waiters, visit);
		u->waiting++;
		wake_up(u, account);
	}
	return PB_UPSTREAMS_FULL;
}

enum pb_upstreams_turn
pb_upstreams_enter(struct pb_upstreams *u, struct pb_upstreams_visit *visit,
    const struct pb_upstreams_key *key, size_t max, uint64_t now,
    uint64_t *until)
{
	enum pb_upstreams_turn turn = PB_UPSTREAMS_NO_MEMORY;
	struct account *account;

	pb_check(!visit->counted && max > 0);
	enter(u);
	account = need(u, key);
	if (account != NULL)
		turn = look(account, visit, now, until);
	if (turn == PB_UPSTREAMS_LATER)
		stop_waiting(u, account, visit);
	if (turn == PB_UPSTREAMS_GO || turn == PB_UPSTREAMS_FULL) {
		visit->key = *key;
		turn = count(u, account, visit, max);
	}
	if (account != NULL)
		rest(u, account, now);
	leave(u);
	return turn;
}

void
pb_upstreams_leave(struct pb_upstreams *u, struct pb_upstreams_visit *visit,
    uint64_t now)
{
	struct account *account;

	if (!visit->counted && !visit->waiting)
		return;
	enter(u);
	account = find(u, &visit->key);
	pb_check(account != NULL);
	stop_waiting(u, account, visit);
	if (visit->counted) {
		pb_check(account->connections > 0);
		account->connections--;
		u->connections--;
		visit->counted = false;
	}
	rest(u, account, now);
	leave(u);
}

static uint64_t
lengthen(struct account *account, uint64_t now)
{
	if (is_forgotten(account, now))
		account->delay = PB_UPSTREAMS_DELAY_MS;
	else if (account->delay < PB_UPSTREAMS_DELAY_MAX_MS / 2)
		account->delay *= 2;
	else
		account->delay = PB_UPSTREAMS_DELAY_MAX_MS;
	account->until = now + account->delay;
	return account->delay;
}

uint64_t
pb_upstreams_throttled(struct pb_upstreams *u,
    const struct pb_upstreams_key *key, uint64_t now)
{
	struct account *account;
	uint64_t delay = 0;

	enter(u);
	account = need(u, key);
	if (account != NULL) {
		account->throttled_at = now;
		/* Sessions that were under way already make it no worse. */
		if (now >= account->until)
			delay = lengthen(account, now);
		rest(u, account, now);
	}
	leave(u);
	return delay;
}

void
pb_upstreams_well(struct pb_upstreams *u, const struct pb_upstreams_key *key,
    uint64_t since)
{
	struct account *account;

	enter(u);
	account = find(u, key);
	if (account != NULL && account->throttled_at < since) {
		account->delay = 0;
		rest(u, account, since);
	}
	leave(u);
}

struct pb_upstreams_counts
pb_upstreams_counts(struct pb_upstreams *u)
{
	struct pb_upstreams_counts counts;

	enter(u);
	counts = (struct pb_upstreams_counts){
		.accounts = HASH_COUNT(u->accounts),
		.connections = u->connections, .waiting = u->waiting };
	leave(u);
	return counts;
}
