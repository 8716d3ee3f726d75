#include "popbridge/net/upstream.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* A connection that nobody owns any more may take so long to say goodbye. */
#define LEAVE_MS 5000

/*
 * Names of servers that DNS says a domain has, looked up at a time: whoever
 * has a domain can give it servers whose names nobody answers for, and those
 * that an administrator has named must not wait behind them.  libuv's pool has
 * threads for 12.
 */
#define FOUND_NAMES_MAX 8
#define FOUND_NAMES_RETRY_MS 100

struct pb_upstream {
	const struct pb_upstream_loop *loop;	/* borrowed */
	struct pb_url url;
	char domain[256];		/* or "" */
	struct pb_tls_context *tls;		/* shared: unref in release */
	enum pb_upstream_state state;
	void (*ready)(void *owner);
	void *owner;			/* borrowed; NULL once it has left */
	uint64_t attempt_ms;
	uv_getaddrinfo_t resolve_req;
	bool resolving;
	bool counted;			/* in looking_up_found */
	bool opening;			/* the owner looks by himself */
	struct addrinfo *addresses;	/* own */
	struct addrinfo *next;		/* into addresses */
	uv_timer_t timer;		/* of an attempt, or of leaving */
	bool timer_open;
	bool leaving;
	struct pb_stream stream;
	struct pb_imap_client imap;
	struct pb_error error;
};

static atomic_uint looking_up_found;

static void
release_when_done(struct pb_upstream *u)
{
	if (!u->leaving || u->resolving || u->timer_open ||
	    u->stream.state != PB_STREAM_CLOSED)
		return;
	if (u->addresses != NULL)
		uv_freeaddrinfo(u->addresses);
	pb_tls_context_unref(&u->tls);
	pb_imap_client_fini(&u->imap);
	pb_free(u);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct pb_upstream *u = handle->data;

	u->timer_open = false;
	release_when_done(u);
}

static void
close_all(struct pb_upstream *u)
{
	pb_stream_close(&u->stream);
	if (!uv_is_closing((uv_handle_t *)&u->timer))
		uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

static void
tell(struct pb_upstream *u)
{
	if (u->owner != NULL && !u->opening)
		u->ready(u->owner);
}

static void
fail(struct pb_upstream *u, const struct pb_error *err)
{
	if (u->state == PB_UPSTREAM_FAILED)
		return;
	u->error = *err;
	u->state = PB_UPSTREAM_FAILED;
}

static void try_next(struct pb_upstream *u);
static void look_up_again(struct pb_upstream *u);

/* This address is no good: close the handle, then come to the next one. */
static void
attempt_failed(struct pb_upstream *u, const struct pb_error *err)
{
	char text[PB_URL_TEXT_SIZE];

	pb_url_format(&u->url, text);
	pb_error_set(&u->error, err->kind, PB_SCOPE_ACCOUNT, "%s: %s", text,
	    err->text);
	uv_timer_stop(&u->timer);
	pb_stream_close(&u->stream);
}

static void
on_stream_closed(void *owner)
{
	struct pb_upstream *u = owner;

	if (u->leaving) {
		release_when_done(u);
		return;
	}
	if (u->state == PB_UPSTREAM_CONNECTING)
		try_next(u);
}

static void
start_tls(struct pb_upstream *u)
{
	struct pb_error err;
	struct pb_tls *tls = pb_tls_client(u->tls, u->url.host,
	    u->url.kind != PB_URL_NAME,
	    u->domain[0] != '\0' ? u->domain : NULL);

	u->state = PB_UPSTREAM_HANDSHAKE;
	if (tls == NULL) {
		pb_error_set(&err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory for TLS");
		fail(u, &err);
		return;
	}
	pb_stream_start_tls(&u->stream, tls);
}

static void
connected(struct pb_upstream *u)
{
	uv_timer_stop(&u->timer);
	pb_stream_want_read(&u->stream, true);
	if (u->url.tls == PB_URL_TLS_IMMEDIATE)
		start_tls(u);
	else
		u->state = PB_UPSTREAM_OPEN;
}

static void
leave_when_sent(struct pb_upstream *u)
{
	if (u->stream.state != PB_STREAM_OPEN ||
	    pb_stream_unsent(&u->stream) == 0)
		close_all(u);
}

static void
on_stream_ready(void *owner)
{
	struct pb_upstream *u = owner;

	if (u->leaving) {
		leave_when_sent(u);
		return;
	}
	switch (u->state) {
	case PB_UPSTREAM_CONNECTING:
		if (u->stream.state == PB_STREAM_FAILED)
			attempt_failed(u, &u->stream.error);
		else if (u->stream.state == PB_STREAM_OPEN)
			connected(u);
		break;
	case PB_UPSTREAM_HANDSHAKE:
	case PB_UPSTREAM_OPEN:
		break;
	case PB_UPSTREAM_RESOLVING:
	case PB_UPSTREAM_FAILED:
		return;
	}
	if (u->stream.state == PB_STREAM_FAILED)
		fail(u, &u->stream.error);
	else if (u->state == PB_UPSTREAM_HANDSHAKE && u->stream.secured)
		u->state = PB_UPSTREAM_OPEN;
	if (u->state != PB_UPSTREAM_CONNECTING)
		tell(u);
}

static const struct pb_stream_owner stream_owner = {
	.ready = on_stream_ready,
	.closed = on_stream_closed,
};

static void
on_timer(uv_timer_t *timer)
{
	struct pb_upstream *u = timer->data;
	struct pb_error err;

	if (u->leaving) {
		close_all(u);
		return;
	}
	if (u->state == PB_UPSTREAM_RESOLVING) {
		look_up_again(u);
		return;
	}
	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "no answer in %llu ms", (unsigned long long)u->attempt_ms);
	attempt_failed(u, &err);
}

/* The stream is closed: connect to the next address, or give up. */
static void
try_next(struct pb_upstream *u)
{
	struct addrinfo *address = u->next;

	if (address == NULL) {
		u->state = PB_UPSTREAM_FAILED;
		tell(u);
		return;
	}
	u->next = address->ai_next;
	if (pb_stream_init(&u->stream, u->loop->uv, u->loop->scratch,
	    &stream_owner, u) != PB_OK) {
		try_next(u);
		return;
	}
	uv_timer_start(&u->timer, on_timer, u->attempt_ms, 0);
	pb_stream_connect(&u->stream, address->ai_addr);
	if (u->stream.state == PB_STREAM_FAILED)
		attempt_failed(u, &u->stream.error);
}

static void
use_addresses(struct pb_upstream *u, struct addrinfo *addresses)
{
	u->addresses = addresses;
	u->state = PB_UPSTREAM_CONNECTING;
	u->next = addresses;
	pb_error_set(&u->error, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "the name %s has no address", u->url.host);
	try_next(u);
}

static bool
may_look_up(struct pb_upstream *u)
{
	if (u->domain[0] == '\0')
		return true;
	if (atomic_fetch_add(&looking_up_found, 1) < FOUND_NAMES_MAX) {
		u->counted = true;
		return true;
	}
	atomic_fetch_sub(&looking_up_found, 1);
	return false;
}

static void
looked_up(struct pb_upstream *u)
{
	u->resolving = false;
	if (u->counted)
		atomic_fetch_sub(&looking_up_found, 1);
	u->counted = false;
}

static void
not_resolved(struct pb_upstream *u, int status)
{
	struct pb_error err;

	pb_error_set(&err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "the name %s cannot be resolved: %s", u->url.host,
	    uv_strerror(status));
	fail(u, &err);
	tell(u);
}

static void
on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *addresses)
{
	struct pb_upstream *u = req->data;

	looked_up(u);
	u->addresses = addresses;
	if (u->leaving)
		release_when_done(u);
	else if (status != 0)
		not_resolved(u, status);
	else
		use_addresses(u, addresses);
}

/* At once, or when there are fewer of its kind. */
static int
look_up(struct pb_upstream *u)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	char port[8];
	int r;

	if (!may_look_up(u))
		return uv_timer_start(&u->timer, on_timer,
		    FOUND_NAMES_RETRY_MS, 0);
	snprintf(port, sizeof(port), "%u", (unsigned)u->url.port);
	u->resolving = true;
	u->resolve_req.data = u;
	r = uv_getaddrinfo(u->loop->uv, &u->resolve_req, on_resolved,
	    u->url.host, port, &hints);
	if (r != 0)
		looked_up(u);
	return r;
}

static void
look_up_again(struct pb_upstream *u)
{
	int r = look_up(u);

	if (r != 0)
		not_resolved(u, r);
}

/*
 * An address needs nobody to ask, and no thread; and on a machine with
 * loopback only, AI_ADDRCONFIG hides ::1.
 */
static int
take_address(struct pb_upstream *u)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *address;
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)u->url.port);
	if (getaddrinfo(u->url.host, port, &hints, &address) != 0)
		return UV_EINVAL;
	u->opening = true;
	use_addresses(u, address);
	u->opening = false;
	return 0;
}

static int
resolve(struct pb_upstream *u)
{
	return u->url.kind == PB_URL_NAME ? look_up(u) : take_address(u);
}

static enum pb_imap_tls
imap_tls_of(const struct pb_url *url)
{
	switch (url->tls) {
	case PB_URL_TLS_NONE:
		return PB_IMAP_TLS_NONE;
	case PB_URL_TLS_UPGRADE:
		return PB_IMAP_TLS_STARTTLS;
	case PB_URL_TLS_IMMEDIATE:
		return PB_IMAP_TLS_IMPLICIT;
	}
	return PB_IMAP_TLS_STARTTLS;
}

static struct pb_upstream *
make(const struct pb_upstream_loop *loop, const struct pb_url *url,
    const char *domain, void (*on_ready)(void *owner), void *owner)
{
	struct pb_upstream *u = pb_alloc(sizeof(*u));

	if (u == NULL || uv_timer_init(loop->uv, &u->timer) != 0) {
		pb_free(u);
		return NULL;
	}
	u->timer.data = u;
	u->timer_open = true;
	u->loop = loop;
	u->url = *url;
	if (domain != NULL)
		snprintf(u->domain, sizeof(u->domain), "%s", domain);
	u->ready = on_ready;
	u->owner = owner;
	return u;
}

struct pb_upstream *
pb_upstream_open(const struct pb_upstream_loop *loop, const struct pb_url *url,
    const char *domain, struct pb_tls_context *tls, uint64_t attempt_ms,
    void (*on_ready)(void *owner), void *owner)
{
	struct pb_upstream *u = make(loop, url, domain, on_ready, owner);

	if (u == NULL)
		return NULL;
	u->tls = pb_tls_context_ref(tls);
	u->attempt_ms = attempt_ms;
	pb_imap_client_init(&u->imap, loop->grammar, loop->writer,
	    imap_tls_of(url));
	if (resolve(u) != 0) {
		pb_upstream_leave(u);
		return NULL;
	}
	return u;
}

enum pb_upstream_state
pb_upstream_state(const struct pb_upstream *u)
{
	return u->state;
}

const struct pb_error *
pb_upstream_error(const struct pb_upstream *u)
{
	return &u->error;
}

struct pb_imap_client *
pb_upstream_imap(struct pb_upstream *u)
{
	return &u->imap;
}

struct pb_stream *
pb_upstream_stream(struct pb_upstream *u)
{
	return &u->stream;
}

bool
pb_upstream_send(struct pb_upstream *u)
{
	pb_stream_send(&u->stream, &u->imap.out);
	if (u->state == PB_UPSTREAM_FAILED ||
	    u->stream.state != PB_STREAM_FAILED)
		return true;
	fail(u, &u->stream.error);
	return false;
}

void
pb_upstream_starttls(struct pb_upstream *u)
{
	struct pb_error err;

	if (pb_stream_has_octets(&u->stream)) {
		pb_error_set(&err, PB_ERROR_PROTOCOL, PB_SCOPE_CONNECTION,
		    "the IMAP server sends octets in the clear behind "
		    "STARTTLS; somebody may be in the line");
		fail(u, &err);
		return;
	}
	start_tls(u);
}

void
pb_upstream_leave(struct pb_upstream *u)
{
	pb_check(!u->leaving);
	u->owner = NULL;
	u->leaving = true;
	if (u->resolving)
		/* Where it runs already, its callback comes all the same. */
		(void)uv_cancel((uv_req_t *)&u->resolve_req);
	if (u->state == PB_UPSTREAM_OPEN) {
		pb_stream_send(&u->stream, &u->imap.out);
		pb_stream_want_read(&u->stream, false);
		uv_timer_start(&u->timer, on_timer, LEAVE_MS, 0);
		leave_when_sent(u);
		return;
	}
	close_all(u);
}

bool
pb_upstream_park(struct pb_upstream *u, struct pb_pool_connection *c)
{
	pb_check(!u->leaving);
	*c = (struct pb_pool_connection){ .fd = -1 };
	if (u->state != PB_UPSTREAM_OPEN ||
	    !pb_imap_client_is_at_rest(&u->imap) ||
	    !pb_stream_detach(&u->stream, &c->fd, &c->tls))
		return false;
	pb_imap_client_move(&c->imap, &u->imap, NULL, NULL);
	c->url = u->url;
	snprintf(c->domain, sizeof(c->domain), "%s", u->domain);
	c->trust = u->tls;
	u->tls = NULL;
	u->owner = NULL;
	u->leaving = true;
	close_all(u);
	return true;
}

struct pb_upstream *
pb_upstream_resume(const struct pb_upstream_loop *loop,
    struct pb_pool_connection *c, void (*on_ready)(void *owner), void *owner)
{
	struct pb_upstream *u = make(loop, &c->url, c->domain, on_ready, owner);
	struct pb_tls *tls = c->tls;
	int fd = c->fd;

	if (u == NULL)
		return NULL;
	if (pb_stream_init(&u->stream, loop->uv, loop->scratch, &stream_owner,
	    u) != PB_OK) {
		pb_upstream_leave(u);
		return NULL;
	}
	pb_imap_client_move(&u->imap, &c->imap, loop->grammar, loop->writer);
	u->tls = c->trust;
	c->trust = NULL;
	c->tls = NULL;
	c->fd = -1;
	if (pb_stream_attach(&u->stream, fd, tls) != PB_OK) {
		pb_upstream_leave(u);
		return NULL;
	}
	u->state = PB_UPSTREAM_OPEN;
	return u;
}
