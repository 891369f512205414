/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager's fault thread: takes faults, and answers them.
 */
#include "pager/private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "clock.h"

void xlm_pager_notify(struct xlm_pager *pager)
{
    if (pager->paging->ops->tell(pager->paging)) {
        xtl_log(pager->ctx->logger, XTL_ERROR, errno, "xlm",
                "cannot signal the hypervisor");
    }
}

static void count_wait(struct xlm_pager *pager,
                       const struct xlm_waiter *waiter)
{
    uint64_t us = xlm_now_us() - waiter->since_us;

    xlm_histogram_add(&pager->counts.waits, us);
    xlm_histogram_add(&pager->counts.behind,
                      pager->counts.pages_pushed - waiter->pushed);
    if (waiter->fault.vcpu < pager->max_waiters) {
        pager->counts.blocked_us[waiter->fault.vcpu] += us;
    }
}

/* ---- who waits; callers hold the lock ---- */

static void answer(struct xlm_pager *pager, const struct xlm_fault *fault)
{
    pager->paging->ops->answer(pager->paging, fault);
}

/* The page is there, or is not needed any more: answer all faults on it. */
static bool answer_waiters(struct xlm_pager *pager, uint64_t pfn)
{
    size_t kept = 0;
    bool answered = false;

    for (size_t i = 0; i < pager->waiting.nr_waiters; i++) {
        struct xlm_waiter *waiter = &pager->waiting.waiters[i];

        if (waiter->fault.pfn == pfn) {
            answer(pager, &waiter->fault);
            count_wait(pager, waiter);
            answered = true;
        } else {
            pager->waiting.waiters[kept++] = *waiter;
        }
    }
    pager->waiting.nr_waiters = kept;
    return answered;
}

/* If a wait was long enough for a back end to have given up, warn; see the
 * design. */
static void end_outside(struct xlm_pager *pager, uint64_t pfn)
{
    uint64_t us =
        xlm_outside_waits_end(&pager->waiting.outside, pfn, xlm_now_us());

    if (us >= XLM_OUTSIDE_PATIENCE_US) {
        xtl_log(pager->ctx->logger, XTL_ERROR, -1, "xlm",
                "a back end here has waited for a page of domain %" PRIu32
                " for %" PRIu64 " s, longer than any tries: a disk of the "
                "guest may have had I/O errors, see its log",
                pager->domid, us / 1000000);
    }
}

bool xlm_pager_answer_page(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_contains(&pager->sets.requested, pfn)) {
        XLM_TRACE(pager->ctx, answered, pfn, XLM_TRACE_NONE);
    }
    end_outside(pager, pfn);
    xlm_pfn_set_remove(&pager->sets.outstanding, pfn);
    xlm_pfn_set_remove(&pager->sets.requested, pfn);
    xlm_unsent_remove(&pager->sets.unsent, pfn);
    return answer_waiters(pager, pfn);
}

void xlm_pager_ask_for(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_add(&pager->sets.requested, pfn)) {
        xlm_unsent_add(&pager->sets.unsent, pfn);
    }
}

static void wait_for(struct xlm_pager *pager, const struct xlm_fault *fault)
{
    pager->waiting.waiters[pager->waiting.nr_waiters++] = (struct xlm_waiter){
        .fault = *fault,
        .since_us = xlm_now_us(),
        .pushed = pager->counts.pages_pushed,
    };
}

/* ---- faults ---- */

static void take_dropped(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_contains(&pager->sets.outstanding, pfn)) {
        pager->counts.pages_dropped++;
        (void)xlm_pager_answer_page(pager, pfn);
        xlm_pfn_set_add(&pager->sets.dropped, pfn);
    }
}

/* A waiting back end repeats its access: trace only the first. */
static void trace_fault(struct xlm_pager *pager, const struct xlm_fault *fault)
{
    if (fault->vcpu_waits ||
        !xlm_pfn_set_contains(&pager->sets.requested, fault->pfn)) {
        XLM_TRACE(pager->ctx, seen, fault->pfn,
                  fault->vcpu_waits ? fault->vcpu : XLM_TRACE_NONE);
    }
}

static void take_fault(struct xlm_pager *pager, struct xlm_fault *fault)
{
    if (fault->dropped) {
        take_dropped(pager, fault->pfn);
    } else if (xlm_pfn_set_contains(&pager->sets.outstanding, fault->pfn)) {
        trace_fault(pager, fault);
        xlm_pager_ask_for(pager, fault->pfn);
        if (!fault->vcpu_waits) {
            xlm_outside_waits_begin(&pager->waiting.outside, fault->pfn,
                                    xlm_now_us());
        }
        if (fault->vcpu_waits &&
            pager->waiting.nr_waiters < pager->max_waiters) {
            pager->paging->ops->keep(pager->paging, fault);
            wait_for(pager, fault);
            return;
        }
    }
    /* Answer also if no vCPU waits: a program that maps a page tries again. */
    answer(pager, fault);
}

/* Take at most as many faults as there can be at once, whatever the ring says;
 * true: there may be more. */
static bool take_faults(struct xlm_pager *pager)
{
    struct xlm_fault fault;
    unsigned int taken = 0;

    pthread_mutex_lock(&pager->lock);
    while (taken < XLM_PAGING_FAULTS &&
           pager->paging->ops->next_fault(pager->paging, &fault)) {
        take_fault(pager, &fault);
        taken++;
    }
    pthread_mutex_unlock(&pager->lock);
    if (taken) {
        xlm_pager_ask_at_once(pager);
        xlm_pager_notify(pager);
    }
    return taken == XLM_PAGING_FAULTS;
}

void *xlm_pager_run_faults(void *data)
{
    struct xlm_pager *pager = data;
    struct pollfd fds[] = {
        {.fd = pager->paging->fd, .events = POLLIN},
        {.fd = pager->threads.stop_fd, .events = POLLIN},
    };
    bool more = false;

    while (!fds[1].revents) {
        if (poll(fds, 2, more ? 0 : -1) < 0) {
            continue; /* EINTR */
        }
        if (fds[0].revents && pager->paging->ops->accept(pager->paging)) {
            xtl_log(pager->ctx->logger, XTL_ERROR, errno, "xlm",
                    "cannot take the hypervisor's signal");
        }
        more = take_faults(pager);
    }
    return NULL;
}

/* ---- where another pager has left off ---- */

static void resume_waiter(struct xlm_pager *pager,
                          const struct xlm_fault *fault)
{
    trace_fault(pager, fault);
    wait_for(pager, fault);
    if (xlm_pfn_set_contains(&pager->sets.outstanding, fault->pfn)) {
        xlm_pager_ask_for(pager, fault->pfn);
    } else {
        (void)answer_waiters(pager, fault->pfn);
    }
}

void xlm_pager_resume_faults(struct xlm_pager *pager,
                             const struct xlm_fault *held, size_t nr_held)
{
    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < nr_held; i++) {
        resume_waiter(pager, &held[i]);
    }
    pthread_mutex_unlock(&pager->lock);
    while (take_faults(pager)) {
        continue;
    }
    xlm_pager_ask_at_once(pager);
    xlm_pager_notify(pager);
}

uint64_t xlm_pager_waiting_since(struct xlm_pager *pager)
{
    uint64_t since_us = 0;

    pthread_mutex_lock(&pager->lock);
    for (size_t i = 0; i < pager->waiting.nr_waiters; i++) {
        uint64_t us = pager->waiting.waiters[i].since_us;

        if (!since_us || us < since_us) {
            since_us = us;
        }
    }
    pthread_mutex_unlock(&pager->lock);
    return since_us;
}
