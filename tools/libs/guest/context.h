/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What every part of the guest layer gets: the logger, the hypervisor, when to
 * give up, and the reason of the first failure.
 */
#ifndef XLM_CONTEXT_H
#define XLM_CONTEXT_H

#include <pthread.h>
#include <stdbool.h>

#include <xentoollog.h>

#include "trace.h"

struct xlm_hypervisor;

#define XLM_REASON_MAX 512

/* The same type serves both ends of a migration. */
struct xlm_context {
    xentoollog_logger *logger;
    struct xlm_hypervisor *hypervisor;
    /* Readable: give up as soon as that is safe. -1: never. */
    int abort_fd;
    /* Set on failure: one line that says what is wrong and what to do. */
    char reason[XLM_REASON_MAX];
    pthread_mutex_t reason_lock;
    /* Set on failure after the go: memory that the guest lacks can never come,
     * and another connection would not help. */
    bool lost;
    struct xlm_trace *trace; /* NULL: nothing is traced */
};

#define XLM_CONTEXT_INIT \
    { \
        .abort_fd = -1, .reason_lock = PTHREAD_MUTEX_INITIALIZER, \
    }

/* Store the reason of a failure in ctx->reason, unless one is there: the first
 * reason stays.  Keeps errno. */
void xlm_note_failure(struct xlm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same; the value is -1.  As a macro, so that a compiler or checker that
 * sees only the caller knows that it fails. */
#define xlm_fail(...) \
    (__extension__({ \
        xlm_note_failure(__VA_ARGS__); \
        -1; \
    }))

/* Replace ctx->reason when the cause of the failure is known. */
void xlm_restate(struct xlm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget a failure that was overcome: the next one is a first one again. */
void xlm_forget_failure(struct xlm_context *ctx);

#endif
