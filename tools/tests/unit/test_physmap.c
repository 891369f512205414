/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whole migrations of guests whose physmap changes meanwhile in ways that
 * the dirty log does not show, or whose HVM parameters change.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xen/hvm/params.h>

#include "moves.h"
#include "wire/wire.h"

#define GIVEN 40u /* pages there are given back */
#define HOLE 5u   /* no page is there, nor 13 further on */
#define HOLE_STEP 13u
#define FEW 3u

/* In the first round, after each, in the suspend. */
enum when { IN_A_ROUND, BETWEEN_ROUNDS, SUSPENDING, NR_WHENS };

struct change {
    enum when when;
    bool same;    /* pages are taken where they were given back */
    bool allowed; /* another program has raised the domain's limit meanwhile */
    unsigned int taken;
    unsigned int times;
};

static void allow(struct fake_migration *migration)
{
    fake_domain_set_max_pages(migration->setup.source,
                              migration->setup.max_pages);
}

static void change_now(struct fake_migration *migration)
{
    struct change *change = migration->data;
    unsigned int first = FEW * change->times++;

    if (change->allowed) {
        allow(migration);
    }
    for (unsigned int i = first; i < first + FEW; i++) {
        uint64_t to = change->same ? GIVEN + i : HOLE + HOLE_STEP * i;

        if (!fake_guest_has(migration->setup.guest, GIVEN + i) ||
            fake_guest_has(migration->setup.guest, to) != change->same) {
            continue;
        }
        fake_guest_give_back(migration->setup.guest, GIVEN + i);
        change->taken +=
            i % 2 ? fake_guest_take_page(migration->setup.guest, to)
                  : fake_guest_take_quietly(migration->setup.guest, to);
    }
}

static void change_at_policy(struct fake_migration *migration)
{
    if (migration->outcome.iteration < 2) {
        change_now(migration);
    }
}

static void change_once(struct fake_migration *migration)
{
    struct change *change = migration->data;

    if (!change->times) {
        change_now(migration);
    }
}

static struct fake_migration *new_changing(struct change *change,
                                           unsigned int rounds,
                                           enum xlm_precopy_answer answer)
{
    struct fake_migration *migration = new_quiet(rounds, answer);

    migration->data = change;
    migration->script.at_policy =
        change->when == BETWEEN_ROUNDS ? change_at_policy : NULL;
    migration->script.at_round =
        change->when == IN_A_ROUND ? change_once : NULL;
    migration->script.at_suspend =
        change->when == SUSPENDING ? change_now : NULL;
    return migration;
}

/* Whatever limit the domain gets, all pages that it then has arrive. */
static void change_at_all_times(bool same, bool allowed)
{
    for (unsigned int i = 0; i < NR_WHENS * 6; i++) {
        struct change change = {
            .when = i / 6, .same = same, .allowed = allowed};
        struct fake_migration *migration = new_changing(
            &change, i / 2 % 3,
            i % 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

        fake_migration_run(migration);
        fake_migration_check_success(migration);
        if (change.times) {
            assert_true(allowed ? change.taken > 0 : !change.taken);
        }
        fake_migration_free(migration);
    }
}

static void pages_for_others(void **state)
{
    (void)state;
    change_at_all_times(false, false);
    change_at_all_times(false, true);
}

static void pages_for_the_same(void **state)
{
    (void)state;
    change_at_all_times(true, false);
    change_at_all_times(true, true);
}

/* To a file as well. */
static void without_a_way_back(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        struct change change = {.same = same, .allowed = true};
        struct fake_migration *migration =
            new_changing(&change, 2, XLM_PRECOPY_STOP_AND_COPY);

        migration->script.at_policy = change_at_policy;
        migration->setup.params.in_fd = -1;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_true(change.taken);
        fake_migration_free(migration);
    }
}

/* ---- what it may have ---- */

static void cannot_have_more(struct fake_migration *migration)
{
    assert_false(fake_guest_take_quietly(migration->setup.guest, HOLE));
}

static void no_memory_for_the_time(void **state)
{
    struct fake_migration *migration = new_quiet(1, XLM_PRECOPY_STOP_AND_COPY);

    (void)state;
    migration->script.at_policy = cannot_have_more;
    migration->script.at_suspend = cannot_have_more;
    migration->script.failing = FAKE_PART_RECHECK;
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_int_equal(fake_domain_max_pages(migration->setup.source),
                     migration->setup.nr_pfns);
    fake_migration_free(migration);
}

static void set_more(struct fake_migration *migration)
{
    fake_domain_set_max_pages(migration->setup.source, 12345);
}

/* A limit that another program sets stays. */
static void memory_set_meanwhile(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct fake_migration *migration =
            new_quiet(1, XLM_PRECOPY_STOP_AND_COPY);

        *(late ? &migration->script.at_suspend
               : &migration->script.at_policy) = set_more;
        migration->script.failing = FAKE_PART_RECHECK;
        fake_migration_run(migration);
        fake_migration_check_promise(migration);
        assert_int_equal(fake_domain_max_pages(migration->setup.source),
                         12345);
        fake_migration_free(migration);
    }
}

/* No program has set a limit before. */
static void left_by_one_that_was_killed(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_STOP_AND_COPY);
    uint64_t pages = fake_domain_resident(migration->setup.source);

    (void)state;
    fake_domain_set_max_pages(migration->setup.source, 1);
    migration->script.failing = FAKE_PART_SUSPEND;
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_int_equal(fake_domain_max_pages(migration->setup.source), pages);
    fake_migration_free(migration);
}

/* ---- a physmap that grows ---- */

#define BEYOND 50u

struct growth {
    uint64_t pfns;
    bool done;
};

static void room_at_the_destination(struct fake_migration *migration)
{
    const struct growth *growth = migration->data;

    fake_domain_grow(migration->outcome.destination, growth->pfns);
}

static void grow_once(struct fake_migration *migration)
{
    struct growth *growth = migration->data;

    if (growth->done) {
        return;
    }
    growth->done = true;
    allow(migration);
    fake_domain_grow(migration->setup.source, growth->pfns);
    fake_guest_grow(migration->setup.guest, growth->pfns);
    for (unsigned int i = 0; i < 4; i++) {
        fake_guest_give_back(migration->setup.guest, GIVEN + i);
    }
    assert_true(
        fake_guest_take_quietly(migration->setup.guest, growth->pfns - 1));
    assert_true(fake_guest_take_page(migration->setup.guest,
                                     growth->pfns - BEYOND / 2));
}

static struct fake_migration *new_growing(struct growth *growth,
                                          unsigned int rounds, bool late,
                                          enum xlm_precopy_answer answer)
{
    struct fake_migration *migration = new_quiet(rounds, answer);

    if (!growth->pfns) {
        growth->pfns = migration->setup.nr_pfns + BEYOND;
    }
    migration->data = growth;
    migration->setup.restore_params.max_pages = 2 * PAGES;
    migration->script.at_build = room_at_the_destination;
    *(late ? &migration->script.at_suspend : &migration->script.at_policy) =
        grow_once;
    return migration;
}

static void pages_above_all_others(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 12; i++) {
        struct growth growth = {.pfns = 0};
        struct fake_migration *migration = new_growing(
            &growth, i / 4, i & 1,
            i & 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

        succeed(migration);
    }
}

/* The receiver is killed: its successor knows of these pages as well. */
static void kill_receiver(struct fake_migration *migration)
{
    if (migration->data) {
        migration->data = NULL;
        fake_migration_kill(migration, 1);
    }
}

static void pages_above_and_an_heir(void **state)
{
    struct growth growth = {.pfns = 0};
    struct fake_migration *migration =
        new_growing(&growth, 0, true, XLM_PRECOPY_POSTCOPY);

    (void)state;
    migration->script.recoveries = 2;
    migration->script.has_heir = true;
    migration->script.at_run = kill_receiver;
    fake_migration_run(migration);
    fake_migration_check_recovered(migration);
    assert_int_equal(migration->outcome.heirs, 1);
    fake_migration_free(migration);
}

/* More pages than the destination keeps room for: no page is lost. */
static void too_far_above(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 4; i++) {
        struct growth growth = {.pfns = 0};
        struct fake_migration *migration;

        growth.pfns = 1000;
        migration = new_growing(&growth, 1, i & 1,
                                i & 2 ? XLM_PRECOPY_STOP_AND_COPY
                                      : XLM_PRECOPY_POSTCOPY);
        fake_migration_run(migration);
        fake_migration_check_promise(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_non_null(
            strstr(migration->outcome.contexts[0].reason, "no room"));
        fake_migration_free(migration);
    }
}

/* ---- pages that are moved ---- */

#define DEVICE_FIRST 260u
#define DEVICE_END 290u

/* Firmware puts the memory of a device elsewhere: there are as many as before.
 */
static void move_device_page(struct fake_migration *migration)
{
    uint64_t from = DEVICE_FIRST + 1;
    uint64_t to = HOLE + HOLE_STEP * 20;

    assert_in_range(to, DEVICE_FIRST, DEVICE_END - 1);
    fake_guest_give_back(migration->setup.guest, from);
    allow(migration);
    assert_true(fake_guest_take_quietly(migration->setup.guest, to));
    fake_domain_set_max_pages(migration->setup.source, 1);
}

static void device_memory_elsewhere(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fake_migration *migration = new_quiet(
            i / 2, i % 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

        migration->setup.params.device_ranges[0] =
            (struct xlm_pfn_range){DEVICE_FIRST, DEVICE_END};
        migration->script.at_suspend = move_device_page;
        succeed(migration);
    }
}

/* ---- parameters ---- */

static const struct {
    uint32_t index;
    uint64_t early, late;
} settable[] = {
    {HVM_PARAM_ACPI_IOPORTS_LOCATION, 0, 1},
    {HVM_PARAM_ACPI_IOPORTS_LOCATION, 1, 0},
    {HVM_PARAM_VM_GENERATION_ID_ADDR, 0, 0x1234000},
    {HVM_PARAM_VM_GENERATION_ID_ADDR, 0x1234000, 0x2000},
    {HVM_PARAM_X87_FIP_WIDTH, 8, 4},
    {HVM_PARAM_IDENT_PT, 0, 0x7000},
    {HVM_PARAM_VM86_TSS_SIZED, 0, 0x8000000008000},
};

static const uint32_t set_once[] = {
    HVM_PARAM_VIRIDIAN, HVM_PARAM_MCA_CAP, HVM_PARAM_STORE_PFN,
    HVM_PARAM_PAGING_RING_PFN, HVM_PARAM_IOREQ_SERVER_PFN};

struct setting {
    uint32_t index;
    uint64_t value;
};

static void set_late(struct fake_migration *migration)
{
    const struct setting *setting = migration->data;

    fake_domain_put_param(migration->setup.source, setting->index,
                          setting->value);
}

static void parameters_set_late(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(settable) / sizeof(settable[0]); i++) {
        for (int way = 0; way < 2; way++) {
            struct setting setting = {settable[i].index, settable[i].late};
            struct fake_migration *migration = new_quiet(
                1, way ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

            fake_domain_put_param(migration->setup.source, settable[i].index,
                                  settable[i].early);
            migration->data = &setting;
            migration->script.at_suspend = set_late;
            fake_migration_run(migration);
            fake_migration_check_success(migration);
            assert_int_equal(
                fake_domain_peek_param(migration->outcome.destination,
                                       settable[i].index),
                settable[i].late);
            fake_migration_free(migration);
        }
    }
}

static void parameters_that_are_set_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(set_once) / sizeof(set_once[0]); i++) {
        struct setting setting = {set_once[i], 3};
        struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);

        migration->data = &setting;
        migration->script.at_suspend = set_late;
        fake_migration_run(migration);
        fake_migration_check_promise(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_non_null(
            strstr(migration->outcome.contexts[0].reason, "HVM parameter"));
        fake_migration_free(migration);
    }
}

/* ---- at the destination ---- */

static void give_back_absent(struct fake_migration *migration)
{
    unsigned int refused = 0;

    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        if (fake_page_get(migration->outcome.destination, pfn) == FAKE_PAGED) {
            refused +=
                !fake_guest_balloon(migration->outcome.destination, pfn);
            assert_int_equal(
                fake_page_get(migration->outcome.destination, pfn),
                FAKE_PAGED);
        }
    }
    assert_true(refused);
}

/* The hypervisor does not take it: nor does it tell the pager. */
static void absent_pages_stay(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);

    (void)state;
    migration->script.at_run = give_back_absent;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.stats[0].dropped_pages, 0);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_for_others),
        cmocka_unit_test(pages_for_the_same),
        cmocka_unit_test(without_a_way_back),
        cmocka_unit_test(no_memory_for_the_time),
        cmocka_unit_test(memory_set_meanwhile),
        cmocka_unit_test(left_by_one_that_was_killed),
        cmocka_unit_test(pages_above_all_others),
        cmocka_unit_test(pages_above_and_an_heir),
        cmocka_unit_test(too_far_above),
        cmocka_unit_test(device_memory_elsewhere),
        cmocka_unit_test(parameters_set_late),
        cmocka_unit_test(parameters_that_are_set_once),
        cmocka_unit_test(absent_pages_stay),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
