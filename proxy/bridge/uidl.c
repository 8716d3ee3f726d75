#include "popbridge/bridge/uidl.h"

#include <inttypes.h>
#include <stdio.h>

void
pb_uidl_write(uint32_t uid, uint32_t uidvalidity, char out[PB_UIDL_SIZE])
{
	snprintf(out, PB_UIDL_SIZE, "%08" PRIx32 "%08" PRIx32, uid,
	    uidvalidity);
}
