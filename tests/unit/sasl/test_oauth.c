#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/pop3/session.h"
#include "popbridge/sasl/base64.h"
#include "popbridge/sasl/server.h"

#define LIT(l) { l, sizeof(l) - 1 }
#define TOKEN "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg=="
/* RFC 6750 does not have them all; servers send them. */
#define ODD_TOKEN "EwB4A8l6!*$&~'()-._/+=:;<>?@[]^`{|}"

static enum pb_status
step(struct pb_sasl_server *s, struct pb_slice message)
{
	char *coded = malloc(PB_BASE64_CODED(message.len));
	struct pb_slice challenge;
	struct pb_slice in;
	enum pb_status st;

	assert_non_null(coded);
	in = pb_slice(coded, pb_base64_encode(message, coded));
	st = pb_sasl_server_step(s, &in, &challenge);
	assert_int_equal(challenge.len, 0);
	free(coded);
	return st;
}

static void
must_be_empty(const struct pb_sasl_server *s)
{
	assert_null(s->user.priv_data);
	assert_null(s->password.priv_data);
	assert_null(s->authzid.priv_data);
}

struct row {
	struct pb_slice message;
	enum pb_status want;
	const char *user, *token;
};

static void
check_rows(const struct row *rows, size_t n, enum pb_sasl_mechanism m)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t i;

	for (i = 0; i < 2 * n; i++) {
		const struct row *row = &rows[i / 2];
		struct pb_slice challenge;

		print_message("row %zu of %zu\n", i / 2 + 1, n);
		pb_sasl_server_start(&s, m, NULL);
		assert_int_equal(s.proof, PB_SASL_PROOF_TOKEN);
		if (i % 2 == 0) {
			assert_int_equal(pb_sasl_server_step(&s, NULL,
			    &challenge), PB_AGAIN);
			assert_int_equal(challenge.len, 0);
		}
		assert_int_equal(step(&s, row->message), row->want);
		if (row->want == PB_OK) {
			ASSERT_OCTETS(pb_secret_reveal(&s.user),
			    pb_slice_str(row->user));
			ASSERT_OCTETS(pb_secret_reveal(&s.password),
			    pb_slice_str(row->token));
			assert_null(s.authzid.priv_data);
		} else {
			must_be_empty(&s);
		}
		assert_int_equal(s.step, PB_SASL_DONE);
	}
	pb_sasl_server_clear(&s);
	must_be_empty(&s);
}

static void
xoauth2_messages(void **state)
{
	static const struct row rows[] = {
		/* as Google and Microsoft show it */
		{ LIT("user=someuser@example.com\1auth=Bearer " TOKEN "\1\1"),
		    PB_OK, "someuser@example.com", TOKEN },
		{ LIT("user=max\1auth=bearer " ODD_TOKEN "\1\1"), PB_OK,
		    "max", ODD_TOKEN },
		{ LIT("user=m,a=x\xc3\xbc\1auth=Bearer x\1\1"), PB_OK,
		    "m,a=x\xc3\xbc", "x" },
		{ LIT("auth=Bearer x\1user=max\1\1"), PB_OK, "max", "x" },
		{ LIT("user=max\1new=\xff" "thing\1auth=Bearer x\1\1"), PB_OK,
		    "max", "x" },
		{ LIT(""), PB_EPROTO, NULL, NULL },
		{ LIT("\1"), PB_EPROTO, NULL, NULL },
		{ LIT("\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer x\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer x"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer x\1\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer x\1\1a=b\1"), PB_EPROTO, NULL,
		    NULL },
		{ LIT("user=max\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer \1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Basic eDp5\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer x y\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1auth=Bearer \xe4\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("user=max\1user=max\1auth=Bearer x\1\1"), PB_EPROTO, NULL,
		    NULL },
		{ LIT("user=max\1auth=Bearer x\1auth=Bearer x\1\1"), PB_EPROTO,
		    NULL, NULL },
		{ LIT("user=max\1=\1auth=Bearer x\1\1"), PB_EPROTO, NULL,
		    NULL },
		{ LIT("user=max\1x\1auth=Bearer x\1\1"), PB_EPROTO, NULL,
		    NULL },
		{ LIT("user=m\0x\1auth=Bearer x\1\1"), PB_EINVAL, NULL, NULL },
		{ LIT("user=m\r\nx\1auth=Bearer x\1\1"), PB_EINVAL, NULL,
		    NULL },
		{ LIT("user=m\x7fx\1auth=Bearer x\1\1"), PB_EINVAL, NULL,
		    NULL },
		{ LIT("user=max\1auth=Bearer x\0y\1\1"), PB_EINVAL, NULL,
		    NULL },
		{ LIT("user=max\1auth=Bearer x\r\n\1\1"), PB_EINVAL, NULL,
		    NULL },
		{ LIT("user=max\1auth=Bearer x\x1fy\1\1"), PB_EINVAL, NULL,
		    NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows), PB_SASL_XOAUTH2);
}

static void
oauthbearer_messages(void **state)
{
	static const struct row rows[] = {
		/* RFC 7628, section 4.1 */
		{ LIT("n,a=user@example.com,\1host=server.example.com\1"
		    "port=143\1auth=Bearer " TOKEN "\1\1"), PB_OK,
		    "user@example.com", TOKEN },
		{ LIT("y,a=max,\1auth=Bearer x\1\1"), PB_OK, "max", "x" },
		{ LIT("n,a=m=2Ca=3Dx,\1auth=Bearer " ODD_TOKEN "\1\1"), PB_OK,
		    "m,a=x", ODD_TOKEN },
		{ LIT("n,a=max,\1user=boss\1auth=Bearer x\1\1"), PB_OK, "max",
		    "x" },
		{ LIT(""), PB_EPROTO, NULL, NULL },
		{ LIT("\1"), PB_EPROTO, NULL, NULL },	/* the dummy of 3.2.3 */
		{ LIT("n,,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,b=max,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("p=tls-unique,a=max,\1auth=Bearer x\1\1"), PB_EPROTO,
		    NULL, NULL },
		{ LIT("F,n,a=max,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,\1auth=Bearer x\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=max,\1auth=Bearer \1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=m=x,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=m=,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=m=3,\1auth=Bearer x\1\1"), PB_EPROTO, NULL, NULL },
		{ LIT("n,a=m\1x,\1auth=Bearer x\1\1"), PB_EINVAL, NULL, NULL },
		{ LIT("n,a=m\0x,\1auth=Bearer x\1\1"), PB_EINVAL, NULL, NULL },
		{ LIT("n,a=max,\1auth=Bearer x\n\1\1"), PB_EINVAL, NULL, NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows), PB_SASL_OAUTHBEARER);
}

/* "user=xxx<SEP>auth=Bearer xxx", of these lengths. */
static enum pb_status
try_lengths(size_t user, size_t token)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct pb_buffer b;
	enum pb_status st;
	size_t i;

	pb_buffer_init(&b, 65536);
	pbt_say(&b, "user=");
	for (i = 0; i < user; i++)
		pbt_say(&b, "u");
	pbt_say(&b, "\1auth=Bearer ");
	for (i = 0; i < token; i++)
		pbt_say(&b, "t");
	pbt_say(&b, "\1\1");
	pb_sasl_server_start(&s, PB_SASL_XOAUTH2, NULL);
	st = step(&s, pb_buffer_slice(&b));
	if (st == PB_OK)
		assert_int_equal(pb_secret_reveal(&s.password).len, token);
	pb_sasl_server_clear(&s);
	pb_buffer_fini(&b);
	return st;
}

static void
a_name_has_its_limit_and_a_token_that_of_the_response(void **state)
{
	(void)state;
	assert_int_equal(try_lengths(PB_SASL_NAME_MAX, 1), PB_OK);
	assert_int_equal(try_lengths(PB_SASL_NAME_MAX + 1, 1), PB_ETOOBIG);
	assert_int_equal(try_lengths(3, PB_POP3_RESPONSE_MAX / 4 * 3 - 30),
	    PB_OK);
}

static void
a_name_is_measured_without_its_escapes(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t len;

	(void)state;
	for (len = PB_SASL_NAME_MAX; len <= PB_SASL_NAME_MAX + 1; len++) {
		struct pb_buffer b;
		size_t i;

		pb_buffer_init(&b, 65536);
		pbt_say(&b, "n,a=");
		for (i = 0; i < len; i++)
			pbt_say(&b, "=2C");
		pbt_say(&b, ",\1auth=Bearer x\1\1");
		pb_sasl_server_start(&s, PB_SASL_OAUTHBEARER, NULL);
		assert_int_equal(step(&s, pb_buffer_slice(&b)),
		    len <= PB_SASL_NAME_MAX ? PB_OK : PB_ETOOBIG);
		pb_buffer_fini(&b);
	}
	must_be_empty(&s);
}

static void
must_refuse(enum pb_sasl_mechanism m, const char *want)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct pb_slice challenge;
	char text[PB_SASL_CODED_SIZE];
	size_t len;

	pb_sasl_server_start(&s, m, NULL);
	pb_sasl_server_clear(&s);
	assert_true(pb_sasl_server_refuse(&s, &challenge));
	assert_int_equal(pb_base64_decode(challenge, text, &len), PB_OK);
	ASSERT_OCTETS(pb_slice(text, len), pb_slice_str(want));
}

static void
a_refusal_says_why_in_json(void **state)
{
	(void)state;
	must_refuse(PB_SASL_XOAUTH2,
	    "{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"\"}");
	must_refuse(PB_SASL_OAUTHBEARER, "{\"status\":\"invalid_token\"}");
}

static void
no_memory_ends_the_exchange(void **state)
{
	static const struct {
		enum pb_sasl_mechanism mechanism;
		struct pb_slice message;
	} rows[] = {
		{ PB_SASL_XOAUTH2, LIT("user=max\1auth=Bearer x\1\1") },
		{ PB_SASL_OAUTHBEARER,
		    LIT("n,a=max,\1auth=Bearer x\1\1") },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		enum pb_status st = PB_ENOMEM;
		unsigned long n;

		for (n = 1; st == PB_ENOMEM; n++) {
			pb_sasl_server_start(&s, rows[i].mechanism, NULL);
			pb_mem_fail_from(n);
			st = step(&s, rows[i].message);
			pb_mem_fail_from(0);
			if (st != PB_OK)
				must_be_empty(&s);
		}
		assert_int_equal(st, PB_OK);
		assert_int_equal(n - 2, 3);
	}
	pb_sasl_server_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xoauth2_messages),
		cmocka_unit_test(oauthbearer_messages),
		cmocka_unit_test(
		    a_name_has_its_limit_and_a_token_that_of_the_response),
		cmocka_unit_test(a_name_is_measured_without_its_escapes),
		cmocka_unit_test(a_refusal_says_why_in_json),
		cmocka_unit_test(no_memory_ends_the_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
