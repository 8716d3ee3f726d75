#include "popbridge/base/log.h"

#include <stdatomic.h>

#include "popbridge/base/check.h"
#include "popbridge/base/text.h"

/* More than any record of ours has; each costs a value on the stack. */
#define FIELDS_MAX 24

static atomic_int threshold = PB_LOG_INFO;
static _Atomic(pb_log_sink_fn *) sink;

void
pb_log_setup(enum pb_log_level level, pb_log_sink_fn *to)
{
	atomic_store(&threshold, (int)level);
	atomic_store(&sink, to);
}

bool
pb_log_enabled(enum pb_log_level level)
{
	return atomic_load(&sink) != NULL &&
	    (int)level <= atomic_load_explicit(&threshold,
		memory_order_relaxed);
}

const char *
pb_log_level_name(enum pb_log_level level)
{
	switch (level) {
	case PB_LOG_ERROR:
		return "error";
	case PB_LOG_WARN:
		return "warn";
	case PB_LOG_INFO:
		return "info";
	case PB_LOG_DEBUG:
		return "debug";
	}
	return "?";
}

void
pb_log_write(enum pb_log_level level, const char *text,
    const struct pb_log_field *fields, size_t n)
{
	char values[FIELDS_MAX][PB_LOG_VALUE_MAX];
	struct pb_log_pair pairs[FIELDS_MAX];
	size_t n_pairs = 0;
	size_t i;

	pb_check(n <= FIELDS_MAX);
	for (i = 0; i < n; i++) {
		struct pb_log_pair *pair = &pairs[n_pairs];

		if (fields[i].type == PB_LOG_TYPE_OPTIONAL &&
		    fields[i].slice.data == NULL)
			continue;
		*pair = (struct pb_log_pair){ .key = fields[i].key,
			.number = fields[i].number };
		if (fields[i].type != PB_LOG_TYPE_NUMBER) {
			pb_text_clean(fields[i].slice, values[n_pairs],
			    sizeof(values[0]));
			pair->text = values[n_pairs];
		}
		n_pairs++;
	}
	atomic_load(&sink)(level, text, pairs, n_pairs);
}
