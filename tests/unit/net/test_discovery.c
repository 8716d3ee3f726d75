#include "support/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "popbridge/base/mem.h"
#include "popbridge/net/discovery.h"
#include "support/dns.h"

/* A name server, in a thread, that knows a few domains. */

static struct {
	int udp;
	int tcp;
	int stop[2];
	uint16_t port;
	pthread_t thread;
	/* While it is asked nobody looks at these. */
	unsigned questions;
	char asked[4][300];
} server;

static void
answer_with(struct pbt_dns *d, const char *name, bool tcp)
{
	unsigned n;

	if (strcmp(name, "_imaps._tcp.both.example") == 0)
		pbt_dns_srv(d, 0, 0, 993, "tls.both.example");
	else if (strcmp(name, "_imap._tcp.both.example") == 0)
		pbt_dns_srv(d, 0, 0, 143, "starttls.both.example");
	else if (strcmp(name, "_imap._tcp.starttls.example") == 0)
		pbt_dns_srv(d, 0, 0, 143, "imap.starttls.example");
	else if (strcmp(name, "_imaps._tcp.root.example") == 0)
		pbt_dns_srv(d, 0, 0, 0, "");
	else if (strcmp(name, "_imap._tcp.root.example") == 0)
		pbt_dns_srv(d, 0, 0, 143, "imap.root.example");
	else if (strcmp(name, "_imaps._tcp.none.example") == 0 ||
	    strcmp(name, "_imap._tcp.none.example") == 0)
		pbt_dns_srv(d, 0, 0, 0, "");
	else if (strcmp(name, "_imaps._tcp.broken.example") == 0)
		pbt_dns_srv_raw(d, 993, OCTETS("\77a"));
	else if (strcmp(name, "_imaps._tcp.long.example") == 0 && tcp)
		for (n = 0; n < 1000; n++)
			pbt_dns_srv(d, n, 0, 993, "imap.long.example");
}

static unsigned
flags_for(const char *name, bool tcp)
{
	if (strstr(name, ".nx.example") != NULL)
		return PBT_DNS_RESPONSE | PBT_DNS_NXDOMAIN;
	if (strstr(name, ".ill.example") != NULL)
		return PBT_DNS_RESPONSE | PBT_DNS_SERVFAIL;
	if (strstr(name, ".long.example") != NULL && !tcp)
		return PBT_DNS_RESPONSE | PBT_DNS_TRUNCATED;
	return PBT_DNS_RESPONSE;
}

/* The question's name, as text. */
static void
read_name(const unsigned char *q, char out[300])
{
	size_t at = 12;
	size_t n = 0;

	while (q[at] != 0) {
		memcpy(out + n, q + at + 1, q[at]);
		n += q[at];
		out[n++] = '.';
		at += q[at] + 1U;
	}
	out[n > 0 ? n - 1 : 0] = '\0';
}

/* False: it is to get no answer. */
static bool
make_answer(struct pbt_dns *d, const unsigned char *q, bool tcp)
{
	char name[300];

	read_name(q, name);
	if (server.questions < 4)
		strcpy(server.asked[server.questions], name);
	server.questions++;
	if (strstr(name, ".mute.example") != NULL)
		return false;
	pbt_dns_start(d, q[0] * 256U + q[1], flags_for(name, tcp), name);
	answer_with(d, name, tcp);
	return true;
}

static void
serve_udp(void)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	unsigned char q[512];
	struct pb_slice answer;
	struct pbt_dns d;

	if (recvfrom(server.udp, q, sizeof(q), 0, (struct sockaddr *)&peer,
	    &len) < 17 || !make_answer(&d, q, false))
		return;
	answer = pbt_dns_answer(&d);
	(void)sendto(server.udp, answer.data, answer.len, 0,
	    (struct sockaddr *)&peer, len);
	pbt_dns_stop(&d);
}

static void
serve_tcp(void)
{
	int fd = accept(server.tcp, NULL, NULL);
	unsigned char q[514];
	unsigned char front[2];
	struct pb_slice answer;
	struct pbt_dns d;

	if (recv(fd, q, 2, MSG_WAITALL) == 2 && recv(fd, q + 2,
	    q[0] * 256U + q[1], MSG_WAITALL) > 17 &&
	    make_answer(&d, q + 2, true)) {
		answer = pbt_dns_answer(&d);
		front[0] = (unsigned char)(answer.len >> 8);
		front[1] = (unsigned char)answer.len;
		(void)send(fd, front, 2, MSG_MORE | MSG_NOSIGNAL);
		(void)send(fd, answer.data, answer.len, MSG_NOSIGNAL);
		pbt_dns_stop(&d);
	}
	close(fd);
}

static void *
serve(void *arg)
{
	struct pollfd fds[] = { { server.udp, POLLIN, 0 },
		{ server.tcp, POLLIN, 0 }, { server.stop[0], POLLIN, 0 } };

	(void)arg;
	while (poll(fds, 3, -1) > 0 && fds[2].revents == 0) {
		if (fds[0].revents != 0)
			serve_udp();
		if (fds[1].revents != 0)
			serve_tcp();
	}
	return NULL;
}

/* The same port for both; another one may have it for one of them. */
static bool
bind_both(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	server.udp = socket(AF_INET, SOCK_DGRAM, 0);
	server.tcp = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.udp, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(server.udp, (struct sockaddr *)&a,
	    &len), 0);
	server.port = ntohs(a.sin_port);
	if (bind(server.tcp, (struct sockaddr *)&a, len) == 0 &&
	    listen(server.tcp, 5) == 0)
		return true;
	close(server.udp);
	close(server.tcp);
	return false;
}

static int
start_server(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	while (!bind_both())
		continue;
	assert_int_equal(pipe(server.stop), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL),
	    0);
	pb_discovery_use("127.0.0.1", server.port);
	return 0;
}

static void
end_thread(void)
{
	if (server.stop[1] < 0)
		return;
	close(server.stop[1]);
	server.stop[1] = -1;
	pthread_join(server.thread, NULL);
	close(server.udp);
	close(server.tcp);
	close(server.stop[0]);
}

static int
stop_server(void **state)
{
	(void)state;
	end_thread();
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
	end_thread();
	assert_int_equal(server.questions, 1);
	assert_string_equal(server.asked[0], "_imaps._tcp.both.example");
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
	end_thread();
	assert_int_equal(server.questions, 0);
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
