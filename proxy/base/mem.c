#include "popbridge/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/check.h"

static _Thread_local struct {
	unsigned long in;	/* so many allocations from now on; 0: none */
	bool once;
	bool failed;
	bool spared;
} failing;

static bool
must_fail(void)
{
	if (failing.in == 0 || failing.spared)
		return false;
	if (failing.in > 1) {
		failing.in--;
		return false;
	}
	failing.in = failing.once ? 0 : 1;
	failing.failed = true;
	return true;
}

static void
fail(unsigned long n, bool once)
{
	failing.in = n;
	failing.once = once;
	failing.failed = false;
}

void
pb_mem_fail_from(unsigned long n)
{
	fail(n, false);
}

void
pb_mem_fail_at(unsigned long n)
{
	fail(n, true);
}

bool
pb_mem_has_failed(void)
{
	return failing.failed;
}

void
pb_mem_spare(bool spared)
{
	failing.spared = spared;
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
