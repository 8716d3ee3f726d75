#ifndef PB_NET_DISCOVERY_H
#define PB_NET_DISCOVERY_H

#include <stddef.h>
#include <stdint.h>

#include "popbridge/base/error.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"
#include "popbridge/service/url.h"

/*
 * Which IMAP server is a domain's: SRV records (RFC 6186, names as in RFC
 * 8552), asked for by the C library's resolver and /etc/resolv.conf.
 *
 * What DNS says is not signed: whoever forges it chooses the host.  See
 * pb_tls_client for what the certificate must say then.
 */

/* Each is a connection that may have to time out while a client waits. */
#define PB_DISCOVERY_MAX 8

/* In the order in which they are to be tried: priority, then weight. */
struct pb_discovery {
	struct pb_url url[PB_DISCOVERY_MAX];
	size_t n;
};

/*
 * Ask for _imaps._tcp.DOMAIN and, where that offers nothing, for
 * _imap._tcp.DOMAIN (imap://: with STARTTLS, required).  Blocks for as long as
 * the resolver does, which may be half a minute: not for a loop's thread.
 * From any thread.  `seed` decides between servers of one priority by their
 * weights (RFC 2782); any number will do, but not the same one each time.
 *
 * PB_OK      found->n > 0.
 * PB_EOF     the domain offers no IMAP: there is no such domain or record, or
 *            its target is "."; a domain that is no host name offers none,
 *            and nobody is asked.  *err is PERMANENT.
 * PB_EIO     the name servers do not answer.  *err is TEMPORARY.
 * PB_ENOMEM  *err is INTERNAL.
 */
enum pb_status pb_discover(const char *domain, uint32_t seed,
			   struct pb_discovery *found,
			   struct pb_error *err) PB_MUST_CHECK;

/*
 * One answer of a name server, as it came, into servers that take `tls`.
 * Records whose target is no host name, or whose port is 0, are passed over.
 *
 * PB_OK      found->n > 0.
 * PB_EOF     it has no server.
 * PB_EPROTO  it is no whole and well formed answer; *found is empty.
 */
enum pb_status pb_discovery_parse(struct pb_slice answer, enum pb_url_tls tls,
				  uint32_t seed,
				  struct pb_discovery *found) PB_MUST_CHECK;

/*
 * Tests only: ask the name server at this IPv4 address and port, and wait no
 * longer than a second for it.  NULL: /etc/resolv.conf again.
 */
void pb_discovery_use(const char *address, uint16_t port);

#endif
