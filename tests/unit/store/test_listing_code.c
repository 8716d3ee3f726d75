#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/store/listing_code.h"

static struct pb_listing *
new_listing(uint32_t uidvalidity, uint32_t uidnext, uint32_t n)
{
	struct pb_listing *l = pb_listing_new(n);

	assert_non_null(l);
	l->uidvalidity = uidvalidity;
	l->uidnext = uidnext;
	return l;
}

static enum pb_status
decode(struct pb_slice octets, struct pb_listing **l)
{
	struct pbt_guarded g;
	enum pb_status st;

	pbt_guard(&g, octets);
	*l = (struct pb_listing *)&g;
	st = pb_listing_decode(g.octets, l);
	pbt_unguard(&g);
	assert_int_equal(st == PB_OK, *l != NULL);
	return st;
}

static void
assert_equal(const struct pb_listing *got, const struct pb_listing *want)
{
	size_t size = want->count * sizeof(*want->uids);

	assert_int_equal(got->uidvalidity, want->uidvalidity);
	assert_int_equal(got->uidnext, want->uidnext);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->octets, want->octets);
	if (size == 0)
		return;
	assert_memory_equal(got->uids, want->uids, size);
	assert_memory_equal(got->sizes, want->sizes, size);
}

/* Consumes it. */
static void
assert_comes_back(struct pb_listing *l)
{
	struct pb_listing *back;
	struct pb_buffer b;

	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_buffer_init(&b, PB_LISTING_CODE_MAX);
	assert_int_equal(pb_listing_encode(l, &b), PB_OK);
	assert_int_equal(decode(pb_buffer_slice(&b), &back), PB_OK);
	assert_equal(back, l);
	pb_listing_unref(&back);
	pb_listing_unref(&l);
	pb_buffer_fini(&b);
}

static void
an_empty_mailbox_comes_back(void **state)
{
	(void)state;
	assert_comes_back(new_listing(1, 1, 0));
	assert_comes_back(new_listing(0, UINT32_MAX, 0));
}

static void
one_message_of_any_numbers_comes_back(void **state)
{
	static const uint32_t numbers[] = { 1, 2, 0x7f, 0x80, 0x81, 0x3fff,
		0x4000, 0x1fffff, 0x200000, 0xfffffff, 0x10000000,
		UINT32_MAX - 1 };
	struct pb_listing *l;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(numbers); i++) {
		l = new_listing(numbers[i], UINT32_MAX, 1);
		l->uids[0] = numbers[i];
		l->sizes[0] = numbers[i] + 1;
		assert_comes_back(l);
		l = new_listing(numbers[i], numbers[i] + 1, 1);
		l->uids[0] = numbers[i];
		l->sizes[0] = 0;
		assert_comes_back(l);
	}
}

static void
a_large_mailbox_with_gaps_comes_back(void **state)
{
	const uint32_t sizes[] = { 1023, 1024, 1025, 100000 };
	struct pb_listing *l;
	struct pbt_random r;
	size_t i;

	(void)state;
	pbt_random_init(&r);
	for (i = 0; i < COUNT(sizes); i++) {
		uint32_t uid = 0;
		uint32_t k;

		l = new_listing(1700000000, UINT32_MAX, sizes[i]);
		for (k = 0; k < l->count; k++) {
			uid += 1 + (uint32_t)pbt_random_below(&r, 1000);
			l->uids[k] = uid;
			l->sizes[k] = (uint32_t)pbt_random_next(&r);
		}
		assert_comes_back(l);
	}
}

static void
the_format_is_the_one_that_older_files_have(void **state)
{
	struct pb_listing *l = new_listing(300, 12, 2);
	struct pb_buffer b;

	(void)state;
	l->uids[0] = 1;
	l->sizes[0] = 127;
	l->uids[1] = 11;
	l->sizes[1] = 128;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_buffer_init(&b, 100);
	assert_int_equal(pb_listing_encode(l, &b), PB_OK);
	ASSERT_TEXT(pb_buffer_slice(&b),
	    "\xac\x02" "\x0c" "\x02" "\x00\x7f" "\x09\x80\x01");
	pb_buffer_fini(&b);
	pb_listing_unref(&l);
}

static void
what_is_cut_or_has_more_behind_it_is_none(void **state)
{
	struct pb_listing *l = new_listing(1700000000, 70000, 2);
	char octets[64];
	struct pb_buffer b;
	size_t n;

	(void)state;
	l->uids[0] = 300;
	l->uids[1] = 66000;
	l->sizes[0] = 5000;
	l->sizes[1] = UINT32_MAX;
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_buffer_init(&b, 100);
	assert_int_equal(pb_listing_encode(l, &b), PB_OK);
	pb_listing_unref(&l);
	memset(octets, 0, sizeof(octets));
	memcpy(octets, pb_buffer_slice(&b).data, b.len);
	for (n = 0; n < sizeof(octets); n++) {
		assert_int_equal(decode(pb_slice(octets, n), &l),
		    n == b.len ? PB_OK : PB_EINVAL);
		pb_listing_unref(&l);
	}
	pb_buffer_fini(&b);
}

static void
what_breaks_a_rule_of_listings_is_none(void **state)
{
	static const struct pb_slice rows[] = {
		{ "\x01\x00\x00", 3 },		/* no UIDNEXT */
		{ "\x01\x05\x01\x04\x01", 5 },	/* UID at UIDNEXT */
		/* a UID over 32 bits */
		{ "\x01\xff\xff\xff\xff\x0f\x02"
		    "\xfd\xff\xff\xff\x0f\x01\x05\x01", 15 },
		/* a step, a size, a UIDVALIDITY over 32 bits */
		{ "\x01\x05\x01\x80\x80\x80\x80\x10\x01", 9 },
		{ "\x01\x05\x01\x00\x80\x80\x80\x80\x10", 9 },
		{ "\x80\x80\x80\x80\x10\x05\x00", 7 },
		/* a number without an end, one of more octets than any has */
		{ "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 },
		{ "\x01\xff\xff\xff\xff\x8f\x00\x00", 8 },
		/* numbers of more octets than they need */
		{ "\x81\x00\x05\x00", 4 },
		{ "\x01\x85\x00\x00", 4 },
		/* more messages than there are octets, or than there may be */
		{ "\x01\x05\x02\x00\x01\x00", 6 },
		{ "\x01\x05\x81\x89\x7a\x00\x01", 7 },
	};
	struct pb_listing *l;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(decode(rows[i], &l), PB_EINVAL);
	}
}

static void
a_count_asks_for_no_memory_that_the_octets_do_not_back(void **state)
{
	struct pb_listing *l;

	(void)state;
	/* 2,000,000 messages in four octets. */
	pb_mem_fail_from(1);
	assert_int_equal(decode(OCTETS("\x01\x05\x80\x89\x7a\x00\x01\x00\x01"), &l), PB_EINVAL);
	pb_mem_fail_from(0);
}

static void
without_memory_neither_way_gives_half_of_it(void **state)
{
	struct pb_listing *l = new_listing(1, 5000, 3000);
	enum pb_status st = PB_ENOMEM;
	struct pb_listing *back;
	struct pb_buffer b;
	unsigned long n;
	uint32_t i;

	(void)state;
	for (i = 0; i < l->count; i++) {
		l->uids[i] = i + 1;
		l->sizes[i] = 1u << 30;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	for (n = 1; st == PB_ENOMEM; n++) {
		assert_in_range(n, 1, 30);
		pb_buffer_init(&b, PB_LISTING_CODE_MAX);
		pb_mem_fail_from(n);
		st = pb_listing_encode(l, &b);
		pb_mem_fail_from(0);
		if (st != PB_OK)
			pb_buffer_fini(&b);
	}
	assert_int_equal(st, PB_OK);
	for (n = 1, st = PB_ENOMEM; st == PB_ENOMEM; n++) {
		assert_in_range(n, 1, 30);
		pb_mem_fail_from(n);
		st = decode(pb_buffer_slice(&b), &back);
		pb_mem_fail_from(0);
	}
	assert_int_equal(st, PB_OK);
	assert_equal(back, l);
	pb_buffer_fini(&b);
	pb_listing_unref(&back);
	pb_listing_unref(&l);
}

static void
a_buffer_that_is_too_small_is_said_to_be(void **state)
{
	struct pb_listing *l = new_listing(1, 5000, 3000);
	struct pb_buffer b;
	uint32_t i;

	(void)state;
	for (i = 0; i < l->count; i++) {
		l->uids[i] = i + 1;
		l->sizes[i] = 1000;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	pb_buffer_init(&b, 3);
	assert_int_equal(pb_listing_encode(l, &b), PB_ETOOBIG);
	pb_buffer_fini(&b);
	pb_buffer_init(&b, 2000);
	assert_int_equal(pb_listing_encode(l, &b), PB_ETOOBIG);
	pb_buffer_fini(&b);
	pb_listing_unref(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_mailbox_comes_back),
		cmocka_unit_test(one_message_of_any_numbers_comes_back),
		cmocka_unit_test(a_large_mailbox_with_gaps_comes_back),
		cmocka_unit_test(the_format_is_the_one_that_older_files_have),
		cmocka_unit_test(what_is_cut_or_has_more_behind_it_is_none),
		cmocka_unit_test(what_breaks_a_rule_of_listings_is_none),
		cmocka_unit_test(
		    a_count_asks_for_no_memory_that_the_octets_do_not_back),
		cmocka_unit_test(without_memory_neither_way_gives_half_of_it),
		cmocka_unit_test(a_buffer_that_is_too_small_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
