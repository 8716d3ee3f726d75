#ifndef PB_SERVICE_ROUTE_MAP_H
#define PB_SERVICE_ROUTE_MAP_H

#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/config.h"

/*
 * What a match-file says: logins, one a line, each with its IMAP server and
 * its name there if they are not the route's.  Immutable when it is read.
 *
 *	LOGIN [IMAP-URL] [LOGIN-AT-THE-SERVER]
 */

/* Most lines of a file: about 200 MB of memory. */
#define PB_ROUTE_MAP_LINES_MAX 1000000

struct pb_route_map_entry {
	const struct pb_url *upstream;	/* NULL: the route's */
	const char *login;		/* at the server; NULL: as ever */
};

/*
 * Read route->match_file into route->priv_map; entries belong to the config.
 *
 * PB_OK, PB_EINVAL (the sink was told), PB_ENOMEM (it was not).
 */
enum pb_status pb_route_map_read(struct pb_config *config,
				 struct pb_route_config *route,
				 const struct pb_config_sink *sink)
    PB_MUST_CHECK;
void pb_route_map_free(struct pb_route_map **map);

/* NULL: it is not there.  `login` has no upper-case letters of ASCII. */
const struct pb_route_map_entry *
pb_route_map_find(const struct pb_route_map *map, struct pb_slice login);

/* The first line without a URL, and the first of one in clear text; 0: none. */
unsigned pb_route_map_without_url(const struct pb_route_map *map);
unsigned pb_route_map_in_clear(const struct pb_route_map *map);

/* The letters of ASCII in lower case. */
void pb_route_lower(struct pb_slice in, char *out);

#endif
