#ifndef PB_BASE_TEXT_H
#define PB_BASE_TEXT_H

#include <stddef.h>

#include "popbridge/base/slice.h"

/*
 * Make any octets fit to be shown: printable ASCII stays, a backslash is
 * doubled, everything else becomes \xNN.  The result ends in NUL; what does
 * not fit is cut and "..." says so.  `size` is at least 8.
 */
void pb_text_clean(struct pb_slice in, char *out, size_t size);

#endif
