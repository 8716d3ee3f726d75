#include "popbridge/base/secret.h"

#include "popbridge/base/mem.h"

void
pb_secret_clear(struct pb_secret *s)
{
	pb_wipe(s->priv_data, s->priv_len);
	pb_free(s->priv_data);
	s->priv_data = NULL;
	s->priv_len = 0;
}

enum pb_status
pb_secret_set(struct pb_secret *s, struct pb_slice value)
{
	char *data = pb_alloc(value.len + 1);

	pb_secret_clear(s);
	if (data == NULL)
		return PB_ENOMEM;
	if (value.len > 0)
		memcpy(data, value.data, value.len);
	s->priv_data = data;
	s->priv_len = value.len;
	return PB_OK;
}

void
pb_secret_move(struct pb_secret *to, struct pb_secret *from)
{
	pb_secret_clear(to);
	*to = *from;
	*from = (struct pb_secret){ NULL, 0 };
}

struct pb_slice
pb_secret_reveal(const struct pb_secret *s)
{
	return pb_slice(s->priv_data != NULL ? s->priv_data : "", s->priv_len);
}
