/*
 * A TCP relay on loopback that is as far from the server as one wants.
 *
 *	delay --to 127.0.0.1:1143 [--ms 25] [--port 0]
 *
 * Its first line of output is {"port": N}.  Every octet is held back for
 * --ms (25) in each direction, however many there are: the bandwidth is not
 * limited.  SIGUSR1 prints a line of JSON with what has passed since the last
 * one; SIGTERM and SIGINT print it and end the relay.
 *
 * connect() to the relay returns at once, which it would not over such a
 * link.  The round trip is charged to the first octets instead: what the
 * client sends is looked at one round trip after the connection came, and the
 * server sees the connection half a round trip later.  So a greeting comes
 * two round trips after connect() was called, as it does on a real link.
 *
 * Counted are octets in each direction, IMAP commands (lines with a tag; in
 * clear only), and turns: how often the client sent something after the
 * server had, which is the number of round trips after the greeting.  With
 * --ms 0 the relay only counts.
 */

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

static _Noreturn void
usage(void)
{
	fputs("usage: delay --to ADDRESS:PORT [--ms N] [--port PORT]\n",
	    stderr);
	exit(64);
}

static unsigned long
number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n > max)
		usage();
	return n;
}

static struct sockaddr_in
address(char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char *colon = strchr(text, ':');

	if (colon == NULL)
		usage();
	*colon = '\0';
	a.sin_port = htons((uint16_t)number(colon + 1, UINT16_MAX));
	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		usage();
	return a;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "ms", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	struct relay r = { .stop = false };
	unsigned long ms = 25;
	unsigned long port = 0;
	int which;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == 't')
			r.to = address(optarg);
		else if (which == 'm')
			ms = number(optarg, 60000);
		else if (which == 'p')
			port = number(optarg, UINT16_MAX);
		else
			usage();
	}
	if (optind != argc || r.to.sin_port == 0)
		usage();
	printf("{\"port\": %u}\n", relay_start(&r, ms, (uint16_t)port));
	fflush(stdout);
	relay_run(&r);
	relay_fini(&r);
	return 0;
}
