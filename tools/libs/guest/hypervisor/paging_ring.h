/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager's side of the ring that it shares with the hypervisor.  The
 * process that enables paging initialises the page; the hypervisor puts
 * requests into it, and the pager puts each response into a request's slot.
 * Only one thread at a time may use it.
 */
#ifndef XLM_PAGING_RING_H
#define XLM_PAGING_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ring.h needs these; to the pager the hypervisor is another CPU. */
#ifndef xen_mb
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* vm_event.h shows its contents only to tools. */
#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif

#include <xen/xen.h>
#include <xen/io/ring.h>
#include <xen/vm_event.h>

#include "hypervisor/paging.h"

#define XLM_RING_SIZE 4096

/* ---- what is kept of it ---- */

/*
 * A killed process leaves this as it was at its last instruction.  So the
 * order of the stores matters: at every moment this must either be true of the
 * ring or be visibly out of date.
 */

/* Each waiting vCPU holds one of the ring's eight slots. */
#define XLM_KEPT_WAITERS XLM_PAGING_FAULTS

/* A request that was read and not answered, and on which a vCPU waits. */
struct xlm_kept_waiter {
    uint32_t used;    /* stored after the rest; cleared after the answer */
    uint32_t request; /* number of the request in the ring */
    uint32_t answers; /* responses in the ring at that time */
    uint32_t vcpu;
    uint64_t pfn;
    uint32_t flags; /* MEM_PAGING_* */
    uint32_t unused;
};

struct xlm_kept_ring {
    uint32_t port; /* the hypervisor's end of the event channel */
    /* how many were read: stored when each is kept here, or before its
     * answer */
    uint32_t requests;
    uint32_t pausing; /* the process has paused the domain, or is about to */
    uint32_t logging; /* the process has switched the dirty log on */
    struct xlm_kept_waiter waiters[XLM_KEPT_WAITERS];
};

_Static_assert(sizeof(struct xlm_kept_ring) ==
                   XLM_PAGING_KEPT_WORDS * sizeof(unsigned long),
               "the words that are kept for it");

/* ---- the ring ---- */

static inline void xlm_paging_ring_attach(vm_event_back_ring_t *ring,
                                          void *page)
{
    BACK_RING_INIT(ring, (vm_event_sring_t *)page, XLM_RING_SIZE);
}

/* Read the oldest unread request; false: there is none, and the hypervisor
 * will signal the next one. */
static inline bool xlm_paging_ring_get(vm_event_back_ring_t *ring,
                                       vm_event_request_t *request)
{
    int more = RING_HAS_UNCONSUMED_REQUESTS(ring);

    if (!more) {
        RING_FINAL_CHECK_FOR_REQUESTS(ring, more);
        if (!more) {
            return false;
        }
    }
    memcpy(request, RING_GET_REQUEST(ring, ring->req_cons), sizeof(*request));
    ring->req_cons++;
    return true;
}

/* There is always room: a response takes the slot of a request. */
static inline void xlm_paging_ring_put(vm_event_back_ring_t *ring,
                                       const vm_event_response_t *response)
{
    memcpy(RING_GET_RESPONSE(ring, ring->rsp_prod_pvt), response,
           sizeof(*response));
    ring->rsp_prod_pvt++;
    RING_PUSH_RESPONSES(ring);
}

/* Go on with a ring after another process.  `read` is how many requests that
 * process had read; the guest must not be able to write to the page.  False:
 * `page` cannot be that ring. */
static inline bool xlm_paging_ring_resume(vm_event_back_ring_t *ring,
                                          void *page, uint32_t read)
{
    uint32_t unread, owed;

    xlm_paging_ring_attach(ring, page);
    ring->rsp_prod_pvt = ring->sring->rsp_prod;
    ring->req_cons = read;
    unread = ring->sring->req_prod - read;
    owed = read - ring->rsp_prod_pvt;
    return unread <= RING_SIZE(ring) && owed <= RING_SIZE(ring) - unread;
}

/* The response that was put there last; NULL: there was none. */
static inline const vm_event_response_t *xlm_paging_ring_last(
    const vm_event_back_ring_t *ring)
{
    return ring->rsp_prod_pvt ? RING_GET_RESPONSE(ring, ring->rsp_prod_pvt - 1)
                              : NULL;
}

#endif
