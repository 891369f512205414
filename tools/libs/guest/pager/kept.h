/*
 * What a pager keeps in memory that outlives its process, for who takes its
 * place: two sets of pfns, what is outstanding and what was asked for, and
 * behind them how far it was with the ring.
 *
 * A process that is killed leaves it as it was at its last instruction, so the
 * order of the stores matters: what the ring part says must be true of the
 * ring, or be seen to be out of date, at every moment.
 */
#ifndef XLM_PAGER_KEPT_H
#define XLM_PAGER_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "policy/pfn_set.h"

/* Each waiting vCPU has a slot of the ring, of which there are eight. */
#define XLM_KEPT_WAITERS 8

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

#define XLM_KEPT_RING_WORDS \
    (sizeof(struct xlm_kept_ring) / sizeof(unsigned long))
_Static_assert(sizeof(struct xlm_kept_ring) % sizeof(unsigned long) == 0,
               "whole words");

/* The words of all that is kept of a guest with pfns below `pfns`: 0 at first.
 */
static inline size_t xlm_kept_words(uint64_t pfns)
{
    return 2 * xlm_pfn_set_words(pfns) + XLM_KEPT_RING_WORDS;
}

static inline unsigned long *xlm_kept_outstanding(unsigned long *kept)
{
    return kept;
}

static inline unsigned long *xlm_kept_requested(unsigned long *kept,
                                                uint64_t pfns)
{
    return kept + xlm_pfn_set_words(pfns);
}

static inline struct xlm_kept_ring *xlm_kept_ring(unsigned long *kept,
                                                  uint64_t pfns)
{
    return (struct xlm_kept_ring *)(kept + 2 * xlm_pfn_set_words(pfns));
}

#endif
