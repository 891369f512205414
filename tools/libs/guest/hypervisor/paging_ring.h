/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The pager's side of the ring that it shares with the hypervisor.  The page
 * is initialised by whoever enables paging; requests come in through it and
 * responses go back in their slots.  Callers take turns.
 */
#ifndef XLM_PAGING_RING_H
#define XLM_PAGING_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ring.h wants these; the hypervisor is another CPU. */
#ifndef xen_mb
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* vm_event.h shows its contents to the tools only. */
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
 * A process that is killed leaves this as it was at its last instruction, so
 * the order of the stores matters: it must be true of the ring, or be seen to
 * be out of date, at every moment.
 */

/* Each waiting vCPU has a slot of the ring, of which there are eight. */
#define XLM_KEPT_WAITERS XLM_PAGING_FAULTS

/* A request that has been read and not answered, of a vCPU that waits. */
struct xlm_kept_waiter {
    uint32_t used;    /* stored after the rest; cleared after the answer */
    uint32_t request; /* its number in the ring */
    uint32_t answers; /* that there were in the ring by then */
    uint32_t vcpu;
    uint64_t pfn;
    uint32_t flags; /* MEM_PAGING_* */
    uint32_t unused;
};

struct xlm_kept_ring {
    uint32_t port;     /* the hypervisor's end of the event channel */
    uint32_t requests; /* that were read: stored when each is kept here, or
                          before it is answered */
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

/* The oldest request that was not taken yet; false: there is none, and the
 * hypervisor will signal the next one. */
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

/* There is always room: a response takes the slot of its request. */
static inline void xlm_paging_ring_put(vm_event_back_ring_t *ring,
                                       const vm_event_response_t *response)
{
    memcpy(RING_GET_RESPONSE(ring, ring->rsp_prod_pvt), response,
           sizeof(*response));
    ring->rsp_prod_pvt++;
    RING_PUSH_RESPONSES(ring);
}

/* Go on with a ring of which so many requests have been read, and that it is
 * not for the guest to write to.  False: that cannot be this ring. */
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

/* The last response that was put there; NULL: there was none. */
static inline const vm_event_response_t *xlm_paging_ring_last(
    const vm_event_back_ring_t *ring)
{
    return ring->rsp_prod_pvt ? RING_GET_RESPONSE(ring, ring->rsp_prod_pvt - 1)
                              : NULL;
}

#endif
