/*
 * The pager's side of what the guest asks for.
 */
#include "pager/private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "clock.h"

/* ---- answers; callers hold the lock ---- */

static void answer(struct xlm_pager *pager, const vm_event_request_t *request)
{
    vm_event_response_t response;

    memset(&response, 0, sizeof(response));
    response.version = VM_EVENT_INTERFACE_VERSION;
    response.vcpu_id = request->vcpu_id;
    response.flags = request->flags & VM_EVENT_FLAG_VCPU_PAUSED;
    response.reason = request->reason;
    response.u.mem_paging = request->u.mem_paging;
    xlm_paging_ring_put(&pager->seen.ring, &response);
}

void xlm_pager_notify(struct xlm_pager *pager)
{
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;

    if (hv->ops->pager_notify(hv)) {
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
    if (waiter->request.vcpu_id < pager->max_waiters) {
        pager->counts.blocked_us[waiter->request.vcpu_id] += us;
    }
}

/* ---- what is kept of who waits; see pager/kept.h ---- */

static struct xlm_kept_waiter *keep(struct xlm_pager *pager,
                                    const vm_event_request_t *request)
{
    for (size_t i = 0; i < XLM_KEPT_WAITERS; i++) {
        struct xlm_kept_waiter *kept = &pager->seen.kept->waiters[i];

        if (!kept->used) {
            kept->request = pager->seen.ring.req_cons - 1;
            kept->answers = pager->seen.ring.rsp_prod_pvt;
            kept->vcpu = request->vcpu_id;
            kept->pfn = request->u.mem_paging.gfn;
            kept->flags = request->u.mem_paging.flags;
            __atomic_store_n(&kept->used, 1, __ATOMIC_RELEASE);
            return kept;
        }
    }
    return NULL;
}

static void forget(const struct xlm_waiter *waiter)
{
    if (waiter->kept) {
        __atomic_store_n(&waiter->kept->used, 0, __ATOMIC_RELEASE);
    }
}

static void note_read(struct xlm_pager *pager)
{
    __atomic_store_n(&pager->seen.kept->requests, pager->seen.ring.req_cons,
                     __ATOMIC_RELEASE);
}

/* ---- who waits; callers hold the lock ---- */

/* The page is there, or nobody wants it: answer all who waited for it. */
static bool answer_waiters(struct xlm_pager *pager, uint64_t pfn)
{
    size_t kept = 0;
    bool answered = false;

    for (size_t i = 0; i < pager->waiting.nr_waiters; i++) {
        struct xlm_waiter *waiter = &pager->waiting.waiters[i];

        if (waiter->request.u.mem_paging.gfn == pfn) {
            answer(pager, &waiter->request);
            forget(waiter);
            count_wait(pager, waiter);
            answered = true;
        } else {
            pager->waiting.waiters[kept++] = *waiter;
        }
    }
    pager->waiting.nr_waiters = kept;
    return answered;
}

/* Long enough for a back end to have given up; see the design. */
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

bool xlm_pager_settle(struct xlm_pager *pager, uint64_t pfn)
{
    end_outside(pager, pfn);
    xlm_pfn_set_remove(&pager->sets.outstanding, pfn);
    xlm_pfn_set_remove(&pager->sets.requested, pfn);
    xlm_pfn_set_remove(&pager->sets.unsent, pfn);
    return answer_waiters(pager, pfn);
}

void xlm_pager_ask_for(struct xlm_pager *pager, uint64_t pfn)
{
    if (xlm_pfn_set_add(&pager->sets.requested, pfn)) {
        xlm_pfn_set_add(&pager->sets.unsent, pfn);
        pthread_cond_signal(&pager->asking.wake);
    }
}

static void wait_for(struct xlm_pager *pager,
                     const vm_event_request_t *request,
                     struct xlm_kept_waiter *kept)
{
    pager->waiting.waiters[pager->waiting.nr_waiters++] = (struct xlm_waiter){
        .request = *request,
        .since_us = xlm_now_us(),
        .pushed = pager->counts.pages_pushed,
        .kept = kept,
    };
}

/* ---- requests ---- */

static void take_request(struct xlm_pager *pager,
                         const vm_event_request_t *request)
{
    uint64_t pfn = request->u.mem_paging.gfn;
    bool vcpu_waits = request->flags & VM_EVENT_FLAG_VCPU_PAUSED;

    if (request->u.mem_paging.flags & MEM_PAGING_DROP_PAGE) {
        if (xlm_pfn_set_contains(&pager->sets.outstanding, pfn)) {
            pager->counts.pages_dropped++;
            (void)xlm_pager_settle(pager, pfn);
            xlm_pfn_set_add(&pager->sets.dropped, pfn);
        }
    } else if (xlm_pfn_set_contains(&pager->sets.outstanding, pfn)) {
        xlm_pager_ask_for(pager, pfn);
        if (!vcpu_waits) {
            xlm_outside_waits_begin(&pager->waiting.outside, pfn,
                                    xlm_now_us());
        }
        if (vcpu_waits && pager->waiting.nr_waiters < pager->max_waiters) {
            wait_for(pager, request, keep(pager, request));
            note_read(pager);
            return;
        }
    }
    /* Every request holds a slot of the ring until it is answered, also those
     * that nobody waits on: who maps a page from outside tries again. */
    note_read(pager);
    answer(pager, request);
}

/* Take at most what the ring holds, whatever its counters say; true: there may
 * be more. */
static bool drain_ring(struct xlm_pager *pager)
{
    const unsigned int slots = RING_SIZE(&pager->seen.ring);
    vm_event_request_t request;
    unsigned int taken = 0;

    pthread_mutex_lock(&pager->lock);
    while (taken < slots && xlm_paging_ring_get(&pager->seen.ring, &request)) {
        take_request(pager, &request);
        taken++;
    }
    pthread_mutex_unlock(&pager->lock);
    if (taken) {
        xlm_pager_notify(pager);
    }
    return taken == slots;
}

void *xlm_pager_run_ring(void *data)
{
    struct xlm_pager *pager = data;
    struct xlm_hypervisor *hv = pager->ctx->hypervisor;
    struct pollfd fds[] = {
        {.fd = pager->event_fd, .events = POLLIN},
        {.fd = pager->threads.stop_fd, .events = POLLIN},
    };
    bool more = false;

    while (!fds[1].revents) {
        if (poll(fds, 2, more ? 0 : -1) < 0) {
            continue; /* EINTR */
        }
        if (fds[0].revents && hv->ops->pager_accept(hv)) {
            xtl_log(pager->ctx->logger, XTL_ERROR, errno, "xlm",
                    "cannot take the hypervisor's signal");
        }
        more = drain_ring(pager);
    }
    return NULL;
}

/* ---- where another pager has left off ---- */

/* Killed after its answer was put in the ring: then that was the last thing.
 */
static bool is_answered(const struct xlm_pager *pager,
                        const struct xlm_kept_waiter *kept)
{
    const vm_event_response_t *last = xlm_paging_ring_last(&pager->seen.ring);

    return last && kept->answers != pager->seen.ring.rsp_prod_pvt &&
           last->vcpu_id == kept->vcpu &&
           last->flags & VM_EVENT_FLAG_VCPU_PAUSED;
}

/* Killed before it was noted: it will be read once more. */
static bool is_unread(const struct xlm_pager *pager,
                      const struct xlm_kept_waiter *kept)
{
    return (int32_t)(kept->request - pager->seen.ring.req_cons) >= 0;
}

static void resume_waiter(struct xlm_pager *pager,
                          struct xlm_kept_waiter *kept)
{
    vm_event_request_t request;

    memset(&request, 0, sizeof(request));
    request.version = VM_EVENT_INTERFACE_VERSION;
    request.flags = VM_EVENT_FLAG_VCPU_PAUSED;
    request.reason = VM_EVENT_REASON_MEM_PAGING;
    request.vcpu_id = kept->vcpu;
    request.u.mem_paging.gfn = kept->pfn;
    request.u.mem_paging.flags = kept->flags;
    wait_for(pager, &request, kept);
    if (xlm_pfn_set_contains(&pager->sets.outstanding, kept->pfn)) {
        xlm_pager_ask_for(pager, kept->pfn);
    } else {
        (void)answer_waiters(pager, kept->pfn);
    }
}

/* A request that was read, of nobody who waits: that its page, which is none,
 * was dropped keeps the hypervisor from looking at it. */
static void answer_nobody(struct xlm_pager *pager)
{
    vm_event_request_t request;

    memset(&request, 0, sizeof(request));
    request.reason = VM_EVENT_REASON_MEM_PAGING;
    request.u.mem_paging.gfn = XLM_PFN_NONE;
    request.u.mem_paging.flags = MEM_PAGING_DROP_PAGE;
    answer(pager, &request);
}

/* Each request that was read wants one answer, and one only: a ring with more
 * or fewer of them counts wrong for ever. */
static int resume_ring(struct xlm_pager *pager, void *page)
{
    struct xlm_kept_waiter *kept = pager->seen.kept->waiters;
    uint32_t owed, waiting = 0;

    if (!xlm_paging_ring_resume(&pager->seen.ring, page,
                                pager->seen.kept->requests)) {
        return -1;
    }
    owed = pager->seen.ring.req_cons - pager->seen.ring.rsp_prod_pvt;
    for (size_t i = 0; i < XLM_KEPT_WAITERS; i++) {
        if (kept[i].used &&
            (is_answered(pager, &kept[i]) || is_unread(pager, &kept[i]))) {
            kept[i].used = 0;
        }
        waiting += !!kept[i].used;
    }
    if (waiting > owed || waiting > pager->max_waiters) {
        return -1;
    }
    for (size_t i = 0; i < XLM_KEPT_WAITERS; i++) {
        if (kept[i].used) {
            resume_waiter(pager, &kept[i]);
        }
    }
    for (; owed > waiting; owed--) {
        answer_nobody(pager);
    }
    return 0;
}

int xlm_pager_resume_ring(struct xlm_pager *pager, void *page)
{
    int rc;

    pthread_mutex_lock(&pager->lock);
    rc = resume_ring(pager, page);
    pthread_mutex_unlock(&pager->lock);
    if (rc) {
        errno = EPROTO;
        return -1;
    }
    while (drain_ring(pager)) {
        continue;
    }
    xlm_pager_notify(pager);
    return 0;
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
