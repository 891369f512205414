/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Pages that the source must be asked for, in the order of the faults: pure.
 *
 * Only a bounded number of pages keeps that order, because nothing may fail
 * for want of memory while a guest waits.  If there are more, as after a lost
 * connection, the others follow by pfn.
 */
#ifndef XLM_UNSENT_H
#define XLM_UNSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/pfn_set.h"

/* More than there are vCPUs. */
#define XLM_UNSENT_ORDERED 1024

struct xlm_unsent {
    struct xlm_pfn_set pfns;
    /* A ring.  An entry that is not in the set was taken or removed. */
    uint64_t order[XLM_UNSENT_ORDERED];
    size_t head;
    size_t length;
    bool more;     /* the set has pages that are not in the ring */
    uint64_t from; /* where to continue among those */
};

/* Make one without pages, ready for pfns below limit.  ENOMEM. */
int xlm_unsent_reserve(struct xlm_unsent *unsent, uint64_t limit);
void xlm_unsent_dispose(struct xlm_unsent *unsent);

/* Add a page at the end, unless it is there already. */
void xlm_unsent_add(struct xlm_unsent *unsent, uint64_t pfn);
/* Remove a page that need not be requested any more. */
void xlm_unsent_remove(struct xlm_unsent *unsent, uint64_t pfn);
/* Take a page out of turn; returns whether it was there. */
bool xlm_unsent_take(struct xlm_unsent *unsent, uint64_t pfn);
/* Take the next pages, at most `most`, in ascending order; returns how
 * many. */
size_t xlm_unsent_take_next(struct xlm_unsent *unsent, uint64_t *pfns,
                            size_t most);
/* Replace all pages by these. */
void xlm_unsent_become(struct xlm_unsent *unsent,
                       const struct xlm_pfn_set *pfns);

static inline uint64_t xlm_unsent_count(const struct xlm_unsent *unsent)
{
    return unsent->pfns.count;
}

#endif
