#ifndef PBT_LIMITS_FIXTURE_H
#define PBT_LIMITS_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "popbridge/service/limits.h"
#include "support/test.h"

/* Limits of a test's own, whose hash hides nothing, and short addresses. */

#define S UINT64_C(1000)
#define MINUTE (60 * S)

/* No secret, but it shows what it was given. */
static inline bool
digest(void *ctx, const struct pb_slice *parts, size_t n,
    uint8_t out[PB_LIMITS_DIGEST])
{
	char text[PB_LIMITS_DIGEST + 1] = "";
	size_t at = 0;
	size_t i;

	if (ctx != NULL)
		return false;
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s/",
		    (int)parts[i].len, parts[i].data);
	memcpy(out, text, PB_LIMITS_DIGEST);
	return true;
}

static const struct pb_limits_hash visible = { .digest = digest };

static inline int
start(void **state)
{
	*state = pb_limits_new(&visible);
	return *state != NULL ? 0 : -1;
}

static inline int
stop(void **state)
{
	struct pb_limits *limits = *state;

	pb_limits_free(&limits);
	return limits == NULL ? 0 : -1;
}

static inline struct pb_limits_network
ipv4(uint32_t number)
{
	uint8_t octets[4];

	memcpy(octets, &number, sizeof(octets));
	return pb_limits_ipv4(octets);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
