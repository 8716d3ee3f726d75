#ifndef PB_SERVICE_OPTION_H
#define PB_SERVICE_OPTION_H

#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The options, one row each.  The configuration file, the command line,
 * --help, the range errors and the check of the documents derive from them.
 */

struct pb_config;

enum pb_option_type {
	PB_OPTION_LISTEN,	/* struct pb_listen_list; adds to it */
	PB_OPTION_UPSTREAM,	/* struct pb_url */
	PB_OPTION_FILE,		/* char [PB_CONFIG_PATH_SIZE] */
	PB_OPTION_NUMBER,	/* unsigned */
	PB_OPTION_WORD,		/* an enum, counted from 0 */
};

struct pb_option {
	const char *name;
	enum pb_option_type type;
	size_t offset;		/* of its field in struct pb_config */
	const char *argument;	/* what --help calls the value */
	const char *fallback;	/* the default as text; NULL: none */
	const char *help;
	const char *const *words;	/* of a WORD, in order, then NULL */
	unsigned min;		/* of a NUMBER */
	unsigned max;
	const char *reason;	/* why not more, or not less */
};

const struct pb_option *pb_options(size_t *n);

/* NULL: there is none of this name. */
const struct pb_option *pb_option_find(const char *name);

/*
 * The word of `words` (n of them) that a slip of the fingers could have turned
 * into `word`, or NULL.
 */
const char *pb_option_nearest(const char *word, const char *const *words,
			      size_t n);
/* The same over the names of the options. */
const char *pb_option_nearest_name(const char *word);

/* Room for every reason that pb_option_set gives. */
#define PB_OPTION_REASON_SIZE 320

/*
 * Put a value into its field.
 *
 * PB_OK, PB_EINVAL (nothing changed; `why` is printable and says what would
 * be right).
 */
enum pb_status pb_option_set(const struct pb_option *option,
			     struct pb_config *config, struct pb_slice value,
			     char why[PB_OPTION_REASON_SIZE]) PB_MUST_CHECK;

#endif
