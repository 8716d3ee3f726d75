#include "popbridge/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
pb_check_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "popbridge: internal fault at %s:%d: %s\n", file, line,
	    cond);
	abort();
}
