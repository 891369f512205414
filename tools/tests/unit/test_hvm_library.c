/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Guests with a device model, as users of the library have them: from its
 * public functions down to fake hosts, each with a fake QEMU.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_move.h"
#include "fake_qemu.h"

#define PAGES 300
#define NAME "guest"
#define INCOMING "guest--incoming"
#define DISK "{\"device\": \"ide0-hd0\", \"inserted\": {\"ro\": false}}"

struct move {
    struct fake_move base;
    struct fake_qemu qemu[2];
    bool started; /* libxl has started the destination's device model */
    bool refuses; /* libxl must fail to start it */
    /* When libxl started it: had its command line the words that keep it from
     * announcing the guest, had the source's QEMU let go of its images, and
     * did the guest run at the source? */
    bool was_quiet;
    bool let_go;
    bool source_ran;
    char program[64]; /* stands in for QEMU, and prints a version */
};

static size_t count_words(char *const *words)
{
    size_t count = 0;

    while (words && words[count]) {
        count++;
    }
    return count;
}

/* libxl starts the destination's device model, with a state. */
static bool start(struct fake_migration *migration)
{
    struct move *move = migration->data;

    move->was_quiet = count_words(move->base.config.b_info.extra_hvm) == 2;
    move->let_go = move->qemu[0].let_go;
    move->source_ran = fake_domain_running(migration->setup.source);
    if (move->refuses) {
        return false;
    }
    move->qemu[1].incoming = true;
    move->qemu[1].running = true;
    fake_qemu_start(&move->qemu[1],
                    fake_domain_id(migration->outcome.destination));
    move->started = true;
    return true;
}

/* libxl stops the source's, and keeps its state in a file. */
static void suspend(struct fake_migration *migration)
{
    struct move *move = migration->data;
    char path[200];
    FILE *file;

    move->qemu[0].running = false;
    snprintf(path, sizeof(path), LM_SAVED_STATES "%u",
             fake_domain_id(migration->setup.source));
    file = fopen(path, "w");
    fputs("a state", file);
    fclose(file);
}

static void runs(struct fake_migration *migration)
{
    struct move *move = migration->data;

    atomic_store(&move->qemu[1].guest_runs, true);
}

static void make_hvm(libxl_domain_config *config)
{
    config->c_info.type = LIBXL_DOMAIN_TYPE_HVM;
}

/* Make a program that prints this version. */
static void make_program(struct move *move, const char *version)
{
    FILE *file;

    snprintf(move->program, sizeof(move->program), "/tmp/test-hvm-qemu.%d",
             getpid());
    file = fopen(move->program, "w");
    fprintf(file, "ELF QEMU emulator version %s\n", version);
    fclose(file);
    move->base.config.b_info.device_model = move->program;
}

static struct move *new_move(unsigned int major)
{
    struct move *move = calloc(1, sizeof(*move));
    struct fake_migration *migration = fake_migration_new(PAGES, 2);
    char version[16];
    int end;

    fake_move_init(&move->base, migration, NAME, INCOMING);
    migration->data = move;
    migration->setup.device_model = true;
    migration->script.at_start = start;
    migration->script.at_suspend = suspend;
    migration->script.at_run = runs;
    for (end = 0; end < 2; end++) {
        move->qemu[end] = (struct fake_qemu){.major = major, .running = true};
    }
    atomic_store(&move->qemu[0].guest_runs, true);
    fake_libxl_config(move->base.ctxs[0], make_hvm);
    make_hvm(&move->base.config);
    snprintf(version, sizeof(version), "%u.2.0", major);
    make_program(move, version);
    fake_qemu_start(&move->qemu[0], fake_domain_id(migration->setup.source));
    return move;
}

static void run(struct move *move)
{
    fake_move_run(&move->base);
    fake_qemu_end(&move->qemu[0]);
    if (move->started) {
        fake_qemu_end(&move->qemu[1]);
    }
}

static void free_move(struct move *move)
{
    fake_guest_stop(move->base.migration->setup.guest);
    free(move->base.config.b_info.extra_hvm);
    fake_move_dispose(&move->base);
    unlink(move->program);
    free(move);
}

static void check_moved(struct move *move, libxl_live_migrate_build build,
                        const char *why)
{
    fake_move_check_build(&move->base, build, why);
    assert_false(move->qemu[0].dead);
    assert_false(move->qemu[1].dead);
    assert_true(fake_libxl_has(move->base.ctxs[1], NAME));
    /* The network is told where the guest runs, when it runs there. */
    assert_true(move->was_quiet);
    assert_int_equal(count_words(move->base.config.b_info.extra_hvm), 0);
    assert_int_equal(move->qemu[0].announced, 0);
    assert_int_equal(move->qemu[1].announced, 1);
    assert_int_equal(move->qemu[1].announced_early, 0);
}

/* ---- */

static void early(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_EARLY, "");
    assert_true(move->source_ran);
    assert_int_equal(move->qemu[1].loads, 1);
    free_move(move);
}

/* A QEMU that cannot load a state twice is started once. */
static void late_for_its_version(void **state)
{
    struct move *move = new_move(7);

    (void)state;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "QEMU 7.2");
    assert_false(move->source_ran);
    assert_true(move->let_go);
    assert_int_equal(move->qemu[1].loads, 0);
    free_move(move);
}

static void late_for_its_disks(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->qemu[0].disks = DISK;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "disk in use");
    assert_true(move->let_go);
    free_move(move);
}

static void late_as_asked_for(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_LATE, "as asked for");
    free_move(move);
}

static void check_stayed(struct move *move, const char *why)
{
    assert_int_not_equal(move->base.rcs[0], 0);
    if (!strstr(move->base.results[0].reason, why)) {
        fail_msg("%s", move->base.results[0].reason);
    }
    assert_false(move->base.migration->outcome.transitioned);
    assert_true(fake_domain_running(move->base.migration->setup.source));
    assert_true(fake_libxl_has(move->base.ctxs[0], NAME));
    assert_int_equal(fake_libxl_domains(move->base.ctxs[1]), 0);
    assert_false(move->qemu[0].dead);
    assert_int_equal(count_words(move->base.config.b_info.extra_hvm), 0);
}

/* The QEMU's version shows when it has started: the guest still runs at the
 * source. */
static void another_than_was_found(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->qemu[1].major = 7;
    run(move);
    check_stayed(move, "cannot load a state twice: use --late-build");
    assert_false(move->qemu[1].dead);
    assert_int_equal(move->qemu[0].announced, 0);
    free_move(move);
}

/* Nothing has begun when the library finds that out. */
static void blocked(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->qemu[0].blocked = "0000:00:04.0/nvme";
    run(move);
    check_stayed(move, "0000:00:04.0/nvme");
    assert_int_equal(move->base.rcs[0], ERROR_NI);
    assert_int_equal(move->qemu[0].saves, 0);
    free_move(move);
}

/* The migration fails in the stop: the guest goes on at the source, and the
 * network is told so. */
static void does_not_start(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    move->refuses = true;
    run(move);
    check_stayed(move, "could not build");
    assert_int_equal(move->qemu[0].announced, 1);
    free_move(move);
}

/* The reason names an older Xen as the possible cause, and never a newer one.
 */
static void is_not_built_by_another_release(void **state)
{
    const uint32_t minors[] = {FAKE_XEN_MINOR + 6, FAKE_XEN_MINOR};
    int newer, late;

    (void)state;
    for (newer = 0; newer < 2; newer++) {
        for (late = 0; late < 2; late++) {
            struct move *move = new_move(5);
            const char *reason = move->base.results[0].reason;

            fake_host_release(move->base.migration->setup.hosts[newer],
                              minors[0], FAKE_XEN_INTERFACE);
            move->base.params.build = late ? LIBXL_LIVE_MIGRATE_BUILD_LATE
                                           : LIBXL_LIVE_MIGRATE_BUILD_EARLY;
            move->refuses = true;
            run(move);
            check_stayed(move, "could not build");
            assert_int_equal(
                strstr(reason,
                       "comes from Xen 4.20, and this host has 4.14") != NULL,
                !newer);
            free_move(move);
        }
    }
}

/* The device model does not run, for example because its guest sleeps. */
static void source_does_not_run(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->qemu[0].running = false;
    run(move);
    check_moved(move, LIBXL_LIVE_MIGRATE_BUILD_EARLY, "");
    assert_false(move->qemu[0].let_go);
    free_move(move);
}

/* A guest that is taken back sleeps on until it wakes by itself, and then
 * writes. */
static void asleep_and_taken_back(void **state)
{
    struct move *move = new_move(5);

    (void)state;
    move->base.params.build = LIBXL_LIVE_MIGRATE_BUILD_LATE;
    move->qemu[0].running = false;
    move->qemu[0].sleeps = true;
    move->refuses = true;
    run(move);
    check_stayed(move, "could not build");
    assert_false(move->qemu[0].let_go);
    free_move(move);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early),
        cmocka_unit_test(late_for_its_version),
        cmocka_unit_test(late_for_its_disks),
        cmocka_unit_test(late_as_asked_for),
        cmocka_unit_test(another_than_was_found),
        cmocka_unit_test(blocked),
        cmocka_unit_test(does_not_start),
        cmocka_unit_test(is_not_built_by_another_release),
        cmocka_unit_test(source_does_not_run),
        cmocka_unit_test(asleep_and_taken_back),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
