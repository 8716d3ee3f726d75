#include "support/name_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "support/dns.h"

static struct {
	int udp;
	int tcp;
	int stop[2];
	pthread_t thread;
	sem_t came;		/* once for each question */
	/* While it is asked nobody looks at it. */
	struct pbt_name_server seen;
} server;

static void
two_servers(struct pbt_dns *d)
{
	pbt_dns_srv(d, 20, 0, 993, "second.two.example");
	pbt_dns_srv(d, 10, 0, 1993, "first.two.example");
}

static void
answer_with(struct pbt_dns *d, const char *name, bool tcp)
{
	unsigned n;

	if (strcmp(name, "_imaps._tcp.both.example") == 0)
		pbt_dns_srv(d, 0, 0, 993, "tls.both.example");
	else if (strcmp(name, "_imap._tcp.both.example") == 0)
		pbt_dns_srv(d, 0, 0, 143, "starttls.both.example");
	else if (strcmp(name, "_imaps._tcp.two.example") == 0)
		two_servers(d);
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
		pbt_dns_srv_raw(d, 993, pb_slice_str("\77a"));
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
	if (server.seen.questions < 4)
		strcpy(server.seen.asked[server.seen.questions], name);
	server.seen.questions++;
	pb_check(sem_post(&server.came) == 0);
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
	pb_check(bind(server.udp, (struct sockaddr *)&a, len) == 0);
	pb_check(getsockname(server.udp, (struct sockaddr *)&a, &len) == 0);
	server.seen.port = ntohs(a.sin_port);
	if (bind(server.tcp, (struct sockaddr *)&a, len) == 0 &&
	    listen(server.tcp, 5) == 0)
		return true;
	close(server.udp);
	close(server.tcp);
	return false;
}

struct pbt_name_server *
pbt_name_server_start(void)
{
	memset(&server, 0, sizeof(server));
	while (!bind_both())
		continue;
	pb_check(sem_init(&server.came, 0, 0) == 0);
	pb_check(pipe(server.stop) == 0);
	pb_check(pthread_create(&server.thread, NULL, serve, NULL) == 0);
	return &server.seen;
}

void
pbt_name_server_wait(void)
{
	while (sem_wait(&server.came) != 0)
		continue;
}

void
pbt_name_server_end(void)
{
	if (server.stop[1] < 0)
		return;
	close(server.stop[1]);
	server.stop[1] = -1;
	pb_check(pthread_join(server.thread, NULL) == 0);
	close(server.udp);
	close(server.tcp);
	close(server.stop[0]);
}

void
pbt_name_server_stop(void)
{
	pbt_name_server_end();
	pb_check(sem_destroy(&server.came) == 0);
}
