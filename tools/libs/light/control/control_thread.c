/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration under way that other programs can see and steer.
 *
 * The thread sleeps until a second has passed, a phase begins, or a request
 * comes.  A request stays in xenstore until its answer is known: so requests
 * that wait for a later phase need no list, the thread just reads them again.
 */
#include "control/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control/completed.h"
#include "control/control_internal.h"
#include "control/control_store.h"
#include "utf8.h"

#define WATCH_TOKEN "live-migrate"

/* ---- the end ---- */

/* The domain, and with it the nodes, may go at any time. */
static void keep(struct lm_control *control)
{
    const struct lm_view view = lm_control_look(control);
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
        lm_control_transact(control, lm_control_remove);
        return;
    }
    control->due_us = 0;
    lm_control_publish(control);
    lm_control_transact(control, lm_control_show_end);
    /* No new request comes once the nodes say that the migration has ended. */
    lm_control_take_requests(control);
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
        lm_control_take_requests(control);
        if (pollers[1].revents || xlm_now_us() >= control->due_us) {
            lm_control_publish(control);
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
    if (!control->xs || !lm_control_transact(control, lm_control_begin)) {
        return -1;
    }
    lm_store_path(path, control->setup.domid, "request");
    if (!xs_watch(control->xs, path, WATCH_TOKEN)) {
        int saved_errno = errno;

        lm_control_transact(control, lm_control_remove);
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
    struct lm_view *view = &control->view;

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
