/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A call of ours as a whole: made in the caller's thread or, when that does
 * not want to wait, in one of its own.
 */
#ifndef LM_OPERATION_H
#define LM_OPERATION_H

#include <signal.h>

#include "common.h"
#include "control.h"
#include "libxl_live_migrate.h"
#include "observer.h"

/* What each kind of call embeds as its first member.  All that is not named
 * here is zero at first. */
struct lm_operation {
    /* Of whoever makes it: */
    libxl_ctx *ctx;
    /* Does all of it; a libxl error, with the reason in xlm. */
    int (*run)(struct lm_operation *op);
    /* Releases the operation and what it owns beside these fields. */
    void (*free)(struct lm_operation *op);
    /* The caller's. */
    xentoollog_logger *logger;         /* NULL: warnings go to stderr */
    libxl_live_migrate_result *result; /* NULL: the reason is logged */
    int abort_fd;
    const char *trace_path; /* NULL: none; until the operation is started */
    struct lm_observer observer;

    /* Made when it starts, and there while run() is: */
    struct xlm_context xlm; /* run() opens its hypervisor */
    struct xlm_stats stats;
    struct lm_abort abort;
    /* The caller's, which the processes that libxl starts are to have. */
    sigset_t signal_mask;
    libxl_asyncop_how how; /* when there is a thread */
    xentoollog_logger *own_logger;
};

/* With what the caller's params, of either end, have alike. */
#define LM_OPERATION(ctx_, run_, free_, params_, result_) \
    { \
        .ctx = (ctx_), .run = (run_), .free = (free_), \
        .logger = (params_)->logger, .result = (result_), \
        .abort_fd = (params_)->abort_fd, \
        .observer.progress = (params_)->progress, \
        .observer.user = (params_)->progress_user, \
    }

/*
 * Run the operation, tell how it ended and free it: at once, or with ao_how in
 * a thread that ends with its callback.  Returns what libxl functions return:
 * the outcome, or with ao_how whether the thread is there; if it is not, the
 * callback does not come.  The result, or the log when that is NULL, is told
 * why either fails.
 */
int lm_operation_start(struct lm_operation *op,
                       const libxl_asyncop_how *ao_how);

#endif
