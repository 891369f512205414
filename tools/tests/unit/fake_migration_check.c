/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What must hold after a fake migration, and what went over its link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "fake_parts.h"
#include "wire/channel.h"
#include "wire/wire.h"

/* ---- what must hold ---- */

/* The guest goes on at the source and has all its memory. */
static void check_still_at_source(struct fake_migration *migration)
{
    bool alone = migration->outcome.dead[0]; /* a person must resume it */

    assert_true(alone || migration->outcome.save_rc == -1);
    assert_false(migration->outcome.ran);
    assert_false(migration->outcome.resumed && !migration->outcome.dead[1]);
    if (migration->outcome.destination) {
        assert_false(fake_domain_ran(migration->outcome.destination));
        fake_domain_destroy(migration->outcome.destination);
    }
    if (migration->outcome.suspended) {
        assert_true(alone ||
                    fake_domain_suspend_cancelled(migration->setup.source) ||
                    !migration->outcome.stats[0].suspend_us);
        fake_domain_resume(migration->setup.source);
        fake_guest_move(migration->setup.guest, migration->setup.source);
    }
    assert_true(fake_domain_running(migration->setup.source));
    assert_true(alone || fake_domain_max_pages(migration->setup.source) > 1);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(
        fake_guest_compare(migration->setup.guest, migration->setup.source),
        0);
}

/* The guest belongs to the destination: each of its pages is there, or the
 * source still has it. */
static void check_gone(struct fake_migration *migration)
{
    struct fake_domain *source = migration->setup.source;
    uint64_t pfn;

    assert_true(migration->outcome.put_away);
    assert_false(fake_domain_running(source));
    if (!migration->outcome.ran) {
        /* The go was lost: the guest runs nowhere, and all of it is at the
         * source. */
        assert_false(migration->outcome.resumed &&
                     !migration->outcome.dead[1]);
        fake_guest_stop(migration->setup.guest);
        assert_int_equal(fake_guest_compare(migration->setup.guest, source),
                         0);
        return;
    }
    assert_false(fake_domain_crashed(migration->outcome.destination));
    assert_true(fake_domain_pager_enabled(migration->outcome.destination) ||
                fake_domain_paged(migration->outcome.destination) == 0);
    /* vCPUs wait for pages that will never come. */
    fake_domain_stop(migration->outcome.destination);
    fake_guest_stop(migration->setup.guest);
    for (pfn = 0; pfn < migration->setup.guest_pfns; pfn++) {
        if (fake_guest_has(migration->setup.guest, pfn) &&
            !fake_guest_page_good(migration->setup.guest,
                                  migration->outcome.destination, pfn)) {
            assert_int_not_equal(
                fake_page_get(migration->outcome.destination, pfn), FAKE_RAM);
            assert_true(
                fake_guest_page_good(migration->setup.guest, source, pfn));
        }
    }
}

void fake_migration_check_promise(struct fake_migration *migration)
{
    bool source_lives = !migration->outcome.dead[0];
    bool destination_lives = !migration->outcome.dead[1];

    if (migration->outcome.ran) {
        assert_true(migration->outcome.transitioned || !source_lives);
        assert_true(migration->outcome.resumed || !destination_lives);
    }
    if (source_lives && migration->outcome.save_rc == 0) {
        assert_true(migration->outcome.restore_rc == 0 || !destination_lives);
    } else if (source_lives) {
        assert_true(migration->outcome.contexts[0].reason[0]);
    }
    if (destination_lives && migration->outcome.restore_rc) {
        assert_true(migration->outcome.contexts[1].reason[0]);
    }
    assert_false(migration->outcome.qemu_logdirty && source_lives);
    if (source_lives ? migration->outcome.transitioned
                     : migration->outcome.ran) {
        check_gone(migration);
    } else {
        check_still_at_source(migration);
    }
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
}

static void check_state(struct fake_migration *migration,
                        enum xlm_platform_state which)
{
    size_t lengths[2];
    const void *states[] = {
        fake_domain_peek_state(migration->setup.source, which, &lengths[0]),
        fake_domain_peek_state(migration->outcome.destination, which,
                               &lengths[1]),
    };

    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(states[0], states[1], lengths[0]);
}

void fake_migration_check_success(struct fake_migration *migration)
{
    size_t i;

    if (migration->outcome.save_rc || migration->outcome.restore_rc) {
        fail_msg("source: %s; destination: %s",
                 migration->outcome.contexts[0].reason,
                 migration->outcome.contexts[1].reason);
    }
    assert_true(migration->outcome.resumed);
    assert_false(fake_domain_running(migration->setup.source));
    assert_true(fake_domain_running(migration->outcome.destination));
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(fake_guest_compare(migration->setup.guest,
                                        migration->outcome.destination),
                     0);
    assert_int_equal(fake_guest_errors(migration->setup.guest), 0);
    assert_int_equal(fake_domain_paged(migration->outcome.destination), 0);
    assert_false(fake_domain_pager_enabled(migration->outcome.destination));
    assert_false(fake_domain_logdirty(migration->setup.source));
    assert_false(migration->outcome.qemu_logdirty);
    check_state(migration, XLM_STATE_CPUID_POLICY);
    check_state(migration, XLM_STATE_MSR_POLICY);
    check_state(migration, XLM_STATE_TSC_INFO);
    check_state(migration, XLM_STATE_HVM_CONTEXT);
    fake_parts_check_params(migration);
    assert_int_equal(migration->outcome.stats[0].requested_pages +
                         migration->outcome.stats[0].pushed_pages +
                         migration->outcome.stats[0].unsent_pages,
                     migration->outcome.stats[0].postcopy_pages);
    assert_int_equal(migration->outcome.stats[0].outstanding, 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(migration->outcome.stats[i].duplicate_pages, 0);
    }
}

void fake_migration_check_recovered(struct fake_migration *migration)
{
    assert_true(migration->outcome.recovered > 0);
    assert_true(migration->outcome.transitioned);
    if (migration->outcome.found == XLM_GUEST_COMPLETE) {
        fake_migration_check_success(migration);
        return;
    }
    /* The go did not arrive. */
    assert_int_equal(migration->outcome.found, XLM_GUEST_NEVER_RAN);
    assert_int_equal(migration->outcome.save_rc, 0);
    assert_false(migration->outcome.ran);
    assert_false(migration->outcome.resumed);
    assert_false(fake_domain_ran(migration->outcome.destination));
    xlm_take_back(&migration->outcome.contexts[0],
                  migration->setup.params.domid);
    assert_true(fake_domain_suspend_cancelled(migration->setup.source));
    assert_false(fake_domain_logdirty(migration->setup.source));
    fake_domain_resume(migration->setup.source);
    fake_guest_move(migration->setup.guest, migration->setup.source);
    fake_guest_stop(migration->setup.guest);
    assert_int_equal(
        fake_guest_compare(migration->setup.guest, migration->setup.source),
        0);
}

/* ---- what went over the link ---- */

size_t fake_migration_records(struct fake_migration *migration,
                              enum fake_way way, size_t *offsets, size_t max)
{
    struct xlm_wire_record_header header;
    size_t length, count = 0, at = fake_first_record(way);
    const uint8_t *heard =
        fake_link_heard(migration->outcome.link, way, &length);

    for (; at + sizeof(header) <= length;
         at += fake_record_size(header.type, header.length)) {
        assert_true(count + 1 < max);
        offsets[count++] = at;
        memcpy(&header, heard + at, sizeof(header));
    }
    offsets[count++] = at;
    return count;
}
