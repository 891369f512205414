#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

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
    xlm_pfn_set_recount(&set);
    xlm_pfn_set_dispose(&set);
    xlm_pfn_set_dispose(&set);
}

static void growing_keeps(void **state)
{
    struct xlm_pfn_set set = new_set(65);
    unsigned long *words = set.words;

    (void)state;
    xlm_pfn_set_add(&set, 64);
    assert_int_equal(xlm_pfn_set_reserve(&set, 10), 0);
    assert_ptr_equal(set.words, words);
    assert_int_equal(set.limit, 65);
    assert_int_equal(xlm_pfn_set_reserve(&set, 10000), 0);
    assert_true(xlm_pfn_set_contains(&set, 64));
    assert_int_equal(set.count, 1);
    assert_int_equal(xlm_pfn_set_next(&set, 65), XLM_PFN_NONE);
    xlm_pfn_set_dispose(&set);
}

/* A peer names the size: it must not make us allocate at will. */
static void limit_is_limited(void **state)
{
    struct xlm_pfn_set set = XLM_PFN_SET_EMPTY;

    (void)state;
    errno = 0;
    assert_int_equal(xlm_pfn_set_reserve(&set, XLM_PFN_LIMIT + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(xlm_pfn_set_reserve(&set, UINT64_MAX), -1);
    assert_int_equal(set.limit, 0);
    assert_null(set.words);
}

/* The hypervisor writes whole words: the pfns past the limit are noise. */
static void recount_ignores_noise(void **state)
{
    struct xlm_pfn_set set = new_set(70);

    (void)state;
    set.words[0] = 5;
    set.words[1] = ~0UL;
    xlm_pfn_set_recount(&set);
    assert_int_equal(set.count, 2 + 6);
    assert_int_equal(xlm_pfn_set_previous(&set, UINT64_MAX), 69);
    xlm_pfn_set_dispose(&set);

    set = new_set(128);
    set.words[1] = ~0UL;
    xlm_pfn_set_recount(&set);
    assert_int_equal(set.count, 64);
    xlm_pfn_set_dispose(&set);
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
        cmocka_unit_test(recount_ignores_noise),
        cmocka_unit_test(algebra),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
