/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Recovery: the connection is lost after the go, at any point and again and
 * again, and the guest ends up whole in one place.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "fake_relink.h"
#include "policy/push_window.h"
#include "wire/record.h"
#include "wire/wire.h"

#define PAGES 160
#define MAX_RECORDS 1000
#define CUT(where, record, after) \
    ((struct fake_cut){ \
        .way = where, .octets = after, .at_record = true, .type = record})

/* ---- migrations that lose their connection ---- */

static void start_vcpus(struct fake_migration *migration)
{
    fake_guest_start(migration->setup.guest, 1);
    fake_await_waiting(migration->outcome.destination, 1);
}

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->setup.params.hot_pages_max = 4;
    migration->script.recoveries = FAKE_RECOVERIES;
    return migration;
}

/* The first sendings are small and go one at a time.  The sizes of the others,
 * how many share a CREDIT, and how often statistics go, depend on time. */
static bool comes_each_time(const struct fake_cut *cut)
{
    return cut->nth <= (cut->type == XLM_REC_POSTCOPY_STATS
                            ? 1
                            : XLM_PUSH_WINDOW_LOOK / 2);
}

static void lose_and_recover(struct fake_cut cut)
{
    struct fake_migration *migration = new_migration();

    migration->script.cut = cut;
    fake_migration_run(migration);
    if (migration->outcome.recovered || comes_each_time(&cut)) {
        fake_migration_check_recovered(migration);
    } else {
        fake_migration_check_success(migration);
    }
    fake_migration_free(migration);
}

/* ---- every record after the go ---- */

/* Where records begin, from the go on. */
static size_t cuts_from_go(enum fake_way way, struct fake_cut *cuts)
{
    struct fake_migration *migration = new_migration();
    unsigned int seen[XLM_RECORD_ROWS] = {0};
    size_t all[MAX_RECORDS], count, kept = 0;
    struct xlm_wire_record_header header;
    const uint8_t *heard;
    size_t length;

    fake_migration_run(migration);
    fake_migration_check_success(migration);
    count = fake_migration_records(migration, way, all, MAX_RECORDS);
    heard = fake_link_heard(migration->outcome.link, way, &length);
    for (size_t i = 0; i + 1 < count; i++) {
        memcpy(&header, heard + all[i], sizeof(header));
        if (header.type & XLM_REC_OPTIONAL) {
            continue; /* before the go, or not each time */
        }
        cuts[kept] = CUT(way, header.type, 1);
        cuts[kept].nth = ++seen[xlm_record_row(header.type)];
        kept += kept || header.type == XLM_REC_POSTCOPY_GO ||
                header.type == XLM_REC_POSTCOPY_RUNNING;
    }
    fake_migration_free(migration);
    return kept;
}

static void every_record(enum fake_way way)
{
    struct fake_cut cuts[MAX_RECORDS];
    size_t count = cuts_from_go(way, cuts);

    assert_true(count > 3);
    for (size_t i = 0; i < count; i++) {
        lose_and_recover(cuts[i]);
        cuts[i].octets = 7;
        lose_and_recover(cuts[i]);
    }
}

static void lost_on_the_way_there(void **state)
{
    (void)state;
    every_record(FAKE_FORTH);
}

static void lost_on_the_way_back(void **state)
{
    (void)state;
    every_record(FAKE_BACK);
}

/* The receiver lacks more pages than one record can list. */
static void more_is_lacking_than_a_record_holds(void **state)
{
    struct fake_migration *migration =
        fake_migration_new((XLM_LIST_PFNS + 1500) * 13 / 12, 1);

    (void)state;
    migration->script.vcpu_seed = 0;
    migration->setup.params.hot_pages_max = 0;
    migration->script.recoveries = FAKE_RECOVERIES;
    migration->script.cut = CUT(FAKE_BACK, XLM_REC_POSTCOPY_RUNNING, 1);
    fake_migration_run(migration);
    fake_migration_check_recovered(migration);
    fake_migration_free(migration);
}

/* The destination reads nothing more and notices nothing, until another
 * connection takes the place of the old one. */
static void lost_without_a_word(void **state)
{
    struct fake_cut cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100);

    (void)state;
    cut.silent = true;
    lose_and_recover(cut);
}

/* The guest runs meanwhile, and waits.  The push takes a second: otherwise all
 * pages could be there before the pager has requested one. */
static void lost_under_load(void **state)
{
    static const struct {
        enum fake_way way;
        uint32_t type;
    } points[] = {
        {FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA},
        {FAKE_FORTH, XLM_REC_END},
        {FAKE_BACK, XLM_REC_POSTCOPY_RUNNING},
        {FAKE_BACK, XLM_REC_POSTCOPY_FAULT},
        {FAKE_BACK, XLM_REC_POSTCOPY_CREDIT},
        {FAKE_BACK, XLM_REC_POSTCOPY_STATS},
        {FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE},
    };

    struct xlm_control control = XLM_CONTROL_INIT;

    (void)state;
    atomic_store(&control.background_rate, PAGES * XLM_PAGE_SIZE);
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct fake_migration *migration = new_migration();

        migration->script.at_run = start_vcpus;
        migration->setup.params.control = &control;
        migration->script.cut = CUT(points[i].way, points[i].type, 1);
        fake_migration_run(migration);
        fake_migration_check_recovered(migration);
        fake_migration_free(migration);
    }
}

/* ---- again, during the recovery ---- */

static void lost_again_and_again(void **state)
{
    const struct fake_cut cuts[] = {
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 1),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 30),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STATE, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 40),
        CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 5000),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, 1),
        CUT(FAKE_FORTH, XLM_REC_END, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_STATS, 1),
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, 1),
    };
    const size_t count = sizeof(cuts) / sizeof(cuts[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct fake_migration *migration = new_migration();

        migration->script.at_run = start_vcpus;
        migration->script.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1);
        for (size_t turn = 0; turn < 4; turn++) {
            migration->script.recovery_cuts[turn] = cuts[(i + turn) % count];
        }
        fake_migration_run(migration);
        assert_true(migration->outcome.recovered > 1);
        fake_migration_check_recovered(migration);
        fake_migration_free(migration);
    }
}

/* ---- what was asked for is asked for again ---- */

static void push_later(struct fake_migration *migration)
{
    migration->setup.params.no_push = migration->outcome.recovered == 1;
}

/* The first request is lost with its connection.  Over the next connection the
 * source pushes nothing: only a request brings a page, and the CREDIT for that
 * page is cut off. */
static void requests_are_repeated(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.at_run = start_vcpus;
    migration->script.at_recovery = push_later;
    migration->setup.params.no_push = true;
    migration->setup.params.neighbours_below = 0;
    migration->setup.params.neighbours_above = 0;
    migration->setup.params.neighbours_adapt = false;
    migration->script.cut = CUT(FAKE_BACK, XLM_REC_POSTCOPY_FAULT, 1);
    migration->script.recovery_cuts[0] =
        CUT(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, 8);
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.recovered, 2);
    fake_migration_check_recovered(migration);
    fake_migration_free(migration);
}

/* ---- other ends ---- */

static void destroy(struct fake_migration *migration)
{
    fake_domain_destroy(migration->outcome.destination);
}

static void guest_ends_meanwhile(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.at_pause = destroy;
    migration->script.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1);
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.found, XLM_GUEST_ENDED);
    assert_int_equal(migration->outcome.save_rc, 0);
    assert_int_equal(migration->outcome.restore_rc, 0);
    assert_true(migration->outcome.resumed);
    fake_migration_free(migration);
}

static void sender_was_killed(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.sender_dies = true;
    migration->script.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_GO, 1);
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.found, XLM_GUEST_NEVER_RAN);
    assert_true(fake_domain_logdirty(migration->setup.source));
    fake_migration_check_recovered(migration);
    fake_migration_free(migration);
}

/* The host that is asked does not know the migration: nothing changes, and the
 * guest still has its pager. */
static void unknown_there(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    migration->script.recoveries = 1;
    migration->script.stays_silent = true;
    migration->script.cut = CUT(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1);
    fake_migration_run(migration);
    assert_int_equal(migration->outcome.found, XLM_GUEST_UNKNOWN);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_int_equal(migration->outcome.restore_rc, -1);
    assert_true(migration->outcome.resumed);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "nothing is known"));
    fake_migration_check_promise(migration);
    assert_true(fake_domain_pager_enabled(migration->outcome.destination));
    fake_migration_free(migration);
}

static void not_suspended(void **state)
{
    struct fake_migration *migration = new_migration();
    struct xlm_save_params params = migration->setup.params;
    const struct xlm_save_callbacks callbacks = {.data = NULL};
    enum xlm_guest_state found;

    (void)state;
    params.domid = fake_domain_id(migration->setup.source);
    params.in_fd = params.out_fd = -1; /* not even opened */
    assert_int_equal(xlm_recover(&migration->outcome.contexts[0], &params,
                                 &callbacks, &migration->outcome.stats[0],
                                 &found),
                     -1);
    assert_int_equal(found, XLM_GUEST_UNKNOWN);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "not suspended"));
    assert_true(fake_domain_running(migration->setup.source));
    fake_migration_free(migration);
}

/* ---- a destination that lies ---- */

struct liar {
    struct fake_migration *migration;
    struct xlm_context ctx;
    struct xlm_channel channel;
    int fds[2];
    pthread_t thread;
    enum xlm_guest_state found;
    int rc;
};

static void *run_recover(void *data)
{
    struct liar *liar = data;
    const struct xlm_save_callbacks callbacks = {.data = NULL};
    struct xlm_save_params params = liar->migration->setup.params;

    params.domid = fake_domain_id(liar->migration->setup.source);
    params.in_fd = params.out_fd = liar->fds[0];
    liar->rc =
        xlm_recover(&liar->migration->outcome.contexts[0], &params, &callbacks,
                    &liar->migration->outcome.stats[0], &liar->found);
    shutdown(liar->fds[0], SHUT_RDWR);
    return NULL;
}

static struct liar *start_liar(void)
{
    struct liar *liar = calloc(1, sizeof(*liar));
    struct xlm_identity identity;
    struct xlm_errand errand;

    liar->migration = new_migration();
    fake_guest_move(liar->migration->setup.guest, NULL);
    fake_domain_suspend(liar->migration->setup.source);
    fake_migration_init_context(&liar->ctx, liar->migration->setup.hosts[1]);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, liar->fds), 0);
    assert_int_equal(pthread_create(&liar->thread, NULL, run_recover, liar),
                     0);
    assert_int_equal(
        xlm_read_recover(&liar->ctx, liar->fds[1], &identity, &errand), 0);
    assert_int_equal(errand.purpose, XLM_FOR_RECOVERY);
    liar->channel = XLM_CHANNEL_CLOSED;
    assert_int_equal(
        xlm_channel_open(&liar->channel, liar->fds[1], liar->fds[1], -1), 0);
    return liar;
}

static void say_state(struct liar *liar, uint32_t state)
{
    xlm_write_answer(&liar->ctx, &liar->channel, XLM_REC_POSTCOPY_STATE, state,
                     "");
}

static void say_list(struct liar *liar, uint32_t type, size_t count,
                     const uint64_t *pfns)
{
    xlm_write_pfns(&liar->ctx, &liar->channel, type, pfns, count);
}

/* The source notices, nothing changes, and the reason says so. */
static void expect_refusal(struct liar *liar, const char *why)
{
    pthread_join(liar->thread, NULL);
    assert_int_equal(liar->rc, -1);
    assert_true(liar->found == XLM_GUEST_UNKNOWN ||
                liar->found == XLM_GUEST_RUNS);
    if (!strstr(liar->migration->outcome.contexts[0].reason, why)) {
        fail_msg("'%s' is not in: %s", why,
                 liar->migration->outcome.contexts[0].reason);
    }
    xlm_channel_close(&liar->channel);
    close(liar->fds[0]);
    close(liar->fds[1]);
    xlm_hypervisor_close(liar->ctx.hypervisor);
    fake_migration_free(liar->migration);
    free(liar);
}

static void states_that_are_none(void **state)
{
    struct liar *liar = start_liar();

    (void)state;
    say_state(liar, XLM_GUEST_LOST + 1);
    expect_refusal(liar, "in state 6");

    liar = start_liar();
    say_list(liar, XLM_REC_POSTCOPY_LACKING, 1, (uint64_t[]){1});
    expect_refusal(liar, "POSTCOPY_LACKING out of order");

    liar = start_liar();
    say_state(liar, XLM_GUEST_RUNS);
    xlm_write_simple_record(&liar->ctx, &liar->channel,
                            XLM_REC_POSTCOPY_COMPLETE, NULL, 0);
    expect_refusal(liar, "POSTCOPY_COMPLETE out of order");
}

static void refuse_list(size_t count, const uint64_t *pfns, const char *why)
{
    struct liar *liar = start_liar();

    say_state(liar, XLM_GUEST_RUNS);
    say_list(liar, XLM_REC_POSTCOPY_LACKING, count, pfns);
    expect_refusal(liar, why);
}

static void lists_that_lie(void **state)
{
    uint64_t many[XLM_LIST_PFNS];

    (void)state;
    refuse_list(1, (uint64_t[]){PAGES + 100}, "POSTCOPY_LACKING with entry");
    refuse_list(2, (uint64_t[]){7, 7}, "0x7 out of order");
    refuse_list(2, (uint64_t[]){7, 6}, "0x6 out of order");
    /* The first of the toolstack's own. */
    refuse_list(1, (uint64_t[]){PAGES}, "not the guest's");
    /* Without an end. */
    memset(many, 0, sizeof(many));
    refuse_list(XLM_LIST_PFNS, many, "out of order");
}

/* A page that the destination has already costs only octets on the wire;
 * COMPLETE while this page has not come is a lie. */
static void complete_before_its_pages(void **state)
{
    struct liar *liar = start_liar();

    (void)state;
    say_state(liar, XLM_GUEST_RUNS);
    say_list(liar, XLM_REC_POSTCOPY_LACKING, 1, (uint64_t[]){1});
    xlm_write_simple_record(
        &liar->ctx, &liar->channel, XLM_REC_POSTCOPY_CREDIT,
        &(struct xlm_wire_credit){.pages = 2}, sizeof(struct xlm_wire_credit));
    expect_refusal(liar, "credit");
}

static void end_of_a_channel_that_is_not(void **state)
{
    const struct xlm_wire_channel_end end = {.pages = 0};
    struct liar *liar = start_liar();

    (void)state;
    say_state(liar, XLM_GUEST_RUNS);
    say_list(liar, XLM_REC_POSTCOPY_LACKING, 1, (uint64_t[]){1});
    xlm_write_simple_record(&liar->ctx, &liar->channel,
                            XLM_REC_POSTCOPY_CHANNEL_END, &end, sizeof(end));
    expect_refusal(liar, "fault channel that was not in use");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_on_the_way_there),
        cmocka_unit_test(lost_on_the_way_back),
        cmocka_unit_test(more_is_lacking_than_a_record_holds),
        cmocka_unit_test(lost_without_a_word),
        cmocka_unit_test(lost_under_load),
        cmocka_unit_test(lost_again_and_again),
        cmocka_unit_test(requests_are_repeated),
        cmocka_unit_test(guest_ends_meanwhile),
        cmocka_unit_test(sender_was_killed),
        cmocka_unit_test(unknown_there),
        cmocka_unit_test(not_suspended),
        cmocka_unit_test(states_that_are_none),
        cmocka_unit_test(lists_that_lie),
        cmocka_unit_test(complete_before_its_pages),
        cmocka_unit_test(end_of_a_channel_that_is_not),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
