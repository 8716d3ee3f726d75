#include "support/test.h"

#include <string.h>

#include "popbridge/service/preset.h"
#include "popbridge/service/url.h"

static const struct pb_preset *
preset(const char *name)
{
	const struct pb_preset *row = pb_preset_find(pb_slice_str(name));

	assert_non_null(row);
	return row;
}

static void
every_preset_is_a_row_that_makes_sense(void **state)
{
	char why[PB_URL_REASON_SIZE];
	const struct pb_preset *rows;
	struct pb_url url;
	size_t n;
	size_t i;
	size_t k;

	(void)state;
	rows = pb_presets(&n);
	assert_int_equal(n, 13);
	for (i = 0; i < n; i++) {
		assert_ptr_equal(preset(rows[i].name), &rows[i]);
		for (k = 0; k < i; k++)
			assert_string_not_equal(rows[i].name, rows[k].name);
		if (rows[i].note != NULL) {
			assert_true(strlen(rows[i].note) < 300);
			assert_true(strlen(rows[i].note) > 10);
		}
		if (rows[i].url == NULL)
			continue;
		assert_int_equal(pb_url_parse_upstream(
		    pb_slice_str(rows[i].url), &url, why), PB_OK);
		/* Providers are reached through the net. */
		assert_int_equal(url.tls, PB_URL_TLS_IMMEDIATE);
	}
}

static void
servers_that_sites_have_of_their_own_have_no_host(void **state)
{
	static const char *const names[] = { "dovecot", "cyrus", "courier",
		"exchange" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++)
		assert_null(preset(names[i])->url);
}

static void
what_takes_no_password_wants_a_token(void **state)
{
	(void)state;
	assert_int_equal(preset("microsoft365")->auth,
	    PB_UPSTREAM_AUTH_XOAUTH2);
	assert_int_equal(preset("outlook.com")->auth,
	    PB_UPSTREAM_AUTH_XOAUTH2);
	assert_int_equal(preset("gmail")->auth, PB_UPSTREAM_AUTH_AUTO);
}

static void
a_name_that_is_no_preset_is_not_found(void **state)
{
	(void)state;
	assert_null(pb_preset_find(OCTETS("")));
	assert_null(pb_preset_find(OCTETS("gmai")));
	assert_null(pb_preset_find(OCTETS("gmaill")));
	assert_null(pb_preset_find(OCTETS("gmail\0")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_preset_is_a_row_that_makes_sense),
		cmocka_unit_test(
		    servers_that_sites_have_of_their_own_have_no_host),
		cmocka_unit_test(what_takes_no_password_wants_a_token),
		cmocka_unit_test(a_name_that_is_no_preset_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
