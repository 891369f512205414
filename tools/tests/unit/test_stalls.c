/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A link that stands still without being closed: which end gives it up,
 * when a person gives it up, and what becomes of the guest.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "watchdog.h"
#include "wire/record.h"
#include "wire/wire.h"

#define PAGES 160
/* After this time a stalled link counts as lost.  On a busy machine other
 * links are given up as well: a test that must succeed sets a longer time. */
#define MS 100
#define PATIENT_MS (1000 * WATCHDOG_SECONDS)
#define STALL(where, record, after) \
    ((struct fake_cut){.way = where, \
                       .octets = after, \
                       .at_record = true, \
                       .type = record, \
                       .strike = FAKE_STRIKE_STALL})

static struct fake_migration *new_migration(void)
{
    struct fake_migration *migration = fake_migration_new(PAGES, 2);

    migration->setup.params.hot_pages_max = 4;
    migration->outcome.contexts[1].abort_fd = eventfd(0, EFD_CLOEXEC);
    return migration;
}

static void free_migration(struct fake_migration *migration)
{
    close(migration->outcome.contexts[1].abort_fd);
    fake_migration_free(migration);
}

static void give_up_there(struct fake_migration *migration)
{
    eventfd_write(migration->outcome.contexts[1].abort_fd, 1);
}

static void note_strike(void *struck)
{
    sem_post(struck);
}

/* ---- while the guest is stopped ---- */

/* The source has given up, and cleans up. */
static void release_destination(struct fake_migration *migration,
                                enum fake_part part, bool after)
{
    if (part == FAKE_PART_QEMU_LOGDIRTY && after &&
        migration->outcome.suspended) {
        give_up_there(migration);
    }
}

/* No person is there to give up: the guest must not stand still for ever. */
static void source_gives_up_in_the_stop(void **state)
{
    const struct fake_cut cuts[] = {
        STALL(FAKE_FORTH, XLM_REC_HVM_CONTEXT, 5),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_TRANSITION, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_READY, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();

        /* The same patience counts before the stop, where the link is sound
         * and the machine may be slow. */
        migration->setup.params.silence_ms = 10 * MS;
        migration->script.at_part = release_destination;
        migration->script.cut = cuts[i];
        migration->script.cut.nth = i ? 1 : 2;
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_true(migration->outcome.suspended);
        assert_false(migration->outcome.transitioned);
        assert_non_null(
            strstr(migration->outcome.contexts[0].reason, "is the link cut"));
        fake_migration_check_promise(migration);
        free_migration(migration);
    }
}

/* ---- while the guest runs at the source ---- */

/* Before the guest is suspended there is no person who would see it. */
static void release_before_the_stop(struct fake_migration *migration,
                                    enum fake_part part, bool after)
{
    const atomic_bool *struck = migration->data;

    if (part == FAKE_PART_QEMU_LOGDIRTY && after && atomic_load(struck)) {
        give_up_there(migration);
    }
}

static void note_stall(void *struck)
{
    atomic_store((atomic_bool *)struck, true);
}

/* The host of the destination dies, or the link does, without a word. */
static void source_gives_up_before_the_stop(void **state)
{
    const struct fake_cut cuts[] = {
        STALL(FAKE_FORTH, XLM_REC_HVM_PARAMS, 5),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PREPARE, 64),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_PREPARED, 1),
        STALL(FAKE_FORTH, XLM_REC_PAGE_DATA, 5000),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PFNS, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_EVICTED, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();
        atomic_bool struck = false;

        migration->script.rounds = cuts[i].type == XLM_REC_PAGE_DATA;
        migration->data = &struck;
        migration->setup.params.silence_ms = MS;
        migration->script.at_part = release_before_the_stop;
        migration->script.cut = cuts[i];
        migration->script.cut.at = note_stall;
        migration->script.cut.data = &struck;
        fake_migration_run(migration);
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_false(migration->outcome.suspended);
        assert_false(migration->outcome.transitioned);
        assert_non_null(
            strstr(migration->outcome.contexts[0].reason, "is the link cut"));
        fake_migration_check_promise(migration);
        free_migration(migration);
    }
}

/* ---- answers that nobody waits for ---- */

#define SAMPLES 40

static void suspend_slowly(struct fake_migration *migration)
{
    for (unsigned int n = 0; n < SAMPLES; n++) {
        fake_guest_write(migration->setup.guest, 0, 2 * n);
        fake_migration_await_samples(migration);
    }
}

static void move_over_narrow_link(struct fake_migration *migration,
                                  fake_moment *at_suspend)
{
    migration->script.narrow = true;
    migration->script.rounds = 1;
    migration->script.at_suspend = at_suspend;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
}

/* The destination answers each list of what the guest writes meanwhile: more
 * than the link holds. */
static void a_guest_that_suspends_slowly(void **state)
{
    struct fake_migration *migration = new_migration();

    (void)state;
    move_over_narrow_link(migration, suspend_slowly);
    free_migration(migration);
}

#define MANY_PAGES 3000

static void write_all_and_refuse(struct fake_migration *migration)
{
    for (uint64_t pfn = 0; pfn < migration->setup.guest_pfns; pfn++) {
        fake_page_busy(migration->outcome.destination, pfn, true);
        fake_guest_write(migration->setup.guest, 0, pfn);
    }
}

/* The destination cannot evict pages, and says so in more octets than the link
 * holds, while the source sends others. */
static void a_long_answer_in_the_stop(void **state)
{
    struct fake_migration *migration = fake_migration_new(MANY_PAGES, 1);

    (void)state;
    migration->setup.params.hot_pages_max = MANY_PAGES / 4;
    move_over_narrow_link(migration, write_all_and_refuse);
    fake_migration_free(migration);
}

/* More than a destination says in an hour of precopy, and no more than the
 * link holds. */
#define SIGNS 260

static void await_signs(struct fake_migration *migration)
{
    sem_wait(migration->data);
    sem_post(migration->data);
}

static void signs_of_life_that_nobody_waited_for(void **state)
{
    struct fake_migration *migration = new_migration();
    sem_t said;

    (void)state;
    sem_init(&said, 0, 0);
    migration->data = &said;
    migration->script.at_policy = await_signs;
    migration->script.rounds = 1;
    migration->script.cut =
        (struct fake_cut){.way = FAKE_BACK,
                          .at_record = true,
                          .type = XLM_REC_POSTCOPY_DST_ALIVE,
                          .nth = SIGNS,
                          .strike = FAKE_STRIKE_NOTHING,
                          .at = note_strike,
                          .data = &said};
    migration->setup.params.keepalive_ms = PATIENT_MS;
    migration->setup.restore_params.keepalive_ms = 1;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    free_migration(migration);
    sem_destroy(&said);
}

/* Longer than the source would wait for a destination that says nothing. */
#define SLOW_SILENCE_MS 1000
#define SLOW_BUILD_MS 2500

static void build_slowly(struct fake_migration *migration)
{
    const struct timespec pause = {.tv_sec = SLOW_BUILD_MS / 1000,
                                   .tv_nsec = SLOW_BUILD_MS % 1000 * 1000000};

    (void)migration;
    nanosleep(&pause, NULL);
}

static void count_alive(const uint8_t *octets, size_t size, void *data)
{
    uint32_t type;

    (void)size;
    memcpy(&type, octets, sizeof(type));
    *(unsigned int *)data += type == XLM_REC_POSTCOPY_DST_ALIVE ||
                             type == XLM_REC_POSTCOPY_SRC_ALIVE;
}

/* Each end says that it is alive, so the other end waits. */
static void a_slow_build_is_waited_for(void **state)
{
    struct fake_migration *migration = new_migration();
    unsigned int forth = 0, back = 0;

    (void)state;
    migration->script.at_build = build_slowly;
    migration->setup.params.silence_ms = SLOW_SILENCE_MS;
    migration->setup.params.keepalive_ms = 10;
    migration->setup.restore_params.keepalive_ms = 10;
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_link_each_record(migration->outcome.link, FAKE_FORTH,
                          fake_first_record(FAKE_FORTH), count_alive, &forth);
    fake_link_each_record(migration->outcome.link, FAKE_BACK, 0, count_alive,
                          &back);
    assert_true(forth > 0);
    assert_true(back > 0);
    free_migration(migration);
}

/* ---- after the go ---- */

static void patient_from_now_on(struct fake_migration *migration)
{
    migration->setup.params.link_timeout_ms = 0;
    /* Where the go has not come, as its host does for another connection. */
    give_up_there(migration);
}

/* The source has sent something and gets no answer.  The destination, which
 * cannot know, leaves the connection for the next one. */
static void source_gives_up_the_link(void **state)
{
    const struct fake_cut cuts[] = {
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_GO, 1),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100),
        STALL(FAKE_FORTH, XLM_REC_END, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_RUNNING, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();

        migration->setup.params.link_timeout_ms = MS;
        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.at_recovery = patient_from_now_on;
        migration->script.cut = cuts[i];
        fake_migration_run(migration);
        fake_migration_check_recovered(migration);
        free_migration(migration);
    }
}

struct stalled {
    sem_t struck;
    bool told;
};

static void start_vcpus(struct fake_migration *migration)
{
    struct stalled *stalled = migration->data;

    fake_guest_start(migration->setup.guest, 1);
    fake_await_waiting(migration->outcome.destination, 1);
    /* Otherwise the push may have ended before a page is requested. */
    if (migration->script.cut.type == XLM_REC_POSTCOPY_FAULT) {
        sem_wait(&stalled->struck);
    }
}

/* Only now does the source learn of it. */
static void end_of_the_link(struct fake_migration *migration)
{
    struct stalled *stalled = migration->data;

    migration->setup.restore_params.link_timeout_ms = 0;
    if (!stalled->told) {
        fake_link_kill(migration->outcome.link, 0);
    }
    stalled->told = true;
}

/* The destination's guest waits for a page. */
static void destination_gives_up_the_link(void **state)
{
    const struct fake_cut cuts[] = {
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 100),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_RUNNING, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_FAULT, 1),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct fake_migration *migration = new_migration();
        struct stalled stalled = {.told = false};

        sem_init(&stalled.struck, 0, 0);
        migration->data = &stalled;
        migration->script.at_run = start_vcpus;
        migration->script.at_pause = end_of_the_link;
        migration->setup.restore_params.link_timeout_ms = MS;
        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.at_recovery = patient_from_now_on;
        migration->script.cut = cuts[i];
        migration->script.cut.at = note_strike;
        migration->script.cut.data = &stalled.struck;
        fake_migration_run(migration);
        fake_migration_check_recovered(migration);
        free_migration(migration);
        sem_destroy(&stalled.struck);
    }
}

/* ---- again, in a recovery ---- */

static void patient_after_three(struct fake_migration *migration)
{
    bool patient = migration->outcome.recovered > 2;

    migration->setup.params.silence_ms = patient ? PATIENT_MS : MS;
    migration->setup.params.link_timeout_ms = patient ? 0 : MS;
}

static void stalled_again_and_again(void **state)
{
    const struct fake_cut cuts[] = {
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 1),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_RECOVER, 30),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_STATE, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_LACKING, 40),
        STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 5000),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_CREDIT, 1),
        STALL(FAKE_FORTH, XLM_REC_END, 1),
        STALL(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, 1),
    };
    const size_t count = sizeof(cuts) / sizeof(cuts[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct fake_migration *migration = new_migration();

        migration->script.at_run = start_vcpus;
        migration->setup.params.link_timeout_ms = MS;
        migration->script.at_recovery = patient_after_three;
        migration->script.recoveries = FAKE_RECOVERIES;
        migration->script.cut =
            STALL(FAKE_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1);
        for (size_t turn = 0; turn < 2; turn++) {
            migration->script.recovery_cuts[turn] = cuts[(i + turn) % count];
        }
        fake_migration_run(migration);
        /* On a busy machine the first connection may be given up before its go
         * has arrived. */
        assert_true(migration->outcome.recovered > 1 ||
                    migration->outcome.found == XLM_GUEST_NEVER_RAN);
        fake_migration_check_recovered(migration);
        free_migration(migration);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_gives_up_before_the_stop),
        cmocka_unit_test(a_slow_build_is_waited_for),
        cmocka_unit_test(a_guest_that_suspends_slowly),
        cmocka_unit_test(a_long_answer_in_the_stop),
        cmocka_unit_test(signs_of_life_that_nobody_waited_for),
        cmocka_unit_test(source_gives_up_in_the_stop),
        cmocka_unit_test(source_gives_up_the_link),
        cmocka_unit_test(destination_gives_up_the_link),
        cmocka_unit_test(stalled_again_and_again),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
