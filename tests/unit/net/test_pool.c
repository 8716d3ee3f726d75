#include "support/test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "popbridge/base/mem.h"
#include "popbridge/net/pool.h"
#include "popbridge/net/upstream.h"

#define T0 UINT64_C(10000000)

struct world {
	struct pb_upstreams *upstreams;
	struct pb_pool *pool;
	struct pb_imap_grammar *grammar;
	struct pb_imap_writer *writer;
	struct pb_pool_terms terms;
	bool tcp;
};

static const struct pb_url server = { .service = PB_URL_IMAP,
	.kind = PB_URL_NAME, .port = 993, .host = "imap.example.com" };

static int
start(void **state)
{
	struct world *w = pb_xalloc(sizeof(*w));

	w->upstreams = pb_upstreams_new();
	w->pool = pb_pool_new(w->upstreams);
	w->grammar = pb_imap_grammar_new();
	w->writer = pb_imap_writer_new();
	w->terms = (struct pb_pool_terms){ .max = 100, .max_of_account = 2,
		.keep_ms = 120000 };
	*state = w;
	return w->pool == NULL || w->grammar == NULL || w->writer == NULL;
}

static int
stop(void **state)
{
	struct world *w = *state;
	struct pb_upstreams_counts counts;

	if (w->pool != NULL)
		pb_pool_free(&w->pool);
	/* Whatever was done, each connection was counted out. */
	counts = pb_upstreams_counts(w->upstreams);
	assert_int_equal(counts.connections, 0);
	pb_upstreams_free(&w->upstreams);
	pb_imap_grammar_free(&w->grammar);
	pb_imap_writer_free(&w->writer);
	pb_free(w);
	return 0;
}

static struct pb_pool_identity
who(unsigned account, unsigned credential)
{
	struct pb_pool_identity id = { .auth = PB_IMAP_AUTH_AUTO };

	memcpy(id.account.octets, &account, sizeof(account));
	memcpy(id.credential, &credential, sizeof(credential));
	return id;
}

/* What a loop takes for TCP must be TCP. */
static void
tcp_pair(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address,
	    &len), 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&address, len), 0);
	fds[1] = accept(listener, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(listener);
}

/* A connection as a session gives it away; the server's end is returned. */
static int
make(struct world *w, unsigned account, struct pb_pool_connection *c)
{
	struct pb_pool_identity id = who(account, 0);
	uint64_t until;
	int fds[2];

	if (w->tcp)
		tcp_pair(fds);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*c = (struct pb_pool_connection){ .fd = fds[0], .url = server,
		.verified_at = T0 };
	pb_imap_client_init(&c->imap, w->grammar, w->writer,
	    PB_IMAP_TLS_IMPLICIT);
	c->imap.state = PB_IMAP_STATE_READY;
	assert_int_equal(pb_upstreams_enter(w->upstreams, &c->visit,
	    &id.account, SIZE_MAX, T0, &until), PB_UPSTREAMS_GO);
	return fds[1];
}

static int
park_at(struct world *w, unsigned account, unsigned credential, uint64_t now)
{
	struct pb_pool_identity id = who(account, credential);
	struct pb_pool_connection c;
	int fd = make(w, account, &c);

	pb_pool_put(w->pool, &id, &c, &w->terms, now);
	assert_int_equal(c.fd, -1);
	assert_false(c.visit.counted);
	return fd;
}

static int
park(struct world *w, unsigned account, unsigned credential)
{
	return park_at(w, account, credential, T0);
}

static bool
take_as(struct world *w, const struct pb_pool_identity *id, uint64_t now)
{
	struct pb_pool_connection c;

	if (!pb_pool_take(w->pool, id, &server, 1, "", &c, now))
		return false;
	assert_true(c.visit.counted);
	assert_int_equal(c.imap.state, PB_IMAP_STATE_READY);
	pb_pool_close(w->pool, &c, now);
	return true;
}

static bool
take(struct world *w, unsigned account, unsigned credential, uint64_t now)
{
	struct pb_pool_identity id = who(account, credential);

	return take_as(w, &id, now);
}

/* It was told goodbye, and closed. */
static void
must_be_closed(int fd)
{
	char text[64];
	ssize_t n = read(fd, text, sizeof(text));

	assert_true(n > 0);
	ASSERT_OCTETS(pb_slice(text, (size_t)n),
	    pb_slice_str("A1 LOGOUT\r\n"));
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	close(fd);
}

static void
must_be_open(int fd)
{
	char octet;

	assert_int_equal(read(fd, &octet, 1), -1);
}

static void
what_is_kept_is_taken_once(void **state)
{
	struct world *w = *state;
	int fd = park(w, 1, 1);

	must_be_open(fd);
	assert_int_equal(pb_pool_count(w->pool), 1);
	assert_true(take(w, 1, 1, T0));
	assert_false(take(w, 1, 1, T0));
	must_be_closed(fd);
}

static void
only_the_very_same_identity_gets_it(void **state)
{
	struct world *w = *state;
	struct pb_pool_identity id = who(1, 1);
	struct pb_pool_connection c;
	struct pb_url other = server;
	int fd = park(w, 1, 1);
	int context;

	assert_false(take(w, 2, 1, T0));
	assert_false(take(w, 1, 2, T0));
	id.credential[PB_LIMITS_DIGEST - 1] ^= 1;
	assert_false(take_as(w, &id, T0));
	id = who(1, 1);
	id.auth = PB_IMAP_AUTH_PLAIN;
	assert_false(take_as(w, &id, T0));
	id = who(1, 1);
	id.trust = (const void *)&context;
	assert_false(take_as(w, &id, T0));
	id = who(1, 1);
	other.port = 143;
	assert_false(pb_pool_take(w->pool, &id, &other, 1, "", &c, T0));
	assert_false(pb_pool_take(w->pool, &id, &server, 1, "example.com", &c,
	    T0));
	assert_false(pb_pool_take(w->pool, &id, &server, 0, "", &c, T0));
	must_be_open(fd);
	assert_true(take(w, 1, 1, T0));
	must_be_closed(fd);
}

static void
the_one_that_came_last_is_taken_first(void **state)
{
	struct world *w = *state;
	int first = park_at(w, 1, 1, T0);
	int second = park_at(w, 1, 1, T0 + 1);

	assert_true(take(w, 1, 1, T0 + 2));
	must_be_closed(second);
	must_be_open(first);
	assert_true(take(w, 1, 1, T0 + 2));
	must_be_closed(first);
}

static void
one_that_has_died_is_not_taken(void **state)
{
	struct world *w = *state;
	int first = park_at(w, 1, 1, T0);
	int second = park_at(w, 1, 1, T0 + 1);

	close(second);
	assert_true(take(w, 1, 1, T0 + 2));
	must_be_closed(first);
	assert_int_equal(pb_pool_count(w->pool), 0);
	close(park(w, 1, 1));
	assert_false(take(w, 1, 1, T0));
	assert_int_equal(pb_pool_count(w->pool), 0);
}

static void
what_the_server_says_meanwhile_is_left_to_read(void **state)
{
	struct world *w = *state;
	int fd = park(w, 1, 1);
	struct pb_pool_identity id = who(1, 1);
	struct pb_pool_connection c;
	char text[8];

	assert_int_equal(write(fd, "* BYE", 5), 5);
	assert_true(pb_pool_take(w->pool, &id, &server, 1, "", &c, T0));
	assert_int_equal(read(c.fd, text, sizeof(text)), 5);
	pb_pool_close(w->pool, &c, T0);
	must_be_closed(fd);
}

static void
its_time_ends_whether_somebody_looks_or_not(void **state)
{
	struct world *w = *state;
	int fd = park(w, 1, 1);
	int other = park(w, 2, 1);

	pb_pool_expire(w->pool, T0 + w->terms.keep_ms - 1);
	assert_int_equal(pb_pool_count(w->pool), 2);
	assert_false(take(w, 1, 1, T0 + w->terms.keep_ms));
	must_be_closed(fd);
	pb_pool_expire(w->pool, T0 + w->terms.keep_ms);
	must_be_closed(other);
	assert_int_equal(pb_pool_count(w->pool), 0);
}

static void
a_password_counts_for_half_an_hour_and_no_longer(void **state)
{
	struct world *w = *state;
	int fd = park_at(w, 1, 1, T0 + PB_POOL_VERIFIED_MS - 10);

	assert_false(take(w, 1, 1, T0 + PB_POOL_VERIFIED_MS));
	must_be_closed(fd);
	fd = park_at(w, 1, 1, T0 + PB_POOL_VERIFIED_MS);
	must_be_closed(fd);
}

static void
there_are_no_more_than_may_be(void **state)
{
	struct world *w = *state;
	int fds[4];
	unsigned i;

	for (i = 0; i < 3; i++)
		fds[i] = park_at(w, 1, 1, T0 + i);
	must_be_closed(fds[0]);
	w->terms.max = 2;
	fds[3] = park_at(w, 2, 1, T0 + 3);
	must_be_closed(fds[1]);
	assert_int_equal(pb_pool_count(w->pool), 2);
	w->terms.max = 0;
	must_be_closed(park(w, 3, 1));
	w->terms.max = 2;
	w->terms.keep_ms = 0;
	must_be_closed(park(w, 3, 1));
	assert_true(take(w, 1, 1, T0 + 4));
	assert_true(take(w, 2, 1, T0 + 4));
	must_be_closed(fds[2]);
	must_be_closed(fds[3]);
}

static void
a_credential_that_the_server_took_ends_the_others(void **state)
{
	struct world *w = *state;
	struct pb_pool_identity id = who(1, 2);
	int old = park(w, 1, 1);
	int same = park(w, 1, 2);
	int foreign = park(w, 2, 1);

	pb_pool_verified(w->pool, &id, T0);
	must_be_closed(old);
	must_be_open(same);
	must_be_open(foreign);
	pb_pool_refused(w->pool, &id, T0);
	must_be_closed(same);
	must_be_open(foreign);
	close(foreign);
}

/* A login by one of two passwords that are good both, and its end. */
static int
log_in_and_park(struct world *w, unsigned credential)
{
	struct pb_pool_identity id = who(1, credential);

	pb_pool_verified(w->pool, &id, T0);
	return park(w, 1, credential);
}

static void
credentials_that_take_turns_keep_their_own(void **state)
{
	struct world *w = *state;
	struct pb_pool_identity one = who(1, 1);
	int fds[6];
	size_t i;

	for (i = 0; i < 4; i++)
		fds[i] = log_in_and_park(w, i % 2 == 0 ? 1 : 2);
	must_be_closed(fds[0]);
	must_be_closed(fds[1]);
	must_be_closed(fds[2]);
	fds[4] = log_in_and_park(w, 1);
	must_be_open(fds[3]);
	must_be_open(fds[4]);
	/* A new one proves nothing for those before it. */
	fds[5] = log_in_and_park(w, 3);
	must_be_closed(fds[3]);
	must_be_closed(fds[4]);
	pb_pool_refused(w->pool, &one, T0);
	fds[0] = log_in_and_park(w, 1);
	must_be_closed(fds[5]);
	close(fds[0]);
}

static void
room_is_made_of_what_is_of_no_use(void **state)
{
	struct world *w = *state;
	struct pb_pool_identity id = who(1, 2);
	int old = park(w, 1, 1);
	int same = park(w, 1, 2);

	assert_true(pb_pool_make_room(w->pool, &id, T0));
	must_be_closed(old);
	assert_false(pb_pool_make_room(w->pool, &id, T0));
	must_be_open(same);
	close(same);
}

static void
a_pool_that_is_shut_keeps_nothing(void **state)
{
	struct world *w = *state;
	int fd = park(w, 1, 1);

	pb_pool_clear(w->pool, T0);
	must_be_closed(fd);
	fd = park(w, 1, 1);
	must_be_open(fd);
	pb_pool_shut(w->pool, T0);
	must_be_closed(fd);
	must_be_closed(park(w, 1, 1));
}

static void
without_memory_it_is_closed(void **state)
{
	struct world *w = *state;
	struct pb_pool_identity id = who(1, 1);
	struct pb_pool_connection c;
	unsigned long n;

	for (n = 1; n < 20; n++) {
		int fd = make(w, 1, &c);
		size_t kept;

		pb_mem_fail_from(n);
		pb_pool_put(w->pool, &id, &c, &w->terms, T0);
		pb_mem_fail_from(0);
		kept = pb_pool_count(w->pool);
		if (kept > 0)
			pb_pool_clear(w->pool, T0);
		assert_int_equal(c.fd, -1);
		assert_int_equal(pb_upstreams_counts(w->upstreams).connections,
		    0);
		close(fd);
		if (kept > 0)
			break;
	}
	assert_in_range(n, 2, 19);
}

/* An upstream that is out of one loop and in another. */

struct home {
	uv_loop_t uv;
	struct pb_upstream_loop loop;
	bool ready;
};

static void
move_in(struct home *h, struct world *w)
{
	assert_int_equal(uv_loop_init(&h->uv), 0);
	h->loop = (struct pb_upstream_loop){ .uv = &h->uv,
		.scratch = pb_xalloc(PB_STREAM_READ_SIZE),
		.grammar = w->grammar, .writer = w->writer };
}

static void
move_out(struct home *h)
{
	assert_int_equal(uv_run(&h->uv, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&h->uv), 0);
	pb_free(h->loop.scratch);
}

static void
on_ready(void *owner)
{
	struct home *h = owner;

	h->ready = true;
}

static struct pb_upstream *
resume(struct home *h, struct world *w, unsigned account)
{
	struct pb_pool_identity id = who(account, 1);
	struct pb_pool_connection c;
	struct pb_upstream *u;

	assert_true(pb_pool_take(w->pool, &id, &server, 1, "", &c, T0));
	u = pb_upstream_resume(&h->loop, &c, on_ready, h);
	assert_non_null(u);
	assert_int_equal(pb_upstream_state(u), PB_UPSTREAM_OPEN);
	pb_upstreams_leave(w->upstreams, &c.visit, T0);
	return u;
}

static void
a_connection_goes_from_loop_to_loop(void **state)
{
	struct world *w = *state;
	struct pb_pool_connection c;
	struct home homes[2] = { { .ready = false } };
	struct pb_upstream *u;
	char text[64];
	int fd;
	unsigned i;

	move_in(&homes[0], w);
	move_in(&homes[1], w);
	w->tcp = true;
	fd = park(w, 1, 1);
	for (i = 0; i < 6; i++) {
		struct home *h = &homes[i % 2];
		struct pb_imap_client *imap;
		struct pb_imap_event event;
		struct pb_pool_identity id = who(1, 1);
		struct pb_slice in;

		u = resume(h, w, 1);
		imap = pb_upstream_imap(u);
		assert_int_equal(pb_imap_client_select(imap, "INBOX"),
		    PB_OK);
		pb_stream_send(pb_upstream_stream(u), &imap->out);
		/* It cannot be given away while it has to do. */
		assert_false(pb_upstream_park(u, &c));
		assert_true(read(fd, text, sizeof(text)) > 0);
		snprintf(text, sizeof(text), "A%u OK in\r\n", i + 1);
		assert_true(write(fd, text, strlen(text)) > 0);
		pb_stream_want_read(pb_upstream_stream(u), true);
		h->ready = false;
		while (!h->ready)
			uv_run(&h->uv, UV_RUN_ONCE);
		in = pb_stream_peek(pb_upstream_stream(u));
		/* Nor while something is unread. */
		assert_false(pb_upstream_park(u, &c));
		assert_int_equal(pb_imap_client_next(imap, &in, &event), PB_OK);
		assert_int_equal(event.type, PB_IMAP_EVENT_DONE);
		pb_stream_take(pb_upstream_stream(u), strlen(text));
		assert_true(pb_upstream_park(u, &c));
		/* What was closed is the loop's; the connection is not. */
		uv_run(&h->uv, UV_RUN_DEFAULT);
		assert_int_equal(recv(fd, text, 1, MSG_DONTWAIT), -1);
		assert_int_equal(pb_imap_client_room(&c.imap),
		    PB_IMAP_PIPELINE_MAX);
		c.verified_at = T0;
		pb_pool_put(w->pool, &id, &c, &w->terms, T0);
	}
	u = resume(&homes[0], w, 1);
	pb_upstream_leave(u);
	move_out(&homes[0]);
	move_out(&homes[1]);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	close(fd);
}

#define THREADS 8
#define ROUNDS 400
#define ACCOUNTS 3

struct crowd {
	struct world *world;
	unsigned seed;
	_Atomic unsigned *taken;
	int peers[ROUNDS];		/* the server's ends */
	unsigned n_peers;
};

static void
one_round(struct crowd *c, unsigned i)
{
	struct world *w = c->world;
	unsigned account = (unsigned)rand_r(&c->seed) % ACCOUNTS;
	struct pb_pool_identity id = who(account, i % 7 == 0 ? 2 : 1);
	struct pb_pool_connection connection;
	uint64_t now = T0 + i;
	int fd;

	switch (rand_r(&c->seed) % 12) {
	case 0:
		pb_pool_expire(w->pool, now + w->terms.keep_ms / 2);
		return;
	case 1:
		pb_pool_verified(w->pool, &id, now);
		return;
	case 2:
		(void)pb_pool_make_room(w->pool, &id, now);
		return;
	case 3:
		if (i % 50 == 0)
			pb_pool_clear(w->pool, now);
		return;
	default:
		break;
	}
	if (pb_pool_take(w->pool, &id, &server, 1, "", &connection, now)) {
		(*c->taken)++;
		pb_pool_put(w->pool, &id, &connection, &w->terms, now);
		return;
	}
	fd = make(w, account, &connection);
	pb_pool_put(w->pool, &id, &connection, &w->terms, now);
	/* Some die where they wait. */
	if (i % 3 == 0)
		close(fd);
	else
		c->peers[c->n_peers++] = fd;
}

static void *
come_and_go(void *arg)
{
	struct crowd *c = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		one_round(c, i);
	return NULL;
}

static void
many_threads_share_one_pool(void **state)
{
	struct world *w = *state;
	_Atomic unsigned taken = 0;
	struct crowd crowds[THREADS];
	pthread_t threads[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){ .world = w, .seed = i + 1,
			.taken = &taken };
		assert_int_equal(pthread_create(&threads[i], NULL,
		    come_and_go, &crowds[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		while (crowds[i].n_peers > 0)
			close(crowds[i].peers[--crowds[i].n_peers]);
	}
	assert_true(taken > 0);
	assert_int_equal(pb_pool_count(w->pool),
	    pb_upstreams_counts(w->upstreams).connections);
	pb_pool_clear(w->pool, T0);
	assert_int_equal(pb_upstreams_counts(w->upstreams).connections, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_kept_is_taken_once),
		TEST(only_the_very_same_identity_gets_it),
		TEST(the_one_that_came_last_is_taken_first),
		TEST(one_that_has_died_is_not_taken),
		TEST(what_the_server_says_meanwhile_is_left_to_read),
		TEST(its_time_ends_whether_somebody_looks_or_not),
		TEST(a_password_counts_for_half_an_hour_and_no_longer),
		TEST(there_are_no_more_than_may_be),
		TEST(a_credential_that_the_server_took_ends_the_others),
		TEST(credentials_that_take_turns_keep_their_own),
		TEST(room_is_made_of_what_is_of_no_use),
		TEST(a_pool_that_is_shut_keeps_nothing),
		TEST(without_memory_it_is_closed),
		TEST(a_connection_goes_from_loop_to_loop),
		TEST(many_threads_share_one_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
