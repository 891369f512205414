/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The list of migrations that have ended.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/completed.h"
#include "control/control.h"
#include "fake_log.h"
#include "fake_xenstore.h"
#include "keeping/memo.h"

/* Other tests write to the same file; the names tell the entries apart. */
static int own(const char *name, libxl_live_migrate_status *last)
{
    libxl_live_migrate_status *list;
    int count, found = 0;

    assert_int_equal(libxl_live_migrate_list_completed(&list, &count), 0);
    for (int i = 0; i < count; i++) {
        if (!strcmp(list[i].name, name)) {
            *last = list[i];
            found++;
        }
    }
    libxl_live_migrate_status_list_free(list, count);
    return found;
}

static libxl_live_migrate_status example(const char *name)
{
    libxl_live_migrate_status status = {
        .domid = 7,
        .pid = getpid(),
        .role = LIBXL_LIVE_MIGRATE_ROLE_DESTINATION,
        .state = LIBXL_LIVE_MIGRATE_STATE_LOST,
        .phase = LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY,
        .elapsed_us = 1234000,
        .background_rate = LIBXL_LIVE_MIGRATE_RATE_UNLIMITED,
        .build = LIBXL_LIVE_MIGRATE_BUILD_LATE,
        .late_reason = "QEMU 7.2",
        .reason = "a \"reason\"\n",
        .ended_at = 1700000000,
    };

    snprintf(status.name, sizeof(status.name), "%s-%d", name, getpid());
    status.stats.faults = 12;
    status.stats.bytes_sent = UINT64_MAX;
    status.stats.waits.histogram[31] = 2;
    status.stats.waits.nr_vcpus = 2;
    status.stats.waits.blocked_us[1] = 5;
    status.outside.most_us = 17;
    return status;
}

static void comes_back_as_it_was(void **state)
{
    libxl_live_migrate_status before = example("a \"name\" caf\xc3\xa9");
    libxl_live_migrate_status after;

    (void)state;
    assert_int_equal(lm_completed_put(&before), 0);
    assert_int_equal(own(before.name, &after), 1);
    assert_memory_equal(&after.stats, &before.stats, sizeof(after.stats));
    assert_memory_equal(&after.outside, &before.outside,
                        sizeof(after.outside));
    assert_string_equal(after.reason, before.reason);
    assert_string_equal(after.late_reason, before.late_reason);
    assert_int_equal(after.domid, before.domid);
    assert_int_equal(after.pid, before.pid);
    assert_int_equal(after.role, before.role);
    assert_int_equal(after.state, before.state);
    assert_int_equal(after.phase, before.phase);
    assert_int_equal(after.build, before.build);
    assert_true(after.elapsed_us == before.elapsed_us);
    assert_true(after.ended_at == before.ended_at);
    assert_true(after.background_rate == before.background_rate);
}

static void lines_that_are_none(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"role\": \"source\", \"state\": \"complete\"}",
        "{\"role\": \"x\", \"state\": \"complete\", \"phase\": \"go\"}",
        "{\"role\": \"source\", \"state\": 7, \"phase\": \"go\"}",
        "{\"role\": \"source\", \"state\": \"complete\", \"phase\": \"go\"",
    };
    static const char good[] =
        "{\"role\": \"source\", \"state\": \"complete\", \"phase\": \"go\", "
        "\"faults\": \"many\", \"vcpu-blocked-us\": [1, null], "
        "\"fault-histogram\": 3}";
    libxl_live_migrate_status status = example("untouched");

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(lm_completed_parse(bad[i], strlen(bad[i]), &status));
        assert_int_equal(status.stats.faults, 12);
    }
    assert_true(lm_completed_parse(good, strlen(good), &status));
    assert_int_equal(status.phase, LIBXL_LIVE_MIGRATE_PHASE_GO);
    assert_int_equal(status.stats.faults, 0);
    assert_int_equal(status.stats.waits.nr_vcpus, 2);
}

static off_t size_of_file(void)
{
    int directory = lm_memo_open();
    int fd = openat(directory, "completed", O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);

    close(fd);
    close(directory);
    return size;
}

/* The newest is always there, and the file no larger than it may be. */
static void the_older_half_goes(void **state)
{
    libxl_live_migrate_status status = example("many"), last;
    off_t before, size = 0;

    (void)state;
    do {
        before = size;
        status.ended_at++;
        assert_int_equal(lm_completed_put(&status), 0);
        size = size_of_file();
        assert_in_range(size, 1, LM_COMPLETED_MAX);
    } while (size > before);
    assert_in_range(size, 1, LM_COMPLETED_MAX * 2 / 3);
    assert_in_range(own(status.name, &last), 2, INT_MAX);
    assert_true(last.ended_at == status.ended_at);
}

/* The entry is made of what a migration shows, before its domain goes. */
static void when_a_migration_ends(void **state)
{
    static const struct {
        libxl_live_migrate_state end;
        int kept;
    } table[] = {
        {LIBXL_LIVE_MIGRATE_STATE_PAUSED, 0},
        {LIBXL_LIVE_MIGRATE_STATE_FAILED, 1},
        {LIBXL_LIVE_MIGRATE_STATE_LOST, 2},
        {LIBXL_LIVE_MIGRATE_STATE_COMPLETE, 3},
    };
    const libxl_live_migrate_outside nobody_waits = {0};
    libxl_live_migrate_stats stats = {.faults = 3};
    libxl_live_migrate_status last;
    struct xlm_control engine = {.background_rate = XLM_RATE_UNLIMITED};
    char name[32];

    (void)state;
    snprintf(name, sizeof(name), "shown-%d", getpid());
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct lm_control_setup setup = {
            .domid = 7,
            .role = LIBXL_LIVE_MIGRATE_ROLE_SOURCE,
            .name = name,
            .engine = &engine,
            .abort_event_fd = -1,
            .logger = fake_logger(),
        };
        struct lm_control *control;

        fake_store_clear();
        fake_store_put("/libxl/7", "");
        control = lm_control_start(&setup);
        assert_non_null(control);
        lm_control_observe(control, XLM_PHASE_POSTCOPY, &stats, &nobody_waits);
        lm_control_end(control, table[i].end, "why");
        assert_int_equal(own(name, &last), table[i].kept);
        if (table[i].kept) {
            assert_int_equal(last.state, table[i].end);
            assert_int_equal(last.stats.faults, 3);
            assert_true(last.ended_at > 0);
        }
    }
    fake_store_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(when_a_migration_ends),
        cmocka_unit_test(the_older_half_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
