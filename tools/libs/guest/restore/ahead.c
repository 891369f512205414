/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Reading the next record while the pages of one are paged in.
 *
 * A small record is read by the thread that pages in its pages: the guest may
 * wait for one of them, and should not wait for a thread to wake up as well.
 * Large records come while no vCPU waits.  Then a second thread reads the next
 * record, one at a time, each on demand.
 */
#include "restore/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "restore/pages.h"

/* Octets of a large record: one that takes longer than it takes a thread to
 * wake up. */
#define LARGE (64u << XLM_PAGE_SHIFT)
#define FEW_PROCESSORS 2

struct xlm_read_ahead {
    struct xlm_restorer *restorer;
    struct xlm_context ctx; /* has the reason why it could not be read */
    struct xlm_record record;
    int failure; /* errno, or 0 */
    pthread_t thread;

    pthread_mutex_t lock; /* of these two */
    pthread_cond_t changed;
    bool reading;
    bool ending;
};

static void read_one(struct xlm_read_ahead *ahead)
{
    struct xlm_restorer *restorer = ahead->restorer;

    ahead->failure = 0;
    if (xlm_read_record(&ahead->ctx, &restorer->channel, XLM_READ_POSTCOPY,
                        &ahead->record)) {
        ahead->failure = errno;
        return;
    }
    atomic_store(&restorer->signs.heard_us, xlm_now_us());
}

static void *run(void *data)
{
    struct xlm_read_ahead *ahead = data;

    pthread_mutex_lock(&ahead->lock);
    while (!ahead->ending) {
        if (!ahead->reading) {
            pthread_cond_wait(&ahead->changed, &ahead->lock);
            continue;
        }
        pthread_mutex_unlock(&ahead->lock);
        read_one(ahead);
        pthread_mutex_lock(&ahead->lock);
        ahead->reading = false;
        pthread_cond_broadcast(&ahead->changed);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

static void set(struct xlm_read_ahead *ahead, bool *what)
{
    pthread_mutex_lock(&ahead->lock);
    *what = true;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
}

static bool is_reading(struct xlm_read_ahead *ahead)
{
    bool reading;

    pthread_mutex_lock(&ahead->lock);
    reading = ahead->reading;
    pthread_mutex_unlock(&ahead->lock);
    return reading;
}

static void await_read(struct xlm_read_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->reading) {
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    }
    pthread_mutex_unlock(&ahead->lock);
}

static void dispose(struct xlm_read_ahead *ahead)
{
    pthread_mutex_destroy(&ahead->lock);
    pthread_cond_destroy(&ahead->changed);
    xlm_restore_dispose_record(ahead->restorer->ctx, &ahead->record);
    free(ahead);
}

/* The thread that pages in is busy, and the guest needs a processor as well.
 * If the host has no more than these two, a third thread would only take
 * one. */
static bool has_processor(const struct xlm_restorer *restorer)
{
    return restorer->params->read_ahead ||
           sysconf(_SC_NPROCESSORS_ONLN) > FEW_PROCESSORS;
}

/* NULL: the caller's thread does without. */
static struct xlm_read_ahead *start(struct xlm_restorer *restorer)
{
    static const struct xlm_context fresh = XLM_CONTEXT_INIT;
    struct xlm_read_ahead *ahead = malloc(sizeof(*ahead));

    if (!ahead) {
        return NULL;
    }
    *ahead = (struct xlm_read_ahead){
        .restorer = restorer,
        .ctx = fresh,
        .record = XLM_RECORD_EMPTY,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    ahead->ctx.logger = restorer->ctx->logger;
    xlm_restore_lend_contents(restorer->ctx, &ahead->record);
    if (pthread_create(&ahead->thread, NULL, run, ahead)) {
        dispose(ahead);
        return NULL;
    }
    return ahead;
}

void xlm_restore_read_ahead(struct xlm_restorer *restorer)
{
    if (restorer->read_ahead || restorer->record.length < LARGE ||
        !has_processor(restorer) ||
        !xlm_channel_has_input(&restorer->channel)) {
        return;
    }
    if (!restorer->ahead) {
        restorer->ahead = start(restorer);
    }
    if (restorer->ahead) {
        restorer->read_ahead = true;
        set(restorer->ahead, &restorer->ahead->reading);
    }
}

/* The record that was read ahead, in exchange for that of before. */
static int take_read(struct xlm_restorer *restorer, struct xlm_context *ctx)
{
    struct xlm_read_ahead *ahead = restorer->ahead;
    struct xlm_record before = restorer->record;

    await_read(ahead);
    restorer->read_ahead = false;
    if (ahead->failure) {
        errno = ahead->failure;
        xlm_note_failure(ctx, "%s", ahead->ctx.reason);
        xlm_forget_failure(&ahead->ctx);
        return -1;
    }
    restorer->record = ahead->record;
    ahead->record = before;
    return 0;
}

int xlm_restore_read_next(struct xlm_restorer *restorer,
                          struct xlm_context *ctx)
{
    if (!restorer->read_ahead) {
        return xlm_read_record(ctx, &restorer->channel, restorer->state,
                               &restorer->record);
    }
    /* The source may wait for it before it sends the rest. */
    if (is_reading(restorer->ahead) && xlm_restore_pay_credit(restorer)) {
        return -1;
    }
    return take_read(restorer, ctx);
}

void xlm_restore_drop_ahead(struct xlm_restorer *restorer)
{
    if (restorer->read_ahead) {
        await_read(restorer->ahead);
        restorer->read_ahead = false;
        xlm_forget_failure(&restorer->ahead->ctx);
    }
}

void xlm_restore_close_ahead(struct xlm_restorer *restorer)
{
    struct xlm_read_ahead *ahead = restorer->ahead;

    if (ahead) {
        xlm_restore_drop_ahead(restorer);
        set(ahead, &ahead->ending);
        pthread_join(ahead->thread, NULL);
        dispose(ahead);
        restorer->ahead = NULL;
    }
}
