#include "popbridge/net/discovery.h"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "discovery_priv.h"

/* What a name server can say at most, by TCP. */
#define ANSWER_MAX NS_MAXMSG

/* Under which names a domain tells of IMAP (RFC 6186, section 3.2). */
static const struct service {
	const char *name;
	enum pb_url_tls tls;
} services[] = {
	/* TLS from the first octet is preferred (RFC 8314, section 3). */
	{ "_imaps._tcp", PB_URL_TLS_IMMEDIATE },
	{ "_imap._tcp", PB_URL_TLS_UPGRADE },
};

/* For tests: the only name server to ask; of family 0 when there is none. */
static struct sockaddr_in only_server;

void
pb_discovery_use(const char *address, uint16_t port)
{
	memset(&only_server, 0, sizeof(only_server));
	if (address == NULL)
		return;
	only_server.sin_family = AF_INET;
	only_server.sin_port = htons(port);
	pb_check(inet_pton(AF_INET, address, &only_server.sin_addr) == 1);
}

static bool
start_resolver(struct __res_state *resolver)
{
	memset(resolver, 0, sizeof(*resolver));
	if (res_ninit(resolver) != 0)
		return false;
	if (only_server.sin_family != 0) {
		resolver->nscount = 1;
		resolver->nsaddr_list[0] = only_server;
		resolver->retrans = 1;
		resolver->retry = 1;
	}
	return true;
}

static enum pb_status
no_answer(const char *name, const char *why, struct pb_error *err)
{
	pb_error_set(err, PB_ERROR_TEMPORARY, PB_SCOPE_ACCOUNT,
	    "the name servers do not answer for the SRV records of %s: %s",
	    name, why);
	return PB_EIO;
}

static enum pb_status
ask(struct __res_state *resolver, const struct service *service,
    const char *domain, uint32_t seed, unsigned char *answer,
    struct pb_discovery *found, struct pb_error *err)
{
	char name[PB_URL_TEXT_SIZE];
	enum pb_status st;
	int n;

	snprintf(name, sizeof(name), "%s.%s", service->name, domain);
	/* There is no such name; the resolver would not tell that apart. */
	if (strlen(name) > PB_URL_HOST_MAX)
		return PB_EOF;
	n = res_nquery(resolver, name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
	if (n < 0 && (resolver->res_h_errno == HOST_NOT_FOUND ||
	    resolver->res_h_errno == NO_DATA))
		return PB_EOF;
	if (n < 0)
		return no_answer(name, hstrerror(resolver->res_h_errno), err);
	if (n > ANSWER_MAX)
		return no_answer(name, "the answer is too long", err);
	st = pb_discovery_parse(pb_slice((char *)answer, (size_t)n),
	    service->tls, seed, found);
	if (st == PB_EPROTO)
		return no_answer(name, "the answer is malformed", err);
	return st;
}

/* Unless there is an answer already, ask for the next service. */
static enum pb_status
ask_all(const char *domain, uint32_t seed, unsigned char *answer,
    struct pb_discovery *found, struct pb_error *err)
{
	struct __res_state resolver;
	enum pb_status st = PB_EOF;
	size_t i;

	if (!start_resolver(&resolver))
		return no_answer(domain, "the resolver can not be set up", err);
	for (i = 0; st == PB_EOF && i < sizeof(services) /
	    sizeof(services[0]); i++)
		st = ask(&resolver, &services[i], domain, seed, answer, found,
		    err);
	res_nclose(&resolver);
	return st;
}

enum pb_status
pb_discover(const char *domain, uint32_t seed, struct pb_discovery *found,
    struct pb_error *err)
{
	unsigned char *answer;
	struct pb_url url;
	enum pb_status st;

	memset(found, 0, sizeof(*found));
	if (!pb_discovery_url(domain, 1, &url)) {
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "\"%s\" is no domain that could have a mail server",
		    domain);
		return PB_EOF;
	}
	answer = pb_alloc(ANSWER_MAX);
	if (answer == NULL) {
		pb_error_set(err, PB_ERROR_INTERNAL, PB_SCOPE_ACCOUNT,
		    "no memory to ask for the mail server of %s", domain);
		return PB_ENOMEM;
	}
	st = ask_all(domain, seed, answer, found, err);
	pb_free(answer);
	if (st == PB_EOF)
		pb_error_set(err, PB_ERROR_PERMANENT, PB_SCOPE_ACCOUNT,
		    "the domain %s offers no IMAP: it has no usable SRV record "
		    "_imaps._tcp.%s or _imap._tcp.%s", domain, domain, domain);
	return st;
}
