/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A thread that tells the peer now and then that this end of a migration
 * lives.
 */
#include "wire/keepalive.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "wire/record.h"

struct xlm_keepalive {
    /* The thread's own: the caller reports why the migration fails. */
    struct xlm_context ctx;
    struct xlm_channel *channel;
    uint32_t type;
    uint32_t period_ms;
    pthread_t thread;
    _Atomic uint64_t step_us; /* when the caller last made progress */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* guarded by the lock */
};

/* False: the caller has stopped the thread. */
static bool await_turn(struct xlm_keepalive *keepalive)
{
    struct timespec until;
    bool stopping;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += keepalive->period_ms / 1000;
    until.tv_nsec += keepalive->period_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&keepalive->lock);
    while (!keepalive->stopping && !rc) {
        rc =
            pthread_cond_timedwait(&keepalive->wake, &keepalive->lock, &until);
    }
    stopping = keepalive->stopping;
    pthread_mutex_unlock(&keepalive->lock);
    return !stopping;
}

static bool gets_on(struct xlm_keepalive *keepalive)
{
    return xlm_now_us() - atomic_load(&keepalive->step_us) <
           XLM_STEP_MS * 1000ull;
}

static void *run(void *data)
{
    struct xlm_keepalive *keepalive = data;
    int rc = 0;

    while (!rc && await_turn(keepalive)) {
        if (gets_on(keepalive)) {
            rc = xlm_write_simple_record(&keepalive->ctx, keepalive->channel,
                                         keepalive->type, NULL, 0);
        }
    }
    return NULL;
}

static void dispose(struct xlm_keepalive *keepalive)
{
    pthread_mutex_destroy(&keepalive->lock);
    pthread_cond_destroy(&keepalive->wake);
    free(keepalive);
}

struct xlm_keepalive *xlm_keepalive_start(struct xlm_context *ctx,
                                          struct xlm_channel *channel,
                                          uint32_t type, uint32_t period_ms)
{
    struct xlm_keepalive *keepalive = malloc(sizeof(*keepalive));

    if (!keepalive) {
        return NULL;
    }
    *keepalive = (struct xlm_keepalive){
        .ctx = XLM_CONTEXT_INIT,
        .channel = channel,
        .type = type,
        .period_ms = period_ms ? period_ms : XLM_KEEPALIVE_MS,
        .step_us = xlm_now_us(),
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    keepalive->ctx.logger = ctx->logger;
    xlm_init_wake(&keepalive->wake);
    if (pthread_create(&keepalive->thread, NULL, run, keepalive)) {
        dispose(keepalive);
        return NULL;
    }
    return keepalive;
}

void xlm_keepalive_step(struct xlm_keepalive *keepalive)
{
    if (keepalive) {
        atomic_store(&keepalive->step_us, xlm_now_us());
    }
}

void xlm_keepalive_stop(struct xlm_keepalive **keepalive)
{
    if (!*keepalive) {
        return;
    }
    pthread_mutex_lock(&(*keepalive)->lock);
    (*keepalive)->stopping = true;
    pthread_cond_signal(&(*keepalive)->wake);
    pthread_mutex_unlock(&(*keepalive)->lock);
    pthread_join((*keepalive)->thread, NULL);
    dispose(*keepalive);
    *keepalive = NULL;
}
