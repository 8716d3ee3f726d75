#include "popbridge/service/option.h"

#include <stdarg.h>
#include <stdio.h>

#include "popbridge/base/check.h"
#include "popbridge/base/text.h"
#include "popbridge/service/config.h"

/* The longest piece of a wrong value that is worth repeating. */
#define QUOTE_SIZE 72

#define FIELD(name) offsetof(struct pb_config, name)

_Static_assert(sizeof(enum pb_log_level) == sizeof(unsigned) &&
	sizeof(enum pb_log_format) == sizeof(unsigned) &&
	sizeof(enum pb_mark_seen) == sizeof(unsigned) &&
	sizeof(enum pb_lock_mode) == sizeof(unsigned),
    "a WORD is stored as an unsigned");

static const char *const log_levels[] = {
	[PB_LOG_ERROR] = "error", [PB_LOG_WARN] = "warn",
	[PB_LOG_INFO] = "info", [PB_LOG_DEBUG] = "debug", NULL };
static const char *const log_formats[] = {
	[PB_LOG_FORMAT_TEXT] = "text", [PB_LOG_FORMAT_JSON] = "json", NULL };
static const char *const mark_seen[] = {
	[PB_MARK_SEEN_NO] = "no", [PB_MARK_SEEN_QUIT] = "quit", NULL };
static const char *const lock_modes[] = {
	[PB_LOCK_NONE] = "none", [PB_LOCK_EXCLUSIVE] = "exclusive",
	[PB_LOCK_TAKEOVER] = "takeover", NULL };

static const struct pb_option rows[] = {
	{ .name = "listen", .type = PB_OPTION_LISTEN,
	    .offset = FIELD(listen), .argument = "URL",
	    .help = "serve POP3 here: pop3s://, pop3:// or pop3+plain://; may "
		"be given several times (without it pop3s://0.0.0.0:995 and "
		"pop3://0.0.0.0:110 when there is a certificate, else "
		"pop3+plain://127.0.0.1:1110)" },
	{ .name = "upstream", .type = PB_OPTION_UPSTREAM,
	    .offset = FIELD(upstream), .argument = "URL",
	    .help = "the IMAP server: imaps://, imap:// (STARTTLS) or "
		"imap+plain://" },
	{ .name = "tls-cert", .type = PB_OPTION_FILE,
	    .offset = FIELD(tls_cert), .argument = "FILE",
	    .help = "certificate chain for the POP3 side, PEM" },
	{ .name = "tls-key", .type = PB_OPTION_FILE,
	    .offset = FIELD(tls_key), .argument = "FILE",
	    .help = "private key that belongs to it, PEM" },
	{ .name = "upstream-ca", .type = PB_OPTION_FILE,
	    .offset = FIELD(upstream_ca), .argument = "FILE",
	    .help = "trust these CAs upstream, PEM, instead of the system's" },
	{ .name = "ports-file", .type = PB_OPTION_FILE,
	    .offset = FIELD(ports_file), .argument = "FILE",
	    .help = "when every listener is bound, write their URLs here, one "
		"a line" },
	{ .name = "log-level", .type = PB_OPTION_WORD,
	    .offset = FIELD(log_level), .argument = "LEVEL",
	    .fallback = "info", .words = log_levels,
	    .help = "least weight of what is logged" },
	{ .name = "log-format", .type = PB_OPTION_WORD,
	    .offset = FIELD(log_format), .argument = "FORMAT",
	    .fallback = "text", .words = log_formats,
	    .help = "how records look on standard error" },
	{ .name = "workers", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(workers), .argument = "N", .fallback = "0",
	    .min = 0, .max = 256,
	    .reason = "each is a thread, and more than cores gain nothing",
	    .help = "event loops; 0 is one for each core" },
	{ .name = "mark-seen", .type = PB_OPTION_WORD,
	    .offset = FIELD(mark_seen), .argument = "WHEN",
	    .fallback = "no", .words = mark_seen,
	    .help = "mark retrieved messages as \\Seen: never, or at QUIT" },
	{ .name = "lock", .type = PB_OPTION_WORD,
	    .offset = FIELD(lock), .argument = "MODE",
	    .fallback = "none", .words = lock_modes,
	    .help = "a second session on a maildrop is allowed, refused, or "
		"ends the first" },
	{ .name = "idle-timeout", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(idle_timeout), .argument = "SECONDS",
	    .fallback = "600", .min = 1, .max = 86400,
	    .reason = "a client that is silent for a day is gone",
	    .help = "end a session, deleting nothing, after this long without "
		"a command" },
	{ .name = "upstream-timeout", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(upstream_timeout), .argument = "SECONDS",
	    .fallback = "60", .min = 1, .max = 3600,
	    .reason = "no POP3 client waits an hour",
	    .help = "longest silence of the IMAP server while it owes an "
		"answer" },
	{ .name = "connect-timeout", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(connect_timeout), .argument = "SECONDS",
	    .fallback = "30", .min = 1, .max = 600,
	    .reason = "no POP3 client waits ten minutes for its login",
	    .help = "longest way to the IMAP server, all its addresses "
		"together" },
	{ .name = "drain-timeout", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(drain_timeout), .argument = "SECONDS",
	    .fallback = "30", .min = 0, .max = 3600,
	    .reason = "a restart that takes an hour is an outage",
	    .help = "how long a shutdown waits for running commands and "
		"commits" },
	{ .name = "login-timeout", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(login_timeout), .argument = "SECONDS",
	    .fallback = "180", .min = 1, .max = 3600,
	    .reason = "whoever has no password after an hour has none",
	    .help = "longest time from the connection to the login, whatever "
		"the client says meanwhile" },
	{ .name = "max-connections", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(max_connections), .argument = "N",
	    .fallback = "20000", .min = 1, .max = 1000000,
	    .reason = "each takes two descriptors",
	    .help = "clients at a time; more are closed at once" },
	{ .name = "max-connections-per-address", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(max_connections_per_address), .argument = "N",
	    .fallback = "200", .min = 1, .max = 1000000,
	    .reason = "each takes two descriptors",
	    .help = "clients at a time from one IPv4 address or IPv6 /64" },
	{ .name = "max-unauthenticated", .type = PB_OPTION_NUMBER,
	    .offset = FIELD(max_unauthenticated), .argument = "N",
	    .fallback = "5000", .min = 1, .max = 1000000,
	    .reason = "each takes a descriptor",
	    .help = "clients at a time that are not logged in" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(ROWS <= PB_CONFIG_OPTIONS_MAX, "each row has a line number");

const struct pb_option *
pb_options(size_t *n)
{
	*n = ROWS;
	return rows;
}

const struct pb_option *
pb_option_find(const char *name)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

/* Longest word that a slip is looked for in; longer ones are no slip. */
#define WORD_MAX 32

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to add, drop or change to make a into b (Levenshtein). */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t len = strlen(b);
	size_t i;
	size_t j;

	pb_check(len <= WORD_MAX);
	for (j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (i = 0; a[i] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (j = 1; j <= len; j++) {
			unsigned change = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(change,
			    least(row[j], row[j - 1]) + 1);
		}
	}
	return row[len];
}

const char *
pb_option_nearest(const char *word, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = 3;
	size_t len = strlen(word);
	size_t i;

	for (i = 0; i < n && len <= WORD_MAX; i++) {
		unsigned d = distance(word, words[i]);

		/* Half of a short word is another word. */
		if (d < best_distance && d * 2 < strlen(words[i])) {
			best = words[i];
			best_distance = d;
		}
	}
	return best;
}

const char *
pb_option_nearest_name(const char *word)
{
	const char *names[ROWS];
	size_t i;

	for (i = 0; i < ROWS; i++)
		names[i] = rows[i].name;
	return pb_option_nearest(word, names, ROWS);
}

static enum pb_status refuse(char *why, const char *fmt, ...) PB_PRINTF(2, 3);

static enum pb_status
refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PB_OPTION_REASON_SIZE, fmt, ap);
	va_end(ap);
	return PB_EINVAL;
}

static const char *
quote(struct pb_slice s, char out[QUOTE_SIZE])
{
	pb_text_clean(s, out, QUOTE_SIZE);
	return out;
}

static enum pb_status
set_listen(struct pb_listen_list *list, struct pb_slice value, char *why)
{
	enum pb_status st;

	if (list->n == PB_CONFIG_LISTEN_MAX)
		return refuse(why, "there are more than %d listeners",
		    PB_CONFIG_LISTEN_MAX);
	st = pb_url_parse_listener(value, &list->url[list->n], why);
	if (st == PB_OK)
		list->n++;
	return st;
}

static enum pb_status
set_file(char *field, struct pb_slice value, char *why)
{
	if (value.len == 0)
		return refuse(why, "it is empty: give the name of a file, or "
		    "leave the option out");
	if (value.len >= PB_CONFIG_PATH_SIZE)
		return refuse(why, "a file name has at most %d letters",
		    PB_CONFIG_PATH_SIZE - 1);
	memcpy(field, value.data, value.len);
	field[value.len] = '\0';
	return PB_OK;
}

static enum pb_status
set_number(const struct pb_option *o, unsigned *field, struct pb_slice value,
    char *why)
{
	char q[QUOTE_SIZE];
	uint64_t number = 0;

	if (pb_slice_number(value, o->max, &number) != PB_OK ||
	    number < o->min)
		return refuse(why, "it must be a number from %u to %u (%s), "
		    "not \"%s\"", o->min, o->max, o->reason,
		    quote(value, q));
	*field = (unsigned)number;
	return PB_OK;
}

static enum pb_status
set_word(const struct pb_option *o, char *field, struct pb_slice value,
    char *why)
{
	char list[64] = "";
	char q[QUOTE_SIZE];
	size_t at = 0;
	unsigned i;

	for (i = 0; o->words[i] != NULL; i++) {
		if (pb_slice_is(value, o->words[i])) {
			memcpy(field, &i, sizeof(i));
			return PB_OK;
		}
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
		    i == 0 ? "" : o->words[i + 1] == NULL ? " or " : ", ",
		    o->words[i]);
		pb_check(at < sizeof(list));
	}
	return refuse(why, "it must be %s, not \"%s\"", list, quote(value, q));
}

enum pb_status
pb_option_set(const struct pb_option *o, struct pb_config *config,
    struct pb_slice value, char why[PB_OPTION_REASON_SIZE])
{
	char *field = (char *)config + o->offset;

	switch (o->type) {
	case PB_OPTION_LISTEN:
		return set_listen(&config->listen, value, why);
	case PB_OPTION_UPSTREAM:
		return pb_url_parse_upstream(value, &config->upstream, why);
	case PB_OPTION_FILE:
		return set_file(field, value, why);
	case PB_OPTION_NUMBER:
		return set_number(o, (unsigned *)(void *)field, value, why);
	case PB_OPTION_WORD:
		return set_word(o, field, value, why);
	}
	pb_check(false);
	return PB_EINVAL;
}
