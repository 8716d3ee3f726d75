#ifndef PB_BRIDGE_UIDL_H
#define PB_BRIDGE_UIDL_H

#include <stdint.h>

/*
 * UIDLs (RFC 1939, section 7): 1 to 70 characters from 0x21 to 0x7E that
 * name a message for ever.  They are for life: what this writes must never
 * change for a message that a client has seen.
 */

#define PB_UIDL_SIZE 71

/*
 * Dovecot's default form: UID, then UIDVALIDITY, eight lower-case hex digits
 * each, so that a site that moves from Dovecot's POP3 keeps its UIDLs.
 */
void pb_uidl_write(uint32_t uid, uint32_t uidvalidity, char out[PB_UIDL_SIZE]);

#endif
