#include "popbridge/base/fingerprint.h"

#include <string.h>

/* The state has no size in the header unless its functions are in it. */
#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH64_state_t) == sizeof(struct pb_fingerprint),
    "the state is kept in the struct");

static XXH64_state_t
state_of(const struct pb_fingerprint *f)
{
	XXH64_state_t state;

	memcpy(&state, f, sizeof(state));
	return state;
}

void
pb_fingerprint_init(struct pb_fingerprint *f)
{
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	memcpy(f, &state, sizeof(*f));
}

void
pb_fingerprint_add(struct pb_fingerprint *f, struct pb_slice octets)
{
	XXH64_state_t state = state_of(f);

	if (octets.len == 0)
		return;
	XXH64_update(&state, octets.data, octets.len);
	memcpy(f, &state, sizeof(*f));
}

uint64_t
pb_fingerprint_value(const struct pb_fingerprint *f)
{
	XXH64_state_t state = state_of(f);

	return XXH64_digest(&state);
}
