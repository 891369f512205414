/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Eviction that begins in precopy: no page is lost or sent twice by it, in
 * whichever way precopy ends, and the time that it takes is known.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "wire/wire.h"

#define PAGES 400
#define ROUNDS 4
#define HOT_FROM 100
#define HOT_END 300

static void write_hot(struct fake_migration *migration)
{
    for (uint64_t pfn = HOT_FROM; pfn < HOT_END; pfn++) {
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

static struct fake_migration *new_migration(enum xlm_precopy_answer answer)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->script.rounds = ROUNDS;
    migration->script.answer = answer;
    migration->script.at_policy = write_hot;
    migration->setup.params.evict_early = true;
    migration->setup.params.hot_pages_max = 4;
    return migration;
}

/* ---- what S wrote ---- */

struct order {
    size_t begins;
    size_t early_pages; /* listed before the last round's pages ... */
    size_t listed;      /* ... and in all */
    size_t rounds;      /* PAGE_DATA after the first list */
};

static void note_record(const uint8_t *octets, size_t size, void *data)
{
    struct order *order = data;
    struct xlm_wire_record_header header;
    uint32_t count = 0;

    (void)size;
    memcpy(&header, octets, sizeof(header));
    memcpy(&count, octets + sizeof(header), header.length >= 4 ? 4 : 0);
    if (header.type == XLM_REC_POSTCOPY_BEGIN) {
        order->begins++;
    } else if (header.type == XLM_REC_POSTCOPY_PFNS) {
        order->listed += count;
    } else if (header.type == XLM_REC_PAGE_DATA && order->listed) {
        order->early_pages = order->listed;
        order->rounds++;
    }
}

static struct order order_of(struct fake_migration *migration)
{
    struct order order = {0};

    fake_link_each_record(migration->outcome.link, FAKE_FORTH,
                          fake_first_record(FAKE_FORTH), note_record, &order);
    return order;
}

/* ---- it works ---- */

static void it_begins_in_precopy(void **state)
{
    struct fake_migration *migration = new_migration(XLM_PRECOPY_POSTCOPY);
    const struct xlm_stats *stats = &migration->outcome.stats[0];
    struct order order;

    (void)state;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    order = order_of(migration);
    assert_int_equal(order.begins, 1);
    assert_true(order.rounds > 1);
    assert_true(order.early_pages >= (HOT_END - HOT_FROM) / 2);
    assert_true(stats->evicted_pages >= order.early_pages / 2);
    assert_true(migration->outcome.asked.evict_us < 600 * 1000000ull);
    assert_int_equal(stats->evict_left_us, 0);
    assert_true(stats->eviction.rate > 0);
    assert_int_equal(migration->outcome.asked.left_pages,
                     migration->outcome.asked.dirty_count);
    assert_in_range(stats->eviction.left, (HOT_END - HOT_FROM) / 2, PAGES);
    assert_true(stats->postcopy_pages > 0);
    assert_int_equal(migration->outcome.stats[1].duplicate_pages, 0);
    fake_migration_free(migration);
}

/* All pages of the lists have come in the stop. */
static void a_stop_that_sends_all(void **state)
{
    struct fake_migration *migration =
        new_migration(XLM_PRECOPY_STOP_AND_COPY);

    (void)state;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(order_of(migration).begins, 1);
    assert_true(order_of(migration).listed > 0);
    assert_int_equal(migration->outcome.stats[0].postcopy_pages, 0);
    fake_migration_free(migration);
}

static void not_unless_it_is_wanted(void **state)
{
    struct fake_migration *migration = new_migration(XLM_PRECOPY_POSTCOPY);

    (void)state;
    migration->setup.params.evict_early = false;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_int_equal(order_of(migration).begins, 1);
    assert_int_equal(migration->outcome.stats[0].evicted_pages,
                     order_of(migration).listed);
    fake_migration_free(migration);
}

/* ---- pages that cannot be evicted ---- */

static void hold_some(struct fake_migration *migration)
{
    for (uint64_t pfn = HOT_FROM; pfn < HOT_END; pfn += 3) {
        fake_page_busy(migration->outcome.destination, pfn, true);
    }
}

static void refused_pages_come_before_the_guest(void **state)
{
    static const enum xlm_precopy_answer answers[] = {
        XLM_PRECOPY_POSTCOPY, XLM_PRECOPY_STOP_AND_COPY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_migration *migration = new_migration(answers[i]);

        migration->script.at_build = hold_some;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* ---- a guest of its own will ---- */

static void with_a_guest_that_runs(void **state)
{
    static const enum xlm_precopy_answer answers[] = {
        XLM_PRECOPY_POSTCOPY, XLM_PRECOPY_STOP_AND_COPY};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct fake_migration *migration = new_migration(answers[i % 2]);

        migration->script.vcpu_seed = i + 1;
        fake_migration_run(migration);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* Cut at the first list, and at the next: the guest runs on at the source. */
static void lost_at_a_list(void **state)
{
    (void)state;
    for (unsigned int nth = 1; nth <= 2; nth++) {
        struct fake_migration *migration = new_migration(XLM_PRECOPY_POSTCOPY);

        migration->script.cut = (struct fake_cut){
            .at_record = true,
            .type = XLM_REC_POSTCOPY_PFNS,
            .nth = nth,
            .octets = FAKE_HALF,
        };
        fake_migration_run(migration);
        fake_migration_check_promise(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_false(migration->outcome.transitioned);
        fake_migration_free(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_in_precopy),
        cmocka_unit_test(a_stop_that_sends_all),
        cmocka_unit_test(not_unless_it_is_wanted),
        cmocka_unit_test(refused_pages_come_before_the_guest),
        cmocka_unit_test(with_a_guest_that_runs),
        cmocka_unit_test(lost_at_a_list),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
