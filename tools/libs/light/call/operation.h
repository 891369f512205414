/* SPDX-License-Identifier: LGPL-2.1-or-later
 * One call of the public interface: it runs in the caller's thread or, with
 * ao_how, in a thread of its own.
 */
#ifndef LM_OPERATION_H
#define LM_OPERATION_H

#include <signal.h>

#include "common/common.h"
#include "control/control.h"
#include "control/observer.h"
#include "libxl_live_migrate.h"

/* Each kind of call embeds this as its first member.  Fields that are not
 * named here begin as zero. */
struct lm_operation {
    /* Set when the operation is made: */
    libxl_ctx *ctx;
    /* Does all the work; a libxl error, with the reason in xlm. */
    int (*run)(struct lm_operation *op);
    /* Releases the operation and what it owns beside these fields. */
    void (*free)(struct lm_operation *op);
    /* The caller's parameters. */
    xentoollog_logger *logger;         /* NULL: warnings go to stderr */
    libxl_live_migrate_result *result; /* NULL: the reason is logged */
    int abort_fd;
    const char *trace_path; /* NULL: none; used until run() begins */
    struct lm_observer observer;

    /* Made when the operation starts, and valid while run() runs: */
    struct xlm_context xlm; /* run() opens its hypervisor */
    struct xlm_stats stats;
    struct lm_abort abort;
    /* The caller's, for the processes that libxl starts. */
    sigset_t signal_mask;
    libxl_asyncop_how how; /* when there is a thread */
    xentoollog_logger *own_logger;
};

/* Initialises the fields that come from the parameters of either end. */
#define LM_OPERATION(ctx_, run_, free_, params_, result_) \
    { \
        .ctx = (ctx_), .run = (run_), .free = (free_), \
        .logger = (params_)->logger, .result = (result_), \
        .abort_fd = (params_)->abort_fd, \
        .observer.progress = (params_)->progress, \
        .observer.user = (params_)->progress_user, \
    }

/* From run(): write a trace to path (NULL: none) from here on.  Without one
 * the operation goes on, and the log says why. */
void lm_operation_trace(struct lm_operation *op, const char *path);

/*
 * Run the operation, report how it ended and free it: at once, or with ao_how
 * in a thread that ends with the callback.  Returns what libxl functions
 * return: the outcome, or with ao_how whether the thread was started.  If it
 * was not, the callback never comes.  On failure of either the reason goes to
 * the result or, if that is NULL, to the log.
 */
int lm_operation_start(struct lm_operation *op,
                       const libxl_asyncop_how *ao_how);

#endif
