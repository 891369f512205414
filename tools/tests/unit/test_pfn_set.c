/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/pfn_set.h"

/* Around the edges of words, and of the set. */
static const uint64_t corners[] = {0, 1, 62, 63, 64, 65, 127, 128, 198, 199};
#define NR_CORNERS (sizeof(corners) / sizeof(corners[0]))
#define LIMIT 200

static struct xlm_pfn_set new_set(uint64_t limit)
{
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    assert_int_equal(xlm_pfn_set_reserve(&set, limit), 0);
    return set;
}

static void add_and_remove(void **state)
{
    struct xlm_pfn_set set = new_set(LIMIT);
    size_t i;

    (void)state;
    for (i = 0; i < NR_CORNERS; i++) {
        assert_true(xlm_pfn_set_add(&set, corners[i]));
        assert_false(xlm_pfn_set_add(&set, corners[i]));
        assert_int_equal(set.count, i + 1);
    }
    for (i = 0; i < NR_CORNERS; i++) {
        assert_true(xlm_pfn_set_contains(&set, corners[i]));
    }
    assert_false(xlm_pfn_set_contains(&set, 2));
    for (i = 0; i < NR_CORNERS; i++) {
        assert_true(xlm_pfn_set_remove(&set, corners[i]));
        assert_false(xlm_pfn_set_remove(&set, corners[i]));
        assert_false(xlm_pfn_set_contains(&set, corners[i]));
        assert_int_equal(set.count, NR_CORNERS - i - 1);
    }
    xlm_pfn_set_dispose(&set);
}

static void walk_upwards(void **state)
{
    struct xlm_pfn_set set = new_set(LIMIT);
    uint64_t pfn = 0;
    size_t i;

    (void)state;
    assert_int_equal(xlm_pfn_set_next(&set, 0), XLM_PFN_NONE);
    for (i = 0; i < NR_CORNERS; i++) {
        xlm_pfn_set_add(&set, corners[i]);
    }
    for (i = 0; i < NR_CORNERS; i++) {
        pfn = xlm_pfn_set_next(&set, pfn);
        assert_int_equal(pfn, corners[i]);
        pfn++;
    }
    assert_int_equal(xlm_pfn_set_next(&set, pfn), XLM_PFN_NONE);
    assert_int_equal(xlm_pfn_set_next(&set, UINT64_MAX), XLM_PFN_NONE);
    assert_int_equal(xlm_pfn_set_next(&set, 66), 127);
    xlm_pfn_set_dispose(&set);
}

static void walk_downwards(void **state)
{
    struct xlm_pfn_set set = new_set(LIMIT);
    uint64_t pfn = UINT64_MAX;
    size_t i;

    (void)state;
    assert_int_equal(xlm_pfn_set_previous(&set, LIMIT), XLM_PFN_NONE);
    for (i = 0; i < NR_CORNERS; i++) {
        xlm_pfn_set_add(&set, corners[i]);
    }
    for (i = NR_CORNERS; i--;) {
        pfn = xlm_pfn_set_previous(&set, pfn);
        assert_int_equal(pfn, corners[i]);
        pfn--;
    }
    assert_int_equal(xlm_pfn_set_previous(&set, 126), 65);
    xlm_pfn_set_remove(&set, 0);
    xlm_pfn_set_remove(&set, 1);
    assert_int_equal(xlm_pfn_set_previous(&set, 61), XLM_PFN_NONE);
    xlm_pfn_set_dispose(&set);
}

static void empty_set(void **state)
{
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    (void)state;
    assert_false(xlm_pfn_set_contains(&set, 0));
    assert_false(xlm_pfn_set_remove(&set, 0));
    assert_int_equal(xlm_pfn_set_next(&set, 0), XLM_PFN_NONE);
    assert_int_equal(xlm_pfn_set_previous(&set, 7), XLM_PFN_NONE);
    xlm_pfn_set_clear(&set);
    xlm_pfn_set_take(&set, NULL);
    xlm_pfn_set_dispose(&set);
    xlm_pfn_set_dispose(&set);
}

static void growing_keeps(void **state)
{
    struct xlm_pfn_set set = new_set(65);
    unsigned long *words = set.levels[0];

    (void)state;
    xlm_pfn_set_add(&set, 64);
    assert_int_equal(xlm_pfn_set_reserve(&set, 10), 0);
    assert_ptr_equal(set.levels[0], words);
    assert_int_equal(set.limit, 65);
    assert_int_equal(xlm_pfn_set_reserve(&set, 10000), 0);
    assert_true(xlm_pfn_set_contains(&set, 64));
    assert_int_equal(set.count, 1);
    assert_int_equal(xlm_pfn_set_next(&set, 65), XLM_PFN_NONE);
    xlm_pfn_set_dispose(&set);
}

/* The size comes from a peer, which must not make this end allocate without a
 * limit. */
static void limit_is_limited(void **state)
{
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    (void)state;
    errno = 0;
    assert_int_equal(xlm_pfn_set_reserve(&set, XLM_PFN_LIMIT + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(xlm_pfn_set_reserve(&set, UINT64_MAX), -1);
    assert_int_equal(set.limit, 0);
    assert_null(set.levels[0]);
}

/* The hypervisor writes whole words: the pfns past the limit are noise. */
static void taking_ignores_noise(void **state)
{
    unsigned long words[] = {5, ~0UL};
    struct xlm_pfn_set set = new_set(70);

    (void)state;
    xlm_pfn_set_add(&set, 3);
    xlm_pfn_set_take(&set, words);
    assert_int_equal(set.count, 2 + 6);
    assert_false(xlm_pfn_set_contains(&set, 3));
    assert_int_equal(xlm_pfn_set_previous(&set, UINT64_MAX), 69);
    xlm_pfn_set_dispose(&set);

    set = new_set(128);
    words[0] = 0;
    xlm_pfn_set_take(&set, words);
    assert_int_equal(set.count, 64);
    assert_int_equal(xlm_pfn_set_next(&set, 0), 64);
    xlm_pfn_set_dispose(&set);

    set = new_set(64);
    words[1] = 1;
    xlm_pfn_set_take(&set, words);
    assert_int_equal(set.count, 0);
    xlm_pfn_set_dispose(&set);
}

/* The set takes over the caller's words, and changes them. */
static void words_are_lent(void **state)
{
    unsigned long words[] = {0, ~0UL, 1};
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    (void)state;
    assert_int_equal(xlm_pfn_set_lend(&set, words, 120), 0);
    assert_int_equal(set.count, 56);
    assert_int_equal(xlm_pfn_set_next(&set, 0), 64);
    xlm_pfn_set_remove(&set, 64);
    xlm_pfn_set_add(&set, 2);
    assert_int_equal(words[0], 4);
    assert_int_equal(words[1], (1UL << 56) - 2);
    xlm_pfn_set_dispose(&set);
    assert_int_equal(words[0], 4);
}

static void lists(void **state)
{
    struct xlm_pfn_set set = new_set(LIMIT);
    uint64_t pfns[NR_CORNERS];

    (void)state;
    assert_int_equal(xlm_pfn_set_list(&set, 0, pfns, NR_CORNERS), 0);
    for (size_t i = 0; i < NR_CORNERS; i++) {
        xlm_pfn_set_add(&set, corners[i]);
    }
    assert_int_equal(xlm_pfn_set_list(&set, 0, pfns, 3), 3);
    assert_memory_equal(pfns, corners, 3 * sizeof(pfns[0]));
    assert_int_equal(xlm_pfn_set_list(&set, 3, pfns, NR_CORNERS),
                     NR_CORNERS - 2);
    assert_memory_equal(pfns, corners + 2, (NR_CORNERS - 2) * sizeof(pfns[0]));
    xlm_pfn_set_dispose(&set);
}

/* ---- against a set that has no summaries ---- */

/* More than one word of the highest summary. */
#define LARGE (40 * 262144 + 77)
#define TRIES 400

struct plain {
    uint8_t *has;
    uint64_t count;
};

static uint64_t plain_next(const struct plain *plain, uint64_t from)
{
    const uint8_t *at =
        from < LARGE ? memchr(plain->has + from, 1, LARGE - from) : NULL;

    return at ? (uint64_t)(at - plain->has) : XLM_PFN_NONE;
}

static uint64_t plain_previous(const struct plain *plain, uint64_t from)
{
    const uint8_t *at = memrchr(
        plain->has, 1, from < LARGE ? (size_t)from + 1 : (size_t)LARGE);

    return at ? (uint64_t)(at - plain->has) : XLM_PFN_NONE;
}

static void expect_same(const struct xlm_pfn_set *set, struct plain *plain)
{
    uint64_t at = 0;

    plain->count = 0;
    for (uint64_t pfn = plain_next(plain, 0); pfn != XLM_PFN_NONE;
         pfn = plain_next(plain, pfn + 1)) {
        at = xlm_pfn_set_next(set, at);
        assert_int_equal(at++, pfn);
        plain->count++;
    }
    assert_int_equal(xlm_pfn_set_next(set, at), XLM_PFN_NONE);
    assert_int_equal(set->count, plain->count);
}

/* Some alone, and some beside each other, far apart. */
static void fill(struct xlm_pfn_set *set, struct plain *plain)
{
    for (unsigned int i = 0; i < TRIES; i++) {
        uint64_t pfn = (uint64_t)rand() % LARGE;
        uint64_t end = pfn + (i % 3 ? 1 : 1 + rand() % 300);

        for (; pfn < end && pfn < LARGE; pfn++) {
            assert_int_equal(xlm_pfn_set_add(set, pfn), !plain->has[pfn]);
            plain->has[pfn] = 1;
        }
    }
}

static void same_as_without_summaries(void **state)
{
    struct xlm_pfn_set sets[2] = {new_set(LARGE), new_set(LARGE)};
    struct plain plain[2];

    (void)state;
    for (unsigned int i = 0; i < 2; i++) {
        plain[i].has = calloc(1, LARGE);
        assert_non_null(plain[i].has);
        fill(&sets[i], &plain[i]);
        expect_same(&sets[i], &plain[i]);
    }
    for (unsigned int i = 0; i < TRIES; i++) {
        uint64_t pfn = (uint64_t)rand() % (LARGE + 100);
        uint64_t end = pfn + (1ULL << rand() % 24);
        uint64_t next = plain_next(&plain[0], pfn);

        assert_int_equal(xlm_pfn_set_next(&sets[0], pfn), next);
        assert_int_equal(xlm_pfn_set_previous(&sets[0], pfn),
                         plain_previous(&plain[0], pfn));
        assert_int_equal(xlm_pfn_set_next_below(&sets[0], pfn, end),
                         next < end ? next : XLM_PFN_NONE);
        next = next == XLM_PFN_NONE ? plain_next(&plain[0], 0) : next;
        assert_true(xlm_pfn_set_remove(&sets[0], next));
        plain[0].has[next] = 0;
    }
    expect_same(&sets[0], &plain[0]);
    for (unsigned int i = 0; i < 2; i++) {
        xlm_pfn_set_dispose(&sets[i]);
        free(plain[i].has);
    }
}

/* In a and b, in a but not b, in a or b: all of it word by word. */
static void two_sets(void **state)
{
    struct xlm_pfn_set a = new_set(LARGE), b = new_set(LARGE);
    struct plain plain[2] = {{.has = calloc(1, LARGE)},
                             {.has = calloc(1, LARGE)}};

    (void)state;
    fill(&a, &plain[0]);
    fill(&b, &plain[1]);
    for (uint64_t pfn = 0; pfn < LARGE; pfn += 4097) {
        assert_int_equal(xlm_pfn_set_add(&a, pfn), !plain[0].has[pfn]);
        assert_int_equal(xlm_pfn_set_add(&b, pfn), !plain[1].has[pfn]);
        plain[0].has[pfn] = plain[1].has[pfn] = 1;
    }
    for (uint64_t pfn = 0, in_both = 0, lacking = 0; pfn < LARGE; pfn++) {
        size_t words = SIZE_MAX;

        if (plain[0].has[pfn] && plain[1].has[pfn]) {
            assert_int_equal(
                xlm_pfn_set_next_in_both(&a, &b, &in_both, &words), pfn);
            in_both++;
        } else if (plain[0].has[pfn]) {
            lacking = xlm_pfn_set_next_lacking(&a, &b, lacking);
            assert_int_equal(lacking++, pfn);
        }
        plain[0].has[pfn] |= plain[1].has[pfn];
    }
    xlm_pfn_set_unite(&a, &b);
    expect_same(&a, &plain[0]);
    for (uint64_t pfn = 0; pfn < LARGE; pfn++) {
        plain[0].has[pfn] &= !plain[1].has[pfn];
    }
    xlm_pfn_set_subtract(&a, &b);
    expect_same(&a, &plain[0]);
    xlm_pfn_set_intersect(&a, &b);
    assert_int_equal(a.count, 0);
    xlm_pfn_set_clear(&b);
    assert_int_equal(b.count, 0);
    assert_int_equal(xlm_pfn_set_next(&b, 0), XLM_PFN_NONE);
    for (unsigned int i = 0; i < 2; i++) {
        free(plain[i].has);
    }
    xlm_pfn_set_dispose(&a);
    xlm_pfn_set_dispose(&b);
}

static void algebra(void **state)
{
    struct xlm_pfn_set twos = new_set(LIMIT), threes = new_set(LIMIT);
    uint64_t pfn;

    (void)state;
    for (pfn = 0; pfn < LIMIT; pfn++) {
        if (pfn % 2 == 0) {
            xlm_pfn_set_add(&twos, pfn);
        }
        if (pfn % 3 == 0) {
            xlm_pfn_set_add(&threes, pfn);
        }
    }
    xlm_pfn_set_unite(&twos, &threes);
    assert_int_equal(twos.count, 133);
    xlm_pfn_set_intersect(&twos, &threes);
    assert_int_equal(twos.count, threes.count);
    assert_true(xlm_pfn_set_contains(&twos, 198));
    xlm_pfn_set_remove(&threes, 99);
    xlm_pfn_set_subtract(&twos, &threes);
    assert_int_equal(twos.count, 1);
    assert_int_equal(xlm_pfn_set_next(&twos, 0), 99);
    xlm_pfn_set_clear(&twos);
    assert_int_equal(twos.count, 0);
    assert_int_equal(xlm_pfn_set_next(&twos, 0), XLM_PFN_NONE);
    xlm_pfn_set_dispose(&twos);
    xlm_pfn_set_dispose(&threes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_remove),
        cmocka_unit_test(walk_upwards),
        cmocka_unit_test(walk_downwards),
        cmocka_unit_test(empty_set),
        cmocka_unit_test(growing_keeps),
        cmocka_unit_test(limit_is_limited),
        cmocka_unit_test(taking_ignores_noise),
        cmocka_unit_test(words_are_lent),
        cmocka_unit_test(lists),
        cmocka_unit_test(same_as_without_summaries),
        cmocka_unit_test(two_sets),
        cmocka_unit_test(algebra),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
