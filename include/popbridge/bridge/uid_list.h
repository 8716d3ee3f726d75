#ifndef PB_BRIDGE_UID_LIST_H
#define PB_BRIDGE_UID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/status.h"

/*
 * UIDs, no more than a maildrop may have messages.  Tidy means ascending, each
 * once.  A zeroed struct is an empty one.
 */

struct pb_uid_list {
	uint32_t *uids;		/* own */
	size_t n;
	size_t cap;
};

void pb_uid_list_fini(struct pb_uid_list *list);

/* PB_OK, PB_ENOMEM (also when there are too many; nothing has changed). */
enum pb_status pb_uid_list_append(struct pb_uid_list *list, const uint32_t *uids,
				  size_t n) PB_MUST_CHECK;
/* From `first` to `last`, both included; first <= last. */
enum pb_status pb_uid_list_append_range(struct pb_uid_list *list,
					uint32_t first,
					uint32_t last) PB_MUST_CHECK;
void pb_uid_list_tidy(struct pb_uid_list *list);

/* The list must be tidy. */
bool pb_uid_list_has(const struct pb_uid_list *list, uint32_t uid);
/* Both must be tidy: those in `other` go. */
void pb_uid_list_subtract(struct pb_uid_list *list,
			  const struct pb_uid_list *other);

#endif
