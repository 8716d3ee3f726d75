#include "popbridge/store/uid_merge.h"

#include <stdbool.h>

#include "popbridge/base/mem.h"

enum pb_status
pb_uids_union(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b,
    uint32_t **out, size_t *n)
{
	uint32_t *uids = pb_alloc((n_a + n_b) * sizeof(*uids) + 1);
	size_t i = 0;
	size_t k = 0;

	*out = uids;
	*n = 0;
	if (uids == NULL)
		return PB_ENOMEM;
	while (i < n_a || k < n_b) {
		bool from_a = k == n_b || (i < n_a && a[i] <= b[k]);
		uint32_t uid = from_a ? a[i++] : b[k];

		if (k < n_b && b[k] == uid)
			k++;
		uids[(*n)++] = uid;
	}
	return PB_OK;
}

size_t
pb_uids_without(uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	size_t left = 0;
	size_t k = 0;
	size_t i;

	for (i = 0; i < n_a; i++) {
		while (k < n_b && b[k] < a[i])
			k++;
		if (k == n_b || b[k] != a[i])
			a[left++] = a[i];
	}
	return left;
}
