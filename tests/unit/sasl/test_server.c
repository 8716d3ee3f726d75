#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"
#include "popbridge/sasl/server.h"

#define ASK_USER "VXNlcm5hbWU6"
#define ASK_PASSWORD "UGFzc3dvcmQ6"
/* For tables of messages. */
#define NO { "", 0 }
#define LIT(l) { l, sizeof(l) - 1 }

#define NONCE "abcdefghijklmnopqr"
/* <abcdefghijklmnopqr@popbridge> */
#define CHALLENGE "PGFiY2RlZmdoaWprbG1ub3BxckBwb3BicmlkZ2U+"
#define DIGEST "b913a602c7eda7a495b4e6e7334d3890"

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

/* What a client does; free() it. */
static char *
code(struct pb_slice in)
{
	char *out = calloc(1, PB_BASE64_CODED(in.len));

	assert_non_null(out);
	pb_base64_encode(in, out);
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
all_names_that_are_written_are_found(void **state)
{
	char text[PB_SASL_NAMES_SIZE];
	struct pb_slice names;
	unsigned n = 0;

	(void)state;
	names = pb_slice_str(pb_sasl_names(
	    PB_SASL_SET(PB_SASL_MECHANISMS) - 1, text));
	while (names.len > 0) {
		enum pb_sasl_mechanism m;

		assert_true(pb_sasl_find(pb_slice_word(&names), &m));
		assert_int_equal(m, n);
		n++;
	}
	assert_int_equal(n, PB_SASL_MECHANISMS);
}

static void
names_are_those_of_the_set(void **state)
{
	char text[PB_SASL_NAMES_SIZE];

	(void)state;
	assert_string_equal(pb_sasl_names(0, text), "");
	assert_string_equal(pb_sasl_names(PB_SASL_SET(PB_SASL_PLAIN), text),
	    "PLAIN");
	assert_string_equal(pb_sasl_names(PB_SASL_SET(PB_SASL_EXTERNAL) |
	    PB_SASL_SET(PB_SASL_LOGIN), text), "LOGIN EXTERNAL");
	assert_string_equal(pb_sasl_names(~0u, text),
	    "PLAIN LOGIN XOAUTH2 OAUTHBEARER SCRAM-SHA-256 CRAM-MD5 EXTERNAL");
}

static void
plain_messages(void **state)
{
	static const struct {
		struct pb_slice message;
		enum pb_status want;
		struct pb_slice authzid, user, password;
	} rows[] = {
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
		pb_sasl_server_start(&s, PB_SASL_PLAIN, NONCE);
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
		pb_sasl_server_start(&s, PB_SASL_LOGIN, NONCE);
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
		pb_sasl_server_start(&s, PB_SASL_LOGIN, NONCE);
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
		pb_sasl_server_start(&s, PB_SASL_PLAIN, NONCE);
		assert_int_equal(step(&s, coded, ""), want);
		free(coded);
		message[0] = message[len + 1] = 'x';
		message[len] = message[len + 2] = '\0';
		coded = code(pb_slice(message, sizeof(message)));
		pb_sasl_server_start(&s, PB_SASL_PLAIN, NONCE);
		assert_int_equal(step(&s, coded, ""), want);
		free(coded);
	}
	must_be_empty(&s);
}

/* RFC 2195, section 2: what the client of the example says. */
static void
cram_md5_hands_on_challenge_and_digest(void **state)
{
	static const struct {
		const char *response;
		enum pb_status want;
		const char *user;
	} rows[] = {
		{ "tim " DIGEST, PB_OK, "tim" },
		{ "tim B913A602C7EDA7A495B4E6E7334D3890", PB_OK, "tim" },
		{ "max m\xfcller " DIGEST, PB_OK, "max m\xfcller" },
		{ "tim  " DIGEST, PB_OK, "tim " },
		{ "", PB_EPROTO, "" },
		{ DIGEST, PB_EPROTO, "" },
		{ " " DIGEST, PB_EPROTO, "" },
		{ "tim" DIGEST, PB_EPROTO, "" },
		{ "tim " DIGEST "0", PB_EPROTO, "" },
		{ "tim " DIGEST " ", PB_EPROTO, "" },
		{ "tim b913a602c7eda7a495b4e6e7334d389", PB_EPROTO, "" },
		{ "tim b913a602c7eda7a495b4e6e7334d389g", PB_EPROTO, "" },
		{ "t\1im " DIGEST, PB_EINVAL, "" },
		{ "t\x7fim " DIGEST, PB_EINVAL, "" },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		char *coded = code(pb_slice_str(rows[i].response));

		ROW(rows, i);
		pb_sasl_server_start(&s, PB_SASL_CRAM_MD5, NONCE);
		assert_int_equal(s.proof, PB_SASL_PROOF_CRAM_MD5);
		assert_int_equal(step(&s, NULL, CHALLENGE), PB_AGAIN);
		assert_int_equal(step(&s, coded, ""), rows[i].want);
		ASSERT_OCTETS(pb_secret_reveal(&s.user),
		    pb_slice_str(rows[i].user));
		if (rows[i].want == PB_OK) {
			ASSERT_TEXT(pb_secret_reveal(&s.password), DIGEST);
			assert_string_equal(s.challenge,
			    "<" NONCE "@popbridge>");
		} else {
			must_be_empty(&s);
			assert_string_equal(s.challenge, "");
		}
		free(coded);
	}
	pb_sasl_server_clear(&s);
}

static void
cram_md5_takes_no_response_before_the_challenge(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	pb_sasl_server_start(&s, PB_SASL_CRAM_MD5, NONCE);
	assert_int_equal(step(&s, "dGlt", ""), PB_EPROTO);
	pb_sasl_server_start(&s, PB_SASL_CRAM_MD5, NONCE);
	assert_int_equal(step(&s, "", ""), PB_EPROTO);
	must_be_empty(&s);
}

static void
external_takes_a_name_or_nothing(void **state)
{
	static const struct {
		struct pb_slice message;
		enum pb_status want;
	} rows[] = {
		{ LIT(""), PB_OK },
		{ LIT("max"), PB_OK },
		{ LIT("m\xc3\xbcller \xe2\x84\xa2 \xf0\x9f\x93\xa7"), PB_OK },
		{ LIT("\xee\x80\x80\xf4\x8f\xbf\xbf"), PB_OK },
		{ LIT("m\xfcller"), PB_EPROTO },
		{ LIT("\xc3"), PB_EPROTO },
		{ LIT("\xe2\x84"), PB_EPROTO },
		{ LIT("\x80"), PB_EPROTO },
		{ LIT("\xc0\x80"), PB_EPROTO },
		{ LIT("\xe0\x80\x80"), PB_EPROTO },
		{ LIT("\xed\xa0\x80"), PB_EPROTO },
		{ LIT("\xf0\x80\x80\x80"), PB_EPROTO },
		{ LIT("\xf4\x90\x80\x80"), PB_EPROTO },
		{ LIT("\xf5\x80\x80\x80"), PB_EPROTO },
		{ LIT("max\0"), PB_EINVAL },
		{ LIT("max\r\n"), PB_EINVAL },
		{ LIT("\x1b[2J"), PB_EINVAL },
		{ LIT("\x7f"), PB_EINVAL },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT(rows); i++) {
		size_t at = i / 2;
		char *coded = code(rows[at].message);

		ROW(rows, at);
		pb_sasl_server_start(&s, PB_SASL_EXTERNAL, NONCE);
		assert_int_equal(s.proof, PB_SASL_PROOF_EXTERNAL);
		if (i % 2 == 0)
			assert_int_equal(step(&s, NULL, ""), PB_AGAIN);
		assert_int_equal(step(&s, coded, ""), rows[at].want);
		assert_null(s.user.priv_data);
		if (rows[at].want == PB_OK)
			ASSERT_OCTETS(pb_secret_reveal(&s.authzid),
			    rows[at].message);
		else
			must_be_empty(&s);
		free(coded);
	}
	pb_sasl_server_clear(&s);
}

static void
only_tokens_are_refused_in_a_way_of_their_own(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct pb_slice challenge;
	unsigned m;

	(void)state;
	for (m = 0; m < PB_SASL_MECHANISMS; m++) {
		pb_sasl_server_start(&s, m, NONCE);
		pb_sasl_server_clear(&s);
		assert_int_equal(pb_sasl_server_refuse(&s, &challenge),
		    s.proof == PB_SASL_PROOF_TOKEN);
	}
}

static void
a_step_that_wants_a_response_does_not_go_without(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	pb_sasl_server_start(&s, PB_SASL_LOGIN, NONCE);
	assert_int_equal(step(&s, "bWF4", ASK_PASSWORD), PB_AGAIN);
	assert_int_equal(step(&s, NULL, ""), PB_EPROTO);
	must_be_empty(&s);
	pb_sasl_server_start(&s, PB_SASL_CRAM_MD5, NONCE);
	assert_int_equal(step(&s, NULL, CHALLENGE), PB_AGAIN);
	assert_int_equal(step(&s, NULL, ""), PB_EPROTO);
}

static void
nothing_goes_on_after_the_end(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	assert_int_equal(step(&s, "bWF4", ""), PB_EPROTO);
	pb_sasl_server_start(&s, PB_SASL_PLAIN, NONCE);
	assert_int_equal(step(&s, "AG1heAB4", ""), PB_OK);
	assert_int_equal(step(&s, "AG1heAB4", ""), PB_EPROTO);
	must_be_empty(&s);
}

static void
a_new_exchange_forgets_the_one_before(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };

	(void)state;
	pb_sasl_server_start(&s, PB_SASL_LOGIN, NONCE);
	assert_int_equal(step(&s, "bWF4", ASK_PASSWORD), PB_AGAIN);
	pb_sasl_server_start(&s, PB_SASL_LOGIN, NONCE);
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
		pb_sasl_server_start(&s, PB_SASL_PLAIN, NONCE);
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
		cmocka_unit_test(all_names_that_are_written_are_found),
		cmocka_unit_test(names_are_those_of_the_set),
		cmocka_unit_test(plain_messages),
		cmocka_unit_test(login_asks_for_name_and_password),
		cmocka_unit_test(bad_responses_of_login),
		cmocka_unit_test(names_have_a_limit_and_passwords_none),
		cmocka_unit_test(cram_md5_hands_on_challenge_and_digest),
		cmocka_unit_test(
		    cram_md5_takes_no_response_before_the_challenge),
		cmocka_unit_test(external_takes_a_name_or_nothing),
		cmocka_unit_test(
		    only_tokens_are_refused_in_a_way_of_their_own),
		cmocka_unit_test(
		    a_step_that_wants_a_response_does_not_go_without),
		cmocka_unit_test(nothing_goes_on_after_the_end),
		cmocka_unit_test(a_new_exchange_forgets_the_one_before),
		cmocka_unit_test(no_memory_ends_the_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
