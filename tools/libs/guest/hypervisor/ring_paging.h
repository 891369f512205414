/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The common part of the mechanisms whose faults come through a ring that Xen
 * shares with the pager: requests and answers, what is kept of the ring, and
 * how another process takes over.  A mechanism embeds struct xlm_ring_paging
 * as its first member, and puts these functions into its table.
 */
#ifndef XLM_RING_PAGING_H
#define XLM_RING_PAGING_H

#include "hypervisor/paging.h"
#include "hypervisor/paging_ring.h"

struct xlm_ring_paging;

/* One of the hypervisor's rings, and what its requests mean. */
struct xlm_ring_kind {
    const struct xlm_paging_ops *ops;
    size_t size; /* of the mechanism's structure */
    enum xlm_ring ring;
    uint32_t reason; /* VM_EVENT_REASON_*, of its requests and responses */
    /* own[0] of an answer that the hypervisor must ignore. */
    uint32_t ignored;
    /* Set all of the fault but its vCPU, from the request. */
    void (*read)(const vm_event_request_t *request, struct xlm_fault *fault);
    /* Set the part of a response that names the page. */
    void (*write)(const struct xlm_fault *fault,
                  vm_event_response_t *response);
    /* Which of these pages are absent?  The domain is paused.  -1 with
     * errno. */
    int (*find_absent)(struct xlm_ring_paging *paging, size_t count,
                       const uint64_t *pfns, bool *absent);
    /* The reason, for a person, why the mechanism could not be started. */
    const char *(*why_not)(int error);
};

struct xlm_ring_paging {
    struct xlm_paging base; /* first */
    const struct xlm_ring_kind *kind;
    struct xlm_context *ctx;
    struct xlm_hypervisor *hv;
    uint32_t domid;
    vm_event_back_ring_t ring;
    /* What is kept about the ring: in a file, or own_kept. */
    struct xlm_kept_ring *kept;
    struct xlm_kept_ring own_kept; /* if no process can take over */
};

static inline struct xlm_ring_paging *xlm_ring_of(struct xlm_paging *paging)
{
    return (struct xlm_ring_paging *)paging;
}

/* Does the guest have what all of these mechanisms need?  As check() of the
 * table. */
int xlm_ring_check_guest(struct xlm_context *ctx,
                         const struct xlm_paged_guest *guest,
                         enum xlm_refusal *refusal);

/* start() and take_over() of the table, for this kind of ring. */
struct xlm_paging *xlm_ring_start(struct xlm_context *ctx, uint32_t domid,
                                  unsigned long *kept,
                                  const struct xlm_ring_kind *kind);
struct xlm_paging *xlm_ring_take_over(struct xlm_context *ctx, uint32_t domid,
                                      unsigned long *kept, size_t most,
                                      struct xlm_fault held[XLM_PAGING_FAULTS],
                                      size_t *nr_held,
                                      const struct xlm_ring_kind *kind);

/* The slots of the table with these names. */
unsigned int xlm_ring_most_vcpus(struct xlm_context *ctx);
int xlm_ring_stop(struct xlm_paging *base);
void xlm_ring_leave(struct xlm_paging *base);
int xlm_ring_make_holes(struct xlm_paging *base, size_t count,
                        const uint64_t *pfns);
int xlm_ring_accept(struct xlm_paging *base);
bool xlm_ring_next_fault(struct xlm_paging *base, struct xlm_fault *fault);
void xlm_ring_keep(struct xlm_paging *base, struct xlm_fault *fault);
void xlm_ring_answer(struct xlm_paging *base, const struct xlm_fault *fault);
int xlm_ring_tell(struct xlm_paging *base);

/* Populate holes.  -1 with the reason in the context. */
int xlm_ring_populate(struct xlm_ring_paging *paging, size_t count,
                      const uint64_t *pfns);

#endif
