/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The tunables that a caller sets, and those that the engine gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/tuning.h"

static struct xlm_save_params tuned(const libxl_live_migrate_params *params)
{
    struct xlm_save_params out;

    xlm_save_params_init(&out);
    lm_tune(&out, params);
    return out;
}

/* A caller that sets nothing gets the values that suit most guests. */
static void left_alone(void **state)
{
    libxl_live_migrate_params params;
    struct xlm_save_params out, ours;

    (void)state;
    libxl_live_migrate_params_init(&params);
    assert_int_equal(params.link_timeout, 60);
    out = tuned(&params);
    xlm_save_params_init(&ours);
    ours.link_timeout_ms =
        60000; /* the layer above has a default of its own */
#define TUNABLE(type, field, standard, from) \
    assert_int_equal(out.field, ours.field);
#include "tunables.def"
}

static void zero_is_what_suits_most(void **state)
{
    const libxl_live_migrate_params params = {.link_timeout = 0};
    struct xlm_save_params out = tuned(&params);

    (void)state;
    assert_int_equal(out.credit_pages, 1024);
    assert_true(out.credit_grows);
    assert_int_equal(out.hot_pages_max, 256);
    assert_int_equal(out.neighbours_below, 8);
    assert_int_equal(out.neighbours_above, 24);
    assert_true(out.neighbours_adapt);
    assert_int_equal(out.link_timeout_ms, 0);
    assert_int_equal(out.compress, XLM_COMPRESS_OFF);
}

static void set(void **state)
{
    const libxl_live_migrate_params params = {
        .credit_pages = 7,
        .hot_pages_max = 8,
        .neighbours_below = 9,
        .no_background_push = true,
        .push_order = LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING,
        .link_timeout = 10,
        .compress = LIBXL_LIVE_MIGRATE_COMPRESS_ZSTD,
    };
    struct xlm_save_params out = tuned(&params);

    (void)state;
    assert_int_equal(out.credit_pages, 7);
    assert_false(out.credit_grows);
    assert_int_equal(out.hot_pages_max, 8);
    assert_int_equal(out.neighbours_below, 9);
    assert_int_equal(out.neighbours_above, 24);
    assert_false(out.neighbours_adapt);
    assert_true(out.no_push);
    assert_false(out.push_recent);
    assert_int_equal(out.link_timeout_ms, 10000);
    assert_int_equal(out.compress, XLM_COMPRESS_ZSTD);
}

/* A value that means "none", and values that are too large. */
static void at_the_ends(void **state)
{
    libxl_live_migrate_params params = {
        .hot_pages_max = LIBXL_LIVE_MIGRATE_NO_HOT_PAGES,
        .neighbours_below = UINT32_MAX,
        .neighbours_above = UINT32_MAX,
        .link_timeout = UINT64_MAX,
    };
    struct xlm_save_params out = tuned(&params);

    (void)state;
    assert_int_equal(out.hot_pages_max, 0);
    assert_int_equal(out.neighbours_below, 0);
    assert_int_equal(out.neighbours_above, 0);
    assert_false(out.neighbours_adapt);
    assert_int_equal(out.link_timeout_ms, UINT32_MAX);

    params.hot_pages_max = UINT64_MAX - 1;
    assert_int_equal(tuned(&params).hot_pages_max, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_alone),
        cmocka_unit_test(zero_is_what_suits_most),
        cmocka_unit_test(set),
        cmocka_unit_test(at_the_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
