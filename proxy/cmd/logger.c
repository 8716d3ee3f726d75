#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "popbridge/base/check.h"

/* One record: a write of no more than a pipe takes in one piece. */
#define RECORD_MAX 4096

static _Atomic enum pb_log_format format;

static void
time_stamp(char out[32])
{
	struct timespec now;
	struct tm utc;
	size_t len;

	pb_check(clock_gettime(CLOCK_REALTIME, &now) == 0);
	pb_check(gmtime_r(&now.tv_sec, &utc) != NULL);
	len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + len, 32 - len, ".%03ldZ", now.tv_nsec / 1000000);
}

static bool
needs_quotes(const char *text)
{
	return *text == '\0' || strpbrk(text, " \"=") != NULL;
}

/* Values are printable already; a quote inside is doubled by a backslash. */
static int
put_value(char *out, size_t size, const char *text)
{
	size_t at = 0;

	if (!needs_quotes(text))
		return snprintf(out, size, "%s", text);
	if (size < 3)
		return (int)size;
	out[at++] = '"';
	for (; *text != '\0' && at + 3 < size; text++) {
		if (*text == '"')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at++] = '"';
	out[at] = '\0';
	return (int)at;
}

/* snprintf says what it would have written; here it is what it wrote. */
static size_t
advance(size_t at, int written, size_t size)
{
	at += written > 0 ? (size_t)written : 0;
	return at < size ? at : size - 1;
}

static size_t
as_text(char *out, size_t size, const char *stamp, enum pb_log_level level,
    const char *text, const struct pb_log_pair *pairs, size_t n)
{
	size_t at = advance(0, snprintf(out, size, "%s %s %s", stamp,
	    pb_log_level_name(level), text), size);
	size_t i;

	for (i = 0; i < n; i++) {
		at = advance(at, snprintf(out + at, size - at, " %s=",
		    pairs[i].key), size);
		if (pairs[i].text != NULL)
			at = advance(at, put_value(out + at, size - at,
			    pairs[i].text), size);
		else
			at = advance(at, snprintf(out + at, size - at, "%llu",
			    (unsigned long long)pairs[i].number), size);
	}
	return at;
}

static size_t
as_json(char *out, size_t size, const char *stamp, enum pb_log_level level,
    const char *text, const struct pb_log_pair *pairs, size_t n)
{
	json_t *record = json_object();
	size_t len;
	size_t i;

	json_object_set_new(record, "time", json_string(stamp));
	json_object_set_new(record, "level",
	    json_string(pb_log_level_name(level)));
	json_object_set_new(record, "event", json_string(text));
	for (i = 0; i < n; i++)
		json_object_set_new(record, pairs[i].key,
		    pairs[i].text != NULL
			? json_string(pairs[i].text)
			: json_integer((json_int_t)pairs[i].number));
	len = json_dumpb(record, out, size, JSON_COMPACT);
	json_decref(record);
	if (len > 0 && len < size)
		return len;
	return advance(0, snprintf(out, size, "{\"time\":\"%s\",\"level\":"
	    "\"error\",\"event\":\"a record was too long\"}", stamp), size);
}

static void
sink(enum pb_log_level level, const char *text,
    const struct pb_log_pair *pairs, size_t n)
{
	char record[RECORD_MAX];
	char stamp[32];
	size_t len;

	time_stamp(stamp);
	len = format == PB_LOG_FORMAT_JSON
	    ? as_json(record, sizeof(record) - 1, stamp, level, text, pairs, n)
	    : as_text(record, sizeof(record) - 1, stamp, level, text, pairs,
		n);
	record[len++] = '\n';
	/* Where the log cannot be written, nobody can be told either. */
	if (write(STDERR_FILENO, record, len) < 0)
		return;
}

void
pb_logger_start(enum pb_log_level level, enum pb_log_format as)
{
	format = as;
	pb_log_setup(level, sink);
}
