/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The fault channel: requested pages go over a connection of their own.  It
 * may be lost at any point, or its other end may lie, and no page is lost.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_heard.h"
#include "fake_migration.h"
#include "wire/channel.h"
#include "wire/record.h"
#include "wire/wire.h"

#define PAGES 160
#define MAX_RECORDS 4000
#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->script.vcpu_seed = 1;
    migration->setup.params.hot_pages_max = 4;
    /* No neighbours and no push: each page must be requested. */
    migration->setup.params.neighbours_adapt = false;
    migration->setup.params.neighbours_below =
        migration->setup.params.neighbours_above = 0;
    migration->script.fault_channel = true;
    return migration;
}

/* ---- what went over a connection ---- */

static struct fake_heard on_channel(struct fake_migration *migration)
{
    return fake_heard_on(migration->outcome.fault_link);
}

static uint64_t octets_sent(struct fake_migration *migration)
{
    size_t first, channel;

    fake_link_heard(migration->outcome.link, FAKE_FORTH, &first);
    fake_link_heard(migration->outcome.fault_link, FAKE_FORTH, &channel);
    return first + channel;
}

/* ---- it works ---- */

/* Without the background no page goes over the first connection once the guest
 * runs; with it, no requested page does. */
static void requests_go_over_it(void **state)
{
    (void)state;
    for (int no_push = 0; no_push < 2; no_push++) {
        struct fake_migration *migration = new_migration();
        const struct xlm_stats *stats = &migration->outcome.stats[0];
        struct fake_heard first, channel;

        migration->setup.params.no_push = no_push;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        first = fake_heard_on_first(migration);
        channel = on_channel(migration);
        assert_int_equal(first.faults, 0);
        assert_int_equal(first.pages, stats->pushed_pages);
        assert_int_equal(first.credits, first.pages);
        assert_int_equal(first.channel_lost + first.channel_ends, 0);
        assert_int_equal(channel.pages, stats->channel_pages);
        assert_int_equal(stats->channel_pages, stats->requested_pages);
        assert_true(!no_push || channel.faults > 0);
        assert_true(!no_push || channel.pages > PAGES / 2);
        assert_int_equal(stats->bytes_sent, octets_sent(migration));
        fake_migration_free(migration);
    }
}

/* The destination requests pages over the first connection, even when no pages
 * go over it. */
static void its_faults_are_counted(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->setup.params.no_push = true;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(migration->outcome.stats[0].faults > 0);
    assert_int_equal(migration->outcome.stats[1].requested_pages,
                     migration->outcome.stats[0].requested_pages);
    fake_migration_free(migration);
}

static void no_postcopy_no_use(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(on_channel(migration).pages, 0);
    fake_migration_free(migration);
}

/* ---- there is none ---- */

static void check_done_without(struct fake_migration *migration)
{
    struct fake_heard first;

    fake_migration_check_success(migration);
    first = fake_heard_on_first(migration);
    assert_int_equal(migration->outcome.stats[0].channel_pages, 0);
    assert_int_equal(first.pages, migration->outcome.stats[0].postcopy_pages);
    assert_int_equal(first.credits, first.pages);
}

static void refused(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.fault_refusal = "not today";
    fake_migration_run(migration);
    check_done_without(migration);
    fake_migration_free(migration);
}

/* The destination believes that the channel has joined, or has never seen it.
 */
static void lost_while_it_joins(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_CHANNEL, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_CHANNEL, 20),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_JOINED, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_JOINED, 9),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();
        struct fake_heard first;

        migration->script.fault_cut = cuts[i];
        fake_migration_run(migration);
        check_done_without(migration);
        first = fake_heard_on_first(migration);
        assert_int_equal(first.channel_ends, 1);
        fake_migration_free(migration);
    }
}

/* ---- it is lost ---- */

/* All pages that the lost channel did not deliver go again over the first
 * connection, and no page goes twice. */
static void check_fell_back(struct fake_migration *migration)
{
    struct fake_heard first;

    fake_migration_check_success(migration);
    first = fake_heard_on_first(migration);
    assert_int_equal(first.pages + migration->outcome.stats[0].channel_pages,
                     migration->outcome.stats[0].postcopy_pages);
    assert_int_equal(first.credits, first.pages);
    assert_true(first.channel_ends <= 1);
}

static void lose(struct fake_cut cut, bool no_push)
{
    struct fake_migration *migration = new_migration();

    migration->script.fault_cut = cut;
    migration->setup.params.no_push = no_push;
    fake_migration_run(migration);
    check_fell_back(migration);
    fake_migration_free(migration);
}

static void lost_at_any_record(void **state)
{
    static const struct {
        enum fake_way way;
        uint32_t type;
    } points[] = {
        {FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA},
        {FAKE_BACK, XLM_REC_POSTCOPY_FAULT},
        {FAKE_BACK, XLM_REC_POSTCOPY_CREDIT},
    };
    static const uint64_t octets[] = {1, 8, FAKE_HALF, FAKE_WHOLE};

    (void)state;
    for (size_t i = 0; i < 3 * 4 * 2; i++) {
        struct fake_cut cut =
            CUT(points[i % 3].way, points[i % 3].type, octets[i / 3 % 4]);

        cut.nth = i < 12 ? 1 : 6;
        lose(cut, i % 2);
    }
}

/* The channel stays open, and nothing comes through: an end that waits for a
 * page notices after a time. */
static void lost_without_a_word(void **state)
{
    static const uint32_t types[] = {XLM_REC_POSTCOPY_PAGE_DATA,
                                     XLM_REC_POSTCOPY_CREDIT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_migration *migration = new_migration();

        migration->script.fault_cut =
            CUT(i ? FAKE_BACK : FAKE_FORTH, types[i], 0);
        migration->script.fault_cut.strike = FAKE_STRIKE_STALL;
        migration->script.fault_cut.nth = 3;
        migration->setup.params.no_push = true;
        migration->setup.params.faults_stall_ms = 20;
        fake_migration_run(migration);
        check_fell_back(migration);
        assert_int_equal(fake_heard_on_first(migration).channel_lost, 1);
        assert_int_equal(fake_heard_on_first(migration).channel_ends, 1);
        fake_migration_free(migration);
    }
}

/* Over another connection the migration goes on without a channel. */
static void first_is_lost(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_RUNNING, 1),
        CUT(FAKE_FORTH, XLM_REC_END, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STATS, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.cut = cuts[i];
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.recovered, 1);
        assert_int_equal(migration->outcome.found, XLM_GUEST_COMPLETE);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

static void both_are_lost(void **state)
{
    (void)state;
    for (unsigned int nth = 1; nth <= 9; nth += 4) {
        struct fake_migration *migration = new_migration();

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->setup.params.no_push = true;
        migration->script.fault_cut =
            CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100);
        migration->script.fault_cut.nth = nth;
        migration->script.cut = CUT(nth % 8 == 1 ? FAKE_BACK : FAKE_FORTH,
                                    nth % 8 == 1 ? XLM_REC_POSTCOPY_CHANNEL_END
                                                 : XLM_REC_POSTCOPY_PAGE_DATA,
                                    nth);
        fake_migration_run(migration);
        assert_true(migration->outcome.recovered > 0);
        assert_int_equal(migration->outcome.found, XLM_GUEST_COMPLETE);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* ---- the guest ends ---- */

static void destroy(void *data)
{
    struct fake_migration *migration = data;

    fake_domain_destroy(migration->outcome.destination);
}

static void guest_ends(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->setup.params.no_push = true;
    migration->script.fault_cut = CUT(FAKE_BACK, XLM_REC_POSTCOPY_FAULT, 0);
    migration->script.fault_cut.nth = 5;
    migration->script.fault_cut.strike = FAKE_STRIKE_NOTHING;
    migration->script.fault_cut.at = destroy;
    migration->script.fault_cut.data = migration;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, 0);
    assert_int_equal(migration->outcome.restore_rc, 0);
    assert_true(migration->outcome.resumed);
    assert_true(migration->outcome.stats[1].outstanding > 0);
    fake_migration_free(migration);
}

/* ---- one end lies ---- */

static void write_list(struct xlm_context *ctx, struct xlm_channel *channel,
                       uint32_t type, size_t count, const uint64_t *pfns)
{
    assert_int_equal(xlm_write_pfns(ctx, channel, type, pfns, count), 0);
}

static void credit_for_nothing(struct fake_migration *migration,
                               struct xlm_context *ctx,
                               struct xlm_channel *channel)
{
    const struct xlm_wire_credit credit = {.pages = 1};

    (void)migration;
    xlm_write_simple_record(ctx, channel, XLM_REC_POSTCOPY_CREDIT, &credit,
                            sizeof(credit));
}

static void request_beyond_memory(struct fake_migration *migration,
                                  struct xlm_context *ctx,
                                  struct xlm_channel *channel)
{
    write_list(ctx, channel, XLM_REC_POSTCOPY_FAULT, 1,
               &migration->setup.nr_pfns);
}

static void record_of_the_first(struct fake_migration *migration,
                                struct xlm_context *ctx,
                                struct xlm_channel *channel)
{
    (void)migration;
    xlm_write_simple_record(ctx, channel, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
}

static sem_t swallowed;

/* The puppet requests pages, and gives no credit for them. */
static void swallow(struct fake_migration *migration, struct xlm_context *ctx,
                    struct xlm_channel *channel)
{
    const uint64_t pfns[] = {0, 1, 2, 3, 4, 6, 7, 8, 9};
    struct xlm_record record = XLM_RECORD_EMPTY;

    (void)migration;
    write_list(ctx, channel, XLM_REC_POSTCOPY_FAULT, 9, pfns);
    while (!xlm_read_record(ctx, channel, XLM_READ_CHANNEL, &record)) {
        sem_post(&swallowed);
    }
    xlm_record_dispose(&record);
}

static struct fake_migration *new_with_liar(fake_liar *liar)
{
    struct fake_migration *migration = new_migration();

    migration->script.fault_liars[1] = liar;
    migration->setup.params.no_push = true;
    return migration;
}

/* The source notices, and all pages go over the first connection to a
 * destination that has no channel. */
static void destination_lies(void **state)
{
    static fake_liar *const liars[] = {
        credit_for_nothing, request_beyond_memory, record_of_the_first};

    (void)state;
    for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
        struct fake_migration *migration = new_with_liar(liars[i]);

        fake_migration_run(migration);
        check_done_without(migration);
        /* Unless the source had ended before it read the lie. */
        assert_true(fake_heard_on_first(migration).channel_lost <= 1);
        assert_int_equal(fake_heard_on_first(migration).channel_ends,
                         fake_heard_on_first(migration).channel_lost);
        fake_migration_free(migration);
    }
}

static void start_when_swallowed(struct fake_migration *migration)
{
    sem_wait(&swallowed);
    fake_guest_start(migration->setup.guest, 1);
}

/* The source gives up waiting for credit on the channel.  The destination need
 * not request those pages again: it gets them over the first connection. */
static void destination_swallows_pages(void **state)
{
    struct fake_migration *migration = new_with_liar(swallow);

    (void)state;
    assert_int_equal(sem_init(&swallowed, 0, 0), 0);
    migration->script.vcpu_seed = 0;
    migration->script.at_run = start_when_swallowed;
    migration->setup.params.faults_stall_ms = 20;
    fake_migration_run(migration);
    check_done_without(migration);
    assert_int_equal(fake_heard_on_first(migration).channel_lost, 1);
    assert_int_equal(fake_heard_on_first(migration).channel_ends, 1);
    fake_migration_free(migration);
    sem_destroy(&swallowed);
}

static void join_as_source(struct fake_migration *migration,
                           struct xlm_context *ctx,
                           struct xlm_channel *channel)
{
    struct xlm_wire_recover joins = {.version = XLM_RECOVER_VERSION,
                                     .pfns = migration->setup.nr_pfns};
    struct xlm_record record = XLM_RECORD_EMPTY;

    memcpy(joins.id, migration->setup.params.id, sizeof(joins.id));
    xlm_write_simple_record(ctx, channel, XLM_REC_POSTCOPY_CHANNEL, &joins,
                            sizeof(joins));
    assert_int_equal(xlm_read_record(ctx, channel, XLM_READ_JOINED, &record),
                     0);
    xlm_record_dispose(&record);
}

static void end_of_the_first(struct fake_migration *migration,
                             struct xlm_context *ctx,
                             struct xlm_channel *channel)
{
    join_as_source(migration, ctx, channel);
    xlm_write_simple_record(ctx, channel, XLM_REC_END, NULL, 0);
}

static void page_beyond_memory(struct fake_migration *migration,
                               struct xlm_context *ctx,
                               struct xlm_channel *channel)
{
    join_as_source(migration, ctx, channel);
    write_list(ctx, channel, XLM_REC_POSTCOPY_ZERO_PAGES, 1,
               &migration->setup.nr_pfns);
}

/* A hole of the guest, and a page of the toolstack: neither is outstanding. */
static void pages_unlisted(struct fake_migration *migration,
                           struct xlm_context *ctx,
                           struct xlm_channel *channel)
{
    const uint64_t pfns[] = {5, migration->setup.guest_pfns};

    join_as_source(migration, ctx, channel);
    write_list(ctx, channel, XLM_REC_POSTCOPY_ZERO_PAGES, 2, pfns);
    xlm_write_simple_record(ctx, channel, XLM_REC_END, NULL, 0);
}

/* The destination gives up the channel.  A source without a channel counts
 * that as a lie, and goes on over another connection. */
static void source_lies(void **state)
{
    static fake_liar *const liars[] = {end_of_the_first, page_beyond_memory,
                                       pages_unlisted};

    (void)state;
    for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
        struct fake_migration *migration = new_migration();

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.fault_liars[0] = liars[i];
        migration->setup.params.no_push = true;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        /* Unless all pages were there before the destination read the lie. */
        assert_true(migration->outcome.recovered <= 1);
        assert_int_equal(fake_heard_on_first(migration).channel_ends,
                         migration->outcome.recovered);
        fake_migration_free(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_over_it),
        cmocka_unit_test(its_faults_are_counted),
        cmocka_unit_test(no_postcopy_no_use),
        cmocka_unit_test(refused),
        cmocka_unit_test(lost_while_it_joins),
        cmocka_unit_test(lost_at_any_record),
        cmocka_unit_test(lost_without_a_word),
        cmocka_unit_test(first_is_lost),
        cmocka_unit_test(both_are_lost),
        cmocka_unit_test(guest_ends),
        cmocka_unit_test(destination_lies),
        cmocka_unit_test(destination_swallows_pages),
        cmocka_unit_test(source_lies),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
