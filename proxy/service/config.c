#include "popbridge/service/config.h"

#include <stdarg.h>
#include <stdio.h>

#include "config_priv.h"
#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

void
pb_config_complain(const struct pb_config_sink *sink,
    enum pb_config_severity severity, struct pb_config_place place,
    const char *fmt, ...)
{
	char text[640];
	struct pb_config_problem problem = { severity, place, text };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sink->problem(sink->ctx, &problem);
}

size_t
pb_config_row(const struct pb_option *option)
{
	size_t n;

	return (size_t)(option - pb_options(&n));
}

void *
pb_config_global_part(struct pb_config *config,
    const struct pb_option *option)
{
	if (option->scopes & PB_OPTION_IN_LISTENER)
		return &config->priv_listener;
	if (option->scopes & PB_OPTION_IN_ROUTE)
		return &config->priv_route;
	return config;
}

static struct pb_config_place
place_of(const struct pb_config *config, unsigned line)
{
	if (line == PB_CONFIG_COMMAND_LINE)
		return (struct pb_config_place){ .command_line = true };
	return (struct pb_config_place){ .file = config->priv_file,
		.line = config->priv_file != NULL ? line : 0 };
}

static size_t
row_of(const char *name)
{
	const struct pb_option *option = pb_option_find(name);

	pb_check(option != NULL);
	return pb_config_row(option);
}

struct pb_config_place
pb_config_place(const struct pb_config *config, const char *name)
{
	return place_of(config, config->priv_line[row_of(name)]);
}

/* In the section, or else outside, or else the section. */
static struct pb_config_place
place_in(const struct pb_config *config, const unsigned *lines,
    unsigned section, const char *name)
{
	size_t row = row_of(name);

	if (lines[row] != 0)
		return place_of(config, lines[row]);
	if (config->priv_line[row] != 0)
		return place_of(config, config->priv_line[row]);
	return place_of(config, section);
}

struct pb_config_place
pb_config_listener_place(const struct pb_config *config,
    const struct pb_listener_config *listener, const char *name)
{
	if (listener->line == 0 && strcmp(name, "url") == 0)
		name = "listen";
	return place_in(config, listener->priv_line, listener->line, name);
}

struct pb_config_place
pb_config_route_place(const struct pb_config *config,
    const struct pb_route_config *route, const char *name)
{
	size_t n;

	/* What is outside is not for it. */
	if (route->line != 0 && route->priv_line[row_of(name)] == 0 &&
	    (pb_options(&n)[row_of(name)].scopes & PB_OPTION_LAST_ROUTE))
		return place_of(config, route->line);
	return place_in(config, route->priv_line, route->line, name);
}

bool
pb_config_route_sets(const struct pb_config *config,
    const struct pb_route_config *route, const char *name)
{
	const unsigned *lines = route->line != 0 ? route->priv_line
						 : config->priv_line;

	return lines[row_of(name)] != 0;
}

static enum pb_status
set_defaults(struct pb_config *config)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		char why[PB_OPTION_REASON_SIZE];
		enum pb_status st;

		if (rows[i].fallback == NULL)
			continue;
		st = pb_option_set(&rows[i], config,
		    pb_config_global_part(config, &rows[i]),
		    pb_slice_str(rows[i].fallback), why);
		pb_check(st == PB_OK || st == PB_ENOMEM);
		if (st != PB_OK)
			return st;
	}
	return PB_OK;
}

static enum pb_status
set_from_command_line(struct pb_config *config,
    const struct pb_config_setting *s, const struct pb_config_sink *sink)
{
	const struct pb_config_place place = { .command_line = true };
	const struct pb_option *option = pb_option_find(s->name);
	char why[PB_OPTION_REASON_SIZE];
	enum pb_status st;
	unsigned *line;
	void *part;

	pb_check(option != NULL && (option->scopes & PB_OPTION_GLOBAL));
	part = pb_config_global_part(config, option);
	line = &config->priv_line[pb_config_row(option)];
	/* The command line's list replaces the file's. */
	if (pb_option_is_list(option) && *line != PB_CONFIG_COMMAND_LINE)
		pb_option_clear(option, part);
	*line = PB_CONFIG_COMMAND_LINE;
	st = pb_option_set(option, config, part, pb_slice_str(s->value), why);
	if (st == PB_EINVAL)
		pb_config_complain(sink, PB_CONFIG_ERROR, place, "%s: %s",
		    s->name, why);
	return st;
}

static enum pb_status
set_command_line(const struct pb_config_source *source,
    const struct pb_config_sink *sink, struct pb_config *config)
{
	enum pb_status result = PB_OK;
	size_t i;

	for (i = 0; i < source->n_settings; i++) {
		enum pb_status st = set_from_command_line(config,
		    &source->settings[i], sink);

		if (st == PB_ENOMEM)
			return st;
		if (st != PB_OK)
			result = st;
	}
	return result;
}

static enum pb_status
fill(const struct pb_config_source *source, const struct pb_config_sink *sink,
    struct pb_config *config)
{
	enum pb_status file = PB_OK;
	enum pb_status st;

	st = set_defaults(config);
	if (st != PB_OK)
		return st;
	if (source->file != NULL) {
		config->priv_file = pb_config_text(config,
		    pb_slice_str(source->file));
		if (config->priv_file == NULL)
			return PB_ENOMEM;
		file = pb_config_file_read(source, sink, config);
	}
	if (file == PB_ENOMEM)
		return file;
	st = set_command_line(source, sink, config);
	if (st != PB_OK || file != PB_OK)
		return st != PB_OK ? st : file;
	return pb_config_finish(config, sink);
}

enum pb_status
pb_config_load(const struct pb_config_source *source,
    const struct pb_config_sink *sink, struct pb_config **config)
{
	const struct pb_config_place nowhere = { .file = source->file };
	struct pb_config *c;
	enum pb_status st = PB_ENOMEM;

	if (source->file != NULL &&
	    strlen(source->file) >= PB_CONFIG_PATH_SIZE) {
		pb_config_complain(sink, PB_CONFIG_ERROR, nowhere,
		    "the name of the file is too long");
		return PB_EINVAL;
	}
	c = pb_alloc(sizeof(*c));
	if (c != NULL) {
		atomic_init(&c->priv_refs, 1);
		st = fill(source, sink, c);
	}
	if (st == PB_ENOMEM)
		pb_config_complain(sink, PB_CONFIG_ERROR, nowhere,
		    "no memory");
	if (st == PB_OK)
		*config = c;
	else
		pb_config_unref(&c);
	return st;
}
