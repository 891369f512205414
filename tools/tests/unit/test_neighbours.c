/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/neighbours.h"

#define LEAST XLM_NEIGHBOURS_LEAST
#define MOST XLM_NEIGHBOURS_MOST

enum seen { ABOVE, BELOW, FAR };

static struct xlm_neighbours next(struct xlm_neighbours neighbours,
                                  enum seen seen)
{
    return seen == FAR ? xlm_neighbours_far(neighbours)
                       : xlm_neighbours_near(neighbours, seen == ABOVE);
}

/* One request, after the neighbours of another. */
static void one_request(void **state)
{
    static const struct {
        struct xlm_neighbours neighbours;
        enum seen seen;
        struct xlm_neighbours next;
    } table[] = {
        {{8, 24}, ABOVE, {4, 48}},
        {{8, 24}, BELOW, {16, 12}},
        {{8, 24}, FAR, {4, 12}},
        /* At the limits the numbers stay there. */
        {{LEAST, MOST}, ABOVE, {LEAST, MOST}},
        {{MOST, LEAST}, BELOW, {MOST, LEAST}},
        {{LEAST, LEAST}, FAR, {LEAST, LEAST}},
        {{MOST - 1, MOST - 1}, ABOVE, {(MOST - 1) / 2, MOST}},
        {{LEAST + 1, LEAST + 1}, FAR, {LEAST, LEAST}},
        /* From beyond the limits they come back. */
        {{0, 0}, ABOVE, {LEAST, LEAST}},
        {{0, 0}, FAR, {LEAST, LEAST}},
        {{UINT32_MAX, UINT32_MAX}, BELOW, {MOST, MOST}},
        {{UINT32_MAX, UINT32_MAX}, FAR, {MOST, MOST}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct xlm_neighbours got = next(table[i].neighbours, table[i].seen);

        assert_int_equal(got.before, table[i].next.before);
        assert_int_equal(got.after, table[i].next.after);
    }
}

/* After many requests of one kind the numbers are at their limit, and one
 * request of another kind does not undo all of that. */
static void many_requests(void **state)
{
    struct xlm_neighbours neighbours = {8, 24};
    unsigned int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        neighbours = next(neighbours, ABOVE);
    }
    assert_int_equal(neighbours.before, LEAST);
    assert_int_equal(neighbours.after, MOST);
    neighbours = next(neighbours, FAR);
    assert_int_equal(neighbours.after, MOST / 2);
    for (i = 0; i < 10; i++) {
        neighbours = next(neighbours, BELOW);
    }
    assert_int_equal(neighbours.before, MOST);
    assert_int_equal(neighbours.after, LEAST);
    for (i = 0; i < 10; i++) {
        neighbours = next(neighbours, FAR);
    }
    assert_int_equal(neighbours.before, LEAST);
    assert_int_equal(neighbours.after, LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request),
        cmocka_unit_test(many_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
