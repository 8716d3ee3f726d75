#ifndef PBT_LOGIN_H
#define PBT_LOGIN_H

#include "support/edge.h"

/*
 * Log in at a server whose mailbox has `count` messages with UIDs 10, 20, ...
 * and one octet each; UIDVALIDITY is 17.  What the peers heard is dropped.
 * The client's next tag is A4.
 */
void pbt_login(struct pbt_edge *e, uint32_t count, bool uidplus);
/* The same with these capabilities, a blank before each. */
void pbt_login_with(struct pbt_edge *e, uint32_t count,
		    const char *capabilities);

#endif
