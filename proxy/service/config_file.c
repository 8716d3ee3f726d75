#include "config_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <confuse.h>

#include "popbridge/base/buffer.h"
#include "popbridge/base/check.h"
#include "popbridge/base/text.h"
#include "popbridge/service/option.h"

/* A hand-written file is smaller; /dev/zero is not. */
#define FILE_MAX (1024 * 1024)

struct reading {
	struct pb_config *config;		/* borrowed */
	const struct pb_config_sink *sink;	/* borrowed */
	unsigned errors;
	unsigned listen_seen;		/* values of the list so far */
	bool listen_ended;		/* its closing brace was seen */
	char listen_last[PB_URL_TEXT_SIZE];
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

/* PB_OK, PB_EIO (errno says why), PB_ETOOBIG, PB_ENOMEM. */
static enum pb_status
read_text(const char *file, struct pb_buffer *text)
{
	FILE *f = fopen(file, "re");
	enum pb_status st = PB_OK;
	char chunk[4096];
	size_t n;
	int error;

	if (f == NULL)
		return PB_EIO;
	do {
		n = fread(chunk, 1, sizeof(chunk), f);
		st = pb_buffer_append(text, chunk, n);
	} while (n > 0 && st == PB_OK);
	error = errno;
	if (ferror(f))
		st = PB_EIO;
	fclose(f);
	errno = error;
	return st == PB_OK ? pb_buffer_append(text, "", 1) : st;
}

/* The end of the string that begins at *p, or its last octet. */
static char *
skip_string(char *p)
{
	char quote = *p;

	for (p++; *p != '\0' && *p != quote; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
	}
	return *p != '\0' ? p : p - 1;
}

static char *
blank(char *p, char *end)
{
	for (; p < end; p++) {
		if (*p != '\n')
			*p = ' ';
	}
	return end - 1;
}

/*
 * Overwrite comments by blanks and leave every line end: libconfuse 3.3 counts
 * the line end of a comment two or three times, and its line numbers go into
 * our messages.  Returns where a comment begins that is not closed, or NULL.
 */
static char *
blank_comments(char *text)
{
	bool token_begins = true;
	char *p;

	for (p = text; *p != '\0'; p++) {
		char *end = NULL;

		if (*p == '"' || *p == '\'')
			p = skip_string(p);
		else if (*p == '#')
			end = p + strcspn(p, "\n");
		else if (token_begins && p[0] == '/' && p[1] == '/')
			end = p + strcspn(p, "\n");
		else if (token_begins && p[0] == '/' && p[1] == '*')
			end = strstr(p + 2, "*/");
		if (end == NULL && token_begins && p[0] == '/' &&
		    p[1] == '*')
			return p;
		if (end != NULL && *end == '*')
			end += 2;
		if (end != NULL)
			p = blank(p, end);
		token_begins = strchr(" \t\r\n={}()+,\"'", *p) != NULL;
	}
	return NULL;
}

static int
line_of(const char *text, const char *at)
{
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static void
unknown_option(struct reading *r, int line, struct pb_slice name)
{
	const char *nearest;
	char clean[72];

	pb_text_clean(name, clean, sizeof(clean));
	nearest = pb_option_nearest_name(clean);
	if (nearest != NULL)
		fail(r, line, "there is no option \"%s\": did you mean \"%s\"?",
		    clean, nearest);
	else if (strstr(clean, "://") != NULL)
		fail(r, line, "\"%s\" is not an option: a URL stands in "
		    "quotes", clean);
	else
		fail(r, line, "there is no option \"%s\": popbridge.conf(5) "
		    "has them all", clean);
}

static void on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	char text[256];
	char clean[256];
	struct pb_slice s;

	vsnprintf(text, sizeof(text), fmt, ap);
	s = pb_slice_str(text);
	if (pb_slice_starts(s, unknown)) {
		pb_slice_skip(&s, sizeof(unknown) - 1);
		unknown_option(reading, cfg->line,
		    pb_slice(s.data, pb_slice_find(s, '\'')));
		return;
	}
	pb_text_clean(s, clean, sizeof(clean));
	fail(reading, cfg->line, "%s: write NAME = \"VALUE\", or for a list "
	    "NAME = {\"VALUE\", \"VALUE\"}", clean);
}

static void
set(struct reading *r, const struct pb_option *option, int line,
    const char *value)
{
	char why[PB_OPTION_REASON_SIZE];

	*pb_config_line_of(r->config, option) = (unsigned)line;
	if (pb_option_set(option, r->config, pb_slice_str(value), why) !=
	    PB_OK)
		fail(r, line, "%s: %s", option->name, why);
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct pb_option *option = pb_option_find(cfg_opt_name(opt));
	unsigned before = *pb_config_line_of(reading->config, option);

	if (before != 0)
		fail(reading, cfg->line, "%s is set twice: the first time is "
		    "in line %u", option->name, before);
	else
		set(reading, option, cfg->line, cfg_opt_getstr(opt));
	return 0;
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

	if (n == r->listen_seen + 1) {
		r->listen_seen = n;
		r->listen_ended = false;
		snprintf(r->listen_last, sizeof(r->listen_last), "%s", value);
		set(r, option, cfg->line, value);
		return 0;
	}
	if (n == r->listen_seen && !r->listen_ended &&
	    strncmp(value, r->listen_last, sizeof(r->listen_last) - 1) == 0) {
		r->listen_ended = true;
		return 0;
	}
	fail(r, cfg->line, "%s is set twice: give one list, or add to it by "
	    "%s += {\"VALUE\"}", option->name, option->name);
	return -1;
}

/* NULL: no memory. */
static cfg_t *
new_parser(void)
{
	cfg_opt_t opts[PB_CONFIG_OPTIONS_MAX + 1];
	const struct pb_option *rows;
	cfg_t *cfg;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].type == PB_OPTION_LISTEN)
			opts[i] = (cfg_opt_t)CFG_STR_LIST(rows[i].name, NULL,
			    CFGF_NODEFAULT);
		else
			opts[i] = (cfg_opt_t)CFG_STR(rows[i].name, NULL,
			    CFGF_NODEFAULT);
	}
	opts[n] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(opts, CFGF_NONE);
	if (cfg == NULL)
		return NULL;
	cfg_set_error_function(cfg, on_syntax_error);
	for (i = 0; i < n; i++)
		cfg_set_validate_func(cfg, rows[i].name,
		    rows[i].type == PB_OPTION_LISTEN ? on_list_value
						     : on_value);
	return cfg;
}

static enum pb_status
parse(struct reading *r, char *text, size_t len)
{
	const char *nul = memchr(text, '\0', len);
	const char *open;
	cfg_t *cfg;
	int result;

	if (nul != NULL) {
		fail(r, 0, "it is not a text file");
		return PB_EINVAL;
	}
	open = blank_comments(text);
	if (open != NULL) {
		fail(r, line_of(text, open), "a comment begins here and does "
		    "not end: close it by */");
		return PB_EINVAL;
	}
	cfg = new_parser();
	if (cfg == NULL) {
		fail(r, 0, "no memory");
		return PB_ENOMEM;
	}
	reading = r;
	result = cfg_parse_buf(cfg, text);
	reading = NULL;
	cfg_free(cfg);
	if (result != CFG_SUCCESS && r->errors == 0)
		fail(r, 0, "it could not be parsed");
	return r->errors == 0 ? PB_OK : PB_EINVAL;
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
	st = read_text(source->file, &text);
	if (st == PB_EIO && errno == ENOENT && source->file_may_be_missing) {
		config->priv_file[0] = '\0';
		st = PB_OK;
	} else if (st == PB_EIO) {
		fail(&r, 0, "it can not be read: %s", strerror(errno));
		st = PB_EINVAL;
	} else if (st == PB_ETOOBIG) {
		fail(&r, 0, "it is larger than %d octets", FILE_MAX);
		st = PB_EINVAL;
	} else if (st == PB_OK) {
		st = parse(&r, text.data + text.head, text.len - 1);
	} else {
		fail(&r, 0, "no memory");
	}
	pb_buffer_fini(&text);
	return st;
}
