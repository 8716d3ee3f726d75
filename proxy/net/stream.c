#include "stream_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* It is asked each second, as long as it has for its answer. */
#define KEEPALIVE_AGAIN_S 1
#define KEEPALIVE_TIMES PB_STREAM_ANSWER_S

/* What OpenSSL 3 takes for a connection that has shaken hands. */
#define TLS_MEMORY (16 * 1024)

/*
 * A stream that has always more to read lets the others have their turn after
 * so many octets: with TLS on both sides that is about half a millisecond.
 */
#define TURN_MAX (256 * 1024)

void
pb_stream_fail(struct pb_stream *s, enum pb_error_kind kind, const char *what,
    int uverr)
{
	if (s->state == PB_STREAM_FAILED || s->state == PB_STREAM_CLOSING)
		return;
	s->state = PB_STREAM_FAILED;
	if (uverr != 0)
		pb_error_set(&s->error, kind, PB_SCOPE_CONNECTION, "%s: %s",
		    what, uv_strerror(uverr));
	else if (what != NULL)
		pb_error_set(&s->error, kind, PB_SCOPE_CONNECTION, "%s", what);
}

static void
ready(struct pb_stream *s)
{
	if (s->state != PB_STREAM_CLOSING)
		s->events->ready(s->owner);
}

enum pb_status
pb_stream_init(struct pb_stream *s, uv_loop_t *loop, char *scratch,
    const struct pb_stream_owner *events, void *owner)
{
	pb_check(s->state == PB_STREAM_CLOSED);
	memset(s, 0, sizeof(*s));
	if (uv_tcp_init(loop, &s->tcp) != 0)
		return PB_EIO;
	s->tcp.data = s;
	s->events = events;
	s->owner = owner;
	s->scratch = scratch;
	s->state = PB_STREAM_CONNECTING;
	pb_buffer_init(&s->kept, 2 * PB_STREAM_READ_SIZE);
	pb_buffer_init(&s->out, PB_STREAM_OUT_MAX);
	pb_buffer_init(&s->writing, PB_STREAM_OUT_MAX);
	return PB_OK;
}

/*
 * Without TCP_USER_TIMEOUT: Linux ends those by it, too, that are there and
 * only do not read for so long, and it would take the place of KEEPALIVE_TIMES.
 */
bool
pb_stream_prepare(int fd, unsigned keepalive_s)
{
	const struct {
		int level;
		int name;
		int value;
	} options[] = {
		/* Small replies must not wait for acknowledgements. */
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, (int)keepalive_s },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_AGAIN_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TIMES },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value)) != 0)
			return false;
	}
	return true;
}

enum pb_status
pb_stream_accept(struct pb_stream *s, int fd)
{
	int r = uv_tcp_open(&s->tcp, fd);

	if (r != 0) {
		close(fd);
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "accept", r);
		return PB_EIO;
	}
	s->state = PB_STREAM_OPEN;
	return PB_OK;
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct pb_stream *s = req->handle->data;
	uv_os_fd_t fd;

	if (s->state == PB_STREAM_CLOSING)
		return;
	if (status == 0)
		status = uv_fileno((uv_handle_t *)&s->tcp, &fd);
	if (status == 0 && !pb_stream_prepare(fd, PB_STREAM_KEEPALIVE_S))
		status = uv_translate_sys_error(errno);
	if (status != 0)
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "connect", status);
	else
		s->state = PB_STREAM_OPEN;
	ready(s);
}

void
pb_stream_connect(struct pb_stream *s, const struct sockaddr *address)
{
	int r = uv_tcp_connect(&s->connect_req, &s->tcp, address, on_connect);

	if (r != 0)
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "connect", r);
}

static void
on_write(uv_write_t *req, int status)
{
	struct pb_stream *s = req->handle->data;

	s->writing_now = false;
	if (s->state == PB_STREAM_CLOSING)
		return;
	pb_buffer_release(&s->writing);
	if (status != 0)
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "write", status);
	else
		pb_stream_flush(s);
	ready(s);
}

static void
write_rest(struct pb_stream *s)
{
	struct pb_slice octets;
	uv_buf_t buf;
	int r;

	pb_buffer_swap(&s->writing, &s->out);
	octets = pb_buffer_slice(&s->writing);
	buf = uv_buf_init((char *)(uintptr_t)octets.data,
	    (unsigned)octets.len);
	r = uv_write(&s->write_req, (uv_stream_t *)&s->tcp, &buf, 1, on_write);
	if (r != 0)
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "write", r);
	else
		s->writing_now = true;
}

void
pb_stream_flush(struct pb_stream *s)
{
	struct pb_slice octets = pb_buffer_slice(&s->out);
	uv_buf_t buf;
	int r;

	if (s->state != PB_STREAM_OPEN || s->writing_now || octets.len == 0)
		return;
	buf = uv_buf_init((char *)(uintptr_t)octets.data,
	    (unsigned)octets.len);
	r = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
	if (r < 0 && r != UV_EAGAIN) {
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "write", r);
		return;
	}
	if (r > 0)
		pb_buffer_consume(&s->out, (size_t)r);
	if (s->out.len > 0)
		write_rest(s);
	else
		pb_buffer_release(&s->out);
}

struct pb_slice
pb_stream_peek(struct pb_stream *s)
{
	if (s->kept.len > 0)
		return pb_buffer_slice(&s->kept);
	return s->tls == NULL ? s->fresh : pb_slice(NULL, 0);
}

void
pb_stream_take(struct pb_stream *s, size_t n)
{
	if (s->kept.len > 0) {
		pb_buffer_consume(&s->kept, n);
		if (s->kept.len == 0)
			pb_buffer_release(&s->kept);
		return;
	}
	pb_check(n <= s->fresh.len);
	pb_slice_skip(&s->fresh, n);
}

bool
pb_stream_has_octets(const struct pb_stream *s)
{
	return s->kept.len > 0 || s->fresh.len > 0;
}

bool
pb_stream_at_eof(struct pb_stream *s)
{
	return s->eof && pb_stream_peek(s).len == 0;
}

/* What the owner has left is kept; then the kernel keeps the rest. */
static void
keep_fresh(struct pb_stream *s)
{
	struct pb_slice rest = s->fresh;

	s->fresh = pb_slice(NULL, 0);
	if (s->tls == NULL && pb_buffer_append(&s->kept, rest.data, rest.len) !=
	    PB_OK)
		pb_stream_fail(s, PB_ERROR_INTERNAL, "no memory to receive", 0);
}

/* No room ends libuv's turn of reading; the next begins where it ended. */
static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct pb_stream *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init(s->scratch,
	    s->turn < TURN_MAX ? PB_STREAM_READ_SIZE : 0);
}

static void
on_end(struct pb_stream *s, int why)
{
	if (why != UV_EOF) {
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "read", why);
	} else {
		/* TLS says its end itself; anything else is a cut. */
		if (s->tls != NULL && !s->eof)
			pb_stream_fail(s, PB_ERROR_TEMPORARY,
			    "the peer cut the TLS connection", 0);
		s->eof = true;
	}
	pb_stream_want_read(s, false);
	ready(s);
}

static void
on_octets(struct pb_stream *s, struct pb_slice octets)
{
	s->fresh = octets;
	if (s->tls != NULL && !s->secured)
		pb_stream_drive_handshake(s);
	if (s->secured && s->fresh.len > 0)
		pb_stream_decrypt(s);
	if (!s->broken || s->kept.len > 0)
		ready(s);
	if (s->state == PB_STREAM_CLOSING)
		return;
	keep_fresh(s);
	if (s->kept.len > 0) {
		pb_stream_want_read(s, false);
	} else if (s->broken) {
		/* What came before has had its effect. */
		pb_stream_fail(s, s->error.kind, NULL, 0);
		ready(s);
	}
}

static void
on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
	struct pb_stream *s = handle->data;
	bool wipe = s->wipe;

	s->turn = n == PB_STREAM_READ_SIZE ? s->turn + (size_t)n : 0;
	if (n == 0 || n == UV_ENOBUFS || s->state == PB_STREAM_CLOSING)
		return;
	if (n < 0) {
		on_end(s, (int)n);
		return;
	}
	on_octets(s, pb_slice(buf->base, (size_t)n));
	if (wipe)
		pb_wipe(buf->base, (size_t)n);
}

void
pb_stream_want_read(struct pb_stream *s, bool want)
{
	int r;

	want = want && s->state == PB_STREAM_OPEN && !s->eof &&
	    s->kept.len == 0;
	if (want == s->reading)
		return;
	if (!want) {
		uv_read_stop((uv_stream_t *)&s->tcp);
		s->reading = false;
		s->turn = 0;
		return;
	}
	r = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
	if (r != 0)
		pb_stream_fail(s, PB_ERROR_TEMPORARY, "read", r);
	else
		s->reading = true;
}

void
pb_stream_wipe_reads(struct pb_stream *s, bool wipe)
{
	s->wipe = wipe;
	s->kept.secret = wipe;
}

void
pb_stream_send(struct pb_stream *s, struct pb_buffer *octets)
{
	struct pb_slice plain = pb_buffer_slice(octets);

	if (s->state != PB_STREAM_OPEN || plain.len == 0) {
		pb_buffer_clear(octets);
		return;
	}
	if (s->tls != NULL) {
		if (pb_tls_write(s->tls, plain, &s->error) != PB_OK)
			pb_stream_fail(s, s->error.kind, NULL, 0);
		pb_buffer_release(octets);
		pb_stream_take_tls_output(s);
		return;
	}
	if (octets->secret)
		s->out.secret = s->writing.secret = true;
	if (s->out.len == 0)
		pb_buffer_swap(&s->out, octets);
	else if (pb_buffer_append(&s->out, plain.data, plain.len) != PB_OK)
		pb_stream_fail(s, PB_ERROR_INTERNAL, "no memory to send", 0);
	pb_buffer_release(octets);
	pb_stream_flush(s);
}

size_t
pb_stream_unsent(const struct pb_stream *s)
{
	return s->out.len + s->writing.len;
}

uint64_t
pb_stream_silence(const struct pb_stream *s)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uv_os_fd_t fd;

	memset(&info, 0, sizeof(info));
	if (s->state != PB_STREAM_OPEN ||
	    uv_fileno((const uv_handle_t *)&s->tcp, &fd) != 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    info.tcpi_unacked == 0)
		return 0;
	return info.tcpi_last_ack_recv;
}

size_t
pb_stream_memory(const struct pb_stream *s)
{
	size_t tls = s->tls != NULL ? TLS_MEMORY + pb_tls_out(s->tls)->cap : 0;

	return s->kept.cap + s->out.cap + s->writing.cap + tls;
}

static void
on_shutdown(uv_shutdown_t *req, int status)
{
	(void)req;
	(void)status;
}

void
pb_stream_finish(struct pb_stream *s)
{
	if (s->state != PB_STREAM_OPEN)
		return;
	if (s->tls != NULL) {
		pb_tls_shutdown(s->tls);
		pb_stream_take_tls_output(s);
	}
	/* Fails only where the connection is gone, and then it is over. */
	if (s->state == PB_STREAM_OPEN && uv_shutdown(&s->shutdown_req,
	    (uv_stream_t *)&s->tcp, on_shutdown) != 0)
		s->eof = true;
}

static void
on_close(uv_handle_t *handle)
{
	struct pb_stream *s = handle->data;

	pb_tls_free(&s->tls);
	pb_buffer_fini(&s->kept);
	pb_buffer_fini(&s->out);
	pb_buffer_fini(&s->writing);
	s->state = PB_STREAM_CLOSED;
	s->events->closed(s->owner);
}

void
pb_stream_close(struct pb_stream *s)
{
	if (s->state == PB_STREAM_CLOSING || s->state == PB_STREAM_CLOSED)
		return;
	s->state = PB_STREAM_CLOSING;
	s->fresh = pb_slice(NULL, 0);
	uv_close((uv_handle_t *)&s->tcp, on_close);
}

bool
pb_stream_detach(struct pb_stream *s, int *fd, struct pb_tls **tls)
{
	uv_os_fd_t own;

	if (s->state != PB_STREAM_OPEN || s->eof || s->writing_now ||
	    pb_stream_unsent(s) > 0 || pb_stream_has_octets(s) ||
	    (s->tls != NULL && !s->secured) ||
	    uv_fileno((uv_handle_t *)&s->tcp, &own) != 0)
		return false;
	/* libuv closes its own; what is closed then is not the connection. */
	*fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	if (*fd < 0)
		return false;
	*tls = s->tls;
	s->tls = NULL;
	pb_stream_close(s);
	return true;
}

enum pb_status
pb_stream_attach(struct pb_stream *s, int fd, struct pb_tls *tls)
{
	s->tls = tls;
	s->secured = tls != NULL;
	return pb_stream_accept(s, fd);
}

void
pb_stream_peer(const struct pb_stream *s, char out[64])
{
	struct sockaddr_storage address;
	char host[INET6_ADDRSTRLEN];
	int len = sizeof(address);

	snprintf(out, 64, "unknown");
	if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&address, &len) != 0)
		return;
	if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)&address;

		if (uv_ip6_name(a, host, sizeof(host)) == 0)
			snprintf(out, 64, "[%s]:%u", host,
			    (unsigned)ntohs(a->sin6_port));
	} else {
		const struct sockaddr_in *a = (const void *)&address;

		if (uv_ip4_name(a, host, sizeof(host)) == 0)
			snprintf(out, 64, "%s:%u", host,
			    (unsigned)ntohs(a->sin_port));
	}
}
