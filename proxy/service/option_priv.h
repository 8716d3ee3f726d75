#ifndef PB_SERVICE_OPTION_PRIV_H
#define PB_SERVICE_OPTION_PRIV_H

#include "popbridge/base/status.h"
#include "popbridge/service/config.h"
#include "popbridge/service/option.h"

/* What texts must be; struct pb_option has what `check` promises. */
enum pb_status pb_option_check_mailbox(struct pb_slice value, char *why);
enum pb_status pb_option_check_domain(struct pb_slice value, char *why);
enum pb_status pb_option_check_separators(struct pb_slice value, char *why);
enum pb_status pb_option_check_login(struct pb_slice value, char *why);
enum pb_status pb_option_check_pattern(struct pb_slice value, char *why);
enum pb_status pb_option_check_section(struct pb_slice value, char *why);

/* Write a reason; always PB_EINVAL. */
enum pb_status pb_option_refuse(char *why, const char *fmt, ...)
    PB_PRINTF(2, 3);

/* The longest piece of a wrong value that is worth repeating. */
#define PB_OPTION_QUOTE_SIZE 72
const char *pb_option_quote(struct pb_slice s, char out[PB_OPTION_QUOTE_SIZE]);

#endif
