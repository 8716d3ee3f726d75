#include "route_map.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config_priv.h"
#include "popbridge/base/mem.h"
#include "popbridge/base/text.h"
#include "popbridge/service/route.h"

_Static_assert(PB_ROUTE_MAP_LINES_MAX == 1000000, "a message says it");

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pb_alloc(size)
#define uthash_free(p, size) pb_free(p)
/* The usual one, HASH_JEN, falls through its cases without saying so. */
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

/* Two logins and a URL at their longest, and room for blanks between. */
#define LINE_SIZE 1024

/* A line that is longer is of no text file: /dev/zero never ends one. */
#define LINE_ENDS_MAX (64 * 1024)

/* Of a wrong file, so many lines are told. */
#define ERRORS_MAX 20

struct entry {
	UT_hash_handle hh;
	struct pb_route_map_entry value;
	unsigned line;
	char login[];		/* lower case */
};

/* Each URL once: a file has many lines and few servers. */
struct server {
	UT_hash_handle hh;
	struct pb_url url;
	char text[];
};

struct pb_route_map {
	struct entry *entries;		/* table; its elements: the config's */
	struct server *servers;
	unsigned without_url;
	unsigned in_clear;
};

struct reading {
	struct pb_config *config;		/* borrowed */
	struct pb_route_map *map;		/* borrowed */
	const struct pb_config_sink *sink;	/* borrowed */
	const char *file;
	unsigned line;
	unsigned errors;
	char text[LINE_SIZE];
	size_t len;
	size_t too_long;	/* octets that did not fit */
};

static enum pb_status fail(struct reading *r, unsigned line, const char *fmt,
    ...) PB_PRINTF(3, 4);

static enum pb_status
fail(struct reading *r, unsigned line, const char *fmt, ...)
{
	const struct pb_config_place place = { .file = r->file,
		.line = line };
	char text[448];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pb_config_complain(r->sink, PB_CONFIG_ERROR, place, "%s", text);
	if (++r->errors < ERRORS_MAX)
		return PB_OK;
	pb_config_complain(r->sink, PB_CONFIG_ERROR, place, "these are enough "
	    "errors of one file; the rest of it is not looked at");
	return PB_EINVAL;
}

/* An error in the line that comes, after which no other is looked for. */
static enum pb_status
stop(struct reading *r, const char *text)
{
	const struct pb_config_place place = { .file = r->file,
		.line = r->line + 1 };

	pb_config_complain(r->sink, PB_CONFIG_ERROR, place, "%s", text);
	return PB_EINVAL;
}

void
pb_route_lower(struct pb_slice in, char *out)
{
	size_t i;

	for (i = 0; i < in.len; i++) {
		char c = in.data[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
}

/* The next word behind blanks; empty at the end, and where a # begins. */
static struct pb_slice
next_word(struct pb_slice *in)
{
	struct pb_slice word;

	while (in->len > 0 && (in->data[0] == ' ' || in->data[0] == '\t'))
		pb_slice_skip(in, 1);
	word = pb_slice(in->data, 0);
	if (in->len > 0 && in->data[0] == '#')
		pb_slice_skip(in, in->len);
	while (in->len > 0 && in->data[0] != ' ' && in->data[0] != '\t') {
		word.len++;
		pb_slice_skip(in, 1);
	}
	return word;
}

static bool
is_url(struct pb_slice word)
{
	return word.len > 0 && memmem(word.data, word.len, "://", 3) != NULL;
}

/* PB_OK, PB_EINVAL (`why`), PB_ENOMEM. */
static enum pb_status
find_server(struct reading *r, struct pb_slice text,
    const struct pb_url **found, char why[PB_URL_REASON_SIZE])
{
	struct server *server = NULL;
	struct pb_url url;
	enum pb_status st;

	HASH_FIND(hh, r->map->servers, text.data, text.len, server);
	if (server == NULL) {
		st = pb_url_parse_upstream(text, &url, why);
		if (st != PB_OK)
			return st;
		server = pb_config_alloc(r->config, sizeof(*server) +
		    text.len);
		if (server == NULL)
			return PB_ENOMEM;
		server->url = url;
		memcpy(server->text, text.data, text.len);
		HASH_ADD_KEYPTR(hh, r->map->servers, server->text, text.len,
		    server);
		if (server->hh.tbl == NULL)
			return PB_ENOMEM;
	}
	*found = &server->url;
	if (server->url.tls == PB_URL_TLS_NONE && r->map->in_clear == 0 &&
	    !pb_url_is_loopback(&server->url))
		r->map->in_clear = r->line;
	return PB_OK;
}

static enum pb_status
add_entry(struct reading *r, struct pb_slice login,
    struct pb_route_map_entry value)
{
	struct entry *entry = pb_config_alloc(r->config, sizeof(*entry) +
	    login.len);
	struct entry *there = NULL;
	char q[72];

	if (entry == NULL)
		return PB_ENOMEM;
	entry->value = value;
	entry->line = r->line;
	pb_route_lower(login, entry->login);
	HASH_FIND(hh, r->map->entries, entry->login, login.len, there);
	if (there != NULL) {
		pb_text_clean(login, q, sizeof(q));
		return fail(r, r->line, "\"%s\" is here twice: the first time "
		    "is in line %u", q, there->line);
	}
	HASH_ADD_KEYPTR(hh, r->map->entries, entry->login, login.len, entry);
	return entry->hh.tbl != NULL ? PB_OK : PB_ENOMEM;
}

static enum pb_status
take_words(struct reading *r, struct pb_slice login, struct pb_slice server,
    struct pb_slice alias)
{
	struct pb_route_map_entry value = { NULL, NULL };
	char why[PB_URL_REASON_SIZE];
	enum pb_status st;

	if (login.len > PB_ROUTE_LOGIN_MAX || alias.len > PB_ROUTE_LOGIN_MAX)
		return fail(r, r->line, "a login has at most %d letters",
		    PB_ROUTE_LOGIN_MAX);
	if (is_url(login))
		return fail(r, r->line, "the login comes first, and then the "
		    "URL of its server");
	if (server.len > 0) {
		st = find_server(r, server, &value.upstream, why);
		if (st == PB_EINVAL)
			return fail(r, r->line, "%s", why);
		if (st != PB_OK)
			return st;
	} else if (r->map->without_url == 0) {
		r->map->without_url = r->line;
	}
	if (alias.len > 0) {
		value.login = pb_config_text(r->config, alias);
		if (value.login == NULL)
			return PB_ENOMEM;
	}
	return add_entry(r, login, value);
}

static enum pb_status
take_line(struct reading *r)
{
	struct pb_slice in = pb_slice(r->text, r->len);
	struct pb_slice none = pb_slice("", 0);
	struct pb_slice word[4];
	size_t i;

	if (++r->line > PB_ROUTE_MAP_LINES_MAX) {
		r->line--;
		return stop(r, "a match-file has at most 1000000 lines");
	}
	if (r->too_long > 0)
		return fail(r, r->line, "the line is too long for two logins "
		    "and a URL");
	if (in.len > 0 && in.data[in.len - 1] == '\r')
		in.len--;
	for (i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return fail(r, r->line, "there is a control character "
			    "in the line");
	}
	for (i = 0; i < 4; i++)
		word[i] = next_word(&in);
	if (word[0].len == 0)
		return PB_OK;
	if (word[3].len > 0 || (word[2].len > 0 && !is_url(word[1])))
		return fail(r, r->line, "a line is LOGIN [IMAP-URL] "
		    "[LOGIN-AT-THE-SERVER]");
	if (is_url(word[1]))
		return take_words(r, word[0], word[1], word[2]);
	return take_words(r, word[0], none, word[1]);
}

static enum pb_status
take_octets(struct reading *r, struct pb_slice in)
{
	enum pb_status st = PB_OK;

	while (in.len > 0 && st == PB_OK) {
		size_t end = pb_slice_find(in, '\n');

		if (end > sizeof(r->text) - r->len) {
			r->too_long += end;
		} else {
			memcpy(r->text + r->len, in.data, end);
			r->len += end;
		}
		if (r->too_long > LINE_ENDS_MAX)
			return stop(r, "it is not a text file: this line does "
			    "not end");
		if (end == in.len)
			break;
		pb_slice_skip(&in, end + 1);
		st = take_line(r);
		r->len = 0;
		r->too_long = 0;
	}
	return st;
}

/* PB_EIO: errno says why. */
static enum pb_status
read_lines(struct reading *r, FILE *f)
{
	enum pb_status st = PB_OK;
	char chunk[8192];
	size_t n;

	do {
		n = fread(chunk, 1, sizeof(chunk), f);
		st = take_octets(r, pb_slice(chunk, n));
	} while (n > 0 && st == PB_OK);
	if (st == PB_OK && ferror(f))
		return PB_EIO;
	if (st == PB_OK && (r->len > 0 || r->too_long > 0))
		st = take_line(r);
	return st;
}

enum pb_status
pb_route_map_read(struct pb_config *config, struct pb_route_config *route,
    const struct pb_config_sink *sink)
{
	struct reading r = { .config = config, .sink = sink,
		.file = route->match_file };
	char name[256];
	enum pb_status st;
	FILE *f;

	r.map = route->priv_map = pb_alloc(sizeof(*route->priv_map));
	if (r.map == NULL)
		return PB_ENOMEM;
	f = fopen(route->match_file, "re");
	st = f != NULL ? read_lines(&r, f) : PB_EIO;
	if (st == PB_EIO) {
		int error = errno;

		pb_text_clean(pb_slice_str(r.file), name, sizeof(name));
		pb_config_complain(sink, PB_CONFIG_ERROR,
		    pb_config_route_place(config, route, "match-file"),
		    "match-file: %s can not be read: %s", name,
		    strerror(error));
	}
	if (f != NULL)
		fclose(f);
	if (st == PB_EIO || (st == PB_OK && r.errors > 0))
		st = PB_EINVAL;
	return st;
}

void
pb_route_map_free(struct pb_route_map **map)
{
	struct pb_route_map *m = *map;

	*map = NULL;
	if (m == NULL)
		return;
	HASH_CLEAR(hh, m->entries);
	HASH_CLEAR(hh, m->servers);
	pb_free(m);
}

const struct pb_route_map_entry *
pb_route_map_find(const struct pb_route_map *map, struct pb_slice login)
{
	struct entry *entry = NULL;

	HASH_FIND(hh, map->entries, login.data, login.len, entry);
	return entry != NULL ? &entry->value : NULL;
}

unsigned
pb_route_map_without_url(const struct pb_route_map *map)
{
	return map->without_url;
}

unsigned
pb_route_map_in_clear(const struct pb_route_map *map)
{
	return map->in_clear;
}
