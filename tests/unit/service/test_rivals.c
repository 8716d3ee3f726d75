#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/service/rivals.h"

#define T0 UINT64_C(1000000)

static struct pb_upstreams_key
account(unsigned n)
{
	struct pb_upstreams_key key = { { 0 } };

	memcpy(key.octets, &n, sizeof(n));
	return key;
}

static struct pb_rivals *
start(void)
{
	struct pb_rivals *r = pb_rivals_new();

	assert_non_null(r);
	return r;
}

/* The server takes these of account 1, a letter each, one after the other. */
static void
take_at(struct pb_rivals *r, const char *letters, uint64_t now)
{
	struct pb_upstreams_key key = account(1);

	for (; *letters != '\0'; letters++) {
		uint8_t credential[PB_LIMITS_DIGEST] = { (uint8_t)*letters };

		pb_rivals_taken(r, &key, credential, true, now);
	}
}

static void
take(struct pb_rivals *r, const char *letters)
{
	take_at(r, letters, T0);
}

static void
refuse(struct pb_rivals *r, char letter)
{
	struct pb_upstreams_key key = account(1);
	uint8_t credential[PB_LIMITS_DIGEST] = { (uint8_t)letter };

	pb_rivals_refused(r, &key, credential);
}

static bool
coexist(const struct pb_rivals *r, char a, char b)
{
	struct pb_upstreams_key key = account(1);
	uint8_t one[PB_LIMITS_DIGEST] = { (uint8_t)a };
	uint8_t other[PB_LIMITS_DIGEST] = { (uint8_t)b };
	bool result = pb_rivals_coexist(r, &key, one, other);

	assert_int_equal(pb_rivals_coexist(r, &key, other, one), result);
	return result;
}

static void
two_that_take_turns_are_both_good(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	assert_false(coexist(r, 'a', 'b'));
	take(r, "ab");
	assert_false(coexist(r, 'a', 'b'));
	take(r, "a");
	assert_false(coexist(r, 'a', 'b'));
	take(r, "b");
	assert_true(coexist(r, 'a', 'b'));
	take(r, "aabb");
	assert_true(coexist(r, 'a', 'b'));
	pb_rivals_free(&r);
}

static void
one_that_comes_often_has_not_come_back(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "aaaabbbb");
	assert_false(coexist(r, 'a', 'b'));
	pb_rivals_free(&r);
}

static void
a_password_that_was_changed_back_ends_the_one_between(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "aba");
	refuse(r, 'b');
	take(r, "a");
	assert_false(coexist(r, 'a', 'b'));
	pb_rivals_free(&r);
}

static void
a_new_one_is_not_good_beside_those_that_are(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "ababc");
	assert_true(coexist(r, 'a', 'b'));
	assert_false(coexist(r, 'a', 'c'));
	assert_false(coexist(r, 'b', 'c'));
	take(r, "bc");
	assert_true(coexist(r, 'b', 'c'));
	pb_rivals_free(&r);
}

static void
a_refused_one_begins_anew(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "abab");
	refuse(r, 'a');
	refuse(r, 'z');
	assert_false(coexist(r, 'a', 'b'));
	take(r, "a");
	assert_false(coexist(r, 'a', 'b'));
	take(r, "ba");
	assert_true(coexist(r, 'a', 'b'));
	refuse(r, 'a');
	refuse(r, 'b');
	assert_int_equal(pb_rivals_count(r), 0);
	pb_rivals_free(&r);
}

static void
who_has_one_is_not_known(void **state)
{
	struct pb_rivals *r = start();
	struct pb_upstreams_key key = account(1);
	uint8_t credential[PB_LIMITS_DIGEST] = { 'a' };

	(void)state;
	pb_rivals_taken(r, &key, credential, false, T0);
	assert_int_equal(pb_rivals_count(r), 0);
	pb_rivals_taken(r, &key, credential, true, T0);
	assert_int_equal(pb_rivals_count(r), 1);
	pb_rivals_free(&r);
}

static void
of_many_the_one_that_is_longest_unseen_goes(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "abab");
	take(r, "cdefgh");
	assert_true(coexist(r, 'a', 'b'));
	take(r, "i");
	assert_false(coexist(r, 'a', 'b'));
	take(r, "bi");
	assert_true(coexist(r, 'b', 'i'));
	pb_rivals_free(&r);
}

static void
accounts_are_apart_and_those_longest_unseen_go(void **state)
{
	struct pb_rivals *r = start();
	uint8_t credential[PB_LIMITS_DIGEST] = { 'x' };
	unsigned i;

	(void)state;
	take(r, "abab");
	for (i = 2; i <= PB_RIVALS_ACCOUNTS_MAX; i++) {
		struct pb_upstreams_key key = account(i);

		pb_rivals_taken(r, &key, credential, true, T0);
	}
	assert_int_equal(pb_rivals_count(r), PB_RIVALS_ACCOUNTS_MAX);
	take(r, "a");
	for (; i < PB_RIVALS_ACCOUNTS_MAX + 100; i++) {
		struct pb_upstreams_key key = account(i);

		pb_rivals_taken(r, &key, credential, true, T0);
	}
	assert_int_equal(pb_rivals_count(r), PB_RIVALS_ACCOUNTS_MAX);
	assert_true(coexist(r, 'a', 'b'));
	pb_rivals_free(&r);
}

static void
it_is_forgotten_in_time(void **state)
{
	struct pb_rivals *r = start();

	(void)state;
	take(r, "abab");
	take_at(r, "a", T0 + PB_RIVALS_FORGET_MS - 1);
	assert_true(coexist(r, 'a', 'b'));
	take_at(r, "b", T0 + 2 * PB_RIVALS_FORGET_MS - 1);
	assert_false(coexist(r, 'a', 'b'));
	assert_int_equal(pb_rivals_count(r), 1);
	pb_rivals_free(&r);
}

static void
without_memory_nothing_is_known(void **state)
{
	unsigned long n;
	bool known = false;

	(void)state;
	for (n = 1; !known && n < 20; n++) {
		struct pb_rivals *r = start();

		pb_mem_fail_from(n);
		take(r, "a");
		pb_mem_fail_from(0);
		known = pb_rivals_count(r) == 1;
		take(r, "babab");
		assert_true(coexist(r, 'a', 'b'));
		pb_rivals_free(&r);
	}
	assert_true(known && n > 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_that_take_turns_are_both_good),
		cmocka_unit_test(one_that_comes_often_has_not_come_back),
		cmocka_unit_test(
		    a_password_that_was_changed_back_ends_the_one_between),
		cmocka_unit_test(a_new_one_is_not_good_beside_those_that_are),
		cmocka_unit_test(a_refused_one_begins_anew),
		cmocka_unit_test(who_has_one_is_not_known),
		cmocka_unit_test(of_many_the_one_that_is_longest_unseen_goes),
		cmocka_unit_test(
		    accounts_are_apart_and_those_longest_unseen_go),
		cmocka_unit_test(it_is_forgotten_in_time),
		cmocka_unit_test(without_memory_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
