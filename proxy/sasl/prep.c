#include "popbridge/sasl/prep.h"

#include <gsasl.h>

#include "popbridge/base/mem.h"

enum pb_status
pb_sasl_prep(struct pb_slice password, struct pb_secret *prepared)
{
	struct pb_secret copy = { .priv_data = NULL };
	enum pb_status st = PB_EINVAL;
	char *out = NULL;
	int result;

	pb_secret_clear(prepared);
	if (password.len == 0 || pb_slice_find(password, '\0') < password.len)
		return PB_EINVAL;
	if (pb_secret_set(&copy, password) != PB_OK)
		return PB_ENOMEM;
	result = gsasl_saslprep(pb_secret_reveal(&copy).data, 0, &out, NULL);
	if (result == GSASL_MALLOC_ERROR)
		st = PB_ENOMEM;
	else if (result == GSASL_OK && out[0] != '\0')
		st = pb_secret_set(prepared, pb_slice_str(out));
	if (out != NULL)
		pb_wipe(out, strlen(out));
	gsasl_free(out);
	pb_secret_clear(&copy);
	return st;
}
