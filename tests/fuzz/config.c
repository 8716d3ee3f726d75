#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/service/config.h"
#include "popbridge/service/route.h"

/*
 * A configuration file, a match-file and a login, with RS (0x1e) between.  The
 * first MAP in the configuration becomes the match-file's name.
 */

#define TEXT_FD 100
#define MATCH_FD 101
#define TEXT_FILE "/proc/self/fd/100"
#define MATCH_FILE "/proc/self/fd/101"

static void
on_problem(void *ctx, const struct pb_config_problem *problem)
{
	unsigned *errors = ctx;
	const char *p;

	for (p = problem->text; *p != '\0'; p++)
		pb_check(*p >= ' ' && *p <= '~');
	*errors += problem->severity == PB_CONFIG_ERROR;
}

static void
fill_file(int fd, struct pb_slice octets)
{
	if (fcntl(fd, F_GETFD) == -1) {
		int made = memfd_create("fuzz", 0);

		pb_check(made >= 0 && dup2(made, fd) == fd);
		close(made);
	}
	pb_check(ftruncate(fd, 0) == 0);
	pb_check(pwrite(fd, octets.data, octets.len, 0) ==
	    (ssize_t)octets.len);
}

static struct pb_slice
next_part(struct pb_slice *in)
{
	size_t end = pb_slice_find(*in, '\x1e');
	struct pb_slice part = pb_slice_sub(*in, 0, end);

	pb_slice_skip(in, end < in->len ? end + 1 : end);
	return part;
}

static bool
has(struct pb_slice octets, const char *what)
{
	return memmem(octets.data, octets.len, what, strlen(what)) != NULL;
}

static void
fill_config(struct pb_slice text)
{
	const char *map = memmem(text.data, text.len, "MAP", 3);
	struct pb_buffer b;

	pb_buffer_init(&b, text.len + sizeof(MATCH_FILE));
	if (map != NULL) {
		pbt_put(&b, pb_slice(text.data, (size_t)(map - text.data)));
		pbt_put(&b, pb_slice_str(MATCH_FILE));
		pb_slice_skip(&text, (size_t)(map - text.data) + 3);
	}
	pbt_put(&b, text);
	fill_file(TEXT_FD, pb_buffer_slice(&b));
	pb_buffer_fini(&b);
}

static void
check_login(const char *login, size_t len)
{
	pb_check(len > 0 && len <= PB_ROUTE_LOGIN_MAX);
	pb_check(strlen(login) == len);
	pb_check(strpbrk(login, "\r\n") == NULL);
}

static void
choose(const struct pb_config *config, struct pb_slice login)
{
	struct pb_route_choice c;
	size_t i;

	for (i = 0; i < config->n_listeners; i++) {
		if (pb_route_choose(config, config->listener[i].name, login,
		    &c) != PB_OK)
			continue;
		pb_check(c.index < config->n_routes);
		pb_check(c.route == &config->route[c.index]);
		check_login(c.login, c.login_len);
		check_login(c.upstream_login, c.upstream_login_len);
		pb_check(c.domain[0] == '\0' ||
		    pb_url_is_name(pb_slice_str(c.domain)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	unsigned errors = 0;
	const struct pb_config_sink sink = { on_problem, &errors };
	const struct pb_config_source source = { .file = TEXT_FILE };
	struct pb_config *config = NULL;
	enum pb_status st;

	/* Other files there may wait for ever. */
	if (has(in, "/proc") || has(in, "/dev"))
		return 0;
	fill_config(next_part(&in));
	fill_file(MATCH_FD, next_part(&in));
	st = pb_config_load(&source, &sink, &config);
	pb_check((st == PB_OK) == (config != NULL));
	pb_check((st == PB_OK) == (errors == 0));
	if (config == NULL)
		return 0;
	pb_check(config->n_listeners > 0);
	st = pb_config_judge(config, &sink);
	pb_check((st == PB_OK) == (errors == 0));
	choose(config, in);
	pb_config_unref(&config);
	return 0;
}
