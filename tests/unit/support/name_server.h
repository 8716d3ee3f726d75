#ifndef PBT_NAME_SERVER_H
#define PBT_NAME_SERVER_H

#include <stdint.h>

/*
 * A name server on the loopback, in a thread, that knows a few domains; one at
 * a time.  Point the resolver at its port by pb_discovery_use.
 *
 *	both.example      IMAP with TLS from the first octet, and with STARTTLS
 *	two.example       two servers: first.two.example is to be tried first
 *	starttls.example  STARTTLS only
 *	root.example      the same; the other one is denied by a "."
 *	none.example      denied both times
 *	long.example      an answer that only TCP has room for
 *	broken.example    an answer that is malformed
 *	nx.example        no such domain
 *	ill.example       the server has failed
 *	mute.example      no answer
 *
 * Others have no records.
 */
struct pbt_name_server {
	uint16_t port;
	/* After _end or _stop; nobody may look before. */
	unsigned questions;
	char asked[4][300];
};

struct pbt_name_server *pbt_name_server_start(void);
/* Wait until one more question has come. */
void pbt_name_server_wait(void);
/* No answers from now on; what was asked stays. */
void pbt_name_server_end(void);
/* Ends it if need be. */
void pbt_name_server_stop(void);

#endif
