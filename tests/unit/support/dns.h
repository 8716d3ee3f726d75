#ifndef PBT_DNS_H
#define PBT_DNS_H

#include <stdint.h>

#include "support/support.h"

/* DNS answers, made by hand (RFC 1035, section 4). */

#define PBT_DNS_RESPONSE 0x8180	/* to a question that asked for recursion */
#define PBT_DNS_TRUNCATED 0x0200
#define PBT_DNS_SERVFAIL 2
#define PBT_DNS_NXDOMAIN 3

struct pbt_dns {
	struct pb_buffer octets;
	unsigned answers;	/* which the header does not know of, yet */
};

/* A header and the question for the SRV records of `name`. */
void pbt_dns_start(struct pbt_dns *d, unsigned id, unsigned flags,
		   const char *name);
void pbt_dns_stop(struct pbt_dns *d);
/* Whole labels, no compression; "" is the root. */
void pbt_dns_name(struct pbt_dns *d, const char *name);
void pbt_dns_16(struct pbt_dns *d, unsigned value);
/*
 * The front of a record for the question's name: what follows is its data, of
 * `len` octets.  Type and class as numbers.
 */
void pbt_dns_record(struct pbt_dns *d, unsigned type, unsigned class_,
		    size_t len);
void pbt_dns_srv(struct pbt_dns *d, unsigned priority, unsigned weight,
		 unsigned port, const char *target);
/* An SRV record whose target is these octets. */
void pbt_dns_srv_raw(struct pbt_dns *d, unsigned port, struct pb_slice target);
/* With the number of answers in the header; valid until the next call. */
struct pb_slice pbt_dns_answer(struct pbt_dns *d);

#endif
