#include "support/test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/sasl/base64.h"
#include "popbridge/sasl/server.h"

/* RFC 7677, section 3. */
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"

/*
 * A client by OpenSSL, so that the arithmetic of the server is not judged by
 * itself.
 */
struct client {
	const char *password;
	uint8_t stored[32], server[32];
	char final[1024];	/* what it says last */
	char verifier[80];	/* and what it wants to hear then */
};

static void
hmac(const uint8_t key[32], const char *text, uint8_t out[32])
{
	unsigned len;

	assert_non_null(HMAC(EVP_sha256(), key, 32, (const uint8_t *)text,
	    strlen(text), out, &len));
	assert_int_equal(len, 32);
}

static void
derive(struct client *c, const uint8_t *salt, size_t salt_len,
    unsigned iterations, uint8_t client_key[32])
{
	uint8_t salted[32];

	assert_int_equal(PKCS5_PBKDF2_HMAC(c->password,
	    (int)strlen(c->password), salt, (int)salt_len, (int)iterations,
	    EVP_sha256(), 32, salted), 1);
	hmac(salted, "Client Key", client_key);
	hmac(salted, "Server Key", c->server);
	assert_int_equal(EVP_Digest(client_key, 32, c->stored, NULL,
	    EVP_sha256(), NULL), 1);
}

static void
base64(const void *data, size_t len, char *out)
{
	pb_base64_encode(pb_slice(data, len), out);
}

/* The client's final message, for its first and the server's first. */
static void
prove(struct client *c, const char *header, const char *bare,
    const char *server_first)
{
	char whole[2048], nonce[512], salt_text[64], text[64], binding[64];
	uint8_t client_key[32], signature[32];
	char salt[64];
	unsigned iterations;
	size_t salt_len, i;

	assert_int_equal(sscanf(server_first, "r=%511[^,],s=%63[^,],i=%u",
	    nonce, salt_text, &iterations), 3);
	assert_int_equal(pb_base64_decode(pb_slice_str(salt_text), salt,
	    &salt_len), PB_OK);
	derive(c, (uint8_t *)salt, salt_len, iterations, client_key);
	base64(header, strlen(header), binding);
	snprintf(c->final, sizeof(c->final), "c=%s,r=%s", binding, nonce);
	snprintf(whole, sizeof(whole), "%s,%s,%s", bare, server_first,
	    c->final);
	hmac(c->stored, whole, signature);
	for (i = 0; i < 32; i++)
		client_key[i] ^= signature[i];
	base64(client_key, 32, text);
	snprintf(c->final + strlen(c->final),
	    sizeof(c->final) - strlen(c->final), ",p=%s", text);
	hmac(c->server, whole, signature);
	base64(signature, 32, text);
	snprintf(c->verifier, sizeof(c->verifier), "v=%s", text);
}

static struct pb_sasl_keys
keys_of(const char *password, unsigned iterations, size_t salt_len)
{
	struct client c = { .password = password };
	struct pb_sasl_keys keys = { .iterations = iterations,
		.salt_len = salt_len };
	uint8_t client_key[32];
	char salt[18];
	size_t len;

	assert_int_equal(pb_base64_decode(OCTETS(SALT), salt, &len), PB_OK);
	assert_int_equal(len, 16);
	memcpy(keys.salt, salt, salt_len);
	derive(&c, keys.salt, salt_len, iterations, client_key);
	memcpy(keys.stored_key, c.stored, 32);
	memcpy(keys.server_key, c.server, 32);
	return keys;
}

/* The challenge, decoded, into text. */
static enum pb_status
decoded(enum pb_status st, struct pb_slice challenge, char text[1024])
{
	size_t len;

	assert_true(challenge.len < 1024);
	assert_int_equal(pb_base64_decode(challenge, text, &len), PB_OK);
	text[len] = '\0';
	return st;
}

static enum pb_status
step(struct pb_sasl_server *s, struct pb_slice message, char text[1024])
{
	char *coded = malloc(PB_BASE64_CODED(message.len));
	struct pb_slice in, challenge;
	enum pb_status st;

	assert_non_null(coded);
	in = pb_slice(coded, pb_base64_encode(message, coded));
	st = pb_sasl_server_step(s, &in, &challenge);
	free(coded);
	return decoded(st, challenge, text);
}

static enum pb_status
give(struct pb_sasl_server *s, const struct pb_sasl_keys *keys,
    char text[1024])
{
	struct pb_slice challenge;
	enum pb_status st = pb_sasl_server_keys(s, keys, &challenge);

	return decoded(st, challenge, text);
}

static void
must_be_empty(const struct pb_sasl_server *s)
{
	assert_int_equal(s->step, PB_SASL_DONE);
	assert_null(s->user.priv_data);
	assert_null(s->password.priv_data);
	assert_null(s->authzid.priv_data);
	assert_null(s->scram);
}

/* Up to the keys. */
static void
begin(struct pb_sasl_server *s, const char *first)
{
	char text[1024];

	pb_sasl_server_start(s, PB_SASL_SCRAM_SHA_256, NULL);
	assert_int_equal(s->proof, PB_SASL_PROOF_SCRAM);
	assert_int_equal(step(s, pb_slice_str(first), text), PB_AGAIN);
	assert_int_equal(s->step, PB_SASL_KEYS);
	assert_string_equal(text, "");
}

static void
the_client_of_this_test_says_what_the_rfc_says(void **state)
{
	struct client c = { .password = "pencil" };

	(void)state;
	prove(&c, "n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO",
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=" SALT
	    ",i=4096");
	assert_string_equal(c.final, "c=biws,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	assert_string_equal(c.verifier,
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void
a_client_that_knows_the_password_gets_in(void **state)
{
	static const struct {
		const char *header, *bare, *user, *authzid;
		size_t salt_len;
		unsigned iterations;
	} rows[] = {
		{ "n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO", "user", "", 16,
		    4096 },
		{ "y,,", "n=user,r=x", "user", "", 16, 1 },
		{ "n,a=boss,", "n=max,r=abc", "max", "boss", 8, 10000 },
		{ "n,a=b=2Co=3Ds,", "n=m=3Da=2Cx,r=abc", "m=a,x", "b,o=s",
		    1, 2 },
		{ "n,,", "n=m\xc3\xbcller,r=abc", "m\xc3\xbcller", "", 16,
		    2 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct pb_sasl_keys keys = keys_of("pencil",
		    rows[i].iterations, rows[i].salt_len);
		struct pb_sasl_server s = { .step = PB_SASL_DONE };
		struct client c = { .password = "pencil" };
		char first[128], text[1024];

		ROW(rows, i);
		snprintf(first, sizeof(first), "%s%s", rows[i].header,
		    rows[i].bare);
		begin(&s, first);
		ASSERT_OCTETS(pb_secret_reveal(&s.user),
		    pb_slice_str(rows[i].user));
		ASSERT_OCTETS(pb_secret_reveal(&s.authzid),
		    pb_slice_str(rows[i].authzid));
		assert_int_equal(give(&s, &keys, text), PB_AGAIN);
		prove(&c, rows[i].header, rows[i].bare, text);
		assert_int_equal(step(&s, pb_slice_str(c.final), text),
		    PB_AGAIN);
		assert_string_equal(text, c.verifier);
		assert_int_equal(step(&s, OCTETS(""), text), PB_OK);
		ASSERT_OCTETS(pb_secret_reveal(&s.user),
		    pb_slice_str(rows[i].user));
		ASSERT_OCTETS(pb_secret_reveal(&s.authzid),
		    pb_slice_str(rows[i].authzid));
		assert_null(s.password.priv_data);
		pb_sasl_server_clear(&s);
		must_be_empty(&s);
	}
}

static void
a_wrong_password_is_told_from_a_wrong_message(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct client c = { .password = "crayon" };
	char text[1024];

	(void)state;
	begin(&s, "n,a=boss,n=user,r=abc");
	assert_int_equal(give(&s, &keys, text), PB_AGAIN);
	prove(&c, "n,a=boss,", "n=user,r=abc", text);
	assert_int_equal(step(&s, pb_slice_str(c.final), text), PB_EOF);
	assert_string_equal(text, "");
	/* For whoever counts wrong passwords. */
	ASSERT_TEXT(pb_secret_reveal(&s.user), "user");
	ASSERT_TEXT(pb_secret_reveal(&s.authzid), "boss");
	assert_null(s.scram);
	assert_int_equal(step(&s, pb_slice_str(c.final), text), PB_EPROTO);
	must_be_empty(&s);
}

static void
a_proof_for_other_keys_or_another_exchange_is_a_wrong_one(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct client c = { .password = "pencil" };
	char text[1024], again[1024];
	unsigned i;

	(void)state;
	begin(&s, "n,,n=user,r=abc");
	assert_int_equal(give(&s, &keys, again), PB_AGAIN);
	begin(&s, "n,,n=user,r=abc");
	assert_int_equal(give(&s, &keys, text), PB_AGAIN);
	assert_string_not_equal(text, again);
	prove(&c, "n,,", "n=user,r=abc", again);
	assert_int_equal(step(&s, pb_slice_str(c.final), text), PB_EOF);
	/* Another channel binding, and another client's message. */
	for (i = 0; i < 2; i++) {
		begin(&s, "n,,n=user,r=abc");
		assert_int_equal(give(&s, &keys, text), PB_AGAIN);
		prove(&c, i == 0 ? "y,," : "n,,",
		    i == 0 ? "n=user,r=abc" : "n=root,r=abc", text);
		assert_int_equal(step(&s, pb_slice_str(c.final), text),
		    PB_EOF);
	}
	pb_sasl_server_clear(&s);
}

static void
first_messages_that_are_none(void **state)
{
	static const struct {
		struct pb_slice message;
		enum pb_status want;
	} rows[] = {
#define LIT(l) { l, sizeof(l) - 1 }
		{ LIT(""), PB_EPROTO },
		{ LIT("n"), PB_EPROTO },
		{ LIT("n,,"), PB_EPROTO },
		{ LIT("n,n=user,r=abc"), PB_EPROTO },
		{ LIT("n=user,r=abc"), PB_EPROTO },
		{ LIT("n,,r=abc"), PB_EPROTO },
		{ LIT("n,,n=user"), PB_EPROTO },
		{ LIT("n,,n=user,r="), PB_EPROTO },
		{ LIT("n,,n=user,s=abc"), PB_EPROTO },
		{ LIT("n,,n=,r=abc"), PB_EPROTO },
		{ LIT("n,,n=a=b,r=abc"), PB_EPROTO },
		{ LIT("n,,m=x,n=user,r=abc"), PB_EPROTO },
		{ LIT("n,b=x,n=user,r=abc"), PB_EPROTO },
		{ LIT("n,a=,n=user,r=abc"), PB_EPROTO },
		{ LIT("p=tls-unique,,n=user,r=abc"), PB_EPROTO },
		{ LIT("p=tls-exporter,,n=user,r=abc"), PB_EPROTO },
		{ LIT("n,,n=us\0er,r=abc"), PB_EINVAL },
		{ LIT("n,,n=us\r\ner,r=abc"), PB_EINVAL },
		{ LIT("n,,n=user,r=a\x7f" "c"), PB_EINVAL },
		{ LIT("n,a=b\1s,n=user,r=abc"), PB_EINVAL },
	};
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		pb_sasl_server_start(&s, PB_SASL_SCRAM_SHA_256, NULL);
		assert_int_equal(step(&s, rows[i].message, text),
		    rows[i].want);
		must_be_empty(&s);
	}
}

/* What the library refuses is no proof that a password is wrong. */
static void
a_name_that_is_no_utf8_ends_the_exchange_at_the_keys(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char text[1024];

	(void)state;
	begin(&s, "n,,n=m\xfcller,r=abc");
	assert_int_equal(give(&s, &keys, text), PB_EPROTO);
	must_be_empty(&s);
}

static void
final_messages_that_are_none(void **state)
{
	static const struct {
		struct pb_slice message;
		enum pb_status want;
	} rows[] = {
		{ LIT(""), PB_EPROTO },
		{ LIT("c=biws"), PB_EPROTO },
		{ LIT("c=biws,r=abc"), PB_EPROTO },
		{ LIT("r=abc,c=biws,p=AAAA"), PB_EPROTO },
		{ LIT("c=,r=,p="), PB_EPROTO },
		{ LIT("c=biws,r=abc,p=\0"), PB_EINVAL },
		{ LIT("c=biws\r\n"), PB_EINVAL },
	};
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		begin(&s, FIRST);
		assert_int_equal(give(&s, &keys, text), PB_AGAIN);
		assert_int_equal(step(&s, rows[i].message, text),
		    rows[i].want);
		must_be_empty(&s);
	}
}

static void
the_last_response_is_an_empty_one(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct client c = { .password = "pencil" };
	char text[1024];

	(void)state;
	begin(&s, "n,,n=user,r=abc");
	assert_int_equal(give(&s, &keys, text), PB_AGAIN);
	prove(&c, "n,,", "n=user,r=abc", text);
	assert_int_equal(step(&s, pb_slice_str(c.final), text), PB_AGAIN);
	assert_int_equal(step(&s, OCTETS("x"), text), PB_EPROTO);
	must_be_empty(&s);
}

static void
a_nonce_has_a_limit(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char first[400], text[1024];
	size_t len;

	(void)state;
	keys.iterations = 4294967295u;
	for (len = 256; len <= 257; len++) {
		size_t at = (size_t)snprintf(first, sizeof(first),
		    "n,,n=user,r=");

		memset(first + at, 'x', len);
		pb_sasl_server_start(&s, PB_SASL_SCRAM_SHA_256, NULL);
		assert_int_equal(step(&s, pb_slice(first, at + len), text),
		    len <= 256 ? PB_AGAIN : PB_EPROTO);
		if (len <= 256)
			assert_int_equal(give(&s, &keys, text), PB_AGAIN);
	}
	must_be_empty(&s);
}

static void
a_hundred_thousand_exchanges_that_are_broken_off_leave_nothing(void **state)
{
	struct pb_sasl_keys keys = keys_of("pencil", 5, 16);
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	char text[1024];
	unsigned i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		begin(&s, FIRST);
		if (i % 2 == 0)
			assert_int_equal(give(&s, &keys, text), PB_AGAIN);
		pb_sasl_server_clear(&s);
		assert_null(s.scram);
		assert_null(s.user.priv_data);
	}
}

static void
no_memory_ends_the_exchange(void **state)
{
	struct pb_sasl_server s = { .step = PB_SASL_DONE };
	struct pb_slice coded = OCTETS("bixhPWJvc3Msbj11c2VyLHI9YWJj");
	struct pb_slice challenge;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	(void)state;
	for (n = 1; st == PB_ENOMEM; n++) {
		pb_sasl_server_start(&s, PB_SASL_SCRAM_SHA_256, NULL);
		pb_mem_fail_from(n);
		st = pb_sasl_server_step(&s, &coded, &challenge);
		pb_mem_fail_from(0);
		if (st == PB_ENOMEM)
			must_be_empty(&s);
	}
	assert_int_equal(st, PB_AGAIN);
	assert_int_equal(n - 2, 5);
	pb_sasl_server_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_client_of_this_test_says_what_the_rfc_says),
		cmocka_unit_test(a_client_that_knows_the_password_gets_in),
		cmocka_unit_test(
		    a_wrong_password_is_told_from_a_wrong_message),
		cmocka_unit_test(
		    a_proof_for_other_keys_or_another_exchange_is_a_wrong_one),
		cmocka_unit_test(first_messages_that_are_none),
		cmocka_unit_test(
		    a_name_that_is_no_utf8_ends_the_exchange_at_the_keys),
		cmocka_unit_test(final_messages_that_are_none),
		cmocka_unit_test(the_last_response_is_an_empty_one),
		cmocka_unit_test(a_nonce_has_a_limit),
		cmocka_unit_test(
	    a_hundred_thousand_exchanges_that_are_broken_off_leave_nothing),
		cmocka_unit_test(no_memory_ends_the_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
