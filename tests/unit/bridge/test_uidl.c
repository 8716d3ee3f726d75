#include "support/test.h"

#include <string.h>

#include "popbridge/bridge/uidl.h"

static void
must_be(uint32_t uid, uint32_t uidvalidity, const char *want)
{
	char uidl[PB_UIDL_SIZE];

	pb_uidl_write(uid, uidvalidity, uidl);
	assert_string_equal(uidl, want);
}

/* Of Dovecot's pop3 with pop3_uidl_format = %08Xu%08Xv, its default. */
static void
uidls_are_dovecots(void **state)
{
	(void)state;
	must_be(1, 1700000000, "000000016553f100");
	must_be(0x1234abcd, 0x0fedcba9, "1234abcd0fedcba9");
}

static void
all_numbers_have_sixteen_digits(void **state)
{
	(void)state;
	must_be(1, 1, "0000000100000001");
	must_be(UINT32_MAX, UINT32_MAX, "ffffffffffffffff");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uidls_are_dovecots),
		cmocka_unit_test(all_numbers_have_sixteen_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
