#ifndef PB_SERVICE_CONFIG_FILE_H
#define PB_SERVICE_CONFIG_FILE_H

#include "popbridge/base/status.h"
#include "popbridge/service/config.h"

/*
 * Read `source->file` into *config, whose priv_file names it already.
 *
 * PB_OK, PB_EINVAL, PB_ENOMEM (the sink was told).
 */
enum pb_status pb_config_file_read(const struct pb_config_source *source,
				   const struct pb_config_sink *sink,
				   struct pb_config *config) PB_MUST_CHECK;

/* The line where the option was set; 0 is nowhere, UINT_MAX the command. */
struct pb_option;
unsigned *pb_config_line_of(struct pb_config *config,
			    const struct pb_option *option);

#endif
