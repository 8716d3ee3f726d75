#ifndef PB_NET_SESSION_H
#define PB_NET_SESSION_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "popbridge/service/limits.h"

/*
 * One POP3 client at the edge: its stream, the upstream it is served from, and
 * the bridge between the two.  A session owns itself: it frees itself when its
 * handles are closed, and tells its worker.
 */

struct pb_worker;
struct pb_worker_entry;
struct pb_session;

/* A client at the door. */
struct pb_session_guest {
	int fd;			/* connected */
	size_t listener;	/* its number in the configuration */
	uint8_t address[16];	/* of who connects; IPv4 as ::ffff:192.0.2.1 */
	uint16_t port;
	struct pb_limits_visit visit;
};

/*
 * Serve a client.  `entry` is the worker's place for it, handed back to
 * pb_worker_session_gone at the end; descriptor and visit become the
 * session's.  NULL: no memory, the guest is still the caller's.
 */
struct pb_session *pb_session_serve(struct pb_worker *worker,
				    const struct pb_session_guest *guest,
				    struct pb_worker_entry *entry);

/* Ids are never used twice; the worker's number is in the upper 16 bits. */
uint64_t pb_session_id(const struct pb_session *s);

/* Finish the command or commit under way, then end. */
void pb_session_drain(struct pb_session *s);
/*
 * It is in another one's way: end, if its client has left what was sent to it
 * unconfirmed for as long as it may be silent.  The kernel tries for longer.
 */
void pb_session_doubt(struct pb_session *s);
/* End; a commit under way is finished. */
void pb_session_stop(struct pb_session *s, const char *reason);
/* About how many octets its end gives back; 0: it must not end now. */
size_t pb_session_weight(const struct pb_session *s);
/* End now for the memory that it holds, unless it must not end. */
void pb_session_shed(struct pb_session *s);
/* End now, whatever is under way: the process must go. */
void pb_session_abort(struct pb_session *s, const char *reason);

#endif
