/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whole migrations of guests that give back and get memory meanwhile, and
 * of guests with pages that cannot be evicted.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "moves.h"
#include "slow.h"
#include "wire/wire.h"

/* ---- pages that refuse to be evicted ---- */

static void make_busy(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 0; pfn < PAGES; pfn += 3) {
        fake_page_busy(migration->outcome.destination, pfn, true);
    }
}

static void refused_evictions(void **state)
{
    unsigned int rounds;

    (void)state;
    for (rounds = 0; rounds < 3; rounds++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.rounds = rounds;
        migration->script.at_build = make_busy;
        migration->script.at_suspend = write_some;
        succeed(migration);
    }
}

static void make_all_busy(struct fake_migration *migration)
{
    uint64_t pfn;

    for (pfn = 0; pfn < migration->setup.guest_pfns; pfn++) {
        fake_page_busy(migration->outcome.destination, pfn, true);
    }
}

static void nothing_can_be_evicted(void **state)
{
    fake_only_paging("no page refuses");

    struct fake_migration *migration = new_migration(2);

    (void)state;
    migration->script.at_build = make_all_busy;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.stats[0].postcopy_pages, 0);
    fake_migration_free(migration);
}

/* Exactly as many as one record holds; and one more. */
static void as_many_refusals_as_fit(void **state)
{
    uint64_t refusals;

    (void)state;
    leave_out_under_tsan();
    for (refusals = XLM_LIST_PFNS; refusals <= XLM_LIST_PFNS + 1; refusals++) {
        struct fake_migration *migration =
            fake_migration_new(refusals * 13 / 12 + 20, 1);
        uint64_t pfn;

        for (pfn = 0; pfn < migration->setup.guest_pfns; pfn++) {
            if (fake_domain_resident(migration->setup.source) <=
                refusals + 4) {
                break;
            }
            if (fake_guest_has(migration->setup.guest, pfn)) {
                fake_guest_give_back(migration->setup.guest, pfn);
            }
        }
        migration->script.at_build = make_all_busy;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.stats[0].guest_pages, refusals);
        fake_migration_free(migration);
    }
}

/* ---- ballooning ---- */

static void balloon_at_policy(struct fake_migration *migration)
{
    unsigned int i = migration->outcome.iteration;

    if (i < 3) {
        fake_guest_write(migration->setup.guest, 0, 20 + i);
        fake_guest_give_back(migration->setup.guest, 20 + i);
        fake_guest_give_back(migration->setup.guest, 100 + i);
        fake_guest_take_page(migration->setup.guest, 5 + 13 * i);
    }
}

static void ballooning_in_precopy(void **state)
{
    unsigned int i;

    (void)state;
    for (i = 0; i < 8; i++) {
        struct fake_migration *migration = new_quiet(
            i / 2, i % 2 ? XLM_PRECOPY_POSTCOPY : XLM_PRECOPY_STOP_AND_COPY);

        migration->script.at_policy = balloon_at_policy;
        succeed(migration);
    }
}

/* After the lists went out the guest gives pages back, and takes as many
 * elsewhere, so that its size is as before. */
static void balloon_at_suspend(struct fake_migration *migration)
{
    unsigned int i;

    for (i = 0; i < 4; i++) {
        fake_guest_write(migration->setup.guest, 0, 32 + i);
        fake_guest_give_back(migration->setup.guest, 32 + i);
        fake_guest_take_page(migration->setup.guest, 5 + 13 * i);
    }
}

static void shrink_at_suspend(struct fake_migration *migration)
{
    unsigned int i;

    for (i = 0; i < 4; i++) {
        fake_guest_write(migration->setup.guest, 0, 32 + i);
        fake_guest_give_back(migration->setup.guest, 32 + i);
        fake_guest_give_back(migration->setup.guest, 202 + i);
    }
}

static void ballooning_at_suspend(void **state)
{
    static fake_moment *const moments[] = {balloon_at_suspend,
                                           shrink_at_suspend};
    unsigned int i;

    (void)state;
    for (i = 0; i < 12; i++) {
        struct fake_migration *migration = new_quiet(
            i / 4, i % 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

        migration->script.at_suspend = moments[i / 2 % 2];
        succeed(migration);
    }
}

#define LARGE 20000

static void give_one_back(struct fake_migration *migration)
{
    unsigned int *calls = migration->data;

    fake_guest_give_back(migration->setup.guest, 32);
    *calls = fake_calls(migration->setup.hosts[0], FAKE_OP_page_types);
}

static void count_calls(struct fake_migration *migration)
{
    unsigned int *calls = migration->data;

    *calls =
        fake_calls(migration->setup.hosts[0], FAKE_OP_page_types) - *calls;
}

/* The source does not search a guest again, while it is stopped, because the
 * guest gave pages back. */
static void shrinking_costs_the_stop_nothing(void **state)
{
    unsigned int i, calls;

    (void)state;
    leave_out_under_tsan();
    for (i = 0; i < 2; i++) {
        struct fake_migration *migration = fake_migration_new(LARGE, 1);

        migration->script.vcpu_seed = 0;
        migration->script.answer =
            i ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY;
        migration->script.rounds = i;
        migration->data = &calls;
        migration->script.at_suspend = give_one_back;
        migration->script.at_run = count_calls;
        succeed(migration);
        assert_in_range(calls, 1, LARGE / XLM_BATCH_PAGES - 1);
    }
}

/* New pages that the guest has not written to must arrive as well. */
static void grow_at_suspend(struct fake_migration *migration)
{
    fake_domain_set_max_pages(migration->setup.source,
                              migration->setup.nr_pfns);
    assert_true(fake_guest_take_quietly(migration->setup.guest, 5));
    assert_true(fake_guest_take_quietly(migration->setup.guest, 18));
}

static void growing_at_suspend(void **state)
{
    unsigned int i;

    (void)state;
    for (i = 0; i < 6; i++) {
        struct fake_migration *migration = new_quiet(
            i / 2, i % 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY);

        migration->script.at_suspend = grow_at_suspend;
        succeed(migration);
    }
}

/* The guest fills all its holes in the first round, and outgrows what the
 * destination's toolstack allowed its domain. */
static void fill_holes(struct fake_migration *migration)
{
    uint64_t pfn;

    if (!migration->outcome.iteration) {
        fake_domain_set_max_pages(migration->setup.source,
                                  migration->setup.nr_pfns);
    }
    for (pfn = 0;
         !migration->outcome.iteration && pfn < migration->setup.guest_pfns;
         pfn++) {
        if (!fake_guest_has(migration->setup.guest, pfn)) {
            assert_true(fake_guest_take_page(migration->setup.guest, pfn));
        }
    }
}

static void growing_beyond_the_limit(void **state)
{
    unsigned int i;

    (void)state;
    leave_out_under_tsan();
    for (i = 0; i < 4; i++) {
        struct fake_migration *migration = fake_migration_new(20000, 1);

        migration->script.rounds = i / 2;
        migration->script.answer =
            i % 2 ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY;
        migration->setup.max_pages =
            migration->setup.nr_pfns - migration->setup.guest_pfns / 13;
        migration->script.at_policy = fill_holes;
        succeed(migration);
    }
}

/* The guest gives back a page that could not be evicted, before the page was
 * sent. */
static void refused_and_given_back(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);

    (void)state;
    migration->script.at_build = make_busy;
    migration->script.at_suspend = shrink_at_suspend;
    succeed(migration);
}

/* At the destination, pages that have not arrived: given back for good, and
 * given back and taken again, with other contents. */
static void balloon_at_run(struct fake_migration *migration)
{
    unsigned int i;

    for (i = 0; i < 4; i++) {
        fake_guest_give_back(migration->setup.guest, 40 + i);
        fake_guest_give_back(migration->setup.guest, 60 + i);
        fake_guest_take_page(migration->setup.guest, 60 + i);
    }
}

static void ballooning_at_the_destination(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);
    unsigned int i;

    (void)state;
    fake_host_drops_paged(migration->setup.hosts[1]);
    migration->script.at_run = balloon_at_run;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    for (i = 0; i < 4; i++) {
        assert_int_equal(fake_page_get(migration->outcome.destination, 40 + i),
                         FAKE_HOLE);
    }
    assert_int_equal(migration->outcome.stats[0].dropped_pages, 8);
    fake_migration_free(migration);
}

/* The guest gives pages back before the stop, and takes them again before the
 * source has told that it has no such pages.  (Pages that were sent in a
 * round, and not written since, are at the destination.) */
static void take_again(struct fake_migration *migration)
{
    unsigned int i;

    for (i = 0; i < 4; i++) {
        assert_true(fake_guest_take_page(migration->setup.guest, 32 + i));
        if (!migration->script.rounds) {
            assert_true(fake_guest_take_page(migration->setup.guest, 202 + i));
        }
    }
}

static void given_back_here_and_taken_there(void **state)
{
    unsigned int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        struct fake_migration *migration = new_quiet(i, XLM_PRECOPY_POSTCOPY);

        migration->script.at_suspend = shrink_at_suspend;
        migration->script.at_run = take_again;
        succeed(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_evictions),
        cmocka_unit_test(nothing_can_be_evicted),
        cmocka_unit_test(as_many_refusals_as_fit),
        cmocka_unit_test(ballooning_in_precopy),
        cmocka_unit_test(ballooning_at_suspend),
        cmocka_unit_test(shrinking_costs_the_stop_nothing),
        cmocka_unit_test(growing_at_suspend),
        cmocka_unit_test(growing_beyond_the_limit),
        cmocka_unit_test(refused_and_given_back),
        cmocka_unit_test(ballooning_at_the_destination),
        cmocka_unit_test(given_back_here_and_taken_there),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
