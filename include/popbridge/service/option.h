#ifndef PB_SERVICE_OPTION_H
#define PB_SERVICE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * The options, one row each.  The configuration file with its sections, the
 * command line, --help, the range errors and the check of the documents derive
 * from them.
 */

struct pb_config;

enum pb_option_type {
	PB_OPTION_LISTEN,	/* struct pb_listen_list; adds to it */
	PB_OPTION_LISTENER,	/* struct pb_url, of POP3 */
	PB_OPTION_UPSTREAM,	/* struct pb_url, of IMAP */
	PB_OPTION_FILE,		/* const char *, never empty */
	PB_OPTION_TEXT,		/* const char *; NULL for an empty one */
	PB_OPTION_NUMBER,	/* unsigned */
	PB_OPTION_FLAG,		/* bool; yes or no */
	PB_OPTION_WORD,		/* an enum, counted from 0 */
	PB_OPTION_WORDS,	/* unsigned: a set of 1 << word; adds to it */
	PB_OPTION_PRESET,	/* const struct pb_preset * */
	PB_OPTION_FILES,	/* struct pb_text_list; adds to it */
	PB_OPTION_TEXTS,	/* struct pb_text_list; adds to it */
	PB_OPTION_NETWORKS,	/* struct pb_network_list; adds to it */
};

/*
 * Where an option may stand.  One that may stand in a section has its field in
 * that section's struct; if it may stand outside, too, the value there is the
 * one of sections that say nothing.
 */
enum pb_option_scope {
	PB_OPTION_GLOBAL = 1,		/* outside, and on the command line */
	PB_OPTION_IN_LISTENER = 2,	/* struct pb_listener_config */
	PB_OPTION_IN_ROUTE = 4,		/* struct pb_route_config */
	/* outside, it is for the last route alone: it is one server's own */
	PB_OPTION_LAST_ROUTE = 8,
};

struct pb_option {
	const char *name;
	enum pb_option_type type;
	unsigned scopes;	/* of enum pb_option_scope */
	size_t offset;		/* of its field in its struct */
	const char *argument;	/* what --help calls the value */
	const char *fallback;	/* the default as text; NULL: none */
	const char *help;
	const char *const *words;	/* of WORD(S), in order, then NULL */
	unsigned min;		/* of a NUMBER */
	unsigned max;		/* the same; most elements of a list */
	const char *reason;	/* why not more, or not less */
	/* what a TEXT, or each of TEXTS, must be; `why` as below */
	enum pb_status (*check)(struct pb_slice value, char *why);
};

const struct pb_option *pb_options(size_t *n);

/* NULL: there is none of this name. */
const struct pb_option *pb_option_find(const char *name);

/* Whether there may be several values. */
bool pb_option_is_list(const struct pb_option *option);

/* "a listener", "a route" or "no section": where it belongs. */
const char *pb_option_home(const struct pb_option *option);

/*
 * The word of `words` (n of them) that a slip of the fingers could have turned
 * into `word`, or NULL.
 */
const char *pb_option_nearest(const char *word, const char *const *words,
			      size_t n);
/* The same over the names of the options of a scope. */
const char *pb_option_nearest_name(const char *word,
				   enum pb_option_scope scope);

/* Room for every reason that pb_option_set gives. */
#define PB_OPTION_REASON_SIZE 320

/*
 * Put a value into its field of `part`: the pb_config, pb_listener_config or
 * pb_route_config that has it.  What the value needs of memory, `config` owns.
 *
 * PB_OK, PB_EINVAL (nothing changed; `why` is printable and says what would
 * be right), PB_ENOMEM.
 */
enum pb_status pb_option_set(const struct pb_option *option,
			     struct pb_config *config, void *part,
			     struct pb_slice value,
			     char why[PB_OPTION_REASON_SIZE]) PB_MUST_CHECK;

/* Forget the values of a list. */
void pb_option_clear(const struct pb_option *option, void *part);

/* Give an option the value that it has in another part of the same kind. */
void pb_option_copy(const struct pb_option *option, void *to,
		    const void *from);

#endif
