#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/service/url.h"

#define NAME63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"
#define NAME64 NAME63 "x"
/* 253 letters, as long as a name can be. */
#define NAME253 NAME63 "." NAME63 "." NAME63 "." \
	"a23456789-123456789-123456789-123456789-123456789-123456789-1"

typedef enum pb_status parse_fn(struct pb_slice text, struct pb_url *url,
    char why[PB_URL_REASON_SIZE]);

static enum pb_status
parse_guarded(parse_fn *parse, struct pb_slice text, struct pb_url *url,
    char why[PB_URL_REASON_SIZE])
{
	struct pbt_guarded g;
	enum pb_status st;

	pbt_guard(&g, text);
	st = parse(g.octets, url, why);
	pbt_unguard(&g);
	return st;
}

static const struct good {
	const char *text;
	enum pb_url_service service;
	enum pb_url_tls tls;
	enum pb_url_host_kind kind;
	const char *host;
	uint16_t port;
	const char *formatted;
} goods[] = {
	{ "imaps://imap.example.com", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_NAME, "imap.example.com", 993,
	    "imaps://imap.example.com:993" },
	{ "imap://imap.example.com", PB_URL_IMAP, PB_URL_TLS_UPGRADE,
	    PB_URL_NAME, "imap.example.com", 143,
	    "imap://imap.example.com:143" },
	{ "imap+plain://localhost", PB_URL_IMAP, PB_URL_TLS_NONE,
	    PB_URL_NAME, "localhost", 143, "imap+plain://localhost:143" },
	{ "imaps://h:1", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE, PB_URL_NAME, "h",
	    1, "imaps://h:1" },
	{ "imaps://h:65535", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE, PB_URL_NAME,
	    "h", 65535, "imaps://h:65535" },
	{ "IMAPS://IMAP.Example.COM:993", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_NAME, "imap.example.com", 993,
	    "imaps://imap.example.com:993" },
	{ "Imap+Plain://[::1]", PB_URL_IMAP, PB_URL_TLS_NONE, PB_URL_IPV6,
	    "::1", 143, "imap+plain://[::1]:143" },
	{ "imaps://192.0.2.1", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE, PB_URL_IPV4,
	    "192.0.2.1", 993, "imaps://192.0.2.1:993" },
	{ "imaps://[2001:DB8::1]:1993", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_IPV6, "2001:db8::1", 1993, "imaps://[2001:db8::1]:1993" },
	{ "imaps://[2001:db8:0:0:0:0:0:1]", PB_URL_IMAP,
	    PB_URL_TLS_IMMEDIATE, PB_URL_IPV6, "2001:db8::1", 993,
	    "imaps://[2001:db8::1]:993" },
	{ "imaps://[::ffff:192.0.2.1]", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_IPV6, "::ffff:192.0.2.1", 993,
	    "imaps://[::ffff:192.0.2.1]:993" },
	{ "imaps://[1111:2222:3333:4444:5555:6666:7777:8888]", PB_URL_IMAP,
	    PB_URL_TLS_IMMEDIATE, PB_URL_IPV6,
	    "1111:2222:3333:4444:5555:6666:7777:8888", 993,
	    "imaps://[1111:2222:3333:4444:5555:6666:7777:8888]:993" },
	{ "imaps://mail_1.xn--bcher-kva.example", PB_URL_IMAP,
	    PB_URL_TLS_IMMEDIATE, PB_URL_NAME, "mail_1.xn--bcher-kva.example",
	    993, "imaps://mail_1.xn--bcher-kva.example:993" },
	{ "imaps://1.2.3.4.example", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_NAME, "1.2.3.4.example", 993,
	    "imaps://1.2.3.4.example:993" },
	{ "imaps://" NAME63 ".example", PB_URL_IMAP, PB_URL_TLS_IMMEDIATE,
	    PB_URL_NAME, NAME63 ".example", 993,
	    "imaps://" NAME63 ".example:993" },
	{ "imap+plain://" NAME253 ":65535", PB_URL_IMAP, PB_URL_TLS_NONE,
	    PB_URL_NAME, NAME253, 65535, "imap+plain://" NAME253 ":65535" },
	{ "pop3s://0.0.0.0", PB_URL_POP3, PB_URL_TLS_IMMEDIATE, PB_URL_IPV4,
	    "0.0.0.0", 995, "pop3s://0.0.0.0:995" },
	{ "pop3://[::]", PB_URL_POP3, PB_URL_TLS_UPGRADE, PB_URL_IPV6, "::",
	    110, "pop3://[::]:110" },
	{ "pop3+plain://127.0.0.1:1110", PB_URL_POP3, PB_URL_TLS_NONE,
	    PB_URL_IPV4, "127.0.0.1", 1110, "pop3+plain://127.0.0.1:1110" },
	{ "pop3+plain://127.0.0.1", PB_URL_POP3, PB_URL_TLS_NONE, PB_URL_IPV4,
	    "127.0.0.1", 110, "pop3+plain://127.0.0.1:110" },
	{ "pop3+plain://127.0.0.1:0", PB_URL_POP3, PB_URL_TLS_NONE,
	    PB_URL_IPV4, "127.0.0.1", 0, "pop3+plain://127.0.0.1:0" },
	{ "POP3S://[::1]:0", PB_URL_POP3, PB_URL_TLS_IMMEDIATE, PB_URL_IPV6,
	    "::1", 0, "pop3s://[::1]:0" },
};

static parse_fn *
parser_of(enum pb_url_service service)
{
	return service == PB_URL_POP3 ? pb_url_parse_listener
				      : pb_url_parse_upstream;
}

static void
a_good_url_gives_its_parts(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(goods); i++) {
		const struct good *g = &goods[i];
		char why[PB_URL_REASON_SIZE] = "";
		struct pb_url url;

		ROW(goods, i);
		memset(&url, 0xff, sizeof(url));
		assert_int_equal(parse_guarded(parser_of(g->service),
		    pb_slice_str(g->text), &url, why), PB_OK);
		assert_int_equal(url.service, g->service);
		assert_int_equal(url.tls, g->tls);
		assert_int_equal(url.kind, g->kind);
		assert_string_equal(url.host, g->host);
		assert_int_equal(url.port, g->port);
	}
}

static void
what_is_formatted_can_be_parsed_again(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(goods); i++) {
		const struct good *g = &goods[i];
		char why[PB_URL_REASON_SIZE];
		char text[PB_URL_TEXT_SIZE];
		struct pb_url url;
		struct pb_url again;

		ROW(goods, i);
		assert_int_equal(parser_of(g->service)(pb_slice_str(g->text),
		    &url, why), PB_OK);
		pb_url_format(&url, text);
		assert_string_equal(text, g->formatted);
		assert_int_equal(parser_of(g->service)(pb_slice_str(text),
		    &again, why), PB_OK);
		assert_true(pb_url_equal(&url, &again));
		assert_int_equal(url.kind, again.kind);
	}
}

#define BAD(text, why) { pb_url_parse_upstream, OCTETS(text), why }
#define BAD_LISTENER(text, why) { pb_url_parse_listener, OCTETS(text), why }

static void
a_bad_url_is_refused_with_its_reason(void **state)
{
	const struct bad {
		parse_fn *parse;
		struct pb_slice text;
		const char *why;	/* a piece of the reason */
	} bads[] = {
		BAD("", "it is empty"),
		BAD("imap.example.com", "did you mean imaps://imap.example.c"),
		BAD("imap.example.com:993", "did you mean imaps://"),
		BAD("imaps:", "does not begin with imaps://"),
		BAD("imaps:/h", "does not begin with imaps://"),
		BAD("imaps//h", "does not begin with imaps://"),
		BAD("://h", ":// is not known here"),
		BAD("https://h", "https:// is not known here: use imaps://"),
		BAD("imapx://h", "imapx:// is not known here"),
		BAD(" imaps://h", "is not known here"),
		BAD("imap+tls://h", "imap+tls:// is not known here"),
		BAD("imap\0s://h", "imap\\x00s:// is not known here"),
		BAD("pop3s://h", "pop3s:// is for a listener, not for the up"),
		BAD("pop3+plain://h", "is for a listener"),
		BAD("imaps://", "there is no host"),
		BAD("imaps://:993", "there is no host"),
		BAD("imaps://h:", "there is no port after the colon"),
		BAD("imaps://[::1]:", "there is no port after the colon"),
		BAD("imaps://h:0", "number from 1 to 65535, not \"0\""),
		BAD("imaps://h:65536", "number from 1 to 65535"),
		BAD("imaps://h:18446744073709551616", "from 1 to 65535"),
		BAD("imaps://h:18446744073709551617", "from 1 to 65535"),
		BAD("imaps://h:-1", "not \"-1\""),
		BAD("imaps://h:+1", "not \"+1\""),
		BAD("imaps://h: 1", "not \" 1\""),
		BAD("imaps://h:1 ", "not \"1 \""),
		BAD("imaps://h:0x1", "not \"0x1\""),
		BAD("imaps://h:imaps", "not \"imaps\""),
		BAD("imaps://h:9\0", "not \"9\\x00\""),
		BAD("imaps://h:1:2", "IPv6 address stands in brackets"),
		BAD("imaps://::1", "IPv6 address stands in brackets"),
		BAD("imaps://2001:db8::1", "IPv6 address stands in brackets"),
		BAD("imaps://[::1", "has no ]"),
		BAD("imaps://[", "has no ]"),
		BAD("imaps://[]", "is not an IPv6 address"),
		BAD("imaps://[::1]x", "comes :PORT or nothing, not \"x\""),
		BAD("imaps://[::1]993", "comes :PORT or nothing"),
		BAD("imaps://[::1]]", "comes :PORT or nothing"),
		BAD("imaps://[h]", "\"h\" in brackets is not an IPv6"),
		BAD("imaps://[127.0.0.1]", "is not an IPv6 address"),
		BAD("imaps://[::g]", "is not an IPv6 address"),
		BAD("imaps://[::1\0]", "is not an IPv6 address"),
		BAD("imaps://[1::2::3]", "is not an IPv6 address"),
		BAD("imaps://[fe80::1%eth0]", "without a zone such as %eth0"),
		BAD("imaps://[1111:2222:3333:4444:5555:6666:7777:8888:9999:0]",
		    "is not an IPv6 address"),
		BAD("imaps://a b", "\" \" does not belong"),
		BAD("imaps://h\t", "\"\\x09\" does not belong"),
		BAD("imaps://h\n", "\"\\x0a\" does not belong"),
		BAD("imaps://h\0", "\"\\x00\" does not belong"),
		BAD("imaps://127.0.0.1\0", "\"\\x00\" does not belong"),
		BAD("imaps://b\xc3\xbc" "cher.example", "xn--"),
		BAD("imaps://*.example.com", "\"*\" does not belong"),
		BAD("imaps://h%41", "\"%\" does not belong"),
		BAD("imaps://.", "begins or ends with a dot"),
		BAD("imaps://h.", "begins or ends with a dot"),
		BAD("imaps://.h", "begins or ends with a dot"),
		BAD("imaps://a..b", "two in a row"),
		BAD("imaps://" NAME64, "longer than the 63 letters"),
		BAD("imaps://" NAME64 ".example", "longer than the 63"),
		BAD("imaps://" NAME253 "x", "longer than the 253 letters"),
		BAD("imaps://127.1", "must be a whole IPv4 address"),
		BAD("imaps://2130706433", "must be a whole IPv4 address"),
		BAD("imaps://192.0.2.256", "must be a whole IPv4 address"),
		BAD("imaps://192.0.2.1.5", "must be a whole IPv4 address"),
		BAD("imaps://0x7f000001", "must be a whole IPv4 address"),
		BAD("imaps://0x7f.0.0.0x1", "must be a whole IPv4 address"),
		BAD("imaps://h/", "remove \"/\""),
		BAD("imaps://h/INBOX", "remove \"/INBOX\""),
		BAD("imaps://h:993/INBOX", "remove \"/INBOX\""),
		BAD("imaps://h?x=1", "remove \"?x=1\""),
		BAD("imaps://h#f", "remove \"#f\""),
		BAD("imaps:///", "remove \"/\""),
		BAD("imaps://max@h", "user name has no place"),
		BAD("max@h", "user name has no place"),
		BAD("imaps://h@", "user name has no place"),
		BAD_LISTENER("", "it is empty: use pop3s://"),
		BAD_LISTENER("127.0.0.1:110", "did you mean pop3s://127.0.0."),
		BAD_LISTENER("imaps://127.0.0.1", "imaps:// is for the upstr"),
		BAD_LISTENER("imap+plain://[::1]", "is for the upstream"),
		BAD_LISTENER("pop3s://localhost", "an address, not a name"),
		BAD_LISTENER("pop3s://*", "does not belong into a host name"),
		BAD_LISTENER("pop3s://:995", "there is no host"),
		BAD_LISTENER("pop3s://127.0.0.1:65536", "from 0 to 65535"),
		BAD_LISTENER("pop3s://::", "IPv6 address stands in brackets"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bads); i++) {
		char why[PB_URL_REASON_SIZE] = "";
		struct pb_url url;
		struct pb_url before;

		ROW(bads, i);
		memset(&url, 0x5a, sizeof(url));
		memset(&before, 0x5a, sizeof(before));
		assert_int_equal(parse_guarded(bads[i].parse, bads[i].text,
		    &url, why), PB_EINVAL);
		assert_memory_equal(&url, &before, sizeof(url));
		if (strstr(why, bads[i].why) == NULL)
			print_error("\"%s\" is not in \"%s\"\n", bads[i].why,
			    why);
		assert_non_null(strstr(why, bads[i].why));
	}
}

static void
a_reason_is_printable_and_fits_whatever_the_text(void **state)
{
	static const char *const starts[] = { "", "imaps://", "pop3s://",
		"imaps://h:", "imaps://[", "imaps://[::1]", "imaps://h/",
		"x://", "imaps://127.0.0." };
	struct pbt_random r;
	unsigned round;

	(void)state;
	pbt_random_init(&r);
	for (round = 0; round < 20000; round++) {
		const char *start = starts[pbt_random_below(&r, COUNT(starts))];
		char text[600];
		size_t len = strlen(start);
		size_t more = pbt_random_below(&r, round % 4 == 0 ? 500 : 12);
		char why[PB_URL_REASON_SIZE];
		struct pb_url url;
		size_t i;

		memcpy(text, start, len);
		for (i = 0; i < more; i++)
			text[len++] = (char)pbt_random_below(&r, 256);
		memset(why, 'x', sizeof(why));
		if (parse_guarded(round % 2 == 0 ? pb_url_parse_upstream
		    : pb_url_parse_listener, pb_slice(text, len), &url, why) ==
		    PB_OK)
			continue;
		assert_true(strnlen(why, sizeof(why)) < sizeof(why));
		for (i = 0; why[i] != '\0'; i++)
			assert_in_range(why[i], ' ', '~');
	}
}

static void
a_password_in_a_url_is_not_repeated(void **state)
{
	static const char *const texts[] = {
		"imaps://max:geheim@imap.example.com",
		"imaps://max:geheim@imap.example.com:993/INBOX",
		"imapx://max:geheim@imap.example.com",
		"pop3s://max:geheim@127.0.0.1",
		"max:geheim@imap.example.com",
		"imaps://max:gehe/im:geheim@[::1]",
		"imaps://[geheim@h",
	};
	char why[PB_URL_REASON_SIZE];
	struct pb_url url;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		ROW(texts, i);
		assert_int_equal(pb_url_parse_upstream(pb_slice_str(texts[i]),
		    &url, why), PB_EINVAL);
		assert_null(strstr(why, "geheim"));
		assert_int_equal(pb_url_parse_listener(pb_slice_str(texts[i]),
		    &url, why), PB_EINVAL);
		assert_null(strstr(why, "geheim"));
	}
}

static struct pb_url
upstream(const char *text)
{
	char why[PB_URL_REASON_SIZE];
	struct pb_url url;

	assert_int_equal(pb_url_parse_upstream(pb_slice_str(text), &url, why),
	    PB_OK);
	return url;
}

static void
loopback_is_what_cannot_leave_the_machine(void **state)
{
	const struct {
		const char *text;
		bool loopback;
	} rows[] = {
		{ "imaps://localhost", true },
		{ "imaps://LOCALHOST", true },
		{ "imaps://127.0.0.1", true },
		{ "imaps://127.255.255.254", true },
		{ "imaps://[::1]", true },
		{ "imaps://[0:0:0:0:0:0:0:1]", true },
		{ "imaps://localhost.example.com", false },
		{ "imaps://127.example.com", false },
		{ "imaps://128.0.0.1", false },
		{ "imaps://12.7.0.1", false },
		{ "imaps://0.0.0.0", false },
		{ "imaps://[::]", false },
		{ "imaps://[::2]", false },
		{ "imaps://[1::1]", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_url url = upstream(rows[i].text);

		ROW(rows, i);
		assert_int_equal(pb_url_is_loopback(&url), rows[i].loopback);
	}
}

static void
urls_are_equal_when_every_part_is(void **state)
{
	static const char *const texts[] = { "imaps://h:1", "imaps://h:2",
		"imap://h:1", "imap+plain://h:1", "imaps://g:1",
		"imaps://[::1]:1", "imaps://127.0.0.1:1" };
	size_t i;
	size_t k;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		for (k = 0; k < COUNT(texts); k++) {
			struct pb_url a = upstream(texts[i]);
			struct pb_url b = upstream(texts[k]);

			assert_int_equal(pb_url_equal(&a, &b), i == k);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_url_gives_its_parts),
		cmocka_unit_test(what_is_formatted_can_be_parsed_again),
		cmocka_unit_test(a_bad_url_is_refused_with_its_reason),
		cmocka_unit_test(
		    a_reason_is_printable_and_fits_whatever_the_text),
		cmocka_unit_test(a_password_in_a_url_is_not_repeated),
		cmocka_unit_test(loopback_is_what_cannot_leave_the_machine),
		cmocka_unit_test(urls_are_equal_when_every_part_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
