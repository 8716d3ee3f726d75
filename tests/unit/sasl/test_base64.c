#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/sasl/base64.h"

static void
good_base64_is_decoded(void **state)
{
	static const struct {
		const char *coded;
		struct pb_slice want;
	} rows[] = {
		{ "", { "", 0 } },
		{ "Zg==", { "f", 1 } },
		{ "Zm8=", { "fo", 2 } },
		{ "Zm9v", { "foo", 3 } },
		{ "Zm9vYg==", { "foob", 4 } },
		{ "Zm9vYmFy", { "foobar", 6 } },
		{ "AAAA", { "\0\0\0", 3 } },
		{ "+/+/", { "\xfb\xff\xbf", 3 } },
		{ "////", { "\xff\xff\xff", 3 } },
		{ "Zh==", { "f", 1 } },	/* bits left over */
		{ "Zm9=", { "fo", 2 } },
	};
	char out[64];
	size_t len;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_base64_decode(pb_slice_str(rows[i].coded),
		    out, &len), PB_OK);
		ASSERT_OCTETS(pb_slice(out, len), rows[i].want);
	}
}

static void
bad_base64_is_refused(void **state)
{
	static const struct pb_slice rows[] = {
		{ "Z", 1 }, { "Zm", 2 }, { "Zm8", 3 }, { "=", 1 },
		{ "==", 2 }, { "====", 4 }, { "Z===", 4 }, { "Zg=", 3 },
		{ "Zg==Zg==", 8 }, { "Zm8=Zm8=", 8 }, { "Z=8=", 4 },
		{ "=m8v", 4 }, { " Zg=", 4 }, { "Zg= ", 4 }, { "Zm\n9", 4 },
		{ "Zm9v\r", 5 }, { "Zm9-", 4 }, { "Zm9_", 4 },
		{ "Zm\0v", 4 }, { "Zm\xc3\xbc", 4 }, { "Zm9v!", 5 },
	};
	char out[64];
	size_t len;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_base64_decode(rows[i], out, &len),
		    PB_EPROTO);
	}
}

static void
each_octet_outside_the_alphabet_is_refused(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned octet;

	(void)state;
	for (octet = 0; octet < 256; octet++) {
		char text[4] = { 'A', (char)octet, 'A', 'A' };
		const char *at = octet == 0 ? NULL
		    : strchr(alphabet, (char)octet);
		char out[3];
		size_t len;

		assert_int_equal(pb_base64_decode(pb_slice(text, 4), out,
		    &len), at != NULL ? PB_OK : PB_EPROTO);
		if (at == NULL)
			continue;
		assert_int_equal((unsigned char)out[0],
		    (at - alphabet) >> 4);
		assert_int_equal((unsigned char)out[1],
		    ((at - alphabet) & 15) << 4);
	}
}

static void
what_is_encoded_is_decoded_again(void **state)
{
	static const struct {
		struct pb_slice text;
		const char *want;
	} rows[] = {
		{ { "", 0 }, "" }, { { "f", 1 }, "Zg==" },
		{ { "fo", 2 }, "Zm8=" }, { { "foo", 3 }, "Zm9v" },
		{ { "foob", 4 }, "Zm9vYg==" }, { { "foobar", 6 }, "Zm9vYmFy" },
		{ { "\0\0\0", 3 }, "AAAA" }, { { "\xfb\xff\xbf", 3 }, "+/+/" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		size_t room = PB_BASE64_CODED(rows[i].text.len);
		char *coded = malloc(room);
		char out[16];
		size_t len;

		ROW(rows, i);
		assert_non_null(coded);
		len = pb_base64_encode(rows[i].text, coded);
		assert_int_equal(len, room - 1);
		assert_string_equal(coded, rows[i].want);
		assert_int_equal(pb_base64_decode(pb_slice(coded, len), out,
		    &len), PB_OK);
		ASSERT_OCTETS(pb_slice(out, len), rows[i].text);
		free(coded);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_base64_is_decoded),
		cmocka_unit_test(bad_base64_is_refused),
		cmocka_unit_test(what_is_encoded_is_decoded_again),
		cmocka_unit_test(each_octet_outside_the_alphabet_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
