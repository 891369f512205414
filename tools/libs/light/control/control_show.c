/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What is shown of a migration: its nodes in xenstore, each update a
 * transaction.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control/control_internal.h"
#include "control/control_store.h"
#include "keeping/memo.h"

#define PUBLISH_US 1000000u
/* How often a transaction that conflicts with another is tried. */
#define TRIES 10

/* ---- nodes ---- */

bool lm_control_write(struct lm_control *control, xs_transaction_t t,
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
    return lm_control_write(control, t, node, text);
}

static bool make_directory(struct lm_control *control, xs_transaction_t t,
                           const char *node)
{
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, node);
    return xs_mkdir(control->xs, t, path);
}

/* Run in a transaction, and again after a conflict.  False with errno. */
bool lm_control_transact(struct lm_control *control,
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
    return lm_control_write(control, t, node, text);
}

static bool show_build(struct lm_control *control, xs_transaction_t t,
                       const struct lm_view *view)
{
    return view->build == LIBXL_LIVE_MIGRATE_BUILD_ANY ||
           (lm_control_write(
                control, t, "build",
                libxl_live_migrate_build_to_string(view->build)) &&
            lm_control_write(control, t, "late-reason", view->late_reason));
}

static bool show_mark(struct lm_control *control, xs_transaction_t t,
                      const struct lm_view *view)
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
    return lm_control_write(control, t, "id", text);
}

/* A recovery keeps some nodes of the same migration. */
static void take_over(struct lm_control *control, xs_transaction_t t)
{
    struct lm_view *view = &control->view;
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

bool lm_control_begin(struct lm_control *control, xs_transaction_t t)
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
           lm_control_write(control, t, "version", LM_STORE_VERSION) &&
           lm_control_write(
               control, t, "role",
               libxl_live_migrate_role_to_string(control->setup.role)) &&
           lm_control_write(control, t, "name", control->name) &&
           write_id(control, t) && write_number(control, t, "pid", getpid()) &&
           write_number(control, t, "start-time",
                        lm_process_start(getpid())) &&
           show_build(control, t, &control->view) &&
           show_mark(control, t, &control->view) &&
           lm_control_write(control, t, "state",
                            libxl_live_migrate_state_to_string(
                                LIBXL_LIVE_MIGRATE_STATE_RUNNING));
}

/* ---- showing ---- */

/* When the domain goes, libxl removes these nodes with all of its own: they
 * must not come back. */
bool lm_control_is_ours(struct lm_control *control, xs_transaction_t t)
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
               ? lm_control_write(control, t, "background-rate", "unlimited")
               : write_number(control, t, "background-rate", rate);
}

static bool show_counters(struct lm_control *control, xs_transaction_t t,
                          struct lm_view *view, bool all)
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
                           struct lm_view *view, bool all)
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
                       const struct lm_view *view)
{
    char path[LM_STORE_PATH_MAX];

    if (view->paused) {
        return lm_control_write(control, t, "reason", view->reason) &&
               lm_control_write(control, t, "state",
                                libxl_live_migrate_state_to_string(
                                    LIBXL_LIVE_MIGRATE_STATE_PAUSED));
    }
    lm_store_path(path, control->setup.domid, "reason");
    return (xs_rm(control->xs, t, path) || errno == ENOENT) &&
           lm_control_write(control, t, "state",
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

struct lm_view lm_control_look(struct lm_control *control)
{
    struct lm_view view;

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
    const struct lm_view *shown = &control->shown;
    struct lm_view *view = &control->showing;
    bool all = !control->anything_shown;

    if (!lm_control_is_ours(control, t) ||
        !show_counters(control, t, view, all) ||
        !show_back_ends(control, t, view, all)) {
        return false;
    }
    if ((all || view->elapsed_ms != shown->elapsed_ms) &&
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
        !lm_control_write(control, t, "phase",
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

/* From the suspend until the guest has its first pages, dom0's processors are
 * for that, and they may be few.  A migration that is paused has time. */
static bool is_hurried(const struct lm_view *view)
{
    return view->phase >= LIBXL_LIVE_MIGRATE_PHASE_SUSPENDED &&
           view->phase <= LIBXL_LIVE_MIGRATE_PHASE_POSTCOPY && !view->paused;
}

/* Dozens of figures can wait until they are due; but not what the guest lacks,
 * which is asked for when this process has been killed. */
static void hold_figures_back(struct lm_control *control)
{
    const uint64_t outstanding = control->showing.stats.outstanding;

    control->showing.stats = control->shown.stats;
    control->showing.stats.outstanding = outstanding;
    control->showing.outside = control->shown.outside;
    control->showing.elapsed_ms = control->shown.elapsed_ms;
}

void lm_control_publish(struct lm_control *control)
{
    uint64_t now_us = xlm_now_us();

    control->showing = lm_control_look(control);
    if (now_us < control->due_us && control->anything_shown &&
        is_hurried(&control->showing)) {
        hold_figures_back(control);
    } else {
        control->due_us = now_us + PUBLISH_US;
    }
    /* After a failure it is not known which nodes exist: write all of them
     * next time. */
    control->anything_shown = lm_control_transact(control, show);
    control->shown = control->showing;
}

/* ---- the end ---- */

bool lm_control_show_end(struct lm_control *control, xs_transaction_t t)
{
    return lm_control_is_ours(control, t) &&
           lm_control_write(
               control, t, "state",
               libxl_live_migrate_state_to_string(control->end)) &&
           (!control->reason[0] ||
            lm_control_write(control, t, "reason", control->reason));
}

/* A guest that has come completely has nothing more to show. */
bool lm_control_remove(struct lm_control *control, xs_transaction_t t)
{
    char path[LM_STORE_PATH_MAX];

    lm_store_path(path, control->setup.domid, NULL);
    return lm_control_is_ours(control, t) && xs_rm(control->xs, t, path);
}
