#include "popbridge/net/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popbridge/base/log.h"
#include "sandbox_priv.h"

static void
each_text(const struct pb_text_list *list, pb_sandbox_file_fn *fn, void *ctx)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		fn(ctx, list->text[i], PB_SANDBOX_READ);
}

static void
one(const char *file, enum pb_sandbox_access access, pb_sandbox_file_fn *fn,
    void *ctx)
{
	if (file != NULL)
		fn(ctx, file, access);
}

void
pb_sandbox_each_file(const struct pb_config *config, const char *file,
    pb_sandbox_file_fn *fn, void *ctx)
{
	size_t i;

	one(file, PB_SANDBOX_READ, fn, ctx);
	for (i = 0; i < config->n_listeners; i++) {
		const struct pb_listener_config *l = &config->listener[i];

		each_text(&l->tls_cert, fn, ctx);
		each_text(&l->tls_key, fn, ctx);
		one(l->client_ca, PB_SANDBOX_READ, fn, ctx);
	}
	for (i = 0; i < config->n_routes; i++) {
		const struct pb_route_config *r = &config->route[i];

		one(r->match_file, PB_SANDBOX_READ, fn, ctx);
		one(r->upstream_ca, PB_SANDBOX_READ, fn, ctx);
		one(r->master_password_file, PB_SANDBOX_READ, fn, ctx);
	}
	one(config->accounts_key, PB_SANDBOX_READ, fn, ctx);
	one(config->accounts, PB_SANDBOX_WRITE, fn, ctx);
	one(config->ports_file, PB_SANDBOX_WRITE, fn, ctx);
}

/* Now, and not at the reload in three months that renews a certificate. */
static void
warn_unreadable(void *ctx, const char *file, enum pb_sandbox_access access)
{
	(void)ctx;
	if (access == PB_SANDBOX_READ && eaccess(file, R_OK) != 0 &&
	    errno == EACCES)
		pb_log(PB_LOG_WARN, "a file cannot be read by the user that "
		    "popbridge runs as: a reload will fail",
		    PB_LOG_STR("file", file),
		    PB_LOG_NUM("uid", geteuid()));
}

/* Set once, by the only thread that there is. */
static bool restricted;

struct pb_slice
pb_sandbox_hint(const char *why)
{
	if (!restricted || strstr(why, strerror(EACCES)) == NULL)
		return pb_slice(NULL, 0);
	return pb_slice_str("if its folder was not named at the start, it "
	    "can be read after a restart (sandbox)");
}

/* What the kernel has, in words. */
struct outcome {
	bool complete;
	char calls[96];
	char files[96];
};

static void
enter(const struct pb_config *config, const char *file, struct outcome *o)
{
	int version = pb_sandbox_landlock();
	int files = version > 0
	    ? pb_sandbox_restrict_files(config, file, version) : errno;
	/* Last, for the filter has no place for what has just been done. */
	int calls = pb_sandbox_filter_calls();

	restricted = files == 0;
	o->complete = calls == 0 && files == 0;
	if (calls == 0)
		snprintf(o->calls, sizeof(o->calls), "yes");
	else
		snprintf(o->calls, sizeof(o->calls), "no: %s",
		    strerror(calls));
	if (files == 0)
		snprintf(o->files, sizeof(o->files), "version %d", version);
	else
		snprintf(o->files, sizeof(o->files), "no: %s",
		    strerror(files));
}

enum pb_status
pb_sandbox_enter(const struct pb_config *config, const char *file,
    struct pb_error *err)
{
	struct outcome o;

	pb_sandbox_each_file(config, file, warn_unreadable, NULL);
	if (config->sandbox == PB_SANDBOX_NO)
		return PB_OK;
	enter(config, file, &o);
	pb_log(o.complete ? PB_LOG_INFO : PB_LOG_WARN, o.complete
	    ? "confined" : "confined less than this could be: the kernel does "
	    "not have, or allow, all of it", PB_LOG_STR("seccomp", o.calls),
	    PB_LOG_STR("landlock", o.files));
	if (o.complete || config->sandbox == PB_SANDBOX_TRY)
		return PB_OK;
	pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
	    "sandbox = yes, but the kernel does not have all of it (seccomp: "
	    "%s; Landlock: %s): \"sandbox = try\" takes what there is",
	    o.calls, o.files);
	return PB_EIO;
}
