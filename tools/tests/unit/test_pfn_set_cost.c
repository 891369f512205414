/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What a search for pages costs, counted in words that it reads: the same
 * at a terabyte and above as at a few gigabytes.  This program compiles the
 * set and the plan once more, with counting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t looked;
#define XLM_PFN_SET_LOOK() (looked++)

#include "policy/pfn_set.c"
#include "policy/push_plan.c"

/* 16 GiB, 64 GiB, 256 GiB, 1 TiB and 4 TiB, in pages. */
static const uint64_t sizes[] = {1 << 22, 1 << 24, 1 << 26, 1 << 28,
                                 UINT64_C(1) << 30};
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Up and down all levels, and the words of the highest one. */
#define WORDS_OF_TOP(size) ((size) >> 24)
#define NEXT_MOST(size) (2 * XLM_PFN_SET_LEVELS + WORDS_OF_TOP(size))

static struct xlm_pfn_set new_set(uint64_t limit)
{
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    assert_int_equal(xlm_pfn_set_reserve(&set, limit), 0);
    return set;
}

/* From one end of the guest to the other, with nothing between. */
static void next_across_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < NR_SIZES; i++) {
        struct xlm_pfn_set set = new_set(sizes[i]);

        xlm_pfn_set_add(&set, sizes[i] - 1);
        looked = 0;
        assert_int_equal(xlm_pfn_set_next(&set, 0), sizes[i] - 1);
        assert_in_range(looked, 1, NEXT_MOST(sizes[i]));
        xlm_pfn_set_remove(&set, sizes[i] - 1);
        xlm_pfn_set_add(&set, 0);
        looked = 0;
        assert_int_equal(xlm_pfn_set_previous(&set, sizes[i] - 1), 0);
        assert_in_range(looked, 1, NEXT_MOST(sizes[i]));
        xlm_pfn_set_dispose(&set);
    }
}

/* A set with few members costs as much as its members, and not as its size. */
static void operations_on_few(void **state)
{
    (void)state;
    for (size_t i = 0; i < NR_SIZES; i++) {
        struct xlm_pfn_set set = new_set(sizes[i]), few = new_set(sizes[i]);
        const uint64_t members = 1000;

        for (uint64_t n = 0; n < members; n++) {
            xlm_pfn_set_add(&few, n * (sizes[i] / members));
            xlm_pfn_set_add(&set, n * (sizes[i] / members) + n % 2);
        }
        looked = 0;
        xlm_pfn_set_unite(&set, &few);
        xlm_pfn_set_subtract(&set, &few);
        xlm_pfn_set_intersect(&set, &few);
        xlm_pfn_set_clear(&few);
        assert_int_equal(set.count, 0);
        assert_in_range(looked, members,
                        4 * members * (4 + NEXT_MOST(sizes[i])));
        xlm_pfn_set_dispose(&set);
        xlm_pfn_set_dispose(&few);
    }
}

static void in_both_within_its_bounds(void **state)
{
    struct xlm_pfn_set odd = new_set(sizes[0]), even = new_set(sizes[0]);
    uint64_t from = 0;
    size_t words = 100;

    (void)state;
    for (uint64_t pfn = 0; pfn < 1 << 16; pfn++) {
        xlm_pfn_set_add(pfn % 2 ? &odd : &even, pfn);
    }
    looked = 0;
    assert_int_equal(xlm_pfn_set_next_in_both(&odd, &even, &from, &words),
                     XLM_PFN_NONE);
    assert_int_equal(words, 0);
    assert_int_equal(from, 100 * XLM_WORD_BITS);
    assert_in_range(looked, 200, 100 * (2 + 2 * NEXT_MOST(sizes[0])));
    xlm_pfn_set_add(&odd, 1 << 15);
    words = SIZE_MAX;
    assert_int_equal(xlm_pfn_set_next_in_both(&odd, &even, &from, &words),
                     1 << 15);
    from++;
    assert_int_equal(xlm_pfn_set_next_in_both(&odd, &even, &from, &words),
                     XLM_PFN_NONE);
    assert_true(words > 0);
    xlm_pfn_set_dispose(&odd);
    xlm_pfn_set_dispose(&even);
}

/* ---- the plan ---- */

#define ROOM 64

static const struct xlm_push_tuning tuning = {
    .neighbours = {.before = 8, .after = 24},
    .adapt = true,
    .background = true,
    .share = 8};

/* Few pages are left, far from each other; the guest has written all of its
 * memory, and requests some of them. */
static void the_last_pages(uint64_t size, bool with_recent)
{
    struct xlm_push_plan plan = XLM_PUSH_PLAN_EMPTY;
    struct xlm_pfn_set outstanding = new_set(size), written = new_set(size);
    const uint64_t members = 1000;
    uint64_t pfns[ROOM];
    uint64_t handed_out = 0, most = 0, limit;
    size_t count;

    assert_int_equal(xlm_push_plan_init(&plan, size, &tuning), 0);
    xlm_push_plan_begin(&plan, &outstanding);
    for (uint64_t n = 0; n < members; n++) {
        uint64_t pfn = n * (size / members);

        xlm_pfn_set_add(&plan.outstanding, pfn);
        for (uint64_t i = 1; i < 30; i++) {
            xlm_pfn_set_add(&written, pfn + 64 * i);
        }
    }
    plan.recent[0] = with_recent ? &written : NULL;
    for (unsigned int turn = 0; plan.outstanding.count; turn++) {
        if (turn % 4 == 0) {
            uint64_t pfn = turn * 7919 % members * (size / members);

            assert_int_equal(xlm_push_plan_request(&plan, pfn), 0);
        }
        looked = 0;
        (void)xlm_push_plan_next(&plan, ROOM, pfns, &count);
        handed_out += count;
        most = looked > most ? looked : most;
    }
    assert_int_equal(handed_out, members);
    limit = ROOM * 2 * NEXT_MOST(size);
    if (with_recent) {
        limit += XLM_PUSH_RECENT_WORDS * (2 + 2 * NEXT_MOST(size));
    }
    assert_in_range(most, 1, limit);
    xlm_push_plan_dispose(&plan);
    xlm_pfn_set_dispose(&written);
}

/* Each page that is left stands in a word with one that was written, and none
 * of them was: they are not gone through in one call. */
static void beside_what_was_written(uint64_t size)
{
    struct xlm_push_plan plan = XLM_PUSH_PLAN_EMPTY;
    struct xlm_pfn_set outstanding = new_set(size), written = new_set(size);
    uint64_t pfns[ROOM];
    uint64_t most = 0;
    size_t count;

    for (uint64_t n = 0; n < 20000; n++) {
        xlm_pfn_set_add(&outstanding, size / 2 + 64 * n);
        xlm_pfn_set_add(&written, size / 2 + 64 * n + 1);
    }
    assert_int_equal(xlm_push_plan_init(&plan, size, &tuning), 0);
    xlm_push_plan_begin(&plan, &outstanding);
    plan.recent[0] = &written;
    while (plan.outstanding.count) {
        looked = 0;
        (void)xlm_push_plan_next(&plan, ROOM, pfns, &count);
        assert_true(count > 0);
        most = looked > most ? looked : most;
    }
    assert_in_range(most, XLM_PUSH_RECENT_WORDS,
                    8 * XLM_PUSH_RECENT_WORDS + ROOM * 2 * NEXT_MOST(size));
    xlm_push_plan_dispose(&plan);
    xlm_pfn_set_dispose(&written);
}

static void choosing_the_last_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < NR_SIZES; i++) {
        the_last_pages(sizes[i], false);
        the_last_pages(sizes[i], true);
        beside_what_was_written(sizes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_across_all),
        cmocka_unit_test(operations_on_few),
        cmocka_unit_test(in_both_within_its_bounds),
        cmocka_unit_test(choosing_the_last_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
