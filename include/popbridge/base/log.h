#ifndef PB_BASE_LOG_H
#define PB_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "popbridge/base/slice.h"

/*
 * Log records: a level, a sentence, and named values.  This layer knows
 * neither clock nor file: a sink, set once before any thread starts, writes
 * them down.  Values are made printable before the sink sees them, so that
 * nothing a peer sends can forge a line.
 */

enum pb_log_level {
	PB_LOG_ERROR,	/* something is broken for everybody */
	PB_LOG_WARN,	/* an administrator should look */
	PB_LOG_INFO,	/* the course of things */
	PB_LOG_DEBUG,
};

enum pb_log_type {
	PB_LOG_TYPE_SLICE,
	PB_LOG_TYPE_OPTIONAL,
	PB_LOG_TYPE_NUMBER,
};

struct pb_log_field {
	const char *key;
	enum pb_log_type type;
	struct pb_slice slice;	/* borrowed for the call */
	uint64_t number;
};

#define PB_LOG_STR(k, v) \
	{ (k), PB_LOG_TYPE_SLICE, pb_slice_str(v), 0 }
#define PB_LOG_SLICE(k, v) \
	{ (k), PB_LOG_TYPE_SLICE, (v), 0 }
/* Left out of the record when the slice has no data (NULL). */
#define PB_LOG_OPTIONAL(k, v) \
	{ (k), PB_LOG_TYPE_OPTIONAL, (v), 0 }
#define PB_LOG_NUM(k, v) \
	{ (k), PB_LOG_TYPE_NUMBER, { NULL, 0 }, (uint64_t)(v) }

/* Longest printable value in a record; longer ones are cut. */
#define PB_LOG_VALUE_MAX 512

/* What a sink gets: values are printable ASCII, ending in NUL. */
struct pb_log_pair {
	const char *key;
	const char *text;	/* NULL for a number */
	uint64_t number;
};

typedef void pb_log_sink_fn(enum pb_log_level level, const char *text,
			    const struct pb_log_pair *pairs, size_t n);

/* Records above `level` are dropped.  Without a sink all are. */
void pb_log_setup(enum pb_log_level level, pb_log_sink_fn *sink);
bool pb_log_enabled(enum pb_log_level level);
const char *pb_log_level_name(enum pb_log_level level);

void pb_log_write(enum pb_log_level level, const char *text,
		  const struct pb_log_field *fields, size_t n);

/* pb_log(PB_LOG_INFO, "session ended", PB_LOG_STR("user", u), ...); */
#define pb_log(level, text, ...)                                             \
	do {                                                                 \
		if (pb_log_enabled(level)) {                                 \
			const struct pb_log_field pb_log_fields_[] = {       \
				__VA_ARGS__                                  \
			};                                                   \
			pb_log_write((level), (text), pb_log_fields_,        \
			    sizeof(pb_log_fields_) /                         \
				sizeof(pb_log_fields_[0]));                  \
		}                                                            \
	} while (0)

#endif
