/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which connection a requested page goes over: a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/push_lanes.h"

#define WORTH XLM_PUSH_LANES_WORTH_WAKING

static const struct {
    size_t count;
    size_t mine;
    struct xlm_push_lane lanes[4];
    size_t best;
} table[] = {
    /* alone */
    {1, 0, {{false, false, 1000}}, 0},
    /* another one is awake, and looks by itself */
    {2, 0, {{false, false, 1000}, {false, false, 0}}, 0},
    /* another one sleeps: it has to be worth waking */
    {2, 0, {{false, false, WORTH}, {true, false, 0}}, 0},
    {2, 0, {{false, false, WORTH + 1}, {true, false, 0}}, 1},
    {2, 0, {{false, false, 100}, {true, true, 200}}, 0},
    {2, 1, {{true, true, 3}, {false, false, 200}}, 0},
    /* my own lane counts as awake, whatever it says */
    {2, 1, {{true, false, 50}, {true, false, 50}}, 1},
    /* the one with the least, of those that sleep */
    {4,
     0,
     {{false, false, 400},
      {true, false, 90},
      {true, false, 80},
      {false, false, 1}},
     2},
    {4,
     3,
     {{true, false, 70},
      {true, false, 60},
      {true, false, 61},
      {false, false, 400}},
     1},
};

static void least_loaded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(xlm_push_lanes_for_request(
                             table[i].lanes, table[i].count, table[i].mine),
                         table[i].best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
