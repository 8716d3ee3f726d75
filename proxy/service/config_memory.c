#include "config_priv.h"

#include <stdalign.h>

#include "popbridge/base/mem.h"
#include "route_map.h"

/* Each piece apart, so that tools see who reads beyond one. */
struct pb_config_memory {
	struct pb_config_memory *next;
	alignas(max_align_t) char octets[];
};

void *
pb_config_alloc(struct pb_config *config, size_t size)
{
	struct pb_config_memory *piece;

	piece = pb_alloc(sizeof(*piece) + size);
	if (piece == NULL)
		return NULL;
	piece->next = config->priv_memory;
	config->priv_memory = piece;
	return piece->octets;
}

char *
pb_config_text(struct pb_config *config, struct pb_slice text)
{
	char *copy = pb_config_alloc(config, text.len + 1);

	if (copy != NULL && text.len > 0)
		memcpy(copy, text.data, text.len);
	return copy;
}

void *
pb_config_room(struct pb_config *config, const void *array, size_t n,
    size_t size)
{
	void *bigger;

	/* It was made for a power of two. */
	if (n > 0 && (n & (n - 1)) != 0)
		return (void *)(uintptr_t)array;
	bigger = pb_config_alloc(config, (n > 0 ? 2 * n : 1) * size);
	if (bigger != NULL && n > 0)
		memcpy(bigger, array, n * size);
	return bigger;
}

struct pb_config *
pb_config_ref(struct pb_config *config)
{
	atomic_fetch_add_explicit(&config->priv_refs, 1, memory_order_relaxed);
	return config;
}

static void
release(struct pb_config *c)
{
	struct pb_config_memory *piece;
	size_t i;

	for (i = 0; i < c->n_routes; i++)
		pb_route_map_free(&c->route[i].priv_map);
	while ((piece = c->priv_memory) != NULL) {
		c->priv_memory = piece->next;
		pb_free(piece);
	}
	pb_free(c);
}

void
pb_config_unref(struct pb_config **config)
{
	struct pb_config *c = *config;

	*config = NULL;
	if (c != NULL && atomic_fetch_sub_explicit(&c->priv_refs, 1,
	    memory_order_acq_rel) == 1)
		release(c);
}
