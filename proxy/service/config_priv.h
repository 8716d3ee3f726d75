#ifndef PB_SERVICE_CONFIG_PRIV_H
#define PB_SERVICE_CONFIG_PRIV_H

#include <limits.h>

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/config.h"
#include "popbridge/service/option.h"

/*
 * What the files that make a configuration share.
 */

/* Zeroed memory that lives as long as the config; NULL: there is none. */
void *pb_config_alloc(struct pb_config *config, size_t size) PB_MUST_CHECK;
/* A copy that ends in NUL. */
char *pb_config_text(struct pb_config *config,
		     struct pb_slice text) PB_MUST_CHECK;
/*
 * Room for one more element behind the n that `array` has: the same array, or
 * a copy of twice its size.  NULL: no memory.
 */
void *pb_config_room(struct pb_config *config, const void *array, size_t n,
		     size_t size) PB_MUST_CHECK;

/*
 * Numbers of the mechanisms, by which `mechanisms` is a set; those of enum
 * pb_sasl_mechanism.
 */
enum {
	PB_CONFIG_PLAIN,
	PB_CONFIG_LOGIN,
	PB_CONFIG_XOAUTH2,
	PB_CONFIG_OAUTHBEARER,
	PB_CONFIG_SCRAM_SHA_256,
	PB_CONFIG_CRAM_MD5,
	PB_CONFIG_EXTERNAL,
};

/* Begin a section; what it does not set is zero until the end. */
enum pb_status pb_config_add_listener(struct pb_config *config,
				      struct pb_slice name, unsigned line)
    PB_MUST_CHECK;
enum pb_status pb_config_add_route(struct pb_config *config,
				   struct pb_slice name, unsigned line)
    PB_MUST_CHECK;

/* The struct with the field that an option has outside of sections. */
void *pb_config_global_part(struct pb_config *config,
			    const struct pb_option *option);

/*
 * Where the options were set, by row: a line, 0 for nowhere, or
 */
#define PB_CONFIG_COMMAND_LINE UINT_MAX
size_t pb_config_row(const struct pb_option *option);
/* Whether the route, and not a default or a preset, says it. */
bool pb_config_route_sets(const struct pb_config *config,
			  const struct pb_route_config *route,
			  const char *name);

/*
 * Read `source->file`, whose name priv_file has already.
 *
 * PB_OK, PB_EINVAL (the sink was told), PB_ENOMEM (it was not).
 */
enum pb_status pb_config_file_read(const struct pb_config_source *source,
				   const struct pb_config_sink *sink,
				   struct pb_config *config) PB_MUST_CHECK;

/*
 * When all is read: sections get what they do not say themselves, the last
 * route and the listeners of `listen` are made, presets are applied, and the
 * match-files are read.  As above.
 */
enum pb_status pb_config_finish(struct pb_config *config,
				const struct pb_config_sink *sink)
    PB_MUST_CHECK;

/*
 * A whole file, and a NUL behind it.  PB_OK, PB_EIO (errno says why),
 * PB_ETOOBIG, PB_ENOMEM.
 */
struct pb_buffer;
enum pb_status pb_config_read_text(const char *file,
				   struct pb_buffer *text) PB_MUST_CHECK;

/*
 * The text of the file with blanks for comments and with all line ends, for a
 * parser that miscounts those of comments.  Returns where a comment begins
 * that is not closed, or NULL; *brace is the first { that is not closed, or
 * NULL.
 */
char *pb_config_blank_comments(char *text, const char **brace);

/*
 * Where a list without a value begins, or NULL: the parser would pass over it,
 * and who wrote it did not mean the default.  The text has no comments.
 */
char *pb_config_find_empty_list(char *text);

#endif
