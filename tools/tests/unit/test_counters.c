/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is made of the list of counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/common.h"
#include "control/control_store.h"
#include "libxl_live_migrate.h"
#include "stats.h"

#define UNLIKE(count) (1000 + 7 * (uint64_t)(count))

static void each_leaves_the_library_as_it_was_counted(void **state)
{
    struct xlm_stats stats = {0};
    libxl_live_migrate_stats shown;
    uint64_t count = 0;

    (void)state;
#define SET_SOURCE(field) stats.field = UNLIKE(count);
#define SET_DESTINATION(field) stats.field = UNLIKE(count);
#define SET_SHOWN(field)
#define SET(end, field, ...) SET_##end(field) count++;
    LIBXL_LIVE_MIGRATE_COUNTERS(SET)
    stats.waits.nr_vcpus = 2;
    stats.waits.blocked_us[1] = 5;
    stats.waits.histogram[31] = 6;
    memset(&shown, 0xff, sizeof(shown));
    lm_export_stats(&shown, &stats);
    count = 0;
#define SEE_SOURCE(field) assert_int_equal(shown.field, UNLIKE(count));
#define SEE_DESTINATION(field) assert_int_equal(shown.field, UNLIKE(count));
#define SEE_SHOWN(field) assert_int_equal(shown.field, 0);
#define SEE(end, field, ...) SEE_##end(field) count++;
    LIBXL_LIVE_MIGRATE_COUNTERS(SEE)
    assert_int_equal(count, LIBXL_LIVE_MIGRATE_NR_COUNTERS);
    assert_int_equal(shown.waits.nr_vcpus, 2);
    assert_int_equal(shown.waits.blocked_us[1], 5);
    assert_int_equal(shown.waits.histogram[31], 6);
    for (size_t i = 0; i < sizeof(shown.reserved) / 8; i++) {
        assert_int_equal(shown.reserved[i], 0);
    }
}

static void each_is_a_key_of_the_json(void **state)
{
    libxl_live_migrate_status status = {.name = "web"};
    uint64_t count = 0;
    char *json;

    (void)state;
#define NUMBER(end, field, ...) status.stats.field = UNLIKE(count++);
    LIBXL_LIVE_MIGRATE_COUNTERS(NUMBER)
#define NUMBER_OUTSIDE(field, ...) status.outside.field = UNLIKE(count++);
    LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(NUMBER_OUTSIDE)
    json = libxl_live_migrate_status_to_json(&status);
    assert_non_null(json);
    for (uint64_t i = 0; i < count; i++) {
        const struct lm_store_counter *counter =
            i < lm_store_nr_counters
                ? &lm_store_counters[i]
                : &lm_store_outside[i - lm_store_nr_counters];
        char pair[64];

        snprintf(pair, sizeof(pair), "\"%s\": %d,", counter->name,
                 (int)UNLIKE(i));
        assert_non_null(strstr(json, pair));
    }
    assert_int_equal(count, lm_store_nr_counters + lm_store_nr_outside);
    free(json);
}

static void no_two_have_one_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(lm_store_counters[i].name,
                                    lm_store_counters[j].name);
        }
    }
}

/* Each counter keeps its place for ever: new counters come after all others.
 */
static void what_was_there_stays_where_it_was(void **state)
{
    (void)state;
    assert_int_equal(offsetof(libxl_live_migrate_stats, iterations), 0);
    assert_int_equal(offsetof(libxl_live_migrate_stats, outstanding), 13 * 8);
    assert_int_equal(offsetof(libxl_live_migrate_stats, faults), 22 * 8);
    assert_int_equal(offsetof(libxl_live_migrate_stats, end_us), 40 * 8);
    assert_int_equal(offsetof(libxl_live_migrate_stats, waits),
                     LIBXL_LIVE_MIGRATE_MAX_COUNTERS * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_leaves_the_library_as_it_was_counted),
        cmocka_unit_test(each_is_a_key_of_the_json),
        cmocka_unit_test(no_two_have_one_name),
        cmocka_unit_test(what_was_there_stays_where_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
