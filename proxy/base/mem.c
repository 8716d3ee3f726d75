#include "popbridge/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"

static _Thread_local unsigned long fail_in;

static int
must_fail(void)
{
	if (fail_in == 0)
		return 0;
	if (fail_in == 1)
		return 1;
	fail_in--;
	return 0;
}

void
pb_mem_fail_from(unsigned long n)
{
	fail_in = n;
}

void *
pb_alloc(size_t size)
{
	if (must_fail())
		return NULL;
	return calloc(1, size);
}

void *
pb_xalloc(size_t size)
{
	void *p = calloc(1, size);

	pb_check(p != NULL);
	return p;
}

void *
pb_realloc(void *p, size_t size)
{
	if (must_fail())
		return NULL;
	return realloc(p, size);
}

char *
pb_xstrdup(const char *s)
{
	char *copy = strdup(s);

	pb_check(copy != NULL);
	return copy;
}

void
pb_free(void *p)
{
	free(p);
}

void
pb_wipe(void *p, size_t len)
{
	if (p != NULL && len > 0)
		explicit_bzero(p, len);
}
