/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Every fault at every point: the promise holds in each cell, never two
 * running copies, never a page lost while both hosts live.
 *
 * A point is a moment of one part of a migration: before, in the middle of and
 * after a record on the wire, before and after a part of a toolstack.  A cell
 * that fails prints its name; FAULT_CELL=NAME in the environment runs it
 * alone, FAULT_CELL=list runs all and prints what both ends said in each.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_mixed.h"
#include "wire/record.h"
#include "wire/wire.h"

/* ---- the coordinates ---- */

static const char *const way_names[NR_WAYS] = {
    "pure",
    "hybrid",
    "stop-and-copy",
};

enum place { ON_THE_WAY_FORTH, ON_THE_WAY_BACK, IN_A_TOOLSTACK };

/* Every record that is sent, by its direction, and the second of each type
 * that is sent more than once.  And every part of the toolstacks. */
static const struct point {
    enum place place;
    uint32_t what; /* record type, or part */
    unsigned int nth;
} points[] = {
    {ON_THE_WAY_FORTH, XLM_REC_CPUID_POLICY, 1},
    {ON_THE_WAY_FORTH, XLM_REC_MSR_POLICY, 1},
    {ON_THE_WAY_FORTH, XLM_REC_STATIC_DATA_END, 1},
    {ON_THE_WAY_FORTH, XLM_REC_TSC_INFO, 1},
    {ON_THE_WAY_FORTH, XLM_REC_TSC_INFO, 2},
    {ON_THE_WAY_FORTH, XLM_REC_HVM_PARAMS, 1},
    {ON_THE_WAY_FORTH, XLM_REC_HVM_PARAMS, 2},
    {ON_THE_WAY_FORTH, XLM_REC_HVM_CONTEXT, 1},
    {ON_THE_WAY_FORTH, XLM_REC_HVM_CONTEXT, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_DEVICES, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PREPARE, 1},
    {ON_THE_WAY_FORTH, XLM_REC_PAGE_DATA, 1},
    {ON_THE_WAY_FORTH, XLM_REC_PAGE_DATA, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_ZERO_PAGES, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_ZERO_PAGES, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_BEGIN, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS_BEGIN, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS_BEGIN, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS_END, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PFNS_END, 2},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_TRANSITION, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_GO, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 1},
    {ON_THE_WAY_FORTH, XLM_REC_POSTCOPY_PAGE_DATA, 2},
    {ON_THE_WAY_FORTH, XLM_REC_END, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_PREPARED, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_EVICTED, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_EVICTED, 2},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_READY, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_RUNNING, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_FAULT, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_CREDIT, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_CREDIT, 2},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_STATS, 1},
    {ON_THE_WAY_BACK, XLM_REC_POSTCOPY_COMPLETE, 1},
    {IN_A_TOOLSTACK, FAKE_PART_POLICY, 1},
    {IN_A_TOOLSTACK, FAKE_PART_QEMU_LOGDIRTY, 1},
    {IN_A_TOOLSTACK, FAKE_PART_QEMU_LOGDIRTY, 2},
    {IN_A_TOOLSTACK, FAKE_PART_EARLY_DEVICES, 1},
    {IN_A_TOOLSTACK, FAKE_PART_SUSPEND, 1},
    {IN_A_TOOLSTACK, FAKE_PART_WRITE_DEVICE_STATE, 1},
    {IN_A_TOOLSTACK, FAKE_PART_RECHECK, 1},
    {IN_A_TOOLSTACK, FAKE_PART_PUT_AWAY, 1},
    {IN_A_TOOLSTACK, FAKE_PART_FEED, 1},
    {IN_A_TOOLSTACK, FAKE_PART_AWAIT_DOMAIN, 1},
    {IN_A_TOOLSTACK, FAKE_PART_AWAIT_BUILD, 1},
    {IN_A_TOOLSTACK, FAKE_PART_READ_DEVICE_STATE, 1},
    {IN_A_TOOLSTACK, FAKE_PART_RUN, 1},
};
#define NR_POINTS (sizeof(points) / sizeof(points[0]))

enum moment { BEFORE, INSIDE, AFTER, NR_MOMENTS };
static const char *const moment_names[NR_MOMENTS] = {
    "before",
    "inside",
    "after",
};

enum fault {
    LINK_CUT,
    LINK_STALLED,
    SENDER_DIES,
    RECEIVER_DIES,
    HOST_OUT_OF_MEMORY,    /* the receiver's hypervisor has none left */
    PROCESS_OUT_OF_MEMORY, /* nor has the receiver itself */
    /* Only at points of a toolstack: */
    DISK_FULL,
    DEVICE_MODEL_REFUSES,
    NR_FAULTS,
};
static const char *const fault_names[NR_FAULTS] = {
    "link-cut",          "link-stalled",         "sender-dies",
    "receiver-dies",     "host-out-of-memory",   "process-out-of-memory",
    "device-state-full", "device-model-refuses",
};

struct cell {
    enum way_to_move way;
    const struct point *point;
    enum moment moment;
    enum fault fault;
    struct fake_migration *migration;
    bool reached;
    unsigned int times; /* that a part of a toolstack has been called */
    /* Between the thread that meets the point and the referee: */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool struck;
    bool over;
};

/* The cell that runs, for a user who ends this program: a name as in
 * FAULT_CELL. */
static char cell_name[200];
static unsigned int cells, not_reached, failed_there;

static const char *point_name(const struct point *point)
{
    return point->place == IN_A_TOOLSTACK ? fake_part_name(point->what)
                                          : xlm_record_name(point->what);
}

static void name_cell(const struct cell *cell)
{
    snprintf(cell_name, sizeof(cell_name), "%s/%s-%u/%s/%s",
             way_names[cell->way], point_name(cell->point), cell->point->nth,
             moment_names[cell->moment], fault_names[cell->fault]);
}

static struct fake_migration *new_migration(enum way_to_move way)
{
    static const struct fake_mixture mixture = {
        .pages = 24,
        .step = 5,
        .hot = 12, /* that page is evicted by then */
        .given_back = 20,
        .busy = {7, 16},
    };
    struct fake_migration *migration = fake_mixed_new(&mixture, way);

    migration->setup.device_model = true;
    return migration;
}

/* ---- the faults ---- */

static void tell_referee(struct cell *cell)
{
    pthread_mutex_lock(&cell->lock);
    cell->struck = true;
    pthread_cond_broadcast(&cell->changed);
    pthread_mutex_unlock(&cell->lock);
}

/* The point is reached; at a record the link has done its part. */
static void strike(void *data)
{
    struct cell *cell = data;
    struct fake_migration *migration = cell->migration;

    tell_referee(cell);
    switch (cell->fault) {
    case SENDER_DIES:
        fake_migration_kill(migration, 0);
        break;
    case RECEIVER_DIES:
        fake_migration_kill(migration, 1);
        break;
    case HOST_OUT_OF_MEMORY:
        /* For good, except that the guest's vCPUs wait for pages. */
        fake_host_out_of_memory(migration->setup.hosts[1], 2);
        break;
    case PROCESS_OUT_OF_MEMORY:
        atomic_store(&migration->setup.memory.exhausted, true);
        break;
    default:
        break;
    }
}

static void strike_in_part(struct fake_migration *migration,
                           enum fake_part part, bool after)
{
    struct cell *cell = migration->data;

    if (part != cell->point->what || after != (cell->moment == AFTER) ||
        ++cell->times != cell->point->nth) {
        return;
    }
    if (cell->fault == LINK_CUT) {
        fake_link_cut(migration->outcome.link);
    } else if (cell->fault == LINK_STALLED) {
        fake_link_stall(migration->outcome.link);
    }
    strike(cell);
}

static void arm_record(struct cell *cell)
{
    static const uint64_t octets[NR_MOMENTS] = {0, FAKE_HALF, FAKE_WHOLE};
    struct fake_cut *cut = &cell->migration->script.cut;

    *cut = (struct fake_cut){
        .way = cell->point->place == ON_THE_WAY_FORTH ? FAKE_FORTH : FAKE_BACK,
        .at_record = true,
        .type = cell->point->what,
        .nth = cell->point->nth,
        .octets = octets[cell->moment],
        .at = strike,
        .data = cell,
    };
    if (cell->fault == LINK_STALLED) {
        cut->strike = FAKE_STRIKE_STALL;
    } else if (cell->fault == HOST_OUT_OF_MEMORY ||
               cell->fault == PROCESS_OUT_OF_MEMORY) {
        cut->strike = FAKE_STRIKE_NOTHING;
    }
}

static void arm(struct cell *cell)
{
    struct fake_migration *migration = cell->migration;

    if (cell->fault == DISK_FULL || cell->fault == DEVICE_MODEL_REFUSES) {
        migration->script.failing = cell->point->what;
        migration->script.failing_errno =
            cell->fault == DISK_FULL ? ENOSPC : EREMOTEIO;
        cell->struck = true;
    } else if (cell->point->place == IN_A_TOOLSTACK) {
        migration->data = cell;
        migration->script.at_part = strike_in_part;
    } else {
        arm_record(cell);
    }
}

/* Does the cell exist? */
static bool makes_sense(const struct cell *cell)
{
    enum fake_part part = cell->point->what;

    if (cell->fault < DISK_FULL) {
        return cell->moment != INSIDE || cell->point->place != IN_A_TOOLSTACK;
    }
    if (cell->point->place != IN_A_TOOLSTACK || cell->moment != BEFORE ||
        cell->point->nth > 1) {
        return false;
    }
    if (cell->fault == DISK_FULL) {
        /* libxl writes it and the library reads it; at the other end it is in
         * memory. */
        return part == FAKE_PART_EARLY_DEVICES || part == FAKE_PART_SUSPEND ||
               part == FAKE_PART_WRITE_DEVICE_STATE ||
               part == FAKE_PART_READ_DEVICE_STATE;
    }
    return part == FAKE_PART_QEMU_LOGDIRTY ||
           part == FAKE_PART_EARLY_DEVICES || part == FAKE_PART_AWAIT_BUILD ||
           part == FAKE_PART_READ_DEVICE_STATE;
}

/*
 * A thread watches the ends.  On a stalled link they wait until this thread
 * tells them to give up, or, after the go, until the connection ends.
 */
static void *look_after(void *data)
{
    struct cell *cell = data;
    struct fake_migration *migration = cell->migration;
    bool struck;
    int end;

    pthread_mutex_lock(&cell->lock);
    while (!cell->struck && !cell->over) {
        pthread_cond_wait(&cell->changed, &cell->lock);
    }
    struck = cell->struck && cell->fault == LINK_STALLED;
    pthread_mutex_unlock(&cell->lock);
    if (!struck) {
        return NULL;
    }
    for (end = 0; end < 2; end++) {
        eventfd_write(migration->outcome.contexts[end].abort_fd, 1);
    }
    if (fake_migration_await_go(migration)) {
        fake_link_cut(migration->outcome.link);
    }
    return NULL;
}

static void run(struct cell *cell)
{
    struct fake_migration *migration = cell->migration;
    pthread_t referee;
    size_t length;
    int end;

    for (end = 0; end < 2; end++) {
        migration->outcome.contexts[end].abort_fd = eventfd(0, EFD_CLOEXEC);
    }
    assert_int_equal(pthread_create(&referee, NULL, look_after, cell), 0);
    fake_migration_run(migration);
    pthread_mutex_lock(&cell->lock);
    cell->over = true;
    pthread_cond_broadcast(&cell->changed);
    pthread_mutex_unlock(&cell->lock);
    pthread_join(referee, NULL);
    (void)fake_link_heard(migration->outcome.link, FAKE_FORTH, &length);
    cell->reached = cell->struck; /* the link has come to its end */
    for (end = 0; end < 2; end++) {
        close(migration->outcome.contexts[end].abort_fd);
    }
}

/* ---- what must hold ---- */

/* The reason must tell a person what to do, or what is wrong. */
static void check_reason(const char *reason)
{
    static const char *const advice[] = {
        "see its",   "see the",        "is the link cut",
        "free some", "choose another", "are both hosts",
        "try",       "is its kernel",  "aborted",
        "no memory",
    };
    size_t i;

    for (i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
        if (strstr(reason, advice[i])) {
            return;
        }
    }
    fail_msg("'%s' does not say what to do", reason);
}

static void check_reasons(const struct fake_migration *migration)
{
    if (!migration->outcome.dead[0] && migration->outcome.save_rc) {
        check_reason(migration->outcome.contexts[0].reason);
    }
    if (!migration->outcome.dead[1] && migration->outcome.restore_rc) {
        check_reason(migration->outcome.contexts[1].reason);
    }
}

/* While both ends live and can talk to each other the guest runs. */
static void check_runs_somewhere(const struct cell *cell)
{
    struct fake_migration *migration = cell->migration;

    if (cell->fault >= HOST_OUT_OF_MEMORY && migration->outcome.transitioned) {
        assert_true(migration->outcome.ran);
    }
    /* The receiver waits for the guest's memory, however long that takes. */
    if (cell->fault == HOST_OUT_OF_MEMORY && migration->outcome.ran) {
        assert_int_equal(migration->outcome.save_rc, 0);
        assert_int_equal(migration->outcome.restore_rc, 0);
    }
    if (cell->fault >= DISK_FULL) {
        assert_int_equal(migration->outcome.save_rc, -1);
        assert_false(migration->outcome.transitioned);
    }
}

/* Two copies must never run; this checks it when all has ended. */
static void check_not_both(struct fake_migration *migration)
{
    assert_false(migration->outcome.destination &&
                 fake_domain_running(migration->setup.source) &&
                 fake_domain_running(migration->outcome.destination));
}

static void show(const struct cell *cell)
{
    const struct fake_migration *migration = cell->migration;

    printf("%s: %s\n  source: %s\n  destination: %s\n", cell_name,
           migration->outcome.ran ? "the destination's" : "the source's",
           migration->outcome.dead[0] ? "(dead)"
                                      : migration->outcome.contexts[0].reason,
           migration->outcome.dead[1] ? "(dead)"
                                      : migration->outcome.contexts[1].reason);
}

static void run_cell(struct cell *cell)
{
    struct fake_migration *migration = new_migration(cell->way);
    const char *wanted = getenv("FAULT_CELL");

    cell->migration = migration;
    pthread_mutex_init(&cell->lock, NULL);
    pthread_cond_init(&cell->changed, NULL);
    arm(cell);
    run(cell);
    if (wanted) {
        show(cell);
    }
    if (!cell->reached) {
        not_reached++;
        fake_migration_check_success(migration);
    } else {
        cells++;
        failed_there +=
            migration->outcome.save_rc || migration->outcome.restore_rc;
        check_not_both(migration);
        check_runs_somewhere(cell);
        check_reasons(migration);
        fake_migration_check_promise(migration);
    }
    fake_migration_free(migration);
    pthread_mutex_destroy(&cell->lock);
    pthread_cond_destroy(&cell->changed);
}

/* ---- the matrix ---- */

/* All points with postcopy after a round of precopy, which sends every record;
 * the other strategies with the points at which they differ. */
static bool is_wanted(const struct cell *cell)
{
    const char *wanted = getenv("FAULT_CELL");

    if (!makes_sense(cell) ||
        (cell->way != HYBRID && cell->moment == INSIDE)) {
        return false;
    }
    return !wanted || !strcmp(wanted, "list") || !strcmp(wanted, cell_name);
}

static void run_faults(enum way_to_move way, const struct point *point,
                       enum moment moment)
{
    enum fault fault;

    for (fault = 0; fault < NR_FAULTS; fault++) {
        struct cell cell = {
            .way = way, .point = point, .moment = moment, .fault = fault};

        name_cell(&cell);
        if (is_wanted(&cell)) {
            run_cell(&cell);
        }
    }
}

static void run_way(enum way_to_move way)
{
    enum moment moment;
    size_t i;

    cells = not_reached = failed_there = 0;
    for (i = 0; i < NR_POINTS; i++) {
        for (moment = 0; moment < NR_MOMENTS; moment++) {
            run_faults(way, &points[i], moment);
        }
    }
    cell_name[0] = '\0';
    printf("%s: %u cells, %u of them end in a failure; %u more are of points "
           "that are not reached\n",
           way_names[way], cells, failed_there, not_reached);
}

static void pure(void **state)
{
    (void)state;
    run_way(PURE);
}

static void hybrid(void **state)
{
    (void)state;
    run_way(HYBRID);
}

static void stop_and_copy(void **state)
{
    (void)state;
    run_way(STOP_AND_COPY);
}

static int say_cell(void **state)
{
    (void)state;
    if (cell_name[0]) {
        printf("FAULT_CELL=%s\n", cell_name);
    }
    return 0;
}

/* A cell that hangs. */
static void say_cell_and_end(int signal_number)
{
    (void)signal_number;
    (void)!write(STDOUT_FILENO, cell_name, strlen(cell_name));
    (void)!write(STDOUT_FILENO, " hangs\n", 7);
    _exit(EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(pure, say_cell),
        cmocka_unit_test_teardown(hybrid, say_cell),
        cmocka_unit_test_teardown(stop_and_copy, say_cell),
    };

    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, say_cell_and_end);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
