#include "worker_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "popbridge/base/check.h"
#include "popbridge/base/log.h"
#include "popbridge/base/mem.h"
#include "popbridge/pop3/reply.h"
#include "popbridge/service/door.h"

/* Connections that wait in the kernel to be accepted. */
#define BACKLOG 1024

/* Connections that are accepted before sessions have their turn again. */
#define ACCEPT_BATCH 32

/* Without descriptors, or memory for them, nobody is accepted for so long. */
#define PAUSE_MS 1000

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void
take_address(const union address *from, struct pb_session_guest *guest)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (from->any.sa_family == AF_INET6) {
		memcpy(guest->address, &from->v6.sin6_addr, 16);
		guest->port = ntohs(from->v6.sin6_port);
		return;
	}
	memcpy(guest->address, mapped, sizeof(mapped));
	memcpy(guest->address + 12, &from->v4.sin_addr, 4);
	guest->port = ntohs(from->v4.sin_port);
}

static void
say_refused(struct pb_worker *w, const union address *from, const char *why)
{
	uint64_t times = pb_limits_say(w->limits, PB_LIMITS_SAY_REFUSED,
	    uv_now(&w->uv));
	char host[INET6_ADDRSTRLEN] = "unknown";

	if (times == 0)
		return;
	(void)uv_ip_name(&from->any, host, sizeof(host));
	pb_log(PB_LOG_WARN, "connections refused", PB_LOG_STR("limit", why),
	    PB_LOG_STR("last_client", host), PB_LOG_NUM("times", times));
}

/*
 * Whoever looks for mail now and then should not think that the server is gone.
 * What is not taken at once is not worth any memory; nor is TLS.
 */
static void
say_busy(const struct pb_listener_config *door, int fd)
{
	struct pb_buffer reply;

	pb_buffer_init(&reply, PB_POP3_REPLY_MAX);
	if (door->url.tls != PB_URL_TLS_IMMEDIATE &&
	    pb_pop3_reply(&reply, PB_REPLY_NO_ROOM, 0, 0) == PB_OK)
		(void)!send(fd, pb_buffer_slice(&reply).data, reply.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	pb_buffer_fini(&reply);
}

/* Who speaks for others is let in, and they are looked at then. */
static bool
admit(struct pb_worker_listener *listener, const union address *from,
    struct pb_session_guest *guest)
{
	struct pb_worker *w = listener->worker;
	const struct pb_config *config = w->snapshot->config;
	const struct pb_listener_config *door =
	    &config->listener[listener->number];
	bool proxy = pb_door_wants_header(door, guest->address);
	const struct pb_limits_max max = {
		.connections = config->max_connections,
		.per_network = proxy ? SIZE_MAX
				     : config->max_connections_per_address,
		.unauthenticated = config->max_unauthenticated };
	struct pb_limits_network network = pb_limits_ipv6(guest->address);
	enum pb_limits_verdict verdict;

	if (!proxy && !pb_door_is_open(door, guest->address)) {
		say_refused(w, from, "allow and deny of the listener");
		return false;
	}
	verdict = pb_limits_enter(w->limits, &max, &network, &guest->visit);
	if (verdict != PB_LIMITS_WELCOME)
		say_refused(w, from, pb_limits_verdict_name(verdict));
	if (verdict == PB_LIMITS_MEMORY_SHORT)
		say_busy(door, guest->fd);
	return verdict == PB_LIMITS_WELCOME;
}

static bool
serve(struct pb_worker *w, const struct pb_session_guest *guest)
{
	struct pb_worker_entry *entry = pb_alloc(sizeof(*entry));

	if (entry != NULL)
		entry->session = pb_session_serve(w, guest, entry);
	if (entry != NULL && entry->session != NULL) {
		DL_APPEND(w->sessions, entry);
		return true;
	}
	pb_log(PB_LOG_ERROR, "no memory for a session",
	    PB_LOG_STR("what", "accept"));
	pb_free(entry);
	return false;
}

static void
take_in(struct pb_worker_listener *listener, int fd, const union address *from)
{
	struct pb_worker *w = listener->worker;
	struct pb_session_guest guest = { .fd = fd,
		.listener = listener->number };

	take_address(from, &guest);
	if (admit(listener, from, &guest) && serve(w, &guest))
		return;
	pb_limits_leave(w->limits, &guest.visit);
	close(fd);
}

static void on_client(uv_poll_t *poll, int status, int events);

void
pb_worker_watch(struct pb_worker *w)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++)
		pb_check(uv_poll_start(&w->listeners[i].poll, UV_READABLE,
		    on_client) == 0);
}

void
pb_worker_tune(struct pb_worker *w)
{
	size_t i;

	/* What was right at the start does not fail now. */
	for (i = 0; !w->draining && i < w->n_listeners; i++)
		(void)!pb_stream_prepare(w->listeners[i].fd,
		    w->snapshot->config->client_keepalive);
}

static void
on_pause_over(uv_timer_t *timer)
{
	pb_worker_watch(timer->data);
}

static void
pause_accepting(struct pb_worker *w, int error)
{
	uint64_t times = pb_limits_say(w->limits, PB_LIMITS_SAY_DESCRIPTORS,
	    uv_now(&w->uv));
	size_t i;

	for (i = 0; i < w->n_listeners; i++)
		(void)uv_poll_stop(&w->listeners[i].poll);
	uv_timer_start(&w->pause, on_pause_over, PAUSE_MS, 0);
	if (times > 0)
		pb_log(PB_LOG_ERROR, "cannot accept connections, waiting "
		    "until some have ended", PB_LOG_STR("why",
			strerror(error)), PB_LOG_NUM("times", times));
}

static void
on_client(uv_poll_t *poll, int status, int events)
{
	struct pb_worker_listener *listener = poll->data;
	unsigned i;

	(void)status;
	(void)events;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		union address from = { .any = { .sa_family = AF_UNSPEC } };
		socklen_t len = sizeof(from);
		int fd = accept4(listener->fd, &from.any, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_in(listener, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accepting(listener->worker, errno);
		/* All else is that client's, or nobody waits any more. */
		return;
	}
}

void
pb_worker_stop_listening(struct pb_worker *w)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++) {
		uv_handle_t *handle = (uv_handle_t *)&w->listeners[i].poll;

		if (uv_is_closing(handle))
			continue;
		uv_close(handle, NULL);
		close(w->listeners[i].fd);
	}
	if (!uv_is_closing((uv_handle_t *)&w->pause))
		uv_close((uv_handle_t *)&w->pause, NULL);
}

int
pb_worker_listen_on(struct pb_worker *w, size_t i, int fd)
{
	struct pb_worker_listener *listener = &w->listeners[i];
	int r = uv_poll_init(&w->uv, &listener->poll, fd);

	if (r != 0)
		return r;
	w->n_listeners = i + 1;
	listener->poll.data = listener;
	listener->fd = fd;
	listener->worker = w;
	listener->number = i;
	return listen(fd, BACKLOG) == 0 ? 0 : uv_translate_sys_error(errno);
}
