/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The receiver is killed after the go: another process becomes the pager of
 * the guest that it has left, which goes on as if nothing had been.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "fake_relink.h"

#define PAGES 500
#define DEATHS 3

/* Which process is killed, and when: at the start of its nth call of the
 * hypervisor after the guest began to run here.  That call has no effect. */
struct murder {
    struct fake_migration *migration;
    unsigned int vcpus;
    bool before_reading;     /* only a call that looks into the ring counts */
    unsigned int at[DEATHS]; /* counted from the one before; 0: none */
    unsigned int calls;
    unsigned int deaths;
    bool began;
};

static void at_call(enum fake_op op, void *data)
{
    struct murder *murder = data;
    struct fake_migration *migration = murder->migration;

    if (!murder->began || murder->deaths == DEATHS ||
        (murder->before_reading && op != FAKE_OP_pager_accept) ||
        atomic_load(&migration->outcome.dead[1])) {
        return;
    }
    if (++murder->calls == murder->at[murder->deaths]) {
        murder->calls = 0;
        murder->deaths++;
        fake_migration_kill(migration, 1);
    }
}

static void begin(struct fake_migration *migration)
{
    struct murder *murder = migration->data;

    murder->began |= murder->before_reading;
    fake_guest_start(migration->setup.guest, 1);
    fake_await_waiting(migration->outcome.destination, 1);
    murder->began = true;
    /* Otherwise the push may have ended before the pager reads the ring. */
    while (murder->before_reading &&
           !atomic_load(&migration->outcome.dead[1])) {
        sched_yield();
    }
}

static struct fake_migration *new_migration(struct murder *murder)
{
    struct fake_migration *migration =
        fake_migration_new(PAGES, murder->vcpus ? murder->vcpus : 2);

    migration->setup.params.hot_pages_max = 4;
    migration->script.recoveries = FAKE_RECOVERIES;
    migration->script.has_heir = true;
    migration->script.at_run = begin;
    migration->data = murder;
    murder->migration = migration;
    fake_host_hook(migration->setup.hosts[1], at_call, murder);
    return migration;
}

/* ---- at every moment ---- */

static unsigned int ordered_deaths(const struct murder *murder)
{
    unsigned int ordered = 0;

    while (ordered < DEATHS && murder->at[ordered]) {
        ordered++;
    }
    return ordered;
}

/* The guard of the receiver handles what the receiver has left. */
static void end_paging(struct fake_migration *migration)
{
    const struct xlm_orphan orphan = {
        .domid = fake_domain_id(migration->outcome.destination),
        .pfns = migration->setup.nr_pfns,
        .kept = migration->outcome.inherited,
    };
    struct xlm_context ctx;

    fake_migration_init_context(&ctx, migration->setup.hosts[1]);
    assert_int_equal(xlm_end_paging(&ctx, &orphan), 0);
    assert_false(fake_domain_pager_enabled(migration->outcome.destination));
    xlm_hypervisor_close(ctx.hypervisor);
}

/* True: the process to be killed lived until it had told the source that all
 * was there. */
static bool kill_and_take_over(struct murder *murder)
{
    struct fake_migration *migration = new_migration(murder);
    bool too_late;

    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, 0);
    too_late = murder->deaths < ordered_deaths(murder) ||
               migration->outcome.heirs < murder->deaths;
    if (migration->outcome.heirs < murder->deaths) {
        assert_int_equal(migration->outcome.heirs, murder->deaths - 1);
        assert_int_equal(fake_domain_paged(migration->outcome.destination), 0);
        end_paging(migration);
        fake_guest_stop(migration->setup.guest);
        assert_int_equal(fake_guest_compare(migration->setup.guest,
                                            migration->outcome.destination),
                         0);
    } else {
        fake_migration_check_success(migration);
    }
    fake_migration_free(migration);
    return too_late;
}

static void killed_at_any_call(void **state)
{
    unsigned int call = 1;

    (void)state;
    while (!kill_and_take_over(&(struct murder){.at = {call}})) {
        call++;
    }
    assert_true(call > 5);
}

/* The successor is killed as well. */
static void the_heir_is_killed_at_any_call(void **state)
{
    unsigned int call = 1;

    (void)state;
    while (!kill_and_take_over(&(struct murder){.at = {3, call}})) {
        call++;
    }
    assert_true(call > 5);
}

static void killed_three_times(void **state)
{
    (void)state;
    assert_false(kill_and_take_over(&(struct murder){.at = {2, 5, 6}}));
}

/* A vCPU's request is in the ring, and no process has read it: the hypervisor
 * will not repeat it. */
static void what_was_not_read_is_asked_for(void **state)
{
    struct murder murder = {.vcpus = 1, .before_reading = true, .at = {1}};
    struct fake_migration *migration = new_migration(&murder);

    (void)state;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, 0);
    assert_int_equal(migration->outcome.heirs, 1);
    fake_migration_check_success(migration);
    assert_int_equal(fake_spins(migration->outcome.destination), 0);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_read_is_asked_for),
        cmocka_unit_test(killed_at_any_call),
        cmocka_unit_test(the_heir_is_killed_at_any_call),
        cmocka_unit_test(killed_three_times),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
