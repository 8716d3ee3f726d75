#include "support/test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "popbridge/store/proof.h"

static void
cram_md5_is_that_of_rfc_2195(void **state)
{
	const struct pb_slice secret = OCTETS("tanstaaftanstaaf");
	const struct pb_slice challenge = OCTETS(
	    "<1896.697170952@postoffice.reston.mci.net>");
	const struct pb_slice right = OCTETS(
	    "b913a602c7eda7a495b4e6e7334d3890");

	(void)state;
	assert_int_equal(pb_proof_cram_md5(secret, challenge, right), PB_OK);
	assert_int_equal(pb_proof_cram_md5(secret, challenge,
	    OCTETS("B913A602C7EDA7A495B4E6E7334D3890")), PB_OK);
	assert_int_equal(pb_proof_cram_md5(secret, challenge,
	    OCTETS("b913a602c7eda7a495b4e6e7334d3891")), PB_EINVAL);
	assert_int_equal(pb_proof_cram_md5(secret, challenge,
	    OCTETS("b913a602c7eda7a495b4e6e7334d389")), PB_EINVAL);
	assert_int_equal(pb_proof_cram_md5(secret, challenge, OCTETS("")),
	    PB_EINVAL);
	assert_int_equal(pb_proof_cram_md5(OCTETS("tanstaaf"), challenge,
	    right), PB_EINVAL);
	assert_int_equal(pb_proof_cram_md5(secret, OCTETS("<1@a>"), right),
	    PB_EINVAL);
}

static void
apop_is_that_of_rfc_1939(void **state)
{
	const struct pb_slice stamp = OCTETS(
	    "<1896.697170952@dbc.mtview.ca.us>");
	const struct pb_slice right = OCTETS(
	    "c4c9334bac560ecc979e58001b3e22fb");

	(void)state;
	assert_int_equal(pb_proof_apop(OCTETS("tanstaaf"), stamp, right),
	    PB_OK);
	assert_int_equal(pb_proof_apop(OCTETS("tanstaaF"), stamp, right),
	    PB_EINVAL);
	assert_int_equal(pb_proof_apop(OCTETS("tanstaaf"), OCTETS("<1@a>"),
	    right), PB_EINVAL);
	assert_int_equal(pb_proof_apop(OCTETS("tanstaaf"), stamp,
	    OCTETS("c4c9334bac560ecc979e58001b3e22fc")), PB_EINVAL);
}

static const uint8_t salt[16] = { 0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35,
	0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81 };
static const char exchange[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

static void
sign(const uint8_t key[32], uint8_t out[32])
{
	assert_non_null(HMAC(EVP_sha256(), key, 32,
	    (const unsigned char *)exchange, sizeof(exchange) - 1, out,
	    NULL));
}

static void
assert_coded(const uint8_t octets[32], const char *want)
{
	unsigned char coded[64];

	assert_int_equal(EVP_EncodeBlock(coded, octets, 32), strlen(want));
	assert_string_equal((const char *)coded, want);
}

static void
scram_keys_are_those_of_rfc_7677(void **state)
{
	struct pb_account_keys keys = { .iterations = 4096, .salt_len = 16 };
	uint8_t proof[33];
	uint8_t out[32];
	uint8_t digest[32];
	size_t i;

	(void)state;
	memcpy(keys.salt, salt, sizeof(salt));
	assert_int_equal(pb_scram_derive(OCTETS("pencil"), &keys), PB_OK);
	sign(keys.server_key, out);
	assert_coded(out, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	/* The client's proof, without its signature, is its key. */
	assert_int_equal(EVP_DecodeBlock(proof, (const unsigned char *)
	    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44), 33);
	sign(keys.stored_key, out);
	for (i = 0; i < 32; i++)
		out[i] ^= proof[i];
	assert_int_equal(EVP_Digest(out, 32, digest, NULL, EVP_sha256(),
	    NULL), 1);
	assert_memory_equal(digest, keys.stored_key, 32);
}

static void
scram_wants_a_password_that_saslprep_accepts(void **state)
{
	struct pb_account_keys keys = { .iterations = 1, .salt_len = 1 };
	struct pb_account_keys same = { .iterations = 1, .salt_len = 1 };

	(void)state;
	assert_int_equal(pb_scram_derive(OCTETS("K\xfc" "che"), &keys),
	    PB_EINVAL);
	assert_int_equal(pb_scram_derive(OCTETS("IX"), &keys), PB_OK);
	assert_int_equal(pb_scram_derive(OCTETS("I\xc2\xadX"), &same), PB_OK);
	assert_memory_equal(&keys, &same, sizeof(keys));
}

static void
made_up_keys_are_the_same_for_a_name_and_differ_otherwise(void **state)
{
	const uint8_t one[PB_SCRAM_SECRET_SIZE] = { 1 };
	const uint8_t two[PB_SCRAM_SECRET_SIZE] = { 2 };
	struct pb_account_keys a;
	struct pb_account_keys b;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	assert_int_equal(pb_scram_invent(one, OCTETS("max"), &a), PB_OK);
	assert_int_equal(pb_scram_invent(one, OCTETS("max"), &b), PB_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.salt_len, 16);
	assert_int_equal(a.iterations, PB_SCRAM_ITERATIONS);
	assert_memory_not_equal(a.stored_key, a.server_key, 32);
	assert_int_equal(pb_scram_invent(one, OCTETS("moritz"), &b), PB_OK);
	assert_memory_not_equal(a.salt, b.salt, 16);
	assert_memory_not_equal(a.stored_key, b.stored_key, 32);
	assert_memory_not_equal(a.server_key, b.server_key, 32);
	assert_int_equal(pb_scram_invent(two, OCTETS("max"), &b), PB_OK);
	assert_memory_not_equal(a.salt, b.salt, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cram_md5_is_that_of_rfc_2195),
		cmocka_unit_test(apop_is_that_of_rfc_1939),
		cmocka_unit_test(scram_keys_are_those_of_rfc_7677),
		cmocka_unit_test(scram_wants_a_password_that_saslprep_accepts),
		cmocka_unit_test(
		    made_up_keys_are_the_same_for_a_name_and_differ_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
