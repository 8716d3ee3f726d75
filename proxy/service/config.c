#include "popbridge/service/config.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "config_file.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/service/option.h"

#define COMMAND_LINE UINT_MAX

struct pb_config *
pb_config_ref(struct pb_config *config)
{
	atomic_fetch_add_explicit(&config->priv_refs, 1, memory_order_relaxed);
	return config;
}

void
pb_config_unref(struct pb_config **config)
{
	struct pb_config *c = *config;

	*config = NULL;
	if (c != NULL && atomic_fetch_sub_explicit(&c->priv_refs, 1,
	    memory_order_acq_rel) == 1)
		pb_free(c);
}

void
pb_config_complain(const struct pb_config_sink *sink,
    enum pb_config_severity severity, struct pb_config_place place,
    const char *fmt, ...)
{
	char text[512];
	struct pb_config_problem problem = { severity, place, text };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sink->problem(sink->ctx, &problem);
}

static size_t
index_of(const struct pb_option *option)
{
	size_t n;

	return (size_t)(option - pb_options(&n));
}

unsigned *
pb_config_line_of(struct pb_config *config, const struct pb_option *option)
{
	return &config->priv_line[index_of(option)];
}

struct pb_config_place
pb_config_place(const struct pb_config *config, const char *name)
{
	const struct pb_option *option = pb_option_find(name);
	struct pb_config_place place = { .file = NULL };

	pb_check(option != NULL);
	place.line = config->priv_line[index_of(option)];
	if (place.line == COMMAND_LINE)
		return (struct pb_config_place){ .command_line = true };
	if (config->priv_file[0] != '\0')
		place.file = config->priv_file;
	return place;
}

static void
set_known(struct pb_config *config, const char *name, const char *value)
{
	char why[PB_OPTION_REASON_SIZE];

	pb_check(pb_option_set(pb_option_find(name), config,
	    pb_slice_str(value), why) == PB_OK);
}

static void
set_defaults(struct pb_config *config)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].fallback != NULL)
			set_known(config, rows[i].name, rows[i].fallback);
	}
}

static void
set_default_listeners(struct pb_config *config)
{
	if (config->listen.n > 0)
		return;
	if (config->tls_cert[0] != '\0') {
		set_known(config, "listen", "pop3s://0.0.0.0:995");
		set_known(config, "listen", "pop3://0.0.0.0:110");
	} else {
		set_known(config, "listen", "pop3+plain://127.0.0.1:1110");
	}
}

static enum pb_status
set_command_line(const struct pb_config_source *source,
    const struct pb_config_sink *sink, struct pb_config *config)
{
	const struct pb_config_place place = { .command_line = true };
	enum pb_status result = PB_OK;
	char why[PB_OPTION_REASON_SIZE];
	size_t i;

	for (i = 0; i < source->n_settings; i++) {
		const struct pb_config_setting *s = &source->settings[i];
		const struct pb_option *option = pb_option_find(s->name);
		unsigned *line;

		pb_check(option != NULL);
		line = pb_config_line_of(config, option);
		/* The command line's list replaces the file's. */
		if (option->type == PB_OPTION_LISTEN && *line != COMMAND_LINE)
			config->listen.n = 0;
		*line = COMMAND_LINE;
		if (pb_option_set(option, config, pb_slice_str(s->value),
		    why) == PB_OK)
			continue;
		pb_config_complain(sink, PB_CONFIG_ERROR, place, "%s: %s",
		    s->name, why);
		result = PB_EINVAL;
	}
	return result;
}

static enum pb_status
fill(const struct pb_config_source *source, const struct pb_config_sink *sink,
    struct pb_config *config)
{
	enum pb_status file = PB_OK;
	enum pb_status line;

	set_defaults(config);
	if (source->file != NULL)
		file = pb_config_file_read(source, sink, config);
	line = set_command_line(source, sink, config);
	set_default_listeners(config);
	return file != PB_OK ? file : line;
}

enum pb_status
pb_config_load(const struct pb_config_source *source,
    const struct pb_config_sink *sink, struct pb_config **config)
{
	const struct pb_config_place nowhere = { .file = source->file };
	struct pb_config *c;
	enum pb_status st;

	if (source->file != NULL &&
	    strlen(source->file) >= PB_CONFIG_PATH_SIZE) {
		pb_config_complain(sink, PB_CONFIG_ERROR, nowhere,
		    "the name of the file is too long");
		return PB_EINVAL;
	}
	c = pb_alloc(sizeof(*c));
	if (c == NULL) {
		pb_config_complain(sink, PB_CONFIG_ERROR, nowhere,
		    "no memory");
		return PB_ENOMEM;
	}
	atomic_init(&c->priv_refs, 1);
	if (source->file != NULL)
		memcpy(c->priv_file, source->file, strlen(source->file) + 1);
	st = fill(source, sink, c);
	if (st == PB_OK)
		*config = c;
	else
		pb_config_unref(&c);
	return st;
}
