/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager of a domain that is being received: how it starts and ends, and
 * its state.
 */
#include "pager/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

/* ---- open and close ---- */

static int make_room_for_kept(struct xlm_pager *pager, uint64_t limit,
                              unsigned long *kept)
{
    if (!kept) {
        return xlm_pfn_set_reserve(&pager->sets.outstanding, limit) ||
                       xlm_pfn_set_reserve(&pager->sets.requested, limit)
                   ? -1
                   : 0;
    }
    if (xlm_pfn_set_lend(&pager->sets.outstanding, xlm_kept_outstanding(kept),
                         limit) ||
        xlm_pfn_set_lend(&pager->sets.requested,
                         xlm_kept_requested(kept, limit), limit)) {
        return -1;
    }
    xlm_pfn_set_intersect(&pager->sets.requested, &pager->sets.outstanding);
    return 0;
}

static int make_room(struct xlm_pager *pager, uint64_t limit,
                     unsigned long *kept)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct xlm_domain_info info;

    if (hv->ops->domain_info(hv, pager->domid, &info)) {
        return -1;
    }
    pager->max_waiters = info.max_vcpu_id + 1;
    pager->waiting.waiters =
        calloc(pager->max_waiters, sizeof(*pager->waiting.waiters));
    pager->counts.blocked_us =
        calloc(pager->max_waiters, sizeof(*pager->counts.blocked_us));
    pager->threads.stop_fd = eventfd(0, EFD_CLOEXEC);
    if (!pager->waiting.waiters || !pager->counts.blocked_us ||
        pager->threads.stop_fd < 0 || make_room_for_kept(pager, limit, kept) ||
        xlm_unsent_reserve(&pager->sets.unsent, limit) ||
        xlm_pfn_set_reserve(&pager->sets.dropped, limit) ||
        xlm_pfn_set_reserve(&pager->sets.arrived, limit)) {
        return -1;
    }
    /* Requests of the former pager are made again. */
    xlm_unsent_become(&pager->sets.unsent, &pager->sets.requested);
    return 0;
}

static int start(pthread_t *thread, bool *runs, void *(*run)(void *),
                 struct xlm_pager *pager)
{
    errno = pthread_create(thread, NULL, run, pager);
    *runs = !errno;
    return errno ? -1 : 0;
}

/* A guest that lacks pages goes on waiting for them, and for another pager. */
static int end_paging(struct xlm_pager *pager)
{
    struct xlm_paging *paging = pager->paging;

    pager->paging = NULL;
    if (pager->sets.outstanding.count) {
        paging->ops->leave(paging);
        return 0;
    }
    return paging->ops->stop(paging);
}

static int attach_as_successor(struct xlm_pager *pager,
                               const struct xlm_paging_ops *ops,
                               unsigned long *kept)
{
    struct xlm_fault held[XLM_PAGING_FAULTS];
    size_t nr_held;

    pager->paging = ops->take_over(pager->ctx, pager->domid, kept,
                                   pager->max_waiters, held, &nr_held);
    if (!pager->paging) {
        return -1;
    }
    xlm_pager_resume_faults(pager, held, nr_held);
    return 0;
}

static int enable(struct xlm_pager *pager, const struct xlm_paging_ops *ops,
                  unsigned long *kept, bool in_place_of_another)
{
    if (start(&pager->threads.request_thread,
              &pager->threads.request_thread_runs, xlm_pager_run_requests,
              pager)) {
        return -1;
    }
    if (in_place_of_another) {
        if (attach_as_successor(pager, ops, kept)) {
            return -1;
        }
    } else {
        pager->paging = ops->start(pager->ctx, pager->domid, kept);
    }
    return pager->paging ? start(&pager->threads.fault_thread,
                                 &pager->threads.fault_thread_runs,
                                 xlm_pager_run_faults, pager)
                         : -1;
}

static struct xlm_pager *new_pager(struct xlm_context *ctx,
                                   struct xlm_channel *channel, uint32_t domid)
{
    struct xlm_pager *pager = calloc(1, sizeof(*pager));

    if (!pager) {
        xlm_fail(ctx, "no memory for the pager");
        return NULL;
    }
    pager->ctx = ctx;
    pager->channel = channel;
    pager->domid = domid;
    pager->threads.stop_fd = -1;
    pthread_mutex_init(&pager->lock, NULL);
    pthread_mutex_init(&pager->entry, NULL);
    pthread_cond_init(&pager->asking.wake, NULL);
    pthread_cond_init(&pager->asking.idle, NULL);
    return pager;
}

static struct xlm_pager *open_pager(struct xlm_context *ctx,
                                    const struct xlm_paging_ops *ops,
                                    struct xlm_channel *channel,
                                    uint32_t domid, uint64_t limit,
                                    unsigned long *kept,
                                    bool in_place_of_another)
{
    struct xlm_pager *pager = new_pager(ctx, channel, domid);
    unsigned long *of_paging = kept ? xlm_kept_paging(kept, limit) : NULL;
    int error;

    if (!pager || (!make_room(pager, limit, kept) &&
                   !enable(pager, ops, of_paging, in_place_of_another))) {
        return pager;
    }
    error = errno;
    /* Unless the failing function has said why. */
    if (in_place_of_another) {
        xlm_fail(ctx,
                 "cannot take the place of the pager of domain %" PRIu32
                 ", which was killed: %s",
                 domid, strerror(error));
    } else {
        xlm_fail(ctx, "cannot page domain %" PRIu32 ": %s", domid,
                 error == ENOMEM ? "this host has not enough memory: free some"
                                 : strerror(error));
    }
    xlm_pager_close(pager);
    errno = error;
    return NULL;
}

struct xlm_pager *xlm_pager_open(struct xlm_context *ctx,
                                 const struct xlm_paging_ops *ops,
                                 struct xlm_channel *channel, uint32_t domid,
                                 uint64_t limit, unsigned long *kept)
{
    if (kept) {
        *xlm_kept_mechanism(kept, limit) = xlm_paging_number(ops);
    }
    return open_pager(ctx, ops, channel, domid, limit, kept, false);
}

struct xlm_pager *xlm_pager_take_over(struct xlm_context *ctx,
                                      struct xlm_channel *channel,
                                      uint32_t domid, uint64_t limit,
                                      unsigned long *kept)
{
    unsigned long number = *xlm_kept_mechanism(kept, limit);
    const struct xlm_paging_ops *ops = xlm_paging_of_number(number);

    if (!ops) {
        xlm_fail(ctx,
                 "cannot take the place of the pager of domain %" PRIu32
                 ", which was killed: it made pages absent in a way (%lu) "
                 "that this build does not know; use the build that received "
                 "the guest",
                 domid, number);
        errno = EPROTO;
        return NULL;
    }
    return open_pager(ctx, ops, channel, domid, limit, kept, true);
}

static void stop_threads(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    pager->asking.stopping = true;
    pthread_cond_signal(&pager->asking.wake);
    pthread_mutex_unlock(&pager->lock);
    if (pager->threads.request_thread_runs) {
        pthread_join(pager->threads.request_thread, NULL);
    }
    if (pager->threads.fault_thread_runs) {
        eventfd_write(pager->threads.stop_fd, 1);
        pthread_join(pager->threads.fault_thread, NULL);
    }
}

/* The threads have ended. */
static void cease(struct xlm_pager *pager)
{
    if (pager->threads.fault_thread_runs) {
        /* Once more, in case the last signal was lost: no other will
         * follow. */
        xlm_pager_notify(pager);
    }
    if (pager->sets.outstanding.count) {
        xtl_log(pager->ctx->logger, XTL_WARN, -1, "xlm",
                "domain %" PRIu32 " lacks %" PRIu64 " pages and has lost its "
                "pager",
                pager->domid, pager->sets.outstanding.count);
    }
    if (pager->paging && end_paging(pager)) {
        xtl_log(pager->ctx->logger, XTL_WARN, errno, "xlm",
                "cannot stop paging domain %" PRIu32, pager->domid);
    }
}

void xlm_pager_close(struct xlm_pager *pager)
{
    if (!pager) {
        return;
    }
    stop_threads(pager);
    cease(pager);
    if (pager->threads.stop_fd >= 0) {
        close(pager->threads.stop_fd);
    }
    xlm_pfn_set_dispose(&pager->sets.outstanding);
    xlm_pfn_set_dispose(&pager->sets.requested);
    xlm_unsent_dispose(&pager->sets.unsent);
    xlm_pfn_set_dispose(&pager->sets.dropped);
    xlm_pfn_set_dispose(&pager->sets.arrived);
    pthread_mutex_destroy(&pager->lock);
    pthread_mutex_destroy(&pager->entry);
    pthread_cond_destroy(&pager->asking.wake);
    pthread_cond_destroy(&pager->asking.idle);
    free(pager->waiting.waiters);
    free(pager->counts.blocked_us);
    free(pager);
}

/* ---- what it knows ---- */

bool xlm_pager_is_outstanding(struct xlm_pager *pager, uint64_t pfn)
{
    bool is;

    pthread_mutex_lock(&pager->lock);
    is = xlm_pfn_set_contains(&pager->sets.outstanding, pfn);
    pthread_mutex_unlock(&pager->lock);
    return is;
}

uint64_t xlm_pager_outstanding(struct xlm_pager *pager)
{
    uint64_t count;

    pthread_mutex_lock(&pager->lock);
    count = pager->sets.outstanding.count;
    pthread_mutex_unlock(&pager->lock);
    return count;
}

bool xlm_pager_guest_is_gone(struct xlm_pager *pager)
{
    bool gone;

    pthread_mutex_lock(&pager->lock);
    gone = pager->gone;
    pthread_mutex_unlock(&pager->lock);
    return gone;
}

void xlm_pager_forget_guest(struct xlm_pager *pager)
{
    pthread_mutex_lock(&pager->lock);
    xlm_pfn_set_clear(&pager->sets.outstanding);
    xlm_pfn_set_clear(&pager->sets.requested);
    xlm_unsent_become(&pager->sets.unsent, &pager->sets.requested);
    pager->waiting.nr_waiters = 0;
    pager->waiting.outside.count = 0;
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_get_stats(struct xlm_pager *pager, struct xlm_wire_stats *stats,
                         uint64_t blocked_us[XLM_WIRE_WAIT_VCPUS])
{
    size_t nr_vcpus = pager->max_waiters < XLM_WIRE_WAIT_VCPUS
                          ? pager->max_waiters
                          : XLM_WIRE_WAIT_VCPUS;

    pthread_mutex_lock(&pager->lock);
    *stats = (struct xlm_wire_stats){
        .faults = pager->counts.waits.count,
        .fault_median_us = xlm_histogram_quantile(&pager->counts.waits, 500),
        .fault_p99_us = xlm_histogram_quantile(&pager->counts.waits, 990),
        .fault_max_us = pager->counts.waits.greatest,
        .pages_requested = pager->counts.pages_requested,
        .pages_pushed = pager->counts.pages_pushed,
        .pages_dropped = pager->counts.pages_dropped,
        .blocked_us = pager->counts.waits.sum,
        .outside = pager->waiting.outside.requests,
        .duplicates = pager->counts.duplicates,
        .behind_median = xlm_histogram_quantile(&pager->counts.behind, 500),
        .behind_most = pager->counts.behind.greatest,
        .nr_vcpus = nr_vcpus,
        .unseen = pager->counts.pages_written_unseen,
    };
    xlm_histogram_log2(&pager->counts.waits, stats->histogram,
                       XLM_WIRE_WAIT_BUCKETS);
    memcpy(blocked_us, pager->counts.blocked_us,
           nr_vcpus * sizeof(*blocked_us));
    pthread_mutex_unlock(&pager->lock);
}

void xlm_pager_get_outside(struct xlm_pager *pager,
                           struct xlm_outside_stats *stats)
{
    pthread_mutex_lock(&pager->lock);
    *stats = (struct xlm_outside_stats){
        .waiting = pager->waiting.outside.count,
        .wait_us =
            xlm_outside_waits_longest(&pager->waiting.outside, xlm_now_us()),
        .most_us = pager->waiting.outside.most_us,
    };
    pthread_mutex_unlock(&pager->lock);
    if (stats->wait_us > stats->most_us) {
        stats->most_us = stats->wait_us;
    }
}
