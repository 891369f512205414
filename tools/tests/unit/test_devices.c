/*
 * Guests with a device model: it starts at the destination while the guest
 * still runs, and has pages mapped that nobody can evict from then on.
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

/* The device model finds its pages, with the contents that they had, and
 * keeps them. */
static void map_pages(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 0; pfn < PAGES; pfn++) {
        enum fake_page page = fake_page_get(migration->destination, pfn);

        if (!is_device_page(pfn)) {
            assert_int_equal(page, FAKE_HOLE);
        } else if (fake_guest_has(migration->guest, pfn)) {
            assert_int_equal(page, FAKE_RAM);
            fake_page_busy(migration->destination, pfn, true);
        }
    }
}

/* Of the pages that the device model has, some are written at the end. */
static void draw(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = PAGES - 60; pfn < PAGES - 30; pfn++) {
        fake_guest_write(migration->guest, 0, pfn);
    }
}

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->vcpu_seed = 1;
    migration->device_model = true;
    migration->params.device_ranges[0] = ranges[0];
    migration->params.device_ranges[1] = ranges[1];
    migration->at_build = map_pages;
    migration->at_suspend = draw;
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
    migration->rounds = 3;
    succeed(migration);
}

static void stop_and_copy(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->rounds = 1;
    migration->answer = XLM_PRECOPY_STOP_AND_COPY;
    succeed(migration);
}

/* Without a way back the device model starts last, with all the memory. */
static void image(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->params.in_fd = -1;
    migration->answer = XLM_PRECOPY_STOP_AND_COPY;
    migration->device_model = false;
    migration->at_build = NULL;
    succeed(migration);
}

/* Nothing of the guest has changed when it cannot be moved. */
static void state_cannot_be_had(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->failing = FAKE_PART_EARLY_DEVICES;
    fake_migration_run(migration);
    assert_int_equal(migration->save_rc, -1);
    assert_false(migration->suspended);
    assert_false(fake_domain_logdirty(migration->source));
    assert_false(migration->qemu_logdirty);
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
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
