#include "popbridge/net/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <openssl/crypto.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/rivals.h"

/* A full heap is an answer, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>
#include <utlist.h>

struct parked {
	struct pb_pool_connection connection;
	struct pb_pool_identity identity;
	struct account *account;	/* that has it */
	uint64_t until;			/* it may be used */
	struct parked *prev;		/* of all; who waits longest is first */
	struct parked *next;
	struct parked *older;		/* of the account, the same way */
	struct parked *newer;
};

struct account {
	UT_hash_handle hh;
	struct pb_upstreams_key key;
	struct parked *first;		/* own; into all */
	size_t n;
};

struct pb_pool {
	struct pb_upstreams *upstreams;	/* borrowed */
	uv_mutex_t writing;		/* guards the writer */
	struct pb_imap_writer *writer;	/* own */
	uv_mutex_t mutex;		/* guards what follows */
	struct pb_rivals *rivals;	/* own */
	struct account *accounts;	/* own */
	struct parked *all;		/* into accounts */
	size_t n;
	bool shut;
};

struct pb_pool *
pb_pool_new(struct pb_upstreams *upstreams)
{
	struct pb_pool *p = pb_alloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->upstreams = upstreams;
	p->writer = pb_imap_writer_new();
	p->rivals = pb_rivals_new();
	if (p->writer == NULL || p->rivals == NULL) {
		pb_imap_writer_free(&p->writer);
		pb_rivals_free(&p->rivals);
		pb_free(p);
		return NULL;
	}
	pb_check(uv_mutex_init(&p->mutex) == 0);
	pb_check(uv_mutex_init(&p->writing) == 0);
	return p;
}

void
pb_pool_free(struct pb_pool **pool)
{
	struct pb_pool *p = *pool;

	*pool = NULL;
	if (p == NULL)
		return;
	pb_pool_shut(p, 0);
	uv_mutex_destroy(&p->mutex);
	uv_mutex_destroy(&p->writing);
	pb_imap_writer_free(&p->writer);
	pb_rivals_free(&p->rivals);
	pb_free(p);
}

/* Nobody waits for it: what the kernel does not take at once is not said. */
static void
say_goodbye(struct pb_pool *p, struct pb_pool_connection *c)
{
	struct pb_buffer *out = &c->imap.out;
	struct pb_slice octets;
	struct pb_error err;

	uv_mutex_lock(&p->writing);
	c->imap.writer = p->writer;
	pb_imap_client_logout(&c->imap);
	uv_mutex_unlock(&p->writing);
	octets = pb_buffer_slice(out);
	if (c->tls != NULL) {
		if (pb_tls_write(c->tls, octets, &err) != PB_OK)
			return;
		pb_tls_shutdown(c->tls);
		octets = pb_buffer_slice(pb_tls_out(c->tls));
	}
	(void)!send(c->fd, octets.data, octets.len,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
pb_pool_close(struct pb_pool *p, struct pb_pool_connection *c, uint64_t now)
{
	if (c->fd >= 0) {
		say_goodbye(p, c);
		close(c->fd);
	}
	pb_tls_free(&c->tls);
	pb_tls_context_unref(&c->trust);
	pb_imap_client_fini(&c->imap);
	pb_upstreams_leave(p->upstreams, &c->visit, now);
	*c = (struct pb_pool_connection){ .fd = -1 };
}

/* Out of the tables; locked. */
static void
take_out(struct pb_pool *p, struct parked *parked)
{
	struct account *account = parked->account;

	DL_DELETE(p->all, parked);
	DL_DELETE2(account->first, parked, older, newer);
	p->n--;
	if (--account->n > 0)
		return;
	HASH_DEL(p->accounts, account);
	pb_free(account);
}

/* Those that are to be closed are out of the tables, and in a list. */
static void
condemn(struct pb_pool *p, struct parked **condemned, struct parked *parked)
{
	take_out(p, parked);
	LL_PREPEND(*condemned, parked);
}

/* Not locked: closing takes its time. */
static void
close_list(struct pb_pool *p, struct parked *list, uint64_t now)
{
	while (list != NULL) {
		struct parked *parked = list;

		list = parked->next;
		pb_pool_close(p, &parked->connection, now);
		pb_free(parked);
	}
}

static struct account *
find(const struct pb_pool *p, const struct pb_upstreams_key *key)
{
	struct account *account;

	HASH_FIND(hh, p->accounts, key, sizeof(*key), account);
	return account;
}

static bool
same_credential(const struct pb_pool_identity *a,
    const struct pb_pool_identity *b)
{
	return CRYPTO_memcmp(a->credential, b->credential,
	    sizeof(a->credential)) == 0 && a->auth == b->auth;
}

static bool
may_use(const struct pb_pool_identity *who, const struct parked *parked)
{
	return same_credential(who, &parked->identity) &&
	    who->trust == parked->identity.trust;
}

/* The account's, or a new one; NULL: no memory. */
static struct account *
need(struct pb_pool *p, const struct pb_upstreams_key *key)
{
	struct account *account = find(p, key);

	if (account != NULL)
		return account;
	account = pb_alloc(sizeof(*account));
	if (account == NULL)
		return NULL;
	account->key = *key;
	HASH_ADD(hh, p->accounts, key, sizeof(*key), account);
	if (account->hh.tbl != NULL)
		return account;
	pb_free(account);
	return NULL;
}

static bool
add(struct pb_pool *p, struct parked *parked,
    const struct pb_pool_terms *terms, struct parked **condemned)
{
	struct account *account = p->shut
	    ? NULL : need(p, &parked->identity.account);

	if (account == NULL)
		return false;
	parked->account = account;
	DL_APPEND(p->all, parked);
	DL_APPEND2(account->first, parked, older, newer);
	account->n++;
	p->n++;
	/* None of them is the last one of the account, which is this one. */
	while (account->n > terms->max_of_account)
		condemn(p, condemned, account->first);
	while (p->n > terms->max)
		condemn(p, condemned, p->all);
	return true;
}

static struct parked *
make(const struct pb_pool_identity *identity,
    struct pb_pool_connection *connection, const struct pb_pool_terms *terms,
    uint64_t now)
{
	uint64_t until = connection->verified_at + PB_POOL_VERIFIED_MS;
	struct parked *parked;

	if (now + terms->keep_ms < until)
		until = now + terms->keep_ms;
	if (now >= until || terms->max == 0 || terms->max_of_account == 0)
		return NULL;
	parked = pb_alloc(sizeof(*parked));
	if (parked == NULL)
		return NULL;
	parked->identity = *identity;
	parked->until = until;
	parked->connection = *connection;
	*connection = (struct pb_pool_connection){ .fd = -1 };
	return parked;
}

void
pb_pool_put(struct pb_pool *p, const struct pb_pool_identity *identity,
    struct pb_pool_connection *connection, const struct pb_pool_terms *terms,
    uint64_t now)
{
	struct parked *parked = make(identity, connection, terms, now);
	struct parked *condemned = NULL;

	if (parked == NULL) {
		pb_pool_close(p, connection, now);
		return;
	}
	uv_mutex_lock(&p->mutex);
	if (!add(p, parked, terms, &condemned))
		LL_PREPEND(condemned, parked);
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
}

/* What the server says meanwhile is read later; its end is seen here. */
static bool
is_alive(const struct pb_pool_connection *c)
{
	char octet;
	ssize_t n = recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
	    errno == EINTR));
}

static bool
goes_to(const struct pb_pool_connection *c, const struct pb_url *servers,
    size_t n, const char *domain)
{
	size_t i;

	if (strcmp(c->domain, domain) != 0)
		return false;
	for (i = 0; i < n; i++) {
		if (pb_url_equal(&servers[i], &c->url))
			return true;
	}
	return false;
}

/* The newest that will do, out of the tables; or NULL. */
static struct parked *
choose(struct pb_pool *p, const struct pb_pool_identity *identity,
    const struct pb_url *servers, size_t n_servers, const char *domain,
    struct parked **condemned, uint64_t now)
{
	struct account *account = find(p, &identity->account);
	struct parked *parked = account != NULL ? account->first->older : NULL;

	while (parked != NULL) {
		struct parked *older = parked != account->first
		    ? parked->older : NULL;

		if (may_use(identity, parked) && goes_to(&parked->connection,
		    servers, n_servers, domain)) {
			if (now < parked->until &&
			    is_alive(&parked->connection)) {
				take_out(p, parked);
				return parked;
			}
			/* Where it is the last, the account goes with it. */
			condemn(p, condemned, parked);
		}
		parked = older;
	}
	return NULL;
}

bool
pb_pool_take(struct pb_pool *p, const struct pb_pool_identity *identity,
    const struct pb_url *servers, size_t n_servers, const char *domain,
    struct pb_pool_connection *connection, uint64_t now)
{
	struct parked *condemned = NULL;
	struct parked *parked;

	uv_mutex_lock(&p->mutex);
	parked = choose(p, identity, servers, n_servers, domain, &condemned,
	    now);
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
	if (parked == NULL)
		return false;
	*connection = parked->connection;
	pb_free(parked);
	return true;
}

/* Of the account; locked. */
typedef bool is_one_fn(const struct pb_pool *p,
    const struct pb_pool_identity *who, const struct parked *parked);

static bool
has_other_credential(const struct pb_pool *p,
    const struct pb_pool_identity *who, const struct parked *parked)
{
	(void)p;
	return !same_credential(who, &parked->identity);
}

static bool
has_this_credential(const struct pb_pool *p,
    const struct pb_pool_identity *who, const struct parked *parked)
{
	(void)p;
	return same_credential(who, &parked->identity);
}

static bool
is_superseded(const struct pb_pool *p, const struct pb_pool_identity *who,
    const struct parked *parked)
{
	return !same_credential(who, &parked->identity) &&
	    !pb_rivals_coexist(p->rivals, &who->account, who->credential,
		parked->identity.credential);
}

static bool
is_of_no_use(const struct pb_pool *p, const struct pb_pool_identity *who,
    const struct parked *parked)
{
	(void)p;
	return !may_use(who, parked);
}

/* The one that waits longest of which it is true; or NULL. */
static struct parked *
first(const struct pb_pool *p, const struct pb_pool_identity *who,
    is_one_fn *is_one)
{
	struct account *account = find(p, &who->account);
	struct parked *parked = account != NULL ? account->first : NULL;

	while (parked != NULL && !is_one(p, who, parked))
		parked = parked->newer;
	return parked;
}

static void
condemn_all(struct pb_pool *p, const struct pb_pool_identity *who,
    is_one_fn *is_one, struct parked **condemned)
{
	struct parked *parked;

	while ((parked = first(p, who, is_one)) != NULL)
		condemn(p, condemned, parked);
}

void
pb_pool_verified(struct pb_pool *p, const struct pb_pool_identity *identity,
    uint64_t now)
{
	struct parked *condemned = NULL;

	uv_mutex_lock(&p->mutex);
	pb_rivals_taken(p->rivals, &identity->account, identity->credential,
	    first(p, identity, has_other_credential) != NULL, now);
	condemn_all(p, identity, is_superseded, &condemned);
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
}

void
pb_pool_refused(struct pb_pool *p, const struct pb_pool_identity *identity,
    uint64_t now)
{
	struct parked *condemned = NULL;

	uv_mutex_lock(&p->mutex);
	pb_rivals_refused(p->rivals, &identity->account, identity->credential);
	condemn_all(p, identity, has_this_credential, &condemned);
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
}

bool
pb_pool_make_room(struct pb_pool *p, const struct pb_pool_identity *identity,
    uint64_t now)
{
	struct parked *condemned = NULL;
	struct parked *parked;

	uv_mutex_lock(&p->mutex);
	parked = first(p, identity, is_of_no_use);
	if (parked != NULL)
		condemn(p, &condemned, parked);
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
	return parked != NULL;
}

/* Those that waited too long, or all. */
static void
close_old(struct pb_pool *p, bool all, bool shut, uint64_t now)
{
	struct parked *condemned = NULL;
	struct parked *parked;
	struct parked *next;

	uv_mutex_lock(&p->mutex);
	p->shut = p->shut || shut;
	DL_FOREACH_SAFE(p->all, parked, next) {
		if (all || now >= parked->until)
			condemn(p, &condemned, parked);
	}
	uv_mutex_unlock(&p->mutex);
	close_list(p, condemned, now);
}

void
pb_pool_expire(struct pb_pool *p, uint64_t now)
{
	close_old(p, false, false, now);
}

void
pb_pool_clear(struct pb_pool *p, uint64_t now)
{
	close_old(p, true, false, now);
}

void
pb_pool_shut(struct pb_pool *p, uint64_t now)
{
	close_old(p, true, true, now);
}

size_t
pb_pool_count(struct pb_pool *p)
{
	size_t n;

	uv_mutex_lock(&p->mutex);
	n = p->n;
	uv_mutex_unlock(&p->mutex);
	return n;
}
