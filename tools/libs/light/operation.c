/*
 * A call of ours as a whole: made in the caller's thread or, when that does
 * not want to wait, in one of its own.
 */
#include "operation.h"

#include <pthread.h>

#include "common.h"

static int run(struct lm_operation *operation)
{
    struct lm_sigpipe guard;
    int rc;

    lm_sigpipe_block(&guard);
    rc = operation->run(operation);
    lm_sigpipe_restore(&guard);
    operation->free(operation);
    return rc;
}

static void *run_and_call_back(void *data)
{
    struct lm_operation *operation = data;
    const libxl_asyncop_how how = operation->how;
    libxl_ctx *ctx = operation->ctx;
    int rc = run(operation);

    /* The last thing that is done: whoever hears of it may free all that was
     * handed in, the ctx as well. */
    how.callback(ctx, rc, how.u.for_callback);
    return NULL;
}

/* Nobody is there to join it, as the caller has no handle; so it is detached,
 * the only thread that is, and the library is never unloaded. */
static int start_thread(struct lm_operation *operation)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, callers;
    int error;

    if (pthread_attr_init(&attributes)) {
        return ERROR_NOMEM;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* From its first moment on no signal of the caller's gets to it. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &callers);
    error = pthread_create(&thread, &attributes, run_and_call_back, operation);
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    pthread_attr_destroy(&attributes);
    return error ? ERROR_NOMEM : 0;
}

int lm_operation_start(struct lm_operation *operation,
                       const libxl_asyncop_how *ao_how,
                       libxl_live_migrate_result *result,
                       xentoollog_logger *logger)
{
    int rc;

    pthread_sigmask(SIG_SETMASK, NULL, &operation->signal_mask);
    if (!ao_how) {
        return run(operation);
    }
    operation->how = *ao_how;
    rc = start_thread(operation);
    if (!rc) {
        return 0;
    }
    operation->free(operation);
    return lm_refuse(rc, result, logger, "no thread could be started");
}
