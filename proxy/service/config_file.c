#include "config_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <confuse.h>

#include "option_priv.h"
#include "popbridge/base/buffer.h"
#include "popbridge/base/check.h"
#include "popbridge/base/text.h"

/* A hand-written file is smaller; /dev/zero is not. */
#define FILE_MAX (1024 * 1024)

/* What is known of a list while its values come. */
struct list {
	unsigned seen;		/* values so far */
	bool ended;		/* its closing brace was seen */
	uint64_t last;		/* hash of the last value */
};

/* Where the options stand that come now: outside, or in a section. */
struct scope {
	enum pb_option_scope scope;
	const cfg_t *cfg;	/* borrowed; NULL: no section is open */
	struct list list[PB_CONFIG_OPTIONS_MAX];
};

struct reading {
	struct pb_config *config;		/* borrowed */
	const struct pb_config_sink *sink;	/* borrowed */
	const cfg_t *root;			/* borrowed */
	unsigned errors;
	bool no_memory;
	struct scope outside;
	struct scope section;
};

/* libconfuse hands no context to its callbacks. */
static struct reading *reading;

static void fail(struct reading *r, int line, const char *fmt, ...)
    PB_PRINTF(3, 4);

static void
fail(struct reading *r, int line, const char *fmt, ...)
{
	struct pb_config_place place = { .file = r->config->priv_file,
		.line = (unsigned)line };
	char text[448];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->errors++;
	pb_config_complain(r->sink, PB_CONFIG_ERROR, place, "%s", text);
}

static int
line_of(const char *text, const char *at)
{
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static enum pb_option_scope
scope_of(const cfg_t *cfg)
{
	if (strcmp(cfg->name, "listener") == 0)
		return PB_OPTION_IN_LISTENER;
	return strcmp(cfg->name, "route") == 0 ? PB_OPTION_IN_ROUTE
					       : PB_OPTION_GLOBAL;
}

static const char *
nearest(const char *word, enum pb_option_scope scope)
{
	const char *near[] = { "listener", "route",
		pb_option_nearest_name(word, scope) };

	if (scope != PB_OPTION_GLOBAL)
		return near[2];
	return pb_option_nearest(word, near, near[2] != NULL ? 3 : 2);
}

static void
unknown_option(struct reading *r, const cfg_t *cfg, struct pb_slice name)
{
	enum pb_option_scope scope = scope_of(cfg);
	const char *near;
	char clean[72];

	pb_text_clean(name, clean, sizeof(clean));
	near = nearest(clean, scope);
	if (scope != PB_OPTION_GLOBAL && (strcmp(clean, "listener") == 0 ||
	    strcmp(clean, "route") == 0))
		fail(r, cfg->line, "a section can not stand in a section: "
		    "close the %s before it by }", cfg->name);
	else if (near != NULL)
		fail(r, cfg->line, "there is no option \"%s\": did you mean "
		    "\"%s\"?", clean, near);
	else if (strstr(clean, "://") != NULL)
		fail(r, cfg->line, "\"%s\" is not an option: a URL stands in "
		    "quotes", clean);
	else
		fail(r, cfg->line, "there is no option \"%s\": "
		    "popbridge.conf(5) has them all", clean);
}

static void on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	static const char twice[] = "found duplicate title '";
	const char *how = "NAME = \"VALUE\", or for a list NAME = "
	    "{\"VALUE\", \"VALUE\"}";
	char text[256];
	char clean[256];
	struct pb_slice s;

	vsnprintf(text, sizeof(text), fmt, ap);
	s = pb_slice_str(text);
	if (pb_slice_starts(s, unknown)) {
		pb_slice_skip(&s, sizeof(unknown) - 1);
		unknown_option(reading, cfg,
		    pb_slice(s.data, pb_slice_find(s, '\'')));
		return;
	}
	pb_text_clean(s, clean, sizeof(clean));
	if (strstr(clean, "section") != NULL)
		how = "listener \"NAME\" { ... } or route \"NAME\" { ... }";
	if (pb_slice_starts(s, twice))
		fail(reading, cfg->line, "%s: give each section of a kind its "
		    "own name", clean);
	else
		fail(reading, cfg->line, "%s: write %s", clean, how);
}

/* -1: the parser is to stop. */
static int
open_section(struct reading *r, const cfg_t *cfg)
{
	struct pb_slice name = pb_slice_str(cfg->title);
	unsigned line = (unsigned)r->root->line;
	char why[PB_OPTION_REASON_SIZE];
	enum pb_status st;

	r->section = (struct scope){ .scope = scope_of(cfg), .cfg = cfg };
	if (pb_option_check_section(name, why) != PB_OK)
		fail(r, r->root->line, "%s: %s", cfg->name, why);
	if (r->section.scope == PB_OPTION_IN_LISTENER)
		st = pb_config_add_listener(r->config, name, line);
	else
		st = pb_config_add_route(r->config, name, line);
	if (st == PB_ENOMEM)
		r->no_memory = true;
	if (st == PB_ETOOBIG && r->section.scope == PB_OPTION_IN_LISTENER)
		fail(r, r->root->line, "there are more than %d listeners (each "
		    "is a socket in every loop)", PB_CONFIG_LISTEN_MAX);
	else if (st == PB_ETOOBIG)
		fail(r, r->root->line, "there are more than %d routes (each is "
		    "looked at for every login): one route with a match-file "
		    "takes many logins", PB_CONFIG_ROUTES_MAX);
	return st == PB_OK ? 0 : -1;
}

static int
on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct reading *r = reading;
	int result = 0;

	(void)cfg;
	if (r->section.cfg != section)
		result = open_section(r, section);
	r->section.cfg = NULL;
	return result;
}

/* Whether an option may stand where it stands. */
static bool
is_at_home(struct reading *r, const struct scope *scope, int line,
    const struct pb_option *option)
{
	const char *home = pb_option_home(option);

	if (option->scopes & scope->scope)
		return true;
	if (scope->scope == PB_OPTION_GLOBAL)
		fail(r, line, "%s belongs into %s: %s \"NAME\" { %s = ... }",
		    option->name, home, home + 2, option->name);
	else if (option->scopes == PB_OPTION_GLOBAL)
		fail(r, line, "%s belongs into no section: it stands outside "
		    "of { }", option->name);
	else
		fail(r, line, "%s belongs into %s, not into a %s",
		    option->name, home, scope->cfg->name);
	return false;
}

static struct scope *
enter(struct reading *r, const cfg_t *cfg)
{
	if (cfg == r->root)
		return &r->outside;
	if (cfg != r->section.cfg && open_section(r, cfg) != 0)
		return NULL;
	return &r->section;
}

/* The struct with the option's field; *line is where it was set before. */
static void *
part_of(struct pb_config *config, const struct scope *scope,
    const struct pb_option *option, unsigned **line)
{
	size_t row = pb_config_row(option);
	struct pb_listener_config *listener = config->listener;
	struct pb_route_config *route = config->route;

	switch (scope->scope) {
	case PB_OPTION_GLOBAL:
	case PB_OPTION_LAST_ROUTE:
		break;
	case PB_OPTION_IN_LISTENER:
		listener += config->n_listeners - 1;
		*line = &listener->priv_line[row];
		return listener;
	case PB_OPTION_IN_ROUTE:
		route += config->n_routes - 1;
		*line = &route->priv_line[row];
		return route;
	}
	*line = &config->priv_line[row];
	return pb_config_global_part(config, option);
}

static int
set(struct reading *r, const struct pb_option *option, int at, void *part,
    const char *value)
{
	char why[PB_OPTION_REASON_SIZE];
	enum pb_status st;

	st = pb_option_set(option, r->config, part, pb_slice_str(value), why);
	if (st == PB_EINVAL)
		fail(r, at, "%s: %s", option->name, why);
	if (st == PB_ENOMEM)
		r->no_memory = true;
	return st == PB_ENOMEM ? -1 : 0;
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct pb_option *option = pb_option_find(cfg_opt_name(opt));
	struct reading *r = reading;
	const struct scope *scope = enter(r, cfg);
	unsigned *line;
	void *part;

	if (scope == NULL)
		return -1;
	if (!is_at_home(r, scope, cfg->line, option))
		return 0;
	part = part_of(r->config, scope, option, &line);
	if (*line != 0) {
		fail(r, cfg->line, "%s is set twice: the first time is in "
		    "line %u", option->name, *line);
		return 0;
	}
	*line = (unsigned)cfg->line;
	return set(r, option, cfg->line, part, cfg_opt_getstr(opt));
}

/* FNV-1a: whether a value comes twice. */
static uint64_t
hash_of(const char *value)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *value != '\0'; value++)
		hash = (hash ^ (unsigned char)*value) * 0x100000001b3;
	return hash;
}

static int
add(struct reading *r, const struct scope *scope,
    const struct pb_option *option, int at, const char *value)
{
	unsigned *line;
	void *part = part_of(r->config, scope, option, &line);

	if (*line == 0)
		pb_option_clear(option, part);
	*line = (unsigned)at;
	return set(r, option, at, part, value);
}

/*
 * libconfuse calls after each value of a list, and after its closing brace
 * once more.  A value that comes instead of the next one begins a new list.
 */
static int
on_list_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct pb_option *option = pb_option_find(cfg_opt_name(opt));
	struct reading *r = reading;
	unsigned n = cfg_opt_size(opt);
	const char *value = cfg_opt_getnstr(opt, n - 1);
	struct scope *scope = enter(r, cfg);
	struct list *list;

	if (scope == NULL)
		return -1;
	list = &scope->list[pb_config_row(option)];
	if (n == list->seen + 1) {
		list->seen = n;
		list->ended = false;
		list->last = hash_of(value);
		if ((option->scopes & scope->scope) == 0 && n > 1)
			return 0;
		if (!is_at_home(r, scope, cfg->line, option))
			return 0;
		return add(r, scope, option, cfg->line, value);
	}
	if (n == list->seen && !list->ended && hash_of(value) == list->last) {
		list->ended = true;
		return 0;
	}
	fail(r, cfg->line, "%s is set twice: give one list, or add to it by "
	    "%s += {\"VALUE\"}", option->name, option->name);
	return -1;
}

/*
 * Every option is known everywhere, so that one in a wrong place does not end
 * the parsing.
 */
static void
fill(cfg_opt_t opts[PB_CONFIG_OPTIONS_MAX + 3])
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (pb_option_is_list(&rows[i]))
			opts[i] = (cfg_opt_t)CFG_STR_LIST(rows[i].name, NULL,
			    CFGF_NODEFAULT);
		else
			opts[i] = (cfg_opt_t)CFG_STR(rows[i].name, NULL,
			    CFGF_NODEFAULT);
	}
	opts[n] = (cfg_opt_t)CFG_END();
}

static void
watch(cfg_t *cfg, const char *prefix)
{
	const struct pb_option *rows;
	char name[80];
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, rows[i].name);
		cfg_set_validate_func(cfg, name, pb_option_is_list(&rows[i])
		    ? on_list_value : on_value);
	}
}

/* NULL: no memory. */
static cfg_t *
new_parser(void)
{
	const cfg_flag_t flags = CFGF_MULTI | CFGF_TITLE |
	    CFGF_NO_TITLE_DUPES;
	cfg_opt_t opts[PB_CONFIG_OPTIONS_MAX + 3];
	cfg_opt_t inner[PB_CONFIG_OPTIONS_MAX + 3];
	cfg_t *cfg;
	size_t n;

	fill(inner);
	fill(opts);
	pb_options(&n);
	opts[n] = (cfg_opt_t)CFG_SEC("listener", inner, flags);
	opts[n + 1] = (cfg_opt_t)CFG_SEC("route", inner, flags);
	opts[n + 2] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (cfg == NULL)
		return NULL;
	cfg_set_error_function(cfg, on_syntax_error);
	cfg_set_validate_func(cfg, "listener", on_section);
	cfg_set_validate_func(cfg, "route", on_section);
	watch(cfg, "");
	watch(cfg, "listener|");
	watch(cfg, "route|");
	return cfg;
}

static enum pb_status
parse_blanked(struct reading *r, const char *text, const char *brace)
{
	cfg_t *cfg = new_parser();
	int result;

	if (cfg == NULL)
		return PB_ENOMEM;
	r->root = cfg;
	r->outside.scope = PB_OPTION_GLOBAL;
	reading = r;
	result = cfg_parse_buf(cfg, text);
	reading = NULL;
	cfg_free(cfg);
	if (r->no_memory)
		return PB_ENOMEM;
	if (result != CFG_SUCCESS && r->errors == 0)
		fail(r, 0, "it could not be parsed");
	/* libconfuse lets the end of the file close a section. */
	if (brace != NULL && r->errors == 0)
		fail(r, line_of(text, brace), "the { of this line is not "
		    "closed: close it by }");
	return r->errors == 0 ? PB_OK : PB_EINVAL;
}

static enum pb_status
parse(struct reading *r, char *text, size_t len)
{
	const char *open;
	const char *brace;

	if (memchr(text, '\0', len) != NULL) {
		fail(r, 0, "it is not a text file");
		return PB_EINVAL;
	}
	open = pb_config_blank_comments(text, &brace);
	if (open != NULL) {
		fail(r, line_of(text, open), "a comment begins here and does "
		    "not end: close it by */");
		return PB_EINVAL;
	}
	open = pb_config_find_empty_list(text);
	if (open != NULL) {
		fail(r, line_of(text, open), "this list is empty: give it a "
		    "value, or leave the option out for its default");
		return PB_EINVAL;
	}
	return parse_blanked(r, text, brace);
}

enum pb_status
pb_config_file_read(const struct pb_config_source *source,
    const struct pb_config_sink *sink, struct pb_config *config)
{
	struct reading r = { .config = config, .sink = sink };
	struct pb_buffer text;
	enum pb_status st;

	pb_buffer_init(&text, FILE_MAX);
	errno = 0;
	st = pb_config_read_text(source->file, &text);
	if (st == PB_EIO && errno == ENOENT && source->file_may_be_missing) {
		config->priv_file = NULL;
		st = PB_OK;
	} else if (st == PB_EIO) {
		fail(&r, 0, "it can not be read: %s", strerror(errno));
		st = PB_EINVAL;
	} else if (st == PB_ETOOBIG) {
		fail(&r, 0, "it is larger than %d octets", FILE_MAX);
		st = PB_EINVAL;
	} else if (st == PB_OK) {
		st = parse(&r, text.data + text.head, text.len - 1);
	}
	pb_buffer_fini(&text);
	return st;
}
