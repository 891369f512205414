/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A migration that is shown: what the thread of control_thread.c shares with
 * the functions that it calls.  Only that thread may call these, with no lock
 * held.
 */
#ifndef LM_CONTROL_INTERNAL_H
#define LM_CONTROL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <xenstore.h>

#include "control/control.h"
#include "control/control_policy.h"

/* What is shown, or was. */
struct lm_view {
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
    struct lm_view view;
    struct lm_control_state state;
    libxl_live_migrate_state end;
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    /* The thread's own: */
    struct lm_view showing;
    struct lm_view shown;
    bool anything_shown;
    uint64_t due_us;
    const char *asked; /* the request that is being answered ... */
    const char *answer;
};

/* ---- control_show.c ---- */

/* Write a node; false with errno. */
bool lm_control_write(struct lm_control *control, xs_transaction_t t,
                      const char *node, const char *value);

/* Run in a transaction, and again if that conflicts with another one.  False
 * with errno. */
bool lm_control_transact(struct lm_control *control,
                         bool (*run)(struct lm_control *control,
                                     xs_transaction_t t));

/* Are the nodes still this migration's?  libxl takes them when the domain
 * goes, and they must not come back.  False with ENOENT. */
bool lm_control_is_ours(struct lm_control *control, xs_transaction_t t);

/* The state that there is to show now. */
struct lm_view lm_control_look(struct lm_control *control);

/* For lm_control_transact(): take the place in xenstore, by the thread that
 * starts the control; show how the migration ended; remove all nodes. */
bool lm_control_begin(struct lm_control *control, xs_transaction_t t);
bool lm_control_show_end(struct lm_control *control, xs_transaction_t t);
bool lm_control_remove(struct lm_control *control, xs_transaction_t t);

/* Show what has changed, and set when that is due again.  In the stop, and as
 * postcopy begins, figures that are not due are left out. */
void lm_control_publish(struct lm_control *control);

/* ---- control_requests.c ---- */

/* Carry out and answer the requests that can be by now. */
void lm_control_take_requests(struct lm_control *control);

#endif
