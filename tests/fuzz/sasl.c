#include "fuzz.h"

#include <string.h>

#include "popbridge/base/check.h"
#include "popbridge/sasl/base64.h"
#include "popbridge/sasl/server.h"

/*
 * A client answers the challenges of a mechanism: the first octet decides which
 * one, each line of the rest is a response.  Keys that are asked for are there.
 * A line that begins with "!" is the proof of a SCRAM message that is right
 * otherwise, which no fuzzer could find out, because it repeats a nonce.
 */

static bool
is_collected(const struct pb_sasl_server *s)
{
	size_t user = pb_secret_reveal(&s->user).len;
	size_t password = pb_secret_reveal(&s->password).len;

	switch (s->proof) {
	case PB_SASL_PROOF_PASSWORD:
	case PB_SASL_PROOF_TOKEN:
		return user > 0 && password > 0;
	case PB_SASL_PROOF_CRAM_MD5:
		return user > 0 && password == 32 && s->challenge[0] == '<';
	case PB_SASL_PROOF_SCRAM:
		return user > 0 && password == 0;
	case PB_SASL_PROOF_EXTERNAL:
		return user == 0 && password == 0;
	}
	return false;
}

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
	check_field(&s->user, PB_SASL_NAME_MAX);
	check_field(&s->authzid, PB_SASL_NAME_MAX);
	check_field(&s->password, SIZE_MAX);
	if (st == PB_OK)
		pb_check(is_collected(s));
	else
		pb_check(pb_secret_reveal(&s->password).len == 0);
	if (st == PB_OK || st == PB_AGAIN)
		return;
	pb_check(s->step == PB_SASL_DONE && s->scram == NULL);
	pb_check(st == PB_EOF ? s->proof == PB_SASL_PROOF_SCRAM
			      : pb_secret_reveal(&s->user).len == 0);
}

/* A challenge is one line of base64, and short. */
static void
check_challenge(struct pb_slice challenge)
{
	char text[PB_SASL_CODED_SIZE];
	size_t len;

	pb_check(challenge.len < PB_SASL_CODED_SIZE);
	pb_check(pb_base64_decode(challenge, text, &len) == PB_OK);
}

static enum pb_status
give_keys(struct pb_sasl_server *s, struct pb_slice *challenge)
{
	static const struct pb_sasl_keys keys = { .iterations = 4096,
		.salt = { 1, 2, 3, 4, 5, 6, 7, 8 }, .salt_len = 8 };

	return pb_sasl_server_keys(s, &keys, challenge);
}

/* "c=biws,r=NONCE,p=" and what stands in the line behind "!". */
static enum pb_status
step_with_nonce(struct pb_sasl_server *s, struct pb_slice line,
    struct pb_slice *challenge)
{
	char first[PB_SASL_CODED_SIZE], coded[2048];
	struct pb_buffer b;
	struct pb_slice in;
	enum pb_status st;
	size_t len;

	pb_check(pb_base64_decode(pb_slice_str(s->coded), first, &len) ==
	    PB_OK);
	pb_buffer_init(&b, sizeof(coded) / 2);
	pbt_say(&b, "c=biws,");
	pbt_put(&b, pb_slice(first, pb_slice_find(pb_slice(first, len), ',')));
	pbt_say(&b, ",p=");
	pbt_put(&b, pb_slice_sub(line, 1, line.len < 200 ? line.len : 200));
	in = pb_slice(coded, pb_base64_encode(pb_buffer_slice(&b), coded));
	st = pb_sasl_server_step(s, &in, challenge);
	pb_buffer_fini(&b);
	return st;
}

static enum pb_status
take_line(struct pb_sasl_server *s, struct pb_slice line)
{
	struct pb_slice challenge;
	enum pb_status st;

	if (s->step == PB_SASL_FINAL && line.len > 0 && line.data[0] == '!')
		st = step_with_nonce(s, line, &challenge);
	else
		st = pb_sasl_server_step(s, &line, &challenge);
	check_result(s, st);
	if (st == PB_AGAIN && s->step == PB_SASL_KEYS) {
		pb_check(challenge.len == 0);
		st = give_keys(s, &challenge);
		check_result(s, st);
	}
	check_challenge(challenge);
	return st;
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
	pb_sasl_server_start(&s, (data[0] & 127) % PB_SASL_MECHANISMS,
	    "abcdefghijklmnopqrstuvwx");
	if (data[0] >= 128)
		st = pb_sasl_server_step(&s, NULL, &challenge);
	while (st == PB_AGAIN && in.len > 0) {
		size_t end = pb_slice_find(in, '\n');

		st = take_line(&s, pb_slice_sub(in, 0, end));
		pb_slice_skip(&in, end < in.len ? end + 1 : end);
	}
	if (pb_sasl_server_refuse(&s, &challenge))
		check_challenge(challenge);
	pb_sasl_server_clear(&s);
	return 0;
}
