#include "fuzz.h"

#include "popbridge/base/check.h"
#include "popbridge/sasl/server.h"

/*
 * A client answers the challenges of a mechanism: the first octet decides which
 * one, each line of the rest is a response.
 */

static void
check_field(const struct pb_secret *field, size_t max)
{
	struct pb_slice value = pb_secret_reveal(field);

	pb_check(value.len <= max);
	pb_check(pb_slice_find(value, '\r') == value.len);
	pb_check(pb_slice_find(value, '\n') == value.len);
	pb_check(pb_slice_find(value, '\0') == value.len);
}

static void
check_result(const struct pb_sasl_server *s, enum pb_status st)
{
	size_t user = pb_secret_reveal(&s->user).len;
	size_t password = pb_secret_reveal(&s->password).len;

	check_field(&s->user, PB_SASL_NAME_MAX);
	check_field(&s->authzid, PB_SASL_NAME_MAX);
	check_field(&s->password, SIZE_MAX);
	if (st == PB_OK)
		pb_check(user > 0 && password > 0);
	else
		pb_check(password == 0);
	if (st != PB_OK && st != PB_AGAIN)
		pb_check(user == 0 && s->step == PB_SASL_DONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	enum pb_status st = PB_AGAIN;
	struct pb_slice challenge;

	if (size < 1)
		return 0;
	pb_slice_skip(&in, 1);
	pb_sasl_server_start(&s, data[0] % PB_SASL_MECHANISMS,
	    "abcdefghijklmnopqrstuvwx");
	if (data[0] >= 128)
		st = pb_sasl_server_step(&s, NULL, &challenge);
	while (st == PB_AGAIN && in.len > 0) {
		size_t end = pb_slice_find(in, '\n');
		struct pb_slice line = pb_slice_sub(in, 0, end);

		st = pb_sasl_server_step(&s, &line, &challenge);
		check_result(&s, st);
		pb_slice_skip(&in, end < in.len ? end + 1 : end);
	}
	pb_sasl_server_clear(&s);
	return 0;
}
