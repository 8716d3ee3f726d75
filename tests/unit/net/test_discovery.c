#include "support/test.h"

#include <stdio.h>

#include "popbridge/base/mem.h"
#include "popbridge/net/discovery.h"
#include "support/name_server.h"

static struct pbt_name_server *server;

static int
start_server(void **state)
{
	(void)state;
	server = pbt_name_server_start();
	pb_discovery_use("127.0.0.1", server->port);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	pbt_name_server_stop();
	pb_discovery_use(NULL, 0);
	return 0;
}

static void
assert_url(const struct pb_discovery *found, size_t i, const char *want)
{
	char text[PB_URL_TEXT_SIZE];

	assert_true(i < found->n);
	pb_url_format(&found->url[i], text);
	assert_string_equal(text, want);
}

static void
implicit_tls_is_asked_for_first_and_is_enough(void **state)
{
	struct pb_discovery found;
	struct pb_error err;

	(void)state;
	assert_int_equal(pb_discover("both.example", 0, &found, &err), PB_OK);
	assert_int_equal(found.n, 1);
	assert_url(&found, 0, "imaps://tls.both.example:993");
	pbt_name_server_end();
	assert_int_equal(server->questions, 1);
	assert_string_equal(server->asked[0], "_imaps._tcp.both.example");
}

static void
without_it_starttls_is_asked_for(void **state)
{
	static const char *const domains[] = { "starttls.example",
		"root.example" };
	struct pb_discovery found;
	struct pb_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(domains); i++) {
		char want[PB_URL_TEXT_SIZE];

		ROW(domains, i);
		assert_int_equal(pb_discover(domains[i], 0, &found, &err),
		    PB_OK);
		assert_int_equal(found.n, 1);
		snprintf(want, sizeof(want), "imap://imap.%s:143",
		    domains[i]);
		assert_url(&found, 0, want);
	}
}

static void
no_imap_is_told_from_no_answer(void **state)
{
	static const struct {
		const char *domain;
		enum pb_status st;
		const char *said;
	} rows[] = {
		{ "nx.example", PB_EOF, "the domain nx.example offers no IM" },
		{ "empty.example", PB_EOF, "_imap._tcp.empty.example" },
		{ "none.example", PB_EOF, "none.example offers no IMAP" },
		{ "ill.example", PB_EIO, "the name servers do not answer for "
		    "the SRV records of _imaps._tcp.ill.example: " },
		{ "mute.example", PB_EIO, "the name servers do not answer" },
		{ "broken.example", PB_EIO, "the name servers do not answer" },
	};
	struct pb_discovery found;
	struct pb_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(pb_discover(rows[i].domain, 0, &found,
		    &err), rows[i].st);
		assert_int_equal(found.n, 0);
		assert_int_equal(err.kind, rows[i].st == PB_EOF
		    ? PB_ERROR_PERMANENT : PB_ERROR_TEMPORARY);
		if (strstr(err.text, rows[i].said) == NULL)
			fail_msg("\"%s\"", err.text);
	}
}

static void
an_answer_that_is_too_long_for_udp_comes_by_tcp(void **state)
{
	struct pb_discovery found;
	struct pb_error err;

	(void)state;
	assert_int_equal(pb_discover("long.example", 0, &found, &err), PB_OK);
	assert_int_equal(found.n, PB_DISCOVERY_MAX);
	assert_url(&found, 0, "imaps://imap.long.example:993");
}

/* One letter more than a label can have. */
#define LABEL64 \
	"a23456789-123456789-123456789-123456789-123456789-123456789-1234"

static void
for_what_is_no_domain_nobody_is_asked(void **state)
{
	static const char *const domains[] = { "", ".", "a..b", ".a", "a.",
		"a b", "a/b", "a:1", "a@b", "[::1]", "127.0.0.1", "a.1",
		"_imap._tcp.a", "m\303\244x.example", "a\r\nb", "a\\.b", "*",
		LABEL64 ".example" };
	char label[64];
	char name[PB_URL_HOST_MAX + 1];
	struct pb_discovery found;
	struct pb_error err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(domains); i++) {
		ROW(domains, i);
		assert_int_equal(pb_discover(domains[i], 0, &found, &err),
		    PB_EOF);
		assert_int_equal(found.n, 0);
		assert_int_equal(err.kind, PB_ERROR_PERMANENT);
	}
	/* A domain as long as there are, and no room for what is before it. */
	memset(label, 'a', 63);
	label[63] = '\0';
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label,
	    label);
	assert_int_equal(strlen(name), PB_URL_HOST_MAX);
	assert_int_equal(pb_discover(name, 0, &found, &err), PB_EOF);
	pbt_name_server_end();
	assert_int_equal(server->questions, 0);
}

static void
without_memory_nobody_is_asked(void **state)
{
	struct pb_discovery found;
	struct pb_error err;
	enum pb_status st;

	(void)state;
	pb_mem_fail_from(1);
	st = pb_discover("both.example", 0, &found, &err);
	pb_mem_fail_from(0);
	assert_int_equal(st, PB_ENOMEM);
	assert_int_equal(err.kind, PB_ERROR_INTERNAL);
	assert_int_equal(found.n, 0);
}

#define with_server(test) \
	cmocka_unit_test_setup_teardown(test, start_server, stop_server)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(implicit_tls_is_asked_for_first_and_is_enough),
		with_server(without_it_starttls_is_asked_for),
		with_server(no_imap_is_told_from_no_answer),
		with_server(an_answer_that_is_too_long_for_udp_comes_by_tcp),
		with_server(for_what_is_no_domain_nobody_is_asked),
		with_server(without_memory_nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
