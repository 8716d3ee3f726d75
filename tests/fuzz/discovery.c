#include "fuzz.h"

#include "popbridge/base/check.h"
#include "popbridge/net/discovery.h"

/* The answer of a name server: the first octet is the seed, the rest it. */

static void
check_url(const struct pb_url *url)
{
	char text[PB_URL_TEXT_SIZE];
	char why[PB_URL_REASON_SIZE];
	struct pb_url again;

	pb_check(url->kind == PB_URL_NAME && url->port > 0);
	pb_check(url->tls == PB_URL_TLS_UPGRADE);
	pb_url_format(url, text);
	pb_check(pb_url_parse_upstream(pb_slice_str(text), &again, why) ==
	    PB_OK);
	pb_check(pb_url_equal(url, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_discovery found;
	enum pb_status st;
	size_t i;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	st = pb_discovery_parse(in, PB_URL_TLS_UPGRADE, data[0], &found);
	pb_check(st == PB_OK || st == PB_EOF || st == PB_EPROTO);
	pb_check((st == PB_OK) == (found.n > 0));
	pb_check(found.n <= PB_DISCOVERY_MAX);
	for (i = 0; i < found.n; i++)
		check_url(&found.url[i]);
	return 0;
}
