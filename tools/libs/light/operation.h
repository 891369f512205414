/*
 * A call of ours as a whole: made in the caller's thread or, when that does
 * not want to wait, in one of its own.
 */
#ifndef LM_OPERATION_H
#define LM_OPERATION_H

#include <signal.h>

#include "libxl_live_migrate.h"

/* What the source and the destination embed as their first member. */
struct lm_operation {
    libxl_ctx *ctx;
    /* Does all of it; a libxl error. */
    int (*run)(struct lm_operation *operation);
    /* Releases the operation and all that it owns. */
    void (*free)(struct lm_operation *operation);
    /* The caller's, which the processes that libxl starts are to have. */
    sigset_t signal_mask;
    libxl_asyncop_how how; /* when there is a thread */
};

/*
 * Run the operation and free it: at once, or with ao_how in a thread that ends
 * with its callback.  Returns what libxl functions return: the outcome, or
 * with ao_how whether the thread is there; if it is not, the callback does not
 * come, and the result, or the logger when that is NULL, is told why.
 */
int lm_operation_start(struct lm_operation *operation,
                       const libxl_asyncop_how *ao_how,
                       libxl_live_migrate_result *result,
                       xentoollog_logger *logger);

#endif
