/* SPDX-License-Identifier: LGPL-2.1-or-later
 * One call of the public interface: it runs in the caller's thread or, with
 * ao_how, in a thread of its own.
 */
#include "call/operation.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* In the caller's thread, because it reads that thread's signal mask. */
static void open_all(struct lm_operation *op)
{
    op->xlm = (struct xlm_context)XLM_CONTEXT_INIT;
    lm_abort_open(&op->abort, op->abort_fd);
    op->xlm.abort_fd = op->abort.poll_fd;
    pthread_sigmask(SIG_SETMASK, NULL, &op->signal_mask);
}

/* A wrong path is found before anything has begun. */
static int open_trace(struct lm_operation *op)
{
    char reason[LIBXL_LIVE_MIGRATE_REASON_MAX];

    if (!op->trace_path) {
        return 0;
    }
    op->xlm.trace = xlm_trace_open(op->trace_path);
    if (op->xlm.trace) {
        return 0;
    }
    snprintf(reason, sizeof(reason),
             "the trace cannot be written to %.256s: %s; name a file that can "
             "be made",
             op->trace_path, strerror(errno));
    return lm_refuse(ERROR_INVAL, op->result, op->logger, reason);
}

void lm_operation_trace(struct lm_operation *op, const char *path)
{
    if (path) {
        op->xlm.trace = xlm_trace_open(path);
    }
    if (path && !op->xlm.trace) {
        xtl_log(op->xlm.logger, XTL_WARN, errno, "light",
                "there is no trace: it cannot be written to %s", path);
    }
}

/* A lost trace changes nothing about the migration. */
static void write_trace(struct lm_operation *op)
{
    if (xlm_trace_close(op->xlm.trace)) {
        xtl_log(op->xlm.logger, XTL_WARN, errno, "light",
                "the trace could not be written, and is not whole");
    }
    op->xlm.trace = NULL;
}

static void free_all(struct lm_operation *op)
{
    (void)xlm_trace_close(op->xlm.trace);
    lm_abort_close(&op->abort);
    xlm_hypervisor_close(op->xlm.hypervisor);
    xtl_logger_destroy(op->own_logger);
    op->free(op);
}

static void tell_end(struct lm_operation *op, int rc)
{
    if (rc && !op->result && op->xlm.logger) {
        lm_log_reason(op->xlm.logger, op->xlm.reason);
    }
    lm_export_result(op->result, op->observer.phase, &op->stats,
                     op->xlm.reason);
    if (op->result) {
        op->result->lost = rc && op->xlm.lost;
    }
}

static int run(struct lm_operation *op)
{
    struct lm_sigpipe guard;
    int rc;

    lm_sigpipe_block(&guard);
    op->xlm.logger = lm_logger(op->logger, &op->own_logger);
    rc = op->xlm.logger ? op->run(op) : ERROR_NOMEM;
    if (op->xlm.logger) {
        write_trace(op);
    }
    tell_end(op, rc);
    lm_sigpipe_restore(&guard);
    free_all(op);
    return rc;
}

static void *run_and_call_back(void *data)
{
    struct lm_operation *op = data;
    const libxl_asyncop_how how = op->how;
    libxl_ctx *ctx = op->ctx;
    int rc = run(op);

    /* The last thing that is done: the callback may free all of the caller's
     * arguments, including the ctx. */
    how.callback(ctx, rc, how.u.for_callback);
    return NULL;
}

/* The caller has no handle to join the thread, so it is detached, the only
 * such thread, and the library is never unloaded. */
static int start_thread(struct lm_operation *op)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, callers;
    int error;

    if (pthread_attr_init(&attributes)) {
        return ERROR_NOMEM;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* From the thread's first moment on it gets none of the caller's
     * signals. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &callers);
    error = pthread_create(&thread, &attributes, run_and_call_back, op);
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    pthread_attr_destroy(&attributes);
    return error ? ERROR_NOMEM : 0;
}

static int start(struct lm_operation *op, const libxl_asyncop_how *ao_how)
{
    libxl_live_migrate_result *result = op->result;
    xentoollog_logger *logger = op->logger;
    int rc;

    if (!ao_how) {
        return run(op);
    }
    op->how = *ao_how;
    rc = start_thread(op);
    if (!rc) {
        return 0;
    }
    free_all(op);
    return lm_refuse(rc, result, logger, "no thread could be started");
}

int lm_operation_start(struct lm_operation *op,
                       const libxl_asyncop_how *ao_how)
{
    int rc;

    open_all(op);
    rc = open_trace(op);
    if (!rc) {
        return start(op, ao_how);
    }
    free_all(op);
    return rc;
}
