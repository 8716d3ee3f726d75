#ifndef PBT_STUFFED_H
#define PBT_STUFFED_H

#include "support/support.h"

/*
 * What RETR sends of a message, or TOP with so many lines of the body
 * (PB_POP3_ALL_LINES for RETR), and the final dot: one octet after the other,
 * without a thought of speed.
 */
void pbt_stuffed(struct pb_slice message, uint64_t lines,
		 struct pb_buffer *out);

#endif
