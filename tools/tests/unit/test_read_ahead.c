/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination reads the next record while it pages in the last: alone,
 * and in whole migrations.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_migration.h"
#include "restore/ahead.h"
#include "restore/pages.h"
#include "watchdog.h"

#define LARGE_PAGES 64

/* ---- by itself ---- */

struct end {
    struct xlm_restorer restorer;
    struct xlm_restore_params params;
    struct xlm_context ctx;
    struct fake_host *host;
    int fds[2];
    struct xlm_context peer_ctx;
    struct xlm_channel peer;
    pthread_t writer;
    size_t pages; /* of each record that the peer writes */
};

static int make(void **state)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct end *end = calloc(1, sizeof(*end));

    alarm(WATCHDOG_SECONDS);
    end->host = fake_host_new(16);
    end->ctx = end->peer_ctx = fresh;
    end->ctx.logger = end->peer_ctx.logger = fake_logger();
    end->ctx.hypervisor = fake_open(end->host);
    end->params.read_ahead = true;
    end->restorer.params = &end->params;
    end->restorer.ctx = &end->ctx;
    end->restorer.record = XLM_RECORD_EMPTY;
    end->restorer.state = XLM_READ_POSTCOPY;
    end->restorer.channel = end->peer = XLM_CHANNEL_CLOSED;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, end->fds), 0);
    assert_int_equal(
        xlm_channel_open(&end->restorer.channel, end->fds[0], end->fds[0], -1),
        0);
    assert_int_equal(
        xlm_channel_open(&end->peer, end->fds[1], end->fds[1], -1), 0);
    *state = end;
    return 0;
}

static int drop(void **state)
{
    struct end *end = *state;

    xlm_channel_stop(&end->restorer.channel);
    xlm_restore_close_ahead(&end->restorer);
    xlm_restore_dispose_record(&end->ctx, &end->restorer.record);
    xlm_channel_close(&end->restorer.channel);
    xlm_channel_close(&end->peer);
    close(end->fds[0]);
    close(end->fds[1]);
    xlm_hypervisor_close(end->ctx.hypervisor);
    fake_host_free(end->host);
    free(end);
    alarm(0);
    return 0;
}

static void *write_two(void *data)
{
    static uint8_t contents[LARGE_PAGES][XLM_PAGE_SIZE];
    struct end *end = data;

    for (uint64_t record = 0; record < 2; record++) {
        uint64_t entries[LARGE_PAGES];
        struct xlm_wire_pfn_list head = {.count = end->pages};
        struct iovec parts[] = {
            {&head, sizeof(head)},
            {entries, end->pages * sizeof(entries[0])},
            {contents, end->pages * XLM_PAGE_SIZE},
        };

        for (size_t i = 0; i < end->pages; i++) {
            entries[i] = xlm_entry(1000 * record + i, XLM_TYPE_NOTAB);
        }
        assert_int_equal(xlm_write_record(&end->peer_ctx, &end->peer,
                                          XLM_REC_POSTCOPY_PAGE_DATA, parts,
                                          3),
                         0);
    }
    return NULL;
}

static void begin_two(struct end *end, size_t pages)
{
    end->pages = pages;
    assert_int_equal(pthread_create(&end->writer, NULL, write_two, end), 0);
}

static uint64_t first_pfn(const struct end *end)
{
    const struct xlm_wire_pfn_list *head = end->restorer.record.body;

    return xlm_entry_pfn(*(const uint64_t *)(head + 1));
}

static void read_next(struct end *end, uint64_t pfn)
{
    assert_int_equal(xlm_restore_read_next(&end->restorer, &end->ctx), 0);
    assert_int_equal(first_pfn(end), pfn);
}

static int waiting(const struct end *end)
{
    int octets = 0;

    ioctl(end->fds[0], FIONREAD, &octets);
    return octets;
}

/* Wait until there is something to read, as read_ahead() requires. */
static void await_input(const struct end *end)
{
    while (!waiting(end)) {
        sched_yield();
    }
}

/* The peer can write a record that the connection has no room for, although
 * the caller's thread reads nothing. */
static void it_reads_while_one_is_brought_in(void **state)
{
    struct end *end = *state;

    begin_two(end, LARGE_PAGES);
    read_next(end, 0);
    await_input(end);
    xlm_restore_read_ahead(&end->restorer);
    assert_true(end->restorer.read_ahead);
    pthread_join(end->writer, NULL);
    assert_int_equal(first_pfn(end), 0); /* the record in use stays */
    read_next(end, 1000);
    assert_false(end->restorer.read_ahead);
}

/* A thread that must wake up first would read them late. */
static void not_for_small_ones(void **state)
{
    struct end *end = *state;

    begin_two(end, LARGE_PAGES / 2);
    read_next(end, 0);
    await_input(end);
    xlm_restore_read_ahead(&end->restorer);
    assert_false(end->restorer.read_ahead);
    read_next(end, 1000);
    pthread_join(end->writer, NULL);
}

/* Both have come and were read: the connection is empty. */
static void read_two(struct end *end)
{
    begin_two(end, LARGE_PAGES);
    read_next(end, 0);
    read_next(end, 1000);
    pthread_join(end->writer, NULL);
}

static void not_when_nothing_has_come(void **state)
{
    struct end *end = *state;

    read_two(end);
    xlm_restore_read_ahead(&end->restorer);
    assert_false(end->restorer.read_ahead);
}

/* The next reader learns why the read failed, and no thread does before. */
static void a_failure_comes_in_its_turn(void **state)
{
    struct end *end = *state;
    const char half[12] = {XLM_REC_POSTCOPY_PAGE_DATA};

    read_two(end);
    assert_int_equal(write(end->fds[1], half, sizeof(half)), sizeof(half));
    xlm_restore_read_ahead(&end->restorer);
    assert_true(end->restorer.read_ahead);
    assert_int_equal(first_pfn(end), 1000);
    shutdown(end->fds[1], SHUT_WR);
    assert_string_equal(end->ctx.reason, "");
    assert_int_equal(xlm_restore_read_next(&end->restorer, &end->ctx), -1);
    assert_true(end->ctx.reason[0]);
    assert_false(end->restorer.read_ahead);
}

static void a_stopped_channel_ends_it(void **state)
{
    struct end *end = *state;
    const char half[4] = {XLM_REC_POSTCOPY_PAGE_DATA};

    read_two(end);
    assert_int_equal(write(end->fds[1], half, sizeof(half)), sizeof(half));
    xlm_restore_read_ahead(&end->restorer);
    xlm_channel_stop(&end->restorer.channel);
    xlm_restore_drop_ahead(&end->restorer);
    assert_false(end->restorer.read_ahead);
}

/* ---- whole migrations ---- */

#define PAGES 6000

static struct fake_migration *new_migration(unsigned int seed)
{
    struct fake_migration *migration;

    alarm(WATCHDOG_SECONDS);
    migration = fake_migration_new(PAGES, 2);
    migration->setup.params.hot_pages_max = 4;
    migration->script.vcpu_seed = seed;
    return migration;
}

static void no_page_is_lost(void **state)
{
    (void)state;
    for (unsigned int seed = 0; seed < 3; seed++) {
        struct fake_migration *migration = new_migration(seed);

        fake_migration_run(migration);
        fake_migration_check_success(migration);
        assert_int_equal(migration->outcome.stats[1].duplicate_pages, 0);
        fake_migration_free(migration);
    }
}

/* Somewhere within the push, whatever is read then. */
static void a_lost_connection(void **state)
{
    (void)state;
    for (unsigned int nth = 5; nth <= 60; nth += 11) {
        struct fake_migration *migration = new_migration(1);

        migration->script.recoveries = 1;
        migration->script.recovery_cuts[0].octets = FAKE_UNCUT;
        migration->script.cut = (struct fake_cut){
            .at_record = true,
            .type = XLM_REC_POSTCOPY_PAGE_DATA,
            .nth = nth,
            .octets = FAKE_HALF,
        };
        fake_migration_run(migration);
        fake_migration_check_recovered(migration);
        fake_migration_free(migration);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_reads_while_one_is_brought_in),
        TEST(not_for_small_ones),
        TEST(not_when_nothing_has_come),
        TEST(a_failure_comes_in_its_turn),
        TEST(a_stopped_channel_ends_it),
        cmocka_unit_test(no_page_is_lost),
        cmocka_unit_test(a_lost_connection),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
