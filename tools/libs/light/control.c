/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration under way that other programs can see and steer.
 *
 * The thread sleeps until a second has passed, a phase begins, or a request
 * comes.  A request stays in xenstore until its answer is known: so requests
 * that wait for a later phase need no list, the thread just reads them again.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "completed.h"
#include "control_policy.h"
#include "control_store.h"
#include "memo.h"
#include "utf8.h"

#define PUBLISH_US 1000000u
/* How often a transaction that conflicts with another is tried. */
#define TRIES 10
#define WATCH_TOKEN "live-migrate"

/* What is shown, or was. */
struct view {
    libxl_live_migrate_phase phase;
    uint64_t elapsed_ms;
    uint64_t background_rate;
    libxl_live_migrate_stats stats;
    bool paused;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX]; /* of that */
    libxl_live_migrate_outside outside;
    libxl_live_migrate_build build;
    char late_reason[LIBXL_LIVE_MIGRATE_LATE_REASON_MAX];
    struct xlm_mark mark;
};

struct lm_control {
    struct lm_control_setup setup;
    char *name;
    struct xs_handle *xs;
    pthread_t thread;
    int wake_fd;
    uint64_t start_us;

    pthread_mutex_t lock; /* guards what follows */
    struct view view;
    struct lm_control_state state;
    libxl_live_migrate_state end;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    /* The thread's own: */
    struct view showing;
    struct view shown;
    bool anything_shown;
    uint64_t due_us;
    const char *asked; /* the request that is being answered ... */
    const char *answer;
};

/* ---- nodes ---- */

static bool write_node(struct lm_control *control, xs_transaction_t t,
                       const char *node, const char *value)
{
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, node);
    return xs_write(control->xs, t, path, value, strlen(value));
}

static bool write_number(struct lm_control *control, xs_transaction_t t,
                         const char *node, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return write_node(control, t, node, text);
}

static bool make_directory(struct lm_control *control, xs_transaction_t t,
                           const char *node)
{
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, node);
    return xs_mkdir(control->xs, t, path);
}

/* Run in a transaction, and again after a conflict.  False with errno. */
static bool transact(struct lm_control *control,
                     bool (*run)(struct lm_control *control,
                                 xs_transaction_t t))
{
    for (int i = 0; i < TRIES; i++) {
        xs_transaction_t t = xs_transaction_start(control->xs);

        if (t == XBT_NULL) {
            return false;
        }
        if (!run(control, t)) {
            int saved_errno = errno;

            xs_transaction_end(control->xs, t, true);
            errno = saved_errno;
            return false;
        }
        if (xs_transaction_end(control->xs, t, false)) {
            return true;
        }
        if (errno != EAGAIN) {
            return false;
        }
    }
    return false;
}

/* Numbers with blanks between them, up to the last that is not 0. */
static bool show_list(struct lm_control *control, xs_transaction_t t,
                      const char *node, const uint64_t *numbers, size_t count)
{
    char text[LM_STORE_LIST_MAX];
    size_t length = 0;

    while (count && !numbers[count - 1]) {
        count--;
    }
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        length += snprintf(text + length, sizeof(text) - length, "%s%" PRIu64,
                           i ? " " : "", numbers[i]);
    }
    return write_node(control, t, node, text);
}

static bool show_build(struct lm_control *control, xs_transaction_t t,
                       const struct view *view)
{
    return view->build == LIBXL_LIVE_MIGRATE_BUILD_ANY ||
           (write_node(control, t, "build",
                       libxl_live_migrate_build_to_string(view->build)) &&
            write_node(control, t, "late-reason", view->late_reason));
}

static bool show_mark(struct lm_control *control, xs_transaction_t t,
                      const struct view *view)
{
    const uint64_t numbers[LM_STORE_MARK] = {
        view->mark.tot_pages, view->mark.cpu_ns, view->mark.anchor};

    return !view->mark.is_set ||
           show_list(control, t, "mark", numbers, LM_STORE_MARK);
}

/* ---- begin ---- */

static bool node_exists(struct lm_control *control, xs_transaction_t t,
                        const char *path)
{
    unsigned int length;
    void *value = xs_read(control->xs, t, path, &length);
    bool exists = value;

    free(value);
    return exists;
}

/* Refuse a domain that libxl has not made, or that another process migrates;
 * remove the nodes of a dead process. */
static bool take_place(struct lm_control *control, xs_transaction_t t)
{
    char path[LM_STORE_PATH_MAX];
    char *state;
    bool busy;

    snprintf(path, sizeof(path), "/libxl/%" PRIu32, control->setup.domid);
    if (!node_exists(control, t, path)) {
        errno = ENOENT;
        return false;
    }
    state = lm_store_read(control->xs, t, control->setup.domid, "state");
    busy = state && lm_store_is_busy(control->xs, t, control->setup.domid);
    free(state);
    if (busy && lm_store_owner_lives(control->xs, t, control->setup.domid)) {
        errno = EBUSY;
        return false;
    }
    lm_store_path(path, control->setup.domid, NULL);
    return xs_rm(control->xs, t, path) || errno == ENOENT;
}

static bool write_id(struct lm_control *control, xs_transaction_t t)
{
    char text[LM_ID_TEXT];

    if (!control->setup.id) {
        return true;
    }
    lm_id_to_text(control->setup.id, text);
    return write_node(control, t, "id", text);
}

/* A recovery keeps some nodes of the same migration. */
static void take_over(struct lm_control *control, xs_transaction_t t)
{
    struct view *view = &control->view;
    char ours[LM_ID_TEXT], theirs[LM_ID_TEXT];
    int build;

    if (!control->setup.id) {
        return;
    }
    lm_id_to_text(control->setup.id, ours);
    lm_store_read_text(control->xs, t, control->setup.domid, "id", theirs,
                       sizeof(theirs));
    if (strcmp(ours, theirs)) {
        return;
    }
    build = lm_store_read_name(control->xs, t, control->setup.domid, "build",
                               lm_store_build);
    view->build = build < 0 ? LIBXL_LIVE_MIGRATE_BUILD_ANY : build;
    lm_store_read_text(control->xs, t, control->setup.domid, "late-reason",
                       view->late_reason, sizeof(view->late_reason));
    view->mark = lm_store_read_mark(control->xs, t, control->setup.domid);
}

static bool begin(struct lm_control *control, xs_transaction_t t)
{
    /* Only the toolstack's domain may read it; the nodes below inherit
     * that. */
    struct xs_permissions nobody = {.id = 0, .perms = XS_PERM_NONE};
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, NULL);
    take_over(control, t);
    return take_place(control, t) && make_directory(control, t, NULL) &&
           xs_set_permissions(control->xs, t, path, &nobody, 1) &&
           make_directory(control, t, "request") &&
           make_directory(control, t, "answer") &&
           write_node(control, t, "version", LM_STORE_VERSION) &&
           write_node(
               control, t, "role",
               libxl_live_migrate_role_to_string(control->setup.role)) &&
           write_node(control, t, "name", control->name) &&
           write_id(control, t) && write_number(control, t, "pid", getpid()) &&
           write_number(control, t, "start-time",
                        lm_process_start(getpid())) &&
           show_build(control, t, &control->view) &&
           show_mark(control, t, &control->view) &&
           write_node(control, t, "state",
                      libxl_live_migrate_state_to_string(
                          LIBXL_LIVE_MIGRATE_STATE_RUNNING));
}

/* ---- showing ---- */

/* When the domain goes, libxl removes these nodes with all of its own: they
 * must not come back. */
static bool is_ours(struct lm_control *control, xs_transaction_t t)
{
    char *pid = lm_store_read(control->xs, t, control->setup.domid, "pid");
    bool ours = pid && atoi(pid) == getpid();

    free(pid);
    if (!ours) {
        errno = ENOENT;
    }
    return ours;
}

static bool show_rate(struct lm_control *control, xs_transaction_t t,
                      uint64_t rate)
{
    return rate == XLM_RATE_UNLIMITED
               ? write_node(control, t, "background-rate", "unlimited")
               : write_number(control, t, "background-rate", rate);
}

static bool show_counters(struct lm_control *control, xs_transaction_t t,
                          struct view *view, bool all)
{
    for (size_t i = 0; i < lm_store_nr_counters; i++) {
        const struct lm_store_counter *counter = &lm_store_counters[i];
        uint64_t now = *lm_store_counter(&view->stats, counter);

        if ((all ||
             now != *lm_store_counter(&control->shown.stats, counter)) &&
            !write_number(control, t, counter->name, now)) {
            return false;
        }
    }
    return true;
}

static bool show_back_ends(struct lm_control *control, xs_transaction_t t,
                           struct view *view, bool all)
{
    for (size_t i = 0; i < lm_store_nr_outside; i++) {
        const struct lm_store_counter *counter = &lm_store_outside[i];
        uint64_t now = *lm_store_outside_counter(&view->outside, counter);

        if ((all || now != *lm_store_outside_counter(&control->shown.outside,
                                                     counter)) &&
            !write_number(control, t, counter->name, now)) {
            return false;
        }
    }
    return true;
}

/* Show that the migration is paused, and why; or that it goes on. */
static bool show_pause(struct lm_control *control, xs_transaction_t t,
                       const struct view *view)
{
    char path[LM_STORE_PATH_MAX];

    if (view->paused) {
        return write_node(control, t, "reason", view->reason) &&
               write_node(control, t, "state",
                          libxl_live_migrate_state_to_string(
                              LIBXL_LIVE_MIGRATE_STATE_PAUSED));
    }
    lm_store_path(path, control->setup.domid, "reason");
    return (xs_rm(control->xs, t, path) || errno == ENOENT) &&
           write_node(control, t, "state",
                      libxl_live_migrate_state_to_string(
                          LIBXL_LIVE_MIGRATE_STATE_RUNNING));
}

static bool show_waits(struct lm_control *control, xs_transaction_t t,
                       const libxl_live_migrate_waits *waits)
{
    return show_list(control, t, "fault-histogram", waits->histogram,
                     LIBXL_LIVE_MIGRATE_WAIT_BUCKETS) &&
           show_list(control, t, "vcpu-blocked-us", waits->blocked_us,
                     waits->nr_vcpus);
}

static struct view look(struct lm_control *control)
{
    struct view view;

    pthread_mutex_lock(&control->lock);
    view = control->view;
    pthread_mutex_unlock(&control->lock);
    view.elapsed_ms = (xlm_now_us() - control->start_us) / 1000;
    view.background_rate =
        control->setup.engine
            ? atomic_load(&control->setup.engine->background_rate)
            : XLM_RATE_UNLIMITED;
    return view;
}

static bool show(struct lm_control *control, xs_transaction_t t)
{
    const struct view *shown = &control->shown;
    struct view *view = &control->showing;
    bool all = !control->anything_shown;

    if (!is_ours(control, t) || !show_counters(control, t, view, all) ||
        !show_back_ends(control, t, view, all) ||
        !write_number(control, t, "elapsed-ms", view->elapsed_ms)) {
        return false;
    }
    if ((all || memcmp(&view->stats.waits, &shown->stats.waits,
                       sizeof(view->stats.waits))) &&
        !show_waits(control, t, &view->stats.waits)) {
        return false;
    }
    if ((all || view->build != shown->build) &&
        !show_build(control, t, view)) {
        return false;
    }
    if ((all || view->mark.is_set != shown->mark.is_set) &&
        !show_mark(control, t, view)) {
        return false;
    }
    if ((all || view->phase != shown->phase) &&
        !write_node(control, t, "phase",
                    libxl_live_migrate_phase_to_string(view->phase))) {
        return false;
    }
    if ((all || view->paused != shown->paused ||
         strcmp(view->reason, shown->reason)) &&
        !show_pause(control, t, view)) {
        return false;
    }
    return (!all && view->background_rate == shown->background_rate) ||
           show_rate(control, t, view->background_rate);
}

static void publish(struct lm_control *control)
{
    control->due_us = xlm_now_us() + PUBLISH_US;
    control->showing = look(control);
    /* After a failure it is not known which nodes exist: write all of them
     * next time. */
    control->anything_shown = transact(control, show);
    control->shown = control->showing;
}

/* ---- requests ---- */

/* A request that is read again has the same effect again, so none in sum. */
static void heed(struct lm_control *control, const struct lm_request *request)
{
    struct xlm_control *engine = control->setup.engine;

    switch (request->kind) {
    case LM_REQUEST_START_POSTCOPY:
        atomic_store(&engine->switch_now, true);
        pthread_mutex_lock(&control->lock);
        control->state.switching = true;
        pthread_mutex_unlock(&control->lock);
        break;
    case LM_REQUEST_ABORT:
        eventfd_write(control->setup.abort_event_fd, 1);
        break;
    case LM_REQUEST_SET_RATE:
        atomic_store(&engine->background_rate, request->rate);
        break;
    case LM_REQUEST_BAD:
        break;
    }
}

/* A program that has given up has removed its request, and takes no answer:
 * the answer would stay for ever. */
static bool put_answer(struct lm_control *control, xs_transaction_t t)
{
    char node[LM_STORE_PATH_MAX - 40], path[LM_STORE_PATH_MAX];
    char *text;

    snprintf(node, sizeof(node), "request/%s", control->asked);
    text = is_ours(control, t)
               ? lm_store_read(control->xs, t, control->setup.domid, node)
               : NULL;
    if (!text) {
        return false;
    }
    free(text);
    lm_store_path(path, control->setup.domid, node);
    snprintf(node, sizeof(node), "answer/%s", control->asked);
    return xs_rm(control->xs, t, path) &&
           write_node(control, t, node, control->answer);
}

static void take_request(struct lm_control *control, const char *id)
{
    char node[LM_STORE_PATH_MAX - 40];
    struct lm_control_state state;
    struct lm_request request;
    const char *answer;
    char *text;

    snprintf(node, sizeof(node), "request/%s", id);
    text = lm_store_read(control->xs, XBT_NULL, control->setup.domid, node);
    if (!text) {
        return;
    }
    request = lm_request_parse(text);
    free(text);

    pthread_mutex_lock(&control->lock);
    state = control->state;
    pthread_mutex_unlock(&control->lock);
    answer = lm_request_answer(&request, &state);
    if (!answer || (request.kind == LM_REQUEST_SET_RATE &&
                    !strcmp(answer, LM_ANSWER_OK))) {
        heed(control, &request);
    }
    if (answer) {
        control->asked = id;
        control->answer = answer;
        transact(control, put_answer);
    }
}

static void take_requests(struct lm_control *control)
{
    char path[LM_STORE_PATH_MAX];
    unsigned int count = 0;
    char **ids;

    lm_store_path(path, control->setup.domid, "request");
    ids = xs_directory(control->xs, XBT_NULL, path, &count);
    for (unsigned int i = 0; ids && i < count; i++) {
        /* Longer ids would not be found again. */
        if (strlen(ids[i]) <= 64) {
            take_request(control, ids[i]);
        }
    }
    free(ids);
}

/* ---- end ---- */

static bool show_end(struct lm_control *control, xs_transaction_t t)
{
    return is_ours(control, t) &&
           write_node(control, t, "state",
                      libxl_live_migrate_state_to_string(control->end)) &&
           (!control->reason[0] ||
            write_node(control, t, "reason", control->reason));
}

/* A guest that has come completely has nothing more to show. */
static bool remove_all(struct lm_control *control, xs_transaction_t t)
{
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, NULL);
    return is_ours(control, t) && xs_rm(control->xs, t, path);
}

/* The domain, and with it the nodes, may go at any time. */
static void keep(struct lm_control *control)
{
    const struct view view = look(control);
    libxl_live_migrate_status status = {
        .domid = control->setup.domid,
        .pid = getpid(),
        .role = control->setup.role,
        .state = control->end,
        .phase = view.phase,
        .elapsed_us = view.elapsed_ms * 1000,
        .background_rate = view.background_rate,
        .stats = view.stats,
        .outside = view.outside,
        .build = view.build,
        .ended_at = time(NULL),
    };

    if (control->end == LIBXL_LIVE_MIGRATE_STATE_PAUSED) {
        return;
    }
    snprintf(status.name, sizeof(status.name), "%s", control->name);
    snprintf(status.reason, sizeof(status.reason), "%s", control->reason);
    snprintf(status.late_reason, sizeof(status.late_reason), "%s",
             view.late_reason);
    if (lm_completed_put(&status)) {
        xtl_log(control->setup.logger, XTL_DETAIL, errno, "light",
                "the figures of the migration of domain %" PRIu32
                " are not kept",
                status.domid);
    }
}

static void finish(struct lm_control *control)
{
    bool whole_here =
        control->setup.role == LIBXL_LIVE_MIGRATE_ROLE_DESTINATION &&
        control->end == LIBXL_LIVE_MIGRATE_STATE_COMPLETE;

    keep(control);
    if (whole_here) {
        transact(control, remove_all);
        return;
    }
    publish(control);
    transact(control, show_end);
    /* No new request comes once the nodes say that the migration has ended. */
    take_requests(control);
}

/* ---- the thread ---- */

static void drain_watches(struct lm_control *control)
{
    char **event;

    while ((event = xs_check_watch(control->xs)) != NULL) {
        free(event);
    }
}

static bool has_ended(struct lm_control *control)
{
    bool ended;

    pthread_mutex_lock(&control->lock);
    ended = control->state.ended;
    pthread_mutex_unlock(&control->lock);
    return ended;
}

static int until_due_ms(const struct lm_control *control)
{
    uint64_t now_us = xlm_now_us();

    return control->due_us > now_us ? (control->due_us - now_us + 999) / 1000
                                    : 0;
}

static void *run(void *data)
{
    struct lm_control *control = data;
    struct pollfd pollers[2] = {
        {.fd = xs_fileno(control->xs), .events = POLLIN},
        {.fd = control->wake_fd, .events = POLLIN},
    };
    eventfd_t woken;

    while (!has_ended(control)) {
        poll(pollers, 2, until_due_ms(control));
        if (pollers[1].revents) {
            eventfd_read(control->wake_fd, &woken);
        }
        drain_watches(control);
        take_requests(control);
        if (pollers[1].revents || xlm_now_us() >= control->due_us) {
            publish(control);
        }
    }
    finish(control);
    return NULL;
}

/* The process's signals are for its own threads. */
static int start_thread(struct lm_control *control)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&control->thread, NULL, run, control);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error ? -1 : 0;
}

static void dispose(struct lm_control *control)
{
    int saved_errno = errno;

    if (control->xs) {
        xs_close(control->xs);
    }
    if (control->wake_fd >= 0) {
        close(control->wake_fd);
    }
    pthread_mutex_destroy(&control->lock);
    free(control->name);
    free(control);
    errno = saved_errno;
}

static int open_store(struct lm_control *control)
{
    char path[LM_STORE_PATH_MAX];

    control->xs = xs_open(0);
    if (!control->xs || !transact(control, begin)) {
        return -1;
    }
    lm_store_path(path, control->setup.domid, "request");
    if (!xs_watch(control->xs, path, WATCH_TOKEN)) {
        int saved_errno = errno;

        transact(control, remove_all);
        errno = saved_errno;
        return -1;
    }
    return 0;
}

struct lm_control *lm_control_start(const struct lm_control_setup *setup)
{
    struct lm_control *control = calloc(1, sizeof(*control));

    if (!control) {
        return NULL;
    }
    control->setup = *setup;
    control->start_us = xlm_now_us();
    control->state.source = setup->role == LIBXL_LIVE_MIGRATE_ROLE_SOURCE;
    control->state.may_switch = setup->may_switch;
    control->state.may_abort = setup->abort_event_fd >= 0;
    control->name = strdup(setup->name);
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&control->lock, NULL);
    if (!control->name || control->wake_fd < 0 || open_store(control) ||
        start_thread(control)) {
        if (errno != EBUSY) {
            xtl_log(setup->logger, XTL_WARN, errno, "light",
                    "the migration of domain %" PRIu32
                    " cannot be seen and steered from outside",
                    setup->domid);
        }
        dispose(control);
        return NULL;
    }
    return control;
}

void lm_control_note_build(struct lm_control *control,
                           libxl_live_migrate_build build,
                           const char *late_reason)
{
    struct view *view = &control->view;

    pthread_mutex_lock(&control->lock);
    view->build = build;
    lm_utf8_show(view->late_reason, sizeof(view->late_reason), late_reason);
    pthread_mutex_unlock(&control->lock);
}

void lm_control_note_mark(struct lm_control *control,
                          const struct xlm_mark *mark)
{
    pthread_mutex_lock(&control->lock);
    control->view.mark = *mark;
    pthread_mutex_unlock(&control->lock);
}

void lm_control_observe(struct lm_control *control, enum xlm_phase phase,
                        const libxl_live_migrate_stats *stats,
                        const libxl_live_migrate_outside *outside)
{
    bool another;

    pthread_mutex_lock(&control->lock);
    another = control->state.phase != phase;
    control->state.phase = phase;
    control->state.evicted |= phase == XLM_PHASE_EVICTING;
    control->view.phase = (libxl_live_migrate_phase)phase;
    control->view.stats = *stats;
    control->view.outside = *outside;
    pthread_mutex_unlock(&control->lock);
    if (another) {
        eventfd_write(control->wake_fd, 1);
    }
}

static void set_paused(struct lm_control *control, bool paused,
                       const char *reason)
{
    if (!control) {
        return;
    }
    pthread_mutex_lock(&control->lock);
    control->view.paused = paused;
    lm_utf8_show(control->view.reason, sizeof(control->view.reason), reason);
    pthread_mutex_unlock(&control->lock);
    eventfd_write(control->wake_fd, 1);
}

void lm_control_pause(struct lm_control *control, const char *reason)
{
    set_paused(control, true, reason);
}

void lm_control_go_on(struct lm_control *control)
{
    set_paused(control, false, "");
}

void lm_control_end(struct lm_control *control, libxl_live_migrate_state state,
                    const char *reason)
{
    if (!control) {
        return;
    }
    pthread_mutex_lock(&control->lock);
    control->end = state;
    if (state != LIBXL_LIVE_MIGRATE_STATE_COMPLETE) {
        lm_utf8_show(control->reason, sizeof(control->reason), reason);
    }
    control->state.ended = true;
    control->state.transitioned = state != LIBXL_LIVE_MIGRATE_STATE_FAILED;
    pthread_mutex_unlock(&control->lock);
    eventfd_write(control->wake_fd, 1);
    pthread_join(control->thread, NULL);
    dispose(control);
}

void lm_control_end_source(struct lm_control *control,
                           libxl_live_migrate_state state, const char *reason)
{
    char text[LIBXL_LIVE_MIGRATE_REASON_MAX];

    if (control && state == LIBXL_LIVE_MIGRATE_STATE_PAUSED) {
        snprintf(text, sizeof(text),
                 "%.300s; when the destination can be reached: xl "
                 "migrate-recover %.100s HOST",
                 reason, control->name);
        reason = text;
    }
    lm_control_end(control, state, reason);
}

/* ---- two reasons to give up ---- */

static int add_fd(int poll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

void lm_abort_open(struct lm_abort *abort, int callers_fd)
{
    abort->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    abort->own_fd = epoll_create1(EPOLL_CLOEXEC);
    abort->poll_fd = abort->own_fd;
    if (abort->event_fd >= 0 && abort->own_fd >= 0 &&
        !add_fd(abort->own_fd, abort->event_fd) &&
        (callers_fd < 0 || !add_fd(abort->own_fd, callers_fd))) {
        return;
    }
    lm_abort_close(abort);
    abort->poll_fd = callers_fd;
}

void lm_abort_close(struct lm_abort *abort)
{
    if (abort->event_fd >= 0) {
        close(abort->event_fd);
    }
    if (abort->own_fd >= 0) {
        close(abort->own_fd);
    }
    abort->event_fd = -1;
    abort->own_fd = -1;
    abort->poll_fd = -1;
}
