#include "limits_priv.h"

/* Of a login's name, so many octets tell it from others; no login has more. */
#define USER_NAME_MAX 255

/* These tables are in the order of their times: the oldest is first. */

struct pb_limits_failures {
	UT_hash_handle hh;
	struct pb_limits_key key;	/* a network, or a user */
	uint64_t delay;			/* of the last answer */
	uint64_t at;			/* of the last failure */
};

struct pb_limits_refused {
	UT_hash_handle hh;
	struct pb_limits_key digest;
	uint64_t at;
};

static void
drop_failures(struct pb_limits_failures **table,
    struct pb_limits_failures *failures)
{
	HASH_DEL(*table, failures);
	pb_free(failures);
}

static void
drop_refused(struct pb_limits *l, struct pb_limits_refused *refused)
{
	HASH_DEL(l->refused, refused);
	pb_free(refused);
}

void
pb_limits_forget_all(struct pb_limits *l)
{
	while (l->failures != NULL)
		drop_failures(&l->failures, l->failures);
	while (l->user_failures != NULL)
		drop_failures(&l->user_failures, l->user_failures);
	while (l->refused != NULL)
		drop_refused(l, l->refused);
}

void
pb_limits_count_failures(const struct pb_limits *l,
    struct pb_limits_counts *counts)
{
	counts->failures = HASH_COUNT(l->failures);
	counts->user_failures = HASH_COUNT(l->user_failures);
	counts->refused = HASH_COUNT(l->refused);
}

static struct pb_limits_failures *
find_failures(struct pb_limits_failures *table,
    const struct pb_limits_key *key)
{
	struct pb_limits_failures *failures;

	HASH_FIND(hh, table, key, sizeof(*key), failures);
	return failures;
}

static void
forget_failures(struct pb_limits_failures **table, uint64_t now)
{
	while (*table != NULL &&
	    now >= (*table)->at + PB_LIMITS_DELAY_FORGET_MS)
		drop_failures(table, *table);
}

/* Adding puts it at the end, behind those that failed before. */
static void
note_failure(struct pb_limits_failures **table,
    const struct pb_limits_key *key, uint64_t delay, uint64_t now)
{
	struct pb_limits_failures *failures = find_failures(*table, key);

	if (failures != NULL)
		HASH_DEL(*table, failures);
	else
		failures = pb_alloc(sizeof(*failures));
	if (failures == NULL)
		return;
	*failures = (struct pb_limits_failures){ .key = *key, .delay = delay,
		.at = now };
	if (HASH_COUNT(*table) >= PB_LIMITS_FAILURES_MAX)
		drop_failures(table, *table);
	HASH_ADD(hh, *table, key, sizeof(*key), failures);
	if (failures->hh.tbl == NULL)
		pb_free(failures);
}

static uint64_t
failed(struct pb_limits_failures **table, const struct pb_limits_key *key,
    uint64_t now)
{
	uint64_t delay = 0;
	const struct pb_limits_failures *before;

	forget_failures(table, now);
	before = find_failures(*table, key);
	if (before != NULL)
		delay = before->delay > 0 ? before->delay * 2
					  : PB_LIMITS_DELAY_SECOND_MS;
	if (delay > PB_LIMITS_DELAY_MAX_MS)
		delay = PB_LIMITS_DELAY_MAX_MS;
	note_failure(table, key, delay, now);
	return delay;
}

/*
 * Hardly a server tells "Max" from "max": each way to write a name must not be
 * a fresh start for who guesses.
 */
static bool
key_of_name(const struct pb_limits *l, struct pb_slice name,
    struct pb_limits_key *key)
{
	char lower[USER_NAME_MAX];
	size_t i;

	if (name.len > sizeof(lower))
		name.len = sizeof(lower);
	for (i = 0; i < name.len; i++) {
		char c = name.data[i];

		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return pb_limits_key_of_user(l, pb_slice(lower, name.len), key);
}

uint64_t
pb_limits_failed(struct pb_limits *l, const struct pb_limits_network *network,
    struct pb_slice name, uint64_t now)
{
	const struct pb_limits_key from = pb_limits_key_of_network(network);
	struct pb_limits_key user;
	bool is_user = name.len > 0 && key_of_name(l, name, &user);
	uint64_t delay;
	uint64_t of_user = 0;

	pb_limits_lock(l);
	delay = failed(&l->failures, &from, now);
	if (is_user)
		of_user = failed(&l->user_failures, &user, now);
	pb_limits_unlock(l);
	return delay > of_user ? delay : of_user;
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
static struct pb_limits_refused *
find_refused(struct pb_limits *l, const uint8_t *digest, uint64_t now)
{
	struct pb_limits_refused *refused;

	while (l->refused != NULL &&
	    now >= l->refused->at + PB_LIMITS_REFUSED_MS)
		drop_refused(l, l->refused);
	HASH_FIND(hh, l->refused, digest, PB_LIMITS_DIGEST, refused);
	return refused;
}

static void
add_refused(struct pb_limits *l, const uint8_t *digest, uint64_t now)
{
	struct pb_limits_refused *refused = pb_alloc(sizeof(*refused));

	if (refused == NULL)
		return;
	memcpy(refused->digest.octets, digest, PB_LIMITS_DIGEST);
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
	pb_limits_lock(l);
	if (find_refused(l, digest, now) == NULL)
		add_refused(l, digest, now);
	pb_limits_unlock(l);
}

bool
pb_limits_is_refused(struct pb_limits *l,
    const uint8_t digest[PB_LIMITS_DIGEST], uint64_t now)
{
	bool found;

	pb_limits_lock(l);
	found = find_refused(l, digest, now) != NULL;
	pb_limits_unlock(l);
	return found;
}
