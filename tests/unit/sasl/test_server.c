#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/sasl/server.h"

#define ASK_USER "VXNlcm5hbWU6"
#define ASK_PASSWORD "UGFzc3dvcmQ6"

static enum pb_status
step(struct pb_sasl_server *s, const char *response, const char *challenge)
{
	struct pb_slice in = pb_slice_str(response != NULL ? response : "");
	struct pb_slice got;
	enum pb_status st = pb_sasl_server_step(s,
	    response != NULL ? &in : NULL, &got);

	if (challenge != NULL)
		ASSERT_OCTETS(got, pb_slice_str(challenge));
	return st;
}

static void
must_be_empty(const struct pb_sasl_server *s)
{
	assert_null(s->user.priv_data);
	assert_null(s->password.priv_data);
	assert_null(s->authzid.priv_data);
}

/* For tests: what a client does. */
static char *
code(struct pb_slice in)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = calloc(1, in.len / 3 * 4 + 5);
	size_t at = 0;
	size_t i;

	assert_non_null(out);
	for (i = 0; i < in.len; i += 3) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		unsigned bits = 0;
		size_t k;

		for (k = 0; k < 3; k++)
			bits = bits << 8 |
			    (k < n ? (unsigned char)in.data[i + k] : 0u);
		for (k = 0; k < 4; k++)
			out[at++] = k <= n
			    ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
	}
	return out;
}

static void
names_of_mechanisms_are_found_in_any_case(void **state)
{
	enum pb_sasl_mechanism m;

	(void)state;
	assert_true(pb_sasl_find(OCTETS("PLAIN"), &m));
	assert_int_equal(m, PB_SASL_PLAIN);
	assert_true(pb_sasl_find(OCTETS("login"), &m));
	assert_int_equal(m, PB_SASL_LOGIN);
	assert_false(pb_sasl_find(OCTETS(""), &m));
	assert_false(pb_sasl_find(OCTETS("PLAI"), &m));
	assert_false(pb_sasl_find(OCTETS("PLAINS"), &m));
	assert_false(pb_sasl_find(OCTETS("PLAIN LOGIN"), &m));
}

static void
all_that_is_announced_is_found(void **state)
{
	struct pb_slice names = pb_slice_str(pb_sasl_mechanisms());
	unsigned n = 0;

	(void)state;
	while (names.len > 0) {
		enum pb_sasl_mechanism m;

		assert_true(pb_sasl_find(pb_slice_word(&names), &m));
		assert_int_equal(m, n);
		n++;
	}
	assert_int_equal(n, PB_SASL_MECHANISMS);
}

static void
plain_messages(void **state)
{
	static const struct {
		struct pb_slice message;
		enum pb_status want;
		struct pb_slice authzid, user, password;
	} rows[] = {
#define NO { "", 0 }
#define LIT(l) { l, sizeof(l) - 1 }
		{ LIT("\0max\0geheim"), PB_OK, NO, LIT("max"), LIT("geheim") },
		{ LIT("boss\0max\0x"), PB_OK, LIT("boss"), LIT("max"),
		    LIT("x") },
		{ LIT("max\0max\0x"), PB_OK, LIT("max"), LIT("max"),
		    LIT("x") },
		{ LIT("\0m\xfcller\0\xe4\xff\x80"), PB_OK, NO,
		    LIT("m\xfcller"), LIT("\xe4\xff\x80") },
		{ LIT("\0max\0a\xc2\xad" "b\xe2\x84\xa2"), PB_OK, NO,
		    LIT("max"), LIT("a\xc2\xad" "b\xe2\x84\xa2") },
		{ LIT("\0 a b \0 \t\x7f\x01\"\\%"), PB_OK, NO, LIT(" a b "),
		    LIT(" \t\x7f\x01\"\\%") },
		{ LIT(""), PB_EPROTO, NO, NO, NO },
		{ LIT("max"), PB_EPROTO, NO, NO, NO },
		{ LIT("max\0geheim"), PB_EPROTO, NO, NO, NO },
		{ LIT("\0"), PB_EPROTO, NO, NO, NO },
		{ LIT("\0\0"), PB_EPROTO, NO, NO, NO },
		{ LIT("\0max\0"), PB_EPROTO, NO, NO, NO },
		{ LIT("\0\0geheim"), PB_EPROTO, NO, NO, NO },
		{ LIT("boss\0\0geheim"), PB_EPROTO, NO, NO, NO },
		{ LIT("\0max\0ge\0heim"), PB_EINVAL, NO, NO, NO },
		{ LIT("\0max\0geheim\0"), PB_EINVAL, NO, NO, NO },
		{ LIT("\0max\0ge\r"), PB_EINVAL, NO, NO, NO },
		{ LIT("\0max\0ge\nA1 LOGOUT"), PB_EINVAL, NO, NO, NO },
		{ LIT("\0m\rx\0geheim"), PB_EINVAL, NO, NO, NO },
		{ LIT("\0m\nx\0geheim"), PB_EINVAL, NO, NO, NO },
		{ LIT("b\rs\0max\0geheim"), PB_EINVAL, NO, NO, NO },
		{ LIT("b\ns\0max\0geheim"), PB_EINVAL, NO, NO, NO },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	unsigned initial;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT(rows); i++) {
		size_t at = i / 2;
		char *coded = code(rows[at].message);

		ROW(rows, at);
		initial = i % 2;
		pb_sasl_server_start(&s, PB_SASL_PLAIN);
		if (!initial)
			assert_int_equal(step(&s, NULL, ""), PB_AGAIN);
		assert_int_equal(step(&s, coded, ""), rows[at].want);
		ASSERT_OCTETS(pb_secret_reveal(&s.authzid), rows[at].authzid);
		ASSERT_OCTETS(pb_secret_reveal(&s.user), rows[at].user);
		ASSERT_OCTETS(pb_secret_reveal(&s.password),
		    rows[at].password);
		if (rows[at].want != PB_OK)
			must_be_empty(&s);
		free(coded);
	}
	pb_sasl_server_clear(&s);
}

static void
login_asks_for_name_and_password(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	unsigned initial;

	(void)state;
	for (initial = 0; initial < 2; initial++) {
		pb_sasl_server_start(&s, PB_SASL_LOGIN);
		if (!initial)
			assert_int_equal(step(&s, NULL, ASK_USER), PB_AGAIN);
		assert_int_equal(step(&s, "bfx4", ASK_PASSWORD), PB_AGAIN);
		assert_int_equal(step(&s, "5CA=", ""), PB_OK);
		ASSERT_TEXT(pb_secret_reveal(&s.user), "m\xfcx");
		ASSERT_TEXT(pb_secret_reveal(&s.password), "\xe4 ");
		assert_null(s.authzid.priv_data);
	}
	pb_sasl_server_clear(&s);
	must_be_empty(&s);
}

static void
bad_responses_of_login(void **state)
{
	static const struct {
		const char *user, *password;
		enum pb_status want;
	} rows[] = {
		{ "", NULL, PB_EPROTO },
		{ "bWF4", "", PB_EPROTO },
		{ "bWF", NULL, PB_EPROTO },
		{ "b F4", NULL, PB_EPROTO },
		{ "bWF4", "*!", PB_EPROTO },
		{ "bQBh", NULL, PB_EINVAL },
		{ "bQ1h", NULL, PB_EINVAL },
		{ "bQph", NULL, PB_EINVAL },
		{ "bWF4", "bQBh", PB_EINVAL },
		{ "bWF4", "bQ1h", PB_EINVAL },
		{ "bWF4", "bQph", PB_EINVAL },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		pb_sasl_server_start(&s, PB_SASL_LOGIN);
		assert_int_equal(step(&s, rows[i].user, NULL),
		    rows[i].password != NULL ? PB_AGAIN : rows[i].want);
		if (rows[i].password != NULL)
			assert_int_equal(step(&s, rows[i].password, NULL),
			    rows[i].want);
		must_be_empty(&s);
		assert_int_equal(s.step, PB_SASL_DONE);
	}
}

static void
names_have_a_limit_and_passwords_none(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char message[20000];
	size_t len;

	(void)state;
	for (len = PB_SASL_NAME_MAX; len <= PB_SASL_NAME_MAX + 1; len++) {
		enum pb_status want = len > PB_SASL_NAME_MAX ? PB_ETOOBIG
							     : PB_OK;
		char *coded;

		memset(message, 'x', sizeof(message));
		message[0] = message[len + 1] = '\0';
		coded = code(pb_slice(message, sizeof(message)));
		pb_sasl_server_start(&s, PB_SASL_PLAIN);
		assert_int_equal(step(&s, coded, ""), want);
		free(coded);
		message[0] = message[len + 1] = 'x';
		message[len] = message[len + 2] = '\0';
		coded = code(pb_slice(message, sizeof(message)));
		pb_sasl_server_start(&s, PB_SASL_PLAIN);
		assert_int_equal(step(&s, coded, ""), want);
		free(coded);
	}
	must_be_empty(&s);
}

static void
nothing_goes_on_after_the_end(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	assert_int_equal(step(&s, "bWF4", ""), PB_EPROTO);
	pb_sasl_server_start(&s, PB_SASL_PLAIN);
	assert_int_equal(step(&s, "AG1heAB4", ""), PB_OK);
	assert_int_equal(step(&s, "AG1heAB4", ""), PB_EPROTO);
	must_be_empty(&s);
}

static void
a_new_exchange_forgets_the_one_before(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	pb_sasl_server_start(&s, PB_SASL_LOGIN);
	assert_int_equal(step(&s, "bWF4", ASK_PASSWORD), PB_AGAIN);
	pb_sasl_server_start(&s, PB_SASL_LOGIN);
	must_be_empty(&s);
	assert_int_equal(step(&s, NULL, ASK_USER), PB_AGAIN);
	pb_sasl_server_clear(&s);
}

static void
no_memory_ends_the_exchange(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	(void)state;
	for (n = 1; st == PB_ENOMEM; n++) {
		pb_sasl_server_start(&s, PB_SASL_PLAIN);
		pb_mem_fail_from(n);
		st = step(&s, "Ym9zcwBtYXgAeA==", "");
		pb_mem_fail_from(0);
		if (st != PB_OK)
			must_be_empty(&s);
	}
	assert_int_equal(st, PB_OK);
	assert_int_equal(n - 2, 4);
	pb_sasl_server_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_mechanisms_are_found_in_any_case),
		cmocka_unit_test(all_that_is_announced_is_found),
		cmocka_unit_test(plain_messages),
		cmocka_unit_test(login_asks_for_name_and_password),
		cmocka_unit_test(bad_responses_of_login),
		cmocka_unit_test(names_have_a_limit_and_passwords_none),
		cmocka_unit_test(nothing_goes_on_after_the_end),
		cmocka_unit_test(a_new_exchange_forgets_the_one_before),
		cmocka_unit_test(no_memory_ends_the_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
