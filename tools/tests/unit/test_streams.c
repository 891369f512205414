/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Several streams: the push goes over several connections, any of which may be
 * lost at any point, or lie, without a page being lost or coming twice.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_heard.h"
#include "fake_migration.h"
#include "fake_streams.h"
#include "wire/channel.h"
#include "wire/record.h"
#include "wire/wire.h"

#define PAGES 640
#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

static struct fake_migration *new_migration(uint32_t streams)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->script.vcpu_seed = 1;
    migration->setup.params.hot_pages_max = 4;
    migration->setup.params.streams = streams;
    return migration;
}

/* ---- the first connection waits for the streams ---- */

/* Each stream posts this once, at its cut. */
static sem_t pushed;
static unsigned int awaited;

static void post(void *data)
{
    (void)data;
    sem_post(&pushed);
}

static void await_streams(void *data)
{
    (void)data;
    for (unsigned int i = 0; i < awaited; i++) {
        sem_wait(&pushed);
    }
}

/* After the go nothing goes over the first connection until each stream has
 * sent something: so each stream does, whichever thread is faster. */
static void hold_first(struct fake_migration *migration)
{
    uint32_t streams = migration->setup.params.streams;

    assert_int_equal(sem_init(&pushed, 0, 0), 0);
    awaited = streams - 1;
    migration->script.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_GO, FAKE_WHOLE);
    migration->script.cut.strike = FAKE_STRIKE_NOTHING;
    migration->script.cut.at = await_streams;
    for (uint32_t i = 1; i < streams; i++) {
        struct fake_cut *cut = &migration->script.stream_cuts[i];

        if (!cut->at_record) {
            *cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 0);
            cut->strike = FAKE_STRIKE_NOTHING;
        }
        cut->at = post;
    }
}

/* ---- what went over a connection ---- */

static struct fake_heard on_stream(struct fake_migration *migration,
                                   uint32_t index)
{
    return fake_heard_on(fake_streams_link(migration, index, 0));
}

static uint64_t octets_sent(struct fake_migration *migration)
{
    uint64_t sum;
    size_t octets;

    fake_link_heard(migration->outcome.link, FAKE_FORTH, &octets);
    sum = octets;
    for (uint32_t i = 1; i < migration->setup.params.streams; i++) {
        fake_link_heard(fake_streams_link(migration, i, 0), FAKE_FORTH,
                        &octets);
        sum += octets;
    }
    return sum;
}

/* ---- moves over several streams ---- */

static void each_page_once(void **state)
{
    (void)state;
    for (uint32_t streams = 2; streams <= 4; streams += 2) {
        struct fake_migration *migration = new_migration(streams);
        const struct xlm_stats *stats = &migration->outcome.stats[0];
        uint64_t over_streams = 0;
        struct fake_heard first;

        hold_first(migration);
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        first = fake_heard_on_first(migration);
        for (uint32_t i = 1; i < streams; i++) {
            struct fake_heard heard = on_stream(migration, i);

            assert_true(heard.pages > 0);
            assert_int_equal(heard.credits, heard.pages);
            over_streams += heard.pages;
        }
        assert_int_equal(first.pages + over_streams, stats->postcopy_pages);
        assert_int_equal(first.credits, first.pages);
        assert_int_equal(first.stream_uses, streams - 1);
        assert_int_equal(first.stream_lost + first.stream_ends, 0);
        assert_int_equal(stats->stream_pages, over_streams);
        assert_int_equal(stats->streams, streams);
        assert_int_equal(stats->requested_pages + stats->pushed_pages,
                         stats->postcopy_pages);
        assert_int_equal(stats->bytes_sent, octets_sent(migration));
        assert_int_equal(stats->duplicate_pages, 0);
        fake_migration_free(migration);
    }
}

/* With the fault channel, what the guest asks for goes over that. */
static void with_a_fault_channel(void **state)
{
    struct fake_migration *migration = new_migration(3);
    const struct xlm_stats *stats = &migration->outcome.stats[0];

    (void)state;
    migration->script.fault_channel = true;
    hold_first(migration);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(stats->stream_pages > 0);
    assert_int_equal(stats->requested_pages + stats->pushed_pages,
                     stats->postcopy_pages);
    fake_migration_free(migration);
}

/* One stream is the first connection: nothing else is connected. */
static void one_is_none(void **state)
{
    struct fake_migration *migration = new_migration(1);

    (void)state;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_null(fake_streams_link(migration, 1, 0));
    assert_int_equal(fake_heard_on_first(migration).stream_uses, 0);
    assert_int_equal(migration->outcome.stats[0].streams, 1);
    fake_migration_free(migration);
}

static void no_postcopy_no_use(void **state)
{
    struct fake_migration *migration = new_migration(3);

    (void)state;
    migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(on_stream(migration, 1).pages, 0);
    fake_migration_free(migration);
}

/* ---- streams that cannot be connected ---- */

static void check_done_without(struct fake_migration *migration)
{
    const struct xlm_stats *stats = &migration->outcome.stats[0];
    struct fake_heard first;

    fake_migration_check_success(migration);
    first = fake_heard_on_first(migration);
    assert_int_equal(first.pages + stats->stream_pages, stats->postcopy_pages);
    assert_int_equal(first.credits, first.pages);
    assert_int_equal(stats->requested_pages + stats->pushed_pages,
                     stats->postcopy_pages);
}

static void refused_or_not_connected(void **state)
{
    (void)state;
    for (uint32_t fails = 0; fails <= 2; fails++) {
        struct fake_migration *migration = new_migration(3);

        migration->script.stream_fails = fails;
        migration->script.stream_refusal = fails ? NULL : "not today";
        fake_migration_run(migration);
        check_done_without(migration);
        assert_true(fails || !migration->outcome.stats[0].stream_pages);
        fake_migration_free(migration);
    }
}

static void lost_while_it_joins(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_STREAM, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_STREAM, 20),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_JOINED, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_JOINED, FAKE_WHOLE),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration(3);

        migration->script.stream_cuts[1] = cuts[i];
        fake_migration_run(migration);
        check_done_without(migration);
        assert_true(fake_heard_on_first(migration).stream_ends <= 1);
        fake_migration_free(migration);
    }
}

/* ---- a stream is lost ---- */

static void check_fell_back(struct fake_migration *migration)
{
    const struct xlm_stats *stats = &migration->outcome.stats[0];

    check_done_without(migration);
    assert_int_equal(fake_heard_on_first(migration).stream_ends, 1);
    assert_int_equal(stats->streams, migration->setup.params.streams - 1);
    assert_int_equal(stats->duplicate_pages, 0);
}

static void lost_at_any_record(void **state)
{
    static const uint64_t octets[] = {1, 8, FAKE_HALF, FAKE_WHOLE};

    (void)state;
    for (size_t i = 0; i < 4 * 2 * 2; i++) {
        struct fake_migration *migration = new_migration(i % 2 ? 4 : 2);
        struct fake_cut *cut = &migration->script.stream_cuts[1];

        *cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, octets[i / 4]);
        cut->nth = i / 2 % 2 ? 1 : 2;
        if (cut->nth == 1) {
            hold_first(migration);
        }
        fake_migration_run(migration);
        if (cut->nth == 1) {
            check_fell_back(migration);
        } else {
            check_done_without(migration);
        }
        fake_migration_free(migration);
    }
}

static void lost_at_credit(void **state)
{
    static const uint64_t octets[] = {1, 8, FAKE_HALF, FAKE_WHOLE};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.stream_cuts[1] =
            CUT(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, octets[i]);
        fake_migration_run(migration);
        check_done_without(migration);
        assert_true(fake_heard_on_first(migration).stream_ends <= 1);
        fake_migration_free(migration);
    }
}

/* The stream is not closed, but nothing comes through. */
static void lost_without_a_word(void **state)
{
    (void)state;
    for (unsigned int requests = 0; requests < 2; requests++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.stream_cuts[1] =
            CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 0);
        migration->script.stream_cuts[1].strike = FAKE_STRIKE_STALL;
        hold_first(migration);
        migration->setup.params.faults_stall_ms = 20;
        migration->script.vcpu_seed = requests;
        fake_migration_run(migration);
        check_fell_back(migration);
        assert_int_equal(fake_heard_on_first(migration).stream_lost, 1);
        fake_migration_free(migration);
    }
}

static void all_are_lost(void **state)
{
    struct fake_migration *migration = new_migration(4);

    (void)state;
    for (uint32_t i = 1; i < 4; i++) {
        migration->script.stream_cuts[i] =
            CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100);
    }
    hold_first(migration);
    fake_migration_run(migration);
    check_done_without(migration);
    assert_int_equal(fake_heard_on_first(migration).stream_ends, 3);
    assert_int_equal(migration->outcome.stats[0].streams, 1);
    fake_migration_free(migration);
}

/* ---- the first connection is lost ---- */

/* A recovery has streams of its own. */
static void first_is_lost(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_STREAM_USE, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_STREAM_USE, FAKE_WHOLE),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_RUNNING, 1),
        CUT(FAKE_FORTH, XLM_REC_END, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, 1),
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration(3);

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.has_heir = i % 2;
        migration->script.cut = cuts[i / 2];
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.recovered, 1);
        assert_int_equal(migration->outcome.found, XLM_GUEST_COMPLETE);
        fake_migration_check_success(migration);
        assert_non_null(fake_streams_link(migration, 1, 0));
        fake_migration_free(migration);
    }
}

/* A stream is lost, and then the first connection, over which both ends agree
 * on the stream's pages. */
static void both_are_lost(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STREAM_END, 0),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STREAM_END, 9),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STREAM_END, FAKE_WHOLE),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.stream_cuts[1] =
            CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100);
        migration->script.cut = cuts[i];
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.found, XLM_GUEST_COMPLETE);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* The receiver is killed at one of its calls to the hypervisor, counted from
 * the moment at which the guest runs. */
struct murder {
    struct fake_migration *migration;
    atomic_uint calls;
    atomic_bool began;
    unsigned int at;
};

static void at_call(enum fake_op op, void *data)
{
    struct murder *murder = data;

    (void)op;
    if (atomic_load(&murder->began) &&
        atomic_fetch_add(&murder->calls, 1) + 1 == murder->at) {
        fake_migration_kill(murder->migration, 1);
    }
}

static void begin(struct fake_migration *migration)
{
    struct murder *murder = migration->data;

    fake_guest_start(migration->setup.guest, 1);
    fake_await_waiting(migration->outcome.destination, 1);
    atomic_store(&murder->began, true);
}

static void receiver_is_killed(void **state)
{
    (void)state;
    for (unsigned int at = 1; at <= 10; at++) {
        struct fake_migration *migration = new_migration(3);
        struct murder murder = {.migration = migration, .at = at};

        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.has_heir = true;
        migration->script.vcpu_seed = 0;
        migration->script.at_run = begin;
        migration->data = &murder;
        fake_host_hook(migration->setup.hosts[1], at_call, &murder);
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.heirs, 1);
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
    struct fake_migration *migration = new_migration(3);

    (void)state;
    migration->setup.params.no_push = true;
    migration->script.cut = CUT(FAKE_BACK, XLM_REC_POSTCOPY_FAULT, 0);
    migration->script.cut.nth = 5;
    migration->script.cut.strike = FAKE_STRIKE_NOTHING;
    migration->script.cut.at = destroy;
    migration->script.cut.data = migration;
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.save_rc, 0);
    assert_int_equal(migration->outcome.restore_rc, 0);
    assert_true(migration->outcome.resumed);
    fake_migration_free(migration);
}

/* ---- holes ---- */

/* The guest gives pages back after they were listed: a stream sends them as
 * holes. */
static void shrink(struct fake_migration *migration)
{
    for (uint64_t pfn = 100; pfn < 300; pfn += 7) {
        if (fake_guest_has(migration->setup.guest, pfn)) {
            fake_guest_give_back(migration->setup.guest, pfn);
        }
    }
}

static void holes_go_over_streams(void **state)
{
    struct fake_migration *migration = new_migration(4);

    (void)state;
    migration->script.vcpu_seed = 0;
    migration->script.at_suspend = shrink;
    hold_first(migration);
    fake_migration_run(migration);
    check_done_without(migration);
    assert_int_equal(fake_heard_on_first(migration).stream_ends, 0);
    fake_migration_free(migration);
}

/* ---- one end lies ---- */

static void credit_for_nothing(struct fake_migration *migration,
                               struct xlm_context *ctx,
                               struct xlm_channel *channel)
{
    const struct xlm_wire_credit credit = {.pages = 1};

    (void)migration;
    xlm_write_simple_record(ctx, channel, XLM_REC_POSTCOPY_CREDIT, &credit,
                            sizeof(credit));
}

static void request(struct fake_migration *migration, struct xlm_context *ctx,
                    struct xlm_channel *channel)
{
    const uint64_t pfn = 1;

    (void)migration;
    (void)xlm_write_pfns(ctx, channel, XLM_REC_POSTCOPY_FAULT, &pfn, 1);
}

static void record_of_the_first(struct fake_migration *migration,
                                struct xlm_context *ctx,
                                struct xlm_channel *channel)
{
    (void)migration;
    xlm_write_simple_record(ctx, channel, XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
}

/* The real destination has no such stream, and says so. */
static void destination_lies(void **state)
{
    static fake_liar *const liars[] = {credit_for_nothing, request,
                                       record_of_the_first};

    (void)state;
    for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.stream_liars[1] = liars[i];
        fake_migration_run(migration);
        check_done_without(migration);
        assert_int_equal(migration->outcome.stats[0].stream_pages, 0);
        fake_migration_free(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_once),
        cmocka_unit_test(with_a_fault_channel),
        cmocka_unit_test(one_is_none),
        cmocka_unit_test(no_postcopy_no_use),
        cmocka_unit_test(refused_or_not_connected),
        cmocka_unit_test(lost_while_it_joins),
        cmocka_unit_test(lost_at_any_record),
        cmocka_unit_test(lost_at_credit),
        cmocka_unit_test(lost_without_a_word),
        cmocka_unit_test(all_are_lost),
        cmocka_unit_test(first_is_lost),
        cmocka_unit_test(both_are_lost),
        cmocka_unit_test(receiver_is_killed),
        cmocka_unit_test(guest_ends),
        cmocka_unit_test(holes_go_over_streams),
        cmocka_unit_test(destination_lies),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
