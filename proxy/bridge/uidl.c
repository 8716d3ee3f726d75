#include "popbridge/bridge/uidl.h"

/* A listing has one for each message: printf would be most of its cost. */
static void
write_hex(char to[8], uint32_t n)
{
	static const char hex[] = "0123456789abcdef";
	int i;

	for (i = 0; i < 8; i++)
		to[i] = hex[n >> (28 - 4 * i) & 15];
}

void
pb_uidl_write(uint32_t uid, uint32_t uidvalidity, char out[PB_UIDL_SIZE])
{
	write_hex(out, uid);
	write_hex(out + 8, uidvalidity);
	out[16] = '\0';
}
