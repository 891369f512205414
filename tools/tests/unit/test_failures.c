/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The promise, under every failure that a test can cause: never two running
 * copies, and never a page lost while both hosts live.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "fake_mixed.h"
#include "wire/wire.h"

#define MAX_RECORDS 1000

static struct fake_migration *new_migration(enum way_to_move way)
{
    static const struct fake_mixture mixture = {
        .pages = 64,
        .step = 9,
        .given_back = 50,
        /* The guest writes the second page at the last moment, too late for it
         * to be hot. */
        .busy = {7, 48},
    };

    return fake_mixed_new(&mixture, way);
}

/* Run the migration, and check the promise whatever the outcome. */
static void run_and_check(struct fake_migration *migration)
{
    fake_migration_run(migration);
    fake_migration_check_promise(migration);
    if (migration->outcome.save_rc == 0) {
        assert_true(migration->outcome.resumed);
        assert_int_equal(fake_domain_paged(migration->outcome.destination), 0);
        assert_int_equal(fake_guest_compare(migration->setup.guest,
                                            migration->outcome.destination),
                         0);
    }
}

static void undisturbed(void **state)
{
    enum way_to_move way;

    (void)state;
    for (way = 0; way < NR_WAYS; way++) {
        struct fake_migration *migration = new_migration(way);

        fake_migration_run(migration);
        fake_migration_check_success(migration);
        fake_migration_free(migration);
    }
}

/* ---- calls that fail ---- */

static unsigned int calls_of(enum way_to_move way, unsigned int host,
                             enum fake_op op)
{
    static unsigned int calls[NR_WAYS][2][FAKE_OP_COUNT];
    static bool known[NR_WAYS];
    unsigned int h, o;

    if (!known[way]) {
        struct fake_migration *migration = new_migration(way);

        fake_migration_run(migration);
        fake_migration_check_success(migration);
        for (h = 0; h < 2; h++) {
            for (o = 0; o < FAKE_OP_COUNT; o++) {
                calls[way][h][o] = fake_calls(migration->setup.hosts[h], o);
            }
        }
        fake_migration_free(migration);
        known[way] = true;
    }
    return calls[way][host][op];
}

static void one_call_fails(enum way_to_move way, unsigned int host,
                           enum fake_op op, unsigned int nth)
{
    struct fake_migration *migration = new_migration(way);

    fake_fail(migration->setup.hosts[host], op, nth, EIO);
    run_and_check(migration);
    if (migration->outcome.save_rc &&
        !fake_failed(migration->setup.hosts[host])) {
        fail_msg("%s: failed without reason: %s; %s", fake_op_names[op],
                 migration->outcome.contexts[0].reason,
                 migration->outcome.contexts[1].reason);
    }
    fake_migration_free(migration);
}

/* The first calls, and the last: the calls between are like one of these. */
static void calls_fail(enum way_to_move way, unsigned int host)
{
    unsigned int op, nth;

    for (op = 0; op < FAKE_OP_COUNT; op++) {
        unsigned int calls = calls_of(way, host, op);

        for (nth = 1; nth <= calls; nth++) {
            if (nth <= 4 || nth == calls / 2 || nth + 1 >= calls) {
                one_call_fails(way, host, op, nth);
            }
        }
    }
}

static void calls_fail_at_the_source(void **state)
{
    (void)state;
    calls_fail(PURE, 0);
    calls_fail(HYBRID, 0);
    calls_fail(STOP_AND_COPY, 0);
}

static void calls_fail_at_the_destination(void **state)
{
    (void)state;
    calls_fail(PURE, 1);
    calls_fail(HYBRID, 1);
    calls_fail(STOP_AND_COPY, 1);
}

/* A page that exists and cannot be mapped must not count as a hole. */
static void page_that_cannot_be_mapped(void **state)
{
    enum way_to_move way;

    (void)state;
    for (way = 0; way < NR_WAYS; way++) {
        struct fake_migration *migration = new_migration(way);

        fake_page_map_error(migration->setup.source, 22, ENOMEM);
        run_and_check(migration);
        fake_migration_free(migration);
    }
}

static void spoil_page(struct fake_migration *migration)
{
    fake_mixed_at_build(migration);
    fake_page_map_error(migration->outcome.destination, 22, ENOMEM);
}

static void page_that_cannot_be_mapped_there(void **state)
{
    enum way_to_move way;

    (void)state;
    for (way = HYBRID; way < NR_WAYS; way++) {
        struct fake_migration *migration = new_migration(way);

        migration->script.at_build = spoil_page;
        run_and_check(migration);
        assert_int_equal(migration->outcome.restore_rc, -1);
        assert_false(migration->outcome.transitioned);
        fake_migration_free(migration);
    }
}

/* A guest that has shut down is not moved. */
static void guest_is_gone(void **state)
{
    struct fake_migration *migration = new_migration(PURE);

    (void)state;
    fake_guest_move(migration->setup.guest, NULL);
    fake_domain_suspend(migration->setup.source);
    migration->outcome.suspended = true;
    migration->script.at_policy = NULL;
    run_and_check(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_non_null(
        strstr(migration->outcome.contexts[0].reason, "shut down"));
    fake_migration_free(migration);
}

/* ---- the toolstacks' parts that fail ---- */

static void toolstack_fails(void **state)
{
    enum way_to_move way;
    enum fake_part part;

    (void)state;
    for (way = 0; way < NR_WAYS; way++) {
        for (part = FAKE_PART_NONE + 1; part < FAKE_PART_COUNT; part++) {
            struct fake_migration *migration = new_migration(way);

            migration->script.failing = part;
            run_and_check(migration);
            /* A guest that could not be unpaused at the destination has moved
             * all the same. */
            assert_int_equal(migration->outcome.transitioned,
                             part == FAKE_PART_RUN);
            if (part != FAKE_PART_RUN && (!migration->outcome.save_rc ||
                                          !migration->outcome.restore_rc)) {
                fail_msg("part %u of way %u failed, they did not", part, way);
            }
            fake_migration_free(migration);
        }
    }
}

/* ---- the link is cut ---- */

static void cut(enum way_to_move way, enum fake_way cut_way, size_t after)
{
    struct fake_migration *migration = new_migration(way);

    migration->script.cut.way = cut_way;
    migration->script.cut.octets = after;
    run_and_check(migration);
    fake_migration_free(migration);
}

static size_t record_offsets(enum way_to_move way, enum fake_way cut_way,
                             size_t *offsets)
{
    struct fake_migration *migration = new_migration(way);
    size_t count;

    fake_migration_run(migration);
    fake_migration_check_success(migration);
    count = fake_migration_records(migration, cut_way, offsets, MAX_RECORDS);
    fake_migration_free(migration);
    return count;
}

/* Around the start of each record, in its header, and in its middle. */
static void cut_at_records(enum way_to_move way, enum fake_way cut_way)
{
    size_t offsets[MAX_RECORDS];
    size_t count = record_offsets(way, cut_way, offsets), i;

    for (i = 0; i < count; i++) {
        cut(way, cut_way, offsets[i]);
        if (offsets[i]) {
            cut(way, cut_way, offsets[i] - 1);
        }
        cut(way, cut_way, offsets[i] + 1);
        if (i + 1 < count) {
            cut(way, cut_way, (offsets[i] + offsets[i + 1]) / 2);
        }
    }
}

static void cut_on_the_way_forth(void **state)
{
    (void)state;
    cut(PURE, FAKE_FORTH, 0);
    cut(PURE, FAKE_FORTH, 7);
    cut_at_records(PURE, FAKE_FORTH);
    cut_at_records(STOP_AND_COPY, FAKE_FORTH);
}

static void cut_on_the_way_back(void **state)
{
    (void)state;
    cut_at_records(PURE, FAKE_BACK);
    cut_at_records(STOP_AND_COPY, FAKE_BACK);
}

/* Offsets that have nothing to do with records. */
static void cut_anywhere(void **state)
{
    size_t offsets[MAX_RECORDS];
    size_t count = record_offsets(HYBRID, FAKE_FORTH, offsets);
    size_t end = offsets[count - 1], after;

    (void)state;
    for (after = 1; after < end; after += end / 61 + 1) {
        cut(HYBRID, FAKE_FORTH, after);
    }
}

/* ---- around the go ---- */

/* Cut `octets` after the start of a record. */
static struct fake_migration *cut_in_record(enum fake_way way, uint32_t type,
                                            uint64_t octets)
{
    struct fake_migration *migration = new_migration(PURE);

    migration->script.cut = (struct fake_cut){
        .way = way, .octets = octets, .at_record = true, .type = type};
    run_and_check(migration);
    return migration;
}

/* Less than a whole go arrives: no host runs the guest, and the source, which
 * cannot know that, does not resume it. */
static void go_is_lost(void **state)
{
    uint64_t octets;

    (void)state;
    for (octets = 0; octets < 8; octets++) {
        struct fake_migration *migration =
            cut_in_record(FAKE_FORTH, XLM_REC_POSTCOPY_GO, octets);

        assert_true(migration->outcome.transitioned);
        assert_false(migration->outcome.resumed);
        assert_false(migration->outcome.ran);
        fake_migration_free(migration);
    }
}

static void go_arrives_and_the_link_dies(void **state)
{
    struct fake_migration *migration =
        cut_in_record(FAKE_FORTH, XLM_REC_POSTCOPY_GO, 8);

    (void)state;
    assert_true(migration->outcome.transitioned);
    assert_true(migration->outcome.resumed);
    assert_true(migration->outcome.ran);
    assert_true(fake_domain_paged(migration->outcome.destination) > 0);
    fake_migration_free(migration);
}

/* READY is the last record before the go: without it the guest stays. */
static void ready_is_lost(void **state)
{
    uint64_t octets;

    (void)state;
    for (octets = 0; octets <= 16; octets++) {
        struct fake_migration *migration =
            cut_in_record(FAKE_BACK, XLM_REC_POSTCOPY_READY, octets);

        assert_int_equal(migration->outcome.transitioned, octets == 16);
        assert_false(migration->outcome.resumed);
        fake_migration_free(migration);
    }
}

/* The destination has everything, and the source does not learn of that. */
static void complete_is_lost(void **state)
{
    uint64_t octets;

    (void)state;
    for (octets = 0; octets < 8; octets++) {
        struct fake_migration *migration =
            cut_in_record(FAKE_BACK, XLM_REC_POSTCOPY_COMPLETE, octets);

        assert_int_equal(migration->outcome.save_rc, -1);
        assert_true(migration->outcome.transitioned);
        assert_true(migration->outcome.resumed);
        assert_int_equal(migration->outcome.restore_rc, 0);
        fake_migration_free(migration);
    }
}

/* ---- refusals in words ---- */

static void refused_for(struct fake_migration *migration, const char *word)
{
    run_and_check(migration);
    assert_int_equal(migration->outcome.save_rc, -1);
    assert_false(migration->outcome.suspended);
    assert_non_null(strstr(migration->outcome.contexts[0].reason, word));
    assert_non_null(strstr(migration->outcome.contexts[1].reason, word));
    fake_migration_free(migration);
}

static void no_paging_there(void **state)
{
    fake_only_paging("test_access.c has the refusals");

    struct fake_migration *migration = new_migration(PURE);

    (void)state;
    fake_host_no_paging(migration->setup.hosts[1]);
    refused_for(migration, "`make hypervisor`");
}

/* The destination's hypervisor would crash if a ninth vCPU waited, or an
 * eighth beside a page that dom0 maps. */
static void shadow_stacks_there(void **state)
{
    struct fake_migration *migration = fake_migration_new(300, 8);

    (void)state;
    fake_host_shadow_stacks(migration->setup.hosts[1]);
    refused_for(migration, "cet=no-shstk");
    migration = fake_migration_new(300, 7);
    migration->script.vcpu_seed = 1;
    fake_host_shadow_stacks(migration->setup.hosts[1]);
    fake_migration_run(migration);
    fake_migration_check_success(migration);
    fake_migration_free(migration);
}

static void no_hap_there(void **state)
{
    struct fake_migration *migration = new_migration(PURE);

    (void)state;
    migration->setup.no_hap = true;
    refused_for(migration, "hap=0");
}

static void no_memory_there(void **state)
{
    struct fake_migration *migration = new_migration(PURE);

    (void)state;
    fake_fail(migration->setup.hosts[1], FAKE_OP_claim, 1, ENOMEM);
    refused_for(migration, "no memory");
}

static void no_toolstack_there(void **state)
{
    struct fake_migration *migration = new_migration(PURE);

    (void)state;
    migration->script.failing = FAKE_PART_AWAIT_BUILD;
    refused_for(migration, "build");
}

/* ---- aborting ---- */

static int abort_pipe[2];

static void say_abort(struct fake_migration *migration)
{
    (void)migration;
    assert_int_equal(write(abort_pipe[1], "", 1), 1);
}

static void abort_in(enum way_to_move way, unsigned int end,
                     void (*prepare)(struct fake_migration *migration),
                     bool comes_too_late)
{
    struct fake_migration *migration = new_migration(way);

    assert_int_equal(pipe(abort_pipe), 0);
    migration->outcome.contexts[end].abort_fd = abort_pipe[0];
    prepare(migration);
    run_and_check(migration);
    if (comes_too_late) {
        assert_int_equal(migration->outcome.save_rc, 0);
    } else {
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_false(migration->outcome.transitioned);
    }
    fake_migration_free(migration);
    close(abort_pipe[0]);
    close(abort_pipe[1]);
}

static void abort_at_policy(struct fake_migration *migration)
{
    migration->script.at_policy = say_abort;
}

static void abort_at_suspend(struct fake_migration *migration)
{
    migration->script.at_suspend = say_abort;
}

static void abort_and_start(struct fake_migration *migration)
{
    say_abort(migration);
    fake_mixed_at_run(migration);
}

static void abort_at_run(struct fake_migration *migration)
{
    migration->script.at_run = abort_and_start;
}

static void aborted(void **state)
{
    unsigned int end;

    (void)state;
    abort_in(HYBRID, 0, abort_at_policy, false);
    abort_in(PURE, 0, abort_at_suspend, false);
    for (end = 0; end < 2; end++) {
        abort_in(PURE, end, abort_at_run, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undisturbed),
        cmocka_unit_test(calls_fail_at_the_source),
        cmocka_unit_test(calls_fail_at_the_destination),
        cmocka_unit_test(page_that_cannot_be_mapped),
        cmocka_unit_test(page_that_cannot_be_mapped_there),
        cmocka_unit_test(guest_is_gone),
        cmocka_unit_test(toolstack_fails),
        cmocka_unit_test(cut_on_the_way_forth),
        cmocka_unit_test(cut_on_the_way_back),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(go_is_lost),
        cmocka_unit_test(go_arrives_and_the_link_dies),
        cmocka_unit_test(ready_is_lost),
        cmocka_unit_test(complete_is_lost),
        cmocka_unit_test(no_paging_there),
        cmocka_unit_test(shadow_stacks_there),
        cmocka_unit_test(no_hap_there),
        cmocka_unit_test(no_memory_there),
        cmocka_unit_test(no_toolstack_there),
        cmocka_unit_test(aborted),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
