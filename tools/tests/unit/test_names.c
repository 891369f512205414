/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The enumerations of the public interface, by name.  scripts/check-
 * interface sees whether a name is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libxl_live_migrate.h"

#define NOT_A_NAME 1000000

/* Each value from the first to the last has a name and is found by it; the
 * value after the last has none. */
#define CHECK(what, last) \
    do { \
        libxl_live_migrate_##what value; \
        int i; \
\
        for (i = 0; i <= (int)(last); i++) { \
            const char *name = libxl_live_migrate_##what##_to_string(i); \
\
            assert_non_null(name); \
            value = NOT_A_NAME; \
            assert_int_equal( \
                libxl_live_migrate_##what##_from_string(name, &value), 0); \
            assert_int_equal(value, i); \
        } \
        assert_null(libxl_live_migrate_##what##_to_string(i)); \
        assert_null(libxl_live_migrate_##what##_to_string(-1)); \
        value = NOT_A_NAME; \
        assert_int_equal( \
            libxl_live_migrate_##what##_from_string("nothing", &value), \
            ERROR_INVAL); \
        assert_int_equal(libxl_live_migrate_##what##_from_string("", &value), \
                         ERROR_INVAL); \
        assert_int_equal(value, NOT_A_NAME); \
    } while (0)

static void there_and_back(void **state)
{
    (void)state;
    CHECK(phase, LIBXL_LIVE_MIGRATE_PHASE_COMPLETE);
    CHECK(build, LIBXL_LIVE_MIGRATE_BUILD_LATE);
    CHECK(strategy, LIBXL_LIVE_MIGRATE_STRATEGY_AUTO);
    CHECK(push_order, LIBXL_LIVE_MIGRATE_PUSH_ORDER_ASCENDING);
    CHECK(compress, LIBXL_LIVE_MIGRATE_COMPRESS_ZSTD);
    CHECK(pager, LIBXL_LIVE_MIGRATE_PAGER_ACCESS);
    CHECK(recovery, LIBXL_LIVE_MIGRATE_RECOVERY_TAKEN_BACK);
    CHECK(role, LIBXL_LIVE_MIGRATE_ROLE_DESTINATION);
    CHECK(state, LIBXL_LIVE_MIGRATE_STATE_LOST);
    CHECK(half, LIBXL_LIVE_MIGRATE_HALF_PAGED);
    CHECK(obstacle, LIBXL_LIVE_MIGRATE_OBSTACLE_MEMORY);
    CHECK(command, LIBXL_LIVE_MIGRATE_COMMAND_SET_RATE);
}

static void letters_of_either_case(void **state)
{
    libxl_live_migrate_strategy strategy;

    (void)state;
    assert_int_equal(
        libxl_live_migrate_strategy_from_string("Stop-And-COPY", &strategy),
        0);
    assert_int_equal(strategy, LIBXL_LIVE_MIGRATE_STRATEGY_STOP_AND_COPY);
    assert_int_equal(
        libxl_live_migrate_strategy_from_string("stop-and-cop", &strategy),
        ERROR_INVAL);
}

/* A later library may report such a value. */
static void status_of_a_later_library(void **state)
{
    libxl_live_migrate_status status = {
        .role = 77,
        .state = 78,
        .phase = 79,
        .build = 80,
        .stats.waits.nr_vcpus = UINT64_MAX,
    };
    char *json;

    (void)state;
    memset(status.stats.waits.blocked_us, 1,
           sizeof(status.stats.waits.blocked_us));
    json = libxl_live_migrate_status_to_json(&status);
    assert_non_null(json);
    assert_non_null(strstr(json, "\"role\": null, \"state\": null, "
                                 "\"phase\": null, "));
    assert_non_null(strstr(json, "\"build\": null, "));
    free(json);
}

static void status_of_this_one(void **state)
{
    libxl_live_migrate_status status = {
        .role = LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
        .state = LIBXL_LIVE_MIGRATE_STATE_LOST,
        .phase = LIBXL_LIVE_MIGRATE_PHASE_GO,
        .build = LIBXL_LIVE_MIGRATE_BUILD_LATE,
    };
    char *json = libxl_live_migrate_status_to_json(&status);

    (void)state;
    assert_non_null(strstr(json, "\"role\": \"destination\", \"state\": "
                                 "\"lost\", \"phase\": \"go\", "));
    assert_non_null(strstr(json, "\"build\": \"late\", "));
    free(json);
    status.build = LIBXL_LIVE_MIGRATE_BUILD_ANY;
    json = libxl_live_migrate_status_to_json(&status);
    assert_non_null(strstr(json, "\"build\": null, "));
    free(json);
}

static void no_list_is_freed(void **state)
{
    (void)state;
    libxl_live_migrate_status_list_free(NULL, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(letters_of_either_case),
        cmocka_unit_test(status_of_a_later_library),
        cmocka_unit_test(status_of_this_one),
        cmocka_unit_test(no_list_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
