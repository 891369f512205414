/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/push_plan.h"

#define LIMIT 1000
#define MAX 16

static const struct xlm_push_tuning tuning = {
    .neighbours = {.before = 2, .after = 3}, .background = true, .share = 4};

static void plan_with(struct xlm_push_plan *plan, uint64_t first,
                      uint64_t last)
{
    struct xlm_pfn_set outstanding = XLM_PFN_SET_EMPTY;
    uint64_t pfn;

    *plan = XLM_PUSH_PLAN_EMPTY;
    assert_int_equal(
        xlm_pfn_set_reserve(&outstanding, last < LIMIT ? LIMIT : last + 1), 0);
    for (pfn = first; pfn <= last; pfn++) {
        xlm_pfn_set_add(&outstanding, pfn);
    }
    assert_int_equal(xlm_push_plan_init(plan, outstanding.limit, &tuning), 0);
    xlm_push_plan_begin(plan, &outstanding);
}

/* No neighbours go along with a requested page: the test sees only the
 * background. */
static void without_neighbours(struct xlm_push_plan *plan)
{
    plan->neighbours = (struct xlm_neighbours){0, 0};
}

static void expect_request(struct xlm_push_plan *plan, uint64_t pfn)
{
    uint64_t pfns[MAX];
    size_t count;

    assert_int_equal(xlm_push_plan_next(plan, MAX, pfns, &count),
                     XLM_PUSH_REQUESTED);
    assert_int_equal(count, 1);
    assert_int_equal(pfns[0], pfn);
}

static void expect_nothing(struct xlm_push_plan *plan, size_t room)
{
    uint64_t pfns[MAX];
    size_t count = 77;

    assert_int_equal(xlm_push_plan_next(plan, room, pfns, &count),
                     XLM_PUSH_NOTHING);
    assert_int_equal(count, 0);
}

static void expect_pages(struct xlm_push_plan *plan, size_t room,
                         enum xlm_push_kind kind, size_t count,
                         const uint64_t *expected)
{
    uint64_t pfns[MAX];
    size_t got, i;

    assert_int_equal(xlm_push_plan_next(plan, room, pfns, &got), kind);
    assert_int_equal(got, count);
    for (i = 0; i < count; i++) {
        assert_int_equal(pfns[i], expected[i]);
    }
}

/* The next page of the background. */
static void expect_push(struct xlm_push_plan *plan, size_t max, size_t count,
                        const uint64_t *expected)
{
    expect_pages(plan, max, XLM_PUSH_BACKGROUND, count, expected);
}

static void expect_neighbours(struct xlm_push_plan *plan, size_t max,
                              size_t count, const uint64_t *expected)
{
    expect_pages(plan, max, XLM_PUSH_NEIGHBOURS, count, expected);
}

static void request(struct xlm_push_plan *plan, uint64_t pfn)
{
    assert_int_equal(xlm_push_plan_request(plan, pfn), 0);
    expect_request(plan, pfn);
}

static void nothing_to_do(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 1, 0);
    expect_nothing(&plan, MAX);
    expect_nothing(&plan, 0);
    xlm_push_plan_request(&plan, 5);
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);
}

/* Without a request the push goes from the bottom up. */
static void push_from_the_bottom(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 10, 13);
    expect_nothing(&plan, 0);
    expect_push(&plan, 3, 3, (uint64_t[]){10, 11, 12});
    expect_push(&plan, 3, 1, (uint64_t[]){13});
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);
}

/* An urgent request goes before other requests, even for the same page, and
 * before the background when that has its turn. */
static void urgent_requests(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    assert_int_equal(xlm_push_plan_urge(&plan, 700), 0);
    expect_request(&plan, 700);
    for (uint64_t i = 0; i < 64; i++) {
        xlm_push_plan_request(&plan, 100 + i);
    }
    assert_int_equal(xlm_push_plan_urge(&plan, 130), 0);
    expect_request(&plan, 130);
    plan.requested = plan.tuning.share;
    assert_int_equal(xlm_push_plan_urge(&plan, 701), 0);
    assert_int_equal(xlm_push_plan_urge(&plan, 700), 0); /* under way */
    expect_request(&plan, 701);
    plan.requested = 0;
    for (uint64_t i = 0; i < 64; i++) {
        if (i != 30) {
            plan.requested = 0;
            expect_request(&plan, 100 + i);
        }
    }
    assert_int_equal(plan.urgent, 0);
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

/* Several vCPUs request one page; one requests a page that was sent already.
 */
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
    expect_nothing(&plan, 0);
    xlm_push_plan_dispose(&plan);
}

/* Three above, two below, and so on. */
static void push_outwards(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 63);
    without_neighbours(&plan);
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

/* Two threads of the guest, far apart: the push takes turns between both. */
static void two_places_in_turn(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    without_neighbours(&plan);
    xlm_push_plan_request(&plan, 100);
    xlm_push_plan_request(&plan, 600);
    expect_request(&plan, 100);
    expect_request(&plan, 600);
    expect_push(&plan, 3, 3, (uint64_t[]){601, 602, 603});
    expect_push(&plan, 3, 3, (uint64_t[]){101, 102, 103});
    expect_push(&plan, 3, 3, (uint64_t[]){599, 598, 604});
    expect_push(&plan, 3, 3, (uint64_t[]){99, 98, 104});
    /* A request a little ahead is of the same thread, whose turn comes at
     * once. */
    xlm_push_plan_request(&plan, 110);
    expect_request(&plan, 110);
    expect_push(&plan, 3, 3, (uint64_t[]){111, 112, 113});
    expect_push(&plan, 3, 3, (uint64_t[]){605, 606, 597});
    xlm_push_plan_dispose(&plan);
}

/* One place more than the plan can keep: it gives up the place that had no
 * request for the longest time. */
static void the_oldest_place_goes(void **state)
{
    struct xlm_push_plan plan;
    uint64_t i;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    without_neighbours(&plan);
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

/* Requests at both ends of memory: the push then has only one direction to go.
 */
static void push_from_the_ends(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 5);
    without_neighbours(&plan);
    xlm_push_plan_request(&plan, 0);
    expect_request(&plan, 0);
    expect_push(&plan, MAX, 5, (uint64_t[]){1, 2, 3, 4, 5});
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);

    plan_with(&plan, LIMIT - 5, LIMIT - 1);
    without_neighbours(&plan);
    xlm_push_plan_request(&plan, LIMIT - 1);
    expect_request(&plan, LIMIT - 1);
    expect_push(&plan, MAX, 4,
                (uint64_t[]){LIMIT - 2, LIMIT - 3, LIMIT - 4, LIMIT - 5});
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);
}

/* Around a boundary, from which the push goes to both sides. */
static void batches_stay_on_a_side(void **state)
{
    struct xlm_push_plan plan;
    uint64_t first = XLM_PUSH_ALIGN - 40, pfns[MAX];
    size_t count, i, total = 0;
    bool upper = false, lower = false;

    (void)state;
    plan_with(&plan, first, first + 79);
    xlm_push_plan_request(&plan, XLM_PUSH_ALIGN);
    while (xlm_push_plan_next(&plan, MAX, pfns, &count) != XLM_PUSH_NOTHING) {
        for (i = 0; i < count; i++) {
            assert_int_equal(pfns[i] / XLM_PUSH_ALIGN,
                             pfns[0] / XLM_PUSH_ALIGN);
        }
        upper |= pfns[0] >= XLM_PUSH_ALIGN;
        lower |= pfns[0] < XLM_PUSH_ALIGN;
        total += count;
    }
    assert_int_equal(total, 80);
    assert_true(upper && lower);
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
        assert_int_equal(xlm_push_plan_next(&plan, 0, pfns, &count),
                         XLM_PUSH_REQUESTED);
        assert_int_equal(pfns[0], pfn);
    }
    expect_nothing(&plan, 0);
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
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);
}

/* The guest has dropped the pages: requested ones, neighbours, or others. */
static void dropped_pages(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 9);
    request(&plan, 3);
    xlm_push_plan_request(&plan, 8);
    assert_true(xlm_push_plan_drop(&plan, 8));
    assert_true(xlm_push_plan_drop(&plan, 4));
    assert_true(xlm_push_plan_drop(&plan, 0));
    assert_false(xlm_push_plan_drop(&plan, 3));
    assert_false(xlm_push_plan_drop(&plan, 8));
    assert_false(xlm_push_plan_drop(&plan, UINT64_MAX));
    assert_int_equal(plan.queued.count, 0);
    expect_neighbours(&plan, MAX, 4, (uint64_t[]){5, 6, 2, 1});
    expect_push(&plan, MAX, 2, (uint64_t[]){7, 9});
    expect_nothing(&plan, MAX);
    xlm_push_plan_dispose(&plan);
}

/* ---- neighbours ---- */

/* The neighbours go before the background, those above first. */
static void neighbours_go_at_once(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    request(&plan, 20);
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){21, 22, 23, 19, 18});
    expect_push(&plan, 2, 2, (uint64_t[]){24, 25});
    xlm_push_plan_dispose(&plan);
}

/* Requests go between the neighbours of other requests, and the neighbours of
 * the last request go first; a neighbour is not sent twice. */
static void neighbours_wait_for_requests(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    request(&plan, 100);
    expect_neighbours(&plan, 2, 2, (uint64_t[]){101, 102});
    xlm_push_plan_request(&plan, 99);
    xlm_push_plan_request(&plan, 600);
    expect_request(&plan, 99);
    expect_request(&plan, 600);
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){601, 602, 603, 599, 598});
    expect_neighbours(&plan, MAX, 2, (uint64_t[]){98, 97});
    expect_push(&plan, 1, 1, (uint64_t[]){604});
    xlm_push_plan_dispose(&plan);
}

/* Neighbours at the ends of memory, and beside pages that were sent before. */
static void neighbours_are_no_further_than_set(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    request(&plan, 0);
    expect_neighbours(&plan, MAX, 3, (uint64_t[]){1, 2, 3});
    request(&plan, LIMIT - 1);
    expect_neighbours(&plan, MAX, 2, (uint64_t[]){LIMIT - 2, LIMIT - 3});
    for (pfn = 501; pfn < 510; pfn++) {
        xlm_pfn_set_remove(&plan.outstanding, pfn);
    }
    xlm_pfn_set_remove(&plan.outstanding, 499);
    request(&plan, 500);
    expect_neighbours(&plan, MAX, 1, (uint64_t[]){498});
    xlm_push_plan_dispose(&plan);
}

/* Neighbours do not use the background's share, which comes even while they
 * wait. */
static void neighbours_leave_the_background_its_share(void **state)
{
    struct xlm_push_plan plan;
    uint64_t i;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    for (i = 0; i < tuning.share; i++) {
        request(&plan, 100 + 200 * i);
    }
    expect_pages(&plan, MAX, XLM_PUSH_BACKGROUND, MAX,
                 (uint64_t[]){701, 702, 703, 699, 698, 704, 705, 706, 697, 696,
                              707, 708, 709, 695, 694, 710});
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){101, 102, 103, 99, 98});
    xlm_push_plan_dispose(&plan);
}

/* Without a background the neighbours go all the same, and nothing else does.
 */
static void neighbours_without_a_background(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    plan.tuning.background = false;
    for (pfn = 100; pfn < 900; pfn += 100) {
        request(&plan, pfn);
        expect_neighbours(
            &plan, MAX, 5,
            (uint64_t[]){pfn + 1, pfn + 2, pfn + 3, pfn - 1, pfn - 2});
        expect_nothing(&plan, MAX);
    }
    xlm_push_plan_dispose(&plan);
}

/* No neighbours: the page alone, and a background outwards from it. */
static void no_neighbours(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 24);
    plan.tuning.neighbours = (struct xlm_neighbours){0, 0};
    plan.neighbours = plan.tuning.neighbours;
    request(&plan, 20);
    expect_push(&plan, 6, 6, (uint64_t[]){21, 22, 23, 24, 19, 18});
    xlm_push_plan_dispose(&plan);
}

static uint64_t sent_with(struct xlm_push_plan *plan)
{
    uint64_t pfns[MAX], sum = 0;
    size_t count;

    plan->tuning.background = false;
    while (xlm_push_plan_next(plan, MAX, pfns, &count) ==
           XLM_PUSH_NEIGHBOURS) {
        sum += count;
    }
    assert_int_equal(count, 0);
    plan->tuning.background = true;
    return sum;
}

/* A guest that walks through memory requests pages beyond the last neighbours,
 * so the number of neighbours grows. */
static void neighbours_grow_for_a_walker(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn = 2000, sent = 3 + 2;

    (void)state;
    plan_with(&plan, 0, 4000);
    plan.tuning.adapt = true;
    plan.tuning.share = LIMIT;
    request(&plan, pfn);
    assert_int_equal(sent_with(&plan), sent);
    for (sent = 6; sent < XLM_NEIGHBOURS_MOST; sent *= 2) {
        pfn = xlm_pfn_set_next(&plan.outstanding, pfn);
        request(&plan, pfn);
        assert_int_equal(sent_with(&plan), sent);
    }
    pfn = xlm_pfn_set_next(&plan.outstanding, pfn);
    request(&plan, pfn);
    assert_int_equal(sent_with(&plan), XLM_NEIGHBOURS_MOST);
    xlm_push_plan_dispose(&plan);
}

/* A guest that requests a neighbour before it has arrived needs the next pages
 * as well, at once and without a request for them. */
static void hits_move_the_neighbours_on(void **state)
{
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    plan.tuning.adapt = true;
    request(&plan, 500);
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){501, 502, 503, 499, 498});
    xlm_push_plan_request(&plan, 502);
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){504, 505, 506, 507, 508});
    /* Downwards. */
    xlm_push_plan_request(&plan, 498);
    expect_neighbours(&plan, MAX, 4, (uint64_t[]){497, 496, 495, 494});
    /* A page far from all requests changes no number of neighbours. */
    xlm_pfn_set_remove(&plan.outstanding, 900);
    xlm_push_plan_request(&plan, 900);
    assert_int_equal(sent_with(&plan), 0);
    xlm_push_plan_dispose(&plan);
}

/* A guest that jumps about has no use for neighbours; a place where it walks
 * keeps its own. */
static void neighbours_shrink_for_a_jumper(void **state)
{
    struct xlm_push_plan plan;
    uint64_t i;

    (void)state;
    plan_with(&plan, 0, 20000);
    plan.tuning.adapt = true;
    plan.tuning.share = LIMIT;
    plan.tuning.neighbours = (struct xlm_neighbours){8, 24};
    plan.neighbours = plan.tuning.neighbours;
    request(&plan, 1000);
    assert_int_equal(sent_with(&plan), 24 + 8);
    request(&plan, 1025);
    assert_int_equal(sent_with(&plan), 48);
    for (i = 1; i <= 8; i++) {
        request(&plan, 1025 + i * 2000);
        (void)sent_with(&plan);
        if (i == 2) {
            request(&plan, 1025 + 49);
            assert_int_equal(sent_with(&plan), XLM_NEIGHBOURS_MOST);
        }
    }
    request(&plan, 19000);
    assert_int_equal(sent_with(&plan), 2 * XLM_NEIGHBOURS_LEAST);
    xlm_push_plan_dispose(&plan);
}

/* Numbers that the caller has set do not adapt. */
static void neighbours_of_a_fixed_number(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfn;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    plan.tuning.share = LIMIT;
    request(&plan, 100);
    assert_int_equal(sent_with(&plan), 5);
    for (pfn = 104; pfn < 140; pfn += 4) {
        request(&plan, pfn);
        assert_int_equal(sent_with(&plan), 3);
    }
    request(&plan, 800);
    assert_int_equal(sent_with(&plan), 5);
    xlm_push_plan_dispose(&plan);
}

/* ---- what was written last ---- */

/* The last writes, and those before; the others are not known. */
static void recently_written(struct xlm_push_plan *plan,
                             struct xlm_pfn_set recent[XLM_PUSH_RECENT])
{
    static const uint64_t pfns[2][5] = {{700, 300, 301, 950, 10},
                                        {301, 302, 303, 5, 700}};
    size_t i, j;

    for (i = 0; i < XLM_PUSH_RECENT; i++) {
        recent[i] = XLM_PFN_SET_EMPTY;
    }
    for (i = 0; i < 2; i++) {
        assert_int_equal(xlm_pfn_set_reserve(&recent[2 * i], LIMIT), 0);
        for (j = 0; j < 5; j++) {
            xlm_pfn_set_add(&recent[2 * i], pfns[i][j]);
        }
        plan->recent[2 * i] = &recent[2 * i];
    }
    plan->recent[1] = &recent[1];
}

static void forget_written(struct xlm_pfn_set recent[XLM_PUSH_RECENT])
{
    size_t i;

    for (i = 0; i < XLM_PUSH_RECENT; i++) {
        xlm_pfn_set_dispose(&recent[i]);
    }
}

/* Without a request the pages written last go first, upwards; then those
 * written before; then all others. */
static void recent_pages_first(void **state)
{
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    recently_written(&plan, recent);
    xlm_pfn_set_remove(&plan.outstanding, 303); /* went in the stop */
    expect_push(&plan, 2, 2, (uint64_t[]){10, 300});
    expect_push(&plan, 2, 2, (uint64_t[]){301, 700});
    expect_push(&plan, 3, 3, (uint64_t[]){950, 5, 302});
    expect_push(&plan, 7, 7, (uint64_t[]){0, 1, 2, 3, 4, 6, 7});
    forget_written(recent);
    xlm_push_plan_dispose(&plan);
}

/* Requests and their neighbours go before the pages written last; then these
 * take turns with pages around the requests. */
static void recent_pages_and_requests(void **state)
{
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    recently_written(&plan, recent);
    request(&plan, 299);
    expect_neighbours(&plan, MAX, 5, (uint64_t[]){300, 301, 302, 298, 297});
    expect_push(&plan, 2, 2, (uint64_t[]){10, 700});
    expect_push(&plan, 2, 2, (uint64_t[]){303, 304});
    expect_push(&plan, 2, 2, (uint64_t[]){950, 5});
    expect_push(&plan, 2, 2, (uint64_t[]){305, 296});
    expect_push(&plan, 2, 2, (uint64_t[]){295, 306});
    forget_written(recent);
    xlm_push_plan_dispose(&plan);
}

/* ---- whatever comes ---- */

/* Every page goes once, whatever comes in between. */
static void each_page_once(void **state)
{
    struct xlm_push_plan plan;
    struct xlm_pfn_set recent[XLM_PUSH_RECENT];
    uint8_t seen[LIMIT] = {0};
    uint64_t pfns[MAX];
    size_t count, i, total = 0;
    unsigned int seed = 1, step = 0;

    (void)state;
    plan_with(&plan, 0, LIMIT - 1);
    plan.tuning.adapt = true;
    recently_written(&plan, recent);
    while (total < LIMIT) {
        for (i = 0; i < step % 4; i++) {
            xlm_push_plan_request(&plan, (unsigned int)rand_r(&seed) % LIMIT);
        }
        step++;
        xlm_push_plan_next(&plan, step % 3 ? 1 + step % MAX : 0, pfns, &count);
        for (i = 0; i < count; i++) {
            assert_int_equal(seen[pfns[i]]++, 0);
        }
        total += count;
    }
    assert_int_equal(plan.outstanding.count, 0);
    expect_nothing(&plan, MAX);
    forget_written(recent);
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

/* ---- pages that did not arrive ---- */

/* The background has passed them on its way upwards, and comes back. */
static void put_back_behind_the_background(void **state)
{
    static const uint64_t first[] = {0, 1, 2, 3}, again[] = {1, 2};
    struct xlm_push_plan plan;

    (void)state;
    plan_with(&plan, 0, 3);
    expect_pages(&plan, 8, XLM_PUSH_BACKGROUND, 4, first);
    expect_nothing(&plan, 8);
    assert_int_equal(xlm_push_plan_put_back(&plan, 2), 0);
    assert_int_equal(xlm_push_plan_put_back(&plan, 1), 0);
    expect_pages(&plan, 8, XLM_PUSH_BACKGROUND, 2, again);
    expect_nothing(&plan, 8);
    xlm_push_plan_dispose(&plan);
}

/* A request is remembered, whether it came before the page was handed out or
 * after; without that all are pushed. */
static void put_back_as_requested(void **state)
{
    struct xlm_push_plan plan;
    uint64_t pfns[MAX];
    size_t count, left = 3;

    (void)state;
    for (unsigned int remember = 0; remember < 2; remember++) {
        plan_with(&plan, 0, 2);
        without_neighbours(&plan);
        if (remember) {
            assert_int_equal(xlm_push_plan_remember(&plan), 0);
        }
        xlm_push_plan_request(&plan, 2);
        expect_request(&plan, 2);
        assert_int_equal(xlm_push_plan_next(&plan, MAX, pfns, &count),
                         XLM_PUSH_BACKGROUND);
        assert_int_equal(count, 2);
        xlm_push_plan_request(&plan, 1); /* under way */
        for (uint64_t pfn = 0; pfn < 3; pfn++) {
            assert_int_equal(xlm_push_plan_put_back(&plan, pfn), 0);
        }
        if (remember) {
            expect_request(&plan, 1);
            expect_request(&plan, 2);
        }
        while (!remember && left) {
            assert_int_not_equal(xlm_push_plan_next(&plan, MAX, pfns, &count),
                                 XLM_PUSH_REQUESTED);
            assert_true(count > 0);
            left -= count;
        }
        xlm_push_plan_dispose(&plan);
    }
}

static void unasked_leaves_requests(void **state)
{
    static const uint64_t upwards[] = {0, 1, 2};
    struct xlm_push_plan plan;
    uint64_t pfns[MAX];
    size_t count = 77;

    (void)state;
    plan_with(&plan, 0, 9);
    xlm_push_plan_request(&plan, 5);
    assert_int_equal(xlm_push_plan_next_unasked(&plan, 0, pfns, &count),
                     XLM_PUSH_NOTHING);
    assert_int_equal(count, 0);
    assert_int_equal(xlm_push_plan_next_unasked(&plan, 3, pfns, &count),
                     XLM_PUSH_BACKGROUND);
    assert_int_equal(count, 3);
    assert_memory_equal(pfns, upwards, sizeof(upwards));
    expect_request(&plan, 5);
    xlm_push_plan_dispose(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(push_from_the_bottom),
        cmocka_unit_test(requests_in_order),
        cmocka_unit_test(urgent_requests),
        cmocka_unit_test(repeated_requests),
        cmocka_unit_test(push_outwards),
        cmocka_unit_test(two_places_in_turn),
        cmocka_unit_test(the_oldest_place_goes),
        cmocka_unit_test(push_from_the_ends),
        cmocka_unit_test(batches_stay_on_a_side),
        cmocka_unit_test(push_has_its_share),
        cmocka_unit_test(requests_need_no_credit),
        cmocka_unit_test(push_overtakes_request),
        cmocka_unit_test(dropped_pages),
        cmocka_unit_test(neighbours_go_at_once),
        cmocka_unit_test(neighbours_wait_for_requests),
        cmocka_unit_test(neighbours_are_no_further_than_set),
        cmocka_unit_test(neighbours_leave_the_background_its_share),
        cmocka_unit_test(neighbours_without_a_background),
        cmocka_unit_test(no_neighbours),
        cmocka_unit_test(neighbours_grow_for_a_walker),
        cmocka_unit_test(hits_move_the_neighbours_on),
        cmocka_unit_test(neighbours_shrink_for_a_jumper),
        cmocka_unit_test(neighbours_of_a_fixed_number),
        cmocka_unit_test(recent_pages_first),
        cmocka_unit_test(recent_pages_and_requests),
        cmocka_unit_test(each_page_once),
        cmocka_unit_test(queue_grows),
        cmocka_unit_test(put_back_behind_the_background),
        cmocka_unit_test(put_back_as_requested),
        cmocka_unit_test(unasked_leaves_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
