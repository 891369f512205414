/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How many pushed pages come between a request and its page: never more than
 * one batch, however fast the push is and however the threads of both ends
 * interleave.  First the source's policy in a model of both ends, in which a
 * random number decides which thread goes on, then whole migrations.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "policy/push_plan.h"
#include "policy/push_window.h"
#include "slow.h"
#include "watchdog.h"

#define DEFAULT_CREDIT 1024
#define SHARE 8 /* requests that go before the background has its turn */

/* ---- the model ---- */

#define MODEL_PAGES 16384
#define MODEL_VCPUS 64
#define QUEUE 4096

/* Pages, or requests for pages; of CREDIT only the count. */
struct message {
    bool credit;
    size_t count;
    uint64_t pfns[XLM_PUSH_WINDOW_SENDING_MOST];
};

/* One direction of the connection: first in, first out. */
struct queue {
    struct message messages[QUEUE];
    size_t head, tail;
};

struct model {
    unsigned int seed;
    unsigned int vcpus;
    struct queue forth, back;
    /* The source. */
    struct xlm_push_plan plan;
    struct xlm_push_window window;
    /* The destination. */
    struct xlm_pfn_set lacking;
    struct xlm_pfn_set requested;
    struct xlm_pfn_set unsent;
    uint32_t owed;
    uint64_t pushed; /* pushed pages that came */
    struct {
        bool waits;
        uint64_t pfn;
        uint64_t pushed; /* when it began */
    } waiters[MODEL_VCPUS];
    uint64_t behind_most;
};

static unsigned int roll(struct model *model, unsigned int sides)
{
    return (unsigned int)rand_r(&model->seed) % sides;
}

static struct message *put(struct queue *queue)
{
    assert_true(queue->tail - queue->head < QUEUE);
    return &queue->messages[queue->tail++ % QUEUE];
}

static const struct message *take(struct queue *queue)
{
    return queue->head < queue->tail ? &queue->messages[queue->head++ % QUEUE]
                                     : NULL;
}

/* The source's pushing thread. */
static void push(struct model *model)
{
    uint32_t room = xlm_push_window_room(&model->window);
    struct message sending = {.credit = false};

    if (xlm_push_plan_next(&model->plan, room, sending.pfns, &sending.count) !=
        XLM_PUSH_NOTHING) {
        xlm_push_window_sent(&model->window, sending.count, 1);
        *put(&model->forth) = sending;
    }
}

/* The source's reading thread.  No time passes: the window opens as far as it
 * can. */
static void hear(struct model *model)
{
    const struct message *message = take(&model->back);

    if (message && message->credit) {
        assert_int_equal(
            xlm_push_window_credited(&model->window, message->count, 1), 0);
    } else if (message) {
        for (size_t i = 0; i < message->count; i++) {
            assert_int_equal(
                xlm_push_plan_request(&model->plan, message->pfns[i]), 0);
        }
    }
}

/* A vCPU at the destination touches a page that has not come. */
static void touch(struct model *model)
{
    unsigned int vcpu = roll(model, model->vcpus);
    uint64_t pfn = xlm_pfn_set_next(&model->lacking, roll(model, MODEL_PAGES));

    if (pfn == XLM_PFN_NONE || model->waiters[vcpu].waits) {
        return;
    }
    model->waiters[vcpu].waits = true;
    model->waiters[vcpu].pfn = pfn;
    model->waiters[vcpu].pushed = model->pushed;
    if (xlm_pfn_set_add(&model->requested, pfn)) {
        xlm_pfn_set_add(&model->unsent, pfn);
    }
}

/* The thread that writes requests. */
static void ask(struct model *model)
{
    while (model->unsent.count) {
        struct message *message = put(&model->back);

        *message = (struct message){.count = 1};
        message->pfns[0] = xlm_pfn_set_next(&model->unsent, 0);
        xlm_pfn_set_remove(&model->unsent, message->pfns[0]);
    }
}

static void wake(struct model *model, uint64_t pfn)
{
    for (unsigned int i = 0; i < model->vcpus; i++) {
        uint64_t behind = model->pushed - model->waiters[i].pushed;

        if (model->waiters[i].waits && model->waiters[i].pfn == pfn) {
            model->waiters[i].waits = false;
            if (behind > model->behind_most) {
                model->behind_most = behind;
            }
        }
    }
}

/* The thread that takes pages ... */
static void arrive(struct model *model)
{
    const struct message *pages = take(&model->forth);

    for (size_t i = 0; pages && i < pages->count; i++) {
        uint64_t pfn = pages->pfns[i];

        assert_true(xlm_pfn_set_remove(&model->lacking, pfn));
        xlm_pfn_set_remove(&model->unsent, pfn);
        if (!xlm_pfn_set_remove(&model->requested, pfn)) {
            model->pushed++;
        }
        wake(model, pfn);
    }
    model->owed += pages ? pages->count : 0;
}

/* ... and sends CREDIT for them, which never overtakes a request. */
static void pay(struct model *model)
{
    if (model->owed) {
        ask(model);
        *put(&model->back) =
            (struct message){.credit = true, .count = model->owed};
        model->owed = 0;
    }
}

static void (*const steps[])(struct model *) = {push, hear,   touch,
                                                ask,  arrive, pay};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* How long a thread goes on is random: each seed gives long turns to some
 * threads, and short turns to others. */
static void play(struct model *model)
{
    unsigned int longest[STEPS];

    for (size_t i = 0; i < STEPS; i++) {
        longest[i] = 1u << roll(model, 9);
    }
    while (model->lacking.count) {
        size_t step = roll(model, STEPS);

        for (unsigned int n = roll(model, longest[step]) + 1; n; n--) {
            steps[step](model);
        }
    }
}

/* The largest number of pages that came before a requested one. */
static uint64_t play_once(unsigned int seed, uint32_t credit,
                          unsigned int vcpus)
{
    static const struct xlm_push_tuning tuning = {
        .neighbours = {.before = 8, .after = 24},
        .adapt = true,
        .background = true,
        .share = SHARE,
    };
    struct model *model = calloc(1, sizeof(*model));
    struct xlm_pfn_set outstanding = XLM_PFN_SET_EMPTY;
    uint64_t most;

    model->seed = seed;
    model->vcpus = vcpus;
    assert_int_equal(xlm_pfn_set_reserve(&outstanding, MODEL_PAGES), 0);
    assert_int_equal(xlm_push_plan_init(&model->plan, MODEL_PAGES, &tuning),
                     0);
    xlm_push_plan_begin(&model->plan, &outstanding);
    xlm_push_window_init(&model->window, credit, false);
    assert_int_equal(xlm_pfn_set_reserve(&model->lacking, MODEL_PAGES), 0);
    assert_int_equal(xlm_pfn_set_reserve(&model->requested, MODEL_PAGES), 0);
    assert_int_equal(xlm_pfn_set_reserve(&model->unsent, MODEL_PAGES), 0);
    for (uint64_t pfn = 0; pfn < MODEL_PAGES; pfn++) {
        xlm_pfn_set_add(&model->lacking, pfn);
        xlm_pfn_set_add(&model->plan.outstanding, pfn);
    }
    play(model);
    most = model->behind_most;
    xlm_push_plan_dispose(&model->plan);
    xlm_pfn_set_dispose(&model->lacking);
    xlm_pfn_set_dispose(&model->requested);
    xlm_pfn_set_dispose(&model->unsent);
    free(model);
    return most;
}

static uint64_t play_often(uint32_t credit, unsigned int vcpus)
{
    uint64_t most = 0;

    for (unsigned int seed = 1; seed <= 60; seed++) {
        uint64_t behind = play_once(seed, credit, vcpus);

        most = behind > most ? behind : most;
    }
    return most;
}

/* As many vCPUs as requests that go before the background: the pages before a
 * requested one are then all that can be under way, and one sending more that
 * the credit after the request allows. */
static void no_more_than_a_batch(void **state)
{
    static const uint32_t credits[] = {48, 64, 200, 256, DEFAULT_CREDIT};

    (void)state;
    for (size_t i = 0; i < sizeof(credits) / sizeof(credits[0]); i++) {
        for (unsigned int vcpus = 1; vcpus <= SHARE; vcpus += SHARE - 1) {
            uint64_t most = play_often(credits[i], vcpus);

            assert_in_range(most, credits[i] / 2, credits[i]);
        }
    }
}

/* Three small sendings may always be under way. */
static void no_more_than_a_little(void **state)
{
    (void)state;
    for (uint32_t credit = 0; credit < 3 * XLM_PUSH_WINDOW_SENDING;
         credit += 23) {
        assert_in_range(play_often(credit, SHARE), 1,
                        3 * XLM_PUSH_WINDOW_SENDING);
    }
}

/* The background has its turn after this many requests, whatever waits. */
static void a_turn_more_for_each_share_of_requests(void **state)
{
    (void)state;
    for (unsigned int vcpus = 2 * SHARE; vcpus <= MODEL_VCPUS; vcpus *= 2) {
        assert_in_range(play_often(DEFAULT_CREDIT, vcpus), DEFAULT_CREDIT / 2,
                        DEFAULT_CREDIT + (vcpus - 1) / SHARE *
                                             XLM_PUSH_WINDOW_SENDING_MOST);
    }
}

/* ---- whole migrations ---- */

#define PAGES 20000

/* Is this page all zeroes, until a vCPU writes to it? */
static bool is_zero(uint64_t pfn)
{
    return pfn % 4 == 3;
}

/* The first faults, at any state of the push. */
static void start_vcpus(struct fake_migration *migration)
{
    fake_guest_start(migration->setup.guest, 1);
    fake_await_waiting(migration->outcome.destination, migration->setup.vcpus);
    fake_await_taken(migration->outcome.destination);
}

/* Pages of zeroes are small on the wire: without a limit more than a batch of
 * them would fit into any queue between the ends.  The guest writes to them at
 * the destination only. */
static struct fake_migration *new_of_zeroes(unsigned int vcpus,
                                            uint32_t credit)
{
    struct fake_migration *migration;

    alarm(WATCHDOG_SECONDS);
    migration = fake_migration_new(PAGES, vcpus);
    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        if (fake_guest_has(migration->setup.guest, pfn) && !is_zero(pfn)) {
            fake_guest_give_back(migration->setup.guest, pfn);
        }
    }
    migration->setup.params.hot_pages_max = 0;
    if (credit) {
        migration->setup.params.credit_pages = credit;
    }
    migration->script.at_run = start_vcpus;
    return migration;
}

/* The guest faults all the time: the destination takes pages only while each
 * vCPU waits for one. */
static void when_all_wait(enum fake_op op, void *data)
{
    struct fake_migration *migration = data;

    if (op == fake_op_in() && migration->outcome.ran &&
        fake_domain_paged(migration->outcome.destination)) {
        fake_await_waiting(migration->outcome.destination,
                           migration->setup.vcpus);
        fake_await_taken(migration->outcome.destination);
    }
}

static void expect_behind(struct fake_migration *migration, uint64_t least,
                          uint64_t most)
{
    const struct xlm_stats *stats = &migration->outcome.stats[0];

    fake_migration_run(migration);
    fake_migration_check_success(migration);
    assert_true(stats->faults > 0);
    assert_in_range(stats->behind_most, least, most);
    assert_true(stats->behind_median <= stats->behind_most);
    assert_int_equal(stats->behind_median,
                     migration->outcome.stats[1].behind_median);
    assert_int_equal(stats->behind_most,
                     migration->outcome.stats[1].behind_most);
    fake_migration_free(migration);
}

static const struct {
    unsigned int vcpus;
    uint32_t credit; /* 0: the default */
} settings[] = {{1, 0}, {1, 64}, {SHARE, 0}, {SHARE, 64}};

static void always_faulting(void **state)
{
    (void)state;
    leave_out_under_tsan();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        uint32_t credit = settings[i].credit;
        struct fake_migration *migration =
            new_of_zeroes(settings[i].vcpus, credit);

        fake_host_hook(migration->setup.hosts[1], when_all_wait, migration);
        expect_behind(migration, 1, credit ? credit : DEFAULT_CREDIT);
    }
}

/* Both ends go as fast as they can. */
static void at_full_speed(void **state)
{
    (void)state;
    leave_out_under_tsan();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        uint32_t credit = settings[i].credit;

        expect_behind(new_of_zeroes(settings[i].vcpus, credit), 0,
                      credit ? credit : DEFAULT_CREDIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_a_batch),
        cmocka_unit_test(no_more_than_a_little),
        cmocka_unit_test(a_turn_more_for_each_share_of_requests),
        cmocka_unit_test(always_faulting),
        cmocka_unit_test(at_full_speed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
