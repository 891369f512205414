/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager's request thread: requests to the source, and reports.
 */
#include "pager/private.h"

#include "wire/record.h"

/* ---- asking ---- */

/* Pages that back ends in dom0 wait for go in a record of their own, before
 * all others: back ends give up, a guest's vCPUs never do. */
static size_t take_outside(struct xlm_pager *pager, uint64_t *pfns, size_t max)
{
    uint64_t pfn = 0;
    size_t count = 0;

    while (pager->waiting.outside.count && count < max) {
        pfn = xlm_outside_waits_next(&pager->waiting.outside, pfn);
        if (pfn == XLM_PFN_NONE) {
            break;
        }
        if (xlm_unsent_take(&pager->sets.unsent, pfn)) {
            pfns[count++] = pfn;
        }
        pfn++;
    }
    return count;
}

/* Take the pages of the next record, with the lock held; they count as being
 * written. */
static size_t take_next(struct xlm_pager *pager, uint64_t *pfns, size_t max,
                        uint32_t *type)
{
    size_t count = take_outside(pager, pfns, max);

    *type = XLM_REC_POSTCOPY_URGENT;
    if (!count) {
        *type = XLM_REC_POSTCOPY_FAULT;
        count = xlm_unsent_take_next(&pager->sets.unsent, pfns, max);
    }
    pager->asking.writing = count;
    return count;
}

/* Only one thread at a time may write requests, to keep their order. */
static bool can_write(const struct xlm_pager *pager)
{
    return pager->asking.requests_open && !pager->asking.writing &&
           xlm_unsent_count(&pager->sets.unsent);
}

static size_t take_unsent(struct xlm_pager *pager, uint64_t *pfns, size_t max,
                          uint32_t *type)
{
    size_t count = 0;

    pthread_mutex_lock(&pager->lock);
    while (!pager->asking.stopping && !can_write(pager)) {
        /* Pages without a request may have arrived. */
        pthread_cond_broadcast(&pager->asking.idle);
        pthread_cond_wait(&pager->asking.wake, &pager->lock);
    }
    if (!pager->asking.stopping) {
        count = take_next(pager, pfns, max, type);
    }
    pthread_mutex_unlock(&pager->lock);
    return count;
}

/* After a failed write, stop the stream's reader, which may not notice that
 * the connection is dead.  Nothing more is written until there is another
 * connection. */
static void stop_writing(struct xlm_pager *pager, bool failed)
{
    pthread_mutex_lock(&pager->lock);
    pager->asking.writing = false;
    if (failed) {
        pager->asking.requests_open = false;
    }
    if (can_write(pager)) {
        pthread_cond_signal(&pager->asking.wake);
    }
    pthread_cond_broadcast(&pager->asking.idle);
    pthread_mutex_unlock(&pager->lock);
}

static void trace_asked(struct xlm_pager *pager, const uint64_t *pfns,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        XLM_TRACE(pager->ctx, asked, pfns[i], XLM_TRACE_NONE);
    }
}

void *xlm_pager_run_requests(void *data)
{
    struct xlm_pager *pager = data;
    uint64_t pfns[XLM_SHORT_LIST];
    uint32_t type;
    size_t count;
    int rc;

    while ((count = take_unsent(pager, pfns, XLM_SHORT_LIST, &type))) {
        trace_asked(pager, pfns, count);
        rc = xlm_write_pfns(pager->ctx, pager->channel, type, pfns, count);
        if (rc) {
            xlm_channel_stop(pager->channel);
        }
        stop_writing(pager, rc);
    }
    return NULL;
}

/* With the lock held, and without waiting: what cannot be written now is left
 * to the request thread. */
static size_t take_at_once(struct xlm_pager *pager, uint64_t *pfns,
                           uint32_t *type)
{
    if (!can_write(pager)) {
        return 0; /* the writing thread will write it */
    }
    if (!xlm_channel_try_lock(pager->channel)) {
        pthread_cond_signal(&pager->asking.wake);
        return 0;
    }
    return take_next(pager, pfns, XLM_SHORT_LIST, type);
}

void xlm_pager_ask_at_once(struct xlm_pager *pager)
{
    uint64_t pfns[XLM_SHORT_LIST];
    uint32_t type;
    size_t count;
    int rc;

    pthread_mutex_lock(&pager->lock);
    count = take_at_once(pager, pfns, &type);
    pthread_mutex_unlock(&pager->lock);
    if (!count) {
        return;
    }
    trace_asked(pager, pfns, count);
    rc = xlm_write_short_list(pager->ctx, pager->channel, type, pfns, count);
    if (rc) {
        xlm_channel_stop(pager->channel);
    }
    stop_writing(pager, rc);
}

size_t xlm_pager_take_early(struct xlm_pager *pager, uint64_t *pfns,
                            size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&pager->lock);
    if (!pager->asking.requests_open) {
        count = xlm_unsent_take_next(&pager->sets.unsent, pfns, max);
    }
    pthread_mutex_unlock(&pager->lock);
    trace_asked(pager, pfns, count);
    return count;
}

uint64_t xlm_pager_awaited(struct xlm_pager *pager)
{
    uint64_t pfn;

    pthread_mutex_lock(&pager->lock);
    pfn = xlm_pfn_set_next(&pager->sets.requested, 0);
    pthread_mutex_unlock(&pager->lock);
    return pfn;
}

void xlm_pager_open_requests(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->asking.requests_open = true;
    pager->asking.ours = true;
    pthread_cond_signal(&pager->asking.wake);
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_await_requests(struct xlm_pager *pager,
                              const struct xlm_channel *channel)
{
    pthread_mutex_lock(&pager->lock);
    while (pager->channel == channel && pager->asking.requests_open &&
           (xlm_unsent_count(&pager->sets.unsent) || pager->asking.writing)) {
        pthread_cond_wait(&pager->asking.idle, &pager->lock);
    }
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_use_channel(struct xlm_pager *pager,
                           struct xlm_channel *channel)
{
    pthread_mutex_lock(&pager->lock);
    pager->channel = channel;
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_close_requests(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->asking.requests_open = false;
    while (pager->asking.writing) {
        pthread_cond_wait(&pager->asking.idle, &pager->lock);
    }
    /* Requested pages may not have arrived. */
    xlm_unsent_become(&pager->sets.unsent, &pager->sets.requested);
    /* The answer to RECOVER will say what is lacking. */
    xlm_pfn_set_clear(&pager->sets.dropped);
    pthread_mutex_unlock(&pager->lock);
}

/* ---- what else it is told ---- */

size_t xlm_pager_take_dropped(struct xlm_pager *pager, uint64_t *pfns,
                              size_t max)
{
    size_t count;

    pthread_mutex_lock(&pager->lock);
    count = xlm_pfn_set_list(&pager->sets.dropped, 0, pfns, max);
    for (size_t i = 0; i < count; i++) {
        xlm_pfn_set_remove(&pager->sets.dropped, pfns[i]);
    }
    pthread_mutex_unlock(&pager->lock);
    return count;
}

size_t xlm_pager_list_outstanding(struct xlm_pager *pager, uint64_t from,
                                  uint64_t *pfns, size_t max)
{
    size_t count;

    pthread_mutex_lock(&pager->lock);
    count = xlm_pfn_set_list(&pager->sets.outstanding, from, pfns, max);
    pthread_mutex_unlock(&pager->lock);
    return count;
}
