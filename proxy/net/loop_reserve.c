#include "popbridge/net/loop_reserve.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

struct high {
	uv_poll_t poll;
	int fd;				/* own */
};

static void
on_closed(uv_handle_t *handle)
{
	struct high *high = handle->data;

	close(high->fd);
	pb_free(high);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	(void)status;
	(void)events;
}

/* A number that is as high as one may be. */
static int
high_descriptor(size_t descriptors)
{
	struct rlimit files;
	int pair[2];
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	if (descriptors >= files.rlim_cur)
		descriptors = files.rlim_cur - 1;
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	fd = fcntl(pair[0], F_DUPFD_CLOEXEC, (int)descriptors);
	close(pair[0]);
	close(pair[1]);
	return fd;
}

void
pb_loop_reserve(uv_loop_t *loop, size_t descriptors)
{
	struct high *high = pb_xalloc(sizeof(*high));

	high->fd = high_descriptor(descriptors);
	high->poll.data = high;
	if (high->fd >= 0 && uv_poll_init(loop, &high->poll, high->fd) == 0) {
		/* The table grows when the descriptor is looked at. */
		(void)uv_poll_start(&high->poll, UV_READABLE, on_event);
		uv_close((uv_handle_t *)&high->poll, on_closed);
		return;
	}
	if (high->fd >= 0)
		close(high->fd);
	pb_free(high);
}

static void
nothing_to_do(uv_work_t *work)
{
	(void)work;
}

static void
after_nothing(uv_work_t *work, int status)
{
	(void)status;
	pb_free(work);
}

void
pb_loop_start_pool(uv_loop_t *loop)
{
	uv_work_t *work = pb_xalloc(sizeof(*work));

	pb_check(uv_queue_work(loop, work, nothing_to_do, after_nothing) == 0);
}
