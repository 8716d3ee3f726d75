#include "support/test.h"

#include <string.h>

#include "popbridge/base/mem.h"
#include "popbridge/bridge/promise.h"

static struct pb_listing *
make_listing(const uint32_t *uids, uint32_t n)
{
	struct pb_listing *l = pb_listing_new(n);
	uint32_t i;

	assert_non_null(l);
	l->uidvalidity = 77;
	l->uidnext = 1000000;
	for (i = 0; i < n; i++) {
		l->uids[i] = uids[i];
		l->sizes[i] = uids[i] * 10;
	}
	assert_int_equal(pb_listing_seal(l), PB_OK);
	return l;
}

static void
promise(struct pb_promise *p, uint32_t uidvalidity, const uint32_t *uids,
    size_t n)
{
	p->number = 1;
	p->uidvalidity = uidvalidity;
	p->uids = pb_xalloc(n * sizeof(*uids));
	memcpy(p->uids, uids, n * sizeof(*uids));
	p->n = n;
}

static const uint32_t there[] = { 3, 5, 8, 9, 20 };

static void
what_is_promised_is_not_in_the_rest(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(2);
	struct pb_promises_look look;

	(void)state;
	promise(&p->list[0], 77, (const uint32_t[]){ 4, 5, 9 }, 3);
	promise(&p->list[1], 77, (const uint32_t[]){ 3, 5, 999 }, 3);
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.n, 3);
	assert_memory_equal(look.uids, ((const uint32_t[]){ 3, 5, 9 }), 12);
	assert_int_equal(look.rest->count, 2);
	assert_int_equal(look.rest->uids[0], 8);
	assert_int_equal(look.rest->sizes[0], 80);
	assert_int_equal(look.rest->uids[1], 20);
	assert_int_equal(look.rest->octets, 280);
	assert_int_equal(look.rest->uidvalidity, 77);
	assert_int_equal(look.rest->uidnext, 1000000);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	assert_int_equal(p->list[1].outcome, PB_PROMISE_OPEN);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

static void
a_promise_of_which_nothing_is_left_is_void(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(3);
	struct pb_promises_look look;

	(void)state;
	promise(&p->list[0], 77, (const uint32_t[]){ 1, 4, 21 }, 3);
	promise(&p->list[1], 76, there, COUNT(there));
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_ptr_equal(look.rest, l);
	assert_int_equal(look.n, 0);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
	assert_int_equal(p->list[1].outcome, PB_PROMISE_VOID);
	/* A damaged one has no UIDs. */
	assert_int_equal(p->list[2].outcome, PB_PROMISE_VOID);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

static void
what_rests_is_hidden_and_not_due(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(2);
	struct pb_promises_look look;

	(void)state;
	promise(&p->list[0], 77, (const uint32_t[]){ 3, 8 }, 2);
	p->list[0].rests = true;
	promise(&p->list[1], 77, (const uint32_t[]){ 8, 20 }, 2);
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.rest->count, 2);
	assert_int_equal(look.n, 2);
	assert_memory_equal(look.uids, ((const uint32_t[]){ 8, 20 }), 8);
	pb_promises_decide(p, PB_PROMISE_KEPT, "");
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	assert_int_equal(p->list[1].outcome, PB_PROMISE_KEPT);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

static void
what_is_due_goes_in_one_way_and_the_others_wait(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(4);
	struct pb_promises_look look;

	(void)state;
	promise(&p->list[0], 77, (const uint32_t[]){ 4 }, 1);
	p->list[0].removal = PB_REMOVAL_FLAG;
	promise(&p->list[1], 77, (const uint32_t[]){ 3 }, 1);
	p->list[1].removal = PB_REMOVAL_TRASH;
	promise(&p->list[2], 77, (const uint32_t[]){ 5, 8 }, 2);
	promise(&p->list[3], 77, (const uint32_t[]){ 20 }, 1);
	p->list[3].removal = PB_REMOVAL_TRASH;
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.removal, PB_REMOVAL_TRASH);
	assert_int_equal(look.n, 2);
	assert_memory_equal(look.uids, ((const uint32_t[]){ 3, 20 }), 8);
	assert_int_equal(look.rest->count, 1);
	assert_int_equal(look.rest->uids[0], 9);
	pb_promises_decide(p, PB_PROMISE_KEPT, "");
	assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
	assert_int_equal(p->list[1].outcome, PB_PROMISE_KEPT);
	assert_int_equal(p->list[2].outcome, PB_PROMISE_OPEN);
	assert_int_equal(p->list[3].outcome, PB_PROMISE_KEPT);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

/* Marks of UIDs from..to - 1, on a mailbox that has uid, 1000 and 1001. */
static struct pb_promises *
kept_against(uint32_t from, uint32_t to, uint32_t uid)
{
	struct pb_listing *l = make_listing((const uint32_t[]){ uid, 1000,
	    1001 }, 3);
	struct pb_promises *p = pb_promises_new(1);
	struct pb_promises_look look;
	uint32_t uids[200];
	uint32_t i;

	for (i = from; i < to; i++)
		uids[i - from] = i;
	promise(&p->list[0], 77, uids, to - from);
	p->list[0].removal = PB_REMOVAL_KEEP;
	p->list[0].rests = true;
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.n, 0);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_listing_unref(&l);
	return p;
}

static void
marks_of_many_messages_that_are_gone_shrink(void **state)
{
	struct pb_promises *p = kept_against(100, 165, 130);
	uint32_t i;

	(void)state;
	assert_int_equal(p->list[0].outcome, PB_PROMISE_SHRUNK);
	assert_int_equal(p->list[0].n, 1);
	assert_int_equal(p->list[0].uids[0], 130);
	assert_int_equal(p->list[0].gone, 64);
	for (i = 0; i < 64; i++)
		assert_int_equal(p->list[0].uids[1 + i], 100 + i + (i >= 30));
	pb_promises_free(&p);
}

static void
marks_of_a_few_messages_that_are_gone_stay(void **state)
{
	struct pb_promises *p = kept_against(100, 164, 130);

	(void)state;
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	assert_int_equal(p->list[0].n, 64);
	assert_int_equal(p->list[0].gone, 0);
	pb_promises_free(&p);
}

static void
marks_of_messages_that_are_all_gone_are_void(void **state)
{
	struct pb_promises *p = kept_against(100, 164, 900);

	(void)state;
	assert_int_equal(p->list[0].outcome, PB_PROMISE_VOID);
	assert_int_equal(p->list[0].n, 64);
	pb_promises_free(&p);
}

static void
an_empty_mailbox_leaves_marks_as_they_are(void **state)
{
	struct pb_listing *l = make_listing(there, 0);
	uint32_t uidvalidity;

	(void)state;
	for (uidvalidity = 76; uidvalidity <= 77; uidvalidity++) {
		struct pb_promises *p = pb_promises_new(1);
		struct pb_promises_look look;

		promise(&p->list[0], uidvalidity, there, COUNT(there));
		p->list[0].removal = PB_REMOVAL_KEEP;
		p->list[0].rests = true;
		assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
		assert_int_equal(p->list[0].outcome, uidvalidity == 77
		    ? PB_PROMISE_OPEN : PB_PROMISE_VOID);
		pb_listing_unref(&look.rest);
		pb_free(look.uids);
		pb_promises_free(&p);
	}
	pb_listing_unref(&l);
}

static void
a_hundred_thousand_marks_hide_as_many_messages(void **state)
{
	enum { MANY = 100000 };
	struct pb_promises *p = pb_promises_new(1);
	uint32_t *uids = pb_xalloc((size_t)(MANY + 1) * sizeof(*uids));
	struct pb_promises_look look;
	struct pb_listing *l;
	uint32_t i;

	(void)state;
	for (i = 0; i <= MANY; i++)
		uids[i] = 3 * i + 7;
	l = make_listing(uids, MANY + 1);
	promise(&p->list[0], 77, uids, MANY);
	p->list[0].removal = PB_REMOVAL_KEEP;
	p->list[0].rests = true;
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.n, 0);
	assert_int_equal(look.rest->count, 1);
	assert_int_equal(look.rest->uids[0], uids[MANY]);
	assert_int_equal(p->list[0].outcome, PB_PROMISE_OPEN);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_free(uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

static void
all_of_a_mailbox_may_be_promised(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(1);
	struct pb_promises_look look;

	(void)state;
	promise(&p->list[0], 77, there, COUNT(there));
	assert_int_equal(pb_promises_compare(p, l, &look), PB_OK);
	assert_int_equal(look.rest->count, 0);
	assert_int_equal(look.n, COUNT(there));
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	pb_listing_unref(&l);
}

static void
without_memory_nothing_changes(void **state)
{
	struct pb_listing *l = make_listing(there, COUNT(there));
	struct pb_promises *p = pb_promises_new(2);
	struct pb_promises_look look;
	enum pb_status st = PB_ENOMEM;
	unsigned long n;

	(void)state;
	promise(&p->list[0], 77, (const uint32_t[]){ 5, 9 }, 2);
	promise(&p->list[1], 76, (const uint32_t[]){ 5, 9 }, 2);
	for (n = 1; st != PB_OK; n++) {
		assert_int_equal(p->list[1].outcome, PB_PROMISE_OPEN);
		pb_mem_fail_from(n);
		st = pb_promises_compare(p, l, &look);
		pb_mem_fail_from(0);
		assert_true(st == PB_OK || st == PB_ENOMEM);
	}
	assert_true(n > 4);
	pb_listing_unref(&look.rest);
	pb_free(look.uids);
	pb_promises_free(&p);
	for (n = 1; n <= 2; n++) {
		pb_mem_fail_from(n);
		assert_null(pb_promises_new(3));
		pb_mem_fail_from(0);
	}
	pb_listing_unref(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_promised_is_not_in_the_rest),
		cmocka_unit_test(a_promise_of_which_nothing_is_left_is_void),
		cmocka_unit_test(what_rests_is_hidden_and_not_due),
		cmocka_unit_test(
		    what_is_due_goes_in_one_way_and_the_others_wait),
		cmocka_unit_test(marks_of_many_messages_that_are_gone_shrink),
		cmocka_unit_test(marks_of_a_few_messages_that_are_gone_stay),
		cmocka_unit_test(marks_of_messages_that_are_all_gone_are_void),
		cmocka_unit_test(an_empty_mailbox_leaves_marks_as_they_are),
		cmocka_unit_test(
		    a_hundred_thousand_marks_hide_as_many_messages),
		cmocka_unit_test(all_of_a_mailbox_may_be_promised),
		cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
