#include "limits_priv.h"

#include "popbridge/base/check.h"

/* How many connections a network has, or sessions a user. */
struct pb_limits_crowd {
	UT_hash_handle hh;
	struct pb_limits_key key;
	size_t size;
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

struct pb_limits_key
pb_limits_key_of_network(const struct pb_limits_network *network)
{
	struct pb_limits_key key = { { 0 } };

	memcpy(key.octets, network->octets, sizeof(network->octets));
	return key;
}

bool
pb_limits_key_of_user(const struct pb_limits *l, struct pb_slice key,
    struct pb_limits_key *digest)
{
	return l->hash.digest(l->hash.ctx, &key, 1, digest->octets);
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
drop_crowd(struct pb_limits_crowd **table, struct pb_limits_crowd *crowd)
{
	HASH_DEL(*table, crowd);
	pb_free(crowd);
}

void
pb_limits_free(struct pb_limits **limits)
{
	struct pb_limits *l = *limits;

	*limits = NULL;
	if (l == NULL)
		return;
	while (l->networks != NULL)
		drop_crowd(&l->networks, l->networks);
	while (l->users != NULL)
		drop_crowd(&l->users, l->users);
	pb_limits_forget_all(l);
	pb_check(pthread_mutex_destroy(&l->mutex) == 0);
	pb_free(l);
}

void
pb_limits_lock(struct pb_limits *l)
{
	pb_check(pthread_mutex_lock(&l->mutex) == 0);
}

void
pb_limits_unlock(struct pb_limits *l)
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
	case PB_LIMITS_TOO_MANY_OF_USER:
		return "max-connections-per-user";
	case PB_LIMITS_NO_MEMORY:
		return "no memory";
	case PB_LIMITS_MEMORY_SHORT:
		return "memory-soft";
	}
	return "?";
}

static struct pb_limits_crowd *
find_crowd(struct pb_limits_crowd *table, const struct pb_limits_key *key)
{
	struct pb_limits_crowd *crowd;

	HASH_FIND(hh, table, key, sizeof(*key), crowd);
	return crowd;
}

/* An empty one, or NULL. */
static struct pb_limits_crowd *
add_crowd(struct pb_limits_crowd **table, const struct pb_limits_key *key)
{
	struct pb_limits_crowd *crowd = pb_alloc(sizeof(*crowd));

	if (crowd == NULL)
		return NULL;
	crowd->key = *key;
	HASH_ADD(hh, *table, key, sizeof(*key), crowd);
	if (crowd->hh.tbl != NULL)
		return crowd;
	pb_free(crowd);
	return NULL;
}

/* False: no memory. */
static bool
join(struct pb_limits_crowd **table, const struct pb_limits_key *key)
{
	struct pb_limits_crowd *crowd = find_crowd(*table, key);

	if (crowd == NULL)
		crowd = add_crowd(table, key);
	if (crowd == NULL)
		return false;
	crowd->size++;
	return true;
}

static void
part(struct pb_limits_crowd **table, const struct pb_limits_key *key)
{
	struct pb_limits_crowd *crowd = find_crowd(*table, key);

	pb_check(crowd != NULL && crowd->size > 0);
	if (--crowd->size == 0)
		drop_crowd(table, crowd);
}

static size_t
size_of(struct pb_limits_crowd *table, const struct pb_limits_key *key)
{
	const struct pb_limits_crowd *crowd = find_crowd(table, key);

	return crowd != NULL ? crowd->size : 0;
}

static enum pb_limits_verdict
admit(struct pb_limits *l, const struct pb_limits_max *max,
    const struct pb_limits_key *network)
{
	if (l->shut)
		return PB_LIMITS_MEMORY_SHORT;
	if (l->connections >= max->connections)
		return PB_LIMITS_TOO_MANY;
	if (size_of(l->networks, network) >= max->per_network)
		return PB_LIMITS_TOO_MANY_OF_NETWORK;
	if (l->unauthenticated >= max->unauthenticated)
		return PB_LIMITS_TOO_MANY_UNAUTHENTICATED;
	if (!join(&l->networks, network))
		return PB_LIMITS_NO_MEMORY;
	l->connections++;
	l->unauthenticated++;
	return PB_LIMITS_WELCOME;
}

void
pb_limits_shut(struct pb_limits *l, bool shut)
{
	pb_limits_lock(l);
	l->shut = shut;
	pb_limits_unlock(l);
}

enum pb_limits_verdict
pb_limits_enter(struct pb_limits *l, const struct pb_limits_max *max,
    const struct pb_limits_network *network, struct pb_limits_visit *visit)
{
	const struct pb_limits_key key = pb_limits_key_of_network(network);
	enum pb_limits_verdict verdict;

	pb_check(max->connections > 0 && max->per_network > 0 &&
	    max->unauthenticated > 0);
	pb_limits_lock(l);
	verdict = admit(l, max, &key);
	pb_limits_unlock(l);
	if (verdict == PB_LIMITS_WELCOME)
		*visit = (struct pb_limits_visit){ .network = *network,
			.counted = true };
	return verdict;
}

static enum pb_limits_verdict
move(struct pb_limits *l, const struct pb_limits_max *max,
    const struct pb_limits_key *from, const struct pb_limits_key *to)
{
	bool stays = memcmp(from, to, sizeof(*from)) == 0;
	size_t others = size_of(l->networks, to) - (stays ? 1 : 0);

	if (others >= max->per_network)
		return PB_LIMITS_TOO_MANY_OF_NETWORK;
	if (!join(&l->networks, to))
		return PB_LIMITS_NO_MEMORY;
	part(&l->networks, from);
	return PB_LIMITS_WELCOME;
}

enum pb_limits_verdict
pb_limits_move(struct pb_limits *l, const struct pb_limits_max *max,
    struct pb_limits_visit *visit, const struct pb_limits_network *network)
{
	const struct pb_limits_key from =
	    pb_limits_key_of_network(&visit->network);
	const struct pb_limits_key to = pb_limits_key_of_network(network);
	enum pb_limits_verdict verdict;

	pb_check(visit->counted && max->per_network > 0);
	pb_limits_lock(l);
	verdict = move(l, max, &from, &to);
	pb_limits_unlock(l);
	if (verdict == PB_LIMITS_WELCOME)
		visit->network = *network;
	return verdict;
}

static enum pb_limits_verdict
admit_user(struct pb_limits *l, const struct pb_limits_key *user, size_t max)
{
	if (max > 0 && size_of(l->users, user) >= max)
		return PB_LIMITS_TOO_MANY_OF_USER;
	return join(&l->users, user) ? PB_LIMITS_WELCOME : PB_LIMITS_NO_MEMORY;
}

enum pb_limits_verdict
pb_limits_login(struct pb_limits *l, struct pb_limits_visit *visit,
    struct pb_slice key, size_t max)
{
	struct pb_limits_key user;
	enum pb_limits_verdict verdict;

	pb_check(visit->counted);
	pb_limits_logout(l, visit);
	if (!pb_limits_key_of_user(l, key, &user))
		return PB_LIMITS_NO_MEMORY;
	pb_limits_lock(l);
	verdict = admit_user(l, &user, max);
	pb_limits_unlock(l);
	if (verdict == PB_LIMITS_WELCOME) {
		memcpy(visit->user, user.octets, sizeof(visit->user));
		visit->of_user = true;
	}
	return verdict;
}

void
pb_limits_logout(struct pb_limits *l, struct pb_limits_visit *visit)
{
	struct pb_limits_key user;

	if (!visit->of_user)
		return;
	visit->of_user = false;
	memcpy(user.octets, visit->user, sizeof(user.octets));
	pb_limits_lock(l);
	part(&l->users, &user);
	pb_limits_unlock(l);
}

void
pb_limits_authenticated(struct pb_limits *l, struct pb_limits_visit *visit)
{
	if (!visit->counted || visit->authenticated)
		return;
	visit->authenticated = true;
	pb_limits_lock(l);
	l->unauthenticated--;
	pb_limits_unlock(l);
}

void
pb_limits_leave(struct pb_limits *l, struct pb_limits_visit *visit)
{
	struct pb_limits_key network;

	if (!visit->counted)
		return;
	pb_limits_authenticated(l, visit);
	pb_limits_logout(l, visit);
	visit->counted = false;
	network = pb_limits_key_of_network(&visit->network);
	pb_limits_lock(l);
	l->connections--;
	part(&l->networks, &network);
	pb_limits_unlock(l);
}

uint64_t
pb_limits_say(struct pb_limits *l, enum pb_limits_topic topic, uint64_t now)
{
	struct pb_limits_topic_state *t = &l->topics[topic];
	uint64_t times = 0;

	pb_limits_lock(l);
	t->times++;
	if (!t->said || now >= t->at + PB_LIMITS_SAY_MS) {
		times = t->times;
		*t = (struct pb_limits_topic_state){ .said = true,
			.at = now };
	}
	pb_limits_unlock(l);
	return times;
}

struct pb_limits_counts
pb_limits_counts(struct pb_limits *l)
{
	struct pb_limits_counts counts;

	pb_limits_lock(l);
	counts = (struct pb_limits_counts){ .connections = l->connections,
		.unauthenticated = l->unauthenticated,
		.networks = HASH_COUNT(l->networks),
		.users = HASH_COUNT(l->users) };
	pb_limits_count_failures(l, &counts);
	pb_limits_unlock(l);
	return counts;
}
