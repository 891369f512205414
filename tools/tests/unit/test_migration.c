/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Whole migrations: both ends, and a guest that works all the time.  The
 * guest itself checks every page, and so does the test at the end.  Memory
 * that comes and goes: test_ballooning.c.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/save.h>

#include "fake_heard.h"
#include "moves.h"
#include "policy/push_window.h"
#include "slow.h"
#include "wire/wire.h"

/* The engine's thread waits here until every vCPU waits for a page and the
 * pager has read all requests: so there are faults, whatever the push is
 * doing. */
static void await_fault(struct fake_migration *migration)
{
    if (fake_domain_paged(migration->outcome.destination)) {
        fake_await_waiting(migration->outcome.destination,
                           migration->setup.vcpus);
        fake_await_taken(migration->outcome.destination);
    }
}

/* Pages of zeroes cross the wire without contents. */
static void check_zeroes(const struct xlm_stats *stats)
{
    assert_in_range(stats->zero_pages, PAGES / 8, PAGES / 2);
    assert_true(stats->bytes_sent <
                (stats->guest_pages - PAGES / 16) * XLM_PAGE_SIZE);
}

/* ---- the ways to move ---- */

static void pure_postcopy(void **state)
{
    struct fake_migration *migration = new_migration(1);
    struct xlm_stats *stats = &migration->outcome.stats[0];

    (void)state;
    migration->script.at_run = await_fault;
    migration->setup.params.hot_pages_max = PAGES / 4; /* some are left */
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(migration->outcome.transitioned);
    assert_int_equal(stats->precopy_pages, 0);
    /* A page that was sent and then written goes once more. */
    assert_in_range(stats->stop_pages + stats->postcopy_pages,
                    stats->guest_pages - stats->settled_pages,
                    stats->guest_pages);
    assert_true(stats->postcopy_pages > 0);
    assert_true(stats->faults > 0);
    check_zeroes(stats);
    assert_int_equal(stats->faults, migration->outcome.stats[1].faults);
    /* The destination counts the pages of the stop as well. */
    assert_true(migration->outcome.stats[1].requested_pages +
                    migration->outcome.stats[1].pushed_pages >=
                stats->postcopy_pages);
    assert_int_equal(fake_copied(migration->setup.hosts[1]), 0);
    fake_migration_free(migration);
}

static void hybrid(void **state)
{
    unsigned int rounds;

    (void)state;
    for (rounds = 1; rounds < 4; rounds++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.rounds = rounds;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.stats[0].iterations, rounds);
        assert_true(migration->outcome.stats[0].precopy_pages +
                        migration->outcome.stats[0].left_out_pages >=
                    PAGES * 12 / 13);
        fake_migration_free(migration);
    }
}

/* Moves after no, one and two rounds of precopy. */
static void stop_after_rounds(int in_fd,
                              void (*check)(struct fake_migration *migration))
{
    unsigned int rounds;

    for (rounds = 0; rounds < 3; rounds++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.rounds = rounds;
        migration->script.answer = XLM_PRECOPY_STOP_AND_COPY;
        migration->setup.params.in_fd = in_fd;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        check(migration);
        fake_migration_free(migration);
    }
}

static void check_no_postcopy(struct fake_migration *migration)
{
    assert_int_equal(migration->outcome.stats[0].postcopy_pages, 0);
    assert_int_equal(migration->outcome.stats[1].faults, 0);
}

static void stop_and_copy(void **state)
{
    (void)state;
    stop_after_rounds(0, check_no_postcopy);
}

static void check_no_pager(struct fake_migration *migration)
{
    assert_false(migration->outcome.transitioned);
    assert_int_equal(
        fake_calls(migration->setup.hosts[1], FAKE_OP_pager_enable), 0);
}

/* Without a way back it is an ordinary image. */
static void ordinary_image(void **state)
{
    (void)state;
    stop_after_rounds(-1, check_no_pager);
}

static void postcopy_without_a_way_back(void **state)
{
    struct fake_migration *migration = new_migration(1);

    (void)state;
    migration->setup.params.in_fd = -1;
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    fake_migration_free(migration);
}

static void many_vcpus(void **state)
{
    static const unsigned int counts[] = {2, 8, 12};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct fake_migration *migration = new_migration(counts[i]);

        migration->script.at_run = await_fault;
        if (counts[i] > 8) {
            migration->script.at_run =
                NULL; /* more vCPUs than slots of the ring */
        }
        migration->script.vcpu_seed = counts[i];
        succeed(migration);
    }
}

/* Lists longer than a record, more pages than a batch. */
static void larger_guest(void **state)
{
    struct fake_migration *migration;

    (void)state;
    leave_out_under_tsan();
    migration = fake_migration_new(20000, 2);
    migration->script.vcpu_seed = 5;
    succeed(migration);
}

/* The second move starts from a domain that came by postcopy; the third from a
 * domain whose guest gives pages back on the way. */
static void there_and_back_again(void **state)
{
    static const unsigned int rounds[] = {0, 0, 2, 1};
    struct fake_migration *migration = new_migration(2);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
        if (i) {
            fake_migration_turn_round(migration);
        }
        migration->script.rounds = rounds[i];
        migration->script.at_run = await_fault;
        migration->setup.params.hot_pages_max = PAGES / 4;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        fake_guest_give_back(migration->setup.guest, 100 + i);
    }
    fake_migration_free(migration);
}

/* ---- writes at bad moments ---- */

static void written_all_the_time(void **state)
{
    static const enum xlm_precopy_answer answers[] = {
        XLM_PRECOPY_POSTCOPY, XLM_PRECOPY_STOP_AND_COPY};
    static const uint32_t hot[] = {0, 1, 20, 1024};
    size_t i;

    (void)state;
    for (i = 0; i < 8; i++) {
        struct fake_migration *migration = new_migration(2);

        migration->script.vcpu_seed = 0; /* what is written is our choice */
        migration->script.rounds = 2;
        migration->script.answer = answers[i % 2];
        migration->setup.params.hot_pages_max = hot[i / 2];
        migration->script.at_policy = write_some;
        migration->script.at_suspend = write_some;
        migration->script.at_run = write_some;
        if (answers[i % 2] == XLM_PRECOPY_POSTCOPY) {
            /* Absent pages would make the engine's thread wait. */
            migration->script.at_run = NULL;
        }
        succeed(migration);
    }
}

/* Each page goes once: in the stop, when it was written last, or later. */
/* The guest writes to its last pages while the first are being sent. */
static void write_far_ahead(enum fake_op op, void *data)
{
    struct fake_migration *migration = data;
    uint64_t pfn;

    if (op != FAKE_OP_map || migration->outcome.iteration ||
        fake_page_dirty(migration->setup.source,
                        migration->setup.guest_pfns - 1)) {
        return;
    }
    for (pfn = migration->setup.guest_pfns - 100;
         pfn < migration->setup.guest_pfns; pfn++) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static void rewritten_pages_are_left_out(void **state)
{
    struct fake_migration *migration;

    (void)state;
    leave_out_under_tsan();
    migration = fake_migration_new(20000, 1);
    migration->script.rounds = 1;
    migration->setup.params.hot_pages_max = 0;
    fake_host_hook(migration->setup.hosts[0], write_far_ahead, migration);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(migration->outcome.stats[0].left_out_pages > 80);
    assert_int_equal(migration->outcome.stats[0].precopy_pages +
                         migration->outcome.stats[0].left_out_pages,
                     migration->outcome.stats[0].guest_pages);
    assert_int_equal(migration->outcome.stats[0].postcopy_pages,
                     migration->outcome.stats[0].left_out_pages);
    fake_migration_free(migration);
}

static void hot_pages_go_once(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);
    struct xlm_stats *stats = &migration->outcome.stats[0];

    (void)state;
    migration->script.at_suspend = write_some;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_in_range(stats->settled_pages + stats->stop_pages, PAGES / 8,
                    PAGES / 7 + 1);
    assert_int_equal(stats->guest_pages, stats->settled_pages +
                                             stats->stop_pages +
                                             stats->postcopy_pages);
    fake_migration_free(migration);
}

static void note_reads(struct fake_migration *migration)
{
    unsigned int *reads = migration->data;

    *reads = fake_calls(migration->setup.hosts[0], FAKE_OP_get_state);
}

/* While the guest is stopped each read of its state costs it time. */
static void stopped_guest_is_read_once(void **state)
{
    struct fake_migration *migration = new_migration(1);
    unsigned int before = 0;

    (void)state;
    migration->data = &before;
    migration->script.at_suspend = note_reads;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    /* X86_TSC_INFO and HVM_CONTEXT. */
    assert_int_equal(
        fake_calls(migration->setup.hosts[0], FAKE_OP_get_state) - before, 2);
    fake_migration_free(migration);
}

/* The guest writes more pages between two reads of the dirty log than the hot
 * set holds. */
static void write_while_sampled(struct fake_migration *migration)
{
    write_some(migration);
    fake_migration_await_samples(migration);
    fake_guest_write(migration->setup.guest, 0, 290);
    fake_guest_write(migration->setup.guest, 0, 291);
    fake_migration_await_samples(migration);
    fake_guest_write(migration->setup.guest, 0, 292);
}

/* A page that the source sees written while the guest suspends is not lost:
 * sent or not, and whether or not the destination had it. */
static void sampled_while_suspending(void **state)
{
    static const uint32_t hot[] = {0, 2, 1024};
    unsigned int i;

    (void)state;
    for (i = 0; i < 6; i++) {
        struct fake_migration *migration =
            new_quiet(i / 3, XLM_PRECOPY_POSTCOPY);

        migration->setup.params.hot_pages_max = hot[i % 3];
        migration->script.at_suspend = write_while_sampled;
        succeed(migration);
    }
}

#define SETTLED 20
#define AGAIN 10

/* A pfn that is no hole of the guest. */
static uint64_t settled_pfn(unsigned int n)
{
    return 13 * n + 7;
}

/* The guest does not write these pages until they are at the destination; then
 * it writes some once more. */
static void write_and_settle(struct fake_migration *migration)
{
    unsigned int n;

    for (n = 0; n < SETTLED; n++) {
        fake_guest_write(migration->setup.guest, 0, settled_pfn(n));
    }
    for (n = 0; n < SETTLED; sched_yield()) {
        n += fake_page_get(migration->outcome.destination, settled_pfn(n)) ==
             FAKE_RAM;
    }
    for (n = 0; n < AGAIN; n++) {
        fake_guest_write(migration->setup.guest, 0, settled_pfn(n));
    }
}

/* Settled pages go while the guest suspends, and the stop sends only pages
 * that were written after that. */
static void what_has_settled_goes_before_the_stop(void **state)
{
    struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);
    struct xlm_stats *stats = &migration->outcome.stats[0];

    (void)state;
    migration->script.at_suspend = write_and_settle;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(stats->settled_pages >= SETTLED);
    assert_int_equal(stats->settled_pages + stats->hot_pages, SETTLED + AGAIN);
    fake_migration_free(migration);
}

/* ---- which pages come first ---- */

#define WRITTEN_BEFORE 200 /* and this number of these */
#define WRITTEN_LAST 250   /* ... and these */
/* Within a record the pages of zeroes come in another order. */
#define WRITTEN XLM_PUSH_WINDOW_SENDING

static void write_from(struct fake_migration *migration, uint64_t first)
{
    for (uint64_t pfn = first; pfn < first + WRITTEN; pfn++) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static void write_before(struct fake_migration *migration)
{
    write_from(migration, WRITTEN_BEFORE);
}

static void write_last(struct fake_migration *migration)
{
    write_from(migration, WRITTEN_LAST);
}

/* The pages that came after the go, in order. */
static size_t pushed(struct fake_migration *migration, uint64_t pfns[PAGES])
{
    static size_t offsets[1000];
    size_t length, count, total = 0;
    bool ran = false;
    const uint8_t *octets =
        fake_link_heard(migration->outcome.link, FAKE_FORTH, &length);

    count = fake_migration_records(migration, FAKE_FORTH, offsets, 1000);
    for (size_t i = 0; i + 1 < count; i++) {
        const uint8_t *body =
            octets + offsets[i] + sizeof(struct xlm_wire_record_header);
        struct xlm_wire_record_header header;
        struct xlm_wire_pfn_list list;

        memcpy(&header, octets + offsets[i], sizeof(header));
        memcpy(&list, body, sizeof(list));
        if (!ran || !fake_brings_pages(header.type)) {
            ran |= header.type == XLM_REC_POSTCOPY_GO;
            continue;
        }
        for (uint64_t at = 0; at < list.count; at++) {
            uint64_t entry;

            memcpy(&entry, body + sizeof(list) + 8 * at, sizeof(entry));
            assert_true(total < PAGES);
            pfns[total++] = xlm_entry_pfn(entry);
        }
    }
    return total;
}

static bool is_of(uint64_t pfn, uint64_t first)
{
    return pfn >= first && pfn < first + WRITTEN;
}

/* No page is requested.  The pages written last come first, and then those
 * written before; or all pages from the bottom up. */
static void order_of_the_push(void **state)
{
    (void)state;
    for (int recent = 0; recent < 2; recent++) {
        struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);
        uint64_t pfns[PAGES];
        size_t count;

        migration->setup.params.hot_pages_max = 0;
        migration->setup.params.push_recent = recent;
        migration->script.at_policy = write_before;
        migration->script.at_suspend = write_last;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        count = pushed(migration, pfns);
        assert_true(count > 4 * WRITTEN);
        for (size_t i = 0; i < count; i++) {
            if (recent && i >= WRITTEN) {
                assert_false(is_of(pfns[i], WRITTEN_LAST));
            }
            if (recent && i >= 2 * WRITTEN) {
                assert_false(is_of(pfns[i], WRITTEN_BEFORE));
            }
            if (!recent && i < WRITTEN) {
                assert_true(pfns[i] < 2 * WRITTEN);
            }
        }
        fake_migration_free(migration);
    }
}

/* ---- a page that the guest cannot do without ---- */

#define PINNED (PAGES - 4)
#define STANDING 100

static void put_vcpu_info(void *page, uint64_t pfn, void *data)
{
    static const uint64_t time[] = {2, 1, 1, 0x80000000};

    (void)pfn;
    (void)data;
    memcpy((uint8_t *)page + XLM_PAGE_SIZE - sizeof(time), time, sizeof(time));
}

static void write_pinned(struct fake_migration *migration)
{
    fake_vcpu_access(migration->setup.source, 0, PINNED, true, put_vcpu_info,
                     NULL);
    if (migration->setup.params.hot_pages_max % 2) {
        fake_migration_await_samples(migration);
    }
    write_some(migration);
}

static void expect_pinned(struct fake_migration *migration)
{
    int expected =
        migration->setup.params.hot_pages_max ? FAKE_RAM : FAKE_PAGED;

    assert_int_equal(fake_page_get(migration->outcome.destination, PINNED),
                     expected);
}

/* The guest writes more pages last than are hot, before and after them. */
static void vcpu_info_is_taken_along(void **state)
{
    static const uint32_t hot[] = {0, 1, 4, 5, 1024};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(hot) / sizeof(hot[0]); i++) {
        struct fake_migration *migration = new_migration(1);

        /* A page that is none of the guest's own, whose contents the guest
         * checks. */
        fake_guest_give_back(migration->setup.guest, PINNED);
        fake_page_set(migration->setup.source, PINNED, FAKE_RAM);
        migration->script.vcpu_seed = 0;
        migration->setup.params.hot_pages_max = hot[i];
        migration->script.at_suspend = write_pinned;
        migration->script.at_run = expect_pinned;
        succeed(migration);
    }
}

static void expect_standing(struct fake_migration *migration)
{
    int expected =
        migration->setup.params.hot_pages_max ? FAKE_RAM : FAKE_PAGED;

    assert_int_equal(fake_page_get(migration->outcome.destination, STANDING),
                     expected);
    assert_int_equal(
        fake_page_get(migration->outcome.destination, STANDING + 1),
        FAKE_PAGED);
}

/* No page was written there: the registers name these pages. */
static void where_a_vcpu_stands_is_taken_along(void **state)
{
    static const struct {
        struct hvm_save_descriptor head;
        struct hvm_hw_cpu cpu;
    } context = {
        .head = {.typecode = HVM_SAVE_CODE(CPU),
                 .length = sizeof(context.cpu)},
        .cpu = {.rip = STANDING << XLM_PAGE_SHIFT},
    };

    (void)state;
    for (uint32_t hot = 0; hot < 2; hot++) {
        struct fake_migration *migration = new_migration(1);

        migration->script.vcpu_seed = 0;
        migration->setup.params.hot_pages_max = hot;
        migration->setup.final_context = &context;
        migration->setup.final_length = sizeof(context);
        migration->script.at_run = expect_standing;
        succeed(migration);
    }
}

/* ---- other trouble that passes ---- */

static void starve(struct fake_migration *migration)
{
    fake_host_enomem(migration->setup.hosts[1], 5);
}

static void no_memory_for_a_while(void **state)
{
    struct fake_migration *migration = new_migration(2);

    (void)state;
    migration->script.at_run = starve;
    succeed(migration);
}

static int mapping_error;

static void trouble_with_mappings(struct fake_migration *migration)
{
    fake_fail(migration->setup.hosts[0], FAKE_OP_map, 1, mapping_error);
    fake_page_map_error(migration->setup.source, PAGES - 10, mapping_error);
}

/* No other copy of these pages exists: a call that may succeed the next time
 * is tried again. */
static void mappings_that_fail_for_a_while(void **state)
{
    static const int errors[] = {EAGAIN, ENOMEM, EBUSY, EINTR};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct fake_migration *migration = new_quiet(0, XLM_PRECOPY_POSTCOPY);

        mapping_error = errors[i];
        migration->setup.params.credit_pages =
            16; /* most pages have not come yet */
        migration->script.at_run = trouble_with_mappings;
        fake_migration_run(migration);
        assert_true(fake_failed(migration->setup.hosts[0]));
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* Credit and neighbours at their bounds. */
static void tuning(void **state)
{
    static const struct {
        uint32_t credit, before, after, share;
        bool adapts;
    } settings[] = {{0, 8, 24, 8, true},       {1, 1, 0, 1, false},
                    {16, 0, 1, 1, false},      {17, 3, 3, 0, true},
                    {16, 0, 0, 8, false},      {64, 100, 100, 8, false},
                    {100000, 1, 1, 1000, true}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        struct fake_migration *migration = new_migration(3);

        migration->setup.params.credit_pages = settings[i].credit;
        migration->setup.params.neighbours_below = settings[i].before;
        migration->setup.params.neighbours_above = settings[i].after;
        migration->setup.params.neighbours_adapt = settings[i].adapts;
        migration->setup.params.background_share = settings[i].share;
        migration->script.at_run = await_fault;
        succeed(migration);
    }
}

static void dirty_rings(struct fake_migration *migration)
{
    /* The new toolstack has begun to use its pages of the guest. */
    memset(fake_page_memory(migration->outcome.destination, PAGES), 0x77,
           XLM_PAGE_SIZE);
}

/* The old toolstack uses its pages to the end. */
static void write_to_ring(struct fake_migration *migration)
{
    fake_vcpu_access(migration->setup.source, 0, PAGES, true, NULL, NULL);
}

static bool lists_pfns(uint32_t type)
{
    return type == XLM_REC_PAGE_DATA || type == XLM_REC_POSTCOPY_PFNS ||
           type == XLM_REC_POSTCOPY_PAGE_DATA;
}

static void expect_guest_pages(const uint8_t *record)
{
    struct xlm_wire_record_header header;
    struct xlm_wire_pfn_list list;
    uint64_t entry, i;

    memcpy(&header, record, sizeof(header));
    if (!lists_pfns(header.type)) {
        return;
    }
    memcpy(&list, record + sizeof(header), sizeof(list));
    for (i = 0; i < list.count; i++) {
        memcpy(&entry, record + sizeof(header) + sizeof(list) + 8 * i, 8);
        assert_true(xlm_entry_pfn(entry) < PAGES);
    }
}

static void rings_stay_where_they_are(void **state)
{
    static size_t offsets[1000];
    size_t count, length, i;
    unsigned int rounds;

    (void)state;
    for (rounds = 0; rounds < 3; rounds++) {
        struct fake_migration *migration = new_migration(1);
        const uint8_t *octets;

        migration->script.rounds = rounds;
        migration->script.at_build = dirty_rings;
        migration->script.at_policy = write_to_ring;
        migration->script.at_suspend = write_to_ring;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        octets = fake_page_memory(migration->outcome.destination, PAGES);
        assert_int_equal(octets[0], 0x77);
        octets = fake_link_heard(migration->outcome.link, FAKE_FORTH, &length);
        count = fake_migration_records(migration, FAKE_FORTH, offsets, 1000);
        for (i = 0; i + 1 < count; i++) {
            expect_guest_pages(octets + offsets[i]);
        }
        fake_migration_free(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pure_postcopy),
        cmocka_unit_test(hybrid),
        cmocka_unit_test(stop_and_copy),
        cmocka_unit_test(ordinary_image),
        cmocka_unit_test(postcopy_without_a_way_back),
        cmocka_unit_test(many_vcpus),
        cmocka_unit_test(larger_guest),
        cmocka_unit_test(there_and_back_again),
        cmocka_unit_test(written_all_the_time),
        cmocka_unit_test(sampled_while_suspending),
        cmocka_unit_test(what_has_settled_goes_before_the_stop),
        cmocka_unit_test(rewritten_pages_are_left_out),
        cmocka_unit_test(hot_pages_go_once),
        cmocka_unit_test(stopped_guest_is_read_once),
        cmocka_unit_test(order_of_the_push),
        cmocka_unit_test(vcpu_info_is_taken_along),
        cmocka_unit_test(where_a_vcpu_stands_is_taken_along),
        cmocka_unit_test(no_memory_for_a_while),
        cmocka_unit_test(mappings_that_fail_for_a_while),
        cmocka_unit_test(tuning),
        cmocka_unit_test(rings_stay_where_they_are),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
