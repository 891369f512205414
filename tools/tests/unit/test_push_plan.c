#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "push_plan.h"

#define LIMIT 1000
#define MAX 16

static const struct xlm_push_tuning tuning = {
    .after = 3, .before = 2, .share = 4};

static void plan_with(struct xlm_push_plan *plan, uint64_t first,
                      uint64_t last)
{
    uint64_t pfn;

    *plan = XLM_PUSH_PLAN_EMPTY;
    assert_int_equal(xlm_push_plan_init(plan, LIMIT, &tuning), 0);
    for (pfn = first; pfn <= last; pfn++) {
        xlm_pfn_set_add(&plan->outstanding, pfn);
    }
}

static void expect_request(struct xlm_push_plan *plan, uint64_t pfn)
{
    uint64_t pfns[MAX];
    size_t count;

    assert_int_equal(xlm_push_plan_next(plan, true, MAX, pfns, &count),
                     XLM_PUSH_REQUESTED);
    assert_int_equal(count, 1);
    assert_int_equal(pfns[0], pfn);
}

static void expect_nothing(struct xlm_push_plan *plan, bool may_push)
{
    uint64_t pfns[MAX];
    size_t count = 77;

    assert_int_equal(xlm_push_plan_next(plan, may_push, MAX, pfns, &count),
                     XLM_PUSH_NOTHING);
    assert_int_equal(count, 0);
}

static void expect_push(struct xlm_push_plan *plan, size_t max, size_t count,
                        const uint64_t *expected)
{
    uint64_t pfns[MAX];
    size_t got, i;

    assert_int_equal(xlm_push_plan_next(plan, true, max, pfns, &got),
                     XLM_PUSH_UNASKED);
    assert_int_equal(got, count);
    for (i = 0; i < count; i++) {
        assert_int_equal(pfns[i], expected[i]);
    }
}

static void nothing_to_do(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 1, 0);
    expect_nothing(&plan, true);
    expect_nothing(&plan, false);
    xlm_push_plan_request(&plan, 5);
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);
}

/* Without a request the push goes from the bottom up. */
static void push_from_the_bottom(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 10, 13);
    expect_nothing(&plan, false);
    expect_push(&plan, 3, 3, (uint64_t[]){10, 11, 12});
    expect_push(&plan, 3, 1, (uint64_t[]){13});
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);
}

static void requests_in_order(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    xlm_push_plan_request(&plan, 500);
    xlm_push_plan_request(&plan, 0);
    xlm_push_plan_request(&plan, LIMIT - 1);
    expect_request(&plan, 500);
    expect_request(&plan, 0);
    expect_request(&plan, LIMIT - 1);
    assert_int_equal(plan.outstanding.count, LIMIT - 3);
    xlm_push_plan_dispose(&plan);
}

/* Several vCPUs ask for one page; one asks for a page that left already. */
static void repeated_requests(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 9);
    xlm_push_plan_request(&plan, 4);
    xlm_push_plan_request(&plan, 4);
    xlm_push_plan_request(&plan, 4);
    expect_request(&plan, 4);
    xlm_push_plan_request(&plan, 4);
    xlm_push_plan_request(&plan, LIMIT + 5);
    xlm_push_plan_request(&plan, UINT64_MAX);
    expect_nothing(&plan, false);
    xlm_push_plan_dispose(&plan);
}

/* Three above, two below, and so on. */
static void push_outwards(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 63);
    xlm_push_plan_request(&plan, 20);
    expect_request(&plan, 20);
    expect_push(&plan, 10, 10,
                (uint64_t[]){21, 22, 23, 19, 18, 24, 25, 26, 17, 16});
    expect_push(&plan, 2, 2, (uint64_t[]){27, 28});
    xlm_push_plan_request(&plan, 40);
    expect_request(&plan, 40);
    expect_push(&plan, 5, 5, (uint64_t[]){41, 42, 43, 39, 38});
    xlm_push_plan_dispose(&plan);
}

/* Two threads of the guest, far apart: the push is for both, in turn. */
static void two_places_in_turn(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    xlm_push_plan_request(&plan, 100);
    xlm_push_plan_request(&plan, 600);
    expect_request(&plan, 100);
    expect_request(&plan, 600);
    expect_push(&plan, 3, 3, (uint64_t[]){601, 602, 603});
    expect_push(&plan, 3, 3, (uint64_t[]){101, 102, 103});
    expect_push(&plan, 3, 3, (uint64_t[]){599, 598, 604});
    expect_push(&plan, 3, 3, (uint64_t[]){99, 98, 104});
    /* A little ahead: the same thread, whose turn it is at once. */
    xlm_push_plan_request(&plan, 110);
    expect_request(&plan, 110);
    expect_push(&plan, 3, 3, (uint64_t[]){111, 112, 113});
    expect_push(&plan, 3, 3, (uint64_t[]){605, 606, 597});
    xlm_push_plan_dispose(&plan);
}

/* One place more than there can be: the one left alone longest is given up. */
static void the_oldest_place_goes(void **state)
{
    struct xlm_push_plan plan;
    uint64_t i;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    plan.tuning.share = LIMIT;
    for (i = 0; i < XLM_PUSH_PIVOTS; i++) {
        xlm_push_plan_request(&plan, 100 * (i + 1));
        expect_request(&plan, 100 * (i + 1));
    }
    xlm_push_plan_request(&plan, 101);
    expect_request(&plan, 101);
    xlm_push_plan_request(&plan, 900);
    expect_request(&plan, 900);
    expect_push(&plan, 1, 1, (uint64_t[]){901});
    expect_push(&plan, 1, 1, (uint64_t[]){301});
    expect_push(&plan, 1, 1, (uint64_t[]){401});
    expect_push(&plan, 1, 1, (uint64_t[]){102});
    expect_push(&plan, 1, 1, (uint64_t[]){902});
    xlm_push_plan_dispose(&plan);
}

/* Asked for at the very ends: the other direction has all of it. */
static void push_from_the_ends(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 5);
    xlm_push_plan_request(&plan, 0);
    expect_request(&plan, 0);
    expect_push(&plan, MAX, 5, (uint64_t[]){1, 2, 3, 4, 5});
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);

    plan_with(&plan, LIMIT - 5, LIMIT - 1);
    xlm_push_plan_request(&plan, LIMIT - 1);
    expect_request(&plan, LIMIT - 1);
    expect_push(&plan, MAX, 4,
                (uint64_t[]){LIMIT - 2, LIMIT - 3, LIMIT - 4, LIMIT - 5});
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);
}

static void batches_stay_in_their_group(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfns[XLM_PUSH_ALIGN * 2];
    size_t count, i, total = 0;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    xlm_push_plan_request(&plan, 300);
    expect_request(&plan, 300);
    while (xlm_push_plan_next(&plan, true, XLM_PUSH_ALIGN * 2, pfns, &count) ==
           XLM_PUSH_UNASKED) {
        assert_in_range(count, 1, XLM_PUSH_ALIGN);
        for (i = 0; i < count; i++) {
            assert_int_equal(pfns[i] / XLM_PUSH_ALIGN,
                             pfns[0] / XLM_PUSH_ALIGN);
        }
        total += count;
    }
    assert_int_equal(total, LIMIT - 1);
    xlm_push_plan_dispose(&plan);
}

/* A guest that faults all the time must not starve the push. */
static void push_has_its_share(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, 63);
    for (pfn = 0; pfn < 64; pfn += 4) {
        xlm_push_plan_request(&plan, pfn);
    }
    for (pfn = 0; pfn < 4 * tuning.share; pfn += 4) {
        expect_request(&plan, pfn);
    }
    expect_push(&plan, 1, 1, (uint64_t[]){13});
    expect_request(&plan, 16);
    xlm_push_plan_dispose(&plan);
}

/* Without credit requests are still served, beyond their share. */
static void requests_need_no_credit(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfns[MAX], pfn;
    size_t count;

    (void)state;
    plan_with(&plan, 0, 63);
    for (pfn = 0; pfn < 64; pfn++) {
        xlm_push_plan_request(&plan, pfn);
    }
    for (pfn = 0; pfn < 64; pfn++) {
        assert_int_equal(xlm_push_plan_next(&plan, false, MAX, pfns, &count),
                         XLM_PUSH_REQUESTED);
        assert_int_equal(pfns[0], pfn);
    }
    expect_nothing(&plan, false);
    xlm_push_plan_dispose(&plan);
}

/* A page that the push took before its request came up goes once only. */
static void push_overtakes_request(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, 9);
    for (pfn = 0; pfn < 6; pfn++) {
        xlm_push_plan_request(&plan, pfn);
    }
    for (pfn = 0; pfn < tuning.share; pfn++) {
        expect_request(&plan, pfn);
    }
    expect_push(&plan, MAX, 6, (uint64_t[]){4, 5, 6, 7, 8, 9});
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);
}

/* Every page once, whatever comes in between. */
static void each_page_once(void **state)
{
    struct xlm_push_plan plan;
    uint8_t seen[LIMIT] = {0};
    uint64_t pfns[MAX];
    size_t count, i, total = 0;
    unsigned int seed = 1, step = 0;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    while (total < LIMIT) {
        for (i = 0; i < step % 4; i++) {
            xlm_push_plan_request(&plan, (unsigned int)rand_r(&seed) % LIMIT);
        }
        step++;
        xlm_push_plan_next(&plan, step % 3, 1 + step % MAX, pfns, &count);
        for (i = 0; i < count; i++) {
            assert_int_equal(seen[pfns[i]]++, 0);
        }
        total += count;
    }
    assert_int_equal(plan.outstanding.count, 0);
    expect_nothing(&plan, true);
    xlm_push_plan_dispose(&plan);
    xlm_push_plan_dispose(&plan);
}

/* The queue is a ring that grows while it is wrapped around. */
static void queue_grows(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    for (pfn = 0; pfn < 40; pfn++) {
        xlm_push_plan_request(&plan, pfn);
    }
    plan.tuning.share = LIMIT;
    for (pfn = 0; pfn < 30; pfn++) {
        expect_request(&plan, pfn);
    }
    for (pfn = 40; pfn < 300; pfn++) {
        xlm_push_plan_request(&plan, pfn);
    }
    for (pfn = 30; pfn < 300; pfn++) {
        expect_request(&plan, pfn);
    }
    xlm_push_plan_dispose(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(push_from_the_bottom),
        cmocka_unit_test(requests_in_order),
        cmocka_unit_test(repeated_requests),
        cmocka_unit_test(push_outwards),
        cmocka_unit_test(two_places_in_turn),
        cmocka_unit_test(the_oldest_place_goes),
        cmocka_unit_test(push_from_the_ends),
        cmocka_unit_test(batches_stay_in_their_group),
        cmocka_unit_test(push_has_its_share),
        cmocka_unit_test(requests_need_no_credit),
        cmocka_unit_test(push_overtakes_request),
        cmocka_unit_test(each_page_once),
        cmocka_unit_test(queue_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
