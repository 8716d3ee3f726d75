#include <netinet/in.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <string.h>

#include "discovery_priv.h"
#include "popbridge/net/discovery.h"

/* More servers than anybody has for one domain; the rest are not looked at. */
#define RECORDS_MAX 32

/* RFC 2782: priority, weight and port, then the target. */
#define SRV_FIXED 6

struct record {
	unsigned priority;
	unsigned weight;
	struct pb_url url;
};

struct records {
	struct record at[RECORDS_MAX];
	size_t n;
};

/* A number below n, the next one of a seed (the constants are Knuth's). */
static uint32_t
draw(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*seed >> 33) % n;
}

bool
pb_discovery_url(const char *name, unsigned port, struct pb_url *url)
{
	char text[PB_URL_TEXT_SIZE];
	char why[PB_URL_REASON_SIZE];
	int n;

	/* What would be something else in a URL is in no host name. */
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	    "WXYZ0123456789-.") != strlen(name))
		return false;
	n = snprintf(text, sizeof(text), "imaps://%s:%u", name, port);
	return n > 0 && (size_t)n < sizeof(text) &&
	    pb_url_parse_upstream(pb_slice_str(text), url, why) == PB_OK &&
	    url->kind == PB_URL_NAME;
}

/* PB_OK also for a record that is passed over. */
static enum pb_status
take_record(const ns_msg *msg, const ns_rr *rr, enum pb_url_tls tls,
    struct records *records)
{
	const unsigned char *data = ns_rr_rdata(*rr);
	char target[NS_MAXDNAME];
	struct record *r = &records->at[records->n];
	int used;

	if (ns_rr_class(*rr) != ns_c_in || ns_rr_type(*rr) != ns_t_srv)
		return PB_OK;
	if (ns_rr_rdlen(*rr) <= SRV_FIXED)
		return PB_EPROTO;
	used = ns_name_uncompress(ns_msg_base(*msg), ns_msg_end(*msg),
	    data + SRV_FIXED, target, sizeof(target));
	if (used != ns_rr_rdlen(*rr) - SRV_FIXED)
		return PB_EPROTO;
	r->priority = ns_get16(data);
	r->weight = ns_get16(data + 2);
	/* The root as a target is no host name either: no server. */
	if (!pb_discovery_url(target, ns_get16(data + 4), &r->url))
		return PB_OK;
	r->url.tls = tls;
	records->n++;
	return PB_OK;
}

static enum pb_status
take_answer(struct pb_slice answer, enum pb_url_tls tls,
    struct records *records)
{
	enum pb_status st = PB_OK;
	ns_msg msg;
	ns_rr rr;
	int i;

	if (answer.len > NS_MAXMSG || ns_initparse(
	    (const unsigned char *)answer.data, (int)answer.len, &msg) != 0)
		return PB_EPROTO;
	if (ns_msg_getflag(msg, ns_f_qr) == 0 ||
	    ns_msg_getflag(msg, ns_f_tc) != 0)
		return PB_EPROTO;
	if (ns_msg_getflag(msg, ns_f_rcode) == ns_r_nxdomain)
		return PB_OK;
	if (ns_msg_getflag(msg, ns_f_rcode) != ns_r_noerror)
		return PB_EPROTO;
	for (i = 0; st == PB_OK && i < ns_msg_count(msg, ns_s_an) &&
	    records->n < RECORDS_MAX; i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr) != 0)
			return PB_EPROTO;
		st = take_record(&msg, &rr, tls, records);
	}
	return st;
}

/* All shares of a priority together fit into 32 bits. */
static uint32_t
share_of(const struct record *r)
{
	return 256 * r->weight + 1;
}

/*
 * The next one to try of those that are left (RFC 2782): of the lowest
 * priority, each as likely as its weight is large, and those of weight 0 with
 * a very small chance.
 */
static size_t
choose(const struct records *r, uint64_t *seed)
{
	unsigned lowest = UINT16_MAX;
	uint32_t total = 0;
	size_t chosen = 0;
	uint32_t at;
	size_t i;

	for (i = 0; i < r->n; i++) {
		if (r->at[i].priority < lowest)
			lowest = r->at[i].priority;
	}
	for (i = 0; i < r->n; i++) {
		if (r->at[i].priority == lowest)
			total += share_of(&r->at[i]);
	}
	at = draw(seed, total);
	for (i = 0; i < r->n; i++) {
		if (r->at[i].priority != lowest)
			continue;
		chosen = i;
		if (at < share_of(&r->at[i]))
			break;
		at -= share_of(&r->at[i]);
	}
	return chosen;
}

enum pb_status
pb_discovery_parse(struct pb_slice answer, enum pb_url_tls tls, uint32_t seed,
    struct pb_discovery *found)
{
	struct records records = { .n = 0 };
	uint64_t state = seed;
	enum pb_status st = take_answer(answer, tls, &records);

	memset(found, 0, sizeof(*found));
	if (st != PB_OK)
		return st;
	/* Seeds that are close together part here. */
	(void)draw(&state, 1);
	while (records.n > 0 && found->n < PB_DISCOVERY_MAX) {
		size_t i = choose(&records, &state);

		found->url[found->n++] = records.at[i].url;
		records.at[i] = records.at[--records.n];
	}
	return found->n > 0 ? PB_OK : PB_EOF;
}
