/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Guests with a device model, which starts at the destination while the
 * guest still runs, and maps pages that cannot be evicted from then on.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"

#define PAGES 300

static const struct xlm_pfn_range ranges[XLM_DEVICE_RANGES] = {
    {10, 26}, {PAGES - 60, 1ULL << 20}, /* beyond the end of the guest */
};

static bool is_device_page(uint64_t pfn)
{
    return (pfn >= ranges[0].first && pfn < ranges[0].end) ||
           pfn >= ranges[1].first;
}

/* The device model finds its pages with the contents that they had, and goes
 * on mapping them. */
static void map_pages(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 0; pfn < PAGES; pfn++) {
        enum fake_page page =
            fake_page_get(migration->outcome.destination, pfn);

        if (!is_device_page(pfn)) {
            assert_int_equal(page, FAKE_HOLE);
        } else if (fake_guest_has(migration->setup.guest, pfn)) {
            assert_int_equal(page, FAKE_RAM);
            fake_page_busy(migration->outcome.destination, pfn, true);
        }
    }
}

/* The guest writes some of the device model's pages at the end. */
static void draw(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = PAGES - 60; pfn < PAGES - 30; pfn++) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->script.vcpu_seed = 1;
    migration->setup.device_model = true;
    migration->setup.params.device_ranges[0] = ranges[0];
    migration->setup.params.device_ranges[1] = ranges[1];
    migration->script.at_build = map_pages;
    migration->script.at_suspend = draw;
    return migration;
}

static void succeed(struct fake_migration *migration)
{
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_free(migration);
}

static void postcopy(void **state)
{
    (void)state;
    succeed(new_migration());
}

static void hybrid(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.rounds = 3;
    succeed(migration);
}

static void stop_and_copy(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.rounds = 1;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    succeed(migration);
}

/* Without a way back the device model starts last, with all the memory. */
static void image(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->setup.params.in_fd = -1;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    migration->setup.device_model = false;
    migration->script.at_build = NULL;
    succeed(migration);
}

/* The guest is unchanged when it cannot be moved. */
static void state_cannot_be_had(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.failing = FAKE_PART_EARLY_DEVICES;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_false(migration->outcome.suspended);
    assert_false(fake_domain_logdirty(migration->setup.source));
    assert_false(migration->outcome.qemu_logdirty);
    fake_migration_check_promise(migration);
    fake_migration_free(migration);
}

/* ---- late ---- */

#define WHY "its disk is a pattern"

/* The device model starts in the stop, when the guest's pages are evicted: it
 * has only the pages that the guest's devices have. */
static void map_pages_late(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 0; pfn < PAGES; pfn++) {
        if (is_device_page(pfn) &&
            fake_guest_has(migration->setup.guest, pfn)) {
            assert_int_equal(
                fake_page_get(migration->outcome.destination, pfn), FAKE_RAM);
            assert_true(fake_guest_page_good(
                migration->setup.guest, migration->outcome.destination, pfn));
        }
    }
}

static struct fake_migration *new_late(void)
{
    struct fake_migration *migration = new_migration();

    migration->setup.late = WHY;
    migration->script.at_build = map_pages_late;
    return migration;
}

static void check_late(struct fake_migration *migration)
{
    int end;

    for (end = 0; end < 2; end++) {
        assert_int_equal(migration->outcome.stats[end].devices.build,
                         XLM_BUILD_LATE);
        assert_string_equal(migration->outcome.stats[end].devices.late_reason,
                            WHY);
    }
}

static void late_postcopy(void **state)
{
    struct fake_migration *migration = new_late();

    (void)state;
    migration->setup.params.hot_pages_max = PAGES / 4; /* some are left */
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    check_late(migration);
    assert_true(migration->outcome.stats[0].postcopy_pages > 0);
    assert_int_equal(migration->outcome.asked_for, XLM_BUILD_ANY);
    fake_migration_free(migration);
}

static void late_after_rounds(void **state)
{
    struct fake_migration *migration = new_late();

    (void)state;
    migration->script.rounds = 3;
    succeed(migration);
}

static void late_stop_and_copy(void **state)
{
    struct fake_migration *migration = new_late();

    (void)state;
    migration->script.rounds = 1;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    succeed(migration);
}

/* A process may serve the disks of a guest without a device model as well. */
static void late_without_device_model(void **state)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    (void)state;
    migration->setup.late = WHY;
    succeed(migration);
}

static void early_is_told(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->setup.params.build = XLM_BUILD_EARLY;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.asked_for, XLM_BUILD_EARLY);
    assert_int_equal(migration->outcome.stats[0].devices.build,
                     XLM_BUILD_EARLY);
    assert_string_equal(migration->outcome.stats[0].devices.late_reason, "");
    fake_migration_free(migration);
}

/* A source that asks for a late start need not pause the guest for a state
 * that is not used. */
static void late_is_ordered(void **state)
{
    static const enum xlm_build orders[] = {XLM_BUILD_LATE,
                                            XLM_BUILD_LATE_DEVICES};
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct fake_migration *migration = new_late();

        migration->setup.params.build = orders[i];
        migration->script.failing = FAKE_PART_EARLY_DEVICES;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.asked_for, orders[i]);
        fake_migration_free(migration);
    }
}

/* ---- who needs the guest's memory before the guest runs ---- */

/* Dom0 maps a page, or must try again. */
static bool can_map(struct fake_migration *migration, uint64_t pfn)
{
    struct xlm_hypervisor *hv = fake_open(migration->setup.hosts[1]);
    uint32_t domid = fake_domain_id(migration->outcome.destination);
    int error = 0;
    void *page = hv->ops->map(hv, domid, false, 1, &pfn, &error);

    if (page) {
        hv->ops->unmap(hv, page, 1);
    }
    xlm_hypervisor_close(hv);
    return page && !error;
}

/* A device needs one page after the other. */
static bool fetch(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 30; pfn < 60; pfn++) {
        if (fake_guest_has(migration->setup.guest, pfn) &&
            !can_map(migration, pfn)) {
            return false;
        }
    }
    return true;
}

/* The source is lost before the page comes. */
static bool lose_source(struct fake_migration *migration)
{
    bool done = fetch(migration);

    if (!done) {
        fake_link_kill(migration->outcome.link, 0);
    }
    return done;
}

static void late_device_gets_what_it_fetches(void **state)
{
    fake_only_paging("devices that fetch are refused");

    struct fake_migration *migration = new_late();

    (void)state;
    migration->setup.params.hot_pages_max = 1;
    migration->script.at_start = fetch;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(migration->outcome.stats[0].outside > 0);
    fake_migration_free(migration);
}

/* If a page does not come the guest stays at the source. */
static void late_device_is_let_down(void **state)
{
    fake_only_paging("devices that fetch are refused");

    struct fake_migration *migration = new_late();

    (void)state;
    migration->setup.params.hot_pages_max = 1;
    migration->script.at_start = lose_source;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    fake_migration_check_promise(migration);
    fake_migration_free(migration);
}

static void late_build_fails(void **state)
{
    struct fake_migration *migration = new_late();

    (void)state;
    migration->script.failing = FAKE_PART_READ_DEVICE_STATE;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    fake_migration_check_promise(migration);
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postcopy),
        cmocka_unit_test(hybrid),
        cmocka_unit_test(stop_and_copy),
        cmocka_unit_test(image),
        cmocka_unit_test(state_cannot_be_had),
        cmocka_unit_test(late_postcopy),
        cmocka_unit_test(late_after_rounds),
        cmocka_unit_test(late_stop_and_copy),
        cmocka_unit_test(late_without_device_model),
        cmocka_unit_test(early_is_told),
        cmocka_unit_test(late_is_ordered),
        cmocka_unit_test(late_device_gets_what_it_fetches),
        cmocka_unit_test(late_device_is_let_down),
        cmocka_unit_test(late_build_fails),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
