/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/unsent.h"

#define LIMIT 10000

static struct xlm_unsent *new_unsent(void)
{
    struct xlm_unsent *unsent = calloc(1, sizeof(*unsent));

    assert_int_equal(xlm_unsent_reserve(unsent, LIMIT), 0);
    return unsent;
}

static void end(struct xlm_unsent *unsent)
{
    xlm_unsent_dispose(unsent);
    free(unsent);
}

static void expect(struct xlm_unsent *unsent, size_t most, size_t count,
                   const uint64_t *expected)
{
    uint64_t pfns[8];

    assert_int_equal(xlm_unsent_take_next(unsent, pfns, most), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pfns[i], expected[i]);
    }
}

static void in_order(void **state)
{
    struct xlm_unsent *unsent = new_unsent();

    (void)state;
    expect(unsent, 8, 0, NULL);
    for (unsigned int turn = 0; turn < 2000; turn++) {
        xlm_unsent_add(unsent, 700);
        xlm_unsent_add(unsent, 3);
        xlm_unsent_add(unsent, 700); /* there already */
        xlm_unsent_add(unsent, 9999);
        xlm_unsent_add(unsent, 0);
        assert_int_equal(xlm_unsent_count(unsent), 4);
        expect(unsent, 3, 3, (uint64_t[]){3, 700, 9999});
        xlm_unsent_add(unsent, 700);
        expect(unsent, 8, 2, (uint64_t[]){0, 700});
    }
    end(unsent);
}

/* Pages that are not needed any more, and pages that were sent early. */
static void out_of_turn(void **state)
{
    struct xlm_unsent *unsent = new_unsent();

    (void)state;
    xlm_unsent_add(unsent, 5);
    xlm_unsent_add(unsent, 4);
    xlm_unsent_add(unsent, 6);
    assert_true(xlm_unsent_take(unsent, 4));
    assert_false(xlm_unsent_take(unsent, 4));
    xlm_unsent_remove(unsent, 5);
    xlm_unsent_add(unsent, 5);
    expect(unsent, 1, 1, (uint64_t[]){5}); /* the page's first position */
    expect(unsent, 8, 1, (uint64_t[]){6});
    expect(unsent, 8, 0, NULL);
    end(unsent);
}

/* More pages than the list keeps in order: none is lost, none goes twice, and
 * none waits for ever. */
static void more_than_fit(void **state)
{
    struct xlm_unsent *unsent = new_unsent();
    const uint64_t all = 3 * XLM_UNSENT_ORDERED;
    unsigned int turn;
    uint64_t pfn;

    (void)state;
    for (pfn = 0; pfn < all; pfn++) {
        xlm_unsent_add(unsent, all - pfn);
    }
    expect(unsent, 2, 2, (uint64_t[]){all - 1, all});
    /* A new page comes each time: the first page waits for no longer than it
     * takes to send the pages that were there when it came. */
    for (turn = 0; xlm_pfn_set_contains(&unsent->pfns, 1); turn++) {
        assert_true(turn < 2 * all);
        assert_int_equal(xlm_unsent_take_next(unsent, &pfn, 1), 1);
        xlm_unsent_add(unsent, 5000 + turn % 4000);
    }
    for (turn = 0; xlm_unsent_take_next(unsent, &pfn, 1); turn++) {
        assert_true(turn < LIMIT);
    }
    xlm_unsent_add(unsent, 8);
    xlm_unsent_add(unsent, 7);
    expect(unsent, 1, 1, (uint64_t[]){8});
    expect(unsent, 1, 1, (uint64_t[]){7});
    end(unsent);
}

static void all_at_once(void **state)
{
    struct xlm_unsent *unsent = new_unsent();
    struct xlm_pfn_set pfns = XLM_PFN_SET_EMPTY;

    (void)state;
    assert_int_equal(xlm_pfn_set_reserve(&pfns, LIMIT), 0);
    xlm_unsent_add(unsent, 77);
    xlm_pfn_set_add(&pfns, 9);
    xlm_pfn_set_add(&pfns, 4);
    xlm_unsent_become(unsent, &pfns);
    assert_int_equal(xlm_unsent_count(unsent), 2);
    expect(unsent, 8, 2, (uint64_t[]){4, 9});
    xlm_pfn_set_clear(&pfns);
    xlm_unsent_become(unsent, &pfns);
    expect(unsent, 8, 0, NULL);
    xlm_pfn_set_dispose(&pfns);
    end(unsent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(out_of_turn),
        cmocka_unit_test(more_than_fit),
        cmocka_unit_test(all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
