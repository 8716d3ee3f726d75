#include "support/test.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/imap/mailbox_name.h"

/* From memory of just the size, into memory of just the size. */
static enum pb_status
encode(struct pb_slice utf8, char *out, size_t size)
{
	char *exact = pbt_exact(utf8);
	char *room = malloc(size > 0 ? size : 1);
	enum pb_status st;

	assert_non_null(room);
	st = pb_imap_mailbox_encode(pb_slice(exact, utf8.len), room, size);
	if (st == PB_OK) {
		assert_true(strlen(room) < size);
		memcpy(out, room, strlen(room) + 1);
	}
	free(room);
	free(exact);
	return st;
}

static void
names_in_utf8_become_modified_utf7(void **state)
{
	static const struct {
		const char *utf8;
		const char *want;
	} rows[] = {
		{ "INBOX", "INBOX" },
		{ "Deleted Items", "Deleted Items" },
		{ "a\"b\\c~{}", "a\"b\\c~{}" },
		/* RFC 3501, section 5.1.3 */
		{ "~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e",
		    "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
		{ "&", "&-" },
		{ "R&D", "R&-D" },
		{ "&Jjo-", "&-Jjo-" },
		{ "Gel\u00f6scht", "Gel&APY-scht" },
		{ "Entw\u00fcrfe", "Entw&APw-rfe" },
		{ "\u00fc&\u00fc", "&APw-&-&APw-" },
		{ "\u041a\u043e\u0440\u0437\u0438\u043d\u0430",
		    "&BBoEPgRABDcEOAQ9BDA-" },
		{ "\U0001f5d1", "&2D3d0Q-" },
		{ "\xc2\x80", "&AIA-" },
		{ "\u07ff\u0800\uffff\U00010000\U0010ffff",
		    "&B,8IAP,,2ADcANv,3,8-" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char got[100];

		ROW(rows, i);
		assert_int_equal(encode(pb_slice_str(rows[i].utf8), got,
		    sizeof(got)), PB_OK);
		assert_string_equal(got, rows[i].want);
	}
}

static void
what_is_no_name_in_utf8_is_refused(void **state)
{
	const struct pb_slice rows[] = {
		OCTETS(""),
		OCTETS("a\rb"),
		OCTETS("a\nb"),
		OCTETS("a\0b"),
		OCTETS("\0"),
		OCTETS("a\tb"),
		OCTETS("a\x1b[0m"),
		OCTETS("a\x7f"),
		OCTETS("\x80"),
		OCTETS("\xbf"),
		OCTETS("a\xc3"),
		OCTETS("\xe2\x82"),
		OCTETS("\xf0\x9f\x97"),
		OCTETS("\xc3 "),
		OCTETS("\xe2\x82x"),
		OCTETS("\xc0\xaf"),
		OCTETS("\xc1\xbf"),
		OCTETS("\xe0\x80\xaf"),
		OCTETS("\xe0\x9f\xbf"),
		OCTETS("\xf0\x80\x80\xaf"),
		OCTETS("\xf0\x8f\xbf\xbf"),
		OCTETS("\xed\xa0\x80"),
		OCTETS("\xed\xbf\xbf"),
		OCTETS("\xf4\x90\x80\x80"),
		OCTETS("\xf5\x80\x80\x80"),
		OCTETS("\xff"),
		OCTETS("Gel\xf6scht"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char got[100];

		ROW(rows, i);
		assert_int_equal(encode(rows[i], got, sizeof(got)),
		    PB_EINVAL);
	}
}

static void
what_does_not_fit_is_too_big(void **state)
{
	static const char *const names[] = { "Trash", "R&D", "\u00fc",
		"x\u53f0\u5317", "\U0001f5d1!" };
	char whole[100], got[100];
	size_t i, size;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		struct pb_slice name = pb_slice_str(names[i]);

		ROW(names, i);
		assert_int_equal(encode(name, whole, sizeof(whole)), PB_OK);
		for (size = 0; size <= strlen(whole); size++)
			assert_int_equal(encode(name, got, size), PB_ETOOBIG);
		assert_int_equal(encode(name, got, size), PB_OK);
		assert_string_equal(got, whole);
	}
}

static size_t
random_name(struct pbt_random *random, char *name)
{
	/* Of each length, and what the encoding has a word for. */
	static const char *const parts[] = { "a", "/", "&", "-", ",", " ",
		"\u00e4", "\u0416", "\u53f0", "\u20ac", "\U0001f5d1",
		"\U00010000", "\U0010ffff", "\ud7ff", "\ue000" };
	size_t n = 1 + pbt_random_below(random, 40);
	size_t len = 0;

	for (; n > 0; n--) {
		const char *part = parts[pbt_random_below(random,
		    COUNT(parts))];

		memcpy(name + len, part, strlen(part));
		len += strlen(part);
	}
	return len;
}

static void
names_are_encoded_as_the_c_library_encodes_them(void **state)
{
	iconv_t conversion = iconv_open("UTF-7-IMAP", "UTF-8");
	struct pbt_random random;
	unsigned round;

	(void)state;
	assert_true(conversion != (iconv_t)-1);
	pbt_random_init(&random);
	for (round = 0; round < 5000; round++) {
		char name[200], want[1000], got[1000];
		char *in = name, *out = want;
		size_t in_left = random_name(&random, name);
		size_t out_left = sizeof(want);

		assert_int_equal(encode(pb_slice(name, in_left), got,
		    sizeof(got)), PB_OK);
		assert_true(iconv(conversion, &in, &in_left, &out,
		    &out_left) != (size_t)-1);
		assert_true(iconv(conversion, NULL, NULL, &out, &out_left) !=
		    (size_t)-1);
		ASSERT_OCTETS(pb_slice_str(got), pb_slice(want,
		    sizeof(want) - out_left));
	}
	iconv_close(conversion);
}

static void
inbox_is_one_mailbox_in_any_case_and_no_other_is(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool want;
	} rows[] = {
		{ "INBOX", "inbox", true },
		{ "InBox", "INBOX", true },
		{ "INBOX", "INBOX ", false },
		{ "INBOX", "", false },
		{ "INBOX/a", "inbox/a", false },
		{ "Trash", "Trash", true },
		{ "Trash", "trash", false },
		{ "Trash", "Trash/", false },
		{ "", "", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_slice a = pb_slice_str(rows[i].a);
		struct pb_slice b = pb_slice_str(rows[i].b);

		ROW(rows, i);
		assert_int_equal(pb_imap_mailbox_same(a, b), rows[i].want);
		assert_int_equal(pb_imap_mailbox_same(b, a), rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_utf8_become_modified_utf7),
		cmocka_unit_test(what_is_no_name_in_utf8_is_refused),
		cmocka_unit_test(what_does_not_fit_is_too_big),
		cmocka_unit_test(
		    names_are_encoded_as_the_c_library_encodes_them),
		cmocka_unit_test(
		    inbox_is_one_mailbox_in_any_case_and_no_other_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
