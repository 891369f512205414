/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which half of a guest a domain is, by each source of evidence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <unistd.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "call/half.h"
#include "control/control_store.h"
#include "fake_xenstore.h"

#define ROLE(which) .role = LIBXL_LIVE_MIGRATE_ROLE_##which
#define STATE(which) .state = LIBXL_LIVE_MIGRATE_STATE_##which
#define PHASE(which) .phase = LIBXL_LIVE_MIGRATE_PHASE_##which
#define NO_NODES .role = -1, .state = -1, .phase = -1
#define BUSY .busy = true
#define LIVES .busy = true, .owner_lives = true
#define SUSPENDED \
    .info = {.shutdown = true, .shutdown_reason = SHUTDOWN_suspend}
#define CRASHED .info = {.shutdown = true, .shutdown_reason = SHUTDOWN_crash}
#define FILE_OF(is_ours, lacks, lives) \
    .has_kept = true, .kept = { \
                          .state = {.go_taken = is_ours}, \
                          .outstanding = lacks, \
                          .attended = lives, \
    }

static const struct {
    struct lm_witnesses seen;
    libxl_live_migrate_half half;
    bool needed;
} cases[] = {
    {{NO_NODES}, LIBXL_LIVE_MIGRATE_HALF_NONE, false},
    {{NO_NODES, SUSPENDED}, LIBXL_LIVE_MIGRATE_HALF_NONE, false},
    /* The source, from before the go to after it. */
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(PRECOPY), LIVES},
     LIBXL_LIVE_MIGRATE_HALF_LEAVING,
     true},
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(SUSPENDED), LIVES, SUSPENDED},
     LIBXL_LIVE_MIGRATE_HALF_LEAVING,
     true},
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(POSTCOPY), LIVES, SUSPENDED},
     LIBXL_LIVE_MIGRATE_HALF_LEFT,
     true},
    {{ROLE(SOURCE), STATE(PAUSED), PHASE(POSTCOPY), SUSPENDED},
     LIBXL_LIVE_MIGRATE_HALF_LEFT,
     true},
    {{ROLE(SOURCE), STATE(COMPLETE), PHASE(COMPLETE), SUSPENDED},
     LIBXL_LIVE_MIGRATE_HALF_LEFT,
     false},
    {{ROLE(SOURCE), STATE(FAILED), PHASE(PRECOPY)},
     LIBXL_LIVE_MIGRATE_HALF_NONE,
     false},
    /* The process was killed: a domain that runs is a whole guest.  A guest
     * whose process was killed in the stop may have been handed over. */
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(PRECOPY), BUSY},
     LIBXL_LIVE_MIGRATE_HALF_NONE,
     false},
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(PRECOPY), BUSY, SUSPENDED},
     LIBXL_LIVE_MIGRATE_HALF_LEFT,
     true},
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(PRECOPY), BUSY, CRASHED},
     LIBXL_LIVE_MIGRATE_HALF_NONE,
     false},
    /* A person has resumed the domain, and is responsible for that. */
    {{ROLE(SOURCE), STATE(PAUSED), PHASE(POSTCOPY)},
     LIBXL_LIVE_MIGRATE_HALF_NONE,
     false},
    /* The destination: the receiver's file decides, whatever the nodes say. */
    {{ROLE(DESTINATION), STATE(RUNNING), PHASE(PREPARING), LIVES},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVING,
     true},
    {{ROLE(DESTINATION), STATE(RUNNING), PHASE(READY), LIVES,
      FILE_OF(false, 9, true)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVING,
     true},
    {{ROLE(DESTINATION), STATE(RUNNING), PHASE(READY), LIVES,
      FILE_OF(true, 9, true)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVED,
     true},
    {{NO_NODES, FILE_OF(true, 9, false)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVED,
     true},
    {{NO_NODES, FILE_OF(false, 0, false)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVING,
     true},
    {{NO_NODES, FILE_OF(true, 0, true)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVED,
     true},
    {{NO_NODES, FILE_OF(true, 0, false)}, LIBXL_LIVE_MIGRATE_HALF_NONE, false},
    /* The guest came here by postcopy and is about to move on: the new
     * migration has replaced the nodes of the former one. */
    {{ROLE(SOURCE), STATE(RUNNING), PHASE(START), LIVES,
      FILE_OF(true, 9, false)},
     LIBXL_LIVE_MIGRATE_HALF_ARRIVED,
     true},
    /* Only the hypervisor knows of the domain. */
    {{NO_NODES, .info = {.paged_pages = 3}},
     LIBXL_LIVE_MIGRATE_HALF_PAGED,
     true},
};

static void by_its_witnesses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool needed = !cases[i].needed;
        libxl_live_migrate_half half = lm_half_judge(&cases[i].seen, &needed);

        if (half != cases[i].half || needed != cases[i].needed) {
            fail_msg("case %zu is half %d, needed %d", i, (int)half, needed);
        }
    }
}

/* What a dead process has shown of a guest that is complete goes, and else the
 * guest would look like a half for ever; what a living one shows stays. */
static void what_a_dead_process_has_shown(void **state)
{
    char start[32];

    (void)state;
    fake_store_clear();
    snprintf(start, sizeof(start), "%llu",
             (unsigned long long)lm_process_start(getpid()));
    for (int lives = 0; lives < 2; lives++) {
        char pid[32];

        snprintf(pid, sizeof(pid), "%d", lives ? getpid() : 4194305);
        fake_store_put("/libxl/7/live-migrate/pid", pid);
        fake_store_put("/libxl/7/live-migrate/start-time", start);
        fake_store_put("/libxl/7/live-migrate/state", "running");
        lm_store_forget(7);
        if (lives) {
            assert_non_null(fake_store_get("/libxl/7/live-migrate/state"));
        } else {
            assert_null(fake_store_get("/libxl/7/live-migrate/state"));
        }
    }
    assert_int_equal(fake_store_handles(), 0);
    fake_store_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_its_witnesses),
        cmocka_unit_test(what_a_dead_process_has_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
