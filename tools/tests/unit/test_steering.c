/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Requests while a migration is under way: postcopy at once, another rate,
 * a rate of 0.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "wire/wire.h"

#define PAGES 3000 /* several batches a round */
#define ENDLESS UINT32_MAX

static struct xlm_control control;

static struct fake_migration *new_migration(uint64_t pages)
{
    static const struct xlm_control fresh = XLM_CONTROL_INIT;
    struct fake_migration *migration = fake_migration_new(pages, 1);

    control = fresh;
    migration->setup.params.control = &control;
    migration->script.vcpu_seed = 1;
    return migration;
}

static bool is_in_round(const struct fake_migration *migration,
                        unsigned int iteration)
{
    return migration->outcome.asked.in_round &&
           migration->outcome.asked.iteration >= iteration &&
           migration->outcome.asked.round_sent > 0;
}

/* The guest has written to half of its pages since the log was read last,
 * whatever its vCPU came to: there are several batches for the next round. */
static void write_half(struct fake_migration *migration)
{
    for (uint64_t pfn = 0; pfn < PAGES; pfn += 2) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static struct fake_migration *new_busy_migration(void)
{
    struct fake_migration *migration = new_migration(PAGES);

    migration->script.at_policy = write_half;
    migration->setup.params.hot_pages_max = 10;
    return migration;
}

/* ---- leaving a round in the middle ---- */

static void switch_in_third_round(struct fake_migration *migration)
{
    if (is_in_round(migration, 2)) {
        atomic_store(&control.switch_now, true);
    }
}

static void switch_in_an_endless_precopy(void **state)
{
    struct fake_migration *migration = new_busy_migration();

    (void)state;
    migration->script.rounds = ENDLESS;
    migration->script.at_round = switch_in_third_round;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(migration->outcome.transitioned);
    assert_int_equal(migration->outcome.stats[0].iterations, 2);
    assert_true(migration->outcome.stats[0].postcopy_pages > 0);
    fake_migration_free(migration);
}

static void switch_in_first_round(struct fake_migration *migration)
{
    if (is_in_round(migration, 0)) {
        atomic_store(&control.switch_now, true);
    }
}

/* Pages that the round did not reach are sent later, each page once. */
static void what_was_not_sent_stays_to_send(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);
    struct xlm_stats *stats = &migration->outcome.stats[0];

    (void)state;
    migration->script.vcpu_seed = 0;
    migration->script.rounds = ENDLESS;
    migration->script.at_round = switch_in_first_round;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(stats->iterations, 0);
    assert_in_range(stats->precopy_pages, 1, XLM_BATCH_PAGES);
    assert_int_equal(stats->precopy_pages + stats->settled_pages +
                         stats->stop_pages + stats->postcopy_pages,
                     stats->guest_pages);
    fake_migration_free(migration);
}

static void switch_before_precopy(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);

    (void)state;
    migration->script.rounds = ENDLESS;
    atomic_store(&control.switch_now, true);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.stats[0].precopy_pages, 0);
    fake_migration_free(migration);
}

/* This migration cannot switch to postcopy: it sends an ordinary image. */
static void no_switch_without_a_way_back(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);

    (void)state;
    migration->script.rounds = 2;
    migration->setup.params.in_fd = -1;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    atomic_store(&control.switch_now, true);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(migration->outcome.stats[0].iterations, 2);
    fake_migration_free(migration);
}

static void answer_in_second_round(struct fake_migration *migration)
{
    if (is_in_round(migration, 1)) {
        migration->script.round_answer = migration->script.answer;
    }
}

static void the_policy_ends_a_round(void **state)
{
    static const enum xlm_precopy_answer answers[] = {
        XLM_PRECOPY_POSTCOPY, XLM_PRECOPY_STOP_AND_COPY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_migration *migration = new_busy_migration();

        migration->script.rounds = ENDLESS;
        migration->script.answer = answers[i];
        migration->script.at_round = answer_in_second_round;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.stats[0].iterations, 1);
        assert_int_equal(migration->outcome.stats[0].postcopy_pages > 0,
                         i == 0);
        fake_migration_free(migration);
    }
}

static void the_policy_gives_up_in_a_round(void **state)
{
    struct fake_migration *migration = new_busy_migration();

    (void)state;
    migration->script.rounds = ENDLESS;
    migration->script.answer = XLM_PRECOPY_ABORT;
    migration->script.at_round = answer_in_second_round;
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_false(migration->outcome.transitioned);
    fake_migration_free(migration);
}

/* ---- what the policy is told ---- */

static void check_what_is_told(struct fake_migration *migration)
{
    const struct xlm_precopy_stats *asked = &migration->outcome.asked;

    assert_true(asked->guest_pages > 0);
    if (asked->in_round) {
        assert_true(asked->round_pages > 0);
        assert_true(asked->round_sent <= asked->round_pages);
        assert_true(asked->dirty_count <= asked->guest_pages);
    }
    if (asked->round_sent) {
        assert_true(asked->send_rate > 0);
        assert_true(asked->elapsed_us > 0);
    }
    if (!asked->in_round && asked->iteration == 1) {
        assert_true(asked->round_pages >= asked->guest_pages * 9 / 10);
        assert_true(asked->dirty_rate > 0);
    }
}

static void check_and_write(struct fake_migration *migration)
{
    check_what_is_told(migration);
    write_half(migration);
}

static void the_policy_is_told_of_rates(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);

    (void)state;
    migration->script.rounds = 3;
    migration->script.at_policy = check_and_write;
    migration->script.at_round = check_what_is_told;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_free(migration);
}

/* ---- holding and slowing ---- */

/* The rate of the first round is 0, and later above 0. */
static void hold_for_a_while(struct fake_migration *migration)
{
    unsigned int *asked = migration->data;

    if (++*asked == 3) {
        assert_int_equal(migration->outcome.asked.total_written, 0);
        atomic_store(&control.background_rate, XLM_RATE_UNLIMITED);
    }
}

static void precopy_is_held(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);
    unsigned int asked = 0;

    (void)state;
    migration->script.rounds = 2;
    migration->data = &asked;
    migration->script.at_round = hold_for_a_while;
    atomic_store(&control.background_rate, 0);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(asked >= 3);
    assert_int_equal(migration->outcome.stats[0].iterations, 2);
    fake_migration_free(migration);
}

static void switch_while_held(struct fake_migration *migration)
{
    unsigned int *asked = migration->data;

    if (++*asked == 2) {
        atomic_store(&control.switch_now, true);
    }
}

/* The rate stays 0, and the guest requests every page itself. */
static void only_what_is_asked_for(void **state)
{
    (void)state;
    for (int off = 0; off < 2; off++) {
        struct fake_migration *migration = new_migration(300);
        unsigned int asked = 0;

        migration->script.rounds = 1;
        migration->data = &asked;
        migration->script.at_round = switch_while_held;
        migration->setup.params.no_push = off;
        migration->setup.params.neighbours_below = 0;
        migration->setup.params.neighbours_above = 0;
        migration->setup.params.neighbours_adapt = false;
        migration->setup.params.hot_pages_max = 10;
        if (!off) {
            atomic_store(&control.background_rate, 0);
        } else {
            atomic_store(&control.switch_now, true);
        }
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.stats[0].precopy_pages, 0);
        assert_int_equal(migration->outcome.stats[0].pushed_pages, 0);
        assert_true(migration->outcome.stats[0].requested_pages > 200);
        fake_migration_free(migration);
    }
}

#define SLOW_RATE 700000u

static unsigned int count_records(struct fake_migration *migration,
                                  enum fake_way way, uint32_t type)
{
    struct xlm_wire_record_header header;
    size_t offsets[8000], length;
    size_t count = fake_migration_records(migration, way, offsets, 8000);
    const uint8_t *heard =
        fake_link_heard(migration->outcome.link, way, &length);
    unsigned int found = 0;

    for (size_t i = 0; i + 1 < count; i++) {
        memcpy(&header, heard + offsets[i], sizeof(header));
        found += header.type == type;
    }
    return found;
}

/* The migration takes as long as the rate says, less what may be saved up.
 * Meanwhile the source gets counts of faults: not only at the end, and not all
 * the time. */
static void the_rate_is_kept(void **state)
{
    (void)state;
    for (unsigned int rounds = 0; rounds < 2; rounds++) {
        struct fake_migration *migration = new_migration(600);
        struct xlm_stats *stats = &migration->outcome.stats[0];
        uint64_t octets,
            most = SLOW_RATE / XLM_RATE_BURST + 2 * 64 * XLM_PAGE_SIZE;

        migration->script.vcpu_seed = 0;
        migration->script.rounds = rounds;
        migration->script.answer =
            rounds ? XLM_PRECOPY_STOP_AND_COPY : XLM_PRECOPY_POSTCOPY;
        migration->setup.params.hot_pages_max = 10;
        atomic_store(&control.background_rate, SLOW_RATE);
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        octets =
            (stats->precopy_pages + stats->pushed_pages - stats->zero_pages) *
            XLM_PAGE_SIZE;
        assert_true(octets > 2 * most);
        assert_true(stats->end_us / 1000 >=
                    (octets - most) / (SLOW_RATE / 1000));
        if (!rounds) {
            assert_in_range(
                count_records(migration, FAKE_BACK, XLM_REC_POSTCOPY_STATS), 2,
                2 + stats->end_us / 1000000);
        }
        fake_migration_free(migration);
    }
}

/* ---- what still works while it is held ---- */

static void give_up(struct fake_migration *migration)
{
    eventfd_write(migration->outcome.contexts[0].abort_fd, 1);
}

static void given_up_while_held(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);

    (void)state;
    migration->script.rounds = 1;
    migration->script.at_round = give_up;
    migration->outcome.contexts[0].abort_fd = eventfd(0, EFD_CLOEXEC);
    atomic_store(&control.background_rate, 0);
    fake_migration_run(migration);
    close(migration->outcome.contexts[0].abort_fd);
    fake_migration_check_promise(migration);
    assert_false(migration->outcome.transitioned);
    assert_non_null(strstr(migration->outcome.contexts[0].reason, "abort"));
    fake_migration_free(migration);
}

static void shut_down(struct fake_migration *migration)
{
    fake_guest_move(migration->setup.guest, NULL);
    fake_domain_suspend(migration->setup.source);
    migration->outcome.suspended = true; /* so that it is resumed */
}

static void the_guest_ends_while_held(void **state)
{
    struct fake_migration *migration = new_migration(PAGES);

    (void)state;
    migration->script.rounds = 1;
    migration->script.at_round = shut_down;
    atomic_store(&control.background_rate, 0);
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "shut down"));
    fake_migration_free(migration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switch_in_an_endless_precopy),
        cmocka_unit_test(what_was_not_sent_stays_to_send),
        cmocka_unit_test(switch_before_precopy),
        cmocka_unit_test(no_switch_without_a_way_back),
        cmocka_unit_test(the_policy_ends_a_round),
        cmocka_unit_test(the_policy_gives_up_in_a_round),
        cmocka_unit_test(the_policy_is_told_of_rates),
        cmocka_unit_test(precopy_is_held),
        cmocka_unit_test(only_what_is_asked_for),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(given_up_while_held),
        cmocka_unit_test(the_guest_ends_while_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
