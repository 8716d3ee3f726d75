#ifndef PBT_PROXY_HEADER_TRACE_H
#define PBT_PROXY_HEADER_TRACE_H

#include <arpa/inet.h>
#include <stdlib.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"
#include "popbridge/net/proxy_header.h"
#include "support/support.h"

/*
 * What pb_proxy_header_take makes of a connection's octets as they come: the
 * header or what is wrong with it, and what stands behind it.
 */

struct pbt_proxy_header {
	struct pb_buffer in;
	bool done;
};

static inline void *
pbt_proxy_header_start(struct pb_buffer *trace)
{
	struct pbt_proxy_header *p = pb_xalloc(sizeof(*p));

	(void)trace;
	pb_buffer_init(&p->in, SIZE_MAX);
	return p;
}

static inline void
pbt_say_end(struct pb_buffer *trace, const uint8_t address[16], uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	pb_check(inet_ntop(AF_INET6, address, text, sizeof(text)) != NULL);
	pbt_say(trace, " %s %u", text, (unsigned)port);
}

static inline void
pbt_say_header(struct pb_buffer *trace, const struct pb_proxy_header *h)
{
	if (h->local) {
		pb_check(!h->tls && h->authority.len == 0);
		pbt_say(trace, "local\n");
		return;
	}
	pbt_say(trace, "from");
	pbt_say_end(trace, h->source, h->source_port);
	pbt_say(trace, " to");
	pbt_say_end(trace, h->destination, h->destination_port);
	if (h->tls)
		pbt_say(trace, " tls %s", h->tls_version);
	if (h->authority.len > 0) {
		pbt_say(trace, " for ");
		pbt_put_clean(trace, h->authority);
	}
	pbt_say(trace, "\n");
}

static inline void
pbt_proxy_header_feed(void *machine, struct pb_slice piece,
    struct pb_buffer *trace)
{
	struct pbt_proxy_header *p = machine;
	struct pb_proxy_header header;
	const char *why = NULL;
	struct pb_slice all;
	struct pb_slice in;
	enum pb_status st;
	char *exact;

	pbt_put(&p->in, piece);
	if (p->done)
		return;
	exact = pbt_exact(pb_buffer_slice(&p->in));
	all = in = pb_slice(exact, p->in.len);
	st = pb_proxy_header_take(&in, &header, &why);
	pb_check(st == PB_OK || st == PB_AGAIN || st == PB_EPROTO);
	p->done = st != PB_AGAIN;
	if (st != PB_OK)
		pb_check(in.data == all.data && in.len == all.len);
	if (st == PB_AGAIN)
		pb_check(all.len < PB_PROXY_HEADER_MAX);
	if (st == PB_EPROTO)
		pbt_say(trace, "wrong: %s\n", why);
	if (st == PB_OK)
		pbt_say_header(trace, &header);
	pb_buffer_consume(&p->in, all.len - in.len);
	free(exact);
}

static inline void
pbt_proxy_header_stop(void *machine, struct pb_buffer *trace)
{
	struct pbt_proxy_header *p = machine;

	pbt_say(trace, p->done ? "then " : "open ");
	pbt_put_clean(trace, pb_buffer_slice(&p->in));
	pbt_say(trace, "\n");
	pb_buffer_fini(&p->in);
	pb_free(p);
}

static const struct pbt_machine pbt_proxy_header = {
	.start = pbt_proxy_header_start,
	.feed = pbt_proxy_header_feed,
	.stop = pbt_proxy_header_stop,
};

#endif
