#ifndef PBT_TEST_H
#define PBT_TEST_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/support.h"

/* Compare octets; say what they were, printable, when they differ. */
static inline void
pbt_assert_octets(struct pb_slice got, struct pb_slice want, const char *file,
    int line)
{
	struct pb_buffer b;

	if (got.len == want.len && (got.len == 0 ||
	    memcmp(got.data, want.data, got.len) == 0))
		return;
	pb_buffer_init(&b, 8 * (got.len + want.len) + 100);
	pbt_say(&b, "got  ");
	pbt_put_clean(&b, got);
	pbt_say(&b, "\nwant ");
	pbt_put_clean(&b, want);
	print_error("%.*s\n", (int)b.len, pb_buffer_slice(&b).data);
	pb_buffer_fini(&b);
	_fail(file, line);
}

/* A string constant as octets, NULs in it included. */
#define OCTETS(literal) pb_slice((literal), sizeof(literal) - 1)

#define ASSERT_OCTETS(got, want) \
	pbt_assert_octets((got), (want), __FILE__, __LINE__)
#define ASSERT_TEXT(got, literal) \
	ASSERT_OCTETS((got), OCTETS(literal))

/* The pieces of a table test: which row, when it fails. */
#define ROW(rows, i) print_message("row %zu of %zu\n", (i) + 1, \
	sizeof(rows) / sizeof((rows)[0]))
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#endif
