/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What all parts of the guest layer are handed: where to log, the hypervisor,
 * when to give up, and the reason of the first failure.
 */
#ifndef XLM_CONTEXT_H
#define XLM_CONTEXT_H

#include <pthread.h>
#include <stdbool.h>

#include <xentoollog.h>

#include "trace.h"

struct xlm_hypervisor;

#define XLM_REASON_MAX 512

/* What both ends of a migration have in common. */
struct xlm_context {
    xentoollog_logger *logger;
    struct xlm_hypervisor *hypervisor;
    /* Readable: give up as soon as that is safe.  -1: never. */
    int abort_fd;
    /* Set on failure: one line for a person, what is wrong and what to do. */
    char reason[XLM_REASON_MAX];
    pthread_mutex_t reason_lock;
    /* Set on failure after the go: what the guest lacks can never come, and
     * another connection is of no use. */
    bool lost;
    struct xlm_trace *trace; /* NULL: nothing is traced */
};

#define XLM_CONTEXT_INIT \
    { \
        .abort_fd = -1, .reason_lock = PTHREAD_MUTEX_INITIALIZER, \
    }

/* Say why in ctx->reason, once: the first reason stays.  Keeps errno. */
void xlm_note_failure(struct xlm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and -1.  Whoever looks at a caller alone, a compiler or a checker,
 * sees that it fails. */
#define xlm_fail(...) \
    (__extension__({ \
        xlm_note_failure(__VA_ARGS__); \
        -1; \
    }))

/* Say something else in ctx->reason: what failed had a cause that is now
 * known. */
void xlm_restate(struct xlm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What failed is overcome: the next failure is a first one again. */
void xlm_forget_failure(struct xlm_context *ctx);

#endif
